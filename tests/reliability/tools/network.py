"""The network of a cluster on this machine: nodes with addresses, and lines that can be cut.

Where the system allows it, each node is a network namespace of its own, and the process that uses
this module is in one that routes between them: a line that is cut drops packets without a word,
as a cable does. Elsewhere all nodes are 127.0.0.1, and each line is a proxy of this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.reliability.tools.proxy import Proxy

#: Set for the process that is in a namespace of its own.
INSIDE = "HELIOGRAPH_TEST_NAMESPACE"
NETWORK = "10.77"
_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


@dataclass(frozen=True)
class Node:
    """A machine: how it is called, its address, that of this process for it, and the way in."""

    name: str
    host: str = "127.0.0.1"
    #: where it reaches what this process listens on
    gateway: str = "127.0.0.1"
    #: what a command begins with that is to run there
    prefix: tuple[str, ...] = ()


@dataclass
class Line:
    """The way from one node to a port of another: where it begins, as the one who connects."""

    host: str
    port: int
    network: Network
    ends: tuple[str, str] = ("", "")
    proxy: Proxy | None = None
    _cut: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where to connect."""
        return f"{self.host}:{self.port}"

    def cut(self, *, silently: bool = True) -> None:
        """Let nothing through, without a word or by ending all connections."""
        if self.proxy is not None:
            self.proxy.stall() if silently else self.proxy.cut()
            return
        action = "blackhole" if silently else "unreachable"
        one, other = self.ends
        self._cut = [f"from {one} to {other} {action}", f"from {other} to {one} {action}"]
        for rule in self._cut:
            self.network.rule("add", rule)

    def restore(self) -> None:
        """Let everything through again."""
        if self.proxy is not None:
            self.proxy.restore()
        while self._cut:
            self.network.rule("del", self._cut.pop())


class Network:
    """The nodes, made one by one."""

    def __init__(self, stack: contextlib.AsyncExitStack, *, namespaces: bool) -> None:
        self._stack = stack
        self.namespaces = namespaces
        self._count = 0

    @property
    def words(self) -> str:
        """What it is, for people."""
        if self.namespaces:
            return "network namespaces"
        return "loopback addresses and proxies, not in network namespaces"

    async def node(self, name: str) -> Node:
        """Make a node."""
        if not self.namespaces:
            return Node(name)
        self._count += 1
        number = self._count
        holder = await asyncio.create_subprocess_exec(
            *("unshare", "-n", "sh", "-c", "echo made; exec cat"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert holder.stdin is not None
        assert holder.stdout is not None
        self._stack.callback(holder.stdin.close)
        await holder.stdout.readline()
        net, prefix = f"{NETWORK}.{number}", ("nsenter", "-t", str(holder.pid), "-n")
        _ip(f"link add n{number} type veth peer name eth0 netns {holder.pid}")
        _ip(f"addr add {net}.1/24 dev n{number}")
        _ip(f"link set n{number} up")
        for words in (
            "link set lo up",
            f"addr add {net}.2/24 dev eth0",
            "link set eth0 up",
            f"route add default via {net}.1",
        ):
            _ip(words, prefix)
        return Node(name, f"{net}.2", f"{net}.1", prefix)

    async def line(self, start: Node, end: Node, port: int) -> Line:
        """Make a line from one node to a port of another."""
        if self.namespaces:
            return Line(end.host, port, self, (start.host, end.host))
        proxy = await self._stack.enter_async_context(Proxy(port))
        return Line("127.0.0.1", proxy.port, self, proxy=proxy)

    def free_port(self, usual: int) -> int:
        """Return a port: the usual one on a node of its own, else a free one."""
        return usual if self.namespaces else free_port()

    @staticmethod
    def rule(action: str, words: str) -> None:
        """Change the rules by which packets are routed between nodes."""
        _ip(f"rule {action} {words}")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.asynccontextmanager
async def network() -> AsyncIterator[Network]:
    """Yield a network, of namespaces if this process is in one of its own."""
    inside = INSIDE in os.environ
    if inside:
        _ip("link set lo up")
        await asyncio.to_thread(_FORWARD.write_text, "1")
    async with contextlib.AsyncExitStack() as stack:
        yield Network(stack, namespaces=inside)


def run_inside(command: Sequence[str]) -> int | None:
    """Run a command in a network namespace of its own; None where the system refuses one."""
    for unshare in (["unshare", "-n"], ["unshare", "-r", "-n"]):
        probe = [*unshare, "sh", "-c", f"ip link set lo up && echo 1 >{_FORWARD}"]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            if subprocess.run(probe, capture_output=True, timeout=20, check=False).returncode == 0:
                variables = {**os.environ, INSIDE: "1"}
                return subprocess.run([*unshare, *command], env=variables, check=False).returncode
    return None


def _ip(words: str, prefix: Sequence[str] = ()) -> None:
    done = subprocess.run(
        [*prefix, "ip", *words.split()], capture_output=True, timeout=20, check=False
    )
    if done.returncode:
        sys.stderr.write(f"ip {words}: {done.stderr.decode(errors='replace')}")
        done.check_returncode()
