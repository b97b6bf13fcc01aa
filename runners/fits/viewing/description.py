"""What a viewer has to know of an image before it asks for pixels: the answer of `…/image/`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runners.fits.files import quiet
from runners.fits.viewing.levels import levels_of
from runners.fits.viewing.views import view_of
from runners.fits.viewing.windows import Window, section_of


def write_description(
    path: str | Path, out_path: str | Path, hdu: int | None = None, plane: int = 0
) -> None:
    """Write the description of an image as JSON.

    Raise WrongRequest for an HDU or a plane that the file does not have, FrameError if no image can
    be read.
    """
    text = json.dumps(description(Path(path), hdu, plane), separators=(",", ":"), allow_nan=False)
    # Renamed at the end, so that a kill never leaves half a file.
    partial = Path(f"{out_path}.part")
    partial.write_text(text, "utf-8")
    partial.replace(out_path)


def description(path: Path, hdu: int | None = None, plane: int = 0) -> dict[str, Any]:
    """Return what there is to know of an image: see the contract of `…/image/`."""
    with quiet():
        view, hdus = view_of(path, hdu)
        pixels, layout = view.pixels, view.layout
        section_of(Window(hdu=hdu, plane=plane, width=1, height=1), view)
        return {
            "hdus": hdus,
            "hdu": view.hdu,
            "width": pixels.width,
            "height": pixels.height,
            "planes": pixels.planes,
            "plane": plane,
            "rgb": layout.planes == 3,
            "bayer": layout.mosaic,
            "row_order": "TOP-DOWN" if layout.top_down else "BOTTOM-UP",
            "wcs": None if view.sky is None else view.sky.fields(),
            **levels_of(pixels, plane),
        }
