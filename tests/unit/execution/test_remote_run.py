"""When a run on another machine counts as lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from runners.supervision.remote.wire import Wire
from server.execution.places import remote_run
from server.execution.places.place import RunLost
from server.execution.places.remote_run import RemoteRun

SILENCE_SECONDS, MARGIN_SECONDS = 0.3, 0.2


@asynccontextmanager
async def run_and_agent(folder: Path) -> AsyncIterator[tuple[RemoteRun, Wire]]:
    """Yield a run, and its agent's end of the connection."""
    arrived: asyncio.Future[Wire] = asyncio.get_running_loop().create_future()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set_result(Wire(reader, writer))

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    streams = await asyncio.open_connection(*listening.sockets[0].getsockname())
    run = RemoteRun(await arrived, {}, folder, SILENCE_SECONDS, cast("Any", None))
    agent = Wire(*streams)
    try:
        yield run, agent
    finally:
        await run.release()
        agent.abort()
        listening.close()


@pytest.mark.parametrize("started", [False, True])
async def test_a_run_is_lost_only_when_it_has_ended_itself_also_while_it_starts(
    runner: asyncio.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: bool
) -> None:
    monkeypatch.setattr(remote_run, "MARGIN_SECONDS", MARGIN_SECONDS)
    loop = asyncio.get_running_loop()
    async with run_and_agent(tmp_path) as (run, agent):
        starting = asyncio.create_task(run.start(cast("Any", {}), None))
        assert (await agent.receive_message())["kind"] == "run"
        if started:
            await agent.send("started", pid=1)
            await starting
        broken = loop.time()
        agent.abort()
        if started:
            await run.kill()
        else:
            with pytest.raises(RunLost):
                await starting
        assert loop.time() - broken >= SILENCE_SECONDS + MARGIN_SECONDS
        assert run.lost == remote_run.LOST


async def test_a_run_is_lost_at_once_when_its_agent_says_that_nothing_is_left(
    runner: asyncio.Runner, tmp_path: Path
) -> None:
    async with run_and_agent(tmp_path) as (run, agent):
        starting = asyncio.create_task(run.start(cast("Any", {}), None))
        assert (await agent.receive_message())["kind"] == "run"
        agent.post("gone")
        with pytest.raises(RunLost, match="the worker that ran it stopped"):
            await starting
