"""An installation for the tests of commands, made once and copied for each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.config import Config
from server.store.engine.database_file import DatabaseFile
from tests.fakes.kept import changing
from tests.fakes.moved_in import FitsByName, Moving, empty_database
from tests.fakes.old_data import config_of, unpack
from tests.fakes.tom_site import TomSite, copy_of, small_site

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


@pytest.fixture(scope="session")
def old_site(tmp_path_factory: pytest.TempPathFactory) -> TomSite:
    """Return a site of tom_education; not to be changed."""
    return small_site(tmp_path_factory.mktemp("old") / "site")


@pytest.fixture
def moving(
    tmp_path: Path, shared_uri: str, old_site: TomSite, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Moving]:
    """Yield the small site, and an empty installation to be; files are examined by their names."""
    monkeypatch.setattr("server.cli.keeping.import_tom.Examiner", FitsByName)
    with empty_database(shared_uri) as uri:
        monkeypatch.setenv("HELIOGRAPH_MONGODB_URI", uri)
        yield Moving(tmp_path, copy_of(old_site, tmp_path / "site"), uri)
