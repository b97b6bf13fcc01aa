"""Each limit holds, set for all pipelines or for one, cannot be lifted, and is named."""

from __future__ import annotations

import dataclasses
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.config import Limits
from server.core.disk import open_files
from tests.integration.conftest import Client, serving
from tests.integration.scripts import Scripts, scripted_config

pytestmark = pytest.mark.gen_test(timeout=50)

MIB = 2**20
#: The limits of all pipelines on the server, and what single pipelines have instead.
GENERAL = Limits(file_size_bytes=MIB, open_files=200, nice=1)
BY_PIPELINE: dict[str, dict[str, Any]] = {
    "Short of space": {"address_space_bytes": 3 * 2**30},
    "Without space": {"address_space_bytes": 10 * MIB},
    "Short of time": {"cpu_seconds": 1},
    "Larger files": {"file_size_bytes": 3 * MIB},
    "More files": {"open_files": 400},
    "Nicer": {"nice": 7},
    "Impatient": {"timeout_seconds": 0.5},
}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripts]:
    """Yield scripts on a server with limits."""
    config = scripted_config(tmp_path_factory.mktemp("limits"), BY_PIPELINE)
    with serving(dataclasses.replace(config, limits=GENERAL)) as running:
        yield Scripts(Client(running.url))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
async def test_the_address_space_ends_in_an_error_that_is_named(scripts: Scripts) -> None:
    record = await scripts.run("x = [0] * 10**9", "Short of space")
    texts = await scripts.texts(record["pk"])
    assert record["failure_message"] == "An unexpected error occurred"
    assert "MemoryError" in texts
    assert f"It was out of memory: its address space is limited to {3 * 2**30} bytes" in texts
    assert (await scripts.run("x = bytearray(2**27)", "Short of space"))["state"] == "succeeded"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
async def test_a_run_with_no_space_at_all_still_says_why(scripts: Scripts) -> None:
    record = await scripts.run("x = bytearray(2**26)", "Without space")
    assert record["state"] == "failed"
    assert any("out of memory" in text for text in await scripts.texts(record["pk"]))


async def test_the_end_of_the_processor_time_is_said_in_words(scripts: Scripts) -> None:
    record = await scripts.run("while True: pass", "Short of time")
    assert record["failure_message"].startswith("The pipeline was killed by signal 24 (SIGXCPU)")
    assert (await scripts.texts(record["pk"]))[-1] == (
        "It used up its 1 CPU seconds (limits.cpu_seconds)"
    )
    assert record["resources"]["cpu_seconds"] >= 0.9


@pytest.mark.slow
async def test_who_ignores_the_end_of_the_processor_time_is_killed_a_second_later(
    scripts: Scripts,
) -> None:
    record = await scripts.run(
        "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
        "Short of time",
    )
    assert record["failure_message"] == "The pipeline was killed by signal 9 (SIGKILL)"
    assert (await scripts.texts(record["pk"]))[-1] == (
        "It used up its 1 CPU seconds (limits.cpu_seconds)"
    )


@pytest.mark.parametrize(("pipeline", "limit"), [("Scripted", MIB), ("Larger files", 3 * MIB)])
async def test_a_file_grows_to_its_limit_and_then_there_is_an_error(
    scripts: Scripts, pipeline: str, limit: int
) -> None:
    record = await scripts.run(
        """
        import errno, subprocess
        try:
            with open("large", "wb") as file:
                while True:
                    file.write(bytes(1000))
        except OSError as error:
            self.log(f"error {errno.errorcode[error.errno]}")
        self.log(f"size {(tmpdir / 'large').stat().st_size}")
        """,
        pipeline,
    )
    assert await scripts.texts(record["pk"]) == ["error EFBIG", f"size {limit}"]


@pytest.mark.parametrize(("pipeline", "limit"), [("Scripted", 200), ("More files", 400)])
async def test_there_are_no_more_open_files_than_allowed(
    scripts: Scripts, pipeline: str, limit: int
) -> None:
    record = await scripts.run(
        """
        import errno
        files = []
        try:
            while True:
                files.append(open("/dev/null"))
        except OSError as error:
            said = f"error {errno.errorcode[error.errno]} after {len(files)}"
            files.clear()
            self.log(said)
        """,
        pipeline,
    )
    [said] = await scripts.texts(record["pk"])
    assert said.startswith("error EMFILE after ")
    assert limit - 20 < int(said.split()[-1]) < limit


@pytest.mark.parametrize(("pipeline", "nice"), [("Scripted", 1), ("Nicer", 7)])
async def test_a_run_is_as_nice_as_it_should_be(scripts: Scripts, pipeline: str, nice: int) -> None:
    record = await scripts.run("import os; self.log(f'nice {os.nice(0)}')", pipeline)
    assert await scripts.texts(record["pk"]) == [f"nice {os.nice(0) + nice}"]


async def test_limits_are_hard_so_that_a_run_cannot_lift_them(scripts: Scripts) -> None:
    record = await scripts.run(
        """
        import resource
        for name in ("CPU", "FSIZE", "NOFILE"):
            self.log(f"{name} {resource.getrlimit(getattr(resource, 'RLIMIT_' + name))}")
        """,
        "Short of time",
    )
    assert await scripts.texts(record["pk"]) == [
        "CPU (1, 2)",
        f"FSIZE ({MIB}, {MIB})",
        "NOFILE (200, 200)",
    ]


async def test_a_run_gets_the_limit_of_open_files_that_the_server_was_started_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_files, "SOFT_LIMIT_AT_START", 777)
    with serving(scripted_config(tmp_path)) as running:
        scripts = Scripts(Client(running.url))
        script = "import resource; self.log(str(resource.getrlimit(resource.RLIMIT_NOFILE)))"
        record = await scripts.run(script)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        assert await scripts.texts(record["pk"]) == [f"(777, {hard})"]


async def test_a_pipeline_has_a_time_out_of_its_own(scripts: Scripts) -> None:
    record = await scripts.run("import time; time.sleep(60)", "Impatient")
    assert (record["state"], record["failure_message"]) == ("failed", "Timed out after 0.5 s")
    assert (await scripts.texts(record["pk"]))[-1] == "Timed out after 0.5 s"


async def test_the_general_time_out_holds_for_all_others(tmp_path: Path) -> None:
    limits = Limits(timeout_seconds=0.4)
    config = dataclasses.replace(scripted_config(tmp_path), limits=limits)
    with serving(config) as running:
        scripts = Scripts(Client(running.url))
        record = await scripts.run("import time; time.sleep(60)")
    assert record["failure_message"] == "Timed out after 0.4 s"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such a score")
async def test_the_kernel_would_rather_kill_a_run_than_the_server(scripts: Scripts) -> None:
    record = await scripts.run(
        "self.log(open('/proc/self/oom_score_adj').read().strip())", "Scripted"
    )
    assert await scripts.texts(record["pk"]) == ["500"]
