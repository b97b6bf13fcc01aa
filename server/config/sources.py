"""Reading the sources of configured values: config.yml, the environment, the command line.

A later source overrides an earlier one, and every complaint goes into one error. Keys and rules
are the caller's.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from server.config.rules import Refused, Rule, Unknown, show
from server.core.errors import StartError

PREFIX = "HELIOGRAPH_"
IGNORED_PREFIX = "HELIOGRAPH_TEST_"
#: No configuration is longer, and parsing a longer file would hold up the start.
LIMIT_BYTES = 1024 * 1024


class Given(NamedTuple):
    """A value as one source gives it."""

    key: str
    value: Any
    source: str


class Complaints:
    """What is wrong, raised all at once, or as soon as there are too many to read."""

    MOST = 20

    def __init__(self) -> None:
        self._sentences: list[str] = []

    def add(self, sentence: str) -> None:
        """Add a complaint; raise StartError when it is one too many."""
        self._sentences.append(sentence)
        if len(self._sentences) == self.MOST:
            self._sentences.append("and perhaps more")
            self.raise_if_any()

    def raise_if_any(self) -> None:
        """Raise StartError with one line for each complaint."""
        if self._sentences:
            raise StartError("\n".join(self._sentences))


class _Loader(yaml.SafeLoader):
    """YAML without what only mistakes and attacks use: aliases, and a key given twice."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*) are not allowed", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                problem = f"the key {show(key.value)} is there twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse_yaml(written: str) -> object:
    """Return what the YAML holds, None when it is empty; raise ValueError with the reason."""
    try:
        return yaml.load(written, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"{error.problem}{place}") from error
    except yaml.reader.ReaderError as error:
        raise ValueError(f"the character at {error.position} is not allowed in YAML") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except (ValueError, TypeError) as error:  # such as a date in the month 13, a list as a key
        raise ValueError(f"a value cannot be read: {error}") from error


def yaml_or_text(written: str) -> Any:
    """Return what a variable holds as YAML, or as it is if it is none: its rule then refuses it."""
    try:
        return parse_yaml(written)
    except ValueError:
        return written


def read_file(path: Path) -> dict[object, object]:
    """Return the mapping that a config.yml holds; raise StartError when there is none to read."""
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise StartError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > LIMIT_BYTES:
        raise StartError(f"{path} is over {LIMIT_BYTES} bytes, too large for a configuration")
    try:
        tree = parse_yaml(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise StartError(f"{path} is not UTF-8: see the byte at {error.start}") from error
    except ValueError as error:
        raise StartError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(tree, dict | None):
        raise StartError(f"{path} holds {show(tree)}; allowed is a mapping of keys to values")
    return tree or {}


def gather(
    path: Path | None,
    environ: Mapping[str, str],
    options: Mapping[str, object],
    rules: Mapping[str, Rule],
) -> dict[str, Given]:
    """Return the value of each key that any source gives, with the last source to give it.

    Every value is checked, also one that a later source overrides. Raise StartError with one line
    for each complaint.
    """
    complaints = Complaints()
    given = list(_from_file(path, rules, complaints)) if path else []
    given += _from_environment(environ, rules, complaints)
    given += _from_options(options, rules, complaints)
    values: dict[str, Given] = {}
    for each in given:
        try:
            values[each.key] = _read(each, rules[each.key])
        except StartError as error:
            complaints.add(str(error))
    complaints.raise_if_any()
    return values


def _read(given: Given, rule: Rule) -> Given:
    """Return what is given with its value read; raise StartError that says what is wrong."""
    try:
        return given._replace(value=rule.read(given.value))
    except Refused as refused:
        name = ".".join((given.key, *refused.path))
        value = "the given value" if rule.secret else show(refused.value)
        raise StartError(not_allowed(name, value, given.source, refused.allowed)) from refused
    except Unknown as unknown:
        name = ".".join((given.key, *unknown.path, unknown.key))
        sentence = unknown_key(name, given.source, unknown.key, unknown.known)
        raise StartError(sentence) from unknown


def _from_file(path: Path, rules: Mapping[str, Rule], complaints: Complaints) -> Iterator[Given]:
    source = str(path)
    for name, value in _flatten(read_file(path), rules, source, complaints):
        if name in rules:
            yield Given(name, value, source)
        else:
            complaints.add(unknown_key(name, source, name, rules))


def _flatten(
    tree: dict[object, object],
    rules: Mapping[str, Rule],
    source: str,
    complaints: Complaints,
    within: str = "",
) -> Iterator[tuple[str, object]]:
    """Yield dotted keys and their values. An empty section (`http:`) gives nothing."""
    for key, value in tree.items():
        name = f"{within}{key}"
        inner = [known.removeprefix(f"{name}.") for known in rules if known.startswith(f"{name}.")]
        if not inner or not isinstance(key, str):
            yield name, value
        elif isinstance(value, dict):
            yield from _flatten(value, rules, source, complaints, f"{name}.")
        elif value is not None:
            complaints.add(f"{name}: a section takes the keys {', '.join(inner)} ({source})")


def _from_environment(
    environ: Mapping[str, str], rules: Mapping[str, Rule], complaints: Complaints
) -> Iterator[Given]:
    names = {variable(key): key for key in rules}
    for name, written in environ.items():
        if not name.startswith(PREFIX) or name.startswith(IGNORED_PREFIX):
            continue
        if name in names:
            value = rules[names[name]].from_text(written)
            yield Given(names[name], value, f"environment variable {name}")
        else:
            complaints.add(unknown_key(name, "environment", name, names))


def _from_options(
    options: Mapping[str, object], rules: Mapping[str, Rule], complaints: Complaints
) -> Iterator[Given]:
    for name, value in options.items():
        if name not in rules:
            complaints.add(unknown_key(name, "command line", name, rules))
        elif isinstance(value, str | os.PathLike):
            yield Given(name, rules[name].from_text(os.fspath(value)), "command line")
        else:
            yield Given(name, value, "command line")


def remove_variables(environ: MutableMapping[str, str]) -> None:
    """Remove every variable of ours, which may be a secret: what runs inherit must hold none."""
    for name in [name for name in environ if name.startswith(PREFIX)]:
        del environ[name]


def variable(key: str) -> str:
    """Return the environment variable of a key: `http.port` is `HELIOGRAPH_HTTP_PORT`."""
    return PREFIX + re.sub(r"[^A-Z0-9]", "_", key.upper())


def not_allowed(name: str, shown: str, source: str, allowed: str) -> str:
    """Say that a key has a value that is not allowed; `shown` is that value in words."""
    return f"{name}: {shown} is not allowed ({source}); allowed is {allowed}"


def unknown_key(name: str, source: str, key: str, known: Iterable[str]) -> str:
    """Say that a key is unknown, and which one may be meant; its value may be a secret."""
    candidates = list(known)
    # `port` for `http.port`
    near = [each for each in candidates if each.rpartition(".")[2] == key and each != key]
    if not near:
        near = difflib.get_close_matches(key, candidates, 1, cutoff=0.6)
    if not near:  # `pool.port`
        near = [each for each in candidates if each.rpartition(".")[2] == key.rpartition(".")[2]]
    hint = f"; did you mean {near[0]}?" if near else "; known are " + ", ".join(candidates)
    return f"{name[:200]}: there is no such key ({source}){hint}"
