"""Waiting for a database that is away or full, for what must not be given up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from server.errors import DatabaseAway, NoRoom

log = logging.getLogger(__name__)

#: The pauses before the next tries; the last one goes on until the database is back.
RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

T = TypeVar("T")


async def persistently(
    call: Callable[[], Awaitable[T]],
    through: tuple[type[Exception], ...] = (DatabaseAway, NoRoom),
) -> T:
    """What the call gives, once the database answers and has room; `through` is what it outwaits.

    The call may be made again after it had its effect unseen: it must be idempotent.
    """
    tries = 0
    told: set[type[Exception]] = set()
    while True:
        try:
            result = await call()
        except through as error:
            if type(error) not in told:
                told.add(type(error))
                log.warning("What is to be stored waits: %s", error)
            await asyncio.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
            tries += 1
        else:
            if told:
                log.info("What was to be stored is stored, after %d more tries", tries)
            return result
