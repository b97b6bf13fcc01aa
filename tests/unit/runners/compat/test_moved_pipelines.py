"""Pipelines of tom_education run with their imports changed: shapes, forms and habits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from runners import DataProduct, PipelineOutput, PipelineProcess, ReducedDatum, testing
from runners.compat import settings
from runners.pipeline.errors import AsyncError
from runners.pipeline.logged_text import MOST_CHARACTERS, LoggedText
from runners.testing import PipelineRun, run_pipeline
from tests.samples import moved_pipelines as moved


@pytest.fixture(autouse=True)
def configured() -> Iterator[None]:
    settings.configure({"OBSERVER": "ana", "SITE": {"name": "Faulkes"}})
    yield
    settings.configure({})


@pytest.fixture
def frames(tmp_path: Path) -> list[Path]:
    """Write two frames that say how bright the star is."""
    paths = [tmp_path / f"frame{number}.fits" for number in range(2)]
    for number, path in enumerate(paths):
        header = fits.Header({"MJD-OBS": 58000.5 + number, "MAG": 12.0 + number})
        fits.PrimaryHDU(header=header).writeto(path)
    return paths


def run_of(do: Callable[[Any, Path], Any], files: list[Path], **more: Any) -> PipelineRun:
    """Run a pipeline whose `do_pipeline` is this."""
    methods = {"do_pipeline": lambda self, tmpdir, **flags: do(self, tmpdir)}
    return run_pipeline(type("Made", (PipelineProcess,), methods), files, **more)


def test_a_class_in_the_shape_of_tom_astrosources_runs(frames: list[Path]) -> None:
    run = run_pipeline(moved.VariableStar, frames, plot=True)
    assert run.statuses == ["Gathering data files", "Measuring"]
    assert run.log == [
        "2 files of type fits at 250.42",
        "plot True, detrend True",
        "No file period.png found",
    ]
    assert [tuple(each)[:3] for each in run.measurements] == [
        (58000.5, 12.0, 0.01),
        (58001.5, 13.0, 0.01),
    ]
    [plot] = [each for each in run.outputs if each.output_type == "DataProduct"]
    assert (plot.name, plot.data_product_type) == ("curve.png", "plot")


def test_its_own_error_becomes_the_message(tmp_path: Path) -> None:
    fits.PrimaryHDU().writeto(tmp_path / "a.fits")
    with pytest.raises(AsyncError, match=r"^There is no date in a\.fits$"):
        run_pipeline(moved.VariableStar, [tmp_path / "a.fits"])


def test_what_is_done_by_hand_is_shown(frames: list[Path]) -> None:
    run = run_pipeline(moved.Habits, frames)
    assert run.statuses == ["Half way"]
    assert run.log[:2] == ["process 1 is 1, group None", f"2 True 2 {frames[1].stat().st_size}"]
    assert "ana at Faulkes" in run.log
    assert "The status 'created' is not shown: the server sets it" in run.log
    kinds = {each.name: (each.output_type, each.data_product_type) for each in run.outputs}
    assert kinds == {
        "a.csv": ("DataProduct", ""),
        "note.hs": ("DataProduct", "image_file"),
        "b.png": ("DataProduct", "image_file"),
        "measurements.csv": ("ReducedDatum", "photometry"),
    }
    assert any(line.startswith("note.hs has no column time") for line in run.log)
    assert [each.magnitude for each in run.measurements] == [12.5]


def test_what_is_not_there_fails_with_the_line(frames: list[Path]) -> None:
    with pytest.raises(AsyncError, match=r"^settings\.MEDIA_ROOT .* \(moved_pipelines\.py, line"):
        run_pipeline(moved.Asks, frames)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ((None, DataProduct, "", None), "An output must be a path, not NoneType"),
        ((None, DataProduct, "", [58000, 12, 1]), "must be a path, not None"),
        (("a", DataProduct, "", None, None, False, 7), "An output must be .path, output type"),
        ((None, ReducedDatum, "", 58000), r"The data of an output must be \(MJD, magnitude"),
        ((None, ReducedDatum, "", [58000]), "The data of an output must be"),
        ((None, ReducedDatum, "", [58000, "12", 1, "a"]), "The data of an output must be"),
        ((None, ReducedDatum, "", [58000, 12, 1, "a", 2]), "The data of an output must be"),
        ((None, ReducedDatum, "", [58000, 12, -1.0, "a"]), "measurement 1: error -1 is below 0"),
        (("none.csv", ReducedDatum), "The output 'none.csv' is not a file"),
    ],
)
def test_an_output_that_cannot_be_is_refused_in_words(
    output: Any, said: str, frames: list[Path]
) -> None:
    with pytest.raises(AsyncError, match=said):
        run_of(lambda self, tmpdir: [output], frames)


def test_numbers_that_are_none_are_left_out_and_said(frames: list[Path]) -> None:
    rows = [(58000.5, 12.5, float("nan")), (58001.5, float("inf"), 0.1), (58002, None, None)]
    run = run_of(lambda self, tmpdir: [(None, ReducedDatum, "", row) for row in rows], frames)
    assert [tuple(each)[:3] for each in run.measurements] == [(58000.5, 12.5, None)]
    [line] = run.log
    assert line.startswith("measurements.csv: 2 rows have no magnitude: 2, 3, left out")


def test_there_may_be_so_many_measurements_and_no_more(
    frames: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runners.pipeline.outputs.MOST_MEASUREMENTS", 3)
    row = (None, ReducedDatum, "", (58000, 12.5, 0.1, "a"))
    assert len(run_of(lambda self, tmpdir: [row] * 3, frames).measurements) == 3
    with pytest.raises(AsyncError, match="There are more than 3 measurements"):
        run_of(lambda self, tmpdir: iter([row] * 4), frames)


def test_the_files_that_were_measured_are_named(frames: list[Path]) -> None:
    files = [frames[1], 'a folder/b, "c".fits', None, ""]

    def do(self: Any, tmpdir: Path) -> Any:
        for day, file in enumerate([*files, self.input_files.first()]):
            yield (None, ReducedDatum, "", (58000 + day, 12.5, 0.1, file))

    run = run_of(do, frames)
    assert [each.frame for each in run.measurements] == [
        frames[1].name,
        'b, "c".fits',
        None,
        None,
        frames[0].name,
    ]


def test_an_empty_text_and_bytes_are_no_reduced_data(frames: list[Path]) -> None:
    for content in (b"", bytes(range(256))):

        def do(self: Any, tmpdir: Path, content: bytes = content) -> Any:
            (tmpdir / "a.csv").write_bytes(content)
            return [(tmpdir / "a.csv", ReducedDatum)]

        with pytest.raises(AsyncError, match=r"^a\.csv "):
            run_of(do, frames)


def test_the_first_main_measurement_makes_the_curve_the_main_output(frames: list[Path]) -> None:
    def do(self: Any, tmpdir: Path) -> Any:
        (tmpdir / "a.png").write_bytes(b"x")
        for time in (58000, 58001):
            yield PipelineOutput(None, ReducedDatum, data=(time, 12.5, 0.1), main=True)
        yield PipelineOutput(tmpdir / "a.png", main=True)

    run = run_of(do, frames)
    assert [(each.name, each.main) for each in run.outputs] == [
        ("a.png", False),
        ("measurements.csv", True),
    ]
    assert run.log == ["a.png is not the main output: measurements.csv is already"]


def test_a_name_may_stand_where_it_stood_before() -> None:
    assert PipelineOutput("a", DataProduct, "", "b.txt").name == "b.txt"
    assert PipelineOutput("a", DataProduct, "", "b.txt", True)[3:] == (None, "b.txt", True)
    assert PipelineOutput("a", tag="plot").kind() == "plot"
    assert PipelineOutput("a", data_product_type="\ud800" + "x" * 60).kind() == "?" + "x" * 49


def test_inputs_are_as_in_django(frames: list[Path]) -> None:
    def do(self: Any, tmpdir: Path) -> None:
        products = self.input_files.all()
        first = self.input_files.first()
        assert self.input_files.last().id == self.input_files.all().last().pk == 2
        assert (products.count(), products.count(first), products.exists()) == (2, 1, True)
        assert [each.pk for each in self.input_files.filter(data__endswith="1.fits")] == [2]
        assert [each.pk for each in products.exclude(pk__in=[2]).order_by("-name")] == [1]
        assert products.filter(name="frame1.fits").get().product_id == "frame1.fits"
        assert self.input_files.get(id=1) is not None
        assert (first.get_file_name(), str(first), str(first.data)) == ("frame0.fits",) * 3
        assert self.target.id == self.target.pk
        size = frames[0].stat().st_size
        assert (first.data.size, first.data.file.size) == (size, size)

    run_of(do, frames)


def test_the_file_of_an_input_stays_open_and_opens_again(frames: list[Path]) -> None:
    def do(self: Any, tmpdir: Path) -> None:
        data = self.input_files.first().data
        content = frames[0].read_bytes()
        assert data.closed
        assert data.file.read(6) + data.file.read(4) == content[:10]
        assert (data.tell(), data.read(5)) == (10, content[10:15])
        assert data.read() == content[15:]
        assert data.read() == content
        assert data.seek(2) == 2
        assert data.file is data.file
        file = data.file
        file.close()
        assert file.closed
        with pytest.raises(ValueError, match="closed"):
            file.read()
        assert file.open().read(6) == content[:6]
        assert b"".join(data.chunks(1000)) == content
        assert next(iter(data)) == content.splitlines(keepends=True)[0]
        data.close()
        data.close()
        assert data.closed
        with fits.open(data) as hdus:
            assert hdus[0].header["MAG"] == 12.0
        assert Path(data).read_bytes() == content

    run_of(do, frames)


def test_an_input_with_an_open_file_can_be_sent_to_a_child(frames: list[Path]) -> None:
    def do(self: Any, tmpdir: Path) -> None:
        import pickle

        product = self.input_files.first()
        product.data.file.read(10)
        again = pickle.loads(pickle.dumps(product))
        assert again.data.closed
        assert again.data.read() == frames[0].read_bytes()
        assert pickle.loads(pickle.dumps(self.input_files)).count() == 2

    run_of(do, frames)


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (lambda self: self.objects.all(), "Made.objects"),
        (lambda self: type(self).objects.get(pk=1), "Made.objects"),
        (lambda self: self.delete(), "Made.delete"),
        (lambda self: self.target.dataproduct_set.all(), "target.dataproduct_set"),
        (lambda self: self.target.epoch, "target.epoch"),
        (lambda self: self.input_files.all().values_list("pk"), "input_files.values_list"),
        (lambda self: self.input_files.annotate(), "input_files.annotate"),
        (lambda self: self.input_files.filter(target__name="x"), "The field target of input files"),
        (lambda self: self.input_files.filter(name__regex="x"), "The look-up name__regex"),
        (lambda self: self.input_files.first().observation_record, "product.observation_record"),
        (lambda self: self.input_files.first().data.url, "data.url"),
    ],
)
def test_what_is_of_the_database_fails_with_the_line_and_what_to_do(
    ask: Callable[[Any], Any], what: str, frames: list[Path]
) -> None:
    with pytest.raises(AsyncError) as caught:
        run_of(lambda self, tmpdir: ask(self), frames)
    said = str(caught.value)
    assert said.startswith(f"{what} is not available here (test_moved_pipelines.py, line ")


def test_a_slip_of_the_authors_own_is_no_message(frames: list[Path]) -> None:
    for ask in ("self.tarket", "self.target.nmae", "self.input_files.frist()"):
        with pytest.raises(AttributeError) as caught:
            run_of(lambda self, tmpdir, ask=ask: eval(ask), frames)
        assert not isinstance(caught.value, AsyncError)


def test_the_log_can_be_read_and_added_to_but_nothing_is_taken_away(frames: list[Path]) -> None:
    def do(self: Any, tmpdir: Path) -> None:
        assert self.logs == ""
        self.logs = None
        self.log("one")
        self.logs += "two\n"
        assert self.logs == "one\ntwo\n"
        self.logs = ""
        self.logs = self.logs[4:]
        read = self.logs
        self.log("three")
        self.logs = read + "four\n"
        self.logs = "another text\n"
        self.save()
        self.logs = ["an author's own"]
        self.logs.append("list")
        assert self.logs == ["an author's own", "list"]

    assert run_of(do, frames).log == ["one", "two", "three", "four", "another text"]


def test_of_a_long_log_the_last_is_kept() -> None:
    kept = LoggedText()
    for number in range(1000):
        kept.add(f"{number:04}" * 1024)
    assert kept.text().endswith("0999" * 1024)
    assert MOST_CHARACTERS - 4096 <= len(kept.text()) <= MOST_CHARACTERS
    kept.add("x" * 3 * MOST_CHARACTERS)
    assert kept.text() == "x" * MOST_CHARACTERS


def test_a_status_that_only_the_server_sets_is_said_once(frames: list[Path]) -> None:
    def do(self: Any, tmpdir: Path) -> None:
        for status in ("Reading", "Reading", "failed", "failed", 7):
            self.status = status
            self.save()

    run = run_of(do, frames)
    assert run.statuses == ["Reading", "7"]
    assert run.log == ["The status 'failed' is not shown: the server sets it"]


def test_authors_may_use_the_names_otherwise(frames: list[Path]) -> None:
    class Own(PipelineProcess):
        @property
        def pk(self) -> int:  # type: ignore[override]
            return 77

        def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
            assert (self.pk, self.id) == (77, 1)

    run_pipeline(Own, frames)
    assert testing.TARGET.pk == 1
