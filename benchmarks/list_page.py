"""The list page with 25 rows of 10,000 ISOs in 3 zones each, beside a bare SELECT of the same rows.

    python -m benchmarks.list_page [--isos N] [--rounds N]

Runs inside one process: no network, no browser. Prints medians of CPU and of wall time, the
number of queries, and how the page grows from a hundredth of the rows to all of them.
Uses DATABASE_URL where it is set (a database that may be filled), else SQLite in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


def measure(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Medians of wall and CPU milliseconds."""
    walls, cpus = [], []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append((time.perf_counter() - wall) * 1000)
        cpus.append((time.process_time() - cpu) * 1000)
    return statistics.median(walls), statistics.median(cpus)


def fill(account: object, user: object, zones: list[object], count: int) -> None:
    """ISOs that are Ready in every zone, and their quota."""
    from isos.models import Iso, Replica
    from quotas.models import Reservation

    have = Iso.objects.count()
    isos = Iso.objects.bulk_create(
        [
            Iso(account=account, created_by=user, name=f"Image {number:06}", size=700_000_000 + number, os_type="linux")
            for number in range(have, count)
        ],
        batch_size=1000,
    )
    replicas = [Replica(iso=iso, zone=zone, state="ready") for iso in isos for zone in zones]
    Replica.objects.bulk_create(replicas, batch_size=1000)
    Reservation.objects.bulk_create(
        [
            Reservation(
                account=account, iso_ref=replica.iso.public_id, replica_ref=replica.public_id, bytes=replica.iso.size,
                source="upload", state="used",
            )
            for replica in replicas
        ],
        batch_size=1000,
    )  # fmt: skip


def bare_rows(account_id: int) -> list[object]:
    """The same rows by two plain statements, without models."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, name, size FROM isos_iso WHERE account_id = %s ORDER BY created_at DESC, id DESC LIMIT 25",
            [account_id],
        )
        isos = cursor.fetchall()
        marks = ", ".join(["%s"] * len(isos))
        cursor.execute(
            "SELECT r.iso_id, r.state, z.name FROM isos_replica r JOIN zones_zone z ON z.id = r.zone_id"
            f" WHERE r.iso_id IN ({marks})",
            [row[0] for row in isos],
        )
        return [isos, cursor.fetchall()]


def report(count: int, rounds: int) -> float:
    from django.db import connection
    from django.test import Client

    from portal.accounts.models import Account, User
    from zones.models import Zone

    account, _ = Account.objects.get_or_create(name="Benchmark")
    user, _ = User.objects.get_or_create(username="benchmark", account=account)
    zones = [Zone.objects.get_or_create(slug=f"zone-{n}", name=f"zone-{n}")[0] for n in range(3)]
    fill(account, user, zones, count)
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    def page() -> None:
        response = client.get("/isos/")
        assert response.status_code == 200
        assert response.content.count(b"data-iso-id") == 25

    page()
    queries: list[tuple[float, str]] = []

    def timed(execute: Callable[..., object], sql: str, *rest: object) -> object:
        begin = time.perf_counter()
        result = execute(sql, *rest)
        queries.append(((time.perf_counter() - begin) * 1000, sql))
        return result

    with connection.execute_wrapper(timed):
        page()
    if os.environ.get("SHOW_SQL"):
        for milliseconds, sql in queries:
            print(f"  {milliseconds:6.2f} ms  {sql[:300]}")
    bare_wall, bare_cpu = measure(lambda: bare_rows(account.pk), rounds)
    wall, cpu = measure(page, rounds)
    print(f"{count} ISOs: page {wall:.1f} ms ({cpu:.1f} ms CPU), {len(queries)} queries;"
          f" bare SELECT {bare_wall:.2f} ms ({bare_cpu:.2f} ms CPU); ratio {wall / bare_wall:.0f}")  # fmt: skip
    return wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--isos", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        assets = Path(__file__).resolve().parent.parent / "var" / "assets"
        os.environ |= {"PORTAL_TEST_DIR": folder, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        if "DATABASE_URL" not in os.environ:
            os.environ["DATABASE_URL"] = f"sqlite:///{folder}/portal.sqlite3"
        assert assets.is_dir(), "run `make test` or `make run` once: the front-end parts are missing"
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        few = report(options.isos // 100, options.rounds)
        many = report(options.isos, options.rounds)
        print(f"growth with a hundred times the rows: {many / few:.2f}")


if __name__ == "__main__":
    main()
