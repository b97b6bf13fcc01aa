"""The list of data products as a page shows it: by its address, with counts."""

from __future__ import annotations

import html
import json
import re
import threading
from collections.abc import Sequence
from urllib.parse import parse_qs

import pytest

from handlers.pages.target import frames
from handlers.pages.target.frames import Frame, FrameList, Wanted
from tests.fakes.handler_fakes import Fakes

NIGHT = 1_513_733_623.0  # 2017-12-20 01:33:43 UTC
DAY = 86_400.0


def with_frames() -> Fakes:
    """Return an archive with two nights, two filters, an output, and what cannot be read."""
    fakes = Fakes()
    for pk in range(1, 7):
        night, band = (NIGHT, "V") if pk <= 4 else (NIGHT + DAY, "R")
        facts = {"date": night - pk, "exposure": 60.0, "filter": band, "instrument": "kb29"}
        fits = facts | {"width": 100, "height": 80}
        fakes.archive.keep(pk, f"frame_{pk}.fits", b"x" * pk, fits=fits)
    fakes.archive.keep(7, "broken.fits", b"x")
    fakes.archive.keep(8, "film.webm", b"x", process=51, content_type="video/webm")
    return fakes


async def shown(query: str) -> list[str]:
    """Return the names of the data products that a page shows, in its order."""
    async with with_frames().serving() as client:
        page = await client.fetch(f"/targets/1/{query}")
    assert page.code == 200
    table = page.body.split(b'id="product-list"')[1].split(b"<tbody")[1]
    rows = table.split(b"<tr ")[1:]
    return [row.split(b'data-name="')[1].split(b'"')[0].decode() for row in rows]


pytestmark = pytest.mark.gen_test


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", "4 3 2 1 6 5 broken"),  # as they were taken, those without a date last
        ("?sort=-date", "5 6 1 2 3 4 broken"),
        ("?sort=-size", "6 5 4 3 2 1 broken"),
        ("?filter=V", "4 3 2 1"),
        ("?filter=V&filter=R&sort=name", "1 2 3 4 5 6"),
        ("?night=2017-12-20&filter=V", "4 3 2 1"),
        ("?night=2017-12-20&filter=R", ""),
        ("?filter=", "broken"),
        ("?exposure=60&q=FRAME_3", "3"),
        ("?kind=output", "film"),
        ("?kind=all&night=", "broken film"),
        ("?kind=%22%3E&sort=__class__&night=2017-12-20", "4 3 2 1"),  # what is not meant is left
        ("?exposure=x&exposure=NaN", ""),
        ("?from=5", "5 broken"),
        ("?from=500", ""),
    ],
)
async def test_a_page_shows_what_its_address_asks_for(query: str, names: str) -> None:
    numbers = [f"frame_{name}.fits" if name.isdigit() else name for name in names.split()]
    ends = {"broken": "broken.fits", "film": "film.webm"}
    assert await shown(query) == [ends.get(name, name) for name in numbers]


async def test_a_page_has_a_windowful_of_rows_and_leads_to_the_others() -> None:
    fakes = Fakes()
    for pk in range(1, frames.ROWS_SHOWN + 6):
        fakes.archive.keep(pk, f"{pk}.txt", b"x")
    async with fakes.serving() as client:
        first = await client.fetch("/targets/1/")
        assert len(re.findall(rb'<tr role="row" data-pk="\d+" data-name', first.body)) == 40
        [link] = re.findall(rb'id="more-products" href="([^"]+)"', first.body)
        rest = await client.fetch(f"/targets/1/{link.decode()}")
    assert len(re.findall(rb'<tr role="row" data-pk="\d+" data-name', rest.body)) == 5
    assert b'id="more-products"' not in rest.body


async def test_a_row_says_of_its_frame_what_choosing_it_needs() -> None:
    async with with_frames().serving() as client:
        page = await client.fetch("/targets/1/?kind=all")
    rows = dict(
        re.findall(r'data-pk="(\d+)" data-name="[^"]*" data-frame="([^"]+)"', page.body.decode())
    )
    assert json.loads(html.unescape(rows["1"])) == {
        "fits": {"date": NIGHT - 1, "width": 100, "height": 80},
        "problem": None,
    }
    assert "not a FITS file" in json.loads(html.unescape(rows["7"]))["problem"]
    assert "8" not in rows  # which has neither headers nor a problem


async def test_facets_are_counted_under_all_others() -> None:
    async with with_frames().serving() as client:
        page = (await client.fetch("/targets/1/?filter=V")).body.decode()
    filters = page.split('data-facet="filter"')[1].split("</details>")[0]
    assert "".join(filters.split(": V</b>")[1].split("Filter")[1].split()).count("checked") == 1
    assert '<span>R</span> <span class="figure faint">2</span>' in filters
    nights = page.split('data-facet="night"')[1].split("</details>")[0]
    assert "2017-12-21" not in nights
    assert '<span class="figure" data-slot="output">0</span>' in page


async def test_one_link_leads_to_the_frames_of_a_night_through_a_filter() -> None:
    async with with_frames().serving() as client:
        page = (await client.fetch("/targets/1/")).body.decode()
    links = [part.split('"')[0] for part in page.split('class="set" href="')[1:]]
    found = [parse_qs(link.replace("&amp;", "&").lstrip("?")) for link in links]
    assert {"night": ["2017-12-20"], "filter": ["V"]} in found


async def test_what_cannot_be_read_is_marked() -> None:
    async with with_frames().serving() as client:
        page = (await client.fetch("/targets/1/")).body.decode()
        [broken] = [
            frame
            for frame in json.loads((await client.fetch("/api/targets/1/frames/")).body)["frames"]
            if frame["problem"]
        ]
    assert broken["name"] == "broken.fits"
    assert f"Cannot be read: it {broken['problem']}" in page
    assert page.count("data-unreadable") == 1


async def test_the_newest_film_stands_above_the_files() -> None:
    async with with_frames().serving() as client:
        page = (await client.fetch("/targets/1/")).body.decode()
    film = page.index("<video")
    assert "/dataproducts/8/file/film.webm" in page[film : film + 200]
    assert film < page.index('id="processes"') < page.index('id="products"')


async def test_frames_of_an_unknown_target_are_not_found() -> None:
    async with with_frames().serving() as client:
        assert (await client.fetch("/api/targets/77/frames/")).code == 404
        assert (await client.fetch("/api/targets/99999999999/frames/")).code == 404


async def test_a_long_list_is_sorted_and_counted_off_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[int] = []

    class Watched(FrameList):
        def __init__(self, found: Sequence[Frame], wanted: Wanted) -> None:
            threads.append(threading.get_ident())
            super().__init__(found, wanted)

    monkeypatch.setattr(frames, "FrameList", Watched)
    async with with_frames().serving() as client:
        assert (await client.fetch("/targets/1/")).code == 200
    assert threads
    assert threading.get_ident() not in threads
