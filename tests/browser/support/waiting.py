"""How a pipeline of the tests waits for its test. Imported by the children of runs only."""

from __future__ import annotations

import time
from pathlib import Path

from runners import PipelineProcess

MOST_SECONDS = 120.0


def wait_to_go_on(run: PipelineProcess, tmpdir: Path) -> None:
    """Wait until the test has let it go on by `Observatory.let_go_on`."""
    deadline = time.monotonic() + MOST_SECONDS  # the test may have failed
    while not (tmpdir.parents[2] / f"{run.identifier}.go").exists():
        if time.monotonic() > deadline:
            raise TimeoutError("the test did not let it go on")
        run.check_cancelled()
        time.sleep(0.05)
