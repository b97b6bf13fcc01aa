"""The status and the logs of processes, polled and pushed."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from handlers.description.operation import DAMAGED, Answer, Operation, Parameter, Subject, read
from handlers.description.parameters import CURSOR_SCHEMA, LEVEL, SEARCH, limit
from server.core.records import LARGEST_INTEGER

AFTER = Parameter(
    "after",
    {"type": "integer", "minimum": 0, "maximum": LARGEST_INTEGER},
    "The number of the last line that you have, 0 for all.",
)
ENTRY = [2, 1772402390.91, "info", "Processing frame1.fits"]
#: The six keys of a pipeline that has succeeded.
SIX: dict[str, Any] = {
    "identifier": "dummy_m13_2026-03-01-215950",
    "created": 1772402390.75,
    "status": "created",
    "terminal_timestamp": 1772402391.02,
    "failure_message": None,
    "view_url": "/pipeline/1",
}


class ProcessStatus(Struct, forbid_unknown_fields=True):
    """The six keys of the status, and no more."""

    identifier: str
    created: float
    status: str
    terminal_timestamp: float | None
    failure_message: str | None
    view_url: str | None


class Status(Struct, forbid_unknown_fields=True):
    """All processes of a target, newest first, and the time of the server."""

    timestamp: float
    processes: list[ProcessStatus]


class PipelineLogs(ProcessStatus, forbid_unknown_fields=True):
    """The six keys of a pipeline's status, its whole log, and the group of its outputs."""

    logs: str
    group_name: str | None
    group_url: str | None


#: msgspec knows no lists of four or five elements of these types.
LINE = {
    "description": "Number, time, level, text; a fifth element `true` if no newline follows.",
    "type": "array",
    "prefixItems": [
        {"type": "integer", "minimum": 1},
        {"type": "number"},
        {"type": "string", "enum": ["debug", "info", "warning", "error"]},
        {"type": "string"},
        {"const": True},
    ],
    "items": False,
    "minItems": 4,
}
LINES = {
    "title": "Lines",
    "description": "Lines of a log, by cursor.",
    "type": "object",
    "required": ["lines", "next", "ended", "counts"],
    "properties": {
        "lines": {"type": "array", "items": LINE},
        "next": {"type": "integer", "minimum": 0, "description": "The last line examined."},
        "ended": {"type": "boolean", "description": "Whether no more lines will come."},
        "counts": {
            "type": "object",
            "description": "How many lines of each level the log has now.",
            "required": ["debug", "info", "warning", "error"],
            "properties": {
                level: {"type": "integer", "minimum": 0}
                for level in ("debug", "info", "warning", "error")
            },
        },
    },
}


class Sections(Struct):
    """The sections of a log: the first line after each status, the time, and the status."""

    sections: list[tuple[int, float, str]]


def _socket(summary: str, frames: str, unknown: str | None = None, **more: Any) -> Operation:
    """Return the operation of a websocket: what it pushes, and when a parameter makes it 404."""
    answer = Answer("The connection is a websocket from now on.", media_type=None)
    return Operation(
        summary,
        {101: answer},
        description=frames,
        errors={
            400: "A parameter is not valid, or the handshake of the websocket is not.",
            403: "The page has a foreign origin.",
            426: "The version of the websocket protocol is not 13.",
        }
        | ({404: unknown} if unknown else {}),
        **more,
    )


LOG_FRAMES = (
    'Pushes `{"type": "process", "process": {…}}` at once and on each change, '
    '`{"type": "lines", "lines": […]}` with all lines after the cursor and then each new one, and '
    '`{"type": "end"}` after the last line; then it closes with 1000.'
)

LOGS = Subject(
    "Status and logs",
    "What processes do now, and what they have said: polled, or pushed over websockets.",
    {
        "/api/async/status/{pk}/": {
            "GET": read(
                "Get the status of all processes of a target",
                Status,
                {"timestamp": 1772402401.52, "processes": [SIX]},
                parameters=(limit(usual=None),),
            ),
        },
        "/api/pipeline/logs/{pk}/": {
            "GET": read(
                "Get the status of a pipeline with its whole log",
                PipelineLogs,
                {
                    **SIX,
                    "logs": "Processing frame0.fits\nProcessing frame1.fits\n",
                    "group_name": "dummy_m13_2026-03-01-215950_outputs",
                    "group_url": "/dataproducts/data/group/1/",
                },
                description="404 for a process that is not a pipeline.",
                errors={500: DAMAGED},
            ),
        },
        "/api/processes/{pk}/logs/": {
            "GET": Operation(
                "Get lines of a log by cursor",
                {
                    200: Answer(
                        "The lines.",
                        LINES,
                        {
                            "lines": [ENTRY],
                            "next": 2,
                            "ended": True,
                            "counts": {"debug": 0, "info": 2, "warning": 0, "error": 0},
                        },
                    )
                },
                parameters=(
                    AFTER,
                    Parameter(
                        "before",
                        CURSOR_SCHEMA,
                        "Instead of `after`: return the last lines before this one.",
                    ),
                    limit(100_000, 1_000),
                    LEVEL,
                    SEARCH,
                ),
                description="`next` is the `after` (or `before`) of the page that follows.",
                errors={500: DAMAGED},
                versioned=True,
            ),
        },
        "/api/processes/{pk}/logs.txt": {
            "GET": Operation(
                "Download a log as text",
                {200: Answer("The lines.", {"type": "string"}, media_type="text/plain")},
                parameters=(LEVEL, SEARCH),
                errors={500: DAMAGED},
            ),
        },
        "/api/processes/{pk}/sections/": {
            "GET": read(
                "Get the sections of a log",
                Sections,
                {"sections": [[1, 1772402390.9, "Measuring"]]},
            ),
        },
        "/ws/async/status/{pk}/": {
            "GET": _socket(
                "Follow the status of all processes of a target",
                'Pushes `{"type": "snapshot", …}` with the body of the polled status, and then '
                '`{"type": "status", "timestamp": t, "process": {…}}` for each change.',
            ),
        },
        "/ws/changes/": {
            "GET": _socket(
                "Follow what changes about a target, or about all",
                'Pushes `{"type": "changed", "what": […]}`: all of `target`, `products`, `groups`, '
                "`lightcurve` and `processes` at once, and then those that have changed, at most "
                "four times a second. Without `target` they are `targets` and `processes`. Ask "
                "the API for what it is now.",
                unknown="There is no such target.",
                parameters=(
                    Parameter(
                        "target",
                        {"type": "integer", "minimum": 1},
                        "The PK of the target; without it, changes of all targets and processes.",
                    ),
                ),
            ),
        },
        "/ws/pipeline/logs/{pk}/": {
            "GET": _socket("Follow the log of a pipeline", LOG_FRAMES, parameters=(AFTER,)),
        },
        "/ws/processes/{pk}/logs/": {
            "GET": _socket("Follow the log of a process", LOG_FRAMES, parameters=(AFTER,)),
        },
    },
)
