"""What the store relies on to keep deliveries until they have been made."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from server.store import Store
from server.store.notifications.deliveries import Delivery, DeliveryState


def delivery(pk: int, receiver: str = "w1", due: float = 100.0) -> Delivery:
    return Delivery(
        pk=pk,
        receiver=receiver,
        event="failed",
        process=pk,
        attempt=1,
        body="{}",
        created=due,
        due=due,
    )


async def test_each_receiver_has_what_is_due_in_its_order(
    runner: asyncio.Runner, store: Store
) -> None:
    for each in (delivery(1, due=300), delivery(2, due=100), delivery(3, "w2", due=50)):
        assert await store.deliveries.insert(each)
    assert [each.pk for each in await store.deliveries.due("w1", 300, 10)] == [2, 1]
    assert [each.pk for each in await store.deliveries.due("w1", 299.9, 10)] == [2]
    assert [each.pk for each in await store.deliveries.due("w1", 300, 1)] == [2]
    assert await store.deliveries.due("w", 1e9, 10) == []
    assert await store.deliveries.next_due("w1") == 100
    assert await store.deliveries.next_due("w3") is None


async def test_the_same_event_is_stored_once(runner: asyncio.Runner, store: Store) -> None:
    assert await store.deliveries.insert(delivery(1))
    assert not await store.deliveries.insert(replace(delivery(2), process=1))
    assert [each.pk for each in (await store.deliveries.page()).items] == [1]


async def test_one_of_several_servers_claims_a_delivery(
    runner: asyncio.Runner, store: Store
) -> None:
    await store.deliveries.insert(delivery(1))
    (due,) = await store.deliveries.due("w1", 100, 10)
    claims = await asyncio.gather(*(store.deliveries.claim(due, 220.0) for _ in range(20)))
    (claimed,) = [claim for claim in claims if claim is not None]
    assert (claimed.tries, claimed.due) == (1, 220.0)
    assert await store.deliveries.due("w1", 219, 10) == []
    assert len(await store.deliveries.due("w1", 220, 10)) == 1, "whoever claimed it may have died"


async def test_a_failure_is_due_again_and_an_end_is_not(
    runner: asyncio.Runner, store: Store
) -> None:
    for pk in (1, 2, 3):
        await store.deliveries.insert(delivery(pk))
    first, second, third = await store.deliveries.due("w1", 100, 10)
    await store.deliveries.note_failure(first, 101, 500, "It answered 500", 500)
    await store.deliveries.note_delivered(second, 101, 204)
    await store.deliveries.give_up(third, 101, "It answered 410", 410)
    assert [each.pk for each in await store.deliveries.due("w1", 1e9, 10)] == [1]
    shown = (await store.deliveries.page()).items
    assert [(each.pk, each.state, each.answer, each.error) for each in shown] == [
        (3, DeliveryState.FAILED, 410, "It answered 410"),
        (2, DeliveryState.DELIVERED, 204, None),
        (1, DeliveryState.WAITING, 500, "It answered 500"),
    ]
    assert [each.pk for each in await store.deliveries.waiting_before(9, 10)] == [1]
    # What has ended stays ended, also if a second server was late.
    await store.deliveries.note_failure(second, 102, 600, "late")
    assert [each.pk for each in await store.deliveries.due("w1", 1e9, 10)] == [1]


async def test_only_ended_ones_are_forgotten_and_pages_follow_each_other(
    runner: asyncio.Runner, store: Store
) -> None:
    for pk in range(1, 6):
        await store.deliveries.insert(delivery(pk))
    for each in (await store.deliveries.due("w1", 100, 10))[1:4]:
        await store.deliveries.note_delivered(each, 101, 200)
    await store.deliveries.forget_done(4)
    page = await store.deliveries.page(limit=2)
    assert [each.pk for each in page.items] == [5, 4]
    rest = await store.deliveries.page(before=page.next, limit=2)
    assert ([each.pk for each in rest.items], rest.next) == ([1], None)
