"""An upload into a remote storage: its files are sent on as they arrive.

On this machine there is only what the examination of a file needs. A journal entry names the files
from before they are there until they are products, so that whatever ends the upload leaves none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType

from server.archive.storage import FileStorage, LocalFile, Writing
from server.archive.transactions import FileTransactions
from server.archive.uploads.excerpt import Excerpt
from server.archive.uploads.upload import Part, Upload, UploadLimits, in_thread_to_the_end
from server.core.concurrency import finish_even_if_cancelled
from server.core.records import DataProduct
from server.store.archive.journal import JournalEntry


class StreamedUpload(Upload):
    """Files being sent to storage. Leaving the context without `commit` deletes all of them."""

    def __init__(
        self,
        incoming: Path,
        limits: UploadLimits,
        files: FileStorage,
        transactions: FileTransactions,
        target: int,
    ) -> None:
        super().__init__(incoming, limits, self._complete)
        self._files = files
        self._transactions = transactions
        self._target = target
        self._entry: JournalEntry | None = None

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await super().__aexit__(kind, error, trace)
        finally:
            if self._entry is not None:
                await finish_even_if_cancelled(self._transactions.abandon(self._entry))

    def _new_part(self, path: Path) -> Part:
        return _RemotePart(path, self._begin)

    async def _begin(self, name: str) -> Writing:
        """Return a new file in storage, which the journal names by then."""
        if self._entry is None:
            self._entry = await finish_even_if_cancelled(self._begun())
        key = await self._transactions.reserve(self._entry, name)
        return self._files.new_file(key, self._limits.limit_bytes)

    async def _begun(self) -> JournalEntry:
        self._entry = await self._transactions.begin()
        return self._entry

    async def _complete(self, files: list[LocalFile]) -> list[DataProduct]:
        assert self._entry is not None
        entry, self._entry = self._entry, None
        return await self._transactions.complete(entry, files, self._target)


class _RemotePart:
    """One file of an upload, which goes into storage."""

    def __init__(self, path: Path, begin: Callable[[str], Awaitable[Writing]]) -> None:
        self.path = path
        self.size = 0
        self.buffer = bytearray()
        self._begin = begin
        self._sha256 = hashlib.sha256()
        self._writing: Writing | None = None
        self._excerpt: Excerpt | None = None
        self._examined: Path | None = None

    async def open(self) -> None:
        await in_thread_to_the_end(self.path.parent.mkdir)
        self._excerpt = await in_thread_to_the_end(Excerpt, self.path)
        self._writing = await self._begin(self.path.name)

    async def flush(self) -> None:
        if self._writing is not None and self._excerpt is not None and self.buffer:
            taken, self.buffer = bytes(self.buffer), bytearray()
            await in_thread_to_the_end(self._note, taken)
            await finish_even_if_cancelled(self._writing.write(taken))
            self.size += len(taken)

    async def finish(self) -> None:
        assert self._writing is not None
        assert self._excerpt is not None
        self._examined = await in_thread_to_the_end(self._excerpt.finish)
        await finish_even_if_cancelled(self._writing.commit())

    async def close(self) -> None:
        if self._excerpt is not None:
            await in_thread_to_the_end(self._excerpt.close)
        if self._writing is not None:
            await self._writing.discard()

    def finished(self) -> LocalFile:
        digest = self._sha256.hexdigest()
        return LocalFile(self._examined, self.path.name, self.size, digest)

    def _note(self, piece: bytes) -> None:
        self._sha256.update(piece)
        assert self._excerpt is not None
        self._excerpt.write(piece)
