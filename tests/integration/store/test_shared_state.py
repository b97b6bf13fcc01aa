"""What two servers share beside records and logs: each shows within a second what the other did."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from server.access.guesses import MOST_WRONG
from server.archive.light_curves import Curve
from server.peers.heartbeats import Heartbeats
from tests.integration.store.test_several_servers import Pair, exchange, two_servers

__all__ = ["exchange"]

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=110), pytest.mark.timeout(120)]

#: What is promised, and what a busy machine may need on top of it.
SHOWN_SECONDS, SLACK_SECONDS = 1.0, 4.0


async def soon(look: Callable[[], Awaitable[Any]], expected: Any) -> None:
    """Wait until a call returns what is expected, and check that this was soon enough."""
    began = time.monotonic()
    while (found := await look()) != expected:
        assert time.monotonic() - began < SHOWN_SECONDS + SLACK_SECONDS, (found, expected)
        await asyncio.sleep(0.02)


async def test_counts_targets_products_and_failures_are_those_of_both(
    shared_uri: str, tmp_path: Path, exchange: str
) -> None:
    async with two_servers(shared_uri, tmp_path) as pair:
        target = await pair.client.make_target("Counted")
        path = f"/api/targets/{target}/"

        async def products() -> int:
            return len((await pair.other.call(f"{path}dataproducts/"))["dataproducts"])

        async def name() -> str:
            return str((await pair.other.call(path))["name"])

        async def page() -> bool:
            found = await pair.other.call("/api/targets/?search=Renamed")
            return [each["pk"] for each in found["targets"]] == [target]

        async def failed() -> int | None:
            found = await pair.other.call("/api/status/")
            return None if found["failed_24h"] is None else int(found["failed_24h"])

        assert (await products(), await name(), await failed()) == (0, "Counted", 0)
        uploaded = await pair.client.upload(target, ("a.fits", b"x"), ("b.fits", b"y"))
        await soon(products, 2)
        await pair.client.call(path, "PATCH", {"name": "Renamed"})
        await soon(name, "Renamed")
        await soon(page, True)
        record = await pair.client.submit("Fails", target, uploaded)
        await pair.client.ended(record["pk"])
        await soon(failed, 1)
        await pair.client.call(f"/api/dataproducts/{uploaded[0]}/?force=true", "DELETE", status=204)
        await soon(products, 1)


async def test_wrong_secrets_on_one_server_count_on_the_other(
    shared_uri: str, tmp_path: Path
) -> None:
    async with two_servers(shared_uri, tmp_path, tokens=(secrets.token_hex(16),)) as pair:

        async def guess(client: Any) -> int:
            headers = {"Authorization": f"Bearer {secrets.token_hex(8)}"}
            return int((await client.fetch("/api/targets/", headers=headers)).code)

        assert [await guess(pair.client) for _ in range(MOST_WRONG)] == [401] * MOST_WRONG
        guesses = pair.another.services.access.guesses

        async def limited() -> bool:
            return any(len(each) >= MOST_WRONG for each in guesses._wrong.values())

        await soon(limited, True)
        assert await guess(pair.other) == 429


async def test_of_many_submits_and_targets_on_both_at_once_each_is_there_once(
    shared_uri: str, tmp_path: Path
) -> None:
    async with two_servers(shared_uri, tmp_path) as pair:
        target = await pair.client.make_target("Both")
        products = await pair.client.upload(target, ("a.fits", b"x"))
        body = {"target": target, "pipeline": "Outputs", "products": products, "flags": {}}

        async def submit(number: int) -> tuple[int, int, str]:
            client = (pair.client, pair.other)[number % 2]
            headers = {"Idempotency-Key": f"key {number // 4}"}
            answer = await client.fetch("/api/processes/", "POST", body, headers=headers)
            made = await client.call(f"/api/processes/{_pk(answer.body)}/")
            return answer.code, made["pk"], made["identifier"]

        found = await asyncio.gather(*(submit(number) for number in range(40)))
        assert {code for code, _, _ in found} <= {200, 201}
        assert [code for code, _, _ in found].count(201) == 10
        assert len({pk for _, pk, _ in found}) == len({name for _, _, name in found}) == 10
        for number in range(0, 40, 4):
            assert len({pk for _, pk, _ in found[number : number + 4]}) == 1
        made = await asyncio.gather(
            *(
                client.make_target(f"T{number}")
                for number in range(10)
                for client in (pair.client, pair.other)
            )
        )
        assert len(set(made)) == 20


async def test_a_pk_that_another_server_has_taken_is_no_error_for_the_caller(
    shared_uri: str, tmp_path: Path
) -> None:
    """As after a counter that went back: one of two servers finds the PK taken, and goes on."""
    async with two_servers(shared_uri, tmp_path) as pair:
        target = await pair.client.make_target("Taken")
        products = await pair.client.upload(target, ("a.fits", b"x"))
        first = await pair.client.submit("Outputs", target, products)
        counters = pair.one.services.processes._submission._store.counters
        for kind in ("processes", "target", "dataproduct"):
            await counters._collection.change({"_id": kind}, set={"last": 0})
        second = await pair.other.submit("Outputs", target, products)
        assert second["pk"] != first["pk"]
        again = await pair.other.make_target("Taken too")
        assert again != target
        [product] = await pair.other.upload(again, ("b.fits", b"y"))
        assert product not in products


async def test_one_table_imported_on_both_at_once_is_there_once(
    shared_uri: str, tmp_path: Path
) -> None:
    async with two_servers(shared_uri, tmp_path) as pair:
        target = await pair.client.make_target("Varying")
        tables = await pair.client.upload(target, ("a.csv", b"1"), ("b.csv", b"2"))
        points = [(58000.0 + day, 12.0, 0.1, "V", False) for day in range(200)]

        async def add(number: int) -> int:
            archive = (pair.one, pair.another)[number % 2].services.archive
            product = await archive.products.get(tables[number // 2 % 2])
            curve = Curve(quantity="magnitude", points=list(points), left_out=[])
            return (await archive.light_curves.add(product, curve)).new

        assert sorted(await asyncio.gather(*(add(number) for number in range(8)))) == [
            *(7 * [0]),
            200,
        ]
        curve = await pair.other.call(f"/api/targets/{target}/lightcurve/?limit=1000")
        assert len(curve["lightcurve"]) == 200


async def test_a_server_with_more_free_slots_takes_more(shared_uri: str, tmp_path: Path) -> None:
    async with two_servers(shared_uri, tmp_path, workers=(1, 5)) as pair:
        await _have_met(pair)
        target = await pair.client.make_target(
            "Shared out", extra_fields={"lines": 10**6, "pause": 0.01}
        )
        products = await pair.client.upload(target, ("a.fits", b"x"))
        for _ in range(4):
            await pair.client.submit("Counts", target, products)

        async def running() -> int:
            return int((await pair.client.call("/api/status/"))["running"])

        await soon(running, 4)
        here = [
            (await client.call("/api/status/"))["running_here"]
            for client in (pair.client, pair.other)
        ]
        assert sum(here) == 4
        assert here[1] >= 3


async def _have_met(pair: Pair) -> None:
    """Wait until each server knows of the other."""
    for server in (pair.one, pair.another):
        assert server.dispatcher is not None
        heartbeats = server.dispatcher.heartbeats

        async def peers(heartbeats: Heartbeats = heartbeats) -> int:
            return len(heartbeats.peers)

        await soon(peers, 1)


def _pk(body: bytes) -> int:
    return int(json.loads(body)["pk"])
