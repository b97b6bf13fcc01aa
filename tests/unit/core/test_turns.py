"""Turns: one in each round of the loop, in order, whoever gives up."""

from __future__ import annotations

import asyncio

from server.core.turns import take_turn

EVERYBODY = 20


def test_a_turn_is_given_once_in_a_round_of_the_loop_and_in_order() -> None:
    async def scenario() -> list[int]:
        taken: list[int] = []

        async def work(number: int) -> None:
            for _ in range(3):
                await take_turn()
                taken.append(number)

        working = [asyncio.ensure_future(work(number)) for number in range(EVERYBODY)]
        while not all(task.done() for task in working):
            before = len(taken)
            await asyncio.sleep(0)
            assert len(taken) - before <= 1
        return taken

    # The first one is not kept waiting, and is in the queue again before the others come.
    expected = [0, *range(EVERYBODY), *range(EVERYBODY), *range(1, EVERYBODY)]
    assert asyncio.run(scenario()) == expected


def test_whoever_gives_up_waiting_holds_nobody_up() -> None:
    async def scenario() -> None:
        await take_turn()
        waiting = [asyncio.ensure_future(take_turn()) for _ in range(EVERYBODY)]
        await asyncio.sleep(0)
        for task in waiting[::2]:
            task.cancel()
        async with asyncio.timeout(10):
            await asyncio.gather(*waiting[1::2])

    asyncio.run(scenario())


def test_who_is_alone_does_not_wait() -> None:
    async def scenario() -> None:
        turn = take_turn()
        try:
            turn.send(None)
        except StopIteration:
            return
        raise AssertionError("the turn was not given at once")

    asyncio.run(scenario())
