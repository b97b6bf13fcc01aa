"""From the pixels of an image to those that are shown: cleaned, of the size of a view, level.

Overscan and other parts outside the section of the sky are shown, but do not count. The stretch is
left to `brightness`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from runners.fits.images import Image
from runners.fits.science import Layout, ScienceImage, Stored
from runners.imaging.brightness import Levels, brightness_of, evened, levelled, levels
from runners.imaging.colour import balanced, grey, interpolated, superpixels
from runners.imaging.cosmic_rays import without_cosmic_rays
from runners.imaging.hot_pixels import without_hot_pixels
from runners.imaging.scaling import View, halved, rescale
from runners.imaging.sky import Sky, find_sky
from runners.imaging.white_balance import gains

#: A mosaic that shrinks by less than this is interpolated at its full size.
HALF = 1.99


@dataclass(frozen=True, slots=True)
class Scene:
    """What a view shows: pixels of shape (height, width) or (3, height, width), bottom row first.

    In `judged` what does not tell the brightness is NaN (overscan) or calmed (hot pixels); it is
    `pixels` itself where there is no such thing. Planes are a camera's own if `is_camera`, so that
    their colours have to be balanced.
    """

    pixels: Image
    judged: Image
    is_camera: bool = False


def scene_of(image: ScienceImage, view: View) -> Scene:
    """Return the part of an image that a view shows, its top up."""
    layout = image.layout
    pixels = _seen(image.pixels, layout, view)
    calm = _calm(image.pixels, layout)
    judged = pixels if calm is image.pixels else _seen(calm, layout, view)
    if layout.section is not None:
        inside = np.full(image.pixels.shape[-2:], np.nan, np.float32)
        layout.section.of(inside)[...] = 0
        judged = judged + _turned(rescale(inside, view), layout)
    return Scene(pixels, judged, layout.mosaic is not None)


def level_scene(scene: Scene, *, normalise: bool = False) -> tuple[Image, Levels]:
    """Return the pixels with a level sky, the same in all colours, and their levels.

    Vignetting, moonlight and twilight are taken away; with `normalise`, whatever differs from one
    part of the sky to another.
    """
    even = levelled if normalise else evened
    if scene.pixels.ndim == 2:
        sky = find_sky(scene.judged, in_cells=normalise)
        pixels = even(scene.pixels, sky)
        judged = pixels if scene.judged is scene.pixels else even(scene.judged, sky)
        return pixels, levels(judged, sky)
    skies = _skies(scene.judged, in_cells=normalise)
    usual = float(np.mean([sky.level for sky in skies]))
    pixels = _in_common(scene.pixels, skies, usual, even)
    is_whole = scene.judged is scene.pixels
    judged = pixels if is_whole else _in_common(scene.judged, skies, usual, even)
    if scene.is_camera:
        factors = gains(judged, find_sky(grey(judged)).sigma)[:, np.newaxis, np.newaxis]
        pixels = _about(usual, pixels, factors)
        judged = pixels if is_whole else _about(usual, judged, factors)
    sky = find_sky(grey(judged))
    return pixels, levels(brightness_of(judged, sky.level), sky)


def _about(level: float, planes: Image, factors: Image) -> Image:
    """Return planes whose distances from a level are multiplied."""
    balanced = planes - np.float32(level)
    balanced *= factors
    balanced += np.float32(level)
    return balanced


def neutral(scene: Scene) -> Image:
    """Return the pixels with a sky without colour; those of a grey scene are unchanged."""
    if scene.pixels.ndim == 2:
        return scene.pixels
    skies = _skies(scene.judged)
    usual = float(np.mean([sky.level for sky in skies]))
    return _in_common(scene.pixels, skies, usual, lambda plane, sky: plane)


def _skies(planes: Image, *, in_cells: bool = False) -> list[Sky]:
    """Return the sky of each plane; what is an object in one of them is one in all."""
    skies = [find_sky(plane, in_cells=in_cells) for plane in planes]
    trust = min(sky.trust for sky in skies)
    return [
        sky if sky.trust == trust else find_sky(plane, in_cells=in_cells, trust=trust)
        for plane, sky in zip(planes, skies, strict=True)
    ]


def _in_common(
    planes: Image, skies: list[Sky], level: float, even: Callable[[Image, Sky], Image]
) -> Image:
    """Return planes that have the same level of the sky."""
    common = np.empty_like(planes)
    for into, plane, sky in zip(common, planes, skies, strict=True):
        np.add(even(plane, sky), np.float32(level - sky.level), out=into)
    return common


def without_rays(image: ScienceImage) -> ScienceImage:
    """Return an image without cosmic rays; those of a mosaic are found on its grey."""
    pixels, layout = image.pixels, image.layout
    if pixels.ndim == 3:
        clean = np.stack([without_cosmic_rays(plane) for plane in pixels])
    elif layout.mosaic:
        plain, tint = balanced(pixels)
        clean = without_cosmic_rays(plain) + tint
    else:
        clean = without_cosmic_rays(pixels)
    return ScienceImage(clean, layout, image.zero, image.unit)


def _seen(pixels: Stored, layout: Layout, view: View) -> Image:
    if pixels.ndim == 3:
        return _turned(np.stack([rescale(plane, view) for plane in pixels]), layout)
    if layout.mosaic is None:
        return _turned(rescale(pixels, view), layout)
    if (view.box[2] - view.box[0]) / view.width < HALF:
        planes = interpolated(pixels, layout.mosaic)
    else:
        planes, view = superpixels(pixels, layout.mosaic), halved(view)
    return _turned(np.stack([rescale(plane, view) for plane in planes]), layout)


def _turned(pixels: Image, layout: Layout) -> Image:
    return pixels[..., ::-1, :] if layout.top_down else pixels


def _calm(pixels: Stored, layout: Layout) -> Stored:
    """Return the pixels without hot ones; the same object if there are few."""
    if pixels.ndim == 2 and layout.mosaic is None:
        calm = without_hot_pixels(pixels)
        return pixels if calm is None else calm
    if pixels.ndim == 3:
        parts = list(pixels)
    else:
        parts = [pixels[y::2, x::2] for y in (0, 1) for x in (0, 1)]
    calmed = [without_hot_pixels(part) for part in parts]
    if all(part is None for part in calmed):
        return pixels
    whole = pixels.copy()
    into = list(whole) if pixels.ndim == 3 else [whole[y::2, x::2] for y in (0, 1) for x in (0, 1)]
    for place, part in zip(into, calmed, strict=True):
        if part is not None:
            place[...] = part
    return whole
