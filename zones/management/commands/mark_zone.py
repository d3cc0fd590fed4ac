"""`manage.py mark_zone <slug>`: this directory is the zone's storage."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from zones.marking import adopt
from zones.models import FILE_BACKEND, Zone
from zones.stores.base import StoreError
from zones.stores.probing import in_words


class Command(BaseCommand):
    help = "Mark the directory that is mounted now as the storage of a zone (its file .zone)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--empty", action="store_true", help="even if it holds no file and the zone has ISO images")

    def handle(self, *, slug: str, empty: bool, **_: Any) -> None:
        zone = Zone.objects.filter(slug=slug).first()
        if zone is None:
            raise CommandError(f"There is no zone {slug}.")
        if zone.backend != FILE_BACKEND:
            raise CommandError(f"{zone.name} is not a zone on a directory: nothing needs to be marked.")
        try:
            adopt(zone, empty=empty)
        except StoreError as error:
            raise CommandError(in_words(error)) from error
        self.stdout.write(f"The directory of {zone.name} is marked as its storage.")
