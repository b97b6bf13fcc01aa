"""Pipelines and processes: what can be run, and what runs, waits or has ended."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from handlers.api.processes import IDEMPOTENCY_KEY, Move, Rerun, Submission
from handlers.description.operation import Answer, Body, Operation, Parameter, Subject, delete, read
from handlers.description.parameters import OF_PROCESSES, PAGE
from handlers.description.subjects.logs import SIX
from server.core.records import Flag, Progress, Resources, State
from server.processes.film_frames import FilmFrame, LeftOutFrame
from server.processes.receipt import Receipt

PK_OF_PROCESS = {"pk": "$response.body#/pk"}
EXAMPLE = {
    "pk": 1,
    **SIX,
    "process_type": "pipeline",
    "pipeline": "Dummy",
    "target": 1,
    "products": [1, 2],
    "flags": {},
    "state": "succeeded",
    "progress": {"done": 2, "total": 2},
    "started": 1772402390.8,
    "attempt": 1,
    "log_lines": 2,
    "log_bytes": 46,
    "outputs": [4],
    "main": None,
    "group": 1,
    "waiting_for": None,
    "resources": {"cpu_seconds": 0.2, "peak_rss_bytes": 41943040, "exit": "exit code 0"},
    "submitted_by": "ana",
}
QUEUED = {
    **EXAMPLE,
    "status": "pending",
    "terminal_timestamp": None,
    "state": "queued",
    "progress": None,
    "started": None,
    "attempt": 0,
    "log_lines": 0,
    "log_bytes": 0,
    "outputs": [],
    "group": None,
    "waiting_for": "Number 1 in the queue; it is about to start",
    "resources": None,
}


class Process(Struct):
    """A process: the six keys of the status, and all that is known besides."""

    pk: int
    identifier: str
    created: float
    status: str
    terminal_timestamp: float | None
    failure_message: str | None
    view_url: str | None
    process_type: Literal["pipeline", "timelapse"]
    pipeline: str
    target: int
    products: list[int]
    flags: dict[str, bool]
    state: State
    progress: Progress | None
    started: float | None
    attempt: int
    log_lines: int
    log_bytes: int | None
    outputs: list[int]
    main: int | Literal["lightcurve"] | None
    group: int | None
    waiting_for: str | None
    resources: Resources | None
    submitted_by: str | None


class ProcessList(Struct):
    """A page of processes, newest first."""

    processes: list[Process]
    next: int | None


class Pipeline(Struct):
    """A pipeline that can be run; `error` says why one cannot."""

    name: str
    short_name: str
    process_type: str
    description: str
    allowed_suffixes: list[str]
    flags: dict[str, Flag]
    error: str | None


class Pipelines(Struct):
    """All pipelines."""

    pipelines: list[Pipeline]
    next: None


class Frames(Struct):
    """The frames of a film, and what is left out of it."""

    frames: list[FilmFrame]
    left_out: list[LeftOutFrame]


KEY = Parameter(
    IDEMPOTENCY_KEY,
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "Any text of your own, so that the submit can be sent again without running twice.",
    "header",
)
LINKS = {
    "get": {"operationId": "get_api_processes_pk", "parameters": PK_OF_PROCESS},
    "status": {
        "operationId": "get_api_async_status_pk",
        "parameters": {"pk": "$response.body#/target"},
    },
    "log": {"operationId": "get_api_processes_pk_logs", "parameters": PK_OF_PROCESS},
    "text": {"operationId": "get_api_processes_pk_logs_txt", "parameters": PK_OF_PROCESS},
    "pipeline_log": {"operationId": "get_api_pipeline_logs_pk", "parameters": PK_OF_PROCESS},
    "receipt": {"operationId": "get_api_processes_pk_receipt", "parameters": PK_OF_PROCESS},
    "cancel": {"operationId": "post_api_processes_pk_cancel", "parameters": PK_OF_PROCESS},
    "rerun": {"operationId": "post_api_processes_pk_rerun", "parameters": PK_OF_PROCESS},
    "delete": {"operationId": "delete_api_processes_pk", "parameters": PK_OF_PROCESS},
}
FULL = "Too many processes are waiting, or the database is away. Try again after `Retry-After`."

PROCESSES = Subject(
    "Pipelines and processes",
    "What can be run on data products; what runs, waits or has ended.",
    {
        "/api/pipelines/": {
            "GET": read(
                "List pipelines",
                Pipelines,
                {
                    "pipelines": [
                        {
                            "name": "Brightest pixel",
                            "short_name": "brightest",
                            "process_type": "pipeline",
                            "description": "Writes a table of the brightest pixel of each frame.",
                            "allowed_suffixes": [".fits"],
                            "flags": {
                                "deep": {
                                    "default": False,
                                    "long_name": "Search for faint sources",
                                }
                            },
                            "error": None,
                        }
                    ],
                    "next": None,
                },
            ),
        },
        "/api/processes/": {
            "GET": read(
                "List processes",
                ProcessList,
                {"processes": [EXAMPLE], "next": None},
                parameters=(
                    *OF_PROCESSES,
                    *PAGE,
                ),
                description="A page may be short, even empty, while there is a `next`.",
            ),
            "POST": Operation(
                "Submit a process",
                {
                    201: Answer(
                        "The process, which is stored and cannot get lost any more.",
                        Process,
                        QUEUED,
                        headers=("Location",),
                        links=LINKS,
                    ),
                    200: Answer(
                        "The process that the same key and body made before.",
                        Process,
                        EXAMPLE,
                        headers=("Location",),
                    ),
                },
                parameters=(KEY,),
                body=Body(
                    Submission,
                    {"target": 1, "pipeline": "Dummy", "products": [1, 2], "flags": {}},
                ),
                errors={409: "The key was used with another body.", 503: FULL},
            ),
        },
        "/api/processes/{pk}/": {
            "GET": read("Get a process", Process, EXAMPLE),
            "DELETE": delete(
                "Delete a process",
                description="Its log and outputs are deleted too.",
                errors={409: "It has not ended, or another process needs one of its outputs."},
            ),
        },
        "/api/processes/{pk}/move/": {
            "POST": Operation(
                "Move a process in the queue",
                {200: Answer("The process, in its new place.", Process, QUEUED)},
                body=Body(Move, {"to": "front"}),
                description="The last one moved to the front goes first.",
                example_pk=3,
                errors={409: "It is not queued."},
            ),
        },
        "/api/processes/{pk}/cancel/": {
            "POST": Operation(
                "Cancel a process",
                {202: Answer("The process; its state tells when it has ended.", Process, QUEUED)},
                description="A queued one never starts, a running one is stopped.",
                example_pk=3,
                errors={409: "It has ended already."},
            ),
        },
        "/api/processes/{pk}/rerun/": {
            "POST": Operation(
                "Run a process again",
                {
                    201: Answer(
                        "A new process with the same inputs and flags.",
                        Process,
                        {**QUEUED, "pk": 2},
                        headers=("Location",),
                        links=LINKS,
                    )
                },
                body=Body(Rerun, {"flags": {}}, required=False),
                description="`flags` replaces some of the flags.",
                errors={503: FULL},
            ),
        },
        "/api/processes/{pk}/receipt/": {
            "GET": read(
                "Get the receipt of a process",
                Receipt,
                {
                    "process": 1,
                    "identifier": "dummy_m13_2026-03-01-215950",
                    "pipeline": "Dummy",
                    "attempt": 1,
                    "inputs": [
                        {
                            "pk": 1,
                            "name": "frame0.fits",
                            "size": 267840,
                            "sha256": "9f86d081884c7d659a2feaa0c55ad015"
                            "a3bf4f1b2b0b822cd15d6c15b0f00a08",
                            "verified": True,
                        }
                    ],
                    "flags": {},
                    "submitted_by": "ana",
                    "environment": {
                        "python": "3.11.9",
                        "platform": "Linux-6.1-x86_64",
                        "packages": {"numpy": "2.3.1"},
                    },
                    "source": {"class": "runners.dummy.Dummy", "file": None, "sha256": None},
                    "outputs": [4],
                    "main": None,
                    "timings": {
                        "created": 1772402390.75,
                        "started": 1772402390.8,
                        "terminal_timestamp": 1772402391.02,
                        "waited_seconds": 0.05,
                        "ran_seconds": 0.22,
                        "cpu_seconds": 0.2,
                    },
                    "log_stored_bytes": 46,
                    "log_removed": None,
                    "worker": None,
                    "isolation": None,
                    "unknown": None,
                },
                description="Exactly what ran on what, as the last attempt reported it.",
            ),
        },
        "/api/processes/{pk}/frames/": {
            "GET": read(
                "Get the frames of a timelapse",
                Frames,
                {
                    "frames": [
                        {
                            "frame": 1,
                            "product": 4,
                            "name": "m13_0001.fits",
                            "date": 1774058400.0,
                            "exposure": 60.0,
                            "filter": "V",
                            "sky": 329.9,
                            "shift": [-2.1, 1.23],
                            "line": 2,
                        }
                    ],
                    "left_out": [{"product": 9, "name": "m13_0009.fits", "reason": "is empty"}],
                },
                description="Also while it runs. 404 for a process of another type.",
                example_pk=2,
            ),
        },
        "/processes/{pk}/preview.png": {
            "GET": Operation(
                "Get the latest picture of a run",
                {
                    200: Answer(
                        "A PNG.",
                        {"type": "string", "format": "binary"},
                        media_type="image/png",
                    )
                },
                description="404 if there is none, and once it has ended.",
                example_pk=3,
                versioned=True,
            ),
        },
        "/processes/{pk}/frames/{pk2}.jpg": {
            "GET": Operation(
                "Get a frame of a film that is being made",
                {
                    200: Answer(
                        "A JPEG.",
                        {"type": "string", "format": "binary"},
                        media_type="image/jpeg",
                    )
                },
                description="404 for a frame that is not made yet, and once it has ended.",
                example_pk=3,
                versioned=True,
            ),
        },
    },
)
