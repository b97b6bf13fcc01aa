"""The pages: how often they ask the archive, and what they show when it cannot answer."""

from __future__ import annotations

import pytest

from handlers.pages.targets import ACTIVE_SHOWN, ROWS_AT_ONCE
from server.core.errors import DatabaseAway
from server.core.records import State
from tests.fakes.handler_fakes import Fakes
from tests.fakes.some_records import a_process, a_target

pytestmark = pytest.mark.gen_test

INPUTS, OUTPUTS = list(range(1, 131)), [201, 202]


def with_many_products() -> Fakes:
    fakes = Fakes()
    for pk in (*INPUTS, *OUTPUTS):
        fakes.archive.keep(pk, f"frame-{pk:03}.fits", b"x")
    fakes.processes.records[51] = a_process(
        51, state=State.SUCCEEDED, products=INPUTS, outputs=OUTPUTS, terminal_timestamp=1.5
    )
    return fakes


async def test_the_page_of_a_process_asks_once_for_all_its_products() -> None:
    fakes = with_many_products()
    async with fakes.serving() as client:
        page = await client.fetch("/pipeline/51")
    assert page.code == 200
    shown = [*INPUTS[:100], *OUTPUTS]
    assert fakes.archive.calls == [("existing", shown), ("product_fields", shown)]
    assert all(f"frame-{pk:03}.fits".encode() in page.body for pk in shown)
    assert b"and 30 more" in page.body
    assert b"frame-101.fits" not in page.body


async def test_the_page_of_a_process_leaves_deleted_products_out() -> None:
    fakes = with_many_products()
    del fakes.archive.stored_products[2]
    async with fakes.serving() as client:
        page = await client.fetch("/processes/51")
    assert page.code == 200
    assert b"frame-001.fits" in page.body
    assert b"frame-002.fits" not in page.body


async def test_a_product_that_is_both_input_and_output_is_listed_twice() -> None:
    fakes = with_many_products()
    fakes.processes.records[51] = a_process(51, products=[1], outputs=[1])
    async with fakes.serving() as client:
        page = await client.fetch("/processes/51")
    assert page.body.count(b">frame-<wbr>001.<wbr>fits<wbr></a>") == 2


@pytest.mark.parametrize("path", ["/processes/51", "/dataproducts/1/"])
async def test_a_page_without_the_database_is_503_in_html(path: str) -> None:
    fakes = with_many_products()
    fakes.archive.read_fault = DatabaseAway()
    async with fakes.serving() as client:
        page = await client.fetch(path)
    assert page.code == 503
    assert int(page.headers["Retry-After"]) > 0
    assert page.headers["Content-Type"].startswith("text/html")
    assert b"The database is away" in page.body


async def test_the_second_address_of_a_process_is_for_pipelines_only() -> None:
    fakes = Fakes()
    fakes.processes.records[52] = a_process(52, process_type="timelapse")
    async with fakes.serving() as client:
        assert (await client.fetch("/pipeline/52")).code == 404
        assert (await client.fetch("/processes/52")).code == 200


async def test_the_rows_of_the_targets_ask_a_few_at_a_time() -> None:
    fakes = Fakes()
    fakes.archive.stored_targets = {pk: a_target(pk) for pk in range(1, 51)}
    async with fakes.serving() as client:
        page = await client.fetch("/")
    assert page.code == 200
    assert page.body.count(b"data-running=") == 50
    assert 1 < fakes.archive.most_at_once <= ROWS_AT_ONCE


@pytest.mark.parametrize("path", ["/", "/processes/51", "/dataproducts/1/", "/nowhere/"])
async def test_each_page_says_that_the_disk_is_full(path: str) -> None:
    fakes = with_many_products()
    async with fakes.serving() as client:
        assert b"disk is full" not in (await client.fetch(path)).body
        fakes.disk_problem = "The disk is full <here>"
        page = await client.fetch(path)
    assert b"The disk is full &lt;here&gt;" in page.body


async def test_the_page_of_an_ended_process_says_how_large_its_log_is() -> None:
    fakes = with_many_products()
    async with fakes.serving() as client:
        fields = fakes.processes.fields
        fakes.processes.fields = lambda record: (
            fields(record)
            | {  # type: ignore[method-assign]
                "terminal_timestamp": 3.5,
                "log_bytes": 49_000_000,
            }
        )
        fakes.processes.records[51] = a_process(51, state=State.SUCCEEDED, terminal_timestamp=3.5)
        page = await client.fetch("/processes/51")
    assert b"49.0 MB, 4.3 MB on disk" in page.body


@pytest.mark.gen_test
async def test_a_long_queue_hides_nothing_that_runs_from_the_list_of_targets() -> None:
    fakes = Fakes()
    ended = {"terminal_timestamp": None}
    fakes.processes.records = {1: a_process(1, pipeline="Old", state=State.RUNNING, **ended)}
    for pk in range(2, ACTIVE_SHOWN + 3):
        fakes.processes.records[pk] = a_process(pk, pipeline="New", state=State.QUEUED, **ended)
    async with fakes.serving() as client:
        page = (await client.fetch("/")).body.decode()
    cell = page.partition('<td data-running="1">')[2].partition("</td>")[0]
    assert 'data-state="running"' in cell
    assert ">Old</a>" in cell
    assert "and 200+ more" in cell
