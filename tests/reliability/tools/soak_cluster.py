"""The soak of a cluster: servers, Dask workers, a database and an S3 storage, all in trouble.

    python -m tests.reliability.tools.soak_cluster --runs 500 --seed 1

Astronomers work at random on all servers, whose clocks are five minutes wrong, while machines are
killed, stopped and cut off at moments that the seed chooses (see `cluster_troubles`). Where the
system allows it, each machine is a network namespace. The database is SecantusDB, which is fetched
into a temporary folder, or with `--database embedded`, or where that fails, the embedded engine.
Prints the figures and each violation of what must hold; the exit status is 1 if there was one.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.engines.starting import NotAtHand, fetch_secantus
from tests.reliability.tools.cluster_site import FOLDER, SKEWS_SECONDS, WORKERS, Site, site
from tests.reliability.tools.cluster_troubles import Troubles
from tests.reliability.tools.invariants import Promises, log_violations
from tests.reliability.tools.network import INSIDE, network, run_inside
from tests.reliability.tools.nights import Tally, observe
from tests.reliability.tools.snapshot import Snapshot
from tests.reliability.tools.soak import unexpected
from tests.reliability.tools.viewers import watch, watch_lines

ASTRONOMERS_OF_A_SERVER = 2
#: How often each action is chosen, out of a hundred.
WORKS = {
    "Quick": 14,
    "Lasts": 14,
    "Makes": 13,
    "Spills": 5,
    "Timelapse": 5,
    "Forks": 4,
    "Fails": 5,
    "Dies": 3,
    "Floods": 2,
    "Pours": 3,
    "Waits": 5,
    "LocalQuick": 6,
    "LocalMakes": 6,
    "LocalWaits": 3,
    "cancel at once": 5,
    "run again": 3,
    "upload": 2,
    "delete": 1,
    "delete an output": 1,
}
#: Submits of an astronomer in one night. Each trouble has its share of the runs.
SUBMITS = 5
SETTLE_SECONDS = 180.0
#: What runs that wait log of the OS processes that they consist of.
PID = re.compile(r"pid (\d+)")
#: How late a viewer may see what another server has stored.
LATE_SECONDS = 1.0


@dataclass(frozen=True)
class Options:
    """The extent of a soak."""

    runs: int
    seed: int
    servers: int
    troubles: int
    limit_seconds: float
    database: str
    #: after so many, no more is submitted, and no more trouble made
    minutes: float = math.inf
    logs: Path | None = None
    #: where SecantusDB has been installed
    program: Path | None = None


@dataclass
class Soaked:
    """The outcome of a soak."""

    options: Options
    where: str
    struck: Counter[str]
    promises: Promises
    found: Snapshot = field(default_factory=Snapshot)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0
    twice: int = 0
    #: how many seconds after its storage a server showed a record that another one had written
    late: list[float] = field(default_factory=list)
    #: by how many seconds a line came later on one server than on another
    apart: list[float] = field(default_factory=list)


async def soak(options: Options) -> Soaked:
    """Put new machines through a soak."""
    began = time.monotonic()
    share = -(-options.runs // (options.troubles + 1))
    tally = Tally(share, held=options.runs - share)
    async with (
        network() as lines,
        site(lines, options.servers, options.program, options.limit_seconds) as made,
    ):
        troubles = Troubles(made, random.Random(options.seed), tally, share)
        where = f"{lines.words}; the database is {made.database.name}"
        soaked = Soaked(options, where, troubles.struck, tally.promises)
        try:
            soaked.wrong += await _work(made, troubles, tally, soaked)
            soaked.wrong += troubles.wrong
            await _examine(made, soaked)
        finally:
            if options.logs is not None:
                await asyncio.to_thread(_keep_logs, made, options.logs)
        soaked.seconds, soaked.twice = time.monotonic() - began, tally.twice
    return soaked


async def _work(made: Site, troubles: Troubles, tally: Tally, soaked: Soaked) -> list[str]:
    """Work to the end amid the troubles; return what broke it off."""
    options, began = soaked.options, time.monotonic()
    clients = [member.client for member in made.members]

    def tell(what: str) -> None:
        accepted = len(tally.promises.accepted)
        print(
            f"{time.monotonic() - began:4.0f} s: {accepted} accepted, {tally.ended} seen to end; "
            f"{what}",
            flush=True,
        )

    watching = [
        asyncio.create_task(each)
        for each in (
            watch(clients, lambda: troubles.quiet_since, soaked.late),
            watch_lines(clients, lambda: troubles.quiet_since, soaked.apart),
            _end(options.minutes, troubles, tally),
        )
    ]
    try:
        async with asyncio.timeout(options.limit_seconds):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(troubles.make(options.troubles, tell))
                for number in range(ASTRONOMERS_OF_A_SERVER * len(clients)):
                    client = clients[number % len(clients)]
                    tasks.create_task(observe(client, number, options.seed, tally, WORKS, SUBMITS))
            await _stop(watching)
            tell("all is submitted and every trouble is over")
            await _idle(made)
    except TimeoutError:
        return [f"it was not done within {options.limit_seconds:g} s", *await _unended(made)]
    except ExceptionGroup as errors:
        return [f"it broke off: {error!r}" for error in errors.exceptions]
    finally:
        await _stop(watching)
    return []


async def _end(minutes: float, troubles: Troubles, tally: Tally) -> None:
    """Let the work and the troubles come to their end after some time."""
    if minutes < math.inf:
        await asyncio.sleep(60 * minutes)
        troubles.enough, tally.left, tally.held = True, 0, 0


async def _stop(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _idle(made: Site) -> None:
    """Wait until nothing is queued or running; what only the watchers submitted is cancelled."""
    client = made.members[0].client
    path = "/api/processes/?state=queued,running&limit=1000"
    while left := (await client.call(path))["processes"]:
        made.keep_workers()
        for record in left:
            if record["pipeline"] == "Waits":
                await client.fetch(f"/api/processes/{record['pk']}/cancel/", "POST")
        await asyncio.sleep(0.2)


async def _unended(made: Site) -> list[str]:
    return [
        f"process {pk} of {record['pipeline']} has not ended: {record}"
        for pk, record in (await made.shared.look()).processes.items()
        if record["terminal_timestamp"] is None
    ]


async def _examine(made: Site, soaked: Soaked) -> None:
    """Note what is wrong in the end, after some time for tidying up."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        wrong = [*await made.shared.wrongs(soaked.promises), *await _left_behind(made)]
        if not wrong or time.monotonic() > deadline:
            break
    soaked.found = await made.shared.look()
    soaked.wrong += wrong
    soaked.wrong += unexpected(soaked.found, soaked.promises)
    soaked.wrong += _processes_left(soaked.found, made.shared.folder)
    soaked.wrong += _seen_late(soaked)
    for member in made.members:
        soaked.wrong += _tracebacks(member.node.name, member.server.words)


async def _left_behind(made: Site) -> list[str]:
    """Return what is left of runs on the workers, and of uploads in the storage."""
    left = [
        f"left on a worker: {folder}"
        for agent in made.agents()
        for folder in (Path(agent.cmdline()[-1]) / "runs").glob("*")
    ]
    unfinished = await asyncio.to_thread(made.s3.unfinished, made.bucket)
    return left + [f"an upload was never completed: {key}" for key in unfinished]


def _processes_left(found: Snapshot, folder: Path) -> Iterator[str]:
    """Yield the OS processes that runs have named in their logs and that are still there."""
    for pk, lines in found.logs.items():
        for _, entry in lines:
            if (match := PID.fullmatch(entry[3])) and _runs(int(match[1]), folder):
                yield f"the OS process {match[1]} of process {pk} is still there"


def _runs(pid: int, folder: Path) -> bool:
    """Return whether an OS process is there, and from here: its PID may be another's by now."""
    try:
        process = psutil.Process(pid)
        ended = process.status() == psutil.STATUS_ZOMBIE
        return not ended and process.environ().get(FOLDER) == str(folder)
    except psutil.Error:
        return False


def _seen_late(soaked: Soaked) -> Iterator[str]:
    """Yield a sentence if viewers on other servers are late as a rule."""
    for what, seconds in (("records", soaked.late), ("lines", soaked.apart)):
        if seconds and sorted(seconds)[len(seconds) // 2] > LATE_SECONDS:
            yield f"{what} of other servers are seen after more than {LATE_SECONDS:g} s"


def _tracebacks(name: str, printed: str) -> Iterator[str]:
    """Yield the ends of tracebacks that a server has printed, each once."""
    ends = re.findall(r"^Traceback .*?^(\S[^\n]*)$", printed, re.DOTALL | re.MULTILINE)
    for end, count in Counter(ends).items():
        yield f"{name} printed a traceback {count} times: {end[:300]}"


def _keep_logs(made: Site, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for member in made.members:
        (folder / f"{member.node.name}.log").write_text(member.server.words)
    (folder / "dask.log").write_text(made.cluster.logs())


def figures(soaked: Soaked) -> str:
    """Return the figures as text."""
    found, promises, options = soaked.found, soaked.promises, soaked.options
    records = found.processes.values()
    states = Counter(record["state"] for record in records)
    again = [record["attempt"] for record in records if record["attempt"] > 1]
    lost = promises.accepted.keys() - found.processes.keys() - promises.deleted
    skews = ", ".join(f"{seconds:+g} s" for seconds in SKEWS_SECONDS)
    return "\n".join(
        (
            f"seed {options.seed}: {options.servers} servers (clocks {skews}), {WORKERS} workers, "
            f"{soaked.seconds:.0f} s, load {os.getloadavg()[0]:.1f}",
            f"on {soaked.where}",
            f"{soaked.struck.total()} troubles: "
            + ", ".join(f"{count} {kind}" for kind, count in sorted(soaked.struck.items())),
            f"accepted {len(promises.accepted)}, lost {len(lost)}; {soaked.twice} submitted twice "
            f"at once, {len(promises.deleted)} deleted, {len(found.processes)} there",
            "states: " + ", ".join(f"{count} {state}" for state, count in sorted(states.items())),
            f"run more than once: {len(again)}, at most {max(again, default=1)} times",
            f"lines: {sum(len(log) for log in found.logs.values())}, gaps: "
            f"{len(list(log_violations(found)))}",
            f"records seen on another server after: {_spread(soaked.late)}",
            f"lines seen on all servers within: {_spread(soaked.apart)}",
            f"violations: {len(soaked.wrong)}",
        )
    )


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "never looked at"
    several = sorted(seconds)
    count = len(several)
    return (
        f"median {several[count // 2]:.3f} s, 95 % {several[count * 95 // 100]:.3f} s, "
        f"at most {several[-1]:.3f} s, of {count}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--troubles", type=int, default=None, help="default: one for twelve runs")
    parser.add_argument("--limit-seconds", type=float, default=3600.0)
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="begin no more after so many"
    )
    parser.add_argument("--database", choices=("secantus", "embedded"), default="secantus")
    parser.add_argument("--loopback", action="store_true", help="do without network namespaces")
    parser.add_argument("--logs", type=Path, help="a folder for what the machines have printed")
    parser.add_argument("--program", type=Path, help="a folder for SecantusDB, to be used again")
    return parser


def main() -> int:
    """Soak, and print the figures."""
    given = _parser().parse_args()
    loopback = given.__dict__.pop("loopback")
    if given.troubles is None:
        given.troubles = given.runs // 12
    if INSIDE in os.environ:
        return _soak(Options(**vars(given)))
    with tempfile.TemporaryDirectory(prefix="heliograph-engine-") as folder:
        if given.database == "secantus":
            given.program = given.program or Path(folder)
            try:
                fetch_secantus(given.program)
            except NotAtHand as error:
                print(f"SecantusDB DID NOT RUN, the embedded engine does: {error}", flush=True)
                given.program = None
        words = [sys.executable, "-m", _MODULE, *_words(given)]
        status = None if loopback else run_inside(words)
        return _soak(Options(**vars(given))) if status is None else status


_MODULE = "tests.reliability.tools.soak_cluster"


def _words(given: argparse.Namespace) -> Iterator[str]:
    for name, value in vars(given).items():
        if value is not None:
            yield f"--{name.replace('_', '-')}={value}"


def _soak(options: Options) -> int:
    soaked = asyncio.run(soak(options))
    print(figures(soaked), *soaked.wrong, sep="\n", flush=True)
    return 1 if soaked.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
