"""Which Store serves which Django storage backend."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, Storage
from django.utils.module_loading import import_string

from zones.stores.base import Store, StoreRefused


def build(backend: str, options: dict[str, Any]) -> Store:
    """The store for a STORAGES entry: dotted backend and its options, secrets included.

    Raises `StoreRefused` where the backend can't be imported or does not take the options.
    """
    storage = _storage(backend, options)
    if type(storage) is FileSystemStorage:
        from zones.stores.files import FileStore

        return FileStore(storage)
    raise StoreRefused(reason=f"the backend {backend} is not supported")


def load_backend(backend: str) -> type[Storage]:
    """The storage class of this dotted name. Raises `StoreRefused`."""
    try:
        found = import_string(backend)
    except ImportError as error:
        raise StoreRefused(reason=f"the backend {backend} can't be imported") from error
    if not (isinstance(found, type) and issubclass(found, Storage)):
        raise StoreRefused(reason=f"{backend} is not a Django storage backend")
    return found


def _storage(backend: str, options: dict[str, Any]) -> Storage:
    try:
        return load_backend(backend)(**options)
    except (TypeError, ValueError, ImproperlyConfigured) as error:
        # The error may quote an option's value, which may be a secret.
        raise StoreRefused(reason=f"the backend does not take these options ({type(error).__name__})") from error
