"""Prefetching: a few threads work on items, in order, some way ahead of the use of the results.

The thread that waits for a result works on items that no other has begun, so that no core is idle
although there is one thread fewer than cores (but always one).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")

#: Threads besides the one that uses the results; more would wait for it.
THREADS = min(3, max(1, (os.cpu_count() or 1) - 1))
#: Items begun ahead of use: those in work, of the waiting thread too, and one more.
AHEAD = THREADS + 2


class _Job(Generic[Given, Made]):
    """The work on one item, done by the first thread that gets to it."""

    def __init__(
        self, pool: ThreadPoolExecutor, work: Callable[[Given], Made], item: Given
    ) -> None:
        self._work, self._item = work, item
        self._future: Future[Made] = pool.submit(work, item)

    def is_done(self) -> bool:
        return self._future.done()

    def help(self) -> None:
        """Do the work in this thread, unless another has begun."""
        if self._future.cancel():
            self._future = Future()
            try:
                self._future.set_result(self._work(self._item))
            except Exception as error:  # `result` raises it, as for work done by a thread
                self._future.set_exception(error)

    def result(self) -> Made:
        return self._future.result()


@contextmanager
def helpers() -> Iterator[ThreadPoolExecutor]:
    """Yield the threads; at the end, no work that is still waiting is begun."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="prefetch")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def prefetch(
    pool: ThreadPoolExecutor,
    work: Callable[[Given], Made],
    items: Iterable[Given],
    most: int = AHEAD,
) -> Iterator[Made]:
    """Yield the result of `work` for each item, in order, with at most `most` further ones begun.

    Raise what `work` raises when it is that item's turn.
    """
    ahead: deque[_Job[Given, Made]] = deque()
    for item in items:
        ahead.append(_Job(pool, work, item))
        if len(ahead) > most:
            yield _first(ahead)
    while ahead:
        yield _first(ahead)


def _first(ahead: deque[_Job[Given, Made]]) -> Made:
    """Take the first result, working on other items until it is there."""
    first = ahead[0]
    for job in ahead:
        if first.is_done():
            break
        job.help()
    return ahead.popleft().result()
