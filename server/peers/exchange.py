"""Exchanges what the servers on one database have changed, so that their caches stay correct.

Every change wakes a topic of the hub on the server that makes it. Here these topics reach the other
servers: by announcements that each server stores and the others read several times a second, or,
of what is cached, by change streams where the database has any. They carry no data: what has
changed is read again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from server.core.changes import TARGET, Topic
from server.core.concurrency import repeat_every
from server.core.errors import AlreadyTaken, DatabaseAway
from server.core.hub import EVERYTHING
from server.core.records import KEY_RANGE
from server.peers.invalidation import KINDS, UNCACHED, CacheInvalidation
from server.store import Store
from server.store.driver.connection import Database

log = logging.getLogger(__name__)

#: How often this server announces, reads the others' announcements, and looks who the others are.
ANNOUNCE_SECONDS = 0.05
POLL_SECONDS = 0.1
SERVERS_SECONDS = 2.0
#: The most topics in one announcement, and the most that may wait before it is EVERYTHING.
TOPICS = 500
WAITING_TOPICS = 20_000
#: How many announcements a server keeps for late readers, and after how many new ones it prunes.
KEPT, PRUNE_EVERY = 2_000, 500
RETRY_SECONDS = 1.0
#: The kinds of topics, by the collection that is watched for them.
_WATCHED = {"processes": "process", "log_chunks": "log", "targets": TARGET}


class Exchange:
    """Tasks that run until they are stopped."""

    def __init__(self) -> None:
        self._loops: list[asyncio.Task[None]] = []

    def run(self, *loops: Coroutine[Any, Any, None]) -> None:
        """Start loops, each of which must survive its own failures."""
        self._loops += [asyncio.create_task(loop) for loop in loops]

    async def stop(self) -> None:
        """Stop taking part."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)


class AnnouncementExchange(Exchange):
    """Announces what this server changes of these `kinds`, and reads what the others announce."""

    def __init__(
        self,
        store: Store,
        caches: CacheInvalidation,
        server_id: str,
        lease_seconds: float,
        kinds: frozenset[str] = KINDS,
    ) -> None:
        super().__init__()
        self._kinds = kinds
        self._store = store
        self._caches = caches
        self._server_id = server_id
        self._lease_seconds = lease_seconds
        self._number = 0
        #: what is to be announced; at first what this server may not have announced when it ended
        self._news: set[Topic] = {EVERYTHING}
        #: the number of the last announcement read, by other server
        self._read: dict[str, int] = {}
        #: the last heartbeat and when it was first seen (monotonic), by other server
        self._beats: dict[str, tuple[int, float]] = {}

    async def start(self) -> None:
        """Take part from now on. May be called again after a failure."""
        self._number = await self._store.announcements.last(self._server_id)
        await self._meet()
        self._caches.listen(lambda topic: self._news.add(topic), self._kinds)
        if self._kinds == KINDS:
            self._caches.set_notified(True)
        self.run(
            _repeated(ANNOUNCE_SECONDS, self._announce),
            _repeated(POLL_SECONDS, self._poll),
            _repeated(SERVERS_SECONDS, self._meet),
        )

    async def stop(self) -> None:
        """Announce what is left, and stop taking part."""
        await super().stop()
        try:
            await self._announce()
        except DatabaseAway:
            log.warning(
                "The last changes could not be announced; the others find out later",
                extra={"action": "last_announcement_failed", "server_id": self._server_id},
            )

    async def _announce(self) -> None:
        news, self._news = self._news, set()
        if len(news) > WAITING_TOPICS:
            news = {EVERYTHING}
        try:
            while news:
                part = sorted(news)[:TOPICS]
                if await self._insert(part):
                    news.difference_update(part)
                if self._number % PRUNE_EVERY == 0:
                    await self._store.announcements.prune(self._server_id, self._number - KEPT)
        except BaseException:
            self._news |= news
            raise

    async def _insert(self, topics: list[Topic]) -> bool:
        """Store the next announcement; return False if there is one of its number."""
        stored = True
        try:
            await self._store.announcements.insert(self._server_id, self._number + 1, topics)
        except AlreadyTaken:
            # By an attempt that seemed to fail, perhaps with fewer topics than there are now.
            stored = False
            log.debug(
                "Announcement %d was stored already",
                self._number + 1,
                extra={"action": "announcement_repeated", "number": self._number + 1},
            )
        self._number += 1
        return stored

    async def _poll(self) -> None:
        for server, read in list(self._read.items()):
            found = await self._store.announcements.after(server, read)
            if not found:
                continue
            if found[0].number != read + 1:
                log.warning(
                    "Missed announcements of server %s",
                    server,
                    extra={"action": "announcements_missed", "server_id": server},
                )
                await self._caches.forget_all()
            await self._caches.refresh(topic for each in found for topic in each.topics)
            self._read[server] = found[-1].number

    async def _meet(self) -> None:
        """Find new servers, and those that ended without having announced everything."""
        beats = await self._store.servers.all()
        beats.pop(self._server_id, None)
        now = asyncio.get_running_loop().time()
        for server, beat in beats.items():
            known, since = self._beats.get(server, (None, now))
            if beat != known:
                self._beats[server] = (beat, now)
            elif now - since >= self._lease_seconds:
                await self._caches.forget_all()
                self._beats[server] = (beat, float("inf"))
            if server not in self._read:
                last = await self._store.announcements.last(server)
                await self._caches.forget_all()
                self._read[server] = last  # only now, as all of this is repeated if it fails
        for server in self._read.keys() - beats.keys():
            del self._read[server]


class ChangeStreamExchange(Exchange):
    """Watches the collections by change streams.

    Of what is not cached there are announcements: who watches a collection is not told to which
    target a deleted product belonged.
    """

    def __init__(
        self,
        database: Database,
        store: Store,
        caches: CacheInvalidation,
        server_id: str,
        lease_seconds: float,
    ) -> None:
        super().__init__()
        self._announcements = AnnouncementExchange(
            store, caches, server_id, lease_seconds, UNCACHED
        )
        self._database = database
        self._caches = caches
        self._news: set[Topic] = set()
        self._woken = asyncio.Event()
        self._open: set[str] = set()

    async def start(self) -> None:
        """Take part from now on. May be called again after a failure."""
        await self._announcements.start()
        self.run(*(self._watch(name, kind) for name, kind in _WATCHED.items()), self._refresh())

    async def stop(self) -> None:
        """Announce what is left, and stop taking part."""
        await self._announcements.stop()
        await super().stop()

    async def _watch(self, name: str, kind: str) -> None:
        while True:
            try:
                async with self._database.watch(name) as stream:
                    self._hear(EVERYTHING)  # what happened before
                    self._open.add(name)
                    self._caches.set_notified(len(self._open) == len(_WATCHED))
                    async for pk, version in stream:
                        if kind == "log":
                            self._hear((kind, pk // KEY_RANGE))
                        elif not (kind == "process" and self._caches.knows(pk, version)):
                            self._hear((kind, pk))
            except Exception as error:
                self._open.discard(name)
                self._caches.set_notified(False)
                log.warning(
                    "Watching the %s is tried again: %s",
                    name,
                    error,
                    extra={"action": "watch_retried", "collection": name},
                )
            await asyncio.sleep(RETRY_SECONDS)

    def _hear(self, topic: Topic) -> None:
        self._news.add(topic)
        self._woken.set()

    async def _refresh(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            news, self._news = self._news, set()
            try:
                await self._caches.refresh(news)
            except Exception as error:
                log.warning(
                    "What changed elsewhere is read again: %s",
                    error,
                    extra={"action": "refresh_retried"},
                )
                self._hear(EVERYTHING)
                await asyncio.sleep(RETRY_SECONDS)


async def _repeated(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    # While the database is away, others report it often enough.
    await repeat_every(
        seconds, work, name="The exchange with other servers", log=log, away_level=logging.DEBUG
    )
