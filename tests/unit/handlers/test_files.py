"""The bytes of data products: ranges, names, and nothing that runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.http.content_headers import Unsatisfiable, disposition, range_of
from server.core.errors import NotExamined
from tests.fakes.handler_fakes import Fakes, json_of

DATA = bytes(range(256)) * 1000


@pytest.mark.parametrize(
    ("header", "size", "part"),
    [
        (None, 10, None),
        ("bytes=0-4", 10, (0, 5)),
        ("bytes=5-", 10, (5, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-30", 10, (0, 10)),
        ("bytes=9-999", 10, (9, 10)),
        ("bytes=0-0", 10, (0, 1)),
        ("bytes=4-3", 10, None),
        ("bytes=-", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("lines=0-1", 10, None),
        ("bytes=a-b", 10, None),
        ("bytes=\u0661-", 10, None),
    ],
)
def test_a_range_is_read_or_ignored(
    header: str | None, size: int, part: tuple[int, int] | None
) -> None:
    assert range_of(header, size) == part


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_a_range_beyond_the_end_is_unsatisfiable(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        range_of(header, 10)


@given(st.text(min_size=1).filter(lambda name: name.encode("utf-8", "replace").decode() == name))
def test_every_name_can_be_told(name: str) -> None:
    header = disposition("attachment", name)
    assert header.isascii()
    assert "\r" not in header
    assert "\n" not in header
    quoted, _, extended = header.removeprefix("attachment; filename=").partition("; filename*=")
    assert quoted[0] == quoted[-1] == '"'
    plain = quoted[1:-1]
    assert not {'"', "\\"} & set(plain)
    assert unquote(extended.removeprefix("UTF-8''")) == name if extended else plain == name


@pytest.mark.gen_test
async def test_a_file_is_sent_whole_with_its_digest() -> None:
    fakes = Fakes()
    product = fakes.archive.keep(3, "m 13.fits", DATA)
    async with fakes.serving() as client:
        response = await client.fetch(product.url)
        assert (response.code, response.body) == (200, DATA)
        headers = response.headers
        assert headers["Etag"] == f'"{product.sha256}"'
        assert headers["Content-Length"] == str(len(DATA))
        assert headers["Accept-Ranges"] == "bytes"
        assert headers["Content-Disposition"] == 'attachment; filename="m 13.fits"'
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in headers["Content-Security-Policy"]
        again = await client.fetch(product.url, headers={"If-None-Match": headers["Etag"]})
        assert (again.code, again.body) == (304, b"")
        head = await client.fetch(product.url, "HEAD")
        assert (head.body, head.headers["Content-Length"]) == (b"", str(len(DATA)))
        assert (await client.fetch("/dataproducts/3/file/other.fits")).code == 404


@pytest.mark.gen_test
async def test_a_part_of_a_file_is_206_and_beyond_it_416() -> None:
    fakes = Fakes()
    product = fakes.archive.keep(3, "a.webm", DATA, content_type="video/webm")
    size = len(DATA)
    async with fakes.serving() as client:
        part = await client.fetch(product.url, headers={"Range": "bytes=100-299"})
        assert (part.code, part.body) == (206, DATA[100:300])
        assert part.headers["Content-Range"] == f"bytes 100-299/{size}"
        assert part.headers["Content-Disposition"].startswith("inline")
        beyond = await client.fetch(product.url, headers={"Range": f"bytes={size}-"})
        assert (beyond.code, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
        assert list(json_of(beyond)) == ["detail"]


@pytest.mark.gen_test
async def test_a_part_is_only_for_whom_has_the_same_file() -> None:
    fakes = Fakes()
    product = fakes.archive.keep(3, "a.fits", DATA)
    async with fakes.serving() as client:
        for etag, code in ((f'"{product.sha256}"', 206), ('"other"', 200), ("W/x", 200)):
            headers = {"Range": "bytes=0-9", "If-Range": etag}
            assert (await client.fetch(product.url, headers=headers)).code == code


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("image/png", "inline"),
        ("video/mp4", "inline"),
        ("image/svg+xml", "attachment"),
        ("text/html", "attachment"),
        ("application/pdf", "attachment"),
    ],
)
async def test_only_what_runs_nothing_is_shown_in_place(kind: str, place: str) -> None:
    fakes = Fakes()
    product = fakes.archive.keep(3, '"><script>é', b"x", content_type=kind)
    async with fakes.serving() as client:
        response = await client.fetch(product.url)
        assert response.headers["Content-Type"] == kind
        assert response.headers["Content-Disposition"].startswith(f"{place}; filename=")


@pytest.mark.gen_test
async def test_a_preview_is_drawn_once_for_each_size(tmp_path: Path) -> None:
    fakes = Fakes(previews=tmp_path)
    fakes.archive.keep(3, "a.fits", DATA)
    async with fakes.serving() as client:
        url = "/dataproducts/3/preview.png"
        answers = await asyncio.gather(*(client.fetch(url) for _ in range(5)))
        assert {answer.body for answer in answers} == {b"\x89PNG"}
        assert answers[0].headers["Content-Type"] == "image/png"
        assert len(fakes.drawn) == 1
        await client.fetch(f"{url}?size=1024")
        assert [size for _, size in fakes.drawn] == [256, 1024]
        etag = answers[0].headers["Etag"]
        assert (await client.fetch(url, headers={"If-None-Match": etag})).code == 304
        assert (await client.fetch(f"{url}?size=77")).code == 400
        assert (await client.fetch(f"{url}?stretch=rubber")).code == 400
        log = await client.fetch(f"{url}?stretch=log")
        assert (log.code, log.headers["Etag"] == etag) == (200, False)
        assert (await client.fetch("/dataproducts/9/preview.png")).code == 404
        fakes.archive.keep(4, "a.txt", b"no picture")
        fakes.draw_fault = ValueError("This is no picture")
        response = await client.fetch("/dataproducts/4/preview.png")
        assert (response.code, json_of(response)) == (400, {"detail": "This is no picture."})
    kept = await asyncio.to_thread(lambda: list(tmp_path.iterdir()))
    assert len(kept) == 3


@pytest.mark.gen_test
async def test_a_table_is_sent_as_csv_or_the_reason_is_said(tmp_path: Path) -> None:
    fakes = Fakes(previews=tmp_path)
    fakes.archive.keep(3, "lc.fits", DATA)
    fakes.archive.keep(4, "a.txt", b"no table")
    async with fakes.serving() as client:
        url = "/dataproducts/3/table.csv"
        response = await client.fetch(url)
        assert (response.code, response.body) == (200, b"TIME,FLUX\n1.5,2\n")
        assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert "sandbox" in response.headers["Content-Security-Policy"]
        etag = response.headers["Etag"]
        assert (await client.fetch(url, headers={"If-None-Match": etag})).code == 304
        assert len(fakes.drawn) == 1
        assert (await client.fetch("/dataproducts/9/table.csv")).code == 404
        fakes.draw_fault = ValueError("a.txt is not a FITS file")
        response = await client.fetch("/dataproducts/4/table.csv")
        assert (response.code, json_of(response)) == (400, {"detail": "a.txt is not a FITS file."})


@pytest.mark.gen_test
async def test_the_table_for_a_plot_is_read_once_or_the_reason_is_said(tmp_path: Path) -> None:
    fakes = Fakes(previews=tmp_path)
    fakes.archive.keep(3, "lc.csv", DATA)
    fakes.archive.keep(4, "a.txt", b"no table")
    async with fakes.serving() as client:
        url = "/api/dataproducts/3/table/"
        response = await client.fetch(url)
        assert json_of(response)["lightcurve"]["quantity"] == "magnitude"
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        etag = response.headers["Etag"]
        assert (await client.fetch(url, headers={"If-None-Match": etag})).code == 304
        assert len(fakes.drawn) == 1
        assert (await client.fetch("/api/dataproducts/9/table/")).code == 404
        fakes.draw_fault = ValueError("a.txt holds no table")
        response = await client.fetch("/api/dataproducts/4/table/")
        assert json_of(response) == {
            "columns": [],
            "rows": [],
            "lightcurve": None,
            "reason": "a.txt holds no table",
        }
        fakes.draw_fault = NotExamined("later")
        assert (await client.fetch("/api/dataproducts/4/table/")).code == 503


@pytest.mark.gen_test
async def test_headers_are_read_or_the_reason_is_said(tmp_path: Path) -> None:
    fakes = Fakes(previews=tmp_path)
    fakes.archive.keep(3, "a.fits", DATA)
    async with fakes.serving() as client:
        response = await client.fetch("/api/dataproducts/3/header/")
        assert json_of(response)["hdus"] == [{"name": "a.fits", "kind": "image", "cards": []}]
        assert (await client.fetch("/api/dataproducts/9/header/")).code == 404
        fakes.draw_fault = ValueError("a.fits is empty")
        response = await client.fetch("/api/dataproducts/3/header/")
        assert (response.code, json_of(response)) == (400, {"detail": "a.fits is empty."})
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []


@pytest.mark.gen_test
async def test_the_page_of_plots_is_shut_in_and_open_to_all() -> None:
    fakes = Fakes()
    fakes.configure(http={"tokens": ("x" * 20,)})
    async with fakes.serving() as client:
        page = await client.fetch("/plot")
        script = await client.fetch("/plot/bokeh.min.js", headers={"Accept-Encoding": "gzip"})
        unknown = await client.fetch("/plot/bokeh.js")
    policy = page.headers["Content-Security-Policy"]
    assert page.code == 200
    assert policy.endswith("sandbox allow-scripts")
    assert "default-src 'none'" in policy
    assert script.code == 200
    assert script.headers["Content-Type"].startswith(("text/javascript", "application/javascript"))
    assert unknown.code in (401, 404)
