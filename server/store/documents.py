"""Reading a database document by document, for commands: beside running servers, and blocking.

What a running server reads and writes goes through the collections of `store`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

Document = dict[str, Any]


class Documents(Protocol):
    """The documents of a database, which is only read."""

    def documents(self, collection: str) -> Iterator[Document]:
        """Iterate over the documents of a collection, some at a time; none if it is not there."""

    def get(self, collection: str, pk: int | str) -> Document | None:
        """Return the document with this `_id`, None if there is none."""

    def indexed(self) -> set[tuple[str, str]]:
        """Return each collection and field that has an index."""
