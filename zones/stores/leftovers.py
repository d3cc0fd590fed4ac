"""Staged objects whose owner is gone: nobody knows any more for which key they were meant."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from zones.stores.base import ObjectMissing, Store, StoreError
from zones.stores.files import STAGING, FileStore
from zones.stores.names import check_token
from zones.stores.oserrors import store_errors
from zones.stores.rooted import is_there

if TYPE_CHECKING:
    from zones.stores.s3 import S3Store


def is_staged(store: Store, token: str) -> bool:
    """Whether there is a staged object of this token now. One look at a name, however many are staged."""
    from zones.stores.any import AnyStore

    check_token(token)
    try:
        if isinstance(store, FileStore):
            with store_errors(), store.root.directory(STAGING) as staging:
                return is_there(token, staging)
        if isinstance(store, AnyStore):
            return is_staged(store.spool, token)
        return _is_noted(store, token)
    except ObjectMissing:
        return False


def discard_staged(store: Store, token: str, is_unowned: Callable[[], bool]) -> bool:
    """Give the bytes of a staged object back, whatever key it was meant for. Idempotent.

    `is_unowned` is asked while nobody else can write to it; where it says no, nothing is lost and False returned.
    Raises `StagedBusy` while somebody writes to it, and a plain `StoreError` where it is not the portal's.
    """
    from zones.stores.any import AnyStore

    if isinstance(store, AnyStore):
        # Below the store: its own staging would finish a commit to a key that is not known here.
        if discarded := _discard(store.spool, token, _unused(token), is_unowned):
            store.saved.drop(token)
        return discarded
    if isinstance(store, FileStore):
        return _discard(store, token, _unused(token), is_unowned)
    key = _noted_key(_s3(store), token)
    return _discard(store, token, key, is_unowned) if key else True


def _discard(store: Store, token: str, key: str, is_unowned: Callable[[], bool]) -> bool:
    with closing(store.stage(token, key)) as staged:
        if not is_unowned():
            return False
        staged.abort()
    return True


def _unused(token: str) -> str:
    """A key at which nothing can be: a zone on files needs to know none to discard what is staged."""
    return f"unused/{token}"


def _s3(store: Store) -> S3Store:
    from zones.stores.s3 import S3Store

    if not isinstance(store, S3Store):
        raise TypeError(f"{type(store).__name__} says nowhere for which key a staged object is meant.")
    return store


def _is_noted(store: Store, token: str) -> bool:
    from zones.stores.s3_errors import s3_errors

    s3 = _s3(store)
    with s3_errors():
        s3.client.head_object(Bucket=s3.bucket, Key=s3.staging_name(token))
    return True


def _noted_key(store: S3Store, token: str) -> str:
    """The key in the token's note; "" where there is no note any more."""
    from zones.stores.s3_manifest import ManifestFile

    note = ManifestFile(store.client, store.bucket, store.staging_name(token), {}).read()
    if note is None:
        return ""
    if not note.key:
        raise StoreError(reason="an object under .staging/ names no key")
    return note.key
