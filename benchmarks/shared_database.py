"""A database that several servers can share, for benchmarks of them.

It is the one that HELIOGRAPH_TEST_MONGODB_URI names, as `python -m tests.engines` sets it. The
embedded engine serves its own server alone, so without that there is none.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient

from server.config.sections import MongoDB

MISSING = (
    "NOT MEASURED with several servers: there is no database for them. Name a MongoDB by\n"
    "HELIOGRAPH_TEST_MONGODB_URI, or have one started for the time of the benchmark:\n"
    "    python -m tests.engines secantus -- python -m benchmarks.scale claims pushes"
)


@contextmanager
def shared_database() -> Iterator[MongoDB | None]:
    """Yield where empty databases can be made, None if nowhere; they are dropped afterwards."""
    uri = os.environ.get("HELIOGRAPH_TEST_MONGODB_URI")
    if not uri:
        print(MISSING, flush=True)
        yield None
        return
    engine = os.environ.get("HELIOGRAPH_TEST_ENGINE", "the database that was named")
    name = f"heliograph_benchmark_{secrets.token_hex(6)}"
    client: MongoClient[Any] = MongoClient(uri)
    version = client.server_info().get("version", "of no known version")
    print(f"on {engine}, which says that it is MongoDB {version}", flush=True)
    try:
        yield MongoDB(uri=uri, database=name)
    finally:
        for each in client.list_database_names():
            if each.startswith(name):
                client.drop_database(each)
        client.close()
