"""Previews: small, legible, refused with a message where there can be none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from runners.imaging.preview import MATROSKA, preview_png
from runners.timelapse.encoder import open_film
from tests.fakes.sky import declare, noise, write_fits


def preview(path: Path, size: int = 64) -> Image.Image:
    out = path.with_name("preview.png")
    preview_png(path, out, size)
    with Image.open(out) as picture:
        picture.load()
    assert [file.name for file in path.parent.glob("*.part")] == []
    return picture


def test_a_fits_image_is_shown_with_its_stars_and_its_first_row_below(tmp_path: Path) -> None:
    image = noise(100, 200)
    image[5:9, 20:24] += 3000
    shades = np.asarray(preview(write_fits(tmp_path / "a.fits", image), 100))

    assert shades.shape == (50, 100)
    assert shades[-4:, 10:12].max() > 150
    assert np.median(shades) < 80


def test_a_compressed_image_needs_no_date(tmp_path: Path) -> None:
    fits.CompImageHDU(noise().astype("i2")).writeto(tmp_path / "a.fits.fz")

    assert preview(tmp_path / "a.fits.fz", 40).size == (40, 32)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_is_made_small(tmp_path: Path, mode: str) -> None:
    Image.linear_gradient("L").resize((200, 100)).convert(mode).save(tmp_path / "a.png")
    picture = preview(tmp_path / "a.png")

    assert picture.size == (64, 32)
    assert picture.mode in ("L", "RGB", "RGBA")


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_kind_of_jpeg_is_made_small(tmp_path: Path, mode: str) -> None:
    Image.linear_gradient("L").resize((100, 200)).convert(mode).save(tmp_path / "a.jpg")

    assert preview(tmp_path / "a.jpg").size == (32, 64)


def test_sixteen_bits_are_shown_over_their_range(tmp_path: Path) -> None:
    deep = np.linspace(0, 4000, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    shades = np.asarray(preview(tmp_path / "a.png"))

    assert shades.min() < 5
    assert shades.max() > 250


def test_a_photo_is_turned_as_its_camera_was(tmp_path: Path) -> None:
    picture = Image.new("RGB", (200, 100))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)

    assert preview(tmp_path / "a.jpg").size == (32, 64)


@pytest.mark.parametrize("format", ["webm", "mp4"])
def test_a_film_is_shown_by_its_first_frame(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"film.{format}"
    with open_film(path, format, 10, 128, 64) as film:
        for shade in (200, 10):
            film.add(np.full((64, 128), shade, np.uint8))
    shown = preview(path, 64)
    assert shown.size == (64, 32)
    assert abs(np.asarray(shown.convert("L"), float).mean() - 200) < 8


def test_nothing_is_enlarged(tmp_path: Path) -> None:
    Image.new("L", (20, 10)).save(tmp_path / "a.png")

    assert preview(tmp_path / "a.png").size == (20, 10)
    assert preview(write_fits(tmp_path / "a.fits", noise(21, 33))).size == (33, 21)


def write_truncated_png(path: Path) -> None:
    Image.effect_noise((100, 100), 50).save(path, "PNG")
    path.write_bytes(path.read_bytes()[:3000])


def write_bomb(path: Path) -> None:
    Image.new("1", (12_000, 12_000)).save(path, "PNG")


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (lambda path: path.write_text("words"), "is not a FITS, PNG or JPEG image"),
        (lambda path: path.touch(), "is not a FITS, PNG or JPEG image"),
        (lambda path: Image.new("L", (9, 9)).save(path, "GIF"), "is not a FITS, PNG or JPEG"),
        (write_truncated_png, "cannot be read"),
        (lambda path: path.write_bytes(MATROSKA + bytes(900)), "no frame can be read"),
        (lambda path: path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(900)), "no frame can be read"),
        (write_bomb, "12000 x 12000 pixels, too many"),
        (lambda path: declare(path, -64, 200_000, 200_000), "over the limit"),
        (lambda path: write_fits(path, noise(4, 4)), "at least 16 a side"),
        (lambda path: write_fits(path, None), "holds no image"),
    ],
)
def test_what_cannot_be_shown_is_named_with_the_reason(
    tmp_path: Path, write: Callable[[Path], object], problem: str
) -> None:
    path, out = tmp_path / "a.fits", tmp_path / "preview.png"
    write(path)
    with pytest.raises(ValueError, match=problem) as raised:
        preview_png(path, out, 64)

    assert str(raised.value).startswith("a.fits ")
    assert not out.exists()
