"""What stands first on the page of a process: its film, its light curve, its picture, its table.

A pipeline names its main output; otherwise it is the film, else the light curve, else the first
picture. While a run goes on, it is the picture that the run shows of its work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from handlers.pages.display import display_kind, table_kind
from server.core.records import ProcessRecord, State

Kind = Literal["film", "video", "live", "curve", "picture", "table"]
Fields = dict[str, Any]
#: The kind of the stage for each kind of data product; others have none.
KINDS: dict[str, Kind] = {
    "video": "video",
    "image": "picture",
    "preview": "picture",
    "table": "table",
    "text": "table",
}
#: How many pictures can be chosen from beside the one that is shown.
PICTURES_OFFERED = 24


class Stage(NamedTuple):
    """What is shown: a kind and, but for light curves and what is not made yet, a data product.

    `pictures` are all that can be shown in its place.
    """

    kind: Kind
    product: Fields | None = None
    pictures: Sequence[Fields] = ()


def stage_of(
    record: ProcessRecord, outputs: Sequence[Fields], *, curves: bool, live: bool
) -> Stage | None:
    """Return what stands first, None where there is nothing to look at.

    `curves` is whether the reader may see light curves, `live` whether the run shows a picture.
    """
    if not record.state.ended:
        if record.process_type == "timelapse":
            return Stage("film")
        return Stage("live") if live else None
    if record.state is not State.SUCCEEDED:
        return None
    return _main(record, outputs, curves) or _usual(record, outputs, curves)


def _main(record: ProcessRecord, outputs: Sequence[Fields], curves: bool) -> Stage | None:
    """Return what the pipeline wants shown, if it can be."""
    if record.main == "lightcurve":
        return Stage("curve") if curves and record.series is not None else None
    named = (each for each in outputs if each["pk"] == record.main)
    return next((_stage(record, each, outputs) for each in named), None)


def _usual(record: ProcessRecord, outputs: Sequence[Fields], curves: bool) -> Stage | None:
    film = next((each for each in outputs if _is_film(record, each)), None)
    if film is not None:
        return _stage(record, film, outputs)
    if curves and record.series is not None:
        return Stage("curve")
    pictures = _pictures(outputs)
    return Stage("picture", pictures[0], pictures[:PICTURES_OFFERED]) if pictures else None


def _stage(record: ProcessRecord, product: Fields, outputs: Sequence[Fields]) -> Stage | None:
    if record.process_type == "timelapse" and _is_film(record, product):
        return Stage("film", product)
    kind = KINDS.get(display_kind(product))
    if kind == "picture":
        others = [each for each in _pictures(outputs) if each["pk"] != product["pk"]]
        return Stage(kind, product, [product, *others][:PICTURES_OFFERED])
    return None if kind is None else Stage(kind, product)


def _is_film(record: ProcessRecord, product: Fields) -> bool:
    """Return whether it is a film: one made as a GIF is an image otherwise."""
    return record.process_type == "timelapse" or display_kind(product) == "video"


def _pictures(outputs: Sequence[Fields]) -> list[Fields]:
    return [each for each in outputs if display_kind(each) in ("image", "preview")]


def picture_of(record: ProcessRecord, outputs: Sequence[Fields]) -> Fields | None:
    """Return the output that can be drawn as a picture of the whole run, if there is one."""
    drawn = [each for each in outputs if each["content_type"] != "image/gif"]
    stage = stage_of(record, drawn, curves=False, live=False)
    if stage is not None and stage.kind in ("film", "video", "picture"):
        return stage.product
    return next(iter(_pictures(drawn)), None)


class OutputGroup(NamedTuple):
    """Outputs of one kind under a heading."""

    heading: str
    products: list[Fields]


def output_groups(outputs: Sequence[Fields]) -> list[OutputGroup]:
    """Return the outputs as films and pictures, tables, texts and other files."""
    groups: dict[str, list[Fields]] = {
        heading: [] for heading in ("Pictures", "Tables", "Texts", "Other files")
    }
    for each in outputs:
        groups[_heading(each)].append(each)
    return [OutputGroup(*group) for group in groups.items() if group[1]]


def _heading(product: Fields) -> str:
    match display_kind(product):
        case "video" | "image" | "preview":
            return "Pictures"
        case "table":
            return "Tables"
        case "text":
            return "Tables" if table_kind(product) == "table" else "Texts"
        case _:
            return "Other files"
