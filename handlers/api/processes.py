"""`/api/processes/`: what was submitted, and what one can do with it."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType
from tornado.routing import URLSpec

from handlers.http.base import BaseHandler
from handlers.http.body import BodyHandler
from handlers.http.json_input import Pk
from handlers.http.query import PK, choices, integer, page, parse_pk
from handlers.services import Services
from server.core.errors import InvalidInput
from server.core.records import State

STATES = frozenset(state.value for state in State)
KEY = "Idempotency-Key"


class Submission(Struct):
    """What to run, and on what."""

    target: Pk
    pipeline: str
    products: list[Pk]
    flags: dict[str, bool] = {}


class Rerun(Struct):
    """What shall be different the next time."""

    flags: dict[str, bool] | UnsetType = UNSET


class ProcessesHandler(BodyHandler):
    """The list, and submitting."""

    async def get(self) -> None:
        """Answer with a page of the processes that match."""
        states = [State(word) for word in choices(self, "state", STATES)]
        target = integer(self, "target", 1)
        pipelines = choices(self, "pipeline")
        found = await self.processes.find(
            target=target, pipelines=pipelines or None, states=states or None, **page(self)
        )
        fields = [self.processes.fields(record) for record in found.items]
        await self.answer({"processes": fields, "next": found.next})

    async def post(self) -> None:
        """Submit; with an `Idempotency-Key`, as often as one likes."""
        wanted = self.json_input(Submission)
        record, new = await self.processes.submit(
            wanted.target, wanted.pipeline, wanted.products, wanted.flags, self._key()
        )
        self.set_header("Location", f"/api/processes/{record.pk}/")
        self.write_json(self.processes.fields(record), 201 if new else 200)

    def _key(self) -> str | None:
        key = self.request.headers.get(KEY)
        if key is None:
            return None
        if not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
            raise InvalidInput.of(KEY, "1 to 255 visible ASCII characters are expected.")
        return key


class ProcessHandler(BaseHandler):
    """One process."""

    async def get(self, pk: str) -> None:
        """Answer with the record."""
        record = await self.processes.get(parse_pk(pk))
        await self.answer(self.processes.fields(record))

    async def delete(self, pk: str) -> None:
        """Delete it with its log and outputs, once it has ended."""
        await self.processes.delete(parse_pk(pk))
        self.set_status(204)


class CancelHandler(BodyHandler):
    """Stopping a process."""

    async def post(self, pk: str) -> None:
        """Ask for it; the record tells when it has happened."""
        record = await self.processes.cancel(parse_pk(pk))
        self.write_json(self.processes.fields(record), 202)


class RerunHandler(BodyHandler):
    """The same again."""

    async def post(self, pk: str) -> None:
        """Submit a new process with the same inputs, and other flags if given."""
        flags = self.optional_json_input(Rerun).flags
        record = await self.processes.rerun(parse_pk(pk), None if flags is UNSET else flags)
        self.set_header("Location", f"/api/processes/{record.pk}/")
        self.write_json(self.processes.fields(record), 201)


def routes(services: Services) -> list[URLSpec]:
    """Processes, and what can be done with them."""
    one = rf"/api/processes/{PK}"
    kwargs = {"services": services}
    return [
        URLSpec(rf"{one}/", ProcessHandler, kwargs),
        URLSpec(r"/api/processes/", ProcessesHandler, kwargs),
        URLSpec(rf"{one}/cancel/", CancelHandler, kwargs),
        URLSpec(rf"{one}/rerun/", RerunHandler, kwargs),
    ]
