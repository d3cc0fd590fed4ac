"""Another file for an upload of which nothing has come: what fails as the wrong file can be put right."""

import pytest

from isos.actions.replace_file import replace_file
from isos.actions.retry import retry
from isos.audit import Actor
from isos.models import Iso, Replica
from isos.states import ReplicaState
from portal.kernel.errors import Conflict, InvalidInput, NotAllowed
from quotas.errors import OverQuota
from quotas.models import QuotaLimit, Reservation
from tests.isos.conftest import run_all, send


@pytest.fixture
def retried(start, actor):
    """The wrong file was uploaded, failed, and Retry asks for a file again."""
    send(start(100, description="Kept"), bytes(100))
    run_all()
    return retry(actor, Replica.objects.select_related("iso__account", "zone").get())


def test_the_right_file_of_another_size_becomes_ready(retried, actor, iso_bytes):
    replace_file(actor, retried, size=len(iso_bytes), filename="right.iso", fingerprint="ab" * 32)
    assert Reservation.objects.get().bytes == len(iso_bytes)
    send(retried, iso_bytes)
    run_all()
    iso = Iso.objects.get()
    assert Replica.objects.get().state == ReplicaState.READY
    assert (iso.source_name, iso.size, iso.description) == ("right.iso", len(iso_bytes), "Kept")


def test_once_bytes_have_come_it_is_too_late(retried, actor):
    send(retried, b"x")
    with pytest.raises(Conflict):
        replace_file(actor, retried, size=50, filename="other.iso", fingerprint="")
    assert Reservation.objects.get().bytes == 100


def test_over_quota_or_empty_changes_nothing(retried, actor, account):
    QuotaLimit.objects.create(account=account, max_bytes=150)
    with pytest.raises(OverQuota):
        replace_file(actor, retried, size=151, filename="big.iso", fingerprint="")
    with pytest.raises(InvalidInput):
        replace_file(actor, retried, size=0, filename="empty.iso", fingerprint="")
    retried.refresh_from_db()
    assert (retried.length, Reservation.objects.get().bytes) == (100, 100)


def test_strangers_may_not(retried, stranger):
    with pytest.raises(NotAllowed):
        replace_file(Actor(stranger), retried, size=50, filename="mine.iso", fingerprint="")
