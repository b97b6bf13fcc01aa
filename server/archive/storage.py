"""The bytes of data products, in a local folder or anywhere that fsspec reaches.

A key is a relative path. Which files are data products, and who may see them, is left to
`products`. All blocking work is done in threads. A stored file is opened as what it has to be: a
regular file of the size that its record has. Anything else, a link, a FIFO or a file that was cut,
is an error before the first byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from runners.pipeline.file_copies import NotAFile, open_file
from server.core.disk.known_contents import OTHER_CHECKSUM, KnownContents
from server.core.disk.sync import sync
from server.core.errors import AlreadyStored, DamagedFile, NoRoom, NotFound, StartError

T = TypeVar("T")

PIECE_BYTES = 256 * 1024
#: How many files are stored or deleted in one go, so that no thread is kept for long.
AT_ONCE = 200
#: Random bytes in the name of a file that is not complete yet.
PARTIAL_BYTES = 8
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_ABSENT = (FileNotFoundError, NotADirectoryError)


@dataclass(frozen=True)
class LocalFile:
    """A file on this machine that is to become a product."""

    path: Path
    name: str
    size: int
    sha256: str


class Content(Protocol):
    """What a stored file has to hold, as the record of a data product says."""

    @property
    def size(self) -> int:
        """The size in bytes."""

    @property
    def sha256(self) -> str:
        """The checksum in hexadecimal."""


class FileStorage:
    """All files below one folder or URL. :raises StartError: fsspec cannot reach such a storage."""

    def __init__(self, place: str | Path) -> None:
        try:
            self._remote, root = fsspec.url_to_fs(str(place))
        except (ImportError, ValueError) as error:
            raise StartError(f"files.url cannot be used: {error}") from error
        self._root = root.rstrip("/")
        self._folder = Path(root) if isinstance(self._remote, LocalFileSystem) else None
        self._known = KnownContents()

    async def put(self, local: Path, key: str) -> None:
        """Store a local file under a key, durably and read-only; then the local one may be deleted.

        In a local folder it is linked where possible, so that nothing is copied and, if what
        follows fails, nothing is lost. So nobody else may be able to write to it.

        :raises NoRoom: the disk is full; nothing is stored.
        :raises AlreadyStored: there is a file of this key; it stays as it is.
        """
        await self.put_many([(local, key)])

    async def put_many(self, files: Sequence[tuple[Path, str]]) -> None:
        """Store local files under keys as `put` does; all are durable when this returns.

        After a failure, some of them are stored.
        """
        work = self._put_local if self._folder else self._put_remote
        for start in range(0, len(files), AT_ONCE):
            await in_thread(work, files[start : start + AT_ONCE])

    async def check_free(self, keys: Iterable[str]) -> None:
        """Make sure that nothing is stored under these keys, else raise AlreadyStored."""
        await in_thread(self._check_free, list(keys))

    async def check(self, contents: Iterable[tuple[str, Content]]) -> None:
        """Compare the sizes of files with their records, without reading the files.

        :raises NotFound: no such file.
        :raises DamagedFile: it is not a regular file, or has another size.
        """
        await in_thread(self._check, list(contents))

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
        with contextlib.closing(
            await in_thread(self._reader, key, start, stop, expected)
        ) as reader:
            while piece := await in_thread(reader.next_piece):
                yield piece

    async def part(self, key: str, start: int, stop: int, *, expected: Content) -> bytes:
        """Return some megabytes at most as `read` does, all at once."""

        def work() -> bytes:
            with contextlib.closing(self._reader(key, start, stop, expected)) as reader:
                return b"".join(iter(reader.next_piece, b""))

        return await in_thread(work)

    async def local(
        self, key: str, folder: Path, *, expected: Content | None = None, whole: bool = False
    ) -> Path:
        """Return the file itself if it is local, else a copy in the folder under its key.

        The checksum is compared too if the file is copied, or if it will be read `whole`.

        :raises NotFound: no such file.
        :raises DamagedFile: it is not a regular file, or not the one that is expected.
        """
        return await in_thread(self._local, key, folder, expected, whole)

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Delete files; missing ones are fine."""
        for start in range(0, len(keys), AT_ONCE):
            await in_thread(self._delete_all, keys[start : start + AT_ONCE])

    async def delete_folder(self, name: str) -> None:
        """Delete whatever is stored under keys that begin with `<name>/`."""
        with contextlib.suppress(*_ABSENT):
            await in_thread(self._remote.rm, self._place(name), True)

    async def size(self, key: str) -> int:
        """Return the size of a file in bytes.

        :raises NotFound: no such file.
        :raises DamagedFile: it is not a regular file.
        """
        return await in_thread(self._size, key)

    def _put_local(self, files: Sequence[tuple[Path, str]]) -> None:
        # Synced after the last one: the first sync then writes most of what the others wait for.
        places = [self._place_local(local, key) for local, key in files]
        folders = dict.fromkeys(place.parent for place in places)
        roots = dict.fromkeys(folder.parent for folder in folders)
        for path in (*places, *folders, *roots):
            sync(path)

    def _place_local(self, local: Path, key: str) -> Path:
        place = Path(self._place(key))
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = place.parent / f".{secrets.token_hex(PARTIAL_BYTES)}"
        try:
            _link_or_copy(local, partial)
            partial.chmod(0o400)
            with _free(key):
                _rename_to_free(partial, place)
        finally:
            partial.unlink(missing_ok=True)
        return place

    def _put_remote(self, files: Sequence[tuple[Path, str]]) -> None:
        for local, key in files:
            place = self._place(key)
            self._check_free([key])
            self._remote.makedirs(place.rpartition("/")[0], exist_ok=True)
            self._remote.put_file(str(local), place)

    def _check_free(self, keys: list[str]) -> None:
        for key in keys:
            place = self._place(key)
            if os.path.lexists(place) if self._folder else self._remote.exists(place):
                raise AlreadyStored(key)

    def _check(self, contents: list[tuple[str, Content]]) -> None:
        for key, expected in contents:
            _compare_size(key, self._size(key), expected)

    def _size(self, key: str) -> int:
        if self._folder is None:
            with _missing(key):
                return int(self._remote.size(self._place(key)))
        descriptor = self._open_local(key)
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def _reader(self, key: str, start: int, stop: int | None, expected: Content | None) -> _Reader:
        if self._folder is not None:
            file: IO[bytes] = os.fdopen(self._open_local(key), "rb", buffering=0)
        else:
            with _missing(key):
                file = self._remote.open(self._place(key), "rb")
        try:
            if expected is not None:
                _compare_size(key, _size_of(file), expected)
            if expected and self._folder and (start or (stop or expected.size) < expected.size):
                self._known.compare(key, file, expected.sha256)
            return _Reader(key, file, start, stop, expected)
        except BaseException:
            file.close()
            raise

    def _open_local(self, key: str) -> int:
        """Open a file of the folder; no part of its path may be a link."""
        *parents, name = self._place(key).removeprefix(f"{self._root}/").split("/")
        with _missing(key), contextlib.ExitStack() as stack:
            folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, folder)
            for parent in parents:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                folder = os.open(parent, flags, dir_fd=folder)
                stack.callback(os.close, folder)
            return open_file(name, folder=folder)

    def _local(self, key: str, folder: Path, expected: Content | None, whole: bool) -> Path:
        if self._folder is not None:
            with os.fdopen(self._open_local(key), "rb", buffering=0) as file:
                if expected is not None:
                    _compare_size(key, _size_of(file), expected)
                if expected is not None and whole:
                    self._known.compare(key, file, expected.sha256, always=True)
            return Path(self._place(key))
        copy = folder / key
        copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.closing(self._reader(key, 0, None, expected)) as reader:
            try:
                with copy.open("wb") as file:
                    file.writelines(iter(reader.next_piece, b""))
            except DamagedFile:
                copy.unlink()
                raise
        return copy

    def _delete_all(self, keys: Sequence[str]) -> None:
        for place in map(self._place, keys):
            with contextlib.suppress(*_ABSENT):
                self._remote.rm_file(place)
            if self._folder is not None:
                _remove_folder(Path(place).parent)

    def _place(self, key: str) -> str:
        if any(part in ("", ".", "..") for part in key.split("/")):
            raise ValueError(f"{key!r} cannot be the key of a file")
        return f"{self._root}/{key}"


class _Reader:
    """Reads a stored file piece by piece, and compares its checksum if it is read whole."""

    def __init__(
        self, key: str, file: IO[bytes], start: int, stop: int | None, expected: Content | None
    ) -> None:
        self._key = key
        self._file = file
        self._expected = expected
        if expected is not None:
            stop = expected.size if stop is None else min(stop, expected.size)
        self._left = None if stop is None else stop - start
        whole = expected is not None and start == 0 and stop == expected.size
        self._digest = hashlib.sha256() if whole else None
        file.seek(start)

    def next_piece(self) -> bytes:
        """Return the next bytes, none at the end. :raises DamagedFile: see `FileStorage.read`."""
        if self._left is not None and self._left <= 0:
            return b""
        piece = self._file.read(PIECE_BYTES if self._left is None else min(PIECE_BYTES, self._left))
        if self._left is not None:
            self._left -= len(piece)
        if self._expected is not None:
            self._compare(piece, self._expected)
        return piece

    def _compare(self, piece: bytes, expected: Content) -> None:
        if not piece:
            raise DamagedFile(_name(self._key), "it was cut while it was read")
        if self._digest is not None:
            self._digest.update(piece)
            if not self._left and self._digest.hexdigest() != expected.sha256:
                raise DamagedFile(_name(self._key), OTHER_CHECKSUM)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


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


def _rename_to_free(partial: Path, place: Path) -> None:
    """Give a file another name, which must be free; raise FileExistsError."""
    # The name is taken first, as `replace` would not care. Whoever is killed in between leaves an
    # empty file, which is deleted together with the rest of what was not complete.
    os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400))
    try:
        partial.replace(place)
    except BaseException:
        place.unlink()
        raise


def _compare_size(key: str, size: int, expected: Content) -> None:
    if size != expected.size:
        raise DamagedFile(_name(key), f"it has {size:,} bytes instead of {expected.size:,}")


def _size_of(file: IO[bytes]) -> int:
    place = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(place)
    return size


def _name(key: str) -> str:
    return key.rpartition("/")[2]


@contextlib.contextmanager
def _free(key: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise AlreadyStored(key) from error


@contextlib.contextmanager
def _missing(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFound("stored file", _name(key)) from error
    except NotAFile as error:
        raise DamagedFile(_name(key), "it is not a regular file") from error
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise DamagedFile(_name(key), "part of its path is not a folder") from error
        raise
