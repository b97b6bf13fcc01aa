"""What a run uses, sampled while it lives: a killed child leaves no account of itself."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import psutil

SAMPLE_SECONDS = 0.5


class Usage:
    """CPU seconds and peak memory of a run and its descendants, as far as they were seen."""

    def __init__(self) -> None:
        self.cpu_seconds: float | None = None
        self.peak_rss_bytes: int | None = None
        self.seen: dict[int, psutil.Process] = {}

    async def measure(self, pid: int) -> None:
        """Look again and again, until cancelled."""
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            while True:
                await asyncio.sleep(SAMPLE_SECONDS)
                self._sample(process)

    def _sample(self, process: psutil.Process) -> None:
        family = [process, *process.children(recursive=True)]
        cpu, rss = 0.0, 0
        for member in family:
            with suppress(psutil.Error):
                times = member.cpu_times()
                cpu += times.user + times.system
                rss += member.memory_info().rss
                self.seen[member.pid] = member
        self.cpu_seconds = max(cpu, self.cpu_seconds or 0.0)
        self.peak_rss_bytes = max(rss, self.peak_rss_bytes or 0)

    def survivors(self) -> list[psutil.Process]:
        """Descendants that were seen and live on: those that left the run's group."""
        return [process for process in self.seen.values() if process.is_running()]
