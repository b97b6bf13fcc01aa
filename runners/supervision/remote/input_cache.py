"""The inputs of runs on a worker's machine: fetched once, named by their sha256, of bounded size.

Fetching is left to whoever asks. What a run is using is never removed, so the cache can be larger
than its bound for as long as runs use that much.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import shutil
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

#: Called with what takes each piece of the file.
Fetch = Callable[[Callable[[bytes], None]], Awaitable[None]]


class Damaged(Exception):
    """What was fetched is not what was asked for."""


class _Entry:
    def __init__(self, path: Path) -> None:
        facts = path.stat()
        self.path = path
        self.size = facts.st_size
        self.looks = (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)

    def unchanged(self) -> bool:
        """Return whether the file looks as it did when it was fetched."""
        try:
            facts = self.path.stat()
        except OSError:
            return False
        return self.looks == (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


class InputCache:
    """The folder of fetched inputs; what an earlier process left in it is removed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        #: by checksum, the least recently used first
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._users: dict[str, int] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    @contextlib.asynccontextmanager
    async def held(
        self, sha256: str, size: int, limit_bytes: int, fetch: Fetch
    ) -> AsyncIterator[Path]:
        """Yield the path of a file, which is not to be changed, and keep it until then.

        :raises Damaged: what was fetched has another size or checksum.
        """
        self._users[sha256] = self._users.get(sha256, 0) + 1
        try:
            async with self._locks.setdefault(sha256, asyncio.Lock()):
                path = await self._present_or_fetched(sha256, size, limit_bytes, fetch)
            yield path
        finally:
            self._users[sha256] -= 1
            if not self._users[sha256]:
                del self._users[sha256]
                self._locks.pop(sha256, None)
                self._evict(limit_bytes)

    async def _present_or_fetched(
        self, sha256: str, size: int, limit_bytes: int, fetch: Fetch
    ) -> Path:
        entry = self._entries.get(sha256)
        if entry is None or not entry.unchanged():
            self._evict(limit_bytes, size)
            entry = self._entries[sha256] = await self._fetched(sha256, size, fetch)
        self._entries.move_to_end(sha256)
        return entry.path

    async def _fetched(self, sha256: str, size: int, fetch: Fetch) -> _Entry:
        partial = self._folder / f"{secrets.token_hex(8)}.part"
        digest = hashlib.sha256()
        try:
            with partial.open("xb") as file:

                def take(piece: bytes) -> None:
                    digest.update(piece)
                    file.write(piece)

                await fetch(take)
            if partial.stat().st_size != size or digest.hexdigest() != sha256:
                raise Damaged
            partial.chmod(0o400)
            place = self._folder / sha256
            os.replace(partial, place)  # noqa: PTH105 - it may take the place of a changed one
            return _Entry(place)
        finally:
            partial.unlink(missing_ok=True)

    def _evict(self, limit_bytes: int, needed_bytes: int = 0) -> None:
        """Remove the least recently used files that nobody uses until the rest is within bounds."""
        kept = needed_bytes + sum(entry.size for entry in self._entries.values())
        for sha256 in [each for each in self._entries if each not in self._users]:
            if kept <= limit_bytes:
                return
            entry = self._entries.pop(sha256)
            kept -= entry.size
            entry.path.unlink(missing_ok=True)
