"""A real server for a browser to visit, and a client that fills it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
START_SECONDS = 180
STOP_SECONDS = 20


def free_port() -> int:
    """Return a port that was free a moment ago; the same one is needed again after a restart."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Observatory:
    """`python -m server` on a data folder."""

    data: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    #: what else it is told by its environment
    environment: dict[str, str] = field(default_factory=dict)
    #: what it proves itself with, where the server has tokens
    token: str | None = None

    @property
    def prefix(self) -> str:
        """What the paths of its requests begin with."""
        return self.environment.get("HELIOGRAPH_HTTP_PREFIX", "")

    @property
    def url(self) -> str:
        """The address without a trailing slash."""
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        command = [sys.executable, "-m", "server", "--config", str(HERE / "config.yml")]
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data / "printed.txt").open("ab") as printed:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), "--data", str(self.data)],
                cwd=HERE.parents[2],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"} | self.environment,
            )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}/readyz", timeout=5).close()
                return
            except OSError:
                assert self.process is not None
                assert self.process.poll() is None, (self.data / "printed.txt").read_text()
                time.sleep(0.1)
        raise AssertionError("the server was not ready in time")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop the server."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(STOP_SECONDS)
        self.process = None

    def headers(self) -> dict[str, str]:
        """Return what each request of the client says of itself."""
        return {}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API with JSON."""
        content = None if body is None else json.dumps(body).encode()
        return self._send(method, path, content, "application/json")

    def _send(self, method: str, path: str, content: bytes | None, kind: str) -> Any:
        request = urllib.request.Request(self.url + path, content, self.headers(), method=method)
        if content is not None:
            request.add_header("Content-Type", kind)
        if self.token is not None:
            request.add_header("Authorization", f"Bearer {self.token}")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def make_target(self, name: str = "A star") -> int:
        """Make a target; return its PK."""
        identifier = f"star-{secrets.token_hex(6)}"
        target = self.call("POST", "/api/targets/", {"name": name, "identifier": identifier})
        return int(target["pk"])

    def upload(self, target: int, files: dict[str, bytes]) -> list[int]:
        """Upload files; return their PKs."""
        edge = secrets.token_hex(16)
        body = b""
        for name, content in files.items():
            head = f'Content-Disposition: form-data; name="file"; filename="{name}"'
            body += f"--{edge}\r\n{head}\r\n\r\n".encode() + content + b"\r\n"
        body += f"--{edge}--\r\n".encode()
        kind = f"multipart/form-data; boundary={edge}"
        answer = self._send("POST", f"/api/targets/{target}/dataproducts/", body, kind)
        return [product["pk"] for product in answer["dataproducts"]]

    def submit(self, target: int, pipeline: str, products: list[int], **flags: bool) -> int:
        """Start a process; return its PK."""
        body = {"target": target, "pipeline": pipeline, "products": products, "flags": flags}
        return int(self.call("POST", "/api/processes/", body)["pk"])

    def run(self, pipeline: str, **flags: bool) -> int:
        """Start a process on a file of a new target; return its PK."""
        target = self.make_target()
        return self.submit(target, pipeline, self.upload(target, {"notes.txt": b"x"}), **flags)

    def let_go_on(self, process: int) -> None:
        """Let a process that waits for its test go on."""
        identifier = self.call("GET", f"/api/processes/{process}/")["identifier"]
        (self.data / f"{identifier}.go").touch()

    def ended(self, process: int, seconds: float = 40) -> dict[str, Any]:
        """Wait for a process to end; return its record."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            record: dict[str, Any] = self.call("GET", f"/api/processes/{process}/")
            if record["terminal_timestamp"] is not None:
                return record
            time.sleep(0.1)
        raise AssertionError(f"process {process} did not end in time")
