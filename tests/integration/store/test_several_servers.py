"""Two servers on one database: whatever one of them changes, the other shows."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tornado.httpclient import HTTPClientError
from tornado.websocket import websocket_connect

from server.app.server import Server
from server.config.sections import Files, Http, MongoDB, Pool
from server.peers import exchange as peers_exchange
from server.store.driver.connection import Database
from tests.engines.known_faults import JAVA, NAMED
from tests.integration.api.test_live import connected, next_message
from tests.integration.conftest import Client, make_config

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=110), pytest.mark.timeout(120)]

WAIT_SECONDS = 40


class Pair(NamedTuple):
    """Two servers, either of which may run what is submitted, and their clients."""

    one: Server
    another: Server
    client: Client
    other: Client


@pytest.fixture(params=["announced", "watched"])
def exchange(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Choose how the servers hear of each other. The embedded engine has change streams too."""
    watched = request.param == "watched"
    if watched and NAMED == JAVA:
        pytest.skip("this engine has no change streams")
    opened = Database.open

    async def chosen(uri: str, name: str = "heliograph") -> Database:
        database = await opened(uri, name)
        database.replicated = watched
        return database

    monkeypatch.setattr(Database, "open", chosen)
    return str(request.param)


@asynccontextmanager
async def two_servers(
    uri: str, folder: Path, workers: tuple[int, int] = (2, 2), tokens: tuple[str, ...] = ()
) -> AsyncIterator[Pair]:
    """Yield two servers that are ready, with so many slots each."""
    mongodb = MongoDB(uri=uri, database=f"heliograph_test_{secrets.token_hex(6)}")
    files = Files(url=str(folder / "files"))
    configs = [
        replace(
            make_config(folder / name),
            http=Http(port=0, tokens=tokens),
            mongodb=mongodb,
            files=files,
            pool=Pool(workers=slots),
        )
        for name, slots in zip(("one", "another"), workers, strict=True)
    ]
    try:
        async with Server(configs[0]) as one, Server(configs[1]) as another:
            await one.start()
            await another.start()
            clients = [Client(server.address.rstrip("/")) for server in (one, another)]
            yield Pair(one, another, *clients)
    finally:
        database = await Database.open(uri)
        await database._client.drop_database(mongodb.database)
        database.close()


async def until(look: Any, condition: Any) -> Any:
    """Repeat a call until its result fulfils a condition; return the result."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition(found := await look()):
            await asyncio.sleep(0.02)
    return found


async def submitted(pair: Pair, lines: int, pause: float) -> tuple[int, dict[str, Any]]:
    extra = {"lines": lines, "pause": pause}
    target = await pair.client.make_target(f"Shared {secrets.token_hex(4)}", extra_fields=extra)
    products = await pair.client.upload(target, ("a.fits", b"x"))
    # Both read it while it is empty, so that both have it in memory.
    for client in (pair.client, pair.other):
        assert (await client.call(f"/api/async/status/{target}/"))["processes"] == []
    return target, await pair.client.submit("Counts", target, products)


async def test_status_record_and_log_are_the_same_on_both(
    shared_uri: str, tmp_path: Path, exchange: str
) -> None:
    async with two_servers(shared_uri, tmp_path) as pair:
        target, record = await submitted(pair, 200, 0.005)
        pk = record["pk"]
        for client in (pair.client, pair.other):
            await until(
                lambda client=client: client.call(f"/api/async/status/{target}/"),
                lambda found: [each["status"] for each in found["processes"]] == ["created"],
            )
            ended = await client.ended(pk)
            assert ended["log_lines"] == 200
            body = await client.call(f"/api/pipeline/logs/{pk}/")
            assert body["status"] == "created"
            assert body["logs"].startswith("line 1\n")
            assert body["logs"].count("\n") == 200
            assert [entry[0] for entry in await client.lines(pk)] == list(range(1, 201))


async def test_a_log_is_followed_live_on_whichever_server(
    shared_uri: str, tmp_path: Path, exchange: str
) -> None:
    async with two_servers(shared_uri, tmp_path) as pair:
        _, record = await submitted(pair, 100, 0.01)

        async def followed(server: Server) -> tuple[list[int], int]:
            url = server.address.replace("http", "ws", 1) + f"ws/pipeline/logs/{record['pk']}/"
            numbers: list[int] = []
            batches = 0
            async with connected(url) as socket:
                while (message := await next_message(socket)) is not None:
                    if message["type"] == "lines":
                        numbers += [entry[0] for entry in message["lines"]]
                        batches += 1
                assert socket.close_code == 1000
            return numbers, batches

        async with asyncio.timeout(WAIT_SECONDS):
            found = await asyncio.gather(followed(pair.one), followed(pair.another))
        for numbers, batches in found:
            assert numbers == list(range(1, 101))
            assert batches > 2  # while it ran, not all at its end


async def test_a_cancel_and_a_deletion_on_one_server_reach_the_other(
    shared_uri: str, tmp_path: Path, exchange: str
) -> None:
    async with two_servers(shared_uri, tmp_path) as pair:
        target, record = await submitted(pair, 10**6, 0.01)
        pk = record["pk"]
        await pair.other.until(pk, lambda found: found["state"] == "running")
        await pair.other.call(f"/api/processes/{pk}/cancel/", "POST", b"", status=202)
        for client in (pair.client, pair.other):
            assert (await client.ended(pk))["state"] == "cancelled"
            await client.call(f"/api/pipeline/logs/{pk}/")
        await pair.client.call(f"/api/processes/{pk}/", "DELETE", status=204)
        await until(
            lambda: pair.other.fetch(f"/api/processes/{pk}/"), lambda found: found.code == 404
        )
        await until(
            lambda: pair.other.call(f"/api/async/status/{target}/"),
            lambda found: found["processes"] == [],
        )
        assert (await pair.other.fetch(f"/api/pipeline/logs/{pk}/")).code == 404
        await pair.other.call(f"/api/targets/{target}/?force=true", "DELETE", status=204)
        await until(
            lambda: pair.client.fetch(f"/api/async/status/{target}/"),
            lambda found: found.code == 404,
        )


async def test_what_was_missed_is_forgotten_and_read_again(
    shared_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers_exchange, "KEPT", 1)
    monkeypatch.setattr(peers_exchange, "PRUNE_EVERY", 1)
    async with two_servers(shared_uri, tmp_path) as pair:
        target, record = await submitted(pair, 50, 0.005)
        await pair.other.ended(record["pk"])
        found = await until(
            lambda: pair.other.call(f"/api/async/status/{target}/"),
            lambda found: [each["status"] for each in found["processes"]] == ["created"],
        )
        assert found["processes"][0]["identifier"] == record["identifier"]
        assert len(await pair.other.lines(record["pk"])) == 50


async def test_tickets_and_links_are_good_on_both(engine_uri: str, tmp_path: Path) -> None:
    async with two_servers(engine_uri, tmp_path) as pair:
        record = await pair.client.run("Outputs")
        url = (await pair.client.call(f"/api/processes/{record['pk']}/share/", "POST", status=201))[
            "url"
        ]
        assert (await pair.other.fetch(url)).code == 303
        listed = await pair.other.call(f"/api/processes/{record['pk']}/share/")
        assert len(listed["shares"]) == 1
        await pair.client.call(f"/api/processes/{record['pk']}/share/", "DELETE", status=204)
        await until(lambda: pair.other.fetch(url), lambda answer: answer.code == 404)
        for _ in range(10):
            ticket = (await pair.client.call("/api/tickets/", "POST", status=201))["ticket"]
            path = f"ws/processes/{record['pk']}/logs/?ticket={ticket}"
            urls = [s.address.replace("http", "ws", 1) + path for s in (pair.one, pair.another)]
            both = await asyncio.gather(*map(websocket_connect, urls), return_exceptions=True)
            refused = [each for each in both if isinstance(each, HTTPClientError)]
            assert [each.code for each in refused] == [401]
            for socket in both:
                if not isinstance(socket, BaseException):
                    socket.close()


async def test_each_server_shows_its_own_figures_and_those_of_all(
    shared_uri: str, tmp_path: Path, exchange: str
) -> None:
    async with two_servers(shared_uri, tmp_path) as pair:
        target, record = await submitted(pair, 10**6, 0.01)
        products = record["products"]
        for _ in range(4):  # two slots on each, so that one process waits
            await pair.other.submit("Counts", target, products)
        clients = (pair.client, pair.other)
        for client in clients:
            status = await until(
                lambda client=client: client.call("/api/status/"),
                lambda found: (found["running"], found["queue_length"]) == (4, 1),
            )
            assert (status["slots"], status["running_here"]) == (2, 2)
            assert status["queue_age_seconds"] >= 0
            assert status["database_bytes"] > 0
        ids = {(await client.call("/api/status/"))["server_id"] for client in clients}
        assert len(ids) == 2
        for pk in range(record["pk"], record["pk"] + 5):
            await pair.client.call(f"/api/processes/{pk}/cancel/", "POST", b"", status=202)
        for client in clients:
            await until(
                lambda client=client: client.call("/api/status/"),
                lambda found: (found["running"], found["queue_length"]) == (0, 0),
            )


async def test_what_changes_on_one_server_is_told_on_the_other(
    shared_uri: str, tmp_path: Path, exchange: str
) -> None:
    async with two_servers(shared_uri, tmp_path) as pair:
        target = await pair.client.make_target("Told elsewhere")
        address = pair.another.address.replace("http", "ws", 1)
        async with connected(f"{address}ws/changes/?target={target}") as socket:

            async def told(*words: str) -> None:
                async with asyncio.timeout(WAIT_SECONDS):
                    missing = set(words)
                    while missing:
                        missing -= set((await next_message(socket))["what"])

            async def edited() -> Any:
                path = f"/api/targets/{target}/"
                await pair.client.call(path, "PATCH", {"name": secrets.token_hex(4)}, status=200)
                return (await next_message(socket))["what"]

            # Servers that have just met tell of everything; from here on, of single changes.
            await until(edited, lambda what: what == ["target"])
            table = ("a.txt", b"mjd,magnitude,error\n58107.5,12.25,0.02\n")
            (product,) = await pair.client.upload(target, table)
            await told("products")
            group = await pair.client.call(
                "/api/groups/", "POST", {"name": "g", "products": [product]}, 201
            )
            await told("groups")
            curve = f"/api/targets/{target}/lightcurve/"
            await pair.client.call(curve, "POST", {"product": product})
            await told("lightcurve")
            record = await pair.client.submit("Outputs", target, [product])
            await told("processes", "products", "groups")
            await pair.client.ended(record["pk"])
            await pair.client.call(f"/api/processes/{record['pk']}/", "DELETE", status=204)
            await told("processes", "products")
            await pair.client.call(f"/api/groups/{group['pk']}/", "DELETE", status=204)
            await told("groups")
            await pair.client.call(f"/api/targets/{target}/", "DELETE", status=204)
            async with asyncio.timeout(WAIT_SECONDS):
                while await socket.read_message() is not None:
                    pass
            assert socket.close_code == 4404
