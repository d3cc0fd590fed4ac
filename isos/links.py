"""Download links as they are found by their token, and what they tell about the use of an ISO."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import F, Max
from django.http import Http404
from django.utils import timezone

from isos import audit
from isos.actions.share import hash_of
from isos.errors import LinkEnded
from isos.models import DownloadLink, Event, Iso
from portal.kernel.text import moment

SAME_USE = timedelta(minutes=10)  # a client that begins again and again is one line of the activity
# Who asks for a later part goes on with what began so long ago at most: else all but one byte would count as nothing.
GOES_ON = timedelta(days=1)


def open_link(token: str) -> DownloadLink:
    """The link of this token. Raises Http404 for one that never was, LinkEnded for one that was open once."""
    links = DownloadLink.objects.select_related("iso__account")
    link = links.filter(token_hash=hash_of(token)).first()
    if link is None:
        raise Http404
    if link.revoked_at is not None:
        raise LinkEnded("This download link was revoked. Ask whoever sent it for a new one.")
    if not link.is_open:
        raise LinkEnded(f"This download link expired on {moment(link.expires_at)}. Ask whoever sent it for a new one.")
    if not link.iso.is_extractable:
        raise LinkEnded("This image can't be downloaded any more. Ask whoever sent the link.")
    return link


def count_use(link: DownloadLink, address: str | None, begins: bool) -> None:
    """A download by this link begins or goes on; what goes on with nothing begins too."""
    now = timezone.now()
    before = link.last_used_at
    if not begins and before is not None and now - before < GOES_ON:
        return
    DownloadLink.objects.filter(pk=link.pk).update(uses=F("uses") + 1, last_used_at=now)
    if before is None or now - before > SAME_USE:
        actor = audit.Actor(address=address, by_link=True)
        audit.record(Event.Verb.DOWNLOADED, link.iso, actor, link=str(link.public_id))


def uses(iso: Iso) -> Iterator[str]:
    """For isos.dependants."""
    still_open = iso.download_links.filter(revoked_at=None, expires_at__gt=timezone.now())
    count, last = still_open.count(), still_open.aggregate(last=Max("expires_at"))["last"]
    if count and iso.is_extractable:
        links, them = ("1 download link is", "it") if count == 1 else (f"{count} download links are", "them")
        yield f"{links} open until {moment(last)}. Revoke {them} on the page Download links."
