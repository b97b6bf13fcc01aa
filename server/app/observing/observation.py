"""Brings together where a server's figures are, and has them shown."""

from __future__ import annotations

import asyncio
import platform
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runners.execution.pool import Pool
from server.app.components import Components
from server.app.connections.server import BoundedServer
from server.app.observing.figures import Figures, Sources
from server.app.observing.gauges import Gauged, show_figures, show_process, show_storage
from server.core.version import version
from server.execution.dispatcher import Dispatcher
from server.execution.places.places import Places
from server.operations import schema
from server.processes.recent_failures import RecentFailures

#: The kinds of viewers that are shown even while there are none.
VIEWERS = ("status", "log")


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What is observed. `viewers` returns the open websockets by kind."""

    components: Components
    pool: Pool
    dispatcher: Dispatcher
    places: Places
    http: BoundedServer
    viewers: Callable[[], Counter[str]]
    folder: Path

    def begin(self) -> Figures:
        """Return the figures; from now on, the metrics show them."""
        figures = Figures(self._sources())
        metrics, repository = self.components.metrics, self.components.repository
        metrics.describe(
            version=version(), server_id=repository.server_id, python=platform.python_version()
        )
        gauged = Gauged(
            figures=figures,
            queue=repository.queue,
            slots=lambda: self.places.slots,
            running_here=lambda: self.dispatcher.running,
            viewers=self._viewers_by_kind,
            connections=lambda: self.http.open_connections,
            refused_connections=lambda: self.http.refused_connections,
            restarts=self._restarts,
        )
        show_figures(metrics, gauged)
        show_storage(metrics, self.components.files)
        show_process(metrics)
        return figures

    def _sources(self) -> Sources:
        repository = self.components.repository
        return Sources(
            facts={
                "version": version(),
                "schema": schema.newest(),
                "server_id": repository.server_id,
                "started": time.time(),
            },
            slots=lambda: self.places.slots,
            dashboard=lambda: self.places.dashboard,
            running_here=lambda: self.dispatcher.running,
            viewers=lambda: self.viewers().total(),
            queue=repository.queue,
            process=repository.get,
            failures=RecentFailures(self.components.store.processes).count,
            database_bytes=self._database_bytes,
            folder=str(self.folder),
        )

    async def _database_bytes(self) -> int:
        if self.components.engine is None:
            return await self.components.database.size_bytes()
        return await asyncio.to_thread(self.components.engine.size_bytes)

    def _viewers_by_kind(self) -> Mapping[str, float]:
        return dict.fromkeys(VIEWERS, 0) | self.viewers()

    def _restarts(self) -> dict[str, float]:
        engine = self.components.engine
        return {
            "pool": self.pool.restarts,
            "examiner": max(0, self.components.examiners.of_files.starts - 1),
            "database engine": 0 if engine is None else engine.restarts,
        }
