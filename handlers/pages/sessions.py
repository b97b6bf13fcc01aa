"""`/sessions/`: where one is signed in, and how to end that."""

from __future__ import annotations

from typing import ClassVar

from tornado.routing import URLSpec

from handlers.http.routing import route
from handlers.pages.login import FormPage
from handlers.services import Services
from server.access.identity import Identity
from server.access.roles import Role
from server.access.sessions import log_signed_out


class SessionsPage(FormPage):
    """The sessions that began by one's own token."""

    roles: ClassVar = {"POST": Role.VIEWER}

    async def get(self) -> None:
        """List them, or redirect to the first page where the server has no tokens."""
        identity = self.identity
        if identity is None or identity.token is None:
            self.redirect("/")
            return
        sessions = await self.services.access.sessions.of_token(identity.token)
        own = None if identity.session is None else identity.session.digest
        self.show("pages/sessions.html", sessions=sessions, own=own)

    async def post(self) -> None:
        """End one session, or all but this one, and show those that are left."""
        if self.identity is not None and self.identity.token is not None:
            await self._end(self.identity, self.identity.token, self.form_value("end"))
        self.redirect("/sessions/", status=303)

    async def _end(self, identity: Identity, token: str, wanted: str) -> None:
        sessions = self.services.access.sessions
        own = None if identity.session is None else identity.session.digest
        # Only sessions of one's own token, whatever the form says.
        digests = [each.digest for each in await sessions.of_token(token)]
        ended = [each for each in digests if each == wanted or (wanted == "others" and each != own)]
        if ended:
            await sessions.end(*ended)
            log_signed_out(identity.caller, str(self.request.remote_ip), len(ended))


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the page."""
    return [route(r"/sessions/", SessionsPage, services)]
