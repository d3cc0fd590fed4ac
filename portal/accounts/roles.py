"""Who may do what to an Account's ISOs: one table, from which code, pages and documentation read.

Whether an ISO exists for somebody at all is decided before that, in isos.queries: what is neither
of your account nor public is not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from django.db.models import TextChoices


class Role(TextChoices):
    """What a User is in the Account; administrators of the portal (`is_staff`) have all rights in all of them."""

    OWNER = "owner", "Owner"
    MEMBER = "member", "Member"
    READ_ONLY = "read_only", "Read-only"


class Right(StrEnum):
    """What may be done to the ISOs of an account. The words complete "may …"."""

    FOLLOW = "see unfinished images, failures and activity"
    CREATE = "upload and import images"
    CHANGE = "rename images and edit their settings"
    COPY = "copy images to zones"
    CANCEL = "cancel transfers"
    RETRY = "retry what failed"
    DELETE = "delete images"
    DOWNLOAD = "download extractable images"
    LINK = "make and revoke download links"
    PUBLISH = "make images public or private"
    FEATURE = "mark images as featured"


_LOOKING = frozenset({Right.FOLLOW, Right.DOWNLOAD})
_WORKING = _LOOKING | {
    Right.CREATE,
    Right.CHANGE,
    Right.COPY,
    Right.CANCEL,
    Right.RETRY,
    Right.DELETE,
    Right.LINK,
}

RIGHTS: Mapping[str, frozenset[Right]] = {
    Role.OWNER: _WORKING | {Right.PUBLISH},
    Role.MEMBER: _WORKING,
    Role.READ_ONLY: _LOOKING,
}
ADMINISTRATOR = frozenset(Right)
STRANGER = frozenset({Right.DOWNLOAD})  # of what is public; copies would be the owner's cost


def rights_of(role: str) -> frozenset[Right]:
    """What a role may within its account; nothing for one that is not known."""
    return RIGHTS.get(role, frozenset())
