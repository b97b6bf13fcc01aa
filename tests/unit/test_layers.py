"""Who may import whom: the layers of the design, read off the source without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("server", "handlers", "runners")
LEAVES = (
    "server.core.records",
    "server.core.errors",
    "server.config",
    "server.config.config",
    "server.config.sections",
    "server.config.pipelines",
    "server.config.rules",
    "server.config.sources",
)
DRIVERS = ("motor", "pymongo", "bson", "gridfs")


def module_name(path: Path) -> str:
    """What Python calls the module of this file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


def imported_by(name: str) -> set[str]:
    """Every module that one imports, also within functions and for type checking only."""
    return set(_imports(name, ast.parse(FILES[name].read_text(encoding="utf-8"))))


def _imports(name: str, tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = _absolute(name, node)
            for alias in node.names:
                # `from server import hub` names a module, `from server.hub import Hub` does not.
                inner = f"{start}.{alias.name}"
                yield inner if inner in FILES else start


def _absolute(name: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = name.split(".") if FILES[name].name == "__init__.py" else name.split(".")[:-1]
    parts = package[: len(package) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def within(name: str, *packages: str) -> bool:
    """Whether a module is one of these or inside one of them."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def offences(importers: Iterator[str] | list[str], *forbidden: str) -> list[str]:
    """Which of the importers import what they should not."""
    return [
        f"{importer} imports {imported}"
        for importer in importers
        for imported in sorted(imported_by(importer))
        if within(imported, *forbidden)
    ]


def every_module_but(*packages: str) -> list[str]:
    """All modules outside of these."""
    return [name for name in FILES if not within(name, *packages)]


def test_the_leaves_import_only_leaves() -> None:
    others = [name for name in every_module_but(*LEAVES) if "." in name]
    present = [name for name in LEAVES if name in FILES]
    assert offences(present, *others) == []


def test_store_and_hub_do_not_know_each_other() -> None:
    store = [name for name in FILES if within(name, "server.store")]
    assert offences(store, "server.core.hub") == []
    assert offences(["server.core.hub"], "server.store") == []


def test_the_store_knows_nothing_above_it() -> None:
    store = [name for name in FILES if within(name, "server.store")]
    below = (*LEAVES, "server.core.data_folder")
    above = [name for name in every_module_but("server.store", *below) if name != "server"]
    assert offences(store, *above) == []
    assert offences(["server.core.data_folder"], *above, "server.store") == []


def test_runners_import_nothing_of_the_server_but_leaves() -> None:
    runners = [name for name in FILES if within(name, "runners")]
    others = [name for name in every_module_but("runners", *LEAVES) if name != "server"]
    assert offences(runners, *others) == []


def test_what_runs_in_the_child_knows_no_asyncio() -> None:
    in_the_server = {f"runners.{name}" for name in ("dask", "examiner", "pool", "registry")}
    in_the_child = [name for name in FILES if within(name, "runners") and name not in in_the_server]
    assert offences(in_the_child, "asyncio") == []


def test_handlers_never_import_the_dispatcher_the_hub_or_the_runners() -> None:
    handlers = [name for name in FILES if within(name, "handlers")]
    assert offences(handlers, "server.execution.dispatcher", "server.core.hub", "runners") == []


def test_only_the_composition_root_imports_handlers() -> None:
    assert offences(every_module_but("handlers", "server.app.server"), "handlers") == []


def test_tornado_stays_in_the_handlers_and_the_composition_root() -> None:
    assert offences(every_module_but("handlers", "server.app.server"), "tornado") == []


def test_the_database_driver_stays_in_one_file_of_the_store() -> None:
    assert offences(every_module_but("server.store.driver.connection"), *DRIVERS) == []


def test_the_embedded_engine_stays_in_the_store() -> None:
    assert offences(every_module_but("server.store"), "nx_27017", "neosqlite") == []


def test_the_command_line_imports_nothing_of_the_project_before_it_runs() -> None:
    tree = ast.parse(FILES["server.__main__"].read_text(encoding="utf-8"))
    at_once = {
        imported
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for imported in _imports("server.__main__", node)
    }
    assert not [name for name in at_once if within(name, *PACKAGES)]


def without_types_only(tree: ast.Module) -> ast.Module:
    """The module less its `if TYPE_CHECKING:`, which never runs."""
    body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    return ast.Module(body=body, type_ignores=[])


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        # `from server import x` is no use of the package itself.
        name: set(_imports(name, without_types_only(ast.parse(path.read_text("utf-8")))))
        - set(PACKAGES)
        for name, path in FILES.items()
    }
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_module_says_what_it_is_for(name: str) -> None:
    assert ast.get_docstring(ast.parse(FILES[name].read_text(encoding="utf-8")))
