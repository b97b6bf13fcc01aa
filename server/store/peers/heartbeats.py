"""The heartbeats of all servers on this database: counters, as no two clocks are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from server.store.base import load
from server.store.driver.collection import Document
from server.store.driver.connection import Database

#: The schema that servers know whose heartbeats do not say: the last one before they did.
UNTOLD_SCHEMA = 2


@dataclass(frozen=True)
class Program:
    """What a server runs: its version, the newest schema that it knows, and its pipelines.

    `upgrading_to` is the schema to which it takes the database, or will as soon as it may, where
    servers that do not know that schema must not run any more.
    """

    version: str = "an earlier version"
    schema: int = UNTOLD_SCHEMA
    upgrading_to: int | None = None
    pipelines: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClusterUse:
    """What a server's runs have of a Dask cluster; of none if it has no runs elsewhere.

    `cluster` is the id of the scheduler, as each server may know it by another address. `claiming`:
    it is about to claim one more run. `resources` are amounts by name.
    """

    cluster: str | None = None
    runs: int = 0
    claiming: bool = False
    resources: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Peer:
    """A server as its heartbeats show it."""

    beats: int
    program: Program
    use: ClusterUse = ClusterUse()


class Servers:
    """A counter for each server that runs, or ended without leaving."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("servers")

    async def ensure_indexes(self) -> None:
        """Make no index: there are few servers."""

    async def beat(
        self,
        server: str,
        now: float,
        program: Program | None = None,
        use: ClusterUse | None = None,
    ) -> int:
        """Add one heartbeat and return how many there are; `now` is there for people to read."""
        told: Document = {"seen": now} if program is None else {"seen": now, **asdict(program)}
        if use is not None:
            told["use"] = _use_to_document(use)
        return await self._collection.add_to(server, "beats", 1, set=told)

    async def all(self) -> dict[str, int]:
        """Return how many heartbeats each server has made."""
        found = await self._collection.find({}, fields=("beats",))
        return {each["_id"]: each["beats"] for each in found}

    async def peers(self) -> dict[str, Peer]:
        """Return each server with its heartbeats, what it runs, and what it has of a cluster."""
        found = await self._collection.find({})
        return {each["_id"]: Peer(each["beats"], _program(each), _use(each)) for each in found}

    async def delete(self, server: str) -> None:
        """Forget a server; a missing one is fine."""
        await self._collection.delete({"_id": server})


def _program(document: Document) -> Program:
    return load(Program, {**document, "pipelines": tuple(document.get("pipelines", ()))})


def _use_to_document(use: ClusterUse) -> Document:
    # A list of pairs, as the names of resources are anything, and those of fields are not.
    pairs = [[name, amount] for name, amount in use.resources.items()]
    return {**asdict(use), "resources": pairs}


def _use(document: Document) -> ClusterUse:
    told = document.get("use") or {}
    return load(ClusterUse, {**told, "resources": dict(told.get("resources", ()))})
