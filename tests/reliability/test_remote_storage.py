"""Servers whose files are in S3, while the storage is away, slow, broken, or cut off half-way."""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.iostream import IOStream
from tornado.tcpclient import TCPClient

from tests.fakes.s3_server import (
    SECRET,
    FaultyProxy,
    S3Server,
    environment,
    needs_s3,
    s3_server,
)
from tests.reliability.tools.observer import FRAME, Observer
from tests.reliability.tools.serving import Client, Server, short_folder

pytestmark = [
    pytest.mark.slow,
    needs_s3,
    pytest.mark.gen_test(timeout=110),
    pytest.mark.timeout(120),
]

MIB = 2**20
#: Time in which the storage must answer in these tests.
SECONDS = 2


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """Yield an S3 server."""
    with s3_server() as server:
        yield server


@dataclass
class Site:
    """A server, its bucket, and the proxy between them."""

    s3: S3Server
    proxy: FaultyProxy
    bucket: str
    server: Server
    observer: Observer

    @property
    def url(self) -> str:
        """Where the server answers."""
        assert self.server.address is not None
        return self.server.address

    async def fetch(self, path: str, **options: Any) -> HTTPResponse:
        """Ask once, whatever the answer is."""
        client = AsyncHTTPClient(force_instance=True)
        options.setdefault("request_timeout", 60)
        return await client.fetch(
            f"{self.url}{path}", raise_error=False, follow_redirects=False, **options
        )

    async def ready(self, status: int, seconds: float = 40) -> bytes:
        """Wait until `/readyz` has this status; return its body."""
        async with asyncio.timeout(seconds):
            while (answer := await self.fetch("/readyz")).code != status:
                await asyncio.sleep(0.1)
        return answer.body

    async def upload_once(self, name: str, content: bytes) -> HTTPResponse:
        """Upload a file and return the answer."""
        return await self.fetch(
            f"/api/targets/{self.observer.target}/dataproducts/",
            method="POST",
            body=multipart(name, content),
            headers={"Content-Type": "multipart/form-data; boundary=limit"},
        )

    def keys(self) -> list[str]:
        """Return the keys of all stored files but the id."""
        keys = [key.removeprefix("files/") for key in self.s3.keys(self.bucket)]
        return [key for key in keys if key != "heliograph-id"]

    async def settled(self, *keys: str) -> None:
        """Wait until exactly these files are stored, and nothing half."""
        async with asyncio.timeout(40):
            while self.keys() != sorted(keys) or self.s3.unfinished(self.bucket):
                await asyncio.sleep(0.1)


def multipart(name: str, content: bytes) -> bytes:
    head = f'--limit\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n--limit--\r\n"


@asynccontextmanager
async def site(s3: S3Server, **settings: str) -> AsyncIterator[Site]:
    """Yield a server with an empty bucket."""
    with short_folder() as folder, FaultyProxy(s3.port) as proxy:
        bucket = s3.bucket()
        variables = environment(proxy.url) | {
            "HELIOGRAPH_FILES_URL": f"s3://{bucket}/files",
            "HELIOGRAPH_FILES_TIMEOUT_SECONDS": str(SECONDS),
            **settings,
        }
        server = Server(folder, environment=variables)
        await server.start()
        try:
            await server.url()
            observer = Observer(Client(server))
            await observer.begin("remote")
            yield Site(s3, proxy, bucket, server, observer)
        finally:
            proxy.set("pass")
            await server.end()
        printed = "".join(server.printed)
        assert SECRET not in printed
        assert "Traceback" not in printed


async def test_a_large_upload_streams_through_in_bounded_memory_and_comes_back(
    s3: S3Server,
) -> None:
    async with site(s3) as here:
        content = bytes(range(256)) * (100 * MIB // 256)
        process = psutil.Process(here.server.process.pid if here.server.process else 0)
        before = process.memory_info().rss
        peak, on_disk = 0, 0

        async def watch() -> None:
            nonlocal peak, on_disk
            while True:
                peak = max(peak, process.memory_info().rss)
                on_disk = max(
                    on_disk, await asyncio.to_thread(_size, here.server.data / "incoming")
                )
                await asyncio.sleep(0.02)

        watching = asyncio.create_task(watch())
        answer = await here.upload_once("big.dat", content)
        assert answer.code == 201, answer.body
        watching.cancel()
        assert peak - before < 64 * MIB
        assert on_disk < 10 * MIB
        sha256 = hashlib.sha256(content).hexdigest()
        assert sha256.encode() in answer.body
        assert here.keys() == ["1/big.dat"]
        whole = await here.fetch("/dataproducts/1/file/big.dat")
        assert whole.body == content
        assert whole.headers["Etag"] == f'"{sha256}"'
        part = await here.fetch(
            "/dataproducts/1/file/big.dat", headers={"Range": "bytes=5000000-25000000"}
        )
        assert (part.code, part.body) == (206, content[5_000_000:25_000_001])
        await here.observer.client.call("/api/dataproducts/1/", "DELETE", None, 204)
        await here.settled()


def _size(folder: Path) -> int:
    found = 0
    for path in folder.rglob("*"):
        try:
            found += path.stat().st_blocks * 512
        except FileNotFoundError:
            continue
    return found


@pytest.mark.parametrize("mode", ["refuse", "hang", "500", "503"])
async def test_a_storage_away_is_503_and_loses_nothing(s3: S3Server, mode: str) -> None:
    async with site(s3) as here:
        [pk] = await here.observer.upload("a.fits")
        here.proxy.set(mode)
        path = f"/dataproducts/{pk}/file/a.fits"
        answers = await asyncio.gather(
            *(here.fetch(path) for _ in range(40)), here.upload_once("b.fits", FRAME)
        )
        assert {answer.code for answer in answers} == {503}
        assert {answer.headers["Retry-After"] for answer in answers} == {"5"}
        assert b"The storage of the files is away" in answers[0].body
        assert b"storage" in await here.ready(503)
        # What needs no file goes on.
        assert (await here.fetch("/api/targets/")).code == 200
        metrics = await here.fetch("/metrics")
        assert b"heliograph_storage_available 0.0" in metrics.body
        # A deletion is accepted, and completed later.
        deleted = await here.fetch(f"/api/dataproducts/{pk}/", method="DELETE")
        assert deleted.code == 204, deleted.body
        here.proxy.set("pass")
        await here.ready(200)
        await here.settled()
        again = await here.upload_once("b.fits", FRAME)
        assert again.code == 201
        assert b'"exposure":30.0' in again.body.replace(b" ", b"")


async def test_answers_that_are_cut_or_slow_come_whole_or_not_at_all(s3: S3Server) -> None:
    async with site(s3) as here:
        content = b"0123456789abcdef" * (6 * MIB // 16)
        assert (await here.upload_once("a.dat", content)).code == 201
        here.proxy.slow_bytes = 6 * MIB
        here.proxy.set("slow")
        assert (await here.fetch("/dataproducts/1/file/a.dat")).body == content
        here.proxy.set("cut")
        for _ in range(2):
            answer = await here.fetch("/dataproducts/1/file/a.dat")
            assert answer.code in (503, 599) or answer.body == content
        here.proxy.set("pass")
        await here.ready(200)
        assert (await here.fetch("/dataproducts/1/file/a.dat")).body == content


async def test_runs_wait_for_a_storage_and_publish_once(s3: S3Server) -> None:
    async with site(s3) as here:
        frames = await here.observer.upload("a.fits", "b.fits")
        pk = await here.observer.submit("Waits", frames)
        await here.observer.until(pk, lambda record: record["status"] == "Waiting")
        here.proxy.set("refuse")
        starting = await here.observer.submit("Publishes", frames)
        await here.ready(503)
        await asyncio.sleep(1)
        assert (await here.observer.record(starting))["terminal_timestamp"] is None
        here.proxy.set("pass")
        record = await here.observer.ended(starting)
        assert record["state"] == "succeeded", record


async def test_a_kill_during_an_upload_leaves_nothing(s3: S3Server) -> None:
    async with site(s3) as here:
        await here.observer.upload("kept.fits")
        stream: IOStream = await TCPClient().connect("127.0.0.1", int(here.url.rpartition(":")[2]))
        body = multipart("half.dat", bytes(40 * MIB))
        head = (
            f"POST /api/targets/{here.observer.target}/dataproducts/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: multipart/form-data; boundary=limit\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        await stream.write(head.encode() + body[: 30 * MIB])
        await _until(lambda: bool(s3.unfinished(here.bucket)))
        await here.server.kill()
        await here.server.start()
        await here.server.url()
        await here.settled("1/kept.fits")
        stream.close()


async def test_a_client_that_leaves_during_an_upload_leaves_nothing(s3: S3Server) -> None:
    async with site(s3) as here:
        stream: IOStream = await TCPClient().connect("127.0.0.1", int(here.url.rpartition(":")[2]))
        body = multipart("half.dat", bytes(40 * MIB))
        head = (
            f"POST /api/targets/{here.observer.target}/dataproducts/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: multipart/form-data; boundary=limit\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        await stream.write(head.encode() + body[: 30 * MIB])
        await _until(lambda: bool(s3.unfinished(here.bucket)))
        stream.close()
        await here.settled()


async def test_downloads_are_redirected_only_where_asked_and_allowed(s3: S3Server) -> None:
    async with site(s3, HELIOGRAPH_FILES_REDIRECT="true") as here:
        [pk] = await here.observer.upload("a.fits")
        path = f"/dataproducts/{pk}/file/a.fits"
        answer = await here.fetch(path)
        assert answer.code == 302
        assert answer.headers["Cache-Control"] == "no-store"
        location = answer.headers["Location"]
        assert SECRET not in location
        assert "X-Amz-Expires=60" in location or "Expires=" in location
        direct = await AsyncHTTPClient(force_instance=True).fetch(location)
        assert direct.body == FRAME
        assert direct.headers["Content-Disposition"].startswith("attachment")
        etag = f'"{hashlib.sha256(FRAME).hexdigest()}"'
        assert (await here.fetch(path, headers={"If-None-Match": etag})).code == 304
        assert (await here.fetch(path, method="HEAD")).code == 200
        assert (await here.fetch(f"/dataproducts/{pk + 1}/file/a.fits")).code == 404


async def test_a_start_waits_for_the_storage(s3: S3Server) -> None:
    async with site(s3) as here:
        await here.observer.upload("a.fits")
        await here.server.stop(signal.SIGTERM)
        here.proxy.set("refuse")
        await here.server.start()
        await _until(lambda: here.server.address is not None)
        answer = await here.fetch("/readyz")
        assert answer.code == 503
        here.proxy.set("pass")
        await here.server.url()
        assert (await here.fetch("/dataproducts/1/file/a.fits")).body == FRAME


async def _until(condition: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.05)
