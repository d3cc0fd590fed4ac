"""A run of `import_iso`: begin every import, send what lies on this machine, wait for the workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.utils import timezone

from isos import local_files
from isos.actions.import_once import Begun, How, import_url_once
from isos.actions.import_path_once import import_path_once
from isos.actions.send_file import send_file
from isos.audit import Actor
from isos.errors import UploadGone, UploadLocked
from isos.local_files import LocalFile
from isos.management.import_lines import Line
from isos.management.progress import Display, Moment
from isos.models import Operation, Replica, Upload
from isos.states import OperationState, ReplicaState
from portal.kernel.errors import PortalError
from zones.stores.base import StagedBusy

NEW = (How.STARTED, How.RETRIED)
POLL_SECONDS = 0.5
NO_WORKER_SECONDS = 15.0


class Result(StrEnum):
    READY = "ready"
    THERE = "already there"
    STARTED = "started"
    RUNNING = "in progress"
    FAILED = "failed"


@dataclass
class Import:
    """One zone of a line and what became of it there. `sentence` says why it failed.

    `first` is that of the line's first zone, for the others.
    """

    line: Line
    begun: Begun | None = None
    file: LocalFile | None = None
    result: Result | None = None
    sentence: str = ""
    queued_since: float | None = None
    said: str = ""
    first: Import | None = None

    @property
    def name(self) -> str:
        return self.begun.replica.iso.name if self.begun else self.line.request.name or self.line.request.shown

    @property
    def is_one_of_several(self) -> bool:
        return self.first is not None or bool(self.line.request.more_zones)

    def fail(self, sentence: str) -> None:
        self.result, self.sentence = Result.FAILED, sentence


class Run:
    """Imports what `lines` ask for; `imports` tells how each ended in each zone, also after an interruption."""

    def __init__(self, lines: Sequence[Line], display: Display, *, wait: bool) -> None:
        self._groups = [[Import(each) for each in line.by_zone()] for line in lines]
        self.imports = [each for group in self._groups for each in group]
        self._display = display
        self._wait = wait
        self._warned: set[str] = set()

    def go(self) -> None:
        """Addresses first: workers fetch them while this process sends its files, one after the other."""
        for group in self._groups:
            if group[0].line.request.is_url:
                self._begin(group, self._begin_url)
        for group in self._groups:
            if not group[0].line.request.is_url:
                self._begin(group, self._begin_path)
                for each in group:
                    self._guarded(each, self._send)
                self._watch(group)
        self._watch(self.imports)

    def _begin(self, group: list[Import], step: Callable[[Import], None]) -> None:
        """The first zone's import begins for all of them; the others find there what is theirs."""
        first, *others = group
        self._guarded(first, step)
        for each in others:
            each.first = first
            if first.begun is None:
                each.fail(first.sentence)  # said once: without an arrival there is nothing to copy
            else:
                self._guarded(each, step)

    def _guarded(self, each: Import, step: Callable[[Import], None]) -> None:
        try:
            step(each)
        except PortalError as error:
            each.fail(error.message)
            self._display.say(f"{each.name}: {error.message}")

    def _begin_url(self, each: Import) -> None:
        self._display.show(Moment(each.name, "Checking the address"))
        self._has_begun(each, import_url_once(each.line.request))

    def _begin_path(self, each: Import) -> None:
        request = each.line.request
        each.file = file = local_files.look(request.path)
        self._has_begun(each, import_path_once(request, file, self._reporter(each, "Comparing", file.size)))

    def _has_begun(self, each: Import, begun: Begun) -> None:
        first = each.first
        if first is not None and first.begun and first.begun.how in NEW and begun.how in (How.JOINED, How.THERE):
            begun = replace(begun, how=first.begun.how)  # it joined what this very run began
        each.begun = begun
        zone = begun.replica.zone
        if begun.replica.state == ReplicaState.WAITING:
            self._display.say(f"{each.name}: is copied to {zone} as soon as it is ready elsewhere.")
            return
        words = {
            How.STARTED: f"{each.name}: import into {zone} started.",
            How.RETRIED: f"{each.name}: import into {zone} failed before; started again.",
            How.JOINED: f"{each.name}: import into {zone} is under way already.",
            How.COPIED: f"{each.name}: is in another zone already; its copy to {zone} started.",
            How.THERE: f"{each.name}: already there in {zone}.",
        }
        self._display.say(words[begun.how])
        if begun.how == How.THERE:
            each.result = Result.THERE

    def _reporter(self, each: Import, phase: str, total: int) -> Callable[[int], None]:
        return lambda done: self._display.show(Moment(each.name, phase, done, total))

    # --- bytes of this machine ------------------------------------------------------------

    def _send(self, each: Import) -> None:
        """Send what is still to come, or wait for whoever does and go on where he stops."""
        upload, file = (each.begun.upload if each.begun else None), each.file
        actor = Actor(operates_for=each.line.request.account)
        while upload is not None and file is not None and upload.is_receiving:
            try:
                send_file(actor, upload, file, self._reporter(each, "Sending", file.size))
            except (UploadLocked, StagedBusy):
                if not self._wait:
                    return
                self._say_once(each, f"{each.name}: another run of this command is sending it. Waiting.")
                self._display.show(Moment(each.name, "Sending", upload.offset, upload.length))
                pause(POLL_SECONDS)
                upload.refresh_from_db(fields=["state", "offset", "length"])
            except (UploadGone, Upload.DoesNotExist):
                return  # the replica tells what became of it

    # --- waiting --------------------------------------------------------------------------

    def _watch(self, imports: Sequence[Import]) -> None:
        """Until each has ended; without waiting, one look at each."""
        while open_ones := [each for each in imports if each.begun and each.result is None]:
            moments = [moment for each in open_ones if (moment := self._look(each))]
            if not self._wait:
                for each in open_ones:
                    self._leave(each)
            elif moments:
                # The one that moves; those that only wait stand behind it.
                first = max(moments, key=lambda moment: moment.phase != Operation.Phase.WAITING.label)
                self._display.show(Moment(first.name, first.phase, first.done, first.total, len(moments) - 1))
                pause(POLL_SECONDS)

    def _leave(self, each: Import) -> None:
        if each.result is None and each.begun:
            each.result = Result.RUNNING if each.begun.how == How.JOINED else Result.STARTED

    def _look(self, each: Import) -> Moment | None:
        """What goes on with it, or None where it has just ended."""
        assert each.begun is not None  # noqa: S101 -- only those that have begun are looked at
        replica = Replica.objects.select_related("iso", "zone", "upload").filter(pk=each.begun.replica.pk).first()
        if replica is None or replica.state == ReplicaState.DELETING:
            self._ended(each, "It was cancelled or deleted meanwhile.")
        elif replica.state == ReplicaState.FAILED:
            self._ended(each, replica.error_message)
        elif replica.state == ReplicaState.READY:
            each.begun = Begun(replica, each.begun.how)
            self._ended(each, "")
        else:
            return self._moment(each, replica)
        return None

    def _ended(self, each: Import, trouble: str) -> None:
        if trouble:
            each.fail(trouble)
        else:
            each.result = Result.READY
        self._display.say(f"{each.name}: {trouble or f'ready in {each.line.request.zone}.'}")

    def _moment(self, each: Import, replica: Replica) -> Moment:
        if upload := replica.open_upload:  # sent by another process
            return Moment(each.name, "Sending", upload.offset, upload.length)
        operation = replica.active_operation
        if operation is None:
            return Moment(each.name, Operation.Phase.WAITING.label)
        self._tell_trouble(each, operation)
        phase = operation.get_phase_display() if operation.state == OperationState.RUNNING else "Queued"
        return Moment(each.name, phase, operation.bytes_done, operation.bytes_total)

    def _tell_trouble(self, each: Import, operation: Operation) -> None:
        """Why it is not going on: it waits for its next try, or nobody takes it."""
        due = operation.not_before is None or operation.not_before <= timezone.now()
        if operation.error_message and not due:
            self._say_once(each, f"{each.name}: {operation.error_message} Trying again by itself.")
        if operation.state != OperationState.QUEUED or not due:
            each.queued_since = None
            return
        if each.queued_since is None:
            each.queued_since = clock()
        if clock() - each.queued_since >= NO_WORKER_SECONDS and not _somebody_works(operation):
            self._ask_for_worker(each)

    def _ask_for_worker(self, each: Import) -> None:
        zone = each.line.request.zone
        if zone.slug in self._warned:
            return
        self._warned.add(zone.slug)
        queue = f" It must read the queue {zone.queue}." if settings.ZONE_QUEUES else ""
        self._display.say(
            f"{each.name}: no worker has begun for {NO_WORKER_SECONDS:.0f} s. "
            f"Is one running for {zone}?{queue} Waiting."
        )

    def _say_once(self, each: Import, sentence: str) -> None:
        if each.said != sentence:
            each.said = sentence
            self._display.say(sentence)

    def summary(self) -> list[dict[str, Any]]:
        """For programs: one entry per import and zone. `size` in bytes, `source` without what may be secret in it."""
        return [_entry(each) for each in self.imports]


def _entry(each: Import) -> dict[str, Any]:
    iso, request = (each.begun.replica.iso if each.begun else None), each.line.request
    return {
        "line": each.line.number,
        "source": request.shown,
        "account": request.account.name,
        "zone": request.zone.slug,
        "name": each.name,
        "id": str(iso.public_id) if iso else None,
        "result": str(each.result or Result.RUNNING),
        "size": iso.size if iso else None,
        "sha256": iso.sha256 or None if iso else None,
        "error": each.sentence or None,
    }


def _somebody_works(waiting: Operation) -> bool:
    """Whether a worker that could take it is busy with something else."""
    running = Operation.objects.filter(state=OperationState.RUNNING, lease_expires__gt=timezone.now())
    return (running.filter(zone=waiting.zone_id) if settings.ZONE_QUEUES else running).exists()


def pause(seconds: float) -> None:
    """Between two looks at rows that workers write: they send no event."""
    time.sleep(seconds)


def clock() -> float:
    return time.monotonic()
