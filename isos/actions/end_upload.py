"""End an unfinished upload at its owner's request (tus termination)."""

from __future__ import annotations

from isos import audit
from isos.actions.delete_from_zones import cancel
from isos.errors import UploadGone
from isos.models import Upload


def end_upload(actor: audit.Actor, upload: Upload) -> None:
    """Cancel the upload's ISO; its bytes and quota come back. Raises UploadGone when it ended before."""
    if not upload.is_receiving or not cancel(actor, upload.replica.iso):
        raise UploadGone
