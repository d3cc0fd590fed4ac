"""Importing from a web address: the check before, and the start. What fetches is operations.runners.fetch."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from isos import queries
from isos.actions.import_url import import_url
from isos.actions.permissions import require_creating
from isos.actions.replace_source import replace_source
from isos.audit import Actor
from isos.fetching import preflight
from isos.fetching.places import Places
from isos.fetching.preflight import Preflight
from isos.forms import ImportForm, SourceForm
from isos.models import Iso, Replica, UrlImport
from isos.states import ReplicaState
from isos.views.pricing import total_per_month
from isos.views.requests import refused, user_of, wants_json
from isos.views.upload_page import upload_page
from portal.accounts.models import Account, User
from portal.kernel.errors import Conflict, PortalError
from portal.kernel.text import human_bytes
from quotas import rates, reservations
from quotas.models import Reservation
from quotas.prices import storage_prices
from quotas.usage import limits_of, overview
from zones.models import Zone

# A quarter of the web process may wait for others' servers; one account for two of them at a time.
_places = Places(total=max(1, settings.WEB_THREADS // 4), each=2)


def begin_import(request: HttpRequest, form: ImportForm) -> Iso | None:
    """Check the address once more and start its import, unless the bound form has errors.

    An address that can be asked is asked also then, so that all errors are told at once. Raises
    PortalErrors, leaving nothing behind.
    """
    form.is_valid()
    url = form.cleaned_data.get("url")
    found = look_at(user_of(request).account, url) if url else None
    if found is None or not form.is_valid():
        return None
    new = replace(form.new_iso(), source_name=found.name)
    started = import_url(
        Actor.of(request), new, url=form.cleaned_data["url"], checksum=form.cleaned_data["checksum"], size=found.size
    )
    return started.replica.iso


@require_POST
@login_required
def check_address(request: HttpRequest) -> HttpResponse:
    """What stands at the address `url`, and whether the quota has room for it; nothing is kept.

    What is used afterwards is told for as many zones as `zones` names, one at least.

    JSON for programs (422 with `errors`, 429 with Retry-After), a fragment for HTMX, and
    without script the whole page with the form as it was filled in.
    """
    require_creating(Actor.of(request))
    account = user_of(request).account
    zones = max(1, len(set(request.POST.getlist("zones"))))
    form = SourceForm({"url": request.POST.get("url", "")})
    found, error = None, None
    try:
        if form.is_valid():
            found = look_at(account, form.cleaned_data["url"])
            reservations.check(account, size=found.size or 0, source=Reservation.Source.FETCH)
    except PortalError as refusal:
        error = refusal
        form.add_error("url", refusal.message)
    if wants_json(request):
        return _as_json(account, form, found, error, zones)
    verdict = _verdict(account, found, zones) if found else None
    context: dict[str, object] = {"url_errors": form.errors.get("url", []), "verdict": verdict}
    status = 422 if form.errors else 200
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "isos/_url_check.html", context, status=status)
    context["cost"] = _cost(request.POST.getlist("zones"), found.size) if found else ""
    typed = ImportForm(user=user_of(request), initial=request.POST.dict() | {"zones": request.POST.getlist("zones")})
    return upload_page(request, typed, source="url", status=status, more=context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def change_source(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Give a failed import another address or checksum; everything else stays as it was typed."""
    user = user_of(request)
    iso = queries.get_own_iso(user, public_id)
    replica = next((one for one in iso.replicas.all() if one.state == ReplicaState.FAILED and one.is_import), None)
    if replica is None:
        return refused(request, Conflict("Only an import that failed can get another address."))
    form = SourceForm(request.POST if request.method == "POST" else None, initial=_typed_source(user, replica))
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            found = look_at(user.account, data["url"])
            replace_source(Actor.of(request), replica, **data, size=found.size, file_name=found.name)
        except Conflict as error:  # it moved on meanwhile: this form is of no use any more
            return refused(request, error)
        except PortalError as error:
            form.add_error("checksum" if error.field == "checksum" else "url", error.message)
        else:
            return redirect("isos:progress", iso.public_id)
    context = {"iso": iso, "replica": replica, "form": form, "url_errors": form.errors.get("url", [])}
    return render(request, "isos/source.html", context, status=422 if form.errors else 200)


def _typed_source(user: User, replica: Replica) -> dict[str, str]:
    """What the user typed before. Addresses may hold credentials: whoever typed them sees them, nobody else."""
    typed = replica.url_import
    if typed.user_id != user.pk:
        return {}
    digest = typed.checksum if typed.checksum_origin == UrlImport.ChecksumOrigin.DIGEST else ""
    return {"url": typed.url or "", "checksum": typed.checksum_url or digest}


def look_at(account: Account, url: str) -> Preflight:
    """The verdict on `url`, counted against the account's checks.

    Raises TooOften, NoPlace, FetchError or ContentRefused.
    """
    with _places.take(account.pk):
        count_check(account)
        return preflight.check(url, limit=limits_of(account).max_iso_bytes)


def count_check(account: Account) -> None:
    """Count what makes the portal contact somebody's server against the account. Raises TooOften."""
    rates.spend(account, "url_check", limit=settings.IMPORT_CHECKS_PER_MINUTE, seconds=60)


def _verdict(account: Account, found: Preflight, zones: int) -> dict[str, object]:
    """What the check found, in words; `name` and `size` are for the page's script."""
    facts = [
        ("File name", found.name or "The server gives none"),
        ("Size", human_bytes(found.size) if found.size else "The server does not say"),
        ("Type", found.content_type or "The server does not say"),
        ("Volume label", found.volume_label),
        ("Boots", "Yes" if found.bootable else "No boot entry found so far"),
        (
            "If the connection breaks",
            "Goes on where it stopped" if found.resumable else "Starts again from the beginning",
        ),
        (
            "Storage afterwards" if zones == 1 else f"Storage afterwards, {zones} zones",
            _storage_after(account, found.size, zones),
        ),
    ]
    return {
        "host": found.final_host,
        "facts": [(label, words) for label, words in facts if words],
        "name": _without_ending(found.name),
        "size": found.size or "",
    }


def _storage_after(account: Account, size: int | None, zones: int) -> str:
    quota = overview(account)
    if not size:
        return ""
    return f"{human_bytes(quota.usage.bytes + size * zones)} of {human_bytes(quota.limits.max_bytes)} used"


def _cost(zones: list[str], size: int | None) -> str:
    """A month in all zones that are ticked, for pages without script; "" where the size or the zones are not known."""
    ids = list(Zone.objects.filter(slug__in=zones).values_list("pk", flat=True))
    return total_per_month(storage_prices(), ids, size) if ids and size else ""


def _without_ending(name: str) -> str:
    """The name that an ISO gets from its file."""
    return name[:-4] if name.lower().endswith(".iso") else name


def _as_json(
    account: Account, form: SourceForm, found: Preflight | None, error: PortalError | None, zones: int
) -> JsonResponse:
    if found is None or error is not None:
        code = error.code if error else "invalid"
        errors = [{"field": "url", "code": code, "message": str(words)} for words in form.errors.get("url", [])]
        answer = JsonResponse({"errors": errors}, status=error.status if error else 422)
        if error and error.retry_after:
            answer["Retry-After"] = str(round(error.retry_after))
        return answer
    return JsonResponse(
        {
            "host": found.final_host,
            "url": found.shown_url,
            "file_name": found.name,
            "name": _without_ending(found.name),
            "size": found.size,
            "content_type": found.content_type,
            "accepts_ranges": found.accepts_ranges,
            "resumable": found.resumable,
            "volume_label": found.volume_label,
            "bootable": found.bootable,
            "quota": _quota_after(account, found.size, zones),
        }
    )


def _quota_after(account: Account, size: int | None, zones: int) -> dict[str, int]:
    """What would be used once the ISO is in so many zones. Sizes in bytes; an unknown size counts nothing."""
    quota = overview(account)
    return {
        "isos_used": quota.usage.isos + 1,
        "isos_limit": quota.limits.max_isos,
        "bytes_used": quota.usage.bytes + (size or 0) * zones,
        "bytes_limit": quota.limits.max_bytes,
    }
