"""Targets, uploads, outputs and groups on a real database: complete, or not there at all."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import mmap
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runners.examiner import ExaminationError
from server.archive.files.examination import EXAMINATIONS
from server.archive.outputs import OutputFile
from server.archive.storage import FileStorage
from server.archive.storage import local as files_module
from server.archive.transactions import PK_TRIES
from server.core.errors import AlreadyStored, Conflict, InvalidInput, NoRoom, NotFound, TooLarge
from tests.integration.archive.archive_bench import Bench, bench

__all__ = ["bench"]


async def test_a_target_gets_an_identifier_of_its_own(runner: asyncio.Runner, bench: Bench) -> None:
    archive = bench.archive
    made = [await archive.targets.create(name) for name in ("M 13", "m-13", "星", "M 13")]
    assert [target.identifier for target in made] == ["m-13", "m-13-2", "target-3", "m-13-3"]
    given = await archive.targets.create(
        "X", identifier="2026-11-24-comet", ra=0, dec=-90, extra_fields={"a.b": 1}
    )
    assert (given.identifier, given.ra, given.dec) == ("2026-11-24-comet", 0.0, -90.0)
    assert await archive.targets.get(given.pk) == given
    with pytest.raises(Conflict, match="comet"):
        await archive.targets.create("Y", identifier="2026-11-24-comet")


async def test_targets_made_at_once_all_get_one(runner: asyncio.Runner, bench: Bench) -> None:
    made = await asyncio.gather(*(bench.archive.targets.create("M 13") for _ in range(12)))
    expected = {"m-13"} | {f"m-13-{number}" for number in range(2, 13)}
    assert {target.identifier for target in made} == expected


async def test_bad_fields_of_a_target_are_all_named(runner: asyncio.Runner, bench: Bench) -> None:
    with pytest.raises(InvalidInput) as raised:
        await bench.archive.targets.create("", identifier="Ä", ra=360, dec=91)
    assert list(raised.value.fields) == ["name", "ra", "dec", "identifier"]
    target = await bench.target()
    with pytest.raises(InvalidInput):
        await bench.archive.targets.edit(target.pk, {"name": "fine", "dec": float("nan")})
    assert await bench.archive.targets.get(target.pk) == target


async def test_a_target_is_edited(runner: asyncio.Runner, bench: Bench) -> None:
    target, other = await bench.target(), await bench.target()
    edited = await bench.archive.targets.edit(target.pk, {"ra": 12, "identifier": "new"})
    assert edited == target.evolve(ra=12.0, identifier="new")
    with pytest.raises(Conflict, match="new"):
        await bench.archive.targets.edit(other.pk, {"identifier": "new"})
    with pytest.raises(NotFound):
        await bench.archive.targets.edit(99, {"name": "x"})


async def test_uploaded_files_become_products_in_their_order(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    large = os.urandom(2_500_000)
    async with bench.archive.products.upload(target.pk) as upload:
        await upload.add("C:\\b.fits")
        for start in range(0, len(large), 65_536):
            await upload.write(large[start : start + 65_536])
        await upload.add("a.txt")
        await upload.write(b"a")
        await upload.add("a.txt")
        await upload.write(b"b")
        products = await upload.commit()
    assert [product.name for product in products] == ["b.fits", "a.txt", "a.txt"]
    assert [product.size for product in products] == [2_500_000, 1, 1]
    assert [product.content_type for product in products] == [
        *("application/fits", "text/plain", "text/plain")
    ]
    assert products[0].fits == {"date": None, "exposure": 1.5}
    assert await bench.content(products[0]) == large
    page = await bench.archive.products.find(target.pk)
    assert page.items == products[::-1]
    assert await bench.archive.products.get(products[1].pk) == products[1]
    assert (await bench.archive.products.path(products[0])).name == "b.fits"
    await bench.check_consistent()


async def test_a_file_that_could_not_be_examined_is_stored_and_remembered(
    runner: asyncio.Runner,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(_path: Path) -> None:
        raise ExaminationError("Examining the file took too long")

    monkeypatch.setattr(bench.archive.transactions, "_examine", fail)
    target = await bench.target()
    [product] = await bench.upload(target.pk, "night1.fits")
    [record] = caplog.records
    assert record.getMessage() == (
        "night1.fits is stored without metadata and will be examined again: "
        "Examining the file took too long"
    )
    assert vars(record)["action"] == "examination_postponed"
    assert await bench.store.products.unexamined(9) == [product]
    assert product.examinations_left == EXAMINATIONS
    assert (await bench.archive.products.fields([product]))[0]["fits"] is None


async def test_an_upload_that_is_not_committed_leaves_nothing(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    async with bench.archive.products.upload(target.pk) as upload:
        await upload.add("a.fits")
        await upload.write(b"x" * 2_000_000)
    assert (await bench.archive.products.find(target.pk)).items == []
    await bench.check_consistent()


async def empty(upload: Any) -> None:
    await upload.add("a")
    await upload.write(b"a")
    await upload.add("nothing.fits")
    await upload.commit()


async def empty_in_front(upload: Any) -> None:
    await upload.add("nothing.fits")
    await upload.add("a")


async def none_at_all(upload: Any) -> None:
    await upload.commit()


async def too_many(upload: Any) -> None:
    for number in range(4):
        await upload.add(f"{number}")
        await upload.write(b"x")


async def too_large(upload: Any) -> None:
    await upload.add("a")
    for _ in range(4):
        await upload.write(b"x" * 1_000_000)


async def nameless(upload: Any) -> None:
    await upload.add("folder/")


@pytest.mark.parametrize(
    ("send", "expected"),
    [
        (empty, InvalidInput),
        (empty_in_front, InvalidInput),
        (none_at_all, InvalidInput),
        (too_many, InvalidInput),
        (too_large, TooLarge),
        (nameless, InvalidInput),
    ],
)
async def test_an_upload_that_cannot_be_taken_leaves_nothing(
    runner: asyncio.Runner,
    bench: Bench,
    send: Callable[[Any], Awaitable[None]],
    expected: type[Exception],
) -> None:
    target = await bench.target()
    async with bench.archive.products.upload(target.pk) as upload:
        with pytest.raises(expected) as raised:
            await send(upload)
    if isinstance(raised.value, InvalidInput):
        assert list(raised.value.fields) == ["file"]
    await bench.check_consistent()
    assert bench.stored() == []


async def test_an_upload_for_a_target_deleted_meanwhile_leaves_nothing(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    async with bench.archive.products.upload(target.pk) as upload:
        await upload.add("a")
        await upload.write(b"a")
        await bench.archive.targets.delete(target.pk)
        with pytest.raises(NotFound):
            await upload.commit()
    await bench.check_consistent()
    assert bench.stored() == []


async def test_a_commit_that_nobody_waits_for_any_more_is_complete_or_nothing(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()

    async def upload() -> None:
        await bench.upload(target.pk, "a", "b")

    for steps in range(0, 60, 4):
        task = asyncio.create_task(upload())
        for _ in range(steps):
            await asyncio.sleep(0.0005)
        task.cancel()
        await asyncio.wait([task])
        await bench.check_consistent()
        assert len(bench.stored()) % 2 == 0


async def test_a_full_disk_leaves_nothing(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = await bench.target()
    real = files_module._link_or_copy

    def second_fails(source: Path, copy: Path) -> None:
        if source.name == "b":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, copy)

    monkeypatch.setattr(files_module, "_link_or_copy", second_fails)
    with pytest.raises(NoRoom):
        await bench.upload(target.pk, "a", "b")
    await bench.check_consistent()
    assert bench.stored() == []


async def test_outputs_are_seen_only_when_the_record_names_them(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    run = await bench.run(target.pk)
    files = bench.outputs(run, "a.csv", "a.txt")
    published = await bench.archive.outputs.publish(run, files)
    assert published.group is not None
    for pk in published.products:
        with pytest.raises(NotFound):
            await bench.archive.products.get(pk)
    with pytest.raises(NotFound):
        await bench.archive.groups.get(published.group)
    assert (await bench.archive.products.find(target.pk)).items == []
    assert (await bench.archive.groups.find()).items == []
    with pytest.raises(InvalidInput):
        await bench.archive.groups.create("Mine", published.products)

    await bench.end(run, published.products, published.group)
    await bench.archive.outputs.confirm(published)
    await bench.archive.outputs.confirm(published)
    products = [await bench.archive.products.get(pk) for pk in published.products]
    assert [product.name for product in products] == ["dummy_m13_a.csv", "dummy_m13_a.txt"]
    assert await bench.content(products[0]) == b"content of a.csv"
    group = await bench.archive.groups.get(published.group)
    assert (group.name, group.products) == ("dummy_m13_outputs", published.products)
    assert (await bench.archive.groups.find()).items == [group]
    assert (await bench.archive.products.find(target.pk)).items == products[::-1]
    [fields, _] = await bench.archive.products.fields(products)
    assert fields["groups"] == [group.pk]
    assert fields["process"] == run.pk
    assert list(fields) == [
        *("pk", "name", "target", "size", "sha256", "content_type", "created", "url"),
        *("groups", "process", "fits"),
    ]
    await bench.check_consistent()


async def test_no_outputs_make_no_group(runner: asyncio.Runner, bench: Bench) -> None:
    run = await bench.run((await bench.target()).pk)
    published = await bench.archive.outputs.publish(run, [])
    assert (published.products, published.group) == ([], None)
    await bench.archive.outputs.confirm(published)
    await bench.check_consistent()


async def test_a_timelapse_is_called_as_its_process(runner: asyncio.Runner, bench: Bench) -> None:
    target = await bench.target()
    name = "timelapse_m13_2026-11-24-001002.webm"
    run = await bench.run(target.pk, name, process_type="timelapse")
    published = await bench.archive.outputs.publish(run, bench.outputs(run, "film.webm"))
    [product] = await bench.store.products.get_many(published.products)
    assert product.name == name
    assert product.content_type == "video/webm"


async def test_two_outputs_of_one_name_are_two_products(
    runner: asyncio.Runner, bench: Bench
) -> None:
    run = await bench.run((await bench.target()).pk)
    [file] = bench.outputs(run, "a.csv")
    published = await bench.archive.outputs.publish(run, [file, file])
    await bench.end(run, published.products, published.group)
    await bench.archive.outputs.confirm(published)
    assert len(bench.stored()) == 2
    await bench.check_consistent()


async def test_a_file_that_is_not_ours_is_copied_and_left_as_it_was(
    runner: asyncio.Runner, bench: Bench, tmp_path: Path
) -> None:
    run = await bench.run((await bench.target()).pk)
    elsewhere = tmp_path / "elsewhere.csv"
    elsewhere.write_text("mine")
    elsewhere.chmod(0o644)
    published = await bench.archive.outputs.publish(run, [OutputFile(elsewhere, "elsewhere.csv")])
    elsewhere.write_text("changed")
    [product] = await bench.store.products.get_many(published.products)
    assert await bench.content(product) == b"mine"
    assert list(bench.folder.incoming.iterdir()) == []


async def test_an_input_given_out_again_stays_an_input(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    [given] = await bench.upload(target.pk, "a.fits")
    run = await bench.run(target.pk, products=[given.pk])
    path = await bench.archive.products.path(given)
    published = await bench.archive.outputs.publish(run, [OutputFile(path, "a.fits")])
    await bench.archive.outputs.discard(run.pk, run.attempt)
    assert await bench.content(given) == b"content of a.fits"
    assert len(published.products) == 1
    await bench.check_consistent()


async def test_a_discarded_attempt_leaves_nothing_and_another_can_publish(
    runner: asyncio.Runner, bench: Bench
) -> None:
    run = await bench.run((await bench.target()).pk)
    files = bench.outputs(run, "a.csv")
    await bench.archive.outputs.publish(run, files)
    for _ in range(2):
        await bench.archive.outputs.discard(run.pk, run.attempt)
        await bench.check_consistent()
        assert bench.stored() == []
    again = await bench.archive.outputs.publish(run, files)
    await bench.end(run, again.products, again.group)
    await bench.archive.outputs.discard(run.pk, run.attempt)  # the record names them: too late
    assert (await bench.archive.products.get(again.products[0])).name == "dummy_m13_a.csv"
    await bench.check_consistent()


async def test_a_product_that_a_process_waits_for_cannot_be_deleted(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    [product] = await bench.upload(target.pk, "a.fits")
    run = await bench.run(target.pk, products=[product.pk])
    with pytest.raises(Conflict, match=r"a\.fits"):
        await bench.archive.products.delete(product.pk)
    await bench.end(run, [], None)
    await bench.archive.products.delete(product.pk)
    with pytest.raises(NotFound):
        await bench.archive.products.delete(product.pk)
    assert bench.stored() == []
    await bench.check_consistent()


async def test_a_product_wanted_while_it_is_deleted_stays(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = await bench.target()
    [product] = await bench.upload(target.pk, "a.fits")
    answers: Iterator[dict[int, int]] = iter([{}, {product.pk: 7}])

    async def users_of(pks: object) -> dict[int, int]:
        return next(answers)

    monkeypatch.setattr(bench.store.processes, "users_of", users_of)
    with pytest.raises(Conflict, match="process 7"):
        await bench.archive.products.delete(product.pk)
    assert await bench.archive.products.get(product.pk) == product
    await bench.check_consistent()


async def test_a_deleted_output_is_forgotten_by_record_and_groups(
    runner: asyncio.Runner, bench: Bench
) -> None:
    run = await bench.run((await bench.target()).pk)
    published = await bench.archive.outputs.publish(run, bench.outputs(run, "a.csv", "b.csv"))
    await bench.end(run, published.products, published.group)
    await bench.archive.outputs.confirm(published)
    first, second = published.products
    mine = await bench.archive.groups.create("Mine", [second, first, second])
    assert mine.products == [second, first]
    await bench.archive.products.delete(first)
    assert (await bench.archive.groups.get(mine.pk)).products == [second]
    assert published.group is not None
    assert (await bench.archive.groups.get(published.group)).products == [second]
    assert [(record.outputs, record.group) for record in bench.shown] == [
        ([second], published.group)
    ]
    await bench.archive.groups.delete(published.group)
    assert bench.shown[-1].group is None
    assert await bench.store.processes.get(run.pk) == bench.shown[-1]
    with pytest.raises(NotFound):
        await bench.archive.groups.delete(published.group)
    await bench.check_consistent()


async def test_a_deleted_target_takes_its_products_along(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target, other = await bench.target(), await bench.target()
    products = await bench.upload(target.pk, "a", "b")
    kept = await bench.upload(other.pk, "c")
    group = await bench.archive.groups.create("G", [product.pk for product in products + kept])
    await bench.archive.targets.delete(target.pk)
    with pytest.raises(NotFound):
        await bench.archive.targets.get(target.pk)
    assert (await bench.archive.groups.get(group.pk)).products == [kept[0].pk]
    assert bench.stored() == [kept[0].key]
    await bench.check_consistent()


@pytest.mark.parametrize(
    ("name", "products", "field"),
    [("", [1], "name"), ("G", [], "products"), ("G", [1, 99], "products")],
)
async def test_a_group_that_cannot_be_made_names_the_field(
    runner: asyncio.Runner, bench: Bench, name: str, products: list[int], field: str
) -> None:
    await bench.upload((await bench.target()).pk, "a")
    with pytest.raises(InvalidInput) as raised:
        await bench.archive.groups.create(name, products)
    assert list(raised.value.fields) == [field]
    await bench.check_consistent()


async def test_outputs_of_one_name_are_told_apart(runner: asyncio.Runner, bench: Bench) -> None:
    run = await bench.run((await bench.target()).pk)
    [first] = bench.outputs(run, "a.fits.fz")
    folder = first.path.parent / "deeper"
    folder.mkdir()
    (folder / "a.fits.fz").write_text("another")
    other = OutputFile(folder / "a.fits.fz", "a.fits.fz")
    published = await bench.archive.outputs.publish(run, [first, other, first])
    products = await bench.store.products.get_many(published.products)
    names = ["dummy_m13_a.fits.fz", "dummy_m13_a-2.fits.fz", "dummy_m13_a-3.fits.fz"]
    assert [product.name for product in products] == names
    content = [await bench.content(product) for product in products]
    assert content == [b"content of a.fits.fz", b"another", b"content of a.fits.fz"]


@pytest.mark.parametrize("held", ["open", "mapped", "linked"])
async def test_whoever_holds_an_output_changes_nothing_that_is_stored(
    runner: asyncio.Runner, bench: Bench, held: str
) -> None:
    run = await bench.run((await bench.target()).pk)
    [file] = bench.outputs(run, "a.csv")
    mode = file.path.stat().st_mode
    link = file.path.with_name("link")
    link.hardlink_to(file.path)
    with file.path.open("r+b") as holder, mmap.mmap(holder.fileno(), 0) as memory:
        published = await bench.archive.outputs.publish(run, [file])
        if held == "open":
            os.write(holder.fileno(), b"CHANGED")
        elif held == "mapped":
            memory[:7] = b"CHANGED"
        else:
            link.write_text("CHANGED")
    [product] = await bench.store.products.get_many(published.products)
    assert await bench.content(product) == b"content of a.csv"
    assert product.sha256 == hashlib.sha256(b"content of a.csv").hexdigest()
    assert link.stat().st_mode == mode


async def test_what_an_output_links_to_stays_as_it_is(runner: asyncio.Runner, bench: Bench) -> None:
    run = await bench.run((await bench.target()).pk)
    kept = bench.folder.path / "kept.csv"  # a user's own, beside what is the server's
    kept.write_text("mine")
    kept.chmod(0o640)
    [file] = bench.outputs(run, "a.csv")
    file.path.unlink()
    file.path.symlink_to(kept)
    published = await bench.archive.outputs.publish(run, [file])
    assert (kept.stat().st_mode & 0o777, kept.stat().st_nlink) == (0o640, 1)
    kept.write_text("changed")
    [product] = await bench.store.products.get_many(published.products)
    assert await bench.content(product) == b"mine"


@pytest.mark.parametrize("kind", ["FIFO", "folder", "missing", "endless"])
async def test_an_output_that_is_no_file_any_more_is_an_error_without_a_path(
    runner: asyncio.Runner, bench: Bench, kind: str
) -> None:
    run = await bench.run((await bench.target()).pk)
    [file] = bench.outputs(run, "a.csv")
    file.path.unlink()
    if kind == "FIFO":
        os.mkfifo(file.path)
    elif kind == "folder":
        file.path.mkdir()
    elif kind == "endless":
        file.path.symlink_to("/dev/zero")
    async with asyncio.timeout(5):
        for output_type in ("DataProduct", "ReducedDatum"):
            output = OutputFile(file.path, file.name, output_type)
            with pytest.raises(ValueError, match=r"^a\.csv is not a file any more$"):
                await bench.archive.outputs.publish(run, [output])
    assert bench.stored() == []
    assert list(bench.folder.incoming.iterdir()) == []


async def test_an_upload_does_not_take_the_place_of_a_file_without_a_record(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    [first] = await bench.upload(target.pk, "a.fits")
    left_behind = bench.folder.files / str(first.pk + 1) / "b.fits"
    left_behind.parent.mkdir()
    left_behind.write_text("of a database that was lost")
    [third] = await bench.upload(target.pk, "b.fits")
    assert third.pk > first.pk + 1
    assert left_behind.read_text() == "of a database that was lost"
    assert await bench.content(third) == b"content of b.fits"


async def test_nor_one_that_comes_in_between(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = await bench.target()
    await bench.upload(target.pk, "a.fits")
    others: list[Path] = []

    async def all_free(self: FileStorage, keys: list[str]) -> None:
        others.append(bench.folder.files / keys[0])
        await asyncio.to_thread(others[-1].parent.mkdir)
        await asyncio.to_thread(others[-1].write_text, "of another server")

    monkeypatch.setattr(FileStorage, "check_free", all_free)
    with pytest.raises(AlreadyStored):
        await bench.upload(target.pk, "b.fits")
    assert len(others) == PK_TRIES
    assert {each.read_text() for each in others} == {"of another server"}
    assert len(bench.stored()) == 1 + PK_TRIES


async def test_the_800th_target_of_a_name_costs_a_few_operations(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, targets = bench.archive, bench.archive.targets._store.targets
    first = await archive.targets.create("M 13")
    for number in range(2, 800):
        await targets.insert(first.evolve(pk=10_000 + number, identifier=f"m-13-{number}"))
    operations: list[str] = []
    call = targets._collection._call

    async def counted(operation: str, work: Callable[[], Awaitable[Any]]) -> Any:
        operations.append(operation)
        return await call(operation, work)

    monkeypatch.setattr(targets._collection, "_call", counted)
    made = await archive.targets.create("M 13")
    assert made.identifier == "m-13-800"
    assert len(operations) <= 8
    operations.clear()
    more = await asyncio.gather(*(archive.targets.create("m 13") for _ in range(20)))
    assert {target.identifier for target in more} == {f"m-13-{n}" for n in range(801, 821)}
    assert len(operations) <= 8 * 20


async def test_identifiers_that_are_taken_are_found(runner: asyncio.Runner, bench: Bench) -> None:
    for name in ("2026-11-24", "M 13", "x"):
        await bench.archive.targets.create(name)
    taken = bench.archive.targets._store.targets.taken
    assert await taken(["2026-11-24", "m-13", "m-13-2", "2026-11-24-2"]) == {"2026-11-24", "m-13"}
    assert await taken([]) == set()
