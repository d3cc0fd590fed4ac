"""The health page of zones in admin."""

import shutil
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from isos.actions.copy_to_zones import copy_to_zones
from isos.models import Operation, Replica
from portal.kernel.text import human_bytes
from tests.conftest import make_file_zone
from tests.factories import make_iso
from tests.isos.copies import uploaded
from zones.models import Zone, ZoneCheck

HEALTH = "/admin/zones/zone/health/"
CHECK = "/admin/zones/zone/health/check/"


@pytest.fixture
def browser(client, admin_user):
    client.force_login(admin_user)
    return client


def module(browser, slug):
    """The part of the page that speaks of one zone, with its spaces joined."""
    page = browser.get(HEALTH).content.decode()
    return " ".join(page.partition(f'data-zone="{slug}"')[2].partition('<div class="module"')[0].split())


def test_it_tells_what_a_zone_holds_and_what_waits(browser, start, iso_bytes, actor, zone_a, zone_b, owner):
    iso = uploaded(start, iso_bytes, zone_a)
    make_iso(owner.account, {zone_a: "failed"}, user=owner)
    [operation] = copy_to_zones(actor, iso, [zone_b])
    Operation.objects.filter(pk=operation.pk).update(
        created_at=timezone.now() - timedelta(hours=3), error_message="The storage sleeps."
    )
    Zone.objects.filter(pk=zone_a.pk).update(state=Zone.State.MAINTENANCE, state_reason="New disks.")
    first, second = module(browser, "zone-a"), module(browser, "zone-b")
    assert "Maintenance: New disks." in first
    assert "1 ready, 1 failed;" in first
    assert "Never checked." in first
    assert "0 running (limit: 4), 0 queued." in first
    assert "0 running (limit: 4), 1 queued." in second
    assert "(3 hours)" in second
    assert "1 will be tried again: The storage sleeps." in second


def test_its_links_lead_to_the_rows(browser, zone_a, zone_b, owner, actor, start, iso_bytes):
    make_iso(owner.account, {zone_a: "failed"}, "Broken one", user=owner)
    iso = uploaded(start, iso_bytes, zone_a)
    copy_to_zones(actor, iso, [zone_b])
    failed = f"/admin/isos/iso/?replicas__zone__id__exact={zone_a.pk}&replicas__state__exact=failed"
    queued = f"/admin/isos/operation/?zone__id__exact={zone_b.pk}&state__exact=queued"
    assert failed.replace("&", "&amp;") in module(browser, "zone-a")
    assert queued.replace("&", "&amp;") in module(browser, "zone-b")
    assert [row.name for row in browser.get(failed).context["cl"].result_list] == ["Broken one"]
    assert browser.get(queued).context["cl"].result_count == 1
    assert HEALTH in browser.get(reverse("admin:zones_zone_changelist")).content.decode()


def test_check_now_of_one_zone_is_kept(browser, zone_a, zone_b, tmp_path):
    shutil.rmtree(tmp_path / "zone-b")
    answer = browser.post(CHECK, {"zone": "zone-a"}, follow=True)
    assert answer.redirect_chain == [(HEALTH, 302)]
    assert "Zone-a: Writing, reading and deleting work" in answer.content.decode()
    check = ZoneCheck.objects.get()
    assert (check.zone, check.ok) == (zone_a, True)
    assert timezone.now() - check.checked_at < timedelta(minutes=1)
    shown = module(browser, "zone-a")
    assert f"Works, {check.checked_at:%Y-%m-%d %H:%M} UTC, in {check.milliseconds} ms." in shown
    assert "Never checked" not in shown
    assert check.free_bytes > 0
    assert f"Free space</th><td>{human_bytes(check.free_bytes)}</td>" in shown
    assert "Never checked" in module(browser, "zone-b")


def test_check_all_asks_every_zone_that_is_not_disabled(browser, zone_a, zone_b, tmp_path):
    off = make_file_zone("off", tmp_path / "off", state=Zone.State.DISABLED)
    shutil.rmtree(tmp_path / "zone-b")
    browser.post(CHECK)
    assert {check.zone.slug: check.ok for check in ZoneCheck.objects.all()} == {"zone-a": True, "zone-b": False}
    assert "Fails" in module(browser, "zone-b")
    assert "the location does not exist, or the disk is not mounted" in module(browser, "zone-b")
    browser.post(CHECK, {"zone": off.slug})
    assert ZoneCheck.objects.count() == 3


def test_the_other_ways_to_test_are_kept_too(browser, zone_a):
    browser.post(reverse("admin:zones_zone_test", args=[zone_a.pk]))
    assert ZoneCheck.objects.get().ok
    browser.post(reverse("admin:zones_zone_delete", args=[zone_a.pk]), {"post": "yes"})
    assert not Zone.objects.exists()


def test_the_page_asks_no_storage(browser, zone_a, monkeypatch):
    monkeypatch.setattr("zones.health.open_store", lambda zone: pytest.fail("a storage that hangs hangs the page"))
    monkeypatch.setattr("zones.stores.open_store", lambda zone: pytest.fail("a storage that hangs hangs the page"))
    assert browser.get(HEALTH).status_code == 200


def test_many_zones_take_no_more_queries(browser, start, iso_bytes, zone_a, tmp_path, django_assert_max_num_queries):
    uploaded(start, iso_bytes, zone_a)
    for number in range(6):
        make_file_zone(f"more-{number}", tmp_path / f"more-{number}")
    with django_assert_max_num_queries(10):
        assert browser.get(HEALTH).status_code == 200


def test_who_may(browser, client, owner, zone_a):
    assert browser.get(CHECK).status_code == 405
    owner.is_staff = True
    owner.save()
    client.force_login(owner)
    assert client.get(HEALTH).status_code == 403
    assert client.post(CHECK).status_code == 403
    owner.is_staff = False
    owner.save()
    assert client.get(HEALTH).status_code == 302
    client.logout()
    assert client.post(CHECK).status_code == 302
    assert not ZoneCheck.objects.exists()
    assert not Replica.objects.exists()


def test_without_zones(browser):
    assert "There are no zones yet." in browser.get(HEALTH).content.decode()
