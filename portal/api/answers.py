"""The answers that an endpoint may give, as the description of the API lists them."""

from __future__ import annotations

from typing import Any

from portal.api.problems import Problem

_ALWAYS = (401, 403, 429)


def answers(status: int, schema: Any, *refusals: int) -> dict[int, Any]:
    """`status` with `schema`, and problems: those of every endpoint and `refusals`."""
    return {status: schema} | dict.fromkeys(sorted({*_ALWAYS, *refusals}), Problem)
