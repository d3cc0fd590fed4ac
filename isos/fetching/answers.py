"""What an HTTP answer says, read without trust: status, length, ranges, validators, names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from django.utils.http import parse_header_parameters

from isos.fetching.errors import (
    BadAnswer,
    Busy,
    EncodedBody,
    FetchError,
    NotThere,
    Private,
    ProxyTrouble,
    RefusedByServer,
    ServerTrouble,
)
from isos.fetching.urls import parse

MAX_NAME = 255
MAX_VALIDATOR = 255
_CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)", re.ASCII | re.IGNORECASE)
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')
# Patterns that meet a stranger's bytes: none may take longer than a few looks at each of them.
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|script)\b", re.IGNORECASE)
_PASSWORD_FIELD = re.compile(rb"<input[^<>]+type\s*=\s*[\"']?password", re.IGNORECASE)
_SIGN_IN_WORDS = re.compile(
    r"(?:^|[/._-])(?:login|log-in|signin|sign-in|sso|saml2?|oauth2?|auth|accounts)(?:[/._-]|$)", re.I
)

Headers = Mapping[str, str]


def status_error(status: int, headers: Headers) -> FetchError | None:
    """Why an answer brings no file; None for 200 and 206."""
    if status in (200, 206):
        return None
    if status in (404, 410):
        return NotThere()
    if status in (401, 402, 403):
        return Private()
    if status == 407:
        return ProxyTrouble()
    if status in (408, 425, 429, 503):
        return Busy(retry_after=retry_after(headers))
    if status in (500, 502, 504) or 520 <= status < 530:
        return ServerTrouble()
    return RefusedByServer.answered(status) if status >= 300 else BadAnswer()


def retry_after(headers: Headers, now: datetime | None = None) -> float:
    """Seconds that the server asks to wait, 0 where it does not say (RFC 9110, 10.2.3)."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal() and len(value) < 10:
        return float(value)
    moment = http_date(value)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds()) if moment else 0.0


def http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def require_plain(headers: Headers) -> None:
    """Raises EncodedBody where the bytes on the line are not the file's own."""
    content = headers.get("Content-Encoding", "").strip().lower()
    transfer = headers.get("Transfer-Encoding", "").strip().lower()
    if content not in ("", "identity") or transfer not in ("", "identity", "chunked"):
        raise EncodedBody


def content_length(headers: Headers) -> int | None:
    """The body's declared length in bytes; it means nothing where the body is chunked."""
    value = headers.get("Content-Length", "").strip()
    if not value or headers.get("Transfer-Encoding", "").strip():
        return None
    if not (value.isascii() and value.isdecimal() and len(value) < 19):
        raise BadAnswer
    return int(value)


@dataclass(frozen=True)
class ContentRange:
    """Bytes `first` to `last` (both of them) of `total`; `first` is None in a refusal (416)."""

    first: int | None
    last: int | None
    total: int | None


def content_range(headers: Headers) -> ContentRange | None:
    """The Content-Range header; None where it is absent or makes no sense."""
    match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if match is None:
        return None
    first, last, total = (int(text) if text and text != "*" else None for text in match.groups())
    if first is not None and last is not None and (first > last or (total is not None and last >= total)):
        return None
    return ContentRange(first, last, total)


def validator(headers: Headers) -> str:
    """What If-Range may be asked with: a strong ETag, else a Last-Modified that is strong, else nothing.

    A date only says that nothing changed since when it is at least a second older than the
    answer itself (RFC 9110, 8.8.2.2).
    """
    etag = headers.get("ETag", "").strip()
    if _STRONG_ETAG.fullmatch(etag) and len(etag) <= MAX_VALIDATOR:
        return etag
    modified = headers.get("Last-Modified", "").strip()
    changed, answered = http_date(modified), http_date(headers.get("Date", ""))
    if changed and answered and answered - changed >= timedelta(seconds=1) and len(modified) <= MAX_VALIDATOR:
        return modified
    return ""


def is_other(kept: str, headers: Headers) -> bool:
    """Whether a 206 contradicts the validator it was asked with: some servers ignore If-Range."""
    if kept.startswith('"'):
        etag = headers.get("ETag", "").strip()
        return bool(etag) and etag != kept
    modified = headers.get("Last-Modified", "").strip()
    return bool(modified) and modified != kept


def file_name(headers: Headers, url: str) -> str:
    """The name that the server gives the file, else the last part of the path. Data only, never a path."""
    return plain_name(_attached_name(headers)) or plain_name(parse(url).file_name)


def _attached_name(headers: Headers) -> str:
    """The name in Content-Disposition; empty where there is none that can be read."""
    try:
        _, parameters = parse_header_parameters(headers.get("Content-Disposition", "")[:2000])
    except (ValueError, TypeError, LookupError):  # unknown charsets, parts numbered at random
        return ""
    return str(parameters.get("filename", ""))


def plain_name(text: str) -> str:
    name = text.replace("\\", "/").rpartition("/")[2]
    name = "".join(c for c in name if c.isprintable()).strip()
    return "" if name in (".", "..") else name[-MAX_NAME:]


def is_web_page(first_bytes: bytes) -> bool:
    rest = first_bytes[:4096].lstrip(b"\xef\xbb\xbf").lstrip()
    while rest.startswith(b"<!--"):
        rest = rest[4:].partition(b"-->")[2].lstrip()
    return bool(_HTML.match(rest))


def is_sign_in(url: str, first_bytes: bytes) -> bool:
    """Whether a web page asks for a password, or stands where such pages stand."""
    target = parse(url)
    return bool(_PASSWORD_FIELD.search(first_bytes) or _SIGN_IN_WORDS.search(f"{target.host}{target.path}"))
