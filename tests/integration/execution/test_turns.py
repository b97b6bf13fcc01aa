"""Targets take turns in the queue, and operators move what waits, on one server and on two."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.config.sections import Pool
from tests.integration.conftest import Client, make_config, serving
from tests.integration.store.test_several_servers import exchange, two_servers, until

__all__ = ["exchange"]


async def held_up(client: Client) -> tuple[int, list[int], dict[str, Any]]:
    """Return a target, its products, and a process that holds a slot until it is cancelled."""
    target = await client.make_target("Busy")
    products = await client.upload(target, ("a.fits", b"x"))
    holder = await client.submit("Waits", target, products)
    await client.until(holder["pk"], lambda record: record["state"] == "running")
    return target, products, holder


async def in_order(client: Client, pks: list[int]) -> list[int]:
    """Return the processes in the order in which they were started, once they have ended."""
    ended = [await client.ended(pk) for pk in pks]
    return [record["pk"] for record in sorted(ended, key=lambda record: record["started"])]


async def submit_many(client: Client, target: int, products: list[int], count: int) -> list[int]:
    return [(await client.submit("Dummy", target, products))["pk"] for _ in range(count)]


@pytest.mark.gen_test(timeout=50)
async def test_targets_take_turns_and_a_moved_process_goes_first(tmp_path: Path) -> None:
    config = replace(make_config(tmp_path), pool=Pool(workers=1))
    with serving(config) as running:
        client = Client(running.url)
        busy, products, holder = await held_up(client)
        busy_pks = await submit_many(client, busy, products, 5)
        other = await client.make_target("Other")
        others = await submit_many(client, other, await client.upload(other, ("b", b"x")), 2)
        for pk in busy_pks[3:]:
            url = f"/api/processes/{pk}/move/"
            moved = await client.call(url, "POST", {"to": "front"})
            assert moved["waiting_for"].startswith("Number 1 in the queue; ")
        last = f"/api/processes/{busy_pks[0]}/move/"
        assert (await client.call(last, "POST", {"to": "back"}))["state"] == "queued"
        queued = await client.call("/api/processes/?state=queued")
        assert [each["pk"] for each in queued["processes"]] == [*others[::-1], *busy_pks[::-1]]
        for body in ({"to": "top"}, {}, {"to": "front", "by": 1}, {"to": None}, {"to": ["front"]}):
            await client.call(last, "POST", body, status=400)
        await client.call(f"/api/processes/{holder['pk']}/move/", "POST", {"to": "front"}, 409)
        await client.call("/api/processes/999/move/", "POST", {"to": "front"}, 404)
        await client.call(f"/api/processes/{holder['pk']}/cancel/", "POST", b"", status=202)
        order = [busy_pks[4], busy_pks[3], *others, busy_pks[1], busy_pks[2]]
        assert await in_order(client, [*busy_pks, *others]) == [*order, busy_pks[0]]
        await client.call(last, "POST", {"to": "front"}, status=409)


@pytest.mark.slow
@pytest.mark.gen_test(timeout=110)
@pytest.mark.timeout(120)
async def test_targets_take_turns_over_two_servers(
    shared_uri: str, tmp_path: Path, exchange: str
) -> None:
    async with two_servers(shared_uri, tmp_path, workers=(1, 1)) as pair:
        busy, products, holder = await held_up(pair.client)
        second = await pair.client.submit("Waits", busy, products)
        await pair.client.until(second["pk"], lambda record: record["state"] == "running")
        halves = await asyncio.gather(
            submit_many(pair.client, busy, products, 10),
            submit_many(pair.other, busy, products, 10),
        )
        await until(
            lambda: pair.client.call("/api/status/"), lambda found: found["queue_length"] == 20
        )
        other = await pair.client.make_target("Other")
        files = await pair.client.upload(other, ("b", b"x"))
        [only] = await submit_many(pair.client, other, files, 1)
        for each in (holder, second):
            await pair.other.call(f"/api/processes/{each['pk']}/cancel/", "POST", b"", status=202)
        assert only in (await in_order(pair.other, [*halves[0], *halves[1], only]))[:4]
