"""Work that is not given up: retried, shielded from cancellation, repeated."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from server.core.errors import DatabaseAway, NoRoom, StorageAway

log = logging.getLogger(__name__)

#: The pauses before the next tries; the last one is repeated until the database is back.
RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

T = TypeVar("T")


async def retry_while_unavailable(
    call: Callable[[], Awaitable[T]],
    through: tuple[type[Exception], ...] = (DatabaseAway, NoRoom, StorageAway),
) -> T:
    """Return what the call returns, retrying it while it raises one of the errors in `through`.

    A call may be repeated although it took effect and only its answer was lost, so it must be
    idempotent.
    """
    tries = 0
    reported: set[type[Exception]] = set()
    while True:
        try:
            result = await call()
        except through as error:
            if type(error) not in reported:
                reported.add(type(error))
                log.warning("Writing is delayed: %s", error, extra={"action": "storing_deferred"})
            await asyncio.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
            tries += 1
        else:
            if reported:
                log.info(
                    "The delayed write succeeded after %d retries",
                    tries,
                    extra={"action": "storing_resumed", "tries": tries},
                )
            return result


async def finish_even_if_cancelled(work: Coroutine[Any, Any, T]) -> T:
    """Return what the work returns; let a cancellation through only once the work is done."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()):
            log.warning(
                "Work whose caller was cancelled failed: %s",
                error,
                extra={"action": "cancelled_work_failed"},
            )
        raise


async def repeat_every(
    seconds: float,
    work: Callable[[], Awaitable[None]],
    *,
    name: str,
    log: logging.Logger,
    away_level: int = logging.WARNING,
) -> None:
    """Do the work again and again, with a pause in between; log what goes wrong and carry on.

    `name` is what messages call the work, and `away_level` the level of the one that says that the
    database is away.
    """
    while True:
        try:
            await work()
        except (DatabaseAway, NoRoom, StorageAway) as error:
            level = away_level if isinstance(error, DatabaseAway) else logging.WARNING
            log.log(
                level,
                "%s waits: %s",
                name,
                error,
                extra={"action": "repetition_deferred", "work": name},
            )
        except Exception:
            log.exception("%s failed", name, extra={"action": "repetition_failed", "work": name})
        await asyncio.sleep(seconds)
