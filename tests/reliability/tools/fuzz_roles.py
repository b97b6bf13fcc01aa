"""Fuzzes a server with tokens as each kind of caller: nobody does what their role may not.

    python -m tests.reliability.tools.fuzz_roles [--requests 100000] [--seed 1] [--clients 4]

Starts a server of its own on 127.0.0.1 with tokens of each role, and one that has expired. Four
tenths of the requests are those of `fuzz`, two tenths are raw ones that Hypothesis makes, and the
rest are schemathesis's, which reads the description of the API. Each is sent without a token, with
a wrong or an expired one, as viewer, operator and admin.

Reports what `fuzz` does, and besides: a success that the caller's role does not allow, a 503 or 507
that was not meant, anything that changed while only those asked who may change nothing, and
descriptors, threads, documents and files that are left when everything has been deleted. Exits with
1 if it found a fault.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import psutil

from handlers.http.access_control import allowed_methods, needed_role
from handlers.routes import all_routes
from server.access.roles import Role
from tests.browser.support.observatory import Observatory
from tests.fakes.folders import living_files
from tests.reliability.tools import fuzz
from tests.reliability.tools.fuzz import Report, prepared
from tests.reliability.tools.fuzz_described import describe_requests
from tests.reliability.tools.fuzz_raw import raw_requests
from tests.reliability.tools.fuzz_requests import Fuzzer, Request

#: The shares of the requests, in tenths: those of `fuzz`, and of Hypothesis.
FUZZED, RAW = 4, 2
ROUND_REQUESTS = 200
#: With so many requests, none of the routes should have been out of luck.
MANY_REQUESTS = 50_000
#: What may be open besides what was open at the start: files of the database, kept connections.
MORE_DESCRIPTORS, MORE_THREADS = 40, 40
CLOSE_SECONDS = 90.0
#: Statuses by which something was done or shown.
DONE = {"101", "200", "201", "202", "204", "206", "304"}
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Caller:
    """A kind of caller: what it sends, and the role that this proves, None for none."""

    name: str
    secret: str | None
    role: Role | None

    def signed(self, raw: bytes) -> bytes:
        """Return a request as this caller sends it; one that has a token keeps that."""
        if self.secret is None or b"\nauthorization:" in raw.lower():
            return raw
        head, end, rest = raw.partition(b"\r\n")
        return head + end + f"Authorization: Bearer {self.secret}\r\n".encode() + rest

    def may(self, request: bytes) -> bool:
        """Return whether a success is one that the caller may have."""
        handler = handler_of(request)
        method = request.partition(b" ")[0].decode("latin-1")
        if handler is None or method == "OPTIONS" or handler.open_to_all:
            return True
        if method not in allowed_methods(handler):
            return False
        return self.role is not None and self.role.includes(needed_role(handler, method))


_ROUTES = [(route.regex, cast(Any, route.handler_class)) for route in all_routes(cast(Any, None))]


def handler_of(request: bytes) -> Any:
    """Return the handler of a request's path, None where that cannot be told."""
    line = re.match(rb"\S+ (?:https?://[^/\s]*)?(/[^\s?#]*)\S* HTTP/1\.[01]\r\n", request)
    if line is None:
        return None
    path = line[1].decode("latin-1")
    return next((handler for regex, handler in _ROUTES if regex.match(path)), None)


@dataclass
class RoleReport(Report):
    """What was found, by caller."""

    caller: Caller = field(default_factory=lambda: Caller("nobody", None, None))
    by_caller: dict[str, Counter[str]] = field(default_factory=dict)

    def note(self, caller: Caller, request: Request, answered: Report) -> None:
        """Take over what one request of a caller has found."""
        [status] = answered.statuses
        with self.lock:
            self.statuses[status] += 1
            self.by_caller.setdefault(caller.name, Counter())[status] += 1
            self.slowest = max(self.slowest, answered.slowest)
            self.fine |= answered.fine
            self.faults += [f"{caller.name}: {fault}" for fault in answered.faults]
            if status in DONE and not caller.may(request.raw):
                self.faults.append(f"{caller.name} got {status}: {request.raw[:400]!r}")
            if status.startswith("5") and status not in ("500", "501"):
                self.faults.append(f"{caller.name} got {status}: {request.raw[:400]!r}")


def token(data: Path, name: str, role: Role, *options: str) -> str:
    """Return the secret of a new token."""
    command = [sys.executable, "-m", "server", "token", "add", name, "--role", role, *options]
    done = subprocess.run(
        [*command, "--data", str(data)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return re.findall(r"^\S{20,}$", done.stdout, re.MULTILINE)[-1]


def callers(data: Path) -> list[Caller]:
    """Return a caller of each kind, with tokens that a server on this folder knows."""
    data.mkdir(parents=True, exist_ok=True)
    made = [Caller(role, token(data, f"a-{role}", role), role) for role in Role]
    expired = token(data, "expired", Role.ADMIN, "--expires", "0.000001")
    wrong = f"{expired[:-4]}AAAA"
    return [
        Caller("none", None, None),
        Caller("wrong", wrong, None),
        Caller("expired", expired, None),
        *made,
    ]


def ask_as(
    observatory: Observatory, report: RoleReport, caller: Caller, request: Request, address: str
) -> None:
    """Send a request as a caller, and note the answer."""
    request = Request(caller.signed(request.raw), request.whole, request.route)
    answered = Report()
    fuzz.ask(observatory.port, request, answered, address)
    report.note(caller, request, answered)


def address_of(caller: Caller, number: random.Random) -> str:
    """Return an address of this machine to send from: wrong secrets come from many."""
    if caller.role is not None or sys.platform != "linux":
        return "127.0.0.1"
    return f"127.0.{number.randrange(1, 250)}.{number.randrange(1, 250)}"


def fuzz_as(
    observatory: Observatory,
    report: RoleReport,
    known: list[Caller],
    requests: int,
    make: Callable[[], Request],
    *,
    prepare: Callable[[], None],
    seed: int,
    clients: int,
) -> None:
    """Send requests, each as the next of the callers."""
    number = random.Random(seed)
    with ThreadPoolExecutor(clients) as pool:
        for start in range(0, requests, ROUND_REQUESTS):
            prepare()
            sent = []
            for count in range(start, min(start + ROUND_REQUESTS, requests)):
                caller = known[count % len(known)]
                address = address_of(caller, number)
                sent.append(pool.submit(ask_as, observatory, report, caller, make(), address))
            for each in sent:
                each.result()


def contents(observatory: Observatory) -> dict[str, Any]:
    """Return everything that the lists of the API show, to be compared."""
    shown = {}
    for plural in ("targets", "groups", "processes"):
        pages: list[Any] = []
        before = ""
        while True:
            page = observatory.call("GET", f"/api/{plural}/?limit=1000{before}")
            pages += page[plural]
            if page["next"] is None:
                break
            before = f"&before={page['next']}"
        shown[plural] = pages
    return shown


def clear(observatory: Observatory) -> list[str]:
    """Delete everything; return what is left and should not be."""
    for group in contents(observatory)["groups"]:
        observatory.call("DELETE", f"/api/groups/{group['pk']}/")
    for target in contents(observatory)["targets"]:
        observatory.call("DELETE", f"/api/targets/{target['pk']}/?force=true")
    left = {plural: len(found) for plural, found in contents(observatory).items() if found}
    stored = observatory.data / "files"
    files = [path for path, _ in living_files(stored) if "heliograph" not in path.name]
    names = sorted(str(path.relative_to(stored)) for path in files)[:5]
    return [f"{count} {plural} are left" for plural, count in left.items()] + (
        [f"{len(files)} files are left: {names}"] if files else []
    )


@dataclass(frozen=True)
class Usage:
    """What a server uses of its machine."""

    memory_bytes: int
    descriptors: int
    threads: int

    @classmethod
    def of(cls, process: psutil.Process) -> Usage:
        """Return what this process uses now."""
        return cls(process.memory_info().rss, process.num_fds(), process.num_threads())


def settled(process: psutil.Process, before: Usage) -> Usage:
    """Return what a server uses once its connections are closed, or after a while all the same."""
    deadline = time.monotonic() + CLOSE_SECONDS
    while (now := Usage.of(process)).descriptors > before.descriptors + MORE_DESCRIPTORS:
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    return now


def growth(middle: Usage, after: Usage, first: Usage) -> list[str]:
    """Return what has grown that should not."""
    grown = []
    if after.memory_bytes - middle.memory_bytes > fuzz.GROWTH_BYTES:
        grown.append(f"memory grew by {(after.memory_bytes - middle.memory_bytes) >> 20} MiB")
    if after.descriptors > first.descriptors + MORE_DESCRIPTORS:
        grown.append(f"{after.descriptors} descriptors are open, {first.descriptors} at first")
    if after.threads > first.threads + MORE_THREADS:
        grown.append(f"there are {after.threads} threads, {first.threads} at first")
    return grown


def run(observatory: Observatory, requests: int, seed: int, clients: int) -> RoleReport:
    """Fuzz a server that is to be started; return what was found."""
    report, known = RoleReport(), callers(observatory.data)
    observatory.token = known[-1].secret
    observatory.start()
    assert observatory.process is not None
    process = psutil.Process(observatory.process.pid)
    fuzzer = Fuzzer(seed)

    def prepare() -> None:
        fuzzer.known = prepared(observatory, fuzzer.known)

    prepare()
    first = Usage.of(process)
    options: dict[str, Any] = {"seed": seed, "clients": clients}
    fuzzed, raw = requests * FUZZED // 10, requests * RAW // 10
    harmless = [caller for caller in known if caller.role in (None, Role.VIEWER)]
    for process_pk in fuzzer.known.processes[1:]:
        observatory.ended(process_pk)
    before = contents(observatory)
    fuzz_as(
        observatory, report, harmless, fuzzed // 4, fuzzer.request, prepare=lambda: None, **options
    )
    if contents(observatory) != before:
        report.faults.append("something changed while only those asked who may change nothing")
    fuzz_as(
        observatory, report, known, fuzzed - fuzzed // 4, fuzzer.request, prepare=prepare, **options
    )
    middle = Usage.of(process)
    raws = iter(raw_requests(raw, seed))
    fuzz_as(observatory, report, known, raw, lambda: next(raws), prepare=prepare, **options)
    described = describe_requests(observatory, known, requests - fuzzed - raw, seed)
    report.faults += described.faults
    report.faults += clear(observatory)
    after = settled(process, first)
    report.faults += growth(middle, after, first)
    print(f"{fuzzed + raw} raw requests, {described.requests} of schemathesis, seed {seed}")
    for name, statuses in report.by_caller.items():
        print(f"{name}: {dict(sorted(statuses.items()))}")
    print(f"slowest {report.slowest:.2f} s; at first, half-way and after all was deleted:")
    for name, of in (
        ("memory, MiB", lambda usage: usage.memory_bytes >> 20),
        ("descriptors", lambda usage: usage.descriptors),
        ("threads", lambda usage: usage.threads),
    ):
        print(f"{name}: {', '.join(str(of(each)) for each in (first, middle, after))}")
    if requests >= MANY_REQUESTS:
        report.faults += [f"never did what it is for: {route}" for route in fuzz.idle(report)]
    return report


def main() -> int:
    """Fuzz a server, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="heliograph-fuzz-") as folder:
        observatory = Observatory(Path(folder) / "data")
        try:
            report = run(observatory, given.requests, given.seed, given.clients)
        finally:
            observatory.stop()
        printed = (observatory.data / "printed.txt").read_text(errors="replace")
    return fuzz.conclude(report, printed)


if __name__ == "__main__":
    sys.exit(main())
