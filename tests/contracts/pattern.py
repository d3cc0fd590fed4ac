"""Bytes whose value tells their position, so that a gap, a repeat or a swap never goes unseen."""

import random

_PERIOD = 1_048_573  # a prime: no chunk or part size is a multiple of it
_BLOCK = random.Random(20260101).randbytes(_PERIOD)


def pattern(start: int, size: int) -> bytes:
    """The bytes [start, start + size) of an endless file."""
    begin = start % _PERIOD
    repeats = (begin + size) // _PERIOD + 1
    return (_BLOCK * repeats)[begin : begin + size]
