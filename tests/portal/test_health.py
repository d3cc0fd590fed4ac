"""/healthz and /readyz."""

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from portal import health
from tests import services


@pytest.fixture(autouse=True)
def folders(settings, tmp_path):
    """The folders that `manage.py up` makes."""
    settings.DATA_DIR = tmp_path
    settings.CELERY_BROKER_URL = "filesystem://localhost"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_out": str(tmp_path / "messages")}
    (tmp_path / "messages").mkdir()
    health._migrated.clear()
    yield
    health._migrated.clear()


def test_alive_needs_nothing(client):
    """No database (this test may not use one), no known host, no TLS."""
    response = client.get("/healthz", headers={"host": "10.0.0.7:8000"})
    assert (response.status_code, response.content) == (200, b"ok\n")
    assert response["Cache-Control"] == "no-store"


def test_probes_are_not_redirected_to_tls(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz").status_code == 200
    assert client.get("/").status_code == 301


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.django_db
def test_only_reading(client, path):
    assert client.head(path).status_code in (200, 503)
    response = client.post(path)
    assert response.status_code == 405
    assert response["Allow"] == "GET, HEAD"


@pytest.mark.django_db
def test_ready(client):
    response = client.get("/readyz", headers={"host": "10.0.0.7:8000"})
    assert response.status_code == 200
    report = response.json()
    assert report["ready"] is True
    assert set(report["checks"]) == {"database", "migrations", "broker", "data_folder"}
    assert all(check["ok"] and check["message"].endswith(".") for check in report["checks"].values())


@pytest.mark.django_db
def test_ready_costs_little_once_migrated(client, django_assert_num_queries):
    client.get("/readyz")
    with django_assert_num_queries(1):
        client.get("/readyz")


def failed(response):
    assert response.status_code == 503
    assert response.json()["ready"] is False
    return {name: check["message"] for name, check in response.json()["checks"].items() if not check["ok"]}


@pytest.mark.django_db
def test_a_migration_that_is_not_applied(client):
    [latest] = MigrationLoader(connection).graph.leaf_nodes("zones")
    MigrationRecorder(connection).record_unapplied(*latest)
    messages = failed(client.get("/readyz"))
    assert set(messages) == {"migrations"}
    assert "Run manage.py migrate." in messages["migrations"]


@pytest.mark.django_db
def test_a_broker_folder_that_is_gone(client, tmp_path):
    (tmp_path / "messages").rmdir()
    assert set(failed(client.get("/readyz"))) == {"broker"}


@pytest.mark.django_db
def test_a_broker_that_does_not_answer(client, settings):
    settings.CELERY_BROKER_URL = "redis://:hidden-word@127.0.0.1:1/0"
    response = client.get("/readyz")
    assert failed(response) == {
        "broker": "The broker can't be reached. Check CELERY_BROKER_URL and that its server runs."
    }
    assert b"hidden-word" not in response.content


@pytest.mark.django_db
def test_a_data_folder_that_is_gone(client, settings, tmp_path):
    settings.DATA_DIR = tmp_path / "gone"
    messages = failed(client.get("/readyz"))
    assert set(messages) == {"data_folder"}
    assert str(tmp_path) not in messages["data_folder"]


def test_a_database_that_does_not_answer(client):
    """Not marked for the database: every query is refused, as if its server were gone."""
    messages = failed(client.get("/readyz"))
    assert {"database", "migrations"} == set(messages)
    assert messages["database"].startswith("The database does not answer.")


@pytest.mark.services
@pytest.mark.django_db
@pytest.mark.parametrize("url", [services.redis_url, services.rabbitmq_url])
def test_ready_with_a_server_as_broker(client, settings, url):
    settings.CELERY_BROKER_URL = url()
    response = client.get("/readyz")
    assert response.json()["checks"]["broker"] == {"ok": True, "message": "The broker answers."}
    assert response.status_code == 200
