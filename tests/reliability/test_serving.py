"""What the tools tell of the servers that they start."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.tools.serving import EndedEarly, Life, Server, settled_words


@pytest.mark.gen_test(timeout=50)
async def test_who_waits_for_a_server_that_does_not_start_hears_what_it_printed(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path / "data", options=["--http.body_limit_parsecs", "3"])
    await server.start()
    try:
        with pytest.raises(EndedEarly, match=r"(?s)status 2.*parsecs"):
            await server.url()
    finally:
        await server.close()


def test_what_other_load_adds_to_settling_is_told_apart() -> None:
    lives = [
        Life(100.0, settled=103.0, waited_seconds=2.5),
        Life(200.0, settled=201.0, waited_seconds=0.25),
        Life(300.0, settled=302.0, waited_seconds=1.5),
    ]
    assert settled_words(lives) == (
        "own runs settled after 3 restarts: median 2.00 s, at most 3.00 s; "
        "without waiting for a processor 0.50 s and 0.75 s"
    )
