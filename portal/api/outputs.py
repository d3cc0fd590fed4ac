"""Rows as the API shows them. What may be seen of an ISO is what its page shows: both read isos.views.rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page
from django.http import HttpRequest
from moneyed import Money

from isos import queries
from isos.models import Iso, IsoPrice, Operation, Upload
from isos.prices import KEPT_STATES, own_prices
from isos.states import OperationState, ReplicaState
from isos.views.requests import user_of
from isos.views.rows import Row, ZoneLine, row_of
from portal.api.schemas import IsoOut, MoneyOut, OperationOut, PriceOut, UploadOut, ZoneState
from portal.kernel.text import percent
from quotas.prices import StoragePrices, storage_prices

_STATE_NAMES = {words: name for name, words in queries.STATES.items()}


def iso_out(request: HttpRequest, iso: Iso) -> IsoOut:
    """An ISO that a getter of isos.queries gave."""
    return isos_out(request, [iso])[0]


def isos_out(request: HttpRequest, isos: Sequence[Iso]) -> list[IsoOut]:
    """Several of them, with what they cost; two queries for that, however many there are."""
    own, storage = own_prices(isos), storage_prices()
    return [_iso_out(request, iso, own.get(iso.pk), storage) for iso in isos]


def _iso_out(request: HttpRequest, iso: Iso, price: IsoPrice | None, storage: StoragePrices) -> IsoOut:
    row = row_of(user_of(request), iso)
    fields: dict[str, Any] = {
        name: getattr(iso, name) for name in IsoOut.model_fields if hasattr(iso, name) and name not in ("id", "zones")
    }
    return IsoOut(
        **fields
        | {
            "id": iso.public_id,
            "account": iso.account.name,
            "is_own": row.is_own,
            "os_version": iso.os_version.slug if iso.os_version else None,
            "file_name": iso.source_name,
            "sha256": iso.sha256 or None,
            "state": _STATE_NAMES[iso.state],
            "registered_at": iso.ready_at,
            "zones": [_zone_state(request, row, line, storage) for line in row.zones],
            "price": _price_out(price),
            "page_url": request.build_absolute_uri(iso.get_absolute_url()),
        }
    )


def _zone_state(request: HttpRequest, row: Row, line: ZoneLine, storage: StoragePrices) -> ZoneState:
    replica = line.replica
    is_charged = row.is_own and replica.state in KEPT_STATES
    operation = replica.active_operation if row.may_follow else None
    return ZoneState(
        zone=line.slug,
        name=line.name,
        state=ReplicaState(replica.state),
        words=line.words,
        bytes_done=line.done,
        bytes_total=line.total,
        percent=line.percent,
        error_code=replica.error_code,
        trouble=line.trouble,
        can_retry=line.can_retry and row.may_retry,
        storage_per_month=money_out(storage.monthly(replica.zone_id, row.iso.size or 0)) if is_charged else None,
        operation=operation.public_id if operation else None,
        upload=_upload_out(request, replica.open_upload),
    )


def _upload_out(request: HttpRequest, upload: Upload | None) -> UploadOut | None:
    """Only who began an upload can go on with it."""
    if upload is None or upload.user_id != user_of(request).pk:
        return None
    return UploadOut(
        url=request.build_absolute_uri(upload.get_absolute_url()),
        offset=upload.offset,
        length=upload.length,
        expires_at=upload.expires_at,
    )


def money_out(money: Money | None) -> MoneyOut | None:
    if money is None:
        return None
    return MoneyOut(amount=f"{money.amount:f}", currency=money.currency.code)


def _price_out(price: IsoPrice | None) -> PriceOut | None:
    if price is None:
        return None
    amount = price.amount
    return PriceOut(amount=f"{amount.amount:f}", currency=amount.currency.code, period=IsoPrice.Period(price.period))


def operation_out(operation: Operation) -> OperationOut:
    replica = operation.replica
    return OperationOut(
        id=operation.public_id,
        kind=Operation.Kind(operation.kind),
        state=OperationState(operation.state),
        phase=operation.phase,
        iso=replica.iso.public_id if replica else None,
        iso_name=operation.iso_name,
        zone=operation.zone.slug,
        bytes_done=operation.bytes_done,
        bytes_total=operation.bytes_total,
        percent=percent(operation.bytes_done, operation.bytes_total) if operation.bytes_total else None,
        error_code=operation.error_code,
        error=operation.error_message,
        created_at=operation.created_at,
        started_at=operation.started_at,
        finished_at=operation.finished_at,
    )


def page_fields(request: HttpRequest, page: Page[Any], asked: int, query: Mapping[str, str]) -> dict[str, Any]:
    """`count`, `page` and `next` of a list; one asked for beyond the last page is empty and has no next."""
    more = asked < page.paginator.num_pages
    address = request.build_absolute_uri(f"{request.path}?{urlencode({**query, 'page': asked + 1})}")
    return {"count": page.paginator.count, "page": asked, "next": address if more else None}


def items_of(page: Page[Any], asked: int) -> list[Any]:
    """The rows of a page; none where it is another one than was asked for, because there are not so many."""
    return list(page) if page.number == asked else []
