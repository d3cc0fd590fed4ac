"""What a key and a token may be. Every store asks here before a name touches a backend."""

from __future__ import annotations

import re

from zones.stores.base import BadKey

MAX_KEY = 900  # bytes; S3 allows 1024, and the location of a storage comes before it
_COMPONENT = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}"
_KEY = re.compile(rf"{_COMPONENT}(/{_COMPONENT})*", re.ASCII)
_PREFIX = re.compile(rf"({_COMPONENT}/)*({_COMPONENT})?", re.ASCII)
_SECRET = re.compile(r"secret|passw|token|private|credential|connection_string|account_key", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


def check_key(key: str) -> str:
    """The key itself: a relative path of plain components, none of which begins with a dot.

    Raises `BadKey` for everything else, so that no key can leave the store or meet `.staging`.
    """
    if len(key) > MAX_KEY or not _KEY.fullmatch(key):
        raise BadKey
    return key


def check_prefix(prefix: str) -> str:
    """The beginning of a key, or nothing. Raises `BadKey`."""
    if len(prefix) > MAX_KEY or not _PREFIX.fullmatch(prefix):
        raise BadKey
    return prefix


def check_token(token: str) -> str:
    """The token itself: one plain word of at most 64 characters. Raises `BadKey`."""
    if not _TOKEN.fullmatch(token):
        raise BadKey
    return token


def is_secret_name(option: str) -> bool:
    """Whether a storage option of this name is a secret by the look of it."""
    return bool(_SECRET.search(option))
