"""Sends wrong, huge, hostile and missing values to every route, and looks at what comes back.

    python -m tests.reliability.tools.fuzz [--requests 50000] [--seed 1] [--clients 4]

Starts a server of its own on 127.0.0.1, reads its routes from `handlers.routes`, and sends requests
over raw sockets: paths, queries, headers, JSON, forms, multipart, websockets with broken frames.
Reports answers of 500, requests without an end within 10 s, and how much the server's memory grows
in the second half. Exits with 1 if it found a fault.
"""

from __future__ import annotations

import argparse
import json
import random
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
from pathlib import Path
from typing import Any, cast

import psutil

from handlers.http.access_control import allowed_methods
from handlers.routes import all_routes
from tests.browser.support.observatory import Observatory

HANG_SECONDS = 10.0
REST_SECONDS = 0.2
#: After so many requests, what they may have deleted is made anew.
ROUND_REQUESTS = 200
#: With one of these changed, the server may rightly wait for more, or keep the connection open.
OPEN_ENDED = {"Content-Length", "Transfer-Encoding", "Expect", "Connection", "Upgrade"}
MOST_ANSWER_BYTES = 2_000_000
#: What the server may grow by while it answers the second half of many requests: caches have their
#: limits, which the first half has reached.
GROWTH_BYTES = 150 * 2**20
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get"]
TEXTS: list[Any] = [
    "", " ", "\0", "a\r\nX: y", "../../etc/passwd", "..\\..\\x", "%00", "%ff%fe", "%2e%2e%2f",
    "\ud83d", "é" * 300, "x" * 5_000, "\u202egnp.exe", "' OR 1=1", "$where", "{{7*7}}", "<script>",
    "null", "NaN", "-1", "0", "1e999", "9" * 40, "true", "[]", "{}", "\ufeff", "=?", "1,2,3",
    "..", "/",
]  # fmt: skip
NUMBERS: list[Any] = [0, -1, 1, 2, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, 10**30, 1.5, -0.0, 1e308]
VALUES: list[Any] = [*TEXTS, *NUMBERS, None, True, False, [], {}, [[]], [1] * 2_000, {"$gt": 1}]
FIELDS = [
    "name", "identifier", "ra", "dec", "extra_fields", "target", "pipeline", "products", "flags",
    "to",     "token", "state", "days", "next", "action", "pipeline_name", "1", "pipeline_flag_x",
    "__proto__",
]  # fmt: skip
QUERIES = [
    "limit", "before", "after", "level", "q", "state", "search", "target", "pipeline", "size",
    "stretch", "format", "since", "until", "hdu", "plane", "bin", "force", "next", "ticket", "x",
]  # fmt: skip
HEADERS = [
    "Host", "Origin", "Range", "If-None-Match", "If-Range", "Accept-Encoding", "Content-Type",
    "Cookie", "Authorization", "Content-Length", "Transfer-Encoding", "Expect",
    "Idempotency-Key", "Upgrade", "Connection", "Sec-WebSocket-Version", "Sec-Fetch-Site",
    "X-Forwarded-For", "If-Modified-Since",
]  # fmt: skip
GOOD = {
    "Range": ["bytes=0-", "bytes=-1", "bytes=5-2", "bytes=0-1,2-3", "bytes=99999999999999999999-"],
    "Accept-Encoding": ["gzip", "gzip;q=0", "br, *;q=0"],
    "Content-Type": ["application/json", "multipart/form-data", "text/plain; charset=x"],
    "Transfer-Encoding": ["chunked", "gzip, chunked", "identity"],
    "Expect": ["100-continue"],
    "Content-Length": ["0", "-1", "5", "99999999999", "1,1", "+5"],
    "If-None-Match": ["*", 'W/"x"', '"'],
}


#: A traceback in the server's log.
TRACEBACK = re.compile(r"^Traceback.*\n(?:[ ].*\n)*.*", re.MULTILINE)


@dataclass
class Report:
    """What was found; `faults` are examples of each kind."""

    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, request: bytes, answer: bytes, seconds: float, ended: bool) -> None:
        """Note one answer."""
        answer = answer.removeprefix(b"HTTP/1.1 100 (Continue)\r\n\r\n")
        found = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
        status = found.group(1).decode() if found else "closed"
        with self.lock:
            self.statuses[status] += 1
            self.slowest = max(self.slowest, seconds if ended else 0)
            if status == "500":
                self.faults.append(f"500: {request[:600]!r}")
            if not ended:
                self.faults.append(f"no end within {seconds:.0f} s: {request[:600]!r}")


@dataclass(frozen=True)
class Request:
    """The bytes of a request. Of one that is not `whole`, the server may wait for the rest."""

    raw: bytes
    whole: bool

    @property
    def patience_seconds(self) -> float:
        """How long to wait for the next bytes of the answer."""
        return HANG_SECONDS if self.whole else REST_SECONDS


class Fuzzer:
    """Makes requests, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._routes = all_routes(cast(Any, None))
        self._writing = [
            route
            for route in self._routes
            if {"POST", "PATCH"} & set(allowed_methods(cast(Any, route.handler_class)))
        ]
        #: PKs that exist, until some request deletes what they name
        self.pks = [1]

    def request(self) -> Request:
        """Return one request; the server closes its connection after the answer if it is whole."""
        whole = True
        writing = self._chance(0.3)
        route = self._random.choice(self._writing if writing else self._routes)
        live = "/ws/" in route.regex.pattern and self._chance(0.7)
        allowed = sorted(allowed_methods(cast(Any, route.handler_class)))
        changes = [method for method in allowed if method in ("POST", "PATCH")]
        method = "GET" if live else self._pick(changes if writing else [*allowed * 4, *METHODS])
        headers = {"Host": "127.0.0.1", "Connection": "close"}
        body = (
            b""
            if live or (method in ("GET", "HEAD") and self._chance(0.9))
            else self._body(headers)
        )
        if live:
            headers |= {"Upgrade": "websocket", "Connection": "Upgrade"}
            headers |= {
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            }
            body = self._frames()
        elif body or method not in ("GET", "HEAD"):
            headers["Content-Length"] = str(len(body))
        for _ in range(self._random.choice([0, 0, 0, 1, 1, 3])):
            name = self._pick(HEADERS)
            whole = whole and name not in OPEN_ENDED
            headers[name] = _line(self._pick(GOOD.get(name, TEXTS) if self._chance(0.7) else TEXTS))
        if self._chance(0.01):
            headers["X-Long"] = "x" * 70_000
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        start = f"{method} {self._path(route.regex.pattern)} HTTP/1.1\r\n"
        raw = f"{start}{lines}\r\n".encode("utf-8", "surrogatepass") + body
        if self._chance(0.02):
            return Request(self._torn(raw), whole=False)
        return Request(raw, whole and not live)

    def _path(self, pattern: str) -> str:
        """Return a path that the pattern matches, or nearly."""
        path = pattern.rstrip("$").lstrip("^")
        path = re.sub(r"\([^()]*\[1-9\][^()]*\)", lambda _: self._pk(), path)
        while re.search(r"\([^()]*\)", path):
            path = re.sub(r"\((?:\?:)?[^()]*\)[?*+]?", lambda _: self._segment(), path, count=1)
        path = path.replace("\\", "").replace(".*", self._segment())
        if self._chance(0.05):
            path += self._segment()
        if self._chance(0.5):
            pairs = [
                (self._pick(QUERIES), self._pick(VALUES)) for _ in range(self._pick([1, 2, 5]))
            ]
            path += "?" + "&".join(
                f"{name}={_escaped(str(value)[:6_000])}" for name, value in pairs
            )
        if self._chance(0.005):
            path += "?q=" + "x" * 100_000
        return path.replace(" ", "%20") or "/"

    def _pk(self) -> str:
        usual = [str(pk) for pk in self.pks]
        return str(self._pick(usual * 20 + [_escaped(str(value)[:300]) for value in VALUES]))

    def _segment(self) -> str:
        return _escaped(str(self._pick([*TEXTS, "zip", "a.fits", "style.css", "x"]))[:6_000])

    def _body(self, headers: dict[str, str]) -> bytes:
        kind = self._pick(["json", "json", "json", "form", "multipart", "bytes", "none"])
        match kind:
            case "json":
                headers["Content-Type"] = "application/json"
                return self._json()
            case "form":
                headers["Content-Type"] = "application/x-www-form-urlencoded"
                pairs = [(self._pick(FIELDS), self._pick(VALUES)) for _ in range(4)]
                return "&".join(f"{name}={_escaped(str(value))}" for name, value in pairs).encode()
            case "multipart":
                edge = self._pick(["b", "b", "", "x" * 300, "a b"])
                headers["Content-Type"] = f"multipart/form-data; boundary={edge}"
                return self._multipart(edge.encode())
            case "bytes":
                return self._random.randbytes(self._pick([1, 100, 70_000]))
        return b""

    def _json(self) -> bytes:
        if self._chance(0.1):
            return cast(bytes, self._pick([
                b"", b"{", b"[" * 100_000, b'{"a":' * 5_000, b"\xef\xbb\xbf{}", b"\xff", b"NaN",
                b"1e999",
                b'{"name":"\\ud800"}', b'{"name":"a","name":"b"}', b"[]", b"null", b'"x"',
            ]))  # fmt: skip
        if self._chance(0.4):
            return json.dumps(self._nearly_good()).encode()
        fields = {self._pick(FIELDS): self._value() for _ in range(self._pick([1, 2, 4, 8]))}
        return json.dumps(fields).encode()

    def _nearly_good(self) -> dict[str, Any]:
        """Return a body that some route would take, with one value changed as often as not."""
        target, *products, _ = self.pks if len(self.pks) > 1 else [1, 1, 1]
        body = dict(
            self._pick([
                {"name": "M 13", "ra": 250.4, "dec": 36.5, "extra_fields": {"a": [1, None]}},
                {"name": "Mine", "products": products},
                {"target": target, "pipeline": "Ticks", "products": products, "flags": {}},
                {"flags": {"long": False}},
                {"to": "front"},
            ])
        )  # fmt: skip
        if self._chance(0.6):
            body[self._pick([*body, self._pick(FIELDS)])] = self._value()
        return body

    def _value(self) -> Any:
        good = [
            "Dummy",
            "M 13",
            [1],
            [1, 2],
            1,
            2,
            {},
            {"fail": True},
            "front",
            10.5,
            "x",
            "viewer",
        ]
        return self._pick(good if self._chance(0.5) else VALUES)

    def _multipart(self, edge: bytes) -> bytes:
        parts = b""
        for _ in range(self._pick([0, 1, 1, 2, 20])):
            name = _line(self._pick([*TEXTS, "a.fits", "b.txt"])).encode("utf-8", "replace")
            field = self._pick([b"file", b"file", b"file", b"other", b""])
            head = b'Content-Disposition: form-data; name="%b"; filename="%b"' % (field, name)
            head = self._pick(
                [head, head, head, b"", b"X" * 9_000, b"Content-Disposition: form-data"]
            )
            data = self._random.randbytes(self._pick([0, 1, 50, 5_000]))
            parts += b"--%b\r\n%b\r\n\r\n%b\r\n" % (edge, head, data)
        end = b"--%b--\r\n" % edge
        return parts + self._pick([end, end, b"", b"--", end[:-3]])

    def _frames(self) -> bytes:
        """Return some websocket frames, most of them broken."""
        frames = b""
        for _ in range(self._pick([0, 1, 3])):
            size = self._pick([0, 1, 125])
            first = self._random.randrange(256)
            second = size | self._pick([0x80, 0x80, 0])
            frames += bytes([first, second]) + self._random.randbytes(4 + size)
        return frames + self._pick(
            [b"", b"\x81\xff" + b"\xff" * 8, b"\x88\x80\0\0\0\0", b"\x88\x81\0\0\0\0x"]
        )

    def _torn(self, raw: bytes) -> bytes:
        """Return a request with bytes changed, so that it may not be HTTP any more."""
        changed = bytearray(raw[:50_000])
        for _ in range(self._random.randrange(1, 6)):
            changed[self._random.randrange(min(len(changed), 300))] = self._random.randrange(256)
        return bytes(changed)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _pick(self, choices: Any) -> Any:
        return self._random.choice(choices)


def _escaped(text: str) -> str:
    """Return a text as part of a URL, with what was escaped before as it is."""
    raw = text.encode("utf-8", "surrogatepass")
    return "".join(
        chr(byte) if 0x20 < byte < 0x7F and byte not in b"?#" else f"%{byte:02x}" for byte in raw
    )


def _line(value: Any) -> str:
    return re.sub(r"[\r\n]", " ", str(value))


def ask(port: int, request: Request, report: Report) -> None:
    """Send a request, and note the answer."""
    begun = time.monotonic()
    answer, ended = b"", True
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=HANG_SECONDS) as connection:
            connection.sendall(request.raw)
            connection.settimeout(request.patience_seconds)
            while data := connection.recv(65_536):
                answer += data[: MOST_ANSWER_BYTES - len(answer)]
                if time.monotonic() - begun > request.patience_seconds:
                    raise TimeoutError
    except TimeoutError:
        ended = not request.whole
    except OSError:
        pass  # refused without being read to the end, which is fine
    report.add(request.raw, answer, time.monotonic() - begun, ended)


def fuzz(observatory: Observatory, requests: int, seed: int, clients: int) -> Report:
    """Send requests to a running server; return what was found."""
    report, fuzzer = Report(), Fuzzer(seed)
    assert observatory.process is not None
    process = psutil.Process(observatory.process.pid)
    sizes = []
    with ThreadPoolExecutor(clients) as pool:
        for start in range(0, requests, ROUND_REQUESTS):
            fuzzer.pks = prepared(observatory)
            made = [fuzzer.request() for _ in range(min(ROUND_REQUESTS, requests - start))]
            list(pool.map(partial(ask, observatory.port, report=report), made))
            sizes.append(process.memory_info().rss)
    sizes = [sizes[len(sizes) // 2], sizes[-1]]
    print(f"{requests} requests, seed {seed}: {dict(sorted(report.statuses.items()))}")
    print(f"slowest {report.slowest:.2f} s, memory {sizes[0] >> 20} MiB, then {sizes[1] >> 20} MiB")
    if sizes[1] - sizes[0] > GROWTH_BYTES:
        report.faults.append(f"memory grew by {(sizes[1] - sizes[0]) >> 20} MiB")
    return report


def prepared(observatory: Observatory) -> list[int]:
    """Add some of everything to a server; return PKs of targets, products and processes."""
    target = observatory.make_target()
    products = observatory.upload(target, {"a.txt": b"x", "b.fits": b"SIMPLE  =  T"})
    return [target, *products, observatory.submit(target, "Ticks", products)]


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
    for fault in report.faults[:20]:
        print(fault)
    print(f"{len(report.faults)} faults, {printed.count('Traceback')} tracebacks in its log")
    for text in sorted(set(TRACEBACK.findall(printed)))[:10]:
        print(text)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
