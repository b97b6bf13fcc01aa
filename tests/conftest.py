"""Databases for tests: one embedded engine for the session, and a new database for each test.

A coroutine function that asks for `runner`, directly or through `store`, runs on that loop.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import server.store
from server.store import Store
from server.store.driver.connection import Database
from tests.engines.known_faults import EMBEDDED, KNOWN_FAULTS, MEASURING, NAMED

CHILD = Path(server.store.__file__).with_name("engine") / "child.py"
MONGODB_URI = os.environ.get("HELIOGRAPH_TEST_MONGODB_URI")
#: Files of few tests that take long.
LONGEST = {
    "integration/api/test_schemathesis.py",
    "reliability/test_two_servers.py",
    "reliability/test_remote_storage.py",
    "reliability/test_sweep.py",
    "reliability/test_soak.py",
    "reliability/test_soak_cluster.py",
    "reliability/test_database_away.py",
    "reliability/test_full_disk.py",
    "acceptance/test_refused_starts.py",
    "acceptance/test_tokens.py",
    "browser/test_connection.py",
    "browser/test_missing_modules.py",
    "browser/test_roles.py",
    "browser/test_accessibility.py",
    "integration/execution/test_interruptions.py",
}
#: `python -m tests.engines` is about the engine that it has started, and the default run has tried
#: the embedded one.
_ENGINES = [
    *(["embedded"] if "HELIOGRAPH_TEST_ENGINE" not in os.environ else []),
    *(["mongodb"] if MONGODB_URI else []),
]


# A shell that runs the tests in the background makes them ignore Ctrl-C. The servers that they
# start, and stop by it, would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function on its fixture's loop."""
    runner = pyfuncitem.funcargs.get("runner")
    if not isinstance(runner, asyncio.Runner) or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    runner.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(autouse=True)
def no_converter_left() -> Iterator[None]:
    """Drop what PyAV 19 keeps of a film for this thread, which has threads of its own.

    A fork from another thread frees it in the child, where those threads are not, and hangs.
    """
    yield
    kept = getattr(sys.modules.get("av.video.frame"), "_thread_local", None)
    if kept is not None:
        vars(kept).clear()


@pytest.fixture(autouse=True, scope="session")
def current_loop() -> Iterator[None]:
    """Set a current loop, which pytest-tornado would otherwise make and never close."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """Yield a loop for the test and its fixtures."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="session")
def engine_uri() -> Iterator[str]:
    """Yield the URI of an embedded engine."""
    # Not in pytest's own folder, whose path may be too long for a socket; and in memory where
    # possible, as none of it has to outlast the machine.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="heliograph-", dir=memory) as folder:
        socket = Path(folder) / "engine.sock"
        command = [sys.executable, "-P", str(CHILD), folder, str(socket)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            yield f"mongodb://{str(socket).replace('/', '%2F')}"
            child.stdin.close()
            assert child.wait(20) == 0


@pytest.hookimpl(trylast=True)  # once it is known which tests are run
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect what an engine is known to get wrong, and complain if it does not.

    The files that take longest come first, so that no process works on one alone in the end.
    """
    sizes = Counter(item.path for item in items)
    longest = {Path(__file__).parent / path for path in LONGEST}
    assert all(path.exists() for path in longest)
    items.sort(key=lambda item: (item.path not in longest, -sizes[item.path]))
    for item in items:
        spec = getattr(item, "callspec", None)
        if spec is None or "database" not in spec.params:
            continue
        engine = EMBEDDED if spec.params["database"] == "embedded" else NAMED
        name = getattr(item, "originalname", "")
        reason = KNOWN_FAULTS.get(engine, {}).get(name)
        if reason is not None:
            strict = name not in MEASURING
            item.add_marker(pytest.mark.xfail(strict=strict, reason=f"{engine}: {reason}"))


@pytest.fixture(scope="session")
def shared_uri(request: pytest.FixtureRequest) -> str:
    """Return the URI of the engine that is named for the tests, else of the embedded one."""
    return MONGODB_URI or str(request.getfixturevalue("engine_uri"))


@pytest.fixture(params=_ENGINES)
def database(request: pytest.FixtureRequest, runner: asyncio.Runner) -> Iterator[Database]:
    """Yield an empty database on each available engine."""
    named = request.param == "mongodb"
    uri = MONGODB_URI if named else request.getfixturevalue("engine_uri")
    assert uri is not None
    name = f"heliograph_test_{secrets.token_hex(6)}"
    database = runner.run(Database.open(uri, name))
    yield database
    runner.run(_drop(database, name))
    database.close()


@pytest.fixture
def store(runner: asyncio.Runner, database: Database) -> Store:
    """Return the store of an empty database."""
    return runner.run(Store.open(database))


async def _drop(database: Database, name: str) -> None:
    await database._client.drop_database(name)
