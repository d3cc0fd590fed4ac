"""The ISOs through the API: the same actions as the pages, the same refusals."""

import json
import uuid

import pytest
from moneyed import Money

from isos.actions.set_price import set_price
from isos.audit import Actor
from isos.models import Event, Iso, IsoPrice, Operation, Replica
from isos.states import OperationState, ReplicaState
from portal.accounts.models import User
from portal.accounts.roles import Role
from quotas.models import QuotaLimit
from quotas.prices import set_zone_price
from tests.api.conftest import refused
from tests.factories import MB, PROGRESS, SENTENCE, make_iso
from tests.isos.conftest import run_all


@pytest.fixture
def iso(account, owner, zone_a):
    return make_iso(account, {zone_a: "ready"}, "Debian", user=owner)


@pytest.fixture
def looker(account):
    return User.objects.create_user("looker", password="looker-password", account=account, role=Role.READ_ONLY)


def path(iso, verb=""):
    return f"/isos/{iso.public_id}{'/' if verb else ''}{verb}"


def names(response):
    assert response.status_code == 200, response.content
    return [item["name"] for item in response.json()["items"]]


# --- reading -----------------------------------------------------------------------------


def test_the_list_is_that_of_the_page(by_owner, account, stranger, zone_a):
    for name in ("Debian", "Fedora"):
        make_iso(account, {zone_a: "ready"}, name)
    make_iso(stranger.account, {zone_a: "ready"}, "Theirs", is_public=True)
    make_iso(stranger.account, {zone_a: "ready"}, "Secret")
    make_iso(stranger.account, {zone_a: "ready"}, "Best", is_public=True, is_featured=True)
    assert names(by_owner.get("/isos")) == ["Fedora", "Debian"]
    assert names(by_owner.get("/isos?q=deb")) == ["Debian"]
    assert names(by_owner.get("/isos?sort=oldest")) == ["Debian", "Fedora"]
    assert set(names(by_owner.get("/isos?scope=public"))) == {"Theirs", "Best"}
    assert names(by_owner.get("/isos?scope=featured")) == ["Best"]
    assert names(by_owner.get("/isos?state=failed")) == []


def test_pages_lead_on_to_the_last_one(by_owner, account, zone_a):
    for number in range(27):
        make_iso(account, {zone_a: "ready"}, f"Debian {number}", size=MB)
    first = by_owner.get("/isos?q=deb&sort=oldest").json()
    assert (len(first["items"]), first["count"], first["page"]) == (25, 27, 1)
    following = first["next"].removeprefix("http://testserver/api/v1")
    second = by_owner.get(following).json()
    assert [item["name"] for item in second["items"]] == ["Debian 25", "Debian 26"]
    assert second["next"] is None
    beyond = by_owner.get("/isos?page=3").json()
    assert (beyond["items"], beyond["next"], beyond["count"]) == ([], None, 27)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("zone=nowhere", "zone"),
        ("state=broken", "state"),
        ("sort=price", "sort"),
        ("page=0", "page"),
        ("page=x", "page"),
        ("scope=all", "scope"),
        ("q=" + "x" * 201, "q"),
        ("q=a%00b", "q"),
        ("colour=red", "colour"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(by_owner, zone_a, query, field):
    refused(by_owner.get(f"/isos?{query}"), 422, "invalid", field)


def test_one_with_its_zones(by_owner, account, owner, zone_a, zone_b):
    iso = make_iso(account, {zone_a: "receiving", zone_b: "waiting"}, "Debian", user=owner)
    found = by_owner.get(path(iso)).json()
    assert (found["id"], found["state"], found["status"]) == (str(iso.public_id), "progress", "Unavailable")
    assert found["page_url"] == f"http://testserver/isos/{iso.public_id}/"
    here, there = found["zones"]
    assert (here["zone"], here["state"], here["percent"]) == ("zone-a", "receiving", PROGRESS)
    assert here["bytes_done"] == iso.size * PROGRESS // 100
    assert (there["state"], there["percent"]) == ("waiting", None)


def test_a_failure_says_why_and_what_helps(by_owner, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "failed"}, user=owner)
    [zone] = by_owner.get(path(iso)).json()["zones"]
    assert (zone["error_code"], zone["trouble"], zone["can_retry"]) == ("truncated", SENTENCE, True)


def test_what_others_share_is_shown_as_far_as_its_page_does(program, stranger, account, zone_a, zone_b):
    iso = make_iso(account, {zone_a: "ready", zone_b: "failed"}, is_public=True)
    found = program(stranger).get(path(iso)).json()
    assert (found["is_own"], found["account"]) == (False, "Demo")
    assert [zone["zone"] for zone in found["zones"]] == ["zone-a"]


# --- changing ----------------------------------------------------------------------------


def test_rename_and_operating_system(by_owner, iso, owner):
    changed = by_owner.patch(path(iso), {"name": "  Debian   13 ", "os_version": "debian-13"})
    assert changed.status_code == 200
    assert (changed.json()["name"], changed.json()["os_version"]) == ("Debian 13", "debian-13")
    iso.refresh_from_db()
    assert (iso.name, iso.os_version.slug) == ("Debian 13", "debian-13")
    assert set(Event.objects.values_list("verb", "actor")) == {("renamed", owner.pk), ("edited", owner.pk)}


def test_flags_and_description(by_owner, iso):
    before = by_owner.get(path(iso)).json()
    wanted = {"description": "Two\nlines", "is_public": True, "is_extractable": True, "password_enabled": True}
    changed = by_owner.patch(path(iso), wanted)
    assert changed.json() == before | wanted
    assert by_owner.patch(path(iso), {"is_public": False}).json() == before | wanted | {"is_public": False}
    assert by_owner.patch(path(iso), {}).json() == before | wanted | {"is_public": False}
    assert Event.objects.filter(verb="edited").count() == 5


@pytest.mark.parametrize(("flag", "who"), [("is_featured", "administrators"), ("is_public", "owners")])
def test_flags_that_are_not_everybodys(program, teammate, iso, flag, who):
    body = {"name": "Other", "description": "Mine", flag: True}
    problem = refused(program(teammate).patch(path(iso), body), 422, "invalid", flag)
    assert f"Only {who}" in problem["detail"]
    iso.refresh_from_db()
    assert (iso.name, iso.description, getattr(iso, flag)) == ("Debian", "", False)
    event = Event.objects.get()  # the refusal alone, which stays
    assert (event.verb, event.actor_name) == ("refused", "teammate (API token delete 0)")


def test_another_type_takes_the_version_away(by_owner, iso):
    by_owner.patch(path(iso), {"os_version": "debian-13"})
    changed = by_owner.patch(path(iso), {"os_type": "bsd"}).json()
    assert (changed["os_type"], changed["os_version"]) == ("bsd", None)


def test_all_of_an_edit_or_nothing(by_owner, account, iso, zone_a):
    make_iso(account, {zone_a: "ready"}, "Taken")
    response = by_owner.patch(path(iso), {"name": "taken", "os_type": "bsd"})
    problem = refused(response, 422, "name_taken", "name")
    assert "“taken (2)”" in problem["detail"]
    iso.refresh_from_db()
    assert (iso.name, iso.os_type) == ("Debian", "linux")
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": "a\u0000b"}, "name"),
        ({"name": 3}, "name"),
        ({"os_version": "plan9"}, "os_version"),
        ({"os_type": "templeos"}, "os_type"),
        ({"size": 1}, "size"),
        ({"account": "Other"}, "account"),
        ({"id": str(uuid.uuid4())}, "id"),
    ],
)
def test_an_edit_that_can_not_be(by_owner, iso, body, field):
    refused(by_owner.patch(path(iso), body), 422, "invalid", field)
    assert not Event.objects.exists()


def test_copies(by_owner, iso, zone_b):
    response = by_owner.post(path(iso, "copies"), {"zones": ["zone-b"]})
    assert response.status_code == 202
    there = response.json()["zones"][1]
    assert (there["zone"], there["state"]) == ("zone-b", "queued")
    operation = by_owner.get(f"/operations/{there['operation']}").json()
    assert (operation["kind"], operation["state"], operation["zone"]) == ("copy", "queued", "zone-b")
    assert by_owner.post(path(iso, "copies"), {"zones": ["zone-b"]}).status_code == 202
    assert Operation.objects.count() == 1


def test_why_a_zone_takes_no_copy_is_said_of_that_zone(by_owner, iso, zone_b):
    problem = refused(by_owner.post(path(iso, "copies"), {"zones": ["zone-a", "zone-b"]}), 422, "copy_refused", "zones")
    [error] = problem["errors"]
    assert error["zone"] == "zone-a"
    assert "holds this ISO already" in error["message"]
    assert not Operation.objects.exists()


def test_no_room_for_a_copy(by_owner, account, iso, zone_b):
    QuotaLimit.objects.create(account=account, max_bytes=iso.size + 1)
    problem = refused(by_owner.post(path(iso, "copies"), {"zones": ["zone-b"]}), 413, "over_quota")
    assert "only 1 byte" in problem["detail"]


@pytest.mark.parametrize("zones", [["nowhere"], ["zone-a", "nowhere"], [], ["x" * 41], "zone-a", None, [3]])
@pytest.mark.parametrize("verb", ["copies", "deletions"])
def test_zones_that_there_are_not(by_owner, iso, verb, zones):
    body = {"zones": zones} | ({"confirmation": "confirm"} if verb == "deletions" else {})
    problem = by_owner.post(path(iso, verb), body)
    assert refused(problem, 422, "invalid")["errors"][0]["field"].startswith("zones")
    assert not Operation.objects.exists()


def test_delete_from_one_zone_with_the_word(by_owner, account, owner, zone_a, zone_b):
    iso = make_iso(account, {zone_a: "ready", zone_b: "ready"}, user=owner)
    for wrong in ({}, {"confirmation": ""}, {"confirmation": "Confirm"}, {"confirmation": None}):
        refused(by_owner.post(path(iso, "deletions"), {"zones": ["zone-b"]} | wrong), 422, "invalid", "confirmation")
    assert not Operation.objects.exists()
    response = by_owner.post(path(iso, "deletions"), {"zones": ["zone-b"], "confirmation": "confirm"})
    assert response.status_code == 202
    assert [zone["state"] for zone in response.json()["zones"]] == ["ready", "deleting"]
    again = by_owner.post(path(iso, "deletions"), {"zones": ["zone-b"], "confirmation": "confirm"})
    assert "not in zone-b" in refused(again, 422, "invalid", "zones")["detail"]
    run_all()
    assert [zone["zone"] for zone in by_owner.get(path(iso)).json()["zones"]] == ["zone-a"]


def test_cancel_in_one_zone_or_everywhere(by_owner, account, owner, zone_a, zone_b):
    iso = make_iso(account, {zone_a: "receiving", zone_b: "waiting"}, user=owner)
    one = by_owner.post(path(iso, "cancel"), {"zone": "zone-b"}).json()
    assert [zone["state"] for zone in one["zones"]] == ["receiving", "deleting"]
    rest = by_owner.post(path(iso, "cancel"), {}).json()
    assert {zone["state"] for zone in rest["zones"]} == {"deleting"}
    assert by_owner.post(path(iso, "cancel"), {}).status_code == 202
    refused(by_owner.post(path(iso, "cancel"), {"zone": "nowhere"}), 422, "invalid")


def test_retry_asks_for_the_file_where_it_is_needed(by_owner, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "failed"}, user=owner)
    [zone] = by_owner.post(path(iso, "retry"), {}).json()["zones"]
    assert (zone["state"], zone["upload"]["offset"]) == ("receiving", 0)
    problem = refused(by_owner.post(path(iso, "retry"), {}), 422, "invalid")
    assert "Only what failed" in problem["detail"]


def test_verbs_in_the_wrong_state_are_conflicts(by_owner, account, owner, zone_a, zone_b):
    iso = make_iso(account, {zone_a: "receiving"}, user=owner)
    refused(by_owner.post(path(iso, "copies"), {"zones": ["zone-b"]}), 409, "conflict")


# --- who ---------------------------------------------------------------------------------

CHANGES = [
    ("patch", "", {"name": "Other"}),
    ("post", "copies", {"zones": ["zone-b"]}),
    ("post", "deletions", {"zones": ["zone-a"], "confirmation": "confirm"}),
    ("post", "cancel", {}),
    ("post", "retry", {}),
]


@pytest.mark.parametrize(("method", "verb", "body"), [*CHANGES, ("get", "", None)])
@pytest.mark.parametrize("whose", ["stranger's", "nobody's"])
def test_what_is_not_yours_does_not_exist(program, stranger, iso, zone_b, whose, method, verb, body):
    public_id = iso.public_id if whose == "stranger's" else uuid.uuid4()
    response = program(stranger).send(method, f"/isos/{public_id}{'/' if verb else ''}{verb}", body)
    refused(response, 404, "not_found")
    assert not Operation.objects.exists()


@pytest.mark.parametrize(("method", "verb", "body"), CHANGES)
def test_public_is_for_looking_only(program, stranger, account, zone_a, zone_b, method, verb, body):
    iso = make_iso(account, {zone_a: "ready"}, "Debian", is_public=True)
    refused(program(stranger).send(method, path(iso, verb), body), 404, "not_found")
    assert Iso.objects.get().name == "Debian"


@pytest.mark.parametrize(("method", "verb", "body"), CHANGES)
def test_a_role_that_does_not_suffice(program, looker, iso, zone_b, method, verb, body):
    one = program(looker)
    assert one.get(path(iso)).status_code == 200
    problem = refused(one.send(method, path(iso, verb), body), 403, "not_allowed")
    assert "read-only" in problem["detail"]
    assert not Event.objects.filter(verb__in=["renamed", "copy_started", "delete_started"]).exists()


@pytest.mark.parametrize("method", ["put", "delete"])
def test_methods_that_there_are_not(by_owner, iso, method):
    response = by_owner.send(method, path(iso))
    refused(response, 405, "method")
    assert set(response["Allow"].replace(" ", "").split(",")) >= {"GET", "PATCH"}


@pytest.mark.parametrize("body", ["{", "", "[]", '"x"', "\udcff", '{"name": "\\ud800"}', "{" * 3000])
def test_a_body_that_is_none(by_owner, iso, body):
    response = by_owner.client.patch(
        f"/api/v1{path(iso)}",
        body.encode("utf-8", "surrogateescape"),
        content_type="application/json",
        headers=by_owner.headers,
    )
    assert response.status_code in (400, 422)
    refused(response, response.status_code, response.json()["code"])
    assert Iso.objects.get().name == "Debian"


def test_a_body_that_is_too_large(by_owner, iso, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    response = by_owner.client.patch(
        f"/api/v1{path(iso)}",
        json.dumps({"name": "x" * 2000}),
        content_type="application/json",
        headers=by_owner.headers,
    )
    refused(response, response.status_code, response.json()["code"])
    assert response.status_code in (400, 413)


@pytest.mark.parametrize("address", ["/isos/", "/isos/1", "/nothing", "/isos/../me", "/../v2/me"])
def test_an_address_that_is_none(by_owner, address):
    refused(by_owner.get(address), 404, "not_found")


# --- operations --------------------------------------------------------------------------


def test_operations_of_the_account_alone(by_owner, program, stranger, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "verifying"}, "Debian", user=owner)
    Operation.objects.create(
        account=account, zone=zone_a, iso_name="Gone", kind="delete", state=OperationState.SUCCEEDED
    )
    items = by_owner.get("/operations").json()["items"]
    assert [(one["iso_name"], one["state"]) for one in items] == [("Gone", "succeeded"), ("Debian", "running")]
    [active] = by_owner.get("/operations?active=true").json()["items"]
    assert (active["iso"], active["percent"], active["phase"]) == (str(iso.public_id), PROGRESS, "verifying")
    assert items[0]["iso"] is None
    assert by_owner.get(f"/operations/{active['id']}").json() == active
    other = program(stranger)
    assert other.get("/operations").json()["items"] == []
    refused(other.get(f"/operations/{active['id']}"), 404, "not_found")
    refused(by_owner.get("/operations?active=perhaps"), 422, "invalid", "active")


def test_a_fixed_number_of_queries(by_owner, account, owner, zone_a, zone_b, django_assert_max_num_queries):
    for _ in range(8):
        make_iso(account, {zone_a: "ready", zone_b: "verifying"}, user=owner, size=MB)
    for address in ("/isos", "/operations"):
        with django_assert_max_num_queries(14):
            assert len(by_owner.get(address).json()["items"]) == 8


# --- places and account -------------------------------------------------------------------


def test_zones_with_why_one_takes_nothing(by_owner, zone_a, zone_b):
    zone_b.state, zone_b.state_reason = "maintenance", "A disk is changed."
    zone_b.save()
    here, there = by_owner.get("/zones").json()
    assert (here["slug"], here["state"]) == ("zone-a", "active")
    assert (there["state"], there["state_reason"]) == ("maintenance", "A disk is changed.")
    assert "options" not in here


def test_quota(by_owner, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "receiving"}, user=owner)
    QuotaLimit.objects.create(account=account, max_isos=3)
    found = by_owner.get("/quota").json()
    assert (found["isos"], found["max_isos"], found["uploads"]) == (1, 3, 1)
    assert found["bytes"] == found["held_bytes"] == iso.size


def test_os_versions(by_owner):
    slugs = {one["slug"]: one["os_type"] for one in by_owner.get("/os-versions").json()}
    assert slugs["debian-13"] == "linux"


def test_replicas_are_as_the_pages_say(by_owner, account, owner, zone_a):
    """Each state that a replica may have can be told."""
    iso = make_iso(account, {zone_a: "ready"}, user=owner)
    for state in ReplicaState:
        Replica.objects.update(state=state)
        [zone] = by_owner.get(path(iso)).json()["zones"]
        assert zone["state"] == state


# --- prices ------------------------------------------------------------------------------


@pytest.fixture
def priced(iso, admin_user, zone_a):
    """5 cents for a GB-month in zone A, and 9.99 for the image itself."""
    set_zone_price(zone_a, Money("0.05", "USD"))
    set_price(Actor(admin_user), iso, Money("9.99", "USD"), IsoPrice.Period.ONCE)
    return iso


def test_prices_are_exact(by_owner, priced, zone_b):
    found = by_owner.get(path(priced)).json()
    assert found["price"] == {"amount": "9.990000", "currency": "USD", "period": "once"}
    assert found["zones"][0]["storage_per_month"] == {"amount": "0.035000", "currency": "USD"}  # 0.7 GB
    assert by_owner.get("/isos").json()["items"] == [found]
    here, there = by_owner.get("/zones").json()
    assert here["price_per_gb_month"] == {"amount": "0.050000", "currency": "USD"}
    assert there["price_per_gb_month"] is None


def test_no_charge_is_null(by_owner, iso):
    found = by_owner.get(path(iso)).json()
    assert (found["price"], found["zones"][0]["storage_per_month"]) == (None, None)


def test_what_others_pay_for_storage_is_their_business(program, stranger, priced):
    priced.is_public = True
    priced.save()
    found = program(stranger).get(path(priced)).json()
    assert (found["price"]["amount"], found["zones"][0]["storage_per_month"]) == ("9.990000", None)
