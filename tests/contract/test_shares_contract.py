"""What the store promises of tickets, shares and signing keys, on either engine."""

from __future__ import annotations

import asyncio
from typing import Any

from server.access.shares import Shares
from server.access.tickets import Tickets
from server.store import Store
from server.store.access.shares import Share
from server.store.access.tickets import StoredTicket


async def documents_of(store: Store, collection: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await getattr(store, collection)._collection.find({})
    return found


async def test_of_all_who_take_a_ticket_one_gets_it(runner: asyncio.Runner, store: Store) -> None:
    for number in range(20):
        secret = f"secret-{number}"
        await store.tickets.insert(secret, StoredTicket("sha256:a", 5.5))
        took = await asyncio.gather(*(store.tickets.take(secret) for _ in range(5)))
        assert [each for each in took if each is not None] == [StoredTicket("sha256:a", 5.5)]
    assert await store.tickets.take("never made") is None


async def test_what_is_stored_of_a_ticket_is_not_the_secret(
    runner: asyncio.Runner, store: Store
) -> None:
    await store.tickets.insert("very-secret", StoredTicket("sha256:a", 5.5))
    assert "very-secret" not in str(await documents_of(store, "tickets"))


async def test_tickets_that_have_ended_are_deleted(runner: asyncio.Runner, store: Store) -> None:
    for secret, expires in (("old", 5.5), ("new", 7.5)):
        await store.tickets.insert(secret, StoredTicket("sha256:a", expires))
    assert await store.tickets.delete_ended(6.0) == 1
    assert await store.tickets.take("old") is None
    assert await store.tickets.take("new") is not None


async def test_the_shares_of_a_process_are_found_newest_first_and_deleted_together(
    runner: asyncio.Runner, store: Store
) -> None:
    made = [Share("0012", 7, 1.5, 9.5, "alice"), Share("34e5", 7, 2.5, 9.5), Share("56", 8, 3.5, 4)]
    for share in made:
        await store.shares.insert(share)
    assert await store.shares.of_process(7) == [made[1], made[0]]
    assert await store.shares.get("34e5") == made[1]
    assert await store.shares.get("nothing") is None
    assert await store.shares.delete_ended(9.0) == 1
    assert await store.shares.delete(7) == 2
    assert await store.shares.of_process(7) == []


async def test_a_key_is_made_once_however_many_ask_at_once(
    runner: asyncio.Runner, store: Store
) -> None:
    new = [bytes([number]) * 32 for number in range(8)]
    keys = await asyncio.gather(*(store.signing_keys.get_or_keep("a-test", key) for key in new))
    assert len(set(keys)) == 1
    assert keys[0] in new
    assert await store.signing_keys.get_or_keep("a-test", b"x" * 32) == keys[0]
    assert await store.signing_keys.get_or_keep("another", b"x" * 32) == b"x" * 32


async def test_two_servers_of_an_installation_read_each_others_links_and_tickets(
    runner: asyncio.Runner, store: Store
) -> None:
    one, other = (Shares(store.shares, store.signing_keys) for _ in range(2))
    link = await one.make(7, 1, "alice")
    assert await other.read(link.token) == link
    await other.check(link)
    assert [each.by for each in await other.find(7)] == ["alice"]
    ticket = await Tickets(store.tickets).make("sha256:a")
    taken = await asyncio.gather(*(Tickets(store.tickets).take(ticket.secret) for _ in range(4)))
    assert [each.token for each in taken if each is not None] == ["sha256:a"]
