"""The tus endpoint: HTTP in, isos.tus rules, isos.operations.receive underneath."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.http import http_date
from django.views.decorators.csrf import ensure_csrf_cookie

from isos import queries, tus
from isos.actions.end_upload import end_upload
from isos.actions.start_upload import start_upload
from isos.audit import Actor
from isos.forms import UploadForm
from isos.models import Upload
from isos.operations.receive import durable_offset, receive
from isos.views.requests import user_of
from portal import deadlines
from portal.accounts import tokens
from portal.accounts.api_token import Scope
from portal.accounts.models import User
from portal.kernel.errors import InvalidInput, PortalError
from quotas import rates
from quotas.usage import limits_of

View = Callable[..., HttpResponse]


def _protocol(view: View) -> View:
    """Sign-in, version and errors as a tus client understands them; never a redirect or a page."""

    @functools.wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            _sign_in(request)
            if request.method != "OPTIONS":
                tus.require_version(request.headers.get("Tus-Resumable"))
            response = view(request, *args, **kwargs)
        except PortalError as error:
            response = _error(error, error.status)
        response["Tus-Resumable"] = tus.VERSION
        response["Cache-Control"] = "no-store"
        if response.status_code == tus.UnsupportedVersion.status:
            response["Tus-Version"] = tus.VERSION
        return response

    return wrapper


def _sign_in(request: HttpRequest) -> None:
    """The session's user, or that of a token, whose requests bring no cookies (portal.accounts.bearer)."""
    if tokens.bearer(request) is not None:
        token = tokens.sign_in(request, Scope.WRITE)
        if request.method == "POST":  # what goes on with an upload may come in any number of pieces
            rates.spend(token.user.account, "api", limit=settings.API_REQUESTS_PER_MINUTE, seconds=60)
    elif not isinstance(request.user, User):
        raise SignedOut


class SignedOut(PortalError):
    """Nobody is signed in, which ends no upload."""

    code = "signed_out"
    status = 401
    default_message = "Sign in to go on with this upload."


def _error(error: PortalError, status: int) -> HttpResponse:
    response = JsonResponse({"code": error.code, "message": error.message}, status=status)
    if error.retry_after:
        response["Retry-After"] = str(math.ceil(error.retry_after))
    return response


def _method_not_allowed(*allowed: str) -> HttpResponse:
    response = _error(PortalError("This address does not take that method.", code="method"), 405)
    response["Allow"] = ", ".join(allowed)
    return response


@ensure_csrf_cookie
@_protocol
def collection(request: HttpRequest) -> HttpResponse:
    """OPTIONS: what this server can. POST: create an upload, perhaps with its first bytes."""
    if request.method == "OPTIONS":
        return _options(request)
    if request.method != "POST":
        return _method_not_allowed("OPTIONS", "POST")
    length = tus.declared_length(request.headers.get("Upload-Length"), request.headers.get("Upload-Defer-Length"))
    metadata = tus.parse_metadata(request.headers.get("Upload-Metadata"))
    upload = _create(request, length, metadata)
    response = HttpResponse(status=201)
    response["Location"] = request.build_absolute_uri(upload.get_absolute_url())
    if request.content_type == tus.OFFSET_CONTENT_TYPE:
        response["Upload-Offset"] = str(_first_bytes(request, upload))
    _set_expiry(response, upload)
    return response


@_protocol
def upload(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """HEAD: the durable offset. PATCH: append. DELETE: end the upload and remove what came."""
    match request.method:
        case "OPTIONS":
            return _options(request)
        case "HEAD":
            return _head(request, public_id)
        case "PATCH":
            return _patch(request, public_id)
        case "DELETE":
            end_upload(Actor.of(request), queries.get_upload(user_of(request), public_id))
            return HttpResponse(status=204)
    return _method_not_allowed("OPTIONS", "HEAD", "PATCH", "DELETE")


def _options(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(status=204)
    response["Tus-Version"] = tus.VERSION
    response["Tus-Extension"] = tus.EXTENSIONS
    response["Tus-Checksum-Algorithm"] = ",".join(tus.CHECKSUM_ALGORITHMS)
    response["Tus-Max-Size"] = str(limits_of(user_of(request).account).max_iso_bytes)
    return response


def _create(request: HttpRequest, length: int, metadata: dict[str, str]) -> Upload:
    """The upload form's rules, fed from tus metadata: the same names, the same sentences."""
    filename = metadata.get("filename", "")
    defaults = {"name": filename.removesuffix(".iso"), "zone": queries.default_zone_slug(), "os_type": "other"}
    given = defaults | metadata
    form = UploadForm(given | {"zones": [given["zone"]], "size": length}, user=user_of(request))
    if not form.is_valid():
        field, messages = next(iter(form.errors.items()))
        raise InvalidInput(str(messages[0]), field=field)
    fingerprint = form.cleaned_data["fingerprint"]
    return start_upload(Actor.of(request), form.new_iso(), size=length, fingerprint=fingerprint)


def _first_bytes(request: HttpRequest, upload: Upload) -> int:
    """The body of a creation. Where it is refused the client learns no address, so nothing may stay."""
    try:
        return _receive(request, upload, 0)
    except PortalError:
        with suppress(PortalError):
            end_upload(Actor.of(request), upload)
        raise


def _head(request: HttpRequest, public_id: UUID) -> HttpResponse:
    upload = queries.get_upload(user_of(request), public_id)
    response = HttpResponse(status=200)
    response["Upload-Offset"] = str(durable_offset(upload))
    response["Upload-Length"] = str(upload.length)
    _set_expiry(response, upload)
    return response


def _patch(request: HttpRequest, public_id: UUID) -> HttpResponse:
    upload = queries.get_upload(user_of(request), public_id)
    if request.content_type != tus.OFFSET_CONTENT_TYPE:
        raise tus.WrongContentType
    offset = tus.parse_number(request.headers.get("Upload-Offset"), "Upload-Offset")
    response = HttpResponse(status=204)
    response["Upload-Offset"] = str(_receive(request, upload, offset))
    _set_expiry(response, upload)
    return response


def _receive(request: HttpRequest, upload: Upload, offset: int) -> int:
    if "Transfer-Encoding" in request.headers:
        raise tus.LengthRequired
    length = tus.parse_number(request.headers.get("Content-Length") or "0", "Content-Length")
    checksum = tus.parse_checksum(request.headers.get("Upload-Checksum"))
    with deadlines.limit(request) as limit:

        def read(size: int) -> bytes:
            """A browser that takes too long over one piece is cut off; it resumes later."""
            limit.renew(settings.UPLOAD_READ_TIMEOUT_SECONDS)
            return request.read(size)

        return receive(upload, offset, read, length, checksum)


def _set_expiry(response: HttpResponse, upload: Upload) -> None:
    if upload.is_receiving:
        response["Upload-Expires"] = http_date(upload.expires_at.timestamp())
