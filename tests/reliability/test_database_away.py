"""A database that is cut off, stalls, drops connections, or is not there yet."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse

from tests.reliability.tools.observer import Observer
from tests.reliability.tools.proxy import Proxy
from tests.reliability.tools.serving import Client
from tests.reliability.tools.shared import Shared, observatory

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=290), pytest.mark.timeout(300)]

OUTAGE_SECONDS = 2.0
LEASE_SECONDS = 2.0
STALL_SECONDS = 2 * LEASE_SECONDS


async def ask(url: str) -> HTTPResponse:
    """Return the response, whatever it is."""
    return await AsyncHTTPClient().fetch(url, raise_error=False, request_timeout=20)


async def observing(shared: Shared, proxy: Proxy) -> Observer:
    """Start a server that reaches its database only through the proxy; return an observer of it."""
    server = shared.server(uri=proxy.uri)
    await server.start()
    observer = Observer(Client(server), look_up=shared.record)
    await observer.begin("away")
    return observer


async def ticking(observer: Observer) -> int:
    """Start a run that logs a line all the time; return its PK."""
    pk = await observer.submit("Waits", await observer.upload("a.fits"), steady=True)
    await observer.until(pk, lambda record: record["status"] == "Waiting")
    return pk


async def ticks(shared: Shared, pk: int) -> list[tuple[int, float]]:
    """Return the number and the time of each tick that it has logged."""
    texts = [text.split() for text in await shared.texts(pk)]
    return [(int(text[1]), float(text[2])) for text in texts if text[0] == "tick"]


async def goes_on(shared: Shared, pk: int, moment: float) -> None:
    """Wait until a line that was logged after the moment is stored."""
    async with asyncio.timeout(20):
        while not (said := await ticks(shared, pk)) or said[-1][1] < moment:
            await asyncio.sleep(0.1)


async def test_lines_said_while_the_database_is_away_are_stored_once_and_in_order() -> None:
    async with observatory() as shared, Proxy(shared.socket) as proxy:
        observer = await observing(shared, proxy)
        pk = await ticking(observer)
        outages = []
        for trouble in (proxy.cut, proxy.stall, proxy.drop):
            await goes_on(shared, pk, time.time())
            outages.append(time.time())
            trouble()
            await asyncio.sleep(OUTAGE_SECONDS)
            proxy.restore()
            await goes_on(shared, pk, time.time())
        await observer.cancel(pk)
        record = await observer.ended(pk)
        assert (record["state"], record["attempt"]) == ("cancelled", 1)
        said = await ticks(shared, pk)
        assert [number for number, _ in said] == list(range(1, len(said) + 1))
        for began in outages:
            during = [when for _, when in said if began <= when < began + OUTAGE_SECONDS]
            assert len(during) > 10 * OUTAGE_SECONDS
        assert await shared.wrongs(observer.promises) == []


async def test_without_its_database_a_server_lives_says_so_and_is_not_ready() -> None:
    async with observatory() as shared, Proxy(shared.socket) as proxy:
        observer = await observing(shared, proxy)
        makes = await observer.submit("Makes", await observer.upload("a.fits"))
        await observer.ended(makes)
        pk = await ticking(observer)
        url = await observer.client.server.url()
        proxy.cut()
        paths = ("/healthz", "/readyz", "/api/processes/", f"/api/targets/{observer.target}/")
        asked = await asyncio.gather(*(ask(url + path) for path in paths))
        answers = dict(zip(paths, asked, strict=True))
        codes = {path: answer.code for path, answer in answers.items()}
        assert codes.pop("/healthz") == 200
        assert set(codes.values()) == {503}
        assert all(int(answers[path].headers["Retry-After"]) > 0 for path in codes)
        known = await ask(f"{url}/api/pipeline/logs/{makes}/")
        assert known.code in (200, 503)
        proxy.restore()
        async with asyncio.timeout(10):
            while (await ask(f"{url}/readyz")).code != 200:
                await asyncio.sleep(0.05)
        await observer.cancel(pk)
        assert (await observer.ended(pk))["state"] == "cancelled"


async def test_a_server_waits_for_its_database_at_the_start() -> None:
    async with observatory() as shared, Proxy(shared.socket) as proxy:
        proxy.cut()
        server = shared.server(uri=proxy.uri)
        await server.start()
        address = await server.listening()
        codes = {
            path: (await ask(address + path)).code for path in ("/healthz", "/readyz", "/api/")
        }
        assert codes == {"/healthz": 200, "/readyz": 503, "/api/": 503}
        assert server.lives[-1].ready is None
        proxy.restore()
        observer = Observer(Client(server))
        await observer.begin("late")
        assert (await ask(f"{address}/readyz")).code == 200
        makes = await observer.submit("Makes", await observer.upload("a.fits"))
        assert (await observer.ended(makes))["state"] == "succeeded"


async def test_a_stall_longer_than_the_lease_takes_no_run_from_anybody() -> None:
    async with observatory() as shared, Proxy(shared.socket) as proxy:
        first, second = await observing(shared, proxy), await observing(shared, proxy)
        second.promises = first.promises
        runs = [await ticking(each) for each in (first, first, second, second, second)]
        proxy.stall()
        await asyncio.sleep(STALL_SECONDS)
        proxy.restore()
        for pk in runs:
            await goes_on(shared, pk, time.time())
        attempts = {pk: (await shared.record(pk))["attempt"] for pk in runs}
        assert attempts == dict.fromkeys(runs, 1)
        for pk in runs:
            await first.cancel(pk)
            assert (await first.ended(pk))["attempt"] == 1
        assert await shared.wrongs(first.promises) == []


async def test_a_server_that_slept_takes_no_run_from_one_that_did_not() -> None:
    async with observatory() as shared:
        awake, asleep = shared.server(), shared.server()
        await awake.start()
        observer = Observer(Client(awake), look_up=shared.record)
        await observer.begin("awake")
        pk = await ticking(observer)
        await asleep.start()
        await asleep.url()
        for _ in range(2):
            asleep.send(signal.SIGSTOP)
            await asyncio.sleep(LEASE_SECONDS * 1.25)
            asleep.send(signal.SIGCONT)
            await goes_on(shared, pk, time.time() + 0.5)
        assert (await shared.record(pk))["attempt"] == 1
        await observer.cancel(pk)
        assert (await observer.ended(pk))["attempt"] == 1
        assert await shared.wrongs(observer.promises) == []
