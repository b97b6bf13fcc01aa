"""What is sent to clients that accept gzip: the same content, smaller, and with which headers."""

from __future__ import annotations

import gzip
import json

import pytest
from tornado.httpclient import HTTPResponse

from tests.fakes.fake_processes import Board
from tests.fakes.handler_fakes import Client, Fakes
from tests.fakes.some_records import a_process, a_target

pytestmark = pytest.mark.gen_test

STATUS, LOG = "/api/async/status/1/", "/api/pipeline/logs/51/"
LINES, TEXT = "/api/processes/51/logs/", "/api/processes/51/logs.txt"


def with_much() -> Fakes:
    fakes = Fakes()
    fakes.processes.records[51] = a_process()
    fakes.processes.boards[1] = Board([a_process(pk) for pk in range(1, 200)])
    fakes.processes.log = [b'"%b"' % (b"a line of the log " * 20_000)]
    fakes.processes.lines_text = "a line of the log " * 5_000
    fakes.archive.stored_targets = {pk: a_target(pk) for pk in range(1, 500)}
    return fakes


async def asked(client: Client, path: str, accepts: str | None, **headers: str) -> HTTPResponse:
    if accepts is not None:
        headers["Accept-Encoding"] = accepts
    return await client.fetch(path, headers=headers, decompress_response=False)


def plain(response: HTTPResponse) -> bytes:
    if response.headers.get("Content-Encoding") == "gzip":
        return gzip.decompress(response.body)
    return response.body


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("path", [STATUS, LOG, LINES, TEXT, "/api/targets/"])
async def test_a_body_is_smaller_for_those_who_ask_and_the_same(path: str, streamed: bool) -> None:
    fakes = with_much()
    fakes.processes.log_is_streamed = streamed
    async with fakes.serving() as client:
        large = await asked(client, path, None)
        assert "Content-Encoding" not in large.headers
        for accepts in ("gzip", "deflate, GZIP;q=0.5, *;q=0"):
            small = await asked(client, path, accepts)
            assert small.headers["Content-Encoding"] == "gzip"
            assert len(small.body) < len(large.body) / 4
            if path == STATUS:
                bodies = [json.loads(plain(each))["processes"] for each in (small, large)]
                assert bodies[0] == bodies[1]
            else:
                assert plain(small) == large.body
            for name in ("Vary", "Cache-Control", "Content-Type", "Etag"):
                assert small.headers.get(name) == large.headers.get(name)
            assert small.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("path", [STATUS, LOG, LINES, TEXT, "/api/targets/"])
@pytest.mark.parametrize("accepts", ["", "identity", "br", "gzip;q=0", "gzip; q=0.000, br"])
async def test_nobody_gets_what_was_not_asked_for(path: str, accepts: str) -> None:
    async with with_much().serving() as client:
        assert "Content-Encoding" not in (await asked(client, path, accepts)).headers


@pytest.mark.parametrize("path", [STATUS, LOG, LINES, "/api/targets/"])
async def test_a_version_counts_in_whichever_form_it_was_got(path: str) -> None:
    async with with_much().serving() as client:
        versions = [(await asked(client, path, each)).headers["Etag"] for each in ("gzip", None)]
        assert versions[0] == versions[1]
        for accepts in ("gzip", None):
            headers = {"If-None-Match": versions[0]}
            known = await asked(client, path, accepts, **headers)
            assert (known.code, known.body) == (304, b"")
            assert "Content-Encoding" not in known.headers


async def test_an_error_is_not_compressed() -> None:
    async with with_much().serving() as client:
        response = await asked(client, "/api/pipeline/logs/9/", "gzip")
        assert (response.code, json.loads(response.body)) == (404, {"detail": "Not found."})


@pytest.mark.parametrize("path", [STATUS, LOG])
async def test_a_head_has_the_length_of_what_get_sends(path: str) -> None:
    async with with_much().serving() as client:
        head = await client.fetch(
            path, "HEAD", headers={"Accept-Encoding": "gzip"}, decompress_response=False
        )
        got = await asked(client, path, "gzip")
        assert head.headers["Content-Encoding"] == "gzip"
        assert abs(int(head.headers["Content-Length"]) - len(got.body)) < 50
