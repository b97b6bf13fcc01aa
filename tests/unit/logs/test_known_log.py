"""When this server still knows where a log ends, whoever writes to it."""

from __future__ import annotations

import asyncio

import pytest

from server.core.errors import DatabaseAway
from server.logs.known_log import KnownLog
from server.store.processes.log_chunks import LogEnd


async def stored(line: int) -> LogEnd:
    """Return the last line, as the store does."""
    return LogEnd(line, 0)


async def away() -> LogEnd:
    """Raise DatabaseAway, as the store does while the database is away."""
    raise DatabaseAway


def refreshed(line: int = 5) -> KnownLog:
    """Return a log whose end was read after it became known."""
    log = KnownLog(0)
    asyncio.run(log.refresh(stored(line)))
    return log


def test_a_log_that_was_just_found_may_have_grown_meanwhile() -> None:
    assert not KnownLog(5).is_current(notified=True)


def test_an_end_that_was_read_is_current_as_long_as_notifications_arrive() -> None:
    log = refreshed()
    assert log.last == 5
    assert log.is_current(notified=True)
    assert not log.is_current(notified=False)


def test_a_notification_outdates_the_end_until_it_is_read_again() -> None:
    log = refreshed()
    log.outdate()
    assert not log.is_current(notified=True)
    asyncio.run(log.refresh(stored(8)))
    assert log.is_current(notified=True)
    assert log.last == 8


def test_a_notification_during_the_read_is_not_lost() -> None:
    log = KnownLog(0)

    async def read() -> LogEnd:
        log.outdate()
        return LogEnd(5, 0)

    asyncio.run(log.refresh(read()))
    assert not log.is_current(notified=True)


def test_a_failed_read_leaves_the_end_outdated() -> None:
    log = KnownLog(3)
    with pytest.raises(DatabaseAway):
        asyncio.run(log.refresh(away()))
    assert log.last == 3
    assert not log.is_current(notified=True)


@pytest.mark.parametrize("notified", [False, True])
def test_the_writer_knows_the_end_until_it_stops_writing(notified: bool) -> None:
    log = KnownLog(0)
    log.start_writing()
    assert log.is_current(notified)
    log.outdate()
    assert log.is_current(notified)
    log.stop_writing()
    assert not log.is_current(notified)


def test_readers_only_move_the_end_forward_and_the_writer_anywhere() -> None:
    log = refreshed()
    log.reach(3)
    asyncio.run(log.refresh(stored(4)))
    assert log.last == 5
    log.move_end(2, 80, 30)
    assert (log.last, log.log_bytes) == (2, 80)
