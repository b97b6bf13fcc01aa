"""Which files a pipeline takes by their names."""

from __future__ import annotations

import pytest

from runners.pipeline.process import suffix_problem


@pytest.mark.parametrize(
    ("allowed", "name"),
    [
        ([], "a.anything"),
        ([".fits"], "a.FITS"),
        ([".fits"], "a.fits.gz"),
        ([".FITS", ".fz"], "a.fits.bz2"),
        ([".fits", ".fit"], "a.fit.Z"),
        ([".fts"], "a.fts.xz"),
        ([".txt.gz"], "a.txt.gz"),
    ],
)
def test_packed_fits_is_taken_wherever_fits_is(allowed: list[str], name: str) -> None:
    assert suffix_problem(allowed, name) is None


@pytest.mark.parametrize(
    ("allowed", "name"),
    [
        ([".fits"], "a.fit.gz"),
        ([".txt"], "a.txt.gz"),
        ([".fits"], "a.gz"),
        ([".fits"], "afits.gz"),
        ([".fits"], "a.fits.gz.txt"),
        ([".psx", ".fz"], "a.fits.gz"),
    ],
)
def test_other_files_are_refused_with_the_suffixes_that_were_declared(
    allowed: list[str], name: str
) -> None:
    problem = suffix_problem(allowed, name)

    assert problem is not None
    assert problem.endswith(f"({', '.join(allowed)})")
