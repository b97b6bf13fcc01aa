"""An installation for the tests of commands, made once and copied for each."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from server.config import Config
from server.store.engine.database_file import DatabaseFile
from tests.fakes.kept import changing
from tests.fakes.old_data import config_of, unpack

#: Processes of which the logs are long, and so left out.
LONG_LOGS = (11, 12)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data folder of version 0.1 without its long logs; not to be changed."""
    data = unpack(tmp_path_factory.mktemp("original"))
    database = data / "database" / "heliograph.db"
    with changing(database) as connection:
        of_process = "json_extract(data, '$.process')"
        connection.execute(f"DELETE FROM log_chunks WHERE {of_process} IN {LONG_LOGS}")
    with DatabaseFile(database, writable=True) as file:
        file.rewrite()
    return data


@pytest.fixture
def old(original: Path, tmp_path: Path) -> Config:
    """Return the configuration of a copy of it, in the folder `data` of the test's own."""
    shutil.copytree(original, tmp_path / "data")
    return config_of(tmp_path / "data")
