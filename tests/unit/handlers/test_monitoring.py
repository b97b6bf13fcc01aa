"""`/metrics` and `/api/status/`, what the log says of requests, and names of routes."""

from __future__ import annotations

import logging
import random
import string
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tornado.websocket import websocket_connect

from handlers.http.routing import route_name
from handlers.routes import all_routes
from server.config.sections import Log
from tests.fakes.fake_processes import Board
from tests.fakes.handler_fakes import Client, Fakes, json_of, until
from tests.fakes.some_records import a_process

pytestmark = pytest.mark.gen_test(timeout=60)

TOKEN = "a-secret-of-sixteen-characters"
HTTP = "heliograph_http_requests"


async def counted(client: Client, family: str) -> dict[tuple[str, ...], float]:
    """Return the series of a family by the values of their labels."""
    response = await client.fetch("/metrics")
    assert response.code == 200
    return {
        tuple(sample.labels[label] for label in sorted(sample.labels)): sample.value
        for found in text_string_to_metric_families(response.body.decode())
        if found.name == family
        for sample in found.samples
    }


def hostile_paths(count: int) -> list[str]:
    """Return paths that all differ, below known paths and elsewhere."""
    numbers = random.Random(7)
    heads = ("/", "/api/", "/ws/", "/static/", "/api/targets/", "/dataproducts/1/file/", "/plot/")
    letters = string.ascii_letters + string.digits + "%20.-_~"
    return [
        f"{numbers.choice(heads)}{''.join(numbers.choices(letters, k=12))}{number}"
        for number in range(count)
    ]


@pytest.mark.parametrize("count", [800, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_unknown_paths_make_no_new_series(count: int) -> None:
    fakes = Fakes()
    async with fakes.serving() as client:
        reader, writer = await client.connect()
        seen = []
        paths = hostile_paths(count)
        for start in range(0, count, 200):
            for path in paths[start : start + 200]:
                line = f"GET {path.replace('%', '%25')} HTTP/1.1\r\nHost: localhost\r\n\r\n"
                writer.write(line.encode())
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
            seen.append(len(await counted(client, HTTP)))
        writer.close()
        # After the first batch and the first scrape, nothing is added any more.
        assert seen[1:] == [seen[1]] * (len(seen) - 1)
        assert seen[1] < 25
        requests = await counted(client, HTTP)
        assert sum(requests.values()) >= count
        assert any(key[1] == "unknown" for key in requests)


async def test_odd_methods_make_one_series() -> None:
    fakes = Fakes()
    async with fakes.serving() as client:
        for number in range(20):
            await client.exchange(f"M{number} / HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        methods = {key[0] for key in await counted(client, HTTP)}
        assert methods <= {"read", "write", "other"}


async def test_requests_are_counted_by_their_route_and_status() -> None:
    fakes = Fakes()
    fakes.processes.boards[1] = Board([a_process()])
    async with fakes.serving() as client:
        for path in ("/api/async/status/1/", "/api/async/status/1/", "/api/async/status/2/"):
            await client.fetch(path)
        await client.send("/api/targets/", {"name": 7})
        requests = await counted(client, HTTP)
    assert requests["read", "/api/async/status/<pk>/", "200"] == 2
    assert requests["read", "/api/async/status/<pk>/", "404"] == 1
    assert requests["write", "/api/targets/", "400"] == 1


async def test_viewers_are_counted_apart_from_requests() -> None:
    fakes = Fakes()
    fakes.processes.boards[1] = Board([a_process()])
    async with fakes.serving() as client:
        viewer = await websocket_connect(f"ws://127.0.0.1:{client.port}/ws/async/status/1/")
        assert client.services.sockets.kinds() == {"status": 1}
        viewer.close()
        await until(lambda: not client.services.sockets.kinds())
        assert await counted(client, "heliograph_websocket_upgrades") == {
            ("/ws/async/status/<pk>/",): 1
        }
        assert not any(key[1].startswith("/ws/") for key in await counted(client, HTTP))


async def test_the_metrics_need_a_token_where_there_are_some() -> None:
    fakes = Fakes()
    fakes.configure(http={"tokens": (TOKEN,)})
    async with fakes.serving() as client:
        assert (await client.fetch("/metrics")).code == 401
        assert (await client.fetch("/api/status/")).code == 401
        given = {"Authorization": f"Bearer {TOKEN}"}
        assert (await client.fetch("/metrics", headers=given)).code == 200
        assert (await client.fetch("/api/status/", headers=given)).code == 200


async def test_a_client_gets_the_format_that_it_asks_for() -> None:
    fakes = Fakes()
    async with fakes.serving() as client:
        asked = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
        response = await client.fetch("/metrics", headers=asked)
        assert response.headers["Content-Type"].startswith("application/openmetrics-text")
        assert response.body.endswith(b"# EOF\n")
        plain = await client.fetch("/metrics")
        assert plain.headers["Content-Type"].startswith("text/plain; version=")
        assert (await client.fetch("/metrics", method="POST", body=b"")).code == 405


async def test_the_status_has_a_version_of_everything_but_its_time_stamp() -> None:
    fakes = Fakes()
    async with fakes.serving() as client:
        first = await client.fetch("/api/status/")
        assert json_of(first).keys() == {"timestamp", "slots", "running"}
        known = {"If-None-Match": first.headers["Etag"]}
        assert (await client.fetch("/api/status/", headers=known)).code == 304
        fakes.status["running"] = 2
        assert (await client.fetch("/api/status/", headers=known)).code == 200


def requests_in(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return the records of the access log."""
    return [record for record in caplog.records if record.name == "handlers.http.access_log"]


async def test_a_request_is_logged_with_its_route_and_without_its_query(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "handlers.http.access_log")
    fakes = Fakes()
    async with fakes.serving() as client:
        body = (await client.fetch("/api/targets/?search=secret")).body
    [record] = requests_in(caplog)
    facts: dict[str, Any] = vars(record)["details"]
    assert 0 < facts.pop("milliseconds") < 60_000
    assert facts == {
        "method": "GET",
        "path": "/api/targets/",
        "route": "/api/targets/",
        "status": 200,
        "sent_bytes": len(body),
    }
    assert "secret" not in str(vars(record))


async def test_the_bytes_of_a_head_request_are_none(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "handlers.http.access_log")
    fakes = Fakes()
    async with fakes.serving() as client:
        await client.fetch("/api/targets/", method="HEAD")
    [record] = requests_in(caplog)
    assert vars(record)["details"]["sent_bytes"] == 0


async def test_lines_of_requests_can_be_switched_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "handlers.http.access_log")
    fakes = Fakes()
    fakes.config = fakes.config.__class__(log=Log(requests=False))
    async with fakes.serving() as client:
        await client.fetch("/api/targets/")
        assert (await counted(client, HTTP))["read", "/api/targets/", "200"] == 1
    assert requests_in(caplog) == []


async def test_scrapes_are_quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "handlers.http.access_log")
    fakes = Fakes()
    async with fakes.serving() as client:
        await client.fetch("/metrics")
        await client.fetch("/api/status/")
    assert requests_in(caplog) == []


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("/", "/"),
        ("/api/targets/([1-9][0-9]{0,9})/", "/api/targets/<pk>/"),
        (r"/a/([1-9][0-9]{0,9})/logs\.txt", "/a/<pk>/logs.txt"),
        (r"/plot/(bokeh(?:-api)?\.min\.js)", "/plot/<name>"),
        ("/static/(.*)", "/static/<name>"),
        ("/(?:processes|pipeline)/([1-9][0-9]{0,9})", "/processes/<pk>"),
        (r"/shares/([A-Za-z0-9_-]{20,})\.([0-9]+)/", "/shares/<name>.<name>/"),
        ("/(?:api|ws)(?:/.*)?", None),
        (".*", None),
    ],
)
def test_a_route_is_named_by_its_pattern(pattern: str, name: str | None) -> None:
    assert route_name(pattern) == name


def test_every_route_but_those_of_unknown_paths_has_a_plain_name() -> None:
    names = [route_name(each.regex.pattern.removesuffix("$")) for each in all_routes(None)]  # type: ignore[arg-type]
    assert names.count(None) == 2
    known = [name for name in names if name is not None]
    assert not [name for name in known if set(name) & set("()[]\\*?{}|")]
