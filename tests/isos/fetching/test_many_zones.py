"""One import for several zones: fetched into one, copied from there; also where nobody knew the size before."""

from datetime import timedelta

import pytest
from django.utils import timezone

from isos.actions.delete_from_zones import cancel
from isos.actions.replace_source import replace_source
from isos.actions.retry import retry
from isos.models import Iso, Operation, Replica
from isos.operations import engine, receiving, waiting
from isos.operations.runners.fetch import FetchRunner
from isos.states import ReplicaState
from quotas.errors import OverStorage
from quotas.models import QuotaLimit, Reservation
from tests.isos.conftest import run_all
from tests.isos.copies import content
from tests.isos.fetching.site import File

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("operator")]


@pytest.fixture
def start(begin, site, image, zone_b):
    def start(file, **fields):
        site.routes["/image.iso"] = file
        return begin(more_zones=(zone_b,), **fields)

    return start


def states():
    return {replica.zone.slug: str(replica.state) for replica in Replica.objects.select_related("zone")}


def replica(zone):
    return Replica.objects.select_related("iso__account", "zone", "url_import").get(zone=zone)


def held():
    return dict(Reservation.objects.values_list("source", "bytes"))


def unsized(data):
    """The whole file by a server that does not say how large it is."""

    def answer(request):
        request.head()
        request.send(data)

    return answer


def both_are_ready(image, zone_a, zone_b):
    assert states() == {"zone-a": "ready", "zone-b": "ready"}
    assert content(replica(zone_a)) == content(replica(zone_b)) == image
    return set(Reservation.objects.values_list("state", "bytes")) == {("used", len(image))}


def test_it_is_fetched_once_and_copied(start, site, image, zone_a, zone_b):
    start(File(image), size=len(image))
    assert held() == {"fetch": len(image), "copy": len(image)}
    assert states() == {"zone-a": "queued", "zone-b": "waiting"}
    run_all()
    assert both_are_ready(image, zone_a, zone_b)
    assert len([request for request in site.requests if request.path == "/image.iso"]) == 1


@pytest.mark.parametrize("server", [File, unsized])
def test_a_size_that_was_not_known_is_held_in_every_zone(start, image, zone_a, zone_b, server):
    start(server(image))
    assert held() == {"fetch": 0, "copy": 0}
    run_all()
    assert both_are_ready(image, zone_a, zone_b)


@pytest.mark.parametrize("server", [File, unsized])
def test_where_only_one_fits_the_other_says_so(start, account, image, zone_a, zone_b, server, actor, monkeypatch):
    monkeypatch.setattr(receiving, "STEP_BYTES", 1024)
    limit = QuotaLimit.objects.create(account=account, max_bytes=2 * len(image) - 1)
    start(server(image))
    run_all()
    assert states() == {"zone-a": "ready", "zone-b": "failed"}
    failed = replica(zone_b)
    assert failed.error_code == "over_quota"
    assert "This ISO needs" in failed.error_message
    assert held() == {"fetch": len(image)}
    limit.delete()
    retry(actor, failed)
    run_all()
    assert both_are_ready(image, zone_a, zone_b)


def test_one_that_was_cancelled_while_it_is_fetched_stays_away(start, image, zone_a, zone_b, actor, monkeypatch):
    start(File(image))
    fetched = FetchRunner._fetched

    def cancelled(self, job, store):
        found = fetched(self, job, store)
        assert cancel(actor, Iso.objects.get(), [zone_b]) == 1
        return found

    monkeypatch.setattr(FetchRunner, "_fetched", cancelled)
    run_all()
    assert states() == {"zone-a": "ready"}
    assert held() == {"fetch": len(image)}


def test_a_worker_killed_between_the_sizes_and_ready_goes_on(start, image, zone_a, zone_b, monkeypatch):
    start(unsized(image))

    class Killed(BaseException):
        pass

    def die(iso, size):
        raise Killed

    with monkeypatch.context() as broken:
        broken.setattr(waiting, "start", die)
        with pytest.raises(Killed):
            engine.run(Operation.objects.get().pk)
    assert states() == {"zone-a": "verifying", "zone-b": "waiting"}
    Operation.objects.update(lease_expires=timezone.now() - timedelta(seconds=1))
    engine.run(Operation.objects.get().pk)
    run_all()
    assert both_are_ready(image, zone_a, zone_b)


@pytest.fixture
def failed(start, image):
    """Nothing of it is left, and no quota."""
    started = start(File(bytes(len(image))), size=len(image))
    run_all()
    assert states() == {"zone-a": "failed", "zone-b": "failed"}
    assert held() == {}
    return started


def test_those_that_waited_name_the_import(failed, zone_b):
    assert replica(zone_b).error_message.startswith("Not copied: the import into zone-a failed.")


def test_another_address_takes_the_others_along(failed, actor, site, image, zone_a, zone_b):
    site.routes["/good.iso"] = File(image)
    replace_source(actor, replica(zone_a), url=site.url("/good.iso"), size=len(image))
    assert states() == {"zone-a": "queued", "zone-b": "waiting"}
    assert held() == {"fetch": len(image), "copy": len(image)}
    run_all()
    assert both_are_ready(image, zone_a, zone_b)


def test_another_address_of_which_one_fits(failed, actor, account, site, image, zone_a, zone_b):
    site.routes["/good.iso"] = File(image)
    QuotaLimit.objects.create(account=account, max_bytes=len(image))
    with pytest.raises(OverStorage):
        replace_source(actor, replica(zone_a), url=site.url("/good.iso"), size=len(image) + 1)
    assert states() == {"zone-a": "failed", "zone-b": "failed"}
    replace_source(actor, replica(zone_a), url=site.url("/good.iso"), size=len(image))
    assert states() == {"zone-a": "queued", "zone-b": "failed"}
    assert "storage is full" in replica(zone_b).error_message
    run_all()
    assert states() == {"zone-a": "ready", "zone-b": "failed"}


def test_retry_of_an_import_takes_the_others_along(failed, actor, site, image, zone_a, zone_b):
    site.routes["/image.iso"] = File(image)
    retry(actor, replica(zone_a))
    run_all()
    assert both_are_ready(image, zone_a, zone_b)
    assert not Replica.objects.filter(state=ReplicaState.WAITING).exists()
