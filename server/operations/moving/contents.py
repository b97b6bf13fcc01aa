"""What a collection has, in a few bytes, so that two databases can be compared.

Which documents there are, and where, is left to `source` and `target`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from server.store.documents import Document

#: The most documents, and about the most bytes of them, that are in memory at a time.
BATCH, BATCH_BYTES = 500, 2 * 2**20
_MODULUS = 2**256


@dataclass
class Digest:
    """How many documents there are, and a checksum of them that does not depend on their order."""

    count: int = 0
    _sum: int = 0

    def add(self, written: bytes) -> None:
        """Take in a document as `canonical` writes it."""
        self.count += 1
        digest = hashlib.sha256(written).digest()
        self._sum = (self._sum + int.from_bytes(digest, "big")) % _MODULUS

    def stored(self) -> list[int | str]:
        """Return it as a database keeps it."""
        return [self.count, f"sha256:{self._sum:064x}"]


def canonical(document: Document) -> bytes:
    """Return a document as bytes that are the same for equal documents, wherever they were read.

    What JSON does not know, which Heliograph does not store either, is written as Python shows it.
    """
    text = json.dumps(
        document, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=repr
    )
    return text.encode("utf-8", "surrogatepass")


def in_batches(documents: Iterable[Document]) -> Iterator[dict[int | str, tuple[Document, bytes]]]:
    """Iterate over documents by `_id`, each with its canonical bytes, so many at a time."""
    batch: dict[int | str, tuple[Document, bytes]] = {}
    size = 0
    for document in documents:
        written = canonical(document)
        batch[document["_id"]] = (document, written)
        size += len(written)
        if len(batch) >= BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = {}, 0
    if batch:
        yield batch
