"""Wake-up calls for workers. They take ids and hold no logic."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from isos import mail
from isos.operations import engine, nightly
from isos.operations import sweep as sweeping


@shared_task(name="isos.run_operation")
def run_operation(operation_pk: int) -> None:
    """Run one operation, if it is there and free."""
    engine.run(operation_pk)


@shared_task(name="isos.sweep")
def sweep() -> None:
    """Send lost work again, expire what was abandoned, and hand out mail that is due."""
    sweeping.sweep()
    mail.send_due()


@shared_task(name="isos.mail_notices")
def mail_notices(user_pk: int) -> None:
    """Send one user the mail that is due."""
    mail.send_to(user_pk)


@shared_task(name="isos.verify_isos")
def verify_isos() -> None:
    """Begin the nightly round: a share of the replicas is read again."""
    nightly.begin()


@shared_task(name="isos.verify_next", acks_late=False)
def verify_next(message: dict[str, Any]) -> None:
    """Read one replica of the round again."""
    nightly.go_on(message)
