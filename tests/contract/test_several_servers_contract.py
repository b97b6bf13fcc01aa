"""What several servers on one database share: locks, wrong secrets, ended sessions, claims."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from server.access.guesses import Guesses, TooManyGuesses
from server.access.shared_guesses import LATE_ROUNDS, SharedGuesses
from server.core.errors import DatabaseAway, LockLost
from server.operations.notifications import sender
from server.store import Store
from server.store.access.wrong_secrets import KEPT
from server.store.notifications.deliveries import Deliveries, Delivery
from server.store.peers import locks
from server.store.peers.heartbeats import UNTOLD_SCHEMA, ClusterUse, Peer, Program
from tests.fakes.some_records import a_record

ADDRESS = "192.0.2.7"


async def test_one_at_a_time_holds_a_lock(runner: asyncio.Runner, store: Store) -> None:
    inside: list[int] = []
    most = 0

    async def work(number: int) -> None:
        nonlocal most
        async with store.locks.held("things") as lock:
            inside.append(number)
            most = max(most, len(inside))
            await lock.renew()
            inside.remove(number)

    async with asyncio.timeout(30):
        await asyncio.gather(*(work(number) for number in range(8)))
    assert most == 1
    async with store.locks.held("things"), store.locks.held("others"):
        pass  # locks of different names have nothing to do with each other


async def test_a_lock_that_was_left_behind_is_taken_over_and_its_holder_hears_of_it(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "STILL_SECONDS", 0.3)
    monkeypatch.setattr(locks, "RENEW_SECONDS", 60.0)  # as of a server that is stopped
    async with (
        asyncio.timeout(10),
        store.locks.held("things") as left,
        store.locks.held("things") as taken,
    ):
        with pytest.raises(LockLost):
            await left.renew()
        await taken.renew()
    assert await store.locks._collection.find({}) == []


async def test_a_server_that_is_alone_waits_for_no_lock_of_before(
    runner: asyncio.Runner, store: Store
) -> None:
    async with asyncio.timeout(10), store.locks.held("things"):  # by a server that was killed
        await store.locks.forget()
        async with store.locks.held("things"):
            pass


async def test_a_lock_that_is_renewed_is_not_taken_over(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "STILL_SECONDS", 0.5)
    monkeypatch.setattr(locks, "RENEW_SECONDS", 0.05)
    async with store.locks.held("things") as lock:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5), store.locks.held("things"):
                pass
        await lock.renew()


async def test_what_a_server_runs_is_told_with_its_heartbeats(
    runner: asyncio.Runner, store: Store
) -> None:
    program = Program("1.2", 7, 8, ("Counts", "Measures"))
    await store.servers.beat("s1", 1.5, program)
    await store.servers.beat("s2", 1.5)  # as an earlier version does
    peers = await store.servers.peers()
    assert peers == {"s1": Peer(1, program), "s2": Peer(1, Program(schema=UNTOLD_SCHEMA))}
    await store.servers.beat("s1", 2.5, Program("1.2", 7))
    assert (await store.servers.peers())["s1"] == Peer(2, Program("1.2", 7))


async def test_what_a_server_has_of_a_cluster_is_told_with_its_heartbeats(
    runner: asyncio.Runner, store: Store
) -> None:
    names = {"gpu": 1.0, "mem.of$node": 8.0 * 2**30, "": 0.5}
    use = ClusterUse("Scheduler-1", 3, True, names)
    await store.servers.beat("s1", 1.5, None, use)
    await store.servers.beat("s2", 1.5, Program("1.2", 7))
    peers = await store.servers.peers()
    assert [peers[name].use for name in ("s1", "s2")] == [use, ClusterUse()]
    await store.servers.beat("s1", 2.5)  # what was told before stays
    assert (await store.servers.peers())["s1"].use == use
    await store.servers.beat("s1", 2.5, None, ClusterUse("Scheduler-2"))
    assert (await store.servers.peers())["s1"].use == ClusterUse("Scheduler-2")


async def test_processes_of_pipelines_that_a_server_has_not_are_left_to_others(
    runner: asyncio.Runner, store: Store
) -> None:
    for pk, pipeline in ((1, "Newer"), (2, "Counts"), (3, "Newest"), (4, "Newer")):
        await store.processes.insert(a_record(pk).evolve(pipeline=pipeline))

    async def claimed(*without: str) -> int | None:
        found = await store.processes.claim("s1", 2.5, without=without)
        return None if found is None else found.pk

    assert [await claimed("Newer", "Newest") for _ in range(2)] == [2, None]
    assert await claimed("Newest") == 1
    assert [await claimed() for _ in range(3)] == [3, 4, None]


async def test_deletions_of_sessions_are_counted(runner: asyncio.Runner, store: Store) -> None:
    assert await store.sessions.endings() == 0
    await store.sessions.delete(["none"])
    await store.sessions.delete([])
    assert await store.sessions.endings() == 1


async def test_wrong_secrets_of_one_server_count_on_the_others(
    runner: asyncio.Runner, store: Store
) -> None:
    guesses = [Guesses() for _ in range(3)]
    shared = [SharedGuesses(store.wrong_secrets, each) for each in guesses]
    for each in shared:
        await each.refresh()
    for number in range(9):
        guesses[number % 3].add(ADDRESS, f"digest {number}")
    for _ in range(2):
        for each in shared:
            await each.refresh()
    for each in guesses:
        each.check(ADDRESS)
    assert guesses[0].add(ADDRESS, "digest 9")  # the tenth, of which each server saw three or four
    for each in shared:
        await each.refresh()
    for each in guesses:
        with pytest.raises(TooManyGuesses):
            each.check(ADDRESS)
        each.check("198.51.100.1")


async def test_a_number_that_is_never_stored_holds_up_no_later_ones(
    runner: asyncio.Runner, store: Store
) -> None:
    guesses = Guesses()
    shared = SharedGuesses(store.wrong_secrets, guesses)
    await shared.refresh()
    await store.wrong_secrets._counters.add_to("wrong_secret", "last", 1)  # and then killed
    await store.wrong_secrets.add("another", [(ADDRESS, "a")] * 10)
    for _ in range(LATE_ROUNDS + 2):
        await shared.refresh()
    assert shared._read == 11
    with pytest.raises(TooManyGuesses):
        guesses.check(ADDRESS)


async def test_old_wrong_secrets_are_deleted(runner: asyncio.Runner, store: Store) -> None:
    await store.wrong_secrets.add("s1", [(ADDRESS, "old")])
    await store.wrong_secrets._counters.add_to("wrong_secret", "last", KEPT)
    await store.wrong_secrets.add("s1", [(ADDRESS, "new")])
    assert [each.digest for each in await store.wrong_secrets.after(0)] == ["new"]


class Receiver:
    """Takes a while for each delivery, as a webhook may, and notes what came."""

    id = "hook"
    shown = "a hook"
    events = ("failed",)
    at_once = 1
    pause_seconds = 0.0
    claim_seconds = 60.0

    def __init__(self) -> None:
        self.came: list[int] = []
        self.answering = asyncio.Event()

    async def send(self, deliveries: Sequence[Delivery]) -> int:
        self.came += [each.pk for each in deliveries]
        await self.answering.wait()
        return 200


async def test_what_a_server_with_a_slow_clock_is_sending_is_not_sent_by_another(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim of the slow one has ended by the clock of the other, ten minutes ahead of it."""

    class Clock:
        def __init__(self) -> None:
            self.ahead = 0.0

        def time(self) -> float:
            return 1_800_000_000.0 + self.ahead

        def monotonic(self) -> float:
            return asyncio.get_running_loop().time() + self.passed

        passed = 0.0

    clock = Clock()
    monkeypatch.setattr(sender, "time", clock)
    for pk in (1, 2):
        await store.deliveries.insert(
            Delivery(pk, "hook", "failed", pk, 1, "{}", clock.time(), due=clock.time() - 2 + pk)
        )
    slow, fast = Receiver(), Receiver()
    senders = [
        sender.Sender(store.deliveries, slow, "s1"),
        sender.Sender(store.deliveries, fast, "s2"),
    ]
    sending = asyncio.create_task(senders[0].send_due())
    while not slow.came:
        await asyncio.sleep(0.01)
    clock.ahead = 600.0
    fast.answering.set()
    async with asyncio.timeout(20):
        assert await senders[1].send_due() == sender.OTHERS_SECONDS
    assert (slow.came, fast.came) == ([1], [2])
    # That one never goes on: after the time of a claim, the other one does.
    clock.passed = fast.claim_seconds + 1
    async with asyncio.timeout(20):
        await senders[1].send_due()
    assert fast.came == [2, 1]
    # And what it gives back, as it ends in the end after all, has been delivered.
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert await store.deliveries.next_due("hook") is None


async def end_while_sending(store: Store, receiver: Receiver) -> None:
    """Start a server's sender, and stop it as soon as the receiver has got something."""
    ending = sender.Sender(store.deliveries, receiver, "s1")
    ending.start()
    while not receiver.came:
        await asyncio.sleep(0.01)
    await ending.stop()


async def test_what_a_server_was_sending_as_it_ended_is_sent_by_the_next_one_at_once(
    runner: asyncio.Runner, store: Store
) -> None:
    now = time.time()
    for pk in (1, 2):
        await store.deliveries.insert(
            Delivery(pk, "hook", "failed", pk, 1, "{}", now, tries=3, due=now - 3 + pk)
        )
    ending, following = Receiver(), Receiver()
    async with asyncio.timeout(20):
        await end_while_sending(store, ending)
        following.answering.set()
        await sender.Sender(store.deliveries, following, "s2").send_due()
    assert (ending.came, following.came) == ([1], [1, 2])
    page = await store.deliveries.page()
    # The try that was broken off is none.
    assert [(each.pk, each.tries, each.state) for each in page.items] == [
        (2, 4, "delivered"),
        (1, 4, "delivered"),
    ]


async def test_a_sender_ends_although_the_database_is_away(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise DatabaseAway

    now = time.time()
    await store.deliveries.insert(Delivery(1, "hook", "failed", 1, 1, "{}", now, due=now - 1))
    monkeypatch.setattr(Deliveries, "give_back", away)
    async with asyncio.timeout(20):
        await end_while_sending(store, Receiver())
