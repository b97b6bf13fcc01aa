"""The answers to requests before the application is there: alive, but not ready."""

from __future__ import annotations

from tornado.httputil import HTTPConnection, HTTPMessageDelegate, HTTPServerConnectionDelegate
from tornado.routing import Router
from tornado.web import Application, RequestHandler

from handlers.http.prefix import behind_prefix
from handlers.operations.health import alive_route
from handlers.services import StartingServices
from server.config import Config


class StartingHandler(RequestHandler):
    """503 for everything but `/healthz` while the server starts."""

    def prepare(self) -> None:
        """Answer in the same way whatever the method."""
        self.set_status(503)
        self.set_header("Retry-After", "1")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish({"detail": "The server is starting, try again later"})


class StartingApplication(HTTPServerConnectionDelegate):
    """Passes requests to the application once it is there, and answers them until then."""

    def __init__(self, config: Config) -> None:
        application = Application(
            [alive_route(StartingServices(config)), (".*", StartingHandler)],
            log_function=lambda _: None,
        )
        self._application = behind_prefix(config.http.prefix, application, application)

    def open(self, application: Application | Router) -> None:
        """Pass requests to this application from now on."""
        self._application = application

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """Return what takes the next request, as Tornado asks."""
        return self._application.start_request(server_conn, request_conn)

    def on_close(self, server_conn: object) -> None:
        """Pass on that a connection has closed, as Tornado tells."""
        self._application.on_close(server_conn)
