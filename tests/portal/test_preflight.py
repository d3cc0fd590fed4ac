"""What stops a start, each with one sentence."""

import os
import socket
import stat

import pytest

from portal.embedded import preflight
from portal.embedded.preflight import Address, CannotStart


@pytest.mark.parametrize(
    ("text", "host", "port", "url"),
    [
        ("127.0.0.1:8000", "127.0.0.1", 8000, "http://127.0.0.1:8000/"),
        ("localhost:80", "localhost", 80, "http://localhost:80/"),
        (":8000", "0.0.0.0", 8000, "http://127.0.0.1:8000/"),
        ("0.0.0.0:8001", "0.0.0.0", 8001, "http://127.0.0.1:8001/"),
        ("[::1]:8000", "::1", 8000, "http://[::1]:8000/"),
        ("[::]:8000", "::", 8000, "http://[::1]:8000/"),
    ],
)
def test_addresses(text, host, port, url):
    address = preflight.parse_bind(text)
    assert (address.host, address.port, address.url) == (host, port, url)
    assert preflight.parse_bind(str(address)) == address


@pytest.mark.parametrize(
    "text", ["8000", "localhost", "host:", "host:http", "host:0", "host:65536", "::1:8000", "a:-1"]
)
def test_an_address_that_makes_no_sense(text):
    with pytest.raises(CannotStart, match=r"write an address and a port, for example 127\.0\.0\.1:8000"):
        preflight.parse_bind(text)


def test_a_taken_address():
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = Address("127.0.0.1", other.getsockname()[1])
        with pytest.raises(CannotStart, match=rf"^{address} is already in use\."):
            preflight.check_free(address)
    preflight.check_free(address)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_an_address_of_another_machine(host):
    with pytest.raises(CannotStart, match=r"This machine can't listen on .* Set PORTAL_BIND to one of its addresses"):
        preflight.check_free(Address(host, 8000))


def test_a_folder_under_a_file_is_not_writable(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match="is not writable: Not a directory"):
        preflight.check_writable(tmp_path / "file" / "data")


def test_a_writable_folder_is_made_and_left_empty(tmp_path):
    preflight.check_writable(tmp_path / "a" / "data")
    assert list((tmp_path / "a" / "data").iterdir()) == []


def test_the_secret_key_is_made_once(tmp_path):
    preflight.make_secret_key(tmp_path)
    key = tmp_path / "secret_key"
    first = key.read_text()
    assert len(first) > 64
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    preflight.make_secret_key(tmp_path)
    assert key.read_text() == first
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_a_draft_that_a_crash_left_is_replaced(tmp_path):
    (tmp_path / ".secret_key").write_text("half")
    preflight.make_secret_key(tmp_path)
    assert (tmp_path / "secret_key").read_text() != "half"


def test_one_portal_per_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "_held", [])
    address = Address("127.0.0.1", 8000)
    preflight.hold(tmp_path, address)
    with pytest.raises(CannotStart, match=rf"already runs from .* \(process {os.getpid()}, {address.url}\)"):
        preflight.hold(tmp_path, address)
    os.close(preflight.held_lock())
    preflight.hold(tmp_path, address)
    os.close(preflight.held_lock())
