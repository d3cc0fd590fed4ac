"""The upload page: the form first, then the bytes (see views.tus), then the stages until Ready."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from isos import notices, queries
from isos.actions.naming import require_free_name
from isos.actions.permissions import require_creating
from isos.actions.replace_file import replace_file
from isos.actions.start_upload import start_upload
from isos.audit import Actor
from isos.errors import ContentRefused, NameTaken
from isos.fetching.places import NoPlace
from isos.forms import FileForm, ImportForm, RenameForm, UploadForm
from isos.models import Upload
from isos.views.importing import begin_import
from isos.views.requests import user_of, wants_json
from isos.views.rows import row_of
from isos.views.upload_page import errors_of, quota_context, upload_page
from portal.accounts.roles import Right
from portal.kernel.errors import PortalError
from quotas.rates import TooOften
from quotas.usage import overview


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def upload_form(request: HttpRequest) -> HttpResponse:
    """GET: the form. POST: check it, create the rows, answer where to go on.

    `source` tells what is sent: "file" (its bytes follow, see views.tus) or "url" (a worker
    fetches it). The page's script posts with `Accept: application/json` and gets 201 with the
    addresses, or 422 with one error per field. Without script the form comes back with its errors.
    """
    source = "url" if request.POST.get("source", request.GET.get("source")) == "url" else "file"
    posted = request.POST if request.method == "POST" else None
    require_creating(Actor.of(request))
    make = ImportForm if source == "url" else UploadForm
    form = make(posted, user=user_of(request), initial={"zones": [queries.default_zone_slug()]})
    if request.method == "POST":
        try:
            started = _begin_import(request, form) if isinstance(form, ImportForm) else _begin_upload(request, form)
        except PortalError as error:
            form.add_error(_field_of(error, form), error.message)
        else:
            if started:
                return started
    if request.method == "POST" and wants_json(request):
        return JsonResponse({"errors": errors_of(form)}, status=422)
    return upload_page(request, form, source=source, status=422 if form.errors else 200)


def _begin_upload(request: HttpRequest, form: UploadForm) -> HttpResponse | None:
    if not form.is_valid():
        return None
    upload = start_upload(
        Actor.of(request),
        form.new_iso(),
        size=form.cleaned_data["size"],
        fingerprint=form.cleaned_data["fingerprint"],
    )
    iso = upload.replica.iso
    if wants_json(request):
        return JsonResponse({"iso": str(iso.public_id), "name": iso.name} | _addresses(upload), status=201)
    return redirect("isos:resume", iso.public_id)


def _begin_import(request: HttpRequest, form: ImportForm) -> HttpResponse | None:
    iso = begin_import(request, form)
    if iso is None:
        return None
    page = reverse("isos:progress", args=[iso.public_id])
    if wants_json(request):
        addresses = {"detail_url": iso.get_absolute_url(), "progress_url": page}
        return JsonResponse({"iso": str(iso.public_id), "name": iso.name} | addresses, status=201)
    return redirect(page)


@require_safe
@login_required
def check_name(request: HttpRequest) -> HttpResponse:
    """What is wrong with a name while it is typed; an empty fragment when nothing is."""
    form = RenameForm(request.GET)
    sentences: list[str] = []
    try:
        if form.is_valid():
            require_free_name(user_of(request).account, form.cleaned_data["name"])
        elif request.GET.get("name"):  # an empty field is said when the form is sent, not while it is typed
            sentences = [str(sentence) for sentence in form.errors["name"]]
    except NameTaken as error:
        sentences = [error.message]
    return render(request, "isos/_name_error.html", {"sentences": sentences})


@require_safe
@login_required
def progress(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The stages of one ISO: Uploading or Downloading, Verifying, Ready, or why not.

    A page of its own, and for HTMX only its live part.
    """
    user = user_of(request)
    row = row_of(user, queries.get_own_iso(user, public_id, Right.FOLLOW))
    context = {"row": row, "iso": row.iso, "zone": row.arrival}
    if request.htmx:  # type: ignore[attr-defined]
        notices.watch(user, [row.iso])
    template = "isos/_progress.html" if request.htmx else "isos/progress.html"  # type: ignore[attr-defined]
    return render(request, template, context)


@require_safe
@login_required
def resume(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Choose the same file again and go on where the upload stopped."""
    user = user_of(request)
    iso = queries.get_own_iso(user, public_id, Right.CREATE)
    upload = queries.open_upload(iso)
    if upload is None or upload.user_id != user.pk:
        if upload is not None and upload.user is not None:
            messages.info(request, f"{upload.user.display_name()} started this upload and is the one who can go on.")
        return redirect(iso)
    row = row_of(user, iso)
    context = {"iso": iso, "row": row, "zone": row.arrival, "upload": upload, "addresses": _addresses(upload)}
    quota = overview(user.account)
    context["free_for_file"] = quota.remaining_bytes + upload.length  # what this upload holds may be used again
    return render(request, "isos/resume.html", context | quota_context(quota))


@require_POST
@login_required
def other_file(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Send another file than the one declared, as long as nothing of that has come. JSON in both directions."""
    user = user_of(request)
    upload = queries.open_upload(queries.get_own_iso(user, public_id, Right.CREATE))
    if upload is None or upload.user_id != user.pk:
        raise Http404
    form = FileForm(request.POST)
    if form.is_valid():
        try:
            replace_file(Actor.of(request), upload, **form.cleaned_data)
        except PortalError as error:
            form.add_error("size", error.message)
    if form.errors:
        return JsonResponse({"errors": errors_of(form)}, status=422)
    return JsonResponse(
        {"iso": str(upload.replica.iso.public_id), "name": upload.replica.iso.name} | _addresses(upload)
    )


def _addresses(upload: Upload) -> dict[str, str]:
    """Where the page's script sends the bytes and asks how they fare."""
    iso = upload.replica.iso
    return {
        "upload_url": upload.get_absolute_url(),
        "detail_url": iso.get_absolute_url(),
        "progress_url": reverse("isos:progress", args=[iso.public_id]),
        "resume_url": reverse("isos:resume", args=[iso.public_id]),
        "cancel_url": reverse("isos:cancel", args=[iso.public_id]),
    }


def _field_of(error: PortalError, form: UploadForm | ImportForm) -> str | None:
    """The form field that an action's error belongs to; the content's own is where it comes from."""
    field = error.field
    if field == "file" or isinstance(error, ContentRefused | TooOften | NoPlace):
        field = "url" if isinstance(form, ImportForm) else "size"
    if field == "zone":
        field = "zones"
    return field if field in form.fields else None
