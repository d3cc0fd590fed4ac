"""Zones in admin, as a person with a browser meets them."""

import json
import shutil

import pytest
from django.db import connection
from django.urls import reverse

from zones.models import Zone

FILES = "django.core.files.storage.FileSystemStorage"
SECRET = "hunter2-very-secret"
LIST = "admin:zones_zone_changelist"


@pytest.fixture
def browser(client, admin_user):
    client.force_login(admin_user)
    return client


def page(zone):
    return reverse("admin:zones_zone_change", args=[zone.pk])


def fields(root, **changes):
    root.mkdir(exist_ok=True)
    return {
        "name": "North",
        "slug": "north",
        "description": "",
        "position": "0",
        "state": "active",
        "state_reason": "",
        "backend": FILES,
        "options": json.dumps({"location": str(root)}),
        "new_secrets": "",
        **changes,
    }


def raw_secrets():
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret_options FROM zones_zone")
        return [row[0] for row in cursor.fetchall()]


def errors(answer, field):
    assert answer.status_code == 200, "the form was taken"
    return " ".join(answer.context["adminform"].form.errors.get(field, []))


@pytest.fixture
def zone_with_secret(browser, tmp_path):
    # base_url is an option that FileSystemStorage takes and that may stand for a secret.
    sent = fields(tmp_path / "north", new_secrets=json.dumps({"base_url": SECRET}))
    browser.post(reverse("admin:zones_zone_add"), sent)
    return Zone.objects.get()


def test_a_zone_is_made_and_its_secret_is_encrypted_in_the_database(zone_with_secret):
    assert zone_with_secret.storage_options()["base_url"] == SECRET
    [stored] = raw_secrets()
    assert stored
    assert SECRET not in stored
    assert "base_url" not in stored


@pytest.mark.parametrize(("written", "limit"), [("", 4), ("7", 7), ("0", 0)])
def test_a_zone_may_have_its_own_limit_of_operations(browser, tmp_path, settings, written, limit):
    settings.ZONE_MAX_OPERATIONS = 4
    browser.post(reverse("admin:zones_zone_add"), fields(tmp_path / "north", max_operations=written))
    assert Zone.objects.get().operation_limit == limit


def test_no_page_of_admin_shows_a_secret(browser, zone_with_secret, tmp_path):
    zone = zone_with_secret
    pages = [page(zone), reverse(LIST), reverse("admin:zones_zone_history", args=[zone.pk]), reverse("admin:index")]
    pages += [reverse("admin:zones_zone_delete", args=[zone.pk]), page(zone) + "?_popup=1"]
    for address in pages:
        assert SECRET not in browser.get(address).content.decode()
    tested = browser.post(reverse("admin:zones_zone_test", args=[zone.pk]), follow=True)
    assert SECRET not in tested.content.decode()
    assert "Stored now: base_url." in browser.get(page(zone)).content.decode()


def test_a_refused_form_does_not_show_the_secret_that_was_typed(browser, tmp_path):
    for bad in ({"name": ""}, {"options": "{}"}, {"backend": "no.such.Backend"}):
        sent = fields(tmp_path / "north", new_secrets=json.dumps({"base_url": SECRET}), **bad)
        answer = browser.post(reverse("admin:zones_zone_add"), sent)
        assert answer.status_code == 200
        assert SECRET not in answer.content.decode()
    broken = browser.post(
        reverse("admin:zones_zone_add"), fields(tmp_path / "north", new_secrets='{"secret": ' + SECRET)
    )
    assert "not valid JSON" in errors(broken, "new_secrets")
    assert "line 1, column 12" in errors(broken, "new_secrets")
    assert SECRET not in broken.content.decode()
    assert not Zone.objects.exists()


def test_an_empty_secrets_field_keeps_what_is_stored(browser, zone_with_secret, tmp_path):
    answer = browser.post(page(zone_with_secret), fields(tmp_path / "north", name="Renamed"))
    assert answer.status_code == 302
    zone = Zone.objects.get()
    assert (zone.name, zone.secrets()) == ("Renamed", {"base_url": SECRET})


def test_new_secrets_replace_the_old_ones(browser, zone_with_secret, tmp_path):
    browser.post(page(zone_with_secret), fields(tmp_path / "north", new_secrets='{"base_url": "new"}'))
    assert Zone.objects.get().secrets() == {"base_url": "new"}


def test_secrets_are_cleared_on_request_only(browser, zone_with_secret, tmp_path):
    both = fields(tmp_path / "north", new_secrets='{"base_url": "new"}', clear_secrets="on")
    assert "not both" in errors(browser.post(page(zone_with_secret), both), "clear_secrets")
    browser.post(page(zone_with_secret), fields(tmp_path / "north", clear_secrets="on"))
    assert Zone.objects.get().secrets() == {}
    assert raw_secrets() == [None]


@pytest.mark.parametrize("text", ["[1]", '"x"', "1", "null"])
def test_secrets_are_an_object(browser, tmp_path, text):
    answer = browser.post(reverse("admin:zones_zone_add"), fields(tmp_path / "north", new_secrets=text))
    assert "JSON object" in errors(answer, "new_secrets")


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"backend": "no.such.Backend"}, "backend", "can't be imported"),
        ({"backend": "json.JSONDecoder"}, "backend", "not a Django storage backend"),
        ({"options": "{"}, "options", "valid JSON"),
        ({"options": "[]"}, "options", "JSON object"),
        ({"options": ""}, "options", "absolute path"),
        ({"options": '{"location": "relative"}'}, "options", "absolute path"),
        ({"options": '{"location": "/srv/x", "no_such": 1}'}, "options", "does not take these options"),
        ({"options": '{"location": "/srv/x", "secret_key": "k"}'}, "options", "Move secret_key to the secret options"),
    ],
)
def test_a_storage_entry_that_can_not_work_is_refused_at_its_field(browser, tmp_path, changes, field, words):
    answer = browser.post(reverse("admin:zones_zone_add"), fields(tmp_path / "north", **changes))
    assert words in errors(answer, field)
    assert not Zone.objects.exists()


@pytest.mark.parametrize("place", ["zone-a", "zone-a/below", "."])
def test_two_zones_never_share_a_place(browser, zone_a, tmp_path, place):
    sent = fields(tmp_path / "north", options=json.dumps({"location": str(tmp_path / place)}))
    answer = browser.post(reverse("admin:zones_zone_add"), sent)
    assert "zone-a is stored in this place already" in errors(answer, "options")


@pytest.mark.django_db(transaction=True)
def test_saving_a_zone_marks_its_directory(browser, tmp_path):
    answer = browser.post(reverse("admin:zones_zone_add"), fields(tmp_path / "north"), follow=True)
    zone = Zone.objects.get()
    assert (tmp_path / "north/.zone").read_text() == f"{zone.public_id}\n"
    assert zone.marked_at
    assert not [message for message in answer.context["messages"] if message.level_tag == "warning"]


@pytest.mark.django_db(transaction=True)
def test_saving_says_what_is_in_the_way_and_the_place_may_still_be_corrected(browser, tmp_path):
    sent = fields(tmp_path / "north", options=json.dumps({"location": str(tmp_path / "nroth")}))
    answer = browser.post(reverse("admin:zones_zone_add"), sent, follow=True)
    assert "North can&#x27;t be used yet. The storage can&#x27;t be reached" in answer.content.decode()
    zone = Zone.objects.get()
    assert zone.marked_at is None
    assert browser.post(page(zone), fields(tmp_path / "north")).status_code == 302
    assert (tmp_path / "north/.zone").exists()


@pytest.mark.django_db(transaction=True)
def test_a_refused_form_leaves_no_marker(browser, tmp_path):
    browser.post(reverse("admin:zones_zone_add"), fields(tmp_path / "north", name=""))
    assert not (tmp_path / "north/.zone").exists()


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"options": '{"location": "/srv/elsewhere"}'}, "options", "The location is fixed"),
        ({"backend": "tests.contracts.backends.PlainStorage"}, "backend", "The backend is fixed"),
        ({"options": "{}", "new_secrets": '{"location": "/srv/elsewhere"}'}, "options", "The location is fixed"),
    ],
)
def test_the_place_of_a_marked_zone_is_fixed(browser, zone_a, tmp_path, changes, field, words):
    sentence = errors(browser.post(page(zone_a), fields(tmp_path / "zone-a", **changes)), field)
    assert words in sentence
    assert "copy the whole directory with its file .zone" in sentence
    same = {"location": f"{tmp_path}/zone-a/", "file_permissions_mode": 0o640}
    sent = fields(tmp_path / "zone-a", options=json.dumps(same), new_secrets='{"base_url": "new"}')
    assert browser.post(page(zone_a), sent).status_code == 302


def test_the_bucket_of_a_zone_with_iso_images_is_fixed(browser, start, zone_a, tmp_path):
    start(100)
    entry = {"bucket_name": "isos", "endpoint_url": "http://s3.example.org"}
    Zone.objects.update(backend="storages.backends.s3.S3Storage", options=entry, marked_at=None)
    for name in entry:
        changed = fields(
            tmp_path / "zone-a", backend="storages.backends.s3.S3Storage", options=json.dumps({**entry, name: "other"})
        )
        assert f"The {name} is fixed" in errors(browser.post(page(zone_a), changed), "options")


def test_the_slug_is_fixed_once_made(browser, zone_a, tmp_path):
    browser.post(page(zone_a), fields(tmp_path / "zone-a", slug="renamed"))
    zone_a.refresh_from_db()
    assert (zone_a.name, zone_a.slug) == ("North", "zone-a")


def test_the_list_is_searched_and_tells_state_and_storage(browser, zone_a, zone_b):
    Zone.objects.filter(pk=zone_b.pk).update(state=Zone.State.MAINTENANCE)
    text = browser.get(reverse(LIST)).content.decode()
    assert "Maintenance" in text
    assert "FileSystemStorage" in text
    found = browser.get(reverse(LIST), {"q": "zone-b"}).context["cl"].result_list
    assert [zone.slug for zone in found] == ["zone-b"]


def test_the_action_tests_every_chosen_zone_and_says_one_sentence_each(browser, zone_a, zone_b, tmp_path):
    shutil.rmtree(tmp_path / "zone-b")
    sent = {"action": "test_connection", "_selected_action": [zone_a.pk, zone_b.pk]}
    answer = browser.post(reverse(LIST), sent, follow=True)
    good, bad = (str(message) for message in answer.context["messages"])
    assert good.startswith("zone-a: Writing, reading and deleting work; ")
    assert bad == "zone-b: The storage can't be reached: the location does not exist, or the disk is not mounted."


def test_the_button_on_the_zones_page_tests_it(browser, zone_a):
    assert reverse("admin:zones_zone_test", args=[zone_a.pk]) in browser.get(page(zone_a)).content.decode()
    answer = browser.post(reverse("admin:zones_zone_test", args=[zone_a.pk]), follow=True)
    assert answer.redirect_chain == [(page(zone_a), 302)]
    assert "Writing, reading and deleting work" in answer.content.decode()


def test_the_test_needs_a_post_and_an_administrator(browser, client, owner, zone_a):
    address = reverse("admin:zones_zone_test", args=[zone_a.pk])
    assert browser.get(address).status_code == 405
    assert browser.post(reverse("admin:zones_zone_test", args=[999])).status_code == 302
    owner.is_staff = True
    owner.save()
    client.force_login(owner)
    assert client.post(address).status_code == 403
    owner.is_staff = False
    owner.save()
    assert client.post(address).status_code == 302
    client.logout()
    assert client.post(address).status_code == 302


def test_a_value_named_by_the_environment_is_read_when_the_store_is_opened(monkeypatch, db):
    zone = Zone(slug="env", name="env", options={"location": "env:ZONE_ROOT"})
    zone.full_clean()  # only the workers beside the storage may know the name
    monkeypatch.setenv("ZONE_ROOT", "/srv/isos")
    assert zone.storage_options() == {"location": "/srv/isos"}
