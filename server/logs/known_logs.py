"""The logs that this server has in memory: the most recently used ones, within a size limit."""

from __future__ import annotations

from collections import OrderedDict

from server.logs.cache import Slice
from server.logs.known_log import KnownLog

KNOWN_LOGS = 10_000


class KnownLogs:
    """Logs by process, least recently used first. `cache_bytes` limits all their cached slices."""

    def __init__(self, cache_bytes: int) -> None:
        self.used_bytes = 0
        self._cache_bytes = cache_bytes
        self._logs: OrderedDict[int, KnownLog] = OrderedDict()

    def get(self, process: int) -> KnownLog | None:
        """Return a log without counting that as use, None when it is not in memory."""
        return self._logs.get(process)

    def use(self, process: int) -> KnownLog | None:
        """Return a log and mark it as the last one used, None when it is not in memory."""
        log = self._logs.get(process)
        if log is not None:
            self._logs.move_to_end(process)
        return log

    def add(self, process: int, log: KnownLog) -> KnownLog:
        """Add a log unless it was added meanwhile, and return the one that is in memory."""
        log = self._logs.setdefault(process, log)
        self._logs.move_to_end(process)
        if len(self._logs) > KNOWN_LOGS:
            self.forget(next(iter(self._logs)))
        return log

    def forget(self, process: int) -> None:
        """Drop a log."""
        log = self._logs.pop(process, None)
        if log is not None:
            self.used_bytes -= log.slices.size

    def outdate(self) -> None:
        """Note that other servers may have written to any of the logs."""
        for log in self._logs.values():
            log.outdate()

    def cache(self, process: int, log: KnownLog, new: Slice) -> None:
        """Cache a slice of a log, at the expense of older ones where the limit demands it."""
        if self._logs.get(process) is not log:
            return  # forgotten while the slice was read
        before = log.slices.size
        log.slices.add(new)
        self.used_bytes += log.slices.size - before
        if self.used_bytes > self._cache_bytes:
            self._evict(log)

    def _evict(self, busy: KnownLog) -> None:
        """Drop the oldest slices until the limit is kept.

        A log that takes more than half of the memory gives up its own first, so that reading it
        through leaves the others cached; then the least recently used logs give up theirs.
        """
        self._shrink(busy, self._cache_bytes // 2, 1)
        for log in list(self._logs.values()):
            if self.used_bytes <= self._cache_bytes:
                return
            self._shrink(log, 0, 1 if log is busy else 0)

    def _shrink(self, log: KnownLog, size: int, spare: int) -> None:
        """Drop slices of a log down to a size, but for a number of slices that are spared."""
        slices = log.slices
        while self.used_bytes > self._cache_bytes and slices.size > size and len(slices) > spare:
            self.used_bytes -= slices.drop_oldest()
