"""`/api/processes/<pk>/share/`: links by which anybody sees one process.

What they show is left to `handlers.sharing`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct
from tornado.routing import URLSpec

from handlers.http.body import BodyHandler
from handlers.http.query import PK, parse_pk
from handlers.http.routing import route
from handlers.services import Services
from server.access.roles import Role
from server.core.errors import NotFound

#: The fields of a share, in the order of the API.
FIELDS = ("created", "expires", "by")


class NewShare(Struct):
    """How long a link is to be good."""

    days: Annotated[int, Meta(ge=1, le=365)] = 7


class ShareHandler(BodyHandler):
    """The links to one process."""

    roles: ClassVar = {"DELETE": Role.OPERATOR}

    async def get(self, pk: str) -> None:
        """Answer with when each link was made and ends, not with the links themselves."""
        record = await self.processes.get(parse_pk(pk))
        shares = await self.services.shares.find(record.pk)
        fields = [{name: getattr(share, name) for name in FIELDS} for share in shares]
        await self.answer({"shares": fields})

    async def post(self, pk: str) -> None:
        """Make a link."""
        days = self.optional_json_input(NewShare).days
        record = await self.processes.get(parse_pk(pk))
        link = await self.services.shares.make(record.pk, days, self.caller.name)
        try:
            await self.processes.get(record.pk)
        except NotFound:  # it was deleted meanwhile, perhaps before the link was there
            await self.services.shares.revoke(record.pk)
            raise
        self.audit("share_made", process_pk=record.pk, days=days)
        self.set_header("Cache-Control", "no-store")
        self.write_json({"url": f"{self.prefix}/shared/{link.token}/"}, 201)

    async def delete(self, pk: str) -> None:
        """Revoke all links."""
        record = await self.processes.get(parse_pk(pk))
        revoked = await self.services.shares.revoke(record.pk)
        self.audit("shares_revoked", process_pk=record.pk, count=revoked)
        self.set_status(204)


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the links."""
    return [route(rf"/api/processes/{PK}/share/", ShareHandler, services)]
