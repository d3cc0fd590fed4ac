"""The bell of every page, and what a user chose about mail."""

from __future__ import annotations

from typing import Any

from django import template
from django.conf import settings

from isos.models import NoticeChoice
from isos.views.notices import MOST, bell_count
from portal.accounts.models import User

register = template.Library()


@register.inclusion_tag("activity/_bell.html")
def bell(user: User) -> dict[str, Any]:
    """`{% bell request.user %}`: one query."""
    return {"count": bell_count(user.pk), "most": MOST}


@register.inclusion_tag("activity/_choice.html", takes_context=True)
def notice_choice(context: template.Context) -> dict[str, Any]:
    """The form on the profile page."""
    user: User = context["user"]
    choice = NoticeChoice.objects.filter(user=user).first()
    return {
        "csrf_token": context.get("csrf_token"),
        "user": user,
        "by_mail": choice is not None and choice.by_mail,
        "mail_works": settings.MAIL_WORKS,
        "minutes": round(settings.MAIL_AFTER_SECONDS / 60),
    }
