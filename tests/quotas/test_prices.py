"""Prices of storage: which one holds when, what is refused, and how admin sets them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from moneyed import Money

from portal.kernel.errors import InvalidInput
from quotas.models import ZonePrice
from quotas.money import MixedCurrencies, amount_text
from quotas.prices import MOST, set_zone_price, storage_prices

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def usd(text):
    return Money(Decimal(text), "USD")


class TestWhatHolds:
    def test_the_latest_begun(self, zone_a, zone_b):
        with time_machine.travel(NOON, tick=False):
            set_zone_price(zone_a, usd("0.05"))
            set_zone_price(zone_a, usd("0.07"), valid_from=NOON + 2 * HOUR)
            set_zone_price(zone_b, usd("0.01"))
        at = {hours: storage_prices(NOON + hours * HOUR) for hours in (-1, 0, 1, 2, 3)}
        assert [at[hours].per_gb(zone_a.pk) for hours in at] == [
            None,
            usd("0.05"),
            usd("0.05"),
            usd("0.07"),
            usd("0.07"),
        ]
        assert at[-1].per_gb(zone_b.pk) is None
        assert at[3].per_gb(zone_b.pk) == usd("0.01")

    def test_of_two_that_begin_together_the_one_made_last(self, zone_a):
        later = timezone.now() + HOUR
        set_zone_price(zone_a, usd("5"), valid_from=later)
        set_zone_price(zone_a, usd("0.5"), valid_from=later)
        assert storage_prices(later).per_gb(zone_a.pk) == usd("0.5")

    def test_zero_is_no_charge(self, zone_a):
        set_zone_price(zone_a, usd("0.05"))
        set_zone_price(zone_a, usd("0"))
        assert storage_prices().per_gb(zone_a.pk) is None
        assert amount_text(storage_prices().monthly(zone_a.pk, 10**9)) == "No charge"

    def test_one_query_however_long_the_history(self, zone_a, zone_b, django_assert_num_queries):
        for cents in range(20):
            set_zone_price(zone_a, usd(f"0.{cents:02}"))
            set_zone_price(zone_b, usd(f"1.{cents:02}"))
        with django_assert_num_queries(1):
            prices = storage_prices()
        assert (prices.per_gb(zone_a.pk), prices.per_gb(zone_b.pk)) == (usd("0.19"), usd("1.19"))

    def test_what_a_month_costs(self, zone_a, zone_b):
        set_zone_price(zone_a, usd("0.05"))
        set_zone_price(zone_b, usd("0.10"))
        prices = storage_prices()
        assert prices.monthly(zone_a.pk, 3_080_000_000) == usd("0.154")
        assert prices.monthly(zone_a.pk, 1) == usd("0")  # rounded once, at six decimals
        assert prices.monthly_in([zone_a.pk, zone_b.pk, 0], 3_080_000_000) == usd("0.462")
        assert prices.monthly_in([0], 10**9) is None

    def test_a_sum_over_currencies_is_refused(self, zone_a, zone_b, settings):
        set_zone_price(zone_a, usd("0.05"))
        settings.CURRENCY = "EUR"
        set_zone_price(zone_b, Money(1, "EUR"))
        with pytest.raises(MixedCurrencies):
            storage_prices().monthly_in([zone_a.pk, zone_b.pk], 10**9)


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("amount", "words"),
        [
            (Money("-0.01", "USD"), "A price can't be negative"),
            (Money("1", "EUR"), "The portal's prices are in USD; this one is in EUR"),
            (Money("0.0000001", "USD"), "up to 6 decimals"),
            (Money("1000000", "USD"), "The highest price is 999,999.999999"),
            (Money("NaN", "USD"), "can't be negative"),
            (Money("Infinity", "USD"), "can't be negative"),
        ],
    )
    def test_amounts(self, zone_a, amount, words):
        with pytest.raises(InvalidInput, match=words):
            set_zone_price(zone_a, amount)
        assert not ZonePrice.objects.exists()

    def test_the_past(self, zone_a):
        with pytest.raises(InvalidInput, match="This moment has passed"):
            set_zone_price(zone_a, usd("1"), valid_from=timezone.now() - HOUR)

    def test_a_minute_ago_is_now(self, zone_a):
        before = timezone.now()
        assert set_zone_price(zone_a, usd("1"), valid_from=before - timedelta(minutes=1)).valid_from >= before

    def test_history_can_not_be_rewritten(self, zone_a):
        price = set_zone_price(zone_a, usd("1"))
        price.number = Decimal(2)
        with pytest.raises(TypeError):
            price.save()

    def test_the_database_takes_no_negative_one(self, zone_a):
        with pytest.raises(IntegrityError), transaction.atomic():
            ZonePrice.objects.create(zone=zone_a, number=Decimal("-0.01"), currency="USD")

    @pytest.mark.parametrize("text", [str(MOST), "0.000001", "123456.654321", "0.1", "999999.1"])
    def test_every_digit_comes_back(self, zone_a, text):
        set_zone_price(zone_a, usd(text))
        assert ZonePrice.objects.get().amount == usd(text)


class TestAdmin:
    ADD = "admin:quotas_zoneprice_add"

    @pytest.fixture
    def admin(self, client, admin_user):
        client.force_login(admin_user)
        return client

    def add(self, admin, zone, number="0.05", currency="USD", begins=("", "")):
        data = {"zone": zone.pk, "number": number, "currency": currency}
        return admin.post(reverse(self.ADD), data | {"valid_from_0": begins[0], "valid_from_1": begins[1]})

    def test_a_price_from_now_on(self, admin, admin_user, zone_a):
        assert self.add(admin, zone_a).status_code == 302
        price = ZonePrice.objects.get()
        assert (price.amount, price.set_by, price.zone) == (usd("0.05"), admin_user, zone_a)
        assert storage_prices().per_gb(zone_a.pk) == usd("0.05")
        assert LogEntry.objects.count() == 1

    def test_a_price_from_later_on(self, admin, zone_a):
        assert self.add(admin, zone_a, begins=("2999-01-01", "00:00:00")).status_code == 302
        assert storage_prices().per_gb(zone_a.pk) is None
        assert ZonePrice.objects.get().valid_from == datetime(2999, 1, 1, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            ({"number": "-1"}, "A price can&#x27;t be negative. Write 0 for no charge."),
            ({"number": "much"}, "Enter a number."),
            ({"number": "0.0000001"}, "no more than 6 decimal places"),
            ({"currency": "EUR"}, "The portal&#x27;s prices are in USD, not in EUR."),
            ({"begins": ("2020-01-01", "00:00:00")}, "This moment has passed"),
        ],
    )
    def test_bad_input_is_told(self, admin, zone_a, data, words):
        response = self.add(admin, zone_a, **data)
        assert response.status_code == 200
        assert words in response.content.decode()
        assert not ZonePrice.objects.exists()

    def test_the_history_is_listed_and_stays(self, admin, zone_a):
        first = set_zone_price(zone_a, usd("0.05"))
        set_zone_price(zone_a, usd("0"))
        page = admin.get(reverse("admin:quotas_zoneprice_changelist")).content.decode()
        assert "$0.05" in page
        assert "No charge" in page
        change = reverse("admin:quotas_zoneprice_change", args=[first.pk])
        assert admin.get(change).status_code == 200
        assert admin.post(change, {"number": "9"}).status_code == 403
        assert admin.post(reverse("admin:quotas_zoneprice_delete", args=[first.pk]), {"post": "yes"}).status_code == 403
        assert ZonePrice.objects.count() == 2

    def test_only_for_staff(self, client, owner):
        client.force_login(owner)
        assert client.get(reverse(self.ADD)).status_code == 302
