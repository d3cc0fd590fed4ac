"""The rules of quotas, one at a time."""

import uuid

import pytest
from django.db import IntegrityError, transaction
from django.db.transaction import TransactionManagementError

from quotas import reservations
from quotas.models import Reservation
from quotas.reservations import (
    IsoTooLarge,
    NotReserved,
    OverQuota,
    OverStorage,
    TooManyIsos,
    TooManyUploads,
    Usage,
    check,
    limits_of,
    overview,
    release,
    resize,
    settle,
    usage_of,
)
from tests.quotas.conftest import Source, hold, limit

GB = 1_000_000_000


@pytest.mark.django_db
class TestLimits:
    def test_defaults_of_the_portal(self, account, settings):
        settings.QUOTA_DEFAULTS = {"max_isos": 3, "max_bytes": 4, "max_iso_bytes": 5, "max_uploads": 6}
        limits = limits_of(account)
        assert (limits.max_isos, limits.max_bytes, limits.max_iso_bytes, limits.max_uploads) == (3, 4, 5, 6)
        assert limits.own == frozenset()

    def test_own_limits_go_before_defaults_one_by_one(self, account, settings):
        limit(account, max_isos=2, max_bytes=0)
        limits = limits_of(account)
        assert (limits.max_isos, limits.max_bytes) == (2, 0)
        assert limits.max_uploads == settings.QUOTA_DEFAULTS["max_uploads"]
        assert limits.own == {"max_isos", "max_bytes"}


@pytest.mark.django_db
class TestUsage:
    def test_nothing_reserved(self, account):
        assert usage_of(account) == Usage(isos=0, bytes=0, held_bytes=0, uploads=0)

    def test_adds_up_held_and_used(self, account, stranger):
        iso = uuid.uuid4()
        first = hold(account, 10, iso=iso, source=Source.UPLOAD)
        hold(account, 10, iso=iso, source=Source.COPY)
        hold(account, 5)
        hold(stranger.account, 1000)
        settle(first.replica_ref)
        assert usage_of(account) == Usage(isos=2, bytes=25, held_bytes=15, uploads=0)

    def test_uploads_under_way(self, account, upload):
        first = upload(1)
        upload(1)
        assert usage_of(account).uploads == 2
        settle(first.replica_ref)
        assert usage_of(account).uploads == 1

    def test_sizes_beyond_32_bits_are_whole_numbers(self, account):
        limit(account, max_bytes=2**50, max_iso_bytes=2**50)
        hold(account, 2**49)
        used = usage_of(account).bytes
        assert used == 2**49
        assert isinstance(used, int)


@pytest.mark.django_db
class TestReserve:
    def test_counts_and_is_held(self, account):
        iso, replica = uuid.uuid4(), uuid.uuid4()
        row = hold(account, 7, iso=iso, replica=replica, source=Source.COPY)
        row.refresh_from_db()
        assert (row.account, row.iso_ref, row.replica_ref) == (account, iso, replica)
        assert (row.bytes, row.source, row.state) == (7, "copy", "held")

    def test_one_iso_too_many(self, account):
        limit(account, max_isos=2)
        hold(account)
        hold(account)
        with pytest.raises(TooManyIsos) as caught:
            hold(account)
        assert caught.value.message == "You have 2 of 2 ISO images. Delete one, or ask your administrator for more."
        assert usage_of(account).isos == 2

    def test_no_iso_allowed_at_all(self, account):
        limit(account, max_isos=0)
        with pytest.raises(TooManyIsos, match=r"You have 0 of 0 ISO images\. Ask your administrator for more\."):
            hold(account)

    def test_another_replica_counts_bytes_but_no_iso(self, account):
        limit(account, max_isos=1, max_bytes=20)
        iso = uuid.uuid4()
        hold(account, 10, iso=iso)
        hold(account, 10, iso=iso, source=Source.COPY)
        assert (usage_of(account).isos, usage_of(account).bytes) == (1, 20)
        with pytest.raises(OverStorage):
            hold(account, 1, iso=iso, source=Source.COPY)

    def test_an_iso_of_another_account_is_no_excuse(self, account, stranger):
        limit(account, max_isos=1)
        hold(account)
        iso = hold(stranger.account).iso_ref
        with pytest.raises(TooManyIsos):
            hold(account, iso=iso)

    def test_too_many_bytes(self, account):
        limit(account, max_bytes=100 * GB, max_iso_bytes=100 * GB)
        hold(account, 97_500_000_000)
        with pytest.raises(OverStorage) as caught:
            hold(account, 3_100_000_000)
        assert caught.value.message == (
            "This ISO needs 3.10 GB, but only 2.50 GB of your 100 GB is free. "
            "Delete an ISO, or ask your administrator for more."
        )
        assert caught.value.field == "file"

    def test_exactly_what_is_left_fits(self, account):
        limit(account, max_bytes=10)
        hold(account, 4)
        hold(account, 6)
        assert usage_of(account).bytes == 10

    def test_a_full_storage_takes_no_unknown_size_either(self, account):
        limit(account, max_bytes=10 * GB)
        hold(account, 10 * GB)
        with pytest.raises(OverStorage) as caught:
            hold(account, 0)
        assert caught.value.message == (
            "Your storage is full: 10.0 GB of 10.0 GB is in use. Delete an ISO, or ask your administrator for more."
        )

    def test_too_large(self, account):
        limit(account, max_iso_bytes=32 * GB)
        with pytest.raises(IsoTooLarge) as caught:
            hold(account, 40 * GB)
        assert caught.value.message == (
            "This ISO is 40.0 GB; the largest allowed is 32.0 GB. Choose a smaller one, or ask your administrator."
        )
        assert caught.value.field == "file"
        hold(account, 32 * GB)

    def test_sizes_that_round_to_the_same_are_told_apart(self, account):
        limit(account, max_iso_bytes=32 * GB)
        with pytest.raises(
            IsoTooLarge, match="This ISO is 32,000,000,001 bytes; the largest allowed is 32,000,000,000"
        ):
            hold(account, 32 * GB + 1)

    def test_too_many_uploads_hold_back_uploads_alone(self, account, upload):
        limit(account, max_uploads=1)
        first = upload(1)
        with pytest.raises(TooManyUploads) as caught:
            upload(1)
        assert caught.value.message == (
            "You have 1 of 1 uploads under way. Wait until one has finished, or cancel one."
        )
        hold(account, source=Source.FETCH)
        settle(first.replica_ref)
        upload(1)

    def test_a_failed_reserve_leaves_nothing(self, account):
        limit(account, max_bytes=1)
        with pytest.raises(OverStorage):
            hold(account, 2)
        assert not Reservation.objects.exists()

    def test_a_replica_is_reserved_once(self, account):
        replica = hold(account).replica_ref
        with pytest.raises(IntegrityError):
            hold(account, replica=replica)

    def test_a_negative_size_is_a_bug(self, account):
        with pytest.raises(ValueError, match="negative"):
            hold(account, -1)

    def test_limits_are_read_anew(self, account):
        limit(account, max_isos=1)
        assert account.quota_limit.max_isos == 1  # cached on the instance
        limit(account, max_isos=2)
        hold(account)
        hold(account)

    def test_a_limit_below_what_is_used_refuses_only_what_is_new(self, account):
        replica = hold(account, 10).replica_ref
        limit(account, max_isos=0, max_bytes=5)
        with pytest.raises(TooManyIsos):
            hold(account, 1)
        resize(replica, 8)
        settle(replica)
        assert usage_of(account).bytes == 8
        release(replica)
        assert usage_of(account).bytes == 0


@pytest.mark.django_db
class TestResize:
    def test_grows_and_shrinks(self, account):
        replica = hold(account, 0).replica_ref
        resize(replica, 9)
        assert usage_of(account).bytes == 9
        resize(replica, 3)
        assert usage_of(account).bytes == 3

    def test_its_own_bytes_are_not_counted_twice(self, account):
        limit(account, max_bytes=10)
        replica = hold(account, 6).replica_ref
        resize(replica, 10)
        with pytest.raises(OverStorage):
            resize(replica, 11)
        assert usage_of(account).bytes == 10

    def test_the_others_are_counted(self, account):
        limit(account, max_bytes=10)
        hold(account, 6)
        replica = hold(account, 0).replica_ref
        with pytest.raises(OverStorage, match="This ISO needs 5 bytes, but only 4 bytes of your 10 bytes is free"):
            resize(replica, 5)
        resize(replica, 4)

    def test_the_largest_iso_is_kept(self, account):
        limit(account, max_iso_bytes=5)
        replica = hold(account, 0).replica_ref
        with pytest.raises(IsoTooLarge):
            resize(replica, 6)
        assert usage_of(account).bytes == 0

    def test_counts_no_upload_and_no_iso(self, account, upload):
        limit(account, max_isos=1, max_uploads=1)
        resize(upload(1).replica_ref, 2)
        assert usage_of(account).bytes == 2

    def test_what_is_released_can_not_grow(self, account):
        replica = hold(account, 1).replica_ref
        release(replica)
        with pytest.raises(NotReserved):
            resize(replica, 2)
        assert not Reservation.objects.exists()

    def test_a_negative_size_is_a_bug(self, account):
        with pytest.raises(ValueError, match="negative"):
            resize(hold(account).replica_ref, -1)


@pytest.mark.django_db
class TestSettleAndRelease:
    def test_settle_twice(self, account):
        replica = hold(account, 5).replica_ref
        settle(replica)
        settle(replica)
        assert Reservation.objects.get().state == "used"
        assert usage_of(account) == Usage(isos=1, bytes=5, held_bytes=0, uploads=0)

    def test_release_twice(self, account):
        replica, other = hold(account, 5).replica_ref, hold(account, 2)
        release(replica)
        release(replica)
        assert list(Reservation.objects.all()) == [other]

    def test_settling_what_is_gone_brings_nothing_back(self, account):
        replica = hold(account, 5).replica_ref
        release(replica)
        settle(replica)
        assert not Reservation.objects.exists()

    def test_an_iso_counts_until_its_last_replica_is_gone(self, account):
        iso = uuid.uuid4()
        first, second = hold(account, iso=iso), hold(account, iso=iso)
        release(first.replica_ref)
        assert usage_of(account).isos == 1
        release(second.replica_ref)
        assert usage_of(account).isos == 0


@pytest.mark.django_db
class TestCheck:
    """`check` and `reserve` say the same, and `check` writes nothing."""

    @pytest.mark.parametrize(
        ("limits", "size"),
        [
            ({"max_isos": 1}, 1),
            ({"max_bytes": 10}, 6),
            ({"max_bytes": 5}, 0),
            ({"max_iso_bytes": 7}, 8),
            ({"max_uploads": 1}, 1),
            ({"max_isos": 0, "max_bytes": 0, "max_iso_bytes": 0, "max_uploads": 0}, 5),
        ],
    )
    def test_says_the_same_sentence(self, account, upload, limits, size):
        upload(5)
        limit(account, **limits)
        with pytest.raises(OverQuota) as checked:
            check(account, size=size, source=Source.UPLOAD)
        with pytest.raises(OverQuota) as reserved:
            upload(size)
        assert type(checked.value) is type(reserved.value)
        assert checked.value.message == reserved.value.message
        assert checked.value.code == "over_quota"
        assert checked.value.status not in (409, 423)
        assert not checked.value.retryable

    def test_holds_nothing(self, account):
        limit(account, max_isos=1)
        check(account, size=1, source=Source.UPLOAD)
        check(account, size=1, source=Source.UPLOAD)
        assert not Reservation.objects.exists()

    def test_a_copy_is_no_new_iso(self, account):
        limit(account, max_isos=1)
        iso = hold(account).iso_ref
        check(account, size=1, source=Source.COPY, iso_ref=iso)
        with pytest.raises(TooManyIsos):
            check(account, size=1, source=Source.FETCH)


@pytest.mark.django_db
class TestOverview:
    def test_what_remains(self, account, upload):
        limit(account, max_isos=4, max_bytes=1000, max_iso_bytes=600, max_uploads=3)
        upload(250)
        quota = overview(account)
        assert (quota.remaining_isos, quota.remaining_bytes, quota.remaining_uploads) == (3, 750, 2)
        assert (quota.isos_percent, quota.bytes_percent) == (25, 25)
        assert quota.largest_possible == 600
        assert not quota.is_full
        hold(account, 600)
        assert overview(account).largest_possible == 150

    def test_never_negative(self, account, upload):
        upload(10)
        limit(account, max_isos=0, max_bytes=5, max_uploads=0)
        quota = overview(account)
        assert (quota.remaining_isos, quota.remaining_bytes, quota.remaining_uploads) == (0, 0, 0)
        assert quota.bytes_percent == 100
        assert quota.is_full

    @pytest.mark.parametrize("limits", [{"max_isos": 1}, {"max_bytes": 10}])
    def test_full(self, account, limits):
        limit(account, **limits)
        assert not overview(account).is_full
        hold(account, 10)
        assert overview(account).is_full


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    @pytest.mark.parametrize(
        "write",
        [
            lambda account: reservations.reserve(
                account, iso_ref=uuid.uuid4(), replica_ref=uuid.uuid4(), size=1, source=Source.COPY
            ),
            lambda account: resize(uuid.uuid4(), 1),
            lambda account: settle(uuid.uuid4()),
            lambda account: release(uuid.uuid4()),
            lambda account: reservations.lock_accounts([account]),
        ],
        ids=["reserve", "resize", "settle", "release", "lock_accounts"],
    )
    def test_every_write_needs_one(self, account, write):
        with pytest.raises(TransactionManagementError):
            write(account)

    def test_a_rolled_back_reservation_counts_nothing(self, account):
        with transaction.atomic():
            hold(account)
            transaction.set_rollback(True)
        assert usage_of(account).isos == 0
