"""Digests that a publisher or a user gives, and the files in which they are published.

A checksum file is text of a stranger: it is bounded in size and time, and only the line that
names the image counts. It proves that the file is the one its publisher means where it comes
from the same place over TLS; signatures beside it are not looked at.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings

from isos.fetching.errors import BadChecksum, FetchError
from isos.fetching.guard import Fetcher
from isos.fetching.locations import download_address
from isos.fetching.reading import open_answer
from isos.fetching.urls import Target, parse, quoted_path, redact

if TYPE_CHECKING:
    from hashlib import _Hash

logger = logging.getLogger(__name__)

MAX_FILE_BYTES = 1 << 20
MAX_LINES = 20_000

# In the order in which one is preferred where a file gives several.
ALGORITHMS = {"sha256": 64, "sha512": 128, "sha1": 40, "md5": 32}
WEAK = ("sha1", "md5")
LABELS = {"sha256": "SHA-256", "sha512": "SHA-512", "sha1": "SHA-1", "md5": "MD5"}

_BY_LENGTH = {length: name for name, length in ALGORITHMS.items()}
_PREFIX = re.compile(r"(sha-?256|sha-?512|sha-?1|md5)\s*[:=]\s*", re.IGNORECASE | re.ASCII)
_HEX = re.compile(r"[0-9a-f]+", re.IGNORECASE | re.ASCII)
_BSD = re.compile(r"(SHA-?256|SHA-?512|SHA-?1|MD5)\s*\((.+)\)\s*=\s*([0-9a-f]+)", re.IGNORECASE | re.ASCII)
_GNU = re.compile(r"\\?([0-9a-f]{32,128})(?:\s+\*?|\s*$)(.*)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Checksum:
    """A digest in lower-case hexadecimal and its algorithm, a key of ALGORITHMS."""

    algorithm: str
    digest: str

    def __str__(self) -> str:
        """`sha256:3b1f…`, as it is stored; parse_digest reads it back."""
        return f"{self.algorithm}:{self.digest}"

    @property
    def label(self) -> str:
        return LABELS[self.algorithm]

    @property
    def is_weak(self) -> bool:
        """Whether somebody could make two files with the same digest."""
        return self.algorithm in WEAK

    def new_hash(self) -> _Hash:
        return hashlib.new(self.algorithm, usedforsecurity=False)


@dataclass(frozen=True)
class Published:
    """A checksum that was found in a file; `url` is that file's address, redacted."""

    checksum: Checksum
    url: str


def parse_digest(text: str) -> Checksum:
    """A pasted digest, with or without its algorithm and a file name behind it. Raises BadChecksum."""
    text = text.strip()
    if match := _BSD.fullmatch(text):
        return _checksum(match[3], match[1])
    prefix = _PREFIX.match(text)
    digest = (text[prefix.end() :] if prefix else text).split(maxsplit=1)
    return _checksum(digest[0] if digest else "", prefix[1] if prefix else "")


def _checksum(digest: str, name: str = "") -> Checksum:
    named = name.lower().replace("-", "")
    algorithm = _BY_LENGTH.get(len(digest)) if _HEX.fullmatch(digest) else None
    if algorithm is None:
        raise BadChecksum(
            "This is not a checksum. A SHA-256 has 64 characters, a SHA-512 128, a SHA-1 40 and an MD5 32, "
            "each 0-9 or a-f."
        )
    if named and named != algorithm:
        raise BadChecksum(f"This is not a {LABELS[named]} checksum: it has the length of a {LABELS[algorithm]} one.")
    return Checksum(algorithm, digest.lower())


def is_address(text: str) -> bool:
    """Whether the user gave the address of a checksum file, not a digest."""
    return "://" in text


def find_in(text: str, names: Iterable[str]) -> Checksum | None:
    """The best checksum that the text of a checksum file gives for one of the file names.

    A file that holds one digest and no name at all (`image.iso.sha256`) speaks of its image.
    """
    wanted = {name for name in names if name}
    found: dict[str, Checksum] = {}
    nameless: list[Checksum] = []
    for name, checksum in _lines(text):
        if name in wanted:
            found.setdefault(checksum.algorithm, checksum)
        elif not name:
            nameless.append(checksum)
    if not found and len(nameless) == 1 and len(list(_lines(text))) == 1:
        return nameless[0]
    return next((found[algorithm] for algorithm in ALGORITHMS if algorithm in found), None)


def _lines(text: str) -> Iterator[tuple[str, Checksum]]:
    """File name without its folder, and checksum, of each line that is one."""
    for line in text.splitlines()[:MAX_LINES]:
        line = line.strip()
        try:
            if match := _BSD.fullmatch(line):
                yield _base(match[2]), _checksum(match[3], match[1])
            elif match := _GNU.fullmatch(line):
                yield _base(match[2]), _checksum(match[1])
        except BadChecksum:
            continue


def _base(name: str) -> str:
    return name.strip().replace("\\", "/").rpartition("/")[2]


def fetch(fetcher: Fetcher, url: str, names: Iterable[str]) -> Published:
    """The checksum that the file at `url` gives for one of `names`.

    Raises BadChecksum where it gives none, and FetchErrors with `field` "checksum".
    """
    names = list(names)
    try:
        with fetcher.deadline(settings.IMPORT_CHECKSUM_SECONDS):
            text = _text(fetcher, download_address(url))
    except FetchError as error:
        if isinstance(error, BadChecksum):
            raise
        message = f"The checksum file could not be read. {error.message}"
        trouble = BadChecksum(message, code=error.code, retry_after=error.retry_after)
        trouble.retryable = error.retryable
        raise trouble from error
    checksum = find_in(text, names)
    if checksum is None:
        named = f" for {names[0]}" if names and names[0] else ""
        raise BadChecksum(f"The checksum file holds no checksum{named}. Check its address, or paste the digest itself.")
    return Published(checksum, redact(url))


def discover(fetcher: Fetcher, urls: Iterable[str], names: Iterable[str]) -> Published | None:
    """What the publisher gives beside the image: `<name>.sha256` or SHA256SUMS in the same folder.

    `urls`: where the image was asked for and where it came from. Never raises a FetchError: that
    nothing was found in settings.IMPORT_CHECKSUM_SECONDS is an answer.
    """
    names = list(dict.fromkeys(name for name in names if name))
    try:
        with fetcher.deadline(settings.IMPORT_CHECKSUM_SECONDS):
            for candidate in _beside(urls):
                try:
                    checksum = find_in(_text(fetcher, candidate), names)
                except FetchError as error:
                    if error.code == "source_timeout":
                        raise
                    continue
                if checksum is not None and not checksum.is_weak:
                    return Published(checksum, redact(candidate))
    except FetchError as error:
        logger.info("no checksum beside an import: %s", error.code)
    return None


def _beside(urls: Iterable[str]) -> Iterator[str]:
    """Where checksum files of an image usually are; nothing for addresses with a query."""
    seen: set[str] = set()
    for url in urls:
        target = parse(url)
        if target.query or not target.file_name:
            continue
        for candidate in _candidates(target):
            if candidate not in seen:
                seen.add(candidate)
                yield candidate


def _candidates(target: Target) -> Iterator[str]:
    folder = f"{target.scheme}://{target.netloc}{target.path.rpartition('/')[0]}/"
    yield f"{folder}SHA256SUMS"
    yield f"{folder}{quoted_path(target.file_name)}.sha256"
    yield f"{folder}sha256sum.txt"
    yield f"{folder}CHECKSUM"
    yield f"{folder}SHA512SUMS"


def _text(fetcher: Fetcher, url: str) -> str:
    """A small text file. Raises FetchErrors; BadChecksum where it is too large or no text."""
    answer = open_answer(fetcher, url)
    try:
        if answer.status != 200:
            raise BadChecksum("The server sends only a part of the checksum file. Paste the digest itself.")
        data = answer.peek(MAX_FILE_BYTES + 1)
    finally:
        answer.close()
    if len(data) > MAX_FILE_BYTES or b"\0" in data:
        raise BadChecksum(
            "This is not a checksum file. Give the address of a file like SHA256SUMS, or paste the digest."
        )
    return data.decode("utf-8", "replace").lstrip("\ufeff")
