"""Notices: what ended or failed, told to whoever asked for it and did not watch it end.

Watched means: a live update of a page that the user had open showed the ISO within WATCH_SECONDS of its end.
Pages ask only while they are visible (see static/library.js), every two seconds while something moves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from isos.models import Event, Iso, Notice, NoticeChoice
from portal.accounts.models import User
from zones.models import Zone

WATCH_SECONDS = 10
SHOWN = 50  # on the page of notices
KEPT = 200  # of each user, once seen

_Verb = Event.Verb
ENDINGS = frozenset({_Verb.READY, _Verb.FAILED, _Verb.DAMAGED, _Verb.DELETED})
_STARTS = (
    _Verb.UPLOAD_STARTED,
    _Verb.IMPORT_STARTED,
    _Verb.COPY_STARTED,
    _Verb.RETRIED,
    _Verb.DELETE_STARTED,
    _Verb.CANCELLED,
)
_LOOK_BACK = 100  # starts of one ISO


@dataclass(frozen=True)
class Asked:
    """Who asked for what now ended, and when. `by` is None where it was the portal itself or an operator.

    `of_all` tells what concerns everybody in the account, `quiet` what nobody needs to hear.
    """

    by_id: int | None = None
    at: datetime | None = None
    of_all: bool = False
    quiet: bool = False


NOBODY = Asked()


def asked(verb: str, iso: Iso, zone: Zone | None) -> Asked:
    """Of an ending about to be recorded: read from the starts that stand in the trail. One query."""
    if verb == _Verb.DAMAGED:
        return Asked(of_all=True)  # nobody asked for it: the portal found it
    starts = list(
        Event.objects.filter(iso=iso, verb__in=_STARTS)
        .order_by("-id")
        .values_list("verb", "zone_name", "actor_id", "actor_name", "created_at")[:_LOOK_BACK]
    )
    here = next((start for start in starts if zone is not None and start[1] == zone.name), None)
    if here is None or (here[0] == _Verb.COPY_STARTED and not here[3]):
        # The portal's own next step for several zones: whoever began with the ISO asked for it.
        here = next((start for start in starts if start[2]), here)
    if here is None:
        return NOBODY
    found, _, actor_id, actor_name, at = here
    healed = found == _Verb.RETRIED and not actor_name
    return Asked(actor_id, at, of_all=healed, quiet=found == _Verb.CANCELLED)


def tell(event: Event, of: Asked) -> None:
    """Make the notices of an ending. Inside the transaction that recorded it."""
    if of.quiet:
        return
    everybody = User.objects.filter(account=event.account_id, is_active=True)
    asker = User.objects.filter(pk=of.by_id or 0, is_active=True)
    users = everybody if of.of_all else asker
    mail_at = _mail_at(event, of)
    choices = NoticeChoice.objects.filter(by_mail=True, user__in=users)
    wants = set(choices.values_list("user_id", flat=True)) if mail_at else set()
    Notice.objects.bulk_create(
        Notice(user=user, event=event, mail_at=mail_at if user.pk in wants and user.email else None) for user in users
    )


def _mail_at(event: Event, of: Asked) -> datetime | None:
    """When mail about it is due, if it took long enough: late enough to know whether it was watched."""
    if not settings.MAIL_WORKS or of.at is None:
        return None
    took = event.created_at - of.at
    if took < timedelta(seconds=settings.MAIL_AFTER_SECONDS):
        return None
    return event.created_at + timedelta(seconds=2 * WATCH_SECONDS)


def watch(user: User, isos: Iterable[Iso], *, is_list: bool = False) -> None:
    """Call when a live update showed `isos`: what just ended among them was watched. One query as a rule.

    In a list also what was just deleted, which the update took away.
    """
    now = timezone.now()
    shown = Q(event__iso__in=[iso.pk for iso in isos])
    if is_list:
        shown |= Q(event__verb=_Verb.DELETED, event__iso=None)
    fresh = Notice.objects.filter(user=user, seen_at=None, made_at__gt=now - timedelta(seconds=WATCH_SECONDS))
    if pks := list(fresh.filter(shown).values_list("pk", flat=True)):
        Notice.objects.filter(pk__in=pks, seen_at=None).update(seen_at=now, watched=True, mail_at=None)


def unseen(user_id: int) -> QuerySet[Notice]:
    """What the bell counts: the youngest are left out, for they may turn out to be watched."""
    rested = timezone.now() - timedelta(seconds=WATCH_SECONDS)
    return Notice.objects.filter(user=user_id, seen_at=None, made_at__lte=rested)


def of_user(user: User) -> list[Notice]:
    """The newest notices of a user, but for what was watched."""
    rows = Notice.objects.filter(user=user, watched=False).select_related("event__iso", "event__account")
    return list(rows.order_by("-id")[:SHOWN])


def mark_seen(user: User, shown: Collection[Notice]) -> None:
    """Whoever opened the page has seen what it shows, and all that is older; the oldest go."""
    if not shown:
        return
    newest = max(notice.pk for notice in shown)
    mine = Notice.objects.filter(user=user)
    mine.filter(seen_at=None, pk__lte=newest).update(seen_at=timezone.now(), mail_at=None)
    oldest = mine.order_by("-id").values_list("pk", flat=True)[KEPT : KEPT + 1]
    if kept := list(oldest):
        mine.filter(pk__lte=kept[0], seen_at__isnull=False).delete()
