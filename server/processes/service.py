"""The processes, as handlers know them: submit, find, move, cancel, rerun, delete.

Writing records is left to `repository`, running them to `dispatcher`, and reading logs to the
readers of `server/logs`, which are handed out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from server.archive.archive import Archive
from server.config import Config
from server.core.errors import Conflict, NotFound
from server.core.records import CANCELLED, PipelineDescription, ProcessRecord, State
from server.logs.bodies import LogBodies
from server.logs.logs import Logs
from server.logs.reader import LogReader
from server.processes.failure import Failure, read_failure
from server.processes.film_frames import frames_body
from server.processes.overview import Overview
from server.processes.receipt import Receipt, receipt_of
from server.processes.repository import ProcessRepository
from server.processes.status_boards import StatusBoard
from server.processes.submission import SubmissionService, Submit
from server.store import Store
from server.store.base import Page
from server.store.processes.by_time import Span
from server.store.processes.sections import Section

#: How long a forced deletion waits for a cancelled process to end.
DELETE_WAIT_SECONDS = 10.0
#: How many of the running processes a queued one names.
HOLDERS_NAMED = 3
STOPPING = "It was cancelled and is being stopped"


class Processes:
    """All processes. Refusals are errors of the domain.

    Handlers read records by `get`, `find` and `count`, as they may know neither the store nor the
    repository, which writes. What only reads is handed out: `log_reader` and `log_bodies`, which
    take a record, the `overview`, and `pipelines` by name, where one that cannot run has an
    `error`.
    """

    def __init__(
        self,
        *,
        store: Store,
        repository: ProcessRepository,
        logs: Logs,
        reader: LogReader,
        archive: Archive,
        pipelines: dict[str, PipelineDescription],
        config: Config,
        check_room: Callable[[], None],
        place_problem: Callable[[str], str | None] = lambda pipeline: None,
    ) -> None:
        self._store = store
        #: returns why no run of a pipeline can be started now, in a clause
        self._place_problem = place_problem
        self._repository = repository
        self._logs = logs
        self._archive = archive
        self._submission = SubmissionService(
            store, repository, pipelines, config.queue.limit, check_room
        )
        self.pipelines: Mapping[str, PipelineDescription] = pipelines
        self.log_reader = reader
        self.overview = Overview(store.processes, repository, reader)
        self._prefix = config.http.prefix
        self.log_bodies = LogBodies(reader, config.cache.log_bytes // 2, config.http.prefix)

    async def get(self, pk: int) -> ProcessRecord:
        """Return the record of a process. Raises NotFound."""
        return await self._repository.get(pk)

    async def find(
        self,
        *,
        target: int | None = None,
        pipelines: Iterable[str] | None = None,
        states: Iterable[State] | None = None,
        since: float | None = None,
        until: float | None = None,
        text: str = "",
        before: int | None = None,
        limit: int = 100,
    ) -> Page[ProcessRecord]:
        """Return a page of the processes that match, newest first.

        `since` and `until`, both included, are about when they were submitted, in Unix seconds;
        every word of the text must be in an identifier, pipeline, status or failure message. A page
        may be short, even empty, and still have a `next`.
        """
        return await self._store.processes.find(
            target=target,
            pipelines=pipelines,
            states=states,
            before=before,
            limit=limit,
            span=Span(since, until),
            words=text.casefold().split(),
        )

    async def count(self, target: int, most: int) -> int:
        """Return how many processes a target has; `most` + 1 stands for any larger number."""
        return await self._store.processes.count(target, most)

    async def submit(
        self,
        target: int | None,
        pipeline: str,
        products: list[int],
        flags: dict[str, bool],
        key: str | None = None,
        *,
        submitted_by: str | None = None,
    ) -> tuple[ProcessRecord, bool]:
        """Store a new process, which then waits for a slot. Return it, and whether it is new.

        A key that was used before for the same submit returns the process made then. Raises
        InvalidInput, QueueFull, and Conflict for a key that was used for another submit.
        """
        submit = Submit(target, pipeline, products, flags)
        return await self._submission.submit(submit, key, submitted_by)

    async def cancel(self, pk: int) -> ProcessRecord:
        """Cancel a process: a queued one never starts, a run is stopped. Raises Conflict."""
        record = await self._repository.get(pk)
        while not record.state.ended:
            if record.state is State.QUEUED:
                cancelled = await self._repository.cancel_queued(record, CANCELLED)
            else:
                cancelled = await self._repository.request_cancel(pk)
            if cancelled is not None:
                return cancelled
            # It has changed in the meantime.
            record = await self._repository.reread(pk)
        raise Conflict(f"Process {pk} has ended already")

    async def move(self, pk: int, *, to_front: bool) -> ProcessRecord:
        """Move a process to the front or back of the queue. Raises Conflict if it is not queued."""
        record = await self._repository.get(pk)
        while record.state is State.QUEUED:
            moved = await self._repository.move(pk, to_front=to_front)
            if moved is not None:
                return moved
            record = await self._repository.reread(pk)  # it has changed in the meantime
        raise Conflict(f"Process {pk} is not queued")

    async def rerun(
        self, pk: int, flags: dict[str, bool] | None = None, *, submitted_by: str | None = None
    ) -> ProcessRecord:
        """Submit a new process with the same inputs and flags, except for those given.

        Raises InvalidInput when its inputs or its pipeline no longer exist.
        """
        record = await self._repository.get(pk)
        return await self._submission.rerun(record, flags or {}, submitted_by)

    async def delete(self, pk: int) -> None:
        """Delete an ended process with its log and outputs. Raises Conflict while it has not."""
        record = await self._repository.get(pk)
        if not record.state.ended:
            raise Conflict(f"Process {pk} has not ended")
        await self._archive.transactions.remove_process(record, self._repository.delete)
        self._logs.forget(pk)
        self.log_bodies.forget(pk)

    async def delete_target(self, pk: int, *, force: bool) -> None:
        """Delete a target with its data products and, if `force` is given, its processes.

        Raises NotFound, and Conflict without `force` when the target has processes.
        """
        await self._archive.targets.get(pk)
        await self.delete_of_target(pk, force)
        await self._archive.targets.delete(pk)

    async def delete_of_target(self, target: int, force: bool) -> None:
        """Delete all processes of a target; without `force`, raise Conflict if it has any."""
        records = await self._store.processes.of_target(target)
        if records and not force:
            raise Conflict(f"Target {target} has processes; add ?force=true to delete them too")
        for record in records:
            if not record.state.ended:
                await self._cancel_and_wait(record)
            await self.delete(record.pk)

    async def _cancel_and_wait(self, record: ProcessRecord) -> None:
        try:
            await self.cancel(record.pk)
        except Conflict:
            return
        try:
            async with asyncio.timeout(DELETE_WAIT_SECONDS):
                await self._repository.wait_for_end(record.pk)
        except TimeoutError:
            raise Conflict(f"Process {record.pk} has not ended yet, try again later") from None

    async def board(self, target: int) -> StatusBoard:
        """Return the status board of a target. Raises NotFound when there is no such target."""
        known = self._repository.known_board(target)
        if known is None:
            await self._store.targets.get(target)
            known = await self._repository.board(target)
        return known

    async def receipt(self, pk: int) -> Receipt:
        """Return what exactly ran on what in the last attempt. Raises NotFound."""
        record = await self._repository.get(pk)
        facts = await self._store.receipts.get(pk, record.attempt)
        return receipt_of(record, facts, await self.log_stored_bytes(pk))

    async def log_stored_bytes(self, pk: int) -> int:
        """Return what the log of a process takes on disk: its files, and what is not sealed yet."""
        sealed = await self._store.segments.last(pk)
        end = await self._store.logs.end(pk)
        if sealed is None:
            return end.log_bytes
        unsealed = end.log_bytes - sealed.log_bytes if end.line > sealed.last else 0
        return await self._store.segments.stored_bytes(pk) + max(0, unsealed)

    async def sections(self, pk: int) -> list[Section]:
        """Return where the statuses of a process begin in its log. Raises NotFound."""
        record = await self._repository.get(pk)
        return await self._store.sections.newest(record.pk)

    async def film_frames(self, pk: int) -> bytes:
        """Return what is known of the frames of a timelapse's last attempt, as JSON.

        Raises NotFound, also for what is no timelapse.
        """
        record = await self._repository.get(pk)
        if record.process_type != "timelapse":
            raise NotFound("timelapse", pk)
        return frames_body(await self._store.film_frames.read(pk, record.attempt))

    async def failure(self, record: ProcessRecord) -> Failure | None:
        """Return why a process failed, as its log tells; None when it has not failed."""
        return await read_failure(record, self.log_reader)

    async def succeeded_timelapses(self, target: int) -> list[ProcessRecord]:
        """Return the timelapses of a target that have succeeded, newest first."""
        return [
            record
            for record in await self._store.processes.of_target(target)
            if record.process_type == "timelapse" and record.state is State.SUCCEEDED
        ]

    def fields(self, record: ProcessRecord) -> dict[str, Any]:
        """Return the record of a process as the API shows it."""
        lines = self._logs.last_known(record.pk)
        if record.state.ended or lines is None:
            lines = record.log_lines
        return {
            "pk": record.pk,
            **record.status_fields(self._prefix),
            "process_type": record.process_type,
            "pipeline": record.pipeline,
            "target": record.target,
            "products": record.products,
            "flags": record.flags,
            "state": record.state,
            "progress": record.progress,
            "started": record.started,
            "attempt": record.attempt,
            "log_lines": lines,
            "log_bytes": self._log_bytes(record),
            "outputs": record.outputs,
            "main": record.main_output,
            "group": record.group,
            "waiting_for": self._waiting_for(record),
            "resources": record.resources,
            "submitted_by": record.submitted_by,
        }

    def fields_alone(self, record: ProcessRecord) -> dict[str, Any]:
        """Return the same without a word of other processes."""
        return self.fields(record) | {"waiting_for": self._waiting_for(record, alone=True)}

    def _log_bytes(self, record: ProcessRecord) -> int | None:
        """Return the size of the log's text, None where it has not been counted yet."""
        if record.state.ended or (known := self._logs.text_bytes_known(record.pk)) is None:
            return record.log_bytes if record.log_lines else 0
        return known

    def _waiting_for(self, record: ProcessRecord, *, alone: bool = False) -> str | None:
        """Say why a process waits, or that it is being stopped; None when neither is so."""
        if record.state is State.RUNNING and record.cancel_requested:
            return STOPPING
        if record.state is not State.QUEUED:
            return None
        queue = self._repository.queue
        position = f"Number {queue.position(record.pk)} in the queue"
        if alone:
            return position
        reason = self._place_problem(record.pipeline) or _holders(list(queue.running.values()))
        return f"{position}; {reason}"


def _holders(running: list[str]) -> str:
    """Say which processes hold the slots, in a short phrase."""
    if not running:
        return "it is about to start"
    named, more = ", ".join(running[:HOLDERS_NAMED]), len(running) - HOLDERS_NAMED
    return f"the slots are held by {named}" + (f" and {more} more" if more > 0 else "")
