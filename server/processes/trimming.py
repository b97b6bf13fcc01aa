"""What can be taken from an ended process: its log, its outputs, or all of it."""

from __future__ import annotations

from server.archive.archive import Archive
from server.core.errors import NotFound
from server.core.records import DataProduct, ProcessRecord
from server.logs.logs import Logs
from server.processes.repository import ProcessRepository
from server.processes.service import Processes
from server.store import Store


class Trimming:
    """Deletes parts of ended processes; each method returns about how many bytes that frees."""

    def __init__(
        self,
        store: Store,
        archive: Archive,
        repository: ProcessRepository,
        logs: Logs,
        processes: Processes,
    ) -> None:
        self._store = store
        self._archive = archive
        self._repository = repository
        self._logs = logs
        self._processes = processes

    async def remove_process(self, record: ProcessRecord) -> int:
        """Delete a process with its log and outputs.

        :raises Conflict: a process that has not ended needs one of its outputs.
        :raises NotFound: it is gone already.
        """
        log_bytes = await self._processes.log_stored_bytes(record.pk)
        outputs = await self._outputs(record)
        await self._processes.delete(record.pk)
        return log_bytes + _size(outputs) + 1  # the record itself

    async def remove_log(self, record: ProcessRecord) -> int:
        """Have the lines of a log deleted; its process shows that it had one."""
        if record.log_removed is not None or not record.log_lines:
            return 0
        log_bytes = await self._processes.log_stored_bytes(record.pk)
        if await self._repository.remove_log(record.pk) is None:
            return 0
        self._logs.forget(record.pk)
        self._processes.log_bodies.forget(record.pk)
        return log_bytes

    async def remove_outputs(self, record: ProcessRecord) -> int:
        """Delete the outputs of a process and their group.

        :raises Conflict: a process that has not ended needs one of them; those before it are gone.
        """
        given_back = 0
        for product in await self._outputs(record):
            try:
                await self._archive.products.delete(product.pk)
                given_back += product.size
            except NotFound:
                continue
        if record.group is not None:
            try:
                await self._archive.groups.delete(record.group)
            except NotFound:
                return given_back
        return given_back

    async def _outputs(self, record: ProcessRecord) -> list[DataProduct]:
        if not record.outputs:
            return []
        return await self._store.products.get_many(record.outputs)


def _size(products: list[DataProduct]) -> int:
    return sum(product.size for product in products)
