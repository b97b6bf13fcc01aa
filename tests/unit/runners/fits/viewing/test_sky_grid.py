"""What is interpolated in a grid is what astropy finds, to a tenth of a pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from runners.fits.viewing.description import description
from tests.fakes.sky import noise
from tests.unit.runners.fits.viewing.test_windows import detector

WIDTH, HEIGHT = 400, 300
TAN = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 250.4, "CRVAL2": 36.5,
    "CRPIX1": 190.0, "CRPIX2": 160.0, "CD1_1": -3e-4, "CD1_2": 1e-4, "CD2_1": 1e-4, "CD2_2": 3e-4,
}  # fmt: skip
SIP = {
    **TAN, "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 3, "B_ORDER": 3,
    "A_2_0": 2e-5, "A_1_1": -1e-5, "A_0_3": 3e-8, "B_0_2": -2e-5, "B_2_1": 4e-8,
}  # fmt: skip
HEADERS: dict[str, dict[str, Any]] = {
    "tan": TAN,
    "mirrored": {**TAN, "CD1_1": 3e-4},
    "sip": SIP,
    "wide": {**TAN, "CD1_1": -0.05, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 0.05},
    "over 0 h": {**TAN, "CRVAL1": 0.01},
    "near a pole": {**TAN, "CRVAL2": 84.0},
    "rotated": {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": -60.0, "CRPIX1": 1.0,
        "CRPIX2": 1.0, "CDELT1": -2e-4, "CDELT2": 2e-4, "CROTA2": 37.0, "EQUINOX": 2000.0,
    },
    "declination first": {
        **TAN, "CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": 36.5, "CRVAL2": 250.4,
    },
    "tpv": {
        **TAN, "CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": 1.0, "PV1_4": 0.02,
        "PV2_1": 1.0, "PV2_5": -0.03,
    },
    "sin": {**TAN, "CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN"},
}  # fmt: skip


def write(path: Path, cards: dict[str, Any], **more: Any) -> Path:
    hdu = fits.PrimaryHDU(noise(HEIGHT, WIDTH).astype("i2"))
    hdu.header.update(cards | more)
    hdu.writeto(path)
    return path


def wcs_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = description(path)["wcs"]
    return found


def somewhere() -> tuple[Any, Any]:
    random = np.random.default_rng(3)
    return random.uniform(0, WIDTH - 1, 500), random.uniform(0, HEIGHT - 1, 500)


def bilinear(wcs: dict[str, Any], nodes: NDArray[Any], x: Any, y: Any) -> NDArray[Any]:
    """Return what is between nodes, whose places are those of the grid."""
    places = np.array(wcs["grid"], float).reshape(-1, wcs["columns"], 4)
    along, up = places[0, :, 0], places[:, 0, 1]
    column = np.clip(np.searchsorted(along, x) - 1, 0, len(along) - 2)
    row = np.clip(np.searchsorted(up, y) - 1, 0, len(up) - 2)
    right = (x - along[column]) / (along[column + 1] - along[column])
    above = (y - up[row]) / (up[row + 1] - up[row])
    lower = nodes[row, column] * (1 - right) + nodes[row, column + 1] * right
    upper = nodes[row + 1, column] * (1 - right) + nodes[row + 1, column + 1] * right
    found: NDArray[Any] = lower * (1 - above) + upper * above
    return found


def interpolated(wcs: dict[str, Any], x: Any, y: Any) -> SkyCoord:
    """Interpolate in degrees, as the contract promises that anybody may."""
    grid = np.array(wcs["grid"], float).reshape(-1, wcs["columns"], 4)
    ra, dec = (bilinear(wcs, grid[..., part], x, y) for part in (2, 3))
    return SkyCoord(ra % 360 * units.deg, dec * units.deg)


@pytest.mark.parametrize("name", HEADERS)
def test_positions_are_those_of_astropy(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "a.fits", HEADERS[name])
    wcs = wcs_of(path)
    x, y = somewhere()
    exact = WCS(fits.getheader(path)).pixel_to_world(x, y)
    apart = interpolated(wcs, x, y).separation(SkyCoord(exact.ra, exact.dec)).arcsec / wcs["scale"]
    assert apart.max() < 0.1
    assert wcs["error"] <= 0.1


def test_around_a_pole_vectors_are_interpolated(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", {**TAN, "CRVAL2": 90.0})
    wcs = wcs_of(path)
    x, y = somewhere()
    grid = np.array(wcs["grid"], float).reshape(-1, wcs["columns"], 4)
    nodes = SkyCoord(grid[..., 2] * units.deg, grid[..., 3] * units.deg).cartesian.xyz.value
    found = np.array([bilinear(wcs, part, x, y) for part in nodes])
    exact = WCS(fits.getheader(path)).pixel_to_world(x, y).cartesian.xyz.value
    found /= np.linalg.norm(found, axis=0)
    apart = np.degrees(np.linalg.norm(found - exact, axis=0)) * 3600 / wcs["scale"]
    assert apart.max() < 0.1


@pytest.mark.parametrize(
    "cards",
    [
        {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"},
        {"RADESYS": "FK4", "EQUINOX": 1950.0},
    ],
    ids=["galactic", "B1950"],
)
def test_other_systems_become_icrs(tmp_path: Path, cards: dict[str, Any]) -> None:
    path = write(tmp_path / "a.fits", TAN | cards)
    wcs = wcs_of(path)
    x, y = somewhere()
    exact = WCS(fits.getheader(path)).pixel_to_world(x, y).icrs
    found = interpolated(wcs, x, y)
    apart = found.separation(SkyCoord(exact.ra, exact.dec)).arcsec / wcs["scale"]
    assert apart.max() < 0.1


def test_scale_rotation_and_parity_say_how_the_sky_lies(tmp_path: Path) -> None:
    angle = np.radians(30)
    cd = 4e-4 * np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = {f"CD{i + 1}_{j + 1}": cd[i, j] for i in (0, 1) for j in (0, 1)}
    path = write(tmp_path / "a.fits", TAN | turned)
    wcs = wcs_of(path)
    assert wcs["scale"] == pytest.approx(1.44, rel=1e-4)
    assert wcs["parity"] == 1
    # A step to the north, found by astropy, goes where the rotation says.
    header = WCS(fits.getheader(path))
    middle = SkyCoord(*wcs["centre"], unit="deg")
    (x0, x1), (y0, y1) = header.world_to_pixel(
        SkyCoord([middle.ra, middle.ra], [middle.dec, middle.dec + 0.01 * units.deg])
    )
    assert wcs["rotation"] == pytest.approx(np.degrees(np.arctan2(x0 - x1, y1 - y0)), abs=0.1)
    mirrored = write(tmp_path / "b.fits", {**TAN, "CD1_1": 3e-4, "CD1_2": 0.0, "CD2_1": 0.0})
    assert wcs_of(mirrored)["parity"] == -1


def test_a_compressed_image_has_the_coordinates_of_the_plain_one(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.fits", SIP)
    image = fits.CompImageHDU(fits.getdata(plain), fits.getheader(plain))
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / "b.fits.fz")
    assert wcs_of(tmp_path / "b.fits.fz")["grid"] == wcs_of(plain)["grid"]


def test_decimal_commas_and_cards_that_break_the_standard_are_no_obstacle(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", TAN)
    odd = b"CRVAL1  =                250,4".ljust(80)
    raw = path.read_bytes()
    at = raw.index(b"CRVAL1  =")
    path.write_bytes(raw[:at] + odd + raw[at + 80 :])
    assert wcs_of(path)["centre"][0] == pytest.approx(250.4, abs=0.1)


@pytest.mark.parametrize(
    "cards",
    [
        {},
        {"CTYPE1": "LINEAR", "CTYPE2": "LINEAR"},
        {**TAN, "CD1_1": 0.0, "CD1_2": 0.0},
        {**TAN, "CRVAL2": 1e9},
        {**TAN, "CTYPE1": "RA---XYZ", "CTYPE2": "DEC--XYZ"},
        {**TAN, "CTYPE1": 7},
        {**SIP, "A_ORDER": 99999},
        {**SIP, "A_ORDER": -1},
        {**TAN, "CUNIT1": "parsec", "CUNIT2": "furlong"},
        {**TAN, "CRPIX1": 1e300},
    ],
    ids=str,
)
def test_coordinates_that_make_no_sense_are_none_or_harmless(
    tmp_path: Path, cards: dict[str, Any]
) -> None:
    wcs = wcs_of(write(tmp_path / "a.fits", cards))
    assert wcs is None or np.isfinite(wcs["scale"])


def test_nodes_that_a_projection_does_not_reach_are_null(tmp_path: Path) -> None:
    whole_sky = {
        "CTYPE1": "RA---AIT", "CTYPE2": "DEC--AIT", "CRVAL1": 0.0, "CRVAL2": 0.0,
        "CRPIX1": WIDTH / 2, "CRPIX2": HEIGHT / 2, "CDELT1": -1.0, "CDELT2": 1.0,
    }  # fmt: skip
    wcs = wcs_of(write(tmp_path / "a.fits", whole_sky))
    assert wcs["grid"][0][2:] == [None, None]
    assert all(value is None or np.isfinite(value) for node in wcs["grid"] for value in node)


@pytest.mark.parametrize("off", [0.0, 40.0])
def test_amplifiers_have_coordinates_in_common_only_if_they_agree(
    tmp_path: Path, off: float
) -> None:
    path = tmp_path / "a.fits"
    detector(path)
    whole = WCS(fits.Header(TAN))
    with fits.open(path, "update") as hdus:
        for place, (x, y) in enumerate(((0, 0), (30, 0), (0, 20), (30, 20)), 1):
            # From an amplifier's pixels, behind eight of overscan, to the detector's.
            sign = np.array([-1 if x else 1, -1 if y else 1])
            first = np.array([x + 29 if x else x, y + 19 if y else y])
            cd = np.array([[TAN["CD1_1"], TAN["CD1_2"]], [TAN["CD2_1"], TAN["CD2_2"]]]) * sign
            crpix = (np.array([TAN["CRPIX1"], TAN["CRPIX2"]]) - 1 - first) * sign + 1 + (8, 0)
            hdus[place].header.update(
                TAN
                | {f"CD{i + 1}_{j + 1}": cd[i, j] for i in (0, 1) for j in (0, 1)}
                | {"CRPIX1": crpix[0] + (off if place == 4 else 0), "CRPIX2": crpix[1]}
            )
    wcs = wcs_of(path)
    if off:
        assert wcs is None
        return
    exact = whole.pixel_to_world(29.5, 19.5)
    middle = SkyCoord(*wcs["centre"], unit="deg")
    assert middle.separation(SkyCoord(exact.ra, exact.dec)).arcsec / wcs["scale"] < 0.01
