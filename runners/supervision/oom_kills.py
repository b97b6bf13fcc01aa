"""How often the kernel has killed processes for lack of memory, as a kill does not tell its reason.

Linux only; elsewhere the count stays zero.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
#: The counters of the whole machine.
MACHINE = Path("/proc/vmstat")


def count() -> int:
    """Count the kills so far, in our control group if it counts them, else on the machine."""
    source = _source()
    return 0 if source is None else _kills_in(source) or 0


@cache
def _source() -> Path | None:
    """Find the first file that counts them."""
    return next((path for path in _candidates() if _kills_in(path) is not None), None)


def _candidates() -> list[Path]:
    found = []
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text("utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                found.append(CGROUPS / path.lstrip("/") / "memory.events")
            elif "memory" in controllers.split(","):
                found.append(CGROUPS / "memory" / path.lstrip("/") / "memory.oom_control")
    return [*found, MACHINE]


def _kills_in(path: Path) -> int | None:
    """Return the number after `oom_kill` in a file of names and numbers, None if there is none."""
    with suppress(OSError, ValueError):
        for line in path.read_text("ascii").splitlines():
            name, _, number = line.partition(" ")
            if name == "oom_kill":
                return int(number)
    return None
