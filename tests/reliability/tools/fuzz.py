"""Sends wrong, huge, hostile and missing values to every route, and looks at what comes back.

    python -m tests.reliability.tools.fuzz [--requests 50000] [--seed 1] [--clients 4]

Starts a server of its own on 127.0.0.1, reads its routes from `handlers.routes`, and sends requests
over raw sockets: paths, queries, headers, JSON, forms, multipart, websockets with broken frames.
Reports answers of 500, requests without an end within 10 s, tracebacks in the server's log, routes
that never did what they are for, and how much the server's memory grows in the second half. Exits
with 1 if it found a fault.
"""

from __future__ import annotations

import argparse
import re
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
import psutil
from astropy.io import fits

from handlers.http.query import PK
from handlers.routes import all_routes
from tests.browser.support.observatory import Observatory
from tests.reliability.tools.fuzz_requests import Fuzzer, Known, Request
from tests.reliability.tools.observer import FRAME

HANG_SECONDS = 10.0
REST_SECONDS = 0.2
#: After so many requests, what they may have deleted is made anew.
ROUND_REQUESTS = 200
MOST_ANSWER_BYTES = 2_000_000
#: What the server may grow by while it answers the second half of many requests: caches have their
#: limits, which the first half has reached.
GROWTH_BYTES = 150 * 2**20
#: With fewer requests, some routes may have no luck.
MANY_REQUESTS = 10_000
#: These routes are for what is not there, or for a run that shows a picture just now.
NEVER_FINE = {".*$", "/(?:api|ws)(?:/.*)?$", rf"/processes/{PK}/preview\.png$"}
SUCCESSES = {"101", "200", "201", "202", "204", "302"}
CONTINUE = re.compile(rb"\A(?:HTTP/1\.1 100 [^\r\n]*\r\n\r\n)+")
#: A traceback in the server's log.
TRACEBACK = re.compile(r"^Traceback.*\n(?:[ ].*\n)*.*", re.MULTILINE)


@dataclass
class Report:
    """What was found; `faults` are examples of each kind."""

    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0
    #: the routes that have answered with a success
    fine: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, request: Request, answer: bytes, seconds: float, ended: bool) -> None:
        """Note one answer."""
        found = re.match(rb"HTTP/1\.[01] (\d{3})", CONTINUE.sub(b"", answer))
        status = found.group(1).decode() if found else "closed"
        with self.lock:
            self.statuses[status] += 1
            self.slowest = max(self.slowest, seconds if ended else 0)
            if status in SUCCESSES and not request.raw.startswith(b"OPTIONS "):
                self.fine.add(request.route)
            if status == "500":
                self.faults.append(f"500: {request.raw[:600]!r}")
            if not ended:
                self.faults.append(f"no end within {seconds:.0f} s: {request.raw[:600]!r}")


def ask(port: int, request: Request, report: Report, address: str = "") -> None:
    """Send a request, from this address of this machine if one is given, and note the answer."""
    # Of one that is not whole, the server may wait for the rest.
    patience = HANG_SECONDS if request.whole else REST_SECONDS
    begun = time.monotonic()
    answer, ended = b"", True
    try:
        with socket.create_connection(
            ("127.0.0.1", port), timeout=HANG_SECONDS, source_address=(address, 0)
        ) as connection:
            connection.sendall(request.raw)
            connection.settimeout(patience)
            while data := connection.recv(65_536):
                answer += data[: MOST_ANSWER_BYTES - len(answer)]
                if time.monotonic() - begun > patience:
                    raise TimeoutError
    except TimeoutError:
        ended = not request.whole
    except OSError:
        pass  # refused without being read to the end, which is fine
    report.add(request, answer, time.monotonic() - begun, ended)


def fuzz(observatory: Observatory, requests: int, seed: int, clients: int) -> Report:
    """Send requests to a running server; return what was found."""
    report, fuzzer = Report(), Fuzzer(seed)
    assert observatory.process is not None
    process = psutil.Process(observatory.process.pid)
    sizes = []
    with ThreadPoolExecutor(clients) as pool:
        for start in range(0, requests, ROUND_REQUESTS):
            fuzzer.known = prepared(observatory, fuzzer.known)
            made = [fuzzer.request() for _ in range(min(ROUND_REQUESTS, requests - start))]
            list(pool.map(partial(ask, observatory.port, report=report), made))
            sizes.append(process.memory_info().rss)
    sizes = [sizes[len(sizes) // 2], sizes[-1]]
    print(f"{requests} requests, seed {seed}: {dict(sorted(report.statuses.items()))}")
    print(f"slowest {report.slowest:.2f} s, memory {sizes[0] >> 20} MiB, then {sizes[1] >> 20} MiB")
    if requests >= MANY_REQUESTS:
        report.faults += [f"never did what it is for: {route}" for route in idle(report)]
    if sizes[1] - sizes[0] > GROWTH_BYTES:
        report.faults.append(f"memory grew by {(sizes[1] - sizes[0]) >> 20} MiB")
    return report


def idle(report: Report) -> list[str]:
    """Return the routes that have not answered with any success."""
    routes = {route.regex.pattern for route in all_routes(cast(Any, None))}
    return sorted(routes - report.fine - NEVER_FINE)


def table() -> bytes:
    """Return a small FITS file with a table."""
    written = BytesIO()
    columns = [fits.Column("TIME", "D", array=np.arange(3.0))]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(written)
    return written.getvalue()


def prepared(observatory: Observatory, before: Known) -> Known:
    """Add some of everything to a server; the last process of those before has ended by now."""
    target = observatory.make_target()
    files = {"a.txt": b"x", "b.fits": FRAME, "c.fits": table()}
    products = observatory.upload(target, files)
    group = observatory.call("POST", "/api/groups/", {"name": "All", "products": products})
    film = observatory.submit(target, "Timelapse", products[1:])
    process = observatory.submit(target, "Ticks", products)
    return Known(
        [target],
        products,
        [group["pk"]],
        [before.processes[-1], film, process],
        {str(pk): name for pk, name in zip(products, files, strict=True)},
    )


def main() -> int:
    """Fuzz a server, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="heliograph-fuzz-") as folder:
        observatory = Observatory(Path(folder))
        observatory.start()
        try:
            report = fuzz(observatory, given.requests, given.seed, given.clients)
        finally:
            observatory.stop()
        printed = (Path(folder) / "printed.txt").read_text(errors="replace")
    return conclude(report, printed)


def conclude(report: Report, printed: str) -> int:
    """Print the faults, with those in what the server has printed, and return the exit status."""
    report.faults += sorted(set(TRACEBACK.findall(printed)))
    for fault in report.faults[:20]:
        print(fault)
    print(f"{len(report.faults)} faults, {printed.count('Traceback')} tracebacks in its log")
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
