"""How an attempt ends: what is said last, and which state the process moves to.

The one place that decides between success, failure, cancelled and one more attempt.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.archive.archive import OutputFile, Publication
from server.core.concurrency import persistently
from server.core.errors import DatabaseAway, HeliographError, LeaseLost
from server.core.records import Resources, State
from server.execution.child import exit_messages
from server.execution.child.messages import OUTPUTS_LIMIT
from server.execution.verdict import Ending, Verdict, judge

if TYPE_CHECKING:
    from server.execution.attempt import Attempt

log = logging.getLogger(__name__)

#: Of the OS processes that a run left behind so many are named in its log.
ESCAPED_NAMED = 20


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
    return exit_messages.likely_cause(
        ending.code, ending.limits, attempt.usage.cpu_seconds, ending.oom_kills
    )


def _resources(attempt: Attempt, ending: Ending) -> Resources:
    usage, code = attempt.usage, ending.code
    words = "not started" if code is None else exit_messages.exit_in_words(code)
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
