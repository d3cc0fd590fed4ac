"""`manage.py import_iso SOURCE` and `manage.py import_iso --list FILE`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from isos.management.import_lines import Line, add_options, only_for_one, read_list, request_of
from isos.management.import_run import Import, Result, Run
from isos.management.progress import display_on
from portal.kernel.errors import PortalError
from portal.kernel.text import human_bytes, join_words

OPTIONS = (
    "account", "zone", "name", "description", "os_type", "os_version", "checksum", "public", "featured",
    "extractable", "again",
)  # fmt: skip
INTERRUPTED = 130  # as shells tell Ctrl-C


class Command(BaseCommand):
    help = (
        "Import ISO images from web addresses or from files of this machine. Safe to run twice: what is there is "
        "left alone, what is under way is waited for, what failed is tried again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", nargs="?", help="web address, or path of a file on this machine")
        parser.add_argument(
            "--list", metavar="FILE", dest="list_file",
            help="imports one per line, SOURCE [NAME] [options], quoted as in a shell; - reads them from the input",
        )  # fmt: skip
        add_options(parser)
        parser.add_argument("--no-wait", action="store_false", dest="wait", help="do not wait for the workers")
        parser.add_argument("--format", choices=("table", "json"), default="table", dest="form")

    def handle(self, *, source: str | None, list_file: str | None, wait: bool, form: str, **options: Any) -> None:
        given = {name: options[name] for name in OPTIONS if name in options}
        lines = self._lines(source, list_file, given)
        display = display_on(self.stderr)
        run = Run(lines, display, wait=wait)
        try:
            run.go()
        except KeyboardInterrupt:
            display.say(_parting(run.imports))
            sys.exit(INTERRUPTED)
        finally:
            display.close()
        self._report(run, form, is_list=list_file is not None)

    def _lines(self, source: str | None, list_file: str | None, given: dict[str, Any]) -> list[Line]:
        if (source is None) == (list_file is None):
            raise CommandError("Give either a source (a web address or the path of a file) or --list FILE.")
        if source is not None:
            try:
                return [Line(None, request_of(source, given, Path.cwd()))]
            except PortalError as error:
                raise CommandError(error.message) from error
        if wrong := only_for_one(given):
            raise CommandError(f"{wrong} speaks of one image. Write it in that image's line of the list.")
        return self._read_list(str(list_file), given)

    def _read_list(self, list_file: str, given: dict[str, Any]) -> list[Line]:
        """The whole list, or nothing: a list with mistakes is to be mended before anything starts."""
        text, base = _text(list_file)
        lines, problems = read_list(text.splitlines(), given, base)
        for number, sentence in problems:
            self.stderr.write(f"Line {number}: {sentence}")
        if problems:
            lines_have = "1 line has" if len(problems) == 1 else f"{len(problems)} lines have"
            raise CommandError(f"{lines_have} a mistake. Nothing was started; correct the list and run this again.")
        if not lines:
            raise CommandError("The list is empty. Write one import per line: SOURCE [NAME] [options].")
        return lines

    def _report(self, run: Run, form: str, *, is_list: bool) -> None:
        failed = [each for each in run.imports if each.result == Result.FAILED]
        if form == "json":
            self.stdout.write(json.dumps(run.summary(), indent=2))
        elif is_list:
            self.stdout.write(_table(run.imports))
            for each in failed:
                where = f" in {each.line.request.zone.slug}" if each.is_one_of_several else ""
                self.stdout.write(f"Line {each.line.number}{where}: {each.sentence}")
        else:
            for each in run.imports:
                if each.result != Result.FAILED:
                    self.stdout.write(_sentence(each))
        if failed and is_list:
            raise CommandError(f"{len(failed)} of {len(run.imports)} imports failed.")
        if failed:
            raise CommandError(_failures(failed, len(run.imports)))


def _failures(failed: list[Import], count: int) -> str:
    """Why one import failed: with the zone where it was for several, but once where all say the same."""
    sentences = {each.sentence for each in failed}
    if len(sentences) == 1 and len(failed) == count:
        return failed[0].sentence
    return " ".join(f"{each.line.request.zone.slug}: {each.sentence}" for each in failed)


def _text(list_file: str) -> tuple[str, Path]:
    """The list and the folder from which its paths count."""
    try:
        if list_file == "-":
            return sys.stdin.read(), Path.cwd()
        path = Path(list_file)
        return path.read_text("utf-8-sig"), path.resolve().parent
    except OSError as error:
        raise CommandError(f"The list {list_file} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"The list {list_file} is not text in UTF-8. Save it as UTF-8.") from error


def _parting(imports: list[Import]) -> str:
    """What goes on without the command, and how to see it."""
    open_ones = [each for each in imports if each.begun and each.result is None]
    half_sent = [each.name for each in open_ones if each.begun and each.begun.upload and each.begun.upload.is_receiving]
    with_workers = [each.name for each in open_ones if each.name not in half_sent]
    words = ["Interrupted."]
    if with_workers:
        words.append(f"The workers go on with {join_words(with_workers)}; the portal shows how far they are.")
    if half_sent:
        words.append(f"What was sent of {join_words(half_sent)} is kept.")
    return " ".join([*words, "Run the same command again to go on here."])


def _sentence(each: Import) -> str:
    entry = each.begun.replica.iso if each.begun else None
    facts = f", {human_bytes(entry.size)}, SHA-256 {entry.sha256}" if entry and entry.sha256 else ""
    return f"“{each.name}” in {each.line.request.zone.slug}: {each.result}{facts}."


def _table(imports: list[Import]) -> str:
    """Columns as wide as their widest cell."""
    rows = [("LINE", "NAME", "ZONE", "SIZE", "RESULT"), *map(_row, imports)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(each: Import) -> tuple[str, ...]:
    iso = each.begun.replica.iso if each.begun else None
    size = human_bytes(iso.size) if iso and iso.size else "-"
    return (str(each.line.number), each.name, each.line.request.zone.slug, size, str(each.result))
