"""What is answered before the application is ready, and that it takes over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from handlers.starting import StartingApplication
from server.config import Config
from tests.fakes.handler_fakes import Fakes, json_of

pytestmark = pytest.mark.gen_test


class Starting:
    """A server that has not opened its application yet."""

    def __init__(self, application: StartingApplication, port: int, http: AsyncHTTPClient) -> None:
        self.application = application
        self._port = port
        self._http = http

    async def fetch(self, path: str, method: str = "GET", **headers: str) -> HTTPResponse:
        """Return the response, whatever it is."""
        url = f"http://127.0.0.1:{self._port}{path}"
        return await self._http.fetch(url, method=method, headers=headers, raise_error=False)


@asynccontextmanager
async def starting() -> AsyncIterator[Starting]:
    application = StartingApplication(Config())
    socket, port = bind_unused_port()
    server = HTTPServer(application)
    server.add_socket(socket)
    http = AsyncHTTPClient(force_instance=True)
    try:
        yield Starting(application, port, http)
    finally:
        http.close()
        server.stop()
        await server.close_all_connections()


async def test_a_server_that_starts_is_alive_in_the_words_of_one_that_has_started() -> None:
    async with Fakes().serving() as client, starting() as server:
        before, after = await server.fetch("/healthz"), await client.fetch("/healthz")
    assert (before.code, json_of(before)) == (200, {"status": "ok"})
    assert before.body == after.body
    for name in ("Content-Type", "Etag", "Cache-Control", "Vary"):
        assert before.headers[name] == after.headers[name]


async def test_a_server_that_starts_knows_its_hosts_already() -> None:
    async with starting() as server:
        assert (await server.fetch("/healthz", Host="evil.example")).code == 421
        assert (await server.fetch("/healthz", "HEAD")).code == 200
        assert (await server.fetch("/healthz", "DELETE")).code == 405


@pytest.mark.parametrize("path", ["/readyz", "/", "/api/processes/"])
async def test_everything_else_is_503_until_the_application_opens(path: str) -> None:
    class Anything(RequestHandler):
        def get(self) -> None:
            self.finish({"status": "open"})

    async with starting() as server:
        response = await server.fetch(path)
        assert (response.code, list(json_of(response))) == (503, ["detail"])
        assert int(response.headers["Retry-After"]) > 0
        server.application.open(Application([(".*", Anything)]))
        assert json_of(await server.fetch(path)) == {"status": "open"}
