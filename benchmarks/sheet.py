"""Draws a sheet of pictures and films of every kind of frame: `python -m benchmarks.sheet`.

All frames are synthetic. Each row has a preview and three frames of a film, as users get them. The
sheet is docs/pictures.webp, unless another path is given; it is there to be looked at.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from runners.imaging.alignment import missing
from runners.imaging.preview import preview_png
from runners.synthetic import synthesise_series
from runners.testing import RunTarget, run_pipeline
from runners.timelapse import Timelapse

Pixels = NDArray[Any]
#: What a kind makes of a frame: its pixels (or whole HDUs) and cards, by the frame's number.
Make = Callable[[Pixels, int, np.random.Generator], "tuple[Any, dict[str, Any]]"]

HEIGHT, WIDTH = 240, 320
FRAMES, SHOWN = 5, 3
TILE, LOW, GAP, TEXT = 128, 96, 6, 13
COLUMNS = 2
#: The cards of the originals that all kinds have.
KEPT_CARDS = frozenset(
    {"DATE-OBS", "TIMESYS", "EXPTIME", "FILTER", "INSTRUME", "OBJECT", "RADESYS"}
    | {f"{name}{axis}" for name in ("CTYPE", "CUNIT", "CRVAL", "CRPIX", "CDELT") for axis in (1, 2)}
)
#: How much larger the originals are, so that some kinds can drift.
MARGIN = 40
SHEET = Path(__file__).parents[1] / "docs" / "pictures.webp"
TARGET = RunTarget(1, "m13", "Messier 13")


@dataclass(frozen=True)
class Kind:
    """A kind of frame, and how its film is made."""

    title: str
    make: Make
    flags: dict[str, bool] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    #: by how many pixels the field moves from frame to frame
    drift: int = 0


def rows_and_columns(pixels: Pixels) -> tuple[Pixels, Pixels]:
    """Return the places of pixels, each from -1 to 1."""
    rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    return rows / pixels.shape[0] * 2 - 1, columns / pixels.shape[1] * 2 - 1


def plain(pixels: Pixels, number: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Return the frame as it is."""
    return pixels, {}


def vignetted(pixels: Pixels, number: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Darken the corners by up to half."""
    y, x = rows_and_columns(pixels)
    return pixels * (1 - 0.25 * (x**2 + y**2)), {}


def at_dusk(pixels: Pixels, number: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Add twilight that fades."""
    light = 20_000 / 6**number
    y, _ = rows_and_columns(pixels)
    return pixels + rng.normal(light * (1 + 0.2 * y), light**0.5), {}


def mosaic(pixels: Pixels, number: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """See the frame with a colour camera, stars red on one side and blue on the other."""
    _, x = rows_and_columns(pixels)
    coloured = pixels.astype(float)
    stars = np.clip(coloured - np.median(coloured), 0, None)
    gains = ((0.9, 1 + 0.8 * x), (0.45, 1 - 0.8 * x))
    for (gain, tint), (down, across) in zip(gains, ((0, 1), (1, 0)), strict=True):
        part = np.s_[down::2, across::2]
        coloured[part] = (coloured[part] + stars[part] * (tint[part] - 1)) * gain
    return coloured.clip(0, 65_000).astype("u2"), {"BAYERPAT": "GRBG"}


def planes(pixels: Pixels, number: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Make three planes of the frame, stars red on one side and blue on the other."""
    _, x = rows_and_columns(pixels)
    stars = np.clip(pixels - np.median(pixels), 0, None)
    red, blue = (pixels + stars * factor for factor in (0.8 * x, -0.8 * x))
    return np.stack([red * 1.3, pixels, blue * 0.8]).astype("f4"), {}


def overscan(pixels: Pixels, number: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Add an overscan on either side."""
    wide = rng.normal(100, 3, (HEIGHT, WIDTH + 40)).astype("f4")
    wide[:, 20:-20] = pixels
    return wide, {"TRIMSEC": f"[21:{WIDTH + 20},1:{HEIGHT}]"}


def padded(pixels: Pixels, number: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Move the frame as registered ones are, with zeros where nothing is known."""
    moved = pixels.copy()
    moved[: 12 * number] = 0
    moved[:, : 8 * number] = 0
    return moved, {}


def all_sky(pixels: Pixels, number: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Leave a circle of sky in the dark."""
    y, x = rows_and_columns(pixels)
    dark = rng.normal(20, 3, pixels.shape)
    return np.where((x * WIDTH / HEIGHT) ** 2 + y**2 < 0.9, pixels, dark).astype("f4"), {}


def planet(pixels: Pixels, number: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Show a planet with belts, in 8 bits."""
    y, x = rows_and_columns(pixels)
    disc = (x * WIDTH / HEIGHT - 0.05 * number) ** 2 + y**2 < 0.35
    belts = 150 + 50 * np.cos(20 * y) + 6 * rng.normal(size=pixels.shape)
    return np.where(disc, belts, rng.poisson(2, pixels.shape)).clip(0, 255).astype("u1"), {}


def saturated(pixels: Pixels, number: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Saturate the first frames."""
    return np.full(pixels.shape, 65_535, "u2") if number < 2 else pixels.astype("u2"), {}


def hot(pixels: Pixels, number: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Add hot pixels, the same ones in every frame."""
    places = np.random.default_rng(1).random(pixels.shape) < 0.002
    return np.where(places, 30_000, pixels).astype("f4"), {}


def blank(pixels: Pixels, number: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Leave out some pixels."""
    spoilt = pixels.copy()
    spoilt[60:100, 40:200] = np.nan
    return spoilt, {}


def flipped(pixels: Pixels, number: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Store every other frame from the top."""
    order = "TOP-DOWN" if number % 2 else "BOTTOM-UP"
    return pixels[::-1] if number % 2 else pixels, {"ROWORDER": order}


def filters(pixels: Pixels, number: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Take every other frame through a filter that lets more light through."""
    gain = (1, 7)[number % 2]
    return pixels * gain, {"FILTER": ("B", "R")[number % 2]}


def clouded(pixels: Pixels, number: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Cover the first frame with clouds."""
    if number == 0:
        return rng.normal(900, 30, pixels.shape).astype("f4"), {}
    return pixels, {}


def turned(pixels: Pixels, number: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Turn the later frames by 180 degrees."""
    return pixels[::-1, ::-1] if number > 1 else pixels, {}


def amplifiers(pixels: Pixels, number: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Read the frame by two amplifiers, each with its own level and overscan."""
    hdus = [fits.PrimaryHDU()]
    for side in range(2):
        left = side * WIDTH // 2
        part = pixels[:, left : left + WIDTH // 2] + 40 * side
        bias = rng.normal(40 * side, 3, (HEIGHT, 10))
        hdu = fits.ImageHDU(np.hstack([part, bias]).astype("f4"))
        hdu.header["DETSEC"] = f"[{left + 1}:{left + WIDTH // 2},1:{HEIGHT}]"
        hdu.header["DATASEC"] = f"[1:{WIDTH // 2},1:{HEIGHT}]"
        hdu.header["BIASSEC"] = f"[{WIDTH // 2 + 1}:{WIDTH // 2 + 10},1:{HEIGHT}]"
        hdus.append(hdu)
    return fits.HDUList(hdus), {}


def portrait(pixels: Pixels, number: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Cut a high and narrow part out."""
    return pixels[:, 100:200], {}


KINDS = [
    Kind("plain", plain),
    Kind("normalise_background", plain, {"normalise_background": True}),
    Kind("remove_cosmic_rays", plain, {"remove_cosmic_rays": True}),
    Kind("overlay", plain, {"overlay": True}),
    Kind("overlay, portrait", portrait, {"overlay": True}, {"size": LOW}),
    Kind("overlay, 48 pixels", plain, {"overlay": True}, {"size": 48}),
    Kind("dusk", at_dusk),
    Kind("vignetting", vignetted),
    Kind("colour camera (BAYERPAT)", mosaic),
    Kind("RGB cube", planes),
    Kind("overscan (TRIMSEC)", overscan),
    Kind("growing zeros", padded),
    Kind("all-sky camera", all_sky),
    Kind("planet", planet),
    Kind("saturated at first", saturated),
    Kind("hot pixels", hot),
    Kind("blank pixels", blank),
    Kind("two filters in turn", filters),
    Kind("ROWORDER in turn", flipped),
    Kind("two amplifiers (DETSEC)", amplifiers),
    Kind("align: first clouded, drift", clouded, {"align": True}, drift=8),
    Kind("align and crop", clouded, {"align": True, "crop": True}, drift=8),
    Kind("align: meridian flip", turned, {"align": True}),
    *(
        Kind(f"{name}_stretch", plain, {f"{name}_stretch": True})
        for name in ("zscale", "linear", "sqrt", "log")
    ),
]


def write_series(kind: Kind, folder: Path) -> list[Path]:
    """Write the frames of a kind and return their paths."""
    rng = np.random.default_rng(7)
    size = (HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN)
    originals = synthesise_series(folder / "plain", FRAMES, size)
    paths = []
    for number, original in enumerate(originals):
        with fits.open(original) as hdus:
            hdu = next(each for each in hdus if each.data is not None)
            pixels, header = hdu.data.astype("f4"), hdu.header
        lower, left = MARGIN - kind.drift * number // 2, MARGIN - kind.drift * number
        pixels = pixels[lower : lower + HEIGHT, left : left + WIDTH]
        made, cards = kind.make(pixels, number, rng)
        path = folder / f"{number}.fits"
        whole = made if isinstance(made, fits.HDUList) else fits.HDUList([fits.PrimaryHDU(made)])
        for card in header.cards:
            if card.keyword in KEPT_CARDS:
                whole[0].header[card.keyword] = card.value
        whole[0].header.update(cards)
        whole.writeto(path)
        paths.append(path)
    return paths


def pictures_of(kind: Kind, folder: Path) -> list[Image.Image]:
    """Return the preview of a kind's last frame, and frames of its film."""
    paths = write_series(kind, folder)
    settings = {"size": TILE, "format": "mp4"} | kind.settings
    preview_png(paths[-1], folder / "preview.png", settings["size"])
    work = folder / "run"
    work.mkdir()
    run = run_pipeline(
        Timelapse, paths, target=TARGET, folder=work, settings=settings, **kind.flags
    )
    with av.open(str(run.outputs[0].path)) as film:
        frames = [frame.to_image() for frame in film.decode(video=0)]
    chosen = [frames[round(place)] for place in np.linspace(0, len(frames) - 1, SHOWN)]
    return [Image.open(io.BytesIO((folder / "preview.png").read_bytes())), *chosen]


def draw_sheet(kinds: list[Kind]) -> Image.Image:
    """Return the sheet of these kinds."""
    wide, high = (SHOWN + 1) * (TILE + GAP) + GAP, LOW + TEXT + 2 * GAP
    rows = -(-len(kinds) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * wide, rows * high + GAP), "#101418")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT)
    for place, kind in enumerate(kinds):
        left, top = place // rows * wide + GAP, place % rows * high + GAP
        draw.text((left, top), f"{kind.title}: preview, film", "white", font)
        with tempfile.TemporaryDirectory() as folder:
            for number, picture in enumerate(pictures_of(kind, Path(folder))):
                sheet.paste(
                    picture.convert("RGB"), (left + number * (TILE + GAP), top + TEXT + GAP)
                )
        print(kind.title, flush=True)
    return sheet


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, default=SHEET, help="where it is written")
    path = parser.parse_args().path
    kinds = [kind for kind in KINDS if not (kind.flags.get("align") and missing())]
    draw_sheet(kinds).save(path, quality=80, method=6)
    print(f"{path.name}: {len(kinds)} kinds, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
