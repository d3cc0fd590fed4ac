"""`manage.py up` as real processes."""

import http.cookiejar
import json
import re
import signal
import sqlite3
import stat
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from tests.running import alive, free_port, portal, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]
PROGRAMS = {
    "web": ("gunicorn",),
    "worker": ("celery", "worker@%h"),
    "light": ("celery", "light@%h"),
    "beat": ("celery", "beat"),
}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """One portal for all tests that leave it running."""
    with portal(tmp_path_factory.mktemp("up") / "data", LOG_LEVEL="DEBUG") as started:
        yield started.ready()


def sign_in(url, username, password):
    """The address the browser ends at after it sent the sign-in form."""
    cookies = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    browser.open(f"{url}accounts/login/", timeout=30).close()
    token = next(cookie.value for cookie in cookies if cookie.name == "csrftoken")
    form = urllib.parse.urlencode({"login": username, "password": password, "csrfmiddlewaretoken": token})
    try:
        with browser.open(f"{url}accounts/login/", form.encode(), timeout=30) as response:
            return response.url
    except urllib.error.HTTPError as error:
        with error:
            return error.url


def rows(data_dir, query):
    with sqlite3.connect(data_dir / "portal.sqlite3") as database:
        found = database.execute(query).fetchall()
    database.close()
    return found


def test_it_answers(running):
    assert running.get("healthz") == (200, "ok\n")
    status, page = running.get("accounts/login/")
    assert status == 200
    assert 'name="csrfmiddlewaretoken"' in page
    status, report = running.get("readyz")
    assert json.loads(report)["ready"] is True


def test_the_address_is_printed_last_of_all_steps(running):
    assert running.lines.count(f"Portal: {running.url}") == 1


@pytest.mark.parametrize("username", ["admin", "demo", "other"])
def test_the_printed_password_signs_in(running, username):
    password = running.wait_for_line(rf"^  {username}\s+(\S+) ").group(1)
    assert not sign_in(running.url, username, password).endswith("/accounts/login/")
    assert sign_in(running.url, username, password + "x").endswith("/accounts/login/")


def test_two_zones_and_three_accounts(running):
    zones = rows(running.data_dir, "SELECT slug, options FROM zones_zone ORDER BY slug")
    assert [slug for slug, _ in zones] == ["zone-a", "zone-b"]
    assert [json.loads(options)["location"] for _, options in zones] == [
        str(running.data_dir / "zones" / slug) for slug, _ in zones
    ]
    accounts = rows(running.data_dir, "SELECT name FROM accounts_account ORDER BY name")
    assert accounts == [("Administrators",), ("Demo",), ("Other",)]
    assert rows(running.data_dir, "SELECT username FROM accounts_user WHERE is_superuser") == [("admin",)]


@pytest.mark.parametrize("name", ["secret_key", "portal.sqlite3"])
def test_what_is_for_the_owner_alone(running, name):
    assert stat.S_IMODE((running.data_dir / name).stat().st_mode) == 0o600


def test_beat_reaches_the_worker_through_the_broker(running):
    running.wait_for_line(r"^light .*isos\.sweep\[.*succeeded")


def test_no_warning_at_the_start(running):
    assert not [line for line in running.lines if re.search(r"warning|superuser|CRIT", line, re.IGNORECASE)]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_killed_program_returns(running, name):
    killed = running.program(*PROGRAMS[name])
    pool = killed.children()
    killed.kill()
    wait_until(lambda: not alive(pool), "its own children end with it", 10)

    def is_back():
        found = running.program(*PROGRAMS[name])
        return found and found.pid != killed.pid

    wait_until(is_back, f"{name} is started again", 10)
    wait_until(lambda: answers(running), "the portal answers again", 60)


def test_a_killed_web_worker_returns(running):
    master = running.program("gunicorn")
    wait_until(master.children, "gunicorn has its worker", 60)
    master.children()[0].kill()
    wait_until(lambda: answers(running), "the portal answers again", 30)
    assert running.program("gunicorn").pid == master.pid


def answers(running):
    try:
        return running.get("healthz")[0] == 200
    except OSError:
        return False


def test_a_second_start_from_the_same_folder_is_refused(running):
    with portal(running.data_dir) as second:
        assert second.ended() == 1
        assert second.lines == [
            f"The portal already runs from {running.data_dir} (process {running.process.pid}, {running.url}). "
            "Stop it first, or set PORTAL_DATA_DIR and PORTAL_BIND to start a second one."
        ]


def test_a_taken_port_is_named(running, tmp_path):
    with portal(tmp_path / "data", port=running.port) as second:
        assert second.ended() == 1
        assert second.lines == [
            f"127.0.0.1:{running.port} is already in use. Stop the program that listens there, or set PORTAL_BIND "
            "to a free one. For example: PORTAL_BIND=127.0.0.1:8001 make run"
        ]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with portal(tmp_path / "file" / "data") as started:
        assert started.ended() == 1
        assert started.lines == [
            f"The data folder {tmp_path}/file/data is not writable: Not a directory. "
            "Give this user the right to write there, or set PORTAL_DATA_DIR to another folder."
        ]


def test_a_database_that_does_not_answer_is_named(tmp_path):
    with portal(tmp_path, DATABASE_URL=f"postgres://someone:hidden@127.0.0.1:{free_port()}/portal") as started:
        assert started.ended() == 1
        assert "The database does not answer" in started.lines[-1]
        assert "hidden" not in started.output
        assert "Traceback" not in started.output


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_nothing_and_a_second_start_keeps_everything(tmp_path, how):
    with portal(tmp_path) as first:
        family = first.complete()
        begun = time.monotonic()
        assert first.stop(how) == 0
        assert time.monotonic() - begun < 10
        assert alive(family) == []
        password = first.wait_for_line(r"^  demo\s+(\S+) ").group(1)
    users = rows(tmp_path, "SELECT username, password FROM accounts_user")
    with portal(tmp_path, port=first.port) as second:
        second.ready()
        assert "Sign-ins" not in second.output
        assert rows(tmp_path, "SELECT username, password FROM accounts_user") == users
        assert not sign_in(second.url, "demo", password).endswith("/accounts/login/")


def test_a_killed_supervisor_leaves_nothing(tmp_path):
    with portal(tmp_path) as started:
        family = started.complete()
        started.process.kill()
        wait_until(lambda: not alive(family), "its children end with it", 10)
    with portal(tmp_path, port=started.port) as again:
        again.ready()


def test_passwords_from_the_environment(tmp_path):
    with portal(tmp_path, PORTAL_ADMIN_PASSWORD="first-admin-word", PORTAL_DEMO_PASSWORD="demo-word-1") as started:
        started.ready()
        assert "first-admin-word" not in started.output
        assert not sign_in(started.url, "other", "demo-word-1").endswith("/accounts/login/")
        started.stop()
    with portal(tmp_path, PORTAL_ADMIN_PASSWORD="second-admin-word") as started:
        started.ready()
        assert sign_in(started.url, "admin", "first-admin-word").endswith("/accounts/login/")
        assert not sign_in(started.url, "admin", "second-admin-word").endswith("/accounts/login/")
        assert not sign_in(started.url, "demo", "demo-word-1").endswith("/accounts/login/")
