"""Runs on a Dask cluster while workers, agents, the scheduler, the server and the network fail.

Each accepted run ends once, with its outputs published once, and nothing is left on a worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

import server.execution.places.dask
from server.config import Config, PipelineEntry
from server.config.sections import Leases, Pool, Runner
from server.config.sections.runs import Security
from tests.fakes.dask_cluster import DaskCluster, dask_cluster
from tests.integration.conftest import SAMPLES, Client, make_config, serving
from tests.integration.scripts import Scripts, alive, eventually
from tests.reliability.tools.proxy import Proxy

pytestmark = [
    pytest.mark.slow,
    pytest.mark.gen_test(timeout=55),
    pytest.mark.skipif(
        importlib.util.find_spec("distributed") is None,
        reason="distributed is not installed (the extra dask): no kill was tried on a cluster",
    ),
]
SILENCE_SECONDS = 1.0
#: Says its PID and that of a child, waits for the file `go` in its first attempt's working folder
#: or ends at once in a later one; its output tells the attempt.
SCRIPT = """
    import os, subprocess, time
    from pathlib import Path
    child = subprocess.Popen(["/bin/sleep", "600"])
    self.log(f"pids {os.getpid()} {child.pid}")
    while not Path(GO).exists():
        self.check_cancelled()
        time.sleep(0.02)
    child.kill()
    (tmpdir / "made.txt").write_text("made")
    outputs = [tmpdir / "made.txt"]
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    """Yield a cluster of one worker."""
    with dask_cluster(tmp_path, workers=1) as cluster:
        yield cluster


def config_for(cluster: DaskCluster, **changes: Any) -> Config:
    """Return the configuration of a server for a cluster."""
    runner = Runner(
        type="dask", address=cluster.address, silence_seconds=SILENCE_SECONDS, **changes
    )
    return replace(
        make_config(cluster.folder / "data"),
        pipelines={
            "Scripted": PipelineEntry(path="scripted.Scripted"),
            "Local": PipelineEntry(path="scripted.Scripted", runner="local"),
            "Deep": PipelineEntry(path="scripted.Scripted", resources={"gpu": 1.0}),
        },
        pool=Pool(),
        runner=runner,
        leases=Leases(heartbeat_seconds=0.5, lease_seconds=10.0, check_seconds=0.2),
    )


class Long:
    """A run that goes on until it is let go."""

    def __init__(self, scripts: Scripts, go: Path) -> None:
        self._scripts = scripts
        self._go = go
        self.pk = 0

    async def begin(self) -> list[int]:
        """Submit it; return the PIDs of its first attempt."""
        self.pk = await self._scripts.submit(SCRIPT.replace("GO", repr(str(self._go))))
        return await self.pids(1)

    async def pids(self, attempts: int) -> list[int]:
        """Return the PIDs of the newest attempt, once there are so many."""
        async with asyncio.timeout(30):
            while True:
                said = [t for t in await self._scripts.texts(self.pk) if t.startswith("pids ")]
                if len(said) >= attempts:
                    return [int(each) for each in said[-1].split()[1:]]
                await asyncio.sleep(0.05)

    async def finish(self) -> dict[str, Any]:
        """Let it go, and return its record."""
        self._go.touch()
        return await self._scripts.client.ended(self.pk)

    async def check_made_again(self) -> None:
        """Check that a later attempt succeeds and is published once."""
        record = await self.finish()
        # One may have been claimed for a worker that was gone: it does not count as lost.
        assert record["state"] == "succeeded"
        assert record["attempt"] >= 2
        assert len(record["outputs"]) == 1
        texts = await self._scripts.texts(self.pk)
        assert [text for text in texts if text.startswith("Lost: ")] != []
        assert "It will be tried again" in texts


@contextlib.asynccontextmanager
async def long_run(cluster: DaskCluster, **changes: Any) -> AsyncIterator[Long]:
    """Yield a run that can be submitted to a server of its own."""
    with serving(config_for(cluster, **changes)) as running:
        yield Long(Scripts(Client(running.url)), cluster.folder / "go")


async def gone(pids: list[int], seconds: float = 10.0) -> None:
    """Wait until none of these OS processes is there."""
    await eventually(lambda: not any(map(alive, pids)), seconds)


async def test_a_killed_worker_takes_its_runs_along_and_they_are_made_again(
    cluster: DaskCluster,
) -> None:
    async with long_run(cluster) as run:
        pids = await run.begin()
        agents = [each.pid for each in cluster.agents(cluster.workers[0])]
        assert len(agents) == 1
        cluster.workers[0].kill()
        await gone([*pids, *agents])
        cluster.add_worker()
        await run.pids(2)
        await run.check_made_again()


async def test_a_killed_agent_takes_its_runs_along_and_they_are_made_again(
    cluster: DaskCluster,
) -> None:
    async with long_run(cluster) as run:
        pids = await run.begin()
        [agent] = cluster.agents(cluster.workers[0])
        agent_folder = agent.cmdline()[-1]
        agent.kill()
        await gone(pids)
        await run.pids(2)
        # The folder of the killed one's run was left behind, and has been removed.
        assert len(list((Path(agent_folder) / "runs").iterdir())) == 1
        await run.check_made_again()


@pytest.mark.long
async def test_a_stopped_agent_is_given_up_once_its_runs_have_ended_themselves(
    cluster: DaskCluster,
) -> None:
    async with long_run(cluster) as run:
        pids = await run.begin()
        [agent] = cluster.agents(cluster.workers[0])
        agent.suspend()
        try:
            await gone(pids)
            assert len([t for t in await run._scripts.texts(run.pk) if "pids" in t]) == 1
            cluster.add_worker()
            assert await run.pids(2) != pids
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):  # another ticket found it stopped
                agent.resume()
        await run.check_made_again()


@pytest.mark.parametrize("cut", [pytest.param("cut", marks=pytest.mark.long), "stall"])
async def test_a_network_that_is_cut_costs_an_attempt(cluster: DaskCluster, cut: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with Proxy(port) as proxy:
        contact = f"127.0.0.1:{proxy.port}"
        async with long_run(cluster, listen_port=port, contact=contact) as run:
            pids = await run.begin()
            getattr(proxy, cut)()
            await gone(pids)
            proxy.restore()
            await run.pids(2)
            await run.check_made_again()


async def test_a_killed_scheduler_is_waited_for(cluster: DaskCluster) -> None:
    async with long_run(cluster) as run:
        await run.begin()
        cluster.scheduler.kill()
        cluster.scheduler.wait(10)
        scripts = run._scripts
        await waits(scripts, 0)
        pk = await scripts.submit("self.log('ran')")
        reason = f"the Dask scheduler at {cluster.address} cannot be reached"
        await waits(scripts, pk, reason)
        cluster.start_scheduler()
        cluster.add_worker()
        assert (await scripts.client.ended(pk))["state"] == "succeeded"
        assert (await run.finish())["state"] == "succeeded"


async def waits(scripts: Scripts, pk: int, reason: str = "") -> None:
    """Wait until a process waits for this; with no process, until the server has no slots."""
    async with asyncio.timeout(15):
        while True:
            if pk:
                record = await scripts.client.call(f"/api/processes/{pk}/")
                if reason in (record["waiting_for"] or ""):
                    return
            elif (await scripts.client.call("/api/status/"))["slots"] == 0:
                return
            await asyncio.sleep(0.05)


async def test_without_a_fitting_worker_a_run_waits_and_says_for_what(tmp_path: Path) -> None:
    with dask_cluster(tmp_path, workers=0) as cluster, serving(config_for(cluster)) as running:
        scripts = Scripts(Client(running.url))
        plain, deep = await scripts.submit("pass"), await scripts.submit("pass", "Deep")
        await waits(scripts, plain, "the Dask cluster has no workers")
        local = await scripts.submit("self.log('here')", "Local")
        assert (await scripts.client.ended(local))["state"] == "succeeded"
        cluster.add_worker()
        assert (await scripts.client.ended(plain))["state"] == "succeeded"
        await waits(scripts, deep, "no worker of the Dask cluster has gpu: 1")
        cluster.add_worker(1, "--resources", "gpu=1")
        assert (await scripts.client.ended(deep))["state"] == "succeeded"


async def test_the_slots_follow_the_workers(cluster: DaskCluster) -> None:
    with serving(config_for(cluster)) as running:
        client = Client(running.url)

        async def slots(count: int) -> None:
            async with asyncio.timeout(20):
                while (await client.call("/api/status/"))["slots"] != count:
                    await asyncio.sleep(0.1)

        await slots(2)
        more = cluster.add_worker(3)
        await slots(5)
        more.terminate()
        await slots(2)


async def test_a_killed_server_leaves_nothing_on_the_worker(
    cluster: DaskCluster, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    written = tmp_path / "config.yml"
    shutil.copy(SAMPLES / "scripted.py", tmp_path)
    written.write_text(
        f"runner: {{type: dask, address: '{cluster.address}', silence_seconds: 1}}\n"
        "pipelines: {Scripted: scripted.Scripted}\n"
        "leases: {heartbeat_seconds: 0.5, lease_seconds: 5, check_seconds: 0.2}\n"
    )

    command = (sys.executable, "-m", "server", "--port", "0")

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*command, "--config", str(written), "--data", str(tmp_path / "data")],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    with start() as first, ended_at_last(first):
        run = Long(Scripts(Client(await address(first))), go)
        pids = await run.begin()
        first.kill()
        await gone(pids)
    with start() as second, ended_at_last(second):
        again = Long(Scripts(Client(await address(second))), go)
        again.pk = run.pk
        assert await again.pids(2) != pids
        record = await again.finish()
        assert (record["state"], record["attempt"]) == ("succeeded", 2)
        assert len(record["outputs"]) == 1


@contextlib.contextmanager
def ended_at_last(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Have a server ended when the block is left."""
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


async def address(process: subprocess.Popen[bytes]) -> str:
    """Return the address of a server, once it is ready."""
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while b"ready" not in (line := await asyncio.to_thread(process.stdout.readline)):
            assert line, "the server has ended"
    return line.decode().split()[-1].rstrip("/")


async def test_another_version_of_heliograph_is_refused_in_a_sentence(
    cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.execution.places.dask, "version", lambda: "7.0")
    monkeypatch.setattr("server.execution.attempt.pause_before", lambda tries: None)
    with serving(config_for(cluster)) as running:
        record = await Scripts(Client(running.url)).run("pass")
    assert record["state"] == "failed"
    assert "has Heliograph " in record["failure_message"]
    assert "this server has 7.0: they must be the same" in record["failure_message"]


async def test_all_of_it_can_be_encrypted(tmp_path: Path) -> None:
    import trustme

    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "certificate", "key")}
    authority.cert_pem.write_to_path(files["ca"])
    issued.cert_chain_pems[0].write_to_path(files["certificate"])
    issued.private_key_pem.write_to_path(files["key"])
    options = [
        *("--tls-ca-file", str(files["ca"]), "--tls-cert", str(files["certificate"])),
        *("--tls-key", str(files["key"])),
    ]
    security = Security(**{name: str(path) for name, path in files.items()})
    with (
        dask_cluster(tmp_path, workers=1, options=options) as cluster,
        serving(config_for(cluster, security=security)) as running,
    ):
        scripts = Scripts(Client(running.url))
        record = await scripts.run("p = tmpdir / 'a.txt'; p.write_text('x'); outputs = [p]")
        assert (record["state"], len(record["outputs"])) == ("succeeded", 1), record


async def test_nothing_of_a_run_is_left_in_the_workers_folder(cluster: DaskCluster) -> None:
    with serving(config_for(cluster)) as running:
        record = await Scripts(Client(running.url)).run("(tmpdir / 'x').write_text('x')")
        assert record["state"] == "succeeded"
        [agent] = cluster.agents(cluster.workers[0])
        folder = Path(agent.cmdline()[-1])
        await eventually(lambda: not any((folder / "runs").iterdir()))
        assert [len(each.name) for each in (folder / "inputs").iterdir()] == [64]
    cluster.workers[0].terminate()
    await eventually(lambda: not psutil.pid_exists(agent.pid) or not alive(agent.pid))
