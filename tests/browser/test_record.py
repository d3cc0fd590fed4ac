"""Activity, the bell and the support view as a browser shows them."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from isos.audit import Actor, record
from isos.models import Event, Notice, Operation, Replica
from tests.browser.checks import LOOKS, keep_screenshot, look, until
from tests.factories import make_iso

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

V = Event.Verb
LONG = "A very long name of an image that nobody shortened 13.1.0 amd64 DVD"


@pytest.fixture
def lived(account, owner, teammate, admin_user, zone_a, zone_b):
    """An account with a history of all kinds of events."""
    iso = make_iso(account, {zone_a: "ready", zone_b: "failed"}, LONG, user=owner)
    record(V.UPLOAD_STARTED, iso, Actor(owner, "2001:db8:85a3:8d3:1319:8a2e:370:7348"), zone=zone_a)
    record(V.UPLOAD_RECEIVED, iso, Actor(owner, "192.0.2.7"), zone=zone_a)
    record(V.READY, iso, zone=zone_a)
    record(V.RENAMED, iso, Actor(teammate, "192.0.2.8"), before="debian.iso", after=LONG)
    record(V.COPY_STARTED, iso, Actor(owner, "192.0.2.7"), zone=zone_b)
    record(V.FAILED, iso, zone=zone_b, reason="The zone’s storage can’t be reached right now. Try again later.")
    record(V.EDITED, iso, Actor(admin_user, "192.0.2.9"), field="is_featured", before="No", after="Yes")
    record(V.REFUSED, iso, Actor(teammate, "192.0.2.8"), reason="Only owners of your account can make its ISOs public.")
    Notice.objects.update(made_at=timezone.now() - timedelta(minutes=1))
    Operation.objects.create(
        replica=iso.replicas.get(zone=zone_b), account=account, zone=zone_b, iso_name=LONG, kind="copy", state="failed",
        bytes_done=12_000_000, bytes_total=700_000_000, error_code="store", error_message="The storage is away.",
    )  # fmt: skip
    return iso


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_activity(open_browser, lived, owner, width, scheme):
    page = open_browser(owner, width=width, height=900 if width > 640 else 844, scheme=scheme)
    page.goto("/activity/")
    page.get_by_text("Renamed from “debian.iso”").wait_for()
    look(page, "activity")
    page.get_by_label("What").select_option("failures")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("can’t be reached right now").wait_for()
    assert page.locator("tbody tr").count() == 1
    page.get_by_label("From").fill("2026-03-02")
    page.get_by_label("To", exact=True).fill("2026-03-01")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("The last day lies before the first one.").wait_for()
    page.complaints.expect("422")
    look(page, "activity reversed days")
    page.get_by_label("To", exact=True).fill("2026-03-02")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("Nothing matches").wait_for()
    look(page, "activity nothing matches")


def test_activity_comes_as_a_file(open_browser, lived, owner):
    page = open_browser(owner)
    page.goto("/activity/?who=teammate")
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download CSV").click()
    lines = coming.value.path().read_text().splitlines()
    assert coming.value.suggested_filename.endswith(".csv")
    assert len(lines) == 3
    assert all("teammate" in line for line in lines[1:])


def test_an_administrator_finds_an_account(open_browser, lived, admin_user):
    page = open_browser(admin_user)
    page.goto("/activity/")
    page.get_by_label("Account", exact=True).fill("Demo")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("Refused: Only owners").wait_for()
    look(page, "activity of all accounts")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_bell_and_its_page(open_browser, account, lived, owner, width, scheme):
    page = open_browser(owner, width=width, height=900 if width > 640 else 844, scheme=scheme)
    page.goto("/accounts/profile/")
    look(page, "profile with the bell")
    page.get_by_role("link", name="Notices, 2 new").click()
    page.get_by_text("can’t be reached right now").wait_for()
    assert page.get_by_text("New", exact=True).count() == 2
    look(page, "notices")
    page.reload()
    page.get_by_role("link", name="Notices", exact=True).wait_for()
    assert page.get_by_text("New", exact=True).count() == 0


def test_the_bell_rings_while_a_page_is_open(open_browser, lived, owner, zone_a):
    Notice.objects.all().delete()
    page = open_browser(owner)
    page.goto("/accounts/profile/")
    bell = page.locator("#bell")
    assert bell.get_attribute("aria-label") == "Notices"
    record(V.FAILED, lived, zone=zone_a, reason="Full.")
    Notice.objects.update(made_at=timezone.now() - timedelta(minutes=1))
    bell.evaluate("node => node.dispatchEvent(new CustomEvent('refresh'))")  # as the next poll does, without the wait
    until(page, "document.getElementById('bell').getAttribute('aria-label') === 'Notices, 1 new'")
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    with page.expect_response("**/notices/bell/**") as answer:
        page.locator("#bell").evaluate("node => node.dispatchEvent(new CustomEvent('refresh'))")
    assert answer.value.status == 204
    assert page.locator("#bell").get_attribute("aria-label") == "Notices, 1 new"


def test_who_looks_at_the_list_has_watched(open_browser, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "verifying"}, "Watched", user=owner)
    record(V.UPLOAD_STARTED, iso, Actor(owner), zone=zone_a)
    page = open_browser(owner)
    page.goto("/isos/")
    page.locator('[data-state="verifying"]').wait_for()
    Replica.objects.update(state="ready", verified_at=timezone.now())
    record(V.READY, iso, zone=zone_a)
    page.locator('[data-state="ready"]').wait_for()
    assert Notice.objects.get().watched
    page.goto("/activity/notices/")
    page.get_by_text("No notices").wait_for()
    look(page, "no notices")


def test_the_bell_works_without_javascript(open_browser, lived, owner):
    page = open_browser(owner, javascript=False)
    page.goto("/isos/")
    page.get_by_role("link", name="Notices, 2 new").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Notices"


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_admin_pages_under_the_policy(open_browser, lived, admin_user, account, width, scheme):
    page = open_browser(admin_user, width=width, height=900 if width > 640 else 844, scheme=scheme)
    page.goto(reverse("admin:accounts_account_support", args=[account.pk]))
    page.get_by_role("heading", name="Recent activity").wait_for()
    keep_screenshot(page, "admin support view")
    for name in ("operation", "event"):
        page.goto(reverse(f"admin:isos_{name}_changelist"))
        keep_screenshot(page, f"admin {name} list")
