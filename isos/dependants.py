"""Who uses an ISO. Apps above this one, which it can't import, register what they know in their AppConfig.ready.

Asked when an ISO is made private again, or is about to be: it then says who still uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from isos.models import Iso

Reporter = Callable[[Iso], Iterable[str]]
"""Gives whole sentences about what uses the ISO now, in the order in which they matter; none where nothing does."""

_reporters: list[Reporter] = []


def register(reporter: Reporter) -> Reporter:
    """Ask `reporter` too from now on. Registering twice is registering once."""
    if reporter not in _reporters:
        _reporters.append(reporter)
    return reporter


def uses_of(iso: Iso) -> list[str]:
    """Sentences of all reporters about what uses `iso` now."""
    return [sentence for reporter in _reporters for sentence in reporter(iso)]
