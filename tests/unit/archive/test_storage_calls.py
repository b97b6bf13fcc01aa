"""Calls of a remote storage: deadlines, threads that hang, and a storage that is away."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from server.archive.storage import calls as calls_module
from server.archive.storage.calls import FAILURES, MOST_THREADS, StorageCalls, may_pass
from server.archive.storage.masking import masked
from server.core.errors import NotFound, StorageAway


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Yield what hanging calls wait for."""
    event = threading.Event()
    yield event
    event.set()


def broken() -> None:
    raise ConnectionError("no route to sftp://me:hunter22@host/x")


async def failing(calls: StorageCalls, times: int = FAILURES) -> None:
    for _ in range(times):
        with pytest.raises(StorageAway):
            await calls.run(broken)


async def test_what_the_storage_answers_is_no_failure(runner: asyncio.Runner) -> None:
    calls = StorageCalls(1)

    def missing() -> None:
        raise NotFound("file", "a")

    for _ in range(2 * FAILURES):
        with pytest.raises(NotFound):
            await calls.run(missing)
    assert calls.problem is None
    assert await calls.run(lambda: 7) == 7


async def test_a_mistake_of_the_program_is_not_taken_for_the_storage(
    runner: asyncio.Runner,
) -> None:
    calls = StorageCalls(1)
    for _ in range(2 * FAILURES):
        with pytest.raises(TypeError):
            await calls.run(len, 5)  # type: ignore[arg-type]
    assert calls.problem is None


async def test_calls_fail_at_once_while_it_is_away_until_one_succeeds(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = StorageCalls(1, "sftp://me:hunter22@host/x")
    await failing(calls, FAILURES - 1)
    assert calls.problem is None
    await failing(calls, 1)
    assert calls.problem is not None
    asked = []
    with pytest.raises(StorageAway):
        await calls.run(asked.append, 1)
    assert asked == []
    monkeypatch.setattr(calls, "_again_at", time.monotonic())
    both = await asyncio.gather(
        calls.run(asked.append, 2), calls.run(asked.append, 3), return_exceptions=True
    )
    assert asked == [2]
    assert isinstance(both[1], StorageAway)
    assert calls.problem is None
    assert "hunter22" not in caplog.text
    assert "no route" in caplog.text


async def test_hanging_calls_are_given_up_and_leave_threads_for_others(
    runner: asyncio.Runner, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls_module, "THREADS", 2)
    calls = StorageCalls(0.05)
    hanging = [calls.run(gate.wait) for _ in range(2)]
    answers = await asyncio.gather(*hanging, return_exceptions=True)
    assert all(isinstance(answer, StorageAway) for answer in answers)
    assert calls.stuck == 2
    assert await calls.run(lambda: 7) == 7
    gate.set()
    async with asyncio.timeout(5):
        while calls.stuck:
            await asyncio.sleep(0.01)
    assert await calls.run(lambda: 8) == 8


async def test_the_threads_are_bounded_whatever_hangs(
    runner: asyncio.Runner, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = StorageCalls(0.05)
    before = threading.active_count()
    for _ in range(3):
        calls._failures = 0
        await asyncio.gather(*(calls.run(gate.wait) for _ in range(40)), return_exceptions=True)
    assert threading.active_count() - before <= MOST_THREADS


async def test_what_succeeds_after_it_was_given_up_is_undone(
    runner: asyncio.Runner, gate: threading.Event
) -> None:
    calls, undone = StorageCalls(0.05), threading.Event()
    with pytest.raises(StorageAway):
        await calls.run(gate.wait, undo=undone.set)
    assert not undone.is_set()
    gate.set()
    assert await asyncio.to_thread(undone.wait, 5)


async def test_a_cancelled_call_that_has_not_begun_is_not_made(
    runner: asyncio.Runner, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls_module, "THREADS", 1)
    calls, made = StorageCalls(5), []
    first = asyncio.ensure_future(calls.run(gate.wait))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(calls.run(made.append, 1))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    gate.set()
    await first
    await calls.run(made.append, 2)
    assert made == [2]


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        ("cannot reach sftp://me:hunter22@host/x", "", "cannot reach sftp://***@host/x"),
        ("hunter22 is wrong", "sftp://me:hunter22@host/x", "*** is wrong"),
        ("p%40ss1 p@ss1", "ftp://me:p%40ss1@host", "*** ***"),
        ("GET https://a/b?sig=abcdef failed", "", "GET https://a/b?*** failed"),
        ("nothing secret", "s3://bucket/folder", "nothing secret"),
    ],
)
def test_credentials_are_masked(text: str, url: str, shown: str) -> None:
    assert masked(text, url) == shown


def test_secrets_of_the_environment_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    monkeypatch.setenv("FSSPEC_SFTP_PASSWORD", "also-secret")
    assert masked("very-secret, also-secret") == "***, ***"


def test_only_what_nobody_has_to_correct_may_pass() -> None:
    assert may_pass(TimeoutError())
    assert may_pass(ConnectionRefusedError())
    assert not may_pass(PermissionError("AccessDenied"))
