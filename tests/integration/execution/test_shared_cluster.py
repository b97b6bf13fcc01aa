"""Two servers whose runs go to one Dask cluster: they share its threads."""

from __future__ import annotations

import importlib.util
import secrets
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.app.server import Server
from server.config.sections import Files, Leases, MongoDB, Runner
from server.store.driver.connection import Database
from tests.fakes.dask_cluster import dask_cluster
from tests.integration.conftest import Client, make_config

pytestmark = [
    pytest.mark.slow,
    pytest.mark.gen_test(timeout=170),
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        importlib.util.find_spec("distributed") is None,
        reason="distributed is not installed (the extra dask): nothing was tried on a cluster",
    ),
]
THREADS, RUNS = 2, 6


async def test_two_servers_have_no_more_runs_on_a_cluster_than_it_has_threads(
    shared_uri: str, tmp_path: Path
) -> None:
    mongodb = MongoDB(uri=shared_uri, database=f"heliograph_test_{secrets.token_hex(6)}")
    with dask_cluster(tmp_path, workers=1, threads=THREADS) as cluster:
        runner = Runner(type="dask", address=cluster.address, silence_seconds=4.0)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(_drop, mongodb)
            clients = []
            for name in ("one", "another"):
                config = replace(
                    make_config(tmp_path / name),
                    mongodb=mongodb,
                    files=Files(url=str(tmp_path / "files")),
                    runner=runner,
                    leases=Leases(heartbeat_seconds=0.5, lease_seconds=10.0, check_seconds=0.2),
                )
                server = await stack.enter_async_context(Server(config))
                await server.start()
                clients.append(Client(server.address.rstrip("/")))
            records = await _ran(clients)
    assert [record["state"] for record in records] == ["succeeded"] * RUNS
    assert _most_at_once(records) <= THREADS


async def _ran(clients: list[Client]) -> list[dict[str, Any]]:
    """Submit as many runs to each server, and return their records."""
    target = await clients[0].make_target("Shared", extra_fields={"lines": 5, "pause": 0.1})
    products = await clients[0].upload(target, ("a.fits", b"x"))
    submitted = [
        (client, await client.submit("Counts", target, products))
        for _ in range(RUNS // len(clients))
        for client in clients
    ]
    return [await client.ended(record["pk"]) for client, record in submitted]


def _most_at_once(records: list[dict[str, Any]]) -> int:
    """Return how many of these processes ran at the same time at most."""
    starts = [record["started"] for record in records]
    return max(
        sum(record["started"] <= start < record["terminal_timestamp"] for record in records)
        for start in starts
    )


async def _drop(mongodb: MongoDB) -> None:
    database = await Database.open(mongodb.uri or "")
    await database._client.drop_database(mongodb.database)
    database.close()
