"""Light curves."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from handlers.api.light_curves.aavso import OBSERVATION_TYPES, OBSERVER
from handlers.api.light_curves.curve import DEFAULT_ROWS, MAX_ROWS, Import, LeavingOut
from handlers.api.light_curves.periodogram import LEAST_DAYS, MOST_DAYS
from handlers.description.operation import (
    DAMAGED,
    Answer,
    Body,
    Operation,
    Parameter,
    Subject,
    read,
)
from handlers.description.parameters import BEFORE, limit
from server.archive.light_curves import Row

NOT_SEARCHED = "The search took too long, or too many are waiting."
LEFT_OUT_MARKED = (
    "Times are Modified Julian Dates. Points that were left out are marked with `left_out` in "
    "pages, and are in files only if asked for."
)
BOOLEAN = {"type": "string", "enum": ["true", "false"], "default": "false"}
DAYS = {"type": "number", "minimum": LEAST_DAYS, "maximum": MOST_DAYS}
WITH_LEFT_OUT = Parameter(
    "left_out", BOOLEAN, "Whether points that were left out count, in files and in searches."
)
EXAMPLE: dict[str, Any] = {
    "points": 28,
    "filters": ["V"],
    "weighted": True,
    "span": 30.5,
    "minimum": 0.1,
    "maximum": 2.0,
    "frequencies": 1449,
    "peaks": [{"period": 0.52741, "power": 0.97, "false_alarm_probability": 3.1e-19}],
    "unlikely": {"probability": 0.01, "power": 0.61},
    "periodogram": [[2.0, 0.03], [0.52741, 0.97], [0.1, 0.02]],
}


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


class Changed(Struct):
    """How many points were left out, or taken in again."""

    changed: int


class Run(Struct):
    """The run that measured a point."""

    pk: int
    identifier: str
    url: str


class File(Struct):
    """A data product, and its page."""

    pk: int
    name: str
    url: str


class OriginOfPoint(Struct):
    """Where a point comes from.

    `by` is "name" if the run has named the frame, "time" if it is the only one of its frames that
    was being exposed then. `reason` says why no frame is known.
    """

    process: Run | None
    table: File | None
    frame: File | None
    by: Literal["name", "time"] | None
    reason: str | None


class PointWithOrigin(Struct):
    """A point of a light curve with its origin."""

    point: Row
    origin: OriginOfPoint


class Peak(Struct):
    """A peak of a periodogram; the period is in days."""

    period: float
    power: float
    false_alarm_probability: float


class Unlikely(Struct):
    """The power that noise alone reaches somewhere with this probability; null if there is none."""

    probability: float
    power: float | None


class Periodogram(Struct):
    """A Lomb-Scargle periodogram: `periodogram` has period and power, from long to short.

    Periods and `span`, the time from the first to the last point, are in days. `weighted` is
    whether all errors are known and count.
    """

    points: int
    filters: list[str | None]
    weighted: bool
    span: float
    minimum: float
    maximum: float
    frequencies: int
    peaks: list[Peak]
    unlikely: Unlikely
    periodogram: list[tuple[float, float]]


LIGHT_CURVES = Subject(
    "Light curves",
    "What runs have measured of a target, and what was imported: where each point comes from, "
    "which are left out, and the period.",
    {
        "/api/targets/{pk}/lightcurve/": {
            "GET": Operation(
                "Get the light curve of a target",
                {
                    200: Answer(
                        "The measurements; all of them as a file with `format=csv` or `aavso`.",
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
                        media_type="application/json, text/csv, text/plain",
                    )
                },
                parameters=(
                    Parameter(
                        "format",
                        {"type": "string", "enum": ["json", "csv", "aavso"], "default": "json"},
                        "A page as JSON, or the whole light curve as CSV or in the AAVSO's format.",
                    ),
                    Parameter(
                        "numbers", BOOLEAN, "Whether the rows of a page have their `number`."
                    ),
                    WITH_LEFT_OUT,
                    Parameter(
                        "observer",
                        {"type": "string", "pattern": f"^{OBSERVER.pattern}$"},
                        "The AAVSO's code of the observer, for its format.",
                    ),
                    Parameter(
                        "observation_type",
                        {"type": "string", "enum": list(OBSERVATION_TYPES), "default": "CCD"},
                        "What was observed with, for the AAVSO's format.",
                    ),
                    limit(MAX_ROWS, DEFAULT_ROWS),
                    BEFORE,
                ),
                description=LEFT_OUT_MARKED,
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
            "PATCH": Operation(
                "Leave points out, or take them in again",
                {200: Answer("How many points have changed.", Changed, {"changed": 2})},
                body=Body(LeavingOut, {"points": [3, 4], "left_out": True}),
                description="All of them, or none where the light curve has not all of them.",
            ),
        },
        "/api/targets/{pk}/lightcurve/points/{pk2}/": {
            "GET": read(
                "Get a point, and where it comes from",
                PointWithOrigin,
                {
                    "point": {
                        "time": 59275.0421,
                        "magnitude": 12.613,
                        "error": 0.008,
                        "filter": "V",
                        "process": 4,
                        "number": 1,
                    },
                    "origin": {
                        "process": {
                            "pk": 4,
                            "identifier": "aperture_m13_2026-03-01-220000",
                            "url": "/processes/4",
                        },
                        "table": None,
                        "frame": {"pk": 7, "name": "frame0.fits", "url": "/dataproducts/7/"},
                        "by": "name",
                        "reason": None,
                    },
                },
            ),
        },
        "/api/targets/{pk}/lightcurve/periodogram/": {
            "GET": read(
                "Search for the period of a light curve",
                Periodogram,
                EXAMPLE,
                parameters=(
                    Parameter("minimum", DAYS, "The shortest period, in days."),
                    Parameter("maximum", DAYS, "The longest period, in days."),
                    Parameter("filter", {"type": "string"}, "Only the points of this filter."),
                    Parameter(
                        "quantity",
                        {"type": "string", "enum": ["magnitude", "flux"], "default": "magnitude"},
                        "What is searched.",
                    ),
                    WITH_LEFT_OUT,
                ),
                description="A Lomb-Scargle periodogram with an offset for each filter.",
                errors={503: NOT_SEARCHED},
                example_query={"minimum": "0.1", "maximum": "2"},
            ),
        },
    },
)
