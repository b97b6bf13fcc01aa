"""`/login`: the form in which people enter the token that programs send in a header."""

from __future__ import annotations

from urllib.parse import parse_qs

from tornado.routing import URLSpec

from handlers.access.rules import COOKIE, cookie_of
from handlers.http.body import BodyHandler
from handlers.http.routing import route
from handlers.pages.base import Page
from handlers.services import Services

COOKIE_DAYS = 90


class LoginPage(BodyHandler, Page):
    """Asks for a token, and sets a cookie that is made from it."""

    open_to_all = True
    media_type = "application/x-www-form-urlencoded"
    limit_bytes = 16_384

    def get(self) -> None:
        """Show the form, or redirect to the first page where the server has no tokens."""
        if self.services.access_rules.needs_token:
            self.ask_for_token("/")
        else:
            self.redirect("/")

    def post(self) -> None:
        """Set the cookie and redirect, or show the form again."""
        form = parse_qs(self.body.decode(errors="replace"))
        token = form.get("token", [""])[-1].strip()
        destination = local_path(form.get("next", ["/"])[-1])
        if not self.services.access_rules.accepts_token(token):
            self.set_status(401)
            self.ask_for_token(destination, "This token is not valid.")
            return
        self._set_token_cookie(token)
        self.redirect(destination, status=303)

    def _set_token_cookie(self, token: str) -> None:
        self.set_cookie(
            COOKIE,
            cookie_of(token),
            expires_days=COOKIE_DAYS,
            httponly=True,
            samesite="Strict",
            secure=self.request.protocol == "https",
        )


def local_path(destination: str) -> str:
    """Return the destination if it is a path of this server, else the first page."""
    # Browsers drop control characters, and take `//host` and `/\\host` for another server.
    plain = destination.isascii() and destination.isprintable()
    if plain and destination[:1] == "/" and destination[1:2] not in ("/", "\\"):
        return destination
    return "/"


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the login form."""
    return [route(r"/login", LoginPage, services)]
