"""The real server, started as usual, whose database calls can be made to fail.

    HELIOGRAPH_TEST_ORDERS=<file> python -m tests.reliability.tools.faulty_server [options]

The orders are those of `faults`; without a file there are none. Logs of few lines are sealed too.
It also prints when the runs that it left behind last time are settled, by the monotonic clock that
all processes share, and examines files again sooner.

Imports nothing at first: the children of multiprocessing import this module again.
"""

from __future__ import annotations

import os
import sys

ORDERS = "HELIOGRAPH_TEST_ORDERS"
SETTLED = "Own runs settled at"
EXAMINE_AGAIN_SECONDS = 1.0


def main() -> int:
    """Install the faults and run the server."""
    from pathlib import Path

    from server.__main__ import main as run
    from server.archive.derived import reexamination
    from tests.reliability.tools import faults

    if ORDERS in os.environ:
        met = faults.Faults(Path(os.environ[ORDERS]))
        faults.install(met)
        faults.install_in_storage(met)
    _seal_short_logs()
    _tell_when_settled()
    reexamination.PAUSE_SECONDS = EXAMINE_AGAIN_SECONDS
    return run()


def _seal_short_logs() -> None:
    """Seal logs of a few lines, also while they grow, so that each run here meets it."""
    from server.operations import log_sealing
    from server.store.processes import index

    index.SEALED_BYTES = log_sealing.SEALED_BYTES = 1
    log_sealing.LIVE_BYTES = 400
    log_sealing.PAUSE_SECONDS = (0.2, 0.5)


def _tell_when_settled() -> None:
    import time

    from server.execution.recovery import Recovery

    settle = Recovery.settle_own

    async def settle_own(self: Recovery) -> None:
        await settle(self)
        print(SETTLED, time.monotonic(), flush=True)

    Recovery.settle_own = settle_own  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.exit(main())
