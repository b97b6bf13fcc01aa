"""Who is let in: tokens, sessions of people, guesses, and what each role may do."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable
from dataclasses import replace
from http.cookies import SimpleCookie
from urllib.parse import quote

import pytest
from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.websocket import websocket_connect

from handlers.pages.login import LoginPage
from server.access.guesses import MOST_WRONG
from tests.fakes.handler_fakes import Client, Fakes, json_of, until
from tests.fakes.some_records import a_process

pytestmark = pytest.mark.gen_test

SECRET = "an-unguessable-token"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LOG = "/ws/pipeline/logs/51/"


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def cookie_of(response: HTTPResponse) -> dict[str, str]:
    cookie = SimpleCookie(response.headers["Set-Cookie"])["heliograph"]
    return {"Cookie": f"heliograph={cookie.value}"}


async def sign_in(client: Client, secret: str, **headers: str) -> HTTPResponse:
    body = f"token={quote(secret)}&next=%2Fprocesses%2F51%3Fq%3Da"
    return await client.fetch("/login", "POST", headers=FORM | headers, body=body)


async def signed_in(client: Client, secret: str, **headers: str) -> dict[str, str]:
    response = await sign_in(client, secret, **headers)
    assert response.code == 303
    return cookie_of(response)


async def status(client: Client, headers: dict[str, str], path: str = "/api/pipelines/") -> int:
    return (await client.fetch(path, headers=headers)).code


async def test_a_named_token_may_do_what_its_role_may() -> None:
    fakes = Fakes()
    secrets = {role: fakes.tokens.make(role, role) for role in ("viewer", "operator", "admin")}
    allowed = {}
    async with fakes.serving() as client:
        for role, secret in secrets.items():
            headers = bearer(secret) | {"Content-Type": "application/json"}
            created = await client.fetch("/api/targets/", "POST", headers=headers, body=b"{}")
            deleted = await client.fetch("/api/targets/9/", "DELETE", headers=headers)
            allowed[role] = [await status(client, headers), created.code, deleted.code]
            if role == "viewer":
                assert "operator" in json_of(created)["detail"]
    assert allowed == {
        "viewer": [200, 403, 403],
        "operator": [200, 400, 403],
        "admin": [200, 400, 404],
    }


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer ", "Basic {}", "{}", "Bearer {}x", "bearer x {}", "Bearer {} {}"],
)
async def test_what_is_no_token_is_401(authorization: str) -> None:
    fakes = Fakes()
    secret = fakes.tokens.make("jane")
    async with fakes.serving() as client:
        headers = {"Authorization": authorization.replace("{}", secret)}
        response = await client.fetch("/api/pipelines/", headers=headers)
        assert (response.code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert json_of(response)["detail"]
        assert await status(client, {"Authorization": f"bEARER  {secret} "}) == 200


@pytest.mark.parametrize("secret", ["é" * 20, "x" * 60_000, "\x7f\x01" * 10])
async def test_a_hostile_token_is_401_too(secret: str) -> None:
    fakes = Fakes()
    fakes.tokens.make("jane")
    async with fakes.serving() as client:
        request = "GET /api/pipelines/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        for header in (f"Authorization: Bearer {secret}", f"Cookie: heliograph={secret}; a=b;;=;"):
            answer = await client.exchange(f"{request}{header}\r\n\r\n".encode("latin-1"))
            assert answer[9:12] in (b"401", b"400")
        assert (await sign_in(client, secret[:4000])).code == 401


async def test_ten_wrong_secrets_are_answered_and_then_429() -> None:
    fakes = Fakes()
    fakes.configure(http={"tokens": (SECRET,)})
    right = fakes.tokens.make("jane")
    async with fakes.serving() as client:
        cookie = await signed_in(client, right)
        codes = [await status(client, bearer("wrong")) for _ in range(MOST_WRONG - 1)]
        codes.append((await sign_in(client, "wrong")).code)
        assert codes == [401] * MOST_WRONG
        refused = await client.fetch("/api/pipelines/", headers=bearer("wrong"))
        assert refused.code == 429
        assert 0 < int(refused.headers["Retry-After"]) <= 60
        assert "detail" in json_of(refused)
        page = await sign_in(client, "wrong")
        assert page.code == 429
        assert 0 < int(page.headers["Retry-After"]) <= 60
        assert b"Too many" in page.body
        # The holders of what nobody can guess are served, by whatever address.
        assert await status(client, cookie) == 200
        assert await status(client, bearer(right)) == 200
        assert (await sign_in(client, right)).code == 303
        assert await status(client, bearer(SECRET)) == 429  # it may have been guessed just now


async def test_missing_credentials_are_never_counted() -> None:
    fakes = Fakes()
    fakes.configure(http={"tokens": (SECRET,)})
    async with fakes.serving() as client:
        for _ in range(2 * MOST_WRONG):
            assert await status(client, {}) == 401
            assert await status(client, {"Authorization": "Basic eDp5"}) == 401
        assert await status(client, bearer(SECRET)) == 200


async def test_a_stale_cookie_is_asked_about_and_counted_once() -> None:
    fakes = Fakes()
    fakes.configure(http={"tokens": (SECRET,)})
    async with fakes.serving() as client:
        for _ in range(3 * MOST_WRONG):
            assert await status(client, {"Cookie": "heliograph=stale"}) == 401
        assert fakes.sessions.asked == 1
        assert await status(client, bearer(SECRET)) == 200


async def test_random_cookies_are_guesses() -> None:
    fakes = Fakes()
    fakes.configure(http={"tokens": (SECRET,)})
    async with fakes.serving() as client:
        codes = [await status(client, {"Cookie": f"heliograph={n}"}) for n in range(MOST_WRONG + 1)]
        assert codes == [401] * MOST_WRONG + [429]


async def test_a_person_signs_in_and_out() -> None:
    fakes = Fakes()
    secret = fakes.tokens.make("jane", "operator")
    async with fakes.serving() as client:
        response = await sign_in(client, secret)
        assert (response.code, response.headers["Location"]) == (303, "/processes/51?q=a")
        written = response.headers["Set-Cookie"]
        assert "HttpOnly" in written
        assert "SameSite=Lax" in written
        assert "Secure" not in written
        assert secret not in written
        cookie = cookie_of(response)
        page = await client.fetch("/nothing", headers=cookie)
        assert page.code == 404
        assert b"jane" in page.body
        assert b'action="/logout"' in page.body
        foreign = {"Origin": "http://evil.example"}
        assert (await client.fetch("/logout", "POST", headers=cookie | foreign)).code == 403
        assert await status(client, cookie) == 200
        out = await client.fetch("/logout", "POST", headers=cookie, body="")
        assert (out.code, out.headers["Location"]) == (303, "/login")
        assert 'heliograph=""' in out.headers["Set-Cookie"]
        assert await status(client, cookie) == 401
        assert (await client.fetch("/logout", "POST", headers=cookie, body="")).code == 303
        assert fakes.sessions.sessions == {}


async def test_a_cookie_that_came_by_tls_is_never_sent_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fakes = Fakes()
    secret = fakes.tokens.make("jane")
    prepare = LoginPage.prepare

    def by_tls(page: LoginPage) -> Awaitable[None] | None:
        page.request.protocol = "https"  # as a trusted proxy, or a connection by TLS, has it
        return prepare(page)

    monkeypatch.setattr(LoginPage, "prepare", by_tls)
    async with fakes.serving() as client:
        assert "Secure" in (await sign_in(client, secret)).headers["Set-Cookie"]


async def test_a_viewer_may_sign_out() -> None:
    fakes = Fakes()
    secret = fakes.tokens.make("jane")
    async with fakes.serving() as client:
        cookie = await signed_in(client, secret)
        assert (await client.fetch("/logout", "POST", headers=cookie, body="")).code == 303
        assert await status(client, cookie) == 401


async def test_signing_in_again_ends_the_session_before() -> None:
    fakes = Fakes()
    secret = fakes.tokens.make("jane")
    async with fakes.serving() as client:
        first = await signed_in(client, secret)
        second = await signed_in(client, secret, **first)
        assert await status(client, first) == 401
        assert await status(client, second) == 200


async def test_the_form_leads_to_where_one_was_and_nowhere_else() -> None:
    fakes = Fakes()
    fakes.tokens.make("jane")
    async with fakes.serving() as client:
        page = await client.fetch("/login?next=%2Fpipeline%2F7%23L3")
        assert b'value="/pipeline/7#L3"' in page.body
        page = await client.fetch("/login?next=https%3A%2F%2Fevil.example")
        assert b'value="/"' in page.body
        assert b"/logout" not in page.body


async def test_without_tokens_nobody_signs_in_or_out() -> None:
    async with Fakes().serving() as client:
        assert (await client.fetch("/login?next=%2Fnow")).headers["Location"] == "/now"
        assert (await client.fetch("/sessions/")).headers["Location"] == "/"
        page = await client.fetch("/nothing")
        assert b"/logout" not in page.body
        assert (
            await client.fetch("/sessions/", "POST", headers=FORM, body="end=others")
        ).code == 303
        assert (await sign_in(client, "x")).code == 401


def rows(page: HTTPResponse) -> list[str]:
    return re.findall(r"<tr>\s*<td.*?</tr>", page.body.decode(), re.DOTALL)


async def test_the_page_of_sessions_shows_ones_own_and_ends_them() -> None:
    fakes = Fakes()
    jane, john = fakes.tokens.make("jane"), fakes.tokens.make("john", "admin")
    async with fakes.serving() as client:
        here = await signed_in(client, jane, **{"User-Agent": "curl <b>"})
        there, third = await signed_in(client, jane), await signed_in(client, jane)
        other = await signed_in(client, john)
        page = await client.fetch("/sessions/", headers=here)
        listed = rows(page)
        assert len(listed) == 3
        assert "this one" in listed[2]
        assert "curl &lt;b&gt;" in listed[2]
        assert "127.0.0.1" in listed[2]
        [newest] = re.findall(r'name="end" value="([^"]+)"', listed[0])

        async def end(headers: dict[str, str], wanted: str) -> int:
            body = f"end={quote(wanted)}"
            return (
                await client.fetch("/sessions/", "POST", headers=FORM | headers, body=body)
            ).code

        assert await end(here | {"Origin": "http://evil.example"}, "others") == 403
        assert await end(other, newest) == 303  # of somebody else: nothing happens
        assert await status(client, third) == 200
        assert await end(here, newest) == 303
        assert [await status(client, each) for each in (here, there, third)] == [200, 200, 401]
        assert await end(here, "others") == 303
        assert [await status(client, each) for each in (here, there, other)] == [200, 401, 200]


async def test_a_session_that_is_not_in_memory_is_found_for_every_kind_of_request() -> None:
    fakes = Fakes()
    fakes.processes.records = {51: a_process(51)}
    fakes.processes.frames = [b"{}"]
    secret = fakes.tokens.make("jane", "operator")
    async with fakes.serving() as client:
        cookie = await signed_in(client, secret)
    for path, method, code in (
        ("/api/pipelines/", "GET", 200),
        ("/api/targets/", "POST", 201),
        ("/nothing", "GET", 404),
        ("/api/targets/9/dataproducts/", "POST", 404),
        ("/api/targets/9/", "DELETE", 403),
    ):
        async with fakes.serving() as client:  # as after a restart
            upload = "dataproducts" in path
            kind = "multipart/form-data; boundary=x" if upload else "application/json"
            body = b"--x--" if upload else b'{"name": "a"}' if method == "POST" else None
            headers = cookie | {"Content-Type": kind}
            response = await client.fetch(path, method, headers=headers, body=body)
            assert (path, response.code) == (path, code)
            stale = {"Cookie": "heliograph=never", "Content-Type": kind}
            refused = await client.fetch(path, method, headers=stale, body=body)
            assert (path, refused.code) == (path, 401)
    async with fakes.serving() as client:
        request = HTTPRequest(f"ws://127.0.0.1:{client.port}{LOG}", headers=cookie)
        viewer = await websocket_connect(request)
        assert await viewer.read_message() == "{}"
        viewer.close()


@pytest.mark.parametrize("cookie", ["heliograph=never", ""])
async def test_a_body_is_not_asked_for_when_it_is_refused(cookie: str) -> None:
    fakes = Fakes()
    fakes.tokens.make("jane")
    async with fakes.serving() as client:
        answer = await client.exchange(
            b"POST /api/targets/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\nContent-Length: 9\r\nExpect: 100-continue\r\n"
            + f"Cookie: {cookie}\r\n\r\n".encode()
        )
        assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_websocket_is_closed_with_4401_when_its_token_or_session_ends() -> None:
    fakes = Fakes()
    fakes.processes.records = {51: a_process(51)}
    secrets = [fakes.tokens.make(name) for name in ("revoked", "expired", "session", "kept")]
    async with fakes.serving() as client:
        access = client.services.access
        cookie = await signed_in(client, secrets[2])
        proofs = [bearer(secrets[0]), bearer(secrets[1]), cookie, bearer(secrets[3])]
        viewers = [
            await websocket_connect(
                HTTPRequest(f"ws://127.0.0.1:{client.port}{LOG}", headers=headers)
            )
            for headers in proofs
        ]
        await until(lambda: len(client.services.sockets) == 4)
        await fakes.tokens.delete("revoked")
        expired = replace(fakes.tokens.tokens["expired"], expires=time.time() - 1)
        fakes.tokens.tokens["expired"] = expired
        await client.fetch("/logout", "POST", headers=cookie, body="")
        await access.refresh()
        async with asyncio.timeout(5):
            for viewer in viewers[:3]:
                assert await viewer.read_message() is None
                assert viewer.close_code == 4401
                viewer.close()
        await until(lambda: len(client.services.sockets) == 1)
        viewers[3].close()


async def test_a_websocket_of_anybody_is_closed_once_there_is_a_token() -> None:
    fakes = Fakes()
    fakes.processes.records = {51: a_process(51)}
    async with fakes.serving() as client:
        viewer = await websocket_connect(f"ws://127.0.0.1:{client.port}{LOG}")
        fakes.tokens.make("jane")
        await client.services.access.refresh()
        async with asyncio.timeout(5):
            assert await viewer.read_message() is None
        assert viewer.close_code == 4401
        viewer.close()


async def test_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fakes = Fakes()
    secret = fakes.tokens.make("jane")
    async with fakes.serving() as client:
        cookie = await signed_in(client, secret)
        await client.fetch("/api/pipelines/", headers=cookie)
        await client.fetch("/api/pipelines/", headers=bearer(secret))
        await client.fetch("/api/targets/9/", "DELETE", headers=bearer(secret))
        await client.fetch("/api/pipelines/", headers=bearer("wrong-but-a-secret"))
        await sign_in(client, "another-wrong-secret")
        await client.fetch("/logout", "POST", headers=cookie, body="")
    logged = [vars(record) for record in caplog.records]
    found = {(each.get("action"), each.get("token")) for each in logged}
    assert {("signed_in", "jane"), ("signed_out", "jane"), ("access_refused", "jane")} <= found
    assert ("access_refused", None) in found
    text = caplog.text + repr(logged)
    for hidden in (secret, cookie["Cookie"].partition("=")[2], "wrong-but-a", "another-wrong"):
        assert hidden not in text
