"""Receipts of real runs."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import pytest

from tests.integration.conftest import SAMPLES, Client

pytestmark = pytest.mark.gen_test(timeout=40)


async def receipt(client: Client, pk: int) -> dict[str, Any]:
    found: dict[str, Any] = await client.call(f"/api/processes/{pk}/receipt/")
    return found


async def test_a_run_leaves_its_receipt(client: Client) -> None:
    record = await client.run("Chatty", loud=True)
    found = await receipt(client, record["pk"])
    assert found["unknown"] is None
    [given] = found["inputs"]
    assert given["pk"] == record["products"][0]
    assert given["sha256"] == hashlib.sha256(b"not really FITS").hexdigest()
    source = (SAMPLES / "sample_pipelines.py").read_bytes()
    assert found["source"] == {
        "class": "sample_pipelines.Chatty",
        "file": "sample_pipelines.py",
        "sha256": hashlib.sha256(source).hexdigest(),
    }
    assert found["environment"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"numpy", "astropy", "tornado"} <= found["environment"]["packages"].keys()
    assert found["flags"] == {"loud": True}
    assert found["timings"]["ran_seconds"] > 0
    assert "receipt" not in record


async def test_the_receipt_outlives_its_inputs_but_not_its_process(client: Client) -> None:
    record = await client.run("Chatty")
    await client.call(f"/api/dataproducts/{record['products'][0]}/", "DELETE", status=204)
    assert (await receipt(client, record["pk"]))["inputs"][0]["name"] == "input.fits"
    await client.call(f"/api/processes/{record['pk']}/", "DELETE", status=204)
    await client.call(f"/api/processes/{record['pk']}/receipt/", status=404)


@pytest.mark.parametrize("pipeline", ["Fails", "Raises", "Segfaults", "KillsItself"])
async def test_a_run_that_failed_has_one_too(client: Client, pipeline: str) -> None:
    record = await client.run(pipeline)
    found = await receipt(client, record["pk"])
    assert record["state"] == "failed"
    assert found["source"]["class"] == f"sample_pipelines.{pipeline}"
    assert found["unknown"] is None


async def test_a_receipt_is_there_while_the_run_goes_on(client: Client) -> None:
    target = await client.make_target()
    products = await client.upload(target, ("a.fits", b"x"))
    record = await client.submit("Waits", target, products)
    await client.until(record["pk"], lambda record: record["log_lines"] > 0)
    found = await receipt(client, record["pk"])
    assert found["source"]["class"] == "sample_pipelines.Waits"
    assert found["timings"]["ran_seconds"] is None
    await client.call(f"/api/processes/{record['pk']}/cancel/", "POST", status=202)
    await client.ended(record["pk"])


async def test_a_process_that_never_started_says_so(client: Client) -> None:
    target = await client.make_target()
    products = await client.upload(target, ("a.fits", b"x"))
    running = [await client.submit("Waits", target, products) for _ in range(3)]
    last = running[-1]["pk"]
    assert "has not started" in (await receipt(client, last))["unknown"]
    for record in reversed(running):
        await client.call(f"/api/processes/{record['pk']}/cancel/", "POST", status=202)
    found = await receipt(client, last)
    assert "never started" in found["unknown"]
    assert (found["inputs"], found["environment"], found["source"]) == (None, None, None)
    for record in running:
        await client.ended(record["pk"])


async def test_no_process_no_receipt(client: Client) -> None:
    assert await client.call("/api/processes/987654/receipt/", status=404) == {
        "detail": "Not found."
    }
