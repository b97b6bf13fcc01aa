"""A site of tom_education moves in: all of it arrives, once, whatever it holds or interrupts it."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from server.core.records import State
from server.operations.moving.tom.destination import Destination
from server.operations.moving.tom.site import BATCH
from server.store.driver.collection import Collection
from tests.fakes.moved_in import Moving, compare, stamp
from tests.fakes.tom_site import insert

#: Calls of the database after which an import is killed, most of which are around what is stored:
#: there are 85 in all.
KILLS = (9, 29, 30, 35, 36, 41, 50, 52, 58, 59, 61, 66)


class Killed(BaseException):
    """Stands for a kill: nothing that cleans up after an error may run because of it."""


def test_everything_arrives_as_it_was_and_the_old_site_stays(
    moving: Moving, capsys: pytest.CaptureFixture[str]
) -> None:
    before = moving.site.contents()
    folder = sorted(path.name for path in moving.site.folder.iterdir())
    assert moving.run() == 0
    assert moving.site.contents() == before
    assert sorted(path.name for path in moving.site.folder.iterdir()) == folder
    found = moving.everything()
    compare(moving.site, found)
    assert found["active"] == [1, 2]
    assert moving.problems() == []
    said = capsys.readouterr().out
    rows = [line.split() for line in said.splitlines()]
    for what, number in (("targets", "2"), ("processes", "6"), ("measurements", "10")):
        assert [what, number, number] in rows
    assert ["data", "products", "10", "10"] in rows


@pytest.mark.slow
def test_new_records_come_behind_all_that_the_old_site_has_ever_numbered(moving: Moving) -> None:
    assert moving.run() == 0

    async def counted(here: Destination) -> list[int]:
        kinds = ("target", "dataproduct", "group", "processes")
        return [await here.store.counters.last(kind) for kind in kinds]

    # A third target was deleted there.
    assert moving.here(counted) == [3, 10, 6, 6]


def test_again_brings_nothing_twice_but_what_is_new_there(
    moving: Moving, capsys: pytest.CaptureFixture[str]
) -> None:
    assert moving.run() == 0
    first = moving.everything()
    assert moving.run() == 0
    assert "Nothing was left to import" in capsys.readouterr().out
    assert moving.everything() == first
    product = moving.site.product(1, "late.csv", b"late", groups=[1])
    moving.site.process(1, "dummy_1_20190801000000", inputs=[product], logs="late\n")
    moving.site.datum(1, {"magnitude": 9.0, "error": 0.5})
    assert moving.run() == 0
    found = moving.everything()
    assert [each.name for each in found["products"]][-1] == "late.csv"
    assert found["groups"][0].products == [1, 2, 3, product]
    assert found["processes"][-1].identifier == "dummy_1_20190801000000"
    assert len(found["rows"][1]) == len(first["rows"][1]) + 1


@pytest.mark.slow
def test_what_was_deleted_here_does_not_come_back(moving: Moving) -> None:
    assert moving.run() == 0

    async def delete(here: Destination) -> None:
        await here.store.products.delete_many([1])
        await here.store.processes.delete(1)

    moving.here(delete)
    assert moving.run() == 0
    found = moving.everything()
    assert 1 not in [each.pk for each in found["products"]]
    assert 1 not in [each.pk for each in found["processes"]]


@pytest.mark.parametrize(
    "kept", [51, *(pytest.param(kept, marks=pytest.mark.slow) for kept in KILLS)]
)
def test_a_kill_at_any_moment_loses_and_doubles_nothing(
    moving: Moving, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The import ends at each of many calls of the database in turn, which may have succeeded."""
    with killing(kept, monkeypatch) as killed, pytest.raises(Killed):
        moving.run()
    assert killed() > kept
    left = moving.data / "incoming" / "left"
    left.mkdir()
    (left / "frame0.fits").write_bytes(b"x")
    assert moving.run() == 0
    assert list((moving.data / "incoming").iterdir()) == []
    compare(moving.site, moving.everything())
    assert moving.problems() == []


@contextmanager
def killing(kept: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Have every call of the database fail from a certain one on; half of these are done first."""
    calls = 0
    original = Collection._call

    async def call(self: Collection, operation: str, work: Callable[[], Awaitable[Any]]) -> Any:
        nonlocal calls
        if self.name in _OF_THE_START or operation == "ensure_index":
            return await original(self, operation, work)
        calls += 1
        if calls <= kept:
            return await original(self, operation, work)
        if calls == kept + 1 and kept % 2:
            await original(self, operation, work)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Collection, "_call", call)
        yield lambda: calls


_OF_THE_START = frozenset({"installation", "locks", "servers"})


@pytest.mark.slow
def test_a_command_that_is_killed_between_files_and_records_goes_on(
    moving: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_many = Collection.insert_many

    async def killed(self: Collection, documents: Any) -> None:
        if self.name == "dataproducts":
            raise Killed
        await insert_many(self, documents)

    with monkeypatch.context() as patch:
        patch.setattr(Collection, "insert_many", killed)
        with pytest.raises(Killed):
            moving.run()
    assert len(list((moving.data / "files").glob("*/*"))) == 10
    assert moving.run() == 0
    compare(moving.site, moving.everything())
    assert moving.problems() == []


def test_lost_files_and_texts_are_named_and_come_later(
    moving: Moving, capsys: pytest.CaptureFixture[str]
) -> None:
    site = moving.site
    away = site.folder / "away"
    lost = site.media / "M 13" / "none" / "dummy_1_20190722163921_t.csv"
    lost.rename(away)
    site.datum(1, "clouds came\nin")
    site.datum(1, {"flux": [1, 2]}, data_type="spectroscopy")
    site.datum(1, '{"magnitude": NaN}')
    assert moving.run() == 1
    said = capsys.readouterr().out
    assert "Not imported: Data product 4 (M 13/none/dummy_1_20190722163921_t.csv) is not there" in (
        said
    )
    assert "Not imported: Datum 11 of target 1 is not a measurement" in said
    assert "clouds came in" in said
    assert said.count("is not a measurement") == 3
    found = moving.everything()
    process = next(each for each in found["processes"] if each.pk == 2)
    assert (process.outputs, found["groups"][1].products) == ([], [])
    away.rename(lost)
    assert moving.run() == 1
    said = capsys.readouterr().out
    assert "Data product 4" not in said
    assert said.count("is not a measurement") == 3
    site.change("DELETE FROM tom_dataproducts_reduceddatum WHERE id > 10")
    assert moving.run() == 0
    compare(site, moving.everything())


@pytest.mark.slow
def test_processes_that_had_not_ended_have_failed_and_say_so_until_they_have(
    moving: Moving, capsys: pytest.CaptureFixture[str]
) -> None:
    site = moving.site
    pk = site.process(
        1, "dummy_1_1", logs="begun\n", status="Measuring", terminal_timestamp=None,
    )  # fmt: skip
    assert moving.run() == 0
    record = moving.everything()["processes"][-1]
    assert (record.state, record.status) == (State.FAILED, "failed")
    assert record.failure_message == (
        "It had not ended when it was moved here from the old site, where its status was Measuring"
    )
    assert record.terminal_timestamp == record.created
    assert f"Process {pk} (dummy_1_1) had not ended" in capsys.readouterr().out
    site.change(
        "UPDATE tom_education_asyncprocess SET status = 'created', terminal_timestamp = ? "
        "WHERE id = ?", site.now(), pk,
    )  # fmt: skip
    logs = "UPDATE tom_education_pipelineprocess SET logs = ? WHERE asyncprocess_ptr_id = ?"
    site.change(logs, "begun\nended\n", pk)
    assert moving.run() == 0
    found = moving.everything()
    assert (found["processes"][-1].status, found["logs"][pk]) == ("created", "begun\nended\n")


HOSTILE = {
    "../../etc/passwd": "is outside the media folder",
    "/etc/passwd": "is outside the media folder",
    "M 13/none/../../../db.sqlite3": "is outside the media folder",
    "M 13/none/a\0b": "has a path that no file can have",
    "M 13/none/link.fits": "is outside the media folder",
    "M 13/folder": "is not a file",
    "M 13/pipe": "is not a file",
    "M 13/none/frame0.fits/x": "is not there",
    "": "has no file",
    ".": "is outside the media folder",
    "x" * 5000: "has a path that no file can have",
}


def test_paths_that_lead_elsewhere_are_named_and_not_read(
    moving: Moving, capsys: pytest.CaptureFixture[str]
) -> None:
    site = moving.site
    (site.media / "M 13" / "none" / "link.fits").symlink_to("/etc/passwd")
    (site.media / "M 13" / "folder").mkdir()
    os.mkfifo(site.media / "M 13" / "pipe")
    pks = {site.product(1, "x", None, data=path): path for path in HOSTILE}
    null = site.product(1, "x", None, data="")
    site.change("UPDATE tom_dataproducts_dataproduct SET data = NULL WHERE id = ?", null)
    inside = site.product(1, "x", None, data=str(site.media / "M 13" / "none" / "frame1.fits"))
    assert moving.run() == 1
    said = capsys.readouterr().out.splitlines()
    for pk, path in pks.items():
        line = next(line for line in said if f"Data product {pk} " in line)
        assert HOSTILE[path] in line, line
    assert [product.pk for product in moving.everything()["products"]] == [*range(1, 11), inside]
    assert moving.problems() == []


@pytest.mark.slow
def test_files_are_shared_on_one_disk_and_keep_their_permissions(
    moving: Moving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = moving.site.media / "M 13" / "none" / "frame0.fits"
    old.chmod(0o644)
    assert moving.run() == 0
    new = moving.data / "files" / "1" / "frame0.fits"
    shared = old.samefile(new)
    assert stat.S_IMODE(old.stat().st_mode) == 0o644
    monkeypatch.delenv("HELIOGRAPH_MONGODB_URI")
    copying = Moving(tmp_path / "copying", moving.site, None)
    assert copying.run("--copy") == 0
    copied = copying.data / "files" / "1" / "frame0.fits"
    assert not old.samefile(copied)
    assert stat.S_IMODE(copied.stat().st_mode) == 0o400
    assert shared or new.read_bytes() == old.read_bytes()
    old.unlink()
    assert copying.problems() == moving.problems() == []


def test_values_that_make_no_sense_keep_nothing_else_away(
    moving: Moving, capsys: pytest.CaptureFixture[str]
) -> None:
    site = moving.site
    odd = site.target("bad\x07name / with\u202e", {"when": "x" * 70_000, "n": "007"}, ra=-1, dec=91)
    site.add("tom_targets_targetname", name="Messier 13", target_id=1, created="x", modified="x")
    site.target("Comet", type="NON_SIDEREAL", ra=None, eccentricity=0.5, created="long ago")
    site.process(1, "broken_flags", flags_json="{", terminal_timestamp=None)
    site.process(1, "odd_flags", flags_json='{"a.b": 1, "$c": 0}', process_type=None)
    site.process(1, "listed_flags", flags_json="[1]")
    site.process(None, "no_target")
    site.process(99, "lost_target", group=1)
    site.product(1, "of_nobody.csv", target_id=77)
    site.product(1, "bad\nname\u202e.fits", b"x")
    lost = site.product(1, "lost\nname.fits", None)
    site.product(1, "with\\backslash.fits", b"x")
    site.target("Far", ra="inf", dec="north")
    site.datum(1, {"magnitude": "12.5", "magnitude_error": "0.5", "filter": "V"})
    site.datum(1, {"limit": 20.5, "filter": "R"}, timestamp="2019-01-02T03:04:05+02:00")
    site.datum(1, {"magnitude": 1.0}, timestamp="never")
    site.datum(1, '{"magnitude": ' * 10_000)
    site.datum(1, json.dumps({"magnitude": 1, "more": "x" * 200_000}))
    long = "x" * 70_000 + "\u00e9" * 70_000 + "\r\n\0end"
    pk = site.process(1, "long_line", logs=long)
    assert moving.run() == 1
    found = moving.everything()
    named = {each.pk: each for each in found["targets"]}
    assert named[odd].name == "bad_name / with_"
    assert (named[odd].ra, named[odd].dec) == (359, None)
    assert named[odd].extra_fields == {"n": "007"}
    assert named[1].extra_fields["aliases"] == ["Messier 13"]
    assert named[odd + 1].extra_fields == {"type": "NON_SIDEREAL", "eccentricity": 0.5}
    assert named[odd + 1].created > 0
    flags = {each.identifier: each.flags for each in found["processes"]}
    assert flags["odd_flags"] == {"a_b": True, "_c": False}
    assert flags["broken_flags"] == flags["listed_flags"] == {}
    assert "no_target" not in flags
    assert "lost_target" not in flags
    assert found["groups"][0].process is None
    assert found["logs"][pk] == long
    rows = [row for row in found["rows"][1] if row["filter"]]
    assert [(row["magnitude"], row["error"], row["filter"]) for row in rows] == [
        (20.5, None, "R"), (12.5, 0.5, "V"),
    ]  # fmt: skip
    assert rows[0]["limit"] is True
    assert (rows[0]["time"] - 40587) * 86400 == pytest.approx(
        stamp("2019-01-02 01:04:05"), abs=1e-3
    )
    names = [product.name for product in found["products"]]
    assert names[-2].endswith("bad_name_.fits")
    assert names[-1] == "backslash.fits"
    said = capsys.readouterr().out
    for words in (
        "its flags cannot be read: {", "no_target) has no target", "is of no target",
        "has no time", "extra field when is too large", f"Target {odd} is named bad_name / with_",
        f"Target {odd} has no declination here: it was 91",
        f"Target {odd + 2} has no right ascension here: it was inf", "is named backslash.fits here",
    ):  # fmt: skip
        assert words in said
    assert f"data product {lost} is named" not in said
    assert "\x07" not in said
    assert "\u202e" not in said
    assert moving.problems() == []


@pytest.mark.slow
def test_a_site_without_tom_education_and_one_of_another_version_move_too(
    moving: Moving, tmp_path: Path
) -> None:
    site = moving.site
    for table in ("pipelineprocess_input_files", "pipelineprocess", "asyncprocess"):
        site.change(f"DROP TABLE tom_education_{table}")
    site.change("DROP TABLE tom_targets_targetname")
    site.change("ALTER TABLE tom_targets_target RENAME TO tom_targets_basetarget")
    site.change("ALTER TABLE tom_targets_basetarget DROP COLUMN scheme")
    site.change("ALTER TABLE tom_targets_basetarget ADD COLUMN permissions text")
    site.change("DROP TABLE django_migrations")
    assert moving.run() == 0
    found = moving.everything()
    assert [len(found[name]) for name in ("targets", "products", "processes")] == [2, 10, 0]
    assert moving.run() == 0


def test_a_database_in_use_is_read_as_it_is_at_one_moment(moving: Moving) -> None:
    """The site goes on writing, with its write-ahead log, which stays as it is."""
    site = moving.site
    with closing(sqlite3.connect(site.database)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("PRAGMA wal_autocheckpoint=0")
        insert(writer, "tom_targets_targetextra", {"key": "k", "target_id": 1, "value": "in log"})
        writer.commit()
        writer.execute("BEGIN IMMEDIATE")
        insert(writer, "tom_targets_targetextra", {"key": "l", "target_id": 1, "value": "not yet"})
        log = site.database.with_name("db.sqlite3-wal").read_bytes()
        assert moving.run() == 0
        assert site.database.with_name("db.sqlite3-wal").read_bytes() == log
        writer.execute("ROLLBACK")
    extra = moving.everything()["targets"][0].extra_fields
    assert extra["k"] == "in log"
    assert "l" not in extra


@pytest.mark.slow
def test_a_closed_database_with_a_log_gets_no_files_beside_it(moving: Moving) -> None:
    site = moving.site
    site.change("PRAGMA journal_mode=WAL")
    before = sorted(path.name for path in site.folder.iterdir())
    assert before == ["data", "db.sqlite3"]
    assert moving.run() == 0
    assert sorted(path.name for path in site.folder.iterdir()) == before
    assert len(moving.everything()["targets"]) == 2


def test_a_database_that_stays_locked_is_refused_in_time(
    moving: Moving, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.operations.moving.tom.database.BUSY_SECONDS", 0.2)
    with closing(sqlite3.connect(moving.site.database)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        assert moving.run() == 2
    assert "is locked by a program that writes to it" in capsys.readouterr().err
    assert not moving.data.exists()


@pytest.mark.slow
def test_a_lock_that_ends_is_waited_for(moving: Moving) -> None:
    with closing(sqlite3.connect(moving.site.database, check_same_thread=False)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        timer = threading.Timer(0.3, writer.execute, ["ROLLBACK"])
        timer.start()
        assert moving.run() == 0
        timer.join()


@pytest.mark.slow
def test_more_than_one_batch_arrives(moving: Moving) -> None:
    site = moving.site
    with site.changing() as connection:
        for number in range(BATCH + 5):
            insert(
                connection,
                "tom_dataproducts_dataproductgroup",
                {"name": f"g{number}", "created": site.now(), "modified": site.now()},
            )
    assert moving.run() == 0
    assert len(moving.everything()["groups"]) == 6 + BATCH + 5


def test_a_table_that_the_old_site_does_not_have_is_named(
    moving: Moving, capsys: pytest.CaptureFixture[str]
) -> None:
    moving.site.change("DROP TABLE tom_education_pipelineprocess")
    assert moving.run() == 0
    assert (
        "Note: The old site has no table tom_education_pipelineprocess" in capsys.readouterr().out
    )
