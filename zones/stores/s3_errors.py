"""What an S3 server or the way to it reports, in the words of stores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
    SSLError,
)
from urllib3.exceptions import HTTPError

from zones.stores.base import ObjectMissing, StoreError, StoreFull, StoreRefused, StoreUnreachable

# Codes of S3 and of its relatives, each with what an administrator should look at.
_REFUSED = {
    "InvalidAccessKeyId": "the access key is not known",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "AccessDenied": "the keys do not allow this",
    "AllAccessDisabled": "access is disabled",
    "NoSuchBucket": "the bucket does not exist",
    "InvalidBucketName": "the bucket's name is not valid",
    "PermanentRedirect": "the bucket is in another region",
    "AuthorizationHeaderMalformed": "the region does not fit the bucket",
    "RequestTimeTooSkewed": "the clocks of the portal and the storage differ too much",
    "ExpiredToken": "the credentials have expired",
    "InvalidToken": "the security token is not valid",
    "MethodNotAllowed": "the server does not offer this",
    "EntityTooLarge": "the server does not take objects of this size",
}
_FULL = {"QuotaExceeded", "XMinioStorageFull", "StorageFull", "InsufficientStorage", "InsufficientCapacity"}
_MISSING = {"NoSuchKey", "NoSuchUpload", "404", "NotFound"}
_LATER = {"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "TooManyRequests"}


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def normalised(error: Exception) -> StoreError:
    """The typed error. Its `reason` is our own sentence: the server's may quote keys."""
    if isinstance(error, ClientError):
        return _of_answer(code_of(error), status_of(error))
    if isinstance(error, SSLError):
        return StoreRefused(reason="the server's certificate is not trusted")
    if isinstance(error, ConnectionError | HTTPClientError | HTTPError | IncompleteReadError | ResponseStreamingError):
        return StoreUnreachable(reason="the server does not answer at its endpoint")
    return StoreRefused(reason=f"the client refuses the options ({type(error).__name__})")


def _of_answer(code: str, status: int) -> StoreError:
    if code in _REFUSED:
        return StoreRefused(reason=f"{code}: {_REFUSED[code]}")
    if code in _FULL or status == 507:
        return StoreFull(reason=code)
    if code in _MISSING or status == 404:
        return ObjectMissing(reason=code)
    if code in _LATER or status == 429 or status >= 500:
        return StoreUnreachable(reason=f"{code} ({status})")
    if status in (301, 401, 403):
        return StoreRefused(reason=f"{code} ({status})")
    return StoreError(reason=f"{code} ({status})")


@contextmanager
def s3_errors() -> Iterator[None]:
    """Turns every error of boto3 in the block into a typed store error."""
    try:
        yield
    except (ClientError, BotoCoreError, HTTPError) as error:
        raise normalised(error) from error
