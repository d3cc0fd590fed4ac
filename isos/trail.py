"""Reading the audit trail: which events a user may see, narrowed by filters, page by page without counting."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet

from isos.models import Event
from portal.accounts.models import User

PAGE_SIZE = 50
PORTAL = "Portal"  # the name under which the portal's own doings are shown

_V = Event.Verb
# What can be asked for, as words and verbs.
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "arrivals": (
        "Uploads and imports",
        (_V.UPLOAD_STARTED, _V.UPLOAD_RECEIVED, _V.UPLOAD_EXPIRED, _V.IMPORT_STARTED, _V.IMPORT_EXPIRED),
    ),
    "copies": ("Copies", (_V.COPY_STARTED, _V.COPY_EXPIRED)),
    "ready": ("Ready", (_V.READY,)),
    "failures": ("Failures and retries", (_V.FAILED, _V.DAMAGED, _V.RETRIED)),
    "changes": ("Changed by people", (_V.RENAMED, _V.EDITED)),
    "deletes": ("Deletes and cancels", (_V.DELETE_STARTED, _V.DELETED, _V.CANCELLED)),
    "downloads": ("Downloads and links", (_V.DOWNLOADED, _V.LINK_MADE, _V.LINK_REVOKED)),
    "settings": ("Settings by administrators", (_V.SET,)),
    "refused": ("Refused", (_V.REFUSED,)),
}


@dataclass(frozen=True)
class TrailFilters:
    """What the trail is narrowed to; empty means no limit. Days are UTC, both included.

    `iso` is a part of a name or a whole id; `who` a part of a name, `Portal` for the portal itself; `account` is for
    administrators alone. Values are checked by trail_forms.TrailForm.
    """

    who: str = ""
    what: str = ""
    iso: str = ""
    zone: str = ""
    first_day: date | None = None
    last_day: date | None = None
    account: str = ""

    def is_narrowing(self) -> bool:
        return any(asdict(self).values())

    def as_query(self) -> dict[str, str]:
        """The query parameters that bring these filters back."""
        return {name: str(value) for name, value in asdict(self).items() if value}


@dataclass(frozen=True)
class Cursor:
    """The event after which an older page begins."""

    at: datetime
    pk: int

    def __str__(self) -> str:
        return f"{self.at.astimezone(UTC):%Y%m%dT%H%M%S.%f}-{self.pk}"

    @classmethod
    def of(cls, text: str) -> Cursor | None:
        """None where the text is no cursor: the newest page is shown then."""
        at, _, pk = text.rpartition("-")
        try:
            return cls(datetime.strptime(at, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC), int(pk[:18]))
        except ValueError:
            return None


@dataclass(frozen=True)
class TrailPage:
    """`older` leads to the next page, None on the last one."""

    events: list[Event]
    older: Cursor | None


def visible(user: User) -> QuerySet[Event]:
    """The events of the user's account; administrators see all."""
    return Event.objects.all() if user.is_staff else Event.objects.filter(account=user.account_id)


def narrowed(user: User, filters: TrailFilters) -> QuerySet[Event]:
    """Newest first, with the account of each."""
    events = visible(user).select_related("account").annotate(actor_account=F("actor__account_id"))
    if user.is_staff and filters.account:
        events = events.filter(account__name__iexact=filters.account)
    if filters.who:
        events = events.filter(_who(filters.who))
    if filters.what:
        events = events.filter(verb__in=KINDS[filters.what][1])
    if filters.iso:
        events = events.filter(_iso(filters.iso))
    if filters.zone:
        events = events.filter(zone_name=filters.zone)
    if filters.first_day:
        events = events.filter(created_at__gte=_midnight(filters.first_day))
    if filters.last_day:
        events = events.filter(created_at__lte=datetime.combine(filters.last_day, time.max, UTC))
    return events.order_by("-created_at", "-id")


def page_of(user: User, filters: TrailFilters, after: Cursor | None) -> TrailPage:
    """One page: one query, as quick on the last page as on the first."""
    events = narrowed(user, filters).select_related("iso").defer("iso__inspection")
    if after is not None:
        events = events.filter(created_at__lte=after.at).exclude(created_at=after.at, pk__gte=after.pk)
    found = list(events[: PAGE_SIZE + 1])
    shown = found[:PAGE_SIZE]
    return TrailPage(shown, Cursor(shown[-1].created_at, shown[-1].pk) if len(found) > PAGE_SIZE else None)


def shows_address(user: User, event: Event) -> bool:
    """From where administrators and people of other accounts act is no affair of users. `event` is of `narrowed`."""
    actor_account = getattr(event, "actor_account", None)
    return user.is_staff or (not event.by_staff and actor_account in (None, event.account_id))


def _who(text: str) -> Q:
    if text.lower() == PORTAL.lower():
        return Q(actor_name="")
    return Q(actor_name__icontains=text)


def _iso(text: str) -> Q:
    try:
        return Q(iso_ref=UUID(text))
    except ValueError:
        return Q(iso_name__icontains=text)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def names_of(user: User) -> list[str]:
    """Who may stand in the trail of the user's account: proposals for the filter."""
    people: Any = User.objects.filter(account=user.account_id).order_by("username")[:100]
    return [PORTAL, *(person.display_name() for person in people)]
