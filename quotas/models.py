"""Limits per Account and what is held against them; what storage costs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from moneyed import Money

from quotas.money import DIGITS, PLACES, price_text


class QuotaLimit(models.Model):
    """One Account's own limits; an empty field means the portal's default (settings.QUOTA_DEFAULTS)."""

    account = models.OneToOneField("accounts.Account", on_delete=models.CASCADE, related_name="quota_limit")
    max_isos = models.PositiveIntegerField("ISO images", null=True, blank=True)
    max_bytes = models.PositiveBigIntegerField("total bytes", null=True, blank=True)
    max_iso_bytes = models.PositiveBigIntegerField("largest ISO in bytes", null=True, blank=True)
    max_uploads = models.PositiveIntegerField("simultaneous uploads", null=True, blank=True)

    class Meta:
        verbose_name = "quota"

    def __str__(self) -> str:
        return f"Quota of {self.account}"


class Reservation(models.Model):
    """Quota held for one Replica, from the first click until the Replica is gone.

    `held` while its bytes travel, `used` once it is Ready. What counts is the sum over both:
    bytes per Replica, ISO count per distinct `iso_ref`. Written by quotas.reservations only.
    """

    class State(models.TextChoices):
        HELD = "held", "Held"
        USED = "used", "Used"

    class Source(models.TextChoices):
        UPLOAD = "upload", "Upload"
        FETCH = "fetch", "URL import"
        COPY = "copy", "Copy"

    # Its index is `reservation_usage`, which begins with the account.
    account = models.ForeignKey(
        "accounts.Account", on_delete=models.PROTECT, related_name="reservations", db_index=False
    )
    iso_ref = models.UUIDField(help_text="Public id of the ISO.")
    replica_ref = models.UUIDField(unique=True, help_text="Public id of the replica.")
    source = models.CharField(max_length=8, choices=Source.choices)
    state = models.CharField(max_length=8, choices=State.choices, default=State.HELD)
    bytes = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        # Holds all that usage_of adds up, so that the table itself is not read.
        indexes = [models.Index(fields=["account", "iso_ref", "state", "source", "bytes"], name="reservation_usage")]
        constraints = [models.CheckConstraint(condition=Q(bytes__gte=0), name="reservation_bytes_not_negative")]

    def __str__(self) -> str:
        return f"{self.bytes} bytes {self.state} for {self.account}"


class RateUse(models.Model):
    """How often an Account did something in the current window. Written by quotas.rates only."""

    account = models.ForeignKey("accounts.Account", on_delete=models.CASCADE, related_name="+", db_index=False)
    action = models.CharField(max_length=20)
    window = models.BigIntegerField(help_text="Number of the window since 1970.")
    used = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "action"], name="rate_use_once")]

    def __str__(self) -> str:
        return f"{self.action} of {self.account}: {self.used}"


class Price(models.Model):
    """What something costs from `valid_from` on. Append-only: a newer row follows it, and none is ever changed.

    What holds at a moment is the row with the latest `valid_from` that is not after it; of several with the same
    one, the one made last. An amount of zero means that nothing is charged.
    """

    # Decimals on PostgreSQL; SQLite keeps a number, which is exact for as few digits as these.
    number = models.DecimalField("amount", max_digits=DIGITS, decimal_places=PLACES)
    currency = models.CharField(max_length=3)
    valid_from = models.DateTimeField(default=timezone.now, help_text="UTC.")
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True
        ordering = ["-valid_from", "-id"]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Only ever inserts."""
        if not self._state.adding:
            raise TypeError("Prices are append-only.")
        super().save(*args, **kwargs)

    @property
    def amount(self) -> Money:
        return Money(self.number, self.currency)


class ZonePrice(Price):
    """What it costs to keep one GB (a billion bytes) in a zone for a calendar month. Written by quotas.prices only."""

    zone = models.ForeignKey("zones.Zone", on_delete=models.PROTECT, related_name="prices", db_index=False)

    class Meta(Price.Meta):
        verbose_name = "storage price"
        indexes = [models.Index(fields=["zone", "-valid_from", "-id"], name="zone_price_newest")]
        constraints = [models.CheckConstraint(condition=Q(number__gte=0), name="zone_price_not_negative")]

    def __str__(self) -> str:
        return f"{price_text(self.amount)} per GB-month in {self.zone}"


class UsageSpan(models.Model):
    """A stretch of time in which a Ready replica took up `bytes` in a zone: what usage is computed from.

    Begun in the transaction that makes the replica Ready, ended in the one in which it is gone. A span that has
    ended is never changed again, but for the name it is shown with. Written by quotas.usage_spans only.
    """

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="+", db_index=False)
    zone = models.ForeignKey("zones.Zone", on_delete=models.PROTECT, related_name="+", db_index=False)
    iso_ref = models.UUIDField(db_index=True, help_text="Public id of the ISO.")
    iso_name = models.CharField(max_length=120, help_text="As it was called last.")
    replica_ref = models.UUIDField(help_text="Public id of the replica.")
    bytes = models.PositiveBigIntegerField()
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["account", "ended_at", "began_at"], name="usage_span_of_account")]
        constraints = [
            models.UniqueConstraint(fields=["replica_ref"], condition=Q(ended_at=None), name="usage_span_one_open"),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=models.F("began_at")),
                name="usage_span_ends_after_it_began",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bytes} bytes of {self.iso_name} from {self.began_at:%Y-%m-%d %H:%M}"
