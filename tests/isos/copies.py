"""What the tests of copies share: zones of every kind, a Ready ISO in one, and ways to damage it."""

import os
from contextlib import suppress
from pathlib import Path

from django.db import transaction

from isos.models import Iso, Operation, Replica
from isos.operations.verifying import make_ready
from isos.states import ReplicaState
from isos.streaming import Content
from quotas.models import Reservation
from tests import s3
from tests.conftest import make_file_zone
from tests.contracts.kits import Spec
from tests.isos.conftest import run_all, send
from zones.models import Zone
from zones.stores import open_store

S3_BACKEND = "storages.backends.s3.S3Storage"
ANY_BACKEND = "tests.contracts.backends.PlainStorage"


def s3_zone(slug, server, **fields):
    """A zone in a place of its own of the tests' S3 server."""
    options = {
        "bucket_name": "copies",
        "location": f"{slug}-{os.urandom(6).hex()}",
        "endpoint_url": server.endpoint_url,
        "region_name": "us-east-1",
        "addressing_style": "path",
        "access_key": server.access_key,
        "secret_key": server.secret_key,
    }
    spec = Spec(S3_BACKEND, options)
    with suppress(s3.client(spec).exceptions.BucketAlreadyOwnedByYou):
        s3.client(spec).create_bucket(Bucket="copies")
    return Zone.objects.create(slug=slug, name=slug, backend=S3_BACKEND, options=options, **fields)


def any_zone(slug, root, **fields):
    root.mkdir(parents=True)
    return Zone.objects.create(slug=slug, name=slug, backend=ANY_BACKEND, options={"location": str(root)}, **fields)


def make_zone(kind, slug, tmp_path, request):
    """A zone of this kind: files, s3 or any."""
    if kind == "s3":
        return s3_zone(slug, request.getfixturevalue("s3_server"))
    return (make_file_zone if kind == "files" else any_zone)(slug, tmp_path / slug)


def put_ready(replica, data, digest):
    """Make the replica Ready without a worker."""
    store = open_store(replica.zone)
    staged = store.stage(replica.staging_token, replica.key)
    staged.append(data)
    staged.commit()
    with transaction.atomic():
        Replica.objects.filter(pk=replica.pk).update(state=ReplicaState.VERIFYING)
        make_ready(replica, Content(len(data), digest))


def uploaded(start, data, zone, name="Image"):
    """An ISO that came by upload and is Ready in `zone`."""
    upload = start(len(data), name=name, zone=zone)
    send(upload, data)
    run_all()
    return Iso.objects.get(pk=upload.replica.iso_id)


def replica_in(iso, zone):
    return Replica.objects.select_related("iso__account", "zone").get(iso=iso, zone=zone)


def content(replica):
    with open_store(replica.zone).open(replica.key) as stored:
        return stored.read()


def path_of(replica):
    """The file of a replica in a zone on a directory."""
    return Path(replica.zone.options["location"]) / replica.key


def damage(replica):
    """Change one byte in the middle of the stored file."""
    with path_of(replica).open("r+b") as file:
        file.seek(replica.iso.size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))


def staged_in(zone):
    return list(open_store(zone).list_staged())


def held(replica):
    return Reservation.objects.filter(replica_ref=replica.public_id).values_list("state", "bytes", "source").first()


def operation_of(replica):
    return Operation.objects.filter(replica=replica).latest("id")
