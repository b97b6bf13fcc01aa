"""`/api/processes/`: what was submitted, and what one can do with it."""

from __future__ import annotations

import zlib

from msgspec import UNSET, Struct, UnsetType
from tornado.routing import URLSpec

from handlers.base import BaseHandler
from handlers.body import BodyHandler
from handlers.compressed import compressed_apart, compressed_pieces
from handlers.inputs import Pk
from handlers.query import PK, page, pk_of, text, whole, words
from handlers.services import Services
from handlers.streams import send
from server.errors import InvalidInput
from server.records import State

STATES = frozenset(state.value for state in State)
LEVELS = frozenset({"debug", "info", "warning", "error"})
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
        states = [State(word) for word in words(self, "state", STATES)]
        target = whole(self, "target", 1)
        pipelines = words(self, "pipeline")
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
        self.answer_change(self.processes.fields(record), 201 if new else 200)

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
        record = await self.processes.get(pk_of(pk))
        await self.answer(self.processes.fields(record))

    async def delete(self, pk: str) -> None:
        """Delete it with its log and outputs, once it has ended."""
        await self.processes.delete(pk_of(pk))
        self.set_status(204)


class CancelHandler(BodyHandler):
    """Stopping a process."""

    async def post(self, pk: str) -> None:
        """Ask for it; the record tells when it has happened."""
        record = await self.processes.cancel(pk_of(pk))
        self.answer_change(self.processes.fields(record), 202)


class RerunHandler(BodyHandler):
    """The same again."""

    async def post(self, pk: str) -> None:
        """Submit a new process with the same inputs, and other flags if given."""
        flags = self.optional_json_input(Rerun).flags
        record = await self.processes.rerun(pk_of(pk), None if flags is UNSET else flags)
        self.set_header("Location", f"/api/processes/{record.pk}/")
        self.answer_change(self.processes.fields(record), 201)


class LogHandler(BaseHandler):
    """The log by cursor."""

    quiet = True

    async def get(self, pk: str) -> None:
        """Answer with the lines behind a cursor that match."""
        after = whole(self, "after", 0) or 0
        limit = whole(self, "limit", 1, 100_000) or 1_000
        page = await self.processes.lines(pk_of(pk), after, limit, *wanted(self))
        # Lines never change: how far the page reaches says all, for one and the same query.
        query = zlib.crc32(self.request.query.encode())
        lines = b",\n".join(page.entries)
        if not self.unchanged(f"{query:x}-{page.next}-{len(lines)}-{int(page.ended)}"):
            ended = b"true" if page.ended else b"false"
            body = b'{"lines":[%b],"next":%d,"ended":%b}' % (lines, page.next, ended)
            self.write(await compressed_apart(self, body))


class SectionsHandler(BaseHandler):
    """Where in its log the statuses of a process begin."""

    async def get(self, pk: str) -> None:
        """Answer with the newest sections, in the order of their lines."""
        await self.answer({"sections": await self.processes.sections(pk_of(pk))})


class LogTextHandler(BaseHandler):
    """The log as a file."""

    async def get(self, pk: str) -> None:
        """Send the text of the lines that match."""
        record = await self.processes.get(pk_of(pk))
        pieces = self.processes.log_text(record.pk, *wanted(self))
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{record.identifier}.txt"')
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Vary", self.vary)
        await send(self, compressed_pieces(self, pieces))


def wanted(handler: BaseHandler) -> tuple[str, str]:
    """Which lines the query asks for: the least level, and a text in them."""
    levels = words(handler, "level", LEVELS)
    if len(levels) > 1:
        raise InvalidInput.of("level", "One level is expected; it includes the graver ones.")
    return levels[0] if levels else "debug", text(handler, "q") or ""


def routes(services: Services) -> list[URLSpec]:
    """Processes and their logs."""
    one = rf"/api/processes/{PK}"
    kwargs = {"services": services}
    return [
        URLSpec(rf"{one}/logs/", LogHandler, kwargs),
        URLSpec(rf"{one}/", ProcessHandler, kwargs),
        URLSpec(r"/api/processes/", ProcessesHandler, kwargs),
        URLSpec(rf"{one}/cancel/", CancelHandler, kwargs),
        URLSpec(rf"{one}/rerun/", RerunHandler, kwargs),
        URLSpec(rf"{one}/sections/", SectionsHandler, kwargs),
        URLSpec(rf"{one}/logs\.txt", LogTextHandler, kwargs),
    ]
