"""ISO images that lie on this machine: what is known of one before a byte of it is sent."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from isos.errors import ChecksumMismatch
from isos.fetching import checksums
from isos.fetching.answers import plain_name
from isos.fetching.checksums import MAX_FILE_BYTES, Checksum
from isos.fetching.errors import BadChecksum
from isos.fetching.guard import Fetcher
from isos.inspection.head import HEAD_BYTES, check_head
from isos.inspection.volume import Volume
from isos.source_keys import key_of_file
from portal.kernel.errors import Conflict, InvalidInput

READ_BYTES = 1 << 20

Progress = Callable[[int], None]
"""Gets the bytes read so far, with every chunk; may raise to stop."""


class FileChanged(Conflict):
    """Not the file any more of which a part was read."""

    code = "file_changed"
    default_message = "The file changed while it was read. Run this again."


@dataclass(frozen=True)
class LocalFile:
    """A file that begins like an ISO image. `size` in bytes, `key` as Iso.source_key keeps it."""

    path: Path
    size: int
    modified_ns: int
    key: str
    volume: Volume

    @property
    def name(self) -> str:
        return plain_name(self.path.name)

    def open(self) -> BinaryIO:
        """The file for reading. Raises FileChanged where it is another one by now."""
        file = _opened(self.path)
        try:
            self.require_unchanged(file)
        except BaseException:
            file.close()
            raise
        return file

    def require_unchanged(self, file: BinaryIO) -> None:
        now = os.fstat(file.fileno())
        if (now.st_size, now.st_mtime_ns) != (self.size, self.modified_ns):
            raise FileChanged

    def digests(self, algorithms: Iterable[str], progress: Progress) -> dict[str, str]:
        """The digests of the whole file in lower-case hexadecimal, by algorithm; one reading for all of them."""
        hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
        done = 0
        with self.open() as file, _reading(self.path):
            while chunk := file.read(READ_BYTES):
                for each in hashes.values():
                    each.update(chunk)
                progress(done := done + len(chunk))
            self.require_unchanged(file)
        return {name: each.hexdigest() for name, each in hashes.items()}


def look(path: Path) -> LocalFile:
    """Judge the file by its first bytes. Raises InvalidInput, or ContentRefused where it is no whole ISO image."""
    with _opened(path) as file, _reading(path):
        found = os.fstat(file.fileno())
        first_bytes = file.read(HEAD_BYTES)
        head = check_head(first_bytes, whole=True)
        head.check_size(found.st_size)
        key = key_of_file(file, found.st_size, found.st_mtime_ns)
    assert head.volume is not None  # noqa: S101 -- check_head(whole=True) raises or finds it
    return LocalFile(path, found.st_size, found.st_mtime_ns, key, head.volume)


def expected_sha256(file: LocalFile, checksum: str, base: Path, progress: Progress) -> str:
    """The SHA-256 that the file must have, "" where nobody says one.

    `checksum` is a digest, or the address or path (from the folder `base`) of a checksum file;
    without one it is looked for beside the file. The ingest knows SHA-256 alone: a digest of
    another kind is compared here, which reads the whole file once more. Raises BadChecksum,
    ChecksumMismatch or FileChanged.
    """
    wanted = _given(file, checksum.strip(), base) if checksum.strip() else _beside(file)
    if wanted is None or wanted.algorithm == "sha256":
        return wanted.digest if wanted else ""
    found = file.digests([wanted.algorithm, "sha256"], progress)
    if found[wanted.algorithm] != wanted.digest:
        raise ChecksumMismatch.digests(
            expected=wanted.digest, found=found[wanted.algorithm], algorithm=wanted.algorithm
        )
    return found["sha256"]


def require_checksum_form(checksum: str, base: Path) -> None:
    """Raises BadChecksum for what is neither a digest nor an address nor a file that is there."""
    if not checksums.is_address(checksum) and not (base / checksum).is_file():
        checksums.parse_digest(checksum)


def _given(file: LocalFile, checksum: str, base: Path) -> Checksum:
    if checksums.is_address(checksum):
        with Fetcher() as fetcher:
            return checksums.fetch(fetcher, checksum, [file.name]).checksum
    place = base / checksum
    if not place.is_file():
        return checksums.parse_digest(checksum)
    if found := checksums.find_in(_text(place), [file.name]):
        return found
    raise BadChecksum(f"The checksum file holds no checksum for {file.name}. Name another file, or give the digest.")


def _beside(file: LocalFile) -> Checksum | None:
    """What its publisher gives, where that was downloaded with it; the names are those that URL imports look for."""
    for name in ("SHA256SUMS", f"{file.path.name}.sha256", "sha256sum.txt", "CHECKSUM", "SHA512SUMS"):
        place = file.path.with_name(name)
        with suppress(InvalidInput, BadChecksum):  # unreadable, or another kind of file: not a publisher's
            if place.is_file() and (found := checksums.find_in(_text(place), [file.name])) and not found.is_weak:
                return found
    return None


def _text(path: Path) -> str:
    with _opened(path) as file, _reading(path):
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES or b"\0" in data:
        raise BadChecksum("This is not a checksum file. Name a file like SHA256SUMS, or give the digest.")
    return data.decode("utf-8", "replace").lstrip("\ufeff")


def _opened(path: Path) -> BinaryIO:
    """A regular file, or a link to one. Raises InvalidInput with the reason."""
    with _reading(path):
        # O_NONBLOCK: opening a pipe must not wait for somebody who writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidInput(f"{path} is not a file. Give the path of an ISO image.", field="source")
    return open(descriptor, "rb")  # noqa: PTH123 -- a descriptor, not a path


class _reading:  # noqa: N801 -- used like contextlib.suppress
    """Turns what the operating system says of a file into a sentence for the operator, who named the path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise InvalidInput(f"There is no file {self.path}. Check the path.", field="source") from error
        if isinstance(error, PermissionError):
            raise InvalidInput(
                f"{self.path} can't be read by this user. Change its permissions, or run the command as another user.",
                field="source",
            ) from error
        if isinstance(error, OSError):
            raise InvalidInput(
                f"{self.path} can't be read: {error.strerror}. Check its disk.", field="source"
            ) from error
