"""The examiner: answers, and goes on after a child that hung or died."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from runners import examiner
from runners.examiner import Examiner, serve
from tests.fakes.sky import noise, write_fits


def examine(scenario: Callable[[Examiner], Awaitable[None]], answer_seconds: float = 10.0) -> None:
    """Run a scenario with an examiner that is started before and closed after it."""

    async def whole() -> None:
        child = Examiner(answer_seconds)
        try:
            await child.start()
            await scenario(child)
        finally:
            await child.close()

    asyncio.run(asyncio.wait_for(whole(), 50))


def pid_of(child: Examiner) -> int:
    assert child._child is not None
    return child._child.pid


def test_files_are_examined_whatever_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_fits(tmp_path / "a.fits", noise(), FILTER="V")
    (tmp_path / "words.txt").write_text("words")
    # A module of the same name in the working directory must not be taken for the library.
    (tmp_path / "numpy.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)

    async def scenario(child: Examiner) -> None:
        facts = await child.metadata(path)
        assert facts is not None
        assert (facts["filter"], facts["width"]) == ("V", 80)
        assert await child.metadata(tmp_path / "words.txt") is None
        await child.preview(path, tmp_path / "out.png", 64)
        with pytest.raises(ValueError, match=r"words\.txt is not a FITS, PNG or JPEG image"):
            await child.preview(tmp_path / "words.txt", tmp_path / "no.png", 64)

    examine(scenario)
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_many_requests_at_once_are_all_answered_by_one_child(tmp_path: Path) -> None:
    paths = [write_fits(tmp_path / f"{i}.fits", None, FILTER=str(i)) for i in range(20)]

    async def scenario(child: Examiner) -> None:
        before = pid_of(child)
        answers = await asyncio.gather(*(child.metadata(path) for path in paths))
        assert [answer and answer["filter"] for answer in answers] == [str(i) for i in range(20)]
        assert pid_of(child) == before

    examine(scenario)


def test_a_child_that_died_is_replaced(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "a.fits", noise())

    async def scenario(child: Examiner) -> None:
        assert await child.metadata(path) is not None
        os.kill(pid_of(child), signal.SIGKILL)
        await child.metadata(path)  # None when asked before the death was noticed
        assert await child.metadata(path) is not None

    examine(scenario)


def test_a_request_that_hangs_is_given_up_and_the_child_replaced(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "a.fits", noise())

    async def scenario(child: Examiner) -> None:
        assert await child.metadata(path) is not None
        hung = pid_of(child)
        os.kill(hung, signal.SIGSTOP)
        with pytest.raises(ValueError, match="took too long"):
            await child.preview(path, tmp_path / "out.png", 64)
        child._answer_seconds = 10.0
        assert await child.metadata(path) is not None
        assert pid_of(child) != hung

    examine(scenario, answer_seconds=1.0)


def test_whoever_leaves_takes_no_answer_of_others_along(tmp_path: Path) -> None:
    paths = [write_fits(tmp_path / f"{i}.fits", None, FILTER=str(i)) for i in range(4)]

    async def scenario(child: Examiner) -> None:
        asked = [asyncio.ensure_future(child.metadata(path)) for path in paths]
        await asyncio.sleep(0)
        asked[0].cancel()
        asked[2].cancel()
        answers = [await asked[place] for place in (1, 3)]
        assert [answer and answer["filter"] for answer in answers] == ["1", "3"]

    examine(scenario)


def test_waiting_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examiner, "QUEUE_SECONDS", 0.05)

    async def scenario(child: Examiner) -> None:
        async with child._turn:
            assert await child.metadata(tmp_path) is None
            with pytest.raises(ValueError, match="Too many files are waiting"):
                await child.preview(tmp_path, tmp_path / "out.png", 64)

    examine(scenario)


def test_after_close_nothing_is_left_and_nobody_waits(tmp_path: Path) -> None:
    async def scenario(child: Examiner) -> None:
        asked = [asyncio.ensure_future(child.metadata(tmp_path)) for _ in range(3)]
        await asyncio.sleep(0)
        pid = pid_of(child)
        await child.close()
        assert await asyncio.gather(*asked) == [None, None, None]
        assert await child.metadata(tmp_path) is None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    examine(scenario)


def test_the_child_ends_with_its_input(tmp_path: Path) -> None:
    async def scenario(child: Examiner) -> None:
        process = child._child
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 20) == 0

    examine(scenario)


def test_the_childs_side_answers_line_by_line(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "a.fits", noise())
    requests = [
        {"facts": str(path)},
        {"preview": [str(path), str(tmp_path / "out.png"), 32]},
        {"preview": [str(tmp_path / "gone"), str(tmp_path / "no.png"), 32]},
    ]
    answers = io.StringIO()
    serve(io.StringIO("".join(json.dumps(request) + "\n" for request in requests)), answers)
    ready, facts, preview, gone = map(json.loads, answers.getvalue().splitlines())

    assert ready == {"ready": True}
    assert facts["facts"]["width"] == 80
    assert preview == {}
    assert "gone" in gone["error"]
