"""`/shared/<token>/`: the page of one process, for whoever has the link to it.

It leaves the link in a cookie that is good for that process alone, by which its log, outputs and
film are seen too. Who may see the process anyway is led to its own page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from tornado.routing import URLSpec

from handlers.files.previews import USUAL_STRETCH, VERSION, DrawnHandler
from handlers.http.error_responses import ErrorResponse
from handlers.http.routing import route
from handlers.pages import formatting
from handlers.pages.processes.process import PRODUCTS_SHOWN, Card, ProcessPage
from handlers.pages.processes.stage import picture_of
from handlers.services import Services
from handlers.sharing.views import COOKIE_PREFIX
from server.access.identity import Identity, NotIdentified
from server.access.shares import Link
from server.core.errors import NotFound
from server.core.records import ProcessRecord, Target

#: The longer side of the picture that other sites show of a link, in pixels.
PICTURE_SIZE = 1024
NOT_GOOD = "This link is not valid, or no longer. Ask whoever gave it to you for a new one."


class SharedPage(ProcessPage):
    """The page to which a link leads; 404 for a link that is forged, revoked or has ended."""

    open_to_all = True
    guest = True

    async def prepare(self) -> None:
        """Check the link, and see whether the visitor has rights of their own."""
        self.check_source()
        if self.request.method == "OPTIONS" or not self.path_args[1]:
            return
        link = await self.services.shares.read(self.path_args[0])
        await self.services.shares.check(link)
        record = await self.processes.get(link.process)
        try:
            await self._own_identity()
        except NotIdentified:
            self.let_in_by(link)
            self._keep(link)
        else:
            self.redirect(record.view_url or f"/processes/{record.pk}", status=303)

    async def _own_identity(self) -> None:
        identity = self.identify()
        if not isinstance(identity, Identity):
            await identity

    async def get(self, *arguments: str) -> None:
        """Show the process of the link."""
        token, slash = arguments
        if not slash:
            self.redirect(f"/shared/{quote(token, safe='')}/", permanent=True)
            return
        assert self.link is not None
        await self.show_process(await self.processes.get(self.link.process))

    def card(
        self, record: ProcessRecord, target: Target, outputs: list[dict[str, Any]]
    ) -> Card | None:
        """Return what other sites show of the link."""
        path = f"{self.prefix}/shared/{quote(self.path_args[0], safe='')}/"
        url = f"{self.request.protocol}://{self.request.host}{path}"
        words = formatting.status(self.process_fields(record))
        picture = picture_of(record, outputs)
        return Card(
            title=f"{target.name}: {record.pipeline}",
            description=f"{record.identifier}, {words}, {formatting.exact(record.created)}",
            url=url,
            image=None if picture is None else f"{url}preview.png",
            alt="" if picture is None else picture["name"],
        )

    def _keep(self, link: Link) -> None:
        self.set_cookie(
            f"{COOKIE_PREFIX}{link.process}",
            link.token,
            expires=link.expires,
            httponly=True,
            # So that links to the further pages of the process work from elsewhere as well; it
            # lets nobody change anything.
            samesite="Lax",
            secure=self.request.protocol == "https",
        )

    def write_error_body(self, response: ErrorResponse) -> None:
        """Say of a link that is not good what can be done."""
        if response.status == 404:
            response = ErrorResponse(404, {"detail": NOT_GOOD})
        super().write_error_body(response)


class SharedPicture(DrawnHandler):
    """A picture of the process of a link, for sites that show what the link leads to.

    They keep no cookies, so it is the link in the path that lets them in.
    """

    open_to_all = True

    async def get(self, token: str) -> None:
        """Send the picture. Raise NotFound without one, and for a link that is not good."""
        link = await self.services.shares.read(token)
        await self.services.shares.check(link)
        record = await self.processes.get(link.process)
        # The main output may be one of the first ones too.
        pks = dict.fromkeys((record.main_output, *record.outputs[:PRODUCTS_SHOWN]))
        known = await self.archive.products.get_many([pk for pk in pks if isinstance(pk, int)])
        found = picture_of(record, await self.archive.products.fields(known))
        if found is None:
            raise NotFound("picture of process", record.pk)
        [product] = [each for each in known if each.pk == found["pk"]]

        async def draw(source: Path, picture: Path) -> None:
            await self.services.draw_preview(source, picture, PICTURE_SIZE, USUAL_STRETCH)

        self.set_header("Content-Type", "image/png")
        self.set_header("X-Robots-Tag", "noindex, nofollow")
        name = f"{product.sha256}-{PICTURE_SIZE}-{USUAL_STRETCH}-{VERSION}.png"
        await self.send_drawn(product, name, draw)


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of the links."""
    return [
        route(r"/shared/([^/]+)(/?)", SharedPage, services),
        route(r"/shared/([^/]+)/preview\.png", SharedPicture, services),
    ]
