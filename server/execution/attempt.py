"""One attempt of a process, from its launch to its last state.

Stores what the child says in order, and ends the record; whatever happens to the child, the record
is settled. When to start an attempt, and how many there are, is left to `dispatcher`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from typing import Any

from runners.execution.pool import Run, TemplateLost
from server.core.concurrency import retry_while_unavailable
from server.core.errors import LeaseLost
from server.core.records import DataProduct, ProcessRecord
from server.execution.child import oom_kills, termination
from server.execution.child.output_buffer import OutputBuffer
from server.execution.child.resource_usage import Usage
from server.execution.conclusion import conclude
from server.execution.launch import RunServices, launch
from server.execution.verdict import RunEnd, StopReason
from server.logs.limit import LogLimit
from server.processes.receipt import Noted
from server.store.processes.sections import Section

log = logging.getLogger(__name__)

#: Shortest time between two writes of lines, and of the record; the first one goes at once.
LINES_SECONDS = 0.01
RECORD_SECONDS = 0.05
#: How long a child may take to end once it has said that it is done: threads and children of its
#: own may hold it up.
LINGER_SECONDS = 5.0


class Attempt:
    """A claimed process on its way to the end."""

    def __init__(self, record: ProcessRecord, services: RunServices) -> None:
        self.record = record
        self.services = services
        self.limits = services.config.limits_of(record.pipeline)
        self.output = OutputBuffer()
        self.messages = self.output.messages
        self.usage = Usage()
        self.log_limit = LogLimit(self.limits.log_bytes)
        self._inputs: list[DataProduct] = []
        self._receipt_kept = False
        self._stop: StopReason | None = None
        self._stopped = asyncio.Event()
        self._lingered = False
        self._closing = asyncio.Event()
        self._record_written = 0.0

    @property
    def pk(self) -> int:
        """The process's PK."""
        return self.record.pk

    def stop(self, why: StopReason) -> None:
        """Have the run ended; the first reason counts, but for a lost lease, which beats all."""
        if self._stop is None or why is StopReason.LOST:
            self._stop = why
        self._stopped.set()

    async def run(self) -> None:
        """Live through the attempt; all that can go wrong with a run ends the process."""
        try:
            await self._run()
        except LeaseLost as error:
            log.warning("%s; its run was ended here", error)
            await self._clear()
            # It may have come between the publication and the end that would have named it.
            await retry_while_unavailable(
                lambda: self.services.archive.discard(self.pk, self.record.attempt)
            )
        except Exception:
            await self._clear()
            raise
        finally:
            self.services.logs.release(self.pk)

    async def _clear(self) -> None:
        folder = self.services.folder(self.record)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _run(self) -> None:
        if self.record.cancel_requested:
            self.stop(StopReason.CANCEL)
        if self.record.attempt > 1:
            self.messages.say(f"Attempt {self.record.attempt} begins")
            await self.finish_log()
        kills = oom_kills.count()
        run = failure = code = None
        if not self._stopped.is_set():
            run, failure = await self._launched()
        if run is not None:
            code = await self._live(run)
            if run.orphaned and self.messages.last is None:
                raise TemplateLost  # no fault of the run's: it counts as lost
        if self._stop is StopReason.LOST:
            raise LeaseLost(self.pk, self.record.attempt)
        end = RunEnd(
            stop=self._stop,
            code=code,
            failure=failure,
            limits=self.limits,
            lingered=self._lingered,
            oom_kills=oom_kills.count() > kills if code == -9 else False,
        )
        await conclude(self, end)

    async def _launched(self) -> tuple[Run | None, str | None]:
        try:
            run, self._inputs = await launch(self.record, self.services)
            return run, None
        except Exception as error:
            log.exception("Process %s could not be started", self.pk)
            return None, f"The pipeline could not be started: {error}"

    async def _live(self, run: Run) -> int:
        """See the child to its end, and store all that it said; its exit code."""
        try:
            # Whoever of them fails ends all: a defect must not pass for anything else.
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write_news())
                watchers = [tasks.create_task(self.usage.measure(run.pid))]
                for name, reader in run.readers.items():
                    watchers.append(tasks.create_task(self.output.pump(name, reader)))
                await self._until_end(run)
                # What the child left behind in its group would hold its pipes open.
                await termination.kill(run)
                for task in watchers:
                    task.cancel()
                await asyncio.wait(watchers)
                await self.output.drain(run.readers)
                self._closing.set()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            await termination.kill(run)
            run.close()
        return await run.wait()

    async def _until_end(self, run: Run) -> None:
        """Wait for the child's end, and bring it about when it is to be stopped."""
        ended = asyncio.create_task(run.wait())
        stopped = asyncio.create_task(self._stopped.wait())
        finished = asyncio.create_task(self.output.finished.wait())
        try:
            waiting: set[asyncio.Task[Any]] = {ended, stopped, finished}
            seconds = self.limits.timeout_seconds
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if finished.done() and not ended.done():
                await asyncio.wait(
                    {ended, stopped}, timeout=LINGER_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                self._lingered = not (ended.done() or stopped.done())
            elif not ended.done():
                self.stop(StopReason.TIMEOUT)
            if not ended.done():
                await self._bring_to_end(run)
        finally:
            for task in (ended, stopped, finished):
                task.cancel()

    async def _bring_to_end(self, run: Run) -> None:
        self.usage.sample(run.pid)
        if self._lingered or self._stop is StopReason.LOST:
            await termination.kill(run)
        else:
            await termination.terminate(run)

    async def _write_news(self) -> None:
        """Store what is new: at once after a quiet time, then in batches."""
        loop = asyncio.get_running_loop()
        while not self._closing.is_set():
            due = self.messages.assembler.release(loop.time())
            waiting = None if due is None else max(0.0, due - loop.time())
            if self.messages.changes:
                waiting = RECORD_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.output.news.wait(), waiting)
            self.output.news.clear()
            if await self._store_news():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), LINES_SECONDS)
        await self._store_news()

    async def _store_news(self) -> bool:
        """Store what there is; whether there were lines."""
        stored = await self._store_lines()
        if self.messages.provenance is not None and not self._receipt_kept:
            await self._keep_receipt(self.messages.provenance)
        now = asyncio.get_running_loop().time()
        if self.messages.changes and now - self._record_written >= RECORD_SECONDS:
            self._record_written = now
            changes, self.messages.changes = self.messages.changes, {}
            changes["log_lines"] = await retry_while_unavailable(
                lambda: self.services.logs.last_line(self.pk)
            )
            await self._write(changes)
        return stored

    async def _store_lines(self) -> bool:
        """Store what the run said, as long as its log may be; whether it said anything."""
        sections = self.messages.take_sections()
        lines, characters = self.output.take()
        if sections:
            await self._store_sections(sections)
        if lines:
            used = await retry_while_unavailable(lambda: self.services.logs.size(self.pk))
            admitted = self.log_limit.admit(lines, characters, used)
            if self.log_limit.reached:
                self.messages.leave_out = self.log_limit.leave_out
            if admitted:
                await self.services.logs.append(self.pk, self.record.attempt, admitted)
        return bool(lines)

    async def _store_sections(self, sections: list[Section]) -> None:
        """Keep where in the log statuses begin; what its limit leaves out has no sections."""
        if self.log_limit.reached:
            return
        last = await retry_while_unavailable(lambda: self.services.logs.last_line(self.pk))
        numbered = [section._replace(line=last + section.line + 1) for section in sections]
        await retry_while_unavailable(lambda: self.services.sections.put(self.pk, numbered))

    async def _keep_receipt(self, told: dict[str, Any]) -> None:
        """Store what the run is made of, once."""
        self._receipt_kept = True
        noted = Noted.of(self._inputs, told)
        if noted is None:
            return
        text, receipts = noted.to_text(), self.services.receipts
        await retry_while_unavailable(lambda: receipts.put(self.pk, self.record.attempt, text))

    async def finish_log(self) -> int:
        """Store all that is left to be said, by us, at any length; the number of the last line."""
        lines, _ = self.output.take()
        if lines:
            await self.services.logs.append(self.pk, self.record.attempt, lines)
        return await retry_while_unavailable(lambda: self.services.logs.last_line(self.pk))

    async def _write(self, changes: dict[str, Any]) -> None:
        self.record = await retry_while_unavailable(
            lambda: self.services.repository.write(self.record, **changes)
        )
