"""What a read-only teammate and a member see and may not do; who owns an account."""

import pytest
from django.urls import reverse

from isos.actions.delete_from_zones import cancel, delete_from_zones
from isos.actions.rename import rename
from isos.actions.retry import retry
from isos.actions.start_upload import NewIso, start_upload
from isos.audit import Actor
from isos.models import Event, Iso, Upload
from portal.accounts.models import Account, User
from portal.accounts.roles import RIGHTS, Right, Role, rights_of
from portal.kernel.errors import NotAllowed
from tests.factories import make_iso
from tests.web.conftest import HTMX, find, read, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(account, owner):
    return User.objects.create_user("reader", "", "reader-password", account=account, role=Role.READ_ONLY)


def test_the_first_user_owns_the_account(account, owner, teammate, stranger):
    assert (owner.role, teammate.role, stranger.role) == (Role.OWNER, Role.MEMBER, Role.OWNER)
    assert User.objects.create_user("lonely").role == Role.OWNER
    assert User.objects.create_user("second", account=Account.objects.get(name="lonely")).role == Role.MEMBER


def test_every_role_has_its_row_and_more_rights_never_less():
    assert set(RIGHTS) == set(Role)
    assert RIGHTS[Role.READ_ONLY] < RIGHTS[Role.MEMBER] < RIGHTS[Role.OWNER]
    assert rights_of("nobody knows") == frozenset()
    assert all(Right.FEATURE not in rights for rights in RIGHTS.values())


def test_the_documentation_has_the_same_table():
    """docs/roles.md is what people read: each right is a row of it, and says of each role what the code does."""
    from portal.environment import BASE_DIR

    lines = (BASE_DIR / "docs" / "roles.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    head, _, *table = cells[: len(Right) + 2]
    assert head == ["may", *(role.label for role in Role)]
    said = {row[0]: row[1:] for row in table}
    assert said == {right.value: ["yes" if right in RIGHTS[role] else "–" for role in Role] for right in Right}


def test_a_reader_sees_everything_and_has_no_buttons(as_user, reader, account, owner, zone_a, zone_b):
    make_iso(account, {zone_a: "ready", zone_b: "failed"}, "Debian", user=owner)
    moving = make_iso(account, {zone_a: "receiving"}, "Moving", user=owner, idle=True)
    client = as_user(reader)
    page = read(client.get("/isos/"))
    assert set(rows(page)) == {"Debian", "Moving"}
    assert "zone-b failed" in page.text()
    main = page.by_id("main")
    assert not [node for node in main.all("form") if node.attrs.get("method") == "post"]
    assert not find(page, type="checkbox")
    words = {node.text() for node in main.all("a")}
    assert not {"Upload ISO", "Copy ISO", "Resume", "Delete"} & words
    for iso in Iso.objects.all():
        page = read(client.get(iso.get_absolute_url()))
        assert not page.by_id("live").all("form")
        assert "Activity" in page.text()
        read(client.get(reverse("isos:progress", args=[iso.public_id])))
    failed = make_iso(account, {zone_a: "failed"}, "Failed", user=owner)
    for iso in (failed, moving):
        page = read(client.get(reverse("isos:progress", args=[iso.public_id])))
        assert not page.by_id("main").all("form")


def test_an_empty_library_offers_a_reader_nothing(as_user, reader):
    page = read(as_user(reader).get("/isos/"))
    assert "lets you look at images, not add them" in page.text()
    assert "Upload ISO" not in page.by_id("main").text()


VERBS = ["rename", "set_os", "copy", "delete", "cancel", "retry", "source", "file"]


@pytest.mark.parametrize("name", VERBS)
def test_a_reader_is_refused_with_a_sentence(as_user, reader, account, owner, zone_a, name):
    iso = make_iso(account, {zone_a: "receiving"}, "Debian", user=owner)
    response = as_user(reader).post(reverse(f"isos:{name}", args=[iso.public_id]), {"name": "x"}, headers=HTMX)
    page = read(response, 403)
    (said,) = (node for node in page.walk() if "data-error" in node.attrs)
    assert said.text().startswith("Your role in this account, read-only, does not let you ")
    assert said.text().endswith("Ask an owner.")
    iso.refresh_from_db()
    assert iso.name == "Debian"
    assert iso.replicas.get().state == "receiving"


@pytest.mark.parametrize("name", ["bulk_copy", "bulk_delete", "upload", "preflight"])
def test_a_reader_begins_nothing(as_user, reader, account, owner, zone_a, zone_b, name):
    iso = make_iso(account, {zone_a: "ready"}, user=owner)
    sent = {"iso": iso.public_id, "zones": "zone-b", "confirmation": "confirm", "url": "https://example.org/a.iso"}
    assert as_user(reader).post(reverse(f"isos:{name}"), sent).status_code == 403
    assert iso.replicas.get().state == "ready"


def test_the_rules_are_the_actions_own(reader, account, owner, zone_a):
    """Whatever calls them: pages, programs or a command."""
    iso = make_iso(account, {zone_a: "failed"}, user=owner)
    actor = Actor(reader)
    for attempt in (
        lambda: rename(actor, iso, "x"),
        lambda: delete_from_zones(actor, iso, iso.replicas.all(), confirmation="confirm"),
        lambda: cancel(actor, iso),
        lambda: retry(actor, iso.replicas.get()),
        lambda: start_upload(actor, NewIso(name="x", zone=zone_a), size=10),
    ):
        with pytest.raises(NotAllowed):
            attempt()
    assert Event.objects.count() == 0


def test_a_role_that_was_taken_ends_an_upload_under_way(as_user, account, teammate, zone_a):
    make_iso(account, {zone_a: "receiving"}, user=teammate)
    path = Upload.objects.get().get_absolute_url()
    client, tus = as_user(teammate), {"Tus-Resumable": "1.0.0"}
    assert client.head(path, headers=tus).status_code == 200
    User.objects.filter(pk=teammate.pk).update(role=Role.READ_ONLY)
    assert client.head(path, headers=tus).status_code == 403
    patch = client.patch(path, b"x", content_type="application/offset+octet-stream", headers=tus)
    assert (patch.status_code, patch.json()["code"]) == (403, "not_allowed")
    assert client.delete(path, headers=tus).status_code == 403


def test_making_public_is_for_owners(as_user, owner, teammate, account, zone_a):
    fields = {"source": "file", "os_type": "linux", "name": "x", "zones": "zone-a", "filename": "a.iso", "size": 10}
    json = {"Accept": "application/json"}
    client = as_user(teammate)
    page = read(client.get("/isos/upload/"))
    assert "disabled" in page.by_id("id_is_public").attrs
    assert "Set by owners of your account" in page.text()
    refused = client.post("/isos/upload/", fields | {"is_public": "on"}, headers=json)
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["is_public"]
    event = Event.objects.get()
    assert (event.verb, event.actor, event.data["field"]) == ("refused", teammate, "is_public")
    assert client.post("/isos/upload/", fields, headers=json).status_code == 201
    shared = as_user(owner).post("/isos/upload/", fields | {"is_public": "on", "name": "y"}, headers=json)
    assert shared.status_code == 201


def test_administrators_help_in_every_account(as_user, admin_user, account, owner, zone_a, zone_b):
    iso = make_iso(account, {zone_a: "ready", zone_b: "failed"}, "Debian", user=owner)
    client = as_user(admin_user)
    assert client.post(reverse("isos:rename", args=[iso.public_id]), {"name": "Debian 13"}).status_code == 302
    sent = {"zones": "zone-a", "confirmation": "confirm"}
    assert client.post(reverse("isos:delete", args=[iso.public_id]), sent).status_code == 302
    assert {event.actor for event in Event.objects.filter(iso=iso)} == {admin_user}
    assert {event.account for event in Event.objects.filter(iso=iso)} == {account}


def test_an_administrator_retries_what_only_its_uploader_can_send(as_user, admin_user, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "failed"}, user=owner)
    assert as_user(admin_user).post(reverse("isos:retry", args=[iso.public_id])).status_code == 302
    assert Upload.objects.get().user == owner


def test_profile_tells_the_role(as_user, reader, admin_user):
    assert "Read-only" in read(as_user(reader).get("/accounts/profile/")).text()
    assert "Administrator" in read(as_user(admin_user).get("/accounts/profile/")).text()
