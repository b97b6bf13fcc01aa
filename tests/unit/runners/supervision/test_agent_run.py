"""What a run on a worker's machine keeps of what the server has asked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

from runners.supervision.remote.agent_run import AgentRun

PICTURES = 50


class FakeWire:
    """A connection that counts what is sent."""

    def __init__(self) -> None:
        self.sent = 0

    async def send(self, kind: str, **fields: Any) -> None:
        assert (kind, fields["problem"]) == ("sent", None)
        self.sent += 1


def test_nothing_is_kept_of_the_pictures_that_were_sent(tmp_path: Path) -> None:
    async def asked() -> None:
        wire = FakeWire()
        run = AgentRun(cast("Any", wire), cast("Any", None), cast("Any", None), tmp_path, 0)
        for number in range(PICTURES):
            run._heed({"kind": "picture", "channel": 16 + number})
        async with asyncio.timeout(20):
            while run._tasks:
                await asyncio.sleep(0.01)
        assert wire.sent == PICTURES

    asyncio.run(asked())
