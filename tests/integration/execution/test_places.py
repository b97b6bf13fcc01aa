"""What a run promises, wherever its process is: the same tests for this machine and for Dask."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from runners.confinement import landlock
from runners.confinement.landlock import LandlockError
from server.config import PipelineEntry
from server.config.sections import Leases, Pool, Runner
from tests.fakes.dask_cluster import dask_cluster
from tests.integration.conftest import Client, make_config, serving
from tests.integration.scripts import Scripts, alive

WITHOUT_DASK = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None,
    reason="distributed is not installed (the extra dask): nothing was tried on a cluster",
)
try:
    WITH_LANDLOCK = landlock.version() > 0
except LandlockError:
    WITH_LANDLOCK = False
PLACES = ["local", pytest.param("dask", marks=[WITHOUT_DASK])]
pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=50)]


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest) -> str:
    """Return where the runs have their processes."""
    return str(request.param)


@pytest.fixture(scope="module")
def scripts(place: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripts]:
    """Yield what runs scripts at a place."""
    folder = tmp_path_factory.mktemp(place)
    limits: dict[str, dict[str, Any]] = {
        "Short": {"timeout_seconds": 0.7},
        "Processor": {"cpu_seconds": 1},
        "Quiet": {"log_bytes": 2000},
        "Confined": {"writable": []},
    }
    entries = {
        name: PipelineEntry(path="scripted.Scripted", limits=given)
        for name, given in {"Scripted": {}, **limits}.items()
    }
    config = replace(
        make_config(folder / "data"),
        pipelines=entries,
        pool=Pool(workers=2),
        runner=Runner(),
        leases=Leases(heartbeat_seconds=0.5, lease_seconds=10.0, check_seconds=0.2),
    )
    if place == "local":
        with serving(config) as running:
            yield Scripts(Client(running.url))
        return
    with dask_cluster(folder, workers=1, threads=2) as cluster:
        runner = Runner(type="dask", address=cluster.address, silence_seconds=4.0)
        with serving(replace(config, runner=runner)) as running:
            yield Scripts(Client(running.url))


async def entries(scripts: Scripts, pk: int) -> list[tuple[str, str]]:
    """Return level and text of each line."""
    return [(entry[2], entry[3]) for entry in await scripts.client.lines(pk)]


async def test_lines_have_their_levels_order_and_streams(scripts: Scripts) -> None:
    record = await scripts.run(
        """
        import logging, os, subprocess, sys
        self.log("first")
        print("printed")
        print("a warning", file=sys.stderr)
        logging.getLogger("stars").error("too faint")
        self.log("two\\nlines")
        self.log("a part", end="")
        self.log(" and its end")
        subprocess.run(["/bin/echo", "a program"], check=True)
        os.write(2, b"\\xff no UTF-8\\n")
        """
    )
    said = await entries(scripts, record["pk"])
    assert record["state"] == "succeeded"
    for expected in (
        ("info", "first"),
        ("info", "printed"),
        ("warning", "a warning"),
        ("error", "stars: too faint"),
        ("info", "two"),
        ("info", "lines"),
        ("info", "a part and its end"),
        ("info", "a program"),
        ("warning", "\ufffd no UTF-8"),
    ):
        assert said.count(expected) == 1
    own = [text for _, text in said if text in ("first", "two", "lines", "a part and its end")]
    assert own == ["first", "two", "lines", "a part and its end"]


async def test_an_unended_text_is_seen_while_the_run_goes_on(scripts: Scripts) -> None:
    pk = await scripts.submit(
        """
        import time
        self.log("Measuring", end="")
        while True:
            self.check_cancelled()
            time.sleep(0.02)
        """
    )
    await _until(scripts, pk, "Measuring")
    await scripts.client.call(f"/api/processes/{pk}/cancel/", "POST", status=202)
    assert (await scripts.client.ended(pk))["state"] == "cancelled"
    [first, *_] = await scripts.client.lines(pk)
    assert first[3:] == ["Measuring", True]


async def _until(scripts: Scripts, pk: int, text: str) -> None:
    async with asyncio.timeout(20):
        while text not in await scripts.texts(pk):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("raise ValueError('x')", "An unexpected error occurred"),
        ("from runners import AsyncError\nraise AsyncError('No stars')", "No stars"),
        ("import os; os._exit(3)", "The pipeline ended with exit code 3"),
        ("import sys; sys.exit('enough')", "enough"),
        ("import sys; sys.exit(4)", "The pipeline ended with exit code 4"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            "The pipeline was killed by signal 9 (SIGKILL)",
        ),
        (
            "import ctypes; ctypes.string_at(0)",
            "The pipeline was killed by signal 11 (SIGSEGV)",
        ),
    ],
)
async def test_a_bad_end_has_its_words_and_loses_no_line(
    scripts: Scripts, script: str, message: str
) -> None:
    record = await scripts.run(f"print('last line')\n{script}")
    assert (record["state"], record["failure_message"]) == ("failed", message)
    texts = await scripts.texts(record["pk"])
    assert texts[0] == "last line"
    assert message in texts


async def test_sys_exit_without_a_code_is_a_good_end(scripts: Scripts) -> None:
    record = await scripts.run("import sys; sys.exit()")
    assert (record["state"], record["resources"]["exit"]) == ("succeeded", "exit code 0")


async def test_a_cancel_asks_first(scripts: Scripts) -> None:
    pk = await scripts.submit(
        """
        import time
        self.log("begun now")
        try:
            while True:
                self.check_cancelled()
                time.sleep(0.01)
        finally:
            self.log("tidied up")
        """
    )
    await scripts.said(pk, "begun")
    await scripts.client.call(f"/api/processes/{pk}/cancel/", "POST", status=202)
    record = await scripts.client.ended(pk)
    assert (record["state"], record["failure_message"]) == ("cancelled", "Cancelled")
    assert "tidied up" in await scripts.texts(pk)


async def test_a_run_that_heeds_nothing_is_killed_with_its_children(scripts: Scripts) -> None:
    pk = await scripts.submit(
        """
        import signal, subprocess, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"])
        self.log(f"child {child.pid}")
        while True:
            time.sleep(1)
        """
    )
    child = int(await scripts.said(pk, "child"))
    await scripts.client.call(f"/api/processes/{pk}/cancel/", "POST", status=202)
    record = await scripts.client.ended(pk)
    assert record["state"] == "cancelled"
    assert record["resources"]["exit"] == "signal 9 (SIGKILL)"
    assert not alive(child)


async def test_time_and_processor_are_limited(scripts: Scripts) -> None:
    late = await scripts.run("import time; time.sleep(60)", "Short")
    assert late["failure_message"] == "Timed out after 0.7 s"
    busy = await scripts.run("while True: pass", "Processor")
    assert busy["failure_message"] == "The pipeline was killed by signal 24 (SIGXCPU)"
    assert "It used up its 1 CPU seconds (limits.cpu_seconds)" in await scripts.texts(busy["pk"])


async def test_a_log_that_is_too_long_ends_with_a_notice(scripts: Scripts) -> None:
    record = await scripts.run("for n in range(1000): self.log(f'line {n}')", "Quiet")
    assert record["state"] == "succeeded"
    assert record["log_lines"] < 300


async def test_a_hundred_thousand_lines_come_whole_and_in_order(scripts: Scripts) -> None:
    record = await scripts.run(
        """
        for number in range(100_000):
            self.log(f"{number} " + "x" * 40)
        """
    )
    text = await scripts.client.fetch(f"/api/processes/{record['pk']}/logs.txt")
    assert record["log_lines"] == 100_000
    lines = text.body.decode().splitlines()
    assert [int(line.partition(" ")[0]) for line in lines] == list(range(100_000))


async def test_outputs_are_taken_as_they_are_when_they_are_yielded(scripts: Scripts) -> None:
    record = await scripts.run(
        """
        def make():
            for number in range(3):
                path = tmpdir / "frame.bin"
                path.write_bytes(bytes([number]) * 700_000)
                yield path
                path.write_bytes(b"spoilt")
        outputs = make()
        """
    )
    assert record["state"] == "succeeded", record
    products = [await scripts.client.call(f"/api/dataproducts/{pk}/") for pk in record["outputs"]]
    files = [(await scripts.client.fetch(each["url"])).body for each in products]
    assert files == [bytes([number]) * 700_000 for number in range(3)]


async def test_an_output_that_is_gone_fails_the_run(scripts: Scripts) -> None:
    record = await scripts.run(
        """
        import atexit
        path = tmpdir / "table.csv"
        path.write_text("x")
        atexit.register(path.unlink)
        outputs = [path]
        """
    )
    message = "The outputs could not be stored: table.csv is not a file any more"
    assert (record["state"], record["failure_message"]) == ("failed", message)


@pytest.mark.skipif(not WITH_LANDLOCK, reason="the kernel has no Landlock: nothing is confined")
async def test_a_confined_run_writes_to_its_own_folder_and_reads_no_other(scripts: Scripts) -> None:
    record = await scripts.run(
        """
        import os
        from pathlib import Path
        assert Path(self.input_files.first().data.path).read_bytes() == b"x"
        (tmpdir / "own.txt").write_text("own")
        def write_elsewhere():
            # A place outside the run's folders that all may write to: nothing may be made there.
            Path("/var/tmp/heliograph-confined").write_text("elsewhere")
        def look_at_others():
            os.listdir(tmpdir.parents[2])
        for act in (write_elsewhere, look_at_others):
            try:
                act()
            except PermissionError:
                self.log(f"{act.__name__} was refused")
        outputs = [tmpdir / "own.txt"]
        """,
        "Confined",
    )
    assert (record["state"], len(record["outputs"])) == ("succeeded", 1), record
    said = await scripts.texts(record["pk"])
    assert said == ["write_elsewhere was refused", "look_at_others was refused"]
    receipt = await scripts.client.call(f"/api/processes/{record['pk']}/receipt/")
    assert (receipt["isolation"]["writable"], receipt["isolation"]["reason"]) == ([], None)
    outside = "outputs = [__import__('pathlib').Path('/etc/hostname')]"
    refused = await scripts.run(outside, "Confined")
    assert refused["state"] == "failed"
    assert "hostname" in refused["failure_message"], refused


async def test_the_inputs_are_the_runs_own(scripts: Scripts) -> None:
    record = await scripts.run(
        """
        data = self.input_files.first().data
        self.log(f"read {data.read()!r}")
        open(data.path, "wb").write(b"spoilt")
        """
    )
    texts = await scripts.texts(record["pk"])
    assert texts[0] == "read b'x'"
    said = "The pipeline has changed its copy of input.fits; the stored file is as it was"
    assert said in texts
    again = await scripts.run("self.log(self.input_files.first().data.read().decode())")
    assert (await scripts.texts(again["pk"]))[0] == "x"


async def test_children_of_a_run_speak_for_it(scripts: Scripts) -> None:
    record = await scripts.run(
        """
        import subprocess, sys
        code = "print('from a child')"
        subprocess.run([sys.executable, "-c", code], check=True)
        import os
        if not (child := os.fork()):
            self.log("from a fork")
            os._exit(0)
        os.waitpid(child, 0)
        """
    )
    texts = await scripts.texts(record["pk"])
    assert {"from a child", "from a fork"} <= set(texts)


async def test_a_process_that_leaves_the_session_is_named(scripts: Scripts) -> None:
    record = await scripts.run(
        """
        import subprocess
        child = subprocess.Popen(["/bin/sleep", "30"], start_new_session=True)
        self.log(f"left {child.pid}")
        """
    )
    texts = await scripts.texts(record["pk"])
    [pid] = [int(text.split()[1]) for text in texts if text.startswith("left ")]
    try:
        assert f"OS process {pid} (sleep) left the run's session and goes on" in texts
    finally:
        os.kill(pid, signal.SIGKILL)


async def test_status_progress_and_the_live_picture_are_seen(scripts: Scripts) -> None:
    pk = await scripts.submit(
        """
        import time
        (tmpdir / "preview.png").write_bytes(b"\\x89PNG\\r\\n\\x1a\\n rest")
        with self.update_status("Stacking"):
            self.progress(1, 4)
            self.log("begun now")
            while True:
                self.check_cancelled()
                time.sleep(0.01)
        """
    )
    await scripts.said(pk, "begun")
    async with asyncio.timeout(10):
        while (record := await scripts.client.call(f"/api/processes/{pk}/"))["progress"] is None:
            await asyncio.sleep(0.02)
    assert (record["status"], record["progress"]) == ("Stacking", {"done": 1.0, "total": 4.0})
    picture = await scripts.client.fetch(f"/processes/{pk}/preview.png")
    assert picture.body == b"\x89PNG\r\n\x1a\n rest"
    await scripts.client.call(f"/api/processes/{pk}/cancel/", "POST", status=202)
    await scripts.client.ended(pk)


async def test_the_receipt_tells_the_machine(scripts: Scripts, place: str) -> None:
    record = await scripts.run("pass")
    receipt = await scripts.client.call(f"/api/processes/{record['pk']}/receipt/")
    assert receipt["environment"]["packages"]["numpy"]
    assert receipt["source"]["sha256"]
    assert [each["name"] for each in receipt["inputs"]] == ["input.fits"]
    assert (receipt["worker"] is not None) == (place == "dask")


async def test_resources_are_measured(scripts: Scripts) -> None:
    record = await scripts.run(
        """
        import time
        kept = bytearray(b"x" * 150_000_000)
        end = time.process_time() + 0.3
        while time.process_time() < end: pass
        """
    )
    assert record["resources"]["peak_rss_bytes"] > 150_000_000
    assert record["resources"]["cpu_seconds"] >= 0.3


async def test_many_runs_end_once_each(scripts: Scripts) -> None:
    script = "p = tmpdir / 'a.txt'; p.write_text('x'); outputs = [p]"
    pks = [await scripts.submit(script) for _ in range(12)]
    records = [await scripts.client.ended(pk) for pk in pks]
    assert {(record["state"], record["attempt"]) for record in records} == {("succeeded", 1)}
    assert len({record["outputs"][0] for record in records}) == 12


async def test_the_main_output_is_in_the_record_and_the_receipt_until_it_is_deleted(
    scripts: Scripts,
) -> None:
    record = await scripts.run(
        """
        from runners import PipelineOutput
        for name in ("a.txt", "b.txt", "c.txt"):
            (tmpdir / name).write_text(name)
        outputs = [
            "a.txt", PipelineOutput("b.txt", main=True), PipelineOutput("c.txt", main=True)
        ]
        """
    )
    receipt_url = f"/api/processes/{record['pk']}/receipt/"
    assert record["main"] == record["outputs"][1]
    assert (await scripts.client.call(receipt_url))["main"] == record["main"]
    said = await entries(scripts, record["pk"])
    assert ("info", "c.txt is not the main output: b.txt is already") in said
    await scripts.client.call(f"/api/dataproducts/{record['main']}/", "DELETE", status=204)
    again = await scripts.client.call(f"/api/processes/{record['pk']}/")
    assert again["main"] is None
    assert len(again["outputs"]) == 2


async def test_the_main_output_can_be_a_light_curve(scripts: Scripts) -> None:
    record = await scripts.run(
        """
        from runners import PipelineOutput
        (tmpdir / "a.png").write_text("no picture")
        (tmpdir / "curve.csv").write_text("time,magnitude\\n59000.5,12.5\\n")
        outputs = ["a.png", PipelineOutput("curve.csv", "ReducedDatum", main=True)]
        """
    )
    assert (record["state"], record["main"]) == ("succeeded", "lightcurve")


async def test_the_frames_of_a_film_are_seen_while_it_is_made(scripts: Scripts) -> None:
    pk = await scripts.submit(
        """
        import time
        (tmpdir / "frame-3.jpg").write_bytes(b"\\xff\\xd8\\xff a picture")
        (tmpdir / "frame-4.jpg").write_bytes(b"<script>")
        self.log("made it")
        while True:
            self.check_cancelled()
            time.sleep(0.02)
        """
    )
    await scripts.said(pk, "made")
    path = f"/processes/{pk}/frames"
    frame = await scripts.client.fetch(f"{path}/3.jpg")
    assert (frame.code, frame.body) == (200, b"\xff\xd8\xff a picture")
    assert frame.headers["Content-Type"] == "image/jpeg"
    known = {"If-None-Match": frame.headers["Etag"]}
    assert (await scripts.client.fetch(f"{path}/3.jpg", headers=known)).code == 304
    for name in ("4", "5", "0", "03", "2147483648"):
        assert (await scripts.client.fetch(f"{path}/{name}.jpg")).code == 404
    await scripts.client.call(f"/api/processes/{pk}/cancel/", "POST", status=202)
    await scripts.client.ended(pk)
    assert (await scripts.client.fetch(f"{path}/3.jpg")).code == 404
