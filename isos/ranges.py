"""Which bytes a request asks for (RFC 9110, sections 13.1.5 and 14). No HTTP objects."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]{0,20})-([0-9]{0,20})[ \t]*", re.ASCII | re.IGNORECASE)


class Unsatisfiable(ValueError):
    """The range lies behind the end: 416."""


@dataclass(frozen=True)
class Span:
    """Bytes `first` to `last`, both included, of `size` altogether."""

    first: int
    last: int
    size: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        """As Content-Range says it."""
        return f"bytes {self.first}-{self.last}/{self.size}"


def wanted_span(header: str | None, size: int) -> Span | None:
    """The span of a Range header, None where all is to be sent: without a header, or with one that
    is not understood or names several ranges, which a server may ignore. Raises Unsatisfiable.
    """
    match = _ONE_RANGE.fullmatch(header.strip()) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:  # the last so many bytes
        count = min(int(match[2]), size)
        if not count:
            raise Unsatisfiable
        return Span(size - count, size - 1, size)
    first = int(match[1])
    last = min(int(match[2]), size - 1) if match[2] else size - 1
    if match[2] and int(match[2]) < first:
        return None  # no range at all
    if first >= size:
        raise Unsatisfiable
    return Span(first, last, size)


def if_range_holds(header: str | None, etag: str, last_modified: str) -> bool:
    """Whether what the client has a part of is still this. Both are strong validators: content never changes."""
    return header is None or header.strip() in (etag, last_modified)
