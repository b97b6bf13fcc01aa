"""A server that ends answers what it was asked before: who sent a file learns what became of it."""

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
        with serving(config) as running:
            target = await Client(running.url).make_target()
            path = f"/api/targets/{target}/dataproducts/"
            reader, writer = await asked(running.server.port, path)
            await asyncio.to_thread(held.begun.wait, 20)
            threading.Timer(0.5, held.go_on.set).start()
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
            await asyncio.to_thread(held.begun.wait, 20)
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
async def test_who_does_not_read_the_answer_holds_no_end_up(tmp_path: Path) -> None:
    with serving(make_config(tmp_path)) as running:
        client = Client(running.url)
        target = await client.make_target()
        [pk] = await client.upload(target, ("large", b"x" * 30_000_000))
        url = (await client.call(f"/api/dataproducts/{pk}/"))["url"]
        port = running.server.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(f"GET {url} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        before = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - before < app.LAST_ANSWERS_SECONDS
    writer.close()
