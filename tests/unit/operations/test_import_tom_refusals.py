"""What an import of an old site refuses, with nothing written, and what `--renumber` does then."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from server.core.disk.data_folder import lock_folder
from server.core.errors import NotDone
from server.operations.moving.tom.destination import Destination
from server.operations.moving.tom.media import Media
from tests.fakes.moved_in import Moving, compare
from tests.fakes.tom_site import TomSite


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "There is no database"),
        (lambda path: path.mkdir(), "There is no database"),
        (lambda path: path.write_bytes(b"no database at all" * 100), "it is not SQLite"),
        (lambda path: path.write_bytes(b""), "is not the database of a TOM"),
        (lambda path: _other_database(path), "it has no table tom_targets_target"),
        (lambda path: _damaged_names(path), "is damaged: restore it from a backup"),
    ],
)
def test_what_is_no_tom_is_refused_and_nothing_is_written(
    moving: Moving, make: Callable[[Path], object], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = moving.site.folder / "other.sqlite3"
    make(other)
    assert moving.command(other, moving.site.media) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not moving.data.exists()


def _other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE polls_question (id integer PRIMARY KEY)")
        connection.commit()


def _damaged_names(path: Path) -> None:
    _other_database(path)
    path.write_bytes(
        path.read_bytes().replace(b"TABLE polls_question", b"TABLE \x81\xff\xfels_quest(((")
    )


def test_a_media_folder_that_is_not_there_is_refused(
    moving: Moving, capsys: pytest.CaptureFixture[str]
) -> None:
    assert moving.command(moving.site.database, moving.data / "no") == 2
    assert "There is no folder" in capsys.readouterr().err
    assert not moving.data.exists()


def test_nothing_is_written_into_the_media_folder(
    moving: Moving,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link = tmp_path / "link"
    link.symlink_to(moving.site.media)
    before = moving.site.contents()
    for data in (moving.site.media, link / "new" / "data"):
        assert Moving(data, moving.site, None).run() == 2
        assert "is in the media folder of the old site" in capsys.readouterr().err
    assert moving.site.contents() == before
    monkeypatch.chdir(moving.site.media)
    media = Media(moving.site.media)
    media.keep_out("s3://bucket/files")
    with pytest.raises(NotDone, match="is in the media folder"):
        media.keep_out(f"file://{moving.site.media}/files")


@pytest.mark.slow
def test_a_folder_that_a_server_uses_is_refused(
    moving: Moving, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    moving.data.mkdir()
    monkeypatch.setattr("server.operations.moving.tom.destination.LOCK_SECONDS", 0.1)
    lock = lock_folder(moving.data)
    try:
        assert moving.run() == 2
    finally:
        os.close(lock)
    assert "uses the data folder" in capsys.readouterr().err


def test_targets_of_another_site_are_in_the_way_unless_pks_may_change(
    moving: Moving, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = TomSite(tmp_path / "other", applied="2020-01-01 00:00:00")
    for name in ("M 31", "M 13"):
        target = other.target(name)
        group = other.group("dummy_1_20190722163921_outputs")
        # The same identifier in two sites is possible: it has the PK of the target and a time.
        inputs = [other.product(target, "frame0.fits", b"other")]
        out = f"dummy_{target}_20190722163921"
        made = other.product(target, f"{out}_t.csv", b"out", groups=[group])
        other.process(target, out, inputs=inputs, group=group, logs=f"{name}\n")
        other.datum(target, {"magnitude": 1.0}, data_product_id=made)
    assert moving.run() == 0
    first = moving.everything()
    assert moving.run(site=other) == 2
    said = capsys.readouterr().err
    assert "There are targets here that are not of this site (M 13, Proxima" in said
    assert "--renumber" in said
    assert moving.everything() == first
    assert moving.run("--renumber", site=other) == 0
    said = capsys.readouterr().out
    assert "target                   1 ->            4" in said
    assert "process                  2 ->            8" in said
    found = moving.everything()
    compare(moving.site, _without(found, {4, 5}))
    assert [each.identifier for each in found["targets"]][-2:] == ["m-31", "m-13-2"]
    record = found["processes"][-1]
    assert (record.pk, record.target, record.products, record.outputs) == (8, 5, [13], [14])
    assert record.identifier == "dummy_2_20190722163921-2"
    assert record.group == 8
    taken = next(each for each in found["processes"] if each.pk == 7)
    assert taken.identifier == "dummy_1_20190722163921-2"
    assert found["logs"][8] == "M 13\n"
    assert found["rows"][5][0]["product"] == 14
    assert moving.run("--renumber", site=other) == 0
    assert moving.everything() == found
    assert moving.problems() == []
    assert moving.run() == 2


def _without(found: dict[str, Any], targets: set[int]) -> dict[str, Any]:
    """Return what is here without what is of some targets."""
    products = [each for each in found["products"] if each.target not in targets]
    keys = {each.key for each in products}
    return {
        "targets": [each for each in found["targets"] if each.pk not in targets],
        "products": products,
        "groups": [each for each in found["groups"] if each.pk <= 6],
        "processes": [each for each in found["processes"] if each.target not in targets],
        "logs": found["logs"],
        "rows": found["rows"],
        "files": {key: content for key, content in found["files"].items() if key in keys},
    }


@pytest.mark.slow
def test_old_pks_lead_to_the_new_ones(moving: Moving, tmp_path: Path) -> None:
    other = TomSite(tmp_path / "other", applied="2020-01-01 00:00:00")
    target = other.target("M 31")
    other.product(target, "frame0.fits", b"other")
    assert moving.run() == 0
    assert moving.run("--renumber", site=other) == 0

    async def lead(here: Destination) -> list[int | None]:
        records = here.store.old_records
        return [
            await records.new_pk("target", 1),
            await records.new_pk("target", 2),
            await records.new_pk("dataproduct", 1),
            await records.new_pk("processes", 9),
            await records.at_path("M 31/none/frame0.fits"),
            await records.at_path("M 13/none/frame2.fits"),
            await records.at_path("M 13/none/nothing"),
        ]

    assert moving.here(lead) == [4, None, 11, None, 11, 3, None]


def test_pks_that_were_given_out_here_are_taken_and_others_stay(
    moving: Moving, capsys: pytest.CaptureFixture[str]
) -> None:
    async def count(here: Destination) -> None:
        await here.store.counters.next("processes", 2)

    moving.here(count)
    assert moving.run() == 2
    assert "given to something else here (process 1, 2)" in capsys.readouterr().err
    assert moving.everything()["targets"] == []
    assert moving.run("--renumber") == 0
    found = moving.everything()
    assert [each.pk for each in found["processes"]] == [3, 4, 5, 6, 7, 8]
    assert [each.pk for each in found["products"]] == list(range(1, 11))
    assert next(each for each in found["products"] if each.pk == 4).process == 8


@pytest.mark.slow
def test_another_site_with_the_same_beginning_is_not_taken_for_the_same(
    moving: Moving, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert moving.run() == 0
    twin = TomSite(tmp_path / "twin")
    twin.target("Another", created="2021-01-01 00:00:00")
    assert moving.run("--renumber", site=twin) == 2
    assert "this is another site" in capsys.readouterr().err
