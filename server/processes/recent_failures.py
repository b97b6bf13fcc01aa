"""How many processes have failed in the last 24 hours, on all servers.

What was counted stays in memory, so that only what has ended since is read, along an index.
"""

from __future__ import annotations

import time

from server.core.records import State
from server.store.processes.records import ProcessStore

DAY_SECONDS = 86_400.0
#: How far the clocks of servers on one database may differ, and writes be late.
OVERLAP_SECONDS = 660.0
#: Later than any time.
LATEST = 1e12
BATCH = 200


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
            found = await self._store.ended_since(since, LATEST, BATCH)
            ends = [(record, record.terminal_timestamp or 0.0) for record in found]
            self._known |= {record.pk: at for record, at in ends if record.state is State.FAILED}
            if not ends:
                return
            last = ends[-1][1]
            self._newest = max(self._newest, last)
            # A whole batch of one and the same time would be read for ever.
            if len(found) < BATCH or last == since:
                return
            since = last
