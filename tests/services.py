"""What a test needs beside Python: skipped with a reason where it is missing, a failure in CI."""

import os
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """End the test: skip it, or fail it where REQUIRE_SERVICES=1 says that everything must be there."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(f"REQUIRE_SERVICES=1, but {reason}", pytrace=False)
    pytest.skip(reason)


def require(name: str, available: bool, why: str) -> None:
    """Go on only where the service is available."""
    if not available:
        missing(f"{name} is not available: {why}")
