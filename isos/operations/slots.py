"""Whose turn it is in a zone: so many operations at once, fair between accounts.

Operations that move bytes need a slot of their zone; there are `Zone.operation_limit` of them.
Deletes and clean-ups need none: they are quick, and give room back. A slot is no row of its
own: a running operation is one. So it can't leak, and a worker that dies takes none along.

A message is a wake-up call for its zone, not for the operation that it names: whoever hears it
takes the operation whose turn it is. Every waiting operation was announced once, every end of an
operation announces another one, and the sweep repairs what was lost in between.

The zone's row is locked from counting to claiming (SQLite: the transaction is the only writer),
so that two workers never see the same free slot. Nobody else who locks a zone's row touches
operations, and whoever inserts a row that refers to the zone does not wait for this lock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from isos.models import Operation
from isos.operations import lease as leases
from isos.operations.lease import Lease
from isos.operations.queue import send
from isos.states import OperationState
from zones.models import Zone

NEEDS_SLOT = ~Q(kind=Operation.Kind.DELETE) & Q(is_doomed=False)


def claim(operation_pk: int) -> Lease | None:
    """Take what a message about this operation lets a worker do; None where there is nothing to do."""
    named = Operation.objects.filter(pk=operation_pk).only("kind", "is_doomed", "zone").first()
    if named is None:
        return None
    if named.is_light:
        return leases.claim(operation_pk)
    with transaction.atomic():
        zone = Zone.objects.select_for_update(no_key=True).only("max_operations").get(pk=named.zone_id)
        for candidate in _turns(zone):
            if lease := leases.claim(candidate):
                return lease
    # Its message is spent, so the sweep need not wait before it sends another.
    Operation.objects.filter(pk=operation_pk, state=OperationState.QUEUED).update(sent_at=None)
    return None


def wake_next(after: Operation) -> None:
    """Where `after` has left a slot: tell a worker of the zone that there is one."""
    if after.kind == Operation.Kind.DELETE:
        return
    if turns := _turns(Zone.objects.only("max_operations").get(pk=after.zone_id)):
        send(Operation.objects.select_related("zone").get(pk=turns[0]))


def startable() -> list[int]:
    """Primary keys of all operations that wait and for which there is a slot, over all zones."""
    waiting = Operation.objects.filter(leases.claimable(timezone.now()), NEEDS_SLOT)
    zones = Zone.objects.filter(pk__in=waiting.values("zone_id")).only("max_operations")
    return [turn for zone in zones for turn in _turns(zone)]


def _turns(zone: Zone) -> list[int]:
    """The operations of the zone that may start now, first come first.

    Those whose owner fell silent hold a slot still, so they are taken up before all others.
    """
    now = timezone.now()
    here = Operation.objects.filter(NEEDS_SLOT, zone=zone).order_by("created_at", "pk")
    running = here.filter(state=OperationState.RUNNING)
    accounts = Counter(running.values_list("account_id", flat=True))
    orphans = list(running.filter(leases.silent(now)).values_list("pk", flat=True))
    waiting = fair_order(here.filter(leases.due(now)).values_list("pk", "account_id"), accounts)
    if zone.operation_limit:
        waiting = waiting[: max(0, zone.operation_limit - accounts.total())]
    return orphans + waiting


def fair_order(waiting: Iterable[tuple[int, int]], running: Counter[int]) -> list[int]:
    """In which order operations get slots: (operation, account), oldest first; `running` by account.

    Each slot goes to the account that has the fewest then, and between equals to the oldest
    operation. An account's n-th waiting operation starts when it has n - 1 more running than now.
    """
    ahead = Counter(running)
    ranked = []
    for age, (operation, account) in enumerate(waiting):
        ranked.append((ahead[account], age, operation))
        ahead[account] += 1
    return [operation for _, _, operation in sorted(ranked)]
