"""How often the kernel has ended processes for lack of memory: a kill says nothing of its reason.

Linux only; elsewhere the count stays zero.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
#: Of the whole machine.
MACHINE = Path("/proc/vmstat")


def count() -> int:
    """The kills so far in our control group if it counts them, else on the whole machine."""
    source = _source()
    return 0 if source is None else _kills_in(source) or 0


@cache
def _source() -> Path | None:
    """The first file that counts them."""
    return next((path for path in _candidates() if _kills_in(path) is not None), None)


def _candidates() -> list[Path]:
    found = []
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text("utf-8").splitlines():
            _, controllers, place = line.split(":", 2)
            if not controllers:
                found.append(CGROUPS / place.lstrip("/") / "memory.events")
            elif "memory" in controllers.split(","):
                found.append(CGROUPS / "memory" / place.lstrip("/") / "memory.oom_control")
    return [*found, MACHINE]


def _kills_in(path: Path) -> int | None:
    """The number behind `oom_kill` in a file of names and numbers; None when it is not there."""
    with suppress(OSError, ValueError):
        for line in path.read_text("ascii").splitlines():
            name, _, number = line.partition(" ")
            if name == "oom_kill":
                return int(number)
    return None
