"""How often an account may do something: exact under parallel callers, free again in the next window."""

import pytest

from portal.accounts.models import Account
from quotas.models import RateUse
from quotas.rates import TooOften, spend
from tests.parallel import in_parallel

LIMIT, SECONDS = 3, 60


@pytest.fixture
def at(monkeypatch):
    """Sets the clock, in seconds."""
    return lambda now: monkeypatch.setattr("quotas.rates.time.time", lambda: float(now))


def times_allowed(account, tries, action="check"):
    allowed = 0
    for _ in range(tries):
        try:
            spend(account, action, limit=LIMIT, seconds=SECONDS)
            allowed += 1
        except TooOften:
            pass
    return allowed


@pytest.mark.django_db
def test_no_more_than_the_limit_in_a_window(account, at):
    at(6000)
    assert times_allowed(account, 10) == LIMIT
    at(6045)
    with pytest.raises(TooOften) as refusal:
        spend(account, "check", limit=LIMIT, seconds=SECONDS)
    assert refusal.value.retry_after == 15
    assert refusal.value.message == "Your account did this very often just now. Try again in 15 seconds."
    at(6060)
    assert times_allowed(account, 10) == LIMIT


@pytest.mark.django_db
def test_accounts_and_actions_count_apart(account, at):
    at(6000)
    other = Account.objects.create(name="Another")
    assert times_allowed(account, 10) == times_allowed(other, 10) == times_allowed(account, 10, "more") == LIMIT
    assert RateUse.objects.count() == 3


@pytest.mark.django_db
def test_no_limit_writes_nothing(account):
    spend(account, "check", limit=0, seconds=SECONDS)
    assert not RateUse.objects.exists()


@pytest.mark.django_db
def test_a_clock_that_is_behind_does_not_begin_a_window_of_its_own(account, at):
    at(6060)
    assert times_allowed(account, LIMIT) == LIMIT
    at(6059)
    assert times_allowed(account, LIMIT) == 0
    at(6061)
    assert times_allowed(account, LIMIT) == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("before", [None, 99, 100], ids=["first use", "next window", "same window"])
def test_parallel_callers_share_one_count(account, at, before):
    at(6000)  # window 100
    if before:
        RateUse.objects.create(account=account, action="check", window=before, used=1)
    results = in_parallel(*[lambda: spend(account, "check", limit=LIMIT, seconds=SECONDS)] * 8)
    used_before = before == 100
    assert sum(result is None for result in results) == LIMIT - used_before
    assert {type(result) for result in results if result is not None} == {TooOften}
