"""Runs of pipelines, good and bad, on a real server."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Any

import psutil
import pytest

from tests.integration.conftest import Client

pytestmark = pytest.mark.gen_test(timeout=40)


async def test_everything_that_a_pipeline_says_becomes_lines(client: Client) -> None:
    record = await client.run("Chatty", loud=True)
    said = [(level, text) for _, _, level, text in await client.lines(record["pk"])]
    for expected in (
        ("info", "from log"),
        ("info", "from print"),
        ("warning", "from stderr"),
        ("info", "from a program"),
        ("error", "author: from logging"),
        ("info", "two"),
        ("info", "lines"),
        ("info", "a part and its end"),
        ("info", "lone \ufffd surrogate and NUL \x00"),
        ("info", "VERY LOUD"),
    ):
        assert expected in said
    assert any(level == "warning" and "from warnings" in text for level, text in said)
    assert record["state"] == "succeeded"
    assert record["flags"] == {"loud": True}


async def test_outputs_become_products_in_a_group(client: Client) -> None:
    target = await client.make_target("Outputs")
    products = await client.upload(target, ("a.FITS", b"x"), ("b.txt", b"y"))
    record = await client.ended((await client.submit("Outputs", target, products))["pk"])
    assert record["status"] == "created"
    assert record["progress"] == {"done": 3.0, "total": 3.0}
    group = await client.call(f"/api/groups/{record['group']}/")
    assert group["name"] == f"{record['identifier']}_outputs"
    assert group["products"] == record["outputs"]
    product = await client.call(f"/api/dataproducts/{record['outputs'][1]}/")
    assert product["name"] == f"{record['identifier']}_table 1.csv"
    assert product["process"] == record["pk"]
    file = await client.fetch(product["url"])
    assert file.body == b"time,mag\n1,1\n"


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ("Fails", "The stars were not right"),
        ("Raises", "An unexpected error occurred"),
        ("RaisesUnprintable", "An unexpected error occurred"),
        ("Exits", "The pipeline ended with exit code 3"),
        ("Segfaults", "The pipeline was killed by signal 11 (SIGSEGV)"),
        ("KillsItself", "The pipeline was killed by signal 9 (SIGKILL)"),
    ],
)
async def test_a_bad_end_has_its_words(client: Client, pipeline: str, message: str) -> None:
    record = await client.run(pipeline)
    assert (record["status"], record["failure_message"]) == ("failed", message)
    assert record["terminal_timestamp"] >= record["created"]
    assert record["group"] is None


@pytest.mark.parametrize("pipeline", ["Exits", "Segfaults", "KillsItself"])
async def test_no_line_is_lost_when_the_child_dies(client: Client, pipeline: str) -> None:
    record = await client.run(pipeline)
    texts = [entry[3] for entry in await client.lines(record["pk"])]
    assert texts[0] == "last line"
    assert record["failure_message"] in texts


async def test_a_traceback_is_in_the_log(client: Client) -> None:
    record = await client.run("Raises")
    errors = [entry[3] for entry in await client.lines(record["pk"]) if entry[2] == "error"]
    assert "KeyError: 'no such star'" in errors


async def test_a_pipeline_of_the_predecessor_runs(client: Client) -> None:
    target = await client.make_target("Predecessor")
    products = await client.upload(target, ("frame.fits", b"x"))
    record = await client.ended((await client.submit("Predecessor", target, products))["pk"])
    assert record["state"] == "succeeded", record
    logs = await client.call(f"/api/pipeline/logs/{record['pk']}/")
    assert logs["logs"] == "Processing frame.fits\n"
    products = [await client.call(f"/api/dataproducts/{pk}/") for pk in record["outputs"]]
    names = [product["name"].removeprefix(f"{record['identifier']}_") for product in products]
    assert names == ["result.txt", "renamed.txt"]
    curve = await client.call(f"/api/targets/{target}/lightcurve/")
    assert [row["magnitude"] for row in curve["lightcurve"]] == [12.0]


async def test_a_long_line_comes_in_pieces_and_whole(client: Client) -> None:
    record = await client.run("LongLine")
    logs = await client.call(f"/api/pipeline/logs/{record['pk']}/")
    assert logs["logs"] == "x" * 1_000_000 + "\nnext\n"
    entries = await client.lines(record["pk"])
    assert [entry[0] for entry in entries] == list(range(1, len(entries) + 1))
    assert entries[0][4] is True


@pytest.mark.parametrize("stubborn", [False, True])
async def test_a_cancelled_run_is_gone_with_its_family(client: Client, stubborn: bool) -> None:
    target = await client.make_target("Cancel")
    products = await client.upload(target, ("a", b"x"))
    pk = (await client.submit("Waits", target, products, family=True, stubborn=stubborn))["pk"]
    await client.until(pk, lambda record: record["status"] == "Waiting")
    async with asyncio.timeout(10):
        while len(lines := await client.lines(pk)) < 2:
            await asyncio.sleep(0.01)
    pids = [int(entry[3].split()[1]) for entry in lines[:2]]
    started = asyncio.get_running_loop().time()
    await client.call(f"/api/processes/{pk}/cancel/", "POST", status=202)
    record = await client.ended(pk)
    assert asyncio.get_running_loop().time() - started < 7
    assert (record["state"], record["status"]) == ("cancelled", "cancelled")
    assert record["failure_message"] == "Cancelled"
    assert not any(alive(pid) for pid in pids)
    await client.call(f"/api/processes/{pk}/cancel/", "POST", status=409)


def alive(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


async def test_a_process_that_waits_is_cancelled_without_a_start(client: Client) -> None:
    target = await client.make_target("Queue")
    products = await client.upload(target, ("a", b"x"))
    running = [(await client.submit("Waits", target, products))["pk"] for _ in range(2)]
    waiting = await client.submit("Waits", target, products)
    assert waiting["state"] == "queued"
    for pk in running:
        await client.until(pk, lambda record: record["state"] == "running")
    record = await client.call(f"/api/processes/{waiting['pk']}/")
    assert "in the queue" in record["waiting_for"]
    await client.call(f"/api/processes/{waiting['pk']}/cancel/", "POST", status=202)
    ended = await client.ended(waiting["pk"])
    assert (ended["attempt"], ended["started"], ended["state"]) == (0, None, "cancelled")
    for pk in running:
        await client.call(f"/api/processes/{pk}/cancel/", "POST", status=202)
        await client.ended(pk)


async def test_a_rerun_has_the_same_inputs_and_other_flags_if_asked(client: Client) -> None:
    first = await client.run("Chatty")
    again = await client.call(
        f"/api/processes/{first['pk']}/rerun/", "POST", {"flags": {"loud": True}}, status=201
    )
    assert again["products"] == first["products"]
    assert again["flags"] == {"loud": True}
    assert again["identifier"] != first["identifier"]
    await client.ended(again["pk"])


async def test_processes_of_one_second_have_identifiers_of_their_own(client: Client) -> None:
    target = await client.make_target("Many")
    products = await client.upload(target, ("a", b"x"))
    made: list[dict[str, Any]] = await asyncio.gather(
        *(client.submit("Fails", target, products) for _ in range(10))
    )
    assert len({record["identifier"] for record in made}) == 10
    for record in made:
        await client.ended(record["pk"])


async def test_an_idempotency_key_makes_one_process_of_many_submits(client: Client) -> None:
    target = await client.make_target("Once")
    products = await client.upload(target, ("a", b"x"))
    body = {"target": target, "pipeline": "Fails", "products": products, "flags": {}}
    key = {"Idempotency-Key": f"key-{os.urandom(8).hex()}"}
    answers = await asyncio.gather(
        *(client.fetch("/api/processes/", "POST", body, headers=key) for _ in range(50))
    )
    assert sorted(answer.code for answer in answers) == [200] * 49 + [201]
    listed = await client.call(f"/api/processes/?target={target}")
    assert len(listed["processes"]) == 1
    await client.call(
        "/api/processes/", "POST", body | {"pipeline": "Chatty"}, status=409, headers=key
    )
    await client.ended(listed["processes"][0]["pk"])


async def test_a_deleted_process_takes_its_log_and_outputs_along(client: Client) -> None:
    target = await client.make_target("Delete")
    products = await client.upload(target, ("b.txt", b"y"))
    record = await client.ended((await client.submit("Outputs", target, products))["pk"])
    await client.call(f"/api/processes/{record['pk']}/", "DELETE", status=204)
    for path in (
        f"/api/processes/{record['pk']}/",
        f"/api/pipeline/logs/{record['pk']}/",
        f"/api/dataproducts/{record['outputs'][0]}/",
        f"/api/groups/{record['group']}/",
    ):
        assert await client.call(path, status=404) == {"detail": "Not found."}
    status = await client.call(f"/api/async/status/{target}/")
    assert status["processes"] == []
