"""What leaves a run's session is found and reported; what stays in it never outlives the run."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.integration.conftest import Client, serving
from tests.integration.scripts import Scripts, alive, eventually, scripted_config

pytestmark = [
    pytest.mark.gen_test(timeout=50),
    pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux only"),
]

#: Each prints the PID of a process that has left the session and lives on, and ends soon after.
WAYS_OUT = {
    "a session of its own": """
        import subprocess
        print("pid", subprocess.Popen(["sleep", "600"], start_new_session=True).pid)
        """,
    "a double fork": """
        import os, time
        ready, tell = os.pipe()
        child = os.fork()
        if child:
            os.read(ready, 1)
        else:
            os.setsid()
            if os.fork():
                os._exit(0)
            self.log(f"pid {os.getpid()}")
            os.write(tell, b"x")
            for descriptor in range(100):
                try:
                    os.close(descriptor)
                except OSError:
                    pass
            os.chdir("/")
            time.sleep(600)
        """,
    "a program without an environment but our name": """
        import os, subprocess
        print("pid", subprocess.Popen(
            ["setsid", "sleep", "600"], env={"PIPELINE_PROCESS": self.identifier}).pid)
        import time; time.sleep(0.1)
        """,
}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripts]:
    """Yield scripts on a server of this module."""
    with serving(scripted_config(tmp_path_factory.mktemp("escapes"))) as running:
        yield Scripts(Client(running.url))


@pytest.mark.parametrize("way", WAYS_OUT)
async def test_a_short_run_that_leaves_something_behind_says_so(scripts: Scripts, way: str) -> None:
    record = await scripts.run(WAYS_OUT[way])
    pid = int(await scripts.said(record["pk"], "pid"))
    try:
        assert alive(pid)
        name = psutil.Process(pid).name()
        [said] = [text for text in await scripts.texts(record["pk"]) if "left the run" in text]
        assert said == f"OS process {pid} ({name}) left the run's session and goes on"
        assert record["state"] == "succeeded"
    finally:
        os.kill(pid, signal.SIGKILL)


async def test_only_the_run_that_left_it_behind_reports_it(scripts: Scripts) -> None:
    first = await scripts.run(WAYS_OUT["a session of its own"])
    pid = int(await scripts.said(first["pk"], "pid"))
    try:
        second = await scripts.run("pass")
        assert await scripts.texts(second["pk"]) == []
    finally:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
async def test_who_writes_on_for_ever_from_outside_does_not_hold_the_run_up(
    scripts: Scripts,
) -> None:
    record = await asyncio.wait_for(
        scripts.run("""
            import subprocess
            print("pid", subprocess.Popen(["yes"], start_new_session=True).pid)
            """),
        20,
    )
    pid = int(await scripts.said(record["pk"], "pid"))
    await eventually(lambda: not alive(pid))  # its output is no longer read
    assert record["state"] == "succeeded"


async def test_what_stays_in_the_group_is_gone_with_the_run(scripts: Scripts) -> None:
    record = await scripts.run("""
        import subprocess
        code = "trap '' TERM HUP; sleep 600 & echo pid $!; wait"
        subprocess.Popen(["sh", "-c", code])
        print("shell", subprocess.Popen(["sleep", "600"]).pid)
        import time; time.sleep(0.3)
        """)
    for word in ("pid", "shell"):
        assert not alive(int(await scripts.said(record["pk"], word)))


async def test_a_child_has_no_descriptor_of_the_servers(scripts: Scripts) -> None:
    record = await scripts.run("""
        import os
        for name in sorted(os.listdir("/proc/self/fd"), key=int):
            try:
                kind = os.readlink(f"/proc/self/fd/{name}").split(":")[0]
            except OSError:
                continue  # that of the listing
            self.log(f"{name if int(name) < 3 else 'more'} {kind}")
        """)
    said = [text for text in await scripts.texts(record["pk"]) if text != "more /dev/null"]
    # Behind the standard ones: its messages, its commands and multiprocessing's sentinel, each a
    # pipe of its own, of which the server has nothing but the other end.
    assert said == [
        "0 /dev/null", "1 pipe", "2 pipe", "more pipe", "more pipe", "more pipe",
    ]  # fmt: skip


async def test_a_program_that_a_run_starts_has_nothing_but_the_standard_streams(
    scripts: Scripts,
) -> None:
    record = await scripts.run("""
        import subprocess
        listed = subprocess.run(["ls", "/proc/self/fd"], capture_output=True, close_fds=False)
        self.log(listed.stdout.decode().split())
        """)
    # The fourth is the listing's own.
    assert await scripts.texts(record["pk"]) == ["['0', '1', '2', '3']"]


@pytest.mark.slow
async def test_a_fork_of_a_run_ends_by_sigterm_however_early_it_comes(scripts: Scripts) -> None:
    record = await scripts.run("""
        import multiprocessing, os, signal
        lock = multiprocessing.get_context("fork").Lock()
        lock.acquire()
        signals = set()
        for _ in range(300):
            fork = os.fork()
            if not fork:
                lock.acquire()  # for ever
            os.kill(fork, signal.SIGTERM)
            signals.add(os.WTERMSIG(os.waitpid(fork, 0)[1]))
        print(signals)
        """)
    assert record["state"] == "succeeded"
    assert "{15}" in await scripts.texts(record["pk"])


async def test_a_run_may_use_multiprocessing_itself(scripts: Scripts) -> None:
    record = await scripts.run("""
        import multiprocessing, os
        for method in ("fork", "spawn", "forkserver"):
            context = multiprocessing.get_context(method)
            with context.Pool(2) as pool:
                self.log(f"{method} {sum(pool.map(abs, range(-3, 0)))}")
        from multiprocessing import shared_memory
        memory = shared_memory.SharedMemory(create=True, size=10)
        memory.close(); memory.unlink()
        """)
    said = await scripts.texts(record["pk"])
    assert record["state"] == "succeeded", said
    assert said == ["fork 6", "spawn 6", "forkserver 6"]
