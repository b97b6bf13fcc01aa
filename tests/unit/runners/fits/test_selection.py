"""Which image of a file is shown, of which parts it is made, and what its headers say of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from runners.fits.files import FrameError, quiet
from runners.fits.images import find_frame, find_frames, read_frame, read_science
from runners.fits.metadata import fits_metadata
from runners.fits.science import Section
from tests.fakes.sky import DATE, noise, write_fits

OTHER = np.full((64, 80), 7.0, np.float32)


def extensions(path: Path, *named: tuple[str | None, Any], primary: Any = None) -> Path:
    hdus = [fits.ImageHDU(pixels, name=name) for name, pixels in named]
    fits.HDUList([fits.PrimaryHDU(primary), *hdus]).writeto(path)
    return path


@pytest.mark.parametrize(
    ("primary", "named"),
    [
        (None, [("DQ", OTHER.astype("i2")), ("SCI", noise())]),
        (None, [("ERR", OTHER), ("SCI", noise()), ("SCI", OTHER)]),
        (None, [("WHT", OTHER), (None, noise())]),
        (None, [("GUIDER1", np.zeros((200, 200), "f4")), ("CCD1", noise())]),
        (None, [("THUMBNAIL", OTHER), ("IMAGE", noise())]),
        (None, [(None, OTHER[:20, :20]), (None, noise())]),
        (OTHER[:4, :4], [("SCI", noise())]),
        (OTHER[:4, :4], [(None, noise())]),
        (OTHER[:30, :30], [("SCI", noise())]),
        (noise(), [("BPM", OTHER), ("VAR", OTHER)]),
        (noise(), [(None, OTHER)]),
        (None, [("MASK", noise())]),
    ],
)
def test_the_sky_is_shown(tmp_path: Path, primary: Any, named: list[tuple[Any, Any]]) -> None:
    path = extensions(tmp_path / "a.fits", *named, primary=primary)
    facts = fits_metadata(path)

    np.testing.assert_array_equal(read_frame(find_frame(path)), noise())
    assert facts is not None
    assert (facts["width"], facts["height"]) == (80, 64)


def test_a_full_date_in_the_extension_beats_the_day_of_the_file(tmp_path: Path) -> None:
    image = fits.ImageHDU(noise(), fits.Header({"DATE-OBS": "2026-03-01T10:00:00"}), name="SCI")
    primary = fits.PrimaryHDU(header=fits.Header({"DATE-OBS": "2026-03-01"}))
    fits.HDUList([primary, image]).writeto(tmp_path / "a.fits")
    facts = fits_metadata(tmp_path / "a.fits")

    assert facts is not None
    assert facts["date"] == find_frame(tmp_path / "a.fits").date == 1772323200.0 + 36_000


def amplifiers(path: Path, whole: Any, bias: float = 0.0, **more: str) -> None:
    """Write four quarters of an image, read out to its corners, with an overscan of 8 columns."""
    height, width = whole.shape
    hdus = []
    for up in (0, 1):
        for right in (0, 1):
            level = 100.0 + 50 * up + 20 * right if bias else 0.0
            y, x = up * height // 2, right * width // 2
            part = whole[y : y + height // 2, x : x + width // 2] + level
            part = part[:: -1 if up else 1, :: -1 if right else 1]
            padded = np.hstack([np.full((height // 2, 8), level, np.float32), part])
            columns = (x + width // 2, x + 1) if right else (x + 1, x + width // 2)
            rows = (y + height // 2, y + 1) if up else (y + 1, y + height // 2)
            header = fits.Header(
                {
                    "DETSEC": "[{}:{},{}:{}]".format(*columns, *rows),
                    "DATASEC": f"[9:{8 + width // 2},1:{height // 2}]",
                }
                | more
            )
            if bias:
                header["BIASSEC"] = f"[1:8,1:{height // 2}]"
            hdus.append(fits.ImageHDU(padded, header, name=f"AMP{2 * up + right}"))
    guider = fits.ImageHDU(OTHER, name="GUIDER")
    primary = fits.PrimaryHDU(header=fits.Header({"DATE-OBS": DATE}))
    fits.HDUList([primary, guider, *hdus]).writeto(path)


@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_amplifiers_are_put_together_less_their_bias(tmp_path: Path, bias: float) -> None:
    amplifiers(tmp_path / "a.fits", noise(), bias)
    frame = find_frame(tmp_path / "a.fits")
    facts = fits_metadata(tmp_path / "a.fits")

    assert (frame.width, frame.height, frame.date) == (80, 64, 1772323200.0)
    assert facts is not None
    assert (facts["width"], facts["height"]) == (80, 64)
    np.testing.assert_allclose(read_frame(frame), noise(), atol=1e-3)
    assert frame.layout.section is None


@pytest.mark.parametrize("gains", [None, (1.0, 1.3, 0.9, 1.1)])
@pytest.mark.parametrize("levels", [(0, 0, 0, 0), (500, 700, 400, 650)])
def test_amplifiers_meet_without_a_step(
    tmp_path: Path, gains: tuple[float, ...] | None, levels: tuple[float, ...]
) -> None:
    whole = noise(96, 120, sky=1000)
    whole[40:44, 50:54] += 5000
    hdus = []
    for at, (level, gain) in enumerate(zip(levels, gains or (1,) * 4, strict=True)):
        y, x = 48 * (at // 2), 60 * (at % 2)
        header = fits.Header({"DETSEC": f"[{x + 1}:{x + 60},{y + 1}:{y + 48}]"})
        if gains:
            header["GAIN"] = gain
        hdus.append(fits.ImageHDU(whole[y : y + 48, x : x + 60] / np.float32(gain) + level, header))
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "a.fits")
    read = read_frame(find_frame(tmp_path / "a.fits"))
    quarters = [read[rows, columns] for rows in (slice(48), slice(48, 96))
                for columns in (slice(60), slice(60, 120))]  # fmt: skip

    medians = [np.median(quarter) for quarter in quarters]
    np.testing.assert_allclose(medians, np.mean(medians), atol=4)
    spreads = [np.std(quarter) for quarter in quarters[1:]]
    np.testing.assert_allclose(spreads, np.mean(spreads), rtol=0.05)


@pytest.mark.parametrize("gains", [(1.0, 0.0), (1.0, -2.0), (1.0, 100.0), (1.0, "high")])
def test_absurd_gains_are_not_used(tmp_path: Path, gains: tuple[object, object]) -> None:
    hdus = [
        fits.ImageHDU(noise(32, 40, seed=at), fits.Header({"DETSEC": detsec, "GAIN": gain}))
        for at, (detsec, gain) in enumerate(
            zip(["[1:40,1:32]", "[41:80,1:32]"], gains, strict=True)
        )
    ]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "a.fits")
    whole = read_frame(find_frame(tmp_path / "a.fits"))

    np.testing.assert_array_equal(whole, np.hstack([noise(32, 40, seed=0), noise(32, 40, seed=1)]))


def test_an_amplifier_without_any_value_does_not_matter(tmp_path: Path) -> None:
    hdus = [
        fits.ImageHDU(noise(32, 40) * scale, fits.Header({"DETSEC": detsec}))
        for scale, detsec in ((np.float32(np.nan), "[1:40,1:32]"), (1, "[41:80,1:32]"))
    ]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "a.fits")
    whole = read_frame(find_frame(tmp_path / "a.fits"))

    np.testing.assert_array_equal(whole[:, 40:], noise(32, 40))


def mosaic_of(red: float, green: float, blue: float) -> Any:
    """Return an RGGB mosaic of a sky of this colour."""
    mosaic = noise(sky=0)
    for (y, x), level in {(0, 0): red, (0, 1): green, (1, 0): green, (1, 1): blue}.items():
        mosaic[y::2, x::2] += level
    return mosaic


@pytest.mark.parametrize("pattern", ["RGGB", "rggb", "'RGGB'", '"RGGB" '])
def test_the_pattern_of_a_mosaic_may_be_quoted(tmp_path: Path, pattern: str) -> None:
    frame = find_frame(write_fits(tmp_path / "a.fits", noise(), BAYERPAT=pattern))

    assert frame.layout.mosaic == "RGGB"


@pytest.mark.parametrize(
    ("colour", "binning", "expected"),
    [
        ((300, 300, 300), 2, None),
        ((300, 330, 290), 2, "RGGB"),
        ((300, 300, 300), 1, "RGGB"),
        ((65535, 65535, 65535), 2, None),
    ],
)
def test_binned_pixels_have_colours_only_if_they_differ(
    tmp_path: Path, colour: tuple[float, float, float], binning: int, expected: str | None
) -> None:
    cards = {"BAYERPAT": "RGGB", "XBINNING": binning, "YBINNING": binning}
    path = write_fits(tmp_path / "a.fits", mosaic_of(*colour), **cards)

    assert read_science(find_frame(path)).layout.mosaic == expected


def test_a_binned_frame_that_is_nearly_blank_keeps_its_pattern(tmp_path: Path) -> None:
    pixels = noise()
    pixels[:, 2:] = np.nan
    path = write_fits(tmp_path / "a.fits", pixels, BAYERPAT="RGGB", XBINNING=2)

    assert read_science(find_frame(path)).layout.mosaic == "RGGB"


@pytest.mark.parametrize("detsec", ["[1:9999999999,1:4]", "nowhere", "[1:48,1:32]", "[0:0,0:0]"])
def test_amplifiers_that_do_not_fit_together_are_not_put_so(tmp_path: Path, detsec: str) -> None:
    amplifiers(tmp_path / "a.fits", noise(), DETSEC=detsec)
    frame = find_frame(tmp_path / "a.fits")

    assert (frame.width, frame.height, frame.hdu) == (48, 32, 2)


def test_amplifiers_without_a_section_are_what_the_overscan_leaves(tmp_path: Path) -> None:
    hdus = []
    for at, detsec in enumerate(["[1:40,1:32]", "[41:80,1:32]"]):
        pixels = np.hstack([noise(32, 40, seed=at) + 500, np.full((32, 6), 500, np.float32)])
        header = fits.Header({"DETSEC": detsec, "BIASSEC": "[41:46,1:32]"})
        hdus.append(fits.ImageHDU(pixels, header))
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "a.fits")
    whole = read_frame(find_frame(tmp_path / "a.fits"))
    expected = np.hstack([noise(32, 40, seed=0), noise(32, 40, seed=1)])

    np.testing.assert_allclose(whole, expected, atol=1e-3)


def test_binned_amplifiers_have_sections_of_the_detector(tmp_path: Path) -> None:
    hdus = [
        fits.ImageHDU(noise(32, 40, seed=at), fits.Header({"DETSEC": detsec}))
        for at, detsec in enumerate(["[101:180,1:64]", "[181:260,1:64]"])
    ]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "a.fits")
    whole = read_frame(find_frame(tmp_path / "a.fits"))

    np.testing.assert_array_equal(whole, np.hstack([noise(32, 40, seed=0), noise(32, 40, seed=1)]))


def test_three_planes_are_colours(tmp_path: Path) -> None:
    planes = np.stack([noise(sky=100), noise(sky=200), noise(sky=300)])
    frame = find_frame(write_fits(tmp_path / "a.fits", planes))
    together = find_frame(write_fits(tmp_path / "b.fits", np.moveaxis(planes, 0, -1)))
    whole = find_frame(write_fits(tmp_path / "c.fits", planes.astype("u2")))

    for each in (frame, together):
        assert (each.width, each.height, each.layout.planes) == (80, 64, 3)
        np.testing.assert_array_equal(read_science(each).pixels, planes)
        np.testing.assert_allclose(read_frame(each), planes.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(read_science(whole).pixels, planes.astype("u2"))


@pytest.mark.parametrize("kind", ["u2", "f8", "i4", "compressed"])
def test_any_other_cube_is_a_sequence(tmp_path: Path, kind: str) -> None:
    cube = np.stack([noise(seed=seed) for seed in range(4)]).astype("i2" if len(kind) > 2 else kind)
    header = fits.Header({"DATE-OBS": DATE, "EXPTIME": 2.5})
    hdu = fits.CompImageHDU(cube, header) if len(kind) > 2 else fits.ImageHDU(cube, header)
    hdu.writeto(tmp_path / "a.fits")
    frames = find_frames(tmp_path / "a.fits")

    assert [frame.date for frame in frames] == [1772323200.0 + 2.5 * n for n in range(4)]
    for frame, plane in zip(frames, cube, strict=True):
        np.testing.assert_allclose(read_frame(frame), plane, rtol=1e-6)
    assert find_frame(tmp_path / "a.fits") == frames[0]


def test_three_planes_of_time_are_a_sequence(tmp_path: Path) -> None:
    cube = np.stack([noise(seed=seed) for seed in range(3)])
    path = write_fits(tmp_path / "a.fits", cube, CTYPE3="TIME", CDELT3=60.0)

    assert [frame.date for frame in find_frames(path)] == [1772323200.0 + 60 * n for n in range(3)]


def test_a_header_behind_zeros_is_read(tmp_path: Path) -> None:
    image = fits.ImageHDU(noise(), fits.Header({"DATE-OBS": DATE}))
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / "a.fits")
    whole = (tmp_path / "a.fits").read_bytes()
    (tmp_path / "a.fits").write_bytes(whole[:2880] + bytes(2880) + whole[2880:])
    facts = fits_metadata(tmp_path / "a.fits")

    assert facts is not None
    assert facts["date"] == 1772323200.0


@pytest.mark.parametrize("many", [b"\xff" * 5000, b"\0" * 2880, b"XTENSION= nonsense" * 300, b"x"])
@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_bytes_after_the_last_hdu_do_not_matter(tmp_path: Path, many: bytes, kind: str) -> None:
    path = extensions(tmp_path / "a.fits", ("SCI", noise().astype(kind)), primary=OTHER[:20, :20])
    alone = write_fits(tmp_path / "b.fits", noise().astype(kind))
    for each in (path, alone):
        with each.open("ab") as file:
            file.write(many)
        with quiet():
            np.testing.assert_array_equal(read_frame(find_frame(each)), noise())
            assert fits_metadata(each) is not None


LAYOUTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"TRIMSEC": "[11:80,1:64]"}, {"section": Section(10, 0, 80, 64)}),
    ({"DATASEC": "[80:11,1:64]"}, {"section": Section(10, 0, 80, 64)}),
    ({"TRIMSEC": "[1:80,1:64]"}, {}),
    ({"TRIMSEC": "[11:160,1:128]"}, {}),
    ({"TRIMSEC": "[a:b]"}, {}),
    (
        {"BIASSEC": "[1:8,1:64]"},
        {"section": Section(8, 0, 80, 64), "overscan": (Section(0, 0, 8, 64),)},
    ),
    (
        {"BIASSEC": "[71:80,1:64]", "TRIMSEC": "[1:70,3:64]"},
        {"section": Section(0, 2, 70, 64), "overscan": (Section(70, 0, 80, 64),)},
    ),
    ({"BAYERPAT": "GRBG"}, {"mosaic": "GRBG"}),
    ({"BAYERPAT": "grbg ", "XBAYROFF": 1}, {"mosaic": "RGGB"}),
    ({"BAYERPAT": "RGGB", "YBAYROFF": 1}, {"mosaic": "GBRG"}),
    ({"BAYERPAT": "RGGB", "XBAYROFF": 1, "YBAYROFF": 1.0}, {"mosaic": "BGGR"}),
    ({"BAYERPAT": "RGGB", "XBAYROFF": 2, "YBAYROFF": "x"}, {"mosaic": "RGGB"}),
    ({"COLORTYP": "BAYER_GB"}, {"mosaic": "GBRG"}),
    ({"BAYERPAT": "TRUE"}, {"mosaic": "RGGB"}),
    ({"BAYERPAT": True, "XBAYROFF": 1}, {"mosaic": "GRBG"}),
    ({"BAYERPAT": "TRUE", "COLORTYP": "BGGR"}, {"mosaic": "BGGR"}),
    ({"BAYERPAT": "FALSE"}, {}),
    ({"BAYERPAT": False}, {}),
    ({"BAYERPAT": 5}, {}),
    ({"ROWORDER": "top-down"}, {"top_down": True}),
    ({"ROWORDER": "BOTTOM-UP"}, {}),
    ({"FILTER": "V"}, {"filter": "V"}),
]


@pytest.mark.parametrize(("has_colours", "mosaic"), [(True, "RGGB"), (False, None)])
def test_a_pattern_without_a_name_counts_where_the_sky_has_colours(
    tmp_path: Path, has_colours: bool, mosaic: str | None
) -> None:
    pixels = noise()
    pixels[::2, ::2] += 200 * has_colours
    path = write_fits(tmp_path / "a.fits", pixels, BAYERPAT="TRUE")
    assert read_science(find_frame(path)).layout.mosaic == mosaic


COLOURS = [(name, noise(seed=seed)) for seed, name in enumerate(("Blue", "RED", "GREEN"))]


@pytest.mark.parametrize("names", [("RED", "GREEN", "BLUE"), ("r", "g", "b")])
def test_red_green_and_blue_of_a_file_are_one_picture(tmp_path: Path, names: Any) -> None:
    planes = [noise(seed=seed) for seed in range(3)]
    shuffled = list(zip(names, planes, strict=True))[::-1]
    path = extensions(tmp_path / "a.fits", *shuffled, ("DQ", OTHER))
    [frame] = find_frames(path)
    assert (frame.layout.planes, frame.layout.mosaic) == (3, None)
    np.testing.assert_array_equal(read_science(frame).pixels, planes)


@pytest.mark.parametrize(
    "named",
    [
        [("SCI", noise()), *COLOURS],
        [*COLOURS[1:]],
        [*COLOURS[1:], ("BLUE", noise(70))],
        [*COLOURS[1:], ("BLUE", np.stack([noise()] * 4))],
    ],
)
def test_what_is_not_one_of_each_is_no_picture_in_colour(tmp_path: Path, named: Any) -> None:
    frame = find_frame(extensions(tmp_path / "a.fits", *named))
    assert frame.layout.planes == 1
    assert read_science(frame).pixels.ndim == 2


def test_colours_that_are_too_many_pixels_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runners.fits.images.MOST_PIXELS", 2 * noise().size)
    with pytest.raises(FrameError, match="over the limit"):
        find_frame(extensions(tmp_path / "a.fits", *COLOURS))


@pytest.mark.parametrize(("cards", "expected"), LAYOUTS)
def test_the_layout_is_told(
    tmp_path: Path, cards: dict[str, Any], expected: dict[str, Any]
) -> None:
    layout = find_frame(write_fits(tmp_path / "a.fits", noise(), **cards)).layout
    usual = {"section": None, "overscan": (), "mosaic": None, "top_down": False, "filter": None}

    assert {key: getattr(layout, key) for key in usual} == usual | expected
