"""Cancelled runs are gone, however they resist, and whatever else happens meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import pytest

from runners.execution.pool import Pool, Run
from runners.supervision import termination
from server.archive.storage import FileStorage
from server.config import sections
from tests.integration.conftest import Client, serving
from tests.integration.scripts import Scripts, alive, eventually, scripted_config

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=50)]

GONE_SECONDS = 3 * termination.GRACE_SECONDS

#: Each logs `pids` and all of its PIDs, and would otherwise go on for ever.
STUBBORN = {
    "one that ignores what can be ignored": """
        for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        self.log(f"pids {os.getpid()}")
        while True:
            time.sleep(1)
        """,
    "one that catches everything": """
        self.log(f"pids {os.getpid()}")
        while True:
            try:
                time.sleep(600)
            except BaseException:
                pass
        """,
    "grandchildren that ignore what can be ignored": """
        code = "trap '' TERM INT HUP; (sleep 600; true) & echo pids $! $$ {}; wait; wait"
        subprocess.Popen(["sh", "-c", code.format(os.getpid())])
        time.sleep(600)
        """,
    "a group that is stopped": """
        child = subprocess.Popen(["sleep", "600"])
        self.log(f"pids {os.getpid()} {child.pid}")
        os.killpg(0, signal.SIGSTOP)
        time.sleep(600)
        """,
    "one that holds the interpreter's lock": """
        import ctypes
        child = subprocess.Popen(["sleep", "600"])
        self.log(f"pids {os.getpid()} {child.pid}")
        ctypes.PyDLL(None).sleep(600)
        """,
}
IMPORTS = "import os, signal, subprocess, time\n"


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripts]:
    """Yield scripts on a server of this module."""
    limits = {"Impatient": {"timeout_seconds": 0.6}}
    config = scripted_config(tmp_path_factory.mktemp("ladder"), limits)
    # Enough to wait for the stubborn ones together.
    with serving(dataclasses.replace(config, pool=sections.Pool(workers=5))) as running:
        yield Scripts(Client(running.url))


def script(body: str) -> str:
    """Return a script with the usual imports."""
    return IMPORTS + "\n".join(line[8:] for line in body.splitlines())


async def cancel(scripts: Scripts, pk: int) -> int:
    """Cancel a process; return the status of the answer."""
    return (await scripts.client.fetch(f"/api/processes/{pk}/cancel/", "POST")).code


async def test_a_cancelled_run_is_gone_with_all_of_its_group_in_time(scripts: Scripts) -> None:
    await asyncio.gather(*(cancelled_in_time(scripts, way) for way in STUBBORN))


async def cancelled_in_time(scripts: Scripts, way: str) -> None:
    """Start a stubborn run, cancel it, and check that nothing is left of it."""
    pk = await scripts.submit(script(STUBBORN[way]))
    pids = [int(pid) for pid in (await scripts.said(pk, "pids")).split()]
    assert all(map(alive, pids))
    started = time.monotonic()
    assert await cancel(scripts, pk) == 202
    record = await scripts.client.ended(pk)
    assert not any(map(alive, pids)), way
    assert time.monotonic() - started < GONE_SECONDS, way
    assert (record["state"], record["failure_message"]) == ("cancelled", "Cancelled")
    assert record["resources"]["cpu_seconds"] > 0


async def test_a_stopped_run_that_is_polite_needs_no_grace(scripts: Scripts) -> None:
    pk = await scripts.submit(
        script("""
        self.log(f"pids {os.getpid()}")
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(600)
        """)
    )
    await scripts.said(pk, "pids")
    started = time.monotonic()
    await cancel(scripts, pk)
    assert (await scripts.client.ended(pk))["state"] == "cancelled"
    assert time.monotonic() - started < termination.GRACE_SECONDS


async def test_a_run_cancelled_while_it_starts_never_stays(scripts: Scripts) -> None:
    for number in range(12):
        pk = await scripts.submit("import time; time.sleep(600)")
        await asyncio.sleep(number * 0.001)
        assert await cancel(scripts, pk) == 202
        record = await scripts.client.ended(pk)
        assert record["state"] == "cancelled"
        if sys.platform == "linux":
            assert descendants_named(f"run-{pk}") == []


async def test_cancel_against_finish_has_one_winner(scripts: Scripts) -> None:
    states = set()
    for number in range(20):
        pk = await scripts.submit("""
            (tmpdir / "made").write_text("made")
            outputs = [tmpdir / "made"]
            """)
        await asyncio.sleep(number * 0.003)
        answer = await cancel(scripts, pk)
        record = await scripts.client.ended(pk)
        states.add(record["state"])
        assert answer in (202, 409)
        if record["state"] == "succeeded":
            assert answer == 409
            assert len(record["outputs"]) == 1
            await scripts.client.call(f"/api/dataproducts/{record['outputs'][0]}/")
        else:
            assert (record["state"], record["outputs"]) == ("cancelled", [])
            assert answer == 202
        assert await cancel(scripts, pk) == 409
        assert await scripts.client.call(f"/api/processes/{pk}/") == record
    assert states <= {"succeeded", "cancelled"}


async def test_a_cancel_while_outputs_are_published_is_kept_and_nothing_is_published(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    publishing, go_on = threading.Event(), threading.Event()
    put_many = FileStorage.put_many

    async def slow_put(self: FileStorage, files: Sequence[tuple[Path, str]]) -> None:
        publishing.set()
        await asyncio.to_thread(go_on.wait, 20)
        await put_many(self, files)

    monkeypatch.setattr(FileStorage, "put_many", slow_put)
    go_on.set()  # for the input
    output = "outputs = [tmpdir / 'made']; outputs[0].write_text('made')"
    pk = await scripts.submit(f"import time; time.sleep(0.3); {output}")
    go_on.clear()
    publishing.clear()
    await asyncio.to_thread(publishing.wait, 20)
    assert await cancel(scripts, pk) == 202
    assert await cancel(scripts, pk) == 202
    go_on.set()
    record = await scripts.client.ended(pk)
    assert (record["state"], record["failure_message"]) == ("cancelled", "Cancelled")
    assert (record["outputs"], record["group"]) == ([], None)
    assert (await scripts.texts(pk))[-1] == "Cancelled"
    listed = await scripts.client.call(f"/api/targets/{record['target']}/dataproducts/")
    assert [product["pk"] for product in listed["dataproducts"]] == record["products"]
    assert await cancel(scripts, pk) == 409


async def test_cancel_against_time_out_has_one_winner(scripts: Scripts) -> None:
    for number in range(6):
        pk = await scripts.submit("import time; time.sleep(600)", "Impatient")
        await scripts.client.until(pk, lambda record: record["state"] == "running")
        await asyncio.sleep(0.5 + number * 0.02)
        await cancel(scripts, pk)
        record = await scripts.client.ended(pk)
        assert (record["state"], record["failure_message"]) in [
            ("cancelled", "Cancelled"),
            ("failed", "Timed out after 0.6 s"),
        ]
        words = [text for text in await scripts.texts(pk) if text == record["failure_message"]]
        assert len(words) == 1


async def test_cancel_against_hand_back_ends_cancelled(tmp_path: Path) -> None:
    config = dataclasses.replace(scripted_config(tmp_path), shutdown_seconds=0)
    with serving(config) as running:
        first = Scripts(Client(running.url))
        pk = await first.submit(
            script("""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.log(f"pids {os.getpid()}")
        time.sleep(600)
        """)
        )
        pid = int(await first.said(pk, "pids"))
        assert await cancel(first, pk) == 202
    assert not alive(pid)
    with serving(config) as running:
        record = await Client(running.url).ended(pk)
        assert record["state"] == "cancelled"


def never_leaves_our_session(*ends: Connection) -> None:
    """Act as a child that has not called `setsid` yet."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text("never", encoding="ascii")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(ends[0].fileno(), b"here")
    time.sleep(600)


async def started(pool: Pool) -> Run:
    """Launch a child that has not left the server's session; return its run."""
    await pool.start()
    run = await pool.launch(never_leaves_our_session)
    assert await run.readers["messages"].read() == b"here"
    return run


async def test_a_child_that_leads_no_group_yet_is_ended_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(termination, "GRACE_SECONDS", 0.2)
    pool = Pool(1)
    run = await started(pool)
    await asyncio.wait_for(termination.terminate(run), 10)
    assert await run.wait() == -signal.SIGKILL
    assert not run.signal_group(signal.SIGKILL)
    run.close()
    pool.close()


async def test_a_group_once_found_gone_is_never_signalled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = Pool(1)
    run = await started(pool)
    run.kill()
    await run.wait()
    await eventually(lambda: not run.signal_group(signal.SIGKILL))
    sent: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda pid, number: sent.append(pid))
    await termination.kill(run)
    assert sent == []
    run.close()
    pool.close()


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are found in /proc")
@pytest.mark.parametrize("cancels", [1, 2, 3])
async def test_a_launch_that_nobody_waits_for_leaves_no_child_and_no_pipe(cancels: int) -> None:
    pool = Pool(1)
    await pool.start()
    before, opened = children_of_template(), descriptors()
    for number in range(8):
        launching = asyncio.create_task(pool.launch(never_leaves_our_session))
        await asyncio.sleep(number * 0.001)
        for _ in range(cancels):
            launching.cancel()
            await asyncio.sleep(0)
        try:
            run = await launching
        except asyncio.CancelledError:
            if cancels == 1:
                assert children_of_template() == before
        else:  # it was faster
            run.kill()
            await run.wait()
            run.close()
    await eventually(lambda: children_of_template() == before)
    await eventually(lambda: descriptors() <= opened)
    pool.close()


async def test_a_pool_that_is_closed_starts_nothing_and_keeps_no_pipe() -> None:
    pool = Pool(1)
    await pool.start()
    opened = descriptors()
    pool.close()
    for _ in range(3):
        with pytest.raises(RuntimeError):
            await pool.launch(never_leaves_our_session)
    assert descriptors() <= opened


def descriptors() -> set[Path]:
    """Return what this process has open."""
    return set(Path("/dev/fd").iterdir())


def children_of_template() -> set[int]:
    """Return the PIDs of the runs that are alive, of all servers in this process."""
    kept: Any = forkserver
    found = psutil.Process(kept._forkserver._forkserver_pid).children()
    return {each.pid for each in found if alive(each.pid)}


def descendants_named(name: str) -> list[psutil.Process]:
    """Return the living processes of this name that this process, and so its server, started."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if alive(process.pid) and process.name() == name:
                found.append(process)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="the children are found by a name of Linux")
async def test_only_our_own_processes_are_found_by_name(scripts: Scripts) -> None:
    pk = await scripts.submit("import time; self.log('begun now'); time.sleep(600)")
    assert await scripts.said(pk, "begun") == "now"
    assert len(descendants_named(f"run-{pk}")) == 1
    await cancel(scripts, pk)
    await scripts.client.ended(pk)
    assert descendants_named(f"run-{pk}") == []
