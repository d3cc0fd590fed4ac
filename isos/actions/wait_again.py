"""Let replicas wait again for an ISO whose arrival is tried again; see isos.operations.waiting."""

from __future__ import annotations

from django.db import transaction

from isos.actions.permissions import require_active
from isos.models import Iso, Replica
from isos.operations.moves import move_replica
from isos.operations.waiting import receiver_of
from isos.states import UNFINISHED_REPLICA, ReplicaState
from portal.kernel.errors import Conflict, InvalidInput
from quotas import reservations
from quotas.errors import OverQuota


def wait_again(replica: Replica, iso: Iso) -> None:
    """A failed replica waits for the arrival that is under way elsewhere.

    Inside a transaction that has locked the account and the ISO. Raises Conflict where nothing is arriving, OverQuota,
    InvalidInput for a zone that takes nothing now, IllegalTransition.
    """
    receiver = receiver_of(iso)
    if receiver is None:
        raise Conflict("There is nothing that this could be copied from. Delete it, then upload or import it again.")
    # Locked: whoever writes its failure waits for us, and then finds this one among those that waited.
    locked = Replica.objects.select_for_update(no_key=True).filter(pk=receiver.pk, state__in=UNFINISHED_REPLICA)
    if not locked.exists():
        raise Conflict(f"This waits for the {receiver.arrival}. Choose Retry there.")
    _wait(replica, iso)


def take_along(receiver: Replica, iso: Iso) -> None:
    """The arrival in `receiver` was begun again: what failed with it waits again, or says why it can't.

    Inside the transaction of that Retry, after it has reserved its own quota.
    """
    for replica in iso.replicas.filter(state=ReplicaState.FAILED).exclude(pk=receiver.pk).select_related("zone"):
        try:
            with transaction.atomic():
                _wait(replica, iso)
        except OverQuota as error:
            _still_failed(replica, error.code, error.message)
        except InvalidInput as error:
            sentence = f"{replica.zone} took no new images when this was tried again. Choose Retry here when it does."
            _still_failed(replica, error.code, sentence)


def _wait(replica: Replica, iso: Iso) -> None:
    require_active(replica.zone)
    if not reservations.is_held(replica.public_id):
        refs = [replica.public_id]
        reservations.reserve_copies(iso.account, iso_ref=iso.public_id, replica_refs=refs, size=iso.size or 0)
    only = [ReplicaState.FAILED]
    move_replica(replica, ReplicaState.WAITING, only_from=only, error_code="", error_message="")


def _still_failed(replica: Replica, code: str, sentence: str) -> None:
    still = Replica.objects.filter(pk=replica.pk, state=ReplicaState.FAILED)
    still.update(error_code=code, error_message=sentence)
