"""Tickets: good once, for a while, and not too many of them."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from server.access import tickets as module
from server.access.tickets import Tickets, TooManyTickets
from tests.fakes.fake_shares import FakeTickets

ALICE, BOB, CAROL = "sha256:a", "sha256:b", "sha256:c"


class Clock:
    now = 1_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def made(store: FakeTickets) -> Tickets:
    return Tickets(cast(Any, store))


async def test_a_ticket_stands_for_the_same_token_once(
    runner: asyncio.Runner, clock: Clock
) -> None:
    tickets = made(FakeTickets())
    ticket = await tickets.make(ALICE)
    assert ticket.expires == clock.now + 30
    taken = await tickets.take(ticket.secret)
    assert taken is not None
    assert taken.token == ALICE
    assert await tickets.take(ticket.secret) is None


async def test_a_ticket_ends_after_half_a_minute(runner: asyncio.Runner, clock: Clock) -> None:
    tickets = made(FakeTickets())
    late, in_time = await tickets.make(ALICE), await tickets.make(ALICE)
    clock.now += 29.9
    assert await tickets.take(in_time.secret) is not None
    clock.now += 0.2
    assert await tickets.take(late.secret) is None


@pytest.mark.parametrize("wrong", ["", "x", "x" * 43, "é" * 43, "x" * 100_000, "x" * 42 + "\n"])
async def test_what_is_no_ticket_lets_nobody_in(runner: asyncio.Runner, wrong: str) -> None:
    tickets = made(FakeTickets())
    await tickets.make(ALICE)
    assert await tickets.take(wrong) is None


async def test_one_caller_gets_so_many_and_leaves_others_theirs(
    runner: asyncio.Runner, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_OF_ONE", 3)
    monkeypatch.setattr(module, "MOST", 4)
    store = FakeTickets()
    tickets = made(store)
    for _ in range(3):
        await tickets.make(ALICE)
    with pytest.raises(TooManyTickets):
        await tickets.make(ALICE)
    await tickets.make(BOB)
    with pytest.raises(TooManyTickets):
        await tickets.make(CAROL)
    clock.now += 31
    await tickets.make(ALICE)
    assert len(store.stored) == 1  # the others have ended, and are deleted
