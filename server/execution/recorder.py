"""Stores what one run says: its lines, sections, frames, receipt, and changes of its record.

Everything waits for a database that is away, and is stored in order and once. Starting and ending
the child is left to `attempt`, what its end amounts to is left to `verdict` and `conclusion`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Sequence
from typing import Any

from server.core.concurrency import retry_while_unavailable
from server.core.records import DataProduct, ProcessRecord, State
from server.execution.child.output_buffer import OutputBuffer
from server.execution.child.resource_usage import Usage
from server.execution.film_frames import FilmRecorder
from server.execution.launch import RunServices
from server.logs.limit import LogLimit
from server.processes.bounds import isolation_of
from server.processes.receipt import RunFacts
from server.store.processes.sections import Section

#: Shortest time between two writes of lines, and of the record; the first is made at once.
LINES_SECONDS = 0.01
RECORD_SECONDS = 0.05
#: How often a run whose news wait for room on the disk looks for it.
ROOM_SECONDS = 0.2


class RunRecorder:
    """What is known of a run, and the one writer of it to the store."""

    def __init__(self, record: ProcessRecord, services: RunServices) -> None:
        self.record = record
        self.services = services
        self.limits = services.config.limits_of(record.pipeline)
        self.output = OutputBuffer()
        self.messages = self.output.messages
        self.usage = Usage()
        self.log_limit = LogLimit(self.limits.log_bytes)
        self.film = FilmRecorder(record, services.film_frames)
        #: what the run was given
        self.inputs: Sequence[DataProduct] = ()
        self._facts: RunFacts | None = None
        self._receipt_stored = False
        self._record_written = 0.0
        self._closing = asyncio.Event()
        self._admitting = asyncio.Event()

    @property
    def pk(self) -> int:
        """The process's PK."""
        return self.record.pk

    def note_inputs(self, inputs: Sequence[DataProduct]) -> None:
        """Remember which products the run was given, for its receipt."""
        self.inputs = inputs

    async def note_verified(self, products: Collection[int]) -> None:
        """Note in the receipt that the checksums of these inputs were compared."""
        if self._facts is not None:
            await self._put_receipt(self._facts.with_verified(products))

    async def store_news(self) -> None:
        """Store what is new until `close`: at once after a quiet time, then in batches."""
        loop = asyncio.get_running_loop()
        while not self._closing.is_set():
            due = self.messages.assembler.release(loop.time())
            waiting = None if due is None else max(0.0, due - loop.time())
            if self.messages.assembler.ready:  # beginnings that were held for long enough
                waiting = 0
            elif self.messages.changed:
                waiting = RECORD_SECONDS
            elif (film := self.film.seconds_left) is not None:
                waiting = film if waiting is None else min(waiting, film)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.output.news.wait(), waiting)
            self.output.news.clear()
            if await self._store_all():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), LINES_SECONDS)
        await self._store_all()

    def admit_all(self) -> None:
        """Store what is left even on a full disk: the run ends, and nothing more will come."""
        self._admitting.set()

    def close(self) -> None:
        """Have `store_news` return as soon as everything said so far is stored."""
        self._closing.set()

    async def finish_log(self) -> dict[str, Any]:
        """Store the server's own lines, beyond any limit; return the extent of the log."""
        lines, _ = self.output.take()
        if lines:
            await self.services.logs.append(self.pk, self.record.attempt, lines)
        return await retry_while_unavailable(lambda: self.services.logs.extent(self.pk))

    async def end(self, state: State, message: str | None = None, **changes: Any) -> None:
        """Move the record to its last state. Raises LeaseLost."""
        self.record = await self.services.repository.end(self.record, state, message, **changes)

    async def _store_all(self) -> bool:
        """Store what is new, once there is room. Return whether there were lines."""
        while self.services.reserve.full and not self._admitting.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._admitting.wait(), ROOM_SECONDS)
        stored = await self._store_lines()
        if self.messages.provenance is not None and not self._receipt_stored:
            await self._store_receipt(self.messages.provenance)
        if (due := self.film.seconds_left) is not None and (not due or self._closing.is_set()):
            await self.film.store()
        now = asyncio.get_running_loop().time()
        if self.messages.changed and now - self._record_written >= RECORD_SECONDS:
            self._record_written = now
            await self._store_changes(self.messages.take_changes())
        return stored

    async def _store_lines(self) -> bool:
        """Store the lines that the log's limit admits. Return whether there were any lines."""
        sections = self.messages.take_sections()
        frames = self.messages.take_frames()
        lines, characters = self.output.take()
        if sections:
            await self._store_sections(sections)
        if lines:
            last = await self._last_line() if frames else 0
            used = await retry_while_unavailable(lambda: self.services.logs.size(self.pk))
            admitted = self.log_limit.admit(lines, characters, used)
            if self.log_limit.reached:
                self.messages.divert(self.log_limit.leave_out)
            if admitted:
                await self.services.logs.append(self.pk, self.record.attempt, admitted)
            # The last line of a log that has reached its limit is a notice.
            self.film.add(frames, last, len(admitted) - self.log_limit.reached)
        elif frames:
            self.film.add(frames, 0, 0)
        return bool(lines)

    async def _last_line(self) -> int:
        return await retry_while_unavailable(lambda: self.services.logs.last_line(self.pk))

    async def _store_sections(self, sections: list[Section]) -> None:
        """Store where in the log statuses begin; lines beyond the limit have no sections."""
        if self.log_limit.reached:
            return
        last = await self._last_line()
        numbered = [section._replace(line=last + section.line + 1) for section in sections]
        await retry_while_unavailable(lambda: self.services.sections.put(self.pk, numbered))

    async def _store_receipt(self, provenance: dict[str, Any]) -> None:
        """Store what the run read and imported, once."""
        self._receipt_stored = True
        isolation = isolation_of(self.services.config, self.record.pipeline, self.messages.confined)
        self._facts = RunFacts.of(self.inputs, provenance, isolation)
        if self._facts is not None:
            await self._put_receipt(self._facts)

    async def _put_receipt(self, facts: RunFacts) -> None:
        text, receipts = facts.to_text(), self.services.receipts
        await retry_while_unavailable(lambda: receipts.put(self.pk, self.record.attempt, text))

    async def _store_changes(self, changes: dict[str, Any]) -> None:
        logs, repository = self.services.logs, self.services.repository
        extent = await retry_while_unavailable(lambda: logs.extent(self.pk))
        self.record = await retry_while_unavailable(
            lambda: repository.write(self.record, **extent, **changes)
        )
