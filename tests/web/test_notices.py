"""The bell, the page of notices, and the choice about mail."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from isos.audit import Actor, record
from isos.models import Event, Notice, NoticeChoice
from tests.factories import make_iso
from tests.web.conftest import HTMX, find, read

V = Event.Verb
PAGE, BELL, CHOICE = (reverse(f"record:{name}") for name in ("notices", "bell", "choice"))
PROFILE = "/accounts/profile/"


@pytest.fixture
def iso(account, owner, zone_a):
    iso = make_iso(account, {zone_a: "ready"}, "Debian", user=owner)
    record(V.UPLOAD_STARTED, iso, Actor(owner), zone=zone_a)
    return iso


@pytest.fixture
def ended(iso, zone_a):
    """`ended(verb)`: something ended a while ago."""

    def end(verb=V.READY, **data):
        record(verb, iso, zone=zone_a, **data)
        Notice.objects.update(made_at=timezone.now() - timedelta(minutes=1))

    return end


def bell_of(page):
    (bell,) = find(page, id="bell")
    return bell


def test_every_page_has_the_bell_with_its_number(by_owner, ended):
    assert bell_of(read(by_owner.get(PROFILE))).attrs["aria-label"] == "Notices"
    ended()
    ended(V.FAILED, reason="Full.")
    bell = bell_of(read(by_owner.get("/isos/")))
    assert bell.attrs["aria-label"] == "Notices, 2 new"
    assert bell.text() == "2"
    assert bell.attrs["href"] == PAGE


def test_a_poll_says_nothing_until_there_is_something(by_owner, ended):
    empty = by_owner.get(BELL, {"n": "0"}, headers=HTMX)
    assert (empty.status_code, empty.content) == (204, b"")
    ended()
    changed = by_owner.get(BELL, {"n": "0"}, headers=HTMX)
    assert bell_of(read(changed)).attrs["hx-get"] == f"{BELL}?n=1"
    assert by_owner.get(BELL, {"n": "1"}, headers=HTMX).status_code == 204


def test_a_poll_costs_one_query_beside_the_sign_in(by_owner, ended):
    ended()
    by_owner.get(BELL)
    with CaptureQueriesContext(connection) as captured:
        by_owner.get(BELL, {"n": "1"}, headers=HTMX)
    own = [query["sql"] for query in captured if "isos_notice" in query["sql"]]
    assert len(own) == 1
    assert len(captured) == 3  # the session and its user


def test_the_bell_stops_counting(by_owner, iso, owner, zone_a):
    for _ in range(101):
        record(V.READY, iso, zone=zone_a)
    Notice.objects.update(made_at=timezone.now() - timedelta(minutes=1))
    bell = bell_of(read(by_owner.get(BELL)))
    assert (bell.text(), bell.attrs["aria-label"]) == ("99+", "Notices, more than 99 new")


def test_opening_the_page_marks_them_seen(by_owner, ended, iso):
    ended(V.FAILED, reason="The disk is full.")
    page = read(by_owner.get(PAGE))
    assert "Failed in zone-a: The disk is full." in page.text()
    assert find(page, class_="new")
    assert find(page, href=iso.get_absolute_url())
    again = read(by_owner.get(PAGE))
    assert not find(again, class_="new")
    assert "The disk is full" in again.text()
    assert bell_of(again).attrs["aria-label"] == "Notices"


def test_looking_ahead_is_not_opening(by_owner, ended):
    ended()
    by_owner.head(PAGE)
    by_owner.get(PAGE, headers={"Sec-Purpose": "prefetch;prerender"})
    assert Notice.objects.get().seen_at is None


def test_notices_are_for_their_user_alone(as_user, teammate, by_owner, ended):
    ended()
    client = as_user(teammate)
    assert "Debian" not in read(client.get(PAGE)).text()
    assert Notice.objects.get().seen_at is None
    assert bell_of(read(by_owner.get(PROFILE))).text() == "1"


@pytest.mark.parametrize("page", ["list", "detail", "progress"])
def test_who_watched_it_end_hears_nothing(by_owner, iso, zone_a, page):
    record(V.READY, iso, zone=zone_a)
    address = reverse(f"isos:{page}", args=[] if page == "list" else [iso.public_id])
    by_owner.get(address, headers=HTMX)  # a live update
    assert Notice.objects.get().watched
    assert "Debian" not in read(by_owner.get(PAGE)).text()


def test_who_comes_later_has_not_watched(by_owner, iso, zone_a):
    record(V.READY, iso, zone=zone_a)
    by_owner.get("/isos/")  # a page that is opened now was not open then
    by_owner.get(iso.get_absolute_url())
    assert not Notice.objects.get().watched


def test_a_teammate_who_watches_takes_nothing_from_others(as_user, teammate, iso, zone_a):
    record(V.READY, iso, zone=zone_a)
    as_user(teammate).get("/isos/", headers=HTMX)
    assert not Notice.objects.get().watched


def test_mail_is_chosen_on_the_profile_page(by_owner, owner, settings):
    settings.MAIL_WORKS = True
    assert "checked" not in read(by_owner.get(PROFILE)).by_id("by-mail").attrs
    assert by_owner.post(CHOICE, {"by_mail": "on"}, follow=True).status_code == 200
    assert NoticeChoice.objects.get(user=owner).by_mail
    assert "checked" in read(by_owner.get(PROFILE)).by_id("by-mail").attrs
    by_owner.post(CHOICE)
    assert not NoticeChoice.objects.get(user=owner).by_mail
    assert mail.outbox == []


@pytest.mark.parametrize(("works", "address", "sentence"), [
    (False, "owner@example.org", "This portal sends no mail."),
    (True, "", "There is no e-mail address to send to."),
])  # fmt: skip
def test_where_no_mail_can_go_it_is_said(by_owner, owner, settings, works, address, sentence):
    settings.MAIL_WORKS, owner.email = works, address
    owner.save()
    assert sentence in read(by_owner.get(PROFILE)).text()
    answer = by_owner.post(CHOICE, {"by_mail": "on"}, follow=True)
    assert "no way to send you mail" in read(answer).text()
    assert not NoticeChoice.objects.exists()


def test_nobody_signs_in_first_and_methods_hold(client, by_owner):
    for address in (PAGE, BELL):
        assert client.get(address).headers["Location"].startswith("/accounts/login/")
        assert by_owner.post(address).status_code == 405
    assert client.post(CHOICE).headers["Location"].startswith("/accounts/login/")
    assert by_owner.get(CHOICE).status_code == 405
