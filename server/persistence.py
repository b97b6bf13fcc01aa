"""Waiting for a database that is away, for what must not be given up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from server.errors import DatabaseAway

log = logging.getLogger(__name__)

#: The pauses before the next tries; the last one goes on until the database is back.
RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

T = TypeVar("T")


async def persistently(call: Callable[[], Awaitable[T]]) -> T:
    """What the call gives, once the database answers.

    The call may be made again after it had its effect unseen: it must be idempotent.
    """
    tries = 0
    while True:
        try:
            return await call()
        except DatabaseAway as error:
            if tries == 0:
                log.warning("The database is away, what is to be stored waits (%s)", error)
            await asyncio.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
            tries += 1
