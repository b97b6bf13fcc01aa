"""How the dispatcher copes with a failing database: nothing gets stuck or runs for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from server.app.server import Server
from server.core.errors import DatabaseAway
from server.store.driver.collection import Collection
from tests.integration.conftest import Client, make_config

pytestmark = [pytest.mark.gen_test(timeout=60), pytest.mark.timeout(90)]

#: Does or refuses an operation, given its collection, its name and how to do it.
Meddle = Callable[[str, str, Callable[[], Awaitable[Any]]], Awaitable[Any]]


@asynccontextmanager
async def serving(data: Path) -> AsyncIterator[tuple[Server, Client]]:
    """Yield a server of the test's own, on the test's own loop, and a client."""
    async with Server(make_config(data)) as server:
        await server.start()
        yield server, Client(server.address.rstrip("/"))


def meddle(monkeypatch: pytest.MonkeyPatch, with_it: Meddle) -> None:
    """Intercept the calls of the server to its database."""
    real, here = Collection._call, threading.get_ident()

    async def call(collection: Collection, operation: str, work: Any) -> Any:
        if threading.get_ident() != here:  # from the server that other tests share
            return await real(collection, operation, work)
        return await with_it(collection.name, operation, lambda: real(collection, operation, work))

    monkeypatch.setattr(Collection, "_call", call)


def is_claim(collection: str, operation: str) -> bool:
    """Return whether it may be a claim: nothing else changes processes before one is running."""
    return (collection, operation) == ("processes", "change")


async def submit(client: Client, pipeline: str = "Counts") -> dict[str, Any]:
    target = await client.make_target()
    return await client.submit(pipeline, target, await client.upload(target, ("a.fits", b"x")))


async def texts(client: Client, pk: int) -> list[str]:
    return [entry[3] for entry in await client.lines(pk)]


async def test_a_claim_that_goes_wrong_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = iter([RuntimeError("a defect"), DatabaseAway(), OSError("a socket broke")])

    async def fail(collection: str, operation: str, work: Callable[[], Awaitable[Any]]) -> Any:
        if is_claim(collection, operation) and (error := next(wrong, None)):
            raise error
        return await work()

    async with serving(tmp_path) as (_, client):
        meddle(monkeypatch, fail)
        ended = await client.ended((await submit(client))["pk"])
    assert (ended["state"], ended["attempt"]) == ("succeeded", 1)


async def test_a_claim_whose_answer_was_lost_is_no_lost_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = asyncio.Event()

    async def lose(collection: str, operation: str, work: Callable[[], Awaitable[Any]]) -> Any:
        answer = await work()
        if is_claim(collection, operation) and answer and not answered.is_set():
            answered.set()
            raise DatabaseAway
        return answer

    async with serving(tmp_path) as (_, client):
        meddle(monkeypatch, lose)
        ended = await client.ended((await submit(client))["pk"])
        said = await texts(client, ended["pk"])
    assert answered.is_set()
    assert (ended["state"], ended["attempt"]) == ("succeeded", 2)
    assert not [text for text in said if text.startswith("Lost")]


async def test_a_defect_within_an_attempt_counts_as_a_lost_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is retried as often as a lost run, and then fails, instead of never or for ever."""

    async def fail(collection: str, operation: str, work: Callable[[], Awaitable[Any]]) -> Any:
        if collection == "dataproducts" and operation == "insert_many" and armed.is_set():
            raise RuntimeError("a defect")
        return await work()

    armed = asyncio.Event()
    meddle(monkeypatch, fail)
    async with serving(tmp_path) as (_, client):
        record = await submit(client, "Outputs")
        armed.set()
        ended = await client.ended(record["pk"])
        said = await texts(client, ended["pk"])
    assert (ended["state"], ended["attempt"]) == ("failed", 2)
    assert ended["failure_message"] == "Lost: the server that ran it stopped"
    assert len([text for text in said if text.startswith("Lost")]) == 2


@pytest.mark.slow
async def test_what_is_claimed_while_the_server_stops_is_handed_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claiming, go_on = asyncio.Event(), asyncio.Event()

    async def hold(collection: str, operation: str, work: Callable[[], Awaitable[Any]]) -> Any:
        if is_claim(collection, operation) and not go_on.is_set():
            claiming.set()
            await go_on.wait()
        return await work()

    async with serving(tmp_path) as (_, client):
        meddle(monkeypatch, hold)
        record = await submit(client, "Waits")
        await claiming.wait()
        asyncio.get_running_loop().call_later(0.1, go_on.set)
    async with serving(tmp_path) as (_, client):
        again = await client.until(record["pk"], lambda now: now["state"] == "running")
        assert again["attempt"] == 2
        said = await texts(client, record["pk"])
        assert not [text for text in said if text.startswith("Lost")]
        await client.call(f"/api/processes/{record['pk']}/cancel/", "POST", status=202)
        await client.ended(record["pk"])


async def test_the_key_of_a_deleted_process_makes_no_other(client: Client) -> None:
    target = await client.make_target()
    products = await client.upload(target, ("a", b"x"))
    body = {"target": target, "pipeline": "Fails", "products": products, "flags": {}}
    key = {"Idempotency-Key": f"deleted-{target}"}
    made = await client.call("/api/processes/", "POST", body, status=201, headers=key)
    await client.ended(made["pk"])
    await client.call(f"/api/processes/{made['pk']}/", "DELETE", status=204)
    answer = await client.call("/api/processes/", "POST", body, status=409, headers=key)
    assert answer == {"detail": "The process of this Idempotency-Key was deleted."}
    listed = await client.call(f"/api/processes/?target={target}")
    assert listed["processes"] == []


async def test_a_process_is_not_deleted_while_another_needs_its_output(client: Client) -> None:
    target = await client.make_target()
    products = await client.upload(target, ("a.txt", b"x"))
    first = await client.ended((await client.submit("Outputs", target, products))["pk"])
    user = await client.submit("Waits", target, first["outputs"][:1])
    answer = await client.call(f"/api/processes/{first['pk']}/", "DELETE", status=409)
    assert f"process {user['pk']}" in answer["detail"]
    await client.call(f"/api/processes/{user['pk']}/cancel/", "POST", status=202)
    await client.ended(user["pk"])
    await client.call(f"/api/processes/{first['pk']}/", "DELETE", status=204)
