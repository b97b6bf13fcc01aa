"""Pictures that have been drawn, kept as files up to a limit; the least recently used go first.

Drawing is left to the examiner, and what is drawn and how it is sent to `handlers/files/previews`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

#: After this time, the folder of a picture being drawn was left behind by a kill.
ABANDONED_SECONDS = 3600.0
#: How full the cache is after tidying, so that it is not tidied for every new picture.
TIDY_PART = 0.9

#: Draws the picture at a path in a folder of its own.
Draw = Callable[[Path], Awaitable[None]]


class PreviewCache:
    """A folder of pictures by name. Each is drawn once, however many ask for it meanwhile."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._drawing: dict[str, asyncio.Future[bytes]] = {}
        self._filing: dict[str, asyncio.Future[Path]] = {}
        self._bytes: int | None = None
        self._tidying = asyncio.Lock()

    async def get(self, name: str, draw: Draw) -> bytes:
        """Return the picture of this name, drawn if need be. Raise what `draw` raises."""
        with contextlib.suppress(FileNotFoundError):
            return await asyncio.to_thread(_used, self._folder / name)
        if name not in self._drawing:
            drawing = self._drawing[name] = asyncio.ensure_future(self._draw(name, draw))
            drawing.add_done_callback(lambda _: self._drawing.pop(name))
        return await asyncio.shield(self._drawing[name])

    def has_room_for(self, size_bytes: int) -> bool:
        """Return whether a file of this size stays for a while, whatever else is there."""
        return size_bytes <= self._limit_bytes * TIDY_PART

    async def file(self, name: str, draw: Draw) -> Path:
        """Return the file of this name, made if need be: for what is too large for memory.

        There must be room for it. It may be deleted later, as it is one of those that may go.
        Raise what `draw` raises.
        """
        path = self._folder / name
        if await asyncio.to_thread(_touched, path):
            return path
        if name not in self._filing:
            filing = self._filing[name] = asyncio.ensure_future(self._file(path, draw))
            filing.add_done_callback(lambda _: self._filing.pop(name))
        return await asyncio.shield(self._filing[name])

    async def _file(self, path: Path, draw: Draw) -> Path:
        async with self.workplace() as folder:
            await draw(folder / path.name)
            size = (await asyncio.to_thread((folder / path.name).stat)).st_size
            await asyncio.to_thread((folder / path.name).replace, path)
        await self._tidy(size)
        return path

    @contextlib.asynccontextmanager
    async def workplace(self) -> AsyncIterator[Path]:
        """Make an empty folder for a while, on the cache's file system."""
        folder = self._folder / f"{secrets.token_hex(8)}.tmp"
        await asyncio.to_thread(folder.mkdir)
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, True)

    async def _draw(self, name: str, draw: Draw) -> bytes:
        # Drawn in a folder of its own and then moved, so that nobody ever sees half a picture.
        async with self.workplace() as folder:
            await draw(folder / name)
            picture = await asyncio.to_thread((folder / name).read_bytes)
            await asyncio.to_thread((folder / name).replace, self._folder / name)
        await self._tidy(len(picture))
        return picture

    async def _tidy(self, added: int) -> None:
        async with self._tidying:
            if self._bytes is None:
                self._bytes = await asyncio.to_thread(_tidied, self._folder, self._limit_bytes)
                return
            self._bytes += added
            if self._bytes > self._limit_bytes:
                least = int(self._limit_bytes * TIDY_PART)
                self._bytes = await asyncio.to_thread(_tidied, self._folder, least)


def _used(path: Path) -> bytes:
    picture = path.read_bytes()
    with contextlib.suppress(OSError):
        path.touch()
    return picture


def _touched(path: Path) -> bool:
    """Note that a file is used, and return whether there is one."""
    try:
        os.utime(path)
    except OSError:
        return False
    return True


def _tidied(folder: Path, limit_bytes: int) -> int:
    """Delete what is over the limit, and return how many bytes are left."""
    kept: list[tuple[float, int, Path]] = []
    for path in folder.iterdir():
        with contextlib.suppress(OSError):  # it may have been deleted meanwhile
            facts = path.stat()
            if not path.is_dir():
                kept.append((facts.st_mtime, facts.st_size, path))
            elif time.time() - facts.st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(path, True)
    total = sum(size for _, size, _ in kept)
    for _, size, path in sorted(kept):
        if total <= limit_bytes:
            break
        path.unlink(missing_ok=True)
        total -= size
    return total
