"""The examiner: answers, and goes on after a child that hung or died."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import psutil
import pytest
from astropy.io import fits

from runners import examiner
from runners.examiner import ExaminationError, Examiner, UnsuitableRequest
from runners.examiner.child import serve
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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows an environment like this")
def test_it_gets_no_more_of_the_environment_than_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "hush")
    path = write_fits(tmp_path / "a.fits", noise())

    async def names(child: Examiner) -> set[str]:
        try:
            assert await child.metadata(path) is not None
            return set(psutil.Process(pid_of(child)).environ())
        finally:
            await child.close()

    assert asyncio.run(names(Examiner(environment={}))) <= {"PYTHONPATH", "LC_CTYPE"}
    given = asyncio.run(names(Examiner()))
    assert "PATH" in given
    assert "DATABASE_PASSWORD" not in given


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
        table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.5])])
        table.writeto(tmp_path / "table.fits")
        await child.table(tmp_path / "table.fits", tmp_path / "out.csv")
        assert (tmp_path / "out.csv").read_text() == "x\n1.5\n"
        with pytest.raises(ValueError, match=r"a\.fits holds no table"):
            await child.table(path, tmp_path / "no.csv")
        (tmp_path / "curve.csv").write_text("JD;mag\n2459000,5;12,5\n")
        await child.light_curve(tmp_path / "curve.csv", tmp_path / "out.json", 10)
        read = json.loads((tmp_path / "out.json").read_text())
        assert read["lightcurve"]["points"] == [[59000.0, 12.5, None, None, False]]
        with pytest.raises(ValueError, match=r"^words\.txt holds no table"):
            await child.light_curve(tmp_path / "words.txt", tmp_path / "no.json", 10, True)
        (tmp_path / "a.xisf").write_bytes(b"XISF0100" + bytes(99))
        with pytest.raises(ValueError, match=r"a\.xisf is an XISF file of PixInsight, which cann"):
            await child.preview(tmp_path / "a.xisf", tmp_path / "no.png", 64)
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
        with contextlib.suppress(ExaminationError):  # asked before the death was noticed
            await child.metadata(path)
        assert await child.metadata(path) is not None

    examine(scenario)


def test_a_child_that_dies_while_it_examines_is_no_verdict_on_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_fits(tmp_path / "a.fits", noise())

    async def scenario(child: Examiner) -> None:
        assert await child.metadata(path) is not None
        os.kill(pid_of(child), signal.SIGSTOP)
        asked = asyncio.ensure_future(child.metadata(path))
        await asyncio.sleep(0.1)
        os.kill(pid_of(child), signal.SIGKILL)
        with pytest.raises(ExaminationError, match=r"^The file could not be examined$"):
            await asked
        assert await child.metadata(path) is not None

    with caplog.at_level(logging.WARNING):
        examine(scenario)
    [record] = caplog.records
    assert record.getMessage() == (
        f"{path} could not be examined, and the child ended with signal 9 (SIGKILL)"
    )
    assert vars(record)["action"] == "examination_failed"


@pytest.mark.slow
def test_one_that_abandons_stops_what_nobody_waits_for(tmp_path: Path) -> None:
    points = {"time": [0.0, 0.3, 1.1, 1.9, 2.2, 3.4], "value": [1.0, 2.0, 1.5, 3.0, 1.0, 2.0]}
    given = tmp_path / "points.json"
    given.write_text(json.dumps({**points, "error": [None] * 6, "filter": ["V"] * 6}))
    found = tmp_path / "found.json"

    async def scenario() -> None:
        child = Examiner(subject="periods", abandons=True)
        try:
            await child.periodogram(given, found, {})
            assert json.loads(found.read_text())["points"] == 6
            stopped = psutil.Process(pid_of(child))
            stopped.suspend()
            asked = asyncio.ensure_future(child.periodogram(given, found, {}))
            async with asyncio.timeout(20):
                while not child._turn.locked():
                    await asyncio.sleep(0.001)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            assert not stopped.is_running()
            with pytest.raises(UnsuitableRequest, match="the shortest period must be less"):
                await child.periodogram(given, found, {"minimum": 99.0})
            assert child.starts == 2
        finally:
            await child.close()

    asyncio.run(asyncio.wait_for(scenario(), 50))


def test_who_leaves_the_queue_asks_nothing(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "a.fits", noise())

    async def scenario() -> None:
        child = Examiner()
        try:
            async with child._turn:  # which another request has
                asked = [asyncio.ensure_future(child.metadata(path)) for _ in range(20)]
                await asyncio.sleep(0)
                for each in asked[1:]:
                    each.cancel()
                await asyncio.sleep(0)
                assert child._exchanges == set()
            assert await asked[0]
            assert all(each.cancelled() for each in asked[1:])
        finally:
            await child.close()

    asyncio.run(asyncio.wait_for(scenario(), 50))


def test_a_time_out_is_no_verdict_on_the_file(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "a.fits", noise())

    async def scenario(child: Examiner) -> None:
        assert await child.metadata(path) is not None
        os.kill(pid_of(child), signal.SIGSTOP)
        with pytest.raises(ExaminationError, match="took too long"):
            await child.metadata(path)

    examine(scenario, answer_seconds=1.0)


def test_a_corrupt_file_is_no_fits_file_for_good(tmp_path: Path) -> None:
    (tmp_path / "a.fits").write_bytes(b"SIMPLE  =" + b"?" * 10_000)

    async def scenario(child: Examiner) -> None:
        assert await child.metadata(tmp_path / "a.fits") is None

    examine(scenario)


def test_a_child_that_dies_idle_is_replaced_unasked(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "a.fits", noise())

    async def scenario(child: Examiner) -> None:
        assert await child.metadata(path) is not None
        assert child.problem() is None
        dead = pid_of(child)
        os.kill(dead, signal.SIGKILL)
        async with asyncio.timeout(20):
            while child.problem() is None:
                await asyncio.sleep(0.001)
            assert child.problem() == (
                "The process that examines files ended with signal 9 (SIGKILL)"
            )
            while child.problem() is not None:
                await asyncio.sleep(0.01)
        assert pid_of(child) != dead

    examine(scenario)


def test_a_child_that_never_gets_ready_is_a_problem_until_one_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(examiner, "RESTART_SECONDS", 0.05)
    start, tries = examiner._start_child, iter(range(3))

    async def start_child(
        environment: Mapping[str, str], subject: str
    ) -> asyncio.subprocess.Process:
        match next(tries, None):
            case None:
                return await start(environment, subject)
            case 1:
                raise OSError(11, "Resource temporarily unavailable")
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-S", "-c", "raise SystemExit(3)"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    monkeypatch.setattr(examiner, "_start_child", start_child)

    async def scenario(child: Examiner) -> None:
        seen: list[str | None] = []
        async with asyncio.timeout(30):
            while seen[-1:] != [None] or len(seen) < 2:
                if child.problem() not in seen[-1:]:
                    seen.append(child.problem())
                await asyncio.sleep(0.001)
        ended = "The process that examines files ended with exit code 3"
        refused = (
            "The process that examines files cannot be started: Resource temporarily unavailable"
        )
        assert seen == [None, ended, refused, ended, None]

    examine(scenario)


@pytest.mark.slow
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
            with pytest.raises(ExaminationError, match="Too many files are waiting"):
                await child.metadata(tmp_path)
            with pytest.raises(ValueError, match="Too many files are waiting"):
                await child.preview(tmp_path, tmp_path / "out.png", 64)

    examine(scenario)


def test_after_close_nothing_is_left_and_nobody_waits(tmp_path: Path) -> None:
    async def scenario(child: Examiner) -> None:
        asked = [asyncio.ensure_future(child.metadata(tmp_path)) for _ in range(3)]
        await asyncio.sleep(0)
        pid = pid_of(child)
        await child.close()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(answer) for answer in answers] == [ExaminationError] * 3
        with pytest.raises(ExaminationError):
            await child.metadata(tmp_path)
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
        {"metadata": str(path)},
        {"preview": [str(path), str(tmp_path / "out.png"), 32]},
        {"preview": [str(tmp_path / "gone"), str(tmp_path / "no.png"), 32]},
    ]
    answers = io.StringIO()
    serve(io.StringIO("".join(json.dumps(request) + "\n" for request in requests)), answers)
    ready, found, preview, gone = map(json.loads, answers.getvalue().splitlines())

    assert ready == {"ready": True}
    assert found["metadata"]["width"] == 80
    assert preview == {}
    assert gone == {"error": "It failed: No such file or directory"}


def test_a_fault_of_the_machine_is_no_verdict_on_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("runners.fits.metadata.fits_metadata", fail)
    answers = io.StringIO()
    serve(io.StringIO('{"metadata": "a.fits"}\n'), answers)
    _ready, answer = map(json.loads, answers.getvalue().splitlines())
    assert answer == {"error": "It failed: Input/output error"}

    async def scenario(child: Examiner) -> None:
        async def answer_so(*_request: object) -> object:
            return answer

        monkeypatch.setattr(child, "_ask", answer_so)
        with pytest.raises(ExaminationError, match="Input/output error"):
            await child.metadata(tmp_path)

    examine(scenario)


def test_what_a_child_prints_becomes_records(caplog: pytest.LogCaptureFixture) -> None:
    program = (
        "import sys; w = sys.stderr.buffer.write; "
        "w(b'a warning\\n'); w(b'y' * 300_000 + b'\\n'); w(b'\\xff not UTF-8\\n'); w(b'its last')"
    )

    async def read() -> None:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stderr=asyncio.subprocess.PIPE
        )
        await examiner._log_messages(child)
        await child.wait()

    asyncio.run(asyncio.wait_for(read(), 50))
    said = [record for record in caplog.records if vars(record)["action"] == "examiner_message"]
    messages = [record.getMessage() for record in said]
    assert messages[0] == "Examiner: a warning"
    assert messages[-2:] == ["Examiner: \ufffd not UTF-8", "Examiner: its last"]
