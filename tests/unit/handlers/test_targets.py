"""Targets and groups: what reaches the archive, and what comes back."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from handlers.files.zip import unique, zipped
from server.core.records import DataProductGroup, State
from tests.fakes.fake_archive import FakeArchive
from tests.fakes.handler_fakes import Fakes, json_of
from tests.fakes.some_records import NOW, a_process, a_product


@pytest.mark.gen_test
async def test_a_target_is_made_from_its_fields() -> None:
    fakes = Fakes()
    wanted = {"name": "M 13", "ra": 250.4, "dec": 36, "extra_fields": {"a.b": [1, None]}}
    async with fakes.serving() as client:
        response = await client.send("/api/targets/", wanted)
    assert (response.code, response.headers["Location"]) == (201, "/api/targets/2/")
    keys = ["pk", "identifier", "name", "ra", "dec", "extra_fields", "created"]
    assert list(json_of(response)) == keys
    assert fakes.archive.calls == [("create_target", wanted | {"identifier": None})]


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"ra": 360},
        {"ra": -0.1},
        {"ra": True},
        {"ra": "1"},
        {"dec": 90.5},
        {"extra_fields": None},
        {"extra_fields": []},
        {"identifier": 5},
        {"pk": 3},
    ],
)
async def test_bad_fields_of_a_target_are_400_in_both_ways(change: dict[str, Any]) -> None:
    async with Fakes().serving() as client:
        made = await client.send("/api/targets/", {"name": "x"} | change)
        assert (made.code, list(json_of(made))) == (400, list(change))
        changed = await client.send("/api/targets/1/", change, "PATCH")
        assert (changed.code, list(json_of(changed))) == (400, list(change))


@pytest.mark.gen_test
async def test_a_patch_changes_only_what_is_given() -> None:
    fakes = Fakes()
    fakes.archive.stored_targets[1] = fakes.archive.stored_targets[1].evolve(ra=1.5, dec=2.5)
    async with fakes.serving() as client:
        answer = json_of(await client.send("/api/targets/1/", {"ra": None}, "PATCH"))
        assert (answer["ra"], answer["dec"], answer["name"]) == (None, 2.5, "M13")
        assert (await client.send("/api/targets/9/", {}, "PATCH")).code == 404


@pytest.mark.gen_test
async def test_targets_are_listed_and_searched() -> None:
    fakes = Fakes()
    async with fakes.serving() as client:
        answer = json_of(await client.fetch("/api/targets/?search=m%201&limit=1&before=5"))
    assert list(answer) == ["targets", "next"]
    assert fakes.archive.calls == [("targets", {"search": "m 1", "limit": 1, "before": 5})]


@pytest.mark.gen_test
async def test_a_target_with_processes_goes_only_by_force() -> None:
    async with Fakes().serving() as client:
        assert (await client.fetch("/api/targets/1/", "DELETE")).code == 409
        assert (await client.fetch("/api/targets/1/?force=false", "DELETE")).code == 409
        assert (await client.fetch("/api/targets/1/?force=yes", "DELETE")).code == 400
        assert (await client.fetch("/api/targets/1/?force=true", "DELETE")).code == 204
        assert (await client.fetch("/api/targets/1/?force=true", "DELETE")).code == 404


@pytest.mark.gen_test
async def test_the_finished_timelapses_of_a_target() -> None:
    fakes = Fakes()
    fakes.processes.records[5] = a_process(
        5,
        identifier="timelapse_m13_2019-08-02-100944.webm",
        process_type="timelapse",
        state=State.SUCCEEDED,
        terminal_timestamp=NOW + 4,
        products=[1, 2, 3],
        outputs=[9],
    )
    async with fakes.serving() as client:
        answer = json_of(await client.fetch("/api/target/1/"))
    assert answer == {
        "target": {"name": "M13", "extra_fields": {}},
        "timelapses": [
            {
                "name": "timelapse_m13_2019-08-02-100944.webm",
                "format": "webm",
                "url": "/dataproducts/9/file/timelapse_m13_2019-08-02-100944.webm",
                "created": NOW + 4,
                "frames": 3,
            }
        ],
    }


@pytest.mark.gen_test
async def test_a_film_that_was_moved_in_has_the_name_of_its_file() -> None:
    fakes = Fakes()
    product = a_product(9, "tl_1_2019_t.gif", b"GIF89a")
    fakes.archive.stored_products[9] = product
    fakes.processes.records[5] = a_process(
        5,
        identifier="tl_1_2019",
        process_type="timelapse",
        state=State.SUCCEEDED,
        terminal_timestamp=NOW + 4,
        outputs=[product.pk],
    )
    async with fakes.serving() as client:
        [film] = json_of(await client.fetch("/api/target/1/"))["timelapses"]
    assert (film["name"], film["format"]) == ("tl_1_2019_t.gif", "gif")
    assert film["url"] == f"/dataproducts/{product.pk}/file/tl_1_2019_t.gif"


@pytest.mark.gen_test
async def test_a_group_is_made_shown_and_deleted() -> None:
    async with Fakes().serving() as client:
        made = await client.send("/api/groups/", {"name": "best", "products": [1]})
        assert (made.code, made.headers["Location"]) == (201, "/api/groups/37/")
        group = json_of(made)
        assert list(group) == ["pk", "name", "url", "products", "process", "created"]
        assert group["url"] == "/dataproducts/data/group/37/"
        assert json_of(await client.fetch("/api/groups/37/")) == group
        assert json_of(await client.fetch("/api/groups/")) == {"groups": [group], "next": None}
        bad = await client.send("/api/groups/", {"name": "best", "products": [False]})
        assert (bad.code, list(json_of(bad))) == (400, ["products"])
        assert (await client.fetch("/api/groups/37/", "DELETE")).code == 204
        assert (await client.fetch("/api/groups/37/")).code == 404


@pytest.mark.gen_test
async def test_a_zip_holds_every_file_of_the_group() -> None:
    fakes = Fakes()
    large = bytes(range(256)) * 1024
    fakes.archive.keep(1, "a.fits", large)
    fakes.archive.keep(2, "a.fits", b"other", created=0.0)
    group = DataProductGroup(pk=37, created=NOW, name='b"é', products=[1, 2])
    fakes.archive.stored_groups[37] = group
    async with fakes.serving() as client:
        response = await client.fetch("/dataproducts/data/group/37/zip")
    assert response.headers["Content-Type"] == "application/zip"
    assert "filename*=UTF-8''b%22%C3%A9.zip" in response.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(response.body)) as book:
        assert book.namelist() == ["a.fits", "a (2).fits"]
        assert book.read("a.fits") == large
        assert book.read("a (2).fits") == b"other"


@pytest.mark.gen_test
async def test_a_zip_is_never_whole_in_memory() -> None:
    archive = FakeArchive()
    product = archive.keep(1, "large.fits", b"x" * 4_000_000)
    pieces = [len(piece) async for piece in zipped(archive.products, [product])]  # type: ignore[arg-type]
    assert max(pieces) < 100_000
    assert sum(pieces) > 4_000_000


def test_names_in_a_zip_are_unique() -> None:
    taken: set[str] = set()
    names = [unique(name, taken) for name in ("a", "a", "a (2)", "b.fits.fz", "b.fits.fz", ".x")]
    assert names == ["a", "a (2)", "a (2) (2)", "b.fits.fz", "b (2).fits.fz", ".x"]
