"""`/shared/<token>/`: the page of one process, for whoever has the link to it.

It leaves the link in a cookie that is good for that process alone, by which its log, outputs and
film are seen too. Who may see the process anyway is led to its own page.
"""

from __future__ import annotations

from urllib.parse import quote

from tornado.routing import URLSpec

from handlers.http.error_responses import ErrorResponse
from handlers.http.routing import route
from handlers.pages.processes.process import ProcessPage
from handlers.services import Services
from handlers.sharing.views import COOKIE_PREFIX
from server.access.identity import Identity, NotIdentified
from server.access.shares import Link

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


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the links."""
    return [route(r"/shared/([^/]+)(/?)", SharedPage, services)]
