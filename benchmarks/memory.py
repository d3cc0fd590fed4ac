"""Memory of web and worker while 4 GiB travel, against their idle memory.

    python -m benchmarks.memory [--size BYTES]

Prints the unique set size (USS: what ending the process would give back) of each process:
idle, after a small upload, then the highest while the upload and its verification run.
Goal: at most 40 MiB above idle for web and worker each, and flat.
"""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path

import psutil

from benchmarks.portal import client, running
from tests.media import big_iso
from tests.running import Portal

MIB = 1 << 20
EVERY_SECONDS = 0.1


def memory(portal: Portal) -> dict[str, int]:
    """USS in bytes of all web and all worker processes."""
    sums = {"web": 0, "worker": 0}
    for process in portal.children():
        command = process.cmdline()
        role = "web" if "gunicorn" in command else "worker" if "worker" in command else None
        if role:
            sums[role] += process.memory_full_info().uss
    return sums


class Watch(threading.Thread):
    """Samples until told to stop."""

    def __init__(self, portal: Portal) -> None:
        super().__init__(daemon=True)
        self.portal = portal
        self.samples: list[dict[str, int]] = []
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(EVERY_SECONDS):
            try:
                self.samples.append(memory(self.portal))
            except psutil.NoSuchProcess:
                continue


def watched_upload(portal: Portal, image: Path, name: str) -> list[dict[str, int]]:
    watch = Watch(portal)
    watch.start()
    with client(portal) as user:
        user.upload(image, name)
    watch.done.set()
    watch.join()
    return watch.samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=4 << 30)
    options = parser.parse_args()
    with running() as portal:
        small = big_iso(portal.data_dir.parent / "small.iso", 8 * MIB)
        for number in range(4):  # both worker processes and several threads have run once
            with client(portal) as user:
                user.upload(small, f"warm-up {number}")
        time.sleep(3)
        idle = memory(portal)
        image = big_iso(portal.data_dir.parent / "image.iso", options.size)
        samples = watched_upload(portal, image, "big")
        for role in idle:
            values = [sample[role] for sample in samples]
            quarter = max(1, len(values) // 4)
            highest = [max(values[n * quarter : (n + 1) * quarter] or [0]) for n in range(4)]
            above = (max(values) - idle[role]) / MIB
            quarters = ", ".join(f"{value / MIB:.0f}" for value in highest)
            print(f"{role}: idle {idle[role] / MIB:.0f} MiB, highest {above:+.1f} MiB (goal: at most +40)")
            print(f"  highest in each quarter of the time: {quarters} MiB")


if __name__ == "__main__":
    main()
