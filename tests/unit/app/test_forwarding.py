"""Trusted proxies: whose word counts, and that no header makes more than an address of itself."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders

from handlers.http.base import JsonHandler
from server.app.connections.forwarding import MOST_HOPS, TrustedProxies, address_of
from tests.fakes.fake_processes import Board
from tests.fakes.handler_fakes import Client, Fakes, json_of
from tests.fakes.some_records import a_process

pytestmark = pytest.mark.gen_test(timeout=30)

PROXIES = TrustedProxies(["127.0.0.1", "10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        ("", "127.0.0.1"),
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),  # what a client forged stands to the left
        ("203.0.113.7, 10.1.2.3,10.4.5.6", "203.0.113.7"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.1.2.3, 10.4.5.6", "10.1.2.3"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ('"[2001:db8::1]"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, ::ffff:10.1.2.3", "203.0.113.7"),
        ("unknown", "127.0.0.1"),
        ("203.0.113.7, unknown", "127.0.0.1"),
        ("203.0.113.7, <script>, 10.1.2.3", "10.1.2.3"),
        (", ,", "127.0.0.1"),
        ("0", "127.0.0.1"),
        ("1" * 60_000, "127.0.0.1"),
        ("10.0.0.1," * 7_000 + "10.0.0.2", "10.0.0.1"),
        ("203.0.113.7, " + "10.0.0.1, " * MOST_HOPS + "10.0.0.2", "10.0.0.1"),
    ],
)
def test_the_client_is_the_nearest_address_that_is_no_proxy(
    forwarded_for: str, client: str
) -> None:
    assert PROXIES.client("127.0.0.1", forwarded_for) == client


def test_a_connection_is_trusted_by_its_address_alone() -> None:
    assert PROXIES.trust("127.0.0.1")
    assert PROXIES.trust("::ffff:10.9.9.9")
    assert PROXIES.trust("fd00::1%eth0")
    assert not PROXIES.trust("127.0.0.2")
    assert not PROXIES.trust("")
    assert not TrustedProxies([]).trust("127.0.0.1")


@given(st.text() | st.lists(st.sampled_from(["10.0.0.1", "[", "::", "%", "é", ","])).map(",".join))
def test_whatever_a_header_holds_the_client_is_an_address(header: str) -> None:
    ipaddress.ip_address(PROXIES.client("127.0.0.1", header))


@given(st.ip_addresses())
def test_every_address_is_read(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    expected = getattr(address, "ipv4_mapped", None) or address
    assert address_of(str(address)) == expected
    assert address_of(f"[{address}]:80") == expected


class WhoHandler(JsonHandler):
    """Answers with what the server takes the client for."""

    open_to_all = True

    async def get(self) -> None:
        await self.answer([self.request.remote_ip, self.request.protocol])


@asynccontextmanager
async def serving(*proxies: str, **http: int) -> AsyncIterator[Client]:
    fakes = Fakes()
    fakes.processes.boards[1] = Board([a_process(51)])
    fakes.configure(http={"trusted_proxies": proxies, **http})
    async with fakes.serving() as client:
        yield client


@pytest.fixture
def who(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.operations.health.AliveHandler.get", WhoHandler.get)


async def asked(client: Client, *headers: tuple[str, str]) -> list[str]:
    sent = HTTPHeaders()
    for name, value in headers:
        sent.add(name, value)
    return list(json_of(await client.fetch("/healthz", headers=sent)))


@pytest.mark.usefixtures("who")
async def test_headers_count_on_connections_of_a_proxy_and_for_one_request_only() -> None:
    async with serving("127.0.0.1") as client:
        forged, near = ("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-For", "203.0.113.7")
        https = ("X-Forwarded-Proto", "https")
        assert await asked(client, forged, near, https) == ["203.0.113.7", "https"]
        assert await asked(client) == ["127.0.0.1", "http"]
        assert await asked(client, ("X-Forwarded-Proto", "https, HTTP")) == ["127.0.0.1", "http"]
        for protocol in ("ftp", "", "https\u00e9", "https," * 9_000):
            assert (await asked(client, ("X-Forwarded-Proto", protocol)))[1] == "http"
        forwarded = ("Forwarded", "for=203.0.113.7;proto=https"), ("X-Real-Ip", "203.0.113.7")
        assert await asked(client, *forwarded) == ["127.0.0.1", "http"]


@pytest.mark.usefixtures("who")
@pytest.mark.parametrize("proxies", [(), ("127.0.0.2", "10.0.0.0/8")])
async def test_headers_from_elsewhere_do_not_count(proxies: tuple[str, ...]) -> None:
    async with serving(*proxies) as client:
        headers = ("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https")
        assert await asked(client, *headers) == ["127.0.0.1", "http"]


def request(address: str) -> bytes:
    return (
        b"POST /api/targets/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nContent-Length: 9\r\nX-Forwarded-For: %b\r\n\r\n" % address.encode()
    )


async def test_a_client_behind_a_proxy_has_its_own_bound_and_the_proxy_has_none() -> None:
    async with serving("127.0.0.1", connections_per_address=2) as client:
        held = [await client.connect() for _ in range(5)]
        for _, writer in held[:2]:
            writer.write(request("203.0.113.7"))  # its body does not come
        for _, writer in held[2:4]:
            writer.write(request("203.0.113.8"))
        refused = b""

        async def is_refused() -> bool:
            nonlocal refused
            refused = await client.exchange(request("203.0.113.7") + b'{"a": 12}')
            return refused.startswith(b"HTTP/1.1 429 ")

        while not await is_refused():
            await asyncio.sleep(0.01)
        head, _, body = refused.partition(b"\r\n\r\n")
        assert b"\r\nRetry-After: " in head
        assert json.loads(body) == {"detail": "There are too many connections from this address."}
        assert (await client.fetch("/healthz")).code == 200
        other = {"X-Forwarded-For": "203.0.113.9"}
        assert (await client.fetch("/api/targets/", headers=other)).code == 200
        held[0][1].write(b'{"a": 12}')  # the end of the body is the end of the request
        assert (await held[0][0].readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        answer = await client.exchange(request("203.0.113.7") + b'{"a": 12}')
        assert answer.startswith(b"HTTP/1.1 400 ")
        for _, writer in held:
            writer.close()


async def test_the_connections_of_a_proxy_count_in_all() -> None:
    async with serving("127.0.0.1", connections=3, connections_per_address=1) as client:
        held = [await client.connect() for _ in range(3)]
        reader, writer = await client.connect()
        assert await asyncio.wait_for(reader.read(), 10) == b""
        for each in (writer, *(writer for _, writer in held)):
            each.close()


async def test_a_page_behind_tls_may_write_although_the_proxy_speaks_plain_http() -> None:
    fakes = Fakes()
    fakes.configure(http={"trusted_proxies": ("127.0.0.1",), "allowed_hosts": ("obs.example",)})
    async with fakes.serving() as client:
        headers = {
            "Host": "obs.example:8443",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-For": "203.0.113.7",
            "Content-Type": "application/json",
        }
        own = headers | {"Origin": "https://obs.example:8443"}
        made = await client.fetch("/api/targets/", "POST", headers=own, body='{"name": "a"}')
        assert made.code == 201
        foreign = headers | {"Origin": "https://obs.example:9999"}
        assert (await client.fetch("/api/targets/", "POST", headers=foreign, body="{}")).code == 403
