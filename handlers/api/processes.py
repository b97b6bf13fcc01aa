"""`/api/processes/`: submit, list, move, cancel, rerun and delete processes."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from tornado.routing import URLSpec

from handlers.http.body import BodyHandler
from handlers.http.json_input import Pk
from handlers.http.query import PK, page, parse_pk, processes_wanted
from handlers.http.routing import route
from handlers.services import Services
from handlers.sharing.views import OfProcess
from server.core.errors import InvalidInput
from server.processes.validation import MAX_INPUTS

IDEMPOTENCY_KEY = "Idempotency-Key"


class Submission(Struct):
    """What to run, and on what."""

    target: Pk
    pipeline: str
    products: Annotated[
        list[Pk],
        Meta(extra_json_schema={"minItems": 1, "maxItems": MAX_INPUTS, "uniqueItems": True}),
    ]
    flags: dict[str, bool] = {}


class Rerun(Struct):
    """What to change in the new process."""

    flags: dict[str, bool] | UnsetType = UNSET


class Move(Struct):
    """Where in the queue a process is to go."""

    to: Literal["front", "back"]


class ProcessesHandler(BodyHandler):
    """All processes."""

    async def get(self) -> None:
        """Answer with a page of the processes that match."""
        found = await self.processes.find(**processes_wanted(self), **page(self))
        fields = [self.processes.fields(record) for record in found.items]
        await self.answer({"processes": fields, "next": found.next})

    async def post(self) -> None:
        """Submit a process, once only for each `Idempotency-Key`."""
        given = self.json_input(Submission)
        record, new = await self.processes.submit(
            given.target,
            given.pipeline,
            given.products,
            given.flags,
            self._idempotency_key(),
            submitted_by=self.caller.name,
        )
        self.set_header("Location", f"/api/processes/{record.pk}/")
        if new:
            self.audit("process_submitted", process_pk=record.pk, target_pk=record.target)
        self.write_json(self.processes.fields(record), 201 if new else 200)

    def _idempotency_key(self) -> str | None:
        key = self.request.headers.get(IDEMPOTENCY_KEY)
        if key is None:
            return None
        if not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
            raise InvalidInput.of(
                IDEMPOTENCY_KEY, "1 to 255 visible ASCII characters are expected."
            )
        return key


class ProcessHandler(OfProcess):
    """One process."""

    async def get(self, pk: str) -> None:
        """Answer with the record."""
        record = await self.processes.get(parse_pk(pk))
        await self.answer(self.record_fields(record))

    async def delete(self, pk: str) -> None:
        """Delete the process with its log and outputs, once it has ended."""
        await self.processes.delete(parse_pk(pk))
        self.audit("process_deleted", process_pk=parse_pk(pk))
        self.set_status(204)


class MoveHandler(BodyHandler):
    """Moving a process in the queue."""

    async def post(self, pk: str) -> None:
        """Move the process to the front or the back of the queue."""
        to = self.json_input(Move).to
        record = await self.processes.move(parse_pk(pk), to_front=to == "front")
        self.audit("process_moved", process_pk=record.pk, to=to)
        self.write_json(self.processes.fields(record))


class CancelHandler(BodyHandler):
    """Cancelling a process."""

    async def post(self, pk: str) -> None:
        """Request the cancellation; the record shows when it has happened."""
        record = await self.processes.cancel(parse_pk(pk))
        self.audit("process_cancelled", process_pk=record.pk)
        self.write_json(self.processes.fields(record), 202)


class RerunHandler(BodyHandler):
    """Running a process again."""

    async def post(self, pk: str) -> None:
        """Submit a new process with the same inputs, and with other flags if given."""
        flags = self.optional_json_input(Rerun).flags
        record = await self.processes.rerun(
            parse_pk(pk), None if flags is UNSET else flags, submitted_by=self.caller.name
        )
        self.audit("process_rerun", process_pk=record.pk, rerun_of=parse_pk(pk))
        self.set_header("Location", f"/api/processes/{record.pk}/")
        self.write_json(self.processes.fields(record), 201)


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of the processes."""
    return [
        route(rf"/api/processes/{PK}/", ProcessHandler, services),
        route(r"/api/processes/", ProcessesHandler, services),
        route(rf"/api/processes/{PK}/move/", MoveHandler, services),
        route(rf"/api/processes/{PK}/cancel/", CancelHandler, services),
        route(rf"/api/processes/{PK}/rerun/", RerunHandler, services),
    ]
