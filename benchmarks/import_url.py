"""1 GiB from a local web server until Ready in a file zone, against curl to a file + SHA-256 of it.

    python -m benchmarks.import_url [--size BYTES] [--rounds N] [--rate BYTES_PER_SECOND] [--total BYTES_PER_SECOND]

The floor fetches with curl, syncs the file (the portal syncs at least as often) and then hashes it
with hashlib, which uses the processor's SHA instructions; coreutils' sha256sum may not, so it is
printed apart. curl reads a few KiB at a time, which is slow where system calls are; so a bare loop
over large buffers is a second, harder floor. Streaming fetches and hashes at once. Goal: at most 1.3
times curl + SHA-256, and a worker whose memory does not grow with the file.

--rate limits what the server gives one connection, --total what it gives all of them together; with
either, IMPORT_CONNECTIONS (from the environment) shows what several connections bring. The server
stands on 127.0.0.2, which this portal's operator allows.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import subprocess
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.memory import MIB, Watch
from benchmarks.portal import running
from benchmarks.serving import ADDRESS, serving
from tests.importing import Importer
from tests.media import big_iso
from tests.running import Portal, free_port
from tests.uploading import wait_until_ready


def by_hashlib(path: Path) -> None:
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")


def by_coreutils(path: Path) -> None:
    subprocess.run(["sha256sum", path], check=True, stdout=subprocess.DEVNULL)


def by_curl(url: str, target: Path) -> None:
    subprocess.run(["curl", "--silent", "--fail", "--output", target, url], check=True)


def by_loop(url: str, target: Path) -> None:
    buffer = memoryview(bytearray(MIB))
    with urllib.request.urlopen(url) as response, target.open("wb", buffering=0) as file:
        while count := response.readinto(buffer):
            file.write(buffer[:count])


def seconds_of(act: Callable[[], None]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def synced(fetch: Callable[[str, Path], None], url: str, target: Path) -> None:
    fetch(url, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def imported(portal: Portal, importer: Importer, name: str, url: str) -> float:
    """Seconds from the action until the replica is Ready."""
    begin = time.perf_counter()
    wait_until_ready(portal, importer.start(name, url))
    return time.perf_counter() - begin


def measure(portal: Portal, importer: Importer, url: str, rounds: int) -> None:
    times: dict[str, list[float]] = {"curl": [], "loop": [], "hashlib": [], "sha256sum": [], "portal": []}
    folder = portal.data_dir.parent
    for number in range(rounds):
        # All stay to the end: on many virtual disks a block that held data before is written twice as fast.
        looped, target = folder / f"loop-{number}", folder / f"curl-{number}"
        times["loop"].append(seconds_of(partial(synced, by_loop, url, looped)))
        times["curl"].append(seconds_of(partial(synced, by_curl, url, target)))
        times["hashlib"].append(seconds_of(partial(by_hashlib, target)))
        times["sha256sum"].append(seconds_of(partial(by_coreutils, target)))
        times["portal"].append(imported(portal, importer, f"round-{number}", url))
        print(f"round {number}: " + ", ".join(f"{name} {values[-1]:.2f} s" for name, values in times.items()))
    median = {name: statistics.median(values) for name, values in times.items()}
    print(f"medians of {rounds}: portal {median['portal']:.2f} s")
    for fetch, goal in (("curl", ", goal 1.3"), ("loop", "")):
        for hashing in ("hashlib", "sha256sum"):
            least = median[fetch] + median[hashing]
            print(f"ratio to {fetch} + fsync + {hashing} ({least:.2f} s): {median['portal'] / least:.2f}{goal}")


def highest_memory(portal: Portal, importer: Importer, name: str, url: str) -> float:
    """MiB that the workers hold for themselves (USS) at most while one import runs."""
    watch = Watch(portal)
    watch.start()
    imported(portal, importer, name, url)
    watch.done.set()
    watch.join()
    return max(sample["worker"] for sample in watch.samples) / MIB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1 << 30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=int, default=0)
    parser.add_argument("--total", type=int, default=0)
    options = parser.parse_args()
    ports = [free_port(), free_port()]
    rules = {"IMPORT_ALLOWED_NETWORKS": f"{ADDRESS}/32", "IMPORT_PORTS": ",".join(map(str, ports))}
    with running(**rules) as portal, Importer(portal) as importer:
        folder = portal.data_dir.parent
        small, image = big_iso(folder / "small.iso", options.size // 4), big_iso(folder / "image.iso", options.size)
        limits = (options.rate, options.total)
        with serving(small, ports[0], *limits) as small_url, serving(image, ports[1], *limits) as url:
            print(f"{options.size / 2**30:.2f} GiB from {urlsplit(url).hostname}")
            for number in range(4):  # both worker processes have run once
                imported(portal, importer, f"warm-up-{number}", small_url)
            measure(portal, importer, url, options.rounds)
            for which, path, address in (("a quarter", small, small_url), ("the whole", image, url)):
                peak = highest_memory(portal, importer, which.replace(" ", "-"), address)
                print(f"workers' highest memory with {which} ({path.stat().st_size / MIB:.0f} MiB): {peak:.1f} MiB")


if __name__ == "__main__":
    main()
