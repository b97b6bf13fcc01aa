"""Which changes a server reports to the others, and which it has only heard of."""

from __future__ import annotations

import asyncio

from server.core.changes import Topic
from server.core.hub import EVERYTHING, Hub
from server.logs.logs import Logs
from server.peers.invalidation import CacheInvalidation
from server.processes.repository import ProcessRepository
from server.store import Store


async def test_only_a_server_s_own_changes_are_news(runner: asyncio.Runner, store: Store) -> None:
    hub = Hub()
    repository, logs = ProcessRepository(store.processes, hub, "s1"), Logs(store.logs, hub, 1_000)
    caches = CacheInvalidation(store, repository, logs, hub)
    news: list[Topic] = []
    caches.listen(news.append)
    hub.wake(("log", 7))
    hub.wake("queue")  # concerns this server alone
    hub.wake(("unknown", 7))
    assert news == [("log", 7)]
    with hub.subscribe(("log", 8)) as subscription:
        await caches.refresh([("log", 8), ("process", 9), ("target", 3)])
        assert await subscription.wait(0)
        await caches.refresh([EVERYTHING])
        assert await subscription.wait(0)
    assert news == [("log", 7)]
    with hub.subscribe(("products", 3)) as subscription:
        await caches.refresh([("products", 3)])  # which no cache holds
        assert await subscription.wait(0)
    assert news == [("log", 7)]
    hub.wake(("process", 9))
    assert news == [("log", 7), ("process", 9)]
