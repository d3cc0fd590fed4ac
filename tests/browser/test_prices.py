"""Prices and usage in a browser: what is shown, what the page's script adds up, and how it looks."""

import random
from datetime import timedelta
from decimal import Decimal

import pytest
from django.templatetags.static import static
from django.utils import timezone
from moneyed import Money

from isos.actions.set_price import set_price
from isos.audit import Actor
from isos.models import IsoPrice
from quotas.charges import month_of
from quotas.models import ZonePrice
from quotas.money import amount_text, total
from quotas.prices import StoragePrices, set_zone_price
from tests import media
from tests.browser.checks import LOOKS, keep_screenshot, look, until
from tests.factories import GB, MB, make_iso
from tests.quotas.test_charges import kept
from zones.models import Zone

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def prices(live_portal, zone_a, zone_b):
    for zone, name, region, price in (
        (zone_a, "Frankfurt", "eu-central", "0.05"),
        (zone_b, "Virginia", "us-east", "0.0234"),
    ):
        Zone.objects.filter(pk=zone.pk).update(name=name, description=region)
        set_zone_price(zone, Money(Decimal(price), "USD"))


@pytest.fixture
def library(prices, account, admin_user, zone_a, zone_b):
    debian = make_iso(account, {zone_a: "ready", zone_b: "verifying"}, "Debian 13", size=4 * GB)
    windows = make_iso(account, {zone_a: "ready"}, "Windows Server 2025", os_type="windows", size=6 * GB)
    set_price(Actor(admin_user), windows, Money(Decimal("0.046"), "USD"), IsoPrice.Period.HOURLY)
    return debian, windows


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_list_and_detail_in_every_look(open_browser, owner, library, width, scheme):
    page = open_browser(owner, width=width, scheme=scheme)
    page.goto("/isos/")
    shown = [cell.inner_text().split() for cell in page.locator("td[data-price]").all()]
    assert shown == [["$0.046", "/", "h", "$0.30", "/", "mo", "storage"], ["$0.29", "/", "mo"]]
    look(page, "prices in the list")
    page.goto(library[1].get_absolute_url())
    assert page.locator("#zone-zone-a [data-label=Price]").inner_text() == "$0.30 / mo"
    look(page, "prices of one image")


@pytest.mark.parametrize("width", [800, 1100])
def test_list_between_phone_and_desk(open_browser, owner, library, width):
    page = open_browser(owner, width=width)
    page.goto("/isos/")
    look(page, "prices in the list")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_upload_adds_up_what_is_chosen(open_browser, owner, prices, tmp_path, width, scheme):
    page = open_browser(owner, width=width, scheme=scheme)
    page.goto("/isos/upload/")
    assert page.get_by_text("Choose a file and zones to see what storage costs.").is_visible()
    file = media.big_iso(tmp_path / "big.iso", 300 * MB)
    page.locator("#file").set_input_files(str(file))
    cost = page.locator("[data-cost-sum]")
    until(page, "document.querySelector('[data-cost-sum]').textContent === '$0.02 / mo'")  # 0.015
    page.get_by_label("Virginia").check()
    until(page, "document.querySelector('[data-cost-of]').textContent.startsWith('2 zones × 300 MB')")
    assert cost.inner_text() == "$0.02 / mo"  # 0.015 + 0.00702
    page.get_by_label("Frankfurt").uncheck()
    until(page, "document.querySelector('[data-cost-sum]').textContent === 'less than $0.01 / mo'")
    page.get_by_label("Virginia").uncheck()
    assert page.get_by_text("Choose a file and zones").is_visible()
    page.get_by_label("Frankfurt").check()
    page.get_by_label("Virginia").check()
    look(page, "prices at upload")


def test_copy_adds_up_what_is_chosen(open_browser, owner, account, prices, zone_a, tmp_path):
    make_iso(account, {zone_a: "ready"}, "Debian", size=4 * GB)
    page = open_browser(owner)
    page.goto("/isos/")
    page.get_by_role("link", name="Copy ISO Debian").click()
    page.get_by_role("dialog").get_by_text("$0.09 / mo").wait_for()
    page.get_by_label("Virginia").check()
    assert page.locator("[data-copy-total]").inner_text().endswith("free · $0.09 / mo")
    look(page, "prices at copy")


def test_the_script_adds_up_as_the_portal_does(open_browser, owner, prices):
    """The rule is written twice: to the last digit, whatever the amounts and the currency."""
    page = open_browser(owner)
    page.goto("/isos/upload/")
    dice = random.Random(20261125)
    address = static("upload/words.js")
    for code in ["USD", "EUR", "JPY"] * 20:
        zones = [(dice.randrange(10 ** dice.randint(1, 12)), n) for n in range(dice.randint(1, 3))]
        size = dice.randrange(10 ** dice.randint(1, 14))
        prices = StoragePrices({n: Money(Decimal(price).scaleb(-6), code) for price, n in zones if price})
        cost = prices.monthly_in([n for _, n in zones], size)
        expected = f"{amount_text(cost)} / mo" if cost else "No charge"
        boxes = [{"dataset": {"price": str(price), "currency": code if price else ""}} for price, _ in zones]
        found = page.evaluate(
            "([address, boxes, size]) => import(address).then((words) => words.monthly(boxes, () => size))",
            [address, boxes, size],
        )
        assert found == expected, (code, zones, size)
    assert total([]) is None


def test_without_script_each_zone_tells_its_price(open_browser, owner, account, prices, zone_a):
    iso = make_iso(account, {zone_a: "ready"}, "Debian", size=4 * GB)
    page = open_browser(owner, javascript=False)
    page.goto("/isos/upload/")
    assert page.get_by_text("The price of each zone stands beside its name.").is_visible()
    assert page.get_by_text("$0.0234 / GB-month").is_visible()
    page.goto(f"/isos/{iso.public_id}/copy/")
    assert page.get_by_text("$0.09 / mo").is_visible()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_usage_in_every_look(open_browser, owner, account, prices, zone_a, zone_b, width, scheme):
    now = timezone.now()
    begun = month_of(now)
    for zone, price in ((zone_a, "0.05"), (zone_b, "0.0234")):
        ZonePrice.objects.create(zone=zone, number=price, currency="USD", valid_from=begun - timedelta(days=60))
    kept(account, zone_a, begun - timedelta(days=20), size=4 * GB, name="Debian 13")
    kept(account, zone_b, begun - timedelta(days=9), begun - timedelta(days=3), size=6 * GB, name="Windows Server 2025")
    page = open_browser(owner, width=width, scheme=scheme)
    page.goto("/isos/")
    if width < 1080:
        page.get_by_role("button", name="Open menu").click()
    page.get_by_role("link", name="Usage", exact=True).click()
    page.get_by_role("link", name="Earlier month").click()
    assert page.locator("[data-gb-hours]").inner_text() == f"{4 * 24 * 20 + 6 * 24 * 6:,}.000 GB-hours"
    assert page.get_by_role("img", name="GB-hours of each day").is_visible()
    days = (begun - month_of(begun - timedelta(days=1))).days
    cost = round(Decimal("0.05") * 4 * 20 / days + Decimal("0.0234") * 6 * 6 / days, 2)
    assert page.locator("[data-cost]").inner_text() == f"${cost}"
    look(page, "usage")
    page.get_by_text("Numbers by day").click()
    assert page.get_by_role("cell", name="240.000").count() == 6
    keep_screenshot(page, "usage by day")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == f"usage-{begun - timedelta(days=1):%Y-%m}.csv"
    page.get_by_label("Month", exact=True).select_option(f"{begun:%Y-%m}")
    page.get_by_role("button", name="Show").click()
    assert page.get_by_text("Cost so far").is_visible()
