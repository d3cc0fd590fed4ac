"""The same for files of this machine: what is half sent is gone on with, what was written again is looked at."""

from __future__ import annotations

from dataclasses import replace

from isos import local_files
from isos.actions.delete_from_zones import cancel
from isos.actions.import_once import (
    Begun,
    How,
    ImportRequest,
    begun_before,
    deleting,
    is_ready,
    name_from,
    new_iso,
    ours,
    replicas_in,
    require_same,
    retried,
    taken,
)
from isos.actions.replace_file import replace_file
from isos.actions.start_upload import start_upload
from isos.audit import Actor
from isos.errors import NameTaken
from isos.local_files import LocalFile, Progress
from isos.models import Iso, Replica, Upload
from isos.os_suggestions import Traits
from isos.states import ReplicaState, UploadState
from portal.kernel.errors import Conflict


def import_path_once(request: ImportRequest, file: LocalFile, progress: Progress) -> Begun:
    """Open an upload for a file of this machine, unless that was asked for before.

    `progress` hears of it where the file has to be read first. Raises PortalErrors, leaving
    nothing behind.
    """
    if before := _before(request, file, progress):
        return before
    name = request.name or name_from(file.name)
    if other := _of_name(request, name):
        return _other_version(request, file, other, progress)
    sha256 = local_files.expected_sha256(file, request.checksum, request.base, progress)
    traits = Traits(file.volume.label, volume_size=file.volume.size, file_name=file.name)
    new = replace(new_iso(request, file.name, traits), source_key=file.key, expected_sha256=sha256)
    try:
        upload = start_upload(Actor(operates_for=request.account), new, size=file.size, fingerprint=file.key)
    except NameTaken:
        if before := _before(request, file, progress):  # another run was quicker
            return before
        raise taken(new.name) from None
    return Begun(upload.replica, How.STARTED, upload)


def _before(request: ImportRequest, file: LocalFile, progress: Progress) -> Begun | None:
    return begun_before(
        request,
        [file.key],
        lambda request, replica: _take_up_path(request, file, replica, progress),
        lambda: local_files.expected_sha256(file, request.checksum, request.base, progress),
    )


def _of_name(request: ImportRequest, name: str) -> Replica | None:
    """The replica in the zone whose ISO has the name already. Raises NameTaken where it has none there."""
    iso = Iso.objects.filter(account=request.account, name__iexact=name).first()
    replica = replicas_in(request).filter(iso=iso).first() if iso else None
    if iso is not None and replica is None:
        raise taken(iso.name)
    return replica


def _take_up_path(request: ImportRequest, file: LocalFile, replica: Replica, progress: Progress) -> Begun:
    if replica.state == ReplicaState.DELETING:
        raise deleting(replica)
    if is_ready(replica):
        sha256 = local_files.expected_sha256(file, request.checksum, request.base, progress)
        require_same(replica.iso, sha256)
        return Begun(replica, How.THERE)
    if replica.state != ReplicaState.FAILED:
        return Begun(replica, How.JOINED, ours(replica))
    sha256 = local_files.expected_sha256(file, request.checksum, request.base, progress)
    Iso.objects.filter(pk=replica.iso_id, ready_at=None).update(expected_sha256=sha256)
    return retried(request, replica)


def _other_version(request: ImportRequest, file: LocalFile, replica: Replica, progress: Progress) -> Begun:
    """The name is taken, but not by this file as it is now: perhaps by the same image all the same, or its remains."""
    iso = replica.iso
    if iso.source_key == file.key:  # another run began it while we looked
        return _take_up_path(request, file, replica, progress)
    if is_ready(replica):
        if iso.size != file.size or file.digests(["sha256"], progress)["sha256"] != iso.sha256:
            raise taken(iso.name)
        return Begun(replica, How.THERE)
    upload = getattr(replica, "upload", None)
    if upload is None or upload.user is not None or not iso.source_key:
        raise taken(iso.name)
    if replica.state == ReplicaState.DELETING:
        raise deleting(replica)
    if replica.state == ReplicaState.FAILED and upload.state == UploadState.FINISHED:
        upload = retried(request, replica).upload
    if upload is None or not upload.is_receiving:
        raise Conflict(f"An earlier version of this file is being imported as “{iso.name}”. Give another --name.")
    if upload.offset:
        cancel(Actor(operates_for=request.account), iso)
        raise Conflict(
            f"The file changed after a part of it had been sent as “{iso.name}”. That import was cancelled; "
            "run this again in a moment."
        )
    return _sent_anew(request, file, upload, progress)


def _sent_anew(request: ImportRequest, file: LocalFile, upload: Upload, progress: Progress) -> Begun:
    sha256 = local_files.expected_sha256(file, request.checksum, request.base, progress)
    actor = Actor(operates_for=request.account)
    replace_file(actor, upload, size=file.size, filename=file.name, fingerprint=file.key)
    Iso.objects.filter(pk=upload.replica.iso_id, ready_at=None).update(source_key=file.key, expected_sha256=sha256)
    return Begun(upload.replica, How.RETRIED, upload)
