"""Which frames are in a film, which are left out and why, and what is said of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runners.pipeline.process import AsyncError
from runners.timelapse.pipeline import Timelapse
from tests.fakes.sky import decoded, noise, run_of, write_fits
from tests.unit.runners.timelapse.test_series import HEIGHT, WIDTH, field, series


def made(tmp_path: Path, paths: list[Path], **flags: bool) -> tuple[int, Any]:
    """Return how many frames the film has, and the recorder."""
    run, recorder = run_of(Timelapse, paths)
    (output,) = run.do_pipeline(tmp_path, **flags)
    return len(decoded(output)), recorder


def reasons(recorder: Any) -> dict[str, str]:
    return {each["name"]: each["reason"] for each in recorder.frames if "reason" in each}


def dated(folder: Path, names: str, **cards: Any) -> list[Path]:
    return [write_fits(folder / f"{name}.fits", noise(seed=ord(name)), **cards) for name in names]


def test_what_cannot_be_used_is_left_out_and_named_with_its_reason(tmp_path: Path) -> None:
    good = dated(tmp_path, "abc")
    (tmp_path / "text.fits").write_text("no image at all")
    (tmp_path / "empty.fits").write_bytes(b"")
    cut = tmp_path / "cut.fits"
    cut.write_bytes(good[0].read_bytes()[:9000])
    bad = [
        tmp_path / "text.fits",
        tmp_path / "empty.fits",
        cut,
        write_fits(tmp_path / "undated.fits", noise(), DATE_OBS=None),
        write_fits(tmp_path / "large.fits", noise(70)),
        write_fits(tmp_path / "blank.fits", noise() * np.nan),
        tmp_path / "gone.fits",
    ]
    frames, recorder = made(tmp_path, [*bad[:3], *good, *bad[3:]])

    assert frames == 3
    found = reasons(recorder)
    assert found.pop("cut.fits").startswith("is cut short: of at least ")
    assert found.pop("undated.fits").startswith("has no observation date")
    assert found == {
        "text.fits": "is not a FITS file",
        "empty.fits": "is empty",
        "large.fits": "is 80 x 70 pixels, and most are 80 x 64",
        "blank.fits": "has no finite pixel",
        "gone.fits": "cannot be used: The file gone.fits is missing",
    }
    for path in bad:
        [line] = [line for line in recorder.warnings if line.startswith(f"Left out: {path.name}")]
        assert "Errno" not in line
        assert str(tmp_path) not in line
    assert recorder.warnings[-1] == "7 of 10 frames are left out"
    products = {each["name"]: each["product"] for each in recorder.frames}
    assert (products["text.fits"], products["a.fits"], products["gone.fits"]) == (1, 4, 10)


def test_a_film_fails_only_when_no_frame_is_left(tmp_path: Path) -> None:
    (tmp_path / "text.fits").write_text("no image at all")
    blank = write_fits(tmp_path / "blank.fits", noise() * np.nan)
    with pytest.raises(AsyncError, match=r"^text\.fits is not a FITS file$"):
        made(tmp_path, [tmp_path / "text.fits"])
    with pytest.raises(AsyncError, match=r"^blank\.fits has no finite pixel$"):
        made(tmp_path, [blank])
    with pytest.raises(AsyncError, match=r"^No frame can be used: text\.fits is not a FITS file, "
                                         r"and 1 more are left out$"):  # fmt: skip
        made(tmp_path, [tmp_path / "text.fits", blank])
    undated = dated(tmp_path, "xy", DATE_OBS=None)
    with pytest.raises(AsyncError, match=r"No frame can be used: x\.fits has no observation date"):
        made(tmp_path, undated)
    assert made(tmp_path, [tmp_path / "text.fits", undated[0]])[0] == 1, "one needs no date"


@pytest.mark.parametrize("format", ["webm", "mp4", "gif"])
def test_a_film_of_illegible_pixels_fails_in_every_format(tmp_path: Path, format: str) -> None:
    run, _ = run_of(
        Timelapse, [write_fits(tmp_path / "a.fits", noise() * np.nan)], {"format": format}
    )
    with pytest.raises(AsyncError, match="has no finite pixel"):
        list(run.do_pipeline(tmp_path))


def test_the_size_that_most_have_counts_and_not_the_first(tmp_path: Path) -> None:
    paths = [
        write_fits(tmp_path / "a.fits", noise(70), DATE_OBS="2026-01-01T00:00:00"),
        *dated(tmp_path, "bc"),
    ]
    frames, recorder = made(tmp_path, paths)
    assert (frames, list(reasons(recorder))) == (2, ["a.fits"])

    even = [paths[0], paths[1]]
    frames, recorder = made(tmp_path, even[::-1])
    assert reasons(recorder) == {"b.fits": "is 80 x 64 pixels, and most are 80 x 70"}


def test_frames_are_counted_anew_when_one_turns_out_to_be_illegible(tmp_path: Path) -> None:
    paths = dated(tmp_path, "abcdefghijkl")
    write_fits(tmp_path / "ff.fits", noise() * np.nan)
    frames, recorder = made(tmp_path, [*paths, tmp_path / "ff.fits"])

    assert frames == 12
    numbers = [each["frame"] for each in recorder.frames if "frame" in each]
    assert numbers == list(range(1, 13))
    assert recorder.steps[-1] == (12, 12)
    assert "Processing frame 12/12: l.fits, " in recorder.log[-3]
    assert recorder.warnings[-1] == "1 of 13 frames is left out"


def test_each_frame_has_its_facts(tmp_path: Path) -> None:
    pytest.importorskip("astroalign")
    images = [
        noise(HEIGHT, WIDTH, 300 + 10 * i, seed=i) + field(2000, 3 * i, -2 * i) for i in range(3)
    ]
    paths = series(tmp_path, images, lambda i: {"EXPTIME": 30.0, "FILTER": "V"})
    paths.append(write_fits(tmp_path / "starless.fits", noise(HEIGHT, WIDTH, seed=9),
                            DATE_OBS="2026-03-02T00:00:00"))  # fmt: skip
    _, recorder = made(tmp_path, paths, align=True)

    assert recorder.statuses == [
        "Sorting 4 frames",
        "Looking for the frame with most stars",
        "Making the film",
    ]
    first, second, third, starless = recorder.frames
    assert {key: third[key] for key in ("frame", "product", "name", "exposure", "filter")} == {
        "frame": 3, "product": 3, "name": "2.fits", "exposure": 30.0, "filter": "V",
    }  # fmt: skip
    assert third["date"] - first["date"] == 120
    np.testing.assert_allclose([each["sky"] for each in (first, second, third)],
                               [300, 310, 320], atol=4)  # fmt: skip
    steps = np.subtract(third["shift"], first["shift"])
    np.testing.assert_allclose(steps, (6, -4), atol=0.3)
    assert starless["shift"] is None
    assert starless["exposure"] is None
    assert "shift unknown" in recorder.log[-4]
    assert recorder.log[-3:-1] == [
        "starless.fits could not be aligned",
        "1 of 4 frames is not aligned",
    ]
    assert ", shift +" in recorder.log[3] or ", shift -" in recorder.log[3]


def test_shifts_are_in_pixels_of_the_frames_however_small_the_film(tmp_path: Path) -> None:
    pytest.importorskip("astroalign")
    images = [
        np.kron(noise(HEIGHT, WIDTH, seed=i) + field(3000, 2 * i, i), np.ones((2, 2)))
        for i in range(2)
    ]
    paths = series(tmp_path, images)
    run, recorder = run_of(Timelapse, paths, {"size": WIDTH})
    list(run.do_pipeline(tmp_path, align=True))

    steps = np.subtract(recorder.frames[1]["shift"], recorder.frames[0]["shift"])
    np.testing.assert_allclose(steps, (4, 2), atol=0.6)


def test_the_frames_of_a_sequence_are_numbered(tmp_path: Path) -> None:
    cube = np.stack([noise(seed=seed) for seed in range(4)])
    _, recorder = made(tmp_path, [write_fits(tmp_path / "b.fits", cube, EXPTIME=5.0)])

    titles = [line.split(", ")[0] for line in recorder.log[1:-1]]
    assert titles == [f"Processing frame {n}/4: b.fits [{n}]" for n in range(1, 5)]
    assert {(each["name"], each["product"]) for each in recorder.frames} == {("b.fits", 1)}


def test_a_hostile_name_stays_on_its_line(tmp_path: Path) -> None:
    paths = [
        write_fits(tmp_path / "a\nProcessing frame 9.fits", noise()),
        write_fits(tmp_path / "b\x1b[2J\u2028.fits", noise(), DATE_OBS=None),
        *dated(tmp_path, "cd"),
    ]
    _, recorder = made(tmp_path, paths)

    log = "".join(recorder.texts).split("\n")
    assert len(log) == 8, "sorting, three frames, one left out, how many, the end"
    assert all(line.isprintable() for line in log)
