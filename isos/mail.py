"""Mail about what took long and was not watched. The rows of notices say what is due; a lost task loses nothing."""

from __future__ import annotations

import logging
from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import F
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError

from isos.models import Notice
from isos.views.activity import line_of
from portal.accounts.models import User

logger = logging.getLogger(__name__)

TRIES = 5
AGAIN_SECONDS = 300  # after a mail server that did not take it, or a worker that died with it
MOST = 20  # lines of one mail
BATCH = 200  # users whose mail one sweep hands out


def send_due() -> int:
    """Hand the mail that is due to workers, one task for each user. Returns how many. Called after every sweep."""
    due = Notice.objects.filter(mail_at__lte=timezone.now()).order_by()
    users = list(due.values_list("user_id", flat=True).distinct()[:BATCH])
    for user_pk in users:
        # A task that is under way has pushed its notices into the future already.
        _hand_out(user_pk)
    return len(users)


def _hand_out(user_pk: int) -> None:
    from isos.tasks import mail_notices

    try:
        mail_notices.apply_async((user_pk,), queue=settings.LIGHT_QUEUE, expires=AGAIN_SECONDS, retry=False)
    except (OperationalError, OSError):
        logger.warning("The broker is away; mail goes out with a later sweep.")


def send_to(user_pk: int) -> int:
    """One mail with all that is due for the user. Returns how many notices it tells of.

    The notices are taken by a conditional UPDATE that puts them off, so two workers send no mail twice, and what a
    worker took when it died is sent by a later one.
    """
    now = timezone.now()
    due = Notice.objects.filter(user=user_pk, mail_at__lte=now, seen_at=None)
    Notice.objects.filter(user=user_pk, mail_at__lte=now).exclude(seen_at=None).update(mail_at=None)
    pks = list(due.values_list("pk", flat=True))
    taken = now + timedelta(seconds=AGAIN_SECONDS)
    mine = [pk for pk in pks if due.filter(pk=pk).update(mail_at=taken, mail_tries=F("mail_tries") + 1)]
    user = User.objects.filter(pk=user_pk, is_active=True).first()
    if not mine or user is None or not user.email:
        Notice.objects.filter(pk__in=mine).update(mail_at=None)
        return 0
    notices = list(Notice.objects.filter(pk__in=mine).select_related("event__iso").order_by("id"))
    if not _send(user, notices):
        Notice.objects.filter(pk__in=mine, mail_tries__gte=TRIES).update(mail_at=None)
        return 0
    Notice.objects.filter(pk__in=mine).update(mail_at=None)
    return len(mine)


def _send(user: User, notices: list[Notice]) -> bool:
    lines = [_line(notice) for notice in notices[:MOST]]
    subject = lines[0]["words"] if len(notices) == 1 else f"{len(notices)} of your ISO operations ended"
    context = {
        "user": user,
        "lines": lines,
        "more": len(notices) - len(lines),
        "notices_url": settings.PORTAL_URL + reverse("record:notices"),
        "profile_url": settings.PORTAL_URL + reverse("account_profile"),
    }
    text = render_to_string("activity/mail.txt", context)
    try:
        send_mail(" ".join(subject.split()), text, None, [user.email])
    except (OSError, SMTPException):
        logger.exception("A notice could not be mailed; check EMAIL_URL. It is tried again.")
        return False
    return True


def _line(notice: Notice) -> dict[str, str]:
    event = notice.event
    link = settings.PORTAL_URL + event.iso.get_absolute_url() if event.iso else ""
    return {
        "words": f"{event.iso_name}: {line_of(event).sentence}",
        "link": link,
        "when": f"{event.created_at:%Y-%m-%d %H:%M} UTC",
    }
