"""The upload page: the form first, then the bytes (see views.tus), then the stages until Ready."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from isos import queries
from isos.actions.naming import require_free_name
from isos.actions.replace_file import replace_file
from isos.actions.start_upload import start_upload
from isos.audit import Actor
from isos.errors import NameTaken
from isos.forms import FileForm, RenameForm, UploadForm
from isos.models import Upload
from isos.views.requests import user_of, wants_json
from isos.views.rows import row_of
from portal.kernel.errors import PortalError
from portal.kernel.text import exact_bytes, human_bytes
from quotas.usage import QuotaOverview, overview
from zones.models import Zone


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def upload_form(request: HttpRequest) -> HttpResponse:
    """GET: the form. POST: check it, create the rows, answer where the bytes go.

    The page's script posts with `Accept: application/json` and gets 201 with the addresses, or
    422 with one error per field. Without script the form comes back with its errors.
    """
    user = user_of(request)
    posted = request.POST if request.method == "POST" else None
    form = UploadForm(posted, user=user, initial={"zone": _first_zone()})
    if request.method == "POST" and form.is_valid():
        try:
            upload = start_upload(
                Actor.of(request),
                form.new_iso(),
                size=form.cleaned_data["size"],
                fingerprint=form.cleaned_data["fingerprint"],
            )
        except PortalError as error:
            form.add_error(_field_of(error, form), error.message)
        else:
            return _started(request, upload)
    errors = _errors(form)
    if request.method == "POST" and wants_json(request):
        return JsonResponse({"errors": errors}, status=422)
    context = {"form": form, "errors": errors, "zones": Zone.objects.all()} | _quota_context(overview(user.account))
    return render(request, "isos/upload.html", context, status=422 if errors else 200)


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
    """The stages of one ISO as a fragment: Uploading, Verifying, Ready, or why not."""
    user = user_of(request)
    row = row_of(user, queries.get_own_iso(user, public_id))
    return render(request, "isos/_progress.html", {"row": row, "iso": row.iso, "zone": row.zones[0]})


@require_safe
@login_required
def resume(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Choose the same file again and go on where the upload stopped."""
    user = user_of(request)
    iso = queries.get_own_iso(user, public_id)
    upload = queries.open_upload(iso)
    if upload is None or upload.user_id != user.pk:
        if upload is not None and upload.user is not None:
            messages.info(request, f"{upload.user.display_name()} started this upload and is the one who can go on.")
        return redirect(iso)
    row = row_of(user, iso)
    context = {"iso": iso, "row": row, "zone": row.zones[0], "upload": upload, "addresses": _addresses(upload)}
    quota = overview(user.account)
    context["free_for_file"] = quota.remaining_bytes + upload.length  # what this upload holds may be used again
    return render(request, "isos/resume.html", context | _quota_context(quota))


@require_POST
@login_required
def other_file(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Send another file than the one declared, as long as nothing of that has come. JSON in both directions."""
    user = user_of(request)
    upload = queries.open_upload(queries.get_own_iso(user, public_id))
    if upload is None or upload.user_id != user.pk:
        raise Http404
    form = FileForm(request.POST)
    if form.is_valid():
        try:
            replace_file(Actor.of(request), upload, **form.cleaned_data)
        except PortalError as error:
            form.add_error("size", error.message)
    if form.errors:
        return JsonResponse({"errors": _errors(form)}, status=422)
    return JsonResponse(
        {"iso": str(upload.replica.iso.public_id), "name": upload.replica.iso.name} | _addresses(upload)
    )


def _started(request: HttpRequest, upload: Upload) -> HttpResponse:
    iso = upload.replica.iso
    if not wants_json(request):
        return redirect("isos:resume", iso.public_id)
    return JsonResponse({"iso": str(iso.public_id), "name": iso.name} | _addresses(upload), status=201)


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


def _quota_context(quota: QuotaOverview) -> dict[str, object]:
    """The quota with the words that stand beside the form."""
    largest = _limit_words(quota.limits.max_iso_bytes)
    return {
        "quota": quota,
        "remaining_isos": str(quota.remaining_isos),
        "largest": largest,
        "used_text": human_bytes(quota.usage.bytes),
        "limit_text": _limit_words(quota.limits.max_bytes),
        "storage_hint": f"{human_bytes(quota.remaining_bytes)} free. One ISO may have up to {largest}.",
    }


def _limit_words(count: int) -> str:
    """A limit as it was set: `32 GB`, not `32.0 GB`; rounded where that would be long."""
    exact = exact_bytes(count)
    return human_bytes(count) if exact.endswith(" bytes") else exact


def _field_of(error: PortalError, form: UploadForm) -> str | None:
    """The form field that an action's error belongs to; the file's own is its size."""
    field = "size" if error.field == "file" else error.field
    return field if field in form.fields else None


def _errors(form: FileForm) -> list[dict[str, str]]:
    """One entry per sentence. What is wrong with the file's name or size belongs to the file."""
    renamed = {"filename": "file", "size": "file", "fingerprint": "file", "__all__": ""}
    found = [
        {"field": renamed.get(field, field), "message": str(sentence)}
        for field, sentences in form.errors.items()
        for sentence in sentences
    ]
    return [error for number, error in enumerate(found) if error not in found[:number]]


def _first_zone() -> str | None:
    return Zone.objects.filter(state=Zone.State.ACTIVE).values_list("slug", flat=True).first()
