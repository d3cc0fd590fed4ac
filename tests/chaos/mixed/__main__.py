"""The long run: `python -m tests.chaos.mixed --minutes 20 --seed 7 [--json report.json]`."""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """0 where the verdict is good, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.mixed", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20, help="how long the load and the disturbances last")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="decides who does what when")
    parser.add_argument("--gap", type=float, default=2.5, help="seconds between two disturbances, about")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the report is written as JSON too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-settings-") as folder:
        os.environ["PORTAL_TEST_DIR"] = folder
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
        import django

        django.setup()
        from tests.chaos.mixed.run import run

        report = run(given.seed, given.minutes * 60, gap_seconds=given.gap)
    if given.json:
        given.json.write_text(report.as_json())
    print(report.as_text())
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
