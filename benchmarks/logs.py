"""How fast a long log is searched, filtered and downloaded, and what it takes on the disk.

    python -m benchmarks.logs [--rounds 5] [--lines 100000 1000000] [--long] [--viewers 300]

Logs of 10^5 and 10^6 lines of 60 characters, with `--long` of 3,000,000 and 10^7 lines as well.
They are measured once they have ended and are sealed; a log of 10^6 lines also while it grows. The
floors are `bytes.find` over the text in memory, a Tornado handler that streams the same
bytes from a file, and the text compressed by `zstd -3`. Seconds, if nothing else is said; the bars
of a search are seconds for 10^6 lines. At the end, one client polls while 300 viewers open one log
of 200,000 lines.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from urllib.parse import quote

import zstandard

from benchmarks.crowd import BAR_MS, crowd, polls
from benchmarks.requests import call, ended, make_target, submit, wait_for_end
from benchmarks.serving import Serving, serving
from benchmarks.tables import against, arguments, head, percentile, row
from server.config.sections import Limits

LINES = [100_000, 1_000_000]
LONG = [3_000_000, 10_000_000]
LIVE_LINES, CROWD_LINES = 1_000_000, 200_000
#: The part of a growing log that is sealed before it is measured.
LIVE_SEALED = 0.8
SCREENFUL = 200
#: How long a log may take to be sealed after its end, and the database to shrink: the bar, and what
#: is waited for, as the rows show how long it took.
SEALED_SECONDS = 30.0
LONGEST_SECONDS = 600.0
#: What no line has, so that all of them are examined.
NOWHERE = "nowhere to be seen"
READ_BYTES = 2**20


def main() -> None:
    """Measure, and print the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--lines", type=int, nargs="*", default=LINES)
    parser.add_argument("--long", action="store_true", help="also 3,000,000 and 10^7 lines")
    parser.add_argument("--viewers", type=int, default=300)
    given = parser.parse_args()
    with serving(limits=Limits(log_bytes=2**33)) as ports:
        for lines in given.lines + (LONG if given.long else []):
            _ended_log(ports, lines, given.rounds)
        _growing_log(ports, given.rounds)
        _crowd(ports, given.rounds, given.viewers)


def _ended_log(ports: Serving, lines: int, rounds: int) -> None:
    before = ports.ask("disk")
    target, products = make_target(ports.heliograph, f"Night of {lines}", count=lines)
    pk = submit(ports.heliograph, "Observes", target, products)
    wait_for_end(ports.heliograph, target)
    begun = time.perf_counter()
    total = call(ports.heliograph, "GET", f"/api/processes/{pk}/")["log_lines"]
    _wait(lambda: ports.ask("sealed", pk) >= total, LONGEST_SECONDS)
    sealed_seconds = time.perf_counter() - begun
    text = _text(ports, pk)
    head(f"{lines:,} lines, ended", "floor", "ours", "ratio", "bar")
    _searches(ports, pk, text, rounds, ("≤ 0.5", "≤ 0.1"))
    _downloads(ports, pk, text, rounds)
    _disk(ports, pk, text, lines, before)
    row("  sealed after", "", sealed_seconds, "", f"≤ {SEALED_SECONDS:.0f}")


def _growing_log(ports: Serving, rounds: int) -> None:
    target, products = make_target(ports.heliograph, "Tonight", count=LIVE_LINES, on=True)
    pk = submit(ports.heliograph, "Observes", target, products)
    record = f"/api/processes/{pk}/"
    _wait(lambda: call(ports.heliograph, "GET", record)["log_lines"] > LIVE_LINES, LONGEST_SECONDS)
    # It was written as fast as can be: what is sealed as it grows has to catch up.
    _wait(lambda: ports.ask("sealed", pk) > LIVE_SEALED * LIVE_LINES, LONGEST_SECONDS)
    text = _text(ports, pk)
    head(f"{LIVE_LINES:,} lines, still growing", "floor", "ours", "ratio", "bar")
    _searches(ports, pk, text, rounds, ("≤ 1", "≤ 0.3"))
    call(ports.heliograph, "POST", f"{record}cancel/")
    wait_for_end(ports.heliograph, target)


def _searches(ports: Serving, pk: int, text: bytes, rounds: int, bars: tuple[str, str]) -> None:
    wanted = NOWHERE.encode()
    floors = [_seconds(lambda: text.find(wanted)) for _ in range(rounds)]
    path = f"/api/processes/{pk}/logs/?limit={SCREENFUL}"
    search = partial(_all_pages, ports.heliograph, f"{path}&q={quote(NOWHERE)}")
    against("  search", floors, [_seconds(search) for _ in range(rounds)], bars[0])
    for name, query in (
        ("  level, first screenful", "level=error"),
        ("  the newest of a level", f"level=error&before={2**40}"),
        ("  the newest of a search", f"q=stars+4998&before={2**40}"),
    ):
        page = partial(call, ports.heliograph, "GET", f"{path}&{query}")
        against(name, floors, [_seconds(page) for _ in range(rounds)], bars[1])


def _all_pages(port: int, path: str) -> None:
    """Ask for pages until all lines that there were at the first one have been examined."""
    after, last = 0, None
    while last is None or after < last:
        page = call(port, "GET", f"{path}&after={after}")
        if page["lines"]:
            raise RuntimeError("found what is not there")
        last = last or sum(page["counts"].values())
        after = page["next"]


def _downloads(ports: Serving, pk: int, text: bytes, rounds: int) -> None:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(text)
        path = f"/file/?path={quote(file.name)}"
        floors = [_seconds(partial(_download, ports.bare, path, len(text))) for _ in range(rounds)]
    ours = partial(_download, ports.heliograph, f"/api/processes/{pk}/logs.txt", len(text))
    first = _seconds(ours)
    again = [_seconds(ours) for _ in range(rounds)]
    floor = median(floors)
    for name, seconds in (("  download, first", first), ("  download, again", median(again))):
        row(name, floor, seconds, f"{floor / seconds:.2f}", "≥ 0.5")


def _disk(ports: Serving, pk: int, text: bytes, lines: int, before: float) -> None:
    floor = len(zstandard.ZstdCompressor(level=3).compress(text)) / lines
    stored = ports.ask("stored", pk) / lines
    row("  bytes a line, text by zstd -3", floor, stored, f"{stored / floor:.2f}", "≤ 1.3")
    with contextlib.suppress(TimeoutError):  # the row shows it
        _wait(lambda: ports.ask("disk") - before < 1.3 * floor * lines)
    grown = (ports.ask("disk") - before) / lines
    row("  … by which the data folder grew", floor, grown, f"{grown / floor:.2f}", "")


def _crowd(ports: Serving, rounds: int, viewers: int) -> None:
    port = ports.heliograph
    watched, _ = ended(port, 10)
    target, products = make_target(port, "Crowd", count=CROWD_LINES)
    pk = submit(port, "Floods", target, products)
    wait_for_end(port, target)
    _wait(lambda: ports.ask("sealed", pk) >= CROWD_LINES, LONGEST_SECONDS)
    path = f"/api/async/status/{watched}/"
    until = time.perf_counter() + 2
    alone = list(polls(port, path, lambda: time.perf_counter() >= until))
    beside: list[float] = []
    for _ in range(rounds):
        with crowd(port, f"/ws/pipeline/logs/{pk}/", viewers) as done:
            beside.append(percentile(list(polls(port, path, done.poll)), 99))
    head(f"a poll beside {viewers} viewers, p99 in ms", "alone", "ours", "ratio", "bar")
    name = f"  opening {CROWD_LINES:,} lines at once"
    against(name, [percentile(alone, 99)], beside, f"≤ {BAR_MS}")


def _text(ports: Serving, pk: int) -> bytes:
    text = call(ports.heliograph, "GET", f"/api/processes/{pk}/logs.txt")
    assert isinstance(text, bytes)
    return text


def _download(port: int, path: str, expected: int) -> None:
    """Read an answer as fast as Python can; raise RuntimeError unless it has as many bytes."""
    memory = bytearray(READ_BYTES)
    received = 0
    with socket.create_connection(("127.0.0.1", port), 120) as connection:
        # HTTP/1.0 has no chunks, whose heads would be counted.
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
        first = True
        while count := connection.recv_into(memory):
            if first:
                count -= memory.index(b"\r\n\r\n") + 4
                first = False
            received += count
    if received < expected:
        raise RuntimeError(f"{received} bytes of {expected}")


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _wait(enough: Callable[[], bool], seconds: float = SEALED_SECONDS) -> None:
    until = time.monotonic() + seconds
    while not enough():
        if time.monotonic() > until:
            raise TimeoutError("it took too long")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
