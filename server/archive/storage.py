"""The bytes of data products, in a local folder or anywhere that fsspec reaches.

A key is a relative path. Which files are data products, and who may see them, is left to
`products`. All blocking work is done in threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from server.core.errors import NoRoom, NotFound, StartError

T = TypeVar("T")

PIECE_BYTES = 256 * 1024
#: How many files are deleted in one go, so that no thread is kept for long.
DELETED_AT_ONCE = 200
#: Random bytes in the name of a file that is not complete yet.
PARTIAL_BYTES = 8
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True)
class LocalFile:
    """A file on this machine that is to become a product."""

    path: Path
    name: str
    size: int
    sha256: str


class FileStorage:
    """All files below one folder or URL.

    :raises StartError: fsspec does not know this kind of storage, or its package is missing.
    """

    def __init__(self, place: str | Path) -> None:
        try:
            self._remote, root = fsspec.url_to_fs(str(place))
        except (ImportError, ValueError) as error:
            raise StartError(f"files.url cannot be used: {error}") from error
        self._root = root.rstrip("/")
        self._folder = Path(root) if isinstance(self._remote, LocalFileSystem) else None

    async def put(self, local: Path, key: str) -> None:
        """Store a local file under a key, durably and read-only; then the local one may be deleted.

        In a local folder it is linked where possible, so that nothing is copied and, if what
        follows fails, nothing is lost.

        :raises NoRoom: the disk is full; nothing is stored.
        """
        await in_thread(self._put_local if self._folder else self._put_remote, local, key)

    async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Iterate over the bytes from `start` to before `stop`. :raises NotFound: no such file."""
        file = await in_thread(self._open, key)
        try:
            await asyncio.to_thread(file.seek, start)
            left = None if stop is None else stop - start
            while left is None or left > 0:
                size = PIECE_BYTES if left is None else min(PIECE_BYTES, left)
                piece = await in_thread(file.read, size)
                if not piece:
                    return
                left = None if left is None else left - len(piece)
                yield piece
        finally:
            # Not in a thread: nothing can be awaited any more once the reader was dropped.
            file.close()

    async def local(self, key: str, folder: Path) -> Path:
        """Return the file itself if it is local, else a copy in the folder under its key.

        :raises NotFound: no such file.
        """
        return await in_thread(self._local, key, folder)

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Delete files; missing ones are fine."""
        for start in range(0, len(keys), DELETED_AT_ONCE):
            await in_thread(self._delete_all, keys[start : start + DELETED_AT_ONCE])

    async def size(self, key: str) -> int:
        """Return the size of a file in bytes. :raises NotFound: no such file."""
        with _missing(key):
            return int(await in_thread(self._remote.size, self._place(key)))

    def _put_local(self, local: Path, key: str) -> None:
        place = Path(self._place(key))
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = place.parent / f".{secrets.token_hex(PARTIAL_BYTES)}"
        try:
            _link_or_copy(local, partial)
            partial.chmod(0o400)
            _sync(partial)
            partial.replace(place)
            _sync(place.parent)
            _sync(place.parent.parent)
        finally:
            # Also after a success: if both are names of one file, `replace` leaves both.
            partial.unlink(missing_ok=True)

    def _put_remote(self, local: Path, key: str) -> None:
        place = self._place(key)
        self._remote.makedirs(place.rpartition("/")[0], exist_ok=True)
        self._remote.put_file(str(local), place)

    def _open(self, key: str) -> IO[bytes]:
        with _missing(key):
            opened: IO[bytes] = self._remote.open(self._place(key), "rb")
            return opened

    def _local(self, key: str, folder: Path) -> Path:
        place = self._place(key)
        if self._folder is not None:
            if not Path(place).is_file():
                raise NotFound("file", key)
            return Path(place)
        copy = folder / key
        copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _missing(key):
            self._remote.get_file(place, str(copy))
        return copy

    def _delete_all(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._delete(key)

    def _delete(self, key: str) -> None:
        place = self._place(key)
        with contextlib.suppress(FileNotFoundError):
            self._remote.rm_file(place)
        if self._folder is not None:
            _remove_folder(Path(place).parent)

    def _place(self, key: str) -> str:
        if any(part in ("", ".", "..") for part in key.split("/")):
            raise ValueError(f"{key!r} is no key")
        return f"{self._root}/{key}"


async def in_thread(work: Callable[..., T], *args: Any) -> T:
    """Return the result of blocking work on files. :raises NoRoom: the disk is full."""
    try:
        return await asyncio.to_thread(work, *args)
    except OSError as error:
        if error.errno in _FULL:
            raise NoRoom() from error
        raise


def _link_or_copy(source: Path, copy: Path) -> None:
    try:
        os.link(source.resolve(), copy)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, copy)


def _remove_folder(folder: Path) -> None:
    """Remove the folder of a deleted file, with what a `put` that was killed has left in it."""
    with contextlib.suppress(OSError):
        folder.rmdir()
        return
    with contextlib.suppress(OSError):  # not empty, or not there
        for partial in folder.glob(f".{'?' * 2 * PARTIAL_BYTES}"):
            partial.unlink()
        folder.rmdir()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _missing(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFound("file", key) from error
