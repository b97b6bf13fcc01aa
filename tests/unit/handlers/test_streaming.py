"""Answers sent piece by piece to clients that leave."""

from __future__ import annotations

import asyncio
import logging

import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from handlers.http.streaming import each, send

pytestmark = pytest.mark.gen_test


class Late(RequestHandler):
    """Answers only once the client has gone."""

    def initialize(self, came: asyncio.Event, done: asyncio.Event) -> None:
        self._came, self._done = came, done
        self._gone = asyncio.Event()

    def on_connection_close(self) -> None:
        self._gone.set()

    async def get(self) -> None:
        self._came.set()
        await self._gone.wait()
        await send(self, each([b"a", b"b"]))

    head = get

    def on_finish(self) -> None:
        self._done.set()


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_a_client_that_left_before_the_answer_is_no_error(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    came, done = asyncio.Event(), asyncio.Event()
    server = HTTPServer(Application([("/", Late, {"came": came, "done": done})]))
    listening, port = bind_unused_port()
    server.add_socket(listening)
    try:
        with caplog.at_level(logging.WARNING):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            await came.wait()
            writer.close()
            await done.wait()
        assert [record.getMessage() for record in caplog.records] == []
    finally:
        server.stop()
        await server.close_all_connections()
