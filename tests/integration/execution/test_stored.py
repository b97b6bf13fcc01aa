"""What is stored is nobody's to change, and never sent if it was changed all the same."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tornado.simple_httpclient import HTTPStreamClosedError

from tests.integration.conftest import Client, serving
from tests.integration.scripts import Scripts, eventually, scripted_config

pytestmark = [pytest.mark.gen_test(timeout=50), pytest.mark.timeout(60)]

INPUT = b"x"


class Stored(Scripts):
    """Scripts, and the storage of the server that runs them."""

    def __init__(self, client: Client, files: Path) -> None:
        super().__init__(client)
        object.__setattr__(self, "files", files)

    files: Path

    def file(self, pk: int) -> Path:
        """Return the stored file of a product."""
        [path] = (self.files / str(pk)).iterdir()
        return path

    async def content(self, pk: int) -> bytes:
        """Return the bytes of a product, which must have its checksum."""
        product = await self.client.call(f"/api/dataproducts/{pk}/")
        response = await self.client.fetch(product["url"])
        assert response.code == 200
        assert hashlib.sha256(response.body).hexdigest() == product["sha256"]
        return response.body

    async def receipt(self, record: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = await self.client.call(f"/api/processes/{record['pk']}/receipt/")
        return found


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """Yield scripts on a server of this module, which has to stop in time."""
    data = tmp_path_factory.mktemp("stored")
    with serving(scripted_config(data)) as running:
        yield Stored(Client(running.url), data / "files")


HARM = {
    "moved": ("import shutil; shutil.move(path, tmpdir / 'mine')", "deleted or moved"),
    "deleted": ("import os; os.remove(path)", "deleted or moved"),
    "packed": (
        "import subprocess; subprocess.run(['gzip', path], check=True)",
        "deleted or moved",
    ),
    "written": ("open(path, 'w').write('y')", "changed"),
    "in a child": (
        "import multiprocessing, pathlib\n"
        "worker = multiprocessing.get_context('fork').Process(\n"
        "    target=lambda: pathlib.Path(self.input_files.first().data.path).write_text('y'))\n"
        "worker.start(); worker.join()",
        "changed",
    ),
}


@pytest.mark.parametrize("harm", HARM)
async def test_a_run_has_a_file_of_its_own_and_a_warning_if_it_alters_it(
    stored: Stored, harm: str
) -> None:
    script, change = HARM[harm]
    record = await stored.run("path = self.input_files.first().data.path\n" + script)
    assert (record["state"], record["failure_message"]) == ("succeeded", None)
    entries = [entry for entry in await stored.client.lines(record["pk"]) if entry[2] == "warning"]
    said = f"The pipeline has {change} its copy of input.fits; the stored file is as it was"
    assert [entry[3] for entry in entries] == [said]
    [pk] = record["products"]
    assert await stored.content(pk) == INPUT
    assert len(list(stored.file(pk).parent.iterdir())) == 1


@pytest.mark.parametrize(
    ("use", "verified"),
    [
        ("open(data.path).read()", True),
        ("data.read()", True),
        ("data.open().read()", False),
        ("pass", False),
    ],
)
async def test_the_receipt_says_which_checksums_were_compared(
    stored: Stored, use: str, verified: bool
) -> None:
    record = await stored.run(f"data = self.input_files.first().data\n{use}")
    assert await stored.texts(record["pk"]) == []
    [given] = (await stored.receipt(record))["inputs"]
    assert (given["name"], given["verified"]) == ("input.fits", verified)
    page = await stored.client.fetch(f"/processes/{record['pk']}/receipt/")
    assert ("compared" in page.body.decode()) == verified


async def test_outputs_stay_as_they_were_yielded(stored: Stored) -> None:
    record = await stored.run("""
        def outputs():
            path = tmpdir / "a.csv"
            for text in ("first", "second"):
                path.write_text(text)
                yield path
            (tmpdir / "deep").mkdir()
            path.rename(tmpdir / "deep/a.csv").write_text("third")
            yield "deep/a.csv"
        outputs = outputs()
        """)
    assert record["state"] == "succeeded"
    products = [
        await stored.client.call(f"/api/dataproducts/{pk}/") for pk in sorted(record["outputs"])
    ]
    names = [product["name"].removeprefix(record["identifier"]) for product in products]
    assert names == ["_a.csv", "_a-2.csv", "_a-3.csv"]
    content = [await stored.content(product["pk"]) for product in products]
    assert content == [b"first", b"second", b"third"]


@pytest.mark.parametrize("gives", ["[path]", "iter([path])"])
async def test_whoever_holds_an_output_changes_nothing_that_is_published(
    stored: Stored, tmp_path: Path, gives: str
) -> None:
    go, done = tmp_path / "go", tmp_path / "done"
    helper = f"""
import os, sys, time
while not os.path.exists({str(go)!r}): time.sleep(0.01)
os.pwrite(int(sys.argv[1]), b"CHANGED", 0)
open({str(done)!r}, "w").close()
time.sleep(60)
"""
    record = await stored.run(f"""
        import os, subprocess, sys
        path = tmpdir / "a.csv"
        path.write_text("content")
        os.link(path, {str(tmp_path / "link")!r})
        file = os.open(path, os.O_RDWR)
        child = subprocess.Popen(
            [sys.executable, "-c", {helper!r}, str(file)], start_new_session=True,
            pass_fds=[file], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        print("pid", child.pid)
        outputs = {gives}
        """)
    pid = int(await stored.said(record["pk"], "pid"))
    try:
        go.touch()
        await eventually(done.exists)
        (tmp_path / "link").write_text("CHANGED")
        [output] = record["outputs"]
        assert await stored.content(output) == b"content"
    finally:
        os.kill(pid, signal.SIGKILL)


def cut(path: Path) -> None:
    path.chmod(0o600)
    os.truncate(path, path.stat().st_size - 1)


def swap(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(b"y" * path.stat().st_size)


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def link(path: Path) -> None:
    path.rename(path.parent.parent / f"{path.parent.name} elsewhere")
    path.symlink_to(path.parent.parent / f"{path.parent.name} elsewhere")


@pytest.mark.parametrize("harm", [cut, make_fifo, link, swap], ids=lambda harm: harm.__name__)
async def test_damaged_storage_is_never_sent_nor_given_to_a_run(stored: Stored, harm: Any) -> None:
    client = stored.client
    script = "data = self.input_files.first().data\nopen(data.path).read()"
    target = await client.make_target("Script", extra_fields={"script": script})
    [pk] = await client.upload(target, ("frame.fits", b"SIMPLE  =" * 500_000))
    group = await client.call("/api/groups/", "POST", {"name": "All", "products": [pk]}, status=201)
    product = await client.call(f"/api/dataproducts/{pk}/")
    harm(stored.file(pk))
    routes = [product["url"], f"/dataproducts/data/group/{group['pk']}/zip"]
    others = [f"/dataproducts/{pk}/preview.png", f"/api/dataproducts/{pk}/header/"]
    for route in routes + others[: 1 if harm is swap else 2]:
        if harm is swap and route in routes:  # found out at the end of a file of this size
            with pytest.raises(HTTPStreamClosedError):
                await client.fetch(route)
        else:
            response = await client.fetch(route)
            assert (response.code, response.headers.get("Etag")) == (500, None), route
    if harm is not swap:
        for options in ({"method": "HEAD"}, {"headers": {"Range": "bytes=5-9"}}):
            assert (await client.fetch(product["url"], **options)).code == 500
    record = await client.ended((await client.submit("Scripted", target, [pk]))["pk"])
    assert record["state"] == "failed"
    assert "The stored file of frame.fits is damaged: " in record["failure_message"]
    assert str(stored.files) not in record["failure_message"]


async def test_a_small_swapped_file_is_500_before_any_byte(stored: Stored) -> None:
    target = await stored.client.make_target()
    [pk] = await stored.client.upload(target, ("a.csv", b"time,magnitude"))
    product = await stored.client.call(f"/api/dataproducts/{pk}/")
    swap(stored.file(pk))
    response = await stored.client.fetch(product["url"])
    assert (response.code, response.body) == (500, b'{"detail":"Internal server error."}')


async def test_a_copy_from_remote_storage_is_compared_and_the_runs_own(tmp_path: Path) -> None:
    url = f"memory://{tmp_path.name}"
    config = scripted_config(tmp_path)
    config = replace(config, files=replace(config.files, url=url))
    with serving(config) as running:
        scripts = Stored(Client(running.url), tmp_path)
        for script, is_changed in (
            ("data.open().read()", False),
            ("open(data.path, 'w').write('y')", True),
        ):
            record = await scripts.run(f"data = self.input_files.first().data\n{script}")
            assert record["state"] == "succeeded"
            said = [text for text in await scripts.texts(record["pk"]) if "has changed" in text]
            assert len(said) == is_changed
            assert await scripts.content(record["products"][0]) == INPUT
            assert (await scripts.receipt(record))["inputs"][0]["verified"]
