"""Wakes those who wait for a topic.

A wake-up carries no data: a reader that is woken reads on from its own cursor. Knows neither
sockets nor the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from types import TracebackType
from typing import Self

#: What the listeners are called with when any topic may have changed.
EVERYTHING = ("everything", 0)


class Subscription:
    """One reader's interest in some topics. Wake-ups that come while it is busy are merged.

    Use as a context manager: subscribe first, then read, then wait, so that no change is missed.
    """

    def __init__(self, hub: Hub, topics: tuple[Hashable, ...]) -> None:
        self._hub = hub
        self._topics = topics
        self._woken = asyncio.Event()

    def __enter__(self) -> Self:
        self._hub._add(self, self._topics)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hub._remove(self, self._topics)

    def wake(self) -> None:
        """Wake the reader."""
        self._woken.set()

    async def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait for a wake-up since the last call; return False if none comes in time."""
        if not self._woken.is_set():
            try:
                await asyncio.wait_for(self._woken.wait(), timeout_seconds)
            except TimeoutError:
                return False
        self._woken.clear()
        return True


class Hub:
    """The subscriptions of this server, by topic."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, set[Subscription]] = {}
        self._listeners: list[Callable[[Hashable], None]] = []

    def subscribe(self, *topics: Hashable) -> Subscription:
        """Return a subscription to these topics, to be entered with `with`."""
        return Subscription(self, topics)

    def listen(self, listener: Callable[[Hashable], None]) -> None:
        """Call the listener with every topic that is woken."""
        self._listeners.append(listener)

    def wake(self, topic: Hashable) -> None:
        """Wake all who wait for the topic, and call the listeners."""
        for subscription in self._waiting.get(topic, ()):
            subscription.wake()
        for listener in self._listeners:
            listener(topic)

    def wake_all(self) -> None:
        """Wake all who wait for any topic, and call the listeners with `EVERYTHING`."""
        for subscriptions in self._waiting.values():
            for subscription in subscriptions:
                subscription.wake()
        for listener in self._listeners:
            listener(EVERYTHING)

    def _add(self, subscription: Subscription, topics: tuple[Hashable, ...]) -> None:
        for topic in topics:
            self._waiting.setdefault(topic, set()).add(subscription)

    def _remove(self, subscription: Subscription, topics: tuple[Hashable, ...]) -> None:
        for topic in topics:
            waiting = self._waiting[topic]
            waiting.discard(subscription)
            if not waiting:
                del self._waiting[topic]
