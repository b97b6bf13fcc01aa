"""Measurements on a real database, and the light curve of a target over HTTP."""

from __future__ import annotations

import asyncio
import csv
import io
import math
from typing import Any

import pytest

from server.archive.light_curves import CHUNK_ROWS, PAGE_CHUNKS
from server.core.errors import InvalidInput
from server.core.records import ProcessRecord, Target
from tests.integration.archive.archive_bench import Bench, bench
from tests.integration.conftest import Client

__all__ = ["bench"]


async def publish(bench: Bench, target: Target, name: str, count: int) -> ProcessRecord:
    """End a run with this many measurements and no file; return its record."""
    run = await bench.run(target.pk, name)
    published = await bench.archive.outputs.publish(run, [bench.measurements(run, count)])
    assert (published.products, published.group) == ([], None)
    await bench.end(run, [], None, published.series)
    await bench.archive.outputs.confirm(published)
    return run


async def test_pages_of_any_size_hold_each_measurement_once(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    await publish(bench, target, "first", CHUNK_ROWS + 3)
    await publish(bench, target, "second", 2)
    whole = (await bench.archive.light_curves.page(target.pk, limit=10_000)).rows
    assert len(whole) == CHUNK_ROWS + 5
    assert b'"time":58001.0,"magnitude":12.01,"error":0.01,"filter":"V","process":2' in whole[0]
    for limit in (1, 2, 400, CHUNK_ROWS, CHUNK_ROWS + 5):
        rows: list[bytes] = []
        before: int | None = None
        for _ in range(50):
            page = await bench.archive.light_curves.page(target.pk, before=before, limit=limit)
            assert len(page.rows) <= limit
            rows += page.rows
            before = page.next
            if before is None:
                break
        assert rows == whole[: 50 * limit]
    streamed = [row async for rows in bench.archive.light_curves.all(target.pk) for row in rows]
    assert [row.time for row in streamed] == [
        58001.0,
        58000.0,
        *(58000.0 + day for day in reversed(range(CHUNK_ROWS + 3))),
    ]


async def test_only_what_the_record_names_is_shown(runner: asyncio.Runner, bench: Bench) -> None:
    target = await bench.target()
    run = await bench.run(target.pk)
    published = await bench.archive.outputs.publish(run, [bench.measurements(run, 5)])
    page = await bench.archive.light_curves.page(target.pk, limit=10)
    assert (page.rows, page.next) == ([], None)
    await bench.archive.outputs.discard(run.pk, run.attempt)
    assert await bench.store.light_curves.read(target.pk, limit=10) == []
    await bench.end(run, [], None, published.series)
    await bench.check_consistent()


@pytest.mark.slow
async def test_many_small_series_make_short_pages(runner: asyncio.Runner, bench: Bench) -> None:
    target = await bench.target()
    for number in range(PAGE_CHUNKS + 2):
        await publish(bench, target, f"run-{number}", 1)
    page = await bench.archive.light_curves.page(target.pk, limit=10_000)
    assert len(page.rows) == PAGE_CHUNKS
    rest = await bench.archive.light_curves.page(target.pk, before=page.next, limit=10_000)
    assert (len(rest.rows), rest.next) == (2, None)


async def test_a_table_that_was_changed_since_it_was_looked_at_is_refused(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    run = await bench.run(target.pk)
    file = bench.measurements(run, 5)
    file.path.write_text("nothing")
    with pytest.raises(InvalidInput, match="no column time"):
        await bench.archive.outputs.publish(run, [file])
    await bench.check_consistent()


TABLE = "filter,magnitude,time,error\nV,12.5,58000.25,0.01\nV,12.75,2458001,\n,13,58002,0.5\n"


async def measured(client: Client, table: str, **extra: Any) -> tuple[int, dict[str, Any]]:
    """Run a pipeline that gives this table; return the PK of its target, and its record."""
    target = await client.make_target("Star", extra_fields={"table": table, **extra})
    products = await client.upload(target, ("a.fits", b"x"))
    return target, await client.ended((await client.submit("Measures", target, products))["pk"])


@pytest.mark.gen_test(timeout=40)
async def test_reduced_data_becomes_the_light_curve_of_the_target(client: Client) -> None:
    target, record = await measured(client, TABLE, file=True)
    assert record["state"] == "succeeded"
    assert len(record["outputs"]) == 1
    path = f"/api/targets/{target}/lightcurve/"
    curve = await client.call(path)
    rows = [(58002.0, 13.0, 0.5, None), (58000.5, 12.75, None, "V"), (58000.25, 12.5, 0.01, "V")]
    names = ("time", "magnitude", "error", "filter", "process")
    assert curve["lightcurve"] == [
        dict(zip(names, (*row, record["pk"]), strict=True)) for row in rows
    ]
    assert curve["next"] is None
    first = await client.call(f"{path}?limit=2")
    assert first["lightcurve"] == curve["lightcurve"][:2]
    rest = await client.call(f"{path}?limit=2&before={first['next']}")
    assert (rest["lightcurve"], rest["next"]) == (curve["lightcurve"][2:], None)


@pytest.mark.gen_test(timeout=40)
async def test_the_light_curve_as_csv_is_a_file_with_every_row(client: Client) -> None:
    target, record = await measured(client, TABLE)
    assert (record["outputs"], record["group"]) == ([], None)
    answer = await client.fetch(f"/api/targets/{target}/lightcurve/?format=csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="lightcurve_star' in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert [row["time"] for row in rows] == ["58002.0", "58000.5", "58000.25"]
    assert [row["error"] for row in rows] == ["0.5", "", "0.01"]


@pytest.mark.gen_test(timeout=40)
async def test_the_light_curve_has_a_version(client: Client) -> None:
    target, _ = await measured(client, TABLE)
    path = f"/api/targets/{target}/lightcurve/"
    etag = (await client.fetch(path)).headers["Etag"]
    again = await client.fetch(path, headers={"If-None-Match": etag})
    assert (again.code, again.body) == (304, b"")


@pytest.mark.gen_test(timeout=40)
async def test_the_light_curve_goes_with_its_process_and_its_target(client: Client) -> None:
    target, record = await measured(client, TABLE)
    await client.call(f"/api/processes/{record['pk']}/", "DELETE", status=204)
    curve = await client.call(f"/api/targets/{target}/lightcurve/")
    assert curve == {"lightcurve": [], "next": None}
    target, _ = await measured(client, TABLE)
    await client.call(f"/api/targets/{target}/?force=true", "DELETE", status=204)
    await client.call(f"/api/targets/{target}/lightcurve/", status=404)


@pytest.mark.gen_test(timeout=40)
@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("time,b\n1,2\n", "light curve.csv has no column magnitude"),
        ("time,magnitude\n1,x\n", "light curve.csv, measurement 1: magnitude 'x' is no finite"),
        ("", "light curve.csv has no column time"),
    ],
)
async def test_a_bad_table_fails_the_run_with_its_reason(
    client: Client, table: str, message: str
) -> None:
    target, record = await measured(client, table, file=True)
    assert record["state"] == "failed"
    assert message in record["failure_message"]
    curve = await client.call(f"/api/targets/{target}/lightcurve/")
    assert curve["lightcurve"] == []


@pytest.mark.gen_test(timeout=40)
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?limit=0", 400),
        ("?limit=10001", 400),
        ("?limit=x", 400),
        ("?before=0", 400),
        ("?before=99999999999999999", 200),
        ("?format=xml", 400),
        ("?format=csv,json", 400),
        ("?format=json", 200),
    ],
)
async def test_bad_queries_are_refused(client: Client, query: str, status: int) -> None:
    target = await client.make_target("Queries")
    await client.call(f"/api/targets/{target}/lightcurve/{query}", status=status)


@pytest.mark.gen_test(timeout=40)
async def test_an_unknown_target_has_no_light_curve(client: Client) -> None:
    for path in ("/api/targets/99999/lightcurve/", "/api/targets/99999/lightcurve/?format=csv"):
        assert await client.call(path, status=404) == {"detail": "Not found."}


AAVSO = (
    b"#TYPE=EXTENDED\n#DELIM=,\n#DATE=JD\n#NAME,DATE,MAG,MERR,FILT\n"
    b"SS CYG,2459001.25,11.135,0.003,V\nSS CYG,2459001.5,<14.2,na,B\nSS CYG,2459001.75,,na,V\n"
)
EXOTIC = b"# BJD_TDB,Flux,Uncertainty\n2459001.25,0.99,0.01\n2459001.5,1.01,0.01\n"


@pytest.mark.gen_test(timeout=40)
async def test_a_table_is_imported_once_with_its_limits_and_without_its_blanks(
    client: Client,
) -> None:
    target = await client.make_target("SS Cyg")
    [product] = await client.upload(target, ("aavso.txt", AAVSO))
    path = f"/api/targets/{target}/lightcurve/"
    expected = {
        "imported": 2,
        "known": 0,
        "quantity": "magnitude",
        "left_out": [{"reason": "no magnitude", "count": 1, "rows": [3]}],
    }
    assert await client.call(path, "POST", {"product": product}) == expected
    again = expected | {"imported": 0, "known": 2}
    assert await client.call(path, "POST", {"product": product}) == again
    [copy] = await client.upload(target, ("copy.txt", AAVSO))
    assert await client.call(path, "POST", {"product": copy}) == again
    common = {"process": None, "product": product}
    assert (await client.call(path))["lightcurve"] == [
        {"time": 59001.0, "magnitude": 14.2, "error": None, "filter": "B", "limit": True} | common,
        {"time": 59000.75, "magnitude": 11.135, "error": 0.003, "filter": "V"} | common,
    ]


@pytest.mark.gen_test(timeout=40)
async def test_fluxes_are_imported_as_fluxes_and_go_with_their_file(client: Client) -> None:
    target = await client.make_target("WASP-12")
    [product] = await client.upload(target, ("exotic.csv", EXOTIC))
    path = f"/api/targets/{target}/lightcurve/"
    await client.call(path, "POST", {"product": product})
    rows = (await client.call(path))["lightcurve"]
    assert [(row["magnitude"], row["flux"]) for row in rows] == [(None, 1.01), (None, 0.99)]
    answer = await client.fetch(f"{path}?format=csv")
    table = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert [(row["time"], row["flux"], row["magnitude"]) for row in table] == [
        ("59001.0", "1.01", ""),
        ("59000.75", "0.99", ""),
    ]
    assert table[0]["product"] == str(product)
    await client.call(f"/api/dataproducts/{product}/", "DELETE", status=204)
    assert (await client.call(path))["lightcurve"] == []


@pytest.mark.gen_test(timeout=40)
async def test_what_cannot_be_imported_is_told_with_its_row_and_column(client: Client) -> None:
    target, other = await client.make_target("One"), await client.make_target("Other")
    wrong = b"JD,mag\n2459000.5,12\n2459001.5,bright\n"
    [bad, good] = await client.upload(target, ("bad.csv", wrong), ("good.csv", AAVSO))
    path = f"/api/targets/{target}/lightcurve/"
    answers = [
        (path, {"product": bad}, "bad.csv, row 2, column mag: 'bright' is not a valid magnitude"),
        (f"/api/targets/{other}/lightcurve/", {"product": good}, "good.csv is of another target."),
        (path, {"product": 999}, "There is no data product 999."),
    ]
    for url, body, message in answers:
        assert await client.call(url, "POST", body, status=400) == {"product": [message]}
    for wrong_body in ({}, {"product": "1"}, {"product": None}, [], {"product": 2**70}):
        await client.call(path, "POST", wrong_body, status=400)
    await client.call("/api/targets/99999/lightcurve/", "POST", {"product": bad}, status=404)
    assert (await client.call(path))["lightcurve"] == []


@pytest.mark.gen_test(timeout=40)
async def test_the_light_curve_in_a_table_is_read_for_plots(client: Client) -> None:
    target = await client.make_target("Tables")
    [table, words] = await client.upload(target, ("a.txt", AAVSO), ("b.txt", b"cloudy"))
    found = await client.call(f"/api/dataproducts/{table}/table/")
    assert found["columns"] == ["NAME", "DATE", "MAG", "MERR", "FILT"]
    assert found["rows"][1] == ["SS CYG", "2459001.5", "<14.2", "na", "B"]
    assert found["lightcurve"]["points"][1] == [59001.0, 14.2, None, "B", True]
    none = await client.call(f"/api/dataproducts/{words}/table/")
    assert none["lightcurve"] is None
    assert none["reason"] == "b.txt holds no table: its lines have no columns in common"
    await client.call("/api/dataproducts/99999/table/", status=404)


@pytest.mark.gen_test(timeout=40)
async def test_a_run_keeps_what_a_table_has_and_says_what_it_lacks(client: Client) -> None:
    table = "time;magnitude\n58000,5;12,5\n58001,5;\n58002,5;99,999\n"
    target, record = await measured(client, table)
    assert record["state"] == "succeeded"
    rows = (await client.call(f"/api/targets/{target}/lightcurve/"))["lightcurve"]
    assert [(row["time"], row["magnitude"]) for row in rows] == [(58000.5, 12.5)]
    log = await client.fetch(f"/api/processes/{record['pk']}/logs.txt")
    assert b"light curve.csv: 2 rows have no magnitude: 2, 3, left out" in log.body


@pytest.mark.gen_test(timeout=60)
async def test_a_file_for_the_aavso_is_imported_as_what_is_there_already(client: Client) -> None:
    target = await client.make_target("SS Cyg, #1")
    [product] = await client.upload(target, ("aavso.txt", AAVSO))
    path = f"/api/targets/{target}/lightcurve/"
    assert (await client.call(path, "POST", {"product": product}))["imported"] == 2
    answer = await client.fetch(f"{path}?format=aavso&observer=ABC")
    [copy] = await client.upload(target, ("export.txt", answer.body))
    again = await client.call(path, "POST", {"product": copy})
    assert (again["imported"], again["known"], again["left_out"]) == (0, 2, [])


@pytest.mark.gen_test(timeout=60)
async def test_the_period_of_a_light_curve_is_found_in_a_process_of_its_own(
    client: Client,
) -> None:
    times = [2459000.5 + 0.37 * number + 0.01 * (number * number % 29) for number in range(60)]
    rows = [f"{time:.5f},{12 + math.sin(2 * math.pi * time / 1.7):.4f}" for time in times]
    target = await client.make_target("Variable")
    [product] = await client.upload(target, ("star.csv", "\n".join(["JD,mag", *rows]).encode()))
    path = f"/api/targets/{target}/lightcurve/"
    refused = await client.call(f"{path}periodogram/", status=400)
    assert "at least 5 points; there is none" in refused["detail"]
    await client.call(path, "POST", {"product": product})
    found = await client.call(f"{path}periodogram/?minimum=0.5&maximum=5")
    assert found["peaks"][0]["period"] == pytest.approx(1.7, rel=1e-3)
    refused = await client.call(f"{path}periodogram/?minimum=400", status=400)
    assert "the shortest period must be less" in refused["minimum"][0]
