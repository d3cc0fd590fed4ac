"""The account's usage page: its numbers, its months, its chart, its file, and who sees what."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from tests.query_counts import counted
from tests.quotas.test_charges import DAY, FEBRUARY, JANUARY, MARCH, kept, price
from tests.web.conftest import read

pytestmark = pytest.mark.django_db
NOW = FEBRUARY + 10 * DAY
PAGE = "/usage/"


@pytest.fixture(autouse=True)
def today():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def used(account, stranger, zone_a, zone_b):
    price(zone_a, "0.28", JANUARY)
    kept(account, zone_a, FEBRUARY - 5 * DAY, FEBRUARY + DAY, size=2 * 10**9)
    kept(account, zone_b, FEBRUARY + 9 * DAY, name="FreeBSD")
    kept(stranger.account, zone_a, FEBRUARY, name="Secret")


def cells(page):
    (table,) = (node for node in page.all("section") if "usage" in node.attrs["class"].split())
    return [[cell.text() for cell in row.all("td")] for row in table.one("tbody").all("tr")]


def test_this_month(by_owner, used):
    page = read(by_owner.get(PAGE))
    totals = {name: node.text() for node in page.all("dd") for name in node.attrs if name.startswith("data-")}
    assert totals == {"data-cost": "$0.02", "data-gb-hours": "72.000 GB-hours"}
    assert cells(page) == [
        ["Debian", "zone-a", "2.00 GB", "27 Jan 2026, 00:00 until 2 Feb 2026, 00:00", "48.000", "$0.02"],
        ["FreeBSD", "zone-b", "1.00 GB", "10 Feb 2026, 00:00 until now", "24.000", "No charge"],
    ]
    assert "Secret" not in page.text()


def test_chart_and_its_table_say_the_same(by_owner, used):
    page = read(by_owner.get(PAGE))
    bars = [node for node in page.all("rect") if node.attrs["class"] == "bar-day"]
    assert len(bars) == 28
    tall = [Decimal(bar.attrs["height"]) for bar in bars]
    assert tall[0] == 2 * tall[9] > 0  # 48 and 24 GB-hours
    assert sum(height > 0 for height in tall) == 2
    assert bars[0].text() == "1 February: 48.000 GB-hours"
    (days,) = (node for node in page.all("table") if node.attrs.get("class") == "days")
    rows = [[cell.text() for cell in row.all("td")] for row in days.one("tbody").all("tr")]
    assert len(rows) == 28
    assert rows[0] == ["1 February 2026", "48.000"]
    assert rows[1] == ["2 February 2026", "0.000"]


def test_an_earlier_month(by_owner, used):
    page = read(by_owner.get(PAGE, {"month": "2026-01"}))
    assert [row[4] for row in cells(page)] == ["240.000"]
    options = page.by_id("month").all("option")
    assert [(one.attrs["value"], "selected" in one.attrs) for one in options] == [("2026-02", False), ("2026-01", True)]
    assert [link.attrs["href"] for link in page.all("a") if link.attrs.get("rel") == "next"] == ["?month=2026-02"]
    assert not [link for link in page.all("a") if link.attrs.get("rel") == "prev"]


def test_empty_month(by_owner):
    assert "No usage in 2026-02" in read(by_owner.get(PAGE)).text()


@pytest.mark.parametrize(
    ("month", "words"),
    [
        ("2026-13", "“2026-13” is not a month."),
        ("<b>", "“<b>” is not a month."),
        ("0000-01", "is not a month"),
        ("9999-12", "is not a month"),
        ("٢٠٢٦-٠١", "is not a month"),
        ("2026-03", "March 2026 has not begun yet."),
    ],
)
def test_bad_months_are_told(by_owner, used, month, words):
    assert words in read(by_owner.get(PAGE, {"month": month}), status=422).text()
    refused = by_owner.get(reverse("usage:file"), {"month": month})
    assert (refused.status_code, refused.headers["Content-Type"].split(";")[0]) == (422, "text/html")


def test_file(by_owner, used):
    response = by_owner.get(reverse("usage:file"), {"month": "2026-02"})
    assert response.headers["Content-Disposition"] == 'attachment; filename="usage-2026-02.csv"'
    lines = b"".join(response.streaming_content).decode().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("account,account_id,iso,")
    assert lines[1].endswith(",48.000000,0.020000,USD")


def test_mixed_currencies_are_told(by_owner, account, zone_a, zone_b):
    for zone, code in ((zone_a, "USD"), (zone_b, "EUR")):
        price(zone, "1", JANUARY, code)
        kept(account, zone, FEBRUARY)
    assert "in EUR and USD, which can't be added up" in read(by_owner.get(PAGE)).text()


def test_teammates_see_it_and_nobody_else(as_user, teammate, stranger, used):
    assert "FreeBSD" in read(as_user(teammate).get(PAGE)).text()
    theirs = read(as_user(stranger).get(PAGE)).text()
    assert "Secret" in theirs
    assert "FreeBSD" not in theirs
    for path in (PAGE, reverse("usage:file")):
        assert Client().get(path).headers["Location"] == f"/accounts/login/?next={path}"
        assert as_user(teammate).post(path).status_code == 405


def test_the_queries_do_not_grow(by_owner, account, zone_a, zone_b):
    for number in range(15):
        for zone in (zone_a, zone_b):
            price(zone, f"0.{number + 1:02}", JANUARY + number * DAY)
            kept(account, zone, FEBRUARY, name=f"Image {number}")
    with counted("usage of a month"):
        by_owner.get(PAGE)


def test_bars_of_a_month_of_any_amount(account, zone_a, by_owner):
    kept(account, zone_a, FEBRUARY, FEBRUARY + DAY, size=1)
    page = read(by_owner.get(PAGE))
    assert Decimal(page.all("rect")[0].attrs["height"]) > 0
    kept(account, zone_a, FEBRUARY, MARCH, size=10**17)
    page = read(by_owner.get(PAGE, {"month": f"{datetime(2026, 2, 1, tzinfo=UTC):%Y-%m}"}))
    top = max(Decimal(bar.attrs["height"]) for bar in page.all("rect"))
    assert top <= 220
