"""Reads a pipeline that was written for tom_education and says, line by line, what it needs here.

Nothing of it is imported or run.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Collection

from runners.compat.classes import of_class, pipelines_in
from runners.compat.findings import Finding, Kind
from runners.compat.imports import of_imports, settings_names
from runners.compat.uses import Uses, products_in

#: More than any module of a person's own hand has.
MOST_BYTES = 1 << 20


class NotReadable(Exception):
    """The text is no Python that can be read; the sentence says why."""


def advise(source: bytes, configured: Collection[str] = ()) -> tuple[list[Finding], list[str]]:
    """Return what is to be said of a module, by its lines, and the names of the pipelines in it.

    `configured` are the settings that `compat.settings` of `config.yml` has. Raise NotReadable.
    """
    tree = _parsed(source)
    try:
        return _advise(tree, configured)
    except RecursionError as error:
        raise NotReadable("it is nested too deeply") from error


def _advise(tree: ast.Module, configured: Collection[str]) -> tuple[list[Finding], list[str]]:
    pipelines = pipelines_in(tree)
    found = list(of_imports(tree))
    for pipeline in pipelines:
        found += of_class(pipeline)
    uses = Uses(settings_names(tree), configured, products_in(tree))
    for node in ast.walk(tree):
        found += uses.of(node)
    if not pipelines:
        say = "there is no class in it that is derived from PipelineProcess"
        found.append(Finding(1, Kind.LOOK, "the module", say))
    ordered = sorted(dict.fromkeys(found), key=lambda each: (each.line, each.kind, each.what))
    return ordered, [pipeline.name for pipeline in pipelines]


def _parsed(source: bytes) -> ast.Module:
    if len(source) > MOST_BYTES:
        raise NotReadable(f"it has over {MOST_BYTES:,} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the author's escapes, which are no matter here
            return ast.parse(source)
    except SyntaxError as error:
        where = "" if error.lineno is None else f"line {error.lineno}: "
        raise NotReadable(f"{where}{error.msg}") from error
    except ValueError as error:  # NUL among its bytes
        raise NotReadable("it is no text") from error
    except (RecursionError, MemoryError) as error:
        raise NotReadable("it is nested too deeply") from error
