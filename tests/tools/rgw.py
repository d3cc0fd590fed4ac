"""A real S3 server for tests: Ceph's RADOS Gateway on 127.0.0.1, all of it in memory.

    python -m tests.tools.rgw           runs one until Ctrl-C and prints how to reach it

The Debian packages are unpacked, not installed, into RGW_HOME (default ~/.cache/rgw); no root
is needed. One monitor, one object store daemon on memstore and one gateway make up the smallest
cluster there is. It lives exactly as long as somebody holds a shared lock on its `users` file.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template

PACKAGES = """
    radosgw ceph-mon ceph-osd ceph-base ceph-common librados2 librbd1 libradosstriper1 librgw2
    python3-rados python3-ceph-argparse python3-ceph-common python3-prettytable python3-wcwidth
    libboost-thread1.74.0 libboost-context1.74.0 libfmt9 libibverbs1 librdmacm1 libnl-3-200
    libnl-route-3-200 libtcmalloc-minimal4 libgoogle-perftools4 liblua5.3-0 liboath0 librabbitmq4
    libaio1 libsnappy1v5 libleveldb1d libdaxctl1 libndctl6 libpmem1 libfuse2
"""
READY_SECONDS = 90
STORE_BYTES = 4 << 30
PR_SET_PDEATHSIG = 1

CONFIGURATION = Template("""\
[global]
fsid = $fsid
mon_host = v2:127.0.0.1:$mon_port
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
run_dir = $run
admin_socket = $sockets/$$name.asok
log_file = $run/$$name.log
crash_dir = $run
plugin_dir = $libraries/ceph
erasure_code_dir = $libraries/ceph/erasure-code
osd_class_dir = $libraries/rados-classes
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
paxos_propose_interval = 0.05
paxos_min_wait = 0.01

[mon.a]
mon_data = $run/mon
mon_data_avail_crit = 1
mon_cluster_log_file = $run/cluster.log

[osd.0]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
osd_data = $run/osd
osd_journal = $run/osd/journal
osd_objectstore = $store
memstore_device_bytes = $store_bytes
bluestore_block_size = $store_bytes
bluestore_fsck_on_mkfs = false
osd_memory_target = 1073741824

[client.rgw.a]
rgw_data = $run
rgw_frontends = beast endpoint=127.0.0.1:$s3_port tcp_nodelay=1
rgw_thread_pool_size = 64
rgw_gc_obj_min_wait = 5
rgw_gc_processor_period = 10
rgw_user_quota_bucket_sync_interval = 0
rgw_bucket_quota_ttl = 0
""")


class RgwUnavailable(Exception):
    """The server can't be run on this machine; the text says why."""


@dataclass(frozen=True)
class S3Server:
    """Where the server is and how to get in."""

    endpoint_url: str
    access_key: str
    secret_key: str
    run: str
    root: str

    def user(self, name: str, *, max_bytes: int | None = None) -> tuple[str, str]:
        """Make a user, with a quota if wanted, and give its access and secret key."""
        keys = f"{name}-access", f"{name}-secret-{uuid.uuid4().hex}"
        admin = Daemons(Path(self.root), Path(self.run))
        admin.make_user(name, *keys)
        if max_bytes is not None:
            quota = ("--uid", name, "--quota-scope", "user")
            admin.run("radosgw-admin", "quota", "set", *quota, "--max-size", str(max_bytes))
            admin.run("radosgw-admin", "quota", "enable", *quota)
        return keys


class Daemons:
    """The programs of the cluster, run from the unpacked packages."""

    def __init__(self, root: Path, run: Path) -> None:
        self.root = root
        self.run_dir = run
        self.libraries = root / "usr/lib/x86_64-linux-gnu"
        self._started: list[subprocess.Popen[bytes]] = []

    def _environment(self) -> Mapping[str, str]:
        return {
            **os.environ,
            "PATH": f"{self.root}/usr/bin:{os.environ['PATH']}",
            "LD_LIBRARY_PATH": f"{self.libraries}:{self.libraries}/ceph:{self.root}/lib/x86_64-linux-gnu",
            "PYTHONPATH": f"{self.root}/usr/lib/python3/dist-packages",
            "CEPH_CONF": str(self.run_dir / "ceph.conf"),
        }

    def run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._path(program), *arguments], env=self._environment(), capture_output=True, text=True, timeout=120
        )
        if done.returncode:
            raise RgwUnavailable(f"{Path(program).name} failed: {done.stderr.strip()[-400:]}")

    def start(self, program: str, *arguments: str) -> None:
        with (self.run_dir / f"{program}.out").open("ab") as output:
            daemon = subprocess.Popen(
                [self._path(program), *arguments],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_die_with_parent,
            )
        self._started.append(daemon)

    def _path(self, program: str) -> str:
        return program if program.startswith("/") else str(self.root / "usr/bin" / program)

    def make_user(self, name: str, access: str, secret: str) -> None:
        keys = ("--access-key", access, "--secret-key", secret)
        self.run("radosgw-admin", "user", "create", "--uid", name, "--display-name", name, *keys)

    def check_alive(self) -> None:
        for daemon in self._started:
            if daemon.poll() is not None:
                raise RgwUnavailable(f"{daemon.args[0]} ended early; see {self.run_dir}")  # type: ignore[index]

    def stop(self) -> None:
        for daemon in reversed(self._started):  # memory only: there is nothing to write down
            daemon.kill()
            daemon.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def home() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("RGW_HOME") or Path(cache) / "rgw")


def install() -> Path:
    """The directory of the unpacked packages, downloaded through apt at the first call."""
    root = home() / "root"
    if (root / "usr/bin/radosgw").exists():
        return root
    for program in ("apt-get", "dpkg-deb"):
        if not shutil.which(program):
            raise RgwUnavailable(f"{program} is needed to fetch it")
    home().mkdir(parents=True, exist_ok=True)
    with (home() / "lock").open("w") as lock, tempfile.TemporaryDirectory(dir=home()) as work:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (root / "usr/bin/radosgw").exists():
            return root
        _unpack(Path(work), root)
    return root


def _unpack(work: Path, root: Path) -> None:
    """Into a directory beside it first, so that an interrupted call leaves no half of it."""
    command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=", "download", *PACKAGES.split()]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    if done.returncode:
        raise RgwUnavailable(f"its packages can't be fetched (try apt-get update): {done.stderr.strip()[-300:]}")
    unpacked = work / "root"
    unpacked.mkdir()
    for package in sorted(work.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(package), str(unpacked)], check=True)
    shutil.rmtree(root, ignore_errors=True)
    unpacked.rename(root)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def cluster(run: Path, *, store: str = "memstore", store_bytes: int = STORE_BYTES) -> Iterator[S3Server]:
    """A fresh empty server with its files in `run`; with `store="bluestore"` on the disk and not in memory."""
    root = install()
    shutil.rmtree(run, ignore_errors=True)
    for name in ("mon", "osd"):
        (run / name).mkdir(parents=True)
    daemons = Daemons(root, run)
    # A UNIX socket's path has room for 107 characters only.
    with tempfile.TemporaryDirectory(prefix="rgw-") as sockets:
        try:
            yield _start(daemons, Path(sockets), store, store_bytes)
        finally:
            daemons.stop()


def _start(daemons: Daemons, sockets: Path, store: str, store_bytes: int) -> S3Server:
    run, fsid, mon_port, s3_port = daemons.run_dir, str(uuid.uuid4()), free_port(), free_port()
    (run / "ceph.conf").write_text(
        CONFIGURATION.substitute(
            fsid=fsid,
            run=run,
            sockets=sockets,
            libraries=daemons.libraries,
            mon_port=mon_port,
            s3_port=s3_port,
            store=store,
            store_bytes=store_bytes,
        )
    )
    _start_monitor(daemons, fsid, mon_port)
    _start_object_store(daemons)
    server = S3Server(
        f"http://127.0.0.1:{s3_port}", "test-access", f"test-secret-{uuid.uuid4().hex}", str(run), str(daemons.root)
    )
    daemons.make_user("test", server.access_key, server.secret_key)
    daemons.start("radosgw", "-f", "-n", "client.rgw.a")
    _wait_until_it_answers(daemons, server.endpoint_url)
    return server


def _start_monitor(daemons: Daemons, fsid: str, port: int) -> None:
    run = daemons.run_dir
    daemons.run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{port}]", str(run / "monmap"))
    daemons.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", str(run / "monmap"), "--keyring", "/dev/null")
    (run / "mon/keyring").touch()
    daemons.start("ceph-mon", "-f", "-i", "a")


def _start_object_store(daemons: Daemons) -> None:
    osd = str(uuid.uuid4())
    ceph = str(daemons.root / "usr/bin/ceph")
    # The packages' Python modules are built for the system's own interpreter.
    daemons.run("/usr/bin/python3", ceph, "--connect-timeout", "20", "osd", "new", osd)  # becomes osd.0
    daemons.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
    daemons.start("ceph-osd", "-f", "-i", "0")


def _wait_until_it_answers(daemons: Daemons, url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        daemons.check_alive()
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError as answer:
            answer.close()
            return
        except OSError:
            time.sleep(0.1)
    raise RgwUnavailable(f"it did not answer within {READY_SECONDS} s; see {daemons.run_dir}")


@contextmanager
def shared_server(directory: Path) -> Iterator[S3Server]:
    """One server for all processes that name the same directory; it ends with the last of them."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "users").open("w") as users:
        with (directory / "starting").open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)  # waits while a server that nobody used any more is ending
            if not (directory / "server.json").exists():
                _launch(directory)
        yield S3Server(**json.loads((directory / "server.json").read_text()))


def _launch(directory: Path) -> None:
    """Start the keeper, and wait for its word."""
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tests.tools.rgw", "--keep", str(directory)],
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert keeper.stdout
    with keeper.stdout:
        word = keeper.stdout.readline().strip()
    keeper.returncode = 0  # it outlives this process on purpose: not ours to wait for
    if word != "ready":
        raise RgwUnavailable(word or "its keeper ended early")


def keep(directory: Path) -> None:
    """Run the server until nobody holds the `users` file any more, killed processes included."""
    state = directory / "server.json"
    try:
        with cluster(directory / "run") as server, (directory / "users").open("w") as users:
            state.write_text(json.dumps(asdict(server)))
            print("ready", flush=True)
            fcntl.flock(users, fcntl.LOCK_EX)
            state.unlink()
    except RgwUnavailable as error:
        print(error, flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--keep"]:
        keep(Path(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory(prefix="rgw-run-") as run, cluster(Path(run) / "run") as server:
        print(json.dumps(asdict(server), indent=2), flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
