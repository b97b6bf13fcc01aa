"""The documents of a MongoDB, read one after another without an event loop: for commands."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from pymongo import MongoClient, errors

from server.core.errors import StartError
from server.store.documents import Document
from server.store.driver.errors import refusals_told

_SELECTION_MILLISECONDS, _SOCKET_MILLISECONDS = 5_000, 60_000
_BATCH = 500


class MongoDocuments:
    """One database, connected while the `with` block lasts.

    :raises StartError: the URI or its credentials are wrong.
    :raises DatabaseAway: no server answers.
    """

    def __init__(self, uri: str, name: str) -> None:
        try:
            self._client: MongoClient[Document] = MongoClient(
                uri,
                appname="heliograph",
                serverSelectionTimeoutMS=_SELECTION_MILLISECONDS,
                socketTimeoutMS=_SOCKET_MILLISECONDS,
            )
        except (errors.ConfigurationError, ValueError) as error:
            # The error may quote the URI, and with it the password.
            raise StartError(
                "mongodb.uri cannot be used: it is not the URI of a MongoDB"
            ) from error
        self._database = self._client.get_default_database(default=name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def version(self) -> str:
        """Return the version of the server."""
        with refusals_told():
            return str(self._client.server_info().get("version", "of an unknown version"))

    @property
    def name(self) -> str:
        """The name of the database, which a URI may have."""
        return self._database.name

    def collections(self) -> set[str]:
        """Return the names of the collections that have documents."""
        with refusals_told():
            names = self._database.list_collection_names()
            return {name for name in names if self._has_documents(name)}

    def _has_documents(self, name: str) -> bool:
        if name.startswith("system."):
            return False
        return self._database[name].find_one({}, projection={"_id": 1}) is not None

    def documents(self, collection: str, at_once: int = _BATCH) -> Iterator[Document]:
        """Iterate over the documents of a collection, so many read at once."""
        with refusals_told(), self._database[collection].find(batch_size=at_once) as found:
            yield from found

    def get(self, collection: str, pk: int | str) -> Document | None:
        """Return the document with this `_id`, None if there is none."""
        with refusals_told():
            return self._database[collection].find_one({"_id": pk})

    def indexed(self) -> set[tuple[str, str]]:
        """Return each collection and field that has an index."""
        with refusals_told():
            return {
                (name, field)
                for name in self._database.list_collection_names()
                for facts in self._database[name].index_information().values()
                for field, *_ in _keys(facts)
            }


def _keys(facts: Any) -> list[tuple[str, Any]]:
    keys: list[tuple[str, Any]] = facts["key"]
    return keys
