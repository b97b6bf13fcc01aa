"""Locks of all servers together, for work that two of them must not do at the same time.

The holder renews its lock all the time. Whoever waits takes it over once it has seen it stand still
for a while by its own monotonic clock, so no two clocks are compared.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator

from server.core.concurrency import repeat_every
from server.core.errors import AlreadyTaken, HeliographError, LockLost
from server.store.driver.connection import Database

log = logging.getLogger(__name__)

#: How often a lock is renewed, and for how long it stands still until others may take it over.
RENEW_SECONDS, STILL_SECONDS = 2.0, 15.0
#: How often whoever waits looks; less and less often.
FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.02, 0.5


class Lock:
    """A lock that is held, by a token that nobody else has."""

    def __init__(self, locks: Locks, name: str, token: str) -> None:
        self._locks = locks
        self.name = name
        self.token = token

    async def renew(self) -> None:
        """Keep the lock, before a step that must not be made without it too.

        :raises LockLost: another server has taken it over.
        """
        await self._locks.renew(self)


class Locks:
    """One document for each lock that is held: who holds it, and how often it was renewed."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("locks")

    async def ensure_indexes(self) -> None:
        """Make no index: locks are found by `_id`."""

    async def forget(self) -> None:
        """Forget all locks: a server that is alone calls it first, as their holders were killed."""
        await self._collection.delete({})

    @contextlib.asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[Lock]:
        """Hold a lock, as soon as nobody else does, until the block is left."""
        lock = Lock(self, name, f"t{secrets.token_hex(8)}")
        try:
            await self._acquire(lock)
            renewing = asyncio.create_task(self._renew_again_and_again(lock))
            try:
                yield lock
            finally:
                renewing.cancel()
                await asyncio.gather(renewing, return_exceptions=True)
        finally:
            # What remains is taken over by the others when they have waited long enough.
            with contextlib.suppress(HeliographError):
                await self._collection.delete({"_id": name, "token": lock.token})

    async def renew(self, lock: Lock) -> None:
        """Renew a lock. :raises LockLost: another server has taken it over."""
        held = {"_id": lock.name, "token": lock.token}
        if await self._collection.change(held, inc={"renewals": 1}) is None:
            raise LockLost(lock.name)

    async def _renew_again_and_again(self, lock: Lock) -> None:
        await asyncio.sleep(RENEW_SECONDS)
        await repeat_every(
            RENEW_SECONDS, lambda: self._keep(lock), name=f"The lock {lock.name}", log=log
        )

    async def _keep(self, lock: Lock) -> None:
        with contextlib.suppress(LockLost):  # which the holder finds out where it matters
            await self.renew(lock)

    async def _acquire(self, lock: Lock) -> None:
        seen, since, pause = None, 0.0, FIRST_LOOK_SECONDS
        while not await self._make(lock):
            found = await self._collection.get(lock.name)
            now = time.monotonic()
            if found is None:
                continue
            if (state := (found["token"], found["renewals"])) != seen:
                seen, since = state, now
            elif now - since >= STILL_SECONDS and await self._take_over(lock, *state):
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_LOOK_SECONDS)

    async def _make(self, lock: Lock) -> bool:
        try:
            await self._collection.insert({"_id": lock.name, "token": lock.token, "renewals": 0})
        except AlreadyTaken:
            return False
        return True

    async def _take_over(self, lock: Lock, token: str, renewals: int) -> bool:
        still = {"_id": lock.name, "token": token, "renewals": renewals}
        changed = await self._collection.change(still, set={"token": lock.token, "renewals": 0})
        if changed is not None:
            log.warning(
                "The lock %s was left behind by a server and is taken over",
                lock.name,
                extra={"action": "lock_taken_over", "lock": lock.name},
            )
        return changed is not None
