"""Which pages may change something: `Origin`, `Sec-Fetch-Site`, and what they may read (CORS)."""

from __future__ import annotations

import pytest

from handlers.access.origins import SHOWN_CHARACTERS, ForeignPage
from tests.fakes.callers import bearer, identify_by_word
from tests.fakes.handler_fakes import Client, Fakes, json_of
from tests.fakes.some_records import a_process

pytestmark = pytest.mark.gen_test

ELSEWHERE = "https://observatory.example"
JSON = {"Content-Type": "application/json"}
SITE = "Sec-Fetch-Site"
SECRET = "a-secret-of-sixteen-characters"


async def made(client: Client, path: str = "/api/targets/", **headers: str) -> int:
    response = await client.fetch(path, "POST", headers=JSON | headers, body=b'{"name": "x"}')
    return response.code


@pytest.mark.parametrize(
    ("site", "origin", "status"),
    [
        (None, None, 201),
        ("same-origin", None, 201),
        ("none", None, 201),
        ("same-origin", "own", 201),
        ("same-site", None, 403),
        ("cross-site", None, 403),
        ("cross-site", "own", 403),
        ("cross-site", "http://evil.example", 403),
        ("same-origin", "http://evil.example", 403),
        ("none", "null", 403),
        (None, "null", 403),
        (None, "", 403),
        ("", None, 403),
        ("SAME-ORIGIN", None, 403),
        ("same-origin, cross-site", None, 403),
        ("x" * 10_000, None, 403),
        ("cross-site", ELSEWHERE, 201),
        ("same-site", ELSEWHERE, 201),
        (None, ELSEWHERE, 201),
    ],
)
async def test_what_a_browser_says_decides_who_may_change_something(
    site: str | None, origin: str | None, status: int
) -> None:
    fakes = Fakes()
    fakes.configure(http={"allowed_origins": (ELSEWHERE,)})
    async with fakes.serving() as client:
        headers = {} if site is None else {SITE: site}
        if origin is not None:
            own = f"http://127.0.0.1:{client.port}"
            headers["Origin"] = own if origin == "own" else origin
        assert await made(client, **headers) == status
        read = await client.fetch("/api/targets/", headers=headers)
        assert read.code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_every_method_but_get_and_head_is_checked(method: str) -> None:
    async with Fakes().serving() as client:
        for headers in ({SITE: "cross-site"}, {"Origin": "null"}, {"Origin": "http://a.example"}):
            assert (await client.fetch("/api/targets/1/", method, headers=headers)).code == 403


async def test_a_403_names_host_and_origin_and_the_key_to_set() -> None:
    async with Fakes().serving() as client:
        headers = JSON | {"Origin": "http://evil.example:81"}
        refused = await client.fetch("/api/targets/", "POST", headers=headers, body=b"{}")
        detail = json_of(refused)["detail"]
        for word in (f"127.0.0.1:{client.port}", "http://evil.example:81", "http.allowed_origins"):
            assert word in detail
        refused = await client.fetch("/login", "POST", headers=headers, body=b"{}")
        assert b"http.allowed_origins" in refused.body


def test_a_hostile_header_is_cut_and_made_printable() -> None:
    text = str(ForeignPage("h", "\u202e\x1b[31m<script>" + "x" * 10_000))
    assert text.isprintable()
    assert len(text) < SHOWN_CHARACTERS + 400


async def test_a_cookie_does_not_count_for_a_page_from_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    identify_by_word(monkeypatch)
    fakes = Fakes()
    fakes.configure(http={"allowed_origins": (ELSEWHERE,)})
    async with fakes.serving() as client:
        cookie, origin = {"Cookie": "heliograph=operator:"}, {"Origin": ELSEWHERE}
        assert await made(client, **cookie) == 201
        assert await made(client, **cookie, **origin) == 401
        assert await made(client, **bearer("operator"), **origin) == 201
        read = await client.fetch("/api/targets/", headers=cookie | origin)
        assert read.code == 401


async def test_every_answer_to_an_allowed_page_has_cors_headers() -> None:
    fakes = Fakes()
    fakes.configure(http={"allowed_origins": (ELSEWHERE,)})
    fakes.processes.records = {51: a_process(51)}
    fakes.processes.log = [b"a" * 300_000, b"b" * 300_000]
    fakes.processes.log_is_streamed = True
    fakes.archive.keep(7, "a.png", b"x" * 700_000)
    origin = {"Origin": ELSEWHERE}
    async with fakes.serving() as client:
        etag = (await client.fetch("/api/targets/")).headers["Etag"]
        answers = {
            200: await client.fetch("/api/pipeline/logs/51/", headers=origin),
            206: await client.fetch(
                "/dataproducts/7/file/a.png", headers=origin | {"Range": "bytes=0-9"}
            ),
            304: await client.fetch("/api/targets/", headers=origin | {"If-None-Match": etag}),
            400: await client.fetch("/api/targets/", "POST", headers=JSON | origin, body=b"{}"),
            404: await client.fetch("/api/targets/99/", headers=origin),
            405: await client.fetch("/api/pipelines/", "DELETE", headers=origin),
            415: await client.fetch("/api/targets/", "POST", headers=origin, body=b"x"),
            421: await client.fetch("/api/targets/", headers=origin | {"Host": "evil.example"}),
        }
        answers[204] = await client.fetch("/api/targets/", "OPTIONS", headers=origin)
        static = await client.fetch("/static/favicon.svg", headers=origin)
        for status, answer in [*answers.items(), (200, static)]:
            assert answer.code == status
            assert answer.headers["Access-Control-Allow-Origin"] == ELSEWHERE, status
            assert "Origin" in answer.headers["Vary"], status
            assert "Access-Control-Allow-Credentials" not in answer.headers
            assert "ETag" in answer.headers["Access-Control-Expose-Headers"]


async def test_others_get_no_cors_headers_but_caches_are_told() -> None:
    fakes = Fakes()
    fakes.configure(http={"allowed_origins": (ELSEWHERE,)})
    async with fakes.serving() as client:
        for headers in ({}, {"Origin": "http://evil.example"}):
            for path in ("/api/targets/", "/api/targets/99/", "/", "/static/favicon.svg"):
                answer = await client.fetch(path, headers=headers)
                assert "Access-Control-Allow-Origin" not in answer.headers
                assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("path", ["/login", "/logout"])
@pytest.mark.parametrize(
    ("origin", "status"), [(None, 303), (ELSEWHERE, 403), ("http://evil.example", 403)]
)
async def test_no_page_from_elsewhere_begins_or_ends_a_session(
    path: str, origin: str | None, status: int
) -> None:
    fakes = Fakes()
    fakes.configure(http={"allowed_origins": (ELSEWHERE,), "tokens": (SECRET,)})
    async with fakes.serving() as client:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        headers |= {} if origin is None else {"Origin": origin}
        body = f"token={SECRET}".encode()
        answer = await client.fetch(path, "POST", headers=headers, body=body)
        assert answer.code == status
        assert ("Set-Cookie" in answer.headers) is (status == 303)
