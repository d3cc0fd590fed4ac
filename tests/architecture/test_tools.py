"""The checks that keep the code as it is meant: run here so that one command says all."""

import subprocess
import sys
from pathlib import Path

import pytest

from portal.environment import BASE_DIR

BIN = Path(sys.executable).parent
TOOLS = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "."],
    "types": ["mypy", "."],
    "imports": ["lint-imports"],
    "migrations": ["python", "manage.py", "makemigrations", "--check", "--dry-run"],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_tool_is_content(tool):
    program, *arguments = TOOLS[tool]
    done = subprocess.run(
        [str(BIN / program), *arguments], cwd=BASE_DIR, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
