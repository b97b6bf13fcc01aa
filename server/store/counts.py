"""How many documents of a collection each target has, counted up to a limit and cached.

The embedded engine counts by reading, so a count is kept for some seconds. This server's own writes
are counted at once, those of other servers only once these seconds are over: where there may be
others, on MongoDB, which counts along an index, a count is kept for less than a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from server.store.driver.collection import Collection

CACHED_SECONDS, SHARED_SECONDS = 10.0, 0.5
CACHED_TARGETS = 10_000


class TargetCounts:
    """Counts by target. `span` returns a target's range of the field `by_target`."""

    def __init__(self, collection: Collection, span: Callable[[int], dict[str, Any]]) -> None:
        self._collection = collection
        self._span = span
        self.cached_seconds = CACHED_SECONDS
        self._known: dict[int, tuple[float, int]] = {}

    async def of(self, target: int, most: int) -> int:
        """Return how many the target has; `most` + 1 stands for any larger number."""
        now = time.monotonic()
        until, count = self._known.get(target, (0.0, 0))
        if now < until:
            return count
        found = await self._collection.find(
            {"by_target": self._span(target)}, limit=most + 1, fields=("by_target",)
        )
        if len(self._known) >= CACHED_TARGETS:
            self._known.clear()
        self._known[target] = (now + self.cached_seconds, len(found))
        return len(found)

    def forget(self, *targets: int) -> None:
        """Drop the counts of targets that have changed; without any, drop all."""
        if not targets:
            self._known.clear()
        for target in targets:
            self._known.pop(target, None)
