"""The bytes of data products, in a local folder or anywhere that fsspec reaches.

A key is a relative path. Which files are data products, and who may see them, is left to
`products`. All blocking work is done in threads, and that of a remote storage with a deadline. A
stored file is opened as what it has to be: a regular file of the size that its record has.
Anything else, a link, a FIFO or a file that was cut, is an error before the first byte.

Of a remote storage, everything raises StorageAway if it fails or takes too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from server.archive.storage import remote
from server.archive.storage.calls import DEADLINE_SECONDS, StorageCalls
from server.archive.storage.local import (
    PARTIAL_BYTES,
    in_thread,
    open_below,
    place_local,
    remove_folder,
)
from server.archive.storage.reading import (
    PIECE_BYTES,
    Content,
    Reader,
    compare_size,
    missing,
    size_of,
)
from server.core.concurrency import finish_even_if_cancelled
from server.core.disk.known_contents import KnownContents
from server.core.disk.sync import sync_all
from server.core.errors import AlreadyStored, HeliographError

__all__ = ["AT_ONCE", "PARTIAL_BYTES", "PIECE_BYTES", "Content", "FileStorage", "LocalFile"]

T = TypeVar("T")
U = TypeVar("U")

#: How many files are stored or deleted in one go, so that no thread is kept for long.
AT_ONCE = 200
#: How many files of a remote storage are stored, measured or deleted at the same time.
TOGETHER = 8
#: What is sent to a remote storage in one step.
SENT_BYTES = 2**20
_ABSENT = (FileNotFoundError, NotADirectoryError)


@dataclass(frozen=True)
class LocalFile:
    """A file that is to become a product, on this machine or in storage already.

    Of the latter, `path` has what the examination needs, and is None if only the file itself has.
    """

    path: Path | None
    name: str
    size: int
    sha256: str
    data_product_type: str = ""


class Writing:
    """A file on its way into a remote storage. What is not committed is to be discarded."""

    def __init__(self, calls: StorageCalls, writer: remote.RemoteWriter) -> None:
        self._calls = calls
        self._writer = writer
        self._committed = False

    async def write(self, piece: bytes) -> None:
        """Send a piece."""
        await self._calls.run(self._writer.write, piece)

    async def commit(self) -> None:
        """Have the file stored."""
        await self._calls.run(self._writer.commit, undo=self._writer.remove)
        self._committed = True

    async def discard(self) -> None:
        """Delete what was sent, unless it was committed. May be repeated."""
        if self._committed:
            return
        self._writer.neglect()
        # If this fails too, the journal has what is left deleted.
        with contextlib.suppress(HeliographError):
            await finish_even_if_cancelled(self._calls.run(self._writer.discard))


class FileStorage:
    """All files below one folder or URL. :raises StartError: fsspec cannot reach such a storage."""

    def __init__(self, place: str | Path, seconds: float = DEADLINE_SECONDS) -> None:
        self._remote, self._root = remote.connect(place, seconds)
        self._folder = Path(self._root) if remote.is_local(self._remote) else None
        self._known = KnownContents()
        self.calls = StorageCalls(seconds, str(place))

    @property
    def is_remote(self) -> bool:
        """Whether the files are not on this machine, so that they are streamed into storage."""
        return self._folder is None

    @property
    def problem(self) -> str | None:
        """Why files cannot be stored or read now, None if they can."""
        return self.calls.problem

    def check_here(self) -> None:
        """Raise StorageAway if the storage is known to be away."""
        self.calls.check()

    async def probe(self, name: str) -> None:
        """Ask a remote storage for a file of its root. :raises StorageAway: it does not answer."""
        if self.is_remote:
            await self.calls.run(remote.exists, self._remote, f"{self._root}/{name}")

    async def put(self, local: Path, key: str) -> None:
        """Store a local file under a key, durably and read-only; then the local one may be deleted.

        In a local folder it is linked where possible, so that nothing is copied and, if what
        follows fails, nothing is lost. So nobody else may be able to write to it.

        :raises NoRoom: the disk is full; nothing is stored.
        :raises AlreadyStored: there is a file of this key; it stays as it is.
        """
        await self.put_many([(local, key)])

    async def put_many(
        self, files: Sequence[tuple[Path, str]], *, keep_modes: bool = False
    ) -> None:
        """Store local files under keys as `put` does; all are durable when this returns.

        With `keep_modes`, they keep their permissions in a local folder: somebody else has links to
        them. After a failure, some of them are stored.
        """
        if self.is_remote:
            await self.check_free(key for _, key in files)
            await _each(self._send, files)
            return
        for start in range(0, len(files), AT_ONCE):
            await in_thread(self._put_local, files[start : start + AT_ONCE], keep_modes)

    def new_file(self, key: str, limit_bytes: int) -> Writing:
        """Return a new file of a remote storage, to be written piece by piece.

        `limit_bytes` is the most that it may get. Nothing may be stored under the key.
        """
        return Writing(self.calls, remote.RemoteWriter(self._remote, self._place(key), limit_bytes))

    async def abort_unfinished(self, keys: Iterable[str]) -> None:
        """Delete what killed servers have sent of files and not completed."""
        if self.is_remote:
            places = [self._place(key) for key in keys]
            await _each(
                self.calls.run, [(remote.abort_unfinished, self._remote, p) for p in places]
            )

    async def signed_url(self, key: str, headers: Mapping[str, str]) -> str | None:
        """Return a URL of the storage for a file, good for a minute; None where there is none."""
        if not self.is_remote:
            return None
        return await self.calls.run(remote.signed_url, self._remote, self._place(key), headers)

    async def check_free(self, keys: Iterable[str]) -> None:
        """Make sure that nothing is stored under these keys, else raise AlreadyStored."""
        await self._in_parts(self._check_free, list(keys))

    async def check(self, contents: Iterable[tuple[str, Content]]) -> None:
        """Compare the sizes of files with their records, without reading the files.

        :raises NotFound: no such file.
        :raises DamagedFile: it is not a regular file, or has another size.
        """
        await self._in_parts(self._check, list(contents))

    async def read(
        self,
        key: str,
        start: int = 0,
        stop: int | None = None,
        *,
        expected: Content | None = None,
    ) -> AsyncIterator[bytes]:
        """Iterate over the bytes from `start` to before `stop`.

        If the file is read whole, its checksum is compared before the last piece.

        :raises NotFound: no such file.
        :raises DamagedFile: it is not a regular file, or not the one that is expected.
        """
        # Closed without a thread: nothing can be awaited any more once the reader was dropped.
        with contextlib.closing(await self._do(self._reader, key, start, stop, expected)) as reader:
            while piece := await self._do(reader.next_piece):
                yield piece

    async def part(self, key: str, start: int, stop: int, *, expected: Content) -> bytes:
        """Return some megabytes at most as `read` does, all at once."""

        def work() -> bytes:
            with contextlib.closing(self._reader(key, start, stop, expected)) as reader:
                return b"".join(iter(reader.next_piece, b""))

        return await self._do(work)

    async def local(
        self, key: str, folder: Path, *, expected: Content | None = None, whole: bool = False
    ) -> Path:
        """Return the file itself if it is local, else a copy in the folder under its key.

        The checksum is compared too if the file is copied, or if it will be read `whole`.

        :raises NotFound: no such file.
        :raises DamagedFile: it is not a regular file, or not the one that is expected.
        """
        if self.is_remote:
            return await self._fetch(key, folder / key, expected)
        return await in_thread(self._local, key, expected, whole)

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Delete files; missing ones are fine."""
        for start in range(0, len(keys), AT_ONCE):
            await self._in_parts(self._delete_all, keys[start : start + AT_ONCE])

    async def delete_folder(self, name: str) -> None:
        """Delete whatever is stored under keys that begin with `<name>/`."""
        with contextlib.suppress(*_ABSENT):
            await self._do(self._remote.rm, self._place(name), True)

    async def size(self, key: str) -> int:
        """Return the size of a file in bytes.

        :raises NotFound: no such file.
        :raises DamagedFile: it is not a regular file.
        """
        return await self._do(self._size, key)

    async def _do(self, work: Callable[..., T], *args: Any) -> T:
        """Return the result of blocking work."""
        return await (self.calls.run if self.is_remote else in_thread)(work, *args)

    async def _in_parts(self, work: Callable[[Sequence[U]], None], items: Sequence[U]) -> None:
        """Do work on all items: those of a remote storage one by one, some at the same time."""
        if self.is_remote:
            await _each(self.calls.run, [(work, [item]) for item in items])
        else:
            await in_thread(work, items)

    async def _send(self, local: Path, key: str) -> None:
        """Send a local file piece by piece; a failure leaves nothing."""
        file: IO[bytes] = await in_thread(lambda: local.open("rb"))
        try:
            size = os.fstat(file.fileno()).st_size
            async with contextlib.AsyncExitStack() as stack:
                writing = self.new_file(key, size)
                stack.push_async_callback(writing.discard)
                while piece := await in_thread(file.read, SENT_BYTES):
                    await writing.write(piece)
                await writing.commit()
        finally:
            await in_thread(file.close)

    async def _fetch(self, key: str, copy: Path, expected: Content | None) -> Path:
        """Copy a remote file; a failure leaves nothing."""
        await in_thread(lambda: copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700))
        file: IO[bytes] = await in_thread(lambda: copy.open("wb"))
        try:
            try:
                async for piece in self.read(key, expected=expected):
                    await in_thread(file.write, piece)
            finally:
                await in_thread(file.close)
        except BaseException:
            await asyncio.to_thread(copy.unlink, missing_ok=True)
            raise
        return copy

    def _put_local(self, files: Sequence[tuple[Path, str]], keep_modes: bool) -> None:
        # Synced after the last one: the first sync then writes most of what the others wait for.
        places = [self._place_local(local, key, keep_modes) for local, key in files]
        folders = dict.fromkeys(place.parent for place in places)
        roots = dict.fromkeys(folder.parent for folder in folders)
        sync_all([*places, *folders, *roots])

    def _place_local(self, local: Path, key: str, keep_mode: bool) -> Path:
        place = Path(self._place(key))
        place_local(local, place, key, keep_mode=keep_mode)
        return place

    def _check_free(self, keys: Sequence[str]) -> None:
        for key in keys:
            place = self._place(key)
            if os.path.lexists(place) if self._folder else remote.exists(self._remote, place):
                raise AlreadyStored(key)

    def _check(self, contents: Sequence[tuple[str, Content]]) -> None:
        for key, expected in contents:
            compare_size(key, self._size(key), expected)

    def _size(self, key: str) -> int:
        if self._folder is None:
            with missing(key):
                return remote.size_at(self._remote, self._place(key))
        descriptor = self._open_local(key)
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def _reader(self, key: str, start: int, stop: int | None, expected: Content | None) -> Reader:
        if self._folder is not None:
            file: IO[bytes] = os.fdopen(self._open_local(key), "rb", buffering=0)
        else:
            with missing(key):
                file = remote.open_ranged(self._remote, self._place(key))
        try:
            if expected is not None:
                compare_size(key, size_of(file), expected)
            if expected and self._folder and (start or (stop or expected.size) < expected.size):
                self._known.compare(key, file, expected.sha256)
            return Reader(key, file, start, stop, expected)
        except BaseException:
            file.close()
            raise

    def _open_local(self, key: str) -> int:
        path = self._place(key).removeprefix(f"{self._root}/")
        with missing(key):
            return open_below(self._root, path)

    def _local(self, key: str, expected: Content | None, whole: bool) -> Path:
        with os.fdopen(self._open_local(key), "rb", buffering=0) as file:
            if expected is not None:
                compare_size(key, size_of(file), expected)
            if expected is not None and whole:
                self._known.compare(key, file, expected.sha256, always=True)
        return Path(self._place(key))

    def _delete_all(self, keys: Sequence[str]) -> None:
        for place in map(self._place, keys):
            with contextlib.suppress(*_ABSENT):
                self._remote.rm_file(place)
            if self._folder is not None:
                remove_folder(Path(place).parent)

    def _place(self, key: str) -> str:
        if any(part in ("", ".", "..") for part in key.split("/")):
            raise ValueError(f"{key!r} cannot be the key of a file")
        return f"{self._root}/{key}"


async def _each(work: Callable[..., Awaitable[object]], items: Iterable[Sequence[Any]]) -> None:
    """Do work on all items, some at the same time, and raise the first failure after the others."""
    left = iter(items)
    failures: list[BaseException] = []

    async def take() -> None:
        for item in left:
            if failures:
                return
            try:
                await work(*item)
            except Exception as error:
                failures.append(error)

    await asyncio.gather(*(take() for _ in range(TOGETHER)))
    if failures:
        raise failures[0]
