"""The programs that docs/operations.md lists, each started by itself."""

import subprocess
import sys

from tests.running import ROOT, environment_without_ours


def test_the_web_server_needs_no_variable_of_django(tmp_path):
    command = [sys.executable, "-m", "gunicorn", "--check-config", "-c", "portal/gunicorn_conf.py", "portal.wsgi"]
    environment = environment_without_ours() | {"PORTAL_DATA_DIR": str(tmp_path), "SECRET_KEY": "x" * 50}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
