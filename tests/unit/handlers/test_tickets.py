"""Tickets over HTTP: who gets one, and which websockets it opens."""

from __future__ import annotations

import asyncio
import logging

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.websocket import websocket_connect

from server.access import tickets
from tests.fakes.fake_processes import Board
from tests.fakes.handler_fakes import Client, Fakes, json_of
from tests.fakes.some_records import a_process

pytestmark = pytest.mark.gen_test

LOG = "/ws/pipeline/logs/51/"
ELSEWHERE = "https://observatory.example"


class Tokened(Fakes):
    """A server with the token of alice, who may read."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.secret = self.tokens.make("alice", "viewer")

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}


def some_fakes() -> Tokened:
    fakes = Tokened()
    fakes.configure(http={"allowed_origins": (ELSEWHERE,)})
    fakes.processes.records = {51: a_process(51)}
    fakes.processes.boards[1] = Board([a_process(51)])
    fakes.processes.frames = [b'{"type":"end"}']
    fakes.processes.follows_on.set()
    return fakes


async def got(client: Client, fakes: Tokened, **headers: str) -> HTTPResponse:
    return await client.fetch("/api/tickets/", "POST", headers=fakes.bearer | headers, body="")


async def connected(client: Client, path: str, **headers: str) -> int:
    """Return 101, or the status with which the upgrade was refused."""
    request = HTTPRequest(f"ws://127.0.0.1:{client.port}{path}", headers=headers)
    try:
        socket = await websocket_connect(request)
    except HTTPClientError as error:
        return error.code
    socket.close()
    return 101


async def signed_in(client: Client, fakes: Tokened) -> str:
    """Return the cookie of a session."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = f"token={fakes.secret}"
    response = await client.fetch("/login", "POST", headers=form, body=body)
    return str(response.headers["Set-Cookie"].partition(";")[0])


async def test_a_ticket_opens_any_websocket_once() -> None:
    fakes = some_fakes()
    async with fakes.serving() as client:
        for path in (LOG, "/ws/processes/51/logs/?after=1", "/ws/async/status/1/", "/ws/changes/"):
            response = await got(client, fakes)
            assert response.code == 201
            assert response.headers["Cache-Control"] == "no-store"
            assert set(json_of(response)) == {"ticket", "expires"}
            url = f"{path}{'&' if '?' in path else '?'}ticket={json_of(response)['ticket']}"
            assert await connected(client, url) == 101
            assert await connected(client, url) == 401


async def test_a_page_of_an_allowed_origin_gets_a_ticket_and_is_let_in_by_it() -> None:
    fakes = some_fakes()
    async with fakes.serving() as client:
        asked = {"Access-Control-Request-Method": "POST", "Sec-Fetch-Site": "cross-site"}
        asked["Access-Control-Request-Headers"] = "authorization"
        ahead = await client.fetch(
            "/api/tickets/", "OPTIONS", headers=asked | {"Origin": ELSEWHERE}
        )
        assert ahead.code == 204
        assert ahead.headers["Access-Control-Allow-Origin"] == ELSEWHERE
        assert "Authorization" in ahead.headers["Access-Control-Allow-Headers"]
        assert "POST" in ahead.headers["Access-Control-Allow-Methods"]
        response = await got(client, fakes, Origin=ELSEWHERE, **{"Sec-Fetch-Site": "cross-site"})
        assert response.headers["Access-Control-Allow-Origin"] == ELSEWHERE
        url = f"{LOG}?ticket={json_of(response)['ticket']}"
        assert await connected(client, url, Origin="https://evil.example") == 403
        assert await connected(client, url, Origin=ELSEWHERE) == 101  # 403 has not used it up


async def test_a_cookie_opens_no_websocket_for_a_page_from_elsewhere() -> None:
    fakes = some_fakes()
    async with fakes.serving() as client:
        cookie = await signed_in(client, fakes)
        assert await connected(client, LOG, Cookie=cookie) == 101
        assert await connected(client, LOG, Cookie=cookie, Origin=ELSEWHERE) == 401


async def test_a_ticket_counts_for_nothing_elsewhere() -> None:
    fakes = some_fakes()
    async with fakes.serving() as client:
        ticket = json_of(await got(client, fakes))["ticket"]
        for path in ("/api/processes/51/", "/pipeline/51", "/api/pipelines/"):
            assert (await client.fetch(f"{path}?ticket={ticket}")).code == 401
        assert (await client.fetch(f"/api/tickets/?ticket={ticket}", "POST", body="")).code == 401
        assert await connected(client, f"{LOG}?ticket={ticket}") == 101


@pytest.mark.parametrize("wrong", ["", "x", "x" * 43, "%C3%A9" * 43, "%FF", "x" * 30_000, "%00"])
async def test_a_wrong_ticket_is_401_even_beside_a_good_cookie(wrong: str) -> None:
    fakes = some_fakes()
    async with fakes.serving() as client:
        cookie = await signed_in(client, fakes)
        assert await connected(client, f"{LOG}?ticket={wrong}", Cookie=cookie) == 401


async def test_a_ticket_that_has_ended_is_401(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "TICKET_SECONDS", -1.0)
    fakes = some_fakes()
    async with fakes.serving() as client:
        ticket = json_of(await got(client, fakes))["ticket"]
        assert await connected(client, f"{LOG}?ticket={ticket}") == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 201), (b"{}", 201), (b'{"a": 1}', 400), (b"[]", 400), (b"{", 400), (b"\xff", 400)],
)
async def test_a_ticket_needs_no_body(body: bytes, status: int) -> None:
    fakes = some_fakes()
    async with fakes.serving() as client:
        headers = fakes.bearer | ({"Content-Type": "application/json"} if body else {})
        response = await client.fetch("/api/tickets/", "POST", headers=headers, body=body)
        assert response.code == status


async def test_a_ticket_is_good_for_no_longer_than_its_token() -> None:
    fakes = some_fakes()
    fakes.processes.frames, fakes.processes.follows_on = [b'{"type":"lines"}'], asyncio.Event()
    async with fakes.serving() as client:
        used, late = [json_of(await got(client, fakes))["ticket"] for _ in range(2)]
        url = f"ws://127.0.0.1:{client.port}{LOG}?ticket={used}"
        socket = await websocket_connect(url)
        assert await socket.read_message() is not None
        await fakes.tokens.delete("alice")
        await client.services.access.refresh()
        assert await socket.read_message() is None
        assert socket.close_code == 4401
        socket.close()
        assert await connected(client, f"{LOG}?ticket={late}") == 401


async def test_wrong_tickets_count_as_guesses() -> None:
    fakes = some_fakes()
    async with fakes.serving() as client:
        wrong = [f"{LOG}?ticket={number:043}" for number in range(11)]
        tried = [await connected(client, path) for path in wrong]
        assert tried == [*[401] * 10, 429]
        ticket = json_of(await got(client, fakes))["ticket"]
        assert await connected(client, f"{LOG}?ticket={ticket}") == 101


async def test_without_tokens_everybody_gets_tickets_that_are_good_once() -> None:
    fakes = Fakes()
    fakes.processes.records = {51: a_process(51)}
    async with fakes.serving() as client:
        response = await client.fetch("/api/tickets/", "POST", body="")
        url = f"{LOG}?ticket={json_of(response)['ticket']}"
        assert [await connected(client, url) for _ in range(2)] == [101, 401]


async def test_without_a_token_there_is_no_ticket() -> None:
    fakes = some_fakes()
    async with fakes.serving() as client:
        assert (await client.fetch("/api/tickets/", "POST", body="")).code == 401
        assert (await client.fetch("/api/tickets/", headers=fakes.bearer)).code == 405


async def test_too_many_tickets_are_429_with_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "MOST_OF_ONE", 1)
    fakes = some_fakes()
    async with fakes.serving() as client:
        assert (await got(client, fakes)).code == 201
        refused = await got(client, fakes)
        assert refused.code == 429
        assert int(refused.headers["Retry-After"]) > 0


async def test_no_ticket_is_ever_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fakes = some_fakes()
    async with fakes.serving() as client:
        used = json_of(await got(client, fakes))["ticket"]
        unused = json_of(await got(client, fakes))["ticket"]
        await connected(client, f"{LOG}?ticket={used}")
        await connected(client, f"{LOG}?ticket={used}")
        await connected(client, f"/ws/pipeline/logs/99/?ticket={unused}")
        await client.fetch(f"{LOG}?ticket={unused}")
        fakes.processes.fault = RuntimeError("broken")
        failing = json_of(await got(client, fakes))["ticket"]
        assert await connected(client, f"{LOG}?ticket={failing}") == 500
        await client.exchange(b"GET " + LOG.encode() + b"?ticket=" + failing.encode() + b"\r\n\r\n")
    text = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "ticket_made" in text
    for secret in (used, unused, failing):
        assert secret not in text
