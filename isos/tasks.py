"""Wake-up calls for workers. They take ids and hold no logic."""

from __future__ import annotations

from celery import shared_task

from isos.operations import engine
from isos.operations import sweep as sweeping


@shared_task(name="isos.run_operation")
def run_operation(operation_pk: int) -> None:
    """Run one operation, if it is there and free."""
    engine.run(operation_pk)


@shared_task(name="isos.sweep")
def sweep() -> None:
    """Send lost work again and expire what was abandoned."""
    sweeping.sweep()
