"""Prices wherever something costs: the list, an ISO's page, and beside the zones of upload and copy."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from moneyed import Money

from isos.actions.set_price import set_price
from isos.audit import Actor
from isos.models import IsoPrice
from quotas.prices import set_zone_price
from tests.factories import GB, make_iso
from tests.web.conftest import HTMX, find, read

pytestmark = pytest.mark.django_db
Period = IsoPrice.Period


def usd(text):
    return Money(Decimal(text), "USD")


@pytest.fixture
def boss(admin_user):
    return Actor(admin_user)


@pytest.fixture
def prices(zone_a, zone_b):
    set_zone_price(zone_a, usd("0.05"))
    set_zone_price(zone_b, usd("0.0234"))


def price_in(page):
    (cell,) = (node for node in page.walk() if "data-price" in node.attrs and node.tag in ("td", "div"))
    return cell.text()


def picks(page):
    """What stands beside each zone's name, by its slug."""
    labels = [label for label in page.all("label") if find(label, name="zones")]
    pushed = {find(label, name="zones")[0].attrs["value"]: label for label in labels}
    return {
        slug: " ".join(node.text() for node in label.walk() if "push" in node.attrs.get("class", "").split())
        for slug, label in pushed.items()
    }


@pytest.mark.parametrize("path", ["/isos/", "detail"])
class TestListAndDetail:
    def page(self, client, path, iso):
        return read(client.get(iso.get_absolute_url() if path == "detail" else path))

    def test_no_charge(self, by_owner, account, zone_a, path):
        assert "No charge" in price_in(self.page(by_owner, path, make_iso(account, {zone_a: "ready"})))

    def test_storage_in_all_zones(self, by_owner, account, zone_a, zone_b, prices, path):
        iso = make_iso(account, {zone_a: "ready", zone_b: "waiting"}, size=4 * GB)
        assert price_in(self.page(by_owner, path, iso)).endswith("$0.29 / mo")  # 0.20 + 0.0936

    def test_the_image_itself_and_its_storage(self, by_owner, account, zone_a, prices, boss, path):
        iso = make_iso(account, {zone_a: "ready"}, size=4 * GB)
        set_price(boss, iso, usd("0.02"), Period.HOURLY)
        assert price_in(self.page(by_owner, path, iso)).endswith("$0.02 / h$0.20 / mo storage")

    def test_a_price_that_begins_later_is_not_shown_yet(self, by_owner, account, zone_a, boss, path):
        iso = make_iso(account, {zone_a: "ready"})
        set_price(boss, iso, usd("5"), Period.ONCE, valid_from=timezone.now() + timedelta(hours=1))
        assert "No charge" in price_in(self.page(by_owner, path, iso))

    def test_strangers_learn_what_the_image_costs_and_not_what_its_owner_pays(
        self, as_user, stranger, account, zone_a, prices, boss, path
    ):
        iso = make_iso(account, {zone_a: "ready"}, size=4 * GB, is_public=True)
        set_price(boss, iso, usd("5"), Period.ONCE)
        page = self.page(as_user(stranger), "/isos/?scope=public" if path != "detail" else path, iso)
        assert price_in(page).endswith("$5.00 one-time")
        assert "$0.20" not in page.text()

    def test_several_currencies_have_no_sum(self, by_owner, account, zone_a, zone_b, settings, path):
        set_zone_price(zone_a, usd("1"))
        settings.CURRENCY = "EUR"
        set_zone_price(zone_b, Money(1, "EUR"))
        iso = make_iso(account, {zone_a: "ready", zone_b: "ready"})
        assert "Several currencies" in price_in(self.page(by_owner, path, iso))


def test_detail_tells_what_each_zone_costs(by_owner, account, zone_a, zone_b, prices):
    iso = make_iso(account, {zone_a: "ready", zone_b: "failed"}, size=4 * GB)
    page = read(by_owner.get(iso.get_absolute_url()))
    assert {slug: find(page.by_id(f"zone-{slug}"), data_label="Price")[0].text() for slug in ("zone-a", "zone-b")} == {
        "zone-a": "$0.20 / mo",
        "zone-b": "–",
    }


def test_upload_has_a_price_beside_each_zone(by_owner, zone_a, zone_b):
    set_zone_price(zone_a, usd("0.0234"))
    page = read(by_owner.get("/isos/upload/"))
    assert picks(page) == {"zone-a": "$0.0234 / GB-month", "zone-b": "No charge"}
    data = {
        one.attrs["value"]: (one.attrs["data-price"], one.attrs["data-currency"]) for one in find(page, name="zones")
    }
    assert data == {"zone-a": ("23400", "USD"), "zone-b": ("0", "")}


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "popup"])
def test_copy_has_the_cost_beside_each_zone(by_owner, account, zone_a, zone_b, prices, headers):
    iso = make_iso(account, {zone_a: "ready"}, size=4 * GB)
    page = read(by_owner.get(f"/isos/{iso.public_id}/copy/", headers=headers))
    assert picks(page) == {"zone-a": "Already here", "zone-b": "+ 4.00 GB $0.09 / mo"}


def test_copying_several_costs_what_is_missing_in_each_zone(by_owner, account, zone_a, zone_b, prices):
    isos = [make_iso(account, {zone_a: "ready"}, size=GB), make_iso(account, {zone_b: "ready"}, size=2 * GB)]
    page = read(by_owner.get("/isos/bulk/copy/", {"iso": [iso.public_id for iso in isos]}))
    assert picks(page) == {"zone-a": "+ 2.00 GB $0.10 / mo", "zone-b": "+ 1.00 GB $0.02 / mo"}
