"""What systemd is told, and that nothing about it can hold the server up."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.app.service_manager import ServiceManager

pytestmark = pytest.mark.gen_test


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    """Yield the socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(10)
        yield receiver


def environ(receiver: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": receiver.getsockname(), "HOME": "/root", **more}


def test_the_ends_of_start_and_stop_are_told(heard: socket.socket) -> None:
    manager = ServiceManager.of(environ(heard))
    manager.ready("http://127.0.0.1:8642/")
    assert heard.recv(1_000) == b"READY=1\nSTATUS=Ready at http://127.0.0.1:8642/"
    manager.stopping()
    assert heard.recv(1_000).startswith(b"STOPPING=1\n")


def test_runs_inherit_nothing_of_it(heard: socket.socket) -> None:
    given = environ(heard, WATCHDOG_USEC="1000000", WATCHDOG_PID=str(os.getpid()))
    ServiceManager.of(given)
    assert given == {"HOME": "/root"}


async def test_the_watchdog_hears_of_a_loop_that_runs(heard: socket.socket) -> None:
    manager = ServiceManager.of(environ(heard, WATCHDOG_USEC="100000"))
    heard.setblocking(False)
    loop = asyncio.get_running_loop()
    async with manager.watched():
        for _ in range(3):
            assert await asyncio.wait_for(loop.sock_recv(heard, 100), 5) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("microseconds", "pid"),
    [("", ""), ("0", ""), ("-5", ""), ("²", ""), ("9" * 40, ""), ("x", ""), ("1000", "1")],
)
async def test_without_a_watchdog_nothing_is_said(
    heard: socket.socket, microseconds: str, pid: str
) -> None:
    given = environ(heard, WATCHDOG_USEC=microseconds, WATCHDOG_PID=pid)
    heard.setblocking(False)
    async with ServiceManager.of(given).watched():
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    with pytest.raises(BlockingIOError):
        heard.recv(100)


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/at/all", "@nobody", "/" + "x" * 300])
def test_a_manager_that_is_not_there_does_no_harm(address: str) -> None:
    ServiceManager.of({"NOTIFY_SOCKET": address}).ready("http://127.0.0.1/")


def test_an_abstract_address_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        try:
            receiver.bind(f"\0heliograph-test-{os.getpid()}")
        except OSError:
            pytest.skip("this system has no abstract addresses")
        receiver.settimeout(10)
        ServiceManager.of({"NOTIFY_SOCKET": f"@heliograph-test-{os.getpid()}"}).stopping()
        assert receiver.recv(100).startswith(b"STOPPING=1")


def test_a_manager_that_does_not_listen_holds_nobody_up(heard: socket.socket) -> None:
    manager = ServiceManager.of(environ(heard))
    for _ in range(2_000):
        manager.stopping()
