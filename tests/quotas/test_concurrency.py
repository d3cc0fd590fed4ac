"""Quotas under parallel writers, each a thread with a database connection of its own.

Runs on whatever database the tests have: SQLite by default, PostgreSQL with TEST_DATABASE_URL.
"""

import random
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from portal.accounts.models import Account, User
from quotas.models import Reservation
from quotas.reservations import (
    NotReserved,
    OverQuota,
    limits_of,
    lock_accounts,
    release,
    reserve,
    resize,
    settle,
    usage_of,
)
from tests.parallel import WAIT, in_parallel
from tests.quotas.conftest import Source, hold, limit

pytestmark = pytest.mark.django_db(transaction=True)
postgresql_only = pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="SQLite has one writer and no row locks"
)


def outcomes(results):
    """How often each kind of result came; anything unforeseen is raised."""
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, OverQuota):
            raise result
    return Counter(type(result).__name__ for result in results)


def assert_within_limits(account):
    limits, usage = limits_of(account), usage_of(account)
    assert usage.isos <= limits.max_isos
    assert usage.bytes <= limits.max_bytes
    assert usage.uploads <= limits.max_uploads


@pytest.mark.parametrize(
    ("limits", "source", "refusal"),
    [
        ({"max_isos": 5}, Source.FETCH, "TooManyIsos"),
        ({"max_isos": 100, "max_bytes": 50}, Source.FETCH, "OverStorage"),
        ({"max_isos": 100, "max_uploads": 5}, Source.UPLOAD, "TooManyUploads"),
    ],
)
def test_twelve_writers_for_five_places(account, limits, source, refusal):
    limit(account, **limits)

    def writer():
        with transaction.atomic():
            row = reserve(account, iso_ref=uuid.uuid4(), replica_ref=uuid.uuid4(), size=10, source=source)
            assert_within_limits(account)
            return row

    assert outcomes(in_parallel(*[writer] * 12)) == {"Reservation": 5, refusal: 7}
    assert Reservation.objects.count() == 5


def test_twelve_imports_learn_their_size(account):
    """All were let in with an unknown size; only five of them fit."""
    limit(account, max_isos=12, max_bytes=50)
    replicas = [hold(account, 0).replica_ref for _ in range(12)]

    def writer(replica):
        with transaction.atomic():
            resize(replica, 10)

    results = in_parallel(*[lambda replica=replica: writer(replica) for replica in replicas])
    assert outcomes(results) == {"NoneType": 5, "OverStorage": 7}
    assert usage_of(account).bytes == 50


def test_the_second_writer_waits_for_the_first_to_commit(account):
    """One place, taken but not committed yet: nobody may decide on it before that."""
    limit(account, max_isos=1)
    taken, decided = threading.Event(), threading.Event()

    def first():
        with transaction.atomic():
            hold(account)
            taken.set()
            return decided.wait(0.3)  # the whole time, unless the second decided too early

    def second():
        assert taken.wait(WAIT)
        try:
            return hold(account)
        finally:
            decided.set()

    decided_early, refused = in_parallel(first, second)
    assert decided_early is False
    assert outcomes([refused]) == {"TooManyIsos": 1}


def test_one_iso_into_many_zones_at_once_counts_once(account):
    limit(account, max_isos=1)
    iso = uuid.uuid4()
    assert outcomes(in_parallel(*[lambda: hold(account, iso=iso)] * 8)) == {"Reservation": 8}
    assert usage_of(account).isos == 1


def test_accounts_do_not_share_places(account, stranger):
    for owner in (account, stranger.account):
        limit(owner, max_isos=3)
    jobs = [lambda owner=owner: hold(owner) for owner in (account, stranger.account) * 6]
    assert outcomes(in_parallel(*jobs)) == {"Reservation": 6, "TooManyIsos": 6}
    assert usage_of(account).isos == usage_of(stranger.account).isos == 3


def test_churn_never_exceeds_a_limit(account):
    """Everybody reserves, grows, settles and releases what everybody made; each looks at the sums."""
    limit(account, max_isos=4, max_bytes=100, max_uploads=2)
    replicas = [uuid.uuid4() for _ in range(8)]
    isos = [uuid.uuid4() for _ in range(6)]
    done = Counter()

    def worker(seed):
        dice = random.Random(seed)
        for _ in range(40):
            replica = dice.choice(replicas)
            verb = dice.choice(["reserve", "reserve", "resize", "settle", "release"])
            try:
                with transaction.atomic():
                    act(dice, verb, replica)
                    assert_within_limits(account)
                done[verb] += 1
            except (OverQuota, NotReserved):
                continue

    def act(dice, verb, replica):
        if verb == "reserve":
            lock_accounts([account])
            if not Reservation.objects.filter(replica_ref=replica).exists():
                source = dice.choice([Source.UPLOAD, Source.COPY])
                reserve(
                    account, iso_ref=dice.choice(isos), replica_ref=replica, size=dice.randint(0, 40), source=source
                )
        elif verb == "resize":
            resize(replica, dice.randint(0, 60))
        else:
            {"settle": settle, "release": release}[verb](replica)

    assert outcomes(in_parallel(*[lambda seed=seed: worker(seed) for seed in range(6)])) == {"NoneType": 6}
    assert all(done[verb] for verb in ("reserve", "resize", "settle", "release")), done
    assert_within_limits(account)


@postgresql_only
def test_settle_and_release_do_not_wait_for_the_account(account):
    """They come last in transactions that hold rows of the library, where waiting could be for ever."""
    replica = hold(account, 5).replica_ref

    def finish():
        with transaction.atomic():
            settle(replica)
            release(replica)

    assert while_locked(account, finish) == [None]
    assert not Reservation.objects.exists()


@postgresql_only
def test_rows_that_refer_to_the_account_are_written_beside_the_lock(account):
    """Who holds a Replica and records an Event must not wait for who holds the Account and wants the Replica."""
    (written,) = while_locked(account, lambda: User.objects.create(username="new", account=account))
    assert written == User.objects.get(username="new")


def while_locked(account, job):
    """What `job` returned in a thread of its own while this one had the Account locked."""
    with ThreadPoolExecutor(1) as other, transaction.atomic():
        lock_accounts([account])
        return other.submit(in_parallel, job).result(5)


@postgresql_only
def test_several_accounts_are_locked_in_one_order(account, stranger):
    """Whatever order they are named in. PostgreSQL locks rows in the order in which it returns them."""
    for accounts in ([account, stranger.account], [stranger.account, account]):
        with CaptureQueriesContext(connection) as queries, transaction.atomic():
            lock_accounts(accounts)
        (statement,) = [query["sql"] for query in queries if "FOR NO KEY UPDATE" in query["sql"]]
        assert statement.startswith('SELECT "accounts_account"."id" ')
        assert statement.endswith(" ORDER BY 1 ASC FOR NO KEY UPDATE")


def test_locking_an_account_that_is_gone(account):
    gone = Account.objects.create(name="Gone")
    Account.objects.filter(pk=gone.pk).delete()
    with pytest.raises(Account.DoesNotExist), transaction.atomic():
        lock_accounts([account, gone])
