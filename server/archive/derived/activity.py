"""Notes when something is done about a target, lists the targets by that, finds them by words.

A change wakes a topic of its target; here the targets are collected and stored in the background,
so that no run and no upload waits for it. What a kill loses is noted with the target's next change,
or at the next start if the target is new.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from server.core import changes
from server.core.concurrency import repeat_every
from server.core.hub import Hub
from server.core.records import Target
from server.store import Store
from server.store.archive.activity import Active
from server.store.archive.target_words import has_words

log = logging.getLogger(__name__)

KINDS = frozenset(
    {
        changes.TARGET,
        changes.PRODUCTS,
        changes.GROUPS,
        changes.LIGHT_CURVE,
        changes.PROCESSES,
        changes.REMOVALS,
    }
)
#: How often activities are stored, and how long after one that is stored another one of the same
#: target is not: a run that goes on changes its record many times a second.
STORE_SECONDS, SAME_SECONDS = 1.0, 20.0
#: How many words are read for each one that is looked for.
WORDS_READ = 500
#: How many targets' last activity is remembered.
REMEMBERED = 10_000
#: How many of the newest targets are looked at after a start, for those that a kill left unnoted.
CAUGHT_UP = 500


__all__ = ["Active", "ActiveTarget", "Activity"]


class ActiveTarget(NamedTuple):
    """A target, and when something was last done about it, in Unix seconds."""

    target: Target
    time: float


class Activity:
    """The last activity of all targets."""

    def __init__(self, store: Store, hub: Hub) -> None:
        self._store = store
        #: by target: an activity that is not stored yet, and the last one that is
        self._news: dict[int, float] = {}
        self._stored: dict[int, float] = {}
        #: the targets that may have another name
        self._renamed: set[int] = set()
        self._storing = asyncio.Lock()
        self._caught_up = False
        self._task: asyncio.Task[None] | None = None
        hub.listen(self._note)

    def start(self) -> None:
        """Store activities from now on."""
        work = repeat_every(STORE_SECONDS, self._keep_up, name="Noting activity", log=log)
        self._task = asyncio.create_task(work)

    async def stop(self) -> None:
        """Stop storing."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def find(
        self, behind: Active | None, limit: int
    ) -> tuple[list[ActiveTarget], Active | None]:
        """Return a page of the targets, the last active one first, and what is behind it."""
        await self.store_news()
        found = await self._store.activity.newest(behind, limit + 1)
        shown = found[:limit]
        times = {each.target: each.time for each in shown}
        targets = await self._store.targets.get_many(times)
        page = [ActiveTarget(target, times[target.pk]) for target in targets]
        return page, shown[-1] if len(found) > limit else None

    async def times(self, targets: Sequence[int]) -> dict[int, float]:
        """Return when something was last done about these targets, where that is known."""
        return {each.target: each.time for each in await self._store.activity.get_many(targets)}

    async def named(self, words: Sequence[str], limit: int) -> list[Target]:
        """Return targets whose names and identifiers have words that begin with each of these."""
        await self.store_news()
        found = [await self._store.target_words.beginning(word, WORDS_READ) for word in words]
        # Of a word that very many have, not all of these are read, so the rarest one leads.
        rarest: list[int] = min(found, key=len, default=[])
        targets = await self._store.targets.get_many(rarest)
        return [target for target in targets if has_words(target, words)][:limit]

    async def store_news(self) -> None:
        """Store what is new. Raises DatabaseAway."""
        async with self._storing:
            news, self._news = self._news, {}
            try:
                while news:
                    target, at = news.popitem()
                    await self._store_one(target, at)
            except BaseException:
                news.setdefault(target, at)
                self._news = news | self._news
                raise

    async def _keep_up(self) -> None:
        if not self._caught_up:
            await self._note_new()
            self._caught_up = True
        await self.store_news()

    async def _note_new(self) -> None:
        """Note new targets of which nothing is stored, as after a kill: no list would have them."""
        newest = (await self._store.targets.find(limit=CAUGHT_UP)).items
        known = await self.times([target.pk for target in newest])
        for target in newest:
            if target.pk not in known:
                self._news.setdefault(target.pk, target.created)

    async def _store_one(self, pk: int, at: float) -> None:
        may_be_renamed = pk in self._renamed or pk not in self._stored
        self._renamed.discard(pk)  # before it is read, as it may be renamed after that
        try:
            await self._put(pk, at, may_be_renamed)
        except BaseException:
            if may_be_renamed:
                self._renamed.add(pk)
            raise
        self._stored.pop(pk, None)
        self._stored[pk] = at
        if len(self._stored) > REMEMBERED:
            del self._stored[next(iter(self._stored))]

    async def _put(self, pk: int, at: float, may_be_renamed: bool) -> None:
        found = await self._store.targets.get_many([pk])
        if not found:
            await self._store.activity.delete([pk])
            await self._store.target_words.delete(pk)
            return
        await self._store.activity.put(Active(at, pk))
        if may_be_renamed:
            await self._store.target_words.put(found[0])

    def _note(self, topic: Hashable) -> None:
        if not isinstance(topic, tuple) or topic[0] not in KINDS:
            return
        now, target = time.time(), topic[1]
        if topic[0] != changes.PROCESSES or now - self._stored.get(target, 0.0) >= SAME_SECONDS:
            self._news[target] = now
        if topic[0] == changes.TARGET:
            self._renamed.add(target)
