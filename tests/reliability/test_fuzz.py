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
from server.access.roles import Role
from tests.browser.support.observatory import Observatory
from tests.reliability.tools import fuzz, fuzz_roles
from tests.reliability.tools.fuzz import Report, ask
from tests.reliability.tools.fuzz_described import Described
from tests.reliability.tools.fuzz_raw import raw_requests
from tests.reliability.tools.fuzz_requests import Fuzzer, Request
from tests.reliability.tools.fuzz_roles import Caller, RoleReport, Usage, growth


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


VIEWER = Caller("viewer", "v", Role.VIEWER)
NOBODY = Caller("none", None, None)


@pytest.mark.parametrize(
    ("caller", "request_line", "may"),
    [
        (NOBODY, b"GET /api/targets/ HTTP/1.1", False),
        (NOBODY, b"GET /healthz HTTP/1.1", True),
        (NOBODY, b"OPTIONS /api/targets/ HTTP/1.1", True),
        (NOBODY, b"GET http://127.0.0.1/api/targets/?x=1 HTTP/1.1", False),
        (VIEWER, b"GET /api/targets/ HTTP/1.1", True),
        (VIEWER, b"POST /api/targets/ HTTP/1.1", False),
        (VIEWER, b"POST /api/tickets/ HTTP/1.1", True),
        (VIEWER, b"DELETE /api/targets/1/ HTTP/1.1", False),
        (Caller("operator", "o", Role.OPERATOR), b"POST /api/targets/ HTTP/1.1", True),
        (Caller("operator", "o", Role.OPERATOR), b"DELETE /api/targets/1/ HTTP/1.1", False),
        (Caller("admin", "a", Role.ADMIN), b"DELETE /api/targets/1/ HTTP/1.1", True),
    ],
)
def test_what_each_caller_may_do(caller: Caller, request_line: bytes, may: bool) -> None:
    assert caller.may(request_line + b"\r\nHost: x\r\n\r\n") is may


def test_a_success_that_a_role_does_not_allow_is_a_fault() -> None:
    report, answered = RoleReport(), Report()
    answered.statuses["204"] += 1
    request = Request(b"DELETE /api/targets/1/ HTTP/1.1\r\n\r\n", whole=True)
    report.note(VIEWER, request, answered)
    assert len(report.faults) == 1
    report.note(Caller("admin", "a", Role.ADMIN), request, answered)
    assert len(report.faults) == 1


def test_a_caller_adds_its_token_to_requests_that_have_none() -> None:
    assert b"\r\nAuthorization: Bearer v\r\n" in VIEWER.signed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    other = b"GET / HTTP/1.1\r\nAuthorization: other\r\n\r\n"
    assert VIEWER.signed(other) == other
    assert NOBODY.signed(b"GET / HTTP/1.1\r\n\r\n") == b"GET / HTTP/1.1\r\n\r\n"


def test_what_grows_is_a_fault() -> None:
    first = Usage(100 << 20, 50, 10)
    assert growth(first, first, first) == []
    grown = growth(first, Usage(900 << 20, 500, 200), first)
    assert [fault.split()[0] for fault in grown] == ["memory", "500", "there"]


@pytest.mark.slow
def test_hypothesis_makes_the_same_requests_of_the_same_seed() -> None:
    made = raw_requests(120, 7)
    assert len(made) == 120
    assert made == raw_requests(120, 7)
    assert made != raw_requests(120, 8)
    assert len({request.route for request in raw_requests(400, 7)}) > 20


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_caller_does_what_their_role_does_not_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What schemathesis asks takes longer, and has a test of its own.
    monkeypatch.setattr(fuzz_roles, "describe_requests", lambda *_: Described())
    observatory = Observatory(tmp_path / "data")
    try:
        report = fuzz_roles.run(observatory, requests=1_200, seed=4, clients=4)
    finally:
        observatory.stop()
    assert report.faults == []
    assert report.by_caller.keys() == {"none", "wrong", "expired", *Role}
    assert report.by_caller["admin"]["200"]
    assert report.by_caller["viewer"]["403"]
    assert not report.by_caller["none"]["201"]
