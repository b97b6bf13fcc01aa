"""What a server process writes to standard error, as an operator has configured it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.acceptance.conftest import Servers
from tests.integration.conftest import SAMPLES, Client

pytestmark = pytest.mark.gen_test(timeout=90)
ROOT = Path(__file__).parents[2]


class Logging:
    """A server with its standard error in a file."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.path = folder / "server.log"
        self._errors = self.path.open("wb")
        config, data = str(SAMPLES / "config.yml"), str(folder / "data")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "server", "--config", config, "--port", "0", "--data", data],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ | variables,
        )

    def client(self) -> Client:
        """Return a client once the server is ready."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "ready at" in line:
                return Client(line.split()[-1].rstrip("/"))
        raise AssertionError(self.path.read_text())

    def stop(self) -> bytes:
        """Stop the server and return its log."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._errors.close()
        return self.path.read_bytes()


async def hostile_requests(client: Client) -> None:
    """Send what would break lines or encodings of a careless log."""
    host, port = client.url.removeprefix("http://").split(":")
    for path in (b"/%0a%7b%22level%22:1%7d", b"/\xff\xfe", b"/%ed%a0%80", b"/" + b"a" * 50_000):
        with socket.create_connection((host, int(port)), 10) as connection:
            connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n")
            connection.sendall(b"Connection: close\r\n\r\n")
            while connection.recv(65_536):
                pass
    await client.fetch("/api/targets/?search=query-secret")
    await client.run("Chatty")
    await client.fetch("/metrics")


@pytest.mark.slow
async def test_every_line_of_a_json_log_is_an_object(tmp_path: Path) -> None:
    server = Logging(tmp_path, HELIOGRAPH_LOG_FORMAT="json", HELIOGRAPH_LOG_LEVEL="debug")
    await hostile_requests(server.client())
    written = server.stop()
    entries: list[dict[str, Any]] = [msgspec.json.decode(line) for line in written.splitlines()]
    assert written.endswith(b"\n")
    assert max(map(len, written.splitlines())) < 300_000
    for entry in entries:
        assert entry.keys() >= {"time", "timestamp", "level", "logger", "message"}
        assert abs(entry["timestamp"] - time.time()) < 300
    requests = [entry for entry in entries if entry.get("action") == "request"]
    listed = next(entry for entry in requests if entry["route"] == "/api/targets/")
    assert (listed["method"], listed["status"]) == ("GET", 200)
    assert listed["remote"] == "127.0.0.1"
    assert listed["milliseconds"] > 0
    assert listed["sent_bytes"] > 0
    assert b"query-secret" not in written
    assert [entry["level"] for entry in requests if entry["route"] == "/metrics"] == ["debug"]
    assert "server_stopping" in {entry.get("action") for entry in entries}


@pytest.mark.slow
async def test_a_log_without_requests_at_level_error_is_empty(tmp_path: Path) -> None:
    server = Logging(tmp_path, HELIOGRAPH_LOG_LEVEL="error", HELIOGRAPH_LOG_REQUESTS="false")
    await hostile_requests(server.client())
    lines = server.stop().decode().splitlines()
    assert lines == ["Heliograph is stopping; once more to stop at once"]


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("HELIOGRAPH_LOG_FORMAT", "xml", "text or json"),
        ("HELIOGRAPH_LOG_LEVEL", "loud", "debug, info, warning or error"),
        ("HELIOGRAPH_LOG_REQUESTS", "perhaps", "true or false"),
    ],
)
def test_a_wrong_setting_of_the_log_stops_the_start(
    servers: Servers, variable: str, value: str, allowed: str
) -> None:
    server = servers.start(environment={variable: value})
    assert server.process.wait(30) == 2
    server.close()
    assert f"allowed is {allowed}" in "".join(server.printed)


def with_its_output_in_a_pipe(folder: Path) -> subprocess.Popen[str]:
    """Start a server as `heliograph 2>&1 | tee log` does, and return it when it is ready."""
    data, config = str(folder / "data"), str(SAMPLES / "config.yml")
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "--config", config, "--port", "0", "--data", data],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    assert any("ready at" in line for line in process.stdout)
    return process


@pytest.mark.slow
async def test_a_server_whose_output_nobody_reads_any_more_stops(tmp_path: Path) -> None:
    process = with_its_output_in_a_pipe(tmp_path)
    assert process.stdout is not None
    process.stdout.close()  # Ctrl-C ends `tee` and the server, in any order
    process.send_signal(signal.SIGTERM)
    try:
        assert process.wait(30) in (0, 120)  # 120 is Python's, for what it could not write
    finally:
        process.kill()
        process.wait()
