"""Make and revoke download links: addresses at which one ISO can be had without signing in, for a while."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from isos import audit
from isos.actions.permissions import require
from isos.errors import NotExtractable
from isos.models import DownloadLink, Event, Iso
from portal.accounts.roles import Right
from portal.kernel.errors import Conflict, InvalidInput
from portal.kernel.text import moment

LONGEST = timedelta(days=30)
MOST_OPEN = 50  # of one ISO
TOKEN_BYTES = 32


def make_link(actor: audit.Actor, iso: Iso, lasts: timedelta) -> tuple[DownloadLink, str]:
    """A new link, open for `lasts`, and its token, which nobody can tell again.

    Raises NotAllowed, NotExtractable, InvalidInput for a time that is no choice, Conflict where very many are open.
    """
    require(actor, Right.LINK, iso)
    if not timedelta(0) < lasts <= LONGEST:
        raise InvalidInput("Choose how long the link stays open, at most 30 days.", field="lasts")
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with transaction.atomic():
        current = Iso.objects.select_for_update(no_key=True).filter(pk=iso.pk).first()
        if current is None:
            raise Conflict("This ISO was deleted meanwhile. Reload the page.")
        if not current.is_extractable:
            raise NotExtractable
        now = timezone.now()
        if current.download_links.filter(revoked_at=None, expires_at__gt=now).count() >= MOST_OPEN:
            raise Conflict(f"This ISO has {MOST_OPEN} open download links. Revoke some first.")
        link = DownloadLink.objects.create(
            iso=iso,
            created_by=actor.user,
            token_hash=hash_of(token),
            token_end=token[-4:],
            expires_at=now + lasts,
        )
        audit.record(Event.Verb.LINK_MADE, iso, actor, until=moment(link.expires_at), link=str(link.public_id))
    return link, token


def revoke_link(actor: audit.Actor, link: DownloadLink) -> bool:
    """Close the link for good. Whether it was open until now. Raises NotAllowed."""
    require(actor, Right.LINK, link.iso)
    now = timezone.now()
    with transaction.atomic():
        still_open = DownloadLink.objects.filter(pk=link.pk, revoked_at=None, expires_at__gt=now)
        if not still_open.update(revoked_at=now):
            return False
        audit.record(Event.Verb.LINK_REVOKED, link.iso, actor, link=str(link.public_id))
    return True


def hash_of(token: str) -> str:
    """What of a token is kept. It has 256 random bits, so a plain hash can't be guessed back."""
    return hashlib.sha256(token.encode()).hexdigest()
