"""The commands that docs/reliability.md gives can be typed as they are."""

from __future__ import annotations

import asyncio
import re
import sys

import pytest

from tests.reliability.tools.serving import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"python -m (tests\.reliability\.tools\.\w+)", PAGE)))


def options_of(command: str) -> set[str]:
    """Return the options that the page gives a command."""
    return set(re.findall(r"--[a-z-]+", " ".join(re.findall(rf"{re.escape(command)}\b(.*)", PAGE))))


def test_the_page_names_all_that_can_be_run() -> None:
    scripts = {
        f"tests.reliability.tools.{path.stem}"
        for path in (ROOT / "tests" / "reliability" / "tools").glob("*.py")
        if not path.stem.startswith("test_") and "argparse" in path.read_text(encoding="utf-8")
    }
    assert scripts == set(COMMANDS)


@pytest.mark.gen_test(timeout=50)
@pytest.mark.parametrize("command", COMMANDS)
async def test_each_command_of_the_page_knows_the_options_it_is_given(command: str) -> None:
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", command, "--help"), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    told = (await running.communicate())[0].decode()
    assert running.returncode == 0
    assert options_of(command) <= set(re.findall(r"--[a-z-]+", told))


def test_every_test_that_the_page_names_is_there() -> None:
    files = {path.stem for path in (ROOT / "tests").rglob("*.py")}
    named = re.findall(r"\| [^|\n]+ \|([^|\n]+)\|$", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(named))) <= files
