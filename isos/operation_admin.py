"""Operations in admin: what runs, what waits, what failed; and Retry and Cancel by the same actions as users have."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from isos.actions.delete_from_zones import cancel
from isos.actions.retry import retry
from isos.audit import Actor
from isos.models import Operation, Replica
from isos.operations.queue import send
from isos.read_only_admin import ReadOnly, iso_link
from isos.states import UNFINISHED_REPLICA, OperationState, ReplicaState
from portal.kernel.errors import Conflict, PortalError
from portal.kernel.text import human_bytes, percent

if TYPE_CHECKING:
    OperationModelAdmin = admin.ModelAdmin[Operation]
else:
    OperationModelAdmin = admin.ModelAdmin

NAMED = 5  # refusals that are told one by one


@admin.register(Operation)
class OperationAdmin(ReadOnly, OperationModelAdmin):
    """The list tells why something waits or failed without opening the row."""

    list_display = ("made", "kind", "iso", "account", "zone", "what_now", "done", "trouble")
    list_filter = (
        "state",
        "kind",
        "zone",
        ("account", admin.RelatedOnlyFieldListFilter),
        "error_code",
    )
    list_select_related = ("account", "zone", "replica__iso")
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("iso_name", "public_id", "account__name", "error_message")
    date_hierarchy = "created_at"
    actions = ("retry_failed", "cancel_unfinished", "run_now")

    @admin.display(description="made (UTC)", ordering="created_at")
    def made(self, operation: Operation) -> str:
        return f"{operation.created_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="state", ordering="state")
    def what_now(self, operation: Operation) -> str:
        """`Running, Copying`, `Queued, try 3`."""
        words = operation.get_state_display()
        if operation.state == OperationState.RUNNING:
            words = f"{words}, {operation.get_phase_display().lower()}"
        return f"{words}, try {operation.attempt}" if operation.attempt > 1 else words

    @admin.display(description="ISO", ordering="iso_name")
    def iso(self, operation: Operation) -> str:
        return iso_link(operation.replica.iso) if operation.replica else operation.iso_name

    @admin.display(description="progress")
    def done(self, operation: Operation) -> str:
        if not operation.bytes_total:
            return human_bytes(operation.bytes_done)
        share = percent(operation.bytes_done, operation.bytes_total)
        return f"{share}% of {human_bytes(operation.bytes_total)}"

    @admin.display(description="error", ordering="error_code")
    def trouble(self, operation: Operation) -> str:
        if not operation.error_code:
            return ""
        return format_html('<span title="{}">{}</span>', operation.error_message, operation.error_message[:80])

    @admin.action(description="Retry what failed", permissions=["act"])
    def retry_failed(self, request: HttpRequest, chosen: QuerySet[Operation]) -> None:
        self._each(request, chosen, "tried again", _retry)

    @admin.action(description="Cancel what is unfinished", permissions=["act"])
    def cancel_unfinished(self, request: HttpRequest, chosen: QuerySet[Operation]) -> None:
        self._each(request, chosen, "cancelled", _cancel)

    @admin.action(description="Run now, without waiting for the next try", permissions=["act"])
    def run_now(self, request: HttpRequest, chosen: QuerySet[Operation]) -> None:
        waiting = chosen.filter(state=OperationState.QUEUED).select_related("zone")
        for operation in waiting:
            Operation.objects.filter(pk=operation.pk, state=OperationState.QUEUED).update(not_before=None)
            send(operation)
        messages.info(request, f"{len(waiting)} waiting operations sent to the workers.")

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Rows can't be changed here by anybody, so the permission to change is asked for what acts on them."""
        return request.user.has_perm("isos.change_operation")

    def _each(
        self, request: HttpRequest, chosen: QuerySet[Operation], done: str, act: Callable[[Actor, Replica], None]
    ) -> None:
        """Act on the replica of each operation once, as this administrator, who has all rights in every account."""
        refused: list[str] = []
        seen: set[int] = set()
        count = 0
        for operation in chosen.select_related("replica__iso__account", "replica__zone"):
            replica = operation.replica
            if replica is not None and replica.pk in seen:
                continue
            try:
                if replica is None:
                    raise Conflict("What it worked on is gone.")
                seen.add(replica.pk)
                act(Actor.of(request), replica)
                count += 1
            except PortalError as error:
                refused.append(f"{operation.iso_name} in {operation.zone}: {error.message}")
        if count:
            messages.success(request, f"{count} {done}.")
        for sentence in refused[:NAMED]:
            messages.error(request, sentence)
        if len(refused) > NAMED:
            messages.error(request, f"{len(refused) - NAMED} more were refused for reasons like these.")


def _retry(actor: Actor, replica: Replica) -> None:
    """Raises Conflict also where only the user can go on: the file is on that person's computer."""
    if replica.state != ReplicaState.FAILED:
        raise Conflict("Only what failed can be tried again.")
    with transaction.atomic():
        if retry(actor, replica) is not None:
            raise Conflict("The file has to be sent again, which only the user can do, by Retry on the ISO’s page.")


def _cancel(actor: Actor, replica: Replica) -> None:
    if replica.state not in UNFINISHED_REPLICA or not cancel(actor, replica.iso, [replica.zone]):
        raise Conflict("It is not under way any more, or it is a delete, which always goes on to its end.")
