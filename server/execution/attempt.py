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
from server.core.concurrency import persistently
from server.core.errors import LeaseLost
from server.core.records import DataProduct, ProcessRecord
from server.execution.child import oom_kills, termination
from server.execution.child.output_buffer import Intake
from server.execution.child.resource_usage import Usage
from server.execution.conclusion import conclude
from server.execution.launch import Tools, launch
from server.execution.verdict import Ending, Stop
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

    def __init__(self, record: ProcessRecord, tools: Tools) -> None:
        self.record = record
        self.tools = tools
        self.limits = tools.config.limits_of(record.pipeline)
        self.intake = Intake()
        self.ingest = self.intake.ingest
        self.usage = Usage()
        self.log_limit = LogLimit(self.limits.log_bytes)
        self._inputs: list[DataProduct] = []
        self._receipt_kept = False
        self._stop: Stop | None = None
        self._stopped = asyncio.Event()
        self._lingered = False
        self._closing = asyncio.Event()
        self._record_written = 0.0

    @property
    def pk(self) -> int:
        """The process's PK."""
        return self.record.pk

    def stop(self, why: Stop) -> None:
        """Have the run ended; the first reason counts, but for a lost lease, which beats all."""
        if self._stop is None or why is Stop.LOST:
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
            await persistently(lambda: self.tools.archive.discard(self.pk, self.record.attempt))
        except Exception:
            await self._clear()
            raise
        finally:
            self.tools.logs.release(self.pk)

    async def _clear(self) -> None:
        folder = self.tools.folder(self.record)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _run(self) -> None:
        if self.record.cancel_requested:
            self.stop(Stop.CANCEL)
        if self.record.attempt > 1:
            self.ingest.say(f"Attempt {self.record.attempt} begins")
            await self.finish_log()
        kills = oom_kills.count()
        run = failure = code = None
        if not self._stopped.is_set():
            run, failure = await self._launched()
        if run is not None:
            code = await self._live(run)
            if run.orphaned and self.ingest.last is None:
                raise TemplateLost  # no fault of the run's: it counts as lost
        if self._stop is Stop.LOST:
            raise LeaseLost(self.pk, self.record.attempt)
        ending = Ending(
            stop=self._stop,
            code=code,
            failure=failure,
            limits=self.limits,
            lingered=self._lingered,
            oom_kills=oom_kills.count() > kills if code == -9 else False,
        )
        await conclude(self, ending)

    async def _launched(self) -> tuple[Run | None, str | None]:
        try:
            run, self._inputs = await launch(self.record, self.tools)
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
                    watchers.append(tasks.create_task(self.intake.pump(name, reader)))
                await self._until_end(run)
                # What the child left behind in its group would hold its pipes open.
                await termination.kill(run)
                for task in watchers:
                    task.cancel()
                await asyncio.wait(watchers)
                await self.intake.drain(run.readers)
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
        finished = asyncio.create_task(self.intake.finished.wait())
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
                self.stop(Stop.TIMEOUT)
            if not ended.done():
                await self._bring_to_end(run)
        finally:
            for task in (ended, stopped, finished):
                task.cancel()

    async def _bring_to_end(self, run: Run) -> None:
        self.usage.sample(run.pid)
        if self._lingered or self._stop is Stop.LOST:
            await termination.kill(run)
        else:
            await termination.descend(run)

    async def _write_news(self) -> None:
        """Store what is new: at once after a quiet time, then in batches."""
        loop = asyncio.get_running_loop()
        while not self._closing.is_set():
            due = self.ingest.assembler.release(loop.time())
            waiting = None if due is None else max(0.0, due - loop.time())
            if self.ingest.changes:
                waiting = RECORD_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.intake.news.wait(), waiting)
            self.intake.news.clear()
            if await self._store_news():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), LINES_SECONDS)
        await self._store_news()

    async def _store_news(self) -> bool:
        """Store what there is; whether there were lines."""
        stored = await self._store_lines()
        if self.ingest.provenance is not None and not self._receipt_kept:
            await self._keep_receipt(self.ingest.provenance)
        now = asyncio.get_running_loop().time()
        if self.ingest.changes and now - self._record_written >= RECORD_SECONDS:
            self._record_written = now
            changes, self.ingest.changes = self.ingest.changes, {}
            changes["log_lines"] = await persistently(lambda: self.tools.logs.last_line(self.pk))
            await self._write(changes)
        return stored

    async def _store_lines(self) -> bool:
        """Store what the run said, as long as its log may be; whether it said anything."""
        sections = self.ingest.take_sections()
        lines, characters = self.intake.take()
        if sections:
            await self._store_sections(sections)
        if lines:
            used = await persistently(lambda: self.tools.logs.size(self.pk))
            admitted = self.log_limit.admit(lines, characters, used)
            if self.log_limit.reached:
                self.ingest.leave_out = self.log_limit.leave_out
            if admitted:
                await self.tools.logs.append(self.pk, self.record.attempt, admitted)
        return bool(lines)

    async def _store_sections(self, sections: list[Section]) -> None:
        """Keep where in the log statuses begin; what its limit leaves out has no sections."""
        if self.log_limit.reached:
            return
        last = await persistently(lambda: self.tools.logs.last_line(self.pk))
        numbered = [section._replace(line=last + section.line + 1) for section in sections]
        await persistently(lambda: self.tools.sections.put(self.pk, numbered))

    async def _keep_receipt(self, told: dict[str, Any]) -> None:
        """Store what the run is made of, once."""
        self._receipt_kept = True
        noted = Noted.of(self._inputs, told)
        if noted is None:
            return
        text, receipts = noted.to_text(), self.tools.receipts
        await persistently(lambda: receipts.put(self.pk, self.record.attempt, text))

    async def finish_log(self) -> int:
        """Store all that is left to be said, by us, at any length; the number of the last line."""
        lines, _ = self.intake.take()
        if lines:
            await self.tools.logs.append(self.pk, self.record.attempt, lines)
        return await persistently(lambda: self.tools.logs.last_line(self.pk))

    async def _write(self, changes: dict[str, Any]) -> None:
        self.record = await persistently(lambda: self.tools.ledger.write(self.record, **changes))
