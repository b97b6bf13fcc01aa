"""What a file storage tells about itself: its id, and which numbers its files have.

The bytes of data products are left to `server/archive/storage/`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from server.archive.storage import in_thread
from server.archive.storage.calls import DEADLINE_SECONDS, StorageCalls, may_pass, reason_of
from server.archive.storage.remote import connect, is_local
from server.core.errors import HeliographError, StartError, StorageAway

T = TypeVar("T")

#: The file with the id, beside the folders of the products.
ID_FILE = "heliograph-id"
#: What the folders of sealed logs begin with, before the PKs of their processes.
LOG = "log-"
_ID_BYTES = 1_000
#: What is in the root of a new disk.
_OF_THE_DISK = frozenset({"lost+found"})


class StorageRoot:
    """The root of a storage, a folder or URL.

    :raises StartError: it cannot be read or written.
    :raises StorageAway: it is remote and does not answer now.
    """

    def __init__(self, place: str | Path, seconds: float = DEADLINE_SECONDS) -> None:
        self._remote, self._root = connect(place, seconds)
        self._local = is_local(self._remote)
        self._url = str(place)
        self._calls = StorageCalls(seconds, self._url)

    async def read_id(self) -> str | None:
        """Return the id that was written here, None without any."""
        return await self._do(self._read_id)

    async def write_id(self, identity: str) -> None:
        """Write the id in place of any other. :raises NoRoom: the disk is full."""
        await self._do(lambda: self._write_id(identity))

    async def is_empty(self) -> bool:
        """Return whether nothing is stored here, but for what a new disk has."""
        return not set(await self._do(self._names)) - _OF_THE_DISK

    async def highest_pk(self) -> int:
        """Return the highest PK that a file here belongs to, 0 without any."""
        return await self._do(self._highest_pk)

    async def highest_log(self) -> int:
        """Return the highest PK of a process that a sealed log here belongs to, 0 without any."""
        return await self._do(self._highest_log)

    async def has(self, key: str) -> bool:
        """Return whether there is a file of this key."""
        return bool(await self._do(lambda: self._remote.isfile(f"{self._root}/{key}")))

    def _read_id(self) -> str | None:
        with contextlib.suppress(FileNotFoundError):
            with self._remote.open(f"{self._root}/{ID_FILE}", "rb") as file:
                text: str = file.read(_ID_BYTES).decode("ascii", "replace")
            return text.strip() or None
        return None

    def _write_id(self, identity: str) -> None:
        text = f"{identity}\n".encode("ascii")
        self._remote.makedirs(self._root, exist_ok=True)
        if not self._local:
            self._remote.pipe_file(f"{self._root}/{ID_FILE}", text)
            return
        partial = Path(self._root) / f".{secrets.token_hex(8)}"
        try:
            with partial.open("xb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(Path(self._root) / ID_FILE)
        finally:
            partial.unlink(missing_ok=True)

    def _highest_pk(self) -> int:
        return _highest(self._names())

    def _highest_log(self) -> int:
        names = self._names()
        return _highest([name.removeprefix(LOG) for name in names if name.startswith(LOG)])

    def _names(self) -> list[str]:
        try:
            if self._local:
                return [path.name for path in Path(self._root).iterdir()]
            listed = self._remote.ls(self._root, detail=False)
        except FileNotFoundError:
            return []
        # A folder may be an entry of its own in an object storage.
        inside = [path for path in (str(each).rstrip("/") for each in listed) if path != self._root]
        return [path.rpartition("/")[2] for path in inside]

    async def _do(self, work: Callable[[], T]) -> T:
        """Return the result of blocking work.

        :raises StorageAway: the storage does not answer now.
        """
        self._remote.invalidate_cache()
        try:
            return await (in_thread if self._local else self._calls.run)(work)
        except StorageAway as away:
            if may_pass(away.__cause__):
                raise
            raise self._unusable(away.__cause__ or away) from away
        except HeliographError:
            raise
        except Exception as error:  # each kind of storage has its own
            raise self._unusable(error) from error

    def _unusable(self, error: BaseException) -> StartError:
        why = getattr(error, "strerror", None) or reason_of(error, self._url)
        return StartError(f"The storage of the files cannot be used: {why}; see files.url")


def _highest(names: Iterable[str]) -> int:
    return max((int(name) for name in names if name.isascii() and name.isdecimal()), default=0)
