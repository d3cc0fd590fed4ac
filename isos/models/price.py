"""IsoPrice: what an image itself costs, beside the storage that it takes."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from quotas.models import Price
from quotas.money import NO_CHARGE, price_text


class IsoPrice(Price):
    """The price of one ISO from a moment on, for whoever launches a machine from it. Outlives the ISO.

    Written by actions.set_price only.
    """

    class Period(models.TextChoices):
        ONCE = "once", "One-time"
        HOURLY = "hourly", "Hourly"
        MONTHLY = "monthly", "Monthly"

    iso = models.ForeignKey("isos.Iso", on_delete=models.SET_NULL, null=True, related_name="prices", db_index=False)
    iso_ref = models.UUIDField(help_text="Public id of the ISO.")
    iso_name = models.CharField(max_length=120)
    period = models.CharField("charged", max_length=8, choices=Period.choices, default=Period.MONTHLY)

    class Meta(Price.Meta):
        verbose_name = "ISO price"
        indexes = [models.Index(fields=["iso", "-valid_from", "-id"], name="iso_price_newest")]
        constraints = [models.CheckConstraint(condition=Q(number__gte=0), name="iso_price_not_negative")]

    def __str__(self) -> str:
        return f"{self.iso_name}: {self.words}"

    @property
    def per(self) -> str:
        """What follows the amount: `one-time`, `/ h`, `/ mo`."""
        return {self.Period.ONCE: "one-time", self.Period.HOURLY: "/ h"}.get(self.Period(self.period), "/ mo")

    @property
    def words(self) -> str:
        """`$5.00 one-time`, `$0.02 / h`, `$10.00 / mo` or `No charge`."""
        return f"{price_text(self.amount)} {self.per}" if self.amount.amount else NO_CHARGE
