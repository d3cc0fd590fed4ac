"""The audit trail: whole, and never changed, neither through Django nor beneath it."""

import uuid

import pytest
from django.db import Error, connection, transaction
from django.utils import timezone

from isos.audit import Actor, record, record_setting
from isos.models import Event
from tests.factories import make_iso

LINKS = {"iso_id", "actor_id", "asked_by_id"}


@pytest.fixture
def event(account, owner, zone_a):
    record(Event.Verb.RENAMED, make_iso(account, {zone_a: "ready"}), Actor(owner, "192.0.2.7"), before="a", after="b")
    return Event.objects.get()


def test_django_refuses(event):
    with pytest.raises(TypeError, match="append-only"):
        event.save()
    with pytest.raises(TypeError, match="append-only"):
        event.delete()
    with pytest.raises(TypeError, match="append-only"):
        Event.objects.filter(pk=event.pk).update(verb="ready")
    with pytest.raises(TypeError, match="append-only"):
        Event.objects.all().delete()
    with pytest.raises(TypeError, match="append-only"):
        event.iso.events.update(verb="ready")
    with pytest.raises(TypeError, match="append-only"):
        Event.objects.bulk_update([event], ["verb"])


def other_value(column):
    return {
        "data": "{}",
        "created_at": str(timezone.now()),
        "asked_at": str(timezone.now()),
        "iso_ref": uuid.uuid4().hex,
        "address": "192.0.2.8",
        "by_staff": True,
    }.get(column, 424242 if column.endswith("id") else "other")


@pytest.mark.parametrize("column", [field.column for field in Event._meta.concrete_fields])
def test_the_database_refuses_to_change_any_column(event, column):
    with pytest.raises(Error, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE isos_event SET {column} = %s WHERE id = %s", [other_value(column), event.pk])


def test_the_database_refuses_to_delete(event):
    with pytest.raises(Error, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM isos_event")
    assert Event.objects.count() == 1


def test_events_outlive_what_they_speak_of(event, owner):
    event.iso.replicas.all().delete()
    event.iso.delete()
    owner.delete()
    event.refresh_from_db()
    assert (event.iso, event.actor, event.actor_name, event.address) == (None, None, "owner", "192.0.2.7")
    assert event.iso_ref is not None


def test_who_what_when_and_from_where(account, owner, admin_user, zone_a):
    iso = make_iso(account, {zone_a: "ready"})
    record(Event.Verb.RENAMED, iso, Actor(owner, "192.0.2.7"), before="a", after="b")
    record_setting(Actor(admin_user, "192.0.2.9"), "Zone A", "state", "Active", "Disabled", zone="Zone A")
    own, setting = Event.objects.order_by("id")
    assert (own.actor, own.by_staff, own.address, own.iso_ref) == (owner, False, "192.0.2.7", iso.public_id)
    assert (own.data, own.account) == ({"before": "a", "after": "b"}, account)
    assert (setting.actor, setting.by_staff, setting.account, setting.iso_ref) == (admin_user, True, None, None)


def test_long_names_fit_into_the_trail(owner):
    owner.first_name, owner.last_name = "F" * 150, "L" * 150
    owner.save()
    longest = Event._meta.get_field("actor_name").max_length
    for token in ("", "T" * 60):
        assert len(Actor(owner, token=token).name) <= longest
