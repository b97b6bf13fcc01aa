"""What stands first on the page of a process, what differs between two runs, what a link shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from handlers.pages.processes.differences import INPUTS_NAMED, NONE, differences
from handlers.pages.processes.stage import output_groups, picture_of, stage_of
from server.core.records import Flag, State
from server.processes.receipt import Environment, Input, Receipt, RunFacts, Source, receipt_of
from tests.fakes.callers import bearer, identify_by_word
from tests.fakes.handler_fakes import Fakes
from tests.fakes.some_records import NOW, a_process
from tests.unit.handlers.test_shares import cookie_of, share, some_fakes

pytestmark = pytest.mark.gen_test


@pytest.fixture(autouse=True)
def callers(monkeypatch: pytest.MonkeyPatch) -> None:
    identify_by_word(monkeypatch)


ENDED: dict[str, Any] = {"state": State.SUCCEEDED, "status": "created", "terminal_timestamp": NOW}


def fields(pk: int, name: str, content_type: str = "text/plain", **fits: Any) -> dict[str, Any]:
    return {"pk": pk, "name": name, "content_type": content_type, "fits": fits or None}


TABLE = fields(1, "a.csv")
TEXT = fields(2, "notes.txt")
PICTURE = fields(3, "b.png", "image/png")
IMAGE = fields(4, "c.fits", width=100)
FILM = fields(5, "d.webm", "video/webm")
OTHER = fields(6, "e.bin", "application/octet-stream")
ALL = [TABLE, TEXT, PICTURE, IMAGE, FILM, OTHER]


def shown(outputs: list[dict[str, Any]], **changes: Any) -> tuple[str, int | None] | None:
    curves = changes.pop("curves", True)
    live = changes.pop("live", False)
    outputs_pks = [each["pk"] for each in outputs]
    record = a_process(**(ENDED | {"outputs": outputs_pks} | changes))
    stage = stage_of(record, outputs, curves=curves, live=live)
    return stage and (stage.kind, stage.product and stage.product["pk"])


def test_the_main_output_stands_first_else_film_curve_picture() -> None:
    assert shown(ALL) == ("video", 5)
    assert shown([FILM], process_type="timelapse", series=1) == ("film", 5)
    assert shown(ALL[:4], series=8) == ("curve", None)
    assert shown(ALL[:4], series=8, curves=False) == ("picture", 3)
    assert shown(ALL, main=1) == ("table", 1)
    assert shown(ALL, main=4) == ("picture", 4)
    assert shown(ALL, main="lightcurve", series=8) == ("curve", None)
    assert shown([TABLE, TEXT, OTHER]) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"main": 6},  # nothing that could be shown
        {"main": 99},  # deleted since
        {"main": "lightcurve"},  # of no measurement
        {"main": "lightcurve", "series": 8, "curves": False},  # for one who may not see it
    ],
)
def test_a_main_output_that_cannot_be_shown_counts_as_none(changes: dict[str, Any]) -> None:
    assert shown(ALL, **changes) == ("video", 5)


def test_before_the_end_it_is_what_the_run_shows() -> None:
    waiting = {"state": State.QUEUED, "terminal_timestamp": None}
    running = {"state": State.RUNNING, "terminal_timestamp": None}
    assert shown([], **waiting) is None
    assert shown([], **running) is None
    assert shown([], **running, live=True) == ("live", None)
    assert shown([], **waiting, process_type="timelapse") == ("film", None)
    assert shown(ALL, state=State.FAILED) is None


def test_all_pictures_can_be_chosen_and_the_main_one_comes_first() -> None:
    record = a_process(outputs=[3, 4], main=4, **ENDED)
    stage = stage_of(record, ALL[:4], curves=True, live=False)
    assert stage is not None
    assert [each["pk"] for each in stage.pictures] == [4, 3]
    assert picture_of(record, ALL[:4]) == IMAGE
    animation = fields(7, "f.gif", "image/gif")
    assert picture_of(a_process(outputs=[7, 3], main=7, **ENDED), [animation, PICTURE]) == PICTURE
    assert picture_of(a_process(outputs=[1], main=1, **ENDED), [TABLE]) is None
    assert picture_of(a_process(outputs=[1, 3], main=1, **ENDED), [TABLE, PICTURE]) == PICTURE


def test_outputs_are_grouped_by_what_they_are() -> None:
    groups = [
        (group.heading, [each["pk"] for each in group.products]) for group in output_groups(ALL)
    ]
    assert groups == [
        ("Pictures", [3, 4, 5]),
        ("Tables", [1]),
        ("Texts", [2]),
        ("Other files", [6]),
    ]
    assert output_groups([]) == []


def a_receipt(
    inputs: list[Input] | None = None,
    packages: dict[str, str] | None = None,
    sha256: str | None = "ab" * 32,
    **changes: Any,
) -> Receipt:
    environment = Environment("3.11.7", "linux x86_64", packages or {"numpy": "2.4.6"})
    facts = RunFacts(inputs or [], environment, Source("a.B", "a.py", sha256))
    record = a_process(attempt=1, started=NOW + 1, **(ENDED | changes))
    return receipt_of(record, None if inputs is None else facts.to_text())


def test_equal_receipts_do_not_differ_whatever_they_took() -> None:
    assert differences(a_receipt([]), a_receipt([], terminal_timestamp=NOW + 99), {}) == []


def test_flags_inputs_source_and_packages_that_differ_are_named() -> None:
    one = a_receipt(
        [Input(1, "a.fits", 1, "x"), Input(2, "b.fits", 1, "y")],
        {"numpy": "1", "av": "2"},
        flags={"deep": True, "same": True, "old": False},
    )
    other = a_receipt(
        [Input(1, "a.fits", 1, "x"), Input(3, "b.fits", 1, "z")],
        {"numpy": "2", "scipy": "3"},
        sha256="cd" * 32,
        flags={"deep": False, "same": True},
        submitted_by="ana",
    )
    found = {each.name: (each.one, each.other) for each in differences(
        one, other, {"deep": Flag(False, "Search for faint sources")}
    )}  # fmt: skip
    assert found == {
        "Deep": ("on", "off"),
        "Old": ("off", NONE),
        "Inputs of this run only": ("b.fits", "b.fits"),
        "Source": ("a.py abababababab", "a.py cdcdcdcdcdcd"),
        "av": ("2", "not installed"),
        "numpy": ("1", "2"),
        "scipy": ("not installed", "3"),
        "Submitted by": (NONE, "ana"),
    }


def test_many_inputs_are_counted_and_unknown_ones_said() -> None:
    many = [Input(pk, f"{pk}.fits", 1, "x") for pk in range(1, INPUTS_NAMED + 8)]
    [inputs] = differences(a_receipt(many), a_receipt([]), {})
    assert inputs.one.endswith(f", {INPUTS_NAMED}.fits and 7 more")
    unknown = {each.name: each for each in differences(a_receipt(many), a_receipt(), {})}
    assert unknown["Inputs"].other == "not known"


async def test_two_runs_are_shown_side_by_side_and_unknown_ones_are_404() -> None:
    fakes = Fakes()
    fakes.archive.keep(61, "a <b>.png", b"x", content_type="image/png", process=51)
    fakes.processes.records = {
        51: a_process(51, outputs=[61], flags={"deep": True}, **ENDED),
        52: a_process(52, **ENDED),
    }
    async with fakes.serving() as client:
        page = await client.fetch("/processes/51/compare/52/", headers=bearer("viewer"))
        assert page.code == 200
        assert b"/dataproducts/61/preview.png?size=1024" in page.body
        assert b"a &lt;b&gt;.png" in page.body
        assert b"It has no picture to compare." in page.body
        assert b'<th scope="row">Deep</th><td>on</td>' in page.body
        for path in ("/processes/51/compare/99/", "/processes/99/compare/51/"):
            assert (await client.fetch(path, headers=bearer("viewer"))).code == 404


async def test_a_shared_page_has_a_picture_for_other_sites_and_others_have_none(
    tmp_path: Path,
) -> None:
    fakes = some_fakes(tmp_path, outputs=[63])
    fakes.archive.keep(63, "film.webm", b"film", content_type="video/webm", process=51)
    async with fakes.serving() as client:
        url = await share(client)
        opened = await client.fetch(url)
        image = (
            f'<meta property="og:image" content="http://127.0.0.1:{client.port}{url}preview.png">'
        )
        assert image.encode() in opened.body
        assert b'<meta property="og:title" content="M13: Dummy">' in opened.body
        own = await client.fetch("/processes/51", headers={"Cookie": cookie_of(opened)})
        assert b'property="og:' not in own.body
        picture = await client.fetch(f"{url}preview.png")  # without a cookie
        assert (picture.code, picture.body) == (200, b"\x89PNG")
        assert picture.headers["Content-Type"] == "image/png"
        assert "noindex" in picture.headers["X-Robots-Tag"]
        again = {"If-None-Match": picture.headers["Etag"]}
        assert (await client.fetch(f"{url}preview.png", headers=again)).code == 304


async def test_the_picture_of_a_link_is_that_of_the_main_output(tmp_path: Path) -> None:
    fakes = some_fakes(tmp_path, outputs=[62, 63], main=63)
    for pk in (62, 63):
        fakes.archive.keep(pk, f"{pk}.png", b"png", content_type="image/png", process=51)
    async with fakes.serving() as client:
        picture = await client.fetch(f"{await share(client)}preview.png")
        assert (picture.code, picture.body) == (200, b"\x89PNG")


async def test_a_link_without_a_picture_or_that_is_not_good_shows_none(tmp_path: Path) -> None:
    fakes = some_fakes(tmp_path)
    async with fakes.serving() as client:
        url = await share(client)
        assert b"og:image" not in (await client.fetch(url)).body
        assert (await client.fetch(f"{url}preview.png")).code == 404
        assert (await client.fetch("/shared/made-up/preview.png")).code == 404
