"""Work done in order by a few threads, some items ahead of its use.

Whoever waits for a result takes over what no thread has begun, so that no core is idle though
there is a thread less than cores (but always one).
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

#: Threads beside the one that uses the results; more would wait for it.
THREADS = min(3, max(1, (os.cpu_count() or 1) - 1))
#: Items ahead of use: those that are worked on, and one that waits.
AHEAD = THREADS + 2


class _Job(Generic[Given, Made]):
    """One item, to be worked on by the first that comes to it."""

    def __init__(
        self, pool: ThreadPoolExecutor, work: Callable[[Given], Made], item: Given
    ) -> None:
        self._work, self._item = work, item
        self._future: Future[Made] = pool.submit(work, item)

    def is_done(self) -> bool:
        return self._future.done()

    def help(self) -> None:
        """Do it here and now, unless somebody has begun."""
        if self._future.cancel():
            self._future = Future()
            try:
                self._future.set_result(self._work(self._item))
            except Exception as error:  # raised to whoever asks for the result, as a thread's is
                self._future.set_exception(error)

    def result(self) -> Made:
        return self._future.result()


@contextmanager
def helpers() -> Iterator[ThreadPoolExecutor]:
    """The threads; what nobody waits for any more is not begun."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="ahead")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def prefetch(
    pool: ThreadPoolExecutor, work: Callable[[Given], Made], items: Iterable[Given]
) -> Iterator[Made]:
    """What `work` makes of each item, in order; at most AHEAD more are begun.

    Raises whatever it raises, in its place.
    """
    ahead: deque[_Job[Given, Made]] = deque()
    for item in items:
        ahead.append(_Job(pool, work, item))
        if len(ahead) > AHEAD:
            yield _first(ahead)
    while ahead:
        yield _first(ahead)


def _first(ahead: deque[_Job[Given, Made]]) -> Made:
    """Take the first result, helping as long as it is not there."""
    first = ahead[0]
    for job in ahead:
        if first.is_done():
            break
        job.help()
    return ahead.popleft().result()
