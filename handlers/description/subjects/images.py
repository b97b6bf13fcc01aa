"""FITS images: what a viewer has to know of them, and windows of their pixels."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from handlers.description.operation import DAMAGED, Answer, Operation, Parameter, Subject, read
from handlers.description.subjects.products import NOT_EXAMINED
from handlers.files.pixels import COLOURS, MOST_BIN
from server.core.records import LARGEST_INTEGER

NO_IMAGE = "There is no such data product, or no image can be read in it."
NUMBER = {"type": "integer", "minimum": 0, "maximum": LARGEST_INTEGER}
HDU = Parameter("hdu", NUMBER, "The number of an HDU; by default the image that the file is about.")
PLANE = Parameter("plane", {**NUMBER, "default": 0}, "The plane of a cube, from 0.")


class ImageHdu(Struct):
    """An HDU. `shape` is as numpy has it, of a table its rows and columns.

    A `detector` is no HDU of its own but the amplifiers of a detector, each in its place.
    """

    index: int
    name: str
    kind: Literal["header", "image", "compressed image", "table", "detector"]
    shape: list[int]


class Coordinates(Struct):
    """Where an image is in the sky: a grid row by row, of x, y, right ascension and declination.

    `rotation` is the direction of north, counter-clockwise from the direction of larger y; `parity`
    is 1 where east is left of north, else -1.
    """

    centre: tuple[float, float]
    scale: float
    rotation: float
    parity: Literal[1, -1]
    columns: int
    error: float
    grid: list[tuple[float, float, float | None, float | None]]


class Statistics(Struct):
    """Of all pixels that are not blank; `sigma` is the standard deviation."""

    pixels: int
    min: float | None
    max: float | None
    mean: float | None
    median: float | None
    sigma: float | None
    percentiles: dict[str, float | None]


class Histogram(Struct, rename={"from_": "from"}):
    """Columns of one width from one value to another, and what is outside of them."""

    from_: float
    to: float
    counts: list[int]
    below: int
    above: int
    pixels: int


class ImageAnswer(Struct):
    """What a viewer has to know of an image before it asks for pixels."""

    hdus: list[ImageHdu]
    hdu: int
    width: int
    height: int
    planes: int
    plane: int
    rgb: bool
    bayer: Literal["RGGB", "BGGR", "GRBG", "GBRG"] | None
    row_order: Literal["BOTTOM-UP", "TOP-DOWN"]
    wcs: Coordinates | None
    statistics: Statistics | None
    histogram: Histogram | None


EXAMPLE = {
    "hdus": [{"index": 0, "name": "PRIMARY", "kind": "image", "shape": [256, 256]}],
    "hdu": 0,
    "width": 256,
    "height": 256,
    "planes": 1,
    "plane": 0,
    "rgb": False,
    "bayer": None,
    "row_order": "BOTTOM-UP",
    "wcs": {
        "centre": [250.42, 36.46],
        "scale": 1.2,
        "rotation": 0.0,
        "parity": 1,
        "columns": 3,
        "error": 0.01,
        "grid": [[0.0, 0.0, 250.473, 36.4175]],
    },
    "statistics": {
        "pixels": 65536,
        "min": 92.0,
        "max": 4021.0,
        "mean": 104.2,
        "median": 100.0,
        "sigma": 31.5,
        "percentiles": {"0.1": 93.0, "50": 100.0, "99.9": 880.0},
    },
    "histogram": {
        "from": 93.0,
        "to": 880.0,
        "counts": [9, 4],
        "below": 60,
        "above": 65,
        "pixels": 65536,
    },
}
WINDOW = (
    HDU,
    PLANE,
    Parameter("x", {**NUMBER, "default": 0}, "The first column, from 0."),
    Parameter("y", {**NUMBER, "default": 0}, "The first row, from 0; rows are sent from it up."),
    Parameter("width", {"type": "integer", "minimum": 1}, "Columns; by default all that follow."),
    Parameter("height", {"type": "integer", "minimum": 1}, "Rows; by default all that follow."),
    Parameter(
        "bin",
        {"type": "integer", "enum": [2**n for n in range(MOST_BIN.bit_length())], "default": 1},
        "The side of the squares of pixels whose mean is one value.",
    ),
    Parameter(
        "colour",
        {"type": "string", "enum": list(COLOURS)},
        "Of a mosaic of colours (`bayer`), the one whose pixels count.",
    ),
)

IMAGES = Subject(
    "Images",
    "What a viewer of FITS images asks for. Pixels count from 0, from the first row of the file.",
    {
        "/api/dataproducts/{pk}/image/": {
            "GET": read(
                "Describe an image",
                ImageAnswer,
                EXAMPLE,
                parameters=(HDU, PLANE),
                errors={404: NO_IMAGE, 500: DAMAGED, 503: NOT_EXAMINED},
            ),
        },
        "/dataproducts/{pk}/pixels": {
            "GET": Operation(
                "Get a window of an image",
                {
                    200: Answer(
                        "Values as little-endian float32, row by row, NaN for blanks; at most 4 "
                        "million. `X-Image-Shape` has the numbers of rows and of columns, `50,40`.",
                        {"type": "string", "format": "binary"},
                        media_type="application/octet-stream",
                        headers=("X-Image-Shape",),
                    )
                },
                parameters=WINDOW,
                errors={404: NO_IMAGE, 500: DAMAGED, 503: NOT_EXAMINED},
                versioned=True,
            ),
        },
    },
)
