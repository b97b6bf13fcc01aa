"""Tells what other servers on the same database have changed, so that caches stays right.

Every change wakes a topic of the hub on the server that makes it. Here these wake-ups cross over:
by change streams where the database has any, else by announcements that each server stores and the
others read a few times a second. They carry no data either: what changed is read again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Hashable
from typing import Any

from server.core.concurrency import repeat_every
from server.core.errors import AlreadyTaken, DatabaseAway
from server.core.hub import Hub
from server.peers.invalidation import EVERYTHING, KINDS, CacheInvalidation, Topic
from server.store import Store
from server.store.driver.connection import Database

log = logging.getLogger(__name__)

#: How often is announced, how often the others' announcements are read, and who the others are.
ANNOUNCE_SECONDS = 0.05
POLL_SECONDS = 0.1
SERVERS_SECONDS = 2.0
#: Most topics in one announcement, and most that wait; beyond it all is said to have changed.
TOPICS = 500
WAITING_TOPICS = 20_000
#: Announcements that a server keeps for those who are late, and how often it looks.
KEPT, PRUNE_EVERY = 2_000, 500
RETRY_SECONDS = 1.0

_LINES = 2**32


class Exchange:
    """Loops that go on through whatever goes wrong."""

    def __init__(self) -> None:
        self._loops: list[asyncio.Task[None]] = []

    def run(self, *loops: Coroutine[Any, Any, None]) -> None:
        """Start loops."""
        self._loops += [asyncio.create_task(loop) for loop in loops]

    async def stop(self) -> None:
        """Take part no more."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)


class AnnouncementExchange(Exchange):
    """Announces what this server changes, and reads what the others announce."""

    def __init__(
        self,
        store: Store,
        caches: CacheInvalidation,
        hub: Hub,
        server_id: str,
        lease_seconds: float,
    ) -> None:
        super().__init__()
        self._store = store
        self._caches = caches
        self._hub = hub
        self._server_id = server_id
        self._lease_seconds = lease_seconds
        self._number = 0
        #: what is to be announced; at first what was not before the last end of this server
        self._news: set[Topic] = {EVERYTHING}
        #: by other server: the number of its last announcement that was read
        self._read: dict[str, int] = {}
        #: by other server: its heartbeat as last seen, and when that was first seen (monotonic)
        self._beats: dict[str, tuple[int, float]] = {}

    async def start(self) -> None:
        """Take part from now on. May be tried again."""
        self._number = await self._store.announcements.last(self._server_id)
        await self._meet()
        self._hub.listen(self._hear)
        self._caches.set_notified(True)
        self.run(
            repeat_every(ANNOUNCE_SECONDS, self._announce),
            repeat_every(POLL_SECONDS, self._poll),
            repeat_every(SERVERS_SECONDS, self._meet),
        )

    async def stop(self) -> None:
        """Announce what is left, and take part no more."""
        await super().stop()
        try:
            await self._announce()
        except DatabaseAway:
            log.warning("The last changes could not be announced; the others find out later")

    def _hear(self, topic: Hashable) -> None:
        if not self._caches.learning and isinstance(topic, tuple) and topic[0] in KINDS:
            self._news.add(topic)

    async def _announce(self) -> None:
        news, self._news = self._news, set()
        if len(news) > WAITING_TOPICS:
            news = {EVERYTHING}
        while news:
            part = sorted(news)[:TOPICS]
            try:
                await self._store.announcements.insert(self._server_id, self._number + 1, part)
            except AlreadyTaken:
                log.debug("Announcement %d was stored already", self._number + 1)
            except BaseException:
                self._news |= news
                raise
            self._number += 1
            news.difference_update(part)
            if self._number % PRUNE_EVERY == 0:
                await self._store.announcements.prune(self._server_id, self._number - KEPT)

    async def _poll(self) -> None:
        for server, read in list(self._read.items()):
            found = await self._store.announcements.after(server, read)
            if not found:
                continue
            if found[0].number != read + 1:
                log.warning("Missed announcements of server %s", server)
                await self._caches.forget_all()
            await self._caches.refresh(topic for each in found for topic in each.topics)
            self._read[server] = found[-1].number

    async def _meet(self) -> None:
        """Learn of new servers, and of those that went without having announced all."""
        beats = await self._store.servers.all()
        beats.pop(self._server_id, None)
        now = asyncio.get_running_loop().time()
        for server, beat in beats.items():
            known, since = self._beats.get(server, (None, now))
            if beat != known:
                self._beats[server] = (beat, now)
            elif now - since >= self._lease_seconds:
                self._beats[server] = (beat, float("inf"))
                await self._caches.forget_all()
            if server not in self._read:
                self._read[server] = await self._store.announcements.last(server)
                await self._caches.forget_all()
        for server in self._read.keys() - beats.keys():
            del self._read[server]


class ChangeStreamExchange(Exchange):
    """Watches the collections by change streams."""

    def __init__(self, database: Database, caches: CacheInvalidation) -> None:
        super().__init__()
        self._database = database
        self._caches = caches
        self._news: set[Topic] = set()
        self._woken = asyncio.Event()
        self._open: set[str] = set()

    async def start(self) -> None:
        """Take part from now on."""
        names = {"processes": "process", "log_chunks": "log", "targets": "target"}
        self.run(*(self._watch(name, kind) for name, kind in names.items()), self._learn())

    async def _watch(self, name: str, kind: str) -> None:
        while True:
            try:
                async with self._database.watch(name) as stream:
                    self._hear(EVERYTHING)  # what happened before
                    self._open.add(name)
                    self._caches.set_notified(len(self._open) == 3)
                    async for pk, version in stream:
                        if kind == "log":
                            self._hear((kind, pk // _LINES))
                        elif not (kind == "process" and self._caches.knows(pk, version)):
                            self._hear((kind, pk))
            except Exception as error:
                self._open.discard(name)
                self._caches.set_notified(False)
                log.warning("Watching the %s is tried again: %s", name, error)
            await asyncio.sleep(RETRY_SECONDS)

    def _hear(self, topic: Topic) -> None:
        self._news.add(topic)
        self._woken.set()

    async def _learn(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            news, self._news = self._news, set()
            try:
                await self._caches.refresh(news)
            except Exception as error:
                log.warning("What changed elsewhere is read again: %s", error)
                self._hear(EVERYTHING)
                await asyncio.sleep(RETRY_SECONDS)
