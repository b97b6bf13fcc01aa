"""How many documents of a collection each target has: looked at up to a limit, then remembered.

The embedded engine counts by reading, so what was counted is kept for a moment. What this server
writes is known at once, what another one writes when the moment is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from server.store.driver.collection import Collection

REMEMBERED_SECONDS = 10.0
REMEMBERED_TARGETS = 10_000


class TargetCounts:
    """Counts by target. `span` gives the range of the field `by_target` that is a target's."""

    def __init__(self, collection: Collection, span: Callable[[int], dict[str, Any]]) -> None:
        self._collection = collection
        self._span = span
        self._known: dict[int, tuple[float, int]] = {}

    async def of(self, target: int, most: int) -> int:
        """How many the target has; `most` + 1 stands for any larger number."""
        now = time.monotonic()
        until, count = self._known.get(target, (0.0, 0))
        if now < until:
            return count
        found = await self._collection.find(
            {"by_target": self._span(target)}, limit=most + 1, fields=("by_target",)
        )
        if len(self._known) >= REMEMBERED_TARGETS:
            self._known.clear()
        self._known[target] = (now + REMEMBERED_SECONDS, len(found))
        return len(found)

    def forget(self, *targets: int) -> None:
        """These have changed; without any, all may have."""
        if not targets:
            self._known.clear()
        for target in targets:
            self._known.pop(target, None)
