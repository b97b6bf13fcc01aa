"""The kill ladder: ask, SIGTERM to the group, grace, SIGKILL to the group, verify."""

from __future__ import annotations

import asyncio
import logging
import signal

from runners.execution.pool import Run

log = logging.getLogger(__name__)

ASK_SECONDS = 0.3
GRACE_SECONDS = 5.0
VERIFY_SECONDS = 2.0
LOOK_SECONDS = 0.01


async def terminate(run: Run) -> None:
    """End a run and its whole process group; both are gone when this returns."""
    run.ask()
    if not await _ends_within(run, ASK_SECONDS):
        run.signal_group(signal.SIGTERM)
        # A stopped process gets no other signal before it is continued.
        run.signal_group(signal.SIGCONT)
        await _ends_within(run, GRACE_SECONDS)
    await kill(run)


async def kill(run: Run) -> None:
    """Kill what is left of a run's process group, and verify that nothing is."""
    # Nothing notifies us when a process group is empty, so it is polled.
    for _ in range(round(VERIFY_SECONDS / LOOK_SECONDS)):
        if not run.signal_group(signal.SIGKILL):
            break
        await asyncio.sleep(LOOK_SECONDS)
    else:
        log.error(
            "The group of OS process %s was killed but does not end",
            run.pid,
            extra={"action": "kill_failed", "pid": run.pid},
        )
    await run.wait()


async def _ends_within(run: Run, seconds: float) -> bool:
    try:
        await asyncio.wait_for(run.wait(), seconds)
    except TimeoutError:
        return False
    return True
