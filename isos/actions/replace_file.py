"""Choose another file for an upload of which nothing has been received yet, as after a failure."""

from __future__ import annotations

from django.db import transaction

from isos import audit
from isos.actions.permissions import require
from isos.errors import UploadGone
from isos.models import Event, Iso, Upload
from isos.operations.receive import Writer
from isos.operations.waiting import waiting_of
from isos.states import UploadState
from portal.accounts.roles import Right
from portal.kernel.errors import Conflict, InvalidInput
from quotas import reservations


def replace_file(actor: audit.Actor, upload: Upload, *, size: int, filename: str, fingerprint: str) -> None:
    """Declare another file: its quota is held instead, the ISO's settings stay.

    Raises OverQuota, Conflict once bytes have come, UploadLocked while another request writes;
    everything then is as it was.
    """
    iso = upload.replica.iso
    require(actor, Right.CHANGE, iso)
    if size <= 0:
        raise InvalidInput("The file is empty. Choose another file.", field="file")
    # Whoever holds the writer's right knows the truth of the staged bytes and keeps it true.
    with Writer(upload) as writer:
        if writer.staged.offset:
            raise Conflict("A part of the first file was received already. Choose that file, or cancel this upload.")
        with transaction.atomic():
            reservations.resize(upload.replica.public_id, size)
            for copy in waiting_of(iso):
                reservations.resize(copy.public_id, size)
            ours = Upload.objects.filter(pk=upload.pk, lock_token=writer.token, state=UploadState.RECEIVING)
            if not ours.update(length=size, filename=filename, fingerprint=fingerprint):
                raise UploadGone
            Iso.objects.filter(pk=iso.pk).update(size=size, source_name=filename)
            audit.record(
                Event.Verb.EDITED,
                iso,
                actor,
                zone=upload.replica.zone,
                field="file",
                before=upload.filename,
                after=filename,
                size=size,
            )
    upload.refresh_from_db(fields=["length", "filename", "fingerprint"])
