"""The rules for configured values: each says in words what it allows, and reads values.

`sections` and `config` name the keys, `sources` finds the values; rules know neither.
"""

from __future__ import annotations

import dataclasses
import math
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, cast

from server.core.records import LARGEST_INTEGER

T = TypeVar("T")

#: The largest integer that the database can store.
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
    """Return the value as error messages show it: on one line, and short whatever it is."""
    return _short.repr(value)


class Mistake(Exception):
    """What is wrong with a value; `path` leads to the place inside a larger value."""

    path: tuple[str, ...] = ()


class Refused(Mistake):
    """A value that a rule does not allow."""

    def __init__(self, value: object, allowed: str) -> None:
        super().__init__(allowed)
        self.value, self.allowed = value, allowed


class Unknown(Mistake):
    """A key inside a larger value that does not exist; `known` are those that do."""

    def __init__(self, key: str, known: list[str]) -> None:
        super().__init__(key)
        self.key, self.known = key, known


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a key takes: `allowed` says it, `accept` returns the value or raises ValueError.

    `from_text` turns a text of the environment or the command line into what config.yml would
    have given; `show` turns an accepted value into text for the documentation. The values of a
    `secret` rule never appear in messages.
    """

    allowed: str
    accept: Callable[[Any], Any]
    from_text: Callable[[str], Any] = str
    show: Callable[[Any], str] = repr
    secret: bool = False

    def read(self, value: object) -> Any:
        """Return the value as the configuration holds it; raise Refused when it is not allowed."""
        try:
            return self.accept(value)
        except (ValueError, OverflowError) as error:
            raise Refused(value, self.allowed) from error


def setting(default: T, rule: Rule, meaning: str) -> T:
    """Declare a key of a section: its default, what it takes, and what it is for."""
    return computed(lambda: default, rule, meaning)


def computed(default: Callable[[], T], rule: Rule, meaning: str) -> T:
    """Declare a key whose default is computed anew for each configuration."""
    shown = not rule.secret  # secrets stay out of a section's `repr`, hence out of logs
    metadata = {"rule": rule, "meaning": meaning}
    return dataclasses.field(default_factory=default, repr=shown, metadata=metadata)


def settings_of(section: type[Any]) -> Iterator[tuple[str, dataclasses.Field[Any]]]:
    """Yield every key that a section declares, those of inner sections with a dot: `http.port`."""
    for field in dataclasses.fields(section):
        inner = field.default_factory
        if "rule" in field.metadata:
            yield field.name, field
        elif isinstance(inner, type):
            yield from ((f"{field.name}.{key}", each) for key, each in settings_of(inner))


def rules_of(section: type[Any]) -> dict[str, Rule]:
    """Return the rule of each key that a section declares."""
    return {key: field.metadata["rule"] for key, field in settings_of(section)}


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError


def text(allowed: str, fits: Callable[[str], object], *, secret: bool = False) -> Rule:
    """Allow any printable text that fits."""

    def accept(value: object) -> str:
        if not isinstance(value, str) or not value.isprintable() or not fits(value):
            raise ValueError
        return value

    return Rule(allowed, accept, show=str, secret=secret)


def is_path(written: str) -> bool:
    """Tell whether this is a path, with `~` for a user who exists."""
    try:
        return bool(Path(written).expanduser().parts)
    except RuntimeError:  # a user who does not exist
        return False


def path_of_a_file() -> Rule:
    """Allow the path of a file. Where a relative one starts is left to `config`."""

    def accept(value: object) -> Path:
        _require(isinstance(value, str | Path) and str(value).isprintable())
        path = Path(cast(str, value))
        _require(bool(path.parts) and not str(value).endswith("/"))
        try:
            return path.expanduser()
        except RuntimeError as error:  # a user who does not exist
            raise ValueError from error

    return Rule("the path of a file", accept, show=str)


def choice(*words: str) -> Rule:
    """Allow one of these words."""
    return text(", ".join(words[:-1]) + " or " + words[-1], words.__contains__)


def boolean() -> Rule:
    """Allow true and false."""

    def accept(value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    def from_text(written: str) -> object:
        return {"true": True, "false": False}.get(written.strip().lower(), written)

    return Rule("true or false", accept, from_text, show=lambda value: str(value).lower())


def _number_from_text(kind: type[int] | type[float]) -> Callable[[str], object]:
    def read(written: str) -> object:
        # Python also takes "1_0" for ten and reads the digits of other scripts: no guessing here.
        plain = re.fullmatch(r"[-+0-9.eE]{1,30}", written.strip())
        try:
            return kind(written) if plain else written
        except ValueError:
            return written

    return read


def _is_number(value: object, *kinds: type) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def integer(low: int, high: int = LARGEST_INTEGER) -> Rule:
    """Allow the integers from `low` to `high`, both included."""

    def accept(value: int) -> int:
        _require(_is_number(value, int) and low <= value <= high)
        return value

    upper = "or more" if high == LARGEST_INTEGER else f"to {high}"
    return Rule(f"a whole number, {low} {upper}", accept, _number_from_text(int))


def number(low: float, high: float, *, above: bool = False) -> Rule:
    """Allow the numbers from `low` to `high`; `above` excludes `low` itself."""

    def accept(value: float) -> float:
        _require(_is_number(value, int, float) and math.isfinite(value))
        _require((value > low if above else value >= low) and value <= high)
        return float(value)

    lower = f"above {low:g} and up to" if above else f"{low:g} to"
    return Rule(f"a number, {lower} {high:.10g}", accept, _number_from_text(float), "{:g}".format)


def size(low: int = 1) -> Rule:
    """Allow a count of bytes: an integer, or a text with a unit such as 16 MiB."""
    count = integer(low)

    def accept(value: object) -> Any:
        return count.accept(_bytes_of(value) if isinstance(value, str) else value)

    allowed = f"bytes, {low} or more, or a text such as 500 MB or 2 GiB"
    return Rule(allowed, accept, show=show_size)


def _bytes_of(written: str) -> int:
    match = SIZE.fullmatch(written)
    if match is None or (match[2] or "B") not in UNITS:
        raise ValueError
    return int(Decimal(match[1]) * UNITS[match[2]]) if match[2] else int(match[1])


def show_size(count: int) -> str:
    """Return the bytes in the largest binary unit that divides them: `2 GiB`."""
    for unit in ("GiB", "MiB", "KiB"):
        if count and count % UNITS[unit] == 0:
            return f"{count // UNITS[unit]} {unit}"
    return str(count)


def nullable(rule: Rule, meaning: str) -> Rule:
    """Allow what the rule does, and null, which stands for `meaning`."""

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
    """Allow a list of what the rule does; a text has commas between the parts. Null is empty."""

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


def read_inner(key: str, rule: Rule, value: object) -> Any:
    """Read a value that is part of a larger one; a Mistake in it gets the key on its path."""
    try:
        return rule.read(value)
    except Mistake as mistake:
        mistake.path = (key, *mistake.path)
        raise


def read_mapping(rules: Mapping[str, Rule], value: object) -> dict[str, Any]:
    """Read a mapping in which each key has a rule of its own; raise Refused or Unknown."""
    if not isinstance(value, dict):
        raise Refused(value, "a mapping with the keys " + ", ".join(rules))
    for key in value:
        if key not in rules:
            raise Unknown(str(key), list(rules))
    return {key: read_inner(key, rules[key], each) for key, each in value.items()}
