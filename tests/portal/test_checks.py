"""System checks of the portal's own settings."""

import os
import subprocess
import sys

import pytest

from portal import checks
from portal.environment import BASE_DIR


def ids(messages):
    return [message.id for message in messages]


def test_the_run_itself_is_clean():
    everything = [
        checks.check_data_folder,
        checks.check_debug,
        checks.check_secret_key,
        checks.check_zone_queues,
    ]
    assert [check() for check in everything] == [[], [], [], []]


def test_a_data_folder_that_cannot_be_made(settings, tmp_path):
    (tmp_path / "file").touch()
    settings.DATA_DIR = tmp_path / "file" / "data"
    assert ids(checks.check_data_folder()) == ["portal.E001"]
    settings.DATA_DIR = tmp_path / "not" / "yet"
    assert checks.check_data_folder() == []


@pytest.mark.parametrize(
    ("debug", "behind_tls", "expected"), [(True, True, ["portal.E002"]), (True, False, []), (False, True, [])]
)
def test_debug_where_users_are(settings, debug, behind_tls, expected):
    settings.DEBUG, settings.BEHIND_TLS = debug, behind_tls
    assert ids(checks.check_debug()) == expected


@pytest.mark.parametrize(("length", "expected"), [(31, ["portal.E003"]), (32, [])])
def test_a_short_secret_key(settings, length, expected):
    settings.SECRET_KEY = "k" * length
    assert ids(checks.check_secret_key()) == expected


@pytest.mark.parametrize(
    ("engine", "broker", "zone_queues", "expected"),
    [
        ("sqlite3", "filesystem://localhost", False, []),
        ("sqlite3", "filesystem://localhost", True, ["portal.E004"]),
        ("postgresql", "filesystem://localhost", False, ["portal.W001"]),
        ("postgresql", "redis://localhost/0", True, []),
    ],
)
def test_databases_and_brokers_that_fit(settings, monkeypatch, engine, broker, zone_queues, expected):
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", f"django.db.backends.{engine}")
    settings.CELERY_BROKER_URL, settings.ZONE_QUEUES = broker, zone_queues
    assert ids(checks.check_zone_queues() + checks.check_broker()) == expected


def check(tmp_path, *options, **environment):
    environment = {"PATH": os.environ["PATH"], "PORTAL_DATA_DIR": str(tmp_path)} | environment
    return subprocess.run(
        [sys.executable, "manage.py", "check", *options],
        cwd=BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_deployment_behind_tls_is_clean(tmp_path):
    (tmp_path / "assets").mkdir()
    key = "".join(map(chr, range(33, 33 + 64)))
    done = check(tmp_path, "--deploy", "--fail-level", "WARNING", BEHIND_TLS="1", SECRET_KEY=key)
    assert (done.returncode, done.stdout) == (0, "System check identified no issues (0 silenced).\n"), done.stderr


def test_a_deployment_in_the_open_is_not(tmp_path):
    done = check(tmp_path, "--deploy", "--fail-level", "WARNING", SECRET_KEY="k" * 64)
    assert done.returncode == 1
    assert "security.W004" in done.stderr


def test_the_checks_are_registered(tmp_path):
    done = check(tmp_path, SECRET_KEY="short", DEBUG="1", BEHIND_TLS="1")
    assert done.returncode == 1
    assert {"portal.E002", "portal.E003"} <= set(done.stderr.replace("(", " ").replace(")", " ").split())


def test_no_secret_key_is_one_sentence(tmp_path):
    done = check(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("SECRET_KEY is not set.")
    assert done.stderr.count("\n") == 1
