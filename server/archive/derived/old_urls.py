"""Where URLs of tom_education lead here: those of its media files, and PKs that have changed."""

from __future__ import annotations

from server.archive.products import DataProducts
from server.core.errors import NotFound
from server.core.records import DataProduct
from server.store import Store
from server.store.archive.old_sites import Kind as Kind

#: The folder in which files are that belong to no observation.
WITHOUT_OBSERVATION = "none"
#: How many data products of one name are looked at.
MOST_OF_A_NAME = 1_000
LONGEST_PATH = 1_000


class OldUrls:
    """Finds what the URLs of a site that was moved in stand for, by indexes alone."""

    def __init__(self, store: Store, products: DataProducts) -> None:
        self._store = store
        self._products = products

    async def new_pk(self, kind: Kind, old: int) -> int | None:
        """Return the PK here of a record that has got another one when it was moved in."""
        return await self._store.old_records.new_pk(kind, old)

    async def has_kept(self, kind: Kind, pk: int) -> bool:
        """Return whether a record was moved in under the PK that it had."""
        return await self._store.old_records.has_kept(kind, pk)

    async def file(self, path: str) -> tuple[DataProduct, bool]:
        """Return the data product at a path below the media folder, and whether it was moved in.

        If none was, or it was deleted since, it is found by the name of its target and its own, as
        in `M 13/none/frame0.fits`: the first one of that name.

        :raises NotFound: there is none.
        """
        if len(path) > LONGEST_PATH:
            raise NotFound("file", path)
        pk = await self._store.old_records.at_path(path)
        if pk is not None and (moved := await self._products.get_many([pk])):
            return moved[0], True
        target, _, rest = path.partition("/")
        folder, _, name = rest.partition("/")
        if folder != WITHOUT_OBSERVATION or not name or "/" in name:
            raise NotFound("file", path)
        return await self._named(target, name), False

    async def _named(self, target: str, name: str) -> DataProduct:
        found = await self._products.of_name(name, MOST_OF_A_NAME)
        targets = await self._store.targets.get_many(sorted({each.target for each in found}))
        wanted = {each.pk for each in targets if each.name == target}
        for product in sorted(found, key=lambda each: each.pk):
            if product.target in wanted:
                return product
        raise NotFound("file", name)
