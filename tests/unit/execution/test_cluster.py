"""What a task of a Dask cluster comes to, as the server hears it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from runners.supervision.remote.authentication import Ticket
from server.config.sections import Runner
from server.core.errors import HeliographError
from server.execution.places.cluster import Cluster, Task, WorkerFailed, Workers
from server.execution.places.place import PlaceAway

pytest.importorskip("distributed")


class FutureCancelledError(Exception):
    """Dask's, by its name."""


class FakeClient:
    """Dask's client, whose futures end like this."""

    def __init__(self, outcome: Any, status: str = "running") -> None:
        self._outcome = outcome
        self.status = status

    def submit(self, *arguments: Any, **options: Any) -> Any:
        async def future() -> Any:
            if isinstance(self._outcome, Exception):
                raise self._outcome
            return self._outcome

        return future()


async def told(client: FakeClient | None) -> tuple[HeliographError, Workers | None]:
    """Return why a task ended with this client, and what is known of the workers then."""
    cluster = Cluster(Runner(type="dask", address="tcp://dask.example:8786"), lambda: None)
    cluster.workers, cluster._client = Workers(2), client
    why: list[HeliographError] = []
    await cluster._carry_out(Task(cluster, cast("Ticket", None), "key", None), why.append)
    cluster._loop.close()
    return why[0], cluster.workers


@pytest.mark.parametrize(
    "client",
    [
        None,
        FakeClient(FutureCancelledError("scheduler-connection-lost")),
        FakeClient(OSError("broken"), status="connecting"),
    ],
)
def test_a_scheduler_that_goes_away_is_no_failed_start_and_nothing_is_claimed(
    client: FakeClient | None,
) -> None:
    why, workers = asyncio.run(told(client))
    assert isinstance(why, PlaceAway)
    assert str(why) == "the Dask scheduler at tcp://dask.example:8786 cannot be reached"
    assert workers is None


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (None, "it ended without connecting to this server"),
        ("OSError: no route", "OSError: no route"),
        (ImportError("runners"), "Heliograph is not installed where the Dask worker runs"),
    ],
)
def test_a_worker_that_fails_is_a_failed_start(outcome: Any, reason: str) -> None:
    why, workers = asyncio.run(told(FakeClient(outcome)))
    assert isinstance(why, WorkerFailed)
    assert str(why) == f"the Dask worker: {reason}"
    assert workers == Workers(2)
