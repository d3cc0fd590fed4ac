"""Edit what is said of an ISO: description, operating system and flags. Its content never changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from isos import audit
from isos.actions.permissions import require, require_may_feature, require_may_publish
from isos.models import Event, Iso, OsType, OsVersion
from portal.accounts.roles import Right
from portal.kernel.errors import Conflict, InvalidInput

EDITABLE = (
    "description",
    "os_type",
    "os_version",
    "is_public",
    "is_featured",
    "is_extractable",
    "password_enabled",
)
_OS = ("os_type", "os_version")


def edit(actor: audit.Actor, iso: Iso, **changes: Any) -> list[str]:
    """Set those of EDITABLE that `changes` names and leave the others. Returns the names of what became different.

    Each is an Event with what was before and what is now. Raises NotAllowed, InvalidInput for a
    flag that is not the actor's to set (the refusal is recorded) or a version that is not of the
    OS type, Conflict where the ISO is gone. Nothing is changed then.
    """
    require_may_edit(actor, iso, changes)
    with transaction.atomic():
        current = Iso.objects.select_for_update(no_key=True, of=("self",)).filter(pk=iso.pk)
        now = current.select_related("os_version").first()
        if now is None:
            raise Conflict("This ISO was deleted meanwhile. Reload the page.")
        before = {name: getattr(now, name) for name in EDITABLE} | {"os": now.os_label}
        changed = [name for name, value in changes.items() if name in EDITABLE and before[name] != value]
        for name in changed:
            setattr(now, name, changes[name])
        require_fitting(now.os_type, now.os_version)
        if changed:
            now.save(update_fields=changed)
        _record(actor, now, changed, before)
    for name in changed:
        setattr(iso, name, changes[name])
    return changed


def require_may_edit(actor: audit.Actor, iso: Iso, changes: Mapping[str, Any]) -> None:
    """Raises NotAllowed or InvalidInput as `edit` does. Call it before a transaction of your own: it may write."""
    require(actor, Right.CHANGE, iso)
    require_may_publish(actor, changes.get("is_public", iso.is_public) != iso.is_public, iso=iso)
    require_may_feature(actor, changes.get("is_featured", iso.is_featured) != iso.is_featured, iso=iso)


def require_fitting(os_type: str, version: OsVersion | None) -> None:
    """Raises InvalidInput for a version of another operating system."""
    if version is not None and version.os_type != os_type:
        raise InvalidInput(
            f"{version} is not a {OsType(os_type).label} version. Choose one that fits.", field="os_version"
        )


def _record(actor: audit.Actor, iso: Iso, changed: list[str], before: dict[str, Any]) -> None:
    for name in changed:
        if name not in _OS:
            values = {"before": before[name], "after": getattr(iso, name)}
            audit.record(Event.Verb.EDITED, iso, actor, field=name, **values)
    if any(name in changed for name in _OS):  # one thing to people
        audit.record(Event.Verb.EDITED, iso, actor, field="os", before=before["os"], after=iso.os_label)
