"""An upload: its files are stored as they arrive, and become products all together.

They are written to the disk, from where they are linked into a local storage. How they get into a
remote one is left to `streamed`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self, TypeVar

from server.archive.files.names import uploaded_name
from server.archive.storage import LocalFile, in_thread
from server.core.concurrency import finish_even_if_cancelled
from server.core.errors import InvalidInput, TooLarge
from server.core.records import DataProduct

#: How much is collected in memory before it is worth a thread.
BUFFER_BYTES = 1 << 20

T = TypeVar("T")


class UploadLimits(Protocol):
    """The limits of an upload."""

    @property
    def limit_bytes(self) -> int:
        """The largest size of a file in bytes."""

    @property
    def limit_parts(self) -> int:
        """The largest number of files."""


class Part(Protocol):
    """One file of an upload."""

    path: Path
    size: int
    buffer: bytearray

    async def open(self) -> None:
        """Begin."""

    async def flush(self) -> None:
        """Bring what is buffered to where it goes."""

    async def finish(self) -> None:
        """End; nothing more will come."""

    def finished(self) -> LocalFile:
        """Return the complete file."""

    async def close(self) -> None:
        """Give up what is open."""


class Upload:
    """Files being uploaded. Leaving the context without `commit` deletes all of them."""

    def __init__(
        self,
        incoming: Path,
        limits: UploadLimits,
        store: Callable[[list[LocalFile]], Awaitable[list[DataProduct]]],
    ) -> None:
        self._folder = incoming / secrets.token_hex(8)
        self._limits = limits
        self._store = store
        self._parts: list[Part] = []

    async def __aenter__(self) -> Self:
        try:
            await in_thread_to_the_end(self._folder.mkdir, 0o700)
        except asyncio.CancelledError:
            await self._remove()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for part in self._parts:
            await part.close()
        await self._remove()

    async def _remove(self) -> None:
        await in_thread_to_the_end(shutil.rmtree, self._folder, True)

    async def add(self, name: str) -> None:
        """Begin the next file.

        :raises InvalidInput: its name is not valid, there are too many, or the last one is empty.
        """
        await self._finish_part()
        if len(self._parts) == self._limits.limit_parts:
            raise InvalidInput.of(
                "file", f"At most {self._limits.limit_parts} files can be sent at once"
            )
        # The file keeps its name, as those who examine it may need its suffix.
        path = self._folder / str(len(self._parts)) / uploaded_name(name)
        self._parts.append(self._new_part(path))
        await self._parts[-1].open()

    async def write(self, piece: bytes) -> None:
        """Append to the file begun last. :raises TooLarge: it exceeds the limit."""
        part = self._parts[-1]
        if part.size + len(part.buffer) + len(piece) > self._limits.limit_bytes:
            raise TooLarge(self._limits.limit_bytes)
        part.buffer += piece
        if len(part.buffer) >= BUFFER_BYTES:
            await part.flush()

    async def commit(self) -> list[DataProduct]:
        """Make products of all files, in their order, or of none.

        :raises InvalidInput: there are no files, or the last one is empty.
        """
        await self._finish_part()
        if not self._parts:
            raise InvalidInput.of("file", "At least one file is needed")
        return await self._store([part.finished() for part in self._parts])

    def _new_part(self, path: Path) -> Part:
        return _LocalPart(path)

    async def _finish_part(self) -> None:
        if self._parts:
            part = self._parts[-1]
            await part.flush()
            if not part.size:
                raise InvalidInput.of("file", f"The file {part.path.name} is empty")
            await part.finish()


class _LocalPart:
    """One file of an upload, on disk except for a buffer."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.buffer = bytearray()
        self._sha256 = hashlib.sha256()
        self._file: IO[bytes] | None = None

    async def open(self) -> None:
        await in_thread_to_the_end(self._open)

    async def flush(self) -> None:
        await in_thread_to_the_end(self._flush)

    async def finish(self) -> None:
        await self.close()

    async def close(self) -> None:
        # After a full disk, the buffer may hold what cannot be written.
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()

    def finished(self) -> LocalFile:
        return LocalFile(self.path, self.path.name, self.size, self._sha256.hexdigest())

    def _open(self) -> None:
        self.path.parent.mkdir()
        self._file = self.path.open("wb")

    def _flush(self) -> None:
        if self._file is not None and self.buffer:
            taken, self.buffer = self.buffer, bytearray()
            self._sha256.update(taken)
            self._file.write(taken)
            self._file.flush()
            self.size += len(taken)


async def in_thread_to_the_end(work: Callable[..., T], *args: Any) -> T:
    """Return the result of blocking work, so that it never goes on after a cancellation."""
    return await finish_even_if_cancelled(in_thread(work, *args))
