"""Whatever users do and whatever dies: no ISO is lost, no quota leaks, and all comes to rest.

Two accounts and three zones on directories against a model of what must still be there. A worker is a rule that runs
one operation, to its end or to a step at which it is killed.
"""

import hashlib
import shutil
import tempfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.conf import settings as portal_settings
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from isos.actions.copy_to_zones import copy_to_zones
from isos.actions.delete_from_zones import cancel, delete_from_zones
from isos.actions.retry import retry
from isos.actions.start_upload import NewIso, start_upload
from isos.audit import Actor
from isos.models import Iso, Operation, Replica, Upload
from isos.operations import engine
from isos.operations.sweep import sweep
from isos.states import ACTIVE_OPERATION, ReplicaState, UploadState
from portal.accounts.models import Account, User
from portal.kernel.errors import PortalError
from quotas.models import QuotaLimit, Reservation, UsageSpan
from tests import media
from tests.conftest import make_file_zone
from tests.isos.conftest import send
from tests.properties.kills import killed_at
from zones.stores import open_store
from zones.stores.base import StoreError

IMAGE = media.hybrid()
DIGEST = hashlib.sha256(IMAGE).hexdigest()
ZONES = st.sampled_from([0, 1, 2])
SEVERAL = st.sets(ZONES, min_size=1)
OWNERS = st.sampled_from([0, 1])
PICK = st.integers(0, 1000)
STEPS = st.integers(1, 12)
REST_ROUNDS = 40
HELD, USED = Reservation.State.HELD, Reservation.State.USED


class Library(RuleBasedStateMachine):
    """What users, workers, the sweep and accidents do to a library, in any order."""

    @initialize(room=st.integers(2, 6))
    def start(self, room):
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.folder = Path(tempfile.mkdtemp(prefix="library-"))
        self.clock = time_machine.travel(timezone.now())
        self.traveller = self.clock.start()
        self.zones = [make_file_zone(f"zone-{n}", self.folder / f"zone-{n}") for n in range(3)]
        self.away: set[int] = set()
        self.promised: dict[int, set[int]] = {}  # primary keys of ISOs: of zones where they are Ready and must stay so
        self.actors = []
        for name in ("one", "two"):
            account = Account.objects.create(name=name)
            QuotaLimit.objects.create(
                account=account, max_isos=room, max_bytes=room * len(IMAGE), max_iso_bytes=len(IMAGE), max_uploads=3
            )
            self.actors.append(Actor(User.objects.create_user(name, account=account), "192.0.2.7"))

    def teardown(self):
        if not hasattr(self, "transaction"):
            return
        try:
            self.come_to_rest()
        finally:
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)
            self.clock.stop()
            shutil.rmtree(self.folder)

    # --- users ------------------------------------------------------------------------

    @rule(owner=OWNERS, zones=SEVERAL, whole=st.booleans())
    def upload(self, owner, zones, whole):
        first, *more = (self.zones[n] for n in sorted(zones))
        name = f"Image {Upload.objects.count()} {Iso.objects.count()} {timezone.now()}"
        with suppress(PortalError):
            new = NewIso(name=name, zone=first, more_zones=tuple(more))
            upload = start_upload(self.actors[owner], new, size=len(IMAGE))
            send(upload, IMAGE if whole else IMAGE[: len(IMAGE) // 2])

    @rule(pick=PICK, good=st.sampled_from([True, True, False]), step=STEPS, after=st.booleans(), dies=st.booleans())
    def send_on(self, pick, good, step, after, dies):
        """The rest of an upload, perhaps of another file than it began with, perhaps with the web process dying."""
        upload = self.one_of(Upload.objects.filter(state=UploadState.RECEIVING), pick)
        if upload is None:
            return
        data = IMAGE[upload.offset :] if good else bytes(len(IMAGE) - upload.offset)
        with killed_at(step if dies else 10**9, after=after), suppress(PortalError):
            send(upload, data, upload.offset)

    @rule(pick=PICK, zones=SEVERAL)
    def copy(self, pick, zones):
        if iso := self.one_of(Iso.objects.all(), pick):
            with suppress(PortalError):
                copy_to_zones(self.owner_of(iso), iso, [self.zones[n] for n in zones])

    @rule(pick=PICK, zones=SEVERAL)
    def delete(self, pick, zones):
        if iso := self.one_of(Iso.objects.all(), pick):
            chosen = [self.zones[n] for n in zones]
            with suppress(PortalError):
                going = delete_from_zones(
                    self.owner_of(iso),
                    iso,
                    iso.replicas.select_related("iso", "zone").filter(zone__in=chosen),
                    confirmation="confirm",
                )
                self.forget(iso.pk, {replica.zone_id for replica in going})

    @rule(pick=PICK)
    def cancel(self, pick):
        if iso := self.one_of(Iso.objects.all(), pick):
            with suppress(PortalError):
                cancel(self.owner_of(iso), iso)

    @rule(pick=PICK)
    def retry(self, pick):
        failed = Replica.objects.select_related("iso__account", "zone").filter(state=ReplicaState.FAILED)
        if replica := self.one_of(failed, pick):
            with suppress(PortalError):
                retry(self.owner_of(replica.iso), replica)

    # --- the portal -------------------------------------------------------------------

    @rule(pick=PICK)
    def work(self, pick):
        self.run(pick)

    @rule(pick=PICK, step=STEPS, after=st.booleans())
    def worker_dies(self, pick, step, after):
        with killed_at(step, after=after):
            self.run(pick)

    @rule(seconds=st.sampled_from([5, 60, 3600]))
    def time_passes(self, seconds):
        self.traveller.shift(timedelta(seconds=seconds))
        sweep()

    @rule()
    def uploads_expire(self):
        self.traveller.shift(timedelta(seconds=portal_settings.UPLOAD_EXPIRES_SECONDS + 1))
        sweep()

    # --- accidents --------------------------------------------------------------------

    @precondition(lambda self: hasattr(self, "zones"))
    @rule(zone=ZONES)
    def storage_goes_or_comes_back(self, zone):
        here, there = self.root(zone), self.folder / f"away-{zone}"
        if zone in self.away:
            there.rename(here)
        else:
            here.rename(there)
        self.away ^= {zone}

    @rule(pick=PICK, lost=st.booleans())
    def storage_loses_or_damages(self, pick, lost):
        replica = self.one_of(Replica.objects.filter(state=ReplicaState.READY).select_related("iso", "zone"), pick)
        if replica is None or self.zones.index(replica.zone) in self.away:
            return
        path = Path(replica.zone.options["location"]) / replica.key
        if path.exists():
            path.unlink() if lost else path.write_bytes(bytes(len(IMAGE)))
        self.forget(replica.iso_id, {replica.zone_id})

    @rule()
    def night(self):
        """What was lost is noticed, and healed where it can be."""
        from isos.operations.rehash import Pace
        from isos.operations.rounds import Round

        with suppress(StoreError):
            left = Round.of()
            while left is not None:
                _, left = left.step(Pace(0), lambda *_: None)

    # --- what must hold after every step ----------------------------------------------

    @invariant()
    def what_is_ready_stays_ready(self):
        for iso, zones in getattr(self, "promised", {}).items():
            ready = set(Replica.objects.filter(iso=iso, state=ReplicaState.READY).values_list("zone_id", flat=True))
            assert zones <= ready, "a Ready replica went that nobody deleted and no accident took"
        for replica in Replica.objects.filter(state=ReplicaState.READY).select_related("iso", "zone"):
            if self.is_good(replica):
                self.promised.setdefault(replica.iso_id, set()).add(replica.zone_id)

    @invariant()
    def quota_is_what_exists(self):
        rows = {replica.public_id: replica for replica in Replica.objects.select_related("iso", "zone")}
        reserved = {one.replica_ref: one for one in Reservation.objects.all()}
        assert set(reserved) <= set(rows), "quota of nothing"
        free = {ReplicaState.FAILED, ReplicaState.DELETING}  # of these, those that lost their bytes before
        for ref in set(rows) - set(reserved):
            assert rows[ref].state in free
            assert not self.bytes_of(rows[ref]), "bytes without quota"
        for ref, one in reserved.items():
            assert one.bytes == len(IMAGE)
            if rows[ref].state == ReplicaState.READY:
                assert one.state == USED
        for account in Account.objects.filter(name__in=("one", "two")):
            mine = [one for one in reserved.values() if one.account_id == account.pk]
            limit = account.quota_limit
            assert sum(one.bytes for one in mine) <= limit.max_bytes
            assert len({one.iso_ref for one in mine}) <= limit.max_isos

    @invariant()
    def usage_is_what_is_stored(self):
        """What is Ready counts, and what was and is being deleted, until its bytes are gone; nothing else does."""
        state = dict(Replica.objects.values_list("public_id", "state"))
        counted = set(UsageSpan.objects.filter(ended_at=None).values_list("replica_ref", flat=True))
        assert {ref for ref in state if state[ref] == ReplicaState.READY} <= counted, "free storage"
        assert {state.get(ref, "gone") for ref in counted} <= {ReplicaState.READY, ReplicaState.DELETING}

    @invariant()
    def failures_have_a_sentence(self):
        for message in Replica.objects.filter(state=ReplicaState.FAILED).values_list("error_message", flat=True):
            assert message.rstrip().endswith((".", "?", "!"))

    # --- the end ----------------------------------------------------------------------

    def come_to_rest(self):
        """Everything is up again and nobody does anything: what is then left must be in order."""
        for zone in list(self.away):
            (self.folder / f"away-{zone}").rename(self.root(zone))
        self.away.clear()
        self.work_until_quiet()
        self.uploads_expire()
        self.work_until_quiet()
        states = set(Replica.objects.values_list("state", flat=True))
        assert states <= {ReplicaState.READY, ReplicaState.FAILED}, states
        assert not Reservation.objects.filter(state=HELD).exists(), "quota of what was given up"
        kept = {replica.staging_token for replica in Replica.objects.filter(state=ReplicaState.FAILED)}
        for zone in self.zones:
            store = open_store(zone)
            assert {info.key for info in store.list_staged()} <= kept
            keys = {replica.key for replica in Replica.objects.filter(zone=zone).select_related("iso")}
            assert {info.key for info in store.list("isos/")} <= keys

    def work_until_quiet(self):
        for _ in range(REST_ROUNDS):
            active = Operation.objects.filter(state__in=ACTIVE_OPERATION)
            if not active.exists():
                return
            self.traveller.shift(timedelta(hours=2))
            sweep()
            for pk in list(active.values_list("pk", flat=True)):
                engine.run(pk)
            self.what_is_ready_stays_ready()
            self.quota_is_what_exists()
        raise AssertionError("operations never end")

    # --- helpers ----------------------------------------------------------------------

    def run(self, pick):
        """A worker takes one of the operations; those that wait for their next try are due now."""
        active = Operation.objects.filter(state__in=ACTIVE_OPERATION)
        if operation := self.one_of(active, pick):
            Operation.objects.filter(pk=operation.pk).update(not_before=None)
            engine.run(operation.pk)

    def one_of(self, rows, pick):
        rows = list(rows.order_by("pk"))
        return rows[pick % len(rows)] if rows else None

    def bytes_of(self, replica):
        """The files that a replica has in its zone."""
        zone = self.zones.index(replica.zone)
        root = self.folder / f"away-{zone}" if zone in self.away else self.root(zone)
        return [path for path in (*root.rglob(replica.staging_token), root / replica.key) if path.exists()]

    def owner_of(self, iso):
        return next(actor for actor in self.actors if actor.account.pk == iso.account_id)

    def root(self, zone):
        return Path(self.zones[zone].options["location"])

    def forget(self, iso, zones):
        self.promised.get(iso, set()).difference_update(zones)

    def is_good(self, replica):
        path = Path(replica.zone.options["location"]) / replica.key
        return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == DIGEST


@pytest.mark.django_db
def test_a_library_loses_nothing():
    run_state_machine_as_test(
        Library,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            # Shrinking against a database takes minutes, and some thirty steps are readable as they are.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
