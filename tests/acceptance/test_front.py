"""HTTPS, prefix and systemd's notifications with `python -m server` and its commands."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from tests.acceptance.conftest import Servers

pytestmark = pytest.mark.timeout(90)

AUTHORITY = trustme.CA()
ROOT = Path(__file__).parents[2]


@pytest.fixture
def front(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a server with HTTPS and a prefix."""
    made = AUTHORITY.issue_cert("observatory.example")  # not the name that commands use
    made.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    for pem in made.cert_chain_pems:
        pem.write_to_path(str(tmp_path / "certificate.pem"), append=True)
    return {
        "HELIOGRAPH_HTTP_TLS_CERTIFICATE": str(tmp_path / "certificate.pem"),
        "HELIOGRAPH_HTTP_TLS_KEY": str(tmp_path / "key.pem"),
        "HELIOGRAPH_HTTP_PREFIX": "/heliograph",
    }


def run(servers: Servers, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the data folder, which knows of the server by that folder alone."""
    command = [sys.executable, "-m", "server", *arguments, "--data", str(servers.data)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.slow
def test_commands_trust_the_server_of_their_data_folder_and_no_other(
    servers: Servers, front: dict[str, str], tmp_path: Path
) -> None:
    server = servers.start(environment=front)
    client = server.client()
    assert client.url.startswith("https://127.0.0.1:")
    assert client.url.endswith("/heliograph")
    (tmp_path / "frame.fits").write_bytes(b"hardly FITS")
    arguments = ("run", "Dummy", "star", str(tmp_path / "frame.fits"), "-o", str(tmp_path))
    done = run(servers, *arguments)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("dummy_star_*"))
    announced = servers.data / "address"
    address = announced.read_text().partition("\n")[0]
    other = AUTHORITY.issue_cert("observatory.example").cert_chain_pems[0].bytes().decode()
    announced.write_text(f"{address}\n{other}")
    refused = run(servers, *arguments)
    assert refused.returncode != 0
    assert "certificate" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1, refused.stderr
    assert server.end() == 0
    assert not announced.exists()


@pytest.mark.parametrize("spoilt", ["certificate", "key"])
def test_a_start_without_a_usable_certificate_ends_with_one_sentence(
    servers: Servers, front: dict[str, str], spoilt: str
) -> None:
    Path(front[f"HELIOGRAPH_HTTP_TLS_{spoilt.upper()}"]).write_text("nothing")
    server = servers.start(environment=front)
    assert server.process.wait(40) == 2
    server.close()
    at = server.printed.index("heliograph cannot start:\n")
    [sentence] = server.printed[at + 1 :]
    assert sentence.startswith(f"http.tls.{spoilt}: ")


def test_the_service_manager_learns_of_readiness_life_and_the_end(
    servers: Servers, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(40)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "500000"}
        server = servers.start(environment=environment)
        heard = b""
        while b"READY=1" not in heard:
            heard = receiver.recv(1_000)
        assert b"STATUS=Ready at http://127.0.0.1:" in heard
        while receiver.recv(1_000) != b"WATCHDOG=1":
            pass
        os.kill(server.process.pid, signal.SIGTERM)
        while not receiver.recv(1_000).startswith(b"STOPPING=1"):
            pass
        assert server.process.wait(30) == 0
