"""How an attempt ends: its last words in the log, its outputs, and the state of its process.

What the end amounts to is decided by `verdict`; this is the one place that acts on it, and that
tries a run that failed once more.
"""

from __future__ import annotations

import itertools
import logging
import signal
from typing import Any

from runners.confinement.wording import in_words
from runners.execution.exits import exit_in_words
from server.archive.outputs import Publication
from server.core.concurrency import retry_while_unavailable
from server.core.errors import (
    CancelRequested,
    DatabaseAway,
    HeliographError,
    LeaseLost,
    StorageAway,
)
from server.core.records import CANCELLED, Resources, State
from server.execution.child import exit_messages
from server.execution.child.messages import OUTPUTS_LIMIT
from server.execution.places.place import PlacedRun, RunLost
from server.execution.recorder import RunRecorder
from server.execution.start_failures import INTERRUPTED, INTERRUPTED_OFTEN, pause_before
from server.execution.verdict import Outcome, RunEnd, decide

log = logging.getLogger(__name__)

#: How many of the OS processes that a run left behind are named in its log.
ESCAPED_NAMED = 20
#: How many inputs of which a run changed its copy are named in its log.
CHANGES_NAMED = 20


async def conclude(recorder: RunRecorder, run: PlacedRun | None, end: RunEnd) -> None:
    """Say the last words, publish the outputs and move the record. Raises LeaseLost.

    Without a `run`, none was started.
    """
    if recorder.messages.usage is not None:
        recorder.usage.take(*recorder.messages.usage)
    if end.code == -signal.SIGXCPU:  # the samples are too far apart to show the last of it
        recorder.usage.take(end.limits.cpu_seconds or 0, 0)
    outcome = decide(recorder.messages, end)
    if run is not None:
        await _check_inputs(recorder, run)
    if outcome.interrupted and pause_before(recorder.record.interrupted + 1) is None:
        outcome = Outcome(State.FAILED, INTERRUPTED_OFTEN)
    await _say_last_words(recorder, run, end, outcome)
    fields: dict[str, Any] = {"resources": _resources(recorder, end)}
    if (progress := recorder.messages.unstored_progress) is not None:
        fields["progress"] = progress
    if outcome.state is State.SUCCEEDED:
        outcome = await _succeed(recorder, run, fields)
    if outcome.state is not State.SUCCEEDED:
        await _end_or_requeue(recorder, outcome, fields)
    await recorder.services.remove_folder(recorder.record)


async def _check_inputs(recorder: RunRecorder, run: PlacedRun) -> None:
    """Say what the run did to its copies of the inputs, and note which checksums were compared."""
    changes, verified = await run.examine_inputs(recorder.inputs)
    for name, change in changes[:CHANGES_NAMED]:
        recorder.messages.say(
            f"The pipeline has {change} its copy of {name}; the stored file is as it was", "warning"
        )
    if (more := len(changes) - CHANGES_NAMED) > 0:
        recorder.messages.say(f"It did so with {more} more", "warning")
    if verified:
        await recorder.note_verified(verified)


async def _say_last_words(
    recorder: RunRecorder, run: PlacedRun | None, end: RunEnd, outcome: Outcome
) -> None:
    say = recorder.messages.say
    if (left_out := recorder.log_limit.summary()) is not None:
        say(left_out, "warning")
    if end.lingered:
        say(
            "It was done but did not end: threads or children kept it running, and it was killed",
            "warning",
        )
    if outcome.interrupted:
        say(f"{INTERRUPTED}. It will be tried again", "warning")
    elif outcome.state is None and outcome.message is not None:
        say(f"It goes back to the queue: {outcome.message}", "warning")
    elif outcome.state is None:
        say("The server stops, and the process goes back to the queue", "warning")
    elif outcome.message is not None:
        say(outcome.message, "error")
    if outcome.died and (cause := _likely_cause(recorder, end)) is not None:
        say(cause, "error")
    record = recorder.record
    if run is None:
        return
    parent = recorder.messages.parent
    escaped = await run.escaped(recorder.usage, parent, record.pk, record.identifier)
    for pid, name in list(escaped.items())[:ESCAPED_NAMED]:
        say(f"OS process {pid} ({name}) left the run's session and goes on", "warning")
    if (more := len(escaped) - ESCAPED_NAMED) > 0:
        say(f"So did {more} more", "warning")


def _likely_cause(recorder: RunRecorder, end: RunEnd) -> str | None:
    if end.code is None or end.lingered:
        return None
    return exit_messages.likely_cause(
        end.code, end.limits, recorder.usage.cpu_seconds, end.oom_kills
    )


def _resources(recorder: RunRecorder, end: RunEnd) -> Resources:
    usage, code = recorder.usage, end.code
    exit_text = "not started" if code is None else exit_in_words(code)
    return Resources(usage.cpu_seconds, usage.peak_rss_bytes, exit_text)


async def _succeed(recorder: RunRecorder, run: PlacedRun | None, fields: dict[str, Any]) -> Outcome:
    """Publish the outputs and end the record in one write. Return whether that succeeded.

    A cancel that was accepted before that write wins: nothing is published then.
    """
    try:
        published = await _publish(recorder, run)
    except LeaseLost:
        raise
    except CancelRequested:
        return await _withdrawn(recorder)
    except RunLost as error:
        recorder.messages.say(str(error), "error")
        return Outcome(State.FAILED, str(error), lost=True)
    except (OSError, ValueError, HeliographError) as error:
        return _unpublished(recorder, error)
    fields |= {
        "outputs": published.products,
        "group": published.group,
        "series": published.series,
        "main": published.main,
    }
    extent = await recorder.finish_log()
    try:
        await recorder.end(State.SUCCEEDED, **extent, **fields)
    except CancelRequested:
        for field in ("outputs", "group", "series", "main"):
            del fields[field]
        return await _withdrawn(recorder)
    outputs = recorder.services.archive.outputs
    await retry_while_unavailable(lambda: outputs.confirm(published))
    return Outcome(State.SUCCEEDED)


def _unpublished(recorder: RunRecorder, error: Exception) -> Outcome:
    """Report that the outputs could not be stored, and return the outcome of that."""
    log.error(
        "The outputs of process %s could not be stored",
        recorder.pk,
        exc_info=error,
        extra={
            "action": "publication_failed",
            "process_pk": recorder.pk,
            "attempt": recorder.record.attempt,
        },
    )
    message = f"The outputs could not be stored: {reason_of(error)}"
    recorder.messages.say(message, "error")
    return Outcome(State.FAILED, message)


async def _withdrawn(recorder: RunRecorder) -> Outcome:
    """Remove the outputs of a run that was cancelled before they were named."""
    outputs = recorder.services.archive.outputs
    withdraw = outputs.withdraw
    await retry_while_unavailable(lambda: withdraw(recorder.pk, recorder.record.attempt))
    recorder.messages.say(CANCELLED, "error")
    return Outcome(State.CANCELLED, CANCELLED)


def reason_of(error: Exception) -> str:
    """Return what went wrong, for the failure message of a run."""
    return str(error) if isinstance(error, HeliographError) else in_words(error)


async def _publish(recorder: RunRecorder, run: PlacedRun | None) -> Publication:
    """Store the outputs, waiting for the database and storage if need be, but not for room.

    Raises CancelRequested if the run is cancelled meanwhile.
    """
    archive, record, outputs = recorder.services.archive, recorder.record, recorder.messages.outputs
    if len(outputs) > OUTPUTS_LIMIT:
        raise ValueError(f"there are more than {OUTPUTS_LIMIT}")
    repository = recorder.services.repository
    confined = recorder.messages.confined
    within = None if confined is None or confined.landlock is None else confined.writable
    files = [] if run is None else await run.fetch(outputs, within)
    tries = itertools.count()

    async def publish() -> Publication:
        if next(tries):
            if (await repository.get(record.pk)).cancel_requested:
                raise CancelRequested(record.pk)
            # Nothing else would find what was stored before the database went away
            await archive.outputs.discard(record.pk, record.attempt)
        return await archive.outputs.publish(record, files)

    return await retry_while_unavailable(publish, through=(DatabaseAway, StorageAway))


async def _end_or_requeue(recorder: RunRecorder, outcome: Outcome, fields: dict[str, Any]) -> None:
    """Move the record of a run that did not succeed."""
    record, services = recorder.record, recorder.services
    repository = services.repository
    retries = services.config.retries_on_failure_of(record.pipeline)
    again = outcome.died and record.died < retries
    lost = outcome.lost and record.lost < services.config.retries_of(record.pipeline)
    if again or lost:
        recorder.messages.say("It will be tried again", "warning")
    extent = await recorder.finish_log()
    if again:
        await repository.requeue(record, died=record.died + 1, **extent)
    elif lost:
        await repository.requeue(record, lost=record.lost + 1, **extent)
    elif outcome.interrupted:
        await repository.requeue(record, interrupted=record.interrupted + 1, **extent)
    elif outcome.state is None:
        await repository.requeue(record, **extent)
    else:
        await repository.end(record, outcome.state, outcome.message, **extent, **fields)
