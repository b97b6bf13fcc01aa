"""Requests as raw bytes: forms of HTTP/1.1 that clients rarely use, and what is no request."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
import pytest

from tests.fakes.fake_processes import Board
from tests.fakes.handler_fakes import Client, Fakes, json_of
from tests.fakes.some_records import a_process

pytestmark = pytest.mark.gen_test

HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"


async def answer(client: Client, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send a request, and return status, headers and the rest of what comes until the end."""
    return parsed(await asyncio.wait_for(client.exchange(request), 10))


def parsed(raw: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = dict(each.lower().split(": ", 1) for each in lines)
    return int(line.split()[1]), headers, body


def is_refusal(headers: dict[str, str], body: bytes) -> bool:
    return (
        headers["content-type"].startswith("application/json")
        and headers["x-content-type-options"] == "nosniff"
        and list(msgspec.json.decode(body)) == ["detail"]
    )


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"GET /" + b"x" * 900_000, 414),
        (b"\r\nGET /?" + b"%41" * 30_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Cookie: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 200_000 + b"\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET ftp://localhost/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET http://user@localhost/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET nothing HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"CONNECT localhost:22 HTTP/1.1\r\n" + HOST + b"\r\n", 501),
        (b"POST /api/targets/ HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
        (b"POST /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999\r\n\r\nx", 413),
        (
            b"POST /api/targets/ HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 3\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST /healthz HTTP/1.1\r\n" + HOST + b"Expect: a-miracle\r\n\r\n", 417),
        (
            b"POST /healthz HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nno size\r\n",
            400,
        ),
    ],
)
async def test_what_is_no_request_has_an_answer_with_a_body(
    request_bytes: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with Fakes().serving() as client:
        with caplog.at_level(logging.INFO):
            found, headers, body = await answer(client, request_bytes)
    assert found == status
    assert is_refusal(headers, body)
    assert headers["connection"] == "close"
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        (b"http://localhost/healthz", b"localhost", 200),
        (b"HTTP://LOCALHOST:8642/healthz?x=http://y/", b"evil.example", 200),
        (b"http://evil.example/healthz", b"localhost", 421),
        (b"http://localhost/api/processes/9/", b"localhost", 404),
        (b"http://localhost?x", b"localhost", 200),
    ],
)
async def test_the_host_of_an_absolute_form_counts(target: bytes, host: bytes, status: int) -> None:
    async with Fakes().serving() as client:
        request = (
            b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"
        )
        assert (await answer(client, request))[0] == status


async def test_options_of_the_whole_server_are_answered() -> None:
    async with Fakes().serving() as client:
        request = b"OPTIONS * HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
        assert (await answer(client, request))[0] == 204


@pytest.mark.parametrize("expectation", [b"100-continue", b"100-Continue"])
async def test_a_body_that_is_wanted_is_asked_for(expectation: bytes) -> None:
    body = b'{"name": "M 31"}'
    head = b"POST /api/targets/ HTTP/1.1\r\n" + HOST + JSON + b"Connection: close\r\n"
    head += b"Content-Length: %d\r\nExpect: %b\r\n\r\n" % (len(body), expectation)
    async with Fakes().serving() as client:
        reader, writer = await client.connect()
        writer.write(head)
        asked = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert asked == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert parsed(await asyncio.wait_for(reader.read(), 5))[0] == 201
        writer.close()


@pytest.mark.parametrize(
    ("line", "more", "status"),
    [
        (b"POST /api/targets/", b"Content-Length: 2000000\r\n" + JSON, 413),
        (b"POST /api/targets/", b"Content-Length: 20\r\nContent-Type: text/plain\r\n", 415),
        (b"POST /api/targets/", b"Content-Length: 20\r\nOrigin: http://evil.example\r\n", 403),
        (b"POST /api/nothing/", b"Content-Length: 20\r\n" + JSON, 404),
        (b"POST /api/targets/9/dataproducts/", b"Content-Length: 20\r\n" + JSON, 415),
        (
            b"POST /api/targets/9/dataproducts/",
            b"Content-Length: 20\r\nContent-Type: multipart/form-data; boundary=x\r\n",
            404,
        ),
        (b"POST /healthz", b"Content-Length: 20\r\n", 405),
        (b"DELETE /api/processes/9/", b"Content-Length: 20\r\n", 404),
        (b"PROPFIND /api/targets/", b"Content-Length: 20\r\n" + JSON, 405),
    ],
)
async def test_a_body_that_is_not_wanted_is_refused_at_once(
    line: bytes, more: bytes, status: int
) -> None:
    async with Fakes().serving() as client:
        request = line + b" HTTP/1.1\r\n" + HOST + more + b"Expect: 100-continue\r\n\r\n"
        found, headers, body = await answer(client, request)
        assert found == status
        assert is_refusal(headers, body)


@pytest.mark.parametrize("method", [b"FOO", b"TRACE", b"PROPFIND", b"get"])
@pytest.mark.parametrize("path", [b"/api/targets/", b"/healthz", b"/", b"/static/none", b"/x"])
async def test_an_unknown_method_is_405_and_ends_the_connection(method: bytes, path: bytes) -> None:
    smuggled = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    async with Fakes().serving() as client:
        request = method + b" " + path + b" HTTP/1.1\r\n" + HOST
        request += b"Content-Length: %d\r\n\r\n" % len(smuggled) + smuggled
        raw = await asyncio.wait_for(client.exchange(request + smuggled), 10)
    status, headers, _ = parsed(raw)
    assert (status, headers["connection"]) == (405, "close")
    assert headers["allow"]
    assert raw.count(b"HTTP/1.1 ") == 1
    assert headers["x-content-type-options"] == "nosniff"


async def test_requests_that_follow_at_once_are_answered_in_order() -> None:
    request = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    last = b"GET /api/targets/9/ HTTP/1.1\r\n" + HOST + b"Connection: x, close\r\n\r\n"
    async with Fakes().serving() as client:
        raw = await asyncio.wait_for(client.exchange(request * 3 + last + request), 10)
    assert [each.split()[0] for each in raw.split(b"HTTP/1.1 ")[1:]] == [b"200"] * 3 + [b"404"]


@pytest.mark.parametrize(
    "path",
    [
        "/static/%00",
        "/static/",
        "/static",
        "/static/none.js",
        "/static/pages/",
        "/static/pages",
        "/static/%ff",
        "/static/../handlers/routes.py",
        "/static/%2e%2e/handlers/routes.py",
        "/static//etc/passwd",
        "/static/" + "x" * 5_000,
        "/static/" + "x/" * 5_000,
    ],
)
async def test_a_static_path_without_a_file_is_404(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Fakes().serving() as client:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        status, headers, _ = await answer(client, request.encode())
    assert status == 404
    assert headers["x-content-type-options"] == "nosniff"
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]


async def test_static_files_know_their_hosts_and_methods() -> None:
    async with Fakes().serving() as client:
        name = "/static/server/api.js"
        refused = await client.fetch(name, headers={"Host": "evil.example"})
        assert (refused.code, list(json_of(refused))) == (421, ["detail"])
        wrong = await client.fetch(name, "POST", body=b"")
        assert (wrong.code, wrong.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
        good, head = await client.fetch(name), await client.fetch(name, "HEAD")
        assert (good.code, head.code) == (200, 200)
        assert good.headers["Content-Type"] == "text/javascript"
        assert head.headers["Content-Length"] == good.headers["Content-Length"]
        again = await client.fetch(name, headers={"If-None-Match": good.headers["Etag"]})
        assert (again.code, again.body) == (304, b"")
        for response in (refused, wrong, good, head, again):
            assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_byte_order_mark_is_left_aside() -> None:
    async with Fakes().serving() as client:
        made = await client.send("/api/targets/", b'\xef\xbb\xbf{"name": "M 31"}')
        assert made.code == 201
        for body in (b"\xef\xbb{}", b"\xef\xbb\xbf", '{"name": "M 31"}'.encode("utf-16")):
            wrong = await client.send("/api/targets/", body)
            assert (wrong.code, list(json_of(wrong))) == (400, ["detail"])


def handshake(**changed: str | None) -> bytes:
    headers: dict[str, Any] = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "keep-alive, Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [f"{name}: {value}\r\n" for name, value in headers.items() if value is not None]
    return ("GET /ws/async/status/1/ HTTP/1.1\r\n" + "".join(lines) + "\r\n").encode()


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Upgrade": None}, 400),
        ({"Connection": "close"}, 400),
        ({"Sec_WebSocket_Key": None, "Connection": "upgrade, close"}, 400),
        ({"Sec_WebSocket_Key": "short", "Connection": "upgrade, close"}, 400),
        ({"Sec_WebSocket_Version": "8", "Connection": "upgrade, close"}, 426),
        ({"Sec_WebSocket_Version": None, "Connection": "upgrade, close"}, 426),
        ({"Host": "evil.example", "Connection": "upgrade, close"}, 421),
        ({"Origin": "http://evil.example", "Connection": "upgrade, close"}, 403),
    ],
)
async def test_errors_before_the_upgrade_are_json(
    changed: dict[str, str | None], status: int
) -> None:
    fakes = Fakes()
    fakes.processes.boards[1] = Board([a_process(51)])
    async with fakes.serving() as client:
        request = handshake(**changed)
        if "Connection" not in changed:
            request = request.replace(b"keep-alive, Upgrade", b"close")
        found, headers, body = await answer(client, request)
    assert found == status
    assert is_refusal(headers, body)
    if status == 426:
        assert headers["sec-websocket-version"] == "13"
