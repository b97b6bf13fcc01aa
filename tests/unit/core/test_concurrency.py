"""Waiting for a database that is away or full."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from server.core import concurrency
from server.core.concurrency import repeat_every, retry_while_unavailable
from server.core.errors import AlreadyTaken, DatabaseAway, HeliographError, NoRoom
from tests.fakes.modules import Overlay


class Troubled:
    """A call that fails in these ways, one after the other, and then succeeds."""

    def __init__(self, *errors: HeliographError) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "stored"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses that were made, none of which takes any time."""
    paused: list[float] = []
    thread = threading.current_thread()

    async def pause(seconds: float) -> None:
        if threading.current_thread() is not thread:  # a server of other tests pauses as well
            return await asyncio.sleep(seconds)
        paused.append(seconds)

    monkeypatch.setattr(concurrency, "asyncio", Overlay(asyncio, sleep=pause))
    return paused


@pytest.mark.parametrize("error", [DatabaseAway, NoRoom])
def test_it_tries_until_the_database_answers_and_has_room(
    error: type[HeliographError], quick: list[float]
) -> None:
    call = Troubled(*(error() for _ in range(20)))
    assert asyncio.run(retry_while_unavailable(call)) == "stored"
    assert call.calls == 21
    assert quick[:6] == list(concurrency.RETRY_SECONDS)
    assert set(quick[6:]) == {concurrency.RETRY_SECONDS[-1]}


def test_each_reason_is_told_once_and_so_is_the_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    call = Troubled(NoRoom(), DatabaseAway(), NoRoom(), NoRoom(), DatabaseAway())
    asyncio.run(retry_while_unavailable(call))
    warnings = [each.message for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert "disk is full" in warnings[0]
    assert "database is away" in warnings[1]
    assert "after 5 retries" in caplog.records[-1].message


def test_other_errors_come_through_at_once() -> None:
    call = Troubled(AlreadyTaken("processes"))
    with pytest.raises(AlreadyTaken):
        asyncio.run(retry_while_unavailable(call))
    assert call.calls == 1


def test_what_need_not_wait_for_room_does_not() -> None:
    call = Troubled(DatabaseAway(), NoRoom())
    with pytest.raises(NoRoom):
        asyncio.run(retry_while_unavailable(call, through=(DatabaseAway,)))
    assert call.calls == 2


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (DatabaseAway(), logging.DEBUG),
        (NoRoom(), logging.WARNING),
        (ValueError("a defect"), logging.ERROR),
    ],
)
def test_repeated_work_goes_on_whatever_goes_wrong(
    caplog: pytest.LogCaptureFixture, error: Exception, level: int
) -> None:
    caplog.set_level(logging.DEBUG)
    outcomes: list[Exception] = [error, asyncio.CancelledError()]  # type: ignore[list-item]

    async def work() -> None:
        raise outcomes.pop(0)

    log = logging.getLogger("of the caller")
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(repeat_every(1, work, name="The work", log=log, away_level=logging.DEBUG))
    assert outcomes == []
    [record] = [each for each in caplog.records if each.name == "of the caller"]
    assert record.levelno == level
    assert record.message.startswith("The work ")
