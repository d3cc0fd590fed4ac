"""How the upload page is laid out, for the views that show it: the form, its errors and the quota beside it."""

from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from isos.views.pricing import per_gb
from isos.views.requests import user_of
from portal.kernel.text import exact_bytes, human_bytes
from quotas.prices import storage_prices
from quotas.usage import QuotaOverview, overview
from zones.models import Zone


def upload_page(
    request: HttpRequest, form: forms.Form, *, source: str, status: int = 200, more: dict[str, object] | None = None
) -> HttpResponse:
    """The whole page. `source` is "file" or "url", `more` what the check of an address found."""
    errors = errors_of(form) if form.is_bound else []
    context = {
        "form": form,
        "source": source,
        "errors": errors,
        "url_errors": [error["message"] for error in errors if error["field"] == "url"],
        "zones": _zone_choices(form, errors),
        "zones_errors": [error["message"] for error in errors if error["field"] == "zones"],
    }
    quota = quota_context(overview(user_of(request).account))
    return render(request, "isos/upload.html", context | quota | (more or {}), status=status)


def _zone_choices(form: forms.Form, errors: list[dict[str, str]]) -> list[dict[str, object]]:
    """Every zone with its tick, its price, and what was wrong with choosing it, or ""."""
    ticked = form["zones"].value() or []
    problems = {error["field"]: error["message"] for error in errors}
    prices = storage_prices()
    return [
        {
            "zone": zone,
            "checked": zone.slug in ticked,
            "error": problems.get(f"zone-{zone.slug}", ""),
            "price": per_gb(prices, zone.pk),
        }
        for zone in Zone.objects.all()
    ]


def quota_context(quota: QuotaOverview) -> dict[str, object]:
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


def errors_of(form: forms.Form) -> list[dict[str, str]]:
    """One entry per sentence. What is wrong with the file's name or size belongs to the file, what is wrong with one
    zone to the field `zone-<slug>`."""
    renamed = {"filename": "file", "size": "file", "fingerprint": "file", "__all__": ""}
    found = [
        {"field": _of_one_zone(error) or renamed.get(field, field), "message": str(sentence)}
        for field, problems in form.errors.as_data().items()
        for error in problems
        for sentence in error
    ]
    return [error for number, error in enumerate(found) if error not in found[:number]]


def _of_one_zone(error: ValidationError) -> str:
    return error.code if error.code and error.code.startswith("zone-") else ""
