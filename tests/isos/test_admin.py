"""Django admin over the library: pages open, nothing there bypasses the actions."""

from datetime import timedelta

import pytest
from django.core.management import call_command

from isos.actions.import_url import import_url
from isos.actions.start_upload import NewIso
from isos.models import Event, Iso, Operation, OsVersion, Replica, Upload, UrlImport
from isos.operations.queue import enqueue
from tests.isos.conftest import run_all, send

SIGNED = "https://mirror.example/one.iso?signature=topsecret"


@pytest.fixture
def library(start, iso_bytes, actor, zone_a):
    OsVersion.objects.get_or_create(slug="one", defaults={"name": "One 1", "os_type": "other"})
    send(start(len(iso_bytes), name="Ready one"), iso_bytes)
    run_all()
    upload = start(len(iso_bytes), name="On its way")
    send(upload, iso_bytes[:1000])
    import_url(actor, NewIso(name="From the web", zone=zone_a), url=SIGNED, checksum=SIGNED)
    return upload


@pytest.mark.parametrize("model", [Iso, Operation, Upload, UrlImport, Event, OsVersion])
def test_lists_searches_and_rows_open(library, admin_client, model):
    name = f"/admin/isos/{model._meta.model_name}/"
    assert admin_client.get(name).status_code == 200
    assert admin_client.get(name, {"q": "one"}).status_code == 200
    assert admin_client.get(f"{name}{model.objects.first().pk}/change/").status_code == 200


@pytest.mark.parametrize("model", [Iso, Operation, Upload, UrlImport, Event])
def test_rows_are_neither_added_nor_deleted_here(library, admin_client, model):
    name = f"/admin/isos/{model._meta.model_name}/"
    assert admin_client.get(f"{name}add/").status_code == 403
    assert admin_client.get(f"{name}{model.objects.first().pk}/delete/").status_code == 403


def test_addresses_are_shown_redacted_alone(library, admin_client):
    page = f"/admin/isos/urlimport/{UrlImport.objects.get().pk}/change/"
    Replica.objects.filter(url_import__isnull=False).update(error_message="The server is too busy right now.")
    for address in ("/admin/isos/urlimport/", "/admin/isos/urlimport/?q=mirror.example", page):
        shown = admin_client.get(address).content.decode()
        assert "https://mirror.example/one.iso?signature=…" in shown
        assert "From the web" in shown
        assert "topsecret" not in shown
    assert "too busy right now" in shown
    assert admin_client.get("/admin/isos/urlimport/?q=topsecret").content.decode().count("From the web") == 0
    assert admin_client.post(page, {"url": "https://other.example/"}).status_code == 403
    assert UrlImport.objects.get().url == SIGNED


def test_run_now_skips_the_backoff(library, admin_client, django_capture_on_commit_callbacks):
    from django.utils import timezone

    operation = enqueue(Replica.objects.get(state="receiving"), Operation.Kind.INGEST)
    Operation.objects.filter(pk=operation.pk).update(not_before=timezone.now() + timedelta(hours=1))
    answer = admin_client.post(
        "/admin/isos/operation/", {"action": "run_now", "_selected_action": [operation.pk]}, follow=True
    )
    assert "1 waiting operations" in answer.content.decode()
    operation.refresh_from_db()
    assert operation.not_before is None


def test_sweep_command_says_what_it_did(library, capsys):
    call_command("sweep")
    assert "Expired uploads: 0." in capsys.readouterr().out


def test_what_an_administrator_changes_stands_in_the_activity(library, admin_client, admin_user):
    iso = Iso.objects.get(name="Ready one")
    page = f"/admin/isos/iso/{iso.pk}/change/"
    fields = {"name": "Ready one", "os_type": iso.os_type, "is_featured": "on", "description": ""}
    inline = {f"replicas-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
    assert admin_client.post(page, fields | inline).status_code == 302
    iso.refresh_from_db()
    assert iso.is_featured
    event = Event.objects.get(verb="edited")
    assert (event.actor, event.data) == (admin_user, {"field": "is_featured", "before": "False", "after": "True"})
