"""Servers whose files are in S3, while the storage is away, slow, broken, or cut off half-way."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import re
import signal
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.iostream import IOStream, StreamClosedError
from tornado.tcpclient import TCPClient

from tests.fakes.folders import living_files
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
from tests.reliability.tools.shared import observatory

pytestmark = [
    pytest.mark.slow,
    needs_s3,
    pytest.mark.gen_test(timeout=110),
    pytest.mark.timeout(120),
]

MIB = 2**20
#: Time in which the storage must answer in these tests.
SECONDS = 6


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

    async def cancel(self, pk: int) -> None:
        """Cancel a process."""
        path = f"/api/processes/{pk}/cancel/"
        await self.observer.client.call(path, "POST", None, 200, 202)

    def stored(self) -> list[str]:
        """Return the keys of all stored files but the id."""
        keys = [key.removeprefix("files/") for key in self.s3.keys(self.bucket)]
        return [key for key in keys if key != "heliograph-id"]

    async def settled(self, *keys: str) -> None:
        """Wait until exactly these files are stored, and nothing half."""
        async with asyncio.timeout(40):
            while self.stored() != sorted(keys) or self.s3.unfinished(self.bucket):
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
            await server.close()
        printed = await server.all_printed()
        assert SECRET not in printed
        # What aiohttp says about connections that break while it writes is no failure of ours.
        assert re.search(r'File ".*/(server|handlers)/', printed) is None, printed


async def test_a_large_upload_streams_through_in_bounded_memory_and_comes_back(
    s3: S3Server,
) -> None:
    async with site(s3, HELIOGRAPH_FILES_TIMEOUT_SECONDS="30") as here:
        content = bytes(range(256)) * (100 * MIB // 256)
        process = psutil.Process(here.server.pid)
        before = process.memory_info().rss
        incoming = here.server.data / "incoming"
        peak, on_disk = 0, 0

        async def watch() -> None:
            nonlocal peak, on_disk
            while True:
                peak = max(peak, process.memory_info().rss)
                on_disk = max(on_disk, await asyncio.to_thread(_size, incoming))
                await asyncio.sleep(0.02)

        watching = asyncio.create_task(watch())
        answer = await here.upload_once("big.dat", content)
        watching.cancel()
        assert answer.code == 201, answer.body
        assert peak - before < 64 * MIB
        assert on_disk < 10 * MIB
        sha256 = hashlib.sha256(content).hexdigest()
        assert sha256.encode() in answer.body
        assert here.stored() == ["1/big.dat"]
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
    return sum(state.st_blocks * 512 for _, state in living_files(folder))


@pytest.mark.parametrize(
    "mode", ["hang", *(pytest.param(m, marks=pytest.mark.long) for m in ("refuse", "500", "503"))]
)
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


async def test_runs_wait_for_their_inputs_and_to_publish(s3: S3Server) -> None:
    async with site(s3) as here:
        hold = here.server.data / "hold"
        await asyncio.to_thread(hold.touch)
        frames = await here.observer.upload("a.fits", "b.fits")
        held = await here.observer.submit("Holds", frames)
        await here.observer.until(held, lambda record: record["status"] == "Holding")
        here.proxy.set("refuse")
        starting = await here.observer.submit("Makes", frames)
        cancelled = await here.observer.submit("Makes", frames)
        await asyncio.to_thread(hold.unlink)
        await here.ready(503)
        # A run that waits for its inputs can be cancelled all the same.
        await here.observer.client.call(
            f"/api/processes/{cancelled}/cancel/", "POST", None, 200, 202
        )
        assert (await here.observer.ended(cancelled))["state"] == "cancelled"
        for pk in (held, starting):
            assert (await here.observer.record(pk))["terminal_timestamp"] is None
        here.proxy.set("pass")
        for pk, count in ((held, 1), (starting, 2)):
            record = await here.observer.ended(pk)
            assert record["state"] == "succeeded", record
            assert record["attempt"] == 1
            assert len(record["outputs"]) == count
        # Two frames, one file that was held, and two files; what was tried before left nothing.
        await _until(lambda: len([key for key in here.stored() if "log-" not in key]) == 5)
        assert here.s3.unfinished(here.bucket) == []


async def test_a_run_that_waits_to_publish_can_be_cancelled(s3: S3Server) -> None:
    async with site(s3) as here:
        hold = here.server.data / "hold"
        await asyncio.to_thread(hold.touch)
        held = await here.observer.submit("Holds", await here.observer.upload("a.fits"))
        await here.observer.until(held, lambda record: record["status"] == "Holding")
        here.proxy.set("refuse")
        await asyncio.to_thread(hold.unlink)
        await here.ready(503)
        await here.cancel(held)
        assert (await here.observer.ended(held))["state"] == "cancelled"
        here.proxy.set("pass")
        await here.settled("1/a.fits")


async def test_logs_are_sealed_and_searched_in_the_storage(s3: S3Server) -> None:
    async with site(s3) as here:
        hold = here.server.data / "hold"
        await asyncio.to_thread(hold.touch)
        pk = await here.observer.submit("Streams", await here.observer.upload("a.fits"))
        async with asyncio.timeout(40):
            while b"line 1 of" not in (await here.fetch(f"/api/processes/{pk}/logs/")).body:
                await asyncio.sleep(0.1)
        here.proxy.set("503")
        await asyncio.to_thread(hold.unlink)
        await here.observer.ended(pk)
        here.proxy.set("pass")
        await _until(lambda: any(key.startswith(f"log-{pk}/") for key in here.stored()))
        async with asyncio.timeout(40):
            while (await here.fetch(f"/api/processes/{pk}/logs/?after=0")).code != 200:
                await asyncio.sleep(0.1)
        text = (await here.fetch(f"/api/processes/{pk}/logs.txt")).body
        assert text.count(b"\n") >= 100_000
        assert b"line 100000 of 100000\n" in text
        found = await here.fetch(f"/api/processes/{pk}/logs/?q=line+77777+of&limit=5&before=90000")
        assert b"line 77777 of 100000" in found.body, found.body[:300]


async def half_an_upload(here: Site) -> IOStream:
    """Send most of an upload, until its first part has arrived; return the connection."""
    port = int(here.url.rpartition(":")[2])
    stream: IOStream = await TCPClient().connect("127.0.0.1", port)
    body = multipart("half.dat", bytes(40 * MIB))
    lines = (
        f"POST /api/targets/{here.observer.target}/dataproducts/ HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: multipart/form-data; boundary=limit",
        f"Content-Length: {len(body)}",
    )
    await stream.write("\r\n".join((*lines, "", "")).encode() + body[: 30 * MIB])
    await _until(lambda: bool(here.s3.unfinished(here.bucket)))
    return stream


async def test_a_kill_during_an_upload_leaves_nothing(s3: S3Server) -> None:
    async with site(s3) as here:
        await here.observer.upload("kept.fits")
        stream = await half_an_upload(here)
        await here.server.end()
        await here.server.restart()
        await here.settled("1/kept.fits")
        stream.close()


async def test_a_client_that_leaves_during_an_upload_leaves_nothing(s3: S3Server) -> None:
    async with site(s3) as here:
        stream = await half_an_upload(here)
        stream.close()
        await here.settled()


@pytest.mark.long
async def test_a_storage_that_breaks_during_an_upload_leaves_nothing(s3: S3Server) -> None:
    async with site(s3) as here:
        stream = await half_an_upload(here)
        here.proxy.set("refuse")
        with contextlib.suppress(StreamClosedError):
            await stream.write(bytes(10 * MIB) + b"\r\n--limit--\r\n")
            assert b" 503 " in await stream.read_until(b"\r\n")
        here.proxy.set("pass")
        await here.settled()
        stream.close()


async def test_kills_while_outputs_are_published_and_deleted_leave_nothing_half(
    s3: S3Server,
) -> None:
    async with site(s3) as here:
        frames = await here.observer.upload("a.fits")
        pks = []
        for _ in range(2):
            before = len(here.stored())
            pk = await here.observer.submit("Bulks", frames)
            pks.append(pk)
            await _until(lambda before=before: len(here.stored()) > before)
            await here.server.end()
            await here.server.restart()
            record = await here.observer.ended(pk)
            assert record["state"] == "succeeded", record
            assert len(record["outputs"]) == 1
        outputs = [(await here.observer.record(pk))["outputs"][0] for pk in pks]
        named = {key.partition("/")[0] for key in here.stored() if not key.startswith("log-")}
        assert named == {str(pk) for pk in (*frames, *outputs)}
        deleting = asyncio.ensure_future(
            here.fetch(f"/api/dataproducts/{outputs[0]}/", method="DELETE")
        )
        await asyncio.sleep(0)
        await here.server.end()
        await asyncio.wait([deleting])
        await here.server.restart()
        await here.observer.client.call(
            f"/api/dataproducts/{outputs[0]}/", "DELETE", None, 204, 404
        )
        named.discard(str(outputs[0]))
        async with asyncio.timeout(40):
            while {key.partition("/")[0] for key in here.stored() if "log-" not in key} != named:
                await asyncio.sleep(0.1)


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
        await here.server.end(signal.SIGTERM)
        here.proxy.set("refuse")
        await here.server.start()
        await _until(lambda: here.server.address is not None)
        answer = await here.fetch("/readyz")
        assert answer.code == 503
        here.proxy.set("pass")
        await here.server.url()
        assert (await here.fetch("/dataproducts/1/file/a.fits")).body == FRAME


async def test_films_and_zips_are_made_of_files_in_the_storage(s3: S3Server) -> None:
    async with site(s3) as here:
        [frame] = await here.observer.upload("a.fits")
        record = await here.observer.ended(await here.observer.submit("Timelapse", [frame]))
        assert record["state"] == "succeeded", record
        made = await here.observer.ended(await here.observer.submit("Makes", [frame]))
        answer = await here.fetch(f"/dataproducts/data/group/{made['group']}/zip")
        with zipfile.ZipFile(io.BytesIO(answer.body)) as zipped:
            assert zipped.testzip() is None
            assert len(zipped.namelist()) == 2
        preview = await here.fetch(f"/dataproducts/{frame}/preview.png")
        assert preview.body.startswith(b"\x89PNG")


async def test_two_servers_share_a_bucket(s3: S3Server) -> None:
    bucket = s3.bucket()
    with FaultyProxy(s3.port) as proxy:
        await _share(s3, proxy, bucket)


async def _share(s3: S3Server, proxy: FaultyProxy, bucket: str) -> None:
    async with observatory() as shared:
        servers = [shared.server(files__url=f"s3://{bucket}/files") for _ in range(2)]
        for server in servers:
            server.environment.update(environment(s3.url))
            await server.start()
        await asyncio.gather(*(server.url() for server in servers))
        first, second = (Observer(Client(server), look_up=shared.record) for server in servers)
        await first.begin("shared")
        second.target = first.target
        pks = [*await first.upload("a.fits"), *await second.upload("b.fits")]
        for observer in (first, second):
            for pk, name in zip(pks, ("a.fits", "b.fits"), strict=True):
                answer = await AsyncHTTPClient(force_instance=True).fetch(
                    f"{await observer.client.server.url()}/dataproducts/{pk}/file/{name}"
                )
                assert answer.body == FRAME
        await second.client.call(f"/api/dataproducts/{pks[0]}/", "DELETE", None, 204)
        await first.client.call(f"/api/dataproducts/{pks[0]}/", "GET", None, 404)
        runs = [await observer.submit("Makes", pks[1:]) for observer in (first, second) * 2]
        for pk in runs:
            assert (await first.ended(pk))["state"] == "succeeded"
        # A server is killed in the middle of an upload; the other one tidies up.
        here = Site(s3, proxy, bucket, servers[0], first)
        stream = await half_an_upload(here)
        before = [key for key in here.stored() if "half" not in key]
        await servers[0].end()
        await here.settled(*before)
        stream.close()


async def _until(condition: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.05)
