"""`/login`: where a person gives the token that programs send as a header."""

from __future__ import annotations

from urllib.parse import parse_qs

from tornado.routing import URLSpec

from handlers.access_rules import COOKIE, cookie_of
from handlers.http.base import PageHandler
from handlers.http.body import BodyHandler
from handlers.services import Services

KEPT_DAYS = 90


class LoginPage(BodyHandler, PageHandler):
    """Asks for the token and keeps it, in a form of no use elsewhere, in a cookie."""

    open_to_all = True
    media_type = "application/x-www-form-urlencoded"
    limit_bytes = 16_384

    def get(self) -> None:
        """Ask, where there is something to ask for."""
        if self.services.access_rules.needs_token:
            self.ask_for_token("/")
        else:
            self.redirect("/")

    def post(self) -> None:
        """Take the token and lead on, or ask again."""
        form = parse_qs(self.body.decode(errors="replace"))
        token = form.get("token", [""])[-1].strip()
        destination = local_path(form.get("next", ["/"])[-1])
        if not self.services.access_rules.accepts_token(token):
            self.set_status(401)
            self.ask_for_token(destination, "This is not one of the tokens.")
            return
        self._remember(token)
        self.redirect(destination, status=303)

    def _remember(self, token: str) -> None:
        self.set_cookie(
            COOKIE,
            cookie_of(token),
            expires_days=KEPT_DAYS,
            httponly=True,
            samesite="Strict",
            secure=self.request.protocol == "https",
        )


def local_path(destination: str) -> str:
    """The destination if it is a path of this server, else the front page."""
    # Browsers read `//host` and `/\\host` as another server, and drop control characters first.
    plain = destination.isascii() and destination.isprintable()
    if plain and destination[:1] == "/" and destination[1:2] not in ("/", "\\"):
        return destination
    return "/"


def routes(services: Services) -> list[URLSpec]:
    """The login form."""
    return [URLSpec(r"/login", LoginPage, {"services": services})]
