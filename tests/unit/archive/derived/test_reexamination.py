"""Failed examinations are retried a few times, and do not delay others."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from runners.examiner import ExaminationError
from server.archive.derived import reexamination as module
from server.archive.derived.reexamination import Reexamination
from server.archive.files.examination import EXAMINATIONS
from server.archive.storage import FileStorage
from server.core.records import DataProduct
from tests.fakes.some_records import a_product

FOUND = {"filter": "V"}


class Products:
    """The store's side, in a dictionary."""

    def __init__(self, *products: DataProduct) -> None:
        self.stored = {product.pk: product for product in products}

    async def unexamined(self, limit: int) -> list[DataProduct]:
        due = [each for each in self.stored.values() if each.examinations_left]
        return sorted(due, key=lambda each: -each.examinations_left)[:limit]

    async def take_examination(self, product: DataProduct) -> bool:
        if self.stored.get(product.pk) != product:
            return False
        left = product.examinations_left - 1
        self.stored[product.pk] = product.evolve(examinations_left=left)
        return True

    async def set_metadata(self, pk: int, fits: dict[str, Any] | None) -> None:
        self.stored[pk] = self.stored[pk].evolve(fits=fits, examinations_left=0)


class Examiner:
    """An examiner that answers by the names of files; errors are raised."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def metadata(self, path: Path) -> dict[str, Any] | None:
        self.asked.append(path.name)
        answer: dict[str, Any] | None = self.answers[path.name]
        if isinstance(answer, Exception):
            raise answer
        return answer


DIED = ExaminationError("The file could not be examined")


def stored(folder: Path, *names: str) -> Products:
    """Store files that wait for an examination; return their products."""
    for pk, name in enumerate(names, 1):
        (folder / str(pk)).mkdir()
        (folder / str(pk) / name).write_bytes(b"x")
    return Products(
        *(
            a_product(pk, name, b"x", examinations_left=EXAMINATIONS)
            for pk, name in enumerate(names, 1)
        )
    )


def again(folder: Path, products: Any, examiner: Examiner, rounds: int = 1) -> None:
    """Examine again, in this many rounds."""
    files = FileStorage(folder)
    reexamination = Reexamination(products, files, examiner.metadata, folder / "copies")

    async def scenario() -> None:
        for _ in range(rounds):
            await reexamination.examine_again()

    asyncio.run(scenario())


def test_each_file_is_examined_again_once(tmp_path: Path) -> None:
    products = stored(tmp_path, "a.fits", "b.fits")
    examiner = Examiner({"a.fits": FOUND, "b.fits": None})
    again(tmp_path, products, examiner, rounds=3)
    assert [each.fits for each in products.stored.values()] == [FOUND, None]
    assert examiner.asked == ["a.fits", "b.fits"]


def test_a_round_ends_at_a_failure_and_begins_with_others_next_time(tmp_path: Path) -> None:
    products = stored(tmp_path, "a.fits", "b.fits")
    examiner = Examiner({"a.fits": DIED, "b.fits": FOUND})
    again(tmp_path, products, examiner)
    assert examiner.asked == ["a.fits"]
    again(tmp_path, products, examiner)
    assert examiner.asked == ["a.fits", "b.fits", "a.fits"]


def test_tries_come_to_an_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    products, examiner = stored(tmp_path, "a.fits"), Examiner({"a.fits": DIED})
    with caplog.at_level(logging.WARNING):
        again(tmp_path, products, examiner, rounds=EXAMINATIONS + 3)
    assert examiner.asked == ["a.fits"] * EXAMINATIONS
    assert products.stored[1].fits is None
    assert caplog.messages[-1] == (
        "Data product 1 (a.fits) could not be examined; tries left: 0: "
        "The file could not be examined"
    )


def test_a_file_that_is_not_to_be_found_costs_a_try(tmp_path: Path) -> None:
    products, examiner = stored(tmp_path, "a.fits"), Examiner({})
    (tmp_path / "1" / "a.fits").unlink()
    again(tmp_path, products, examiner)
    assert examiner.asked == []
    assert products.stored[1].examinations_left == EXAMINATIONS - 1


def test_what_another_server_has_begun_with_is_left_to_it(tmp_path: Path) -> None:
    products, examiner = stored(tmp_path, "a.fits"), Examiner({"a.fits": FOUND})

    async def taken(_product: DataProduct) -> bool:
        return False

    products.take_examination = taken  # type: ignore[method-assign]
    again(tmp_path, products, examiner)
    assert examiner.asked == []


def test_copies_from_remote_storage_are_removed(tmp_path: Path) -> None:
    files = FileStorage("memory://examination")
    seen: list[Path] = []

    async def metadata(path: Path) -> dict[str, Any]:
        seen.append(path)
        return FOUND

    async def scenario() -> Products:
        (tmp_path / "a.fits").write_bytes(b"x")
        await files.put(tmp_path / "a.fits", "1/a.fits")
        products: Any = Products(a_product(1, "a.fits", b"x", examinations_left=1))
        await Reexamination(products, files, metadata, tmp_path / "copies").examine_again()
        return products  # type: ignore[no-any-return]

    assert asyncio.run(scenario()).stored[1].fits == FOUND
    assert seen == [tmp_path / "copies" / "1" / "a.fits"]
    assert not (tmp_path / "copies").exists()


def test_it_goes_on_in_the_background_until_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.01)
    products: Any = stored(tmp_path, "a.fits")
    examiner = Examiner({"a.fits": DIED})

    async def scenario() -> None:
        files = FileStorage(tmp_path)
        reexamination = Reexamination(products, files, examiner.metadata, tmp_path / "copies")
        await reexamination.stop()
        reexamination.start()
        async with asyncio.timeout(10):
            while len(examiner.asked) < 2:
                await asyncio.sleep(0.01)
            examiner.answers["a.fits"] = FOUND
            while products.stored[1].fits is None:
                await asyncio.sleep(0.01)
        await reexamination.stop()

    asyncio.run(scenario())
