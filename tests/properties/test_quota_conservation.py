"""Whatever is reserved, resized, settled and released in whatever order, the sums equal a plain dict's."""

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from portal.accounts.models import Account
from quotas import reservations
from quotas.models import QuotaLimit, Reservation
from quotas.reservations import IsoTooLarge, NotReserved, OverStorage, TooManyIsos, TooManyUploads, Usage
from quotas.usage import overviews

SIZES = st.integers(0, 12)
ISOS = st.integers(1, 3).map(lambda n: UUID(int=n))
OWNERS = st.sampled_from([0, 1])
SOURCES = st.sampled_from(list(Reservation.Source))
LIMITS = st.fixed_dictionaries(
    {
        "max_isos": st.integers(0, 3),
        "max_bytes": st.integers(0, 30),
        "max_iso_bytes": st.integers(6, 12),
        "max_uploads": st.integers(0, 3),
    }
)


@dataclass
class Row:
    """What the model knows of one reservation."""

    owner: int
    iso: UUID
    size: int
    upload: bool
    held: bool = True


class Quotas(RuleBasedStateMachine):
    """Two Accounts of a portal against a dict of rows."""

    replicas = Bundle("replicas")  # all that ever were, also those refused or released

    @initialize(first=LIMITS, second=LIMITS)
    def start(self, first, second):
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.rows: dict[UUID, Row] = {}
        self.limits = [first, second]
        self.accounts = [Account.objects.create(name=name) for name in ("One", "Two")]
        for account, limits in zip(self.accounts, self.limits, strict=True):
            QuotaLimit.objects.create(account=account, **limits)

    def teardown(self):
        if hasattr(self, "transaction"):
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    def sums(self, owner):
        mine = [row for row in self.rows.values() if row.owner == owner]
        return Usage(
            isos=len({row.iso for row in mine}),
            bytes=sum(row.size for row in mine),
            held_bytes=sum(row.size for row in mine if row.held),
            uploads=sum(row.held and row.upload for row in mine),
        )

    def refusal(self, owner, iso, size, upload):
        """The error that the rules in words ask for, or None."""
        limits, sums = self.limits[owner], self.sums(owner)
        new = iso not in {row.iso for row in self.rows.values() if row.owner == owner}
        if size > limits["max_iso_bytes"]:
            return IsoTooLarge
        if upload and sums.uploads + 1 > limits["max_uploads"]:
            return TooManyUploads
        if sums.isos + new > limits["max_isos"]:
            return TooManyIsos
        if sums.bytes + size > limits["max_bytes"] or sums.bytes == limits["max_bytes"]:
            return OverStorage
        return None

    @rule(target=replicas, owner=OWNERS, iso=ISOS, size=SIZES, source=SOURCES)
    def reserve(self, owner, iso, size, source):
        replica = uuid4()
        refusal = self.refusal(owner, iso, size, source == Reservation.Source.UPLOAD)

        def reserve():
            reservations.check(self.accounts[owner], size=size, source=source, iso_ref=iso)
            reservations.reserve(self.accounts[owner], iso_ref=iso, replica_ref=replica, size=size, source=source)

        if refusal:
            with pytest.raises(refusal):
                reserve()
        else:
            reserve()
            self.rows[replica] = Row(owner, iso, size, source == Reservation.Source.UPLOAD)
        return replica

    @rule(replica=replicas, size=SIZES)
    def resize(self, replica, size):
        row = self.rows.get(replica)
        if row is None:
            refusal = NotReserved
        elif size <= row.size:
            refusal = None
        elif size > self.limits[row.owner]["max_iso_bytes"]:
            refusal = IsoTooLarge
        else:
            over = self.sums(row.owner).bytes - row.size + size > self.limits[row.owner]["max_bytes"]
            refusal = OverStorage if over else None
        if refusal:
            with pytest.raises(refusal):
                reservations.resize(replica, size)
        else:
            reservations.resize(replica, size)
            row.size = size

    @rule(replica=replicas)
    def settle(self, replica):
        reservations.settle(replica)
        if replica in self.rows:
            self.rows[replica].held = False

    @rule(replica=replicas)
    def release(self, replica):
        reservations.release(replica)
        self.rows.pop(replica, None)

    @invariant()
    def sums_are_the_models_and_within_limits(self):
        for owner, (_, quota) in enumerate(overviews(getattr(self, "accounts", []))):
            assert quota.usage == self.sums(owner)
            assert quota.usage.isos <= quota.limits.max_isos
            assert quota.usage.bytes <= quota.limits.max_bytes
            assert quota.usage.uploads <= quota.limits.max_uploads


@pytest.mark.django_db
def test_quota_is_conserved():
    run_state_machine_as_test(
        Quotas,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            # Some twenty steps are readable as they are; shrinking them against a database takes minutes.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
