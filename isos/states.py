"""Transition tables of the stateful models, pure. An illegal move raises."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar


class ReplicaState(StrEnum):
    WAITING = "waiting"  # to be copied here as soon as the ISO is Ready where its bytes arrive
    QUEUED = "queued"
    RECEIVING = "receiving"
    VERIFYING = "verifying"
    READY = "ready"
    FAILED = "failed"
    DELETING = "deleting"


class OperationState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class UploadState(StrEnum):
    RECEIVING = "receiving"
    RECEIVED = "received"  # all bytes are durable; ingest has taken over
    FINISHED = "finished"  # nothing staged is left


class IllegalTransition(Exception):
    """A move that the table does not know: a bug, never the user's fault."""


_R, _O, _U = ReplicaState, OperationState, UploadState

REPLICA_MOVES: dict[ReplicaState, frozenset[ReplicaState]] = {
    _R.WAITING: frozenset({_R.QUEUED, _R.FAILED, _R.DELETING}),
    # queued → verifying: a retry whose bytes are still staged has nothing to receive
    _R.QUEUED: frozenset({_R.RECEIVING, _R.VERIFYING, _R.FAILED, _R.DELETING}),
    _R.RECEIVING: frozenset({_R.VERIFYING, _R.FAILED, _R.DELETING}),
    _R.VERIFYING: frozenset({_R.READY, _R.FAILED, _R.DELETING}),
    # ready → failed: its bytes turned out to be lost or damaged in the zone's storage
    _R.READY: frozenset({_R.FAILED, _R.DELETING}),
    _R.FAILED: frozenset({_R.WAITING, _R.QUEUED, _R.DELETING}),
    _R.DELETING: frozenset(),
}

OPERATION_MOVES: dict[OperationState, frozenset[OperationState]] = {
    _O.QUEUED: frozenset({_O.RUNNING, _O.CANCELLED, _O.FAILED}),
    _O.RUNNING: frozenset({_O.QUEUED, _O.SUCCEEDED, _O.FAILED, _O.CANCELLED}),
    _O.SUCCEEDED: frozenset(),
    _O.FAILED: frozenset(),
    _O.CANCELLED: frozenset(),
}

UPLOAD_MOVES: dict[UploadState, frozenset[UploadState]] = {
    _U.RECEIVING: frozenset({_U.RECEIVED, _U.FINISHED}),
    _U.RECEIVED: frozenset({_U.FINISHED}),
    _U.FINISHED: frozenset(),
}

ACTIVE_OPERATION = (OperationState.QUEUED, OperationState.RUNNING)
UNFINISHED_REPLICA = (ReplicaState.WAITING, ReplicaState.QUEUED, ReplicaState.RECEIVING, ReplicaState.VERIFYING)


S = TypeVar("S", bound=StrEnum)


def sources(table: dict[S, frozenset[S]], target: S) -> list[S]:
    """The states from which `target` may be reached: the WHERE of a conditional UPDATE."""
    return [state for state, targets in table.items() if target in targets]
