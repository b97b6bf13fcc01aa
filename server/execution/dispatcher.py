"""Claims queued processes for free slots, keeps this server's lease, settles what was lost.

What happens in an attempt is left to `attempt`, what lost runs become to `recovery`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from server.core.concurrency import repeat_every
from server.core.errors import DatabaseAway, HeliographError, NoRoom, NotFound
from server.core.hub import Hub
from server.core.records import ProcessRecord, State
from server.execution.attempt import Attempt
from server.execution.launch import RunServices
from server.execution.recovery import Recovery
from server.execution.verdict import StopReason

log = logging.getLogger(__name__)


#: How long handing back may take once the runs were told to end: the kill ladder and a few writes.
HAND_BACK_SECONDS = 10.0


class Dispatcher:
    """The slots of this server and the loops that keep them busy and honest."""

    def __init__(self, services: RunServices, hub: Hub, recovery: Recovery) -> None:
        self._services = services
        self._hub = hub
        self._recovery = recovery
        #: by PK and number: the next attempt may be ours while a lost one still ends
        self._attempts: dict[tuple[int, int], tuple[Attempt, asyncio.Task[None]]] = {}
        self._loops: list[asyncio.Task[None]] = []
        #: whether no more work is taken
        self.closing = False
        # Held while claimed processes are not yet known as attempts of ours.
        self._claiming = asyncio.Lock()

    def start(self) -> None:
        """Take up work; what this server left behind is settled already."""
        leases = self._services.config.leases
        for period, work in (
            (leases.heartbeat_seconds, self._recovery.beat),
            (leases.check_seconds, self._reconcile),
            (leases.check_seconds, self._recovery.settle_others),
        ):
            self._loops.append(
                asyncio.create_task(repeat_every(period, work, name=work.__name__, log=log))
            )
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
                await self._recovery.leave()

    async def _claim_loop(self, check_seconds: float) -> None:
        # A record that was stored without an answer is not known to be queued: we look at times.
        look = True
        with self._hub.subscribe("queue") as subscription:
            while not self.closing:
                try:
                    await self._fill_slots(look)
                except (DatabaseAway, NoRoom) as error:
                    log.warning("Nothing can be claimed now: %s", error)
                except Exception:
                    log.exception("Claiming went wrong")
                look = not await subscription.wait(check_seconds)

    async def _fill_slots(self, look: bool) -> None:
        """Claim as long as there is room and, unless we are to `look`, work that we know of."""
        while len(self._attempts) < self._services.pool.workers and not self.closing:
            if not (look or self._services.repository.queue.queued):
                return
            async with self._claiming:
                record = await self._services.repository.claim()
                if record is None:
                    return
                self._services.logs.begin(record.pk, new=record.attempt == 1)
                self._begin(record)

    def _begin(self, record: ProcessRecord) -> None:
        attempt = Attempt(record, self._services)
        task = asyncio.create_task(self._see_through(attempt))
        self._attempts[record.pk, record.attempt] = (attempt, task)

    async def _see_through(self, attempt: Attempt) -> None:
        listening = asyncio.create_task(self._listen(attempt))
        try:
            await attempt.run()
        except Exception:
            log.exception("The attempt of process %s broke off", attempt.pk)
        finally:
            listening.cancel()
        try:
            # After a defect of ours, or a lease that nobody took, it counts as a lost run, so that
            # it cannot go on for ever.
            if not await self._is_over(attempt):
                await self._recovery.check_ended(attempt.pk, attempt.number)
        finally:
            del self._attempts[attempt.pk, attempt.number]
            self._hub.wake("queue")

    async def _is_over(self, attempt: Attempt) -> bool:
        """Whether the record says so, as far as we know."""
        try:
            known = await self._services.repository.get(attempt.pk)
        except HeliographError:
            return False
        return known.state is not State.RUNNING or known.attempt != attempt.number

    async def _listen(self, attempt: Attempt) -> None:
        """StopReason the attempt when its record says that it is to be cancelled."""
        with self._hub.subscribe(("process", attempt.pk)) as subscription:
            while True:
                with contextlib.suppress(HeliographError):
                    if (await self._services.repository.get(attempt.pk)).cancel_requested:
                        attempt.stop(StopReason.CANCEL)
                        return
                await subscription.wait()

    async def _reconcile(self) -> None:
        """Compare what the store says that we run with what we run."""
        async with self._claiming:
            ours = dict(self._attempts)
            stored = {(record.pk, record.attempt): record for record in await self._recovery.own()}
        for key, (attempt, _) in ours.items():
            if key in stored:
                self._services.repository.accept(stored[key])
            elif key in self._attempts and await self._was_taken(attempt):
                attempt.stop(StopReason.LOST)
        for key, record in stored.items():
            if key not in ours and key not in self._attempts:
                await self._recovery.put_back(record)

    async def _was_taken(self, attempt: Attempt) -> bool:
        """Whether a record that is not ours was taken from us, and not just ended by us."""
        try:
            stored = self._services.repository.accept(await self._recovery.stored(attempt.pk))
        except NotFound:
            return True
        return stored.attempt != attempt.number or not stored.state.ended
