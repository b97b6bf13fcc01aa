"""Links to one process: signed, with an end, and revoked."""

from __future__ import annotations

import asyncio
import base64
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as some

from server.access import shares as module
from server.access.shares import MOST_LINKS, Shares
from server.access.tokens import DAY_SECONDS
from server.core.errors import Conflict, NotFound
from tests.fakes.fake_shares import FakeKeys, FakeShares
from tests.unit.access.test_tickets import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def made(store: FakeShares | None = None, keys: FakeKeys | None = None) -> Shares:
    return Shares(cast(Any, store or FakeShares()), cast(Any, keys or FakeKeys()))


async def test_a_link_says_which_process_and_until_when(
    runner: asyncio.Runner, clock: Clock
) -> None:
    shares = made()
    link = await shares.make(7, 3, "alice")
    assert await shares.read(link.token) == link
    assert (link.process, link.expires) == (7, clock.now + 3 * DAY_SECONDS)
    await shares.check(link)
    [listed] = await shares.find(7)
    assert (listed.by, listed.created, listed.expires) == ("alice", clock.now, link.expires)
    assert link.token not in str(listed)


async def test_a_link_ends_with_its_days(runner: asyncio.Runner, clock: Clock) -> None:
    shares = made()
    link = await shares.make(7, 1, None)
    clock.now += DAY_SECONDS - 1
    await shares.check(await shares.read(link.token))
    clock.now += 1
    with pytest.raises(NotFound):
        await shares.read(link.token)
    with pytest.raises(NotFound):
        await shares.check(link)
    assert await shares.find(7) == []


async def test_a_revoked_link_ends_at_once_and_those_of_others_stay(
    runner: asyncio.Runner, clock: Clock
) -> None:
    shares = made()
    revoked, kept = await shares.make(7, 1, None), await shares.make(8, 1, None)
    await shares.check(revoked)
    assert await shares.revoke(7) == 1
    with pytest.raises(NotFound):
        await shares.check(revoked)
    await shares.check(kept)


async def test_a_link_is_looked_up_anew_after_a_while(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KNOWN_SECONDS", 0.05)
    store, keys = FakeShares(), FakeKeys()
    shares, elsewhere = made(store, keys), made(store, keys)
    link = await shares.make(7, 1, None)
    for _ in range(50):
        await shares.check(link)
    assert store.read < 50
    await elsewhere.revoke(7)
    async with asyncio.timeout(5):
        while True:
            try:
                await shares.check(link)
            except NotFound:
                return
            await asyncio.sleep(0.01)


async def test_no_change_of_a_link_is_overlooked(runner: asyncio.Runner) -> None:
    shares = made()
    link = await shares.make(7, 1, None)
    whole = base64.urlsafe_b64decode(link.token)
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        with pytest.raises(NotFound):
            await shares.read(base64.urlsafe_b64encode(changed).decode())


async def test_another_installation_has_another_key(runner: asyncio.Runner) -> None:
    store = FakeShares()
    link = await made(store).make(7, 1, None)
    with pytest.raises(NotFound):
        await made(store).read(link.token)


@given(some.text() | some.text("AZaz09-_", min_size=80, max_size=80))
def test_what_is_no_link_is_not_found(text: str) -> None:
    async def read() -> None:
        with pytest.raises(NotFound):
            await made().read(text)

    asyncio.run(read())


async def test_a_process_has_only_so_many_links(runner: asyncio.Runner, clock: Clock) -> None:
    shares = made()
    for _ in range(MOST_LINKS):
        await shares.make(7, 1, None)
    with pytest.raises(Conflict):
        await shares.make(7, 1, None)
    await shares.make(8, 1, None)
    clock.now += DAY_SECONDS + 1
    await shares.make(7, 1, None)
