"""Take backups of a server under load, kill them at random, and restore what they leave.

    python -m tests.reliability.tools.backups --rounds 20 --seed 1

Astronomers upload, run, read logs and delete all the time. In each round a backup is begun again
until there is one, and is killed at a random moment most of the times; so is its restore. Between
two tries there is either no backup or a whole one. A server is started on what was restored, ends
what ran when the backup was taken, and the invariant checker looks. Prints the figures; the exit
status is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import copy
import os
import random
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from server.core.disk.data_folder import DataFolder
from server.core.errors import StartError
from server.store.engine.database_file import DatabaseFile
from tests.reliability.tools.invariants import Promises, violations
from tests.reliability.tools.observer import Observer
from tests.reliability.tools.serving import (
    CONFIG,
    ROOT,
    STOP_SECONDS,
    Client,
    Server,
    short_folder,
)
from tests.reliability.tools.snapshot import socket_uri, take

#: How many files of the chain there are after a deletion.
LINKS = 3
#: The most kills of one backup or restore, and how many of a hundred tries are killed before.
MOST_KILLS, KILLED_PERCENT = 4, 70
#: How long a command takes, before one has ended; and the most it may take.
USUAL_SECONDS, COMMAND_SECONDS = 1.5, 120.0
SETTLE_SECONDS = 240.0
LANES = 3
PIPELINES = ("Makes", "Makes", "Quick", "Floods", "Fails", "Bulks")


@dataclass
class Done:
    """What was done, and what was wrong with it."""

    rounds: int = 0
    whole: int = 0
    backups_killed: int = 0
    restores_killed: int = 0
    #: killed backups after which there was a whole one already
    killed_too_late: int = 0
    products: list[int] = field(default_factory=list)
    processes: list[int] = field(default_factory=list)
    unended: int = 0
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Load:
    """Astronomers at work while the gate is open, so that what follows a backup is quick."""

    def __init__(self, server: Server) -> None:
        self.observers = [Observer(Client(server, SETTLE_SECONDS)) for _ in range(LANES)]
        self._chain = Observer(Client(server, SETTLE_SECONDS))
        self._gate = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, seed: int) -> None:
        """Have everybody begin as soon as the gate is opened."""
        for number, observer in enumerate(self.observers):
            await observer.begin(f"lane{number}")
            lane = _lane(observer, random.Random(seed + number), self._gate)
            self._tasks.append(asyncio.create_task(lane))
        self._tasks.append(asyncio.create_task(_chain(self._chain, self._gate)))

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """Open the gate for as long as the block lasts."""
        self._gate.set()
        yield
        self._gate.clear()
        for task in self._tasks:
            assert not task.done(), task.exception()

    async def stop(self) -> None:
        """Send everybody home."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=STOP_SECONDS)


async def backups(rounds: int, seed: int) -> Done:
    """Take and restore so many backups of a server under load."""
    done, chance = Done(), random.Random(seed)
    with short_folder() as folder:
        server = Server(folder / "data")
        try:
            await server.start()
            load = Load(server)
            await load.start(seed)
            for number in range(rounds):
                await _round(folder, number, load, chance, done)
            await load.stop()
        finally:
            await server.close()
    return done


async def _lane(observer: Observer, chance: random.Random, gate: asyncio.Event) -> None:
    """Upload, run, and delete what was made, again and again."""
    while await gate.wait():
        products = await observer.upload("a.fits", "b.fits")
        pks = [
            await observer.submit(chance.choice(PIPELINES), products)
            for _ in range(chance.randint(1, 3))
        ]
        for pk in pks:
            await observer.ended(pk)
        for pk in pks:
            if chance.random() < 0.6:
                await _deleting(observer, pk)
        if chance.random() < 0.6:
            # What is about to be deleted may be in a backup or not.
            observer.promises.uploaded.difference_update(products)
            for pk in products:
                await observer.delete_product(pk)


async def _deleting(observer: Observer, pk: int) -> None:
    observer.promises.accepted.pop(pk, None)
    observer.promises.ended.pop(pk, None)
    await observer.delete(pk)


async def _chain(observer: Observer, gate: asyncio.Event) -> None:
    """Upload files in order, note each in the target, and delete all but the newest, in order."""
    await observer.begin("chain")
    links: list[int] = []
    number = 0
    while await gate.wait():
        number += 1
        links += await observer.upload(f"{number}.fits")
        noted = {"extra_fields": {"link": number}}
        await observer.client.call(f"/api/targets/{observer.target}/", "PATCH", noted)
        if len(links) > LINKS:
            await observer.delete_product(links.pop(0))


async def _round(folder: Path, number: int, load: Load, chance: random.Random, done: Done) -> None:
    """Take a backup, restore it, and look at what a server makes of it."""
    to, restored = folder / f"backup{number}", folder / f"restored{number}"
    before = _promised(load.observers)
    with load.going_on():
        await _take(to, folder / "data", chance, done)
        promises = _kept(before, _promised(load.observers))
    wrong = [f"round {number}: {each}" for each in _moment(to / "database.db")]
    await _restore(to, restored, chance, done)
    wrong += [f"round {number}: {each}" for each in await _wrongs(restored, promises, done)]
    done.rounds += 1
    done.whole += not wrong
    done.wrong += wrong
    shutil.rmtree(to)
    shutil.rmtree(restored)


def _promised(observers: list[Observer]) -> Promises:
    """Return what has been promised until now, and is not being taken back."""
    promised = Promises()
    for observer in observers:
        now = copy.deepcopy(observer.promises)
        promised.accepted |= now.accepted
        promised.ended |= now.ended
        promised.deleted |= now.deleted
        promised.uploaded |= now.uploaded
        promised.deleted_products |= now.deleted_products
    return promised


def _kept(before: Promises, after: Promises) -> Promises:
    """Return what was promised before a backup, without what was begun to be deleted meanwhile."""
    return Promises(
        accepted={pk: before.accepted[pk] for pk in before.accepted.keys() & after.accepted.keys()},
        ended={pk: before.ended[pk] for pk in before.ended.keys() & after.ended.keys()},
        uploaded=before.uploaded & after.uploaded,
        deleted=before.deleted,
        deleted_products=before.deleted_products,
    )


async def _take(to: Path, data: Path, chance: random.Random, done: Done) -> None:
    """Begin a backup until there is one; most are killed."""
    kills = 0
    while True:
        usual = done.seconds[-1] if done.seconds else USUAL_SECONDS
        kill = kills < MOST_KILLS and chance.random() * 100 < KILLED_PERCENT
        began = time.monotonic()
        status, said = await _command(
            ["backup", str(to), "--data", str(data)], chance.uniform(0, usual) if kill else None
        )
        if status == -signal.SIGKILL:
            kills += 1
            done.backups_killed += 1
            if not await asyncio.to_thread(to.exists):
                continue
            done.killed_too_late += 1
        elif status != 0:
            done.wrong.append(f"a backup ended with status {status}: {said}")
            raise AssertionError(done.wrong[-1])
        else:
            done.seconds.append(time.monotonic() - began)
        return


async def _restore(to: Path, restored: Path, chance: random.Random, done: Done) -> None:
    """Restore a backup; it may be killed before, and then no server starts on what is there."""
    kills = 0
    while True:
        kill = kills < MOST_KILLS and chance.random() * 100 < KILLED_PERCENT
        after = chance.uniform(0, USUAL_SECONDS) if kill else None
        status, said = await _command(["restore", str(to), "--data", str(restored)], after)
        if status != -signal.SIGKILL:
            if status != 0 and "is not empty" not in said:
                done.wrong.append(f"a restore ended with status {status}: {said}")
            if status == 0 or "is not empty" in said:  # it had been whole when it was killed
                return
            raise AssertionError(done.wrong[-1])
        kills += 1
        done.restores_killed += 1
        if (restored / "database").exists() and (restored / "restoring").exists():
            with contextlib.suppress(StartError):
                DataFolder.open(restored).close()
                done.wrong.append("a server would start on what is not restored completely")


async def _command(arguments: list[str], kill_after: float | None) -> tuple[int, str]:
    """Run a command, kill it after some time if that is given, and return how it ended."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", *arguments, "--config", str(CONFIG)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ,
    )
    running = asyncio.ensure_future(process.communicate())
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(running), kill_after or COMMAND_SECONDS)
    if process.returncode is None:
        process.kill()
    said, _ = await running
    assert process.returncode is not None
    return process.returncode, said.decode()


def _moment(database: Path) -> list[str]:
    """Return what cannot have been true at one moment: links of the chain come and go in order."""
    with DatabaseFile(database, frozen=True) as documents:
        targets = {each["identifier"]: each for each in documents.documents("targets")}
        chain = targets.get("chain")
        if chain is None:
            return []
        names = [
            each["name"]
            for each in documents.documents("dataproducts")
            if each["target"] == chain["_id"]
        ]
    links = sorted(int(name.partition(".")[0]) for name in names)
    noted = re.search(r'"link":\s*(\d+)', chain["extra_fields"])
    last = int(noted[1]) if noted else 0
    wrong = []
    if links and links != list(range(links[0], links[-1] + 1)):
        wrong.append(f"the links {links} are not those of one moment")
    if links and (links[-1] - last not in (0, 1) or len(links) > LINKS + 1):
        wrong.append(f"the links are {links}, and the target says {last}")
    return wrong


async def _wrongs(restored: Path, promises: Promises, done: Done) -> list[str]:
    """Start a server on what was restored, let it end what ran, and check everything."""
    server = Server(restored)
    try:
        await server.start()
        client = Client(server, SETTLE_SECONDS)
        unended = "/api/processes/?state=queued,running&limit=100"
        done.unended += len((await client.call(unended))["processes"])
        async with asyncio.timeout(SETTLE_SECONDS):
            while (await client.call(unended))["processes"]:
                await asyncio.sleep(0.05)
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            found = await asyncio.to_thread(take, socket_uri(restored), restored)
            if not (wrong := violations(found, promises)) or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
    finally:
        await server.close()
    done.products.append(len(found.products))
    done.processes.append(len(found.processes))
    return wrong


def figures(seed: int, done: Done) -> str:
    """Return the figures in some lines."""
    return "\n".join(
        (
            f"seed {seed}: {done.rounds} rounds, {done.backups_killed} backups killed "
            f"({done.killed_too_late} when they were whole), "
            f"{done.restores_killed} restores killed",
            f"restored whole: {done.whole} of {done.rounds}, with {min(done.products)} to "
            f"{max(done.products)} data products and {min(done.processes)} to "
            f"{max(done.processes)} processes, {done.unended} of which had not ended",
            f"a backup took {min(done.seconds):.1f} to {max(done.seconds):.1f} s",
            f"wrong: {len(done.wrong)}",
        )
    )


def main() -> int:
    """Take and restore backups, and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    done = asyncio.run(backups(given.rounds, given.seed))
    print(*done.wrong, figures(given.seed, done), sep="\n")
    return 1 if done.wrong or done.whole < given.rounds else 0


if __name__ == "__main__":
    sys.exit(main())
