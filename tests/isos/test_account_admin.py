"""The support view of an account, and the trail of what administrators set."""

import json
import re

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import strip_tags

from isos.audit import Actor, record
from isos.models import Event
from portal.accounts.models import Account, User
from quotas.models import QuotaLimit
from tests.factories import make_iso
from zones.models import Zone

V = Event.Verb


def support(client, account):
    response = client.get(reverse("admin:accounts_account_support", args=[account.pk]))
    assert response.status_code == 200
    return re.sub(r"\s+", " ", strip_tags(response.content.decode().replace("<", " <")))


def told():
    """Settings that were written down, as (subject, field, before, after), oldest first."""
    events = Event.objects.filter(verb="set").order_by("id")
    return [tuple(event.data[key] for key in ("subject", "field", "before", "after")) for event in events]


@pytest.fixture
def lived(account, owner, zone_a, zone_b):
    iso = make_iso(account, {zone_a: "ready", zone_b: "failed"}, "Debian", user=owner)
    make_iso(account, {zone_a: "receiving"}, "On its way", user=owner)
    make_iso(account, {zone_a: "verifying"}, "Nearly there", user=owner)
    record(V.RENAMED, iso, Actor(owner, "192.0.2.7"), before="Old", after="Debian")
    return iso


def test_it_shows_what_an_account_has_and_what_goes_on(admin_client, lived, account, teammate, stranger, zone_a):
    make_iso(stranger.account, {zone_a: "ready"}, "Theirs")
    page = support(admin_client, account)
    for words in ("Debian", "zone-a: Ready", "This ISO image is incomplete.", "3 of 10", "teammate@example.org"):
        assert words in page
    assert "Verify upload Nearly there zone-a Running" in page
    assert "Renamed from “Old” to “Debian” Debian owner 192.0.2.7" in page
    assert "266 MB of 700 MB" in page
    assert "Theirs" not in page
    assert "stranger" not in page


def test_it_is_for_looking_alone(admin_client, account):
    address = reverse("admin:accounts_account_support", args=[account.pk])
    assert admin_client.post(address).status_code == 405
    assert "<form" not in admin_client.get(address).content.decode().partition('id="content-main"')[2]
    assert admin_client.get(reverse("admin:accounts_account_support", args=[0])).status_code == 404


def test_it_is_for_whoever_may_see_accounts_and_isos(account, client, owner):
    address = reverse("admin:accounts_account_support", args=[account.pk])
    client.force_login(owner)
    assert client.get(address).status_code == 302
    looker = User.objects.create_user("looker", is_staff=True)
    staff = Client()
    staff.force_login(looker)
    for codename, status in (("view_account", 403), ("view_iso", 200)):
        looker.user_permissions.add(Permission.objects.get(codename=codename))
        assert staff.get(address).status_code == status


def test_a_large_account_costs_no_more_than_a_small_one(admin_client, lived, account, owner, zone_a, zone_b):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            support(admin_client, account)
        return len(captured)

    queries()
    few = queries()
    for number in range(15):
        iso = make_iso(account, {zone_a: "receiving", zone_b: "verifying"}, f"Image {number}", user=owner)
        record(V.RENAMED, iso, Actor(owner), before="a", after="b")
    assert queries() == few


def test_links_lead_to_it(admin_client, account):
    address = reverse("admin:accounts_account_support", args=[account.pk])
    assert address in admin_client.get("/admin/accounts/account/").content.decode()
    assert address in admin_client.get(f"/admin/accounts/account/{account.pk}/change/").content.decode()


def account_form(account=None, name="Demo", **quota):
    own = QuotaLimit.objects.filter(account=account).first() if account else None
    fields = {"max_isos": "", "max_bytes": "", "max_iso_bytes": "", "max_uploads": ""} | quota
    return {
        "name": name,
        "quota_limit-TOTAL_FORMS": "1",
        "quota_limit-INITIAL_FORMS": "1" if own else "0",
        "quota_limit-MIN_NUM_FORMS": "0",
        "quota_limit-MAX_NUM_FORMS": "1",
        "quota_limit-0-id": str(own.pk) if own else "",
        "quota_limit-0-account": str(account.pk) if account else "",
    } | {f"quota_limit-0-{key}": value for key, value in fields.items()}


def test_a_quota_that_is_changed_stands_in_the_trail_of_its_account(admin_client, admin_user, account):
    page = f"/admin/accounts/account/{account.pk}/change/"
    assert admin_client.post(page, account_form(account, max_isos="3")).status_code == 302
    assert admin_client.post(page, account_form(account, max_isos="4")).status_code == 302
    assert told() == [
        ("Quota of Demo", "row", "nothing", "made"),
        ("Quota of Demo", "max_isos", "nothing", "3"),
        ("Quota of Demo", "max_isos", "3", "4"),
    ]
    event = Event.objects.latest("id")
    assert (event.actor, event.account, event.address, event.by_staff) == (admin_user, account, "127.0.0.1", True)


def test_an_account_that_was_made_by_mistake_can_be_deleted(admin_client):
    assert admin_client.post("/admin/accounts/account/add/", account_form(name="Mistkae")).status_code == 302
    made = Account.objects.get(name="Mistkae")
    assert told()[0] == ("Account Mistkae", "row", "nothing", "made")
    admin_client.post(f"/admin/accounts/account/{made.pk}/delete/", {"post": "yes"})
    assert not Account.objects.filter(name="Mistkae").exists()
    assert told()[-1] == ("Account Mistkae", "row", "nothing", "deleted")


def test_a_user_who_is_changed_stands_there_and_a_password_never_does(admin_client, owner):
    page = f"/admin/accounts/user/{owner.pk}/"
    form = admin_client.get(f"{page}change/").context["adminform"].form
    fields = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    data = {name: value for name, value in fields.items() if value not in (None, False, []) and name != "password"}
    data |= {"last_login_0": "", "last_login_1": "", "is_staff": "on"}
    joined = owner.date_joined
    data |= {"date_joined_0": f"{joined:%Y-%m-%d}", "date_joined_1": f"{joined:%H:%M:%S}"}
    answer = admin_client.post(f"{page}change/", data)
    assert answer.status_code == 302, answer.context["errors"]
    assert ("User owner", "is_staff", "No", "Yes") in told()
    secret = "a-new-pass-phrase-9"
    answer = admin_client.post(
        f"{page}password/", {"password1": secret, "password2": secret, "usable_password": "true"}
    )
    assert answer.status_code == 302
    assert told()[-1] == ("User owner", "password", "…", "…")
    assert not any(secret in str(event.data) for event in Event.objects.all())


def test_a_zone_that_is_changed_stands_there_without_its_secrets(admin_client, zone_a):
    page = f"/admin/zones/zone/{zone_a.pk}/change/"
    form = admin_client.get(page).context["adminform"].form
    fields = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    data = {name: value for name, value in fields.items() if value is not None and value is not False}
    options = zone_a.options | {"file_permissions_mode": 384}
    data |= {"options": json.dumps(options), "state": "maintenance"}
    answer = admin_client.post(page, data | {"state_reason": "New disks."})
    assert answer.status_code == 302, answer.context["errors"]
    assert ("Zone zone-a", "state", "active", "maintenance") in told()
    assert ("Zone zone-a", "state_reason", "nothing", "New disks.") in told()
    assert ("Zone zone-a", "options", "…", "…") in told()
    event = Event.objects.latest("id")
    assert (event.account, event.zone_name) == (None, Zone.objects.get().name)
    assert admin_client.get("/admin/isos/event/").status_code == 200


def test_the_trail_in_admin_costs_the_same_for_any_page(admin_client, lived, owner):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get("/admin/isos/event/").status_code == 200
        return len(captured)

    queries()
    few = queries()
    for number in range(20):
        record(V.RENAMED, lived, Actor(owner), before=str(number), after="b")
    assert queries() == few
