"""Parameters that several operations have, and the schemas of their values."""

from __future__ import annotations

from typing import Any

from handlers.description.operation import Parameter
from handlers.http.query import STATES
from server.core.records import LARGEST_INTEGER, LARGEST_PK, LEVELS

PK_SCHEMA = {"type": "integer", "minimum": 1, "maximum": LARGEST_PK}
#: Line by line, as a whole number without a sign.
CURSOR_SCHEMA = {"type": "integer", "minimum": 1, "maximum": LARGEST_INTEGER}


def limit(most: int = 1_000, usual: int | None = 100) -> Parameter:
    """Return the parameter that limits a list."""
    schema: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": most}
    if usual is not None:
        schema["default"] = usual
    return Parameter("limit", schema, "How many to return at most.")


def several(name: str, values: dict[str, Any], description: str) -> Parameter:
    """Return a parameter of the query that takes several values with commas between them."""
    return Parameter(name, {"type": "array", "items": values}, description)


BEFORE = Parameter("before", CURSOR_SCHEMA, "The `next` of the page before this one.")
PAGE = (limit(), BEFORE)
LEVEL = Parameter(
    "level", {"type": "string", "enum": list(LEVELS)}, "The lowest level of the lines to return."
)
SEARCH = Parameter("q", {"type": "string"}, "A text that the lines show, ignoring case.")

INSTANT = {"type": "number", "minimum": 0, "maximum": 99_999_999_999}
#: Which processes are asked for.
OF_PROCESSES = (
    Parameter("target", PK_SCHEMA, "Only those of this target."),
    several("pipeline", {"type": "string"}, "Only those of these pipelines."),
    several(
        "state",
        {"type": "string", "enum": sorted(STATES)},
        "Only those in these states.",
    ),
    Parameter("since", INSTANT, "Only those submitted then or later."),
    Parameter("until", INSTANT, "Only those submitted then or before."),
    Parameter(
        "q",
        {"type": "string"},
        "Only those with each of these words in identifier, pipeline, status or failure message.",
    ),
)
