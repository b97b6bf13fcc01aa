"""How an attempt ends: what is said last, and which state the process moves to.

The one place that decides between success, failure, cancelled and one more attempt.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import itertools
import logging
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server import last_words
from server.archive import OutputFile, Publication
from server.config import Limits
from server.errors import DatabaseAway, HeliographError, LeaseLost
from server.ingest import OUTPUTS_LIMIT, Ingest
from server.persistence import persistently
from server.records import Resources, State

if TYPE_CHECKING:
    from server.attempt import Attempt

log = logging.getLogger(__name__)

#: Of the OS processes that a run left behind so many are named in its log.
ESCAPED_NAMED = 20


class Stop(enum.Enum):
    """Why a run is stopped before it ended by itself."""

    CANCEL = enum.auto()  #: somebody asked for it
    TIMEOUT = enum.auto()  #: it ran for longer than it may
    HAND_BACK = enum.auto()  #: the server stops, the process goes back to the queue
    LOST = enum.auto()  #: the lease was lost: nothing may be written any more


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ending:
    """The bare facts: why it was stopped, how the child exited, why it could not start.

    `lingered` says that it was killed as it did not end when it was done, `memory_kills` whether
    the kernel has ended processes for lack of memory meanwhile.
    """

    stop: Stop | None
    code: int | None
    failure: str | None
    limits: Limits
    lingered: bool = False
    memory_kills: bool = False


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What follows from them. `state` None means: back to the queue."""

    state: State | None
    message: str | None = None
    died: bool = False


async def conclude(attempt: Attempt, ending: Ending) -> None:
    """Say the last words, publish the outputs and move the record. Raises LeaseLost."""
    tools, record = attempt.tools, attempt.record
    if attempt.ingest.usage is not None:
        attempt.usage.take(*attempt.ingest.usage)
    if ending.code == -signal.SIGXCPU:  # samples come too seldom to have seen the last of it
        attempt.usage.take(ending.limits.cpu_seconds or 0, 0)
    verdict = judge(attempt.ingest, ending)
    await _say_last_words(attempt, ending, verdict)
    facts = {"resources": _resources(attempt, ending)}
    if "progress" in attempt.ingest.changes:
        facts["progress"] = attempt.ingest.changes["progress"]
    if verdict.state is State.SUCCEEDED:
        verdict = await _succeed(attempt, facts)
    if verdict.state is not State.SUCCEEDED:
        await _settle(attempt, verdict, facts)
    await _clear(tools.folder(record))


def judge(ingest: Ingest, ending: Ending) -> Verdict:
    """What the facts amount to. A run that finished before it was stopped has finished."""
    if ingest.last == ("done",):
        return Verdict(State.SUCCEEDED)
    match ending.stop:
        case Stop.CANCEL:
            return Verdict(State.CANCELLED, last_words.CANCELLED)
        case Stop.HAND_BACK:
            return Verdict(None)
        case Stop.TIMEOUT:
            return Verdict(State.FAILED, last_words.timed_out(ending.limits.timeout_seconds or 0))
    if ending.failure is not None:
        return Verdict(State.FAILED, ending.failure)
    if ingest.last and ingest.last[0] == "failed":
        return Verdict(State.FAILED, ingest.last[1], died=True)
    # By itself it only says that it was cancelled when a stranger sent it the signal for that.
    code = -signal.SIGTERM if ingest.last == ("cancelled",) else ending.code or 0
    return Verdict(State.FAILED, last_words.failure_of_exit(code), died=True)


async def _say_last_words(attempt: Attempt, ending: Ending, verdict: Verdict) -> None:
    say = attempt.ingest.say
    if (left_out := attempt.log_limit.summary()) is not None:
        say(left_out, "warning")
    if ending.lingered:
        say(
            "It was done but did not end: threads or children held it up, and it was killed",
            "warning",
        )
    if verdict.state is None:
        say("The server stops, and the process goes back to the queue", "warning")
    elif verdict.message is not None:
        say(verdict.message, "error")
    if verdict.died and (cause := _likely_cause(attempt, ending)) is not None:
        say(cause, "error")
    record = attempt.record
    escaped = await attempt.usage.escaped(attempt.ingest.parent, record.pk, record.identifier)
    for pid, name in list(escaped.items())[:ESCAPED_NAMED]:
        say(f"OS process {pid} ({name}) left the run's session and goes on", "warning")
    if (more := len(escaped) - ESCAPED_NAMED) > 0:
        say(f"So did {more} more", "warning")


def _likely_cause(attempt: Attempt, ending: Ending) -> str | None:
    if ending.code is None or ending.lingered:
        return None
    return last_words.likely_cause(
        ending.code, ending.limits, attempt.usage.cpu_seconds, ending.memory_kills
    )


def _resources(attempt: Attempt, ending: Ending) -> Resources:
    usage, code = attempt.usage, ending.code
    words = "not started" if code is None else last_words.exit_in_words(code)
    return Resources(usage.cpu_seconds, usage.peak_rss_bytes, words)


async def _succeed(attempt: Attempt, facts: dict[str, Any]) -> Verdict:
    """Publish the outputs and end the record in one write; what went wrong, if it did."""
    tools = attempt.tools
    try:
        published = await _publish(attempt)
    except LeaseLost:
        raise
    except (OSError, ValueError, HeliographError) as error:
        log.exception("The outputs of process %s could not be stored", attempt.pk)
        message = f"The outputs could not be stored: {error}"
        attempt.ingest.say(message, "error")
        return Verdict(State.FAILED, message)
    facts |= {
        "outputs": published.products,
        "group": published.group,
        "series": published.series,
    }
    lines = await attempt.finish_log()
    attempt.record = await tools.ledger.end(
        attempt.record, State.SUCCEEDED, log_lines=lines, **facts
    )
    await persistently(lambda: tools.archive.settle(published))
    return Verdict(State.SUCCEEDED)


async def _publish(attempt: Attempt) -> Publication:
    """Store the outputs, waiting for the database if need be, but not for room."""
    archive, record, outputs = attempt.tools.archive, attempt.record, attempt.ingest.outputs
    if len(outputs) > OUTPUTS_LIMIT:
        raise ValueError(f"there are more than {OUTPUTS_LIMIT}")
    files = [OutputFile(Path(path), name, kind) for path, name, kind in outputs]
    tries = itertools.count()

    async def publish() -> Publication:
        if next(tries):  # what was stored before the database went away is found again by nobody
            await archive.discard(record.pk, record.attempt)
        return await archive.publish(record, files)

    return await persistently(publish, through=(DatabaseAway,))


async def _settle(attempt: Attempt, verdict: Verdict, facts: dict[str, Any]) -> None:
    """Move the record of a run that did not succeed."""
    record, ledger = attempt.record, attempt.tools.ledger
    again = verdict.died and record.died < attempt.tools.config.retries_on_failure_of(
        record.pipeline
    )
    if again:
        attempt.ingest.say("It will be tried again", "warning")
    lines = await attempt.finish_log()
    if again:
        await ledger.requeue(record, died=record.died + 1, log_lines=lines)
    elif verdict.state is None:
        await ledger.requeue(record, log_lines=lines)
    else:
        await ledger.end(record, verdict.state, verdict.message, log_lines=lines, **facts)


async def _clear(folder: Path) -> None:
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
