"""What is to be said of what a pipeline uses: of itself, its target, its inputs, and settings."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Collection, Iterator, Mapping

from runners.compat.findings import Finding, Kind, dotted
from runners.compat.settings import ABSENT, DEFAULTS, instead_of
from runners.confinement.environment import is_secret
from runners.pipeline.absent import (
    OF_DATA,
    OF_PROCESSES,
    OF_PRODUCTS,
    OF_QUERY_SETS,
    OF_TARGETS,
)
from runners.pipeline.input_list import FIELDS, LOOKUPS
from runners.pipeline.process import RESERVED_STATUSES
from runners.pipeline.results import DATA_PRODUCT, REDUCED_DATUM

#: Of `self`, what works and what it does.
OF_SELF = {
    "save": "it shows a status that was set by hand; all else is stored at once",
    "log": "each line is stored and shown at once",
    "logs": "what this run has logged; what is added is logged, nothing can be taken away",
    "status": "save() shows it",
    "update_status": "it is shown at once",
    "pk": "the PK of the process",
    "id": "the PK of the process",
    "group": "it is None while the pipeline runs",
    "identifier": "the identifier of the process",
}
#: Given by the server whether or not the configuration has them.
GIVEN = frozenset({*DEFAULTS, "BASE_DIR", "TOM_EDUCATION_TIMELAPSE_SETTINGS"})
_STATUS_NAMES = frozenset({"ASYNC_STATUS_PENDING", "ASYNC_STATUS_CREATED", "ASYNC_STATUS_FAILED"})
_TO_FAIL = "the server sets it; to fail, raise AsyncError(message)"
_CREATE = {
    "DataProduct": "write the file into tmpdir and yield PipelineOutput(path, DataProduct)",
    "ReducedDatum": (
        "yield PipelineOutput(path=None, output_type=ReducedDatum,"
        " data=(MJD, magnitude, error, file))"
    ),
}


class Uses:
    """Looks at what the methods of a pipeline use.

    `settings` are the names of Django's settings in the module, `configured` the settings that
    `config.yml` has, `products` the names of variables that hold inputs.
    """

    def __init__(
        self, settings: Collection[str], configured: Collection[str], products: Collection[str]
    ) -> None:
        self._settings = settings
        self._known = GIVEN | set(configured)
        self._products = products

    def of(self, node: ast.AST) -> Iterator[Finding]:
        """Yield what is to be said of one node."""
        if isinstance(node, ast.Attribute):
            yield from self._of_attribute(node)
        elif isinstance(node, ast.Call):
            yield from self._of_call(node)
        elif isinstance(node, ast.Assign):
            yield from _of_assignment(node)
        elif isinstance(node, ast.Subscript):
            yield from _of_environment(node.lineno, node.value, node.slice)

    def _of_attribute(self, node: ast.Attribute) -> Iterator[Finding]:
        owner, name, line = node.value, node.attr, node.lineno
        whose = dotted(owner)
        if whose and whose in self._settings:
            yield self._of_setting(line, f"{whose}.{name}", name)
        elif name == "objects" and whose:
            say = _CREATE.get(whose, OF_PROCESSES["objects"])
            yield Finding(line, Kind.CHANGE, f"{whose}.objects", say)
        elif whose in ("self", "PipelineProcess"):
            yield from _from_tables(line, node, name, OF_PROCESSES, OF_SELF)
        elif whose == "self.target":
            yield from _from_tables(line, node, name, OF_TARGETS)
        elif _is_of_inputs(owner):
            yield from _from_tables(line, node, name, OF_QUERY_SETS)
        elif whose.endswith(".data.file") and name == "name":
            say = "it is the name that was uploaded, not a path: for that, use .data.path"
            yield Finding(line, Kind.LOOK, f"{whose}.{name}", say)
        elif isinstance(owner, ast.Attribute) and owner.attr == "data":
            if self._is_product(owner.value):
                yield from _from_tables(line, node, name, OF_DATA)
        elif self._is_product(owner):
            yield from _from_tables(line, node, name, OF_PRODUCTS)

    def _is_product(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            return node.id in self._products
        return _is_one_input(node)

    def _of_setting(self, line: int, what: str, name: str) -> Finding:
        if name in ABSENT and name not in self._known:
            return Finding(line, Kind.CHANGE, what, ABSENT[name])
        if name in self._known:
            return Finding(line, Kind.WORKS, what, "it has a value")
        return Finding(line, Kind.CHANGE, what, instead_of(name))

    def _of_call(self, node: ast.Call) -> Iterator[Finding]:
        called = dotted(node.func)
        if called == "getattr" and len(node.args) > 1:
            yield from self._of_getattr(node)
        elif called == "self.update_status" and node.args:
            yield from _of_status(node.lineno, called, node.args[0])
        elif called.rpartition(".")[2] == "PipelineOutput":
            yield from _of_output(node)
        elif isinstance(node.func, ast.Attribute) and node.func.attr in ("filter", "exclude"):
            if _is_of_inputs(node.func.value):
                yield from _of_filter(node)
        elif called in ("os.getenv", "os.environ.get") and node.args:
            yield from _of_variable(node.lineno, node.args[0])

    def _of_getattr(self, node: ast.Call) -> Iterator[Finding]:
        owner, name = node.args[0], node.args[1]
        if dotted(owner) in self._settings and isinstance(name, ast.Constant):
            what = f"{dotted(owner)}.{name.value!s}"
            if len(node.args) > 2 and name.value not in self._known:
                say = "without compat.settings in config.yml it has the default"
                yield Finding(node.lineno, Kind.WORKS, what, say)
            else:
                yield self._of_setting(node.lineno, what, str(name.value))


def products_in(tree: ast.AST) -> set[str]:
    """Return the names of variables that hold inputs of a run, as far as that can be seen."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.comprehension) and _mentions_inputs(node.iter):
            names |= {each.id for each in ast.walk(node.target) if isinstance(each, ast.Name)}
        elif isinstance(node, ast.Assign) and _is_one_input(node.value):
            names |= {each.id for each in node.targets if isinstance(each, ast.Name)}
    return names


def _is_one_input(node: ast.expr) -> bool:
    """Return whether this is what `first()` and the like return of the inputs, or one by number."""
    if isinstance(node, ast.Subscript):
        return not isinstance(node.slice, ast.Slice) and _is_of_inputs(node.value)
    method = node.func if isinstance(node, ast.Call) else None
    if not isinstance(method, ast.Attribute) or method.attr not in ("first", "last", "get"):
        return False
    return _is_of_inputs(method.value)


def _mentions_inputs(node: ast.AST) -> bool:
    """Return whether the inputs are in an expression, as far as one looks."""
    return any(
        isinstance(each, ast.Attribute) and each.attr == "input_files"
        for each in itertools.islice(ast.walk(node), 50)
    )


def _is_of_inputs(node: ast.expr) -> bool:
    """Return whether this is `self.input_files`, or what `all()`, `filter()` and so on return."""
    for _ in range(8):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            break
        if node.func.attr not in ("all", "filter", "exclude", "order_by"):
            return False
        node = node.func.value
    return isinstance(node, ast.Attribute) and node.attr == "input_files"


def _from_tables(
    line: int,
    node: ast.expr,
    name: str,
    absent: Mapping[str, str],
    works: Mapping[str, str] | None = None,
) -> Iterator[Finding]:
    if name in absent:
        yield Finding(line, Kind.CHANGE, dotted(node) or f".{name}", absent[name])
    elif works and name in works:
        yield Finding(line, Kind.WORKS, dotted(node), works[name])


def _of_assignment(node: ast.Assign) -> Iterator[Finding]:
    for target in node.targets:
        what = dotted(target)
        if what == "self.status":
            yield from _of_status(node.lineno, what, node.value)
        elif what == "self.failure_message":
            yield Finding(node.lineno, Kind.LOOK, what, _TO_FAIL)


def _of_status(line: int, what: str, value: ast.expr) -> Iterator[Finding]:
    constant = value.value if isinstance(value, ast.Constant) else None
    by_name = isinstance(value, ast.Name) and value.id in _STATUS_NAMES
    if by_name or (isinstance(constant, str) and constant in RESERVED_STATUSES):
        kind = Kind.CHANGE if what.endswith("update_status") else Kind.LOOK
        yield Finding(line, kind, f"{what}: {ast.unparse(value)}", _TO_FAIL)


def _of_output(node: ast.Call) -> Iterator[Finding]:
    given = {each.arg: each.value for each in node.keywords if each.arg}
    kind = node.args[1] if len(node.args) > 1 else given.get("output_type")
    name = kind.value if isinstance(kind, ast.Constant) else dotted(kind)
    last = str(name or DATA_PRODUCT).rpartition(".")[2]
    if last == REDUCED_DATUM:
        say = "a table of magnitudes or data=(MJD, magnitude, error, file) joins the light curve,"
        yield Finding(node.lineno, Kind.WORKS, "PipelineOutput", f"{say} any other text is a file")
    elif last == DATA_PRODUCT or not isinstance(kind, ast.Constant):
        yield Finding(node.lineno, Kind.WORKS, "PipelineOutput", "it becomes a data product")
    else:
        say = "the output type is DataProduct or ReducedDatum"
        yield Finding(node.lineno, Kind.CHANGE, f"PipelineOutput of {name!r:.80}", say)


def _of_filter(node: ast.Call) -> Iterator[Finding]:
    wrong = [each.arg for each in node.keywords if each.arg and not _is_known(each.arg)]
    if wrong or node.args:
        say = f"{OF_QUERY_SETS['values']}; fields are {', '.join(FIELDS)}"
        yield Finding(node.lineno, Kind.CHANGE, f"filter({', '.join(wrong) or '…'})", say)
    else:
        yield Finding(node.lineno, Kind.WORKS, "filter", "of the inputs, by their names and types")


def _is_known(name: str) -> bool:
    field, _, lookup = name.partition("__")
    return field in FIELDS and (lookup or "exact") in LOOKUPS


def _of_environment(line: int, owner: ast.expr, key: ast.expr) -> Iterator[Finding]:
    if dotted(owner) == "os.environ":
        yield from _of_variable(line, key)


def _of_variable(line: int, name: ast.expr) -> Iterator[Finding]:
    if isinstance(name, ast.Constant) and isinstance(name.value, str) and is_secret(name.value):
        say = "runs get no secrets of the server unless limits.environment in config.yml names them"
        yield Finding(line, Kind.CHANGE, f"the variable {name.value:.80}", say)
