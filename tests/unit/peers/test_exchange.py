"""What a server announces to the others, and hears of them, while the database comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from server.core.changes import Topic
from server.core.errors import DatabaseAway
from server.core.hub import EVERYTHING, Hub
from server.logs.logs import Logs
from server.peers import exchange as exchange_module
from server.peers.exchange import AnnouncementExchange
from server.peers.invalidation import CacheInvalidation
from server.processes.repository import ProcessRepository
from server.store import Store
from server.store.peers.heartbeats import Program


def exchange(store: Store, hub: Hub, server_id: str = "s1") -> AnnouncementExchange:
    repository = ProcessRepository(store.processes, hub, server_id)
    caches = CacheInvalidation(store, repository, Logs(store.logs, hub, 1_000), hub)
    return AnnouncementExchange(store, caches, server_id, 10.0)


async def test_what_came_after_an_announcement_that_seemed_to_fail_is_announced(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = store.announcements.insert

    async def insert_and_lose_the_answer(*announced: Any) -> None:
        await insert(*announced)
        monkeypatch.undo()
        raise DatabaseAway

    one = exchange(store, Hub())
    one._news = {("process", 1)}
    monkeypatch.setattr(store.announcements, "insert", insert_and_lose_the_answer)
    with pytest.raises(DatabaseAway):
        await one._announce()
    one._news.add(("process", 2))
    await one._announce()
    heard = await store.announcements.after("s1", 0)
    assert [each.number for each in heard] == [1, 2]
    assert {topic for each in heard for topic in each.topics} == {("process", 1), ("process", 2)}


async def test_what_is_left_to_announce_is_kept_when_old_ones_cannot_be_deleted(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_asked: Any) -> None:
        raise DatabaseAway

    monkeypatch.setattr(exchange_module, "TOPICS", 1)
    monkeypatch.setattr(exchange_module, "PRUNE_EVERY", 1)
    one = exchange(store, Hub())
    one._news = {("process", 1), ("process", 2)}
    with monkeypatch.context() as outage:
        outage.setattr(store.announcements, "prune", away)
        with pytest.raises(DatabaseAway):
            await one._announce()
    await one._announce()
    heard = await store.announcements.after("s1", 0)
    assert [each.topics for each in heard] == [[("process", 1)], [("process", 2)]]


async def test_caches_are_forgotten_for_a_new_server_even_if_that_failed_at_first(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub()
    told: list[Any] = []
    hub.listen(told.append)
    one = exchange(store, hub)
    await store.servers.beat("s2", 1, Program("1"))

    async def away() -> Iterable[Topic]:
        raise DatabaseAway

    monkeypatch.setattr(store.processes, "queued", away)
    with pytest.raises(DatabaseAway):
        await one._meet()
    monkeypatch.undo()
    assert EVERYTHING not in told
    await one._meet()
    assert EVERYTHING in told
