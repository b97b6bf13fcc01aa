"""The timelapse: order, steadiness, settings and the errors of its frames."""

from __future__ import annotations

import bz2
import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pictures

from runners.fits.images import Frame, find_frame
from runners.imaging import alignment
from runners.imaging.scaling import View, view_of
from runners.pipeline.process import AsyncError, Cancelled, suffix_problem
from runners.supervision.live_preview import read_frame
from runners.synthetic import synthesise_series
from runners.timelapse.live_frames import KeptFrames, Preview, frame_name
from runners.timelapse.order import in_order
from runners.timelapse.pipeline import Timelapse
from runners.timelapse.rendering import FrameWork, film_frames
from tests.fakes.sky import decoded, noise, run_of, write_fits


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Write twelve frames of a sky that gets two and a half times as bright."""
    return synthesise_series(tmp_path_factory.mktemp("night"), count=12, size=(96, 120))


@pytest.fixture(scope="module")
def drifting(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Write twelve larger frames, with enough stars to be recognised."""
    return synthesise_series(tmp_path_factory.mktemp("drift"), count=12, size=(160, 240))


def find(path: Path) -> Frame:
    return find_frame(path)


def whole(frame: Frame) -> View:
    return view_of(frame.width, frame.height, 500)


def timelapse(
    tmp_path: Path, paths: list[Path], settings: dict[str, Any] | None = None, **flags: bool
) -> tuple[Path, Any]:
    run, recorder = run_of(Timelapse, paths, settings)
    (output,) = run.do_pipeline(tmp_path, **flags)
    return output, recorder


@pytest.mark.parametrize("format", ["webm", "mp4", "gif"])
def test_a_run_yields_one_film_with_all_frames(
    tmp_path: Path, night: list[Path], format: str
) -> None:
    output, _ = timelapse(tmp_path, night, {"format": format})
    seen = decoded(output)

    assert output == tmp_path / f"timelapse.{format}"
    assert [frame.shape for frame in seen] == [(96, 120)] * 12


def test_webm_is_the_format_when_none_is_configured(tmp_path: Path, night: list[Path]) -> None:
    assert timelapse(tmp_path, night[:1])[0].name == "timelapse.webm"


def test_the_log_and_the_progress_tell_each_frame(tmp_path: Path, night: list[Path]) -> None:
    _, recorder = timelapse(tmp_path, night[:3])

    first, *frames, last = recorder.log
    assert (first, last) == ("Sorting frames", "Finished")
    assert [line.partition(", sky")[0] for line in frames] == [
        "Processing frame 1/3: m13_0001.fits, 2026-03-21 02:00:00 UTC",
        "Processing frame 2/3: m13_0002.fits.fz, 2026-03-21 02:01:30 UTC",
        "Processing frame 3/3: m13_0003.fits, 2026-03-21 02:03:00 UTC",
    ]
    assert recorder.warnings == []
    assert recorder.steps == [(1, 3), (2, 3), (3, 3)]
    assert recorder.statuses == ["Sorting 3 frames", "Making the film"]


@pytest.mark.parametrize("normalise_background", [False, True])
def test_the_sky_is_steady_though_it_drifts(
    tmp_path: Path, night: list[Path], normalise_background: bool
) -> None:
    output, _ = timelapse(tmp_path, night, normalise_background=normalise_background)
    medians = [float(np.median(frame)) for frame in decoded(output)]

    assert max(medians) - min(medians) <= 3
    assert 20 < np.mean(medians) < 60


@pytest.mark.parametrize("normalise_background", [False, True])
def test_hardly_a_pixel_saturates_and_stars_are_seen(
    tmp_path: Path, night: list[Path], normalise_background: bool
) -> None:
    output, _ = timelapse(tmp_path, night, normalise_background=normalise_background)
    for frame in decoded(output):
        assert (frame >= 250).mean() < 0.005
        assert (frame > 100).mean() > 0.003


def test_normalising_takes_the_gradient_away(night: list[Path]) -> None:
    frames = in_order(map(find, night))
    steps = {}
    for flag in (False, True):
        work = FrameWork(whole(frames[0]), normalise_background=flag)
        last = list(film_frames(frames, work))[-1].shades
        steps[flag] = abs(np.median(last[:20]) - np.median(last[-20:]))

    assert max(steps.values()) <= 3


def test_cropping_keeps_the_part_around_the_centre(tmp_path: Path, night: list[Path]) -> None:
    output, _ = timelapse(tmp_path, night[:2], {"crop_scale": 0.25}, crop=True)

    assert decoded(output)[0].shape == (24, 30)


def test_frames_are_made_smaller_to_the_configured_size(tmp_path: Path, night: list[Path]) -> None:
    output, _ = timelapse(tmp_path, night[:2], {"size": 50, "fps": 5, "unknown": 1})

    assert decoded(output)[0].shape == (40, 50)


def test_the_first_row_of_an_image_is_at_the_bottom_of_the_film(tmp_path: Path) -> None:
    image = noise()
    image[:10] += 2000
    frame = find(write_fits(tmp_path / "a.fits", image))
    (picture,) = film_frames([frame], FrameWork(whole(frame)))
    shades = picture.shades

    assert shades[-10:].mean() > shades[:10].mean() + 50


def test_frames_are_sorted_by_date_and_then_by_name(tmp_path: Path) -> None:
    dates = {
        "c": "2026-03-01T03:00:00",
        "b": "2026-03-01T03:00:00",
        "z": "2026-02-28T23:00:00-0700",
        "a": "2026-03-01T07:00:00Z",
    }
    frames = [
        find(write_fits(tmp_path / name, noise(), DATE_OBS=date)) for name, date in dates.items()
    ]

    assert [frame.name for frame in in_order(frames)] == ["b", "c", "z", "a"]


def test_integer_nan_and_odd_sized_frames_are_welcome(tmp_path: Path) -> None:
    spoilt = noise(99, 127)
    spoilt[20:40, :50] = np.nan
    paths = [
        write_fits(tmp_path / "a.fits", noise(99, 127).astype("u2")),
        write_fits(tmp_path / "b.fits", spoilt),
        write_fits(tmp_path / "c.fits", np.zeros((99, 127), "i2")),
    ]
    for flag in (False, True):
        output, _ = timelapse(tmp_path, paths, normalise_background=flag)
        assert [frame.shape for frame in decoded(output)] == [(98, 126)] * 3


def test_a_film_of_one_file_needs_no_date(tmp_path: Path) -> None:
    still, _ = timelapse(tmp_path, [write_fits(tmp_path / "a.fits", noise(), DATE_OBS=None)])
    assert len(decoded(still)) == 1

    cube = np.stack([noise(seed=seed) for seed in range(5)])
    film, recorder = timelapse(tmp_path, [write_fits(tmp_path / "b.fits", cube, DATE_OBS=None)])
    assert len(decoded(film)) == 5
    assert recorder.steps[-1] == (5, 5)


def test_frames_of_one_second_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = ["m9.fits", "m10.fits", "m1.fits", "m2b.fits", "m2.fits", "m٣.fits", "n.fits"]
    frames = [find(write_fits(tmp_path / name, noise())) for name in names]
    ordered = [frame.name for frame in in_order(frames)]

    assert ordered[:5] == ["m1.fits", "m2.fits", "m2b.fits", "m9.fits", "m10.fits"]


def test_packed_frames_make_a_film(tmp_path: Path) -> None:
    plain = [write_fits(tmp_path / f"{n}.fits", noise(seed=n)) for n in range(2)]
    gz, bz = tmp_path / "a.fit.gz", tmp_path / "b.fts.bz2"
    gz.write_bytes(gzip.compress(plain[0].read_bytes()))
    bz.write_bytes(bz2.compress(plain[1].read_bytes()))

    assert len(decoded(timelapse(tmp_path, [gz, bz])[0])) == 2
    for name in ("a.fit.gz", "b.FTS.BZ2", "c.fits.Z", "d.fts", "e.fits.fz"):
        assert suffix_problem(Timelapse.allowed_suffixes or [], name) is None
    assert suffix_problem(Timelapse.allowed_suffixes or [], "a.txt.gz") is not None


def test_no_files_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(AsyncError, match="No input files to process"):
        timelapse(tmp_path, [])


def test_a_cancelled_run_stops(tmp_path: Path, night: list[Path]) -> None:
    run, recorder = run_of(Timelapse, night)
    recorder.cancelled = True
    with pytest.raises(Cancelled):
        list(run.do_pipeline(tmp_path))


def test_cosmic_rays_are_removed_where_that_is_asked_for(tmp_path: Path) -> None:
    image = noise()
    image[30, 30] += 20_000
    paths = [write_fits(tmp_path / "a.fits", image)]
    brightest = {
        flag: decoded(timelapse(tmp_path, paths, {"format": "gif"}, remove_cosmic_rays=flag)[0])[0]
        for flag in (False, True)
    }
    assert brightest[False].max() > 200
    assert brightest[True][64 - 31, 30] < 80


def test_target_and_time_are_written_where_that_is_asked_for(
    tmp_path: Path, drifting: list[Path]
) -> None:
    plain = decoded(timelapse(tmp_path, drifting[:2], {"format": "gif"})[0])
    drawn = decoded(timelapse(tmp_path, drifting[:2], {"format": "gif"}, overlay=True)[0])
    assert (plain[0] != drawn[0]).mean() > 0.02
    differs = (drawn[0] == 255) != (drawn[1] == 255)
    assert differs[-20:].any(), "the times differ"


def test_aligned_frames_stay_while_the_field_drifts(tmp_path: Path, drifting: list[Path]) -> None:
    if alignment.missing():
        with pytest.raises(AsyncError, match=r"astroalign is not installed: pip install"):
            timelapse(tmp_path, drifting, align=True)
        return
    moves = {}
    for flag in (False, True):
        frames = decoded(timelapse(tmp_path, drifting, {"format": "gif"}, align=flag)[0])
        first, last = (frame[20:140, 20:220].astype(float) for frame in (frames[0], frames[-1]))
        moves[flag] = float(np.abs(first - last).mean())
    assert moves[True] < 0.8 * moves[False]


def test_frames_that_cannot_be_aligned_are_named_and_shown(tmp_path: Path) -> None:
    if alignment.missing():
        pytest.skip(str(alignment.missing()))
    paths = [write_fits(tmp_path / f"{name}.fits", noise()) for name in "ab"]
    output, recorder = timelapse(tmp_path, paths, align=True)
    assert len(decoded(output)) == 2
    assert recorder.warnings == [
        "a.fits could not be aligned",
        "b.fits could not be aligned",
        "2 of 2 frames are not aligned",
    ]


def test_the_last_frame_is_there_as_a_picture_while_it_goes_on(
    tmp_path: Path, night: list[Path]
) -> None:
    run, recorder = run_of(Timelapse, night)
    film = run.do_pipeline(tmp_path)
    seen = []
    recorder.progress = lambda done, total: seen.append((tmp_path / "preview.png").read_bytes()[:4])
    next(film)
    assert seen == [b"\x89PNG"] * 12


def test_a_preview_changes_at_most_once_a_second(tmp_path: Path) -> None:
    preview = Preview(tmp_path / "preview.png")
    preview.show(np.zeros((700, 1400), np.uint8))
    before = (tmp_path / "preview.png").read_bytes()
    preview.show(np.full((700, 1400), 99, np.uint8))
    assert (tmp_path / "preview.png").read_bytes() == before
    with Pictures.open(tmp_path / "preview.png") as picture:
        assert picture.size == (640, 320)


def test_each_frame_so_far_is_there_as_a_picture(tmp_path: Path, night: list[Path]) -> None:
    run, recorder = run_of(Timelapse, night)
    seen = []

    def progress(done: float, total: float) -> None:
        seen.append([read_frame(tmp_path, int(number)) for number in (done, done + 1)])

    recorder.progress = progress
    (tmp_path / "work").mkdir()
    next(run.do_pipeline(tmp_path / "work"))
    assert len(seen) == 12
    for own, following in seen:
        assert following is None
        with Pictures.open(io.BytesIO(own or b"")) as picture:
            assert (picture.format, picture.mode) == ("JPEG", "L")


def test_no_more_frames_are_kept_than_there_is_room_for(tmp_path: Path) -> None:
    kept = KeptFrames(tmp_path, limit_bytes=1)
    for number in (1, 2):
        kept.keep(number, np.zeros((700, 1400, 3), np.uint8))
    [path] = tmp_path.iterdir()
    assert path.name == frame_name(1)
    with Pictures.open(path) as picture:
        assert picture.size == (640, 320)
