"""The nightly round by real workers, and what operators' commands do to a portal that runs."""

import hashlib
import json
import subprocess
import sys

import pytest

from tests.media import big_iso
from tests.running import ROOT, portal, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]
BEGIN = "from isos.tasks import verify_isos; verify_isos.apply_async(queue='portal.light')"


def manage(running, *words, code=0):
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(command, cwd=ROOT, env=running.environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def test_a_night_heals_what_rotted_and_a_zone_is_emptied_meanwhile(tmp_path):
    image = big_iso(tmp_path / "image.iso", 8 << 20)
    with portal(tmp_path / "data", VERIFY_SHARE="1", SWEEP_SECONDS="1", OPERATION_LEASE_SECONDS="4") as running:
        running.complete()
        for zone in ("zone-a", "zone-b"):
            manage(running, "import_iso", str(image), "--account", "Demo", "--zone", zone)
        [rotten] = (tmp_path / "data/zones/zone-b/isos").rglob("*.iso")
        rotten.write_bytes(rotten.read_bytes()[:-1] + b"!")
        manage(running, "shell", "--no-imports", "-v", "0", "-c", BEGIN)
        running.wait_for_line(r"ERROR isos\.operations\.rehash: replica .* in zone zone-b is damaged\.")
        wait_until(lambda: sha256(rotten) == sha256(image), "the replica is as it was", 60)
        drained = json.loads(manage(running, "zones", "drain", "zone-a", "--wait", "--delete", "--format", "json"))
        assert (drained["done"], drained["stuck"]) == (True, [])
        assert not list((tmp_path / "data/zones/zone-a/isos").rglob("*.iso"))
        assert sha256(rotten) == sha256(image)
