"""Reconciling with --fix while everything else goes on: it finds what is wrong, and nothing else is touched."""

import random
import threading
import uuid
from contextlib import closing, suppress
from datetime import timedelta

import pytest
from django.utils import timezone

from isos.actions.copy_to_zones import copy_to_zones
from isos.actions.delete_from_zones import cancel, delete_from_zones
from isos.models import Iso, Operation, Replica
from isos.operations import engine
from isos.operations.reconcile.run import Wish, run
from isos.states import ACTIVE_OPERATION, ReplicaState
from tests.isos.conftest import send
from tests.isos.copies import content, make_zone
from tests.isos.fetching.conftest import begin, image, operator, site
from tests.isos.fetching.importing import PATH
from tests.isos.fetching.site import File
from tests.parallel import in_parallel
from tests.s3 import s3_server
from zones.stores import open_store
from zones.stores.base import StoreError

__all__ = ["begin", "image", "operator", "s3_server", "site"]
pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 4
USERS = 3
EVERYTHING = Wish(fix=True, min_age=timedelta(0), however_many=True)


class Busy:
    """Users, workers and an operator's loop beside each other, until the users are done and nothing waits."""

    def __init__(self, here, there, data, start, begin, actor):
        self.here, self.there, self.data, self.actor = here, there, data, actor
        self.start, self.begin = start, begin
        self.users_left = USERS
        self.rubbish = set()
        self.found = []
        self.runs = 0
        self.kept = []

    # --- users ---

    def user(self, number):
        chance = random.Random(number)
        try:
            for turn in range(ROUNDS):
                self._turn(f"Image {number}-{turn}", chance)
        finally:
            self.users_left -= 1

    def _turn(self, name, chance):
        iso = self._imported(name) if chance.random() < 0.4 else self._uploaded(name, chance)
        if iso is None:
            return
        copy_to_zones(self.actor, iso, [self.there])
        if chance.random() < 0.5:
            self.wait(lambda: self.states(iso)[self.there] == ReplicaState.READY)
            delete_from_zones(self.actor, iso, iso.replicas.filter(zone=self.here), confirmation="confirm")
            self.kept.append((iso, {self.there}))
        elif chance.random() < 0.5:
            delete_from_zones(self.actor, iso, iso.replicas.all(), confirmation="confirm")
            self.kept.append((iso, set()))
        else:
            self.kept.append((iso, {self.here, self.there}))

    def _uploaded(self, name, chance):
        upload = self.start(len(self.data), name=name, zone=self.here)
        iso = upload.replica.iso
        middle = chance.randrange(len(self.data))
        send(upload, self.data[:middle])
        if chance.random() < 0.3:
            cancel(self.actor, iso)
            self.kept.append((iso, set()))
            return None
        send(upload, self.data[middle:], offset=middle)
        self.wait(lambda: self.states(iso)[self.here] == ReplicaState.READY)
        return iso

    def _imported(self, name):
        iso = self.begin(name=name, zone=self.here).replica.iso
        self.wait(lambda: self.states(iso)[self.here] == ReplicaState.READY)
        return Iso.objects.get(pk=iso.pk)

    def states(self, iso):
        return {replica.zone: replica.state for replica in Replica.objects.filter(iso=iso).select_related("zone")}

    def wait(self, true):
        deadline = timezone.now() + timedelta(seconds=60)
        while not true():
            assert timezone.now() < deadline
            threading.Event().wait(0.01)

    # --- workers, the operator, and what a crash leaves ---

    def worker(self):
        while self.users_left or Operation.objects.filter(state__in=ACTIVE_OPERATION).exists():
            Operation.objects.filter(state="queued").update(not_before=None)
            for pk in Operation.objects.filter(state="queued").values_list("pk", flat=True):
                engine.run(pk)
            threading.Event().wait(0.01)

    def operator(self):
        while self.users_left:
            self.found += run(EVERYTHING).findings
            self.runs += 1

    def litterer(self):
        while self.users_left:
            key, token = f"isos/{uuid.uuid4()}/{uuid.uuid4()}.iso", str(uuid.uuid4())
            self.rubbish |= {key, token}
            self._drop(str(uuid.uuid4()), key, is_whole=True)
            self._drop(token, f"{key}x", is_whole=False)
            threading.Event().wait(0.2)

    def _drop(self, token, key, *, is_whole):
        self.rubbish.add(token)
        # It has no row, so it may be taken away while it is being made.
        with suppress(StoreError), closing(open_store(self.here).stage(token, key)) as staged:
            staged.append(b"left over")
            if is_whole:
                staged.commit()
            else:
                staged.flush()


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("kind", ["files", pytest.param("s3", marks=pytest.mark.services), "any"])
def test_nothing_that_is_wanted_is_touched(start, begin, site, image, actor, kind, tmp_path, request, settings):
    settings.OPERATION_MAX_ATTEMPTS = 100  # workers in a hurry leave no pause
    settings.QUOTA_DEFAULTS = settings.QUOTA_DEFAULTS | {"max_isos": 100, "max_uploads": 100}
    site.routes[PATH] = File(image)
    here, there = (make_zone(kind, slug, tmp_path, request) for slug in ("here", "there"))
    busy = Busy(here, there, image, start, begin, actor)
    jobs = [*(lambda n=number: busy.user(n) for number in range(USERS)), busy.worker, busy.worker]
    results = in_parallel(*jobs, busy.operator, busy.litterer)
    # Every finding is the rubbish, whose bytes are gone; nothing else was even suspected.
    assert [found for found in busy.found if found.about not in busy.rubbish] == []
    assert results == [None] * len(results)
    assert busy.runs > 3
    assert {found.kind.name for found in busy.found} == {"ORPHANED", "STALE"}
    run(EVERYTHING)
    for iso, zones in busy.kept:
        replicas = Replica.objects.filter(iso=iso).select_related("iso", "zone")
        assert {replica.zone: replica.state for replica in replicas} == dict.fromkeys(zones, ReplicaState.READY)
        assert all(content(replica) == image for replica in replicas)
    stored = {info.key for zone in (here, there) for info in open_store(zone).list()}
    assert stored == {replica.key for replica in Replica.objects.all()}
    assert [list(open_store(zone).list_staged()) for zone in (here, there)] == [[], []]
    assert run(Wish(min_age=timedelta(0))).findings == []
