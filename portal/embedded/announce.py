"""Prints the portal's address once it answers there, not before.

`python -m portal.embedded.announce <url>`. Standard library alone.
"""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request

PATIENCE_SECONDS = 60
PAUSE_SECONDS = 0.1


def answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is this machine: no proxy
    try:
        with opener.open(f"{url}healthz", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def wait_for(url: str, patience: float = PATIENCE_SECONDS) -> bool:
    """Whether the portal answered within `patience` seconds."""
    deadline = time.monotonic() + patience
    while not answers(url):
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE_SECONDS)
    return True


def main() -> None:
    url = sys.argv[1]
    if not wait_for(url):
        sys.exit(f"The portal does not answer at {url} yet. The lines above say why.")
    sys.stdout.write(f"Portal: {url}\n")


if __name__ == "__main__":
    main()
