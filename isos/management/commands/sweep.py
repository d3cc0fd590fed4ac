"""`manage.py sweep`: what beat does every few seconds, by hand."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from isos.operations.sweep import sweep


class Command(BaseCommand):
    help = "Send lost operations to the workers again and expire abandoned uploads. Safe at any time."

    def handle(self, *args: Any, **options: Any) -> None:
        counts = sweep()
        self.stdout.write(
            f"Sent again: {counts['sent']}. Expired uploads: {counts['expired']}. Taken up: {counts['waited']}."
        )
