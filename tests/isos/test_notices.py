"""Who hears of what ended: whoever asked for it and did not watch, by bell and by mail."""

from datetime import timedelta

import pytest
from django.utils import timezone

from isos import notices
from isos.actions.copy_to_zones import copy_to_zones
from isos.actions.delete_from_zones import cancel, delete_from_zones
from isos.audit import PORTAL, Actor, record
from isos.models import Event, Iso, Notice, NoticeChoice, Replica
from tests.factories import make_iso
from tests.isos.conftest import run_all, send

V = Event.Verb


def heard(user):
    """The verbs of the user's notices, oldest first."""
    return [notice.event.verb for notice in Notice.objects.filter(user=user).order_by("id")]


def age(seconds):
    """As if all notices were made that long ago."""
    Notice.objects.update(made_at=timezone.now() - timedelta(seconds=seconds))


@pytest.fixture
def uploaded(start, iso_bytes):
    send(start(len(iso_bytes), name="Debian"), iso_bytes)
    run_all()
    return Iso.objects.get()


def test_whoever_uploaded_hears_that_it_is_ready(uploaded, owner, teammate):
    assert heard(owner) == ["ready"]
    assert heard(teammate) == []
    event = Event.objects.get(verb="ready")
    assert (event.asked_by, event.asked_at) == (owner, Event.objects.get(verb="upload_started").created_at)


def test_a_broken_upload_is_told_too(start, owner):
    send(start(4000, name="Broken"), b"x" * 4000)
    run_all()
    assert heard(owner) == ["failed"]


def test_each_hears_of_what_he_began(uploaded, owner, teammate, zone_b):
    copy_to_zones(Actor(teammate), uploaded, [zone_b])
    run_all()
    assert (heard(owner), heard(teammate)) == (["ready"], ["ready"])
    delete_from_zones(Actor(owner), uploaded, uploaded.replicas.filter(zone=zone_b), confirmation="confirm")
    run_all()
    assert (heard(owner), heard(teammate)) == (["ready", "deleted"], ["ready"])


def test_further_zones_of_an_upload_belong_to_whoever_began_it(start, iso_bytes, owner, zone_a, zone_b):
    send(start(len(iso_bytes), name="Debian", more_zones=(zone_b,)), iso_bytes)
    run_all()
    assert Replica.objects.filter(state="ready").count() == 2
    assert heard(owner) == ["ready", "ready"]


def test_what_was_cancelled_is_no_news(start, actor, owner):
    upload = start(4000, name="Debian")
    cancel(actor, upload.replica.iso)
    run_all()
    assert Event.objects.filter(verb="deleted").exists()
    assert heard(owner) == []


def test_damage_concerns_everybody_in_the_account(uploaded, owner, teammate, stranger, zone_a):
    record(V.DAMAGED, uploaded, zone=zone_a, reason="It is gone.")
    record(V.RETRIED, uploaded, PORTAL, zone=zone_a)
    record(V.READY, uploaded, zone=zone_a)
    assert heard(teammate) == ["damaged", "ready"]
    assert heard(owner) == ["ready", "damaged", "ready"]
    assert heard(stranger) == []


def test_an_operator_tells_nobody(uploaded, account, owner, zone_b):
    record(V.COPY_STARTED, uploaded, Actor(operates_for=account), zone=zone_b)
    record(V.READY, uploaded, zone=zone_b)
    assert heard(owner) == ["ready"]


def test_nobody_who_is_switched_off(uploaded, owner, zone_a):
    owner.is_active = False
    owner.save()
    record(V.FAILED, uploaded, zone=zone_a, reason="Full.")
    assert heard(owner) == ["ready"]


def test_a_live_update_within_seconds_is_watching(uploaded, owner):
    notices.watch(owner, [uploaded])
    notice = Notice.objects.get()
    assert notice.watched
    assert notice.seen_at is not None
    assert notices.of_user(owner) == []


def test_a_live_update_of_something_else_or_much_later_is_not(uploaded, owner, account, zone_a):
    notices.watch(owner, [make_iso(account, {zone_a: "ready"})], is_list=True)
    age(notices.WATCH_SECONDS + 1)
    notices.watch(owner, [uploaded])
    assert not Notice.objects.get().watched
    assert notices.unseen(owner.pk).count() == 1


def test_a_list_watches_what_vanishes_from_it(uploaded, owner, zone_a):
    age(60)
    delete_from_zones(Actor(owner), uploaded, uploaded.replicas.all(), confirmation="confirm")
    run_all()
    notices.watch(owner, [], is_list=True)
    assert [notice.watched for notice in Notice.objects.order_by("id")] == [False, True]


def test_the_bell_waits_until_it_is_clear_that_nobody_watched(uploaded, owner):
    assert notices.unseen(owner.pk).count() == 0
    age(notices.WATCH_SECONDS + 1)
    assert notices.unseen(owner.pk).count() == 1


def test_seen_is_what_was_shown_and_old_ones_go(uploaded, owner, zone_a, monkeypatch):
    monkeypatch.setattr(notices, "KEPT", 3)
    for _ in range(5):
        record(V.FAILED, uploaded, zone=zone_a, reason="Full.")
    shown = notices.of_user(owner)
    record(V.FAILED, uploaded, zone=zone_a, reason="Later.")
    notices.mark_seen(owner, shown)
    left = Notice.objects.order_by("-id")
    assert left.count() == 3
    assert [notice.seen_at is None for notice in left] == [True, False, False]


@pytest.fixture
def by_mail(owner, settings):
    settings.MAIL_WORKS, settings.MAIL_AFTER_SECONDS = True, 0
    NoticeChoice.objects.create(user=owner, by_mail=True)


def test_mail_is_due_for_who_wants_it_once_it_took_long(by_mail, settings, start, iso_bytes, owner, teammate):
    send(start(len(iso_bytes), name="Long"), iso_bytes)
    run_all()
    assert Notice.objects.get().mail_at > timezone.now() + timedelta(seconds=notices.WATCH_SECONDS)
    settings.MAIL_AFTER_SECONDS = 60
    send(start(len(iso_bytes), name="Short"), iso_bytes)
    run_all()
    assert Notice.objects.latest("id").mail_at is None


def test_no_mail_where_it_goes_nowhere(by_mail, settings, start, iso_bytes):
    settings.MAIL_WORKS = False
    send(start(len(iso_bytes), name="Long"), iso_bytes)
    run_all()
    assert Notice.objects.get().mail_at is None


def test_what_was_watched_brings_no_mail(by_mail, uploaded, owner):
    assert Notice.objects.get().mail_at is not None
    notices.watch(owner, [uploaded])
    assert Notice.objects.get().mail_at is None
