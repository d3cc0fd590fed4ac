"""What a browser can tell about a page: accessibility, overflow, complaints in its console, its looks."""

import os
import re
from pathlib import Path

from django.conf import settings

from tests.services import missing

WIDTHS = (320, 390, 1080, 1440)
LOOKS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]
AXE = settings.BASE_DIR / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def axe_source() -> str:
    """axe-core as installed; ends the test where it is not."""
    if not AXE.exists():
        missing("axe-core is not installed; `python -m portal.assets --dev` does it.")
    return AXE.read_text()


def assert_accessible(page) -> None:
    """No violation of WCAG 2.2 A and AA, nor of axe's best practices."""
    page.evaluate(axe_source())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations', 'incomplete']})")
    assert len(found["passes"]) > 10, "axe did not look at the page"
    wrong = [
        f"{rule['id']} ({rule['impact']}): {rule['help']}\n    {node['html']}\n    {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
    assert not wrong, f"{page.url}:\n" + "\n".join(wrong)


def assert_no_overflow(page, widths=WIDTHS) -> None:
    """Nothing is wider than the window, from the smallest phone to a desk."""
    size = page.viewport_size
    for width in widths:
        page.set_viewport_size({"width": width, "height": size["height"]})
        wide = page.evaluate(
            """() => {
              const limit = document.documentElement.clientWidth;
              if (document.documentElement.scrollWidth <= limit) return [];
              return [...document.body.querySelectorAll("*")]
                .filter((e) => e.getBoundingClientRect().right > limit + 1)
                .map((e) => e.outerHTML.slice(0, 120));
            }"""
        )
        assert not wide, f"{page.url} is too wide at {width} px:\n" + "\n".join(wide[:5])
    page.set_viewport_size(size)


def assert_targets_are_large_enough(page) -> None:
    """What can be pressed is at least 24 px high and wide (WCAG 2.5.8), links inside a sentence apart."""
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, input:not([type=hidden]), select, .btn, nav a")]
          .map((e) => [e.labels?.[0] && /checkbox|radio/.test(e.type) ? e.labels[0] : e, e])
          .filter(([box]) => box.checkVisibility({visibilityProperty: true, opacityProperty: true}))
          .filter(([box]) => box.offsetWidth < 24 || box.offsetHeight < 24)
          .filter(([box, e]) => !/checkbox|radio/.test(e.type ?? "") || box.offsetHeight < 18)
          .map(([box, e]) => `${box.offsetWidth}x${box.offsetHeight} ${e.outerHTML.slice(0, 120)}`)"""
    )
    assert not small, f"{page.url}:\n" + "\n".join(small)


def until(page, expression: str, seconds: float = 10) -> None:
    """Waits for a script's value. Playwright's own wait evaluates inside the page, which the policy forbids."""
    for _ in range(int(seconds * 20)):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{page.url}: never true: {expression}")


def keep_screenshot(page, name: str) -> None:
    """Where SCREENSHOTS names a directory, the page is kept there for people to look at."""
    if folder := os.environ.get("SCREENSHOTS"):
        size = page.viewport_size
        scheme = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'")
        file = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        page.screenshot(path=str(Path(folder) / f"{file}-{size['width']}-{scheme}.png"))


def look(page, name: str) -> None:
    """All that can be said of a page's looks without knowing it."""
    assert_accessible(page)
    assert_targets_are_large_enough(page)
    assert_no_overflow(page)
    keep_screenshot(page, name)
