"""Servers that share a database: killed, stopped and shut down by real signals."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import signal
import time

import psutil
import pytest
from tornado.websocket import websocket_connect

from tests.reliability.tools.faults import FAIL, Orders
from tests.reliability.tools.observer import Observer
from tests.reliability.tools.serving import Client, Server
from tests.reliability.tools.shared import Shared, observatory, skewed

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=290), pytest.mark.timeout(300)]

#: The configured lease and time between two looks, and what a busy machine may need.
LOST = "Lost: the server that ran it stopped"
LEASE_SECONDS = 2.0
SLACK_SECONDS = 6.0


async def started(shared: Shared, *servers: Server) -> list[Observer]:
    """Start the servers; return an observer of each, all on one target.

    Records are looked up in the database.
    """
    for server in servers:
        await server.start()
    await asyncio.gather(*(server.url() for server in servers))
    first, *others = [Observer(Client(server), look_up=shared.record) for server in servers]
    await first.begin("shared")
    for other in others:
        other.target, other.promises = first.target, first.promises
    return [first, *others]


def joining(observer: Observer, server: Server) -> Observer:
    """Return the same observer for another server."""
    return dataclasses.replace(observer, client=Client(server))


async def waiting(observer: Observer, **flags: bool) -> int:
    """Start a process that runs until it is cancelled; return its PK."""
    pk = await observer.submit("Waits", await observer.upload("a.fits"), **flags)
    await observer.until(pk, lambda record: record["status"] == "Waiting")
    return pk


async def pids(shared: Shared, pk: int) -> list[int]:
    """Return the OS processes that a waiting run has logged."""
    texts = await shared.texts(pk)
    return [int(text.split()[1]) for text in texts if text.startswith("pid ")]


async def gone(pid: int) -> None:
    """Wait until an OS process has ended."""
    async with asyncio.timeout(SLACK_SECONDS):
        with contextlib.suppress(psutil.NoSuchProcess):
            while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                await asyncio.sleep(0.01)


async def cancelled(observer: Observer, pk: int) -> None:
    """Cancel a process and wait for its end."""
    await observer.cancel(pk)
    assert (await observer.ended(pk))["state"] == "cancelled"


async def all_owners(shared: Shared, count: int) -> set[str]:
    """Return the ids of the servers seen running something, once there are this many."""
    seen: set[str] = set()
    async with asyncio.timeout(20):
        while len(seen) < count:
            seen |= set((await shared.owners()).values())
    return seen


@pytest.mark.long
async def test_clocks_ten_minutes_apart_change_nothing() -> None:
    async with observatory() as shared:
        slow, fast = shared.server(pool__workers=2), shared.server(pool__workers=2)
        slow.environment["PYTHONPATH"] = skewed(shared.folder / "slow", -300)
        fast.environment["PYTHONPATH"] = skewed(shared.folder / "fast", 300)
        first, second = await started(shared, slow, fast)
        now = [
            (await each.client.call("/api/async/status/1/"))["timestamp"]
            for each in (first, second)
        ]
        assert 590 < now[1] - now[0] < 610
        runs = [await waiting(first, steady=True) for _ in range(4)]
        assert len(set((await shared.owners()).values())) == 2
        # Longer than a lease, while each sees the other's heartbeats.
        done = time.monotonic() + LEASE_SECONDS + 1
        while time.monotonic() < done:
            for pk in runs:
                record = await shared.record(pk)
                assert (record["state"], record["attempt"]) == ("running", 1)
        for pk in runs:
            await cancelled(first, pk)
        made = [await each.submit("Makes", await each.upload("b.fits")) for each in (first, second)]
        for pk in made:
            assert (await second.ended(pk))["attempt"] == 1
        assert await shared.wrongs(first.promises) == []


async def test_the_runs_of_a_killed_server_go_on_elsewhere_within_the_lease() -> None:
    async with observatory() as shared:
        killed, other = shared.server(pool__workers=2), shared.server(pool__workers=2)
        first, second = await started(shared, killed, other)
        made = [
            await first.submit("Makes", await first.upload("a.fits"), slow=True) for _ in range(12)
        ]
        assert len(await all_owners(shared, 2)) == 2
        for pk in made:
            await second.ended(pk)
        runs = [await waiting(second, steady=True) for _ in range(4)]
        owner = (killed.data / "server-id").read_text().strip()
        lost = [pk for pk, by in (await shared.owners()).items() if by == owner]
        kept = [pk for pk in runs if pk not in lost]
        assert len(lost) == 2
        children = [pid for pk in lost for pid in await pids(shared, pk)]
        await killed.end()
        began = time.monotonic()
        for pid in children:
            await gone(pid)
        await cancelled(second, kept[0])
        await cancelled(second, kept[1])
        for pk in lost:
            await second.until(pk, lambda record: record["attempt"] == 2)
        assert time.monotonic() - began < LEASE_SECONDS + SLACK_SECONDS
        for pk in lost:
            await second.until(pk, lambda record: record["status"] == "Waiting")
            await cancelled(second, pk)
            said = [text for text in await shared.texts(pk) if not text.startswith("tick ")]
            assert [text.partition(";")[0] for text in said].count(LOST) == 1, (said, other.words)
        assert [(await second.ended(pk))["attempt"] for pk in kept] == [1, 1]
        # Its working folders are removed when it is back.
        await killed.start()
        await killed.url()
        assert await shared.wrongs(second.promises) == []


async def test_a_server_stopped_past_its_lease_does_no_harm_when_it_goes_on() -> None:
    async with observatory() as shared:
        stopped, other = shared.server(), shared.server()
        [first] = await started(shared, stopped)
        waits = await waiting(first, steady=True)
        makes = await first.submit("Makes", await first.upload("a.fits"), slow=True)
        await first.until(makes, lambda record: record["status"] == "Making")
        [child] = await pids(shared, waits)
        stopped.send(signal.SIGSTOP)
        await other.start()
        second = joining(first, other)
        await second.until(waits, lambda record: record["attempt"] == 2)
        ended = await second.ended(makes)
        assert (ended["state"], ended["attempt"]) == ("succeeded", 2)
        await second.until(waits, lambda record: record["status"] == "Waiting")
        stopped.send(signal.SIGCONT)
        await gone(child)
        assert (await shared.record(waits))["attempt"] == 2
        await cancelled(second, waits)
        assert await shared.wrongs(first.promises) == []


@pytest.mark.long
async def test_a_server_that_lost_a_run_shows_what_became_of_it() -> None:
    async with observatory() as shared:
        stopped, other = shared.server(), shared.server()
        [first] = await started(shared, stopped)
        waits = await waiting(first)
        stopped.send(signal.SIGSTOP)
        await other.start()
        second = joining(first, other)
        await second.until(waits, lambda record: record["attempt"] == 2)
        await cancelled(second, waits)
        stopped.send(signal.SIGCONT)
        first.look_up = None
        assert (await first.ended(waits))["state"] == "cancelled"
        assert await shared.wrongs(first.promises) == []


async def test_what_was_claimed_by_a_server_that_never_had_a_heartbeat_is_taken_over() -> None:
    async with observatory() as shared:
        killed, other = shared.server(), shared.server()
        killed.follow(Orders(kinds=(FAIL,), probability=1.0, only="change servers"))
        [first] = await started(shared, killed)
        pk = await waiting(first)
        assert set(killed.calls) == {"change servers"}
        await killed.end()
        await other.start()
        second = joining(first, other)
        await other.url()
        began = time.monotonic()
        await second.until(pk, lambda record: record["attempt"] == 2)
        assert time.monotonic() - began < LEASE_SECONDS + SLACK_SECONDS
        await second.until(pk, lambda record: record["status"] == "Waiting")
        await cancelled(second, pk)
        killed.follow(None)
        await killed.start()
        await killed.url()
        assert await shared.wrongs(second.promises) == []


async def test_a_terminated_server_finishes_what_it_can_and_hands_the_rest_back() -> None:
    async with observatory() as shared:
        # A run that was handed back does not count as lost: no retries are allowed here.
        server = shared.server(pool__workers=2, retries=0)
        [observer] = await started(shared, server)
        waits = await waiting(observer)
        makes = await observer.submit("Makes", await observer.upload("a.fits"), slow=True)
        queued = await observer.submit("Quick", await observer.upload("b.fits"))
        await observer.until(makes, lambda record: record["status"] == "Making")
        [child] = await pids(shared, waits)
        address = (await server.url()).replace("http", "ws", 1)
        socket = await websocket_connect(f"{address}/ws/processes/{waits}/logs/")
        status = await websocket_connect(f"{address}/ws/async/status/{observer.target}/")
        began = time.monotonic()
        server.send(signal.SIGTERM)
        for viewer in (socket, status):
            while await viewer.read_message() is not None:
                pass
            assert viewer.close_code == 1001
            viewer.close()
        assert await server.ended() == 0
        assert 1.0 <= time.monotonic() - began < 1.0 + SLACK_SECONDS
        await gone(child)
        found = (await shared.look()).processes
        moved = {pk: (found[pk]["state"], found[pk]["attempt"]) for pk in (waits, makes, queued)}
        assert moved == {waits: ("queued", 1), makes: ("succeeded", 1), queued: ("queued", 0)}
        assert (found[waits]["lost"], found[waits]["died"]) == (0, 0)
        await server.start()
        await observer.until(waits, lambda record: record["status"] == "Waiting")
        assert (await observer.ended(queued))["attempt"] == 1
        await cancelled(observer, waits)
        assert (await observer.ended(waits))["attempt"] == 2
        assert await shared.wrongs(observer.promises) == []


async def test_a_drained_server_hands_over_its_runs_and_its_viewers() -> None:
    async with observatory() as shared:
        # The one is full, so that it is seen which of its runs the other takes up, and when.
        drained, other = shared.server(pool__workers=1, retries=0), shared.server(pool__workers=1)
        [first] = await started(shared, drained)
        waits = await waiting(first, steady=True)
        queued = await first.submit("Quick", await first.upload("b.fits"))
        seen: list[int] = []
        address = (await drained.url()).replace("http", "ws", 1)
        viewer = await websocket_connect(f"{address}/ws/processes/{waits}/logs/")
        await other.start()
        second = joining(first, other)
        assert (await second.ended(queued))["attempt"] == 1
        drained.send(signal.SIGTERM)
        while (message := await viewer.read_message()) is not None:
            seen += [entry[0] for entry in json.loads(message).get("lines", [])]
        assert viewer.close_code == 1001
        viewer.close()
        handed_back = time.monotonic()
        await second.until(waits, lambda record: record["attempt"] == 2)
        assert time.monotonic() - handed_back < 1.0 + SLACK_SECONDS
        assert await drained.ended() == 0
        record = await shared.record(waits)
        assert (record["lost"], record["died"]) == (0, 0)
        # The viewer goes on elsewhere, from the last line that it has.
        address = (await other.url()).replace("http", "ws", 1)
        url = f"{address}/ws/processes/{waits}/logs/?after={seen[-1]}"
        viewer = await websocket_connect(url)
        before = len(seen)
        async with asyncio.timeout(20):
            while len(seen) < before + 20:
                message = await viewer.read_message()
                assert message is not None
                seen += [entry[0] for entry in json.loads(message).get("lines", [])]
        viewer.close()
        assert seen == list(range(1, len(seen) + 1))
        await cancelled(second, waits)
        assert await shared.wrongs(first.promises) == []


async def test_a_second_signal_ends_the_server_at_once() -> None:
    async with observatory() as shared:
        server = shared.server(shutdown_seconds=600)
        [observer] = await started(shared, server)
        waits = await waiting(observer, stubborn=True, family=True)
        children = await pids(shared, waits)
        server.send(signal.SIGTERM)
        async with asyncio.timeout(10):
            while "once more" not in server.words:
                await asyncio.sleep(0.01)
        assert server.process is not None
        assert server.process.returncode is None
        began = time.monotonic()
        assert await server.end(signal.SIGTERM) == 1
        assert time.monotonic() - began < SLACK_SECONDS
        for child in children:
            await gone(child)
        await server.start()
        await observer.until(waits, lambda record: record["attempt"] == 2)
        await observer.until(waits, lambda record: record["status"] == "Waiting")
        await cancelled(observer, waits)
        assert await shared.wrongs(observer.promises) == []
