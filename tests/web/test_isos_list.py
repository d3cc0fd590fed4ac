"""The ISO list: rows, filters, paging, live updates and what it costs."""

import re

import pytest

from isos.models import Iso, Replica
from isos.states import ReplicaState
from quotas.models import QuotaLimit
from tests.conftest import make_file_zone
from tests.factories import MB, PROGRESS, SENTENCE, make_iso, make_version
from tests.query_counts import counted
from tests.web.conftest import HTMX, find, read, rows

pytestmark = pytest.mark.django_db


def row_of(page, iso):
    (row,) = find(page, data_iso_id=str(iso.public_id))
    return row


def words(row):
    return [node.text() for tag in ("a", "button") for node in row.all(tag)]


def labels(row):
    return [node.attrs["aria-label"] for node in row.walk() if "aria-label" in node.attrs]


def test_a_row_says_what_it_is(by_owner, account, zone_a, zone_b):
    version = make_version("Debian 13", "debian-13", icon="brand-debian")
    iso = make_iso(
        account, {zone_a: "ready", zone_b: "receiving"}, "Debian DVD", os_version=version,
        size=3970 * MB, is_public=True, is_featured=True, is_extractable=True,
    )  # fmt: skip
    row = row_of(read(by_owner.get("/isos/")), iso)
    assert row.one("a").attrs["href"] == iso.get_absolute_url()
    for said in ("Debian DVD", "Debian 13", "Public", "Featured", "Extractable", "3.97 GB", "zone-b 38%"):
        assert said in row.text()
    chips = {node.attrs["data-zone"]: node.attrs["data-state"] for node in row.walk() if "data-state" in node.attrs}
    assert chips == {"zone-a": "ready", "zone-b": "receiving"}
    assert row.one("use").attrs["href"].endswith("#brand-debian")
    assert "Rename Debian DVD" in labels(row)
    assert "Delete Debian DVD" in labels(row)


@pytest.mark.parametrize(
    ("state", "idle", "offered", "missing"),
    [
        ("ready", False, {"View more"}, {"Cancel upload", "Resume", "Retry"}),
        ("receiving", False, {"View more", "Cancel upload"}, {"Resume"}),
        ("receiving", True, {"View more", "Cancel upload", "Resume"}, set()),
        ("verifying", False, {"View more", "Cancel upload"}, {"Resume"}),
        ("queued", False, {"View more", "Cancel upload"}, {"Resume"}),
        ("failed", False, {"View more", "zone-a failed · Retry Debian in zone-a."}, {"Cancel upload", "Resume"}),
        ("deleting", False, {"View more"}, {"Cancel upload", "Resume"}),
    ],
)
def test_actions_follow_the_state(by_owner, account, owner, zone_a, state, idle, offered, missing):
    iso = make_iso(account, {zone_a: state}, "Debian", user=owner, idle=idle)
    row = row_of(read(by_owner.get("/isos/")), iso)
    assert offered <= set(words(row))
    assert not missing & set(words(row))
    assert ("Delete Debian" in labels(row)) == (state != "deleting")


def test_only_who_began_an_upload_is_offered_to_resume_it(as_user, teammate, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "receiving"}, user=owner, idle=True)
    row = row_of(read(as_user(teammate).get("/isos/")), iso)
    assert "Resume" not in words(row)
    assert f"zone-a paused {PROGRESS}%" in row.text()


def test_a_failure_is_said_in_words(by_owner, account, zone_a, zone_b):
    one = make_iso(account, {zone_a: "failed"})
    two = make_iso(account, {zone_a: "ready", zone_b: "failed"})
    page = read(by_owner.get("/isos/"))
    assert [node.text() for node in find(row_of(page, one), data_error_zone="zone-a")] == [SENTENCE]
    assert [node.text() for node in find(row_of(page, two), data_error_zone="zone-b")] == [f"zone-b: {SENTENCE}"]


def test_work_that_is_tried_again_says_why(by_owner, account, zone_a):
    iso = make_iso(account, {zone_a: "verifying"})
    iso.replicas.get().operations.update(error_message="The zone can’t be reached.")
    row = row_of(read(by_owner.get("/isos/")), iso)
    assert "The zone can’t be reached. Trying again by itself." in row.text()
    iso.replicas.get().operations.update(is_doomed=True)
    assert "Trying again" not in row_of(read(by_owner.get("/isos/")), iso).text()


def test_public_isos_of_others_have_no_verbs_and_no_secrets(by_owner, stranger, zone_a, zone_b):
    iso = make_iso(stranger.account, {zone_a: "ready", zone_b: "failed"}, "Theirs", user=stranger, is_public=True)
    make_iso(stranger.account, {zone_a: "ready"}, "Hidden", user=stranger)
    make_iso(stranger.account, {zone_a: "receiving"}, "Unfinished", user=stranger, is_public=True)
    assert rows(read(by_owner.get("/isos/"))) == []
    page = read(by_owner.get("/isos/?scope=public"))
    row = row_of(page, iso)
    assert rows(page) == ["Theirs"]
    assert words(row) == ["Theirs", "View more"]
    assert not row.all("form")
    assert "Other" in row.text()
    assert SENTENCE not in row.text()
    assert "zone-b" not in row.text()


@pytest.fixture
def library(account, owner, teammate, stranger, zone_a, zone_b):
    make_iso(account, {zone_a: "ready"}, "Debian 13", os_type="linux", user=owner, size=3 * MB)
    make_iso(account, {zone_b: "receiving"}, "Windows 11", os_type="windows", user=owner, size=4 * MB)
    make_iso(account, {zone_b: "failed"}, "FreeBSD", os_type="bsd", user=teammate, size=2 * MB, description="For NAS")
    make_iso(account, {zone_a: "ready", zone_b: "failed"}, "alpine", user=teammate, size=1 * MB)
    make_iso(account, {zone_a: "deleting"}, "Old", user=owner, size=5 * MB)
    make_iso(stranger.account, {zone_a: "ready"}, "Rescue", user=stranger, is_public=True, size=6 * MB)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"Debian 13", "Windows 11", "FreeBSD", "alpine", "Old"}),
        ("q=DEBIAN", {"Debian 13"}),
        ("q=nas", {"FreeBSD"}),
        ("os_type=windows", {"Windows 11"}),
        ("zone=zone-b", {"Windows 11", "FreeBSD", "alpine"}),
        ("state=ready", {"Debian 13", "alpine"}),
        ("state=progress", {"Windows 11"}),
        ("state=failed", {"FreeBSD"}),
        ("state=deleting", {"Old"}),
        ("owner=mine", {"Debian 13", "Windows 11", "Old"}),
        ("scope=public", {"Rescue"}),
        ("scope=public&owner=mine&state=failed", {"Rescue"}),  # questions for the own ones
        ("scope=public&zone=zone-b", set()),
        ("scope=public&q=debian", set()),
        ("scope=featured", set()),
        ("zone=zone-b&state=failed&q=free", {"FreeBSD"}),
        ("zone=nowhere&state=silly&sort=random&os_type=x&owner=public&scope=all&page=-1", None),
        ("q=nothing+has+this", set()),
    ],
)
def test_filters(by_owner, library, query, expected):
    everything = {"Debian 13", "Windows 11", "FreeBSD", "alpine", "Old"}
    page = read(by_owner.get(f"/isos/?{query}"))
    assert set(rows(page)) == (everything if expected is None else expected)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", ["alpine", "Debian 13", "FreeBSD", "Old", "Windows 11"]),
        ("largest", ["Old", "Windows 11", "Debian 13", "FreeBSD", "alpine"]),
        ("newest", ["Old", "alpine", "FreeBSD", "Windows 11", "Debian 13"]),
        ("oldest", ["Debian 13", "Windows 11", "FreeBSD", "alpine", "Old"]),
    ],
)
def test_sorting(by_owner, library, sort, expected):
    page = read(by_owner.get(f"/isos/?sort={sort}"))
    assert rows(page) == expected
    (chosen,) = (node for node in page.by_id("id_sort").all("option") if "selected" in node.attrs)
    assert chosen.attrs["value"] == sort


def test_filters_are_shown_as_they_are(by_owner, library):
    page = read(by_owner.get("/isos/?q=deb&zone=zone-a"))
    assert page.by_id("id_q").attrs["value"] == "deb"
    (zone,) = (node for node in page.by_id("id_zone").all("option") if "selected" in node.attrs)
    assert zone.attrs["value"] == "zone-a"
    assert page.by_id("filters").attrs["method"] == "get"


def test_paging_keeps_the_filters(by_owner, account, zone_a):
    for number in range(60):
        make_iso(account, {zone_a: "ready"}, f"Image {number:02}")
    page = read(by_owner.get("/isos/?sort=name&q=image&page=2"))
    assert rows(page)[0] == "Image 25"
    assert "Showing 26–50 of 60 images" in page.text()
    links = {node.attrs.get("aria-label"): node.attrs.get("href") for node in page.all("a")}
    assert links["Next page"] == "?sort=name&q=image&page=3"
    assert page.by_id("live").attrs["data-address"] == "/isos/?q=image&sort=name&page=2"
    assert rows(read(by_owner.get("/isos/?sort=name&page=999999999")))[-1] == "Image 24"
    assert rows(read(by_owner.get("/isos/?sort=name&page=99")))[-1] == "Image 59"


def test_empty_library_is_not_an_empty_search(by_owner, account, zone_a):
    page = read(by_owner.get("/isos/"))
    assert page.one("h2").text() == "No ISO images yet"
    assert not find(page, id="filters")
    make_iso(account, {zone_a: "ready"})
    page = read(by_owner.get("/isos/?q=zzz"))
    assert page.one("h2").text() == "No ISO image matches"
    assert find(page, id="filters")
    assert [node.attrs["href"] for node in page.all("a") if node.text() == "Clear filters"] == ["/isos/"]


def test_quota_and_the_upload_button(by_owner, account, zone_a):
    QuotaLimit.objects.create(account=account, max_isos=2)
    make_iso(account, {zone_a: "ready"})
    page = read(by_owner.get("/isos/"))
    assert "1 of 2 used" in page.by_id("list-quota").text()
    (button,) = (node for node in page.by_id("list-quota").all("a"))
    assert button.attrs["href"] == "/isos/upload/"
    make_iso(account, {zone_a: "ready"})
    page = read(by_owner.get("/isos/"))
    (button,) = (node for node in page.by_id("list-quota").all("a"))
    assert button.attrs["aria-disabled"] == "true"
    assert "href" not in button.attrs
    assert page.by_id(button.attrs["aria-describedby"]).text().startswith("Your ISO quota is used up.")


# --- live updates ------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(ReplicaState))
def test_it_polls_only_while_something_moves(by_owner, account, zone_a, state):
    make_iso(account, {zone_a: state})
    trigger = read(by_owner.get("/isos/")).by_id("live").attrs["hx-trigger"]
    assert ("every 2s" in trigger) == (state not in ("ready", "failed"))


def test_htmx_gets_the_table_alone(by_owner, account, zone_a):
    iso = make_iso(account, {zone_a: "ready"}, "Debian")
    html = by_owner.get("/isos/?q=deb", headers=HTMX).content.decode()
    assert html == html.strip(), "white space around a fragment is left in the page at each update"
    page = read(by_owner.get("/isos/?q=deb", headers=HTMX))
    assert [node.attrs["id"] for node in page.children] == ["live", "list-quota"]
    assert not page.all("html")
    assert page.by_id("live").attrs["hx-get"] == "/isos/?q=deb"
    assert row_of(page, iso)


def test_updates_keep_the_rename_editor(by_owner, account, stranger, zone_a):
    iso = make_iso(account, {zone_a: "receiving"}, "Debian")
    other = make_iso(stranger.account, {zone_a: "ready"}, "Theirs", is_public=True, user=stranger)
    page = read(by_owner.get(f"/isos/?q=deb&rename={iso.public_id}", headers=HTMX))
    assert page.by_id("live").attrs["hx-get"] == f"/isos/?q=deb&rename={iso.public_id}"
    assert page.by_id("live").attrs["data-address"] == "/isos/?q=deb"
    assert page.by_id(f"new-name-{iso.public_id}").attrs["value"] == "Debian"
    assert find(page, name="next")[0].attrs["value"] == "/isos/?q=deb"
    for foreign in (other.public_id, "nonsense"):
        page = read(by_owner.get(f"/isos/?rename={foreign}", headers=HTMX))
        assert not [node for node in page.walk() if "data-rename-input" in node.attrs]


def test_what_happened_is_said_beside_the_table(by_owner, account, zone_a):
    iso = make_iso(account, {zone_a: "ready"}, "Debian")
    by_owner.post(f"{iso.get_absolute_url()}rename/", {"name": "Debian 13"}, headers=HTMX)
    page = read(by_owner.get("/isos/", headers=HTMX))
    assert page.by_id("messages").text() == "Renamed to “Debian 13”."
    assert page.by_id("messages").attrs["hx-swap-oob"] == "innerHTML"


# --- what others typed ---------------------------------------------------------------------

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def test_names_are_text(by_owner, account, zone_a, zone_b):
    iso = make_iso(account, {zone_a: "receiving", zone_b: "failed"}, EVIL, description=EVIL, source_name=EVIL)
    Replica.objects.filter(zone=zone_b).update(error_message=EVIL)
    for path in ("/isos/", f"/isos/?q={EVIL}", f"/isos/?rename={iso.public_id}"):
        page = read(by_owner.get(path))
        assert not [node for node in page.all("script") if "src" not in node.attrs]
        assert not page.all("img")
    assert EVIL in read(by_owner.get("/isos/")).text()


# --- cost -----------------------------------------------------------------------------------


def test_queries_do_not_grow_with_rows(by_owner, account, stranger, zone_a, zone_b, tmp_path):
    zone_c = make_file_zone("zone-c", tmp_path / "zone-c")
    zones, version = {zone_a: "ready", zone_b: "receiving", zone_c: "failed"}, make_version("Debian 13", "debian-13")
    for _ in range(25):
        make_iso(account, zones, os_version=version)
    for _ in range(5):
        make_iso(stranger.account, zones, user=stranger, is_public=True)
    by_owner.get("/isos/")
    with counted("isos list, 25 rows in 3 zones"):
        page = read(by_owner.get("/isos/"))
    assert len(rows(page)) == 25
    with counted("isos list, its live update"):
        by_owner.get("/isos/", headers=HTMX)
    Iso.objects.exclude(pk=Iso.objects.filter(account=account).first().pk).delete()
    with counted("isos list, 25 rows in 3 zones"):
        assert len(re.findall("data-iso-id", by_owner.get("/isos/").content.decode())) == 1
