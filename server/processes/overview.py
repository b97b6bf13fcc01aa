"""What runs, what waits and what has failed, over all targets and on all servers.

The order of the queue is `queue`'s, and why a process waits the service's.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from cachetools import LRUCache

from server.core.errors import DamagedFile, NotFound
from server.core.records import ProcessRecord, State
from server.logs.reader import LogReader
from server.processes.failure import read_failure
from server.processes.recent_failures import DAY_SECONDS
from server.processes.repository import ProcessRepository
from server.store.processes.by_time import Span
from server.store.processes.records import ProcessStore

#: How many of the processes that failed last are looked at for those of the last day.
FAILURES_READ = 200
#: How many sentences are remembered, by process and attempt.
SENTENCES = 2_000

PK = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


class Counts(NamedTuple):
    """How many processes run, and how many wait."""

    running: int
    queued: int


class Failed(NamedTuple):
    """A failed process, and why it failed: the exception's own words where there are any."""

    record: ProcessRecord
    sentence: str


class Overview:
    """All processes that have not ended, and those that have failed in the last day."""

    def __init__(
        self, store: ProcessStore, repository: ProcessRepository, reader: LogReader
    ) -> None:
        self._store = store
        self._repository = repository
        self._reader = reader
        self._sentences: LRUCache[tuple[int, int], str] = LRUCache(SENTENCES)

    @property
    def counts(self) -> Counts:
        """How many processes run and wait, as far as is known in memory."""
        queue = self._repository.queue
        return Counts(len(queue.running), len(queue.queued))

    async def running(self, limit: int) -> list[ProcessRecord]:
        """Return what runs, the one that was started last first."""
        # All of them, as many as there are slots: it is not known which were started last.
        present = await self._present(list(self._repository.queue.running))
        found = [each for each in present if each.state is State.RUNNING]
        return sorted(found, key=lambda record: record.started or 0.0, reverse=True)[:limit]

    async def queued(self, limit: int) -> list[ProcessRecord]:
        """Return what waits, in the order in which it will be claimed."""
        found = await self._present(self._repository.queue.queued[:limit])
        return [record for record in found if record.state is State.QUEUED]

    async def failed(self, limit: int, now: float | None = None) -> list[Failed]:
        """Return what has failed in the last 24 hours, the one that did last first."""
        since = (time.time() if now is None else now) - DAY_SECONDS
        page = await self._store.find(states=[State.FAILED], limit=FAILURES_READ)
        recent = [each for each in page.items if (each.terminal_timestamp or 0.0) >= since]
        recent.sort(key=lambda record: record.terminal_timestamp or 0.0, reverse=True)
        return [Failed(each, await self._sentence(each)) for each in recent[:limit]]

    async def search(
        self, text: str, targets: Sequence[int], pipelines: Collection[str], limit: int
    ) -> list[ProcessRecord]:
        """Return the newest processes that a text may mean, each kind of them along an index.

        They have this PK, were submitted on this day (UTC), have an identifier that begins so, or
        are of one of these targets and, if any are given, pipelines.
        """
        found = await self._store.get_many([int(text)]) if PK.fullmatch(text) else []
        found += await self._store.named(text.lower(), limit)
        if (day := _day(text)) is not None:
            found += (await self._store.find(span=day, limit=limit)).items
        for target in targets:
            page = await self._store.find(target=target, pipelines=pipelines or None, limit=limit)
            found += page.items
        if pipelines and not targets:
            found += (await self._store.find(pipelines=pipelines, limit=limit)).items
        newest = {record.pk: record for record in found}
        return sorted(newest.values(), key=lambda record: record.pk, reverse=True)[:limit]

    async def _present(self, pks: list[int]) -> list[ProcessRecord]:
        """Return the records of those that have not been deleted in the meantime."""
        found = await asyncio.gather(*map(self._repository.get, pks), return_exceptions=True)
        for each in found:
            if isinstance(each, BaseException) and not isinstance(each, NotFound):
                raise each
        return [each for each in found if isinstance(each, ProcessRecord)]

    async def _sentence(self, record: ProcessRecord) -> str:
        key = record.pk, record.attempt
        if key not in self._sentences:
            try:
                failure = await read_failure(record, self._reader)
            except (DamagedFile, NotFound):
                failure = None  # the record alone tells then
            words = None if failure is None else failure.words
            self._sentences[key] = words or record.failure_message or "It failed"
        return self._sentences[key]


def _day(text: str) -> Span | None:
    """Return the day that a text names, as in 2017-12-20; None if it names none."""
    try:
        start = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    return Span(max(0.0, start), start + DAY_SECONDS - 1e-3)
