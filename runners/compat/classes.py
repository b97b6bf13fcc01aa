"""What is to be said of the classes of a pipeline: their attributes, flags and methods."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Iterator

from runners.compat.findings import Finding, Kind, dotted

#: Whose heirs are pipelines.
BASES = frozenset({"PipelineProcess", "TimelapsePipeline", "AsyncProcess"})
#: Parameters of `do_pipeline` that a flag would be given twice.
TAKEN = frozenset({"self", "tmpdir"})
LONGEST_SHORT_NAME = 50


def pipelines_in(tree: ast.AST) -> list[ast.ClassDef]:
    """Return the classes that are pipelines: heirs of the base class, and theirs."""
    heirs: dict[str, list[ast.ClassDef]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                heirs.setdefault(_last(base), []).append(node)
    found: dict[int, ast.ClassDef] = {}
    waiting = [each for base in BASES | _other_names(tree) for each in heirs.get(base, ())]
    while waiting:
        new = waiting.pop()
        if id(new) not in found:
            found[id(new)] = new
            waiting += heirs.get(new.name, ())
    return sorted(found.values(), key=lambda each: each.lineno)


def _other_names(tree: ast.AST) -> set[str]:
    """Return the names under which a module imports the bases."""
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    aliases = (alias for node in imports for alias in node.names)
    return {alias.asname for alias in aliases if alias.asname and alias.name in BASES}


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def of_class(pipeline: ast.ClassDef) -> Iterator[Finding]:
    """Yield what is to be said of a pipeline's class."""
    yield Finding(pipeline.lineno, Kind.WORKS, f"class {pipeline.name}", "it is a pipeline")
    values = dict(_attributes(pipeline))
    for node in pipeline.body:
        if isinstance(node, ast.ClassDef) and node.name == "Meta":
            yield Finding(node.lineno, Kind.WORKS, "class Meta", "it is left aside")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _of_method(node, values.get("flags"))
    for name, value in values.items():
        yield from _of_attribute(name, value)


def _attributes(pipeline: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    for node in pipeline.body:
        if isinstance(node, ast.Assign):
            yield from (
                (each.id, node.value) for each in node.targets if isinstance(each, ast.Name)
            )
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value


def _of_attribute(name: str, value: ast.expr) -> Iterator[Finding]:
    line = value.lineno
    if isinstance(value, ast.Call) and dotted(value.func).startswith("models."):
        say = "take it away: there is no database; what you set on self lasts for the run"
        yield Finding(line, Kind.CHANGE, f"{name} = {dotted(value.func)}(…)", say)
    elif name == "flags" and isinstance(value, ast.Dict):
        yield from _of_flags(value)
    elif name == "short_name" and isinstance(value, ast.Constant):
        yield _of_short_name(line, value.value)
    elif name == "allowed_suffixes":
        yield from _of_suffixes(value)


def _of_short_name(line: int, name: object) -> Finding:
    fits = isinstance(name, str) and name.isprintable() and 0 < len(name) <= LONGEST_SHORT_NAME
    if fits and not {"/", "\\"} & set(str(name)):
        return Finding(line, Kind.WORKS, f"short_name = {name!r}", "identifiers begin with it")
    say = f"1 to {LONGEST_SHORT_NAME} visible characters without slashes"
    return Finding(line, Kind.CHANGE, f"short_name = {name!r:.80}", say)


def _of_suffixes(value: ast.expr) -> Iterator[Finding]:
    if isinstance(value, ast.Constant) and value.value is None:
        return
    if isinstance(value, ast.List | ast.Tuple):
        wrong = [each for each in value.elts if not _is_text(each)]
        if not any(isinstance(each, ast.Constant) for each in wrong):
            yield Finding(value.lineno, Kind.WORKS, "allowed_suffixes", "case does not matter here")
            return
    if isinstance(value, ast.List | ast.Tuple | ast.Constant | ast.Set | ast.Dict):
        say = "a list of texts such as ['.fits'], or None"
        yield Finding(value.lineno, Kind.CHANGE, "allowed_suffixes", say)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(node.value)


def _of_flags(flags: ast.Dict) -> Iterator[Finding]:
    for key, value in zip(flags.keys, flags.values, strict=True):
        if isinstance(key, ast.Constant):
            yield _of_flag(key.lineno, key.value, value)


def _of_flag(line: int, name: object, value: ast.expr) -> Finding:
    what = f"flag {name!r:.80}"
    if not (isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)):
        return Finding(line, Kind.CHANGE, what, "name it as variables are named")
    if name in TAKEN:
        return Finding(line, Kind.CHANGE, what, "name it otherwise: a parameter has that name")
    if not isinstance(value, ast.Dict):
        known = isinstance(value, ast.Constant | ast.List | ast.Tuple)
        say = "a mapping: {'default': False, 'long_name': 'Text'}"
        return Finding(line, Kind.CHANGE if known else Kind.LOOK, what, say)
    return _of_options(line, what, value)


def _of_options(line: int, what: str, options: ast.Dict) -> Finding:
    given = {
        key.value: value
        for key, value in zip(options.keys, options.values, strict=True)
        if isinstance(key, ast.Constant)
    }
    default, long_name = given.get("default"), given.get("long_name")
    if default is None and None not in options.keys:
        return Finding(line, Kind.CHANGE, what, "give it 'default': False")
    if isinstance(default, ast.Constant) and not isinstance(default.value, bool):
        return Finding(line, Kind.CHANGE, what, "make its default True or False")
    if isinstance(long_name, ast.Constant) and not isinstance(long_name.value, str):
        return Finding(line, Kind.CHANGE, what, "make its long_name a text")
    if isinstance(default, ast.Constant) and default.value is True:
        say = "by the API it is true unless it is given; the old form sends it only if it is ticked"
        return Finding(line, Kind.LOOK, what, say)
    return Finding(line, Kind.WORKS, what, "it is a flag")


def _of_method(
    method: ast.FunctionDef | ast.AsyncFunctionDef, flags: ast.expr | None
) -> Iterator[Finding]:
    line, what = method.lineno, f"def {method.name}"
    if method.name == "run":
        yield Finding(line, Kind.CHANGE, what, "the server calls do_pipeline alone")
    elif method.name != "do_pipeline":
        return
    elif isinstance(method, ast.AsyncFunctionDef):
        yield Finding(line, Kind.CHANGE, f"async {what}", "make it a plain function")
    else:
        yield from _of_do_pipeline(method, flags)


def _of_do_pipeline(method: ast.FunctionDef, flags: ast.expr | None) -> Iterator[Finding]:
    taken = method.args
    names = [each.arg for each in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)]
    given = [
        key.value
        for key in (flags.keys if isinstance(flags, ast.Dict) else ())
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    ]
    missing = [] if taken.kwarg else [name for name in given if name not in names]
    if len(taken.posonlyargs) + len(taken.args) < 2 and not taken.vararg:
        say = "def do_pipeline(self, tmpdir, **flags)"
        yield Finding(method.lineno, Kind.CHANGE, "def do_pipeline", say)
    elif missing:
        say = f"it gets every flag: take {', '.join(missing)} too, or **flags"
        yield Finding(method.lineno, Kind.CHANGE, "def do_pipeline", say)
    else:
        yield Finding(method.lineno, Kind.WORKS, "def do_pipeline", "it is called so")
