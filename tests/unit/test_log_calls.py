"""Every logger call names its action, by which entries can be found and counted."""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: All packages, those of the server one by one.
FOLDERS = [
    *sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "server").iterdir()
        if path.is_dir() and any(path.rglob("*.py"))
    ),
    "handlers",
    "runners",
]
METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
LOGGERS = {"log", "logger", "logging"}
SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
#: What `logging` itself sets: an `extra` with one of these raises KeyError.
RESERVED = logging.makeLogRecord({}).__dict__.keys() | {"message", "asctime"}


def offences(*folders: str) -> list[str]:
    """Return the logger calls in these folders, or files, that break the rules."""
    paths = [ROOT / folder for folder in folders]
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*.py"))]
    return [
        f"{file.relative_to(ROOT)}:{line}: {problem}"
        for file in sorted(files)
        for line, problem in problems_of(file.read_text(encoding="utf-8"))
    ]


def problems_of(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the problem of each logger call that breaks the rules."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and is_log_call(node) and (problem := problem_of(node)):
            yield node.lineno, problem


def is_log_call(call: ast.Call) -> bool:
    """Return whether a call is that of a logger's method, by the names that loggers have here."""
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr not in METHODS:
        return False
    logger = function.value
    if isinstance(logger, ast.Call):
        return ast.unparse(logger.func) in {"logging.getLogger", "getLogger"}
    name = logger.attr if isinstance(logger, ast.Attribute) else getattr(logger, "id", "")
    return name.lstrip("_") in LOGGERS


def problem_of(call: ast.Call) -> str | None:
    """Return what is wrong with the `extra` of a call, None if nothing is."""
    extra = next((each.value for each in call.keywords if each.arg == "extra"), None)
    if not isinstance(extra, ast.Dict):
        return "no literal `extra`"
    fields = {
        ast.literal_eval(key) if isinstance(key, ast.Constant) else ast.unparse(key): value
        for key, value in zip(extra.keys, extra.values, strict=True)
        if key is not None  # what `**ids(record)` adds cannot be checked
    }
    action = fields.get("action")
    if not isinstance(action, ast.Constant) or not isinstance(action.value, str):
        return "no literal action"
    if not SNAKE_CASE.fullmatch(action.value):
        return f"the action {action.value!r} is not in snake_case"
    names = {str(name) for name in fields}
    if bad := [name for name in names if not SNAKE_CASE.fullmatch(name)]:
        return f"names that are not in snake_case: {bad}"
    return f"reserved names: {RESERVED & names}" if RESERVED & names else None


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_call_of_a_logger_names_its_action(folder: str) -> None:
    assert offences(folder) == []


def test_the_modules_outside_of_the_packages_log_nothing_without_an_action() -> None:
    assert offences(*(str(path.relative_to(ROOT)) for path in (ROOT / "server").glob("*.py"))) == []


@pytest.mark.parametrize(
    "call",
    [
        "log.warning('Lost %s', pk)",
        "log.exception('Lost')",
        "logging.error('Lost')",
        "logger.log(30, 'Lost')",
        "self._log.info('Lost')",
        "logging.getLogger('x').info('Lost')",
        "log.info('Lost', extra=fields)",
        "log.info('Lost', extra={'process_pk': 7})",
        "log.info('Lost', extra={'action': action})",
        "log.info('Lost', extra={'action': f'lost_{kind}'})",
        "log.info('Lost', extra={'action': 'process lost'})",
        "log.info('Lost', extra={'action': 'processLost'})",
        "log.info('Lost', extra={'action': 'lost', 'process': 7})",
        "log.info('Lost', extra={**fields})",
        "log.info('Lost', extra={'action': 'lost', 'processPk': 7})",
        "log.info('Lost', extra={'action': 'lost', name(): 7})",
    ],
)
def test_a_call_that_does_not_is_found(call: str) -> None:
    assert [line for line, _ in problems_of(call)] == [1]


@pytest.mark.parametrize(
    "call",
    [
        "log.info('Lost %s', pk, extra={'action': 'process_lost', 'process_pk': pk})",
        "log.log(level, 'Lost', extra={'action': 'lost'})",
        "log.info('Lost', extra={'action': 'lost', **ids(record)})",
        "self.log('a line of a pipeline')",
        "numpy.log(x)",
        "math.log(x)",
        "child.debug('Lost')",
    ],
)
def test_other_calls_are_left_alone(call: str) -> None:
    assert list(problems_of(call)) == []
