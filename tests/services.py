"""Servers and programs that tests use beside the portal: where they are, and what if not.

A test asks for what it needs and goes on with a usable address or path. Where the thing is
absent the test is skipped on a developer's machine, and fails where REQUIRE_SERVICES=1.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import pytest

IPXE_ISO = Path("/usr/lib/ipxe/ipxe.iso")
GRUB_ISO = Path("/usr/lib/grub-rescue/grub-rescue-cdrom.iso")


def required() -> bool:
    return os.environ.get("REQUIRE_SERVICES") == "1"


def missing(reason: str) -> NoReturn:
    """Skips the test, or fails it where every service is required."""
    if required():
        pytest.fail(f"{reason} REQUIRE_SERVICES=1 asks for it.")
    pytest.skip(reason)


def postgres_url() -> str:
    """A server in which this run may make databases."""
    url = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
    return _server(url, "PostgreSQL", 5432)


def redis_url() -> str:
    """A server whose database 15 the tests may use."""
    return _server(os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/15"), "Redis", 6379)


def rabbitmq_url() -> str:
    return _server(os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//"), "RabbitMQ", 5672)


def chromium_path() -> str:
    """A Chromium that Playwright drives; Playwright's own browsers are not downloaded."""
    return _program("Chromium", "chromium", "chromium-browser", "google-chrome")


def qemu_path() -> str:
    return _program("QEMU", "qemu-system-x86_64")


def xorriso_path() -> str:
    return _program("xorriso", "xorriso")


def ipxe_iso() -> Path:
    """A real ISO of about 2 MB that boots by BIOS."""
    return _file("The ISO of the ipxe package", IPXE_ISO)


def grub_iso() -> Path:
    """A real ISO of about 5 MB that boots by BIOS, with files in it."""
    return _file("The ISO of the grub-rescue-pc package", GRUB_ISO)


def _server(url: str, name: str, default_port: int) -> str:
    parts = urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or default_port)
    try:
        socket.create_connection(address, timeout=2).close()
    except OSError:
        missing(f"{name} does not answer at {address[0]}:{address[1]}.")
    return url


def _program(name: str, *candidates: str) -> str:
    for candidate in candidates:
        if path := shutil.which(candidate):
            return path
    missing(f"{name} is not installed.")


def _file(name: str, path: Path) -> Path:
    if not path.exists():
        missing(f"{name} is not at {path}.")
    return path


def main() -> None:
    """`python -m tests.services postgres`: prints the address, or nothing where the server may be absent."""
    name = sys.argv[1]
    try:
        sys.stdout.write({"postgres": postgres_url, "redis": redis_url, "rabbitmq": rabbitmq_url}[name]() + "\n")
    except pytest.skip.Exception as absent:
        sys.stderr.write(f"{absent}\n")
    except pytest.fail.Exception as absent:
        sys.exit(str(absent))


if __name__ == "__main__":
    main()
