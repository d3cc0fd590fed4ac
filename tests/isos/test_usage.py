"""Usage begins and ends with what really happens to replicas: uploads, copies, deletes, damage and repair."""

from datetime import timedelta
from importlib import import_module

import pytest
import time_machine
from django.apps import apps
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from isos.actions.copy_to_zones import copy_to_zones
from isos.actions.delete_from_zones import cancel, delete_from_zones
from isos.actions.rename import rename
from isos.models import Iso, Replica
from isos.operations import damage
from isos.operations.sources import ReplicaDamaged
from isos.states import ReplicaState
from quotas import usage_spans
from quotas.charges import report
from quotas.models import UsageSpan
from tests.factories import make_iso
from tests.isos.conftest import run_all, send
from tests.isos.copies import replica_in, uploaded

HOUR = timedelta(hours=1)


def spans(**wanted):
    return list(UsageSpan.objects.filter(**wanted).order_by("began_at", "id"))


def assert_open_spans_are_what_is_stored():
    """Every replica that is Ready, or was and is being deleted, counts; nothing else does."""
    stored = Replica.objects.filter(state=ReplicaState.READY)
    assert {span.replica_ref for span in spans(ended_at=None)} == {one.public_id for one in stored}


@pytest.fixture
def iso(start, iso_bytes, zone_a):
    return uploaded(start, iso_bytes, zone_a, name="Debian")


def test_an_upload_counts_from_ready_on(start, iso_bytes, zone_a, account):
    before = timezone.now()
    upload = start(len(iso_bytes), name="Debian")
    send(upload, iso_bytes)
    assert spans() == []
    run_all()
    (span,) = spans()
    assert (span.account, span.zone, span.iso_name, span.bytes) == (account, zone_a, "Debian", len(iso_bytes))
    assert (span.iso_ref, span.replica_ref) == (upload.replica.iso.public_id, upload.replica.public_id)
    assert before <= span.began_at <= timezone.now()
    assert span.ended_at is None


def test_what_never_was_ready_costs_nothing(start, actor, iso_bytes):
    upload = start(len(iso_bytes), name="Broken")
    send(upload, bytes(len(iso_bytes)))
    cancelled = start(len(iso_bytes), name="Cancelled")
    cancel(actor, cancelled.replica.iso)
    run_all()
    assert Replica.objects.filter(state=ReplicaState.FAILED).exists()
    assert spans() == []


def test_each_copy_counts_on_its_own_until_it_is_gone(iso, actor, zone_a, zone_b, account):
    now = timezone.now()
    with time_machine.travel(now + 2 * HOUR):
        copy_to_zones(actor, iso, [zone_b])
        run_all()
        assert_open_spans_are_what_is_stored()
    with time_machine.travel(now + 5 * HOUR):
        delete_from_zones(actor, iso, [replica_in(iso, zone_a)], confirmation="confirm")
        assert len(spans(ended_at=None)) == 2, "until the bytes are gone"
        run_all()
        assert_open_spans_are_what_is_stored()
    with time_machine.travel(now + 9 * HOUR):
        delete_from_zones(actor, iso, [replica_in(iso, zone_b)], confirmation="confirm")
        run_all()
    assert not Iso.objects.exists()
    assert spans(ended_at=None) == []
    with time_machine.travel(now + 20 * HOUR):
        found = {line.zone.slug: line for line in report(now - HOUR, now + 30 * HOUR, account).lines}
    for slug, hours in (("zone-a", 5), ("zone-b", 7)):
        line = found[slug]
        assert abs(line.ended - line.began - hours * HOUR) < timedelta(minutes=1)
        assert line.byte_time == iso.size * ((line.ended - line.began) // timedelta(microseconds=1))


def test_what_is_damaged_stops_and_begins_anew_when_it_is_healed(iso, actor, zone_a, zone_b):
    copy_to_zones(actor, iso, [zone_b])
    run_all()
    replica = replica_in(iso, zone_b)
    assert damage.write_down(replica, ReplicaDamaged())
    assert [span.zone for span in spans(ended_at=None)] == [zone_a]
    assert damage.heal(replica_in(iso, zone_b))
    run_all()
    assert replica_in(iso, zone_b).state == ReplicaState.READY
    assert_open_spans_are_what_is_stored()
    assert len(spans(zone=zone_b)) == 2


def test_usage_shows_the_name_that_the_owner_knows(iso, actor):
    rename(actor, iso, "Debian 13")
    assert [span.iso_name for span in spans()] == ["Debian 13"]


def test_a_name_that_an_administrator_gives_is_shown_too(iso, client, admin_user):
    client.force_login(admin_user)
    address = reverse("admin:isos_iso_change", args=[iso.pk])
    form = client.get(address).context["adminform"].form
    data = {name: form[name].value() or "" for name in form.fields} | {"name": "Debian 14"}
    inline = {f"replicas-{name}": 0 for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
    response = client.post(address, data | inline)
    assert response.status_code == 302, response.context["errors"]
    assert [span.iso_name for span in spans()] == ["Debian 14"]


def test_beginning_and_ending_twice_is_the_same_as_once(iso, account, zone_a):
    (span,) = spans()
    fields = {"iso_ref": span.iso_ref, "iso_name": "Debian", "replica_ref": span.replica_ref}
    with transaction.atomic():
        usage_spans.begin(account, zone_a, size=span.bytes, **fields)
    assert spans() == [span]
    with transaction.atomic():
        usage_spans.begin(account, zone_a, size=span.bytes + 1, **fields)
    assert [one.bytes for one in spans(ended_at=None)] == [span.bytes + 1]
    with transaction.atomic():
        usage_spans.end(span.replica_ref)
        ended = spans()
        usage_spans.end(span.replica_ref)
    assert [one.ended_at for one in spans()] == [one.ended_at for one in ended]


def test_a_clock_that_was_set_back_makes_no_time_of_less_than_nothing(iso):
    (span,) = spans()
    with transaction.atomic():
        usage_spans.end(span.replica_ref, at=span.began_at - HOUR)
    assert [one.ended_at for one in spans()] == [span.began_at]


def test_the_database_keeps_one_open_span_a_replica(iso, account, zone_a):
    (span,) = spans()
    with pytest.raises(IntegrityError), transaction.atomic():
        UsageSpan.objects.create(
            account=account, zone=zone_a, iso_ref=span.iso_ref, iso_name="x", replica_ref=span.replica_ref, bytes=1,
            began_at=timezone.now(),
        )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_nothing_is_written_outside_a_transaction(account, zone_a):
    with pytest.raises(transaction.TransactionManagementError):
        usage_spans.end(zone_a.pk)


class TestBackfill:
    """What was Ready before usage was written down."""

    def backfill(self):
        import_module("isos.migrations.0014_usage_of_ready_replicas").begin(apps, None)

    def test_counts_from_when_the_bytes_came(self, iso, actor, zone_b):
        copy_to_zones(actor, iso, [zone_b])
        run_all()
        counted = {span.replica_ref: span for span in spans()}
        UsageSpan.objects.all().delete()
        Replica.objects.update(verified_at=timezone.now() + HOUR)  # read again since
        self.backfill()
        for span in spans():
            before = counted[span.replica_ref]
            assert (span.account, span.zone, span.bytes, span.iso_name, span.ended_at) == (
                before.account, before.zone, before.bytes, before.iso_name, None,
            )  # fmt: skip
            assert abs(span.began_at - before.began_at) < timedelta(seconds=10)
        assert len(counted) == len(spans()) == 2

    def test_without_its_operation_it_counts_from_the_registration_on(self, account, zone_a, zone_b):
        iso = make_iso(account, {zone_a: "ready", zone_b: "failed"}, size=5)
        self.backfill()
        (span,) = spans()
        assert (span.zone, span.began_at, span.bytes) == (zone_a, iso.ready_at, 5)

    def test_twice_is_once(self, iso):
        before = spans()
        self.backfill()
        assert spans() == before
