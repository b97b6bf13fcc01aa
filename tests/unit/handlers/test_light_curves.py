"""Light curves over HTTP: files for the AAVSO, points that are left out, searches for a period."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tornado.iostream import IOStream
from tornado.tcpclient import TCPClient

from handlers.api.light_curves import aavso, periodogram
from runners.tables.curve import Point, curve_of
from runners.tables.formats import parse
from server.archive.light_curves import Row
from server.core.errors import InvalidInput, NotExamined
from tests.fakes.callers import bearer, identify_by_word
from tests.fakes.handler_fakes import Fakes, json_of

pytestmark = pytest.mark.gen_test

PATH = "/api/targets/1/lightcurve/"
SEARCH = f"{PATH}periodogram/"
ROWS = [
    Row(59000.25, 12.5, 0.01, "V", 4, number=1),
    Row(59001.25, 14.25, None, "V", 4, limit=True, number=2),
    Row(59002.25, 11.0, 0.02, "rp", 4, number=3, left_out=True),
    Row(59003.25, None, 0.1, None, None, product=7, flux=99.5, number=4),
    Row(59004.25, 12.75, None, None, 4, number=5),
]


class Curves:
    """A light curve of these rows."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.changes: list[tuple[int, set[int], bool]] = []

    async def all(self, _target: int, *, left_out: bool = True) -> AsyncIterator[list[Row]]:
        yield [row for row in self.rows if left_out or row.left_out is not True]

    async def has_imports(self, _target: int) -> bool:
        return True

    async def leave_out(self, target: int, numbers: set[int], left_out: bool) -> int:
        if missing := numbers - {cast(int, row.number) for row in self.rows}:
            raise InvalidInput.of("points", f"There is no point {missing.pop()}")
        self.changes.append((target, numbers, left_out))
        return len(numbers)


def some_fakes(folder: Path, rows: list[Row] | None = None) -> tuple[Fakes, Curves]:
    fakes, curves = Fakes(folder), Curves(ROWS if rows is None else rows)
    fakes.archive.light_curves = cast(Any, curves)
    return fakes, curves


def points_in(text: str) -> list[Point]:
    """Return the points that our own reader of tables finds."""
    table = parse(text, "aavso.txt")
    curve = curve_of(table)
    assert curve is not None
    return [each for each in curve.read(table.rows) if isinstance(each, Point)]


async def test_a_file_for_the_aavso_is_read_back_as_the_same_points(tmp_path: Path) -> None:
    fakes, _ = some_fakes(tmp_path)
    async with fakes.serving() as client:
        answer = await client.fetch(f"{PATH}?format=aavso&observer=XYZ&observation_type=DSLR")
    text = answer.body.decode()
    assert text.splitlines()[:2] == ["#TYPE=EXTENDED", "#OBSCODE=XYZ"]
    assert "#DATE=JD\n#OBSTYPE=DSLR\n#NAME,DATE,MAG,MERR,FILT,TRANS,MTYPE,CNAME," in text
    assert text.splitlines()[-1].startswith("# Without 1 measurement")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert points_in(text) == [
        (59000.25, 12.5, 0.01, "V", False, None),
        (59001.25, 14.25, None, "V", True, None),
        (59004.25, 12.75, None, None, False, None),
    ]
    assert ",<14.25,na,V," in text


async def test_what_is_left_out_is_in_files_only_if_it_is_asked_for(tmp_path: Path) -> None:
    fakes, _ = some_fakes(tmp_path)
    async with fakes.serving() as client:
        text = (await client.fetch(f"{PATH}?format=aavso&left_out=true")).body.decode()
        without = (await client.fetch(f"{PATH}?format=csv")).body.decode()
        whole = (await client.fetch(f"{PATH}?format=csv&left_out=true")).body.decode()
    assert (59002.25, 11.0, 0.02, "SR", False, None) in points_in(text)
    assert [row["time"] for row in csv.DictReader(without.splitlines())] == [
        str(row.time) for row in ROWS if row.left_out is not True
    ]
    assert [row["left_out"] for row in csv.DictReader(whole.splitlines())].count("True") == 1


async def test_no_text_in_a_file_is_a_formula_for_a_spreadsheet(tmp_path: Path) -> None:
    names = ["=1+1", "+x", "-x", "@SUM(A1)", "-", "V", None]
    rows = [Row(59000.0 + i, 12.0, None, name, 4, number=i + 1) for i, name in enumerate(names)]
    fakes, _ = some_fakes(tmp_path, rows)
    async with fakes.serving() as client:
        text = (await client.fetch(f"{PATH}?format=csv")).body.decode()
    assert [row["filter"] for row in csv.DictReader(text.splitlines())] == [
        *("'=1+1", "'+x", "'-x", "'@SUM(A1)", "-", "V", "")
    ]
    assert aavso.line("=-#cmd|' /C calc'!A0", rows[0]).startswith("cmd|' /C calc'!A0,2459000.5")


@pytest.mark.parametrize("query", ["observer=A,B", "observer=12345678901", "observation_type=EYE"])
async def test_what_the_aavso_does_not_take_is_refused(tmp_path: Path, query: str) -> None:
    fakes, _ = some_fakes(tmp_path)
    async with fakes.serving() as client:
        answer = await client.fetch(f"{PATH}?format=aavso&{query}")
    assert (answer.code, list(json_of(answer))) == (400, [query.partition("=")[0]])


@settings(max_examples=50)
@example(name='#"A,B\n', filter='%"')
@given(name=st.text(max_size=40), filter=st.text(min_size=1, max_size=20))
def test_no_name_of_a_target_or_a_filter_breaks_a_line(name: str, filter: str) -> None:
    line = aavso.line(name, Row(59000.25, -7.25, 0.5, filter, 4))
    assert line.count("\n") == len(line.splitlines()) == 1
    assert line.count(",") == len(aavso.COLUMNS) - 1
    assert not line.startswith("#")
    [point] = points_in(aavso.header(None, "CCD") + line)
    assert point[:3] == (59000.25, -7.25, 0.5)


async def test_points_are_left_out_by_their_numbers(tmp_path: Path) -> None:
    fakes, curves = some_fakes(tmp_path)
    async with fakes.serving() as client:

        async def patch(body: str) -> tuple[int, Any]:
            answer = await client.fetch(
                PATH, "PATCH", body=body, headers={"Content-Type": "application/json"}
            )
            return answer.code, json_of(answer)

        assert await patch('{"points": [1, 3, 3], "left_out": true}') == (200, {"changed": 2})
        assert await patch('{"points": [1], "left_out": false}') == (200, {"changed": 1})
        for body in (
            '{"points": [1]}',
            '{"points": [], "left_out": true}',
            '{"points": [0], "left_out": true}',
            '{"points": [true], "left_out": true}',
            '{"points": [1.5], "left_out": true}',
            '{"points": "1", "left_out": true}',
            '{"points": [1], "left_out": 1}',
            '{"points": [9], "left_out": true}',
            f'{{"points": {[1] * 20_001}, "left_out": true}}',
        ):
            assert (await patch(body))[0] == 400, body[:60]
    assert curves.changes == [(1, {1, 3}, True), (1, {1}, False)]


async def test_viewers_leave_nothing_out_but_may_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identify_by_word(monkeypatch)
    fakes, curves = some_fakes(tmp_path)
    body = '{"points": [1], "left_out": true}'
    async with fakes.serving() as client:
        headers = bearer("viewer") | {"Content-Type": "application/json"}
        answer = await client.fetch(PATH, "PATCH", body=body, headers=headers)
        assert answer.code == 403
        assert (await client.fetch(SEARCH, headers=bearer("viewer"))).code == 200
        headers = bearer("operator") | {"Content-Type": "application/json"}
        assert (await client.fetch(PATH, "PATCH", body=body, headers=headers)).code == 200
    assert len(curves.changes) == 1


async def test_a_search_has_the_detections_that_are_not_left_out(tmp_path: Path) -> None:
    fakes, _ = some_fakes(tmp_path)
    async with fakes.serving() as client:
        assert (await client.fetch(SEARCH)).code == 200
        await client.fetch(f"{SEARCH}?minimum=.1&maximum=2e1&left_out=true&filter=rp")
        await client.fetch(f"{SEARCH}?quantity=flux&filter=")
    [whole, red, flux] = fakes.searches
    assert whole == (
        {
            "time": [59000.25, 59004.25],
            "value": [12.5, 12.75],
            "error": [0.01, None],
            "filter": ["V", None],
        },
        {"minimum": None, "maximum": None},
    )
    assert (red[0]["value"], red[1]) == ([11.0], {"minimum": 0.1, "maximum": 20.0})
    assert flux[0]["value"] == [99.5]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("minimum=0", "minimum"),
        ("minimum=nan", "minimum"),
        ("minimum=-1", "minimum"),
        ("minimum=inf", "minimum"),
        ("minimum=0x1", "minimum"),
        ("maximum=1e-99", "maximum"),
        ("maximum=1e99", "maximum"),
        ("maximum=" + "9" * 400, "maximum"),
        ("minimum=2&maximum=1", "maximum"),
        ("minimum=2&maximum=2", "maximum"),
        ("quantity=colour", "quantity"),
        ("left_out=2", "left_out"),
    ],
)
async def test_a_search_that_makes_no_sense_is_refused(
    tmp_path: Path, query: str, field: str
) -> None:
    fakes, _ = some_fakes(tmp_path)
    async with fakes.serving() as client:
        answer = await client.fetch(f"{SEARCH}?{query}")
    assert (answer.code, list(json_of(answer))) == (400, [field])
    assert fakes.searches == []


async def test_too_many_points_and_too_many_searches_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes, _ = some_fakes(tmp_path)
    async with fakes.serving() as client:
        with monkeypatch.context() as patch:
            patch.setattr(periodogram, "MOST_POINTS", 1)
            answer = await client.fetch(SEARCH)
            assert answer.code == 400
            assert "too many for a search: choose one filter" in json_of(answer)["detail"]
        with monkeypatch.context() as patch:
            patch.setattr(periodogram, "MOST_SEARCHES", 0)
            answer = await client.fetch(SEARCH)
            assert (answer.code, bool(answer.headers["Retry-After"])) == (503, True)
        fakes.draw_fault = NotExamined("The search took too long")
        assert (await client.fetch(SEARCH)).code == 503
        fakes.draw_fault = None
        assert (await client.fetch(SEARCH)).code == 200


async def test_a_search_stops_when_its_client_goes(tmp_path: Path) -> None:
    fakes, _ = some_fakes(tmp_path)
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def endless(*_given: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    fakes.search_period = endless  # type: ignore[method-assign]
    async with fakes.serving() as client, asyncio.timeout(20):
        stream: IOStream = await TCPClient().connect("127.0.0.1", client.port)
        await stream.write(f"GET {SEARCH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        await begun.wait()
        stream.close()
        await stopped.wait()
        while periodogram.PeriodogramHandler._searches:
            await asyncio.sleep(0.01)
