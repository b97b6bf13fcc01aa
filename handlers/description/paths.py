"""The paths of a route as OpenAPI writes them: `/api/targets/{pk}/` for what is a pattern here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from handlers.http.query import PK

#: A group of alternatives that no part of the path is taken from.
ALTERNATIVES = re.compile(r"\(\?:([^()]*)\)(\??)")
#: A part of the path that the handler is given.
PART = re.compile(r"\(([^()]*)\)")
NAMES = {PK: "pk", "([^/]+)": "name", "(.*)": "path"}


def paths_of(pattern: str) -> list[str]:
    """Return the paths that the pattern of a route matches, with its parts by name."""
    # A slash that may be left out is redirected to.
    plain = pattern.removesuffix("$").replace(PK, "{pk}").replace("(/?)", "/")
    return [_with_parts(path.replace("\\", "")) for path in _expanded(plain)]


def _expanded(pattern: str) -> Iterator[str]:
    """Yield the pattern with each of the alternatives in its groups."""
    group = ALTERNATIVES.search(pattern)
    if group is None:
        yield pattern
        return
    for choice in group[1].split("|") + [""] * bool(group[2]):
        yield from _expanded(pattern[: group.start()] + choice + pattern[group.end() :])


def _with_parts(path: str) -> str:
    """Return the path with `{name}` for each part, numbered from the second of a name on."""
    numbers = {name: count(1) for name in (*NAMES.values(), "part")}

    def named(part: re.Match[str]) -> str:
        if part[0] not in NAMES and re.fullmatch(r"[\w.-]+", part[1]):
            return part[1]  # a group with one alternative
        name = NAMES.get(part[0], "part")
        number = next(numbers[name])
        return f"{{{name}}}" if number == 1 else f"{{{name}{number}}}"

    path = path.replace("{pk}", PK)
    return re.sub(rf"{re.escape(PK)}|{PART.pattern}", named, path)


def parts_of(path: str) -> list[str]:
    """Return the names of the parts of a path."""
    return re.findall(r"\{(\w+)\}", path)
