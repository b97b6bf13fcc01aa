"""The answers to viewers: what is asked of the child, what it says, and what is refused."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from handlers.files import pixels
from server.core.errors import InvalidInput, NotExamined, NotFound
from tests.fakes.handler_fakes import Fakes, json_of

pytestmark = pytest.mark.gen_test

IMAGE, PIXELS = "/api/dataproducts/3/image/", "/dataproducts/3/pixels"


def some_fakes(previews: Path) -> Fakes:
    fakes = Fakes(previews=previews)
    fakes.archive.keep(3, "a.fits", b"SIMPLE")
    return fakes


async def test_an_image_is_described_once_and_has_a_version(tmp_path: Path) -> None:
    fakes = some_fakes(tmp_path)
    async with fakes.serving() as client:
        answer = await client.fetch(f"{IMAGE}?hdu=2&plane=5")
        assert json_of(answer) == {"hdu": 2, "plane": 5}
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        etag = answer.headers["Etag"]
        assert etag.startswith("W/")
        known = {"If-None-Match": etag}
        assert (await client.fetch(f"{IMAGE}?hdu=2&plane=5", headers=known)).code == 304
        assert len(fakes.drawn) == 1
        assert json_of(await client.fetch(IMAGE)) == {"hdu": 0, "plane": 0}
        assert len(fakes.drawn) == 2


async def test_a_window_is_sent_with_its_shape_and_a_strong_version(tmp_path: Path) -> None:
    fakes = some_fakes(tmp_path)
    async with fakes.serving() as client:
        url = f"{PIXELS}?hdu=1&plane=2&x=3&y=4&width=12&height=8&bin=4&colour=green"
        answer = await client.fetch(url)
        assert (answer.code, answer.body) == (200, bytes(24))
        assert answer.headers["X-Image-Shape"] == "2,3"
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Etag"].startswith('"')
        given = {"hdu": 1, "plane": 2, "x": 3, "y": 4, "width": 12, "height": 8, "bin": 4}
        assert fakes.windows == [given | {"colour": "green"}]
        known = {"If-None-Match": answer.headers["Etag"]}
        assert (await client.fetch(url, headers=known)).code == 304
        other = await client.fetch(f"{url}&bin=2", headers=known)
        assert other.code == 200
        assert other.headers["Etag"] != answer.headers["Etag"]
        head = await client.fetch(url, "HEAD")
        assert (head.code, head.headers["Content-Length"], head.body) == (200, "24", b"")
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == [], "nothing is left"


async def test_without_parameters_all_of_the_usual_image_is_asked_for(tmp_path: Path) -> None:
    fakes = some_fakes(tmp_path)
    async with fakes.serving() as client:
        assert (await client.fetch(PIXELS)).code == 200
    [window] = fakes.windows
    nothing = dict.fromkeys(("hdu", "width", "height", "colour"))
    assert window == nothing | {"plane": 0, "x": 0, "y": 0, "bin": 1}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (f"{IMAGE}?hdu=-1", "hdu"),
        (f"{IMAGE}?hdu=one", "hdu"),
        (f"{IMAGE}?plane=", "plane"),
        (f"{PIXELS}?hdu=1.5", "hdu"),
        (f"{PIXELS}?plane=-1", "plane"),
        (f"{PIXELS}?x=-1", "x"),
        (f"{PIXELS}?x=99999999999999999999", "x"),
        (f"{PIXELS}?y=1e3", "y"),
        (f"{PIXELS}?width=0", "width"),
        (f"{PIXELS}?height=0", "height"),
        (f"{PIXELS}?bin=0", "bin"),
        (f"{PIXELS}?bin=3", "bin"),
        (f"{PIXELS}?bin=131072", "bin"),
        (f"{PIXELS}?bin=%FF", "bin"),
        (f"{PIXELS}?colour=pink", "colour"),
    ],
)
async def test_a_wrong_parameter_is_named_before_any_file_is_read(
    tmp_path: Path, path: str, field: str
) -> None:
    fakes = some_fakes(tmp_path)
    async with fakes.serving() as client:
        answer = await client.fetch(path)
        assert answer.code == 400
        assert list(json_of(answer)) == [field]
    assert (fakes.windows, fakes.drawn) == ([], [])


@pytest.mark.parametrize("path", [IMAGE, PIXELS])
@pytest.mark.parametrize(
    ("fault", "code", "body"),
    [
        (InvalidInput.of("hdu", "No image."), 400, {"hdu": ["No image."]}),
        (NotFound("image", "a.fits is empty"), 404, {"detail": "Not found."}),
        (NotExamined("It took too long, try again later"), 503, None),
    ],
)
async def test_what_the_file_does_not_have_is_an_error_and_not_kept(
    tmp_path: Path, path: str, fault: Exception, code: int, body: Any
) -> None:
    fakes = some_fakes(tmp_path)
    fakes.draw_fault = fault
    async with fakes.serving() as client:
        answer = await client.fetch(path)
        assert answer.code == code
        assert body is None or json_of(answer) == body
        assert ("Retry-After" in answer.headers) == (code == 503)
        fakes.draw_fault = None
        assert (await client.fetch(path)).code == 200
        for missing in (path.replace("3", "9"), path.replace("3", "0")):
            assert (await client.fetch(missing)).code == 404


async def test_too_many_windows_at_a_time_are_to_be_asked_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "MOST_WINDOWS", 0)
    fakes = some_fakes(tmp_path)
    async with fakes.serving() as client:
        answer = await client.fetch(PIXELS)
        assert (answer.code, "Retry-After" in answer.headers) == (503, True)
        monkeypatch.setattr(pixels, "MOST_WINDOWS", 1)
        for _ in range(3):
            assert (await client.fetch(PIXELS)).code == 200, "each makes room for the next"
        fakes.draw_fault = NotFound("image", 3)
        assert (await client.fetch(PIXELS)).code == 404
        fakes.draw_fault = None
        assert (await client.fetch(PIXELS)).code == 200


async def test_one_client_cannot_take_all_windows_and_gives_back_those_it_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes, reading = some_fakes(tmp_path), asyncio.Event()

    async def read(*_request: object) -> None:
        fakes.windows.append({})
        await reading.wait()

    monkeypatch.setattr(fakes, "read_pixels", read)
    async with fakes.serving() as client:
        left = [(await client.connect())[1] for _ in range(pixels.MOST_OF_ONE)]
        for writer in left:
            writer.write(f"GET {PIXELS} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        async with asyncio.timeout(10):
            while len(fakes.windows) < pixels.MOST_OF_ONE:
                await asyncio.sleep(0.01)
        assert (await client.fetch(PIXELS)).code == 503
        assert pixels.PixelsHandler._at_once.total() < pixels.MOST_WINDOWS
        for writer in left:
            writer.close()
        async with asyncio.timeout(10):
            while pixels.PixelsHandler._at_once:
                await asyncio.sleep(0.01)


async def test_of_a_remote_file_one_copy_serves_all_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    previews, fetched = tmp_path / "previews", []
    previews.mkdir()
    fakes = some_fakes(previews)
    (tmp_path / "stored").write_bytes(b"SIMPLE")

    async def path(_product: Any, folder: Path, *, whole: bool = False) -> Path:
        fetched.append(whole)
        await asyncio.to_thread(shutil.copy, tmp_path / "stored", folder / "fetched")
        return folder / "fetched"

    monkeypatch.setattr(fakes.archive.products, "is_remote", True)
    monkeypatch.setattr(fakes.archive.products, "path", path)
    async with fakes.serving() as client:
        answers = [client.fetch(f"{PIXELS}?x={x}") for x in range(5)]
        assert [(await answer).code for answer in answers] == [200] * 5
        assert (await client.fetch(IMAGE)).code == 200
    assert fetched == [True], "and its checksum was compared"


async def test_a_page_of_a_frame_says_that_a_viewer_comes(tmp_path: Path) -> None:
    fakes = some_fakes(tmp_path)
    facts = dict.fromkeys(("date", "exposure", "filter", "instrument")) | {"width": 8, "height": 6}
    fakes.archive.keep(4, "b.fits", b"SIMPLE", fits=facts)
    async with fakes.serving() as client:
        page = (await client.fetch("/dataproducts/4/")).body.decode()
        assert 'id="viewer"' in page
        assert fakes.viewers_expected == 1
        await client.fetch("/dataproducts/3/")
        assert fakes.viewers_expected == 1
