"""How many processes have failed in the last 24 hours, on all servers.

What was counted stays in memory, so that only what is new is read, along the index of `failed_at`.
"""

from __future__ import annotations

import time

from server.store.processes.records import ProcessStore

DAY_SECONDS = 86_400.0
#: How far the clocks of servers on one database may differ, and writes be late.
OVERLAP_SECONDS = 60.0
BATCH = 1_000


class RecentFailures:
    """The failures of the last day; one that was deleted since it was counted still counts."""

    def __init__(self, store: ProcessStore) -> None:
        self._store = store
        self._known: dict[int, float] = {}
        self._newest = 0.0

    async def count(self, now: float | None = None) -> int:
        """Return how many there are. To be called by one caller at a time.

        :raises DatabaseAway: the database cannot be asked.
        """
        start = (time.time() if now is None else now) - DAY_SECONDS
        await self._read(max(start, self._newest - OVERLAP_SECONDS))
        self._known = {pk: at for pk, at in self._known.items() if at >= start}
        return len(self._known)

    async def _read(self, since: float) -> None:
        while True:
            found = await self._store.failures(since, BATCH)
            self._known |= found
            if found:
                self._newest = max(self._newest, found[-1][1])
            # A whole batch of one and the same time would be read for ever.
            if len(found) < BATCH or found[-1][1] == since:
                return
            since = found[-1][1]
