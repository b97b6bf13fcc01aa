"""Before it ends, a server answers what it was asked: who sent a file learns what became of it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from server.app import server as app
from server.app.connections.server import BoundedServer
from server.archive.storage import FileStorage
from tests.fakes.folders import living_files
from tests.integration.conftest import Client, make_config, serving

pytestmark = pytest.mark.gen_test(timeout=60)

BODY = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b--\r\n'


class Held:
    """Storing a file, which waits in between."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()


@contextmanager
def storing_held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    held, put = Held(), FileStorage._put_local

    def put_later(*arguments: Any) -> None:
        held.begun.set()
        assert held.go_on.wait(30)
        put(*arguments)

    monkeypatch.setattr(FileStorage, "_put_local", put_later)
    try:
        yield held
    finally:
        held.go_on.set()


def store_on_once_it_is_waited_for(monkeypatch: pytest.MonkeyPatch, held: Held) -> None:
    """Go on storing only when the server has begun to wait for its last answers."""
    wait = BoundedServer.answer_the_last

    async def wait_and_let_go(server: BoundedServer, seconds: float) -> bool:
        waiting = asyncio.ensure_future(wait(server, seconds))
        asyncio.get_running_loop().call_later(0.1, held.go_on.set)
        return await waiting

    monkeypatch.setattr(BoundedServer, "answer_the_last", wait_and_let_go)


async def asked(port: int, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send an upload, whole, and return the connection, which will have the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(BODY)}\r\n"
    writer.write(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n".encode() + BODY)
    await writer.drain()
    return reader, writer


async def test_an_upload_that_is_being_stored_has_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(tmp_path)
    with storing_held(monkeypatch) as held:
        store_on_once_it_is_waited_for(monkeypatch, held)
        with serving(config) as running:
            target = await Client(running.url).make_target()
            path = f"/api/targets/{target}/dataproducts/"
            reader, writer = await asked(running.server.port, path)
            assert await asyncio.to_thread(held.begun.wait, 20)
        answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 201 ")
    [product] = json.loads(answer.partition(b"\r\n\r\n")[2])["dataproducts"]
    with serving(config) as running:
        assert (await Client(running.url).fetch(product["url"])).body == b"x"


@pytest.mark.slow
async def test_an_upload_that_takes_too_long_is_cut_off_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app, "LAST_ANSWERS_SECONDS", 0.2)
    config = make_config(tmp_path)
    with storing_held(monkeypatch) as held:
        with serving(config) as running:
            target = await Client(running.url).make_target()
            path = f"/api/targets/{target}/dataproducts/"
            reader, writer = await asked(running.server.port, path)
            assert await asyncio.to_thread(held.begun.wait, 20)
            threading.Timer(3, held.go_on.set).start()
        assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()
    assert "requests_unanswered" in {getattr(each, "action", "") for each in caplog.records}
    with serving(config) as running:
        listed = await Client(running.url).call(f"/api/targets/{target}/dataproducts/")
        assert listed["dataproducts"] == []
        files = [each for each, _ in living_files(config.data / "files")]
        assert [each.name for each in files] == ["heliograph-id"]


@pytest.mark.slow
@pytest.mark.parametrize("closed", [False, True])
async def test_neither_a_client_that_does_not_read_nor_one_that_has_gone_delays_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, closed: bool
) -> None:
    with serving(make_config(tmp_path)) as running:
        client, port = Client(running.url), running.server.port
        [pk] = await client.upload(await client.make_target(), ("large", b"x" * 30_000_000))
        url = (await client.call(f"/api/dataproducts/{pk}/"))["url"]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        kept = "close" if closed else "keep-alive"
        head = f"GET {url} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: {kept}\r\n\r\n"
        writer.write(head.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        if closed:
            writer.transport.abort()
    writer.close()
    assert "requests_unanswered" not in {getattr(each, "action", "") for each in caplog.records}
