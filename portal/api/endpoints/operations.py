"""What the portal works on, and how far it is."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router

from isos import queries
from isos.views.requests import user_of
from portal.api.answers import answers
from portal.api.auth import READ
from portal.api.outputs import items_of, operation_out, page_fields
from portal.api.problems import require_known
from portal.api.schemas import OperationOut, OperationPage, OperationQuery

router = Router(tags=["Operations"])


@router.get(
    "/operations",
    auth=READ,
    response=answers(200, OperationPage, 422),
    url_name="operations",
    summary="List operations",
)
def list_operations(request: HttpRequest, query: Query[OperationQuery]) -> OperationPage:
    """Of the account, newest first, 25 on a page. Uploads are none until their last byte came."""
    require_known(request, OperationQuery)
    page = queries.list_operations(user_of(request), query.page, only_active=query.active)
    fields = page_fields(request, page, query.page, {"active": "true"} if query.active else {})
    return OperationPage(items=[operation_out(one) for one in items_of(page, query.page)], **fields)


@router.get(
    "/operations/{uuid:operation_id}",
    auth=READ,
    response=answers(200, OperationOut, 404),
    url_name="operation",
    summary="Look at one",
)
def get_operation(request: HttpRequest, operation_id: UUID) -> OperationOut:
    """Its progress, and how it ended."""
    return operation_out(queries.get_operation(user_of(request), operation_id))
