"""Which Store serves which Django storage backend."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, Storage
from django.utils.module_loading import import_string

from zones.stores.base import Store, StoreRefused
from zones.stores.names import is_secret_name
from zones.stores.spool import place_hash


def build(backend: str, options: dict[str, Any], owner: str = "") -> Store:
    """The store for a STORAGES entry: dotted backend and its options, secrets included.

    `owner` is the id of the zone whose marker a directory must bear (zones.stores.files); "" asks for none.
    Raises `StoreRefused` where the backend can't be imported or does not take the options.
    """
    kind = load_backend(backend)
    if kind is FileSystemStorage:
        from zones.stores.files import FileStore

        return FileStore(_storage(kind, options), owner)
    if _is_s3(kind):
        return _s3_store(backend, json.dumps(options, sort_keys=True), os.getpid())
    from zones.stores.any import AnyStore

    public = {name: value for name, value in options.items() if not is_secret_name(name)}
    return AnyStore(_storage(kind, options), place_hash(backend, public))


def _is_s3(kind: type[Storage]) -> bool:
    """Whether it is django-storages' S3Storage or made from it, without importing boto3 to find out."""
    return "storages.backends.s3.S3Storage" in {f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__}


@lru_cache(maxsize=64)
def _s3_store(backend: str, options: str, process: int) -> Store:
    """Kept, because making a client of boto3 takes some 0.3 s; its connections don't outlive a fork."""
    from zones.stores.s3 import S3Store

    return S3Store(_storage(load_backend(backend), json.loads(options)))


def load_backend(backend: str) -> type[Storage]:
    """The storage class of this dotted name. Raises `StoreRefused`."""
    try:
        found = import_string(backend)
    except ImportError as error:
        raise StoreRefused(reason=f"the backend {backend} can't be imported") from error
    if not (isinstance(found, type) and issubclass(found, Storage)):
        raise StoreRefused(reason=f"{backend} is not a Django storage backend")
    return found


def _storage(kind: type[Storage], options: dict[str, Any]) -> Any:
    try:
        return kind(**options)
    except (TypeError, ValueError, ImproperlyConfigured) as error:
        # The error may quote an option's value, which may be a secret.
        raise StoreRefused(reason=f"the backend does not take these options ({type(error).__name__})") from error
