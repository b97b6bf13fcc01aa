"""Raw requests that Hypothesis makes: any bytes where a client could put any bytes."""

from __future__ import annotations

import re
from typing import Any, cast

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from handlers.http.access_control import allowed_methods
from handlers.http.query import PK
from handlers.routes import all_routes
from tests.reliability.tools.fuzz_requests import GROUP, HEADERS, METHODS, QUERIES, Request

#: One run of Hypothesis makes so many; its beginning, of simple ones, is then made anew.
BATCH = 2_000
#: What a value in a line may have: any byte but those that end the line.
LINE_BYTES = st.binary(max_size=60).map(lambda raw: re.sub(rb"[\r\n]", b"", raw))
PKS = st.one_of(st.integers(1, 40), st.integers(0, 2**70)).map(lambda pk: b"%d" % pk)


def _path(pattern: str) -> st.SearchStrategy[bytes]:
    """Return paths that nearly match the pattern of a route."""
    plain = pattern.rstrip("$").replace("\\.", ".").replace(PK, "\0")
    while group := GROUP.search(plain):
        plain = plain[: group.start()] + group[1].split("|")[0] + plain[group.end() :]
    plain = plain.replace("[^/]+", "\1").replace(".*", "\1")
    parts = [
        PKS if part == "\0" else LINE_BYTES if part == "\1" else st.just(part.encode())
        for part in re.split("([\0\1])", plain)
    ]
    return st.tuples(*parts).map(b"".join)


ROUTES = all_routes(cast(Any, None))
QUERY = st.lists(st.tuples(st.sampled_from(QUERIES).map(str.encode), LINE_BYTES), max_size=3)
FIELDS = st.lists(st.tuples(st.sampled_from(HEADERS).map(str.encode), LINE_BYTES), max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Return a request to one of the routes."""
    route = draw(st.sampled_from(ROUTES))
    usual = list(allowed_methods(cast(Any, route.handler_class)))
    method = draw(st.sampled_from([*usual * 3, *METHODS])).encode()
    path = draw(_path(route.regex.pattern))
    query = b"&".join(name + b"=" + value for name, value in draw(QUERY))
    target = path + (b"?" + query if query else b"")
    body = draw(st.one_of(st.just(b""), st.binary(max_size=200), VALUES.map(repr).map(str.encode)))
    head = [b"Host: 127.0.0.1", b"Connection: close"]
    head += [name + b": " + value for name, value in draw(FIELDS)]
    if draw(st.booleans()):
        head.append(b"Content-Type: application/json")
    head.append(b"Content-Length: %d" % len(body))
    raw = b"\r\n".join([method + b" " + target + b" HTTP/1.1", *head, b"", body])
    # Any header may be wrong or there twice: then the server may wait, or hang up, as it sees fit.
    return Request(raw, whole=False, route=route.regex.pattern)


def raw_requests(count: int, seed: int) -> list[Request]:
    """Return so many requests, the same for the same seed."""
    made: list[Request] = []
    while len(made) < count:
        made += _batch(min(BATCH, count - len(made)), seed + len(made))
    return made[:count]


def _batch(count: int, seed: int) -> list[Request]:
    made: list[Request] = []

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests())
    def collect(request: Request) -> None:
        made.append(request)

    collect()
    return made
