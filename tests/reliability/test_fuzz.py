"""No request makes the server fail, hang or grow; the tool that looks notices when one does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from handlers.routes import all_routes
from tests.browser.support.observatory import Observatory
from tests.reliability.tools import fuzz
from tests.reliability.tools.fuzz import Report, ask
from tests.reliability.tools.fuzz_requests import Fuzzer, Request


@pytest.mark.slow
def test_some_hundred_hostile_requests_do_no_harm(tmp_path: Path) -> None:
    observatory = Observatory(tmp_path / "data")
    observatory.start()
    try:
        report = fuzz.fuzz(observatory, requests=600, seed=3, clients=4)
        assert observatory.call("GET", "/api/targets/")["targets"]
    finally:
        observatory.stop()
    assert report.faults == []
    assert {"200", "204", "400", "404", "405", "415"} <= set(report.statuses)
    assert "Traceback" not in (tmp_path / "data" / "printed.txt").read_text(errors="replace")


def test_the_same_seed_makes_the_same_requests() -> None:
    first, second, other = Fuzzer(5), Fuzzer(5), Fuzzer(6)
    made = [first.request() for _ in range(300)]
    assert made == [second.request() for _ in range(300)]
    assert made != [other.request() for _ in range(300)]


def test_every_route_gets_requests_with_paths_of_its_own() -> None:
    fuzzer, matched, live = Fuzzer(1), set(), set()
    patterns = {route.regex.pattern: route.regex for route in all_routes(cast(Any, None))}
    for _ in range(4_000):
        request = fuzzer.request()
        path = request.raw.split(b" ")[1].partition(b"?")[0].decode("latin-1")
        if request.route and patterns[request.route].match(path):
            matched.add(request.route)
            if b"Upgrade: websocket" in request.raw:
                live.add(request.route)
    assert matched == patterns.keys()
    assert live == {pattern for pattern in patterns if pattern.startswith("/ws/")}


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Run a server that gives one answer to one client and then says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kept: list[socket.socket] = []

        def serve() -> None:
            connection, _ = listening.accept()
            kept.append(connection)
            connection.recv(65_536)
            connection.sendall(answer)
            if answer:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join(10)
        for connection in kept:
            connection.close()


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_an_answer_of_500_is_a_fault(before: bytes) -> None:
    report = Report()
    with answering(before + b"HTTP/1.1 500 Internal Server Error\r\n\r\n") as port:
        ask(port, Request(b"GET / HTTP/1.1\r\n\r\n", whole=True), report)
    assert [fault[:4] for fault in report.faults] == ["500:"]


def test_a_route_that_never_does_what_it_is_for_is_named() -> None:
    report = Report()
    with answering(b"HTTP/1.1 200 OK\r\n\r\n") as port:
        ask(port, Request(b"GET /healthz HTTP/1.1\r\n\r\n", whole=True, route="/healthz$"), report)
    assert report.faults == []
    assert "/healthz$" not in fuzz.idle(report)
    assert "/readyz$" in fuzz.idle(report)


@pytest.mark.parametrize("whole", [True, False])
def test_no_answer_is_a_fault_if_the_request_was_whole(
    whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz, "HANG_SECONDS", 0.3)
    report = Report()
    with answering(b"") as port:
        ask(port, Request(b"GET / HTTP/1.1\r\n\r\n", whole), report)
    assert len(report.faults) == int(whole)
