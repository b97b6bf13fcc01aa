"""Crowds that read long logs at once hold nobody up."""

from __future__ import annotations

import asyncio
import gc
import http.client
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from benchmarks.crowd import crowd
from server.logs.entries import Line
from tests.integration.conftest import Client, Running

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=120)]

#: What a round of the loop may compute beside a crowd, beyond the longest one without it, and what
#: it may take by the clock on a machine that is busy with other things too.
ROUND_SECONDS, CLOCK_SECONDS = 0.15, 2.0
LINES, LINE = 150_000, "x" * 99


class Rounds:
    """The processor time of a loop's longest round, in seconds, and the longest by the clock.

    By the clock, a round that waits for something counts, and so do other programs' turns.
    """

    longest = 0.0
    by_clock = 0.0


@contextmanager
def rounds_of(loop: asyncio.AbstractEventLoop) -> Iterator[Rounds]:
    """Time the rounds of a loop; it never sleeps meanwhile."""
    rounds = Rounds()

    async def measure() -> None:
        before, clock_before = time.thread_time(), time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now, clock = time.thread_time(), time.perf_counter()
            rounds.longest = max(rounds.longest, now - before)
            rounds.by_clock = max(rounds.by_clock, clock - clock_before)
            before, clock_before = now, clock

    gc.freeze()  # else what other tests have left is collected meanwhile
    measuring: Future[None] = asyncio.run_coroutine_threadsafe(measure(), loop)
    try:
        yield rounds
    finally:
        measuring.cancel()
        gc.unfreeze()


def one_of_the_crowd(running: Running, path: str) -> int:
    """Return the size of what a single download brings."""
    connection = http.client.HTTPConnection("127.0.0.1", running.server.port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 200
    size = len(answer.read())
    connection.close()
    return size


async def a_long_log(client: Client, running: Running) -> int:
    """Return the PK of a running process with a long log, written past its pipeline."""
    target = await client.make_target()
    process = await client.submit("Waits", target, await client.upload(target, ("a", b"x")))
    logs = running.server.services.processes._logs  # type: ignore[union-attr]

    async def write() -> None:
        for _ in range(LINES // 2_000):
            await logs.append(process["pk"], 1, [Line(1.5, "info", LINE)] * 2_000)

    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(write(), running.loop))
    return int(process["pk"])


async def test_no_round_of_the_loop_is_long_beside_a_crowd(
    client: Client, running: Running
) -> None:
    pk = await a_long_log(client, running)
    path = f"/api/pipeline/logs/{pk}/"
    with rounds_of(running.loop) as floor:
        size = await asyncio.to_thread(one_of_the_crowd, running, path)
    assert size > LINES * len(LINE)
    assert floor.longest < ROUND_SECONDS

    def longest_beside(path: str, count: int) -> float:
        with (
            crowd(running.server.port, path, count) as done,
            rounds_of(running.loop) as rounds,
        ):
            assert done.poll(60)
        assert rounds.by_clock < CLOCK_SECONDS
        return rounds.longest

    downloads = await asyncio.to_thread(longest_beside, path, 50)
    print(f"longest round {floor.longest:.3f} s alone, {downloads:.3f} s beside 50 downloads")
    assert downloads < floor.longest + ROUND_SECONDS
    await client.call(f"/api/processes/{pk}/cancel/", "POST", status=202)
    await client.ended(pk)
    viewers = await asyncio.to_thread(longest_beside, f"/ws/pipeline/logs/{pk}/", 300)
    print(f"{viewers:.3f} s beside 300 viewers")
    assert viewers < floor.longest + ROUND_SECONDS
