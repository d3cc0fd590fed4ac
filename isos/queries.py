"""What may be seen and how it is listed. Every read of a page goes through here.

What a user may not see does not exist for him: the getters raise Http404.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.db.models.functions import Lower
from django.http import Http404
from django.shortcuts import get_object_or_404

from isos.actions.permissions import may, may_create, refusal
from isos.models import Event, Iso, Operation, Replica, Upload
from isos.states import ACTIVE_OPERATION, UNFINISHED_REPLICA, ReplicaState
from portal.accounts.models import User
from portal.accounts.roles import Right
from zones.models import Zone

PAGE_SIZE = 25
ACTIVITY_LINES = 30

SORTS = {
    "newest": ("Newest first", ["-created_at", "-id"]),
    "oldest": ("Oldest first", ["created_at", "id"]),
    "name": ("Name", [Lower("name"), "id"]),
    "largest": ("Largest first", ["-size", "-id"]),
}
SCOPES = {"": "My ISOs", "public": "Public", "featured": "Featured"}
OWNERSHIPS = {"mine": "Uploaded by me"}
STATES = {"ready": "Ready", "progress": "In progress", "failed": "Failed", "deleting": "Deleting"}


@dataclass(frozen=True)
class Filters:
    """Which list it is and what it is narrowed to; empty strings mean no limit. Values are checked by forms.ListForm.

    `scope` is one of SCOPES. Who uploaded an ISO and what state it is in are questions for the own ones only.
    """

    scope: str = ""
    q: str = ""
    os_type: str = ""
    zone: str = ""
    state: str = ""
    owner: str = ""
    sort: str = "newest"

    def is_narrowing(self) -> bool:
        return any((self.q, self.os_type, self.zone, self.state, self.owner))

    @property
    def is_own(self) -> bool:
        """Whether it is the account's own list."""
        return not self.scope

    def as_query(self) -> dict[str, str]:
        """The query parameters that bring these filters back; none for what is not limited."""
        return {name: value for name, value in asdict(self).items() if value and (name, value) != ("sort", "newest")}


def visible_isos(user: User) -> QuerySet[Iso]:
    """The account's own ISOs, and public ones of others once they are Ready somewhere."""
    ready = Exists(Replica.objects.filter(iso=OuterRef("pk"), state=ReplicaState.READY))
    return Iso.objects.filter(Q(account=user.account_id) | Q(ready, is_public=True))


def in_scope(user: User, scope: str) -> QuerySet[Iso]:
    """The ISOs of one list: the account's own, public ones of others, or featured ones of both."""
    if scope == "public":
        return visible_isos(user).filter(is_public=True).exclude(account=user.account_id)
    if scope == "featured":
        return visible_isos(user).filter(is_featured=True)
    return Iso.objects.filter(account=user.account_id)


def list_isos(user: User, filters: Filters, page: int) -> Page[Iso]:
    """One page of what `user` sees, with everything its rows show. A fixed number of queries."""
    order: Any = SORTS[filters.sort][1]
    if filters.scope == "public":  # featured ones lead it
        order = ["-is_featured", *order]
    isos = _narrow(in_scope(user, filters.scope), user, filters).order_by(*order)
    isos = isos.select_related("account", "os_version").prefetch_related(_replicas(user))
    return Paginator(isos, PAGE_SIZE).get_page(page)


def get_iso(user: User, public_id: UUID) -> Iso:
    """An ISO that `user` may see, ready to be shown; administrators see all. Raises Http404."""
    isos = (Iso.objects.all() if user.is_staff else visible_isos(user)).select_related(
        "account", "os_version", "created_by"
    )
    return get_object_or_404(isos.prefetch_related(_replicas(user)), public_id=public_id)


def get_own_iso(user: User, public_id: UUID, right: Right = Right.CHANGE) -> Iso:
    """An ISO to which `user` may do this.

    Raises Http404 also for public ones of others, NotAllowed where the role in the account does not suffice.
    """
    iso = get_iso(user, public_id)
    if not may(user, Right.FOLLOW, iso):
        raise Http404
    if not may(user, right, iso):
        raise refusal(user, right)
    return iso


def get_own_isos(user: User, public_ids: Collection[UUID], right: Right) -> list[Iso]:
    """Those of the named ISOs of the own account, newest first; the others are left out.

    Raises NotAllowed where the role in the account does not suffice.
    """
    if right not in user.rights_in(user.account_id):
        raise refusal(user, right)
    isos = Iso.objects.filter(account=user.account_id, public_id__in=public_ids)
    return list(isos.select_related("account", "os_version").prefetch_related(_replicas(user)))


def count_foreign(user: User, public_ids: Collection[UUID]) -> int:
    """How many of the named ISOs are there and belong to other accounts: no page of ours offers that."""
    return Iso.objects.filter(public_id__in=public_ids).exclude(account=user.account_id).count()


def get_upload(user: User, public_id: UUID) -> Upload:
    """A tus session of `user` himself, in whatever state. Raises Http404, NotAllowed for a role that adds nothing."""
    uploads = Upload.objects.select_related("replica__iso__account", "replica__zone", "user")
    upload = get_object_or_404(uploads, public_id=public_id, user=user, replica__iso__account=user.account_id)
    if not may_create(user):
        raise refusal(user, Right.CREATE)
    return upload


def list_operations(user: User, page: int, *, only_active: bool = False) -> Page[Operation]:
    """One page of what the portal does or did for the account, newest first."""
    operations = _operations(user)
    if only_active:
        operations = operations.filter(state__in=ACTIVE_OPERATION)
    return Paginator(operations.order_by("-created_at", "-id"), PAGE_SIZE).get_page(page)


def get_operation(user: User, public_id: UUID) -> Operation:
    """An operation of the account. Raises Http404."""
    return get_object_or_404(_operations(user), public_id=public_id)


def _operations(user: User) -> QuerySet[Operation]:
    return Operation.objects.filter(account=user.account_id).select_related("zone", "replica__iso")


def open_upload(iso: Iso) -> Upload | None:
    """The upload whose bytes are still to come; reads what the getters have prefetched."""
    return next((replica.open_upload for replica in iso.replicas.all() if replica.open_upload), None)


def activity(iso: Iso) -> QuerySet[Event]:
    """The newest events about `iso`."""
    return Event.objects.filter(iso=iso).order_by("-created_at", "-id")[:ACTIVITY_LINES]


def default_zone_slug() -> str | None:
    """The zone that is proposed, or taken where none is named: the first that takes new images."""
    return Zone.objects.filter(state=Zone.State.ACTIVE).values_list("slug", flat=True).first()


def _replicas(user: User) -> Prefetch[Any]:
    """Replicas in zone order, each with its zone, upload and active operation; of others' ISOs those that are Ready.

    State, status and whether anything moves are read from these rows, so what is hidden is not counted either.
    """
    active = Prefetch("operations", Operation.objects.filter(state__in=ACTIVE_OPERATION), to_attr="active_operations")
    replicas = Replica.objects.select_related("zone", "upload", "url_import").order_by("zone__position", "zone__name")
    if not user.is_staff:
        replicas = replicas.filter(Q(iso__account=user.account_id) | Q(state=ReplicaState.READY))
    replicas = replicas.defer("url_import__url", "url_import__checksum_url")  # credentials; no page needs them
    return Prefetch("replicas", replicas.prefetch_related(active))


def _narrow(isos: QuerySet[Iso], user: User, filters: Filters) -> QuerySet[Iso]:
    if filters.q:
        isos = isos.filter(Q(name__icontains=filters.q) | Q(description__icontains=filters.q))
    if filters.os_type:
        isos = isos.filter(os_type=filters.os_type)
    if filters.zone:
        there = Replica.objects.filter(iso=OuterRef("pk"), zone__slug=filters.zone)
        if not filters.is_own:  # where else others have it is their business
            there = there.filter(state=ReplicaState.READY)
        isos = isos.filter(Exists(there))
    if filters.state and filters.is_own:
        isos = isos.filter(_in_state(filters.state))
    if filters.owner == "mine" and filters.is_own:
        isos = isos.filter(created_by=user)
    return isos


def _in_state(state: str) -> Q:
    """The same rule as Iso.state, as SQL: the most useful state that any replica has."""

    def some(*states: ReplicaState) -> Exists:
        return Exists(Replica.objects.filter(iso=OuterRef("pk"), state__in=states))

    ready, moving, failed = some(ReplicaState.READY), some(*UNFINISHED_REPLICA), some(ReplicaState.FAILED)
    return {
        "ready": Q(ready),
        "progress": ~Q(ready) & Q(moving),
        "failed": ~Q(ready) & ~Q(moving) & Q(failed),
        "deleting": ~Q(ready) & ~Q(moving) & ~Q(failed),
    }[state]
