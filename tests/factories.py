"""Rows of the library as they are after a while of use, made without running anything."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from isos.models import Iso, Operation, OsVersion, Replica, Upload
from isos.states import OperationState, ReplicaState, UploadState
from quotas.models import Reservation

MB, GB = 1_000_000, 1_000_000_000
PROGRESS = 38  # percent of what is moving
SENTENCE = "This ISO image is incomplete. Download it again, then upload it again."


def make_iso(account, zones, name="", *, user=None, size=700 * MB, idle=False, **fields):
    """An ISO of `account` with one replica per zone: `zones` is `{zone: state}`.

    A receiving replica gets a half-sent upload of `user`, which nobody sends now if `idle`; waiting ones have none.
    """
    ready = ReplicaState.READY in zones.values()
    defaults = {
        "name": name or f"Image {uuid.uuid4().hex[:8]}",
        "created_by": user or account.users.first(),
        "source_name": "image.iso",
        "sha256": "ab" * 32 if ready else "",
        "ready_at": timezone.now() if ready else None,
    }
    iso = Iso.objects.create(account=account, size=size, **(defaults | fields))
    for zone, state in zones.items():
        _replica(iso, zone, ReplicaState(state), idle)
    return iso


def _replica(iso, zone, state, idle):
    failed = state == ReplicaState.FAILED
    replica = Replica.objects.create(
        iso=iso,
        zone=zone,
        state=state,
        verified_at=iso.ready_at if state == ReplicaState.READY else None,
        error_code="truncated" if failed else "",
        error_message=SENTENCE if failed else "",
    )
    if state != ReplicaState.WAITING:
        _upload(replica, idle)
    kinds = {ReplicaState.VERIFYING: Operation.Kind.INGEST, ReplicaState.DELETING: Operation.Kind.DELETE}
    if kind := kinds.get(state):
        _operation(replica, kind)
    if not failed:
        Reservation.objects.create(
            account=iso.account,
            iso_ref=iso.public_id,
            replica_ref=replica.public_id,
            bytes=iso.size,
            source=Reservation.Source.COPY if state == ReplicaState.WAITING else Reservation.Source.UPLOAD,
            state=Reservation.State.USED if state == ReplicaState.READY else Reservation.State.HELD,
        )


def _upload(replica, idle):
    iso, receiving = replica.iso, replica.state == ReplicaState.RECEIVING
    silence = timedelta(minutes=10) if idle else timedelta(0)
    Upload.objects.create(
        replica=replica,
        user=iso.created_by,
        state=UploadState.RECEIVING if receiving else UploadState.FINISHED,
        length=iso.size,
        offset=iso.size * PROGRESS // 100 if receiving else iso.size,
        filename=iso.source_name,
        expires_at=timezone.now() + timedelta(seconds=settings.UPLOAD_EXPIRES_SECONDS) - silence,
    )


def _operation(replica, kind):
    Operation.objects.create(
        replica=replica,
        account=replica.iso.account,
        zone=replica.zone,
        iso_name=replica.iso.name,
        kind=kind,
        state=OperationState.RUNNING,
        phase=Operation.Phase.VERIFYING if kind == Operation.Kind.INGEST else Operation.Phase.DELETING,
        bytes_done=replica.iso.size * PROGRESS // 100,
        bytes_total=replica.iso.size,
    )


def make_version(name, slug, os_type="linux", icon="", **fields):
    """A release that may be picked; a live server's tests begin without those of the migrations."""
    defaults = {"name": name, "os_type": os_type, "icon": icon, **fields}
    return OsVersion.objects.update_or_create(slug=slug, defaults=defaults)[0]


INSPECTION = {
    "volume_label": "Debian 13.1.0 amd64 n",
    "system": "",
    "publisher": "DEBIAN CD",
    "preparer": "XORRISO",
    "application": "",
    "created": "2026-09-06T10:12:00+00:00",
    "volume_size": 700 * MB,
    "file_size": 700 * MB,
    "boot_bios": True,
    "boot_uefi": True,
    "architectures": ["x86_64"],
    "udf": False,
    "hybrid": True,
    "complete": True,
    "suggested_os_type": "linux",
    "suggested_os_version": "debian-13",
    "suggested_os_name": "Debian 13",
}
