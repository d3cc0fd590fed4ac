"""Several zones at upload and import: the form, and what the pages say while some of them wait."""

import pytest

from isos.models import Event, Iso, Replica, Upload
from isos.states import ReplicaState
from quotas.models import QuotaLimit, Reservation
from tests import media
from tests.factories import GB, MB, make_iso
from tests.isos.conftest import run_all, send
from tests.isos.fetching.conftest import operator, site  # noqa: F401 -- fixtures
from tests.isos.fetching.site import File
from tests.web.conftest import HTMX, JSON, find, read
from zones.models import Zone

pytestmark = pytest.mark.django_db


@pytest.fixture
def fields(zone_a, zone_b):
    return {"filename": "debian.iso", "size": 700 * MB, "name": "Debian", "os_type": "linux"}


@pytest.fixture
def waiting(account, owner, zone_a, zone_b):
    """An ISO that zone A receives and zone B waits for."""
    return make_iso(account, {zone_a: "receiving", zone_b: "waiting"}, "Debian", user=owner)


@pytest.fixture
def failed(waiting, zone_a, zone_b):
    """Both failed, the second for the first."""
    Replica.objects.filter(zone=zone_a).update(state=ReplicaState.FAILED, error_message="Broken.")
    Replica.objects.filter(zone=zone_b).update(
        state=ReplicaState.FAILED, error_message="Not copied: the upload to zone-a failed."
    )
    return waiting


def post(client, fields):
    return client.post("/isos/upload/", fields, headers=JSON)


def states():
    return {replica.zone.slug: str(replica.state) for replica in Replica.objects.select_related("zone")}


def in_row(page, zone):
    return page.by_id(f"zone-{zone.slug}")


# --- the form ----------------------------------------------------------------------------------


def test_zones_are_checkboxes_and_the_first_is_ticked(by_owner, zone_a, zone_b):
    Zone.objects.filter(pk=zone_b.pk).update(description="us-east")
    page = read(by_owner.get("/isos/upload/"))
    boxes = find(page, name="zones")
    assert [(box.attrs["type"], box.attrs["value"], "checked" in box.attrs) for box in boxes] == [
        ("checkbox", "zone-a", True),
        ("checkbox", "zone-b", False),
    ]
    assert "us-east" in page.by_id("id_zones").text()
    assert "copied to the others" in page.by_id("zones-hint").text()


def test_with_one_zone_there_is_nothing_to_explain(by_owner, zone_a):
    page = read(by_owner.get("/isos/upload/"))
    assert not [node for node in page.walk() if node.attrs.get("id") == "zones-hint"]


@pytest.mark.parametrize("chosen", [["zone-a", "zone-b"], ["zone-b", "zone-a"]])
def test_the_file_goes_to_the_first_of_the_list(by_owner, fields, chosen):
    assert post(by_owner, fields | {"zones": chosen}).status_code == 201
    assert states() == {"zone-a": "receiving", "zone-b": "waiting"}
    assert set(Reservation.objects.values_list("source", "bytes")) == {("upload", 700 * MB), ("copy", 700 * MB)}


def test_each_zone_says_what_is_wrong_with_it(by_owner, fields, zone_b):
    Zone.objects.filter(pk=zone_b.pk).update(state="maintenance")
    sent = fields | {"zones": ["zone-a", "zone-b"]}
    assert post(by_owner, sent).json()["errors"] == [
        {"field": "zone-zone-b", "message": "zone-b takes no new images now. Choose another."}
    ]
    page = read(by_owner.post("/isos/upload/", sent), 422)
    assert page.by_id("zone-zone-b-error").text() == "zone-b takes no new images now. Choose another."
    assert page.by_id("zones-error").text() == ""
    assert "#id_zone-zone-b" in [link.attrs["href"] for link in page.by_id("error-summary").all("a")]
    assert "checked" in page.by_id("id_zone-zone-a").attrs
    assert page.by_id("id_zone-zone-b").attrs["aria-invalid"] == "true"
    assert not Iso.objects.exists()


def test_quota_for_all_zones_is_said_before_a_byte(by_owner, account, fields):
    QuotaLimit.objects.create(account=account, max_bytes=GB)
    answer = post(by_owner, fields | {"zones": ["zone-a", "zone-b"]})
    assert answer.json()["errors"] == [
        {
            "field": "zones",
            "message": "In 2 zones this ISO needs 1.40 GB, but only 1.00 GB of your 1.00 GB is free."
            " Choose fewer zones, delete an ISO, or ask your administrator for more.",
        }
    ]
    assert not Iso.objects.exists()
    assert post(by_owner, fields | {"zones": "zone-b"}).status_code == 201


def test_without_script_the_choice_of_zones_is_kept(by_owner, zone_a, zone_b):
    page = read(by_owner.post("/isos/upload/", {"name": "Debian", "zones": ["zone-a", "zone-b"]}), 422)
    assert ["checked" in box.attrs for box in find(page, name="zones")] == [True, True]
    page = read(by_owner.post("/isos/preflight/", {"name": "Debian", "zones": ["zone-a", "zone-b"]}), 422)
    assert ["checked" in box.attrs for box in find(page, name="zones")] == [True, True]
    page = read(by_owner.post("/isos/upload/", {"name": "Debian"}), 422)
    assert page.by_id("zones-error").text() == "Choose at least one zone."


# --- while one waits -------------------------------------------------------------------------------


def test_the_list_says_who_waits(by_owner, waiting):
    page = read(by_owner.get("/isos/"))
    (chip,) = find(page, data_zone="zone-b")
    assert chip.text() == "zone-b waits for the upload to zone-a"
    assert chip.attrs["data-state"] == "waiting"


def test_the_page_says_what_it_waits_for_and_offers_a_cancel(by_owner, waiting, zone_a, zone_b):
    page = read(by_owner.get(waiting.get_absolute_url()))
    row = in_row(page, zone_b)
    assert "Waits for the upload to zone-a" in row.text()
    (form,) = row.all("form")
    assert form.attrs["action"] == f"/isos/{waiting.public_id}/cancel/"
    assert form.all("button")[0].attrs["aria-label"] == "Cancel copy of Debian to zone-b"
    assert not in_row(page, zone_a).all("form"), "the upload itself is cancelled above"
    by_owner.post(form.attrs["action"], {"zone": "zone-b"})
    assert states() == {"zone-a": "receiving", "zone-b": "deleting"}


def test_deleting_where_it_arrives_says_what_goes_with_it(by_owner, waiting):
    page = read(by_owner.get(f"/isos/{waiting.public_id}/delete/"))
    assert "Receiving, deleting stops it. zone-b, to be copied from here, goes with it" in page.text()
    assert "Waiting, nothing is stored yet" in page.text()
    sent = {"zones": "zone-a", "confirmation": "confirm"}
    answer = by_owner.post(f"/isos/{waiting.public_id}/delete/", sent, follow=True)
    assert "Deleting “Debian” from zone-a and zone-b." in read(answer).text()
    assert states() == {"zone-a": "deleting", "zone-b": "deleting"}


def test_deleting_where_it_waits_leaves_the_upload(by_owner, waiting):
    by_owner.post(f"/isos/{waiting.public_id}/delete/", {"zones": "zone-b", "confirmation": "confirm"})
    assert states() == {"zone-a": "receiving", "zone-b": "deleting"}


def test_retry_stands_where_it_is_of_use(by_owner, failed, zone_a, zone_b):
    page = read(by_owner.get(failed.get_absolute_url()))
    assert [form.attrs["action"] for form in in_row(page, zone_a).all("form")] == [f"/isos/{failed.public_id}/retry/"]
    assert not in_row(page, zone_b).all("form")
    chips = {chip.attrs["data-zone"]: chip.tag for chip in find(read(by_owner.get("/isos/")), data_state="failed")}
    assert chips == {"zone-a": "button", "zone-b": "span"}
    answer = by_owner.post(f"/isos/{failed.public_id}/retry/", {"zone": "zone-b"}, follow=True)
    assert "This waits for the upload to zone-a. Choose Retry there." in read(answer).text()


def test_retry_without_a_zone_begins_where_the_bytes_arrive(by_owner, failed, zone_b):
    Zone.objects.filter(pk=zone_b.pk).update(position=0)
    Zone.objects.exclude(pk=zone_b.pk).update(position=1)
    answer = by_owner.post(f"/isos/{failed.public_id}/retry/")
    assert answer.headers["Location"] == f"/isos/{failed.public_id}/resume/"
    assert states() == {"zone-a": "receiving", "zone-b": "waiting"}
    page = read(by_owner.get(answer.headers["Location"]))
    assert "to zone-a" in page.text(), "not the first zone of the list, but the one that receives"


# --- stages -----------------------------------------------------------------------------------------


def stage(client, iso):
    page = read(client.get(f"{iso.get_absolute_url()}progress/", headers=HTMX))
    (stages,) = page.children
    (words,) = [node.text() for node in page.walk() if "data-stage" in node.attrs]
    (now,) = [node.text() for node in page.walk() if node.attrs.get("aria-current") == "step"] or [""]
    return stages.attrs["data-state"], now, words, "hx-trigger" in stages.attrs


def test_stages_go_on_until_every_zone_has_it(by_owner, account, owner, zone_a, zone_b):
    iso = make_iso(account, {zone_b: "waiting", zone_a: "receiving"}, "Debian", user=owner)
    assert stage(by_owner, iso) == ("receiving", "Uploading", "Receiving, 38%.", True)
    copying = make_iso(account, {zone_a: "ready", zone_b: "queued"}, "Ubuntu")
    Replica.objects.get(iso=copying, zone=zone_b).upload.delete()
    words = "“Ubuntu” is ready in zone-a. It is being copied to zone-b. You can close this page."
    assert stage(by_owner, copying) == ("copying", "Copying", words, True)
    Replica.objects.filter(iso=copying).update(state=ReplicaState.READY)
    words = "“Ubuntu” is ready in zone-a and zone-b."
    assert stage(by_owner, copying) == ("ready", "Ready", words, False)


def test_the_stages_name_every_zone(by_owner, waiting):
    page = read(by_owner.get(f"{waiting.get_absolute_url()}progress/", headers=HTMX))
    said = {node.attrs["data-zone"]: node.text() for node in page.all("li") if "data-zone" in node.attrs}
    assert said == {"zone-a": "zone-a: Receiving, 38%", "zone-b": "zone-b: WaitingWaits for the upload to zone-a"}


def test_one_zone_has_no_copying(by_owner, account, zone_a):
    iso = make_iso(account, {zone_a: "ready"}, "Debian")
    page = read(by_owner.get(f"{iso.get_absolute_url()}progress/", headers=HTMX))
    assert [step.text() for step in page.one("ol").all("li")] == ["Uploading", "Verifying", "Ready"]
    assert not page.all("ul")


def test_the_whole_way_by_the_form(by_owner, fields):
    iso_bytes = media.hybrid()
    sent = fields | {"size": len(iso_bytes), "zones": ["zone-a", "zone-b"]}
    assert post(by_owner, sent).status_code == 201
    send(Upload.objects.select_related("replica__iso", "replica__zone", "user").get(), iso_bytes)
    run_all()
    assert states() == {"zone-a": "ready", "zone-b": "ready"}
    page = read(by_owner.get(Iso.objects.get().get_absolute_url()))
    assert "Upload started in zone-a, to be copied to zone-b" in page.text()
    assert "Available in 2 of 2 zones" in page.text()
    assert Event.objects.get(verb="upload_started").data["copies_to"] == "zone-b"


# --- from a web address ------------------------------------------------------------------------------


@pytest.fixture
def address(operator, site):  # noqa: F811
    image = media.iso("IMPORTED", bios=True)
    site.routes["/debian.iso"] = File(image)
    return site.url("/debian.iso"), len(image)


def test_the_check_counts_every_zone(by_owner, zone_a, zone_b, address):
    url, size = address
    sent = {"url": url, "zones": ["zone-a", "zone-b"]}
    assert by_owner.post("/isos/preflight/", sent, headers=JSON).json()["quota"]["bytes_used"] == 2 * size
    page = read(by_owner.post("/isos/preflight/", sent, headers=HTMX))
    assert "Storage afterwards, 2 zones" in page.text()
    page = read(by_owner.post("/isos/preflight/", {"url": url}, headers=HTMX))
    assert "Storage afterwards, " not in page.text()


def test_an_address_is_fetched_into_one_zone_and_copied(by_owner, zone_a, zone_b, address):
    url, size = address
    sent = {"source": "url", "url": url, "name": "Debian", "os_type": "linux", "zones": ["zone-a", "zone-b"]}
    answer = by_owner.post("/isos/upload/", sent, headers=JSON)
    assert answer.status_code == 201
    assert set(Reservation.objects.values_list("source", "bytes")) == {("fetch", size), ("copy", size)}
    page = read(by_owner.get(Iso.objects.get().get_absolute_url()))
    assert "Waits for the import into zone-a" in page.text()
    run_all()
    assert states() == {"zone-a": "ready", "zone-b": "ready"}
