"""Examines files again that could not be examined when they were stored.

The number of tries that are left is in the record of the product, so that they go on after a
restart and on any server. How files are examined is left to `runners.examiner`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from pathlib import Path
from typing import Any

from runners.examiner import ExaminationError
from server.archive.files.examination import Examine
from server.archive.storage import FileStorage
from server.core.changes import PRODUCTS, Tell, tell_nobody
from server.core.concurrency import repeat_every
from server.core.errors import DamagedFile, NotFound
from server.core.records import DataProduct
from server.store.archive.products import DataProducts

log = logging.getLogger(__name__)

#: The pause between two rounds of tries.
PAUSE_SECONDS = 30.0
#: How many products a round examines at most.
BATCH = 100


class Reexamination:
    """Examines again, from time to time, the files that could not be examined when they came."""

    def __init__(
        self,
        products: DataProducts,
        files: FileStorage,
        examine: Examine,
        folder: Path,
        tell: Tell = tell_nobody,
    ) -> None:
        self._products = products
        self._files = files
        self._examine = examine
        self._folder = folder  # for copies of files in remote storage
        self._tell = tell
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with a first round, in the background."""
        self._task = asyncio.create_task(
            repeat_every(PAUSE_SECONDS, self.examine_again, name="reexamination", log=log)
        )

    async def stop(self) -> None:
        """End the rounds; a try that is cut short counts."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def examine_again(self) -> None:
        """Examine what is due, up to the first failure: the next may fail for the same reason."""
        if self._files.problem:  # a try would count
            return
        for product in await self._products.unexamined(BATCH):
            # Another server may have begun with it.
            if await self._products.take_examination(product) and not await self._try(product):
                break

    async def _try(self, product: DataProduct) -> bool:
        """Return whether the file could be examined."""
        try:
            metadata = await self._metadata(product)
        except (ExaminationError, DamagedFile, NotFound, OSError) as error:
            log.warning(
                "Data product %d (%s) could not be examined; tries left: %d: %s",
                product.pk,
                product.name,
                product.examinations_left - 1,
                error,
                extra={"action": "examination_failed_again", "product_pk": product.pk},
            )
            return False
        await self._products.set_metadata(product.pk, metadata)
        self._tell((PRODUCTS, product.target))
        log.info(
            "Data product %d (%s) has been examined at last", product.pk, product.name,
            extra={"action": "examined_again", "product_pk": product.pk},
        )  # fmt: skip
        return True

    async def _metadata(self, product: DataProduct) -> dict[str, Any] | None:
        try:
            path = await self._files.local(product.key, self._folder, expected=product)
            return await self._examine(path)
        finally:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
