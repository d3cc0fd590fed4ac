"""Say which operating system an ISO holds: the user's choice, or what the image suggests."""

from __future__ import annotations

from django.db import transaction

from isos import audit
from isos.actions.permissions import require
from isos.models import Event, Iso, OsVersion
from portal.accounts.roles import Right


def set_os(actor: audit.Actor, iso: Iso, os_type: str, os_version: OsVersion | None) -> None:
    """Set OS type and version. Raises NotAllowed."""
    require(actor, Right.CHANGE, iso)
    before = iso.os_label
    with transaction.atomic():
        Iso.objects.filter(pk=iso.pk).update(os_type=os_type, os_version=os_version)
        iso.os_type, iso.os_version = os_type, os_version
        audit.record(Event.Verb.EDITED, iso, actor, field="os", before=before, after=iso.os_label)
