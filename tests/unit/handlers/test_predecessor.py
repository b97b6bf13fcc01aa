"""The URLs of tom_education: its form and its answers, its photometry, its bookmarks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
from tornado.httpclient import HTTPResponse

from handlers.pages.predecessor import target_data
from server.archive.light_curves import Row
from server.core.errors import Conflict, InvalidInput, QueueFull
from server.core.records import DataProductGroup, Flag, PipelineDescription
from tests.fakes.callers import bearer, identify_by_word
from tests.fakes.handler_fakes import Client, Fakes, json_of
from tests.fakes.some_records import NOW, a_process, a_target

pytestmark = pytest.mark.gen_test

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FLAGS = {"deep": Flag(True, "Deep"), "fast": Flag(False, "Fast")}


def some_fakes(**settings: Any) -> Fakes:
    fakes = Fakes()
    fakes.configure(**settings)
    for pk in (7, 8, 9):
        fakes.archive.keep(pk, f"frame{pk}.fits", b"x", target=1 if pk < 9 else 2)
    fakes.processes.pipelines = {
        "mypip": PipelineDescription(name="mypip", path="a.B", flags=FLAGS)
    }
    group = DataProductGroup(pk=71, created=NOW, name="mygroup", products=[])
    fakes.archive.stored_groups[71] = group
    return fakes


async def post(client: Client, path: str, **options: Any) -> HTTPResponse:
    fields = options.pop("fields")
    body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
    headers = FORM | options.pop("headers", {})
    return await client.fetch(path, "POST", body=body, headers=headers, **options)


async def submit(client: Client, **fields: str) -> HTTPResponse:
    return await post(client, "/targets/1/data/", fields=fields)


SENT = {"action": "pipeline", "pipeline_name": "mypip"}


@pytest.mark.parametrize(
    ("given", "flags"),
    [
        ({}, {"deep": False, "fast": False}),
        ({"pipeline_flag_deep": "on"}, {"deep": True, "fast": False}),
        ({"pipeline_flag_fast": ""}, {"deep": False, "fast": True}),
        ({"pipeline_flag_fast": "false", "pipeline_flag_x": "on"}, {"deep": False, "fast": True}),
    ],
)
async def test_the_form_runs_a_pipeline_and_every_flag_starts_false(
    given: dict[str, str], flags: dict[str, bool]
) -> None:
    fakes = some_fakes()
    async with fakes.serving() as client:
        answer = await submit(client, **SENT, **{"8": "on", "7": "on"}, **given)
        assert (answer.code, json_of(answer)) == (200, {"ok": True})
    assert fakes.processes.calls == [("submit", 1, "mypip", [8, 7], flags, None)]


async def test_what_is_not_on_the_form_is_left_aside() -> None:
    fakes = some_fakes()
    fields = SENT | dict.fromkeys(("9", "99", "007", "8", "4294967297", "-7", "\u0667"), "on")
    fields |= {"7": "false", "csrfmiddlewaretoken": "x"}
    async with fakes.serving() as client:
        assert (await submit(client, **fields)).code == 200
    assert fakes.processes.calls[0][3] == [8]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"action": "pipeline", "7": "on"}, "No pipeline_name given"),
        (SENT | {"pipeline_name": "no'such", "7": "on"}, "Invalid pipeline name 'no'such'"),
        (SENT | {"action": "eat", "7": "on"}, "Invalid action 'eat'"),
        (SENT | {"action": "<script>", "7": "on"}, "Invalid action '<script>'"),
        ({"7": "on"}, "Invalid action ''"),
        (SENT, "No data product selected"),
        (SENT | {"9": "on"}, "No data product selected"),
        ({"action": "eat"}, "No data product selected"),
        ({}, "No data product selected"),
    ],
)
async def test_what_is_wrong_is_said_as_text_in_the_predecessors_words(
    fields: dict[str, str], said: str
) -> None:
    fakes = some_fakes()
    async with fakes.serving() as client:
        answer = await submit(client, **fields)
        assert (answer.code, answer.body.decode()) == (400, said)
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert fakes.processes.calls == []


async def test_what_a_submit_refuses_is_said_as_text() -> None:
    fakes = some_fakes()
    fakes.processes.fault = InvalidInput({"products": ["Error running pipeline File 'a'"]})
    async with fakes.serving() as client:
        answer = await submit(client, **SENT, **{"7": "on"})
        assert (answer.code, answer.body) == (400, b"products: Error running pipeline File 'a'")
        fakes.processes.fault = QueueFull(1)
        answer = await submit(client, **SENT, **{"7": "on"})
        assert (answer.code, answer.headers["Retry-After"]) == (503, "5")


@pytest.mark.parametrize(
    ("action", "page"),
    [("view_gallery", "/gallery/"), ("delete", "/dataproducts/deletemultiple/")],
)
async def test_the_other_actions_lead_to_their_pages(action: str, page: str) -> None:
    async with some_fakes().serving() as client:
        answer = await submit(client, action=action, **{"7": "on", "8": "on"})
        assert (answer.code, answer.headers["Location"]) == (302, f"{page}?product_pks=7%2C8")
        shown = await client.fetch(answer.headers["Location"])
        assert b"frame7.fits" in shown.body
        assert b"frame8.fits" in shown.body


async def test_the_form_is_bounded_and_of_one_type() -> None:
    async with some_fakes().serving() as client:
        many = urlencode(dict.fromkeys(range(1, 20_002), "on")).encode()
        answer = await post(client, "/targets/1/data/", fields=many)
        assert (answer.code, answer.body) == (400, b"A form of over 20,000 fields.")
        big = await post(client, "/targets/1/data/", fields=b"a=" + b"x" * 1024**2)
        assert big.code == 413
        json = {"Content-Type": "application/json"}
        assert (await post(client, "/targets/1/data/", fields=b"{}", headers=json)).code == 415
        assert (await post(client, "/targets/1/data/", fields=b"\xff\xfe=%ff&7=on")).code == 400
        assert (await post(client, "/targets/99/data/", fields=SENT)).code == 404
        assert (await post(client, "/targets/1/data", fields=SENT)).code == 404
        assert (await client.fetch("/targets/1/data/", "PUT", body=b"")).code == 405


async def test_who_may_do_what(monkeypatch: pytest.MonkeyPatch) -> None:
    identify_by_word(monkeypatch)
    fakes = some_fakes()
    ways = {
        "/targets/1/data/": SENT | {"7": "on"},
        "/gallery/": {"product_pks": "7", "7": "on", "group": "71"},
        "/dataproducts/deletemultiple/": {"product_pks": "7"},
    }
    codes = {}
    async with fakes.serving() as client:
        for path, fields in ways.items():
            for role in ("viewer", "operator", "admin"):
                answer = await post(client, path, fields=fields, headers=bearer(role))
                codes[path, role] = answer.code
            assert (await post(client, path, fields=fields)).code == 401
            foreign = bearer("admin") | {"Origin": "http://evil.example"}
            assert (await post(client, path, fields=fields, headers=foreign)).code == 403
        page = await client.fetch("/gallery/?product_pks=7", headers=bearer("viewer"))
        assert b"<select" not in page.body
        page = await client.fetch(
            "/dataproducts/deletemultiple/?product_pks=7", headers=bearer("operator")
        )
        assert b"deletemultiple" not in page.body.partition(b"<main")[2]
    assert codes == {
        ("/targets/1/data/", "viewer"): 403,
        ("/targets/1/data/", "operator"): 200,
        ("/targets/1/data/", "admin"): 200,
        ("/gallery/", "viewer"): 403,
        ("/gallery/", "operator"): 302,
        ("/gallery/", "admin"): 302,
        ("/dataproducts/deletemultiple/", "viewer"): 403,
        ("/dataproducts/deletemultiple/", "operator"): 403,
        ("/dataproducts/deletemultiple/", "admin"): 409,  # it is needed
    }


class Curve:
    """A light curve whose rows come a run at a time, the newest first."""

    def __init__(self, *runs: list[Row]) -> None:
        self.runs = runs

    async def all(self, _target: int) -> AsyncIterator[list[Row]]:
        for run in self.runs:
            yield run


def row(time: float, magnitude: float | None, error: float | None = None, **more: Any) -> Row:
    return Row(time, magnitude, error, None, 51, **more)


async def test_the_photometry_is_csv_by_time_without_a_header() -> None:
    fakes = some_fakes()
    fakes.archive.stored_targets[1] = a_target(name="M 13.5")
    fakes.archive.light_curves = Curve(  # type: ignore[assignment]
        [row(58000.25, 12.5), row(58002, 13, 0.1)],
        [row(58001.500005787037, 14.25, 0.01), row(57999, None, flux=3.5)],
        [row(57990, 19.5, limit=True), row(1e9, 15.0)],
    )
    async with fakes.serving() as client:
        answer = await client.fetch("/targets/1/data/download/")
        assert answer.body.decode() == (
            "2017-09-04T06:00:00+00:00,12.5,\r\n"
            "2017-09-05T12:00:00.500000+00:00,14.25,0.01\r\n"
            "2017-09-06T00:00:00+00:00,13,0.1\r\n"
            "MJD 1000000000.0,15.0,\r\n"
        )
        assert answer.headers["Content-Type"] == "text/csv"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="M_13_5.csv"'
        head = await client.fetch("/targets/1/data/download/", "HEAD")
        assert (head.code, head.body) == (200, b"")
        assert (await client.fetch("/targets/99/data/download/")).code == 404


async def test_more_than_can_be_sorted_is_sent_as_it_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(target_data, "MOST_SORTED", 2)
    fakes = some_fakes()
    fakes.archive.light_curves = Curve(  # type: ignore[assignment]
        *([row(58000 + each, 12.0 + each)] for each in (3, 1, 2, 0))
    )
    async with fakes.serving() as client:
        answer = await client.fetch("/targets/1/data/download/")
        lines = answer.body.decode().splitlines()
        assert [line.split(",")[1] for line in lines] == ["15.0", "13.0", "14.0", "12.0"]


async def test_old_addresses_lead_to_what_they_stand_for() -> None:
    fakes = some_fakes(http={"prefix": "/obs"})
    fakes.archive.old_urls.paths = {
        "M 13/none/a b.fits": (7, True),
        "é Cen/none/é.fits": (8, False),
    }
    async with fakes.serving() as client:
        ways = {
            "/targets/1/data/": (302, "/obs/targets/1/"),
            "/data/M%2013/none/a%20b.fits": (301, "/obs/dataproducts/7/file/frame7.fits"),
            "/data/%C3%A9%20Cen/none/%C3%A9.fits": (302, "/obs/dataproducts/8/file/frame8.fits"),
        }
        for path, expected in ways.items():
            answer = await client.fetch(f"/obs{path}")
            assert (answer.code, answer.headers["Location"]) == expected
        for path in ("/data/", "/data/x", "/data/%FF/none/a", "/data/../etc/passwd"):
            assert (await client.fetch(f"/obs{path}")).code == 404


async def test_a_pk_that_has_changed_leads_to_the_record_and_one_that_is_there_does_not() -> None:
    fakes = some_fakes()
    fakes.processes.records = {51: a_process(51), 52: a_process(52, process_type="timelapse")}
    kinds = ("target", "dataproduct", "group", "processes")
    fakes.archive.old_urls.renumbered = {
        ("target", 5): 1,
        ("dataproduct", 5): 7,
        ("group", 5): 71,
        ("processes", 5): 51,
        ("processes", 6): 52,
        **{(kind, 4): 444 for kind in kinds},  # deleted since
        **dict.fromkeys(zip(kinds, (1, 7, 71, 51), strict=True), 4),
    }
    ways = {
        "/targets/5/?kind=all": "/targets/1/?kind=all",
        "/targets/5/data/": "/targets/1/",
        "/targets/5/data/download/": "/targets/1/data/download/",
        "/dataproducts/5/": "/dataproducts/7/",
        "/dataproducts/data/group/5/": "/dataproducts/data/group/71/",
        "/pipeline/5": "/pipeline/51",
        "/pipeline/6": "/processes/52",
    }
    async with fakes.serving() as client:
        for path, expected in ways.items():
            answer = await client.fetch(path)
            assert (answer.code, answer.headers.get("Location")) == (301, expected), path
            assert (await client.fetch(path.replace("5", "4").replace("6", "4"))).code == 404
            assert (await client.fetch(path.replace("5", "3").replace("6", "3"))).code == 404
        for path in (
            "/targets/1/",
            "/dataproducts/7/",
            "/dataproducts/data/group/71/",
            "/pipeline/51",
        ):
            assert (await client.fetch(path)).code == 200, path
        assert (await post(client, "/targets/5/data/", fields=SENT | {"7": "on"})).code == 404


async def test_the_page_of_a_timelapse_was_that_of_a_pipeline_only_on_an_old_site() -> None:
    fakes = some_fakes()
    fakes.processes.records = {52: a_process(52, process_type="timelapse")}
    async with fakes.serving() as client:
        assert (await client.fetch("/pipeline/52")).code == 404
        fakes.archive.old_urls.kept = {("processes", 52)}
        answer = await client.fetch("/pipeline/52")
        assert (answer.code, answer.headers["Location"]) == (301, "/processes/52")


async def test_the_gallery_puts_what_is_ticked_into_a_group() -> None:
    fakes = some_fakes()
    async with fakes.serving() as client:
        assert b"No data products provided" in (await client.fetch("/gallery/")).body
        page = await client.fetch("/gallery/?product=7&product=8,99")
        assert b"frame8.fits" in page.body
        assert b"1 that the address names is not there any more" in page.body
        fields = {"product_pks": "7,8", "group": "71", "8": "on", "9": "on"}
        answer = await post(client, "/gallery/", fields=fields)
        assert (answer.code, answer.headers["Location"]) == (302, "/dataproducts/data/group/71/")
        for wrong in ({"group": "99"}, {"group": ""}, {"group": "x"}, {"8": ""}):
            assert (await post(client, "/gallery/", fields=fields | wrong)).code == 400, wrong
        many = ",".join(map(str, range(1, 300)))
        for query in ("product_pks=a", "product=1;2", f"product_pks={many}"):
            assert (await client.fetch(f"/gallery/?{query}")).code == 400


async def test_many_are_deleted_one_by_one_and_the_first_that_is_needed_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fakes = some_fakes()
    deleted: list[int] = []

    async def delete(pk: int) -> None:
        if pk == 8:
            raise Conflict("frame8.fits is needed by process 51, which has not ended")
        deleted.append(pk)

    monkeypatch.setattr(fakes.archive.products, "delete", delete)
    path = "/dataproducts/deletemultiple/"
    async with fakes.serving() as client:
        page = await client.fetch(f"{path}?product_pks=7,9&next=//evil.example/")
        assert b'name="product_pks" value="7,9"' in page.body
        assert b"evil" not in page.body
        answer = await post(client, path, fields={"product_pks": "7,99", "next": "/targets/1/"})
        assert (answer.code, answer.headers["Location"]) == (302, "/targets/1/")
        answer = await post(
            client, path, fields={"product_pks": "9", "next": "http://evil.example"}
        )
        assert (answer.code, answer.headers["Location"]) == (302, "/")
        answer = await post(client, path, fields={"product_pks": "7,8,9"})
        assert answer.code == 409
        assert b"frame8.fits is needed by process 51" in answer.body
        for wrong in ("", "a", ",".join(map(str, range(1, 1_002)))):
            assert (await post(client, path, fields={"product_pks": wrong})).code == 400
    assert deleted == [7, 9, 7]
