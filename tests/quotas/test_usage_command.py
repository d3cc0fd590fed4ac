"""`manage.py usage`."""

import csv
import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command

from tests.quotas.test_charges import DAY, FEBRUARY, JANUARY, kept, price

pytestmark = pytest.mark.django_db
NOW = FEBRUARY + 10 * DAY


@pytest.fixture(autouse=True)
def today():
    with time_machine.travel(NOW, tick=False):
        yield


def usage(*arguments):
    output = StringIO()
    call_command("usage", *arguments, stdout=output, no_color=True)
    return output.getvalue()


@pytest.fixture
def used(account, stranger, zone_a, zone_b):
    price(zone_a, "0.28", JANUARY)
    kept(account, zone_a, FEBRUARY - 5 * DAY, FEBRUARY + DAY, size=2 * 10**9)
    kept(account, zone_b, FEBRUARY + 9 * DAY)
    kept(stranger.account, zone_a, FEBRUARY, size=10**9 // 3, name="=cmd()")


def test_table_of_this_month(used):
    assert usage().splitlines() == [
        "ACCOUNT  ISO IMAGE  ZONE    SIZE     READY FROM        UNTIL             GB-HOURS  COST",
        "Demo     Debian     zone-a  2.00 GB  2026-01-27 00:00  2026-02-02 00:00  48.000    $0.02",
        "Demo     Debian     zone-b  1.00 GB  2026-02-10 00:00  goes on           24.000    No charge",
        "Other    =cmd()     zone-a  333 MB   2026-02-01 00:00  goes on           80.000    $0.03",
        "Total                                                                    152.000   $0.05",
    ]


def test_days_count_as_a_whole(used):
    lines = usage("--from", "2026-01-27", "--to", "2026-01-28", "--account", "Demo").splitlines()
    assert lines[-1].split() == ["Total", "96.000", "$0.04"]  # two days of two GB, 2/31 of 0.56


def test_csv(used, account):
    rows = list(csv.DictReader(StringIO(usage("--format", "csv"), newline="")))
    assert [row["iso"] for row in rows] == ["Debian", "Debian", "'=cmd()"]
    assert rows[0] | {"iso_id": "", "replica_id": ""} == {
        "account": "Demo",
        "account_id": str(account.public_id),
        "iso": "Debian",
        "iso_id": "",
        "zone": "zone-a",
        "replica_id": "",
        "bytes": "2000000000",
        "ready_from": "2026-01-27T00:00:00.000000Z",
        "ready_until": "2026-02-02T00:00:00.000000Z",
        "gb_hours": "48.000000",
        "cost": "0.020000",
        "currency": "USD",
    }
    assert (rows[1]["ready_until"], rows[1]["cost"], rows[1]["currency"]) == ("", "", "")


def test_json(used):
    found = json.loads(usage("--format", "json", "--account", "Other"))
    assert (found["from"], found["until"]) == ("2026-02-01T00:00:00.000000Z", "2026-02-12T00:00:00.000000Z")
    assert (found["gb_hours"], found["cost"], found["currency"]) == ("80.000000", "0.033333", "USD")
    assert [line["account"] for line in found["lines"]] == ["Other"]


def test_nothing(account):
    assert usage() == "Nothing was stored in this period.\n"
    assert json.loads(usage("--format", "json"))["lines"] == []
    assert len(usage("--format", "csv").splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from", "2026-02-02", "--to", "2026-02-01"], "2026-02-02 comes after 2026-02-01. Write the earlier day"),
        (["--from", "2026-03-01"], "2026-03-01 comes after 2026-02-11"),
        (["--from", "yesterday"], "“yesterday” is not a day. Write it as 2026-11-30."),
        (["--to", "2026-02-30"], "“2026-02-30” is not a day"),
        (["--to", "2026-2-3"], "is not a day"),
        (["--to", "20260203"], "is not a day"),
        (["--to", "9999-12-31"], "is not a day"),
        (["--account", "Nobody"], "There is no account “Nobody”"),
    ],
)
def test_bad_input_is_told(account, arguments, words):
    with pytest.raises(CommandError, match=words.replace(".", r"\.")):
        usage(*arguments)


def test_mixed_currencies_are_told(account, zone_a, zone_b):
    for zone, code in ((zone_a, "USD"), (zone_b, "EUR")):
        price(zone, "1", JANUARY, code)
        kept(account, zone, FEBRUARY)
    with pytest.raises(CommandError, match="These prices are in EUR and USD, which can't be added up"):
        usage()


def test_last_moments_of_a_day_count(account, zone_a):
    end = datetime(2026, 2, 3, tzinfo=UTC)
    kept(account, zone_a, end - timedelta(seconds=36), end + DAY, size=100 * 10**9)
    assert usage("--to", "2026-02-02").splitlines()[-1].split()[1] == "1.000"
