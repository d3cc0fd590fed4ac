"""Mail about what took long: once, in plain words, and not lost with a worker or a mail server."""

from datetime import timedelta

import pytest
from django.core import mail as outbox
from django.utils import timezone

from isos import mail
from isos.audit import Actor, record
from isos.models import Event, Notice, NoticeChoice
from isos.tasks import sweep
from tests.factories import make_iso

V = Event.Verb


@pytest.fixture
def due(settings, account, owner, zone_a):
    """`due(name=…)`: makes a notice whose mail is due."""
    settings.MAIL_WORKS, settings.MAIL_AFTER_SECONDS, settings.PORTAL_URL = True, 0, "https://isos.example.org"
    NoticeChoice.objects.create(user=owner, by_mail=True)

    def make(name="Debian", verb=V.READY, **data):
        iso = make_iso(account, {zone_a: "ready"}, name, user=owner)
        record(V.UPLOAD_STARTED, iso, Actor(owner), zone=zone_a)
        record(verb, iso, zone=zone_a, **data)
        Notice.objects.filter(mail_at__isnull=False).update(mail_at=timezone.now() - timedelta(seconds=1))
        return iso

    return make


def test_one_mail_with_words_and_links(due, owner):
    ready, failed = due(), due("Fedora <b>&", V.FAILED, reason="The disk is full.")
    assert mail.send_to(owner.pk) == 2
    (sent,) = outbox.outbox
    assert (sent.subject, sent.to) == ("2 of your ISO operations ended", ["owner@example.org"])
    assert "Debian: Verified and ready in zone-a" in sent.body
    assert "Fedora <b>&: Failed in zone-a: The disk is full." in sent.body
    for iso in (ready, failed):
        assert f"https://isos.example.org/isos/{iso.public_id}/" in sent.body
    assert "https://isos.example.org/activity/notices/" in sent.body
    assert not sent.alternatives


def test_it_is_sent_once(due, owner):
    due()
    assert [mail.send_to(owner.pk), mail.send_to(owner.pk)] == [1, 0]
    assert len(outbox.outbox) == 1
    assert outbox.outbox[0].subject == "Debian: Verified and ready in zone-a"
    assert Notice.objects.get().mail_at is None


def test_a_name_never_breaks_the_header(due, owner):
    due("Two\nlines: Bcc: x@example.org")
    mail.send_to(owner.pk)
    assert outbox.outbox[0].subject.startswith("Two lines: Bcc: x@example.org")


def test_what_was_seen_meanwhile_brings_none(due, owner):
    due()
    Notice.objects.update(seen_at=timezone.now())
    assert mail.send_to(owner.pk) == 0
    assert outbox.outbox == []
    assert Notice.objects.get().mail_at is None


def test_a_mail_server_that_is_away_is_tried_again_and_not_for_ever(due, owner, settings, caplog):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    due()
    for tries in range(1, mail.TRIES + 1):
        assert mail.send_to(owner.pk) == 0
        notice = Notice.objects.get()
        assert notice.mail_tries == tries
        assert (notice.mail_at is None) == (tries == mail.TRIES)
        Notice.objects.filter(mail_at__isnull=False).update(mail_at=timezone.now())
    assert "check EMAIL_URL" in caplog.text


def test_nobody_without_an_address_and_nobody_switched_off(due, owner):
    due()
    owner.email = ""
    owner.save()
    assert mail.send_to(owner.pk) == 0
    assert Notice.objects.get().mail_at is None


def test_the_sweep_hands_it_to_a_worker(due, owner, settings):
    from portal.celery import app

    due()
    app.conf.task_always_eager = True
    try:
        sweep()
    finally:
        app.conf.task_always_eager = False
    assert len(outbox.outbox) == 1
