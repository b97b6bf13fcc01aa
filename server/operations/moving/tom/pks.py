"""Which PKs the records of an old site get here: their own, unless these are taken.

A PK that was given out here once is never given to something else, so whatever a counter has passed
is taken. Ranges are claimed for a site before anything of it is stored, so that the same old PK has
the same new one in every later import.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, get_args

from server.core.errors import NotDone
from server.core.records import LARGEST_PK
from server.operations.moving.tom.site import Site
from server.store.archive.old_sites import Kind, OldSite
from server.store.documents import Documents

KINDS: tuple[Kind, ...] = get_args(Kind)
WORDS: Mapping[Kind, str] = {
    "target": "target",
    "dataproduct": "data product",
    "group": "group",
    "processes": "process",
}
#: How many of each kind a sentence names.
_MOST_NAMED = 5
#: How many targets are compared at once.
_AT_ONCE = 200


class Claim(NamedTuple):
    """Old PKs from `first` to `last`, whose records have PKs here that are larger by `shift`."""

    first: int
    last: int
    shift: int


@dataclass(frozen=True)
class Pks:
    """The claims of a site, by kind."""

    claims: Mapping[Kind, tuple[Claim, ...]]

    @classmethod
    def of(cls, site: OldSite | None) -> Pks:
        """Return those that are stored."""
        stored = {} if site is None else site.claimed
        return cls({kind: tuple(Claim(*each) for each in stored.get(kind, ())) for kind in KINDS})

    def stored(self) -> dict[str, list[list[int]]]:
        """Return them as they are stored."""
        return {kind: [list(claim) for claim in claims] for kind, claims in self.claims.items()}

    def new(self, kind: Kind, old: object) -> int | None:
        """Return the PK here of an old one, None for one that is not of the site."""
        if not isinstance(old, int):
            return None
        shifts = (each.shift for each in self.claims[kind] if each.first <= old <= each.last)
        return next((old + shift for shift in shifts), None)

    def old(self, kind: Kind, new: int) -> int | None:
        """Return the old PK of one here, None for one that is not of the site."""
        claims = self.claims[kind]
        shifts = (each.shift for each in claims if each.first <= new - each.shift <= each.last)
        return next((new - shift for shift in shifts), None)

    def highest(self, kind: Kind) -> int:
        """Return the highest PK that is claimed here."""
        return max((each.last + each.shift for each in self.claims[kind]), default=0)

    def renumbered(self, kind: Kind) -> bool:
        """Return whether some records have another PK here."""
        return any(each.shift for each in self.claims[kind])


@dataclass(frozen=True)
class Admission:
    """What a database holds, as far as it is in the way of a site; nothing is written to it."""

    site: Site
    documents: Documents

    def admit(self, *, renumber: bool) -> Pks:
        """Return the claims with which the site is brought.

        :raises NotDone: there are other targets, or PKs are taken, and nothing may be renumbered.
        """
        before = Pks.of(self._known())
        foreign = self._foreign(before)
        taken: dict[Kind, list[int]] = {}
        claims: dict[Kind, tuple[Claim, ...]] = {}
        for kind in KINDS:
            claims[kind], taken[kind] = self._claims(kind, before)
        if not renumber:
            self._refuse(foreign, taken)
        return replace(before, claims=claims)

    def _known(self) -> OldSite | None:
        found = self.documents.get("old_sites", self.site.id)
        if found is None:
            return None
        return OldSite(
            found["_id"], found["begun"], found["complete"], found["claimed"], found["through"]
        )

    def _claims(self, kind: Kind, before: Pks) -> tuple[tuple[Claim, ...], list[int]]:
        """Return the claims on a kind, and the old PKs that are taken."""
        claimed = before.claims[kind]
        counter = self._counted(kind)
        highest = self.site.last(kind)
        taken = [pk for pk in self._unclaimed(kind, before) if not counter < pk <= LARGEST_PK]
        claims = list(claimed)
        if taken:
            last = max(counter, highest)
            claims.append(Claim(taken[0], taken[-1], last + 1 - taken[0]))
        if highest > counter:
            claims.append(Claim(max(counter, 0) + 1, highest, 0))
        made = tuple(claims)
        if max((each.last + each.shift for each in made), default=0) > LARGEST_PK:
            raise NotDone(
                f"The old site has a {WORDS[kind]} {highest}, and PKs here end at {LARGEST_PK:,}"
            )
        return made, taken

    def _unclaimed(self, kind: Kind, before: Pks) -> Iterator[int]:
        return (pk for pk in self.site.pks(kind) if before.new(kind, pk) is None)

    def _counted(self, kind: Kind) -> int:
        found = self.documents.get("counters", kind)
        return 0 if found is None else int(found["last"])

    def _foreign(self, before: Pks) -> list[str]:
        """Return the names of targets that are not of the site; the others are compared with it."""
        foreign: list[str] = []
        created: dict[int, float] = {}
        for document in self.documents.documents("targets"):
            old = before.old("target", document["_id"])
            if old is None:
                foreign.append(document["name"])
                continue
            created[old] = document["created"]
            if len(created) >= _AT_ONCE:
                self._compare(created)
                created = {}
        self._compare(created)
        return foreign

    def _refuse(self, foreign: list[str], taken: Mapping[Kind, list[int]]) -> None:
        if foreign:
            raise NotDone(
                f"There are targets here that are not of this site ({_some(foreign)}), so nothing "
                "was written: import into an empty data folder (--data), or let what is in the way "
                "get other PKs with --renumber, which prints which"
            )
        for kind, pks in taken.items():
            if pks:
                raise NotDone(
                    f"PKs of the old site were given to something else here ({WORDS[kind]} "
                    f"{_some(pks)}), so nothing was written: import into an empty data folder "
                    "(--data), or let these get other PKs with --renumber, which prints which"
                )

    def _compare(self, created: Mapping[int, float]) -> None:
        for pk, then in self.site.created_of(list(created)).items():
            if then is not None and abs(then - created[pk]) > 1.0:
                raise NotDone(
                    f"Target {pk} of the old site is not the one that was imported from it before: "
                    "this is another site with the same beginning; import it into a data folder of "
                    "its own (--data)"
                )


def _some(found: Iterable[object]) -> str:
    every = [str(each) for each in found]
    more = ", …" if len(every) > _MOST_NAMED else ""
    return ", ".join(every[:_MOST_NAMED]) + more
