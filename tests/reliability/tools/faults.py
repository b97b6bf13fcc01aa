"""Faults in a server's database calls, on orders: every operation of the store passes through here.

A call can kill its own server or one of the processes that it works with, fail, be late, or act and
then fail all the same, as when the answer is lost. The orders are a JSON object in a file, so that
they can come at any time; the calls are counted from the first one that finds the file, and noted
next to it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import random
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from server.archive.storage import FileStorage
from server.core.errors import DatabaseAway
from server.store.driver.collection import Collection
from tests.reliability.tools import victims

KILL_BEFORE, KILL_AFTER = "kill before", "kill after"
FAIL, UNHEARD, DELAY = "fail", "unheard", "delay"
#: These kill a process that the server works with, just before the call.
KILL_ENGINE, KILL_TEMPLATE, KILL_EXAMINER = "kill engine", "kill template", "kill examiner"
VICTIMS = {
    KILL_ENGINE: victims.ENGINE,
    KILL_TEMPLATE: victims.TEMPLATE,
    KILL_EXAMINER: victims.EXAMINER,
}
KINDS = (KILL_BEFORE, KILL_AFTER, *VICTIMS, FAIL, UNHEARD, DELAY)
#: These are counted with the calls, but meet kills alone.
FILE_STEPS = {"_put_local": "put file", "_delete_all": "delete file"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Orders:
    """Which calls meet a fault: those numbered in `at`, or any of them with a probability.

    The numbered calls meet the first of `kinds`, the others one of them at random. If `only` is
    given, such as `insert journal`, only calls like it count.
    """

    kinds: tuple[str, ...]
    only: str = ""
    at: tuple[int, ...] = ()
    probability: float = 0.0
    seed: int = 0
    delay_seconds: float = 0.05

    def __post_init__(self) -> None:
        if unknown := set(self.kinds) - set(KINDS):
            raise ValueError(f"There is no fault {sorted(unknown)} (known: {KINDS})")

    def write(self, path: Path) -> None:
        """Write the orders, atomically, for the server that reads this file."""
        partial = path.with_suffix(".new")
        partial.write_text(json.dumps(dataclasses.asdict(self)))
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> Orders | None:
        """Return the orders in a file, None if there is no such file."""
        try:
            fields: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        return cls(**fields | {"kinds": tuple(fields["kinds"]), "at": tuple(fields["at"])})


def calls_file(orders: Path) -> Path:
    """Return the file in which the counted calls are noted, one a line."""
    return orders.with_suffix(".calls")


class Faults:
    """The faults that calls meet, by fixed orders or by those that a file holds at the time."""

    def __init__(self, orders: Orders | Path) -> None:
        self._path = orders if isinstance(orders, Path) else None
        self._version: tuple[int, int] | None = None
        self.orders: Orders | None = None
        self.calls = self.met = 0
        if isinstance(orders, Orders):
            self._follow(orders)

    def next(self, operation: str, collection: str) -> str | None:
        """Count one call; return the fault that it meets, if any."""
        self._learn()
        call = f"{operation} {collection}".strip()
        if self.orders is None or self.orders.only not in call:
            return None
        self.calls += 1
        self._note(f"{call}\n")
        kind = self._choose(self.orders)
        self.met += kind is not None
        return kind

    def _choose(self, orders: Orders) -> str | None:
        if self.calls in orders.at:
            return orders.kinds[0]
        if self._random.random() < orders.probability:
            return self._random.choice(orders.kinds)
        return None

    def _learn(self) -> None:
        """Read the file's orders if they are new."""
        if self._path is None:
            return
        try:
            now = self._path.stat()
        except FileNotFoundError:
            self.orders = self._version = None
            return
        if self._version != (now.st_ino, now.st_mtime_ns):
            self._version = (now.st_ino, now.st_mtime_ns)
            self._follow(Orders.read(self._path))

    def _follow(self, orders: Orders | None) -> None:
        self.orders = orders
        self.calls = 0
        self._random = random.Random(0 if orders is None else orders.seed)

    def _note(self, line: str) -> None:
        if self._path is not None:
            with calls_file(self._path).open("a") as file:
                file.write(line)


def install(faults: Faults, loop: asyncio.AbstractEventLoop | None = None) -> Callable[[], None]:
    """Let every call of every collection meet its faults; return a function that undoes this.

    With a loop given, only calls on that loop meet them.
    """
    call = Collection._call

    async def faulty(self: Collection, operation: str, work: Callable[[], Awaitable[Any]]) -> Any:
        meant = loop is None or asyncio.get_running_loop() is loop
        kind = faults.next(operation, self.name) if meant else None
        _kill_before(kind)
        if kind == FAIL:
            raise DatabaseAway
        if kind == DELAY:
            assert faults.orders is not None
            await asyncio.sleep(faults.orders.delay_seconds)
        result = await call(self, operation, work)
        if kind == KILL_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == UNHEARD:
            raise DatabaseAway
        return result

    Collection._call = faulty  # type: ignore[method-assign]

    def remove() -> None:
        Collection._call = call  # type: ignore[method-assign]

    return remove


def _kill_before(kind: str | None) -> None:
    """Kill whom this kind kills before a call, if any."""
    if kind == KILL_BEFORE:
        os.kill(os.getpid(), signal.SIGKILL)
    if kind in VICTIMS:
        victims.kill(victims.find(os.getpid(), VICTIMS[kind]))


def install_in_storage(faults: Faults) -> None:
    """Let the kills fall before and after a file is stored or deleted, too."""
    for name, step in FILE_STEPS.items():
        setattr(FileStorage, name, _deadly(faults, step, getattr(FileStorage, name)))


def _deadly(faults: Faults, step: str, work: Callable[..., Any]) -> Callable[..., Any]:
    def deadly(*arguments: Any) -> Any:
        kind = faults.next(step, "")
        _kill_before(kind)
        result = work(*arguments)
        if kind == KILL_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return deadly
