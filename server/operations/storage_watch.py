"""Watches a remote storage, and completes what had to wait for it.

What could not be deleted or undone while the storage or the database was away is tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from server.archive.rollback import Rollback
from server.archive.storage import FileStorage
from server.core.concurrency import repeat_every
from server.core.errors import StorageAway
from server.operations.storage_root import ID_FILE

log = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0
#: How long a storage that answered is believed to be there.
QUIET_SECONDS = 15.0


class StorageWatch:
    """Work in the background."""

    def __init__(self, files: FileStorage, rollback: Rollback) -> None:
        self._files = files
        self._rollback = rollback
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(
            repeat_every(PAUSE_SECONDS, self.look, name="storage watch", log=log)
        )

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def look(self) -> None:
        """Ask the storage whether it is there, then complete what has waited."""
        if self._files.is_remote:
            quiet = time.monotonic() - self._files.calls.answered
            if self._files.problem or quiet >= QUIET_SECONDS:
                with contextlib.suppress(StorageAway):
                    await self._files.probe(ID_FILE)
            if self._files.problem:
                return
        await self._rollback.resolve_waiting()
