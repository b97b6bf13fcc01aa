"""The requests of the fuzzer: wrong, huge, hostile and missing values for each route.

A path names what exists, of the kind that its route is about, as often as not: only then is more of
the server reached than its 404.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field
from typing import Any, cast

from handlers.http.access_control import allowed_methods
from handlers.http.query import PK
from handlers.routes import all_routes

#: A group of a pattern that has no other in it.
GROUP = re.compile(r"\((?:\?:)?([^()]*)\)(\??)")
STATIC = ["/static/styles/style.css", "/static/favicon.svg", "/static/server/api.js"]
#: With one of these changed, the server may rightly wait for more, or keep the connection open.
OPEN_ENDED = {"Content-Length", "Transfer-Encoding", "Expect", "Connection", "Upgrade"}
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
    "to", "token", "state", "days", "next", "action", "pipeline_name", "1", "pipeline_flag_x",
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


@dataclass(frozen=True)
class Request:
    """The bytes of a request. Of one that is not `whole`, the server may wait for the rest."""

    raw: bytes
    whole: bool
    #: the pattern of the route that it is for
    route: str = ""


@dataclass
class Known:
    """PKs that exist, until some request deletes what they name; `names` are those of files."""

    targets: list[int] = field(default_factory=lambda: [1])
    products: list[int] = field(default_factory=lambda: [1])
    groups: list[int] = field(default_factory=lambda: [1])
    processes: list[int] = field(default_factory=lambda: [1])
    names: dict[str, str] = field(default_factory=dict)

    def like(self, before: str) -> list[int]:
        """Return the PKs of the kind that a path with this beginning is about."""
        if "/target" in before or "/async/" in before:
            return self.targets
        if "/group" in before:
            return self.groups
        return self.products if "/dataproducts/" in before else self.processes

    @property
    def all(self) -> list[int]:
        """The PKs of every kind."""
        return [*self.targets, *self.products, *self.groups, *self.processes]


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
        self.known = Known()

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
        return Request(raw, whole and not live, route.regex.pattern)

    def _path(self, pattern: str) -> str:
        """Return a path that the pattern matches, or nearly."""
        before, number, after = pattern.rstrip("$").replace("\\.", ".").partition(PK)
        pk = self._pk(before) if number else ""
        others = [self._pk(before) for _ in range(after.count(PK))]
        filled = "".join(map(self._filled, (before, "\n", after.replace(PK, "\n"))))
        parts = zip(filled.split("\n"), [pk, *others, ""], strict=True)
        path = "".join(part + number for part, number in parts)
        if (name := self.known.names.get(pk)) and self._chance(0.7):
            path = path.replace("[^/]+", name)
        path = path.replace("[^/]+", self._segment()).replace(".*", self._segment())
        if not path.startswith("/") and self._chance(0.9):
            path = f"/{path}"
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

    def _filled(self, pattern: str) -> str:
        """Return a pattern with one of the alternatives of each of its groups."""
        while group := GROUP.search(pattern):
            choices = group[1].split("|") + [""] * bool(group[2])
            pattern = pattern[: group.start()] + self._pick(choices) + pattern[group.end() :]
        if pattern == "/static/.*" and self._chance(0.7):
            return str(self._pick(STATIC))
        return pattern

    def _pk(self, before: str) -> str:
        """Return the PK of what a path that begins so is about, or another one, or none."""
        usual = [str(pk) for pk in self.known.like(before)]
        others = [str(pk) for pk in self.known.all]
        odd = [_escaped(str(value)[:300]) for value in VALUES]
        return str(self._pick(usual if self._chance(0.7) else others * 5 + odd))

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
        target, products = self.known.targets[-1], self.known.products
        body = dict(
            self._pick([
                {"name": "M 13", "ra": 250.4, "dec": 36.5, "extra_fields": {"a": [1, None]}},
                {"name": "Mine", "products": products},
                {"products": products},
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
