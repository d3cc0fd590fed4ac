"""What administrators need to know of an account to help its users. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Prefetch

from isos.models import Event, Iso, Operation, Replica, Upload
from isos.states import ACTIVE_OPERATION, OperationState, UploadState
from isos.views.activity import ActivityLine, line_of
from portal.accounts.models import Account, User
from quotas.usage import QuotaOverview, overview

MOST = 50  # lines of each part; links lead to the rest


@dataclass(frozen=True)
class Support:
    """An account at one moment. `failed` are operations that ended in a failure, newest first."""

    quota: QuotaOverview
    users: list[User]
    iso_count: int
    isos: list[Iso]
    active: list[Operation]
    failed: list[Operation]
    uploads: list[Upload]
    events: list[tuple[Event, ActivityLine]]


def support_of(account: Account) -> Support:
    """As many queries for a large account as for a small one."""
    replicas = Prefetch("replicas", Replica.objects.select_related("zone").order_by("zone__position", "zone__name"))
    isos = Iso.objects.filter(account=account).defer("inspection").select_related("os_version")
    operations = Operation.objects.filter(account=account).select_related("zone", "replica__iso")
    uploads = Upload.objects.filter(replica__iso__account=account, state=UploadState.RECEIVING)
    events = list(Event.objects.filter(account=account).select_related("iso").defer("iso__inspection")[:MOST])
    return Support(
        quota=overview(account),
        users=list(account.users.order_by("username")[:MOST]),
        iso_count=isos.aggregate(count=Count("pk"))["count"],
        isos=list(isos.prefetch_related(replicas).order_by("-created_at")[:MOST]),
        active=list(operations.filter(state__in=ACTIVE_OPERATION).order_by("created_at")[:MOST]),
        failed=list(operations.filter(state=OperationState.FAILED).order_by("-finished_at")[:MOST]),
        uploads=list(uploads.select_related("user", "replica__iso", "replica__zone").order_by("-expires_at")[:MOST]),
        events=[(event, line_of(event)) for event in events],
    )
