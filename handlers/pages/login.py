"""`/login`, where people enter the token that programs send in a header, and `/logout`."""

from __future__ import annotations

from urllib.parse import parse_qs

from tornado.routing import URLSpec

from handlers.access.identification import COOKIE
from handlers.access.origins import ForeignPage
from handlers.http.access_control import SAFE_METHODS
from handlers.http.body import BodyHandler
from handlers.http.routing import route
from handlers.pages.base import Page
from handlers.services import Services
from server.access.guesses import TooManyGuesses
from server.access.identity import NotIdentified
from server.access.known_tokens import KnownToken
from server.access.sessions import SESSION_SECONDS, log_signed_in, log_signed_out
from server.access.tokens import DAY_SECONDS, digest_of
from server.core.errors import HeliographError


class FormPage(BodyHandler, Page):
    """A page that takes a form."""

    media_type = "application/x-www-form-urlencoded"
    limit_bytes = 16_384

    def form_value(self, name: str, otherwise: str = "") -> str:
        """Return the last value that the form has under this name."""
        form = parse_qs(self.body.decode(errors="replace"))
        return form.get(name, [otherwise])[-1].strip()


class SessionForm(FormPage):
    """A form that begins or ends the session of a browser: for our own pages alone."""

    open_to_all = True

    def check_source(self) -> None:
        """Refuse pages from elsewhere, allowed ones too: they come by `Authorization` only."""
        super().check_source()
        if self.request.method not in SAFE_METHODS and self.from_elsewhere:
            raise ForeignPage(self.request.host, self.request.headers.get("Origin"))


class LoginPage(SessionForm):
    """Asks for a token, and begins a session with it."""

    def get(self) -> None:
        """Show the form, or redirect to the page asked for where the server has no tokens."""
        destination = self._destination(self.get_query_argument("next", "/"))
        if self.services.access.needs_token:
            self.ask_for_token(destination)
        else:
            self.redirect(destination)

    async def post(self) -> None:
        """Begin a session, set its cookie and redirect, or show the form again."""
        destination = self._destination(self.form_value("next", "/"))
        access, address = self.services.access, str(self.request.remote_ip)
        try:
            token = access.check_secret(self.form_value("token"), address)
        except (NotIdentified, TooManyGuesses) as error:
            self._ask_again(destination, error)
            return
        browser = self.request.headers.get("User-Agent", "")
        secret = await access.sessions.begin(token, address, browser)
        await self._end_the_one_before()
        self._set_session_cookie(secret, token)
        log_signed_in(token.identity.caller, address)
        self.redirect(destination, status=303)

    def _destination(self, asked: str) -> str:
        """Return where to go afterwards; it may have the prefix, as the addresses of pages do."""
        path = local_path(asked)
        return path.removeprefix(self.prefix) if path.startswith(f"{self.prefix}/") else path

    def _ask_again(self, destination: str, error: HeliographError) -> None:
        self.set_status(401)
        if isinstance(error, TooManyGuesses):
            self.set_status(429)
            self.set_header("Retry-After", error.retry_seconds)
        else:
            self.set_header("WWW-Authenticate", "Bearer")
        self.ask_for_token(destination, f"{error}.")

    async def _end_the_one_before(self) -> None:
        if cookie := self.get_cookie(COOKIE):
            await self.services.access.sessions.end(digest_of(cookie))

    def _set_session_cookie(self, secret: str, token: KnownToken) -> None:
        # Lax rather than Strict, or who follows a link in a message would be asked to sign in. No
        # GET changes anything, and the others and websockets check where they come from.
        self.set_cookie(
            COOKIE,
            secret,
            expires=token.expires,
            expires_days=None if token.expires else SESSION_SECONDS / DAY_SECONDS,
            httponly=True,
            samesite="Lax",
            secure=self.request.protocol == "https",
        )


class LogoutHandler(SessionForm):
    """Ends the session of the browser. Not being signed in is fine."""

    async def post(self) -> None:
        """End the session, and redirect to the form."""
        if cookie := self.get_cookie(COOKIE):
            sessions, digest = self.services.access.sessions, digest_of(cookie)
            identity = sessions.in_memory(digest) or await sessions.stored(digest)
            if identity is not None:
                await sessions.end(digest)
                log_signed_out(identity.caller, str(self.request.remote_ip))
        self.clear_cookie(COOKIE)
        self.redirect("/login", status=303)


def local_path(destination: str) -> str:
    """Return the destination if it is a path of this server, else the first page."""
    # Browsers drop control characters, and take `//host` and `/\\host` for another server.
    plain = destination.isascii() and destination.isprintable()
    if plain and destination[:1] == "/" and destination[1:2] not in ("/", "\\"):
        return destination
    return "/"


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of signing in and out."""
    return [
        route(r"/login", LoginPage, services),
        route(r"/logout", LogoutHandler, services),
    ]
