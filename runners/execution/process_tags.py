"""Tags by which any OS process can be traced to its run: its descendants inherit them.

Programs inherit the environment, forks also the name of the process. On Linux both can be read from
outside, whatever a process does with its session, its parent or its working directory.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

#: The variable of a run's environment that names its process.
VARIABLE = "PIPELINE_PROCESS"


def tag(pk: int, identifier: str) -> None:
    """Tag this OS process, and so all that it starts, as the run of a process."""
    os.environ[VARIABLE] = identifier
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            Path("/proc/self/comm").write_bytes(_name(pk).encode())


def belongs_to(pid: int, pk: int, identifier: str) -> bool:
    """Return whether an OS process is the run of a process or descends from it."""
    name = _read(pid, "comm").removesuffix(b"\n")
    if name == _name(pk).encode():
        return True
    # The environment of other runs need not be read: their names tell.
    return not name.startswith(b"run-") and _entry(identifier) in _environment(pid)


def has_mark(pid: int) -> bool:
    """Return whether this is a program that some run has started; a run itself is not."""
    return _entry("") in _environment(pid)


def children_of(pid: int) -> list[int]:
    """Return the PIDs of a process's children; none where the system does not list them."""
    children: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, _read(pid, f"task/{thread.name}/children").split())
    return children


def lists_children() -> bool:
    """Return whether this system lists the children of a process."""
    return any(Path("/proc/self/task").glob("*/children"))


def _name(pk: int) -> str:
    return f"run-{pk}"


def _entry(value: str) -> bytes:
    """Return the variable as an environment holds it; the beginning of it for an empty value."""
    return f"\0{VARIABLE}={value}".encode() + (b"\0" if value else b"")


def _environment(pid: int) -> bytes:
    return b"\0" + _read(pid, "environ")


def _read(pid: int, name: str) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""
