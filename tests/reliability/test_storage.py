"""A stored file that is cut, overwritten, swapped or removed while somebody reads it.

Whoever reads gets what was stored or an error, never something else that passes for the whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.reliability.tools.observer import Observer, Record, observing
from tests.reliability.tools.telling_pipelines import HALF_BYTES

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=100), pytest.mark.timeout(110)]

#: More than what the sockets and pieces of both sides hold.
SIZE = 2 * HALF_BYTES
CONTENT = b"0123456789abcdef" * (SIZE // 16)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def cut(path: Path) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.truncate(SIZE // 2 - 5)


def overwrite(path: Path) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(SIZE - 1000)
        file.write(b"x" * 1000)


def swap(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"y" * SIZE)
    other.replace(path)


def remove(path: Path) -> None:
    path.unlink()


HARMS = [cut, overwrite, swap, remove]


async def store(observer: Observer) -> Record:
    """Upload a large file; return its product."""
    head = b'--limit\r\nContent-Disposition: form-data; name="file"; filename="big.dat"\r\n\r\n'
    made = await observer.client.call(
        f"/api/targets/{observer.target}/dataproducts/",
        "POST",
        head + CONTENT + b"\r\n--limit--\r\n",
        201,
        Content_Type="multipart/form-data; boundary=limit",
    )
    [product] = made["dataproducts"]
    return dict(product)


def stored(observer: Observer, product: Record) -> Path:
    """Return the file of a product."""
    return observer.client.server.data / "files" / str(product["pk"]) / product["name"]


@contextlib.asynccontextmanager
async def download(
    observer: Observer, path: str
) -> AsyncIterator[tuple[bytes, asyncio.StreamReader]]:
    """Request a path, read the headers alone, and yield them with what is to be read yet."""
    port = int((await observer.client.server.url()).rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    writer.write(request.encode())
    try:
        yield await reader.readuntil(b"\r\n\r\n"), reader
    finally:
        writer.close()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Read until the connection is closed, however that happens."""
    pieces = []
    with contextlib.suppress(ConnectionError):
        while piece := await asyncio.wait_for(reader.read(1 << 20), 20):
            pieces.append(piece)
    return b"".join(pieces)


async def said(observer: Observer, pk: int, word: str) -> str | None:
    """Return the rest of the log line that begins with this word, None without one."""
    page = await observer.client.call(f"/api/processes/{pk}/logs/")
    found = [entry[3] for entry in page["lines"] if entry[3].startswith(f"{word} ")]
    return found[0].removeprefix(f"{word} ") if found else None


async def test_a_download_is_the_stored_file_or_is_broken_off() -> None:
    async with observing("storage") as observer:
        for harm in HARMS:
            product = await store(observer)
            async with download(observer, product["url"]) as (head, reader):
                assert head.startswith(b"HTTP/1.1 200 ")
                harm(stored(observer, product))
                body = await rest(reader)
            assert (len(body) < SIZE) == (harm in (cut, overwrite)), harm
            assert len(body) < SIZE or hashlib.sha256(body).hexdigest() == SHA256
            await check_next_download(observer, product)
        assert (await observer.client.fetch("/healthz")).code == 200


async def check_next_download(observer: Observer, product: Record) -> None:
    """Check that what is damaged by now is an error, or is broken off."""
    async with download(observer, product["url"]) as (head, reader):
        body = await rest(reader)
    if head.startswith(b"HTTP/1.1 200 "):
        assert len(body) < SIZE
    else:
        assert head.startswith(b"HTTP/1.1 500 ") or head.startswith(b"HTTP/1.1 404 ")
        assert b"etag" not in head.lower()
    assert str(observer.client.server.data).encode() not in head + body


async def test_a_zip_is_whole_or_is_broken_off() -> None:
    async with observing("storage") as observer:
        for harm in HARMS:
            product = await store(observer)
            body = {"name": "All", "products": [product["pk"]]}
            group = await observer.client.call("/api/groups/", "POST", body, 201)
            path = f"/dataproducts/data/group/{group['pk']}/zip"
            async with download(observer, path) as (head, reader):
                assert head.startswith(b"HTTP/1.1 200 ")
                harm(stored(observer, product))
                sent = await rest(reader)
            length = re.search(rb"content-length: (\d+)", head.lower())
            ended = len(sent) == int(length[1]) if length else sent.endswith(b"0\r\n\r\n")
            assert ended == (harm in (swap, remove)), harm


@pytest.mark.parametrize("copied", [False, True], ids=["in place", "a copy"])
async def test_a_run_that_reads_meanwhile_ends_and_its_receipt_is_true(copied: bool) -> None:
    async with observing("storage") as observer:
        gate = observer.client.server.data.parent / "gate"
        change = {"extra_fields": {"gate": str(gate)}}
        await observer.client.call(f"/api/targets/{observer.target}/", "PATCH", change)
        products = [await store(observer) for _ in HARMS]
        runs = [await observer.submit("Reads", [each["pk"]], copied=copied) for each in products]
        for pk in runs:
            await observer.until(pk, lambda record: record["status"] in ("Waiting", "failed"))
        for harm, product in zip(HARMS, products, strict=True):
            harm(stored(observer, product))
        gate.touch()
        for harm, pk in zip(HARMS, runs, strict=True):
            record = await observer.ended(pk)
            receipt = await observer.client.call(f"/api/processes/{pk}/receipt/")
            assert receipt["inputs"][0]["verified"] == copied
            if copied or harm in (swap, remove):
                assert record["state"] == "succeeded"
                assert await said(observer, pk, "sha256") == SHA256, harm
        for product in products:
            pk = await observer.submit("Reads", [product["pk"]], copied=True)
            record = await observer.ended(pk)
            assert record["state"] == "failed"
            assert "big.dat" in record["failure_message"]
            assert "/" not in record["failure_message"]
