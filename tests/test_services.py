"""Whether what the other tests lean on is really usable. Fails, not skips, where REQUIRE_SERVICES=1."""

import subprocess
import uuid

import psycopg
import pytest
import redis
from kombu import Connection

from tests import services

pytestmark = pytest.mark.services


def test_postgresql_lets_us_make_a_database():
    name = f"probe_{uuid.uuid4().hex}"
    with psycopg.connect(services.postgres_url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        connection.execute(f"DROP DATABASE {name}")


def test_redis_keeps_a_value():
    with redis.Redis.from_url(services.redis_url()) as client:
        key = f"probe-{uuid.uuid4()}"
        client.set(key, "kept", ex=10)
        assert client.get(key) == b"kept"
        client.delete(key)


def test_rabbitmq_passes_a_message():
    with Connection(services.rabbitmq_url(), connect_timeout=5) as broker:
        queue = broker.SimpleBuffer(f"probe-{uuid.uuid4()}")
        queue.put({"sent": 1})
        assert queue.get(timeout=5).payload == {"sent": 1}
        queue.close()


@pytest.mark.parametrize(
    ("path", "option", "says"),
    [
        (services.chromium_path, "--version", "Chrom"),
        (services.qemu_path, "--version", "QEMU emulator"),
        (services.xorriso_path, "-version", "xorriso"),
    ],
)
def test_program_runs(path, option, says):
    done = subprocess.run([path(), option], capture_output=True, text=True, timeout=60, check=True)
    assert says in done.stdout + done.stderr


@pytest.mark.parametrize("path", [services.ipxe_iso, services.grub_iso])
def test_iso_is_an_iso(path):
    with path().open("rb") as file:
        file.seek(0x8001)
        assert file.read(5) == b"CD001"


def test_a_missing_service_fails_where_it_is_required(monkeypatch):
    monkeypatch.setenv("REQUIRE_SERVICES", "1")
    monkeypatch.setenv("TEST_REDIS_URL", "redis://127.0.0.1:1/0")
    with pytest.raises(pytest.fail.Exception, match="Redis does not answer"):
        services.redis_url()


def test_a_missing_service_skips_elsewhere(monkeypatch):
    monkeypatch.delenv("REQUIRE_SERVICES", raising=False)
    monkeypatch.setenv("TEST_REDIS_URL", "redis://127.0.0.1:1/0")
    with pytest.raises(pytest.skip.Exception, match="Redis does not answer"):
        services.redis_url()
