"""The Activity page and its CSV: what stands there, for whom, and how it is narrowed."""

import csv
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from isos import trail
from isos.audit import Actor, record, record_setting
from isos.models import Event
from isos.trail import KINDS, Cursor
from portal.kernel.cells import guarded
from tests.factories import make_iso
from tests.query_counts import counted
from tests.web.conftest import find, read

V = Event.Verb
PAGE, CSV = reverse("record:list"), reverse("record:csv")
ADDRESS = "192.0.2.7"


@pytest.fixture
def iso(account, owner, zone_a):
    return make_iso(account, {zone_a: "ready"}, "Debian", user=owner)


@pytest.fixture
def lived(iso, owner, teammate, admin_user, stranger, zone_a):
    """A short history of the account, and one event of another."""
    record(V.UPLOAD_STARTED, iso, Actor(owner, ADDRESS), zone=zone_a)
    record(V.READY, iso, zone=zone_a)
    record(V.RENAMED, iso, Actor(teammate, "192.0.2.8"), before="Old", after="Debian")
    record(V.EDITED, iso, Actor(admin_user, "198.51.100.1"), field="is_featured", before="No", after="Yes")
    record(V.RENAMED, make_iso(stranger.account, {zone_a: "ready"}, "Theirs"), Actor(stranger), before="a", after="b")
    return iso


def words(response):
    """The sentences of the page, newest first."""
    return [node.text() for row in read(response).all("tr") for node in row.walk() if node.attrs.get("class") == "did"]


def table(client, **query):
    response = client.get(CSV, query)
    assert response.status_code == 200
    return list(csv.DictReader(b"".join(response.streaming_content).decode().splitlines()))


def at(event_verb, when, iso):
    """An event of another time."""
    return Event.objects.create(
        account=iso.account, iso=iso, iso_ref=iso.public_id, iso_name=iso.name, verb=event_verb, created_at=when
    )


def test_who_what_where_from_and_when(lived, by_owner):
    page = read(by_owner.get(PAGE))
    assert words(by_owner.get(PAGE)) == [
        "Featured changed from No to Yes",
        "Renamed from “Old” to “Debian”",
        "Verified and ready in zone-a",
        "Upload started in zone-a",
    ]
    rows = [row.text() for row in page.all("tr")][1:]
    assert "owner" in rows[3]
    assert ADDRESS in rows[3]
    assert "Portal" in rows[2]
    assert find(page, href=lived.get_absolute_url())
    assert "Theirs" not in page.text()


def test_addresses_of_administrators_are_not_shown_to_users(lived, by_owner, as_user, admin_user):
    assert "198.51.100.1" not in read(by_owner.get(PAGE)).text()
    assert {row["Address"] for row in table(by_owner, who="admin")} == {""}
    assert "198.51.100.1" in read(as_user(admin_user).get(PAGE)).text()


def test_a_stranger_sees_the_own_account_alone(lived, as_user, stranger):
    client = as_user(stranger)
    assert words(client.get(PAGE)) == ["Renamed from “a” to “b”"]
    assert words(client.get(PAGE, {"account": "Demo"})) == ["Renamed from “a” to “b”"]
    assert [row["ISO"] for row in table(client, account="Demo")] == ["Theirs"]
    assert words(client.get(PAGE, {"iso": str(lived.public_id)})) == []


def test_administrators_see_every_account_and_the_portal(lived, as_user, admin_user):
    record_setting(Actor(admin_user), "Zone A", "state", "Active", "Disabled", zone="zone-a")
    client = as_user(admin_user)
    assert len(words(client.get(PAGE))) == 6
    assert words(client.get(PAGE, {"account": "other"})) == ["Renamed from “a” to “b”"]
    assert "Zone A: State changed from Active to Disabled" in words(client.get(PAGE, {"what": "settings"}))
    assert {row["Account"] for row in table(client)} == {"Demo", "Other", ""}


def test_what_concerns_no_account_is_not_for_users(lived, by_owner, admin_user):
    record_setting(Actor(admin_user), "Zone A", "state", "Active", "Disabled", zone="zone-a")
    assert words(by_owner.get(PAGE, {"what": "settings"})) == []


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"who": "own"}, 1),
        ({"who": "Portal"}, 1),
        ({"who": "nobody"}, 0),
        ({"what": "changes"}, 2),
        ({"what": "nonsense"}, 4),
        ({"iso": "ebia"}, 4),
        ({"iso": "Fedora"}, 0),
        ({"zone": "zone-a"}, 2),
        ({"zone": "gone"}, 0),
        ({"who": "owner", "what": "changes"}, 0),
        ({"after": "nonsense"}, 4),
    ],
)
def test_filters(lived, by_owner, query, count):
    assert len(words(by_owner.get(PAGE, query))) == count
    assert len(table(by_owner, **query)) == count


def test_the_trail_of_one_iso_by_its_id(lived, by_owner):
    assert len(words(by_owner.get(PAGE, {"iso": str(lived.public_id)}))) == 4
    assert f"iso={lived.public_id}" in by_owner.get(PAGE).content.decode()


def test_days_are_utc_and_both_included(iso, by_owner):
    at(V.RENAMED, datetime(2026, 3, 1, 0, 0, tzinfo=UTC), iso)
    at(V.READY, datetime(2026, 3, 2, 23, 59, 59, 999999, tzinfo=UTC), iso)
    at(V.FAILED, datetime(2026, 3, 3, 0, 0, tzinfo=UTC), iso)
    within = {"first_day": "2026-03-01", "last_day": "2026-03-02"}
    assert [row["What"] for row in table(by_owner, **within)] == ["Ready", "Renamed"]
    assert len(words(by_owner.get(PAGE, {"first_day": "2026-03-03"}))) == 1


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"first_day": "2026-03-02", "last_day": "2026-03-01"}, "The last day lies before the first one."),
        ({"first_day": "tomorrow"}, "Write the day as 2026-01-31."),
        ({"last_day": "2026-02-30"}, "Write the day as 2026-01-31."),
    ],
)
def test_days_that_make_no_sense_are_explained(lived, by_owner, query, sentence):
    response = by_owner.get(PAGE, query)
    page = read(response, status=422)
    assert sentence in page.text()
    assert "Debian" not in page.text()
    answer = by_owner.get(CSV, query)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()


def test_pages_lead_through_everything_once(iso, by_owner, monkeypatch):
    monkeypatch.setattr(trail, "PAGE_SIZE", 4)
    same = timezone.now()
    for number in range(10):  # several at the very same moment
        at(V.RENAMED, same - timedelta(seconds=number // 3), iso)
    seen, address = [], PAGE
    while address:
        response = by_owner.get(address)
        seen += [node.attrs["datetime"] for node in read(response).all("time")]
        older = find(read(response), rel="next")
        address = PAGE + older[0].attrs["href"].removeprefix(PAGE) if older else ""
    assert len(seen) == 10
    assert seen == sorted(seen, reverse=True)


def test_a_cursor_survives_its_address_and_nonsense_is_none():
    cursor = Cursor(timezone.now(), 42)
    assert Cursor.of(str(cursor)) == cursor
    for nonsense in ("", "-", "x-1", "20260101T000000.000000-", "20260101T000000.000000-x", "9" * 400):
        assert Cursor.of(nonsense) is None


@pytest.mark.parametrize("evil", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\r=1", "＝1"])
def test_no_cell_is_a_formula(evil, account, owner, zone_a, by_owner):
    assert guarded(evil) == f"'{evil}"
    record(V.RENAMED, make_iso(account, {zone_a: "ready"}, "x"), Actor(owner), before=evil, after='=HYPERLINK("x","y")')
    (row,) = table(by_owner)
    assert row["After"].startswith("'=")
    assert not row["Before"].lstrip().startswith(("=", "+", "-", "@"))


def test_csv_holds_all_that_the_page_knows(lived, by_owner):
    response = by_owner.get(CSV)
    assert response.headers["Content-Disposition"].startswith('attachment; filename="activity-')
    rows = table(by_owner)
    renamed = rows[1]
    assert (renamed["Who"], renamed["What"], renamed["Before"], renamed["After"]) == (
        "teammate",
        "Renamed",
        "Old",
        "Debian",
    )
    assert renamed["ISO ID"] == str(lived.public_id)
    assert renamed["Time (UTC)"].endswith("Z")


def test_names_are_shown_as_text(account, owner, zone_a, by_owner):
    evil = "<script>alert(1)</script>"
    record(V.RENAMED, make_iso(account, {zone_a: "ready"}, evil), Actor(owner), before=evil, after="b")
    assert evil not in by_owner.get(PAGE, {"who": evil, "iso": evil, "zone": evil}).content.decode()
    assert evil not in by_owner.get(PAGE).content.decode()


def test_every_verb_can_be_asked_for():
    assert sorted(verb for _, verbs in KINDS.values() for verb in verbs) == sorted(Event.Verb)


def test_the_cost_does_not_grow_with_the_page(iso, owner, by_owner):
    for number in range(40):
        record(V.RENAMED, iso, Actor(owner), before=str(number), after="b")
    with counted("activity, 40 lines"):
        assert len(words(by_owner.get(PAGE))) == 40


def test_nobody_has_to_sign_in_first(client, db):
    for address in (PAGE, CSV):
        assert client.get(address).headers["Location"].startswith("/accounts/login/")


def test_it_is_for_reading_only(by_owner):
    for address in (PAGE, CSV):
        assert {by_owner.post(address).status_code, by_owner.delete(address).status_code} == {405}
