"""Only who has a ticket's secret is let in, and only a server that has it is spoken to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from runners.supervision.remote.authentication import Refused, Ticket, admit, introduce
from runners.supervision.remote.wire import LARGEST_UNKNOWN_BYTES, MESSAGES, Wire, WireBroken

pytestmark = pytest.mark.gen_test
FACTS = {"host": "here"}


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[Wire, Wire]]:
    """Yield both ends of a connection: the agent's and the server's."""
    arrived: asyncio.Future[Wire] = asyncio.get_running_loop().create_future()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set_result(Wire(reader, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ours = Wire(*await asyncio.open_connection("127.0.0.1", port))
    theirs = await arrived
    try:
        yield ours, theirs
    finally:
        ours.abort()
        theirs.abort()
        server.close()


def ticket(secret: str) -> Ticket:
    return Ticket(host="127.0.0.1", port=1, number="n1", secret=secret)


async def meet(agents: Ticket, secret_of: Callable[[str], str | None]) -> list[Any]:
    """Have an agent introduce itself; return what became of both sides."""
    async with pair() as (ours, theirs):

        async def letting_in() -> Any:
            try:
                return await admit(theirs, secret_of)
            finally:
                await asyncio.sleep(0.05)
                theirs.abort()

        async def introducing() -> None:
            try:
                await introduce(ours, agents, FACTS)
            except BaseException:
                ours.abort()
                raise

        return await asyncio.gather(introducing(), letting_in(), return_exceptions=True)


async def test_who_has_the_secret_is_let_in_with_its_facts() -> None:
    assert await meet(ticket("s"), {"n1": "s"}.get) == [None, ("n1", FACTS)]


@pytest.mark.parametrize("secrets", [{"n1": "other"}, {}], ids=["wrong", "unknown"])
async def test_neither_side_trusts_another_secret(secrets: dict[str, str]) -> None:
    agent, server = await meet(ticket("s"), secrets.get)
    assert isinstance(agent, Refused)
    assert isinstance(server, WireBroken)


async def test_an_agent_that_does_not_check_the_server_is_refused_for_its_proof() -> None:
    async with pair() as (ours, theirs):
        letting_in = asyncio.ensure_future(admit(theirs, {"n1": "s"}.get))
        await ours.send("hello", protocol=1, ticket="n1", nonce="0" * 64)
        challenge = await ours.receive_message()
        # Its own proof sent back is not the agent's.
        await ours.send("proof", proof=challenge["proof"], facts={})
        with pytest.raises(Refused):
            await letting_in


async def test_before_that_no_frame_may_be_large() -> None:
    async with pair() as (ours, theirs):
        letting_in = asyncio.ensure_future(admit(theirs, {}.get))
        await ours.send_data(MESSAGES, b"x" * (LARGEST_UNKNOWN_BYTES + 1))
        with pytest.raises(WireBroken):
            await letting_in


@pytest.mark.parametrize("sent", [b"[]", b"{}", b"\xff", b'{"kind": 3}', b'{"kind": "hello"}'])
async def test_whatever_is_no_message_ends_the_connection(sent: bytes) -> None:
    async with pair() as (ours, theirs):
        letting_in = asyncio.ensure_future(admit(theirs, {}.get))
        await ours.send_data(MESSAGES, sent)
        with pytest.raises(WireBroken):
            await letting_in


async def test_silence_ends_the_connection_and_signs_of_life_keep_it() -> None:
    async with pair() as (ours, theirs):
        watching = asyncio.ensure_future(theirs.keep_alive(0.2))
        receiving = asyncio.ensure_future(theirs.receive())
        with pytest.raises(WireBroken):
            await asyncio.wait_for(receiving, 5)
        await asyncio.wait_for(watching, 5)
    async with pair() as (ours, theirs):
        tasks = [asyncio.ensure_future(each.keep_alive(0.4)) for each in (ours, theirs)]
        listening = asyncio.ensure_future(ours.receive_message())
        for _ in range(10):
            assert await theirs.receive()
        assert not listening.done()
        for task in (*tasks, listening):
            task.cancel()
        await asyncio.wait([*tasks, listening])


def test_a_ticket_does_not_show_its_secret() -> None:
    assert "top" not in repr(ticket("top secret"))
