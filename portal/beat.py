"""The Celery application of `celery beat`: it sends task names on a schedule and runs nothing.

It loads no app and no model, which halves its memory: `celery --app portal.beat beat`.
"""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("portal", fixups=[], set_as_current=False)
app.config_from_object("django.conf:settings", namespace="CELERY")
