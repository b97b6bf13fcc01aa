"""astrosource on a real server: offline, in stages, right about a star of known period."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from runners.astrosource.pipeline import STAGES, AstroSource
from tests.fakes.variable_star import AMPLITUDE_MAGNITUDES, DEC, PERIOD_DAYS, RA, write_tables
from tests.integration.conftest import Client

REASON = AstroSource.unavailable()
needs_package = pytest.mark.skipif(REASON is not None, reason=str(REASON))
RUN_SECONDS = 240


async def watched(client: Client, pk: int) -> tuple[dict[str, Any], list[str]]:
    """Wait for a process to end; return its record and the statuses seen until then."""
    seen: list[str] = []
    async with asyncio.timeout(RUN_SECONDS):
        while True:
            record: dict[str, Any] = await client.call(f"/api/processes/{pk}/")
            if record["status"] not in seen:
                seen.append(record["status"])
            if record["terminal_timestamp"] is not None:
                return record, seen
            await asyncio.sleep(0.01)


async def submitted(client: Client, folder: Path, ra: float, **flags: bool) -> tuple[int, int]:
    """Submit a run on synthetic tables of a new target at this right ascension; return both PKs."""
    target = await client.make_target("Variable", ra=ra, dec=DEC)
    files = [(path.name, path.read_bytes()) for path in write_tables(folder)]
    products = await client.upload(target, *files)
    return target, (await client.submit("astrosource", target, products, **flags))["pk"]


@needs_package
@pytest.mark.timeout(RUN_SECONDS + 60)
@pytest.mark.gen_test(timeout=RUN_SECONDS + 40)
async def test_the_period_of_a_variable_star_is_found(client: Client, tmp_path: Path) -> None:
    target, pk = await submitted(client, tmp_path, RA, period=True)
    record, seen = await watched(client, pk)
    assert record["state"] == "succeeded", await client.lines(pk)
    assert [status for status in seen if status in STAGES] == list(STAGES)
    assert record["flags"] == {"period": True, "plot": True, "calibrate": False}

    names = {}
    for product in record["outputs"]:
        found = await client.call(f"/api/dataproducts/{product}/")
        names[found["name"].removeprefix(f"{record['identifier']}_")] = found["url"]
    assert {"lightcurve.csv", "V1_EnsembleVarDiffMag.png", "compsUsed.csv"} <= names.keys()
    assert (await client.fetch(names["V1_EnsembleVarDiffMag.png"])).body.startswith(b"\x89PNG")

    estimates = (await client.fetch(names["periodEstimates.txt"])).body.decode()
    periods = [float(found) for found in re.findall(r"Estimate.*: ([\d.]+)", estimates)]
    assert len(periods) >= 3
    assert sum(abs(each / PERIOD_DAYS - 1) < 0.02 for each in periods) >= 2, estimates

    curve = (await client.call(f"/api/targets/{target}/lightcurve/"))["lightcurve"]
    magnitudes = sorted(row["magnitude"] for row in curve)
    assert len(curve) > 50
    assert magnitudes[-1] - magnitudes[0] == pytest.approx(2 * AMPLITUDE_MAGNITUDES, abs=0.1)
    assert {(row["filter"], row["process"]) for row in curve} == {("V", pk)}
    assert all(58_545 <= row["time"] <= 58_551.5 for row in curve)


@needs_package
@pytest.mark.timeout(RUN_SECONDS + 60)
@pytest.mark.gen_test(timeout=RUN_SECONDS + 40)
async def test_a_place_without_a_star_fails_with_a_reason(client: Client, tmp_path: Path) -> None:
    _, pk = await submitted(client, tmp_path, RA + 1, plot=False)
    record, _ = await watched(client, pk)
    assert record["state"] == "failed"
    assert "was measured in 0 of 60 files" in record["failure_message"]
    assert (record["outputs"], record["group"]) == ([], None)
    texts = [entry[3] for entry in await client.lines(pk)]
    assert not any("\r" in text or "\x1b" in text for text in texts), "bars and colours"
    assert texts.count("astrosource: Statistical stability reached.") == 1, (
        "once, not by two handlers"
    )
    assert "    raise Cancelled" not in texts, "what the pools end by is no error"


@pytest.mark.skipif(REASON is None, reason="astrosource is installed")
@pytest.mark.gen_test(timeout=40)
async def test_without_the_package_it_is_listed_with_what_to_install(
    client: Client, tmp_path: Path
) -> None:
    listed = (await client.call("/api/pipelines/"))["pipelines"]
    [found] = [each for each in listed if each["name"] == "astrosource"]
    assert found["error"] == REASON
    target = await client.make_target("Variable", ra=RA, dec=DEC)
    products = await client.upload(target, ("a.psx", b"x"))
    body = {"target": target, "pipeline": "astrosource", "products": products}
    answer = await client.call("/api/processes/", "POST", body, status=400)
    assert answer == {"pipeline": [f"astrosource cannot run: {REASON}"]}
