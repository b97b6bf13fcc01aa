"""The Dask cluster, as far as the server knows it: its workers, and tasks that are places of runs.

All of Dask lives in a thread with an event loop of its own, so that nothing it does holds up the
server's. A scheduler that is away is tried again and again. What a task's run does is not asked
here: it tells the server over its own connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from runners.supervision.remote import place
from runners.supervision.remote.authentication import Ticket
from server.config.sections.runs import Runner
from server.core.errors import HeliographError, StartError
from server.execution.places.place import PlaceAway

log = logging.getLogger(__name__)

#: Between two looks at the workers, and after a scheduler that does not answer.
LOOK_SECONDS = 0.5
AGAIN_SECONDS = 1.0
ANSWER_SECONDS = 5.0
END_SECONDS = 5.0
MISSING = (
    "runner.type: dask needs the package distributed, which is not installed: "
    "install Heliograph with its extra, as by pip install 'heliograph[dask]'"
)


@dataclass(frozen=True)
class Workers:
    """What the scheduler says of its workers."""

    threads: int = 0
    #: by name: how much there is of a resource in all, and on the worker that has most of it
    resources: Mapping[str, float] = field(default_factory=dict)
    largest: tuple[Mapping[str, float], ...] = ()
    dashboard: str | None = None
    #: the scheduler's id, by which servers know that they share a cluster
    scheduler: str = ""


class WorkerFailed(HeliographError):
    """A Dask worker could not take a run; the sentence says why."""


#: Called, in the server's loop, with why a task has ended: PlaceAway or WorkerFailed.
OnEnd = Callable[[HeliographError], None]


class Task:
    """A submitted task. It is given up by `withdraw`, which does not stop what runs already."""

    def __init__(self, cluster: Cluster, ticket: Ticket, key: str, resources: Any) -> None:
        self.cluster = cluster
        self.ticket = ticket
        self.key = key
        self.resources = resources
        self.future: Any = None
        self.withdrawn = False

    def withdraw(self) -> None:
        """Forget the task; it does not start any more, unless it has."""
        self.withdrawn = True
        self.cluster.call(self._release)

    def _release(self) -> None:
        future, self.future = self.future, None
        if future is not None:
            with contextlib.suppress(Exception):  # the client may be closed
                future.release()


class Cluster:
    """A connection to the scheduler, made anew whenever it is lost."""

    def __init__(self, runner: Runner, changed: Callable[[], None]) -> None:
        if importlib.util.find_spec("distributed") is None:
            raise StartError(MISSING)
        self._runner = runner
        #: called in the server's loop when workers have come or gone
        self._changed = changed
        #: None while the scheduler is away
        self.workers: Workers | None = None
        self._main = asyncio.get_running_loop()
        self._loop = asyncio.new_event_loop()
        self._client: Any = None
        #: whether the log has that the scheduler is away
        self._told_away = False
        self._keeping: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="dask", daemon=True)

    @property
    def address(self) -> str:
        """The scheduler's address."""
        return self._runner.address or ""

    @property
    def away(self) -> PlaceAway:
        """What is said while the scheduler is away."""
        return PlaceAway(f"the Dask scheduler at {self.address} cannot be reached")

    def start(self) -> None:
        """Begin to connect; return at once."""
        self._thread.start()

    async def stop(self) -> None:
        """Leave the cluster; tasks that have not started are dropped."""
        self.call(self._end)
        await asyncio.to_thread(self._thread.join, END_SECONDS)

    def submit(
        self, ticket: Ticket, key: str, resources: Mapping[str, float], on_end: OnEnd
    ) -> Task:
        """Submit the task of a ticket."""
        task = Task(self, ticket, key, dict(resources) or None)

        def ended(why: HeliographError) -> None:
            with contextlib.suppress(RuntimeError):  # the server's loop is closed
                self._main.call_soon_threadsafe(on_end, why)

        def begin() -> None:
            asyncio.ensure_future(self._carry_out(task, ended))  # noqa: RUF006 - ends with its task

        self.call(begin)
        return task

    def call(self, function: Callable[[], None]) -> None:
        """Call a function in Dask's thread; nothing happens once that has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function)

    # In Dask's thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._keeping = self._loop.create_task(self._keep())
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._keeping)
        self._loop.close()

    def _end(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()

    async def _keep(self) -> None:
        """Keep the connection, until cancelled."""
        security = await asyncio.to_thread(_security, self._runner)
        while True:
            try:
                await self._watch(security)
            except Exception as error:
                self._tell_away(error)
            self._note(None)
            await asyncio.sleep(AGAIN_SECONDS)

    def _tell_away(self, error: Exception) -> None:
        """Log that the scheduler is away, once until it is back."""
        log.log(
            logging.DEBUG if self._told_away else logging.WARNING,
            "The Dask scheduler at %s cannot be used: %s",
            self.address,
            str(error) or type(error).__name__,
            extra={"action": "dask_away"},
        )
        self._told_away = True

    async def _watch(self, security: Any) -> None:
        client = _distributed().Client(
            self.address,
            asynchronous=True,
            security=security,
            timeout=ANSWER_SECONDS,
            set_as_default=False,
            name="heliograph",
        )
        try:
            await client
            self._client = client
            self._told_away = False
            log.info("Connected to the Dask scheduler", extra={"action": "dask_connected"})
            while True:
                async with asyncio.timeout(ANSWER_SECONDS):
                    identity = await client.scheduler.identity(n_workers=-1)
                if client.status != "running":
                    raise ConnectionError("the connection to it ended")
                self._note(_workers(identity, self.address))
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._client = None
            self._note(None)  # closing takes a while, in which nothing is to be claimed
            with contextlib.suppress(Exception):
                async with asyncio.timeout(ANSWER_SECONDS):
                    await client.close()

    async def _carry_out(self, task: Task, ended: OnEnd) -> None:
        """Submit a task and wait for its end."""
        if task.withdrawn:
            return
        client = self._client
        why: HeliographError
        try:
            if client is None:
                raise ConnectionError("the scheduler is away")
            task.future = future = client.submit(
                place.carry_out,
                task.ticket,
                key=task.key,
                resources=task.resources,
                pure=False,
                retries=0,
            )
            why = self._failure(await future)
        except asyncio.CancelledError:
            why = self._failure("the task was cancelled")
        except Exception as error:
            why = self._failure(_in_words(error))
            if not task.withdrawn and _is_away(error, client):
                self._note(None)  # until the next look: it would only be tried again at once
                why = self.away
        if not task.withdrawn:
            ended(why)

    @staticmethod
    def _failure(problem: str | None) -> WorkerFailed:
        reason = problem or "it ended without connecting to this server"
        return WorkerFailed(f"the Dask worker: {reason}")

    def _note(self, workers: Workers | None) -> None:
        if workers != self.workers:
            self.workers = workers
            with contextlib.suppress(RuntimeError):
                self._main.call_soon_threadsafe(self._changed)


def _workers(identity: dict[str, Any], address: str) -> Workers:
    each = list(identity["workers"].values())
    present = [dict(worker.get("resources") or {}) for worker in each]
    totals: dict[str, float] = {}
    for resources in present:
        for name, amount in resources.items():
            totals[name] = totals.get(name, 0.0) + amount
    return Workers(
        threads=sum(worker["nthreads"] for worker in each),
        resources=totals,
        largest=tuple(resources for resources in present if resources),
        dashboard=_dashboard(identity, address),
        scheduler=str(identity.get("id") or address),
    )


def _dashboard(identity: dict[str, Any], address: str) -> str | None:
    port = (identity.get("services") or {}).get("dashboard")
    host = urlsplit(address).hostname
    if not port or host is None:
        return None
    return f"http://[{host}]:{port}/status" if ":" in host else f"http://{host}:{port}/status"


def _distributed() -> Any:
    """Return Dask's package, which comes without types and may not be installed."""
    return importlib.import_module("distributed")


def _security(runner: Runner) -> Any:
    """Import Dask, which takes a second, and return its security, None without TLS."""
    _distributed()
    # Its log goes where the server's goes, and in the same form.
    for name in ("distributed", "distributed.client", "distributed.scheduler", "bokeh", "tornado"):
        logger = logging.getLogger(name)
        if name != "tornado":
            logger.handlers.clear()
            logger.propagate = True
    logging.getLogger("distributed").setLevel(logging.WARNING)
    security = runner.security
    if not security.given:
        return None
    return _distributed().Security(
        require_encryption=True,
        tls_ca_file=security.ca,
        tls_client_cert=security.certificate,
        tls_client_key=security.key,
    )


def _is_away(error: Exception, client: Any) -> bool:
    """Return whether a task failed only because the connection to the scheduler was lost."""
    lost = type(error).__name__ in ("FutureCancelledError", "ClosedClientError", "CommClosedError")
    return client is None or lost or client.status != "running"


def _in_words(error: Exception) -> str:
    """Return why a task failed, for users."""
    match type(error).__name__:
        case "KilledWorker":
            return "its Dask workers ended before it could start"
        case "AgentEnded":
            return "the process on the worker's machine that starts the runs has ended"
        case "ModuleNotFoundError" | "ImportError" | "AttributeError":
            return "Heliograph is not installed where the Dask worker runs"
    return f"the Dask task ended with {type(error).__name__}"
