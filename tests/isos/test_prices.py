"""What ISOs cost: the price of the image itself, set by administrators, and the storage of its replicas."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from moneyed import Money

from isos.actions.set_price import set_price
from isos.audit import Actor
from isos.models import Event, Iso, IsoPrice
from isos.prices import own_price, own_prices, storage_cost
from portal.kernel.errors import InvalidInput, NotAllowed
from quotas.prices import set_zone_price, storage_prices
from tests.factories import GB, make_iso

pytestmark = pytest.mark.django_db
Period = IsoPrice.Period
HOUR = timedelta(hours=1)


def usd(text):
    return Money(Decimal(text), "USD")


@pytest.fixture
def iso(account, owner, zone_a):
    return make_iso(account, {zone_a: "ready"}, "Debian", size=3 * GB)


@pytest.fixture
def boss(admin_user):
    return Actor(admin_user, "192.0.2.1")


class TestOwnPrice:
    @pytest.mark.parametrize(
        ("text", "period", "words"),
        [
            ("5", Period.ONCE, "$5.00 one-time"),
            ("0.0234", Period.HOURLY, "$0.0234 / h"),
            ("12.5", Period.MONTHLY, "$12.50 / mo"),
            ("0", Period.MONTHLY, "No charge"),
        ],
    )
    def test_words(self, boss, iso, text, period, words):
        assert set_price(boss, iso, usd(text), period).words == words

    def test_the_latest_begun_holds(self, boss, iso):
        assert own_price(iso) is None
        first = set_price(boss, iso, usd("5"), Period.ONCE)
        later = set_price(boss, iso, usd("6"), Period.ONCE, valid_from=timezone.now() + HOUR)
        assert own_price(iso) == first
        assert own_price(iso, timezone.now() + 2 * HOUR) == later
        set_price(boss, iso, usd("0"), Period.ONCE)
        assert own_price(iso) is None

    def test_many_in_one_query(self, boss, account, zone_a, django_assert_num_queries):
        isos = [make_iso(account, {zone_a: "ready"}) for _ in range(5)]
        for number, iso in enumerate(isos[:4]):
            for _ in range(3):
                set_price(boss, iso, usd(f"{number}"), Period.HOURLY)
        with django_assert_num_queries(1):
            found = own_prices(isos)
        assert {pk: price.amount for pk, price in found.items()} == {
            iso.pk: usd(f"{number}") for number, iso in enumerate(isos[:4]) if number
        }

    def test_it_stands_in_the_activity(self, boss, iso):
        set_price(boss, iso, usd("5"), Period.ONCE)
        event = Event.objects.get(verb=Event.Verb.EDITED)
        assert (event.actor, event.address, event.data["field"]) == (boss.user, "192.0.2.1", "price")
        assert event.data["before"] == "No charge"
        assert event.data["after"].startswith("$5.00 one-time from 20")

    def test_administrators_only(self, owner, iso):
        with pytest.raises(NotAllowed, match="Prices are set by administrators"):
            set_price(Actor(owner), iso, usd("0"), Period.ONCE)

    @pytest.mark.parametrize("amount", [Money(-1, "USD"), Money(1, "EUR")])
    def test_bad_amounts(self, boss, iso, amount):
        with pytest.raises(InvalidInput):
            set_price(boss, iso, amount, Period.ONCE)
        assert not IsoPrice.objects.exists()
        assert not Event.objects.exists()

    def test_the_database_takes_no_negative_one(self, iso):
        with pytest.raises(IntegrityError), transaction.atomic():
            IsoPrice.objects.create(iso=iso, iso_ref=iso.public_id, number=Decimal(-1), currency="USD")

    def test_history_outlives_the_iso(self, boss, iso):
        price = set_price(boss, iso, usd("5"), Period.ONCE)
        Iso.objects.filter(pk=iso.pk).delete()
        kept = IsoPrice.objects.get(pk=price.pk)
        assert (kept.iso, kept.iso_name, kept.amount) == (None, "Debian", usd("5"))


class TestStorage:
    def test_replicas_that_failed_or_go_away_cost_nothing(self, account, zone_a, zone_b):
        for zone, text in ((zone_a, "0.05"), (zone_b, "0.10")):
            set_zone_price(zone, usd(text))
        prices = storage_prices()
        cost = {
            state: storage_cost(make_iso(account, {zone_a: "ready", zone_b: state}, size=2 * GB), prices)
            for state in ("ready", "waiting", "failed", "deleting")
        }
        assert cost == {"ready": usd("0.30"), "waiting": usd("0.30"), "failed": usd("0.10"), "deleting": usd("0.10")}

    def test_free_zones(self, iso):
        assert storage_cost(iso, storage_prices()) is None


class TestAdmin:
    ADD = "admin:isos_isoprice_add"

    def post(self, client, user, of, **data):
        client.force_login(user)
        fields = {"iso": of.pk, "number": "5", "currency": "USD", "period": "once"}
        return client.post(reverse(self.ADD), fields | {"valid_from_0": "", "valid_from_1": ""} | data)

    def test_set(self, client, admin_user, iso):
        assert self.post(client, admin_user, iso).status_code == 302
        price = own_price(iso)
        assert (price.words, price.set_by, price.iso_ref) == ("$5.00 one-time", admin_user, iso.public_id)
        assert Event.objects.get().data["after"].startswith("$5.00 one-time")
        page = client.get(reverse("admin:isos_isoprice_changelist")).content.decode()
        assert "Debian" in page
        assert "$5.00" in page
        assert client.get(reverse("admin:isos_isoprice_change", args=[price.pk])).status_code == 200

    def test_later(self, client, admin_user, iso):
        self.post(client, admin_user, iso, valid_from_0="2999-01-01", valid_from_1="12:00")
        assert own_price(iso) is None
        assert IsoPrice.objects.get().valid_from == datetime(2999, 1, 1, 12, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            ({"number": "-1"}, "A price can&#x27;t be negative"),
            ({"currency": "EUR"}, "The portal&#x27;s prices are in USD, not in EUR"),
            ({"period": "yearly"}, "yearly is not one of the available choices"),
            ({"iso": ""}, "This field is required"),
            ({"valid_from_0": "2020-01-01", "valid_from_1": "12:00"}, "This moment has passed"),
        ],
    )
    def test_bad_input_is_told(self, client, admin_user, iso, data, words):
        response = self.post(client, admin_user, iso, **data)
        assert response.status_code == 200
        assert words in response.content.decode()
        assert not IsoPrice.objects.exists()
