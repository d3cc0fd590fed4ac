"""Rename an ISO. Works in every state: nothing in a store depends on the name."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from isos import audit
from isos.actions.naming import name_taken, require_free_name
from isos.actions.permissions import require
from isos.models import Event, Iso
from portal.accounts.roles import Right
from quotas import usage_spans


def rename(actor: audit.Actor, iso: Iso, name: str) -> None:
    """Give `iso` another name. Raises NotAllowed or NameTaken."""
    require(actor, Right.CHANGE, iso)
    before = iso.name
    if name == before:
        return
    try:
        with transaction.atomic():
            require_free_name(iso.account, name, besides=iso)
            Iso.objects.filter(pk=iso.pk).update(name=name)
            iso.name = name
            usage_spans.renamed(iso.public_id, name)
            audit.record(Event.Verb.RENAMED, iso, actor, before=before, after=name)
    except IntegrityError:  # taken between the check and the write
        iso.name = before
        raise name_taken(iso.account, name) from None
