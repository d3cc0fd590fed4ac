"""What `manage.py check` says about the settings of URL imports."""

import os
import subprocess
import sys

import pytest
from django.core.checks import run_checks

from isos.fetching.policy import Policy
from portal.environment import BASE_DIR


def found():
    return {message.id: message for message in run_checks() if message.id.startswith("isos.")}


def test_the_defaults_are_fine():
    assert found() == {}


@pytest.mark.parametrize("entry", ["example.org", "*.example.org", "Bücher.example", "10.0.0.0/8", "192.0.2.1", "::1"])
def test_denied_hosts_that_are_understood(settings, entry):
    settings.IMPORT_DENIED_HOSTS = [entry]
    assert found() == {}
    Policy.from_settings()


@pytest.mark.parametrize(
    ("entry", "instead"),
    [
        ("10.1.2.3/8", "'10.0.0.0/8'"),
        ("fd00::1/8", "'fd00::/8'"),
        ("https://evil.example/path", "'evil.example'"),
        ("evil.example:8080", "'evil.example'"),
        ("[2001:db8::1]", "'2001:db8::1'"),
        ("10.0.0.300", "'192.0.2.0/24'"),
        ("10.0.0.0/99", "'10.0.0.0'"),
        ("evil..example", "'example.org'"),
        ("evil.*", "'example.org'"),
        ("http://[::1", "'example.org'"),
    ],
)
def test_denied_hosts_that_are_not(settings, entry, instead):
    settings.IMPORT_DENIED_HOSTS = ["example.org", entry]
    message = found()["isos.E001"]
    assert repr(entry) in message.msg
    assert instead in message.hint
    with pytest.raises(Exception):  # noqa: B017, PT011 -- whatever it is, the first import would break with it
        Policy.from_settings()


def test_the_authorities(settings, authority, tmp_path):
    settings.IMPORT_CA_FILE = str(authority.ca_file)
    assert found() == {}
    (tmp_path / "empty.pem").touch()
    for path, why in (
        (tmp_path / "empty.pem", "no certificate"),
        (tmp_path / "none.pem", "No such file"),
        (tmp_path, "directory"),
    ):
        settings.IMPORT_CA_FILE = str(path)
        message = found()["isos.E002"]
        assert str(path) in message.msg
        assert why in message.msg
        assert "BEGIN CERTIFICATE" in message.hint


@pytest.mark.parametrize(
    "proxy", ["http://proxy.example:3128", "https://user:p%40ss@proxy.example", "http://[::1]:8080/"]
)
def test_proxies_that_are_understood(settings, proxy):
    settings.IMPORT_PROXY = proxy
    assert found() == {}


@pytest.mark.parametrize(
    "proxy",
    [
        "proxy.example:3128",
        "socks5://proxy.example:1080",
        "http://",
        "http://user:secret@proxy.example:port",
        "http://[::1",
    ],
)
def test_proxies_that_are_not(settings, proxy):
    settings.IMPORT_PROXY = proxy
    message = found()["isos.E003"]
    assert "http://proxy.example.org:3128" in message.hint
    assert "secret" not in message.msg


@pytest.mark.parametrize(
    "name", ["CONNECT_SECONDS", "READ_SECONDS", "SLOW_SECONDS", "CHECK_SECONDS", "CHECKSUM_SECONDS"]
)
@pytest.mark.parametrize("value", [0, -1.5, float("nan")])
def test_times_above_zero(settings, name, value):
    setattr(settings, f"IMPORT_{name}", value)
    assert f"IMPORT_{name} is {value}." in found()["isos.E004"].msg


@pytest.mark.parametrize(("count", "fine"), [(0, False), (-1, False), (1, True), (16, True), (17, False)])
def test_connections(settings, count, fine):
    settings.IMPORT_CONNECTIONS = count
    assert ("isos.E005" not in found()) is fine


def check(tmp_path, **environment):
    """`manage.py check` as an operator runs it."""
    own = {"PATH": os.environ["PATH"], "PORTAL_DATA_DIR": str(tmp_path), "SECRET_KEY": "k" * 64}
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=BASE_DIR, env=own | environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_the_command_runs_them(tmp_path):
    done = check(
        tmp_path,
        IMPORT_DENIED_HOSTS="example.org, evil..example",
        IMPORT_CA_FILE=str(tmp_path / "none.pem"),
        IMPORT_PROXY="proxy",
        IMPORT_READ_SECONDS="0",
    )
    assert done.returncode == 1
    assert all(f"isos.E00{number}" in done.stderr for number in (1, 2, 3, 4)), done.stderr


@pytest.mark.parametrize("ports", ["0", "8080,http", "65536", "-1"])
def test_ports_are_one_sentence(tmp_path, ports):
    done = check(tmp_path, IMPORT_PORTS=ports)
    assert done.returncode == 1
    assert done.stderr.startswith(f"IMPORT_PORTS holds {ports.split(',')[-1]}, which is no port.")
    assert done.stderr.count("\n") == 1


def test_spaces_after_commas_are_fine(tmp_path):
    done = check(
        tmp_path,
        IMPORT_PORTS="8080, 8443",
        IMPORT_DENIED_HOSTS="a.example, b.example,",
        IMPORT_ALLOWED_NETWORKS="10.0.0.0/8, fd00::/8",
    )
    assert done.returncode == 0, done.stderr
