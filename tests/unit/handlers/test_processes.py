"""`/api/processes/`: what reaches the processes, and what comes back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import pytest
from tornado.simple_httpclient import HTTPStreamClosedError

from handlers.http.body import DRAIN_LIMIT_BYTES
from server.core.errors import DatabaseAway
from server.core.records import State
from tests.fakes.handler_fakes import Fakes, json_of, until
from tests.fakes.some_records import a_process

pytestmark = pytest.mark.gen_test

SUBMISSION: dict[str, Any] = {"target": 1, "pipeline": "Dummy", "products": [7], "flags": {}}


async def test_a_submit_is_201_with_the_record_and_its_place() -> None:
    fakes = Fakes()
    async with fakes.serving() as client:
        response = await client.send("/api/processes/", SUBMISSION)
    assert response.code == 201
    assert response.headers["Location"] == "/api/processes/51/"
    assert json_of(response)["identifier"] == "dummy_m13_2019-08-02-100946"
    assert fakes.processes.calls == [("submit", 1, "Dummy", [7], {}, None)]


async def test_a_receipt_is_that_of_the_process() -> None:
    fakes = Fakes()
    fakes.processes.records[51] = a_process(51)
    async with fakes.serving() as client:
        response = await client.fetch("/api/processes/51/receipt/")
        assert json_of(response)["identifier"] == "dummy_m13_2019-08-02-100946"
        assert response.headers["Etag"].startswith('W/"')
        assert (await client.fetch("/api/processes/52/receipt/")).code == 404
        assert (await client.fetch("/api/processes/51/receipt/", "DELETE")).code == 405


async def test_the_same_submit_again_is_200() -> None:
    fakes = Fakes()
    headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": "k 1"}
    body = b'{"target":1,"pipeline":"Dummy","products":[7]}'
    async with fakes.serving() as client:
        for code in (201, 200):
            response = await client.fetch("/api/processes/", "POST", headers=headers, body=body)
            assert response.code == code
    assert fakes.processes.calls[0] == ("submit", 1, "Dummy", [7], {}, "k 1")


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_bad_key_is_400(key: str) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    body = b'{"target":1,"pipeline":"Dummy","products":[7]}'
    async with Fakes().serving() as client:
        response = await client.fetch("/api/processes/", "POST", headers=headers, body=body)
        assert (response.code, list(json_of(response))) == (400, ["Idempotency-Key"])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"target": True}, "target"),
        ({"target": "1"}, "target"),
        ({"target": 0}, "target"),
        ({"target": 1.0}, "target"),
        ({"target": None}, "target"),
        ({"pipeline": 5}, "pipeline"),
        ({"products": 7}, "products"),
        ({"products": [7, True]}, "products"),
        ({"products": [2**40]}, "products"),
        ({"flags": []}, "flags"),
        ({"flags": {"deep": 1}}, "flags"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_bad_input_is_400_and_names_its_field(change: dict[str, Any], field: str) -> None:
    fakes = Fakes()
    async with fakes.serving() as client:
        response = await client.send("/api/processes/", SUBMISSION | change)
    assert (response.code, list(json_of(response))) == (400, [field])
    assert fakes.processes.calls == []


async def test_every_missing_field_is_named() -> None:
    async with Fakes().serving() as client:
        response = await client.send("/api/processes/", {})
        assert sorted(json_of(response)) == ["pipeline", "products", "target"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff",
        b'{"target": NaN}',
        b'{"target": 1e999}',
        b'{"flags": ' + b"[" * 65 + b"]" * 65 + b"}",
        b"[" * 200_000,
        b'{"target": 9223372036854775808}',
        b'{"x": -9223372036854775809}',
    ],
)
async def test_what_is_no_sound_json_object_is_400(body: bytes) -> None:
    async with Fakes().serving() as client:
        response = await client.send("/api/processes/", body)
        assert (response.code, list(json_of(response))) == (400, ["detail"])


async def test_other_types_of_body_are_415() -> None:
    async with Fakes().serving() as client:
        for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
            for path in ("/api/processes/", "/api/processes/51/cancel/"):
                headers = {"Content-Type": kind}
                response = await client.fetch(path, "POST", headers=headers, body=b"{}")
                assert response.code == 415
        zipped = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        response = await client.fetch("/api/processes/", "POST", headers=zipped, body=b"{}")
        assert response.code == 415


@pytest.mark.parametrize("size", [1024**2 + 1, 5 * 1024**2])
async def test_too_long_a_body_is_413_and_its_answer_arrives(size: int) -> None:
    async with Fakes().serving() as client:
        response = await client.send("/api/processes/", b" " * size)
        assert response.code == 413
        assert "1048576" in json_of(response)["detail"]


async def test_too_long_a_body_in_chunks_is_413_too() -> None:
    async with Fakes().serving() as client:
        request = b"POST /api/processes/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        request += b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        answer = await client.exchange(
            request + (b"10000\r\n%b\r\n" % (b" " * 65536)) * 20 + b"0\r\n\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 413 ")


async def test_an_empty_body_in_chunks_is_no_body() -> None:
    fakes = Fakes()
    fakes.processes.records[51] = a_process()
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += b"Transfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n"
    async with fakes.serving() as client:
        answer = await client.exchange(head % b"/api/processes/51/cancel/" + b"0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 202 ")
        answer = await client.exchange(head % b"/api/processes/51/cancel/" + b"1\r\nx\r\n0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 415 ")


async def test_an_endless_refused_body_is_not_read_to_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Fakes().serving() as client:
        reader, writer = await client.connect()
        writer.write(b"POST /api/processes/ HTTP/1.1\r\nHost: localhost\r\n")
        writer.write(b"Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n")
        # Whether the answer arrives or only the end of the connection is up to the network.
        with contextlib.suppress(ConnectionError), caplog.at_level(logging.INFO):
            for _ in range(DRAIN_LIMIT_BYTES // 65536 + 1):
                writer.write(b"x" * 65536)
                await writer.drain()
            await reader.read()
        writer.close()
    assert "413" in caplog.text


async def test_a_body_without_a_length_is_411() -> None:
    request = b"POST %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    fakes = Fakes()
    fakes.processes.records[51] = a_process()
    async with fakes.serving() as client:
        answer = await client.exchange(request % b"/api/processes/")
        assert answer.startswith(b"HTTP/1.1 411 ")
        answer = await client.exchange(request % b"/api/processes/51/cancel/")
        assert answer.startswith(b"HTTP/1.1 202 ")


async def test_the_list_passes_its_filters_on() -> None:
    fakes = Fakes()
    fakes.processes.records = {51: a_process(51), 52: a_process(52)}
    async with fakes.serving() as client:
        query = "target=1&pipeline=Dummy,My%20own&state=queued,failed&before=60&limit=5"
        query += "&since=1772402390&until=1772402390.75&q=no%20Star"
        answer = json_of(await client.fetch(f"/api/processes/?{query}"))
    assert [process["pk"] for process in answer["processes"]] == [52, 51]
    assert answer["next"] is None
    [(_, wanted)] = fakes.processes.calls
    assert wanted == {
        "target": 1,
        "pipelines": ["Dummy", "My own"],
        "states": [State.QUEUED, State.FAILED],
        "since": 1772402390.0,
        "until": 1772402390.75,
        "text": "no Star",
        "before": 60,
        "limit": 5,
    }


@pytest.mark.parametrize(
    "query",
    [
        *("state=done", "target=x", "before=0", "limit=1001", "limit=-1", "target=1,2"),
        "pipeline=" + ",".join(f"p{number}" for number in range(101)),
        *("since=today", "until=", "since=-1", "until=nan", "until=1e9", "since=123456789012"),
    ],
)
async def test_a_bad_filter_is_400(query: str) -> None:
    async with Fakes().serving() as client:
        response = await client.fetch(f"/api/processes/?{query}")
        assert (response.code, list(json_of(response))) == (400, [query.partition("=")[0]])


async def test_what_is_queued_is_moved_to_the_front_or_the_back() -> None:
    fakes = Fakes()
    fakes.processes.records = {51: a_process(51), 60: a_process(60, state=State.RUNNING)}
    async with fakes.serving() as client:
        for to in ("front", "back"):
            moved = await client.send("/api/processes/51/move/", {"to": to})
            assert (moved.code, json_of(moved)["pk"]) == (200, 51)
        assert (await client.send("/api/processes/60/move/", {"to": "back"})).code == 409
        assert (await client.send("/api/processes/7/move/", {"to": "back"})).code == 404
        for body in ({}, {"to": "up"}, {"to": 1}, {"to": "front", "before": 7}):
            refused = await client.send("/api/processes/51/move/", body)
            assert (refused.code, *json_of(refused)) == (400, "before" if len(body) > 1 else "to")
    moves = [call for call in fakes.processes.calls if call[0] == "move"]
    assert moves[:2] == [("move", 51, True), ("move", 51, False)]


async def test_cancel_rerun_and_delete() -> None:
    fakes = Fakes()
    fakes.processes.records = {51: a_process(51), 60: a_process(60, state=State.CANCELLED)}
    async with fakes.serving() as client:
        assert (await client.fetch("/api/processes/51/cancel/", "POST", body=b"")).code == 202
        assert (await client.fetch("/api/processes/60/cancel/", "POST", body=b"")).code == 409
        again = await client.fetch("/api/processes/51/rerun/", "POST", body=b"")
        assert (again.code, again.headers["Location"]) == (201, "/api/processes/52/")
        await client.send("/api/processes/51/rerun/", {"flags": {"deep": True}})
        bad = await client.send("/api/processes/51/rerun/", {"flags": None})
        assert (bad.code, list(json_of(bad))) == (400, ["flags"])
        gone = await client.fetch("/api/processes/60/", "DELETE")
        assert (gone.code, gone.body) == (204, b"")
        assert (await client.fetch("/api/processes/60/", "DELETE")).code == 404
    reruns = [call for call in fakes.processes.calls if call[0] == "rerun"]
    assert reruns == [("rerun", 51, None), ("rerun", 51, {"deep": True})]


async def test_lines_come_behind_a_cursor_and_filtered() -> None:
    fakes = Fakes()
    fakes.processes.records[51] = a_process(51)
    async with fakes.serving() as client:
        answer = json_of(await client.fetch("/api/processes/51/logs/"))
        lines = [[1, 2.5, "info", "a"], [2, 2.5, "info", "b"]]
        counts = {"debug": 0, "info": 2, "warning": 0, "error": 0}
        assert answer == {"lines": lines, "next": 2, "ended": True, "counts": counts}
        query = "after=7&limit=100000&level=warning&q=a%20b"
        await client.fetch(f"/api/processes/51/logs/?{query}")
        await client.fetch("/api/processes/51/logs/?before=9")
        bad_queries = ("after=-1", "limit=100001", "level=loud", "level=info,error", "after=x")
        for bad in (*bad_queries, "before=0", "before=x", "after=0&before=9"):
            response = await client.fetch(f"/api/processes/51/logs/?{bad}")
            assert response.code == 400
    assert fakes.processes.calls[0] == ("lines", 51, 0, 1000, "debug", "", None)
    assert fakes.processes.calls[1] == ("lines", 51, 7, 100_000, "warning", "a b", None)
    assert fakes.processes.calls[2] == ("lines", 51, 0, 1000, "debug", "", 9)


async def test_the_text_is_a_download() -> None:
    fakes = Fakes()
    fakes.processes.records[51] = a_process()
    fakes.processes.log = [b"one\n", b"two\n"]
    async with fakes.serving() as client:
        response = await client.fetch("/api/processes/51/logs.txt?q=o")
        assert response.body == b"one\ntwo\n"
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert response.headers["Content-Disposition"].startswith("attachment; filename=")
        head = await client.fetch("/api/processes/51/logs.txt", "HEAD")
        assert (head.code, head.headers.get("Content-Length")) == (200, None)
    assert fakes.processes.calls[0] == ("log_text", fakes.processes.records[51], "debug", "o")


@pytest.mark.parametrize("path", ["logs/?q=x", "logs.txt?q=x"])
async def test_a_search_ends_when_its_client_leaves(path: str) -> None:
    fakes = Fakes()
    fakes.processes.records[51] = a_process(51)
    fakes.processes.log_ready = asyncio.Event()
    async with fakes.serving() as client:
        _, writer = await client.connect()
        writer.write(f"GET /api/processes/51/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        await until(lambda: fakes.processes.log_readers == 1)
        writer.close()
        await until(lambda: fakes.processes.log_readers == 0)
        fakes.processes.log_ready = None
        assert (await client.fetch("/api/processes/51/logs/")).code == 200


async def test_a_text_that_breaks_off_is_no_whole_answer() -> None:
    fakes = Fakes()
    fakes.processes.records[51] = a_process()
    fakes.processes.log = [b"one\n"]
    fakes.processes.log_fault = RuntimeError("the store broke")
    async with fakes.serving() as client:
        with pytest.raises(HTTPStreamClosedError):
            await client.fetch("/api/processes/51/logs.txt")


async def test_a_text_that_cannot_begin_is_a_plain_error() -> None:
    fakes = Fakes()
    fakes.processes.records[51] = a_process()
    fakes.processes.log_fault = DatabaseAway()
    async with fakes.serving() as client:
        response = await client.fetch("/api/processes/51/logs.txt")
        assert (response.code, list(json_of(response))) == (503, ["detail"])
        assert response.headers["Content-Type"].startswith("application/json")


async def test_pipelines_say_what_can_be_run() -> None:
    async with Fakes().serving() as client:
        answer = json_of(await client.fetch("/api/pipelines/"))
        [pipeline] = answer["pipelines"]
        assert list(pipeline) == [
            "name",
            "short_name",
            "process_type",
            "description",
            "allowed_suffixes",
            "flags",
            "error",
        ]
