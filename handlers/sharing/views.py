"""Handlers that a link to one process may reach. Whatever is not one of them refuses links.

Each says which process it shows; a guest, who has nothing but links, sees it only if one of them is
to that process, and only by GET. Links are kept as cookies, one for each process, so that those of
several are open side by side. What a link is, and how long it is good, is left to
`server.access.shares`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from http.cookies import Morsel
from typing import TYPE_CHECKING

from handlers.http.access_control import SAFE_METHODS
from handlers.http.base import BaseHandler
from handlers.http.query import parse_pk
from server.access.identity import NotIdentified
from server.access.roles import Caller, Role
from server.access.shares import Link
from server.core.errors import DatabaseAway, NotFound

if TYPE_CHECKING:
    from server.archive.archive import Archive

#: The name of the cookie that holds a link, before the PK of its process.
COOKIE_PREFIX = "heliograph_share_"
#: How often it is looked up whether the link by which a websocket is open is still good.
CHECK_SECONDS = 10.0
GUEST = Caller(None, Role.VIEWER)


class SharedView(BaseHandler):
    """A handler of what is part of one process: its heirs say of which."""

    link: Link | None = None  #: the one that let the guest in

    async def process_shown(self) -> int:
        """Return the PK of the process that is shown. Raise NotFound where that is none alone."""
        raise NotImplementedError

    def prepare(self) -> Awaitable[None] | None:
        """Let in who has a link, if nothing better lets them in."""
        try:
            later = super().prepare()
        except NotIdentified as error:
            if not self._has_links():
                raise
            return self._let_guest_in(error)
        return None if later is None else self._unless_guest(later)

    async def _unless_guest(self, later: Awaitable[None]) -> None:
        try:
            await later
        except NotIdentified as error:
            await self._let_guest_in(error)

    def set_default_headers(self) -> None:
        """Keep what guests see away from search engines, and the link from other sites."""
        super().set_default_headers()
        if self.guest:
            self.set_header("X-Robots-Tag", "noindex, nofollow")
            self.set_header("Referrer-Policy", "no-referrer")

    def let_in_by(self, link: Link) -> None:
        """Treat the request as that of a guest with this link."""
        self.link, self.caller, self.guest = link, GUEST, True
        self.set_default_headers()

    async def link_is_over(self) -> None:
        """Return once the link that let the guest in has ended or was revoked."""
        assert self.link is not None
        while True:
            try:
                await self.services.shares.check(self.link)
            except NotFound:
                return
            except DatabaseAway:
                pass  # nothing is known of it then, and nothing new is sent either
            await asyncio.sleep(CHECK_SECONDS)

    def _has_links(self) -> bool:
        readable = self.request.method in SAFE_METHODS and not self.from_elsewhere
        return readable and any(name.startswith(COOKIE_PREFIX) for name in self.request.cookies)

    async def _let_guest_in(self, refusal: NotIdentified) -> None:
        links = await self._links() if self._has_links() else {}
        try:
            # Without a link that is signed by us, nothing is looked up.
            link = links.get(await self.process_shown()) if links else None
            if link is None:
                raise refusal
            await self.services.shares.check(link)
        except NotFound as error:
            raise refusal from error
        self.let_in_by(link)

    async def _links(self) -> dict[int, Link]:
        """Return the links that came as cookies, by their processes, without those that ended."""
        links: dict[int, Link] = {}
        for name, cookie in self.request.cookies.items():
            if name.startswith(COOKIE_PREFIX):
                link = await self._link(cookie)
                if link is not None:
                    links[link.process] = link
        return links

    async def _link(self, cookie: Morsel[str]) -> Link | None:
        try:
            return await self.services.shares.read(cookie.value)
        except NotFound:
            return None


class OfProcess(SharedView):
    """Shows the process whose PK is in the path."""

    async def process_shown(self) -> int:
        """Return the PK in the path."""
        return parse_pk(self.path_args[0])


class OfProduct(SharedView):
    """Shows the data product whose PK is in the path: that of its process if it is an output."""

    async def process_shown(self) -> int:
        """Return the process that made it. Raise NotFound for a file that was uploaded."""
        product = await self.archive.products.get(parse_pk(self.path_args[0]))
        if product.process is None:
            raise NotFound("output", product.pk)
        return product.process


class OfGroup(SharedView):
    """Shows the group whose PK is in the path, if it holds the outputs of a process alone."""

    async def process_shown(self) -> int:
        """Return the process whose group it is. Raise NotFound if anything else is in it."""
        return await shown_by_group(self.archive, parse_pk(self.path_args[0]))


async def shown_by_group(archive: Archive, pk: int) -> int:
    """Return the process whose outputs a group holds. Raise NotFound if anything else is in it."""
    group = await archive.groups.get(pk)
    products = await archive.products.get_many(group.products)
    if group.process is None or {each.process for each in products} - {group.process}:
        raise NotFound("group of outputs", pk)
    return group.process
