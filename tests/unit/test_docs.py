"""The documentation matches the code: every key with its default, every route."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from tornado.routing import URLSpec

from handlers.http.access_control import allowed_methods
from handlers.pages.not_found import UnknownHandler
from handlers.routes import all_routes
from server.config import Config, load, settings

ROOT = Path(__file__).parents[2]


def flat(tree: dict[str, Any], known: set[str], within: str = "") -> dict[str, Any]:
    """Return a tree with dotted keys, descending into whatever is not itself a known key."""
    pairs: dict[str, Any] = {}
    for name, value in tree.items():
        key = f"{within}{name}"
        inner = isinstance(value, dict) and key not in known
        pairs |= flat(value, known, f"{key}.") if inner else {key: value}
    return pairs


def test_the_shipped_file_has_every_key_in_order_with_its_default() -> None:
    expected = {setting.key: setting.default for setting in settings()}
    written = yaml.safe_load((ROOT / "config.yml").read_text(encoding="utf-8"))
    shown = flat(written, set(expected))
    assert shown == expected
    assert list(shown) == list(expected)


def test_the_shipped_file_changes_nothing() -> None:
    assert load(ROOT / "config.yml", {}, {}) == Config(folder=ROOT)


def test_every_key_of_the_shipped_file_has_a_comment() -> None:
    lines = (ROOT / "config.yml").read_text(encoding="utf-8").splitlines()
    sections = {setting.key.partition(".")[0] for setting in settings() if "." in setting.key}
    for before, line in itertools.pairwise(lines):
        key = re.match(r"\s*(\w+):", line)
        if key and key[1] not in sections:
            assert before.lstrip().startswith("#"), f"{line} is without a comment"


def test_the_documentation_lists_every_key_in_order_as_the_code_has_it() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{each.key}` | `{each.default_text}` | {each.allowed} | {each.meaning} |"
        for each in settings()
    ]


def test_the_variables_of_all_keys_differ() -> None:
    variables = [setting.variable for setting in settings()]
    assert len(set(variables)) == len(variables)


def documented_routes() -> dict[str, set[str]]:
    """Return the paths that have headings in docs/api.md, with their methods."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    found = re.findall(r"^### `([A-Z, ]+) (/\S*(?: PK>\S*)?)`$", page, re.MULTILINE)
    return {path: set(methods.split(", ")) for methods, path in found}


def real_routes() -> list[URLSpec]:
    """Return the routes of the server, without those that answer unknown paths."""
    routes = all_routes(cast(Any, None))
    return [each for each in routes if not issubclass(each.handler_class, UnknownHandler)]


def answering(path: str) -> URLSpec | None:
    """Return the route that answers a path of the documentation."""
    real = (
        re.sub(r"<([^>]*pk|number)>", "7", path, flags=re.IGNORECASE)
        .replace("<name>", "x")
        .replace("<frame>", "7")
    )
    matching = (route for route in real_routes() if route.regex.fullmatch(real))
    return next(matching, None)


@pytest.mark.parametrize("path", documented_routes())
def test_a_documented_route_exists_with_exactly_its_methods(path: str) -> None:
    route = answering(path)
    assert route is not None, f"{path} is answered by nobody"
    methods = set(allowed_methods(route.handler_class)) - {"HEAD", "OPTIONS"}
    expected = {method.replace("WS", "GET") for method in documented_routes()[path]}
    assert methods == expected


def test_every_route_is_documented() -> None:
    answered = {route.regex.pattern for path in documented_routes() if (route := answering(path))}
    assert {route.regex.pattern for route in real_routes()} == answered


PAGES = [
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "examples/README.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_and_module_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    folders = "server|handlers|runners|static|tests|benchmarks|docs|examples"
    paths = {
        path
        for path in re.findall(rf"`((?:{folders})/[\w./-]+)`", text)
        if not (ROOT / path).exists()
    }
    modules = {
        module
        for module in re.findall(r"python -m ((?:benchmarks|tests)[\w.]+)", text)
        if not (ROOT / f"{module.replace('.', '/')}.py").is_file()
        and not (ROOT / module.replace(".", "/") / "__main__.py").is_file()
    }
    assert (paths, modules) == (set(), set())


def test_every_expectation_of_operators_has_its_test_or_its_reason() -> None:
    page = (ROOT / "docs/operators/expectations.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if row[0].strip() != "Expected"]
    assert len(rows) > 40
    for row in rows:
        assert len(row) == 4, row
        shown = row[3].strip()
        if shown == "reason":
            assert row[2].startswith("no:"), row
        else:
            tests = re.findall(r"`(tests/[\w./]+)`", shown)
            assert tests, row
            assert all((ROOT / test).is_file() for test in tests), row


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    counts = [slugs[:at].count(slug) for at, slug in enumerate(slugs)]
    return {f"{slug}-{n}" if n else slug for slug, n in zip(slugs, counts, strict=True)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_to_a_heading_leads_to_one(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s#:]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    for path, anchor in links:
        target = (page.parent / path).resolve() if path else page
        assert anchor in anchors_of(target), f"{path}#{anchor}"


def test_every_act_of_the_audit_trail_is_in_the_guide() -> None:
    guide = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
    modules = (ROOT / "handlers").rglob("*.py")
    acts = {
        act
        for module in modules
        for act in re.findall(r"\.audit\(\s*\"(\w+)\"", module.read_text(encoding="utf-8"))
    }
    assert len(acts) > 10
    assert {act for act in acts if f"`{act}`" not in guide} == set()
