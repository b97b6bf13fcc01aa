"""One attempt of a process, from its launch to its last state.

Reads what the child says, stores it in order, and ends the record; whatever happens to the child,
the record is settled. When to start an attempt, and how many there are, is left to `dispatcher`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from runners.pool import Run
from server import ladder
from server.attempt_end import Ending, Stop, conclude
from server.errors import LeaseLost
from server.ingest import Ingest
from server.launch import Tools, launch
from server.persistence import persistently
from server.receipt import Noted
from server.records import DataProduct, ProcessRecord
from server.usage import Usage

log = logging.getLogger(__name__)

#: Shortest time between two writes of lines, and of the record; the first one goes at once.
LINES_SECONDS = 0.01
RECORD_SECONDS = 0.05
#: What may wait to be stored before the child is held back.
SPOOL_CHARACTERS = 2_000_000
SPOOL_LINES = 20_000
#: How long what the child's descendants hold open is read on after its end.
DRAIN_SECONDS = 1.0


class Attempt:
    """A claimed process on its way to the end."""

    def __init__(self, record: ProcessRecord, tools: Tools) -> None:
        self.record = record
        self.tools = tools
        self.ingest = Ingest()
        self.usage = Usage()
        self._inputs: list[DataProduct] = []
        self._receipt_kept = False
        self._stop: Stop | None = None
        self._stopped = asyncio.Event()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._closing = False
        self._record_written = 0.0
        self._fed = 0

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
            # It may have come between the publication and the end that would have named it.
            await persistently(lambda: self.tools.archive.discard(self.pk, self.record.attempt))
        finally:
            self.tools.logs.release(self.pk)

    async def _run(self) -> None:
        if self.record.cancel_requested:
            self.stop(Stop.CANCEL)
        if self.record.attempt > 1:
            self.ingest.say(f"Attempt {self.record.attempt} begins")
            await self._store_news()
        run = failure = code = None
        if not self._stopped.is_set():
            run, failure = await self._launched()
        if run is not None:
            code = await self._live(run)
        limits = self.tools.config.limits_of(self.record.pipeline)
        await conclude(self, Ending(stop=self._stop, code=code, failure=failure, limits=limits))

    async def _launched(self) -> tuple[Run | None, str | None]:
        try:
            run, self._inputs = await launch(self.record, self.tools)
            return run, None
        except Exception as error:
            log.exception("Process %s could not be started", self.pk)
            return None, f"The pipeline could not be started: {error}"

    async def _live(self, run: Run) -> int:
        """See the child to its end, and store all that it said; its exit code."""
        names = ("messages", "out", "err")
        pumps = [asyncio.create_task(self._pump(run, name)) for name in names]
        measuring = asyncio.create_task(self.usage.measure(run.pid))
        writer = asyncio.create_task(self._write_news())
        try:
            await self._until_end(run, writer)
            # What the child left behind in its group would hold its pipes open.
            await ladder.kill(run)
            await self._drain(pumps, writer)
            self.ingest.end()
            self._closing = True
            self._news.set()
            await writer
        finally:
            for task in (*pumps, measuring, writer):
                task.cancel()
            await asyncio.gather(*pumps, measuring, writer, return_exceptions=True)
            await ladder.kill(run)
            run.close()
        return await run.wait()

    async def _until_end(self, run: Run, writer: asyncio.Task[None]) -> None:
        """Wait for the child's end, and bring it about when it is to be stopped."""
        seconds = self.tools.config.limits_of(self.record.pipeline).timeout_seconds
        ended = asyncio.create_task(run.wait())
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            waiting: set[asyncio.Task[Any]] = {ended, stopped, writer}
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if writer.done():
                self.stop(Stop.LOST)
            elif not ended.done():
                self.stop(Stop.TIMEOUT)
            if self._stop is Stop.LOST:
                await ladder.kill(run)
            elif self._stop is not None:
                await ladder.descend(run)
        finally:
            ended.cancel()
            stopped.cancel()

    async def _drain(self, pumps: list[asyncio.Task[None]], writer: asyncio.Task[None]) -> None:
        """Read the pipes to their ends, or until those who left the group say no more."""
        fed = -1
        while (fed != self._fed or self._is_full()) and not writer.done():
            fed = self._fed
            if not (await asyncio.wait(pumps, timeout=DRAIN_SECONDS))[1]:
                return

    async def _pump(self, run: Run, name: str) -> None:
        """Take in one of the child's pipes, as fast as it can be stored."""
        while data := await run.readers[name].read():
            if name == "messages":
                self.ingest.feed_messages(data)
            else:
                self.ingest.feed_raw(name, data)
            self._fed += 1
            self._news.set()
            while self._is_full():
                self._room.clear()
                await self._room.wait()

    def _is_full(self) -> bool:
        assembler = self.ingest.assembler
        return assembler.ready_characters > SPOOL_CHARACTERS or len(assembler.ready) > SPOOL_LINES

    async def _write_news(self) -> None:
        """Store what is new: at once after a quiet time, then in batches."""
        loop = asyncio.get_running_loop()
        while not self._closing:
            due = self.ingest.assembler.release(loop.time())
            waiting = None if due is None else max(0.0, due - loop.time())
            if self.ingest.changes:
                waiting = RECORD_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), waiting)
            self._news.clear()
            await self._store_news()
            if not self._closing:
                await asyncio.sleep(LINES_SECONDS)
        await self._store_news()

    async def _store_news(self) -> None:
        lines = self.ingest.assembler.take()
        self._room.set()
        if lines:
            await self.tools.logs.append(self.pk, self.record.attempt, lines)
        if self.ingest.provenance is not None and not self._receipt_kept:
            await self._keep_receipt(self.ingest.provenance)
        now = asyncio.get_running_loop().time()
        if self.ingest.changes and now - self._record_written >= RECORD_SECONDS:
            self._record_written = now
            changes, self.ingest.changes = self.ingest.changes, {}
            changes["log_lines"] = await self.tools.logs.last_line(self.pk)
            await self._write(changes)

    async def _keep_receipt(self, told: dict[str, Any]) -> None:
        """Store what the run is made of, once."""
        self._receipt_kept = True
        noted = Noted.of(self._inputs, told)
        if noted is None:
            return
        text, receipts = noted.to_text(), self.tools.receipts
        await persistently(lambda: receipts.put(self.pk, self.record.attempt, text))

    async def finish_log(self) -> int:
        """Store all that is left to be stored; the number of the last line."""
        lines = self.ingest.assembler.take()
        if lines:
            await self.tools.logs.append(self.pk, self.record.attempt, lines)
        return await persistently(lambda: self.tools.logs.last_line(self.pk))

    async def _write(self, changes: dict[str, Any]) -> None:
        self.record = await persistently(lambda: self.tools.ledger.write(self.record, **changes))
