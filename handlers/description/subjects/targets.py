"""Targets and their light curves."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from handlers.api.light_curves import DEFAULT_ROWS, MAX_ROWS, Import
from handlers.api.targets import Declination, NewTarget, RightAscension, TargetChange
from handlers.description.operation import (
    DAMAGED,
    Answer,
    Body,
    Operation,
    Parameter,
    Subject,
    delete,
    read,
)
from handlers.description.parameters import BEFORE, PAGE, limit
from handlers.description.subjects.sky import SKY_PATHS
from server.archive.light_curves import Row

PK_OF_TARGET = {"pk": "$response.body#/pk"}
EXAMPLE = {
    "pk": 1,
    "identifier": "m13",
    "name": "M 13",
    "ra": 250.4235,
    "dec": 36.4613,
    "extra_fields": {"magnitude": 5.8},
    "created": 1772402380.5,
}
NEW = {"name": "M 13", "ra": 250.4235, "dec": 36.4613, "extra_fields": {"magnitude": 5.8}}
CHANGE = {"name": "Messier 13"}


class Target(Struct):
    """What is observed in the sky. `ra` and `dec` are degrees (ICRS)."""

    pk: int
    identifier: str
    name: str
    ra: RightAscension
    dec: Declination
    extra_fields: dict[str, Any]
    created: float


class Targets(Struct):
    """A page of targets, newest first."""

    targets: list[Target]
    next: int | None


class NamedTarget(Struct):
    """The name and the extra fields of a target."""

    name: str
    extra_fields: dict[str, Any]


class Timelapse(Struct):
    """A finished timelapse: its file, when it was finished, and how many frames it has."""

    name: str
    format: str
    url: str
    created: float
    frames: int


class TargetTimelapses(Struct):
    """A target with its finished timelapses, newest first."""

    target: NamedTarget
    timelapses: list[Timelapse]


class LightCurve(Struct):
    """A page of measurements, newest first."""

    lightcurve: list[Row]
    next: int | None


class LeftOutRows(Struct):
    """Rows of a table that were not imported: why, how many, and the numbers of the first ten."""

    reason: str
    count: int
    rows: list[int]


class Imported(Struct):
    """What was imported from a table, and how many measurements were there already."""

    imported: int
    known: int
    quantity: Literal["magnitude", "flux"]
    left_out: list[LeftOutRows]


MADE = Answer(
    "The target that was made.",
    Target,
    EXAMPLE,
    headers=("Location",),
    links={
        "get": {"operationId": "get_api_targets_pk", "parameters": PK_OF_TARGET},
        "change": {
            "operationId": "patch_api_targets_pk",
            "parameters": PK_OF_TARGET,
            "requestBody": CHANGE,
        },
        "upload": {"operationId": "post_api_targets_pk_dataproducts", "parameters": PK_OF_TARGET},
        "status": {"operationId": "get_api_async_status_pk", "parameters": PK_OF_TARGET},
        "timelapses": {"operationId": "get_api_target_pk", "parameters": PK_OF_TARGET},
        "delete": {
            "operationId": "delete_api_targets_pk",
            "parameters": {**PK_OF_TARGET, "force": "true"},
        },
    },
)

TARGETS = Subject(
    "Targets",
    "What is observed in the sky, with its measurements.",
    {
        "/api/targets/": {
            "GET": read(
                "List targets",
                Targets,
                {"targets": [EXAMPLE], "next": None},
                parameters=(
                    Parameter(
                        "search", {"type": "string"}, "A text in the name or the identifier."
                    ),
                    *PAGE,
                ),
            ),
            "POST": Operation(
                "Make a target",
                {201: MADE},
                body=Body(NewTarget, NEW),
                description="Without an `identifier`, one is derived from the name.",
                errors={409: "The identifier is taken."},
            ),
        },
        "/api/targets/{pk}/": {
            "GET": read("Get a target", Target, EXAMPLE),
            "PATCH": Operation(
                "Change a target",
                {200: Answer("The target as it is now.", Target, EXAMPLE)},
                body=Body(TargetChange, CHANGE),
                description="The fields that are not given stay as they are.",
                errors={409: "The identifier is taken."},
            ),
            "DELETE": delete(
                "Delete a target",
                description="Its data products are deleted too.",
                parameters=(
                    Parameter(
                        "force",
                        {"type": "string", "enum": ["true", "false"], "default": "false"},
                        "Whether to delete its processes too.",
                    ),
                ),
                errors={409: "It has processes, or one of them could not be stopped in time."},
                example_pk=2,
            ),
        },
        "/api/target/{pk}/": {
            "GET": read(
                "Get a target with its timelapses",
                TargetTimelapses,
                {
                    "target": {"name": "M 13", "extra_fields": {"magnitude": 5.8}},
                    "timelapses": [
                        {
                            "name": "timelapse_m13_2026-03-01-220000.webm",
                            "format": "webm",
                            "url": "/dataproducts/5/file/timelapse_m13_2026-03-01-220000.webm",
                            "created": 1772402405.3,
                            "frames": 3,
                        }
                    ],
                },
            ),
        },
        "/api/targets/{pk}/lightcurve/": {
            "GET": Operation(
                "Get the light curve of a target",
                {
                    200: Answer(
                        "The measurements; with `format=csv` all of them as CSV.",
                        LightCurve,
                        {
                            "lightcurve": [
                                {
                                    "time": 59275.0421,
                                    "magnitude": 12.613,
                                    "error": 0.008,
                                    "filter": "V",
                                    "process": 4,
                                }
                            ],
                            "next": None,
                        },
                        media_type="application/json, text/csv",
                    )
                },
                parameters=(
                    Parameter(
                        "format",
                        {"type": "string", "enum": ["json", "csv"], "default": "json"},
                        "A page as JSON, or the whole light curve as CSV.",
                    ),
                    limit(MAX_ROWS, DEFAULT_ROWS),
                    BEFORE,
                ),
                description="Times are Modified Julian Dates.",
                versioned=True,
            ),
            "POST": Operation(
                "Import measurements from a table",
                {
                    200: Answer(
                        "How many were imported.",
                        Imported,
                        {
                            "imported": 28,
                            "known": 0,
                            "quantity": "magnitude",
                            "left_out": [{"reason": "no magnitude", "count": 2, "rows": [6, 21]}],
                        },
                    )
                },
                body=Body(Import, {"product": 7}),
                description="All of them, or none where anything in the table is not valid.",
                errors={500: DAMAGED},
            ),
        },
        **SKY_PATHS,
    },
)
