"""Iso: what the user names. And the table of operating systems it may be."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.functions import Lower
from django.urls import reverse

from isos.states import UNFINISHED_REPLICA, ReplicaState

if TYPE_CHECKING:
    from isos.models.replica import Replica


class OsType(models.TextChoices):
    LINUX = "linux", "Linux"
    WINDOWS = "windows", "Windows"
    BSD = "bsd", "BSD"
    OTHER = "other", "Other"


class OsVersion(models.Model):
    """One operating system release that a user may pick; edited by administrators."""

    os_type = models.CharField("OS type", max_length=10, choices=OsType.choices)
    name = models.CharField(max_length=80, help_text="As shown, for example Debian 13.")
    slug = models.SlugField(max_length=80, unique=True)
    icon = models.CharField(max_length=40, blank=True, help_text="Icon name; empty shows the OS type's icon.")
    match = models.CharField(
        max_length=120,
        blank=True,
        help_text="Regular expression searched in an image's volume label to suggest this version.",
    )
    position = models.PositiveSmallIntegerField(default=0)
    active = models.BooleanField(default=True)

    class Meta:
        ordering = ["os_type", "position", "name"]

    def __str__(self) -> str:
        return self.name


class Iso(models.Model):
    """An operating-system image. Its content never changes once a Replica is Ready."""

    class Source(models.TextChoices):
        UPLOAD = "upload", "Upload from local"
        URL = "url", "Upload from URL"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="isos")
    created_by = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True, related_name="+")
    name = models.CharField(max_length=120)
    description = models.TextField(max_length=2000, blank=True)
    os_type = models.CharField("OS type", max_length=10, choices=OsType.choices, default=OsType.LINUX)
    os_version = models.ForeignKey(OsVersion, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    is_public = models.BooleanField("public", default=False)
    is_featured = models.BooleanField("featured", default=False)
    is_extractable = models.BooleanField("extractable", default=False)
    password_enabled = models.BooleanField(default=False)
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.UPLOAD)
    source_name = models.CharField("file name", max_length=255, blank=True)
    source_key = models.CharField(
        max_length=64, blank=True, db_index=True, help_text="To know the same source again; see isos.source_keys."
    )
    size = models.PositiveBigIntegerField(null=True, blank=True, help_text="Bytes; declared until verified.")
    sha256 = models.CharField("SHA-256", max_length=64, blank=True, help_text="Computed by the portal.")
    expected_sha256 = models.CharField(max_length=64, blank=True, help_text="Given by the user.")
    inspection = models.JSONField(default=dict, blank=True, help_text="What the image says of itself.")
    provenance = models.JSONField(default=dict, blank=True, help_text="Where a URL import came from; see UrlImport.")
    created_at = models.DateTimeField(auto_now_add=True)
    ready_at = models.DateTimeField("registration date", null=True, blank=True)

    class Meta:
        verbose_name = "ISO image"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["account", "-created_at", "-id"], name="iso_account_newest"),
            models.Index(
                fields=["-is_featured", "-created_at", "-id"],
                condition=models.Q(is_public=True),
                name="iso_public_newest",
            ),
        ]
        constraints = [
            models.UniqueConstraint("account", Lower("name"), name="iso_name_unique_in_account"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("isos:detail", args=[self.public_id])

    # What pages call State and Status is derived from the replicas, never stored.
    # Both read `replicas.all()`, which every list prefetches.

    @property
    def state(self) -> str:
        """`Ready` as soon as one replica is, else what the most advanced replica does."""
        states = {replica.state for replica in self.replicas.all()}
        if ReplicaState.READY in states:
            return "Ready"
        if states & set(UNFINISHED_REPLICA):
            return "In progress"
        return "Failed" if ReplicaState.FAILED in states else "Deleting"

    @property
    def status(self) -> str:
        """`Available in 2 of 3 zones` or `Unavailable`."""
        replicas = list(self.replicas.all())
        ready = sum(replica.state == ReplicaState.READY for replica in replicas)
        if not ready:
            return "Unavailable"
        return f"Available in {ready} of {len(replicas)} zone{'s' if len(replicas) > 1 else ''}"

    @property
    def receiver(self) -> Replica | None:
        """Where the bytes come, or came, from outside; None where that replica was deleted."""
        return next((replica for replica in self.replicas.all() if replica.receives), None)

    @property
    def is_moving(self) -> bool:
        """Whether anything here may change by itself, so that pages poll."""
        moving = {*UNFINISHED_REPLICA, ReplicaState.DELETING}
        return any(replica.state in moving for replica in self.replicas.all())

    @property
    def os_label(self) -> str:
        return self.os_version.name if self.os_version else self.get_os_type_display()

    def inspected(self, key: str) -> Any:
        return self.inspection.get(key)
