"""What becomes of imports that several people touch at once: nobody loses bytes, quota or secrets to the others."""

import hashlib

import pytest

from isos.actions.delete_from_zones import delete_from_zones
from isos.actions.replace_source import replace_source
from isos.actions.retry import retry
from isos.audit import Actor
from isos.models import Iso, Operation, Replica, UrlImport
from isos.operations import leftovers
from isos.states import ReplicaState
from portal.kernel.errors import Conflict
from quotas.errors import OverQuota
from quotas.models import QuotaLimit, Reservation
from tests.isos.conftest import run_all
from tests.isos.fetching.conftest import begin, image, operator, site  # noqa: F401 -- fixtures
from tests.isos.fetching.importing import is_ready
from tests.isos.fetching.site import File
from zones.stores import open_store
from zones.stores.base import StagedBusy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("operator")]


@pytest.fixture
def kept(begin, site, image, settings):  # noqa: F811
    """A failed import whose first half is kept for a retry: the replica as a page saw it then."""
    settings.OPERATION_MAX_ATTEMPTS = 1
    half = len(image) // 2
    site.routes["/image.iso"] = File(image, cuts=[half] * 10)
    started = begin(size=len(image))
    run_all()
    site.routes["/image.iso"] = site.routes["/good.iso"] = File(image)
    replica = Replica.objects.select_related("iso__account", "zone", "url_import").get(pk=started.replica_id)
    assert replica.state == ReplicaState.FAILED
    assert list(open_store(replica.zone).list_staged())
    return replica


def as_seen(replica):
    return Replica.objects.select_related("iso__account", "zone", "url_import").get(pk=replica.pk)


def quota_says_what_there_is():
    """Each replica that holds or may hold bytes has its reservation, and there is none besides."""
    living = {replica.public_id for replica in Replica.objects.exclude(state=ReplicaState.FAILED)}
    reserved = set(Reservation.objects.values_list("replica_ref", flat=True))
    return living <= reserved <= set(Replica.objects.values_list("public_id", flat=True))


def test_another_address_that_comes_too_late_takes_nothing_from_a_ready_iso(kept, actor, site, image, zone_a):  # noqa: F811
    """The check of the new address took its time; meanwhile a teammate's Retry went all the way."""
    retry(actor, as_seen(kept))
    run_all()
    with pytest.raises(Conflict):
        replace_source(actor, kept, url=site.url("/good.iso"), size=len(image))
    assert is_ready(image, zone_a)


def test_another_address_beside_a_retry_leaves_it_what_had_come(kept, actor, site, image, zone_a):  # noqa: F811
    retry(actor, as_seen(kept))
    with pytest.raises(Conflict):
        replace_source(actor, kept, url=site.url("/good.iso"), size=len(image))
    asked = len(site.requests)
    run_all()
    assert is_ready(image, zone_a)
    assert [request.range[0] for request in site.requests[asked:]] == [len(image) // 2], "it went on where it was"


def test_two_other_addresses_at_once(kept, actor, site, image, zone_a):  # noqa: F811
    replace_source(actor, as_seen(kept), url=site.url("/good.iso"), size=len(image))
    with pytest.raises(Conflict):
        replace_source(actor, kept, url=site.url("/other.iso"), size=1)
    assert UrlImport.objects.get().shown_url == site.url("/good.iso")
    run_all()
    assert is_ready(image, zone_a)


def test_another_address_for_what_was_deleted_meanwhile(kept, actor, site):  # noqa: F811
    delete_from_zones(actor, kept.iso, [as_seen(kept)], confirmation="confirm")
    with pytest.raises(Conflict):
        replace_source(actor, kept, url=site.url("/good.iso"))
    run_all()
    assert not Iso.objects.exists()
    with pytest.raises(Conflict, match="deleted"):
        replace_source(actor, kept, url=site.url("/good.iso"))
    assert not Reservation.objects.exists()
    assert not list(open_store(kept.zone).list_staged())


def test_another_address_without_room_changes_nothing(kept, actor, account, site, image):  # noqa: F811
    QuotaLimit.objects.create(account=account, max_bytes=len(image))
    with pytest.raises(OverQuota):
        replace_source(actor, as_seen(kept), url=site.url("/good.iso"), size=len(image) + 1)
    assert UrlImport.objects.get().shown_url == site.url("/image.iso")
    assert Reservation.objects.get().bytes == len(image)
    retry(actor, as_seen(kept))
    asked = len(site.requests)
    run_all()
    assert is_ready(image, kept.zone)
    assert site.requests[asked].range[0] == len(image) // 2, "what had come is still there"


def test_another_address_does_not_wait_for_a_store_that_is_busy(kept, actor, site, image, zone_a, monkeypatch):  # noqa: F811
    """A worker that slept through the loss of its lease still holds the old bytes; the new ones have another name."""

    def busy(replica):
        raise StagedBusy

    monkeypatch.setattr(leftovers, "discard_bytes", busy)
    replace_source(actor, as_seen(kept), url=site.url("/good.iso"), size=len(image))
    monkeypatch.undo()
    run_all()
    iso = Iso.objects.get()
    assert (iso.state, iso.sha256) == ("Ready", hashlib.sha256(image).hexdigest())
    assert quota_says_what_there_is()


def test_the_address_belongs_to_who_typed_it_last(kept, teammate, site, image):  # noqa: F811
    """It may be signed with that person's credentials; others are not shown it when it fails again."""
    replace_source(Actor(teammate), as_seen(kept), url=site.url("/good.iso?token=secret"), size=len(image))
    assert UrlImport.objects.get().user == teammate
    assert Operation.objects.latest("id").state == "queued"
