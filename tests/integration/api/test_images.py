"""FITS images through a real server: their pixels are those that astropy reads."""

from __future__ import annotations

import io
import signal
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from tests.fakes.sky import declare, noise
from tests.integration.conftest import Client

pytestmark = pytest.mark.gen_test(timeout=60)


def written(*hdus: Any) -> bytes:
    file = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(file)
    return file.getvalue()


def pixels_of(answer: Any) -> NDArray[np.float32]:
    assert answer.code == 200
    shape = [int(side) for side in answer.headers["X-Image-Shape"].split(",")]
    return np.frombuffer(answer.body, "<f4").reshape(shape)


async def test_windows_and_descriptions_agree_with_the_file(client: Client) -> None:
    sky = (noise(300, 400) * 10).astype("u2")
    table = fits.BinTableHDU.from_columns([fits.Column("t", "D", array=[1.0, 2.0])], name="TIMES")
    frame = written(fits.PrimaryHDU(), fits.CompImageHDU(sky, name="SCI"), table)
    [pk] = await client.upload(await client.make_target(), ("a.fits.fz", frame))
    facts = await client.call(f"/api/dataproducts/{pk}/image/")
    assert [hdu["kind"] for hdu in facts["hdus"]] == ["header", "compressed image", "table"]
    assert (facts["hdu"], facts["width"], facts["height"]) == (1, 400, 300)
    assert facts["statistics"]["median"] == np.median(sky)
    url = f"/dataproducts/{pk}/pixels"
    window = pixels_of(await client.fetch(f"{url}?x=50&y=60&width=70&height=80"))
    assert (window == sky[60:140, 50:120]).all()
    binned = pixels_of(await client.fetch(f"{url}?hdu=1&bin=4"))
    np.testing.assert_allclose(binned, sky.reshape(75, 4, 100, 4).mean(axis=(1, 3)), rtol=1e-6)
    rows = await client.fetch(f"/dataproducts/{pk}/table.csv?hdu=2")
    assert rows.body == b"t\n1.0\n2.0\n"
    for wrong in ("hdu=0", "hdu=2", "x=400", "plane=1", "width=401"):
        field = wrong.partition("=")[0]
        answer = await client.call(f"{url}?{wrong}", status=400)
        assert list(answer) == [field]


async def test_what_is_no_image_is_not_found_and_harms_nobody(
    client: Client, tmp_path: Path
) -> None:
    target = await client.make_target()
    huge = declare(tmp_path / "huge", -64, 200_000, 200_000).read_bytes()
    frame = written(fits.PrimaryHDU(noise()))
    bad = [("a.txt", b"words"), ("huge.fits", huge), ("cut.fits", frame[:4000])]
    [good, *others] = await client.upload(target, ("good.fits", frame), *bad)
    for pk in others:
        for path in (f"/api/dataproducts/{pk}/image/", f"/dataproducts/{pk}/pixels"):
            assert await client.call(path, status=404) == {"detail": "Not found."}
    assert pixels_of(await client.fetch(f"/dataproducts/{good}/pixels")).shape == (64, 80)


async def test_a_child_that_is_killed_costs_one_answer_at_most(client: Client) -> None:
    frame = written(fits.PrimaryHDU(noise()))
    [pk] = await client.upload(await client.make_target(), ("a.fits", frame))
    url = f"/dataproducts/{pk}/pixels?x=1"
    assert (await client.fetch(url)).code == 200
    children = psutil.Process().children(recursive=True)
    views = [child for child in children if child.cmdline()[-2:] == ["runners.examiner", "views"]]
    assert len(views) == 1
    views[0].send_signal(signal.SIGKILL)
    answers = {(await client.fetch(url)).code for _ in range(3)}
    assert answers <= {200, 503}
    assert (await client.fetch(url)).code == 200
