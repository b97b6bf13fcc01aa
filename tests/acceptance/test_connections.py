"""A crowd of silent connections against a server that was started with few open files."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from tornado.websocket import websocket_connect

from tests.acceptance.conftest import Servers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.gen_test(timeout=110)]

SOFT_LIMIT = 1_024
SILENT, VIEWERS, AT_ONCE = 1_100, 1_000, 100
LOG_BYTES = 20_000


@contextmanager
def started_with(soft: int) -> Iterator[None]:
    """Let what is started here have this soft limit of open files."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


@pytest.fixture
def many_files() -> None:
    """Skip where this process itself cannot open enough."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < 8_000:
        pytest.skip(f"the hard limit of open files is {hard}")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the limits of a process")
@pytest.mark.usefixtures("many_files")
async def test_silent_connections_keep_no_viewer_out(servers: Servers) -> None:
    with started_with(SOFT_LIMIT):
        server = servers.start()
    client = server.client()
    soft, hard = psutil.Process(server.process.pid).rlimit(psutil.RLIMIT_NOFILE)
    assert soft == hard > SOFT_LIMIT
    port = int(client.url.rsplit(":", 1)[1])
    target = await client.make_target()
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(SILENT)]
    url = f"{client.url.replace('http', 'ws', 1)}/ws/async/status/{target}/"
    viewers = []
    # Of the bound per address, the silent ones hold 1,100; each that is closed makes room.
    for _, writer in silent[AT_ONCE * 3 :]:
        writer.close()
    for _ in range(0, VIEWERS, AT_ONCE):
        opening = (websocket_connect(url) for _ in range(AT_ONCE))
        viewers += await asyncio.gather(*opening)
    assert await client.call("/healthz") == {"status": "ok"}
    snapshots = [await asyncio.wait_for(viewer.read_message(), 20) for viewer in viewers]
    assert all(json.loads(each)["type"] == "snapshot" for each in snapshots)
    for each in silent[: AT_ONCE * 3]:  # closed by the server, their time being over
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(each[0].read(), 40) == b""
        each[1].close()
    for viewer in viewers:
        viewer.close()
    assert await client.call("/healthz") == {"status": "ok"}
    assert sum(map(len, server.printed)) < LOG_BYTES


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the limits of a process")
async def test_more_connections_than_files_are_closed_and_the_others_served(
    servers: Servers,
) -> None:
    environment = {"HELIOGRAPH_HTTP_CONNECTIONS": "100"}
    server = servers.start(environment=environment)
    client = server.client()
    port = int(client.url.rsplit(":", 1)[1])
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(SILENT)]
    ends = [asyncio.ensure_future(reader.read()) for reader, _ in held]
    while sum(each.done() for each in ends) < SILENT - 100:
        await asyncio.sleep(0.05)
    assert server.process.poll() is None
    for _, writer in held:
        writer.close()
    await asyncio.gather(*ends, return_exceptions=True)
    assert await client.call("/healthz") == {"status": "ok"}
    assert await server.said("over the bounds")
    assert sum("over the bounds" in line for line in server.printed) == 1
    assert sum(map(len, server.printed)) < LOG_BYTES
