"""The same portal on PostgreSQL, Redis and RabbitMQ: nothing but environment variables differs."""

import hashlib
import uuid
from contextlib import contextmanager

import psycopg
import pytest

from tests import media, services
from tests.running import portal, wait_until
from tests.uploading import Client

pytestmark = [pytest.mark.processes, pytest.mark.services, pytest.mark.xdist_group("processes")]
PASSWORD = "servers-password"


@contextmanager
def own_database():
    """The address of a new PostgreSQL database, dropped at the end."""
    server = services.postgres_url()
    name = f"portal_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            yield f"{server.rsplit('/', 1)[0]}/{name}"
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("broker", [services.redis_url, services.rabbitmq_url], ids=["redis", "rabbitmq"])
def test_an_upload_becomes_ready(tmp_path, broker):
    image = media.write(tmp_path / "image.iso", media.hybrid())
    digest = hashlib.sha256(media.hybrid()).hexdigest()
    with own_database() as database:
        environment = {
            "DATABASE_URL": database,
            "CELERY_BROKER_URL": broker(),
            "CACHE_URL": services.redis_url(),
            "PORTAL_DEMO_PASSWORD": PASSWORD,
        }
        with portal(tmp_path / "data", **environment) as running, psycopg.connect(database, autocommit=True) as rows:
            running.complete()
            with Client(running, "demo", PASSWORD) as client:
                started = client.start(image, "On servers")
                client.send(image, started["upload_url"])

            def ready():
                query = (
                    "SELECT sha256 FROM isos_iso JOIN isos_replica r ON r.iso_id = isos_iso.id WHERE r.state = 'ready'"
                )
                return rows.execute(query).fetchall() == [(digest,)]

            wait_until(ready, "the replica is Ready", 60)
            assert not (running.data_dir / "portal.sqlite3").exists()
            assert not list((running.data_dir / "broker").glob("messages/*"))
