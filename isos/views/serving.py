"""An ISO's bytes as an answer: by an address of the storage, by the proxy in front, or through the portal.

Whatever the way, the same headers: validators that hold for ever, since content never changes,
and the SHA-256 that was verified.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Hashable
from contextlib import ExitStack

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, http_date

from isos.downloads import Body, file_name
from isos.errors import DownloadsBusy
from isos.fetching.places import NoPlace, Places
from isos.models import Iso, Replica
from isos.ranges import Span, Unsatisfiable, if_range_holds, wanted_span
from portal.deadlines import Limit
from zones.models import FILE_BACKEND
from zones.stores import open_store
from zones.stores.base import StoreError

CONTENT_TYPE = "application/x-iso9660-image"
REDIRECT_SECONDS = 900  # the storage asks only when a request begins; links that are revoked end soon
PIECE_SECONDS = 60.0  # a client that takes longer over one piece is cut off; it resumes

_places = Places(total=settings.DOWNLOAD_STREAMS, each=max(1, settings.DOWNLOAD_STREAMS // 2))


def serve(
    request: HttpRequest, iso: Iso, replicas: list[Replica], *, who: Hashable, on_send: Callable[[bool], None]
) -> HttpResponseBase:
    """The answer to GET or HEAD for a Ready ISO from the best of `replicas`.

    `who`, an account, shares its places of streams with nobody else; `on_send` is called where bytes or their
    address are handed out, with whether they begin at the first one. Raises DownloadsBusy, StoreErrors.
    """
    headers = _headers(iso)
    modified = int(iso.ready_at.timestamp()) if iso.ready_at else None
    unchanged = get_conditional_response(request, headers["ETag"], modified, None)
    if unchanged is not None:
        return _with(unchanged, headers, but=("Content-Type", "Content-Disposition", "Repr-Digest"))
    try:
        span = _span(request, iso, headers)
    except Unsatisfiable:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{iso.size}", "Accept-Ranges": "bytes"})
    if request.method == "HEAD":
        return _with(HttpResponse(), headers | {"Content-Length": str(iso.size)})
    begins = span is None or span.first == 0
    answer = _redirect(iso, replicas[0], headers) or _by_proxy(replicas[0], headers)
    answer = answer or _stream(request, replicas, span, iso.size or 0, headers, who)
    on_send(begins)
    return answer


def _headers(iso: Iso) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(iso.sha256)).decode()
    return {
        "Content-Type": CONTENT_TYPE,
        "Content-Disposition": content_disposition_header(True, file_name(iso)) or "attachment",
        "Accept-Ranges": "bytes",
        "ETag": f'"{iso.sha256}"',
        "Last-Modified": http_date(iso.ready_at.timestamp()) if iso.ready_at else "",
        "Repr-Digest": f"sha-256=:{digest}:",  # RFC 9530
        "X-Checksum-Sha256": iso.sha256,
        "Cache-Control": "private, no-cache, no-transform",  # asked for again each time, by those who may
        "X-Robots-Tag": "noindex",
    }


def _with(response: HttpResponseBase, headers: dict[str, str], but: tuple[str, ...] = ()) -> HttpResponseBase:
    for name, value in headers.items():
        if value and name not in but:
            response[name] = value
    return response


def _span(request: HttpRequest, iso: Iso, headers: dict[str, str]) -> Span | None:
    if request.method != "GET":  # ranges are of GET alone
        return None
    if not if_range_holds(request.headers.get("If-Range"), headers["ETag"], headers["Last-Modified"]):
        return None
    return wanted_span(request.headers.get("Range"), iso.size or 0)


def _redirect(iso: Iso, replica: Replica, headers: dict[str, str]) -> HttpResponseBase | None:
    """To the storage itself, where it can and the zone lets it."""
    if not replica.zone.direct_downloads:
        return None
    try:
        address = open_store(replica.zone).download_url(replica.key, file_name(iso), REDIRECT_SECONDS)
    except StoreError:
        return None  # it is read like any other then, from another zone where it must be
    if not address:
        return None
    response = HttpResponseRedirect(address)
    response["Cache-Control"] = "no-store"
    response["X-Checksum-Sha256"] = headers["X-Checksum-Sha256"]
    return response


def _by_proxy(replica: Replica, headers: dict[str, str]) -> HttpResponseBase | None:
    """By nginx in front, which knows ranges itself. The file is looked at first: a zone may be away."""
    if not settings.DOWNLOAD_ACCEL_PREFIX or replica.zone.backend != FILE_BACKEND:
        return None
    try:
        open_store(replica.zone).size(replica.key)
    except StoreError:
        return None
    response = _with(HttpResponse(), headers)
    response["X-Accel-Redirect"] = f"{settings.DOWNLOAD_ACCEL_PREFIX}{replica.zone.slug}/{replica.key}"
    return response


def _stream(
    request: HttpRequest,
    replicas: list[Replica],
    part: Span | None,
    size: int,
    headers: dict[str, str],
    who: Hashable,
) -> HttpResponseBase:
    """Through the portal: `part` of the `size` bytes, all of them where it is None."""
    held = ExitStack()
    try:
        held.enter_context(_places.take(who))
    except NoPlace:
        raise DownloadsBusy from None
    limit = Limit(request.META.get("gunicorn.socket"))
    held.callback(limit.end)
    span = part or Span(0, size - 1, size)
    body = Body(replicas, span, on_piece=lambda: limit.renew(PIECE_SECONDS), on_close=held.close)
    response = StreamingHttpResponse(body, status=206 if part else 200)
    response["Content-Length"] = str(span.length)
    if part:
        response["Content-Range"] = str(part)
    return _with(response, headers)
