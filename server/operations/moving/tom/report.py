"""What an import has to say: what could not be brought, what was changed, and the counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from server.operations.moving.tom.pks import WORDS
from server.store.archive.old_sites import Kind

#: What is named one by one; of the rest, only the number is kept.
MOST_NAMED = 1_000


@dataclass
class Named:
    """Sentences, of which the first are kept."""

    sentences: list[str] = field(default_factory=list)
    more: int = 0

    def add(self, sentence: str) -> None:
        """Add a sentence."""
        if len(self.sentences) < MOST_NAMED:
            self.sentences.append(sentence)
        else:
            self.more += 1

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return bool(self.sentences)


class Count(NamedTuple):
    """How much there is of something on the old site, and how much of that is here."""

    what: str
    old: int
    here: int


class Renumbered(NamedTuple):
    """A record that has another PK here."""

    kind: Kind
    old: int
    new: int

    def __str__(self) -> str:
        """Return it as a line of the table shows it."""
        return f"{WORDS[self.kind]:<14}{self.old:>12,} -> {self.new:>12,}"


@dataclass
class Imported:
    """What an import has done. `lost` is what the old site has and this one has not got."""

    site: str
    lost: Named = field(default_factory=Named)
    notes: Named = field(default_factory=Named)
    counts: list[Count] = field(default_factory=list)
    renumbered: list[Renumbered] = field(default_factory=list)
    written: int = 0
    linked: int = 0
    #: whether an earlier import of the site was interrupted
    resumed: bool = False
