"""Data products: their records, what is read from their files, and the files themselves."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

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
from handlers.description.parameters import PAGE
from handlers.files.previews import DEFAULT_SIZE, SIZES, STRETCHES, USUAL_STRETCH
from server.archive.derived.frames import MOST

NOT_EXAMINED = (
    "The file cannot be examined now, or the database is away. Try again after `Retry-After`."
)
EXAMPLE = {
    "pk": 1,
    "name": "frame0.fits",
    "target": 1,
    "size": 267840,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "content_type": "application/fits",
    "created": 1772402385.1,
    "url": "/dataproducts/1/file/frame0.fits",
    "groups": [],
    "process": None,
    "fits": {
        "date": 1772402400.0,
        "exposure": None,
        "filter": None,
        "instrument": None,
        "width": 256,
        "height": 256,
    },
}


class FitsFacts(Struct):
    """What the headers of a FITS file say; null for what they do not."""

    date: float | None
    exposure: float | None
    filter: str | None
    instrument: str | None
    width: int | None
    height: int | None


class DataProduct(Struct, kw_only=True):
    """A file of a target. `process` made it, null for an upload; `fits` is null for others.

    `data_product_type` is its pipeline's word for what kind of file it is, left out without one.
    """

    pk: int
    name: str
    target: int
    size: int
    sha256: str
    content_type: str
    created: float
    url: str
    groups: list[int]
    process: int | None
    fits: FitsFacts | None
    data_product_type: str | UnsetType = UNSET


class DataProducts(Struct):
    """A page of data products, newest first."""

    dataproducts: list[DataProduct]
    next: int | None


class Frame(DataProduct, kw_only=True):
    """A data product with its `night`, null without a date of observation.

    `problem` is why it cannot be read: what follows its name in a sentence, null for none.
    """

    kind: Literal["input", "output"]
    night: str | None
    problem: str | None


class Frames(Struct):
    """The newest data products, newest first; `more` if there are older ones."""

    frames: list[Frame]
    more: bool


class Uploaded(Struct):
    """The data products that were uploaded, in the order of the parts."""

    dataproducts: list[DataProduct]


class Hdu(Struct):
    """The header of an HDU; each card is keyword, value and comment."""

    name: str
    kind: Literal["header", "image", "compressed image", "table"]
    cards: list[tuple[str, str, str]]


class Headers(Struct):
    """The headers of a FITS file; `cut` if there are more than are read."""

    hdus: list[Hdu]
    cut: bool


class LeftOutPoints(Struct):
    """Rows that are left out of a light curve: why, how many, and the numbers of the first ten."""

    reason: str
    count: int
    rows: list[int]


class TableCurve(Struct):
    """The light curve in a table. A point is time, value, error, filter, and whether a limit."""

    quantity: Literal["magnitude", "flux"]
    value: str
    time: str
    mjd: bool
    points: list[tuple[float, float, float | None, str | None, bool]]
    count: int
    step: int
    left_out: list[LeftOutPoints]
    cut: bool


class Table(Struct):
    """A table: its columns, its first rows as text, and the light curve in it, if there is one.

    `reason` says why a file is none.
    """

    columns: list[str]
    rows: list[list[str]]
    lightcurve: TableCurve | None
    reason: str | UnsetType = UNSET


def _file(summary: str, media_type: str, description: str, **more: Any) -> Operation:
    """Return the operation of a GET that answers with a file, which has a version."""
    answer = Answer(description, {"type": "string", "format": "binary"}, media_type=media_type)
    return Operation(summary, {200: answer}, versioned=True, **more)


PARTS = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "format": "binary", "minLength": 1},
            "description": "The files, each a part with this name and with a file name.",
        }
    },
    "additionalProperties": False,
}
PRODUCT = {"pk": "$response.body#/dataproducts/0/pk"}
UPLOADED = Answer(
    "The data products that were made.",
    Uploaded,
    {"dataproducts": [EXAMPLE]},
    links={
        "get": {"operationId": "get_api_dataproducts_pk", "parameters": PRODUCT},
        "submit": {
            "operationId": "post_api_processes",
            "requestBody": {
                "target": "$response.body#/dataproducts/0/target",
                "pipeline": "Dummy",
                "products": ["$response.body#/dataproducts/0/pk"],
                "flags": {},
            },
        },
        "group": {
            "operationId": "post_api_groups",
            "requestBody": {
                "name": "Uploaded together",
                "products": ["$response.body#/dataproducts/0/pk"],
            },
        },
        "delete": {"operationId": "delete_api_dataproducts_pk", "parameters": PRODUCT},
    },
)

PRODUCTS = Subject(
    "Data products",
    "The files of a target: those that were uploaded, and those that processes made.",
    {
        "/api/targets/{pk}/dataproducts/": {
            "GET": read(
                "List the data products of a target",
                DataProducts,
                {"dataproducts": [EXAMPLE], "next": None},
                parameters=PAGE,
            ),
            "POST": Operation(
                "Upload files",
                {201: UPLOADED},
                body=Body(PARTS, {"file": ["frame0.fits"]}, "multipart/form-data"),
                description=(
                    "All of them are stored, or none if anything is wrong with one. Each has at "
                    "least 1 byte and at most `uploads.limit_bytes`, and there are at most "
                    "`uploads.limit_parts`. Of a file name, what follows the last `/` or `\\` "
                    "counts."
                ),
            ),
        },
        "/api/targets/{pk}/frames/": {
            "GET": read(
                "List the data products of a target with their nights",
                Frames,
                {
                    "frames": [EXAMPLE | {"kind": "input", "night": "2026-03-01", "problem": None}],
                    "more": False,
                },
                description=(
                    f"The newest {MOST:,} at once. Frames with less than 6 hours between them are "
                    "of one night, named by the UTC date on which it began; where they go on for "
                    "more than 16 hours, a night is a UTC date."
                ),
            ),
        },
        "/api/dataproducts/{pk}/": {
            "GET": read("Get a data product", DataProduct, EXAMPLE),
            "DELETE": delete(
                "Delete a data product",
                errors={409: "A process that has not ended needs it."},
            ),
        },
        "/api/dataproducts/{pk}/header/": {
            "GET": read(
                "Get the headers of a FITS file",
                Headers,
                {
                    "hdus": [
                        {
                            "name": "PRIMARY",
                            "kind": "image",
                            "cards": [["EXPTIME", "60.0", "exposure in seconds"]],
                        }
                    ],
                    "cut": False,
                },
                errors={400: "It is not a FITS file.", 500: DAMAGED, 503: NOT_EXAMINED},
            ),
        },
        "/api/dataproducts/{pk}/table/": {
            "GET": read(
                "Get what a table holds",
                Table,
                {
                    "columns": ["JD", "Mag", "Err", "Filter"],
                    "rows": [["2459000.5", "12.5", "0.01", "V"]],
                    "lightcurve": {
                        "quantity": "magnitude",
                        "value": "Mag",
                        "time": "JD \u2212 2400000.5",
                        "mjd": True,
                        "points": [[59000.0, 12.5, 0.01, "V", False]],
                        "count": 1,
                        "step": 1,
                        "left_out": [],
                        "cut": False,
                    },
                },
                errors={500: DAMAGED, 503: NOT_EXAMINED},
                example_pk=7,
            ),
        },
        "/dataproducts/{pk}/file/{name}": {
            "GET": Operation(
                "Download a file",
                {
                    200: Answer(
                        "The bytes; the `ETag` is their SHA-256.",
                        {"type": "string", "format": "binary"},
                        media_type="*/*",
                    ),
                    206: Answer(
                        "The bytes of the range.",
                        {"type": "string", "format": "binary"},
                        media_type="*/*",
                        headers=("Content-Range",),
                    ),
                    302: Answer(
                        "With `files.redirect`: a URL of the storage, good for a minute.",
                        media_type=None,
                        headers=("Location",),
                    ),
                },
                parameters=(
                    Parameter(
                        "Range",
                        {"type": "string", "examples": ["bytes=0-2879"]},
                        "A single range of bytes; anything else is ignored.",
                        "header",
                    ),
                    Parameter(
                        "If-Range",
                        {"type": "string"},
                        "The `ETag` that the client has a part of.",
                        "header",
                    ),
                ),
                errors={416: "The range begins after the end of the file.", 500: DAMAGED},
                versioned=True,
            ),
        },
        "/dataproducts/{pk}/preview.png": {
            "GET": _file(
                "Get a preview of an image",
                "image/png",
                "A PNG of a FITS file, PNG or JPEG. Nothing is enlarged.",
                parameters=(
                    Parameter(
                        "size",
                        {"type": "integer", "enum": list(SIZES), "default": DEFAULT_SIZE},
                        "Pixels on the longer side.",
                    ),
                    Parameter(
                        "stretch",
                        {"type": "string", "enum": list(STRETCHES), "default": USUAL_STRETCH},
                        "How the pixel values of a FITS image are mapped to shades.",
                    ),
                ),
                errors={500: DAMAGED, 503: NOT_EXAMINED},
            ),
        },
        "/dataproducts/{pk}/table.csv": {
            "GET": _file(
                "Get the beginning of a table as CSV",
                "text/csv",
                "The names of the columns, then at most 50,000 rows.",
                parameters=(
                    Parameter(
                        "hdu",
                        {"type": "integer", "minimum": 0},
                        "The HDU of a FITS file; by default that of its light curve, or the first.",
                    ),
                ),
                errors={400: "It has no table.", 500: DAMAGED, 503: NOT_EXAMINED},
                example_pk=7,
            ),
        },
    },
)
