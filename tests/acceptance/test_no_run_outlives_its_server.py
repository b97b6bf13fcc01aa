"""However a server ends, its runs and their groups end with it, and only what escaped goes on."""

from __future__ import annotations

import os
import signal
import sys

import psutil
import pytest

from tests.acceptance.conftest import Servers
from tests.integration.scripts import Scripts, alive, eventually

pytestmark = [pytest.mark.gen_test(timeout=110), pytest.mark.timeout(120)]

SCRIPTED = {"HELIOGRAPH_PIPELINES": "{Scripted: scripted.Scripted}"}

#: Each logs `pids` and its PIDs.
WAYS = {
    "a thread that holds the interpreter's lock for ever": """
        import ctypes, os, subprocess
        child = subprocess.Popen(["sleep", "600"])
        self.log(f"pids {os.getpid()} {child.pid}")
        ctypes.PyDLL(None).sleep(600)
        """,
    "signals ignored, descriptors closed": """
        import os, signal, subprocess, time
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        child = subprocess.Popen(["sh", "-c", "trap '' TERM HUP PIPE; sleep 600; sleep 600"])
        self.log(f"pids {os.getpid()} {child.pid}")
        os.closerange(3, 4096)
        while True:
            time.sleep(600)
        """,
}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends processes with their parent")
@pytest.mark.parametrize("way", WAYS)
async def test_a_killed_server_takes_every_run_along(servers: Servers, way: str) -> None:
    server = servers.start(environment=SCRIPTED)
    scripts = Scripts(server.client())
    pk = await scripts.submit(WAYS[way])
    pids = [int(pid) for pid in (await scripts.said(pk, "pids")).split()]
    template = psutil.Process(pids[0]).ppid()
    server.end(signal.SIGKILL)
    await eventually(lambda: not any(map(alive, [*pids, template])), 5)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends processes with their parent")
async def test_runs_end_with_their_template_and_are_tried_again_without_counting_as_lost(
    servers: Servers,
) -> None:
    scripts = Scripts(servers.start(environment=SCRIPTED).client())
    pk = await scripts.submit("""
        import ctypes, os, subprocess
        from pathlib import Path
        mark = Path(tmpdir).parent.parent / "was here"
        if mark.exists():
            self.log("here again")
        else:
            mark.touch()
            child = subprocess.Popen(["sleep", "600"])
            self.log(f"pids {os.getpid()} {child.pid}")
            ctypes.PyDLL(None).sleep(600)
        """)
    pids = [int(pid) for pid in (await scripts.said(pk, "pids")).split()]
    os.kill(psutil.Process(pids[0]).ppid(), signal.SIGKILL)
    record = await scripts.client.ended(pk)
    assert (record["state"], record["attempt"]) == ("succeeded", 2)
    assert not any(map(alive, pids))
    texts = await scripts.texts(pk)
    assert texts[-1] == "here again"
    assert any(text.startswith("The process that starts the runs ended") for text in texts)
    assert not any(text.startswith("Lost: ") for text in texts)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux only")
async def test_what_was_reported_as_escaped_is_left_alone_by_the_servers_end(
    servers: Servers,
) -> None:
    server = servers.start(environment=SCRIPTED)
    scripts = Scripts(server.client())
    record = await scripts.run("""
        import subprocess
        print("pid", subprocess.Popen(["sleep", "600"], start_new_session=True).pid)
        """)
    pid = int(await scripts.said(record["pk"], "pid"))
    template = psutil.Process(pid).ppid()
    assert server.end() == 0
    await eventually(lambda: not alive(template))
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
async def test_adopted_processes_end_without_a_word_of_the_template(servers: Servers) -> None:
    server = servers.start(environment=SCRIPTED)
    scripts = Scripts(server.client())
    await scripts.run("""
        import subprocess
        subprocess.Popen(["sleep", "0.2"], start_new_session=True)
        for _ in range(5):
            subprocess.Popen(["sleep", "600"])
        """)
    await scripts.run("import time; time.sleep(0.5)")
    server.end()
    server.close()
    assert "unexpected pid" not in "".join(server.printed)
