"""Pages that must keep up with the code."""

import re

import pytest

from portal.environment import BASE_DIR

# env.str("NAME"...), environment.get("NAME"), environment["NAME"]: every way the settings read one.
READ = re.compile(r"""\benv(?:ironment)?(?:\.\w+\(|\[)\s*["']([A-Z][A-Z0-9_]+)["']""")
READERS = ["portal/settings.py", "portal/environment.py", "portal/embedded/preflight.py"]
PASSWORDS = {"PORTAL_ADMIN_PASSWORD", "PORTAL_DEMO_PASSWORD"}


def variables():
    return {name for reader in READERS for name in READ.findall((BASE_DIR / reader).read_text())} | PASSWORDS


def documented():
    table = (BASE_DIR / "docs" / "operations.md").read_text()
    return set(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", table, re.MULTILINE))


def test_some_variables_are_found():
    assert {"SECRET_KEY", "DATABASE_URL", "PORTAL_DATA_DIR", "PORTAL_BIND", "LOG_LEVEL"} <= variables()
    assert len(variables()) > 20


def test_every_variable_is_documented():
    assert variables() - documented() == set()


def test_no_variable_is_documented_that_nothing_reads():
    assert documented() - variables() == set()


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CHANGELOG.md",
        *sorted(p.relative_to(BASE_DIR).as_posix() for p in (BASE_DIR / "docs").rglob("*.md")),
    ],
)
def test_links_between_pages_lead_somewhere(page):
    path = BASE_DIR / page
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", path.read_text())
    # The picture in the README is drawn from a running portal and comes with a release.
    missing = [link for link in links if not (path.parent / link).exists() and not link.startswith("docs/images/")]
    assert missing == []
