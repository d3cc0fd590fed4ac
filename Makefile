# What people type. Each step does nothing when there is nothing to do.
PYTHON ?= python3

.PHONY: run test lint lock

run:
	@$(PYTHON) portal/bootstrap.py
	@.venv/bin/python manage.py up
