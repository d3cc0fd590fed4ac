"""What a page says about one ISO and its zones: computed once here, so that templates only lay it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from isos.actions.permissions import rights
from isos.errors import CONTENT_CODES
from isos.models import Iso, Replica, Upload
from isos.states import UNFINISHED_REPLICA, ReplicaState
from isos.views.pricing import PriceShown
from portal.accounts.models import User
from portal.accounts.roles import Right
from portal.kernel.text import join_words, percent
from portal.templatetags.ui import os_icon

SELECTABLE = {Right.COPY, Right.DELETE}
IDLE_SECONDS = 5  # a browser that sends is heard from once a second


@dataclass(frozen=True)
class ZoneLine:
    """One replica as it is shown.

    `percent` is None where nothing is counted or the end is not known; `done` and `total` are
    bytes of what goes on now, `total` None where nobody knows it. `waits_for` is the arrival, as in
    `upload to Zone A`, for which a waiting one waits; `can_retry` tells a failed one for which Retry is of use.
    `price` is what it costs in a month, where views.pricing said so.
    """

    replica: Replica
    is_paused: bool
    percent: int | None
    done: int = 0
    total: int | None = None
    waits_for: str = ""
    can_retry: bool = False
    price: str = ""

    @property
    def name(self) -> str:
        return self.replica.zone.name

    @property
    def slug(self) -> str:
        return self.replica.zone.slug

    @property
    def state(self) -> str:
        return self.replica.state

    @property
    def failed_verifying(self) -> bool:
        """Whether all bytes were there and turned out to be wrong, as far as the rows tell."""
        if self.replica.is_import:
            return self.replica.error_code in CONTENT_CODES
        upload = getattr(self.replica, "upload", None)
        return bool(self.replica.iso.sha256) or (upload is not None and upload.offset >= upload.length)

    @property
    def is_unfinished(self) -> bool:
        return self.replica.state in UNFINISHED_REPLICA

    @property
    def has_failed(self) -> bool:
        return self.replica.state == ReplicaState.FAILED

    @property
    def words(self) -> str:
        """The state in words: `Receiving, 38%`, `Paused at 38%`, `Verifying`, `Ready` …"""
        if self.is_paused:
            return f"Paused at {self.percent}%"
        words = str(self.replica.state).capitalize()
        return words if self.percent is None else f"{words}, {self.percent}%"

    @property
    def trouble(self) -> str:
        """Why it failed, or why it is taking longer than it should."""
        if self.has_failed:
            return self.replica.error_message
        operation = self.replica.active_operation
        if operation is None or operation.is_doomed or not operation.error_message:
            return ""
        return f"{operation.error_message} Trying again by itself."


@dataclass(frozen=True)
class Row:
    """One ISO as its list row and its page show it. `rights` are those of whoever looks at it."""

    iso: Iso
    icon: str
    rights: frozenset[Right]
    is_own: bool
    zones: list[ZoneLine]
    resume_url: str = ""
    price: PriceShown = field(default_factory=PriceShown)

    @property
    def may_follow(self) -> bool:
        return Right.FOLLOW in self.rights

    @property
    def may_change(self) -> bool:
        return Right.CHANGE in self.rights

    @property
    def may_retry(self) -> bool:
        return Right.RETRY in self.rights

    @property
    def may_act(self) -> bool:
        """Whether there is anything to do in a zone."""
        return bool(self.rights & {Right.RETRY, Right.CANCEL, Right.DELETE})

    @property
    def can_select(self) -> bool:
        """Whether it can be copied or deleted together with others: what a page of others' ISOs is not for."""
        return self.is_own and bool(self.rights & SELECTABLE)

    @property
    def can_cancel(self) -> bool:
        return Right.CANCEL in self.rights and any(zone.is_unfinished for zone in self.zones)

    @property
    def can_copy(self) -> bool:
        return Right.COPY in self.rights and self.is_ready

    @property
    def can_download(self) -> bool:
        return Right.DOWNLOAD in self.rights and self.iso.is_extractable and self.is_ready

    @property
    def can_link(self) -> bool:
        return Right.LINK in self.rights and self.iso.is_extractable and self.is_ready

    @property
    def is_ready(self) -> bool:
        """Whether it can be used in some zone already: then only copies are on their way."""
        return any(zone.state == ReplicaState.READY for zone in self.zones)

    @property
    def can_delete(self) -> bool:
        return Right.DELETE in self.rights and any(zone.state != ReplicaState.DELETING for zone in self.zones)

    @property
    def arrival(self) -> ZoneLine:
        """The zone where the bytes come, or came, from outside; else the first one."""
        return next((zone for zone in self.zones if zone.replica.receives), self.zones[0])

    @property
    def copying_to(self) -> str:
        """Names of the zones that are to follow the arrival, in words; "" where there is none."""
        return join_words([zone.name for zone in self.zones if zone.is_unfinished and zone is not self.arrival])

    @property
    def ready_in(self) -> str:
        return join_words([zone.name for zone in self.zones if zone.state == ReplicaState.READY])

    @property
    def failures(self) -> list[ZoneLine]:
        """Zones whose trouble is said in words below their chips."""
        return [zone for zone in self.zones if zone.trouble]


def row_of(user: User, iso: Iso) -> Row:
    """`iso` as `user` sees it; reads what isos.queries has prefetched."""
    may = rights(user, iso)
    replicas = [one for one in iso.replicas.all() if Right.FOLLOW in may or one.state == ReplicaState.READY]
    waiting = [upload for replica in replicas if (upload := replica.open_upload) and upload.user_id == user.pk]
    return Row(
        iso=iso,
        icon=os_icon(iso.os_type, iso.os_version.icon if iso.os_version else ""),
        rights=may,
        is_own=iso.account_id == user.account_id,
        zones=[_zone_line(replica) for replica in replicas],
        resume_url=reverse("isos:resume", args=[iso.public_id])
        if Right.CREATE in may and any(map(is_idle, waiting))
        else "",
    )


def may_select(user: User) -> bool:
    """Whether `user` may copy or delete several of the account's ISOs at once."""
    return bool(user.rights_in(user.account_id) & SELECTABLE)


def is_idle(upload: Upload) -> bool:
    """Whether no browser is sending this upload now. Each checkpoint of a writer moves its expiry."""
    heard_from = upload.expires_at - timedelta(seconds=settings.UPLOAD_EXPIRES_SECONDS)
    return upload.is_receiving and timezone.now() - heard_from > timedelta(seconds=IDLE_SECONDS)


def _zone_line(replica: Replica) -> ZoneLine:
    upload = replica.open_upload
    done, total = replica.bytes_of_progress
    counted = replica.state in (ReplicaState.RECEIVING, ReplicaState.VERIFYING) and total is not None
    return ZoneLine(
        replica=replica,
        is_paused=upload is not None and replica.state == ReplicaState.RECEIVING and is_idle(upload),
        percent=percent(done, total) if counted else None,
        done=done,
        total=total,
        waits_for=_awaited(replica) if replica.state == ReplicaState.WAITING else "",
        can_retry=replica.state == ReplicaState.FAILED and not _fails_with(replica),
    )


def _awaited(replica: Replica) -> str:
    receiver = replica.iso.receiver
    return receiver.arrival if receiver is not None else "first zone"


def _fails_with(replica: Replica) -> bool:
    """Whether another replica has to be tried again first, which takes this one along."""
    iso = replica.iso
    receiver = iso.receiver
    if iso.ready_at is not None or receiver is None or receiver == replica:
        return False
    return receiver.state not in UNFINISHED_REPLICA
