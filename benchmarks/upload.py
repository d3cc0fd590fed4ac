"""1 GiB by tus in 64 MiB requests until Ready in a file zone, against cp + SHA-256 of the same file.

    python -m benchmarks.upload [--size BYTES] [--rounds N]

One floor copies and syncs as the portal does (every 64 MiB), the other is plain cp, which
leaves the syncing to the kernel. Both then hash the copy with hashlib, which uses the
processor's SHA instructions (coreutils' sha256sum may not, and would be an easy floor).
Goal: at most 2 times the first.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.portal import client, running
from tests.media import big_iso
from tests.uploading import REQUEST_BYTES


def synced_copy(source: Path, target: Path) -> None:
    with source.open("rb") as reader, target.open("wb") as writer:
        while os.sendfile(writer.fileno(), reader.fileno(), None, REQUEST_BYTES):
            os.fdatasync(writer.fileno())


def cp(source: Path, target: Path) -> None:
    subprocess.run(["cp", "--reflink=never", source, target], check=True)


def floor(copy: Callable[[Path, Path], None], source: Path) -> float:
    """Seconds of copying and then hashing the copy."""
    target = source.with_name("copy")
    begin = time.perf_counter()
    copy(source, target)
    with target.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    elapsed = time.perf_counter() - begin
    target.unlink()
    return elapsed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1 << 30)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with running() as portal, client(portal) as user:
        image = big_iso(portal.data_dir.parent / "image.iso", options.size)
        user.upload(image, "warm-up")
        synced, plain, uploads = [], [], []
        for number in range(options.rounds):
            synced.append(floor(synced_copy, image))
            plain.append(floor(cp, image))
            uploads.append(user.upload(image, f"round {number}"))
            print(f"round {number}: synced {synced[-1]:.2f} s, cp {plain[-1]:.2f} s, portal {uploads[-1]:.2f} s")
    portal_time, synced_time, plain_time = map(statistics.median, (uploads, synced, plain))
    print(f"medians of {options.rounds} at {options.size / 2**30:.2f} GiB: portal {portal_time:.2f} s")
    print(f"ratio to copy with the same syncs + SHA-256 ({synced_time:.2f} s): {portal_time / synced_time:.2f}, goal 2")
    print(f"ratio to cp + SHA-256, nothing synced ({plain_time:.2f} s): {portal_time / plain_time:.2f}")


if __name__ == "__main__":
    main()
