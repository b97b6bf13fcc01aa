"""`http.prefix`: taken off once, put before every path that a client sees."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import pytest

from handlers.pages.addresses import with_prefix
from tests.fakes.fake_processes import Board
from tests.fakes.handler_fakes import Client, Fakes, json_of
from tests.fakes.some_records import a_process

pytestmark = pytest.mark.gen_test

PREFIX = "/user/j.doe@example/heliograph"
TOKEN = "a-secret-of-sixteen-characters"


@asynccontextmanager
async def serving(**http: object) -> AsyncIterator[Client]:
    fakes = Fakes()
    fakes.processes.boards[1] = Board([a_process(51)])
    fakes.configure(http={"prefix": PREFIX, **http})
    async with fakes.serving() as client:
        yield client


async def test_requests_come_with_the_prefix() -> None:
    async with serving() as client:
        for path in ("/api/async/status/1/", "/", "/static/styles/style.css", "/healthz"):
            assert (await client.fetch(PREFIX + path)).code == 200, path


async def test_what_programs_on_the_machine_ask_needs_no_prefix() -> None:
    async with serving() as client:
        for path in ("/healthz", "/readyz"):
            assert (await client.fetch(path)).code == 200, path


@pytest.mark.parametrize(
    "path",
    [
        "/api/async/status/1/",
        "/api/targets",
        "/api",
        "/ws/async/status/1/",
        f"/api{PREFIX}/api/targets/",
    ],
)
async def test_the_api_outside_the_prefix_is_not_found(path: str) -> None:
    async with serving() as client:
        answer = await client.fetch(path)
        assert (answer.code, json_of(answer)) == (404, {"detail": "Not found."})


@pytest.mark.parametrize(
    "path",
    [
        "/login",
        "/targets/1",
        "/static/styles/style.css",
        f"{PREFIX}s/",
        f"/{PREFIX}/",
        PREFIX.upper() + "/",
        PREFIX.replace("@", "%40") + "/",
        "/user/j.doe@example/../" + PREFIX,
    ],
)
async def test_pages_outside_the_prefix_are_not_found(path: str) -> None:
    async with serving() as client:
        answer = await client.fetch(path)
        assert answer.code == 404
        assert f'href="{PREFIX}/"'.encode() in answer.body


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/", 302, f"{PREFIX}/"),
        ("/?a=b", 302, f"{PREFIX}/?a=b"),
        (PREFIX, 301, f"{PREFIX}/"),
        (f"{PREFIX}?a=b&a=%2F", 301, f"{PREFIX}/?a=b&a=%2F"),
    ],
)
async def test_the_root_leads_to_the_first_page(path: str, status: int, location: str) -> None:
    async with serving(tokens=(TOKEN,)) as client:
        answer = await client.fetch(path)
        assert (answer.code, answer.headers["Location"]) == (status, location)
        assert (await client.fetch(path, "POST", body=b"")).code == 404
        unknown = await client.fetch(path, headers={"Host": "rebound.example"})
        assert unknown.code == 421


async def test_redirects_and_locations_have_it_once() -> None:
    async with serving() as client:
        slashed = await client.fetch(f"{PREFIX}/api/targets?limit=3")
        assert slashed.code == 301
        assert slashed.headers["Location"] == f"{PREFIX}/api/targets/?limit=3"
        made = await client.send(f"{PREFIX}/api/targets/", {"name": "Vega"})
        assert made.headers["Location"].startswith(f"{PREFIX}/api/targets/")


@pytest.mark.parametrize("before", ["", PREFIX])
async def test_signing_in_leads_back_and_the_cookie_is_for_this_server_alone(before: str) -> None:
    async with serving(tokens=(TOKEN,)) as client:
        form = await client.fetch(f"{PREFIX}/targets/1/?before=9")
        assert form.code == 401
        assert f'action="{PREFIX}/login"'.encode() in form.body
        assert b'name="next" value="/targets/1/?before=9"' in form.body
        answer = await client.fetch(
            f"{PREFIX}/login",
            "POST",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode({"token": TOKEN, "next": f"{before}/targets/1/?before=9"}),
        )
        assert answer.headers["Location"] == f"{PREFIX}/targets/1/?before=9"
        assert f"; Path={PREFIX}" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('<a href="/">', '<a href="{% raw prefix %}/">'),
        ('<img src="/a/{{ b }}">', '<img src="{% raw prefix %}/a/{{ b }}">'),
        ('{% if x %}data-table="/api/">', '{% if x %}data-table="{% raw prefix %}/api/">'),
        ('<form method="post" action="/x">', '<form method="post" action="{% raw prefix %}/x">'),
        ('<a href="{{ url }}">', '<a href="{{ url }}">'),
        ('<use href="#i-next">', '<use href="#i-next">'),
        ('<input data-key="/" placeholder="/">', '<input data-key="/" placeholder="/">'),
        ('<a href="?from=2">', '<a href="?from=2">'),
    ],
)
def test_templates_get_it_in_each_attribute_that_holds_an_address(
    source: str, expected: str
) -> None:
    assert with_prefix(source.encode()).decode() == expected
