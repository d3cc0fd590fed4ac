"""Progress of imports on a terminal: one bar that moves, or now and then a line where nobody watches.

Own code and not a library: what is shown is a row that a worker writes once a second, so of what
the libraries do (wrap a loop, draw many bars) only the drawing of one line would be used.
"""

from __future__ import annotations

import shutil
import time
import unicodedata
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TextIO

from django.core.management.base import OutputWrapper

from portal.kernel.text import human_bytes, percent

DRAW_SECONDS = 0.1
LINE_SECONDS = 30.0  # between two lines of one import where there is no terminal
SPEED_SECONDS = 10.0
BAR_CELLS = 24
_CLEAR = "\r\x1b[K"


@dataclass(frozen=True)
class Moment:
    """What goes on with one import. Bytes of the present phase; `total` is None where nobody knows it."""

    name: str
    phase: str
    done: int = 0
    total: int | None = None
    others: int = 0


class Display(Protocol):
    def show(self, moment: Moment) -> None:
        """Draw what goes on. Cheap to call often."""

    def say(self, sentence: str) -> None:
        """A line that stays."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def display_on(stream: OutputWrapper | TextIO) -> Display:
    return Bar(stream) if stream.isatty() else Lines(stream)


class Bar:
    """One line of a terminal, drawn again and again."""

    def __init__(self, stream: OutputWrapper | TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._speed = Speed(clock)
        self._drawn_at = float("-inf")
        self._drawn: tuple[str, str] | None = None

    def show(self, moment: Moment) -> None:
        about = (moment.name, moment.phase)
        self._speed.note(about, moment.done)
        if about == self._drawn and self._clock() - self._drawn_at < DRAW_SECONDS:
            return
        self._drawn, self._drawn_at = about, self._clock()
        columns = shutil.get_terminal_size().columns - 1  # the last one makes some terminals wrap
        _write(self._stream, _CLEAR + bar_line(moment, self._speed.per_second, columns))

    def say(self, sentence: str) -> None:
        self.close()
        _write(self._stream, f"{sentence}\n")

    def close(self) -> None:
        if self._drawn is not None:
            _write(self._stream, _CLEAR)
        self._drawn = None


class Lines:
    """For logs: a line when another phase begins, and one every half minute."""

    def __init__(self, stream: OutputWrapper | TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._said: dict[str, tuple[str, float]] = {}

    def show(self, moment: Moment) -> None:
        phase, when = self._said.get(moment.name, ("", 0.0))
        if phase == moment.phase and self._clock() - when < LINE_SECONDS:
            return
        self._said[moment.name] = (moment.phase, self._clock())
        amount = f", {_amount(moment)}" if moment.done else ""
        _write(self._stream, f"{moment.name}: {moment.phase.lower()}{amount}\n")

    def say(self, sentence: str) -> None:
        _write(self._stream, f"{sentence}\n")

    def close(self) -> None: ...


class Speed:
    """Bytes per second over the last seconds, begun anew with each phase and where the bytes go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._about: object = None
        self._samples: deque[tuple[float, int]] = deque()

    def note(self, about: object, done: int) -> None:
        if about != self._about or (self._samples and done < self._samples[-1][1]):
            self._samples.clear()
        self._about = about
        now = self._clock()
        if not self._samples or now - self._samples[-1][0] >= DRAW_SECONDS:
            self._samples.append((now, done))
        while now - self._samples[0][0] > SPEED_SECONDS and len(self._samples) > 2:
            self._samples.popleft()

    @property
    def per_second(self) -> float:
        (first, before), (last, done) = self._samples[0], self._samples[-1]
        return (done - before) / (last - first) if last > first else 0.0


def bar_line(moment: Moment, per_second: float, columns: int) -> str:
    """`Debian 13  Receiving  [####----]  38%, 1.18 GB of 3.08 GB  85.2 MB/s  22 s left  (2 more)`, cut to fit."""
    words = [moment.phase, _amount(moment)] if moment.done or moment.total else [moment.phase]
    if per_second >= 1:
        words.append(f"{human_bytes(int(per_second))}/s")
        if moment.total:
            words.append(f"{_duration((moment.total - moment.done) / per_second)} left")
    if moment.others:
        words.append(f"({moment.others} more)")
    room = columns - _cells("  ".join(words)) - 2
    name = _cut(moment.name, max(8, min(40, room)))
    bar = _bar(moment, min(BAR_CELLS, room - _cells(name) - 4))
    return _cut("  ".join([name, words[0], *([bar] if bar else []), *words[1:]]), columns)


def _bar(moment: Moment, cells: int) -> str:
    if not moment.total or cells < 4:
        return ""
    full = percent(moment.done, moment.total) * cells // 100
    return f"[{'#' * full}{'-' * (cells - full)}]"


def _amount(moment: Moment) -> str:
    if not moment.total:
        return human_bytes(moment.done)
    share = f"{percent(moment.done, moment.total)}%"
    return f"{share}, {human_bytes(moment.done)} of {human_bytes(moment.total)}"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{round(seconds)} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _cells(text: str) -> int:
    """Columns that a terminal needs: two for wide characters, none for marks above others."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _cut(text: str, cells: int) -> str:
    if _cells(text) <= cells:
        return text
    while text and _cells(text) > cells - 1:
        text = text[:-1]
    return f"{text}…"


def _write(stream: OutputWrapper | TextIO, text: str) -> None:
    if isinstance(stream, OutputWrapper):
        stream.write(text, style_func=str, ending="")  # its own style is that of errors
    else:
        stream.write(text)
    stream.flush()
