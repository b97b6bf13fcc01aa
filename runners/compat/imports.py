"""What the imports of a pipeline that was written for tom_education become."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from runners.compat.findings import Finding, Kind

#: What `runners.compat` exports under the same name.
SAME = frozenset(
    {
        "ASYNC_STATUS_CREATED",
        "ASYNC_STATUS_FAILED",
        "ASYNC_STATUS_PENDING",
        "ASYNC_TERMINAL_STATES",
        "AsyncError",
        "DataProduct",
        "PipelineOutput",
        "PipelineProcess",
        "ReducedDatum",
    }
)
#: Modules from which these come.
MODELS = ("tom_education.models", "tom_dataproducts.models")
SETTINGS = "django.conf"
COMPAT = "runners.compat"

_NO_DATABASE = "take it away: a run has no database, only its target and its files"
#: Of names in these modules that have no counterpart, what to do instead.
INSTEAD = {
    "AsyncProcess": "derive from PipelineProcess: `from runners.compat import PipelineProcess`",
    "TimelapsePipeline": "use the built-in pipeline Timelapse, or write its frames yourself",
    "DataProductGroup": "take it away: the outputs of a run are put into a group by the server",
    "InvalidPipelineError": "take it away: the server checks classes when they are described",
    "Target": "take it away: the target is self.target",
}
#: What to do about other modules, the longest beginning of a name first.
MODULES = {
    "django.core.files": "write the file into tmpdir and yield its path",
    "django.db": _NO_DATABASE,
    "django.utils.timezone": "use datetime.now(UTC) of Python's datetime",
    "django.core.exceptions": "raise AsyncError to fail with a message",
    "django": "take it away: there is no Django here",
    "tom_targets": INSTEAD["Target"],
    "tom_dataproducts": _NO_DATABASE,
    "tom_observations": _NO_DATABASE,
    "tom_education.utils": "take it away: the server checks allowed_suffixes at submit",
    "tom_education": "take it away: only what pipelines need is here, see runners.compat",
    "tom_common": _NO_DATABASE,
    "dramatiq": "take it away: the server queues and runs processes itself",
    "django_dramatiq": "take it away: the server queues and runs processes itself",
}


def of_imports(tree: ast.AST) -> Iterator[Finding]:
    """Yield what is to be said of the imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield from _of_import_from(node, node.module or "")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield from _of_import(node.lineno, alias)


def settings_names(tree: ast.AST) -> set[str]:
    """Return the names under which a module has Django's settings, or ours."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in (SETTINGS, COMPAT)
        for alias in node.names
        if alias.name == "settings"
    }


def _of_import_from(node: ast.ImportFrom, module: str) -> Iterator[Finding]:
    line, what = node.lineno, ast.unparse(node)
    if module == SETTINGS:
        yield Finding(line, Kind.CHANGE, what, f"from {COMPAT} import {_listed(node.names)}")
    elif any(module == each or module.startswith(f"{each}.") for each in MODELS):
        yield from _of_models(node, what)
    elif module == COMPAT or module == "runners":
        yield Finding(line, Kind.WORKS, what, "it is changed already")
    elif names := [each for each in node.names if f"{module}.{each.name}" in (*MODELS, SETTINGS)]:
        for alias in names:
            say = f"from runners import compat as {alias.asname or alias.name}"
            yield Finding(line, Kind.CHANGE, f"from {module} import {ast.unparse(alias)}", say)
    else:
        yield from _of_module(line, what, module)


def _of_models(node: ast.ImportFrom, what: str) -> Iterator[Finding]:
    if any(alias.name == "*" for alias in node.names):
        names = ", ".join(sorted(SAME))
        yield Finding(node.lineno, Kind.CHANGE, what, f"name what you use: {names}")
        return
    known = [alias for alias in node.names if alias.name in SAME]
    if known:
        yield Finding(node.lineno, Kind.CHANGE, what, f"from {COMPAT} import {_listed(known)}")
    for alias in node.names:
        if alias.name not in SAME:
            say = INSTEAD.get(alias.name, _NO_DATABASE)
            yield Finding(node.lineno, Kind.CHANGE, f"import of {alias.name}", say)


def _listed(names: list[ast.alias]) -> str:
    return ", ".join(ast.unparse(alias) for alias in names)


def _of_import(line: int, alias: ast.alias) -> Iterator[Finding]:
    module = alias.name
    if alias.asname and module in (*MODELS, SETTINGS):
        say = f"import {COMPAT} as {alias.asname}"
        yield Finding(line, Kind.CHANGE, f"import {ast.unparse(alias)}", say)
    elif any(module == each or module.startswith(f"{each}.") for each in MODELS):
        names = f"from {COMPAT} import what you use"
        yield Finding(line, Kind.CHANGE, f"import {module}", names)
    elif module == SETTINGS:
        yield Finding(line, Kind.CHANGE, f"import {module}", f"from {COMPAT} import settings")
    else:
        yield from _of_module(line, f"import {module}", module)


def _of_module(line: int, what: str, module: str) -> Iterator[Finding]:
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        name = ".".join(parts[:end])
        if name in MODULES:
            yield Finding(line, Kind.CHANGE, what, MODULES[name])
            return
    if parts[0] == "astrosource":
        say = "astrosource from 1.8 on has another interface: the built-in pipeline astrosource has"
        yield Finding(line, Kind.LOOK, what, f"{say} been fitted to it")
