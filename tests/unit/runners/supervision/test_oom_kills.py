"""Counting what the kernel killed for lack of memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.supervision import oom_kills


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("low 0\nmax 5\noom 3\noom_kill 2\noom_group_kill 0\n", 2),
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 12\n", 12),
        ("nr_free_pages 1\noom_kill 0\n", 0),
        ("low 0\n", None),
        ("oom_kill many\n", None),
        ("", None),
    ],
)
def test_the_number_is_read_from_any_of_the_kernels_files(
    tmp_path: Path, text: str, number: int | None
) -> None:
    path = tmp_path / "events"
    path.write_text(text)
    assert oom_kills._kills_in(path) == number


def test_a_missing_file_has_none(tmp_path: Path) -> None:
    assert oom_kills._kills_in(tmp_path / "none") is None


def test_there_is_a_count_everywhere() -> None:
    assert oom_kills.count() >= 0
