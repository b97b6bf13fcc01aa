"""What the store promises of tokens and sessions, on either engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from server.core.errors import AlreadyTaken
from server.store import Store
from server.store.access.sessions import Session
from server.store.access.tokens import Token

NOW = 1795485782.4920993


def a_token(name: str, **fields: object) -> Token:
    return replace(Token(name, "viewer", f"sha256:{name}", NOW), **fields)  # type: ignore[arg-type]


def a_session(digest: str, token: str = "sha256:t", created: float = NOW) -> Session:
    return Session(f"sha256:{digest}", token, created, created + 100, "::1", "Firefox")


# A name may look like a number, or like an id of MongoDB's.
@pytest.mark.parametrize("name", ["jane", "7", "1e5", "65a1b2c3d4e5f6a7b8c9d0e1", "2026-01-01"])
async def test_a_token_is_kept_until_it_is_deleted(
    runner: asyncio.Runner, store: Store, name: str
) -> None:
    token = a_token(name, expires=NOW + 86400)
    await store.tokens.insert(token)
    with pytest.raises(AlreadyTaken):
        await store.tokens.insert(a_token(name, digest="sha256:other"))
    assert await store.tokens.all() == [token]
    assert not await store.tokens.delete("another")
    assert await store.tokens.delete(name)
    assert not await store.tokens.delete(name)
    assert await store.tokens.all() == []


async def test_of_two_that_add_a_name_at_once_one_is_refused(
    runner: asyncio.Runner, store: Store
) -> None:
    tries = [store.tokens.insert(a_token("jane", digest=f"sha256:{n}")) for n in range(8)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(each, AlreadyTaken) for each in results) == 7
    assert len(await store.tokens.all()) == 1


async def test_a_use_is_noted_but_brings_nothing_back(runner: asyncio.Runner, store: Store) -> None:
    await store.tokens.insert(a_token("jane"))
    await store.tokens.note_uses({"sha256:jane": NOW + 9, "sha256:gone": NOW})
    assert await store.tokens.all() == [a_token("jane", used=NOW + 9)]


async def test_sessions_are_found_listed_and_ended(runner: asyncio.Runner, store: Store) -> None:
    first, second = a_session("1"), a_session("2", created=NOW + 1)
    other = a_session("3", token="sha256:u")
    for session in (first, second, other):
        await store.sessions.insert(session)
    assert await store.sessions.get("sha256:2") == second
    assert await store.sessions.get("sha256:9") is None
    assert await store.sessions.of_token("sha256:t") == [second, first]
    assert await store.sessions.existing(["sha256:1", "sha256:9"]) == {"sha256:1"}
    await store.sessions.delete(["sha256:1", "sha256:9"])
    assert await store.sessions.of_token("sha256:t") == [second]
    assert await store.sessions.delete_expired(NOW + 100.5) == 1
    assert await store.sessions.get("sha256:3") is None
    assert await store.sessions.get("sha256:2") == second
