"""What is shown of an image: stars equally bright whatever the sky, neutral colours, the top up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from runners.fits.science import Layout, ScienceImage, Section
from runners.imaging.brightness import SKY_SHADE, Levels, stretched
from runners.imaging.colour import interpolated, superpixels
from runners.imaging.scaling import view_of
from runners.imaging.showing import level_scene, scene_of, without_rays
from tests.fakes.sky import noise

Image = NDArray[np.float32]
HEIGHT, WIDTH = 150, 200
STARS = [(x, y) for x in range(65, 160, 18) for y in range(45, 120, 15)]
PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")


def stars(peak: float, places: list[tuple[int, int]] = STARS) -> Image:
    """Return stars with a FWHM of 3 pixels and nothing else."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    image = np.zeros((HEIGHT, WIDTH))
    for column, row in places:
        image += peak * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 3.2)
    return image.astype(np.float32)


def shown(pixels: Image, size: int = 500, normalise: bool = False, **layout: object) -> Image:
    """Return the shades of an image, bottom row first."""
    height, width = pixels.shape[-2:]
    image = ScienceImage(pixels, Layout(**layout))  # type: ignore[arg-type]
    scene = scene_of(image, view_of(width, height, size, even=False))
    return stretched(*level_scene(scene, normalise=normalise)).astype(np.float32)


def plain(image: Image) -> Image:
    return image


@pytest.mark.parametrize("kind", [">u1", ">i2"])
@pytest.mark.parametrize("size", [500, 160, 130, 70])
@pytest.mark.parametrize("mosaic", [None, "GRBG"])
def test_whole_numbers_look_like_the_floats_of_them(kind: str, size: int, mosaic: Any) -> None:
    pixels = 60 + 5 * noise(HEIGHT, WIDTH) / noise(HEIGHT, WIDTH).std() + stars(120)
    pixels[::7, ::9] = 250
    whole = pixels.clip(0, 255).astype(kind)
    section = Section(10, 0, WIDTH, HEIGHT)
    own = shown(whole, size, mosaic=mosaic, section=section)
    other = shown(whole.astype(np.float32), size, mosaic=mosaic, section=section)
    assert np.abs(own - other).max() <= 1


def vignetted(image: Image) -> Image:
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    return (image - 300 * 0.2 * (x**2 + y**2)).astype(np.float32)


def sloping(image: Image) -> Image:
    return image + np.linspace(-150, 150, WIDTH, dtype=np.float32)


def with_overscan(image: Image) -> Image:
    image[:, :38] = noise(HEIGHT, 38, 20.0) / 5
    return image


def padded(image: Image) -> Image:
    image[:, :55] = 0
    image[-25:] = 0
    return image


def all_sky(image: Image) -> Image:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    outside = (x - 110) ** 2 + (y - 75) ** 2 > 73**2
    image[outside] = (noise(HEIGHT, WIDTH, 50.0) / 5)[outside]
    return image


def with_hot_pixels(image: Image) -> Image:
    image[np.random.default_rng(3).random(image.shape) < 0.003] = 30_000
    return image


def partly_blank(image: Image) -> Image:
    image[:40] = np.nan
    return image


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize(
    "change",
    [vignetted, sloping, with_overscan, padded, all_sky, with_hot_pixels, partly_blank],
)
def test_a_star_of_18_sigma_looks_the_same_whatever_the_sky(
    change: Callable[[Image], Image], normalise: bool
) -> None:
    def star_and_sky(change: Callable[[Image], Image]) -> tuple[float, float]:
        drawn = shown(change(noise(HEIGHT, WIDTH) + stars(180)), normalise=normalise)
        peaks = [drawn[y - 1 : y + 2, x - 1 : x + 2].max() for x, y in STARS]
        sky = [np.median(drawn[y - 8 : y + 9, x - 8 : x + 9]) for x, y in STARS]
        return float(np.median(peaks)), float(np.median(sky))

    usual_star, usual_sky = star_and_sky(plain)
    star, sky = star_and_sky(change)
    assert usual_star > 180
    assert star == pytest.approx(usual_star, abs=20)
    assert (usual_sky, sky) == pytest.approx((SKY_SHADE, SKY_SHADE), abs=4)


def bled(image: Image) -> Image:
    """Add two saturated stars whose charge has run along their columns."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for column, row in ((58, 40), (160, 110)):
        far = np.hypot(x - column, y - row)
        image = image + (20_000 / (1 + (far / 2) ** 4)).astype(np.float32)
        image[(abs(x - column) < 2) & (abs(y - row) < 35)] = 65_535
    return np.minimum(image, np.float32(65_535))


def with_very_many_hot_pixels(image: Image) -> Image:
    image[np.random.default_rng(3).random(image.shape) < 0.01] = 50_000
    return image


@pytest.mark.parametrize("change", [bled, with_very_many_hot_pixels])
def test_faint_stars_are_seen_beside_what_is_far_too_bright(
    change: Callable[[Image], Image],
) -> None:
    drawn = shown(change(noise(HEIGHT, WIDTH) + stars(180)))
    peaks = [drawn[y - 1 : y + 2, x - 1 : x + 2].max() for x, y in STARS]

    assert np.median(drawn) == pytest.approx(SKY_SHADE, abs=4)
    assert np.quantile(peaks, 0.1) > 2 * SKY_SHADE


def test_a_small_planet_keeps_its_belts() -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    disc = (x - 100) ** 2 + (y - 75) ** 2 < 11**2
    belts = (20_000 + 5_000 * np.sin(y / 2)).astype(np.float32)
    drawn = shown(np.where(disc, belts, noise(HEIGHT, WIDTH)))

    assert np.ptp(np.median(drawn[66:85, 96:105], axis=1)) > 25


def test_the_section_of_the_sky_tells_how_bright_the_rest_is() -> None:
    image = noise(HEIGHT, WIDTH) + stars(180)
    image[:, :90] = noise(HEIGHT, 90, 800.0)
    drawn = shown(image, section=Section(90, 0, WIDTH, HEIGHT))

    assert np.median(drawn[:, 95:]) == pytest.approx(SKY_SHADE, abs=3)
    assert np.median(shown(image)[:, 95:]) < SKY_SHADE / 2, "without it, the larger part counts"


def test_blank_pixels_are_as_dark_as_the_sky() -> None:
    image = noise(HEIGHT, WIDTH) + stars(500)
    image[20:60, 30:90] = np.nan

    assert shown(image)[25:55, 35:85] == pytest.approx(SKY_SHADE, abs=2)


def test_a_planet_on_black_keeps_its_belts() -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    disc = (x - 100) ** 2 + (y - 75) ** 2 < 30**2
    belts = (150 + 30 * np.sin(y / 4)).astype(np.float32)
    for sky in (np.zeros_like(belts), noise(HEIGHT, WIDTH, 20.0) / 8):
        drawn = shown(np.where(disc, belts, sky))
        assert np.ptp(np.median(drawn[50:100, 90:110], axis=1)) > 25
        assert drawn[disc].mean() > 180


@pytest.mark.parametrize("counts", [12_000, 25_000])
def test_the_moon_is_bright_with_craters(counts: float) -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    disc = (x - 110) ** 2 + (y - 75) ** 2 < 65**2
    craters = counts * (1 + 0.3 * np.sin(x / 3) * np.cos(y / 4))
    drawn = shown(np.where(disc, craters, noise(HEIGHT, WIDTH)).astype(np.float32))

    assert drawn[disc].mean() > 150
    assert drawn[disc].std() > 10
    assert (drawn[disc] == 255).mean() < 0.1
    assert np.median(drawn[:, :20]) < 2 * SKY_SHADE


@pytest.mark.parametrize("value", [0.0, 65535.0, -7.5, 1e17])
@pytest.mark.parametrize("normalise", [False, True])
def test_a_frame_of_one_value_is_an_even_grey(value: float, normalise: bool) -> None:
    image = np.full((HEIGHT, WIDTH), value, np.float32)

    assert np.ptp(shown(image, normalise=normalise)) <= 1


@pytest.mark.parametrize("sides", [(1, 2), (2, 1), (2, 2), (17, 16), (16, 400)])
@pytest.mark.parametrize("layout", [{}, {"mosaic": "GBRG"}, {"top_down": True}])
def test_tiny_and_narrow_images_can_be_shown(
    sides: tuple[int, int], layout: dict[str, Any]
) -> None:
    if layout.get("mosaic") and min(sides) < 2:
        pytest.skip("a mosaic has at least four pixels")
    drawn = shown(noise(*sides), **layout)

    assert drawn.shape[:2] == sides


def test_an_image_without_any_value_is_as_dark_as_the_sky() -> None:
    drawn = shown(np.full((HEIGHT, WIDTH), np.nan, np.float32))

    assert np.unique(drawn).size == 1


def test_the_first_row_is_the_top_one_if_the_header_says_so() -> None:
    image = noise(HEIGHT, WIDTH) + stars(500, [(30, 20)])

    np.testing.assert_allclose(shown(image, top_down=True)[::-1], shown(image), atol=4)


def mosaic(pattern: str, red: Image, green: Image, blue: Image) -> Image:
    """Return what a camera records of these planes."""
    planes, image = {"R": red, "G": green, "B": blue}, np.empty_like(red)
    for place, colour in enumerate(pattern):
        own = np.s_[place // 2 :: 2, place % 2 :: 2]
        image[own] = planes[colour][own]
    return image


def coloured_field() -> tuple[Image, Image, Image, dict[str, list[tuple[int, int]]]]:
    """Return red, green and blue of a field of stars, as seen through a greenish camera."""
    kinds = {"white": STARS[::2], "red": STARS[1::4], "blue": STARS[3::4]}
    parts = {"white": (1, 1, 1), "red": (1.6, 0.8, 0.4), "blue": (0.5, 0.9, 1.5)}
    planes = []
    for place, (response, sky) in enumerate(((0.5, 600), (1.0, 1100), (0.4, 400))):
        light = sum(stars(600 * response * parts[kind][place], kinds[kind]) for kind in kinds)
        planes.append(noise(HEIGHT, WIDTH, sky, seed=place) + light)
    return planes[0], planes[1], planes[2], kinds


@pytest.mark.parametrize("size", [500, 100])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_mosaic_is_shown_in_colour_with_a_neutral_sky(pattern: str, size: int) -> None:
    *planes, kinds = coloured_field()
    drawn = shown(mosaic(pattern, *planes), size, mosaic=pattern)
    scale = drawn.shape[1] / WIDTH

    assert drawn.ndim == 3
    np.testing.assert_allclose(np.median(drawn, axis=(0, 1)), SKY_SHADE, atol=5)
    colours = {
        kind: np.median([drawn[int(y * scale), int(x * scale)] for x, y in places], axis=0)
        for kind, places in kinds.items()
    }
    assert np.ptp(colours["white"]) < 0.25 * colours["white"].max(), "the usual star is white"
    assert colours["red"][0] > 1.4 * colours["red"][2]
    assert colours["blue"][2] > 1.4 * colours["blue"][0]


def test_a_planet_is_not_taken_for_a_star_that_is_white() -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    disc = (x - 100) ** 2 + (y - 75) ** 2 < 40**2
    belts = np.where(disc, 12_000 + 3_000 * np.sin(y / 5), 0).astype(np.float32)
    planes = [noise(HEIGHT, WIDTH, 200, seed=at) + belts * part
              for at, part in enumerate((0.9, 1.5, 0.6))]  # fmt: skip
    drawn = shown(mosaic("RGGB", *planes), mosaic="RGGB")
    red, green, blue = np.median(drawn[disc], axis=0)

    assert red >= green > 1.2 * blue, "yellowish, as an eye sees it, and not green"
    assert np.ptp(np.median(drawn[45:105, 90:110, 2], axis=1)) > 10


def nebula(*light: float) -> list[Image]:
    """Return red, green and blue of a nebula that fills half the field, with white stars."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    glow = np.exp(-((x - 105) ** 2 + (y - 80) ** 2) / 2 / 35**2)
    return [
        (noise(HEIGHT, WIDTH, 500, seed=at) + part * glow + stars(400)).astype(np.float32)
        for at, part in enumerate(light)
    ]


def test_a_nebula_of_one_colour_keeps_its_structure() -> None:
    drawn = shown(mosaic("RGGB", *nebula(900, 60, 40)), mosaic="RGGB")
    red = np.array([np.median(drawn[y : y + 6, 99:112, 0]) for y in range(20, 80, 12)])

    assert (np.diff(red) > 0).all(), "brighter towards the middle, and not full before it"


def test_what_is_a_nebula_in_one_colour_is_one_in_all() -> None:
    drawn = shown(np.stack(nebula(1200, 200, 150)), planes=3)
    corners = [drawn[rows, columns].reshape(-1, 3) for rows in (slice(12), slice(138, 150))
               for columns in (slice(12), slice(188, 200))]  # fmt: skip

    for corner in corners:
        assert np.ptp(np.median(corner, axis=0)) < 40, "no ring of another colour around it"


def test_a_mosaic_has_no_checkerboard() -> None:
    *planes, _ = coloured_field()
    drawn = shown(mosaic("RGGB", *planes), mosaic="RGGB").mean(axis=2)
    kinds = [np.median(drawn[y::2, x::2]) for y in (0, 1) for x in (0, 1)]

    assert np.ptp(kinds) < 4


def test_a_mosaic_of_the_top_row_first_has_the_same_colours() -> None:
    *planes, kinds = coloured_field()
    image = mosaic("RGGB", *planes)
    (x, y), *_ = kinds["red"]
    turned = shown(image, mosaic="RGGB", top_down=True)

    assert turned[HEIGHT - 1 - y, x, 0] > turned[HEIGHT - 1 - y, x, 2] * 1.4


@pytest.mark.parametrize("pattern", PATTERNS)
def test_planes_of_a_mosaic_are_those_that_were_recorded(pattern: str) -> None:
    y, x = np.mgrid[:40, :60].astype(np.float32)
    planes = (x + 100, y + 200, x + y + 300)
    image = mosaic(pattern, *planes)
    inner = np.s_[2:-2, 2:-2]

    for found, expected in zip(interpolated(image, pattern), planes, strict=True):
        np.testing.assert_allclose(found[inner], expected[inner], atol=1e-3)
    for found, expected in zip(superpixels(image, pattern), planes, strict=True):
        means = expected.reshape(20, 2, 30, 2).mean(axis=(1, 3))
        np.testing.assert_allclose(found, means, atol=1.01)


def test_a_blank_pixel_of_a_mosaic_is_blank_in_its_colour_only() -> None:
    image = np.full((20, 20), 7, np.float32)
    image[5, 5] = np.nan

    planes = interpolated(image, "RGGB")
    assert np.argwhere(np.isnan(planes)).tolist() == [[2, 5, 5]]
    np.testing.assert_allclose(planes[~np.isnan(planes)], 7)


@pytest.mark.parametrize("size", [500, 80])
def test_planes_of_colour_are_shown_as_they_are_with_a_neutral_sky(size: int) -> None:
    light = stars(600)
    planes = [noise(HEIGHT, WIDTH, sky, seed=sky) for sky in (600, 900, 300)]
    drawn = shown(np.stack([planes[0] + light, planes[1] + light / 2, planes[2] + light / 4]), size)
    scale = drawn.shape[1] / WIDTH
    red, green, blue = np.median([drawn[int(y * scale), int(x * scale)] for x, y in STARS], axis=0)

    np.testing.assert_allclose(np.median(drawn, axis=(0, 1)), SKY_SHADE, atol=5)
    assert red > 1.3 * green > 1.3 * blue


def test_the_colour_of_a_bright_star_does_not_fade() -> None:
    planes = np.full((3, 50, 60), 100, np.float32)
    planes[:, 20, 30] += (90_000, 45_000, 20_000)
    drawn = stretched(planes, Levels(100.0, 10.0, 1000.0, 60.0))

    np.testing.assert_allclose(drawn[20, 30] / 255, (1, 0.5, 0.22), atol=0.02)


def test_a_ray_is_taken_from_a_mosaic_and_stars_stay() -> None:
    *planes, _ = coloured_field()
    image = mosaic("GRBG", *planes)
    struck = image.copy()
    struck[10, 11] += 3000
    clean = without_rays(ScienceImage(struck, Layout(mosaic="GRBG"))).pixels

    assert clean[10, 11] == pytest.approx(image[10, 11], abs=80)
    peaks = [(clean[y, x], image[y, x]) for x, y in STARS]
    np.testing.assert_allclose(*zip(*peaks, strict=True), rtol=0.05)
