"""What `/ws/changes/` tells of the things that people and runs do on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tornado.websocket import WebSocketClientConnection

from tests.integration.api.test_live import connected, next_message
from tests.integration.conftest import Client, Running

pytestmark = pytest.mark.gen_test(timeout=40)

#: A light curve of one point, as an import takes it.
TABLE = b"mjd,magnitude,error\n58107.5,12.25,0.02\n"


class Told:
    """What a socket has told since it was asked last."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self.socket = socket

    async def until(self, *words: str) -> set[str]:
        """Wait until all these words have been told; return what was told until then."""
        told: set[str] = set()
        async with asyncio.timeout(20):
            while not told.issuperset(words):
                message = await next_message(self.socket)
                assert message["type"] == "changed"
                assert message["what"], "nothing has changed"
                told.update(message["what"])
        return told


@asynccontextmanager
async def following(running: Running, query: str) -> AsyncIterator[Told]:
    """Yield what is told of a target, after the first message."""
    async with connected(f"{running.socket_url}/ws/changes/{query}") as socket:
        first = await next_message(socket)
        every = ["target", "products", "groups", "lightcurve", "processes"]
        assert first == {"type": "changed", "what": every if query else ["targets", "processes"]}
        yield Told(socket)


async def test_what_people_do_with_a_target_is_told(client: Client, running: Running) -> None:
    target = await client.make_target("Watched")
    async with following(running, f"?target={target}") as told:
        products = await client.upload(target, ("a.csv", TABLE), ("b.txt", b"x"))
        assert await told.until("products") == {"products"}
        group = await client.call("/api/groups/", "POST", {"name": "g", "products": products}, 201)
        assert await told.until("groups") == {"groups"}
        path = f"/api/groups/{group['pk']}/"
        other = await client.upload(await client.make_target("Other"), ("c.txt", b"x"))
        await client.call(f"{path}products/", "POST", {"products": other}, status=200)
        assert await told.until("groups") == {"groups"}
        await client.call(path, "DELETE", status=204)
        assert await told.until("groups") == {"groups"}
        body = {"product": products[0]}
        curve = f"/api/targets/{target}/lightcurve/"
        await client.call(curve, "POST", body)
        assert await told.until("lightcurve") == {"lightcurve"}
        [row, *_] = (await client.call(f"{curve}?numbers=true"))["lightcurve"]
        out = {"points": [row["number"]], "left_out": True}
        assert await client.call(curve, "PATCH", out, status=200) == {"changed": 1}
        assert await told.until("lightcurve") == {"lightcurve"}
        await client.call(f"/api/dataproducts/{products[0]}/", "DELETE", status=204)
        assert await told.until("products") == {"products", "groups", "lightcurve"}
        await client.call(f"/api/targets/{target}/", "PATCH", {"name": "New"}, status=200)
        assert await told.until("target") == {"target"}
        await client.call(f"/api/targets/{target}/", "DELETE", status=204)
        while await told.socket.read_message() is not None:
            pass
        assert told.socket.close_code == 4404


async def test_the_end_of_a_run_tells_of_its_outputs_when_they_can_be_seen(
    client: Client, running: Running
) -> None:
    target = await client.make_target("Outputs")
    products = await client.upload(target, ("a.txt", b"x"))
    listed = f"/api/targets/{target}/dataproducts/"
    async with following(running, f"?target={target}") as told:
        record = await client.submit("Outputs", target, products)
        await told.until("processes", "products", "groups", "lightcurve")
        seen: list[Any] = (await client.call(listed))["dataproducts"]
        record = await client.ended(record["pk"])
        assert {each["pk"] for each in seen} == {*products, *record["outputs"]}
        assert record["outputs"]
        await client.call(f"/api/processes/{record['pk']}/", "DELETE", status=204)
        await told.until("processes", "products", "groups")
        assert len((await client.call(listed))["dataproducts"]) == len(products)


async def test_who_follows_all_is_told_of_targets_and_processes(
    client: Client, running: Running
) -> None:
    async with following(running, "") as told:
        target = await client.make_target("One of all")
        await told.until("targets")
        products = await client.upload(target, ("a.txt", b"x"))
        await told.until("targets")
        record = await client.submit("Outputs", target, products)
        await told.until("processes", "targets")  # what it has made
        await client.ended(record["pk"])
        await client.call(f"/api/targets/{target}/?force=true", "DELETE", status=204)
        await told.until("targets")
