"""Notice: what a user is told of an Event; and whether he wants mail about what took long."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone


class Notice(models.Model):
    """One event that one user is to hear of: the bell counts those that are not seen yet."""

    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="notices")
    event = models.ForeignKey("isos.Event", on_delete=models.CASCADE, related_name="notices")
    made_at = models.DateTimeField(default=timezone.now, editable=False)
    seen_at = models.DateTimeField(null=True, blank=True)
    watched = models.BooleanField(default=False, help_text="A page of the user's showed it while it happened.")
    mail_at = models.DateTimeField(
        null=True, blank=True, help_text="When a mail is due; empty where none is, any more."
    )
    mail_tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["user", "event"], name="notice_once_per_user")]
        indexes = [
            models.Index(fields=["user", "made_at"], condition=Q(seen_at=None), name="notice_unseen"),
            models.Index(fields=["mail_at"], condition=Q(mail_at__isnull=False), name="notice_mail_due"),
        ]

    def __str__(self) -> str:
        return f"{self.event} for {self.user}"


class NoticeChoice(models.Model):
    """What a user chose; no row means no mail."""

    user = models.OneToOneField("accounts.User", on_delete=models.CASCADE, related_name="notice_choice")
    by_mail = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.user}: {'mail' if self.by_mail else 'no mail'}"
