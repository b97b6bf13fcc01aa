"""What a run uses, sampled while it lasts: a killed child cannot report it.

Also which OS processes it left behind. What the log says of these is left to `conclusion`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import psutil

from runners.execution import process_tags

SAMPLE_SECONDS = 0.5
#: What seems to have escaped may be about to end, as its parents and children often are.
SETTLE_SECONDS = 0.1
#: Whether the children of one process can be listed; else all processes must be looked at.
LISTED = process_tags.lists_children()


class Usage:
    """CPU seconds and peak memory of a run and its descendants, as far as they were sampled."""

    def __init__(self) -> None:
        self.cpu_seconds: float | None = None
        self.peak_rss_bytes: int | None = None
        self._seen: dict[int, psutil.Process] = {}

    async def measure(self, pid: int) -> None:
        """Sample again and again, until cancelled."""
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            # There may be hundreds of processes, each of which takes three files to read.
            await asyncio.to_thread(self.sample, pid)

    def sample(self, pid: int) -> None:
        """Sample the run and its descendants once."""
        cpu, rss = 0.0, 0
        for member in [pid, *descendants(pid)]:
            with suppress(psutil.Error):
                process = psutil.Process(member)
                times = process.cpu_times()
                cpu += times.user + times.system
                rss += process.memory_info().rss
                self._seen[member] = process
        self.cpu_seconds = max(cpu, self.cpu_seconds or 0.0)
        self.peak_rss_bytes = max(rss, self.peak_rss_bytes or 0)

    def take(self, cpu_seconds: float, peak_rss_bytes: int) -> None:
        """Take what the child reports: it knows its own peak."""
        self.cpu_seconds = max(cpu_seconds, self.cpu_seconds or 0.0)
        self.peak_rss_bytes = max(peak_rss_bytes, self.peak_rss_bytes or 0)

    async def escaped(self, parent: int | None, pk: int, identifier: str) -> dict[int, str]:
        """Return the PIDs and command names of processes that outlive the run that started them.

        `parent` is the PID of the run's parent, which on Linux adopts what the run leaves behind.
        """
        if not self._escaped(parent, pk, identifier):
            return {}
        await asyncio.sleep(SETTLE_SECONDS)
        return self._escaped(parent, pk, identifier)

    def _escaped(self, parent: int | None, pk: int, identifier: str) -> dict[int, str]:
        left = {pid for pid, process in list(self._seen.items()) if process.is_running()}
        for child in [] if parent is None else process_tags.children_of(parent):
            if process_tags.belongs_to(child, pk, identifier):
                left |= {child, *descendants(child)}
        return {pid: name for pid in sorted(left) if (name := _name(pid)) is not None}


def descendants(pid: int) -> list[int]:
    """Return the PIDs of all living descendants of a process."""
    if LISTED:
        found = process_tags.children_of(pid)
        for each in found:  # the list grows during the loop
            found += process_tags.children_of(each)
        return found
    with suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    return []


def _name(pid: int) -> str | None:
    """Return the command name of a process; None when it has ended, even as a zombie."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return str(process.name())
    return None
