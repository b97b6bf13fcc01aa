"""One attempt of a process, from its launch to its last state.

Whatever happens to the child, the record gets an end. What the run says is stored by `recorder`;
when to start an attempt, and how many there are, is left to `dispatcher`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from server.core.concurrency import retry_while_unavailable
from server.core.errors import HeliographError, LeaseLost, StorageAway
from server.core.records import ProcessRecord
from server.execution.conclusion import conclude
from server.execution.launch import RunServices, launch
from server.execution.places.place import PlaceAway, PlacedRun, Stopped
from server.execution.recorder import RunRecorder
from server.execution.start_failures import failure_of_start, is_the_pipelines, pause_before
from server.execution.verdict import RunEnd, StopReason

log = logging.getLogger(__name__)

#: How long a child may take to exit after its last message: threads and children of its own may
#: keep it from exiting.
LINGER_SECONDS = 5.0
#: The pause before inputs are fetched again from a storage that is away.
STORAGE_SECONDS = 2.0


class Attempt:
    """A claimed process on its way to its end."""

    def __init__(self, record: ProcessRecord, services: RunServices) -> None:
        self.pk = record.pk
        self.number = record.attempt
        self.pipeline = record.pipeline
        self._services = services
        self._recorder = RunRecorder(record, services)
        self._stop: StopReason | None = None
        self._stopped = asyncio.Event()
        self._lingered = False
        #: why the place takes no runs now, so that the process goes back to the queue
        self._away: str | None = None

    def stop(self, why: StopReason) -> None:
        """Have the run ended. The first reason counts, but a lost lease overrides any other."""
        if self._stop is None or why is StopReason.LOST:
            self._stop = why
        self._stopped.set()
        self._recorder.admit_all()

    async def run(self) -> None:
        """Carry out the attempt; whatever goes wrong with the run ends the process."""
        try:
            await self._run()
        except LeaseLost as error:
            log.warning(
                "%s; its run was ended here",
                error,
                extra={"action": "run_abandoned", "process_pk": self.pk, "attempt": self.number},
            )
            await self._services.remove_folder(self._recorder.record)
            # It may have come between the publication and the end that would have named it.
            await retry_while_unavailable(
                lambda: self._services.archive.outputs.withdraw(self.pk, self.number)
            )
        except Exception:
            await self._services.remove_folder(self._recorder.record)
            raise
        finally:
            self._services.logs.release(self.pk)

    async def _run(self) -> None:
        if self._recorder.record.cancel_requested:
            self.stop(StopReason.CANCEL)
        if self.number > 1:
            self._recorder.messages.say(f"Attempt {self.number} begins")
            await self._recorder.finish_log()
        if interrupted := self._recorder.record.interrupted:
            await self._pause(pause_before(interrupted) or 0)
        run, failure = await self._launch()
        try:
            end = await self._end_of(run, failure)
            if self._stop is StopReason.LOST:
                raise LeaseLost(self.pk, self.number)
            await conclude(self._recorder, run, end)
        finally:
            if run is not None:
                self._services.places.runs.pop(self.pk, None)
                await run.release()

    async def _end_of(self, run: PlacedRun | None, failure: str | None) -> RunEnd:
        """See a run to its end, if it was started, and return how it ended."""
        code = None if run is None else await self._supervise(run)
        return RunEnd(
            stop=self._stop,
            code=code,
            failure=failure,
            interrupted=run is not None and self._was_interrupted(run),
            limits=self._recorder.limits,
            lingered=self._lingered,
            oom_kills=run is not None and code is not None and run.was_out_of_memory(code),
            away=self._away,
            lost=None if run is None else run.lost,
        )

    def _was_interrupted(self, run: PlacedRun) -> bool:
        """Return whether the run ended with its template, or before it began: not its own fault."""
        messages = self._recorder.messages
        return messages.last is None and (run.orphaned or messages.parent is None)

    async def _launch(self) -> tuple[PlacedRun | None, str | None]:
        """Return the started run, or why it could not be started; neither if stopped before."""
        tries = 0
        waiting = False
        while not self._stopped.is_set():
            try:
                run, inputs = await launch(self._recorder.record, self._services, self._stopped)
            except Stopped:
                break
            except PlaceAway as error:
                self._away = str(error)
                break
            except StorageAway as error:  # however long it is, the inputs will be there again
                if not waiting:
                    waiting = True
                    self._log_waiting(error)
                await self._pause(STORAGE_SECONDS)
            except Exception as error:
                tries += 1
                seconds = None if is_the_pipelines(error) else pause_before(tries)
                self._log_failed_start(error, tries, again=seconds is not None)
                if seconds is None:
                    return None, failure_of_start(error)
                await self._pause(seconds)
            else:
                self._recorder.note_start(inputs, run.facts)
                self._services.places.runs[self.pk] = run
                return run, None
        return None, None

    async def _pause(self, seconds: float) -> None:
        """Wait before another try, but not once the attempt is to be stopped."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)

    def _log_waiting(self, error: StorageAway) -> None:
        log.warning(
            "Process %s cannot be started now: %s",
            self.pk,
            error,
            extra={"action": "launch_waits", "process_pk": self.pk, "attempt": self.number},
        )

    def _log_failed_start(self, error: Exception, tries: int, *, again: bool) -> None:
        known = isinstance(error, HeliographError)  # its sentence says all
        log.log(
            logging.WARNING if again else logging.ERROR,
            "Process %s could not be started%s%s",
            self.pk,
            " and will be tried again" if again else "",
            f": {error}" if known else "",
            exc_info=None if known else error,
            extra={
                "action": "launch_failed",
                "process_pk": self.pk,
                "attempt": self.number,
                "tries": tries,
            },
        )

    async def _supervise(self, run: PlacedRun) -> int:
        """Wait for the child's end, store all that it said, and return its exit code."""
        try:
            # A failure of any of these ends all: a defect must not pass for anything else.
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._recorder.store_news())
                watchers = [tasks.create_task(run.measure(self._recorder.usage))]
                for name, reader in run.readers.items():
                    watchers.append(tasks.create_task(self._recorder.output.pump(name, reader)))
                await self._wait_for_end(run)
                self._recorder.admit_all()
                # What the child left behind in its group would keep its pipes open.
                await run.kill()
                for task in watchers:
                    task.cancel()
                await asyncio.wait(watchers)
                await self._recorder.output.drain(run.readers)
                self._recorder.close()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            await run.kill()
            run.close()
        return await run.wait()

    async def _wait_for_end(self, run: PlacedRun) -> None:
        """Wait for the child's end, and bring it about when the run is to be stopped."""
        ended = asyncio.create_task(run.wait())
        stopped = asyncio.create_task(self._stopped.wait())
        finished = asyncio.create_task(self._recorder.output.finished.wait())
        try:
            waiting: set[asyncio.Task[Any]] = {ended, stopped, finished}
            seconds = self._recorder.limits.timeout_seconds
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if finished.done() and not ended.done():
                await asyncio.wait(
                    {ended, stopped}, timeout=LINGER_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                self._lingered = not (ended.done() or stopped.done())
            elif not ended.done():
                self.stop(StopReason.TIMEOUT)
            if not ended.done():
                await self._end(run)
        finally:
            for task in (ended, stopped, finished):
                task.cancel()

    async def _end(self, run: PlacedRun) -> None:
        await run.sample(self._recorder.usage)
        if self._lingered or self._stop is StopReason.LOST:
            await run.kill()
        else:
            await run.terminate()
