"""The upload page: the form first, then the bytes (see views.tus), then the stages until Ready."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from isos import queries
from isos.actions.naming import require_free_name
from isos.actions.start_upload import start_upload
from isos.audit import Actor
from isos.errors import NameTaken
from isos.forms import UploadForm
from isos.models import Upload
from isos.views.requests import user_of, wants_json
from portal.kernel.errors import PortalError
from quotas.usage import overview
from zones.models import Zone


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def upload_form(request: HttpRequest) -> HttpResponse:
    """GET: the form. POST: check it, create the rows, answer where the bytes go.

    The page's script posts with `Accept: application/json` and gets 201 with the addresses, or
    422 with one error per field. Without script the form comes back with its errors.
    """
    user = user_of(request)
    form = UploadForm(request.POST or None, user=user, initial={"zone": _first_zone()})
    if request.method == "POST" and form.is_valid():
        try:
            upload = start_upload(
                Actor.of(request),
                form.new_iso(),
                size=form.cleaned_data["size"],
                fingerprint=form.cleaned_data["fingerprint"],
            )
        except PortalError as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            return _started(request, upload)
    if request.method == "POST" and wants_json(request):
        return JsonResponse({"errors": _errors(form)}, status=422)
    context = {"form": form, "quota": overview(user.account), "zones": Zone.objects.all()}
    return render(request, "isos/upload.html", context, status=422 if form.errors else 200)


@require_safe
@login_required
def check_name(request: HttpRequest) -> HttpResponse:
    """What is wrong with a name while it is typed; an empty fragment when nothing is."""
    name = " ".join(request.GET.get("name", "").split())
    message = ""
    try:
        if name:
            require_free_name(user_of(request).account, name)
    except NameTaken as error:
        message = error.message
    return render(request, "isos/_name_error.html", {"message": message})


@require_safe
@login_required
def progress(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The stages of one ISO as a fragment: Uploading, Verifying, Ready, or why not."""
    iso = queries.get_own_iso(user_of(request), public_id)
    return render(request, "isos/_progress.html", {"iso": iso})


@require_safe
@login_required
def resume(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Choose the same file again and go on where the upload stopped."""
    user = user_of(request)
    iso = queries.get_own_iso(user, public_id)
    upload = next((replica.open_upload for replica in iso.replicas.all() if replica.open_upload), None)
    if upload is None or upload.user_id != user.pk:
        return redirect(iso)
    return render(request, "isos/resume.html", {"iso": iso, "upload": upload, "quota": overview(user.account)})


def _started(request: HttpRequest, upload: Upload) -> HttpResponse:
    iso = upload.replica.iso
    if not wants_json(request):
        return redirect("isos:resume", iso.public_id)
    return JsonResponse(
        {
            "iso": str(iso.public_id),
            "name": iso.name,
            "upload_url": upload.get_absolute_url(),
            "detail_url": iso.get_absolute_url(),
            "progress_url": f"{iso.get_absolute_url()}progress/",
        },
        status=201,
    )


def _errors(form: UploadForm) -> list[dict[str, str]]:
    """One entry per sentence. What is wrong with the file's name or size belongs to the file."""
    of_file = {"filename", "size", "fingerprint"}
    return [
        {"field": "file" if field in of_file else "" if field == "__all__" else field, "message": str(message)}
        for field, messages in form.errors.items()
        for message in dict.fromkeys(messages)
    ]


def _first_zone() -> str | None:
    return Zone.objects.filter(state=Zone.State.ACTIVE).values_list("slug", flat=True).first()
