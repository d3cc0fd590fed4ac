"""S3Store: a zone in a bucket, through django-storages' S3Storage and boto3.

A multipart upload to the final key is the staged object; the object `.staging/<token>` says
what of it counts (see s3_manifest). Completing the upload is the commit. Two writers of one
token are kept apart on one machine by a lock, between machines by conditional writes of that
note. Lifecycle rules of the bucket may abort uploads that were left for days; versioning is not
needed and keeps the bytes of deleted ISOs.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from functools import cached_property
from typing import Any, BinaryIO, cast

from botocore.config import Config
from django.utils.http import content_disposition_header
from storages.backends.s3 import S3Storage

from zones.stores.base import ObjectInfo, ObjectMissing, Probe, Progress, StagedObject, Store, StoreError, StoreRefused
from zones.stores.names import check_key, check_prefix, check_token
from zones.stores.probing import probe_store
from zones.stores.s3_errors import s3_errors
from zones.stores.s3_manifest import HEADER_BYTES, Manifest
from zones.stores.s3_reader import S3Reader
from zones.stores.s3_staged import S3Staged
from zones.stores.spool import MachineLock, place_hash

STAGING = ".staging/"
READ_BUFFER = 64 * 1024

# Checksums beyond S3's first ones are sent where an operation demands them only: Ceph before
# Squid and others answer them with errors, or store them with the content.
CLIENT = {
    "connect_timeout": 5,
    "read_timeout": 60,
    "retries": {"mode": "standard", "total_max_attempts": 3},
    "max_pool_connections": 16,
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}
_making_clients = threading.Lock()


class S3Store:
    """A Store in one bucket, below the storage's `location`."""

    def __init__(self, storage: S3Storage) -> None:
        if not storage.bucket_name:
            raise StoreRefused(reason="the option bucket_name is missing")
        version = storage.client_config.signature_version or "s3v4"
        storage.client_config = storage.client_config.merge(Config(**CLIENT, signature_version=version))
        self.storage = storage
        self.bucket: str = storage.bucket_name
        self._base = f"{storage.location.strip('/')}/".lstrip("/")

    @cached_property
    def client(self) -> Any:
        """The boto3 client, which threads may share; making one is what they may not do at once."""
        with _making_clients, s3_errors():
            return self.storage.connection.meta.client

    @property
    def endpoint(self) -> str:
        return str(self.client.meta.endpoint_url)

    def name(self, key: str) -> str:
        return self._base + key

    def staging_name(self, token: str) -> str:
        return f"{self._base}{STAGING}{token}"

    def write_parameters(self, key: str) -> dict[str, Any]:
        """What the zone's options say about new objects: encryption, storage class, ACL, content type."""
        return dict(self.storage._get_write_parameters(self.name(key)))

    def stage(self, token: str, key: str) -> StagedObject:
        place = place_hash(self.endpoint, self.bucket, self.staging_name(check_token(token)))
        staged = S3Staged(self, token, check_key(key), MachineLock(place))
        try:
            staged.begin()
        except BaseException:
            staged.close()
            raise
        return staged

    def open(self, key: str, offset: int = 0) -> BinaryIO:
        head = self.head(key)
        raw = S3Reader(self.client, self.bucket, self.name(key), head["ContentLength"], head["ETag"])
        raw.seek(offset)
        return cast(BinaryIO, io.BufferedReader(raw, READ_BUFFER))

    def size(self, key: str) -> int:
        return int(self.head(key)["ContentLength"])

    def head(self, key: str) -> Any:
        """What the server says about a key. Raises `ObjectMissing`."""
        name = self.name(check_key(key))
        try:
            with s3_errors():
                return self.client.head_object(Bucket=self.bucket, Key=name)
        except ObjectMissing:
            self._check_bucket()
            raise

    def _check_bucket(self) -> None:
        """An answer without a body is the same for a missing key and a missing bucket."""
        try:
            with s3_errors():
                self.client.head_bucket(Bucket=self.bucket)
        except ObjectMissing:
            raise StoreRefused(reason="NoSuchBucket: the bucket does not exist") from None
        except StoreRefused:
            pass  # these keys may not ask

    def delete(self, key: str) -> None:
        with s3_errors():
            self.client.delete_object(Bucket=self.bucket, Key=self.name(check_key(key)))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        for info in self._objects(check_prefix(prefix)):
            if not info.key.startswith(STAGING):
                yield info

    def _objects(self, prefix: str) -> Iterator[ObjectInfo]:
        with s3_errors():
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self._base + prefix
            )
            for page in pages:
                for found in page.get("Contents", []):
                    key = found["Key"].removeprefix(self._base)
                    yield ObjectInfo(key, found["Size"], found["LastModified"])

    def list_staged(self) -> Iterator[ObjectInfo]:
        """One small request for each: the size of what is staged stands in its note."""
        for info in self._objects(STAGING):
            try:
                size = self._staged_size(self._base + info.key)
            except ObjectMissing:
                continue
            yield ObjectInfo(info.key.removeprefix(STAGING), size, info.modified)

    def _staged_size(self, name: str) -> int:
        with s3_errors():
            window = f"bytes=0-{HEADER_BYTES - 1}"
            with self.client.get_object(Bucket=self.bucket, Key=name, Range=window)["Body"] as body:
                head = body.read()
        try:
            return Manifest.from_bytes(head).size
        except StoreError:
            return len(head)  # not ours: shown all the same, and never taken for an upload

    def download_url(self, key: str, filename: str, expires: int) -> str | None:
        """A presigned address; through the storage's own domain where that is one that signs.

        None where nothing is signed: such an address would never end.
        """
        name, own_domain = self.name(check_key(key)), self.storage.custom_domain
        if not self.storage.querystring_auth or (own_domain and not self.storage.cloudfront_signer):
            return None
        parameters = {"ResponseContentDisposition": content_disposition_header(True, filename) or "attachment"}
        with s3_errors():
            if own_domain:
                return str(self.storage.url(check_key(key), parameters, expires))
            parameters |= {"Bucket": self.bucket, "Key": name}
            return str(self.client.generate_presigned_url("get_object", parameters, expires))

    def copy_from(self, source: Store, key: str, staged: StagedObject, progress: Progress) -> bool:
        from zones.stores.s3_copy import copy_on_server

        if not isinstance(source, S3Store) or not isinstance(staged, S3Staged) or source.endpoint != self.endpoint:
            return False
        return copy_on_server(source, key, staged, progress)

    def probe(self) -> Probe:
        return probe_store(self)
