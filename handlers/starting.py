"""What answers requests before the application can: alive, but not ready."""

from __future__ import annotations

from tornado.httputil import HTTPConnection, HTTPMessageDelegate, HTTPServerConnectionDelegate
from tornado.web import Application, RequestHandler


class StartingHandler(RequestHandler):
    """503 for everything while the server starts."""

    def prepare(self) -> None:
        """Answer whatever the method."""
        self.set_status(503)
        self.set_header("Retry-After", "1")
        self.finish({"detail": "The server is starting, try again later"})


class AliveHandler(RequestHandler):
    """`/healthz`, before anything else is there."""

    def get(self) -> None:
        """Say so."""
        self.finish({"status": "alive"})


class StartingApplication(HTTPServerConnectionDelegate):
    """Hands requests to the application once there is one."""

    def __init__(self) -> None:
        self._application = Application(
            [("/healthz", AliveHandler), (".*", StartingHandler)], log_function=lambda _: None
        )

    def open(self, application: Application) -> None:
        """From now on this application answers."""
        self._application = application

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """Tornado's way of asking who takes the next request."""
        return self._application.start_request(server_conn, request_conn)

    def on_close(self, server_conn: object) -> None:
        """Tornado's way of saying that a connection is gone."""
        self._application.on_close(server_conn)
