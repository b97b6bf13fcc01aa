"""The file storage for commands, which have no event loop: listed, copied and compared, blocking.

What a running server stores and deletes goes through `server.archive.storage`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from server.archive.storage import PARTIAL_BYTES, Content, FileStorage, remote
from server.archive.storage.calls import DEADLINE_SECONDS, reason_of
from server.core.disk.sync import sync
from server.core.errors import HeliographError, NotDone

#: What a stored file may be: nobody writes to it.
_READ_ONLY = 0o400


class Listed(NamedTuple):
    """A stored file. One whose path no record can have is not `plain`: a link, or deeper down."""

    key: str
    size: int
    modified: float
    plain: bool = True

    @property
    def folder(self) -> str:
        """The folder of the storage that it is in."""
        return self.key.partition("/")[0]

    @property
    def is_partial(self) -> bool:
        """Whether it is what a killed server left of a file that it was storing."""
        name = self.key.rpartition("/")[2]
        return name.startswith(".") and len(name) == 1 + 2 * PARTIAL_BYTES


class StoredFiles(FileStorage):
    """All files below one folder or URL. :raises StartError: fsspec cannot reach such a storage."""

    def __init__(self, place: str | Path, seconds: float = DEADLINE_SECONDS) -> None:
        super().__init__(place, seconds)
        self._url = str(place)

    @property
    def folder(self) -> Path | None:
        """The folder, None for a storage that is not on this machine."""
        return self._folder

    def listed(self) -> Iterator[Listed]:
        """Iterate over all files in the folders of the storage, in no order.

        :raises NotDone: the storage cannot be listed.
        """
        with contextlib.suppress(FileNotFoundError), self._reached():
            yield from self._listed_local() if self._folder else self._listed_remote()

    def copy(self, key: str, place: Path, expected: Content) -> None:
        """Copy a file to a free path, with its checksum compared; the copy is on the disk then.

        A failure leaves nothing behind.

        :raises NotFound: no such file.
        :raises DamagedFile: it is not a regular file, or not the one that is expected.
        """
        try:
            with open(place, "xb", opener=_private) as file:
                file.writelines(self._pieces(key, expected))
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            place.unlink(missing_ok=True)
            raise

    def compare(self, key: str, expected: Content) -> None:
        """Read a whole file and compare its size and checksum. Raise as `copy` does."""
        for _ in self._pieces(key, expected):
            pass

    def measure(self, key: str) -> int:
        """Return the size of a file in bytes. Raise as `copy` does."""
        with self._reached():
            return self._size(key)

    def remove(self, key: str, *, alone: bool = True) -> None:
        """Delete a file; a missing one is fine.

        Its folder goes with the last file, if no server may be about to store another one in it.
        """
        with contextlib.suppress(FileNotFoundError):
            self._remote.rm_file(self._place(key))
        if self._folder is not None and alone:
            with contextlib.suppress(OSError):
                (self._folder / key).parent.rmdir()

    def take(self, source: StoredFiles, key: str, expected: Content) -> None:
        """Store a file of another storage under the same key, which must be free.

        Its checksum is compared on the way. The file is on the disk then, or the other storage has
        said that it has it. A failure leaves nothing behind; a kill may.

        :raises NotFound: the other storage has no such file.
        :raises DamagedFile: it is not a regular file there, or not the one that is expected.
        """
        if self._folder is None:
            self._send_copy(source, key, expected)
        else:
            self._place_copy(source, key, self._folder / key, expected)

    def forget_partial(self, key: str) -> None:
        """Delete what a kill has left of a file that was being stored under a key."""
        with self._reached():
            if self._folder is None:
                remote.abort_unfinished(self._remote, self._place(key))
            else:
                for partial in (self._folder / key).parent.glob(f".{'?' * 2 * PARTIAL_BYTES}"):
                    partial.unlink(missing_ok=True)

    def _send_copy(self, source: StoredFiles, key: str, expected: Content) -> None:
        writer = remote.RemoteWriter(self._remote, self._place(key), expected.size)
        try:
            for piece in source._pieces(key, expected):
                with self._reached():
                    writer.write(piece)
            with self._reached():
                writer.commit()
        except BaseException:
            with contextlib.suppress(Exception):  # the first error says more
                writer.discard()
            raise

    def _place_copy(self, source: StoredFiles, key: str, place: Path, expected: Content) -> None:
        folders = (place.parent.parent, place.parent)
        for folder in folders:
            folder.mkdir(exist_ok=True, parents=True, mode=0o700)
        partial = place.parent / f".{secrets.token_hex(PARTIAL_BYTES)}"
        source.copy(key, partial, expected)
        try:
            partial.chmod(_READ_ONLY)
            partial.replace(place)
        finally:
            partial.unlink(missing_ok=True)
        for folder in folders:
            sync(folder)

    def _pieces(self, key: str, expected: Content) -> Iterator[bytes]:
        with (
            self._reached(),
            contextlib.closing(self._reader(key, 0, None, expected)) as reader,
        ):
            yield from iter(reader.next_piece, b"")

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """Raise NotDone for the errors of a storage that is not on this machine."""
        try:
            yield
        except (HeliographError, FileNotFoundError):
            raise
        except Exception as error:  # each kind of storage has its own
            if self._folder is not None:
                raise
            why = getattr(error, "strerror", None) or reason_of(error, self._url)
            raise NotDone(
                f"The storage of the files cannot be used: {why}; see files.url"
            ) from error

    def _listed_local(self) -> Iterator[Listed]:
        with os.scandir(self._root) as folders:
            for folder in folders:
                if folder.is_dir(follow_symlinks=False):
                    yield from _in_folder(folder.name, folder.path)

    def _listed_remote(self) -> Iterator[Listed]:
        start = f"{self._root}/"
        for path, facts in self._remote.find(self._root, detail=True).items():
            key = str(path).rpartition(start)[2] if start in str(path) else str(path)
            if "/" in key:
                yield Listed(key, int(facts.get("size") or 0), 0.0, key.count("/") == 1)


def _in_folder(name: str, path: str) -> Iterator[Listed]:
    with contextlib.suppress(FileNotFoundError), os.scandir(path) as files:
        for file in files:
            with contextlib.suppress(FileNotFoundError):
                facts = file.stat(follow_symlinks=False)
                plain = stat.S_ISREG(facts.st_mode)
                yield Listed(f"{name}/{file.name}", facts.st_size, facts.st_mtime, plain)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
