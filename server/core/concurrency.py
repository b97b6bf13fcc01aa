"""Work that is not given up: retried, shielded from cancellation, repeated."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from server.core.errors import DatabaseAway, NoRoom

log = logging.getLogger(__name__)

#: The pauses before the next tries; the last one goes on until the database is back.
RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

T = TypeVar("T")


async def retry_while_unavailable(
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


async def finish_even_if_cancelled(work: Coroutine[Any, Any, T]) -> T:
    """What the work gives. A cancellation is let through when the work is done."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()):
            log.warning("What nobody waits for any more failed: %s", error)
        raise


async def repeat_every(
    seconds: float, work: Callable[[], Awaitable[None]], log: logging.Logger = log
) -> None:
    """Do the work again and again; what goes wrong is logged, and tried again."""
    while True:
        try:
            await work()
        except (DatabaseAway, NoRoom) as error:
            log.warning("%s waits: %s", work.__name__, error)
        except Exception:
            log.exception("%s went wrong", work.__name__)
        await asyncio.sleep(seconds)
