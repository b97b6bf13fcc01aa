"""Old sites whose database is on PostgreSQL or MariaDB, which are started here where they are.

What arrives is compared with what the same site brings from its SQLite file.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from server.core.errors import NotDone
from server.operations.keeping.layout import Progress
from server.operations.moving.tom.destination import Destination
from server.operations.moving.tom.importing import Wanted, import_tom
from server.operations.moving.tom.pks import KINDS
from server.operations.moving.tom.server_database import opened_url
from server.operations.moving.tom.site import DATA, GROUPS, Site
from server.operations.moving.tom.work import Examine
from tests.fakes.kept import silent
from tests.fakes.moved_in import FitsByName, Moving
from tests.fakes.old_servers import SECRET, MariaDB, OldServer, PostgreSQL, running
from tests.fakes.tom_site import TomSite, small_site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module", params=[PostgreSQL, MariaDB])
def server(request: pytest.FixtureRequest) -> Iterator[OldServer]:
    """Yield a server, or skip and say what is not at hand."""
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("psycopg" if request.param is PostgreSQL else "pymysql")
    with running(request.param) as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TomSite:
    """Return a site with values that databases keep in different ways."""
    site = small_site(tmp_path_factory.mktemp("old") / "site")
    moon = "\U0001f319\u03b1"
    site.process(
        2, "dummy_2_1", inputs=[1], logs=f"{moon}\r\n\tno end" * 9000, flags_json='{"a.b": true}',
        created="2019-03-31 01:30:00.000001", terminal_timestamp="2019-10-27 00:30:00.999999",
    )  # fmt: skip
    site.process(1, "dummy_1_2", status="pending", terminal_timestamp=None)
    site.change(
        "UPDATE tom_targets_target SET ra = ?, parallax = ?, name = ? WHERE id = 2",
        0.1 + 0.2, 1.1e-300, f"{moon} 100%",
    )  # fmt: skip
    for value in ({"x": [1, "a"]}, [1, 2], {"limit": 12.000000000000002, "filter": moon}):
        site.datum(1, value)
    for table, make in ((DATA, lambda: site.datum(1, {})), (GROUPS, lambda: site.group("gone"))):
        site.change(f"DELETE FROM {table} WHERE id = ?", make())
    return site


@pytest.fixture(scope="module")
def wanted(site: TomSite, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """Return what arrives from the SQLite file, and what was reported."""
    moving = Moving(tmp_path_factory.mktemp("sqlite"), site, None)
    return brought(moving, str(site.database))


@contextlib.asynccontextmanager
async def examining() -> AsyncIterator[Examine]:
    """Have FITS files told by their names."""

    async def examine(path: Path, name: str) -> dict[str, Any]:
        return {"fits": await FitsByName().metadata(Path(name))}

    yield examine


def brought(moving: Moving, database: str, progress: Progress = silent) -> tuple[Any, Any]:
    """Import, and return what is here then, and what was reported."""
    options = Wanted(database=database, media=moving.site.media)
    report = import_tom(moving.config, options, examining, progress)
    return moving.everything() | {"counters": moving.here(counters)}, report


async def counters(here: Destination) -> list[Any]:
    """Return the last PK of each kind."""
    return [await here.store.counters.last(kind) for kind in KINDS]


def same(found: tuple[Any, Any], wanted: tuple[Any, Any]) -> bool:
    """Compare all that is here, and what was said."""
    words = [
        [each.counts, each.notes.sentences, each.lost.sentences] for _, each in (found, wanted)
    ]
    assert words[0] == words[1]
    assert found[1].site == wanted[1].site
    for what, each in wanted[0].items():
        assert found[0][what] == each, what
    return True


def test_every_fact_is_that_of_the_sqlite_file(
    server: OldServer, site: TomSite, wanted: tuple[Any, Any], tmp_path: Path
) -> None:
    server.fill(site.database, new=True)
    moving = Moving(tmp_path, site, None)
    assert same(brought(moving, server.url()), wanted)
    # The same site, by whatever way it is read: so nothing of it is left to import.
    assert brought(moving, str(site.database))[1].written == 0
    assert moving.problems() == []


def test_a_database_is_read_at_one_moment_and_cannot_be_written_to(
    server: OldServer, site: TomSite
) -> None:
    server.fill(site.database)
    urls = {server.url(), server.url().replace("mysql+", "mariadb+")}
    for number, url in enumerate(sorted(urls)):
        with opened_url(url) as database:
            before = Site(database).count("group")
            server.execute(f"DELETE FROM {GROUPS} WHERE id = {number + 1}")
            assert Site(database).count("group") == before == 6 - number
            # No method of ours writes: the connection, which only this kind has, is asked directly.
            with pytest.raises(Exception, match=r"(?i)read.only"):
                database._connection.exec_driver_sql(f"DELETE FROM {GROUPS}")  # type: ignore[attr-defined]
            database._connection.rollback()  # type: ignore[attr-defined]


def test_what_cannot_be_read_is_one_sentence_and_nothing_is_written(
    server: OldServer, site: TomSite, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server.fill(site.database)
    away = server.url().replace(f":{server.port}/", ":1/")
    urls = [
        (server.url(password=f"{SECRET}x"), "refuses the user or password"),
        (server.url(name="nothing"), "does not answer, or refuses"),
        (away, "does not answer, or refuses"),
        (f"{server.url()}?hunter2=hunter2", "behind the ? in it"),
        (server.reader(DATA), "may not read all of its tables"),
    ]
    moving = Moving(tmp_path, site, None)

    def refused(url: str, words: str) -> None:
        assert moving.command(url, site.media) == 2
        said = "".join(capfd.readouterr())
        assert words in said
        assert said.count("\n") == 1
        assert "hunter2" not in said
        assert not moving.data.exists()

    for url, words in urls:
        refused(url, words)
    server.execute("DROP TABLE tom_dataproducts_dataproduct")
    refused(server.url(), "has no table tom_dataproducts_dataproduct")


def test_a_table_that_is_not_there_is_known(server: OldServer, site: TomSite) -> None:
    server.fill(site.database)
    gone = ["tom_targets_targetextra", "tom_education_pipelineprocess"]
    server.execute(*(f"DROP TABLE {table}" for table in gone))
    with opened_url(server.url()) as database:
        old = Site(database)
        assert old.lacking == gone
        assert [len(rows) for rows in old.processes()] == [8]
        assert (old.log(1), old.log_bytes()) == ("", 0)


def test_a_server_that_is_killed_on_the_way_is_gone_on_with_as_a_user_who_only_reads(
    server: OldServer, site: TomSite, wanted: tuple[Any, Any], tmp_path: Path
) -> None:
    server.fill(site.database)
    url = server.reader()
    moving = Moving(tmp_path, site, None)

    def kill(what: str, done: int, total: int) -> None:
        if what == "Groups":
            server.stop()

    with pytest.raises(NotDone) as raised:
        brought(moving, url, kill)
    assert "has stopped answering" in str(raised.value)
    assert "hunter2" not in str(raised.value)
    server.start()
    found, report = brought(moving, url)
    assert report.resumed
    report.resumed = False
    # A user who may only read the tables does not see the numbers that PostgreSQL has given out.
    if isinstance(server, PostgreSQL):
        found["counters"] = wanted[0]["counters"]
    assert same((found, report), wanted)
