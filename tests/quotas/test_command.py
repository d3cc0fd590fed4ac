"""`manage.py quota`."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from portal.accounts.models import Account
from quotas.models import QuotaLimit
from quotas.reservations import limits_of
from tests.quotas.conftest import Source, hold, limit

pytestmark = pytest.mark.django_db
GB = 1_000_000_000


def quota(*arguments):
    output = StringIO()
    call_command("quota", *arguments, stdout=output, no_color=True)
    return output.getvalue()


class TestShow:
    def test_table_of_all(self, account, stranger, settings):
        settings.QUOTA_DEFAULTS = {"max_isos": 10, "max_bytes": 100 * GB, "max_iso_bytes": 32 * GB, "max_uploads": 5}
        limit(account, max_isos=3, max_iso_bytes=40 * GB)
        hold(account, 3_080_000_000, source=Source.UPLOAD)
        assert quota("show").splitlines() == [
            "ACCOUNT  ISO IMAGES  STORAGE            OF IT HELD  LARGEST ISO  UPLOADS",
            "Demo     1 of 3*     3.08 GB of 100 GB  3.08 GB     40.0 GB*     1 of 5",
            "Other    0 of 10     0 bytes of 100 GB  0 bytes     32.0 GB      0 of 5",
            "* the account's own limit",
        ]

    def test_one_account(self, account, stranger):
        lines = quota("show", "Other").splitlines()
        assert len(lines) == 2
        assert lines[1].startswith("Other ")

    def test_json(self, account, stranger, settings):
        limit(account, max_isos=3)
        hold(account, 7)
        first, second = json.loads(quota("show", "--format", "json"))
        assert first == {
            "account": "Demo",
            "id": str(account.public_id),
            "limits": settings.QUOTA_DEFAULTS | {"max_isos": 3},
            "own_limits": ["max_isos"],
            "isos": 1,
            "bytes": 7,
            "held_bytes": 7,
            "uploads": 0,
        }
        assert second["account"] == "Other"
        assert second["own_limits"] == []

    def test_nobody_yet(self, db):
        assert quota("show") == "There are no accounts yet.\n"
        assert json.loads(quota("show", "--format", "json")) == []

    def test_the_queries_do_not_grow_with_the_accounts(self, db, django_assert_num_queries):
        Account.objects.bulk_create(Account(name=f"Account {number}") for number in range(20))
        with django_assert_num_queries(3):
            assert len(quota("show").splitlines()) == 21

    def test_unknown_account_among_few(self, account, stranger):
        with pytest.raises(CommandError, match=r"^There is no account “Nobody”\. There are: Demo, Other\.$"):
            quota("show", "Nobody")

    def test_unknown_account_among_many(self, account):
        Account.objects.bulk_create(Account(name=f"Account {number}") for number in range(20))
        with pytest.raises(CommandError, match=r"^There is no account “demo”\. Did you mean Demo\?$"):
            quota("show", "demo")
        with pytest.raises(CommandError, match=r"^There is no account “zzz”\. `quota show` lists them\.$"):
            quota("show", "zzz")

    def test_unknown_account_among_none(self, db):
        with pytest.raises(CommandError, match=r"^There is no account “Demo”, and no other either\.$"):
            quota("show", "Demo")


class TestSet:
    def test_sets_what_is_named_and_nothing_else(self, account, settings):
        limit(account, max_uploads=2)
        output = quota("set", "Demo", "--isos", "20", "--bytes", "1.5 TB", "--largest", "50GB")
        limits = limits_of(account)
        assert (limits.max_isos, limits.max_bytes, limits.max_iso_bytes) == (20, 1500 * GB, 50 * GB)
        assert limits.max_uploads == 2
        assert "0 of 20*" in output
        assert "1.50 TB*" in output

    def test_default_takes_a_limit_back(self, account, settings):
        limit(account, max_isos=1, max_bytes=2, max_iso_bytes=3, max_uploads=4)
        quota("set", "Demo", "--isos", "default", "--bytes", "default", "--largest", "Default", "--uploads", "default")
        limits = limits_of(account)
        assert not limits.own
        assert limits.max_isos == settings.QUOTA_DEFAULTS["max_isos"]

    def test_below_what_is_used_is_allowed_and_said(self, account):
        hold(account, 2 * GB, source=Source.UPLOAD)
        output = quota("set", "Demo", "--isos", "0", "--bytes", "1 GB", "--uploads", "0")
        after = "Nothing is deleted; what is new is refused until there is room."
        assert output.splitlines()[-3:] == [
            f"1 ISO image is in use, the limit is now 0. {after}",
            f"2.00 GB is in use, the limit is now 1.00 GB. {after}",
            f"1 upload is under way, the limit is now 0. {after}",
        ]

    def test_room_enough_says_nothing(self, account):
        hold(account, GB)
        assert "Nothing is deleted" not in quota("set", "Demo", "--isos", "1", "--bytes", "1 GB")

    @pytest.mark.parametrize(
        ("option", "value", "why"),
        [
            ("--bytes", "lots", "“lots” is not a size. Write a number and a unit, for example 100 GB"),
            ("--largest", "10 GiB", "“10 GiB” is not a size"),
            ("--bytes", "99999 PB", "is too large"),
            ("--isos", "many", "“many” is not a number. Write a whole number from 0 to 2147483647, or default."),
            ("--isos", "1.5", "is not a number"),
            ("--isos", "٣", "is not a number"),
            ("--uploads", "2147483648", "is not a number. Write a whole number from 0 to 2147483647"),
            ("--uploads", "9" * 5000, "is not a number"),
        ],
    )
    def test_bad_values_change_nothing(self, account, option, value, why):
        with pytest.raises(CommandError) as caught:
            quota("set", "Demo", "--isos", "3", option, value)
        assert why in str(caught.value)
        assert not QuotaLimit.objects.exists()

    def test_negative_numbers(self, account):
        with pytest.raises(CommandError, match="“-1” is not a number"):
            quota("set", "Demo", "--isos=-1")

    def test_nothing_to_set(self, account):
        with pytest.raises(CommandError, match=r"^Nothing to set\. Give --isos, --bytes, --largest or --uploads\.$"):
            quota("set", "Demo")

    def test_unknown_account(self, account):
        with pytest.raises(CommandError, match="There are: Demo"):
            quota("set", "Nobody", "--isos", "3")

    def test_a_verb_is_needed(self, db):
        with pytest.raises(CommandError):
            quota()
