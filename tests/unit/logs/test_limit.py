"""How much of a run's output is stored."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.logs.entries import Line, encode_entries
from server.logs.limit import LogLimit

LINES = st.lists(
    st.lists(
        st.builds(
            Line,
            st.floats(0, 2e9),
            st.sampled_from(["info", "warning"]),
            st.text(max_size=40),
            st.booleans(),
        ),
        max_size=5,
    ),
    max_size=20,
)


def admitted(limit: LogLimit, batches: list[list[Line]]) -> tuple[list[Line], int]:
    """Return what a limit admits of the batches, and how long all the entries are then."""
    stored: list[Line] = []
    used = 0
    for batch in batches:
        lines = limit.admit(batch, sum(len(line.text) for line in batch), used)
        used += len(encode_entries(len(stored) + 1, lines))
        stored += lines
    return stored, used


@given(LINES, st.integers(0, 3000))
def test_what_is_stored_is_the_beginning_and_the_rest_is_counted(
    batches: list[list[Line]], limit_bytes: int
) -> None:
    limit = LogLimit(limit_bytes)
    stored, used = admitted(limit, batches)
    said = [line for batch in batches for line in batch]
    if (summary := limit.summary()) is None:
        assert stored == said
        assert used <= limit_bytes or not said
    else:
        *kept, notice = stored
        assert kept == said[: len(kept)]
        left = said[len(kept) :]
        assert left
        assert notice.level == "warning"
        assert f"its limit of {limit_bytes} bytes" in notice.text
        lines = sum(not line.unended for line in left)
        size = lines + sum(len(line.text.encode()) for line in left)
        assert f"{lines} lines ({size} bytes) were not stored" in summary


@given(LINES, st.integers(0, 3000))
def test_the_limit_is_kept(batches: list[list[Line]], limit_bytes: int) -> None:
    stored, _ = admitted(limit := LogLimit(limit_bytes), batches)
    if limit.summary() is not None:
        stored = stored[:-1]
    size = sum(len(encode_entries(1, [line])) for line in stored)
    assert size <= limit_bytes


def test_an_attempt_that_finds_a_full_log_says_so_once() -> None:
    limit = LogLimit(1000)
    line = Line(1.0, "info", "x")
    assert len(limit.admit([line], 1, 1000)) == 1
    assert limit.admit([line], 1, 1100) == []
    assert limit.summary() == (
        "The log's limit of 1000 bytes was reached: 2 lines (4 bytes) were not stored"
    )
