"""Zones and sign-ins of the embedded portal."""

import pytest

from portal.accounts.models import Account, User
from portal.embedded import first_start
from zones.models import Zone
from zones.stores import open_store

pytestmark = pytest.mark.django_db


def test_zones_that_work(tmp_path):
    first_start.make_zones(tmp_path)
    assert list(Zone.objects.values_list("slug", "name")) == [("zone-a", "Zone A"), ("zone-b", "Zone B")]
    for zone in Zone.objects.all():
        open_store(zone).probe()


def test_zones_of_an_operator_are_left_alone(tmp_path):
    Zone.objects.create(slug="mine", name="Mine", options={"location": str(tmp_path)})
    first_start.make_zones(tmp_path)
    assert [zone.slug for zone in Zone.objects.all()] == ["mine"]


def test_three_sign_ins_with_passwords_of_their_own():
    made = first_start.make_sign_ins({})
    assert [entry.username for entry in made] == ["admin", "demo", "other"]
    assert len({entry.password for entry in made}) == 3
    for entry in made:
        user = User.objects.get(username=entry.username)
        assert user.check_password(entry.password)
        assert (user.is_staff, user.is_superuser) == ((entry.username == "admin"),) * 2
    assert set(Account.objects.values_list("name", flat=True)) == {"Administrators", "Demo", "Other"}
    assert User.objects.get(username="demo").account.name == "Demo"


def test_a_second_start_makes_and_changes_nothing():
    first_start.make_sign_ins({})
    before = list(User.objects.values())
    assert first_start.make_sign_ins({}) == []
    assert list(User.objects.values()) == before


def test_a_removed_user_stays_removed():
    first_start.make_sign_ins({})
    User.objects.get(username="demo").delete()
    assert first_start.make_sign_ins({}) == []
    assert not User.objects.filter(username="demo").exists()


def test_passwords_from_the_environment_are_not_repeated():
    made = first_start.make_sign_ins({"PORTAL_ADMIN_PASSWORD": "admin-word", "PORTAL_DEMO_PASSWORD": "demo-word"})
    assert [entry.password for entry in made] == [None, None, None]
    assert User.objects.get(username="admin").check_password("admin-word")
    assert User.objects.get(username="other").check_password("demo-word")


def test_a_password_that_is_named_later():
    first_start.make_sign_ins({})
    before = User.objects.get(username="admin").password
    assert first_start.make_sign_ins({"PORTAL_DEMO_PASSWORD": "demo-word"}) == []
    assert User.objects.get(username="demo").check_password("demo-word")
    assert User.objects.get(username="admin").password == before


def test_the_same_password_again_ends_no_session():
    given = {"PORTAL_ADMIN_PASSWORD": "admin-word", "PORTAL_DEMO_PASSWORD": "demo-word"}
    first_start.make_sign_ins(given)
    before = dict(User.objects.values_list("username", "password"))
    first_start.make_sign_ins(given)
    assert dict(User.objects.values_list("username", "password")) == before
