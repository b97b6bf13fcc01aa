"""An S3-compatible server (moto's) in an OS process of its own, and a proxy that breaks it."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import re
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest

START_SECONDS = 60.0
PIECE_BYTES = 65_536
MISSING = [name for name in ("s3fs", "moto", "flask") if importlib.util.find_spec(name) is None]
#: Skips, with the reason, where the extra `s3` or the test server is missing.
needs_s3 = pytest.mark.skipif(
    bool(MISSING), reason=f"S3 is not tried: {', '.join(MISSING)} cannot be imported"
)
SECRET = "a-secret-of-these-tests"


@dataclass
class S3Server:
    """A server with buckets in its memory."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def bucket(self) -> str:
        """Make a bucket; return its name."""
        name = f"b{secrets.token_hex(6)}"
        self._ask("PUT", f"/{name}")
        return name

    def keys(self, bucket: str) -> list[str]:
        """Return the keys of all objects of a bucket."""
        found: list[str] = []
        while True:
            after = f"&start-after={quote(found[-1], safe='')}" if found else ""
            text = self._ask("GET", f"/{bucket}?list-type=2&max-keys=1000{after}")
            page = [unescape(key) for key in re.findall("<Key>(.*?)</Key>", text)]
            if not page:
                return sorted(found)
            found += sorted(page)

    def copy(self, bucket: str, prefix: str, folder: Path) -> None:
        """Make a folder hold the objects below a prefix, which are never replaced, as files."""
        import boto3

        options = {"aws_access_key_id": "tests", "aws_secret_access_key": SECRET}
        client = boto3.client("s3", endpoint_url=self.url, region_name="us-east-1", **options)
        wanted = {key.removeprefix(prefix): key for key in self.keys(bucket)}
        for place in [place for place in folder.rglob("*") if place.is_file()]:
            if str(place.relative_to(folder)) not in wanted:
                place.unlink()
        for name, key in wanted.items():
            if not (folder / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(client.exceptions.ClientError):  # deleted meanwhile
                    client.download_file(bucket, key, str(folder / name))

    def unfinished(self, bucket: str) -> list[str]:
        """Return the keys of uploads that were begun and not completed."""
        return re.findall("<Key>(.*?)</Key>", self._ask("GET", f"/{bucket}?uploads"))

    def _ask(self, method: str, path: str) -> str:
        request = urllib.request.Request(f"{self.url}{path}", method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return str(response.read().decode())


def environment(url: str) -> dict[str, str]:
    """Return the variables by which a server finds an S3 server."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextlib.contextmanager
def s3_server() -> Iterator[S3Server]:
    """Yield a server that ends with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, "moto's server has ended"
            assert time.monotonic() < until, "moto's server did not start"
            time.sleep(0.05)
        yield S3Server(port, process)
    finally:
        process.kill()
        process.wait()


@dataclass
class FaultyProxy:
    """Passes connections on, or harms them. What is set holds for all connections from then on.

    `mode` is `pass`, `refuse`, `hang` (nothing is answered), `cut` (after `cut_bytes` of an
    answer), `slow` (`slow_bytes` a second), `500` or `503` (SlowDown).
    """

    target: int
    mode: str = "pass"
    cut_bytes: int = 300_000
    slow_bytes: int = 1_000_000
    port: int = 0
    requests: int = 0
    host: str = "127.0.0.1"
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}:{self.port}"

    def set(self, mode: str) -> None:
        """Behave like this from now on, with new connections only."""
        self.mode = mode
        self._loop.call_soon_threadsafe(self._drop)

    def __enter__(self) -> FaultyProxy:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, self.host, 0, limit=2**20)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._drop()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    def _drop(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.requests += 1
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._behave(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _behave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mode = self.mode
        if mode == "refuse":
            return
        if mode == "hang":
            while await reader.read(PIECE_BYTES):
                pass
            return
        if mode in ("500", "503"):
            await self._answer(reader, writer, mode)
            return
        inner_reader, inner = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            tasks = [
                asyncio.ensure_future(self._flow(reader, inner, None)),
                asyncio.ensure_future(self._flow(inner_reader, writer, mode)),
            ]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
        finally:
            inner.transport.abort()

    async def _flow(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mode: str | None
    ) -> None:
        passed = 0
        while piece := await reader.read(PIECE_BYTES):
            if mode == "cut":
                piece = piece[: max(0, self.cut_bytes - passed)]
                if not piece:
                    return
            passed += len(piece)
            writer.write(piece)
            await writer.drain()
            if mode == "slow":
                await asyncio.sleep(len(piece) / self.slow_bytes)

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: str
    ) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        if b"100-continue" not in head.lower().encode():
            length = re.search(r"content-length: *(\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
        code = {"500": "InternalError", "503": "SlowDown"}[status]
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
        writer.write(
            f"HTTP/1.1 {status} Error\r\nContent-Type: application/xml\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
        )
        await writer.drain()
        writer.close()
