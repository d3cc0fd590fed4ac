# What people type. Each step does nothing when there is nothing to do.
PYTHON ?= python3
PYTEST := .venv/bin/python -m pytest -n 2 --dist loadgroup

.PHONY: run setup-dev test lock

run:
	@$(PYTHON) portal/bootstrap.py
	@.venv/bin/python manage.py up

setup-dev:
	@$(PYTHON) portal/bootstrap.py --dev
	@.venv/bin/python -m portal.assets --dev

# All checks and tests; then once more on PostgreSQL what touches the database, where there is one.
test: setup-dev
	$(PYTEST)
	@url=$$(.venv/bin/python -m tests.services postgres) || exit 1; test -z "$$url" || { set -x; \
	TEST_DATABASE_URL="$$url" $(PYTEST) -p tests.only_database; }

# Pins what requirements*.in ask for, with hashes.
lock: LOCK := .venv.lock/bin/uv pip compile --quiet --generate-hashes --no-header --no-annotate --universal --python-version 3.11
lock:
	$(PYTHON) -m venv .venv.lock
	.venv.lock/bin/pip install --quiet uv
	$(LOCK) requirements.in -o requirements.txt
	$(LOCK) requirements-dev.in -o requirements-dev.txt
