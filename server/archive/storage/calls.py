"""Calls of a remote storage: in threads of their own, each with a deadline.

A storage that hangs holds some of these threads and no others. After failures that follow each
other, calls fail at once for some seconds; then a single one finds out whether the storage is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, TypeVar

from server.archive.storage.masking import masked
from server.core.errors import HeliographError, StorageAway

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Threads for calls that are waited for, and with those that hang and were given up.
THREADS, MOST_THREADS = 16, 64
#: So many failures one after the other mean that the storage is away, for at least so long.
FAILURES, AWAY_SECONDS = 3, 5.0
#: How long a call may take.
DEADLINE_SECONDS = 30.0
#: Errors of these types that are no answer of a storage are mistakes of the program.
_MISTAKES = (
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    NotImplementedError,
    TypeError,
    ValueError,
)


#: Errors of botocore about the configuration.
_LASTING = frozenset(
    {
        "InvalidConfigError",
        "InvalidEndpointConfigurationError",
        "NoCredentialsError",
        "NoRegionError",
        "ParamValidationError",
        "PartialCredentialsError",
        "ProfileNotFound",
    }
)


@dataclass
class _Job:
    """A call. If nobody waits for it any more when it succeeds, `undo` is called in its thread."""

    work: Callable[[], Any]
    undo: Callable[[], object] | None
    done: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    lock: threading.Lock = field(default_factory=threading.Lock)
    given_up: bool = False
    begun: bool = False
    ended: bool = False


class StorageCalls:
    """The calls of one storage. For the event loop."""

    def __init__(self, seconds: float = DEADLINE_SECONDS, secret: str = "") -> None:
        self._seconds = seconds
        self._secret = secret
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._threads = 0
        #: calls that were given up, but hold a thread
        self._stuck = 0
        self._waiting = 0
        self._failures = 0
        self._again_at = 0.0
        self._trying = False
        #: when the storage answered last, by the monotonic clock
        self.answered = 0.0
        self.failed_calls = 0

    @property
    def problem(self) -> str | None:
        """Why the storage cannot be used now, None if it can."""
        return str(StorageAway()) if self._failures >= FAILURES else None

    @property
    def busy(self) -> int:
        """How many calls are waited for."""
        return self._waiting

    @property
    def stuck(self) -> int:
        """How many calls were given up and go on."""
        return self._stuck

    def check(self) -> None:
        """Raise StorageAway while calls would fail at once."""
        if self.problem and (self._trying or time.monotonic() < self._again_at):
            raise StorageAway

    async def run(
        self, work: Callable[..., T], *args: Any, undo: Callable[[], object] | None = None
    ) -> T:
        """Return what the work returns, done in a thread.

        `undo` is called in a thread if the work succeeds after it was given up.

        :raises StorageAway: the storage failed, took too long, or is known to be away.
        """
        self.check()
        trial = self._trying = self.problem is not None
        self._waiting += 1
        try:
            result: T = await self._outcome(lambda: work(*args), undo)
        except (HeliographError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            if not isinstance(error, StorageAway):
                self._answered()
            raise
        except _MISTAKES:
            raise
        except Exception as error:  # each kind of storage has its own
            self._failed(error)
            raise StorageAway from error
        else:
            self._answered()
            return result
        finally:
            self._waiting -= 1
            if trial:
                self._trying = False

    async def _outcome(self, work: Callable[[], T], undo: Callable[[], object] | None) -> T:
        loop = asyncio.get_running_loop()
        job = _Job(work, undo, loop.create_future(), loop)
        self._jobs.put(job)
        if self._threads < min(self._waiting + self._stuck, THREADS + self._stuck, MOST_THREADS):
            self._threads += 1
            threading.Thread(target=self._work, name="file storage", daemon=True).start()
        try:
            async with asyncio.timeout(self._seconds):
                return await job.done  # type: ignore[no-any-return]
        except BaseException:
            self._give_up(job)
            raise

    def _give_up(self, job: _Job) -> None:
        with job.lock:
            if job.ended:
                if job.undo is not None and job.done.cancelled():
                    self._jobs.put(_Job(job.undo, None, job.loop.create_future(), job.loop))
                return
            job.given_up = True
            self._stuck += job.begun

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            with job.lock:
                job.begun = not job.given_up
            if job.begun:
                _do(job, self._freed)

    def _freed(self) -> None:
        self._stuck -= 1

    def _answered(self) -> None:
        if self.problem:
            log.info("The storage of the files is back", extra={"action": "storage_back"})
        self._failures = 0
        self.answered = time.monotonic()

    def _failed(self, error: BaseException) -> None:
        self.failed_calls += 1
        self._failures += 1
        self._again_at = time.monotonic() + AWAY_SECONDS
        reason = reason_of(error, self._secret)
        if self._failures == FAILURES:
            log.warning(
                "The storage of the files is away: %s", reason, extra={"action": "storage_away"}
            )
        elif self._failures == 1:
            log.warning(
                "A call of the storage of the files failed: %s",
                reason,
                extra={"action": "storage_call_failed"},
            )


def may_pass(error: BaseException | None) -> bool:
    """Return whether a storage that failed so may be back without anybody correcting anything."""
    lasting = isinstance(error, PermissionError | NotADirectoryError | FileExistsError)
    return not lasting and type(error).__name__ not in _LASTING


def reason_of(error: BaseException, secret: str = "") -> str:
    """Return why a storage failed, for the log, without its credentials."""
    if isinstance(error, TimeoutError) and not str(error):
        return "it does not answer in time"
    return masked(str(error) or type(error).__name__, secret)


def _do(job: _Job, freed: Callable[[], None]) -> None:
    """Do a job in this thread and tell who waits for it."""
    result, error = None, None
    try:
        result = job.work()
    except BaseException as raised:
        error = raised
    with job.lock:
        job.ended = True
        given_up = job.given_up
    with contextlib.suppress(RuntimeError):  # the loop is closed
        if given_up:
            job.loop.call_soon_threadsafe(freed)
        else:
            job.loop.call_soon_threadsafe(_tell, job.done, result, error)
    if given_up and error is None and job.undo is not None:
        with contextlib.suppress(Exception):
            job.undo()


def _tell(done: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(result)
    elif isinstance(error, Exception) and not isinstance(error, StopIteration):
        done.set_exception(error)
    else:
        done.set_exception(OSError(str(error)))
