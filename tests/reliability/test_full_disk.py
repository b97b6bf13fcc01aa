"""A disk that is really full: a small file system in memory, mounted for the test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tornado.httpclient import AsyncHTTPClient

from tests.reliability.tools.observer import Observer
from tests.reliability.tools.scenario import wrongs
from tests.reliability.tools.serving import Client, Server, short_folder
from tests.reliability.tools.snapshot import socket_uri, take

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=290), pytest.mark.timeout(300)]

STORAGE_MIB, DATA_MIB = 8, 48


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder with a short path."""
    with short_folder() as folder:
        yield folder


@contextlib.contextmanager
def small_disk(place: Path, mebibytes: int) -> Iterator[Path]:
    """Mount a file system of this size; skip the test where that is impossible."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small file system")
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0700", "none", str(place)]
    if (done := subprocess.run(mount, capture_output=True, text=True)).returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path, name: str = "filler") -> Path:
    """Write until the disk is full; return the file that takes up the space."""
    filler = disk / name
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
    return filler


#: What is not for users: numbers and classes of errors, and calls of the system.
INTERNAL = re.compile(r"Errno|Error|Exception|Traceback|ENOSPC|EROFS|No space left on device")


def check_words(text: str, *places: Path) -> None:
    """Check that a user may read a text, and learns nothing of where the server keeps its files."""
    assert not INTERNAL.search(text), text
    assert not [place for place in places if str(place) in text], text


async def check_all_words(observer: Observer, pk: int) -> None:
    """Check whatever users see of a process and its target."""
    folder = observer.client.server.data.parent
    for path in (
        f"/api/processes/{pk}/",
        f"/api/processes/{pk}/logs/",
        f"/api/processes/{pk}/receipt/",
        f"/pipeline/{pk}",
        f"/targets/{observer.target}/",
        f"/api/async/status/{observer.target}/",
        "/",
    ):
        answer = await observer.client.fetch(path)
        assert answer.code == 200, path
        text = answer.body.decode()
        assert str(folder) not in text, path
        assert "Errno" not in text, path
        assert "Traceback" not in text, path


async def upload(observer: Observer, size: int) -> int:
    """Upload a file of this size; return the status of the answer, whose sentence is checked."""
    head = b'--limit\r\nContent-Disposition: form-data; name="file"; filename="big.fits"\r\n\r\n'
    response = await observer.client.fetch(
        f"/api/targets/{observer.target}/dataproducts/",
        "POST",
        head + bytes(size) + b"\r\n--limit--\r\n",
        Content_Type="multipart/form-data; boundary=limit",
    )
    if response.code != 201:
        check_words(response.body.decode(), observer.client.server.data.parent)
    return response.code


async def stored(observer: Observer, size: int) -> None:
    """Upload a file for which there is room again, once what ended runs have left is removed."""
    async with asyncio.timeout(20):
        while (status := await upload(observer, size)) == 507:
            await asyncio.sleep(0.2)
    assert status == 201


async def started(server: Server) -> Observer:
    """Start a server; return an observer of it, with a target."""
    await server.start()
    observer = Observer(Client(server))
    await observer.begin("full")
    return observer


async def test_a_full_storage_refuses_uploads_and_fails_runs_with_outputs(folder: Path) -> None:
    with small_disk(folder / "files", STORAGE_MIB) as disk:
        server = Server(folder / "data", environment={"HELIOGRAPH_FILES_URL": str(disk)})
        try:
            observer = await started(server)
            [product] = await observer.upload("a.fits")
            filler = fill(disk)
            assert await upload(observer, 1 << 20) == 507
            failed = await observer.ended(await observer.submit("Bulks", [product]))
            assert failed["state"] == "failed"
            assert "disk is full" in failed["failure_message"]
            check_words(failed["failure_message"], folder)
            await check_all_words(observer, failed["pk"])
            assert (failed["outputs"], failed["group"]) == ([], None)
            quick = await observer.ended(await observer.submit("Quick", [product]))
            assert quick["state"] == "succeeded"
            filler.unlink()
            await stored(observer, 1 << 20)
            bulks = await observer.ended(await observer.submit("Bulks", [product]))
            assert bulks["state"] == "succeeded"
            uri = socket_uri(server.data)
            found = await asyncio.to_thread(take, uri, server.data, files=disk)
            assert sum(name.endswith("big.fits") for name in found.files) == 1
            assert await wrongs(observer, server.data, set(), files=disk) == []
        finally:
            await server.close()


async def test_a_full_data_folder_loses_nothing_and_the_server_goes_on(folder: Path) -> None:
    with small_disk(folder / "data", DATA_MIB) as disk:
        server = Server(disk)
        try:
            observer = await started(server)
            [product] = await observer.upload("a.fits")
            waits = await observer.submit("Waits", [product], steady=True)
            await observer.until(waits, lambda record: record["status"] == "Waiting")
            accepted = [await observer.submit("Makes", [product], slow=True) for _ in range(6)]
            filler = fill(disk)
            assert await upload(observer, 4 << 20) == 507
            # Whatever the answer is, there is one, and the server is alive.
            body = {"target": observer.target, "pipeline": "Quick", "products": [product]}
            refused = await observer.client.fetch("/api/processes/", "POST", body)
            assert refused.code in (201, 507)
            if refused.code == 201:
                accepted.append(int(refused.headers["Location"].split("/")[-2]))
            await asyncio.sleep(2)
            assert (await observer.client.fetch("/healthz")).code == 200
            filler.unlink()
            ends = [await observer.ended(pk) for pk in accepted]
            assert {record["state"] for record in ends} <= {"succeeded", "failed"}
            assert (await observer.record(waits))["state"] == "running"
            await observer.cancel(waits)
            assert (await observer.ended(waits))["state"] == "cancelled"
            await stored(observer, 4 << 20)
            last = await observer.ended(await observer.submit("Makes", [product]))
            assert last["state"] == "succeeded"
            assert await wrongs(observer, server.data, set()) == []
        finally:
            await server.close()


async def readiness(server: Server, status: int) -> str:
    """Wait until `/readyz` answers with this status; return its sentence or `ok`."""
    address = f"{await server.listening()}/readyz"
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(OSError):
                answer = await AsyncHTTPClient().fetch(address, raise_error=False)
                if answer.code == status:
                    body = json.loads(answer.body)
                    return str(body.get("detail", body.get("status")))
            await asyncio.sleep(0.02)


async def test_on_a_full_disk_of_48_mb_deletes_cancels_and_restarts_work(folder: Path) -> None:
    with small_disk(folder / "data", 48) as disk:
        server = Server(disk)
        try:
            observer = await started(server)
            products = await observer.upload(*(f"{number}.fits" for number in range(3)))
            done = [await observer.submit("Makes", products) for _ in range(40)]
            assert {(await observer.ended(pk))["state"] for pk in done} == {"succeeded"}
            runs = [await observer.submit("Waits", products[:1], steady=True) for _ in range(2)]
            for pk in runs:
                await observer.until(pk, lambda record: record["status"] == "Waiting")
            filler = fill(disk)
            sentence = await readiness(server, 503)
            assert "server's disk is full" in sentence
            check_words(sentence, folder)
            page = await observer.client.fetch("/")
            assert b"disk is full" in page.body
            body = {"target": observer.target, "pipeline": "Quick", "products": products}
            assert (await observer.client.fetch("/api/processes/", "POST", body)).code == 507
            assert await upload(observer, 100) == 507
            for pk in done[:10]:
                await observer.delete(pk)
            await observer.delete_product(products[2])
            await observer.cancel(runs[0])
            assert (await observer.ended(runs[0]))["state"] == "cancelled"
            await server.end(signal.SIGKILL)
            await server.restart()
            # What the kill left behind has been removed, so there may be room for a while.
            more = fill(disk, "more")
            await readiness(server, 503)
            await observer.cancel(runs[1])
            assert (await observer.ended(runs[1]))["state"] == "cancelled"
            for pk in done[10:]:
                await observer.delete(pk)
            assert await server.end(signal.SIGTERM) == 0
            await server.restart()
            filler.unlink()
            more.unlink()
            assert await readiness(server, 200) == "ok"
            await stored(observer, 100)
            last = await observer.ended(await observer.submit("Makes", products[:1]))
            assert last["state"] == "succeeded"
            assert (disk / "reserve").stat().st_size <= disk_bytes(disk) // 16
            assert await wrongs(observer, server.data, set()) == []
        finally:
            await server.close()


async def test_a_storage_that_may_not_be_written_is_told_of_in_words(folder: Path) -> None:
    with small_disk(folder / "files", STORAGE_MIB) as disk:
        server = Server(folder / "data", environment={"HELIOGRAPH_FILES_URL": str(disk)})
        try:
            observer = await started(server)
            [product] = await observer.upload("a.fits")
            remount(disk, "ro")
            assert await upload(observer, 1000) == 500
            failed = await observer.ended(await observer.submit("Makes", [product]))
            assert failed["state"] == "failed"
            assert failed["failure_message"] == (
                "The outputs could not be stored: Read-only file system"
            )
            await check_all_words(observer, failed["pk"])
            quick = await observer.ended(await observer.submit("Quick", [product]))
            assert quick["state"] == "succeeded"
            remount(disk, "rw")
            await stored(observer, 1000)
            again = await observer.ended(await observer.rerun(failed["pk"]))
            assert again["state"] == "succeeded"
            assert await wrongs(observer, server.data, set(), files=disk) == []
        finally:
            await server.close()


def remount(disk: Path, mode: str) -> None:
    """Mount a small disk anew, `ro` or `rw`; skip the test where that is impossible."""
    command = ["mount", "-o", f"remount,{mode}", str(disk)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted read-only here")


def disk_bytes(disk: Path) -> int:
    """Return the size of a disk."""
    return shutil.disk_usage(disk).total
