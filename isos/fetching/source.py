"""HttpSource: the bytes of one address, from any offset on, as far as the server allows it."""

from __future__ import annotations

from dataclasses import dataclass

from isos.fetching import answers, locations
from isos.fetching.errors import BadAnswer, EmptyFile, TooLarge
from isos.fetching.guard import Fetcher
from isos.fetching.reading import NOT_SATISFIABLE, Answer, open_answer


@dataclass(frozen=True)
class Version:
    """Which content the bytes belong to: its size in bytes and what If-Range is asked with."""

    size: int | None = None
    validator: str = ""


@dataclass(frozen=True)
class Body:
    """An open download: the content's bytes from `start` on. Close it."""

    answer: Answer
    start: int
    version: Version

    def readinto(self, buffer: memoryview) -> int:
        """See Answer.readinto."""
        return self.answer.readinto(buffer)

    def close(self) -> None:
        self.answer.close()


class HttpSource:
    """One address to download. `limit` is the largest file that is taken, in bytes."""

    def __init__(self, fetcher: Fetcher, url: str, *, limit: int) -> None:
        self._fetcher = fetcher
        self._url = locations.download_address(url)
        self.limit = limit

    def open(self, offset: int = 0, version: Version | None = None) -> Body:
        """The bytes from `offset` on, provided that the content is still that `version`, else all from 0.

        `Body.start` tells which it is: 0 means that what was kept is of no use (the content
        changed, or the server can't send parts). Nothing can be gone on with without a
        validator: nobody could tell whether the rest belongs to the beginning.
        """
        if offset > 0 and version is not None and version.validator:
            headers = {"Range": f"bytes={offset}-", "If-Range": version.validator}
            answer = open_answer(self._fetcher, self._url, headers)
            if answer.status == 200:
                return self._from_start(answer)
            if answer.status == 206 and (body := self._part(answer, offset, version)):
                return body
            answer.close()
        return self._from_start(open_answer(self._fetcher, self._url))

    def check_size(self, size: int) -> None:
        """Raises TooLarge for a declared or received size above the limit."""
        if size > self.limit:
            raise TooLarge.limit(self.limit)

    def _from_start(self, answer: Answer) -> Body:
        try:
            if answer.status == NOT_SATISFIABLE or answer.status != 200:
                raise BadAnswer
            if answer.length == 0:
                raise EmptyFile
            self.check_size(answer.length or 0)
        except BaseException:
            answer.close()
            raise
        return Body(answer, 0, Version(answer.length, answers.validator(answer.headers)))

    def _part(self, answer: Answer, offset: int, version: Version) -> Body | None:
        """The part that was asked for; None where it is another part, or of another content."""
        part = answers.content_range(answer.headers)
        if part is None or part.first != offset or part.last is None:
            return None
        if answers.is_other(version.validator, answer.headers):
            return None
        if version.size is not None and part.total is not None and part.total != version.size:
            return None
        length = part.last - offset + 1
        if answer.length not in (None, length):
            return None
        answer.length = length
        try:
            self.check_size(part.total or part.last + 1)
        except TooLarge:
            answer.close()
            raise
        return Body(answer, offset, Version(version.size or part.total, version.validator))
