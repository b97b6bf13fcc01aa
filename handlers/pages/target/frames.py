"""The list of data products as a page shows it at first: sorted, counted, filtered.

`static/draw/target/frame_list.js` does the same in the browser, where it goes on. The address has
`kind` (`output` or `all`, by default inputs), any of the facets, each as often as it has values
that are wanted (an empty one for what has none), `q`, and `sort` (with a minus: descending).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any
from urllib.parse import urlencode

from tornado.web import RequestHandler

from handlers.http.query import text
from handlers.pages.formatting import NOTHING, exact, exposure, number, observed, size

#: How many rows a page has before scripts draw all: as many as any window shows at first.
ROWS_SHOWN = 40
#: How many nights can be chosen with one click.
NIGHTS_SHOWN = 60
INPUTS, OUTPUTS, ALL = "input", "output", "all"

Frame = Mapping[str, Any]


def fact(frame: Frame, name: str) -> Any:
    """Return what the headers say, None where they do not."""
    return (frame["fits"] or {}).get(name)


def exposure_value(frame: Frame) -> str:
    """Return the exposure in seconds as addresses have it, as a browser writes a number."""
    seconds = fact(frame, "exposure")
    return f"{seconds:.12g}" if isinstance(seconds, int | float) else ""


def _pixels(frame: Frame) -> float | None:
    width, height = fact(frame, "width"), fact(frame, "height")
    return width * height if width and height else None


@dataclass(frozen=True)
class Facet:
    """A property by which frames are filtered: its value in addresses, and what it is called."""

    name: str
    title: str
    none: str
    value: Callable[[Frame], str]
    label: Callable[[str], str] = str


FACETS = (
    Facet("night", "Night", "no date", lambda frame: frame["night"] or ""),
    Facet("filter", "Filter", "no filter", lambda frame: fact(frame, "filter") or ""),
    Facet("exposure", "Exposure", "none", exposure_value, lambda value: exposure(float(value))),
    Facet("instrument", "Instrument", "none", lambda frame: fact(frame, "instrument") or ""),
    Facet("type", "Type", "no type", lambda frame: str(frame.get("data_product_type", ""))),
)

#: What rows are sorted by: numbers or texts; None comes last, whatever the direction.
KEYS: dict[str, Callable[[Frame], Any]] = {
    "date": lambda frame: fact(frame, "date"),
    "name": lambda frame: frame["name"].casefold(),
    "exposure": lambda frame: fact(frame, "exposure"),
    "filter": lambda frame: (fact(frame, "filter") or "").casefold() or None,
    "instrument": lambda frame: (fact(frame, "instrument") or "").casefold() or None,
    "pixels": _pixels,
    "created": lambda frame: frame["created"],
    "size": lambda frame: frame["size"],
}
#: The columns that can be sorted by: key, heading and class.
COLUMNS = (
    ("name", "Name", ""),
    ("date", "Observed", "wide"),
    ("exposure", "Exposure", "wide"),
    ("filter", "Filter", "wide"),
    ("instrument", "Instrument", "wide wider"),
    ("pixels", "Pixels", "wide wider"),
    ("created", "Stored", "wide wider"),
    ("size", "Size", "size"),
)


@dataclass(frozen=True)
class Wanted:
    """What the address asks for."""

    kind: str = INPUTS
    facets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    words: str = ""
    sort: str = "date"
    descending: bool = False

    def missed_by(self, frame: Frame) -> set[str]:
        """Return what keeps a frame from being wanted: names of facets, "kind" and "words"."""
        missed = {
            each.name
            for each in FACETS
            if self.facets.get(each.name) and each.value(frame) not in self.facets[each.name]
        }
        if self.kind not in (ALL, frame["kind"]):
            missed.add("kind")
        if self.words and self.words not in searched(frame):
            missed.add("words")
        return missed


def wanted_by(handler: RequestHandler) -> Wanted:
    """Return what an address asks for; what cannot be meant is left aside."""
    given = handler.request.query_arguments
    kind = text(handler, "kind") or INPUTS
    facets = {
        facet.name: frozenset(value.decode(errors="replace") for value in given[facet.name])
        for facet in FACETS
        if facet.name in given
    }
    order = text(handler, "sort") or ("-created" if kind == OUTPUTS else "date")
    name = order.removeprefix("-")
    return Wanted(
        kind if kind in (INPUTS, OUTPUTS, ALL) else INPUTS,
        facets,
        (text(handler, "q") or "").strip().lower(),
        name if name in KEYS else "date",
        order.startswith("-"),
    )


def searched(frame: Frame) -> str:
    """Return the text that words are looked for in."""
    date = fact(frame, "date")
    kind = frame.get("data_product_type")
    facts = (fact(frame, "filter"), fact(frame, "instrument"), exposure_value(frame), kind)
    stamp = observed(date) if date is not None else ""
    return " ".join(str(each) for each in (frame["name"], stamp, *facts) if each).lower()


def sorted_frames(frames: Sequence[Frame], name: str, descending: bool) -> list[Frame]:
    """Return frames by a column; what has no value comes last, equal ones in order of PK."""
    key = KEYS[name]
    known = sorted(
        (frame for frame in frames if key(frame) is not None), key=lambda frame: frame["pk"]
    )
    rest = sorted((frame for frame in frames if key(frame) is None), key=lambda each: each["pk"])
    return sorted(known, key=key, reverse=descending) + rest


@dataclass(frozen=True)
class Option:
    """A value of a facet: how it is called, how many frames have it, whether it is wanted."""

    value: str
    label: str
    count: int
    wanted: bool


@dataclass(frozen=True)
class Night:
    """A night, and how many of its frames each filter has; its first one is for all of them."""

    name: str
    count: int
    filters: list[tuple[str, int]]


class FrameList:
    """What a page shows of the data products of a target, all counted. For 10,000, use a thread."""

    def __init__(self, frames: Sequence[Frame], wanted: Wanted) -> None:
        self.all = frames
        self.wanted = wanted
        self._missed = [wanted.missed_by(frame) for frame in frames]
        self.shown = sorted_frames(self._taken(), wanted.sort, wanted.descending)
        self.kinds = self._kinds()
        self.options = {facet.name: self._options(facet) for facet in FACETS}
        self.nights = self._nights()

    def _taken(self, but: str = "") -> list[Frame]:
        """Return the frames that are wanted, with what is called `but` left open."""
        return [
            frame for frame, missed in zip(self.all, self._missed, strict=True) if missed <= {but}
        ]

    def _kinds(self) -> dict[str, int]:
        """Return how many frames there are of each kind, as far as they are wanted otherwise."""
        counts = Counter(each["kind"] for each in self._taken(but="kind"))
        both = counts[INPUTS] + counts[OUTPUTS]
        return {INPUTS: counts[INPUTS], OUTPUTS: counts[OUTPUTS], ALL: both}

    def _options(self, facet: Facet) -> list[Option]:
        """Return the values of a facet, with counts under the other ones; none last."""
        wanted = self.wanted.facets.get(facet.name, frozenset())
        counts = Counter(facet.value(frame) for frame in self._taken(but=facet.name))
        values = sorted({*counts, *wanted}, key=lambda value: _order(facet, value))
        return [
            Option(
                value,
                _label(facet, value),
                counts[value],
                value in wanted,
            )
            for value in values
        ]

    def _nights(self) -> list[Night]:
        """Return the newest nights of the inputs, newest first."""
        found: dict[str, Counter[str]] = {}
        for frame in self.all:
            if frame["kind"] == INPUTS and frame["night"]:
                filters = found.setdefault(frame["night"], Counter())
                filters[fact(frame, "filter") or ""] += 1
        newest = sorted(found, reverse=True)[:NIGHTS_SHOWN]
        return [Night(name, found[name].total(), sorted(found[name].items())) for name in newest]


def _label(facet: Facet, value: str) -> str:
    if not value:
        return facet.none
    try:
        return facet.label(value)
    except ValueError:  # an address may ask for anything
        return value


def _order(facet: Facet, value: str) -> tuple[bool, float, str]:
    """Return a key that sorts nights newest first, exposures by number, others by name."""
    if facet.name == "exposure":
        try:
            return (not value, float(value or inf), value)
        except ValueError:
            return (True, inf, value)
    if facet.name == "night":
        digits = value.replace("-", "")
        return (not value, -float(digits) if digits.isdecimal() else inf, value)
    return (not value, 0.0, value.casefold())


def in_row(frame: Frame) -> dict[str, Any]:
    """Return what scripts need to choose a frame by its row, until they have fetched all frames.

    Empty for what has neither headers nor a problem: its PK and its name are in the row anyway.
    """
    fits = frame["fits"] and {name: fact(frame, name) for name in ("date", "width", "height")}
    return {"fits": fits, "problem": frame["problem"]} if fits or frame["problem"] else {}


def stored(frame: Frame) -> str:
    """Return when a frame was stored, to the second."""
    return exact(frame["created"]).removesuffix(" UTC")


def pixels(frame: Frame) -> str:
    """Return the sides of an image in pixels."""
    width, height = fact(frame, "width"), fact(frame, "height")
    return f"{width} \u00d7 {height}" if width else NOTHING


def in_short(frame: Frame) -> str:
    """Return when and through what a frame was taken, and its size, for narrow windows."""
    date = fact(frame, "date")
    seconds = exposure(fact(frame, "exposure"))
    taken = (observed(date) if date is not None else "", fact(frame, "filter"), seconds)
    facts = (*taken, size(frame["size"]))
    # A line may break between the facts, not within one.
    return "\u00a0· ".join(
        each.replace(" ", "\u00a0") for each in facts if each and each != NOTHING
    )


def problem(frame: Frame) -> str:
    """Return why a frame cannot be read, as a sentence; empty if it can."""
    return f"Cannot be read: it {frame['problem']}" if frame["problem"] else ""


def counted(count: int) -> str:
    """Return a count of frames."""
    return number(count)


def order_of(wanted: Wanted, name: str) -> str | None:
    """Return how the rows are sorted by a column, as `aria-sort` has it; None if by another."""
    if wanted.sort != name:
        return None
    return "descending" if wanted.descending else "ascending"


def order_in_address(wanted: Wanted) -> str:
    """Return the order of the rows as `sort` has it in addresses."""
    return ("-" if wanted.descending else "") + wanted.sort


def next_sort(wanted: Wanted, name: str) -> str:
    """Return what `sort` is in the address once the heading of a column was clicked."""
    return f"-{name}" if wanted.sort == name and not wanted.descending else name


def set_query(night: str, name: str) -> str:
    """Return the query of the frames of a night through a filter."""
    return "?" + urlencode({"night": night, "filter": name})
