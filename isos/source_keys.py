"""What an import's source is known by, so that the same one is not imported twice.

Addresses are forgotten once an ISO is Ready and file names may be anything, so the Iso keeps a
digest (`Iso.source_key`). Sources with different keys may still hold the same image.
"""

from __future__ import annotations

import hashlib
from typing import BinaryIO

from django.conf import settings
from django.utils.crypto import salted_hmac

from isos.fetching.locations import download_address
from isos.fetching.urls import parse

SAMPLE_BYTES = 64 << 10


def keys_of_address(url: str) -> list[str]:
    """The key of a web address in its one spelling, then those made with earlier SECRET_KEYs. Raises BadUrl.

    Keyed, because an address may hold a signature, and anyone could test guesses against a plain digest.
    """
    spelling = parse(download_address(url)).url
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [salted_hmac(__name__, spelling, secret=key, algorithm="sha256").hexdigest() for key in secrets]


def key_of_file(file: BinaryIO, size: int, modified_ns: int) -> str:
    """The key of a file: its first and last 64 KiB, its size in bytes and its time of change.

    The time tells a file that was written again from the one of which a part was sent before.
    """
    digest = hashlib.sha256(f"{size} {modified_ns}\n".encode())
    for start in (0, max(0, size - SAMPLE_BYTES)):
        file.seek(start)
        digest.update(file.read(SAMPLE_BYTES))
    file.seek(0)
    return digest.hexdigest()
