"""Addresses that stand for a download without being one: Google Drive's share links, S3 objects.

Everything here only rewrites addresses; each result is checked by the guard like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from isos.fetching.errors import BadUrl, Busy, FetchError, Folder, Private, WebPage
from isos.fetching.urls import parse, quoted_path

_S3 = re.compile(r"s3://([^/?#]+)/([^?#]+)", re.IGNORECASE)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]", re.ASCII)
_REGION = re.compile(r"[a-z0-9-]{4,30}", re.ASCII)
_S3_HOST = re.compile(r"(?:(?P<bucket>.+)\.)?s3[.-](?:(?:dualstack\.)?[a-z0-9-]+\.)?amazonaws\.com(?:\.cn)?")
_DRIVE_HOSTS = ("drive.google.com", "docs.google.com", "drive.usercontent.google.com")
_DRIVE_DOWNLOAD = "https://drive.usercontent.google.com/download"
_DRIVE_ID = re.compile(r"[A-Za-z0-9_-]{10,100}", re.ASCII)
_DRIVE_PATH = re.compile(r"/(?:a/[^/]+/)?file/(?:u/\d+/)?d/([^/]+)")
_DRIVE_QUOTA = re.compile(rb"quota\s+exceeded|too many users have viewed", re.IGNORECASE)


class PrivateShare(Private):
    default_message = (
        "This Google Drive file is not shared with everyone. In Google Drive choose Share, set General access to "
        "“Anyone with the link”, then try again."
    )


class PrivateObject(Private):
    default_message = "This S3 object is not public. Make it public, or use a presigned address of it, then try again."


def download_address(text: str) -> str:
    """The http(s) address to ask for the file that `text` stands for. Raises BadUrl or Folder."""
    text = text.strip()
    if text[:5].lower() == "s3://":
        return _from_s3(text)
    target = parse(text)
    if target.host in _DRIVE_HOSTS:
        return _from_drive(target.path, target.query) or target.url
    return target.url


def _from_s3(text: str) -> str:
    """`s3://bucket/key` on Amazon S3, whatever its region: the answer tells where the bucket is."""
    match = _S3.fullmatch(text)
    if match is None or not _BUCKET.fullmatch(match[1]):
        raise BadUrl("This is not an S3 address. Write it as s3://bucket/path/image.iso.")
    if match[2].endswith("/"):
        raise Folder
    bucket, key = match[1], quoted_path(match[2])
    # A certificate for *.s3.amazonaws.com covers one label: a bucket with dots goes into the path.
    if "." in bucket or bucket != bucket.lower() or "_" in bucket:
        return f"https://s3.amazonaws.com/{bucket}/{key}"
    return f"https://{bucket}.s3.amazonaws.com/{key}"


def _from_drive(path: str, query: str) -> str | None:
    if "/folders/" in path:
        raise Folder("This is a Google Drive folder. Open it, choose Share on the one file and copy that link.")
    asked = parse_qs(query)
    match = _DRIVE_PATH.match(path)
    file_id = match[1] if match else (asked.get("id") or [""])[0]
    if not _DRIVE_ID.fullmatch(file_id):
        return None
    # `confirm` skips the page that says that the file is too large to be scanned for viruses.
    fields = {"id": file_id, "export": "download", "confirm": "t"}
    for name in ("resourcekey", "authuser", "uuid"):
        if value := asked.get(name):
            fields[name] = value[0]
    return f"{_DRIVE_DOWNLOAD}?{urlencode(fields)}"


def moved_bucket(status: int, headers: Mapping[str, str], url: str) -> str | None:
    """Where S3 says, without a Location, that the bucket lives in another region."""
    region = headers.get("x-amz-bucket-region", "")
    target = parse(url)
    match = _S3_HOST.fullmatch(target.host)
    if status not in (301, 307, 400) or match is None or not _REGION.fullmatch(region):
        return None
    host = f"s3.{region}.amazonaws.com"
    if target.host.endswith(host):
        return None
    bucket = f"{match['bucket']}." if match["bucket"] else ""
    return f"https://{bucket}{host}{target.path}" + (f"?{target.query}" if target.query else "")


def access_error(url: str, error: FetchError) -> FetchError:
    """A better sentence for what is private where it is known how its owner shares it."""
    if not isinstance(error, Private):
        return error
    host = parse(url).host
    if host in _DRIVE_HOSTS:
        return PrivateShare()
    return PrivateObject() if _S3_HOST.fullmatch(host) else error


def after_page(asked: str, url: str, page: bytes) -> str | None:
    """The download behind a web page that Google Drive answered with at `url`, None for other sites.

    `asked` is the address that was asked for first. Raises PrivateShare, Busy or WebPage.
    """
    host = parse(url).host
    if parse(asked).host in _DRIVE_HOSTS and host == "accounts.google.com":
        raise PrivateShare
    if host not in _DRIVE_HOSTS:
        return None
    if _DRIVE_QUOTA.search(page):
        raise Busy("Too many people downloaded this Google Drive file today. Try again tomorrow.", retry_after=3600)
    form = _DownloadForm()
    form.feed(page.decode("utf-8", "replace"))
    if not form.action:
        raise WebPage
    following = urljoin(url, form.action)
    if urlsplit(following).hostname not in _DRIVE_HOSTS:
        raise WebPage
    return f"{following}{'&' if urlsplit(following).query else '?'}{urlencode(form.fields)}"


class _DownloadForm(HTMLParser):
    """The form of Drive's virus-scan page: its action and its hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: list[tuple[str, str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag == "form" and known.get("id") in ("download-form", "downloadForm"):
            self._inside, self.action = True, known.get("action", "")
        elif tag == "input" and self._inside and known.get("type") == "hidden" and known.get("name"):
            self.fields.append((known["name"], known.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
