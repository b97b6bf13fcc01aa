"""Describes a pipeline's class: checks its attributes, and finds the files that it is made of.

It runs in a child, which has imported the class; starting that child is left to `registry`.
"""

from __future__ import annotations

import inspect
import keyword
import sys
import traceback
from collections.abc import Iterable, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from runners.pipeline.process import PipelineProcess

PROCESS_TYPES = ("pipeline", "timelapse")
#: Parameters of `do_pipeline` that a flag would be given twice.
TAKEN = frozenset({"self", "tmpdir"})
#: The most files that are named for one class.
MOST_FILES = 50


class BadAttribute(ValueError):
    """A class attribute is not what it must be; the sentence says which, for its author."""


def describe_class(pipeline: type[PipelineProcess]) -> dict[str, Any]:
    """Return the description of a pipeline class. Raise BadAttribute for what it may not have."""
    return {
        "short_name": _short_name(pipeline.short_name),
        "process_type": _process_type(pipeline.process_type),
        "description": _description(pipeline),
        "allowed_suffixes": _suffixes(pipeline.allowed_suffixes),
        "flags": _flags(pipeline.flags),
        "error": _unavailable(pipeline),
    }


def files_of(path: str, import_folder: str | None) -> list[str]:
    """Return the files that the import of a class begins with, also those that are missing.

    Nothing is imported to find them.
    """
    parts = path.split(".")[:-1]
    names = [".".join(parts[:number]) for number in range(1, len(parts) + 1)]
    found = list(_found(names))
    if import_folder is not None:
        found += _candidates(names, Path(import_folder))
    return list(dict.fromkeys(found))[:MOST_FILES]


def files_of_error(error: BaseException, import_folder: str | None) -> list[str]:
    """Return the files whose change may repair an import that failed."""
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        files.append(error.filename)
    if import_folder is None:
        return [name for name in files if name.endswith(".py")][-MOST_FILES:]
    if isinstance(error, ImportError) and error.name:
        files += _candidates([error.name], Path(import_folder))
    loaded = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    files += [name for name in loaded if isinstance(name, str)]
    own = [name for name in files if Path(name).is_relative_to(import_folder)]
    return list(dict.fromkeys(own))[:MOST_FILES]


def source_of(pipeline: type[PipelineProcess]) -> list[str]:
    """Return the file that a class is written in, none if it is not in a file."""
    try:
        source = inspect.getsourcefile(pipeline)
    except TypeError:
        return []
    return [] if source is None else [source]


def _found(names: Iterable[str]) -> Iterable[str]:
    places: Any = None
    for name in names:
        try:
            spec = PathFinder.find_spec(name, places)
        except KeyError:  # inside a namespace package, which would have to be imported first
            return
        if spec is None:
            return
        if spec.origin is not None and spec.has_location:
            yield spec.origin
        places = spec.submodule_search_locations
        if places is None:
            return


def _candidates(names: Iterable[str], folder: Path) -> list[str]:
    """Return where modules of these names would be."""
    places = [folder.joinpath(*name.split(".")) for name in names]
    return [
        str(file) for place in places for file in (place.with_suffix(".py"), place / "__init__.py")
    ]


def _short_name(name: Any) -> str:
    if not (isinstance(name, str) and name and name.isprintable() and len(name) <= 50):
        raise BadAttribute("short_name must be 1 to 50 visible characters")
    if "/" in name or "\\" in name:
        raise BadAttribute("short_name must not contain slashes")
    return name


def _process_type(kind: Any) -> str:
    if not (isinstance(kind, str) and kind in PROCESS_TYPES):
        raise BadAttribute(f"process_type must be {' or '.join(map(repr, PROCESS_TYPES))}")
    return kind


def _description(pipeline: type[PipelineProcess]) -> str:
    text = inspect.getdoc(pipeline)
    return text if isinstance(text, str) else ""


def _suffixes(suffixes: Any) -> list[str]:
    if suffixes is None:
        return []
    if not (
        isinstance(suffixes, list | tuple)
        and all(isinstance(suffix, str) and suffix for suffix in suffixes)
    ):
        raise BadAttribute("allowed_suffixes must be a list of strings such as ['.fits'], or None")
    return list(suffixes)


def _flags(flags: Any) -> dict[str, dict[str, Any]]:
    if flags is None:
        return {}
    if not isinstance(flags, Mapping):
        raise BadAttribute("flags must be a mapping of names to mappings, or None")
    return {_flag_name(name): _flag(name, flag) for name, flag in flags.items()}


def _flag_name(name: Any) -> str:
    if not (isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)):
        raise BadAttribute(f"flags: {name!r} must be a name as variables have in Python")
    if name in TAKEN:
        raise BadAttribute(f"flags: {name!r} is already a parameter of do_pipeline")
    return name


def _flag(name: str, flag: Any) -> dict[str, Any]:
    if not isinstance(flag, Mapping):
        raise BadAttribute(
            f"flags: {name!r} must be a mapping such as {{'default': False, 'long_name': 'Text'}}"
        )
    default, long_name = flag.get("default"), flag.get("long_name", name)
    if not isinstance(default, bool):
        raise BadAttribute(f"flags: the default of {name!r} must be True or False")
    if not isinstance(long_name, str):
        raise BadAttribute(f"flags: the long_name of {name!r} must be a string")
    return {"default": default, "long_name": long_name}


def _unavailable(pipeline: type[PipelineProcess]) -> str | None:
    reason = pipeline.unavailable()
    if reason is not None and not isinstance(reason, str):
        raise BadAttribute("unavailable() must return a sentence or None")
    return reason
