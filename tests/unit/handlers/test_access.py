"""Access: hosts, origins, tokens and cookies."""

from __future__ import annotations

import pytest
from tornado.httpclient import HTTPResponse

from handlers.access.rules import AccessRules, host_name
from handlers.pages.login import local_path
from server.config.sections import Http
from tests.fakes.handler_fakes import Client, Fakes, json_of

TOKEN = "an-unguessable-token"
ELSEWHERE = "https://observatory.example"


@pytest.mark.parametrize(
    ("host", "name"),
    [("A.example:80", "a.example"), ("[::1]:8642", "::1"), ("localhost", "localhost"), ("", "")],
)
def test_a_host_is_a_name_and_perhaps_a_port(host: str, name: str) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost:9000", True),
        ("LOCALHOST", True),
        ("127.0.0.1:1", True),
        ("[::1]:8642", True),
        ("proxy.example", True),
        ("proxy.example:81", True),
        ("narrow.example:81", True),
        ("narrow.example", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("10.0.0.1", False),
        ("localhost:", True),
        ("localhost:abc", False),
        ("localhost:999999", False),
        ("localhost:80:80", False),
        ("[::1", False),
        ("[::1]evil.example", False),
        ("", False),
    ],
)
def test_the_rules_know_the_configured_hosts(host: str, known: bool) -> None:
    rules = AccessRules(Http(allowed_hosts=("proxy.example", "narrow.example:81")))
    assert rules.knows_host(host) is known


def test_listening_everywhere_makes_every_address_known_but_no_name() -> None:
    rules = AccessRules(Http(host="0.0.0.0"))
    assert rules.knows_host("10.0.0.1:8642")
    assert not rules.knows_host("evil.example")


@pytest.mark.parametrize(
    ("origin", "host", "known"),
    [
        ("ftp://localhost:8642", "localhost:8642", False),
        ("http://localhost:8642", "localhost:8642", True),
        ("http://localhost", "localhost:80", True),
        ("https://localhost", "localhost:443", True),
        ("https://localhost:443", "localhost", True),
        (ELSEWHERE, "localhost", True),
        (ELSEWHERE.upper(), "localhost", True),
        ("http://observatory.example", "localhost", False),
        ("http://localhost:1", "localhost:2", False),
        ("null", "localhost", False),
        ("", "", False),
    ],
)
def test_an_origin_is_ours_or_an_allowed_one(origin: str, host: str, known: bool) -> None:
    rules = AccessRules(Http(allowed_origins=(ELSEWHERE,)))
    assert rules.knows_origin(origin, "http", host) is known


@pytest.mark.parametrize(
    ("origin", "scheme", "own"),
    [
        ("https://a.example", "https", True),
        ("http://a.example", "https", False),
        ("http://a.example", "http", True),
        ("https://a.example", "http", True),  # a proxy that is not trusted took off the TLS
    ],
)
def test_a_page_by_plain_http_is_none_of_a_server_that_speaks_https(
    origin: str, scheme: str, own: bool
) -> None:
    assert AccessRules(Http()).is_own(origin, scheme, "a.example") is own


@pytest.mark.parametrize(
    "path", ["//evil.example", "/\\evil.example", "https://evil.example", "", "x", "/\t/evil", "/é"]
)
def test_the_login_leads_nowhere_else(path: str) -> None:
    assert local_path(path) == "/"
    assert local_path("/targets/1/?q=a") == "/targets/1/?q=a"


@pytest.mark.gen_test
async def test_an_unknown_host_is_421() -> None:
    async with Fakes().serving() as client:
        response = await client.fetch("/api/pipelines/", headers={"Host": "evil.example"})
        assert response.code == 421
        assert "detail" in json_of(response)


@pytest.mark.gen_test
async def test_a_foreign_page_may_read_what_all_may_but_not_write() -> None:
    async with Fakes().serving() as client:
        headers = {"Origin": "http://evil.example", "Content-Type": "application/json"}
        assert (await client.fetch("/api/pipelines/", headers=headers)).code == 200
        for method in ("POST", "OPTIONS"):
            response = await client.fetch("/api/targets/", method, headers=headers, body=b"{}")
            assert response.code == 403
            assert "Access-Control-Allow-Origin" not in response.headers
        assert (await client.fetch("/api/targets/1/", "DELETE", headers=headers)).code == 403


@pytest.mark.gen_test
async def test_an_allowed_page_is_let_in_with_cors_headers() -> None:
    fakes = Fakes()
    fakes.configure(http={"allowed_origins": (ELSEWHERE,)})
    async with fakes.serving() as client:
        headers = {"Origin": ELSEWHERE, "Access-Control-Request-Method": "POST"}
        ahead = await client.fetch("/api/targets/", "OPTIONS", headers=headers)
        assert ahead.code == 204
        assert ahead.headers["Access-Control-Allow-Origin"] == ELSEWHERE
        assert "POST" in ahead.headers["Access-Control-Allow-Methods"]
        assert "Idempotency-Key" in ahead.headers["Access-Control-Allow-Headers"]
        for path, code in (("/api/targets/", 200), ("/api/nothing/", 404)):
            response = await client.fetch(path, headers=headers)
            assert response.code == code
            assert response.headers["Access-Control-Allow-Origin"] == ELSEWHERE
            assert "Origin" in response.headers["Vary"]


async def with_bearer(client: Client, token: str) -> HTTPResponse:
    return await client.fetch("/api/pipelines/", headers={"Authorization": f"Bearer {token}"})


@pytest.mark.gen_test
async def test_with_tokens_configured_everything_but_health_needs_one() -> None:
    fakes = Fakes()
    fakes.configure(http={"tokens": (TOKEN, "another-long-token")})
    async with fakes.serving() as client:
        refused = await client.fetch("/api/pipelines/")
        assert (refused.code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert (await client.fetch("/api/nothing/")).code == 401
        assert (await client.fetch("/healthz")).code == 200
        assert (await client.fetch("/readyz")).code == 200
        assert (await with_bearer(client, "wrong")).code == 401
        assert (await with_bearer(client, "another-long-token")).code == 200
        assert (await client.send("/api/targets/", {"name": "x"})).code == 401


@pytest.mark.gen_test
async def test_a_person_gives_the_token_in_a_form() -> None:
    fakes = Fakes()
    fakes.configure(http={"tokens": (TOKEN,)})
    async with fakes.serving() as client:
        page = await client.fetch("/targets/1/?before=3")
        assert page.code == 401
        assert b'value="/targets/1/?before=3"' in page.body
        wrong = await client.fetch("/login", "POST", headers=FORM, body="token=x&next=%2Fa")
        assert (wrong.code, "Set-Cookie" in wrong.headers) == (401, False)
        right = await client.fetch("/login", "POST", headers=FORM, body=f"token={TOKEN}&next=%2Fa")
        assert (right.code, right.headers["Location"]) == (303, "/a")
        cookie = right.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        headers = {"Cookie": cookie.partition(";")[0]}
        assert (await client.fetch("/api/pipelines/", headers=headers)).code == 200


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
