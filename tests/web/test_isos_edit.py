"""The settings of an ISO after it was made: who may change which, and what stays on record."""

import pytest

from isos import dependants
from isos.actions.edit import EDITABLE, edit
from isos.audit import Actor
from isos.models import Event, Iso
from portal.kernel.errors import Conflict, InvalidInput
from tests.factories import make_iso, make_version
from tests.web.conftest import find, read

pytestmark = pytest.mark.django_db


@pytest.fixture
def iso(account, owner, zone_a):
    return make_iso(account, {zone_a: "ready"}, "Debian", user=owner, description="Old words")


def path(iso):
    return f"{iso.get_absolute_url()}edit/"


def fields(page):
    """What a browser would send of the form as it stands."""
    form = page.by_id("edit-form")
    sent = {}
    for node in form.all("input"):
        kind = node.attrs.get("type", "text")
        if "disabled" in node.attrs or (kind == "checkbox" and "checked" not in node.attrs):
            continue
        sent[node.attrs["name"]] = node.attrs.get("value", "on")
    for node in form.all("textarea"):
        sent[node.attrs["name"]] = "".join(node._texts()).lstrip("\n")
    for node in form.all("select"):
        chosen = [option for option in node.all("option") if "selected" in option.attrs]
        sent[node.attrs["name"]] = chosen[0].attrs["value"] if chosen else node.all("option")[0].attrs["value"]
    return sent


def test_everything_can_be_changed_at_once(by_owner, iso):
    make_version("FreeBSD 14", "freebsd-14", "bsd")
    page = read(by_owner.get(path(iso)))
    new = {
        "description": "New words", "os_type": "bsd", "os_version": "freebsd-14", "is_public": "on",
        "is_extractable": "on", "password_enabled": "on",
    }  # fmt: skip
    assert by_owner.post(path(iso), fields(page) | new).headers["Location"] == iso.get_absolute_url()
    iso.refresh_from_db()
    assert (iso.description, iso.os_label) == ("New words", "FreeBSD 14")
    assert (iso.is_public, iso.is_featured, iso.is_extractable, iso.password_enabled) == (True, False, True, True)
    said = {event.data["field"]: (event.data["before"], event.data["after"]) for event in Event.objects.all()}
    assert said == {
        "description": ("Old words", "New words"),
        "is_public": (False, True),
        "is_extractable": (False, True),
        "password_enabled": (False, True),
        "os": ("Linux", "FreeBSD 14"),
    }
    assert {(event.verb, event.actor_name, event.address) for event in Event.objects.all()} == {
        ("edited", "owner", "127.0.0.1")
    }
    detail = read(by_owner.get(iso.get_absolute_url())).text()
    assert "Saved the settings of “Debian”." in detail
    assert "Public changed from No to Yes" in detail
    assert "Password enabled changed from No to Yes" in detail


def test_saving_what_is_there_changes_nothing(by_owner, iso):
    page = read(by_owner.get(path(iso)))
    by_owner.post(path(iso), fields(page))
    assert not Event.objects.exists()
    assert "Nothing was changed." in read(by_owner.get(iso.get_absolute_url())).text()


def test_a_form_that_lay_open_undoes_nothing_of_others(by_owner, iso):
    page = read(by_owner.get(path(iso)))
    Iso.objects.update(is_extractable=True, description="A teammate's words")
    by_owner.post(path(iso), fields(page) | {"password_enabled": "on"})
    iso.refresh_from_db()
    assert (iso.is_extractable, iso.description, iso.password_enabled) == (True, "A teammate's words", True)


def test_flags_that_are_not_yours_stay_as_they_are(as_user, teammate, iso):
    Iso.objects.update(is_public=True, is_featured=True)
    client = as_user(teammate)
    page = read(client.get(path(iso)))
    for name in ("id_is_public", "id_is_featured"):
        assert {"disabled", "checked"} <= set(page.by_id(name).attrs)
    client.post(path(iso), fields(page) | {"description": "Other"})
    iso.refresh_from_db()
    assert (iso.is_public, iso.is_featured, iso.description) == (True, True, "Other")


@pytest.mark.parametrize(
    ("who", "flag"), [("owner", "is_featured"), ("teammate", "is_public"), ("teammate", "is_featured")]
)
@pytest.mark.parametrize("before", [True, False])
def test_tampered_flags_are_refused_and_on_record(as_user, request, iso, who, flag, before):
    Iso.objects.update(**{flag: before})
    client, user = as_user(request.getfixturevalue(who)), request.getfixturevalue(who)
    sent = fields(read(client.get(path(iso)))) | {flag: "" if before else "on", "description": "Lost?"}
    page = read(client.post(path(iso), sent), 422)
    assert page.by_id(f"id_{flag}_error").text().startswith("Only ")
    assert "Lost?" in page.by_id("id_description").text(), "what was typed is kept"
    iso.refresh_from_db()
    assert (getattr(iso, flag), iso.description) == (before, "Old words")
    event = Event.objects.get()
    assert (event.verb, event.actor, event.iso, event.data["field"]) == ("refused", user, iso, flag)
    assert event.address == "127.0.0.1"


def test_administrators_feature_also_what_is_of_others(as_user, admin_user, by_owner, iso):
    client = as_user(admin_user)
    page = read(client.get(path(iso)))
    client.post(path(iso), fields(page) | {"is_featured": "on"})
    iso.refresh_from_db()
    assert iso.is_featured
    assert "Featured changed from No to Yes" in read(by_owner.get(iso.get_absolute_url())).text()


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"os_type": "windows", "os_version": "debian-13"}, "os_version"),
        ({"os_version": "beos"}, "os_version"),
        ({"os_type": "dos"}, "os_type"),
        ({"description": "x" * 2001}, "description"),
    ],
)
def test_what_makes_no_sense(by_owner, iso, sent, field):
    make_version("Debian 13", "debian-13")
    page = read(by_owner.post(path(iso), fields(read(by_owner.get(path(iso)))) | sent), 422)
    assert page.by_id(f"id_{field}_error").text()
    assert not Event.objects.exists()


def test_making_it_private_says_who_uses_it(by_owner, iso):
    Iso.objects.update(is_public=True)
    iso.refresh_from_db()
    page = read(by_owner.get(path(iso)))
    assert "In use now." not in page.text()
    sent = {name: value for name, value in fields(page).items() if name != "is_public"}
    by_owner.post(path(iso), sent)
    assert "don’t see “Debian” any more. Nothing uses it now." in read(by_owner.get(iso.get_absolute_url())).text()
    Iso.objects.update(is_public=True)

    @dependants.register
    def reporter(one):
        return [f"2 instances of the account Other run from {one.name}."]

    try:
        assert "2 instances of the account Other run from Debian." in read(by_owner.get(path(iso))).text()
        by_owner.post(path(iso), sent)
        said = read(by_owner.get(iso.get_absolute_url())).text()
    finally:
        dependants._reporters.remove(reporter)
    assert "don’t see “Debian” any more. 2 instances of the account Other run from Debian." in said


def test_the_action_knows_its_fields_only(owner, iso):
    assert edit(Actor(owner), iso, name="Other", sha256="00" * 32, size=1) == []
    iso.refresh_from_db()
    assert (iso.name, iso.size) == ("Debian", 700_000_000)
    assert "name" not in EDITABLE
    Iso.objects.filter(pk=iso.pk).delete()
    with pytest.raises(Conflict):
        edit(Actor(owner), iso, description="x")


def test_a_version_of_another_system_by_program(owner, iso):
    with pytest.raises(InvalidInput):
        edit(Actor(owner), iso, os_version=make_version("Windows 11", "windows-11", "windows"))


def test_the_button(by_owner, iso):
    page = read(by_owner.get(iso.get_absolute_url()))
    assert [node.attrs["href"] for node in page.by_id("live").all("a") if node.text() == "Edit"] == [path(iso)]
    assert not find(page, href=f"{iso.get_absolute_url()}download/")
