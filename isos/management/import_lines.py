"""What may be written after `import_iso`, on the command line and in the lines of a list."""

from __future__ import annotations

import shlex
from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction, _ArgumentGroup
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from django.core.exceptions import ValidationError

from isos import local_files
from isos.actions.import_once import ImportRequest
from isos.actions.import_url import checked_address, given_checksum
from isos.forms import NameField
from isos.models import Iso, OsType, OsVersion
from portal.accounts.lookup import account_named, only_account
from portal.kernel.errors import InvalidInput, PortalError
from zones.models import Zone

ONE_ONLY = ("name", "checksum")
"""Options that speak of one image: not to be given for a whole list."""


@dataclass(frozen=True)
class Line:
    """One import of a run. `number` counts the lines of the list from 1; None on the command line."""

    number: int | None
    request: ImportRequest

    def by_zone(self) -> list[Line]:
        """One line for each of its zones; the first one still names the others, and begins for them too."""
        others = [replace(self.request, zone=zone, more_zones=()) for zone in self.request.more_zones]
        return [self, *(Line(self.number, request) for request in others)]


def add_options(parser: ArgumentParser | _ArgumentGroup) -> None:
    """The options of one import. What is not given is absent from the result."""

    def add(name: str, help_text: str, **more: Any) -> None:
        parser.add_argument(name, help=help_text, default=SUPPRESS, **more)

    add("--account", "account that owns the ISO; not needed where there is only one")
    zones = "slug of a zone, given again for each further one; not needed where only one is active"
    add("--zone", zones, metavar="SLUG", action="append")
    add("--name", "name of the ISO; else that of the file, without .iso")
    add("--description", "its description", metavar="TEXT")
    add("--os-type", "else what the image looks like", choices=OsType.values)
    add("--os-version", "slug or name of an OS version, such as debian-13", metavar="VERSION")
    add("--checksum", "digest, or address or path of a checksum file; else looked for beside the image")
    for flag, words in (
        ("--public", "let all accounts use it"),
        ("--featured", "show it first"),
        ("--extractable", "allow downloads of it"),
        ("--again", "import a source once more that is there under another name; needs --name"),
    ):
        add(flag, words, action=BooleanOptionalAction)


class _LineParser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InvalidInput(f"{message[:1].upper()}{message[1:]}.")


def _line_parser() -> _LineParser:
    parser = _LineParser(add_help=False, allow_abbrev=False)
    parser.add_argument("words", nargs="*")
    add_options(parser)
    return parser


def read_list(lines: Iterable[str], given: dict[str, Any], base: Path) -> tuple[list[Line], list[tuple[int, str]]]:
    """The imports of a list, and what is wrong with it: line numbers and sentences.

    A line is `SOURCE [NAME] [options]`, quoted as in a shell; what stands before the list on the
    command line (`given`) holds where the line says nothing else. `#` begins a comment line.
    """
    parser = _line_parser()
    found: list[Line] = []
    problems: list[tuple[int, str]] = []
    for number, text in enumerate(lines, 1):
        text = text.strip()
        if not text or text.startswith("#"):
            continue
        try:
            found.append(Line(number, _read_line(parser, text, given, base)))
        except PortalError as error:
            problems.append((number, error.message))
    return found, problems


def _read_line(parser: _LineParser, text: str, given: dict[str, Any], base: Path) -> ImportRequest:
    try:
        words = shlex.split(text)
    except ValueError:
        raise InvalidInput("A quotation mark is not closed. Put names with an apostrophe in double quotes.") from None
    options = vars(parser.parse_intermixed_args(words))
    source, *name = options.pop("words") or [""]
    if name and "name" in options:
        raise InvalidInput("The line gives two names. Keep one.")
    if name:
        options["name"] = " ".join(name)
    return request_of(source, given | options, base)


def request_of(source: str, options: dict[str, Any], base: Path) -> ImportRequest:
    """The words as rows, checked as far as that goes without looking at the source. Raises PortalErrors."""
    account = account_named(options["account"]) if "account" in options else only_account()
    zone, *more_zones = _zones(options.get("zone"))
    request = ImportRequest(
        source=_source(source),
        account=account,
        zone=zone,
        base=base,
        more_zones=tuple(more_zones),
        name=_name(options["name"]) if "name" in options else "",
        description=_description(options.get("description", "")),
        os_type=options.get("os_type", ""),
        os_version=_version(options["os_version"]) if "os_version" in options else None,
        is_public=options.get("public", False),
        is_featured=options.get("featured", False),
        is_extractable=options.get("extractable", False),
        checksum=options.get("checksum", "").strip(),
        again=options.get("again", False),
    )
    _require_sense(request)
    return request


def _require_sense(request: ImportRequest) -> None:
    if request.again and not request.name:
        raise InvalidInput("Give another name with --name to import a source once more.")
    version = request.os_version
    if version is not None and request.os_type and version.os_type != request.os_type:
        raise InvalidInput(f"{version} is not a {OsType(request.os_type).label} version. Choose one that fits.")
    if request.is_url:
        checked_address(request.source)
        given_checksum(request.checksum)
    elif request.checksum:
        local_files.require_checksum_form(request.checksum, request.base)


def _source(text: str) -> str:
    if not text:
        raise InvalidInput("Give a web address or the path of a file.")
    return text


def _name(text: str) -> str:
    try:
        return str(NameField().clean(text))
    except ValidationError as error:
        raise InvalidInput(f"The name can't be used. {error.messages[0]}", field="name") from None


def _description(text: str) -> str:
    longest = Iso._meta.get_field("description").max_length or 0
    if len(text) > longest:
        raise InvalidInput(f"The description has {len(text)} characters. Use at most {longest}.", field="description")
    return text


def _zones(slugs: list[str] | None) -> list[Zone]:
    """In the order in which they were given, each once."""
    return [_zone(slug) for slug in dict.fromkeys(slugs)] if slugs else [_zone(None)]


def _zone(slug: str | None) -> Zone:
    active = Zone.objects.filter(state=Zone.State.ACTIVE)
    zone = Zone.objects.filter(slug=slug).first() if slug else None
    if zone is not None:
        return zone  # where it takes nothing now, the import itself says so
    choices = list(active[:11])
    if not slug and len(choices) == 1:
        return choices[0]
    if not choices:
        raise InvalidInput("No zone is active. Add or activate one in admin.", field="zone")
    names = ", ".join(each.slug for each in choices[:10]) + (" …" if len(choices) > 10 else "")
    wrong = f"There is no zone {slug}." if slug else "Choose a zone with --zone."
    raise InvalidInput(f"{wrong} There are: {names}.", field="zone")


def _version(text: str) -> OsVersion:
    versions = OsVersion.objects.filter(active=True)
    if found := versions.filter(slug=text).first() or versions.filter(name__iexact=text).first():
        return found
    raise InvalidInput(f"There is no OS version “{text}”. Admin lists them.", field="os_version")


def only_for_one(given: dict[str, Any]) -> str:
    """The option that was given for a whole list although it speaks of one image; else empty."""
    return next((f"--{name}" for name in ONE_ONLY if name in given), "")
