"""Whether a run that was not found as this server's own was taken over by another one."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from server.core.errors import NotFound
from server.core.hub import Hub
from server.core.records import ProcessRecord, State
from server.execution.attempt import Attempt
from server.execution.dispatcher import Dispatcher
from tests.fakes.some_records import a_process

RUNNING = a_process(state=State.RUNNING, owner="me", attempt=1)


class FakeRepository:
    """What is stored of one process."""

    server_id = "me"

    def __init__(self, stored: ProcessRecord | None) -> None:
        self._stored = stored

    async def reread(self, pk: int) -> ProcessRecord:
        if self._stored is None:
            raise NotFound("process", pk)
        return self._stored


@pytest.mark.parametrize(
    ("stored", "taken"),
    [
        (None, True),
        (RUNNING.evolve(owner="another"), True),
        (RUNNING.evolve(attempt=2), True),
        (RUNNING.evolve(state=State.QUEUED, owner=None), True),
        (RUNNING.evolve(state=State.SUCCEEDED, owner=None), False),
        # An index that lags behind its document did not show it among ours.
        (RUNNING, False),
    ],
)
def test_a_run_is_taken_if_its_record_says_so(stored: ProcessRecord | None, taken: bool) -> None:
    services: Any = SimpleNamespace(
        repository=FakeRepository(stored),
        places=SimpleNamespace(clustered=False),
        config=SimpleNamespace(alone=False),
    )
    dispatcher = Dispatcher(services, Hub(), cast("Any", SimpleNamespace(heartbeats=None)))
    attempt = cast("Attempt", SimpleNamespace(pk=RUNNING.pk, number=1))
    assert asyncio.run(dispatcher._was_taken(attempt)) is taken
