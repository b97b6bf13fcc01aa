"""Steps of searches: a few at once, fair by client, none for who has left."""

from __future__ import annotations

import asyncio

from server.logs.searching.turns import SearchTurns


def test_no_more_steps_run_at_once_and_clients_are_served_in_turn() -> None:
    async def scenario() -> tuple[list[str], int]:
        turns, order = SearchTurns(at_once=1), list[str]()
        running = most = 0

        async def step(client: str) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            order.append(client)
            await asyncio.sleep(0)
            running -= 1

        clients = ["a"] * 5 + ["b"] * 2 + ["c"]
        await asyncio.gather(*(turns.run(each, lambda each=each: step(each)) for each in clients))  # type: ignore[misc]
        return order, most

    order, most = asyncio.run(scenario())
    assert "".join(order) == "aabcabaa"
    assert most == 1


def test_who_leaves_takes_no_turn_and_keeps_none_from_others() -> None:
    async def scenario() -> list[str]:
        turns, order = SearchTurns(at_once=1), list[str]()
        go_on = asyncio.Event()

        async def step(name: str) -> None:
            order.append(name)
            await go_on.wait()

        first, second, third = (
            asyncio.ensure_future(turns.run("me", lambda name=name: step(name)))  # type: ignore[misc]
            for name in ("first", "second", "third")
        )
        await asyncio.sleep(0)
        second.cancel()
        first.cancel()  # its step is in a thread, and goes on to its end
        await asyncio.wait([first, second])
        assert order == ["first"]
        go_on.set()
        await third
        return order

    assert asyncio.run(scenario()) == ["first", "third"]


def test_a_turn_that_comes_as_its_client_leaves_is_passed_on() -> None:
    async def scenario() -> str:
        turns = SearchTurns(at_once=1)
        first_ends = asyncio.get_running_loop().create_future()

        async def wait_for(future: asyncio.Future[None]) -> None:
            await future

        async def done() -> str:
            return "done"

        first = asyncio.ensure_future(turns.run("a", lambda: wait_for(first_ends)))
        second = asyncio.ensure_future(turns.run("b", done))
        third = asyncio.ensure_future(turns.run("c", done))
        await asyncio.sleep(0)
        first_ends.set_result(None)
        await first
        second.cancel()
        return await asyncio.wait_for(third, 5)

    assert asyncio.run(scenario()) == "done"
