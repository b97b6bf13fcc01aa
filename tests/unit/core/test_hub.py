"""The hub: who is woken, when, and what is left behind."""

from __future__ import annotations

import asyncio

from server.core.hub import Hub


def test_a_wake_up_reaches_only_those_who_wait_for_its_topic() -> None:
    async def scenario() -> tuple[bool, bool]:
        hub = Hub()
        with hub.subscribe(("log", 1)) as one, hub.subscribe(("log", 2)) as two:
            hub.wake(("log", 1))
            return await one.wait(0.01), await two.wait(0.01)

    assert asyncio.run(scenario()) == (True, False)


def test_a_wake_up_before_the_wait_is_not_missed() -> None:
    async def scenario() -> bool:
        hub = Hub()
        with hub.subscribe("topic") as subscription:
            hub.wake("topic")
            await asyncio.sleep(0)
            return await subscription.wait(0.01)

    assert asyncio.run(scenario())


def test_a_wake_up_during_the_wait_ends_it() -> None:
    async def scenario() -> bool:
        hub = Hub()
        with hub.subscribe("topic") as subscription:
            asyncio.get_running_loop().call_later(0.01, hub.wake, "topic")
            return await subscription.wait()

    assert asyncio.run(asyncio.wait_for(scenario(), 5))


def test_wake_ups_that_follow_each_other_are_merged() -> None:
    async def scenario() -> list[bool]:
        hub = Hub()
        with hub.subscribe("topic") as subscription:
            for _ in range(1000):
                hub.wake("topic")
            return [await subscription.wait(0.01) for _ in range(2)]

    assert asyncio.run(scenario()) == [True, False]


def test_one_subscription_waits_for_several_topics() -> None:
    async def scenario() -> list[bool]:
        hub = Hub()
        woken = []
        with hub.subscribe("log", "record") as subscription:
            for topic in ("log", "record", "other"):
                hub.wake(topic)
                woken.append(await subscription.wait(0.01))
        return woken

    assert asyncio.run(scenario()) == [True, True, False]


def test_all_who_wait_for_a_topic_are_woken() -> None:
    async def scenario() -> list[bool]:
        hub = Hub()
        subscriptions = [hub.subscribe("topic") for _ in range(100)]
        for subscription in subscriptions:
            subscription.__enter__()
        hub.wake("topic")
        return [await subscription.wait(0.01) for subscription in subscriptions]

    assert asyncio.run(scenario()) == [True] * 100


def test_who_has_left_is_not_woken_and_nothing_is_kept_of_the_topic() -> None:
    async def scenario() -> bool:
        hub = Hub()
        with hub.subscribe("topic") as subscription:
            pass
        hub.wake("topic")
        assert not hub._waiting
        return await subscription.wait(0.01)

    assert not asyncio.run(scenario())


def test_one_who_leaves_takes_nobody_with_it() -> None:
    async def scenario() -> bool:
        hub = Hub()
        with hub.subscribe("topic") as stays:
            with hub.subscribe("topic"):
                pass
            hub.wake("topic")
            return await stays.wait(0.01)

    assert asyncio.run(scenario())


def test_a_wake_up_that_nobody_waits_for_leaves_nothing() -> None:
    hub = Hub()
    hub.wake("topic")
    assert not hub._waiting
