"""Targets."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from handlers.api.targets import Declination, NewTarget, RightAscension, TargetChange
from handlers.description.operation import (
    Answer,
    Body,
    Operation,
    Parameter,
    Subject,
    delete,
    read,
)
from handlers.description.parameters import PAGE
from handlers.description.subjects.sky import SKY_PATHS

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
        **SKY_PATHS,
    },
)
