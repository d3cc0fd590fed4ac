"""What may be in the repository: our own text, and nothing of one machine or one workplace."""

import re
import subprocess

import pytest

from portal.environment import BASE_DIR

# Installed, never committed. Their names in a path give them away.
THIRD_PARTY = re.compile(
    r"(^|/)(node_modules|vendor|third_party|site-packages|dist|build|\.venv)/|\.min\.(js|css)$|\.(whl|egg|tgz)$"
    r"|(^|/)(htmx|tus|alpine|jquery|bootstrap|uplot|novnc)[\w.-]*\.(js|css)$|\.(woff2?|ttf|otf|iso|img|qcow2)$"
)
# A person's folder or this checkout's place; a registry or an index of packages.
MACHINE_PATH = re.compile(r"/(?:home|Users|work|root)/[\w.-]+")
REGISTRY_HOST = re.compile(
    r"\b(?:registry\.npmjs\.org|registry\.yarnpkg\.com|files\.pythonhosted\.org|pypi\.org/simple|npm\.pkg\.github\.com"
    r"|artifactory|nexus\.)\b|^\s*(?:--index-url|--extra-index-url|--find-links|-i)\s",
    re.MULTILINE,
)
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b")
MAX_BYTES = 300_000


def tracked():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=BASE_DIR, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("This is no git checkout.")
    files = [BASE_DIR / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in files if path.is_file()]


def name(path):
    return path.relative_to(BASE_DIR).as_posix()


def text(path):
    return path.read_text(encoding="utf-8", errors="replace")


def holding(pattern):
    this = "tests/architecture/test_tracked_files.py"
    return [
        f"{name(path)}: {found.group(0)}"
        for path in tracked()
        if name(path) != this and (found := pattern.search(text(path)))
    ]


def test_there_is_something_to_look_at():
    assert len(tracked()) > 50


def test_nothing_of_others_is_committed():
    assert [name(path) for path in tracked() if THIRD_PARTY.search(name(path))] == []


def test_nothing_is_large():
    pictures = (".png", ".jpg", ".webp")
    assert [name(path) for path in tracked() if path.stat().st_size > MAX_BYTES and path.suffix not in pictures] == []


def test_no_path_of_one_machine():
    assert holding(MACHINE_PATH) == []


def test_no_host_of_a_registry():
    assert holding(REGISTRY_HOST) == []


def test_no_credential():
    assert holding(PRIVATE_KEY) == []


def test_the_lock_names_no_registry():
    lock = (BASE_DIR / "package-lock.json").read_text()
    assert '"integrity"' in lock
    assert '"resolved"' not in lock


@pytest.mark.parametrize(
    ("pattern", "bad"),
    [
        (THIRD_PARTY, "static/js/htmx.min.js"),
        (THIRD_PARTY, "static/vendor/thing.js"),
        (THIRD_PARTY, "static/inter.woff2"),
        (MACHINE_PATH, "see /home/someone/portal"),
        (REGISTRY_HOST, "https://registry." + "npmjs.org/htmx"),  # in pieces: this file is looked at too
        (REGISTRY_HOST, "--index-url somewhere"),
        (PRIVATE_KEY, "-----BEGIN RSA PRIVATE KEY-----"),
    ],
)
def test_the_patterns_see_what_they_are_for(pattern, bad):
    assert pattern.search(bad)
