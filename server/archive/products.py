"""Data products: upload, find, read and delete, records and files together.

How files get into storage and out of it is left to `transactions`, and who may see an output to
`visibility`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from server.archive.rollback import Rollback
from server.archive.storage import FileStorage, LocalFile
from server.archive.transactions import FileTransactions
from server.archive.uploads import Upload, UploadLimits
from server.archive.uploads.streamed import StreamedUpload
from server.archive.visibility import Visibility
from server.core.disk.data_folder import DataFolder
from server.core.errors import NotFound
from server.core.records import DataProduct
from server.store import Store
from server.store.base import Page

#: The fields of the record that the API shows as they are.
_SHOWN = ("pk", "name", "target", "size", "sha256", "content_type", "created")


class DataProducts:
    """All data products that may be seen."""

    def __init__(
        self,
        store: Store,
        files: FileStorage,
        data_folder: DataFolder,
        limits: UploadLimits,
        transactions: FileTransactions,
        rollback: Rollback,
        visibility: Visibility,
        prefix: str = "",
    ) -> None:
        self._store = store
        self._files = files
        self._data_folder = data_folder
        self._limits = limits
        self._transactions = transactions
        self._rollback = rollback
        self._visibility = visibility
        self._prefix = prefix

    @property
    def is_remote(self) -> bool:
        """Whether files are stored elsewhere, so that a path to one is that of a copy."""
        return self._files.is_remote

    def upload(self, target: int) -> Upload:
        """Return an upload of files for a target, to be entered with `async with`.

        :raises NoRoom: the disk is full.
        :raises StorageAway: the storage does not answer.
        """
        self._data_folder.reserve.check()
        if self._files.is_remote:
            self._files.check_here()
            incoming, limits = self._data_folder.incoming, self._limits
            return StreamedUpload(incoming, limits, self._files, self._transactions, target)

        async def store(files: list[LocalFile]) -> list[DataProduct]:
            return (await self._transactions.add(files, target)).products

        return Upload(self._data_folder.incoming, self._limits, store)

    async def get(self, pk: int) -> DataProduct:
        """Return one product. :raises NotFound: there is no such product, or it is not visible."""
        for product in await self._visibility.products([await self._store.products.get(pk)]):
            return product
        raise NotFound("data product", pk)

    async def get_many(self, pks: Sequence[int]) -> list[DataProduct]:
        """Return the products in the order asked for, without those missing or not visible."""
        return await self._visibility.products(await self._store.products.get_many(pks))

    async def named(self, beginning: str, limit: int) -> list[DataProduct]:
        """Return products whose names begin so; case is ignored."""
        return await self._visibility.products(await self._store.products.named(beginning, limit))

    async def of_name(self, name: str, limit: int) -> list[DataProduct]:
        """Return products of exactly this name."""
        return await self._visibility.products(await self._store.products.of_name(name, limit))

    async def find(
        self, target: int, *, before: int | None = None, limit: int = 100
    ) -> Page[DataProduct]:
        """Return a page of a target's products; it may be short and still have a `next`."""
        page = await self._store.products.find(target, before=before, limit=limit)
        return Page(await self._visibility.products(page.items), page.next)

    async def count(self, target: int, most: int) -> int:
        """Return how many products a target has; `most` + 1 stands for any larger number."""
        return await self._store.products.count(target, most)

    async def fields(self, products: Sequence[DataProduct]) -> list[dict[str, Any]]:
        """Return the products as the API shows them."""
        groups = await self._store.groups.containing([product.pk for product in products])
        return [
            {name: getattr(product, name) for name in _SHOWN}
            | {"url": self._prefix + product.url}
            | {"groups": groups[product.pk], "process": product.process, "fits": product.facts}
            | _type_of(product)
            for product in products
        ]

    async def delete(self, pk: int) -> None:
        """Delete a product and its file.

        :raises NotFound: there is no such product, or it is not visible.
        :raises Conflict: a process that has not ended needs it.
        """
        try:
            product = await self.get(pk)
        except NotFound:
            # An attempt that failed may have deleted it: groups and its process may still name it.
            await self._rollback.resolve_leftovers()
            raise
        await self._transactions.remove(product)

    def read(
        self, product: DataProduct, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        """Iterate over the bytes of a product from `start` to before `stop`, in pieces.

        :raises DamagedFile: storage does not hold what the record says.
        """
        return self._files.read(product.key, start, stop, expected=product)

    async def signed_url(self, product: DataProduct, headers: Mapping[str, str]) -> str | None:
        """Return a URL of the storage for the product's bytes, good for a minute; None without.

        `headers` are its `Content-Type` and `Content-Disposition` there.
        """
        return await self._files.signed_url(product.key, headers)

    async def check(self, products: Sequence[DataProduct]) -> None:
        """Compare the sizes of the products' files with their records.

        :raises DamagedFile: storage does not hold what a record says.
        """
        await self._files.check([(product.key, product) for product in products])

    async def path(
        self, product: DataProduct, folder: Path | None = None, *, whole: bool = False
    ) -> Path:
        """Return a local file with the product's bytes, not to be changed.

        It is the stored file itself, or a copy in the folder when storage is remote. Its checksum
        is compared if it will be read `whole`.

        :raises DamagedFile: storage does not hold what the record says.
        """
        copies = self._data_folder.incoming / "copies"
        place = copies if folder is None else folder
        return await self._files.local(product.key, place, expected=product, whole=whole)


def _type_of(product: DataProduct) -> dict[str, str]:
    kind = product.data_product_type
    return {"data_product_type": kind} if kind else {}
