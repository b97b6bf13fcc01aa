"""Errors, missing slashes, methods: what every route of the API has in common."""

from __future__ import annotations

import logging

import pytest

from server.core.errors import DatabaseAway, InvalidInput, NoRoom, QueueFull
from tests.fakes.fake_processes import Board
from tests.fakes.handler_fakes import Fakes, json_of
from tests.fakes.some_records import a_process

pytestmark = pytest.mark.gen_test

NOT_FOUND = {"detail": "Not found."}
UNKNOWN = [
    "/api",
    "/api/",
    "/api/nothing/",
    "/api/processes/0/",
    "/api/processes/007/",
    "/api/processes/9/",
    "/api/processes/2147483648/",
    "/api/processes/99999999999/",
    "/api/processes/x/",
    "/api/processes/1x/",
    "/api/processes/-1/",
    "/api/processes/1%20/",
    "/api/processes/%ff/",
    "/api/async/status/2/",
    "/api/async/status/5/more/",
    "/api/pipeline/logs/9/",
    "/dataproducts/1/file/x",
]


@pytest.mark.parametrize("path", UNKNOWN)
async def test_an_unknown_path_or_pk_is_404(path: str) -> None:
    async with Fakes().serving() as client:
        response = await client.fetch(path)
        assert (response.code, json_of(response)) == (404, NOT_FOUND)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_an_unknown_path_is_404_for_every_method(method: str) -> None:
    async with Fakes().serving() as client:
        response = await client.fetch("/api/nothing/", method, body=b"x" * 2_000_000)
        assert (response.code, json_of(response)) == (404, NOT_FOUND)


async def test_an_unknown_page_is_told_in_html() -> None:
    async with Fakes().serving() as client:
        response = await client.fetch("/nowhere")
        assert response.code == 404
        assert response.headers["Content-Type"].startswith("text/html")
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/api/processes", "/api/async/status/1", "/targets/1"])
async def test_get_without_the_slash_is_led_on_with_its_query(path: str) -> None:
    async with Fakes().serving() as client:
        response = await client.fetch(f"{path}?limit=1&q=%2F")
        assert response.code == 301
        assert response.headers["Location"] == f"{path}/?limit=1&q=%2F"


async def test_post_without_the_slash_is_404() -> None:
    async with Fakes().serving() as client:
        assert (await client.send("/api/processes", {})).code == 404


@pytest.mark.parametrize("path", ["//evil.example", "/evil.example//", "/api//processes"])
async def test_nothing_else_is_led_on(path: str) -> None:
    async with Fakes().serving() as client:
        assert (await client.fetch(path)).code == 404


async def test_a_wrong_method_is_405_with_those_allowed() -> None:
    async with Fakes().serving() as client:
        response = await client.fetch("/api/async/status/1/", "POST", body=b"")
        assert (response.code, json_of(response)) == (405, {"detail": "Method not allowed."})
        assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_options_tells_the_methods() -> None:
    async with Fakes().serving() as client:
        response = await client.fetch("/api/processes/", "OPTIONS")
        assert response.code == 204
        assert response.headers["Allow"] == "GET, HEAD, POST, OPTIONS"


async def test_head_answers_as_get_without_a_body() -> None:
    fakes = Fakes()
    fakes.processes.records[51] = a_process()
    async with fakes.serving() as client:
        get = await client.fetch("/api/processes/51/")
        head = await client.fetch("/api/processes/51/", "HEAD")
        assert (head.code, head.body) == (200, b"")
        for name in ("Content-Length", "Content-Type", "Etag", "Vary", "Cache-Control"):
            assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (InvalidInput.of("q", "No."), 400, {"q": ["No."]}),
        (InvalidInput(detail="No"), 400, {"detail": "No."}),
        (NoRoom(), 507, {"detail": "The server's disk is full."}),
    ],
)
async def test_errors_of_the_domain_have_their_status(
    error: Exception, status: int, body: object
) -> None:
    fakes = Fakes()
    fakes.processes.fault = error
    async with fakes.serving() as client:
        response = await client.fetch("/api/processes/1/")
        assert (response.code, json_of(response)) == (status, body)


@pytest.mark.parametrize("error", [DatabaseAway(), QueueFull(10)])
async def test_what_can_be_tried_again_says_when(error: Exception) -> None:
    fakes = Fakes()
    fakes.processes.fault = error
    async with fakes.serving() as client:
        response = await client.fetch("/api/processes/1/")
        assert response.code == 503
        assert int(response.headers["Retry-After"]) > 0


async def test_the_unforeseen_is_500_and_its_traceback_is_in_the_log_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fakes = Fakes()
    fakes.processes.fault = ZeroDivisionError("the secret")
    async with fakes.serving() as client:
        with caplog.at_level(logging.ERROR):
            response = await client.fetch("/api/processes/1/")
    assert (response.code, json_of(response)) == (500, {"detail": "Internal server error."})
    assert "ZeroDivisionError: the secret" in caplog.text


async def test_an_answer_that_did_not_change_is_304() -> None:
    fakes = Fakes()
    fakes.processes.records[51] = a_process()
    async with fakes.serving() as client:
        etag = (await client.fetch("/api/processes/51/")).headers["Etag"]
        assert etag.startswith('W/"')
        for given in (etag, f'"other", {etag}', "*"):
            again = await client.fetch("/api/processes/51/", headers={"If-None-Match": given})
            assert (again.code, again.body, again.headers["Etag"]) == (304, b"", etag)
        other = await client.fetch("/api/processes/51/", headers={"If-None-Match": '"other"'})
        assert other.code == 200


async def test_alive_and_ready() -> None:
    fakes = Fakes()
    async with fakes.serving() as client:
        assert (await client.fetch("/healthz")).code == 200
        assert (await client.fetch("/readyz")).code == 200
        fakes.problem = "The database is away"
        response = await client.fetch("/readyz")
        assert (response.code, json_of(response)) == (503, {"detail": "The database is away"})
        assert "Retry-After" in response.headers
        assert (await client.fetch("/healthz")).code == 200


async def test_a_query_that_is_no_utf8_is_400() -> None:
    fakes = Fakes()
    fakes.processes.boards[1] = Board([])
    async with fakes.serving() as client:
        for query in ("limit=%ff", "limit=", "limit=0", "limit=1001", "limit=1.5", "limit=%C2%B2"):
            response = await client.fetch(f"/api/async/status/1/?{query}")
            assert response.code == 400
            assert list(json_of(response)) == ["limit"]
