"""Claims queued processes for free slots, keeps this server's lease, has lost runs settled.

What happens in an attempt is left to `attempt`, what becomes of lost runs to `recovery`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable

from server.core.concurrency import repeat_every
from server.core.errors import DatabaseAway, HeliographError, NoRoom, NotFound
from server.core.hub import Hub
from server.core.records import ProcessRecord, State
from server.core.version import version
from server.execution.attempt import Attempt
from server.execution.launch import RunServices
from server.execution.places.sharing import ClusterSharing
from server.execution.recovery import Recovery
from server.execution.verdict import StopReason
from server.operations import schema
from server.peers.heartbeats import Heartbeats
from server.store.peers.heartbeats import Program

log = logging.getLogger(__name__)

#: How long handing back may take once the runs are stopped: the kill ladder and a few writes.
HAND_BACK_SECONDS = 10.0
#: How long a server whose slots are nearly all taken lets others claim first, and how far servers
#: that are equally busy differ in that, so that they do not all ask for the same process.
SHARE_SECONDS, HERD_SECONDS = 0.05, 0.005


class Dispatcher:
    """The slots of this server and the loops that keep them busy and honest."""

    def __init__(self, services: RunServices, hub: Hub, recovery: Recovery) -> None:
        self._services = services
        self._hub = hub
        self._recovery = recovery
        #: by PK and number, as the next attempt may be ours while a lost one is still ending
        self._attempts: dict[tuple[int, int], tuple[Attempt, asyncio.Task[None]]] = {}
        self._loops: list[asyncio.Task[None]] = []
        #: whether no more work is taken
        self.closing = False
        #: held while a claimed process is not yet among our attempts
        self._claiming = asyncio.Lock()
        #: whether the next claim has let others go first
        self._gave_way = False
        self._sharing = ClusterSharing(
            services.places,
            recovery.heartbeats,
            self._running_pipelines,
            alone=services.config.alone,
        )

    @property
    def running(self) -> int:
        """How many attempts are under way here."""
        return len(self._attempts)

    @property
    def slots_of_all(self) -> int:
        """How many runs can go on at the same time on all servers; a cluster is theirs together."""
        places = self._services.places
        others = () if places.clustered else self.heartbeats.peers.values()
        return places.slots + sum(peer.slots for peer in others)

    @property
    def heartbeats(self) -> Heartbeats:
        """What is known of the other servers."""
        return self._recovery.heartbeats

    def start(self) -> None:
        """Start to work. What this server left behind last time must be settled by now."""
        leases = self._services.config.leases
        self._recovery.program = self._program
        loops: list[tuple[str, float, Callable[[], Awaitable[None]]]] = [
            ("The heartbeat", leases.heartbeat_seconds, self.heartbeats.beat),
            ("The comparison of runs with the store", leases.check_seconds, self._reconcile),
            ("Settling lost runs", leases.check_seconds, self._recovery.settle_others),
        ]
        if not self._services.config.alone:
            meet = self.heartbeats.meet
            loops.append(("Looking for other servers", leases.check_seconds, meet))
        for name, period, work in loops:
            self._loops.append(asyncio.create_task(repeat_every(period, work, name=name, log=log)))
        self._loops.append(asyncio.create_task(self._claim_loop(leases.check_seconds)))

    async def stop(self) -> None:
        """Take no more work, let runs finish for a while, and hand the rest back to the queue."""
        self.closing = True
        async with self._claiming:  # what is being claimed now is handed back as well
            tasks = [task for _, task in self._attempts.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=self._services.config.shutdown_seconds)
        for attempt, _ in self._attempts.values():
            attempt.stop(StopReason.HAND_BACK)
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=HAND_BACK_SECONDS)
            for task in left:
                task.cancel()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if not self._attempts:
            with contextlib.suppress(HeliographError):
                await self.heartbeats.leave()

    async def _claim_loop(self, check_seconds: float) -> None:
        # A record whose insertion got no answer is not known to be queued, so the store is asked
        # from time to time as well.
        ask_store = True
        with self._hub.subscribe("queue") as subscription:
            while not self.closing:
                try:
                    await self._fill_slots(ask_store)
                    await self._sharing.tell()
                except (DatabaseAway, NoRoom) as error:
                    log.warning(
                        "Nothing can be claimed now: %s", error, extra={"action": "claim_deferred"}
                    )
                except Exception:
                    log.exception("Claiming failed", extra={"action": "claim_failed"})
                ask_store = not await subscription.wait(check_seconds)

    async def _fill_slots(self, ask_store: bool) -> None:
        """Claim while slots are free and work is known to wait or, if asked, may be stored."""
        places = self._services.places
        while not self.closing:
            if places.claimable(self._running_pipelines()) is None:
                return
            if self._services.reserve.full:  # a run would fail; the process stays queued
                return
            if not (ask_store or self._services.repository.queue.queued):
                return
            if await self._give_way():
                continue
            async with self._claiming:
                if self.closing or not await self._claim():
                    return

    async def _claim(self) -> bool:
        """Claim a process and begin its attempt; return whether there was one."""
        try:
            if (claimable := await self._sharing.claimable()) is None:
                return False
            record = await self._services.repository.claim(
                only=claimable.only, without={*claimable.without, *self._left_to_others()}
            )
            if record is None:
                return False
            self._services.logs.begin(record.pk, new=record.attempt == 1)
            self._begin(record)
            return True
        finally:
            self._sharing.claimed()

    def _running_pipelines(self) -> list[str]:
        return [attempt.pipeline for attempt, _ in self._attempts.values()]

    async def _give_way(self) -> bool:
        """Let other servers that have more free slots claim first; return whether that took time.

        A server without work goes on at once. What others have claimed meanwhile is not asked for.
        """
        others = self.heartbeats.peers
        if not others or self._gave_way or not self._attempts:
            self._gave_way = False
            return False
        busy = min(1.0, len(self._attempts) / max(1, self._services.places.slots))
        await asyncio.sleep(SHARE_SECONDS * busy + random.uniform(0, HERD_SECONDS))
        self._gave_way = True
        return True

    def _left_to_others(self) -> set[str]:
        """Return the pipelines that this server has not, but another one that runs has."""
        heartbeats = self.heartbeats
        return heartbeats.unknown_to(self._services.runnable()) if heartbeats.peers else set()

    def _program(self) -> Program:
        pipelines = tuple(sorted(self._services.runnable()))
        slots = self._services.places.slots
        return Program(version(), schema.newest(), pipelines=pipelines, slots=slots)

    def _begin(self, record: ProcessRecord) -> None:
        attempt = Attempt(record, self._services)
        task = asyncio.create_task(self._see_through(attempt))
        self._attempts[record.pk, record.attempt] = (attempt, task)

    async def _see_through(self, attempt: Attempt) -> None:
        listening = asyncio.create_task(self._listen(attempt))
        try:
            await attempt.run()
        except Exception:
            log.exception(
                "The attempt of process %s broke off",
                attempt.pk,
                extra={
                    "action": "attempt_broke_off",
                    "process_pk": attempt.pk,
                    "attempt": attempt.number,
                },
            )
        finally:
            listening.cancel()
        try:
            # After a defect of ours, or a lease that nobody took over, it counts as a lost run, so
            # that it is not retried for ever.
            if not await self._is_over(attempt):
                await self._recovery.settle_if_running(attempt.pk, attempt.number)
        finally:
            del self._attempts[attempt.pk, attempt.number]
            self._hub.wake("queue")

    async def _is_over(self, attempt: Attempt) -> bool:
        """Return whether the attempt is over by its record, as far as that is known here."""
        try:
            known = await self._services.repository.get(attempt.pk)
        except HeliographError:
            return False
        return known.state is not State.RUNNING or known.attempt != attempt.number

    async def _listen(self, attempt: Attempt) -> None:
        """Stop the attempt when its record says that it is to be cancelled."""
        with self._hub.subscribe(("process", attempt.pk)) as subscription:
            while True:
                with contextlib.suppress(HeliographError):
                    if (await self._services.repository.get(attempt.pk)).cancel_requested:
                        attempt.stop(StopReason.CANCEL)
                        return
                await subscription.wait()

    async def _reconcile(self) -> None:
        """Compare what we run according to the store with what we do run."""
        repository = self._services.repository
        async with self._claiming:
            ours = dict(self._attempts)
            stored = {(record.pk, record.attempt): record for record in await repository.owned()}
        for key, (attempt, _) in ours.items():
            if key in stored:
                repository.accept(stored[key])
            elif key in self._attempts and await self._was_taken(attempt):
                attempt.stop(StopReason.LOST)
        for key, record in stored.items():
            if key not in ours and key not in self._attempts:
                await self._recovery.put_back(record)

    async def _was_taken(self, attempt: Attempt) -> bool:
        """Return whether a run that was not found as ours was taken over, not just ended by us."""
        try:
            stored = await self._services.repository.reread(attempt.pk)
        except NotFound:
            return True
        if stored.attempt != attempt.number:
            return True
        # An index may lag behind the record itself for a moment, which says that it is still ours.
        return not stored.state.ended and stored.owner != self._services.repository.server_id
