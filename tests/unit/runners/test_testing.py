"""`run_pipeline`: what an author's test sees of a run."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from runners import AsyncError, PipelineOutput, PipelineProcess, ReducedDatum
from runners.pipeline.measurements import Measurement
from runners.pipeline.process import Cancelled
from runners.testing import RunTarget, run_pipeline


class Example(PipelineProcess):
    """A pipeline that logs, reports its status and makes outputs."""

    short_name = "example"
    allowed_suffixes: ClassVar[list[str] | None] = [".fits"]
    flags: ClassVar[dict[str, dict[str, Any]] | None] = {
        "deep": {"default": False, "long_name": "Deep"},
        "fast": {"default": True, "long_name": "Fast"},
    }

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> Iterator[Any]:
        self.check_cancelled()
        with self.update_status("Working"):
            self.log(f"{self.target.name} {sorted(flags.items())}")
            self.log("half a ", end="")
            self.log("line")
            self.progress(1, 2)
        Path("relative.txt").write_text(self.identifier)
        yield "relative.txt"
        (tmpdir / "curve.csv").write_text("time,magnitude\n1,2\n")
        yield PipelineOutput(tmpdir / "curve.csv", ReducedDatum, "photometry", "named.csv")


def test_a_run_tells_all_that_was_said_and_made() -> None:
    run = run_pipeline(Example, ["a.fits", Path("b.FITS")], deep=True)
    assert run.log == ["Messier 13 [('deep', True), ('fast', True)]", "half a line"]
    assert run.statuses == ["Working"]
    assert run.progress_made == [(1, 2)]
    assert [output.name for output in run.outputs] == ["relative.txt", "named.csv"]
    assert run.path("relative.txt").read_text().startswith("example_m13_20")
    assert run.measurements == [Measurement(1.0, 2.0, None, None)]
    with pytest.raises(KeyError):
        run.path("curve.csv")


def test_the_folder_goes_with_the_run_unless_it_was_given(tmp_path: Path) -> None:
    before = Path.cwd()
    run = run_pipeline(Example, ["a.fits"])
    path = run.path("relative.txt")
    assert path.is_file()
    del run
    gc.collect()
    assert not path.parent.exists()
    run_pipeline(Example, ["a.fits"], folder=tmp_path)
    assert (tmp_path / "relative.txt").is_file()
    assert Path.cwd() == before


def test_target_and_settings_may_be_given() -> None:
    seen: list[Any] = []

    class Looks(PipelineProcess):
        def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
            seen.append((self.target.name, self.settings, self.input_files.count()))

    run_pipeline(Looks, ["a"], target=RunTarget(2, "x", "X"), settings={"fps": 1})
    assert seen == [("X", {"fps": 1}, 1)]


@pytest.mark.parametrize(
    ("files", "flags", "said"),
    [
        ([], {}, "^No input files to process$"),
        (["a.png"], {}, r"^Error running pipeline File 'a\.png' does not end an allowed .*\.fits"),
        (["a.fits"], {"slow": True}, r"^Unknown flag 'slow' \(known: deep, fast\)$"),
    ],
)
def test_what_a_submit_refuses_is_refused_here(
    files: list[str], flags: dict[str, Any], said: str
) -> None:
    with pytest.raises(AsyncError, match=said):
        run_pipeline(Example, files, **flags)


def test_a_cancelled_run_ends_where_it_looks() -> None:
    with pytest.raises(Cancelled):
        run_pipeline(Example, ["a.fits"], cancelled=True)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("missing.csv", "The output 'missing.csv' is not a file"),
        (("made.csv", "Picture"), "Invalid output type 'Picture'"),
        (("made.csv", ReducedDatum), "made.csv has no column magnitude"),
        (7, "An output must be a path, not int"),
    ],
)
def test_a_bad_output_is_refused_as_after_a_run(output: Any, said: str) -> None:
    class Makes(PipelineProcess):
        def do_pipeline(self, tmpdir: Path, **flags: bool) -> list[Any]:
            (tmpdir / "made.csv").write_text("time,x\n1,2\n")
            return [output]

    with pytest.raises(AsyncError, match=said):
        run_pipeline(Makes, ["a"])
