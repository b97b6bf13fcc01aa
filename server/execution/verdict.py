"""What the end of a run amounts to: a pure decision on the facts, with no side effects."""

from __future__ import annotations

import dataclasses
import enum
import signal

from server.config import Limits
from server.core.records import CANCELLED, State
from server.execution.child import exit_messages
from server.execution.child.messages import ChildMessages


class StopReason(enum.Enum):
    """Why a run is stopped before it ends by itself."""

    CANCEL = enum.auto()  #: a user asked for it
    TIMEOUT = enum.auto()  #: it ran for longer than its limit
    HAND_BACK = enum.auto()  #: the server stops, and the process goes back to the queue
    LOST = enum.auto()  #: the lease was lost: nothing may be written any more


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunEnd:
    """The bare facts: why it was stopped, how the child exited, why it could not start.

    `interrupted` means that the child ended, without a last message, because the process that
    starts the runs did, or before anything of the pipeline ran. `lingered` means that it was done
    but did not exit, and was killed; `oom_kills` that the kernel killed processes for lack of
    memory while it ran. `away` is why its place took no runs, and `lost` why a started run cannot
    be reached any more.
    """

    stop: StopReason | None
    code: int | None
    failure: str | None
    limits: Limits
    interrupted: bool = False
    lingered: bool = False
    oom_kills: bool = False
    away: str | None = None
    lost: str | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What follows from the facts: the last state and message, or `state` None to re-queue.

    `died` means that the child failed by itself, which may be retried; `interrupted` that neither
    the pipeline nor this server ended it, so that it is tried again, but not for ever; `lost` that
    the machine that ran it is gone, which counts as a server that is gone does.
    """

    state: State | None
    message: str | None = None
    died: bool = False
    interrupted: bool = False
    lost: bool = False


def _outputs_lost(messages: ChildMessages) -> str:
    return exit_messages.outputs_lost(messages.outputs_sent, messages.outputs_received)


def decide(messages: ChildMessages, end: RunEnd) -> Outcome:
    """Return what the facts amount to.

    A run that was done before it was stopped has succeeded, unless it was cancelled: a cancel that
    was accepted before anything was published is kept.
    """
    if end.lost is not None and end.stop is None:
        return Outcome(State.FAILED, end.lost, lost=True)
    if messages.last == ("done",) and end.stop is not StopReason.CANCEL:
        if messages.outputs_sent != messages.outputs_received:
            return Outcome(State.FAILED, _outputs_lost(messages), died=True)
        return Outcome(State.SUCCEEDED)
    match end.stop:
        case StopReason.CANCEL:
            return Outcome(State.CANCELLED, CANCELLED)
        case StopReason.HAND_BACK:
            return Outcome(None)
        case StopReason.TIMEOUT:
            return Outcome(State.FAILED, exit_messages.timed_out(end.limits.timeout_seconds or 0))
    if end.away is not None:
        return Outcome(None, end.away)
    if end.failure is not None:
        return Outcome(State.FAILED, end.failure)
    if end.interrupted:
        return Outcome(None, interrupted=True)
    if messages.last and messages.last[0] == "failed":
        return Outcome(State.FAILED, messages.last[1], died=True)
    # Not asked to by us, a child ends as cancelled only when somebody else sent it SIGTERM.
    code = -signal.SIGTERM if messages.last == ("cancelled",) else end.code or 0
    return Outcome(State.FAILED, exit_messages.failure_of_exit(code), died=True)
