"""What must hold before the settings are read and anything is started.

Each thing that can be wrong ends the start with one sentence. Standard library alone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from portal import assets
from portal.environment import UnreadableFile, data_dir, environment

DEFAULT_BIND = "127.0.0.1:8000"
SECRET_KEY_FILE = "secret_key"  # noqa: S105  a file's name
LOCK_FILE = "up.lock"
_held: list[int] = []  # the lock's descriptor, once this process has it


class CannotStart(Exception):
    """The portal can't start; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Address:
    """Where the web server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """What a person on this machine opens."""
        loopback = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared, not bound
        host = loopback.get(self.host, self.host)
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_bind(text: str) -> Address:
    """`127.0.0.1:8000`, `[::1]:8000`, `localhost:8000` or `:8000` (all addresses)."""
    host, colon, port = text.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536 or (":" in host and not bracketed):
        raise CannotStart(f'PORTAL_BIND is "{text}"; write an address and a port, for example {DEFAULT_BIND}.')
    return Address(host.strip("[]") or "0.0.0.0", int(port))  # noqa: S104  what an empty host means


def prepare() -> None:
    """Runs every check and makes what must be there before Django's settings load."""
    try:
        folder = data_dir()
        check_writable(folder)
        address = parse_bind(environment.get("PORTAL_BIND") or DEFAULT_BIND)
        hold(folder, address)
        check_free(address)
        if not environment.get("SECRET_KEY"):
            make_secret_key(folder)
        # From here on every process must mean the same folder, wherever it runs.
        os.environ["PORTAL_DATA_DIR"] = str(folder)
        os.environ.pop("PORTAL_DATA_DIR_FILE", None)
        assets.install(folder / "assets")
    except (UnreadableFile, assets.AssetsMissing) as error:
        raise CannotStart(str(error)) from None


def check_writable(folder: Path) -> None:
    """Makes the data folder and writes into it once."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CannotStart(
            f"The data folder {folder} is not writable: {error.strerror}. "
            "Give this user the right to write there, or set PORTAL_DATA_DIR to another folder."
        ) from None


def hold(folder: Path, address: Address) -> None:
    """One portal per data folder: locked until this process, and what it turns into, ends."""
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 200).decode(errors="replace").strip()
        os.close(descriptor)
        raise CannotStart(
            f"The portal already runs from {folder} ({holder or 'it is just starting'}). "
            "Stop it first, or set PORTAL_DATA_DIR and PORTAL_BIND to start a second one."
        ) from None
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()}, {address.url}\n".encode(), 0)
    _held.append(descriptor)


def held_lock() -> int | None:
    """The descriptor that holds the lock, to be kept open by whatever this process turns into."""
    return _held[-1] if _held else None


def check_free(address: Address) -> None:
    """Binds the address once, as the web server will."""
    try:
        family, kind, protocol, _, name = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(name)
            probe.listen(1)
    except OSError as error:
        raise CannotStart(f"{_why_not(address, error)} For example: PORTAL_BIND=127.0.0.1:8001 make run") from None


def _why_not(address: Address, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{address} is already in use. Stop the program that listens there, or set PORTAL_BIND to a free one."
    if error.errno == errno.EACCES:
        return f"This user may not listen on {address}. Set PORTAL_BIND to a port from 1024 up."
    return f"This machine can't listen on {address} ({error.strerror}). Set PORTAL_BIND to one of its addresses."


def make_secret_key(folder: Path) -> None:
    """Generates the key that signs sessions and encrypts zone secrets, for the owner's eyes only."""
    path = folder / SECRET_KEY_FILE
    if path.exists():
        return
    draft = folder / f".{SECRET_KEY_FILE}"
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(64) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)  # whole or absent, also when the power fails
