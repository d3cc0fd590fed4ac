"""The connection test that every store runs the same way."""

from __future__ import annotations

import os
from contextlib import suppress
from secrets import token_hex

from portal.kernel.text import human_bytes
from zones.stores.base import (
    ObjectMissing,
    Probe,
    Store,
    StoreError,
    StoreFull,
    StoreRefused,
    StoreUnreachable,
)

PROBE_BYTES = 4096
_WORDS: dict[type[StoreError], str] = {
    StoreFull: "The storage is full",
    StoreRefused: "The storage refuses access",
    StoreUnreachable: "The storage can't be reached",
    ObjectMissing: "The storage lost what was just written to it",
}


def probe_store(store: Store, free_bytes: int | None = None) -> Probe:
    """Write, read back and delete a few bytes the way an ISO goes. Never raises a store error."""
    name = f"probe-{token_hex(8)}"
    try:
        _round_trip(store, name, f"probe/{name}")
    except StoreError as error:
        return Probe(False, in_words(error))
    free = "" if free_bytes is None else f"; {human_bytes(free_bytes)} free"
    return Probe(True, f"Writing, reading and deleting work{free}.", free_bytes)


def in_words(error: StoreError) -> str:
    """One sentence for an administrator, with the backend's own reason."""
    words = _WORDS.get(type(error), "The storage reported an error")
    return f"{words}: {error.reason.rstrip('.')}." if error.reason else f"{words}."


def _round_trip(store: Store, token: str, key: str) -> None:
    sent = os.urandom(PROBE_BYTES)
    staged = store.stage(token, key)
    try:
        staged.append(sent)
        staged.commit()
        with store.open(key) as reader:
            back = reader.read(PROBE_BYTES + 1)
        if back != sent:
            raise StoreError(reason="what was read back differs from what was written")
        store.delete(key)
    except BaseException:
        with suppress(StoreError):
            staged.abort()
            store.delete(key)
        raise
    finally:
        staged.close()
