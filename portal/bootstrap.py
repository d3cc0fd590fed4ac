"""Makes `.venv` and installs what requirements.txt pins. Called by `make run` and `make test`.

Uses the standard library alone and the syntax of Python 3.6, so that a machine that lacks
something reads one sentence about it and no stack trace. When nothing changed it only
compares a stamp and returns.
"""

import argparse
import hashlib
import importlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = ".installed"
MIN_PYTHON = (3, 11)
MIN_SQLITE = (3, 31)  # what Django 5.2 asks for


class Unusable(Exception):
    """This machine lacks something; the message says what, and what to do."""


def dotted(version: "tuple[int, ...]") -> str:
    return ".".join(str(part) for part in version)


def check_python(version: "tuple[int, ...]") -> None:
    if version < MIN_PYTHON:
        raise Unusable(
            f"The portal needs Python {dotted(MIN_PYTHON)} or newer, and this is Python {dotted(version)}. "
            "Install a newer one and name it: make run PYTHON=python3.12"
        )


def check_modules() -> None:
    """What distributions split off into packages of their own."""
    try:
        sqlite3 = importlib.import_module("sqlite3")
    except ImportError:
        raise Unusable(
            "This Python has no sqlite3 module. Install SQLite (if you built Python yourself: its development "
            "files, then build again), or name another Python: make run PYTHON=/usr/bin/python3"
        ) from None
    if sqlite3.sqlite_version_info < MIN_SQLITE:
        raise Unusable(
            f"The portal needs SQLite {dotted(MIN_SQLITE)} or newer, and this Python has {sqlite3.sqlite_version}. "
            "Name another Python: make run PYTHON=/path/to/python3"
        )
    try:
        importlib.import_module("venv")
        importlib.import_module("ensurepip")
    except ImportError:
        raise Unusable(
            "This Python cannot make virtual environments: its venv or ensurepip module is missing. "
            "On Debian and Ubuntu: apt install python3-venv"
        ) from None


def fingerprint(path: Path) -> str:
    return f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.name}"


def run(command: "list[str]", failed: str) -> None:
    try:
        code = subprocess.call(command, cwd=str(ROOT))
    except OSError as error:
        raise Unusable(f"{failed} ({error.strerror})") from None
    if code:
        raise Unusable(failed)


def install(venv: Path, lists: "list[Path]") -> bool:
    """Brings `venv` to what `lists` pin. Returns False when it already was there."""
    wanted = [fingerprint(path) for path in lists]
    python, stamp = venv / "bin" / "python", venv / STAMP
    if python.exists() and stamp.exists() and set(wanted) <= set(stamp.read_text().splitlines()):
        return False
    check_modules()
    if not python.exists():  # never made, or its Python was removed from the machine
        print(f"Making the virtual environment in {venv} ...", flush=True)
        run(
            [sys.executable, "-m", "venv", "--clear", str(venv)],
            "The virtual environment could not be made; the reason stands above.",
        )
    if stamp.exists():
        stamp.unlink()  # an install that breaks off half-way is not up to date
    print("Installing Python packages (only when their list changed) ...", flush=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    for path in lists:
        command += ["--requirement", str(path)]
    run(
        command,
        "The Python packages could not be installed; the reason stands above. The package index must be "
        "reachable: check the network, or set PIP_INDEX_URL to your mirror. Then run make again.",
    )
    stamp.write_text("\n".join(wanted) + "\n")
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dev", action="store_true", help="also install what the tests need")
    options = parser.parse_args()
    names = ["requirements.txt"] + (["requirements-dev.txt"] if options.dev else [])
    try:
        check_python(sys.version_info[:3])
        install(VENV, [ROOT / name for name in names])
    except Unusable as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped. Run make again to go on.")


if __name__ == "__main__":
    main()
