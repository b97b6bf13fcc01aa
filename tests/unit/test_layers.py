"""Who may import whom: the contracts of pyproject.toml hold, and libraries stay where they belong.

Packages have their rules there, so that a new file has one from its first day. What is checked
here is read from the source too, without running it.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("server", "handlers", "runners", "static")
#: The most packages and modules in a folder; with more, it hides a package of its own.
MOST_ENTRIES = 14
MOST_LINES = 400
DRIVERS = ("motor", "pymongo", "bson", "gridfs")
#: The parts of `runners` that run in the server and know its event loop.
IN_THE_SERVER = (
    "runners.examiner",
    "runners.execution.pipes",
    "runners.execution.pool",
    "runners.execution.registry",
    "runners.supervision",
)


def module_name(path: Path) -> str:
    """Return what Python calls the module of this file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
FOLDERS = sorted(
    {
        folder
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.*")
        for folder in path.relative_to(ROOT).parents
        if folder != Path() and "__pycache__" not in folder.parts
    }
)


def within(name: str, *packages: str) -> bool:
    """Return whether a module is one of these or inside one of them."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield every module that a tree imports, also within functions and for types only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def importers(libraries: Iterable[str], *allowed: str) -> list[str]:
    """Return the modules that import one of the libraries though they are not allowed to."""
    return [
        name
        for name, path in FILES.items()
        if not within(name, *allowed)
        and any(within(each, *libraries) for each in imported(ast.parse(path.read_text("utf-8"))))
    ]


def test_the_contracts_of_the_packages_hold() -> None:
    program = "from importlinter.cli import lint_imports_command as it; it()"
    found = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_database_driver_stays_in_its_package() -> None:
    assert importers(DRIVERS, "server.store.driver") == []


def test_the_embedded_engine_stays_in_its_package() -> None:
    assert importers(["nx_27017", "neosqlite"], "server.store.engine") == []


def test_tornado_stays_in_the_handlers_and_the_composition_root() -> None:
    assert importers(["tornado"], "handlers", "server.app") == []


def test_what_runs_in_the_child_knows_no_asyncio() -> None:
    assert importers(["asyncio"], "server", "handlers", *IN_THE_SERVER) == []


@pytest.mark.parametrize("name", ["server.__main__", "server.store.engine.child"])
def test_what_other_processes_start_with_imports_nothing_of_the_project(name: str) -> None:
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    at_once = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert at_once
    assert [each for node in at_once for each in imported(node) if within(each, *PACKAGES)] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_no_folder_hides_another_one(folder: Path) -> None:
    entries = {
        path.name
        for path in (ROOT / folder).iterdir()
        if path.name not in ("__init__.py", "__pycache__", "py.typed")
    }
    assert len(entries) <= MOST_ENTRIES


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_module_is_one_idea_and_says_which(name: str) -> None:
    text = FILES[name].read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert text.count("\n") <= MOST_LINES
