"""The frames of real films, over HTTP: of those that are made, that fail, that are deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.sky import noise, write_fits
from tests.integration.conftest import Client

pytestmark = pytest.mark.gen_test(timeout=60)


async def upload_night(client: Client, folder: Path, count: int = 4) -> tuple[int, list[int]]:
    """Upload frames of which the second has no date and the last no pixels."""
    contents = []
    for number in range(count):
        pixels = noise(seed=number) * (np.nan if number == count - 1 else 1)
        date = None if number == 1 else f"2026-03-01T00:{number:02}:00"
        path = write_fits(folder / f"n{number}.fits", pixels, DATE_OBS=date, EXPTIME=30.0)
        contents.append((path.name, path.read_bytes()))
    target = await client.make_target()
    return target, await client.upload(target, *contents)


async def frames_of(client: Client, pk: int) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = await client.call(f"/api/processes/{pk}/frames/")
    return found


async def test_the_frames_of_a_film_and_their_lines(client: Client, tmp_path: Path) -> None:
    target, products = await upload_night(client, tmp_path)
    record = await client.submit("Timelapse", target, products)
    record = await client.ended(record["pk"])
    assert record["state"] == "succeeded"
    found = await frames_of(client, record["pk"])

    assert [each["product"] for each in found["frames"]] == [products[0], products[2]]
    assert set(found["frames"][0]) == {
        "frame", "product", "name", "date", "exposure", "filter", "sky", "shift", "line",
    }  # fmt: skip
    assert [each["frame"] for each in found["frames"]] == [1, 2]
    assert found["frames"][0]["exposure"] == 30.0
    assert abs(found["frames"][0]["sky"] - 300) < 3
    undated, blank = found["left_out"]
    assert (undated["product"], undated["name"]) == (products[1], "n1.fits")
    assert undated["reason"].startswith("has no observation date")
    assert blank == {
        "product": products[3], "name": "n3.fits", "reason": "has no finite pixel",
    }  # fmt: skip

    page = await client.call(f"/api/processes/{record['pk']}/logs/")
    lines = {number: text for number, _, _, text in page["lines"]}
    for each in found["frames"]:
        assert f"Processing frame {each['frame']}/2: {each['name']}, " in lines[each["line"]]
    warnings = [text for _, _, level, text in page["lines"] if level == "warning"]
    assert [text.split(" ")[:3] for text in warnings] == [
        ["Left", "out:", "n1.fits"], ["Left", "out:", "n3.fits"], ["2", "of", "4"],
    ]  # fmt: skip


async def test_a_rerun_has_its_own_and_deletion_takes_them(client: Client, tmp_path: Path) -> None:
    target, products = await upload_night(client, tmp_path, 3)
    first = await client.ended((await client.submit("Timelapse", target, products))["pk"])
    again = await client.call(f"/api/processes/{first['pk']}/rerun/", "POST", status=201)
    again = await client.ended(again["pk"])
    await client.call(f"/api/dataproducts/{products[0]}/", "DELETE", status=204)
    assert await frames_of(client, first["pk"]) == await frames_of(client, again["pk"])
    await client.call(f"/api/processes/{first['pk']}/", "DELETE", status=204)
    await client.call(f"/api/processes/{first['pk']}/frames/", status=404)
    assert len((await frames_of(client, again["pk"]))["frames"]) == 1


async def test_only_timelapses_have_frames(client: Client) -> None:
    record = await client.run("Chatty")
    for pk in (record["pk"], 999, "x"):
        body = await client.call(f"/api/processes/{pk}/frames/", status=404)
        assert body == {"detail": "Not found."}


async def test_a_film_that_fails_says_which_frames_it_left_out(
    client: Client, tmp_path: Path
) -> None:
    target = await client.make_target()
    products = await client.upload(target, ("a.fits", b"no image"), ("b.fits", b"neither"))
    record = await client.ended((await client.submit("Timelapse", target, products))["pk"])
    assert record["state"] == "failed"
    assert record["failure_message"] == (
        "No frame can be used: a.fits is not a FITS file, and 1 more are left out"
    )
    found = await frames_of(client, record["pk"])
    assert found["frames"] == []
    assert [each["product"] for each in found["left_out"]] == products


async def test_frames_are_there_while_the_film_is_made(client: Client) -> None:
    target = await client.make_target()
    [product] = await client.upload(target, ("a.fits", b"x"))
    pk = (await client.submit("Films", target, [product]))["pk"]
    while len(found := (await frames_of(client, pk))["frames"]) < 150:
        assert (await client.call(f"/api/processes/{pk}/"))["terminal_timestamp"] is None
        assert [each["frame"] for each in found] == list(range(1, len(found) + 1))
    await client.call(f"/api/processes/{pk}/cancel/", "POST", status=202)
    assert (await client.ended(pk))["state"] == "cancelled"
    assert (await frames_of(client, pk))["frames"] == found
    assert [each["line"] for each in found] == list(range(1, 151))
    assert {each["product"] for each in found} == {product}
