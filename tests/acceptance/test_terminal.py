"""Runs from the command line, with and without a server: results, output and exit status."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runners.synthetic import synthesise_series
from tests.acceptance.conftest import Servers, servers
from tests.fakes.sky import noise, write_fits
from tests.integration.conftest import SAMPLES

__all__ = ["servers"]

ROOT = Path(__file__).parents[2]
COMMAND_SECONDS = 90
pytestmark = [pytest.mark.gen_test(timeout=110), pytest.mark.timeout(120)]


def command(data: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    """Start a command on a data folder."""
    options = ["--config", str(SAMPLES / "config.yml"), "--data", str(data)]
    return subprocess.Popen(
        [sys.executable, "-m", "server", *map(str, arguments), *options],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


async def done(begun: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for a command to end; return its exit status and what it wrote."""
    try:
        written = await asyncio.to_thread(begun.communicate, timeout=COMMAND_SECONDS)
    finally:
        if begun.poll() is None:
            begun.kill()
            begun.wait()
    return begun.returncode, *written


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Write three frames; return their paths."""
    return synthesise_series(tmp_path_factory.mktemp("frames"), count=3, size=(48, 64))


async def test_a_film_is_made_without_a_server(tmp_path: Path, frames: list[Path]) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    status, said, errors = await done(
        command(data, "timelapse", "My target", *frames, "--crop", "-o", out)
    )
    assert (status, errors) == (0, "")
    lines = said.splitlines()
    assert [line.partition(":")[0] for line in lines[:5]] == [
        "Target my-target was made",
        "Sorting frames",
        *(f"Processing frame {number}/3" for number in (1, 2, 3)),
    ]
    [film] = out.iterdir()
    assert film.name.startswith("timelapse_my-target_")
    assert film.read_bytes()[:4] == b"\x1a\x45\xdf\xa3", "EBML, as WebM begins"
    assert lines[-1] == f"Created {film.name} ({film.stat().st_size:,} bytes): {film}"

    status, said, _ = await done(command(data, "timelapse", "my-target"))
    assert status == 0, "the frames are those that the target has, without the film"
    assert "Processing frame 3/3" in said
    assert "Processing frame 4" not in said


@pytest.mark.slow
async def test_a_folder_makes_a_film_and_what_is_not_used_of_it_is_said(
    servers: Servers, frames: list[Path], tmp_path: Path
) -> None:
    client = servers.start().client()
    night = tmp_path / "Night 7"
    night.mkdir()
    for number, path in zip((9, 10, 11), frames, strict=True):
        (night / f"f{number}{''.join(path.suffixes)}").write_bytes(path.read_bytes())
    (night / "notes.txt").write_text("Clouds at two")
    (night / "broken.fits").write_text("no image")
    status, said, errors = await done(command(servers.data, "timelapse", night, "--stretch", "log"))
    assert (status, errors) == (0, "")
    lines = said.splitlines()
    assert lines[0].startswith("Left out: notes.txt does not end in .fits, ")
    assert lines[1] == "Target night-7 was made"
    assert "Left out: broken.fits is not a FITS file" in lines
    assert "1 of 4 frames is left out" in lines
    [record] = (await client.call("/api/processes/"))["processes"]
    assert record["flags"]["log_stretch"] is True

    status, said, errors = await done(command(servers.data, "run", "timelapse", "night-7"))
    assert (status, errors) == (0, ""), "a target goes before a folder, and without regard to case"
    (tmp_path / "empty").mkdir()
    status, _, errors = await done(command(servers.data, "timelapse", tmp_path / "empty"))
    assert (status, errors) == (2, "heliograph: There is no file that Timelapse takes\n")
    assert len((await client.call("/api/targets/"))["targets"]) == 1


@pytest.mark.slow
async def test_frames_that_are_not_aligned_show_in_the_exit_status(
    servers: Servers, tmp_path: Path
) -> None:
    pytest.importorskip("astroalign")
    paths = [write_fits(tmp_path / f"{name}.fits", noise(seed=ord(name))) for name in "ab"]
    servers.start().client()
    status, said, errors = await done(command(servers.data, "timelapse", "m1", *paths, "--align"))
    assert (status, errors) == (3, "")
    assert "Not aligned: 2 of 2 frames" in said.splitlines()
    assert (await done(command(servers.data, "timelapse", "m1")))[0] == 0


async def test_a_server_that_uses_the_folder_makes_the_run(
    servers: Servers, frames: list[Path]
) -> None:
    client = servers.start().client()
    target = await client.make_target("Messier 13", identifier="m13")
    begun = command(servers.data, "run", "Chatty", "m13", frames[0], "--flag", "loud")
    status, said, errors = await done(begun)
    assert (status, errors) == (0, "")
    assert "VERY LOUD" in said.splitlines()
    [record] = (await client.call(f"/api/processes/?target={target}"))["processes"]
    assert (record["state"], record["flags"]) == ("succeeded", {"loud": True})


@pytest.mark.slow
async def test_a_token_is_taken_from_the_configuration(
    servers: Servers, frames: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELIOGRAPH_HTTP_TOKENS", "a-secret-of-sixteen")
    servers.start().client()
    status, said, _ = await done(command(servers.data, "run", "Chatty", "m13", frames[0]))
    assert status == 0, said
    monkeypatch.delenv("HELIOGRAPH_HTTP_TOKENS")
    status, _, errors = await done(command(servers.data, "run", "Chatty", "m13", frames[0]))
    assert (status, errors) == (
        2,
        "heliograph: The server wants a token: give one in HELIOGRAPH_HTTP_TOKENS\n",
    )


@pytest.mark.slow
@pytest.mark.parametrize("with_server", [False, True])
async def test_ctrl_c_cancels_the_run(
    servers: Servers, frames: list[Path], with_server: bool
) -> None:
    if with_server:
        servers.start().client()
    begun = command(servers.data, "run", "Waits", "m13", frames[0])
    assert begun.stdout is not None
    line = ""
    while not line.startswith("pid "):
        line = await asyncio.to_thread(begun.stdout.readline)
        assert line, "the command ended"
    os.kill(begun.pid, signal.SIGINT)
    status, said, errors = await done(begun)
    assert (status, errors) == (130, "")
    assert "Cancelling; once more to leave at once" in said
    assert said.splitlines()[-1].endswith("cancelled: Cancelled")


@pytest.mark.slow
async def test_a_failed_run_ends_with_1_and_its_reason(tmp_path: Path, frames: list[Path]) -> None:
    status, said, errors = await done(command(tmp_path / "data", "run", "Fails", "m13", frames[0]))
    assert (status, errors) == (1, "")
    assert said.splitlines()[-1].endswith("failed: The stars were not right")


@pytest.mark.slow
async def test_what_cannot_be_run_ends_with_2_and_is_said(
    servers: Servers, frames: list[Path], tmp_path: Path
) -> None:
    client = servers.start().client()
    await client.make_target("Twin", identifier="one")
    await client.make_target("Twin", identifier="two")
    frame, config = str(frames[0]), str(SAMPLES / "config.yml")
    tabbed = tmp_path / "a\tb.fits"
    tabbed.write_bytes(frames[0].read_bytes())
    cases = {
        ("run", "None", "one", frame): "Unknown pipeline 'None' (known: Chatty, ",
        ("run", "Chatty", "nobody"): "There is no target nobody",
        ("run", "Chatty", "99"): "There is no target 99",
        ("run", "Chatty", "Twin"): "Several targets are named Twin",
        ("run", "Chatty", "one"): "products: No input files to process",
        ("timelapse", "new", "/no/such.fits"): "/no/such.fits: No such file or directory",
        ("timelapse", "new", str(tabbed)): "file: A file's name cannot have control characters, or",
        ("timelapse", "new", config): "does not end an allowed filename suffix",
        ("timelapse", "one", "--group", "77"): "There is no group 77",
        ("timelapse",): "the following arguments are required: TARGET",
        ("timelapse", "one", "--fast"): "unrecognized arguments: --fast",
    }
    ends = await asyncio.gather(*(done(command(servers.data, *given)) for given in cases))
    for (status, _, errors), (given, expected) in zip(ends, cases.items(), strict=True):
        assert status == 2, given
        assert expected in errors
    assert len((await client.call("/api/targets/"))["targets"]) == 2, "none was made in vain"
    deep = command(servers.data, "run", "Chatty", "two", frame, "--flag", "deep")
    assert (await done(deep))[::2] == (
        2,
        "heliograph: flags: Unknown flag 'deep' (known: loud)\n",
    )
