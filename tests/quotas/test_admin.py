"""Accounts, users and quotas in admin."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import strip_tags

from portal.accounts.models import Account, User
from quotas.forms import BytesField
from quotas.models import QuotaLimit
from tests.quotas.conftest import Source, hold, limit

GB = 1_000_000_000


@pytest.fixture
def admin(client, admin_user):
    client.force_login(admin_user)
    return client


def text_of(response):
    assert response.status_code == 200
    return re.sub(r"\s+", " ", strip_tags(response.content.decode().replace("<", " <")))


def account_form(account, **quota):
    """What a browser would send for the page of an Account."""
    own = QuotaLimit.objects.filter(account_id=account.pk).first()
    fields = {"max_isos": "", "max_bytes": "", "max_iso_bytes": "", "max_uploads": ""} | quota
    return {
        "name": account.name,
        "quota_limit-TOTAL_FORMS": "1",
        "quota_limit-INITIAL_FORMS": "1" if own else "0",
        "quota_limit-MIN_NUM_FORMS": "0",
        "quota_limit-MAX_NUM_FORMS": "1",
        "quota_limit-0-id": str(own.pk) if own else "",
        "quota_limit-0-account": str(account.pk),
    } | {f"quota_limit-0-{name}": value for name, value in fields.items()}


@pytest.mark.django_db
class TestAccounts:
    def test_list_shows_users_and_usage(self, admin, owner, teammate, stranger):
        limit(owner.account, max_isos=3)
        hold(owner.account, 2 * GB)
        response = admin.get(reverse("admin:accounts_account_changelist"))
        text = text_of(response)
        assert "Demo 2 1 of 3 2.00 GB of 100 GB, 2.00 GB of it not Ready yet" in text
        assert "Other 1 0 of 10 0 bytes of 100 GB" in text
        users = reverse("admin:accounts_user_changelist", query={"account__id__exact": owner.account.pk})
        assert f'<a href="{users}">2</a>' in response.content.decode()
        assert "owner@example.org" in (listed := text_of(admin.get(users)))
        assert "stranger@example.org" not in listed

    def test_the_list_needs_no_more_queries_for_more_accounts(self, admin, account):
        url = reverse("admin:accounts_account_changelist")
        admin.get(url)
        with CaptureQueriesContext(connection) as few:
            admin.get(url)
        Account.objects.bulk_create(Account(name=f"Account {number}") for number in range(10))
        with CaptureQueriesContext(connection) as many:
            text = text_of(admin.get(url))
        assert "Account 9" in text
        assert len(many) == len(few)

    def test_page_shows_usage_beside_the_limits(self, admin, account):
        limit(account, max_bytes=50 * GB)
        hold(account, 3_080_000_000, source=Source.UPLOAD)
        response = admin.get(reverse("admin:accounts_account_change", args=[account.pk]))
        text = text_of(response)
        assert "1 of 10" in text
        assert "3.08 GB of 50.0 GB, 3.08 GB of it not Ready yet" in text
        assert "1 of 5" in text
        assert 'value="50 GB"' in response.content.decode()

    def test_page_shows_usage_without_own_limits_too(self, admin, account):
        hold(account, GB)
        text = text_of(admin.get(reverse("admin:accounts_account_change", args=[account.pk])))
        assert "1.00 GB of 100 GB" in text

    def test_sizes_are_written_as_people_write_them(self, admin, account):
        url = reverse("admin:accounts_account_change", args=[account.pk])
        response = admin.post(url, account_form(account, max_bytes="1.5 TB", max_iso_bytes="40gb", max_isos="7"))
        assert response.status_code == 302
        own = QuotaLimit.objects.get(account=account)
        assert (own.max_bytes, own.max_iso_bytes, own.max_isos, own.max_uploads) == (1500 * GB, 40 * GB, 7, None)
        assert admin.post(url, account_form(account)).status_code == 302
        own.refresh_from_db()
        assert (own.max_bytes, own.max_isos) == (None, None)

    def test_a_bad_size_says_why(self, admin, account):
        url = reverse("admin:accounts_account_change", args=[account.pk])
        response = admin.post(url, account_form(account, max_bytes="plenty"))
        assert "“plenty” is not a size. Write a number and a unit, for example 100 GB or 500 MB." in text_of(response)
        assert 'value="plenty"' in response.content.decode()
        assert not QuotaLimit.objects.exists()

    def test_saving_a_page_as_it_is_changes_no_limit(self, admin, account):
        limit(account, max_bytes=32 * GB + 1)
        url = reverse("admin:accounts_account_change", args=[account.pk])
        page = admin.get(url).content.decode()
        shown = re.search(r'name="quota_limit-0-max_bytes" value="([^"]*)"', page)[1]
        assert admin.post(url, account_form(account, max_bytes=shown)).status_code == 302
        assert QuotaLimit.objects.get().max_bytes == 32 * GB + 1

    def test_an_account_is_made_with_its_quota(self, admin):
        url = reverse("admin:accounts_account_add")
        assert "Storage: – Uploads under way: –" in text_of(admin.get(url))
        response = admin.post(url, account_form(Account(name="New"), max_isos="1") | {"quota_limit-0-account": ""})
        assert response.status_code == 302
        assert QuotaLimit.objects.get(account__name="New").max_isos == 1


@pytest.mark.django_db
class TestQuotas:
    def test_list(self, admin, account):
        limit(account, max_isos=3, max_iso_bytes=40 * GB)
        hold(account, GB)
        text = text_of(admin.get(reverse("admin:quotas_quotalimit_changelist")))
        assert "Demo 1 of 3 1.00 GB of 100 GB, 1.00 GB of it not Ready yet 0 of 5 40.0 GB" in text

    def test_page(self, admin, account):
        own = limit(account, max_bytes=2 * GB)
        url = reverse("admin:quotas_quotalimit_change", args=[own.pk])
        assert "0 bytes of 2.00 GB" in text_of(admin.get(url))
        sent = {"account": account.pk, "max_isos": "", "max_bytes": "3 GB", "max_iso_bytes": "", "max_uploads": "0"}
        assert admin.post(url, sent).status_code == 302
        own.refresh_from_db()
        assert (own.max_bytes, own.max_uploads) == (3 * GB, 0)

    def test_add_page(self, admin, account):
        url = reverse("admin:quotas_quotalimit_add")
        assert "Storage: – Uploads under way: –" in text_of(admin.get(url))
        assert admin.post(url, {"account": account.pk, "max_bytes": "3 GB"}).status_code == 302
        assert QuotaLimit.objects.get(account=account).max_bytes == 3 * GB

    def test_reservations_are_not_edited_by_hand(self, admin):
        assert "Reservation" not in text_of(admin.get(reverse("admin:app_list", args=["quotas"])))


@pytest.mark.django_db
class TestUsers:
    def test_list_shows_the_account(self, admin, owner):
        assert "owner Demo Owner owner@example.org" in text_of(admin.get(reverse("admin:accounts_user_changelist")))

    def test_a_user_is_made_in_an_account(self, admin, account):
        password = "a long enough password"
        sent = {
            "username": "new",
            "password1": password,
            "password2": password,
            "usable_password": "true",
            "account": account.pk,
            "role": "read_only",
            "email": "new@example.org",
        }
        url = reverse("admin:accounts_user_add")
        assert admin.get(url).status_code == 200
        assert admin.post(url, sent).status_code == 302
        user = User.objects.get(username="new")
        assert (user.account, user.role, user.email) == (account, "read_only", "new@example.org")
        assert user.check_password(password)

    def test_an_account_is_required(self, admin):
        sent = {"username": "new", "password1": "a long enough password", "password2": "a long enough password"}
        response = admin.post(reverse("admin:accounts_user_add"), sent | {"usable_password": "true"})
        assert "This field is required." in text_of(response)
        assert not User.objects.filter(username="new").exists()

    def test_page_offers_the_account(self, admin, owner):
        response = admin.get(reverse("admin:accounts_user_change", args=[owner.pk]))
        assert 'name="account"' in response.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "page", ["accounts_account_changelist", "accounts_user_changelist", "quotas_quotalimit_changelist"]
)
def test_only_for_staff(client, owner, page):
    client.force_login(owner)
    assert client.get(reverse(f"admin:{page}")).status_code == 302


class TestBytesField:
    def test_empty_is_no_limit_of_its_own(self):
        field = BytesField(required=False)
        assert field.clean("") is None
        assert field.clean("  ") is None

    def test_zero_is_a_limit(self):
        assert BytesField(required=False).clean("0") == 0

    def test_the_same_size_in_other_words_is_no_change(self):
        field = BytesField(required=False)
        assert not field.has_changed(100 * GB, "0.1 TB")
        assert not field.has_changed(None, "")
        assert field.has_changed(100 * GB, "")
        assert field.has_changed(100 * GB, "much")
        assert field.has_changed(None, "1 GB")
