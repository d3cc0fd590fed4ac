"""Going through much without holding much of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from django.db.models import Model, QuerySet

BATCH = 500
T = TypeVar("T")
M = TypeVar("M", bound=Model)


def batched(items: Iterable[T]) -> Iterator[list[T]]:
    """Lists of at most BATCH items, none of them empty."""
    remaining = iter(items)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def by_key(rows: QuerySet[M]) -> Iterator[M]:
    """The rows in the order of their primary keys, BATCH in a statement; each statement sees one moment."""
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk")[:BATCH]):
        last = batch[-1].pk
        yield from batch
