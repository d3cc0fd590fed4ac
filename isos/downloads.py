"""Downloads: who may, from which zones, under which name, and the bytes with bounded memory."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from django.http import Http404

from isos.actions.permissions import may
from isos.errors import NotExtractable
from isos.models import Iso, Replica
from isos.ranges import Span
from isos.states import ReplicaState
from portal.accounts.models import User
from portal.accounts.roles import Right
from portal.kernel.errors import Conflict
from zones.models import Zone
from zones.stores import open_store
from zones.stores.base import ObjectMissing, StoreError

logger = logging.getLogger(__name__)

CHUNK_BYTES = 256 * 1024
_UNSAFE = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]+')


def require_download(user: User, iso: Iso) -> None:
    """Whether `user`, who sees `iso`, may have its bytes. Raises NotExtractable, or Http404 for somebody else's."""
    if iso.is_extractable and may(user, Right.DOWNLOAD, iso):
        return
    if may(user, Right.FOLLOW, iso):
        raise NotExtractable
    raise Http404


def sources(iso: Iso, slug: str = "") -> list[Replica]:
    """Ready replicas to download from, the best first; of zone `slug` alone where it is named.

    Raises Http404 for a zone that has none of it, Conflict where no zone can serve it now.
    """
    ready = iso.replicas.filter(state=ReplicaState.READY).select_related("zone")
    found = [replica for replica in ready if slug in ("", replica.zone.slug)]
    if slug and not found:
        raise Http404
    usable = [replica for replica in found if replica.zone.state != Zone.State.DISABLED]
    if not usable:
        raise Conflict("This ISO is ready in no zone right now, so it can't be downloaded. Try again later.")
    for replica in usable:
        replica.iso = iso
    return sorted(usable, key=lambda one: (not one.zone.is_active, one.zone.position, one.pk))


def file_name(iso: Iso) -> str:
    """The name under which browsers save it: the ISO's own, without what file systems refuse, ending in .iso."""
    name = _UNSAFE.sub("-", iso.name).strip(" .-") or "image"
    return name if name.lower().endswith(".iso") else f"{name}.iso"


class Body:
    """The bytes of a span, one piece at a time.

    A zone that fails half-way hands over to the next one: content is the same, byte for byte, in
    all of them. `on_piece` is called before each piece is sent, `on_close` once at the end,
    however that comes. Raises the StoreError of the last zone, at the latest with the first piece.
    """

    def __init__(
        self, replicas: list[Replica], span: Span, on_piece: Callable[[], None], on_close: Callable[[], None]
    ) -> None:
        self._replicas = iter(replicas)
        self._at = span.first
        self._left = span.length
        self._on_piece = on_piece
        self._on_close = on_close
        self._reader: BinaryIO | None = None
        self._trouble: StoreError = ObjectMissing()
        self._closed = False
        try:
            self._first = self._read()  # what can't be read at all is said before the headers are
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece, self._first = self._first or (self._read() if self._left else b""), b""
        if not piece:
            raise StopIteration
        self._on_piece()
        return piece

    def _read(self) -> bytes:
        """The next piece, from whichever zone can. Never empty while something is left."""
        while True:
            if self._reader is None:
                self._open_next()
            try:
                piece = self._reader.read(min(CHUNK_BYTES, self._left)) if self._reader else b""
                if not piece:
                    raise ObjectMissing(reason="the stored file is too short")
            except StoreError as trouble:
                self._give_up(trouble)
                continue
            self._at += len(piece)
            self._left -= len(piece)
            return piece

    def _open_next(self) -> None:
        """Open the next zone's replica at the present position. Raises the last trouble where there is no next one."""
        replica = next(self._replicas, None)
        if replica is None:
            raise self._trouble
        try:
            self._reader = open_store(replica.zone).open(replica.key, self._at)
        except StoreError as trouble:
            logger.warning(
                "%s can't be downloaded from %s: %s %s", replica.iso, replica.zone, trouble.code, trouble.reason
            )
            self._trouble = trouble

    def _give_up(self, trouble: StoreError) -> None:
        if self._reader is not None:
            logger.warning("a download broke at byte %s: %s %s", self._at, trouble.code, trouble.reason)
            self._trouble = trouble
            self._reader.close()
            self._reader = None

    def close(self) -> None:
        """Let go of the file and the place. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._reader is not None:
            self._reader.close()
        self._on_close()
