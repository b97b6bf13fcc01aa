"""Where URLs of tom_education lead, also once what was moved in from there has been deleted."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from server.archive.derived.old_urls import OldUrls
from server.core.errors import NotFound
from server.core.records import DataProduct
from tests.fakes.some_records import a_target

PATH = "My target/none/frame.fits"


def urls(*products: int) -> OldUrls:
    """Return those of a site whose file at PATH is product 7, where these are left."""
    there = [cast(DataProduct, SimpleNamespace(pk=pk, target=1)) for pk in products]

    async def get_many(pks: Sequence[int]) -> list[DataProduct]:
        return [each for each in there if each.pk in pks]

    async def of_name(name: str, limit: int) -> list[DataProduct]:
        return there

    async def at_path(path: str) -> int | None:
        return 7 if path == PATH else None

    async def targets(pks: Sequence[int]) -> list[Any]:
        return [a_target(pk, name="My target") for pk in pks]

    store: Any = SimpleNamespace(
        old_records=SimpleNamespace(at_path=at_path), targets=SimpleNamespace(get_many=targets)
    )
    return OldUrls(store, cast(Any, SimpleNamespace(get_many=get_many, of_name=of_name)))


@pytest.mark.gen_test
async def test_a_deleted_file_gives_way_to_another_one_of_its_name() -> None:
    product, moved = await urls(5, 7).file(PATH)
    assert (product.pk, moved) == (7, True)
    product, moved = await urls(8, 5).file(PATH)
    assert (product.pk, moved) == (5, False)
    with pytest.raises(NotFound):
        await urls().file(PATH)
