"""The words of the names and identifiers of targets, to be found by how they begin."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from server.core.records import Target
from server.store.base import text_key
from server.store.driver.connection import Database

#: The most words of one target, and characters of one word, that are kept.
WORDS, LENGTH = 30, 60
_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case: runs of letters and digits, of whatever script."""
    return _WORD.findall(text.casefold().replace("_", " "))


def has_words(target: Target, beginnings: Iterable[str]) -> bool:
    """Return whether for each of these a word of the target begins so; case is ignored."""
    words = _kept(target)
    return all(
        any(word.startswith(beginning.casefold()[:LENGTH]) for word in words)
        for beginning in beginnings
    )


def _kept(target: Target) -> set[str]:
    """Return the words by which a target is found."""
    # The whole name as one word too: "M 31" is found by "m31".
    texts = [*words_of(target.name), *words_of(target.identifier)]
    texts.append("".join(words_of(target.name)))
    return {word[:LENGTH] for word in texts[-1:] + texts[:WORDS] if word}


class TargetWords:
    """A document for each word of each target."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("target_words")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        for field in ("word", "target"):
            await self._collection.ensure_index(field)

    async def put(self, target: Target) -> None:
        """Store the words of a target in place of those that it had. May be repeated."""
        wanted = _keys(target)
        found = await self._collection.find({"target": target.pk}, fields=("word",))
        known = {each["word"]: each["_id"] for each in found}
        for word in sorted(wanted - known.keys()):
            await self._collection.replace(_document(target, word), upsert=True)
        await self._collection.delete_many(known[word] for word in known.keys() - wanted)

    async def insert_many(self, targets: Iterable[Target]) -> None:
        """Store the words of new targets. :raises AlreadyTaken: some of them are known."""
        await self._collection.insert_many(
            [_document(target, word) for target in targets for word in sorted(_keys(target))]
        )

    async def beginning(self, word: str, limit: int) -> list[int]:
        """Return targets with a word that begins so, each once; at most so many words are read."""
        low = text_key(word.casefold()[:LENGTH])
        found = await self._collection.find(
            {"word": {"$gte": low, "$lt": f"{low}\uffff"}}, sort=("word", 1), limit=limit
        )
        return list(dict.fromkeys(each["target"] for each in found))

    async def delete(self, target: int) -> None:
        """Forget the words of a target."""
        await self._collection.delete({"target": target})


def _keys(target: Target) -> set[str]:
    """Return the words of a target as index keys."""
    return {text_key(word) for word in _kept(target)}


def _document(target: Target, word: str) -> dict[str, Any]:
    return {"_id": f"{target.pk}{word}", "word": word, "target": target.pk}
