"""The two specified endpoints, as polls see them."""

from __future__ import annotations

import time

import pytest

from tests.fakes.fake_processes import Board
from tests.fakes.handler_fakes import Fakes, json_of
from tests.fakes.some_records import a_process

pytestmark = pytest.mark.gen_test


async def test_the_status_is_what_the_board_holds() -> None:
    fakes = Fakes()
    newest, oldest = a_process(52), a_process(51)
    fakes.processes.boards[1] = Board([newest, oldest])
    async with fakes.serving() as client:
        response = await client.fetch("/api/async/status/1/")
    answer = json_of(response)
    assert list(answer) == ["timestamp", "processes"]
    assert abs(answer["timestamp"] - time.time()) < 5
    assert answer["processes"] == [newest.status_fields(), oldest.status_fields()]
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["Vary"] == "Accept-Encoding"


async def test_a_limit_gives_the_newest_and_has_a_version_of_its_own() -> None:
    fakes = Fakes()
    fakes.processes.boards[1] = Board([a_process(52), a_process(51)])
    async with fakes.serving() as client:
        whole = await client.fetch("/api/async/status/1/")
        part = await client.fetch("/api/async/status/1/?limit=1")
        assert len(json_of(part)["processes"]) == 1
        assert part.headers["Etag"] != whole.headers["Etag"]


async def test_a_status_that_did_not_change_is_not_even_made() -> None:
    fakes = Fakes()
    board = fakes.processes.boards[1] = Board([a_process()])
    async with fakes.serving() as client:
        etag = (await client.fetch("/api/async/status/1/")).headers["Etag"]
        again = await client.fetch("/api/async/status/1/", headers={"If-None-Match": etag})
        assert (again.code, board.made) == (304, 1)
        board.version += 1
        changed = await client.fetch("/api/async/status/1/", headers={"If-None-Match": etag})
        assert (changed.code, board.made) == (200, 2)


@pytest.mark.parametrize("piece", [b"x" * 100, b"y" * 300_000])
async def test_a_log_is_sent_whole_whatever_its_size(piece: bytes) -> None:
    fakes = Fakes()
    fakes.processes.records[51] = a_process()
    fakes.processes.log = [piece, b"", piece] if len(piece) == 100 else [piece, piece]
    async with fakes.serving() as client:
        response = await client.fetch("/api/pipeline/logs/51/", decompress_response=False)
        assert response.body == piece * 2
        assert int(response.headers["Content-Length"]) == 2 * len(piece)
        assert response.headers["Etag"] == 'W/"v1"'
        head = await client.fetch("/api/pipeline/logs/51/", "HEAD", decompress_response=False)
        assert head.headers["Content-Length"] == response.headers["Content-Length"]
        again = await client.fetch("/api/pipeline/logs/51/", headers={"If-None-Match": "*"})
        assert (again.code, again.body) == (304, b"")


async def test_a_timelapse_has_no_pipeline_log() -> None:
    fakes = Fakes()
    fakes.processes.records[51] = a_process(process_type="timelapse")
    async with fakes.serving() as client:
        assert (await client.fetch("/api/pipeline/logs/51/")).code == 404
