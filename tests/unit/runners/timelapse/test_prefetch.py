"""Work done ahead: in order, not too far, with the waiting thread's help, errors in their place."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from runners.pipeline.process import Cancelled
from runners.timelapse.prefetch import AHEAD, THREADS, helpers, prefetch

HANG_SECONDS = 30


def test_the_order_is_kept_and_so_is_the_distance() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        return -item

    with helpers() as pool:
        for place, made in enumerate(prefetch(pool, work, range(50))):
            assert made == -place
            assert len(begun) <= place + AHEAD + 1
    assert sorted(begun) == list(range(50)), "each once"


def test_whoever_waits_takes_over_what_no_thread_has_begun() -> None:
    hold, doers = threading.Event(), {}

    def work(item: int) -> int:
        doers[item] = threading.current_thread()
        return item

    with helpers() as pool:
        kept = [pool.submit(hold.wait, HANG_SECONDS) for _ in range(THREADS)]
        made = list(prefetch(pool, work, range(2 * AHEAD)))
        assert not any(each.done() for each in kept), "every thread was held"
        hold.set()
    assert made == list(range(2 * AHEAD))
    assert set(doers.values()) == {threading.current_thread()}


@pytest.mark.parametrize("threads_are_held", [False, True])
def test_an_error_comes_in_its_place(threads_are_held: bool) -> None:
    hold = threading.Event()

    def work(item: int) -> int:
        if item == 3:
            raise ValueError("the third")
        return item

    made: list[int] = []
    with helpers() as pool:
        if threads_are_held:
            for _ in range(THREADS):
                pool.submit(hold.wait, HANG_SECONDS)
        with pytest.raises(ValueError, match="the third"):
            made.extend(prefetch(pool, work, range(10)))
        hold.set()
    assert made == [0, 1, 2]


def test_a_cancel_that_comes_while_helping_is_raised_at_once() -> None:
    begun, hold = threading.Event(), threading.Event()

    def work(item: int) -> None:
        if threading.current_thread() is threading.main_thread():
            raise Cancelled
        begun.set()
        hold.wait(HANG_SECONDS)

    def items() -> Iterator[int]:
        yield 0
        assert begun.wait(HANG_SECONDS)  # by the last free thread
        yield from range(1, 50)

    with helpers() as pool:
        for _ in range(THREADS - 1):
            pool.submit(hold.wait, HANG_SECONDS)
        try:
            with pytest.raises(Cancelled):
                next(prefetch(pool, work, items()))
            assert not hold.is_set(), "nobody waited for the first"
        finally:
            hold.set()


def test_what_nobody_waits_for_any_more_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    hold, begun = threading.Event(), []

    with helpers() as pool:
        for _ in range(THREADS):
            pool.submit(hold.wait, HANG_SECONDS)
        next(prefetch(pool, begun.append, range(50)))
        shutdown = pool.shutdown

        def release(**told: bool) -> None:
            shutdown(wait=False, **told)
            hold.set()
            shutdown()

        monkeypatch.setattr(pool, "shutdown", release)
    assert begun == [0]
