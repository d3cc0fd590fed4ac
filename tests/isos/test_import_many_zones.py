"""`manage.py import_iso` with several zones: one arrival, copies from it, and safe to run twice."""

import json

import pytest

from isos.models import Iso, Operation, Replica
from isos.states import ReplicaState
from quotas.models import QuotaLimit, Reservation
from tests.isos.conftest import run_all
from tests.isos.copies import content
from tests.isos.fetching.site import File
from tests.isos.test_import_command import (
    Ran,
    file,  # noqa: F401 -- a fixture
    image,
    imported,  # noqa: F401 -- a fixture
    listing,  # noqa: F401 -- a fixture
    pauses,  # noqa: F401 -- a fixture
    site,  # noqa: F401 -- a fixture
)
from zones.models import Zone

ZONES = ("--zone", "zone-a", "--zone", "zone-b")


@pytest.fixture
def source(request, site, file):  # noqa: F811
    """An address, or a file of this machine."""
    return file if request.param == "file" else site.url("/image-0.iso")


@pytest.fixture(autouse=True)
def zones(zone_a, zone_b):
    return zone_a, zone_b


pytestmark = pytest.mark.usefixtures("imported")
either = pytest.mark.parametrize("source", ["file", "url"], indirect=True)


def states():
    return {replica.zone.slug: str(replica.state) for replica in Replica.objects.select_related("zone")}


def downloads(site):  # noqa: F811
    return [request for request in site.requests if request.path == "/image-0.iso" and not request.range[1]]


@either
def test_to_two_zones(source):
    ran = Ran(source, *ZONES)
    assert (ran.error, states()) == ("", {"zone-a": "ready", "zone-b": "ready"})
    assert [line.split(": ")[0].rpartition("in ")[2] for line in ran.out.splitlines()] == ["zone-a", "zone-b"]
    assert "is copied to zone-b as soon as it is ready elsewhere." in ran.err
    assert Operation.objects.filter(kind="copy").count() == 1
    for replica in Replica.objects.select_related("iso", "zone"):
        assert content(replica) == image()


@either
def test_the_second_run_finds_both(source):
    Ran(source, *ZONES)
    again = Ran(source, *ZONES)
    assert [line.rpartition(": ")[2].split(",")[0] for line in again.out.splitlines()] == ["already there"] * 2
    assert Iso.objects.count() == 1
    assert Operation.objects.count() == 2


@either
def test_a_further_zone_gets_a_copy(source):
    Ran(source, "--zone", "zone-a")
    ran = Ran(source, *ZONES)
    assert (ran.error, states()) == ("", {"zone-a": "ready", "zone-b": "ready"})
    assert "is in another zone already; its copy to zone-b started." in ran.err


@either
@pytest.mark.parametrize("asked", [ZONES, ("--zone", "zone-b"), ("--zone", "zone-b", "--zone", "zone-a")])
def test_what_failed_begins_again_whatever_zone_is_asked_for(source, asked, monkeypatch, settings):
    """The zone that only waited has nothing of its own to try again."""
    settings.OPERATION_MAX_ATTEMPTS = 1
    runner = "ingest" if not str(source).startswith("http") else "fetch"
    with monkeypatch.context() as broken:

        def away(zone):
            from zones.stores.base import StoreUnreachable

            raise StoreUnreachable

        broken.setattr(f"isos.operations.runners.{runner}.open_store", away)
        ran = Ran(source, *ZONES)
    assert states() == {"zone-a": "failed", "zone-b": "failed"}
    assert "zone-b: Not copied" in ran.error
    assert ran.error.startswith("zone-a: ")
    ran = Ran(source, *asked)
    run_all()
    assert (ran.error, states()) == ("", {"zone-a": "ready", "zone-b": "ready"})


def test_without_room_for_both_nothing_begins_and_it_is_said_once(file, account):  # noqa: F811
    QuotaLimit.objects.create(account=account, max_bytes=int(len(image()) * 1.5))
    ran = Ran(file, *ZONES)
    assert ran.error.startswith("In 2 zones this ISO needs ")
    assert "zone-b:" not in ran.error
    assert not Iso.objects.exists()
    assert not Reservation.objects.exists()


def test_a_closed_zone_begins_nothing(site):  # noqa: F811
    Zone.objects.filter(slug="zone-b").update(state=Zone.State.MAINTENANCE)
    assert Ran(site.url("/image-0.iso"), *ZONES).error == "zone-b takes no new images now. Choose another zone."
    assert not Iso.objects.exists()


def test_no_wait_leaves_all_of_it_started(site):  # noqa: F811
    ran = Ran(site.url("/image-0.iso"), *ZONES, "--no-wait", "--format", "json")
    assert [(one["zone"], one["result"]) for one in json.loads(ran.out)] == [
        ("zone-a", "started"),
        ("zone-b", "started"),
    ]
    assert states() == {"zone-a": "queued", "zone-b": "waiting"}
    joined = Ran(site.url("/image-0.iso"), *ZONES, "--no-wait", "--format", "json")
    assert [one["result"] for one in json.loads(joined.out)] == ["in progress"] * 2


def test_a_list_has_a_row_for_each_zone(site, listing):  # noqa: F811
    site.routes["/image-1.iso"] = File(b"nothing" * 1000)
    lines = listing(f"{site.url('/image-0.iso')} Good", f"{site.url('/gone.iso')} Gone --zone zone-b")
    ran = Ran("--list", lines, *ZONES)
    rows = [line.split() for line in ran.out.splitlines()[1:4]]
    assert [(row[0], row[1], row[2], row[-1]) for row in rows] == [
        ("1", "Good", "zone-a", "ready"),
        ("1", "Good", "zone-b", "ready"),
        ("2", "Gone", "zone-b", "failed"),
    ]
    assert ran.error == "1 of 3 imports failed."


def test_a_zone_that_was_cancelled_meanwhile_is_that_zones_failure(file, pauses):  # noqa: F811
    def cancelled():
        Replica.objects.filter(zone__slug="zone-b").update(state=ReplicaState.DELETING)

    pauses[:] = [cancelled, run_all]
    ran = Ran(file, *ZONES)
    assert ran.error == "zone-b: It was cancelled or deleted meanwhile."
    assert "in zone-a: ready" in ran.out
