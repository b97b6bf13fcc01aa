"""What authors import is there, quickly, and each part of `runners` imports only those below it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import runners

FOLDER = Path(runners.__file__).parent
#: Parts from top to bottom; each may import those of lower rows, and modules of its own.
LAYERS = (
    {"examiner", "timelapse", "supervision"},
    {"imaging", "execution", "astrosource", "testing", "dummy", "synthetic"},
    {"compat"},
    {"fits", "pipeline"},
    {"tables", "confinement"},
)
#: Texts of tom_education that authors import too.
STATUSES = ["ASYNC_STATUS_CREATED", "ASYNC_STATUS_FAILED", "ASYNC_STATUS_PENDING"]
#: What only the server's side of `runners` may import.
OF_THE_SERVER = {"asyncio", "tornado", "motor", "pymongo"}
SERVERS_SIDE = {"examiner.__init__", "execution.pool", "execution.pipes", "execution.registry"}
#: Runs are supervised in the server, or in the agent on a worker's machine.
SUPERVISION = "supervision."

FILES = {
    ".".join(path.relative_to(FOLDER).with_suffix("").parts): path for path in FOLDER.rglob("*.py")
}


def imported_by(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_of(part: str) -> int:
    """Return the row of a part, 0 being the top."""
    [row] = [row for row, parts in enumerate(LAYERS) if part in parts]
    return row


@pytest.mark.parametrize("name", sorted(set(FILES) - {"__init__"}))
def test_each_part_imports_only_parts_below_it(name: str) -> None:
    part = name.partition(".")[0]
    for imported in imported_by(FILES[name]):
        package, _, rest = imported.partition(".")
        other = rest.partition(".")[0]
        if package == "runners" and other != part:
            assert layer_of(part) < layer_of(other), f"{name} imports {imported}"


@pytest.mark.parametrize("name", sorted(FILES))
def test_nothing_here_knows_the_server_and_pipelines_know_no_event_loop(name: str) -> None:
    imported = {each.partition(".")[0] for each in imported_by(FILES[name])}
    assert imported.isdisjoint({"server", "handlers"})
    if name not in SERVERS_SIDE and not name.startswith(SUPERVISION):
        assert imported.isdisjoint(OF_THE_SERVER)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (
            "runners",
            "AsyncError DataProduct PipelineOutput PipelineProcess ReducedDatum",
        ),
        (
            "runners.pipeline",
            "AsyncError Cancelled DataProduct PipelineOutput PipelineProcess ReducedDatum",
        ),
        ("runners.testing", "PipelineRun RunTarget run_pipeline"),
        ("runners.timelapse", "Timelapse"),
        ("runners.dummy", "Dummy"),
        ("runners.astrosource", "AstroSource"),
        ("runners.pipeline.inputs", "RunTarget"),
    ],
)
def test_what_authors_import_is_there(module: str, names: str) -> None:
    found = import_module(module)
    for name in names.split():
        assert getattr(found, name).__name__ == name
    if hasattr(found, "__all__"):
        words = STATUSES if module == "runners" else []
        assert sorted(found.__all__) == sorted([*names.split(), *words])


@pytest.mark.parametrize("module", ["runners.timelapse", "runners.astrosource"])
def test_a_name_that_is_not_there_is_an_attribute_error(module: str) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = import_module(module).Nothing


@pytest.mark.parametrize(
    "module",
    ["runners", "runners.timelapse", "runners.astrosource", "runners.dummy", "runners.testing"],
)
def test_importing_what_authors_name_loads_no_numpy(module: str) -> None:
    code = f"import {module}, sys; sys.exit('numpy' in sys.modules or 'asyncio' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(FOLDER.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, timeout=50)
    assert done.returncode == 0
