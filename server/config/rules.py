"""What a configured value may be: each rule says so in words and reads a value accordingly.

Knows no keys and no sources; `config` names the keys, `sources` finds the values.
"""

from __future__ import annotations

import dataclasses
import math
import re
import reprlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar, cast

T = TypeVar("T")

#: The largest whole number that a database keeps as it is.
LARGEST = 2**63 - 1
UNITS = {"B": 1} | {
    name: base**power
    for base, suffix in ((1000, "B"), (1024, "iB"))
    for power, letter in enumerate("KMGT", 1)
    for name in (letter + suffix, letter.lower() + suffix)
}
SIZE = re.compile(r"\s*(\d{1,18}(?:\.\d{1,9})?)\s*([A-Za-z]*)\s*", re.ASCII)

_short = reprlib.Repr()
_short.maxlevel, _short.maxlist, _short.maxdict, _short.maxtuple = 2, 4, 4, 4
_short.maxstring = _short.maxother = _short.maxlong = 80


def show(value: object) -> str:
    """A value as an error message shows it: on one line, and short whatever it is."""
    return _short.repr(value)


class Refused(Exception):
    """A value that a rule does not allow. `path` leads to it inside a larger value."""

    def __init__(self, value: object, allowed: str, path: tuple[str, ...] = ()) -> None:
        super().__init__(allowed)
        self.value = value
        self.allowed = allowed
        self.path = path


class Unknown(Exception):
    """A key inside a larger value that does not exist; `known` are those that do."""

    def __init__(self, key: str, known: list[str], path: tuple[str, ...] = ()) -> None:
        super().__init__(key)
        self.key = key
        self.known = known
        self.path = path


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a key takes: `allowed` in words, `accept` makes the value or raises ValueError.

    `from_text` turns the text of the environment or the command line into what config.yml would
    have given. A secret one is never shown in messages.
    """

    allowed: str
    accept: Callable[[Any], Any]
    from_text: Callable[[str], Any] = str
    show: Callable[[Any], str] = repr
    secret: bool = False

    def read(self, value: object) -> Any:
        """The value as the configuration holds it; raises Refused."""
        try:
            return self.accept(value)
        except (ValueError, OverflowError) as error:
            raise Refused(value, self.allowed) from error


def setting(default: T, rule: Rule, meaning: str) -> T:
    """A field of a section: its default, what it takes, and what it is for."""
    return computed(lambda: default, rule, meaning)


def computed(default: Callable[[], T], rule: Rule, meaning: str) -> T:
    """The same, its default being made anew each time."""
    shown = not rule.secret  # secrets stay out of a section's `repr`, hence out of logs
    metadata = {"rule": rule, "meaning": meaning}
    return dataclasses.field(default_factory=default, repr=shown, metadata=metadata)


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError


def text(allowed: str, fits: Callable[[str], object], *, secret: bool = False) -> Rule:
    """Any text that fits."""

    def accept(value: object) -> str:
        if not isinstance(value, str) or not value.isprintable() or not fits(value):
            raise ValueError
        return value

    return Rule(allowed, accept, show=str, secret=secret)


def choice(*words: str) -> Rule:
    """One of these words."""
    return text(", ".join(words[:-1]) + " or " + words[-1], words.__contains__)


def _number_from_text(kind: type[int] | type[float]) -> Callable[[str], object]:
    def read(written: str) -> object:
        # Python reads "1_0" as ten, and digits of other scripts; a setting is not to be guessed.
        plain = re.fullmatch(r"[-+0-9.eE]{1,30}", written.strip())
        try:
            return kind(written) if plain else written
        except ValueError:
            return written

    return read


def _is_number(value: object, *kinds: type) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def whole(low: int, high: int = LARGEST) -> Rule:
    """A whole number between two, both included."""

    def accept(value: int) -> int:
        _require(_is_number(value, int) and low <= value <= high)
        return value

    upper = "or more" if high == LARGEST else f"to {high}"
    return Rule(f"a whole number, {low} {upper}", accept, _number_from_text(int))


def number(low: float, high: float, *, above: bool = False) -> Rule:
    """A number between two; the lower one excluded when it must be `above` it."""

    def accept(value: float) -> float:
        _require(_is_number(value, int, float) and math.isfinite(value))
        _require((value > low if above else value >= low) and value <= high)
        return float(value)

    lower = f"above {low:g} and up to" if above else f"{low:g} to"
    return Rule(f"a number, {lower} {high:.10g}", accept, _number_from_text(float), "{:g}".format)


def size(low: int = 1) -> Rule:
    """Bytes, as a whole number or as people write it."""

    def accept(value: object) -> int:
        count = _bytes_of(value) if isinstance(value, str) else value
        if not isinstance(count, int) or isinstance(count, bool):
            raise ValueError
        _require(low <= count <= LARGEST)
        return count

    allowed = f"bytes, {low} or more, or a text such as 500 MB or 2 GiB"
    return Rule(allowed, accept, show=show_size)


def _bytes_of(written: str) -> int:
    match = SIZE.fullmatch(written)
    if match is None or (match[2] or "B") not in UNITS:
        raise ValueError
    return int(Decimal(match[1]) * UNITS[match[2]]) if match[2] else int(match[1])


def show_size(count: int) -> str:
    """Bytes in the largest binary unit that divides them: `2 GiB`."""
    for letter, power in (("G", 3), ("M", 2), ("K", 1)):
        if count and count % 1024**power == 0:
            return f"{count // 1024**power} {letter}iB"
    return str(count)


def nullable(rule: Rule, meaning: str) -> Rule:
    """What the rule allows, or null for what `meaning` says."""

    def accept(value: object) -> object:
        return None if value is None else rule.accept(value)

    def from_text(written: str) -> object:
        return None if written.strip().lower() in {"", "null"} else rule.from_text(written)

    return dataclasses.replace(
        rule,
        allowed=f"{rule.allowed}, or null for {meaning}",
        accept=accept,
        from_text=from_text,
        show=lambda value: "null" if value is None else rule.show(value),
    )


def list_of(rule: Rule) -> Rule:
    """A list of what the rule allows; commas separate in the environment. Null is empty."""

    def accept(value: object) -> tuple[object, ...]:
        _require(value is None or isinstance(value, list | tuple))
        return tuple(rule.accept(each) for each in cast("list[object]", value or ()))

    def from_text(written: str) -> list[object]:
        return [rule.from_text(part.strip()) for part in written.split(",") if part.strip()]

    return Rule(
        f"a list of {rule.allowed}",
        accept,
        from_text,
        show=lambda values: "[" + ", ".join(map(rule.show, values)) + "]",
        secret=rule.secret,
    )


def within(key: str, rule: Rule, value: object) -> Any:
    """Read a value that is part of a larger one, so that errors name the way to it."""
    try:
        return rule.read(value)
    except Refused as refused:
        raise Refused(refused.value, refused.allowed, (key, *refused.path)) from refused
    except Unknown as unknown:
        raise Unknown(unknown.key, unknown.known, (key, *unknown.path)) from unknown


def read_mapping(rules: Mapping[str, Rule], value: object) -> dict[str, Any]:
    """A mapping of which each key has its rule. Raises Refused and Unknown."""
    if not isinstance(value, dict):
        raise Refused(value, "a mapping with the keys " + ", ".join(rules))
    for key in value:
        if key not in rules:
            raise Unknown(str(key), list(rules))
    return {key: within(key, rules[key], each) for key, each in value.items()}
