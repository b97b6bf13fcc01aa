"""Series of frames as films: a steady sky, filters apart, colours, one way up, stars in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from runners.fits.images import find_frame
from runners.imaging.brightness import SKY_SHADE
from runners.imaging.scaling import view_of, widened
from runners.imaging.stretches import STRETCHES
from runners.pipeline.process import AsyncError
from runners.timelapse import rendering
from runners.timelapse.encoder import open_film
from runners.timelapse.order import in_order
from runners.timelapse.pipeline import STRETCH_NAMES, Timelapse
from runners.timelapse.rendering import FrameWork, Picture, film_frames
from server.config.sections import Timelapse as Settings
from tests.fakes.sky import noise, run_of, write_fits

HEIGHT, WIDTH = 100, 120
PLACES = [(20, 30), (60, 75), (95, 20), (40, 60), (80, 50), (30, 85), (100, 80), (70, 15)]


def field(
    peak: float, x: float = 0.0, y: float = 0.0, sides: tuple[int, int] = (HEIGHT, WIDTH)
) -> Any:
    """Return stars of various brightness and nothing else, shifted by x and y."""
    rows, columns = np.mgrid[: sides[0], : sides[1]]
    image = np.zeros(sides)
    for place, (column, row) in enumerate(PLACES):
        distance = (columns - column - x) ** 2 + (rows - row - y) ** 2
        image += peak * (1 + 0.2 * place) * np.exp(-distance / 3.2)
    return image.astype(np.float32)


def series(folder: Path, images: list[NDArray[Any]], cards: Any = lambda place: {}) -> list[Path]:
    """Write images as the frames of a night, a minute apart."""
    return [
        write_fits(
            folder / f"{place}.fits",
            image,
            **({"DATE_OBS": f"2026-03-01T00:{place:02}:00"} | cards(place)),
        )
        for place, image in enumerate(images)
    ]


def film(paths: list[Path], crop_scale: float = 1.0, **flags: bool) -> list[Picture]:
    """Return the rendered frames."""
    frames = in_order(map(find_frame, paths))
    view = view_of(frames[0].width, frames[0].height, 500, crop_scale=crop_scale)
    return list(film_frames(frames, FrameWork.of(view, flags)))


def test_the_sky_stays_as_dark_while_dusk_falls(tmp_path: Path) -> None:
    skies = np.geomspace(20_000, 300, 14)
    rng = np.random.default_rng(1)
    slope = np.linspace(0.9, 1.1, WIDTH)
    images = [
        (sky * slope + rng.normal(0, sky**0.5, (HEIGHT, WIDTH)) + field(2000)).astype(np.float32)
        for sky in skies
    ]
    shown = [np.median(picture.shades) for picture in film(series(tmp_path, images))]

    np.testing.assert_allclose(shown, SKY_SHADE, atol=3)


def test_each_filter_keeps_its_own_contrast(tmp_path: Path) -> None:
    skies, peaks = (300, 4000, 900), (200, 900, 400)
    images = [
        noise(HEIGHT, WIDTH, skies[i % 3], seed=i) * 0
        + skies[i % 3]
        + (noise(HEIGHT, WIDTH, 0.0, seed=i) * (1, 4.5, 2)[i % 3])
        + field(peaks[i % 3])
        for i in range(9)
    ]
    paths = series(tmp_path, images, lambda i: {"FILTER1": ("B", "Air", "Air")[i % 3],
                                                "FILTER2": ("Air", "V", "R")[i % 3]})  # fmt: skip
    shades = [picture.shades[::-1].astype(int) for picture in film(paths)]
    stars = [np.median([drawn[y, x] for x, y in PLACES]) for drawn in shades]

    assert np.ptp(stars) < 25
    np.testing.assert_allclose([np.median(drawn) for drawn in shades], SKY_SHADE, atol=3)


def test_a_frame_stored_from_the_top_is_shown_as_its_neighbours(tmp_path: Path) -> None:
    image = noise(HEIGHT, WIDTH) + field(900)
    paths = series(
        tmp_path,
        [image, image[::-1], image],
        lambda i: {"ROWORDER": ("BOTTOM-UP", "TOP-DOWN", "bottom-up")[i]},
    )
    first, *others = (picture.shades.astype(int) for picture in film(paths))
    for other in others:
        np.testing.assert_allclose(other, first, atol=6)


def test_stars_are_registered_to_the_frame_with_most_of_them(tmp_path: Path) -> None:
    pytest.importorskip("astroalign")
    images = [noise(HEIGHT, WIDTH, 4000.0)]
    images += [noise(HEIGHT, WIDTH, seed=i) + field(2000, i, -i) for i in range(2, 6)]
    pictures = film(series(tmp_path, images), align=True)

    assert [picture.aligned for picture in pictures] == [False, True, True, True, True]
    shades = [picture.shades[::-1] for picture in pictures[1:]]
    peaks = {np.unravel_index(drawn[60:90, 45:80].argmax(), (30, 35)) for drawn in shades}
    assert len(peaks) <= 2, "to within a pixel"


def test_what_drifts_into_a_crop_is_there_when_frames_are_registered(tmp_path: Path) -> None:
    pytest.importorskip("astroalign")
    images = [noise(HEIGHT, WIDTH, seed=i) + field(2000, 4 * i, 3 * i) for i in range(4)]
    pictures = film(series(tmp_path, images), 0.6, align=True)

    assert all(picture.aligned for picture in pictures)
    for picture in pictures:
        edges = (picture.shades[:3], picture.shades[-3:], picture.shades[:, :3])
        assert min(edge.std() for edge in edges) > 4, "no edge is filled in"


@pytest.mark.parametrize(("size", "crop_scale"), [(500, 0.5), (40, 0.5), (33, 0.31), (500, 1.0)])
def test_a_widened_view_has_the_pixels_of_the_narrow_one(size: int, crop_scale: float) -> None:
    view = view_of(WIDTH, HEIGHT, size, crop_scale=crop_scale)
    wide, (across, down) = widened(view, WIDTH, HEIGHT)
    scale = (view.box[2] - view.box[0]) / view.width

    assert (wide.box[2] - wide.box[0]) / wide.width == pytest.approx(scale)
    assert wide.box[0] + across * scale == pytest.approx(view.box[0])
    assert wide.box[1] + down * scale == pytest.approx(view.box[1])
    assert wide.box[0] > -1e-6
    assert wide.box[2] < WIDTH + 1e-6


def test_frames_of_a_colour_camera_are_filmed_in_colour_and_registered(tmp_path: Path) -> None:
    pytest.importorskip("astroalign")
    images = []
    for i in range(3):
        image = noise(HEIGHT, WIDTH, 600.0, seed=i) + field(3000, 2 * i, -i)
        image[::2, ::2] = image[::2, ::2] * 0.5
        image[1::2, 1::2] = image[1::2, 1::2] * 0.4
        images.append(image.astype(np.uint16))
    paths = series(tmp_path, images, lambda i: {"BAYERPAT": "RGGB", "XBAYROFF": 0, "YBAYROFF": 0})
    pictures = film(paths, align=True, remove_cosmic_rays=True)

    assert all(picture.aligned for picture in pictures)
    assert {picture.shades.shape for picture in pictures} == {(HEIGHT, WIDTH, 3)}


@pytest.mark.parametrize("format", ["webm", "mp4", "gif"])
def test_a_film_keeps_colours(tmp_path: Path, format: str) -> None:
    shades = np.full((64, 96, 3), SKY_SHADE, np.uint8)
    shades[:, :32] = (220, 60, 40)
    shades[:, 64:] = (40, 80, 230)
    grey = np.full((64, 96), SKY_SHADE, np.uint8)
    path = tmp_path / f"film.{format}"
    with open_film(path, format, 10, 96, 64, in_colour=True) as made:
        for each in (shades, grey, shades):
            made.add(each)
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]

    assert len(frames) == 3
    for frame in (frames[0], frames[2]):
        found = [np.median(frame[8:-8, part], axis=(0, 1)) for part in (
            slice(8, 24), slice(40, 56), slice(72, 88)
        )]  # fmt: skip
        np.testing.assert_allclose(found[0], (220, 60, 40), atol=25)
        np.testing.assert_allclose(found[1], (SKY_SHADE,) * 3, atol=12)
        np.testing.assert_allclose(found[2], (40, 80, 230), atol=25)
    np.testing.assert_allclose(np.median(frames[1], axis=(0, 1)), (SKY_SHADE,) * 3, atol=12)


@pytest.mark.parametrize("stretch", STRETCHES)
@pytest.mark.parametrize("planes", [1, 3])
def test_every_stretch_is_steady_shows_stars_and_leaves_blanks_dark(
    tmp_path: Path, stretch: str, planes: int
) -> None:
    rng = np.random.default_rng(3)
    images = []
    for sky in np.geomspace(3000, 300, 6):
        image = rng.normal(sky, sky**0.5, (HEIGHT, WIDTH)) + field(4000)
        image[:6] = np.nan
        whole = image if planes == 1 else np.stack([image] * 3)
        images.append(whole.astype(np.float32))
    frames = in_order(map(find_frame, series(tmp_path, images)))
    work = FrameWork(view_of(WIDTH, HEIGHT, 500), stretch=stretch)
    shown = [picture.shades[::-1].astype(int) for picture in film_frames(frames, work)]

    assert {drawn.ndim for drawn in shown} == {2 if planes == 1 else 3}
    skies = [np.median(drawn) for drawn in shown]
    stars = [np.median([drawn[y, x].max() for x, y in PLACES]) for drawn in shown]
    assert np.ptp(skies) <= 12
    assert min(np.subtract(stars, skies)) > 60
    for drawn, sky in zip(shown, skies, strict=True):
        assert abs(np.median(drawn[:5]) - sky) <= 12


def test_the_stretches_that_are_configured_and_flagged_are_those_that_there_are() -> None:
    assert tuple(STRETCH_NAMES) == STRETCHES
    assert Settings().stretch == STRETCHES[0]
    flags = Timelapse.flags or {}
    assert {f"{name}_stretch" for name in STRETCHES} <= set(flags)


def test_the_stretch_is_that_of_a_flag_or_else_of_the_setting(tmp_path: Path) -> None:
    paths = series(tmp_path, [noise(HEIGHT, WIDTH) + field(3000)])
    contents = {}
    for name in STRETCHES:
        by_flag, _ = run_of(Timelapse, paths, {"format": "gif"})
        by_setting, _ = run_of(Timelapse, paths, {"format": "gif", "stretch": name})
        (film,) = by_flag.do_pipeline(tmp_path, **{f"{name}_stretch": True})
        contents[name] = film.read_bytes()
        (film,) = by_setting.do_pipeline(tmp_path)
        assert film.read_bytes() == contents[name]
    assert len(set(contents.values())) == len(STRETCHES)
    usual, _ = run_of(Timelapse, paths, {"format": "gif"})
    (film,) = usual.do_pipeline(tmp_path)
    assert film.read_bytes() == contents["asinh"]
    run, _ = run_of(Timelapse, paths)
    with pytest.raises(AsyncError, match="A film has one stretch, but 2 are chosen: linear, log"):
        list(run.do_pipeline(tmp_path, log_stretch=True, linear_stretch=True))


def test_the_one_frame_with_stars_among_many_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("astroalign")
    monkeypatch.setattr(rendering, "MOST_TRIED", 3)
    images = [noise(HEIGHT, WIDTH, seed=i) for i in range(9)]
    images[4] = images[4] + field(2000)
    images[7] = images[7] + field(2000, 3, 2)
    pictures = film(series(tmp_path, images), align=True)

    assert [place for place, picture in enumerate(pictures) if picture.aligned] == [4, 7]


def test_an_illegible_frame_does_not_keep_others_from_being_aligned(tmp_path: Path) -> None:
    pytest.importorskip("astroalign")
    images = [noise(HEIGHT, WIDTH, seed=i) + field(2000, i, i) for i in range(4)]
    images[0] *= np.nan
    frames = in_order(map(find_frame, series(tmp_path, images)))
    left: list[str] = []
    work = FrameWork(view_of(WIDTH, HEIGHT, 500), align=True)
    pictures = list(film_frames(frames, work, lambda error, frame: left.append(str(error))))

    assert [picture.aligned for picture in pictures] == [True] * 3
    assert left == ["0.fits has no finite pixel"]
