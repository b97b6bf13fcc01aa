"""The rules for the scripts in `static/`, checked by reading them. Needs no browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import static

ROOT = Path(static.__file__).parent
MODULES = sorted(ROOT.rglob("*.js"))
IMPORT = re.compile(r'^import (?:\{([^}]*)\} from )?"([^"]+)";', re.MULTILINE)
DYNAMIC_IMPORT = re.compile(r'const \{([^}]*)\} = await (?:needed\(\(\) => )?import\("([^"]+)"\)')
LOADER = re.compile(
    r'(?:const |this\.)(\w+) = loader\(\s*\(\) => import\("([^"]+)"\)[),](?:[^)]*?\(\{ (\w+) \}\))?'
)
EXPORT = re.compile(r"^export (?:async )?(?:class|function\*?|const|let) (\w+)", re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", re.DOTALL)

#: The only ways in which a script could turn text into markup.
MARKUP = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function")
PAGE = re.compile(r"\b(document|HTMLElement|querySelector\w*|localStorage)\b")
#: A path of this server, and what puts `http.prefix` before it.
PATH = re.compile(r"[\"'`]/(?:[a-z?]|[\"'`])")
PREFIXED = re.compile(
    r"addressOf\(|\b(?:request|get|poll|pollAnswer|drawChanged|follow|getNow|deleteConfirmed)\("
    r"|^\s*path: |^const ALIVE = "
    r"|^  return `/api/processes/\$\{pk\}/logs/\?"  # which is handed to `get`
)
NETWORK = re.compile(r"\b(WebSocket|XMLHttpRequest|EventSource|(?<!#)fetch\()")


def code(module: Path) -> str:
    """Return a module without its comments."""
    return COMMENT.sub("", module.read_text())


def imports_of(module: Path) -> list[tuple[str, str]]:
    """Return what a module imports: the names, separated by commas, and from where."""
    text = module.read_text()
    # One page shares what loads a module.
    page = "".join(each.read_text() for each in module.parent.glob("*.js"))
    loaded = [
        (made or ",".join(re.findall(rf"\(await {name}\(\)\)\.(\w+)", page)), target)
        for name, target, made in LOADER.findall(text)
    ]
    return [*IMPORT.findall(text), *DYNAMIC_IMPORT.findall(text), *loaded]


def named(path: Path) -> str:
    """Return a module's name for the id of a test."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_a_module_keeps_the_laws(module: Path) -> None:
    text = module.read_text()
    assert text.startswith("// @ts-check\n/**"), "it says first what it is for"
    assert len(text.splitlines()) <= 250
    assert not MARKUP.search(code(module)), "text goes in as text"
    assert "https://" not in code(module), "nothing comes from elsewhere"
    folder = module.relative_to(ROOT).parts[0]
    if folder == "server":
        assert not PAGE.search(code(module)), "what talks to the server knows no page"
    if folder in ("draw", "log"):
        assert not NETWORK.search(code(module)), "what draws knows no socket"


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_a_path_of_the_server_is_written_where_it_gets_the_prefix(module: Path) -> None:
    for line in code(module).splitlines():
        if PATH.search(line) and module.name != "address.js":
            assert PREFIXED.search(line), line


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_what_a_module_imports_is_there(module: Path) -> None:
    for names, target in imports_of(module):
        found = module.parent / target
        assert found.is_file(), target
        exported = set(EXPORT.findall(found.read_text()))
        assert {name.strip() for name in names.split(",") if name.strip()} <= exported


def test_every_export_is_used() -> None:
    imported: dict[Path, set[str]] = {}
    for module in MODULES:
        for names, target in imports_of(module):
            wanted = {name.strip() for name in names.split(",") if name.strip()}
            imported.setdefault((module.parent / target).resolve(), set()).update(wanted)
    for module in MODULES:
        unused = set(EXPORT.findall(module.read_text())) - imported.get(module.resolve(), set())
        assert not unused, f"{named(module)} exports {unused} for nobody"


def test_templates_hold_no_scripts_and_styles_of_their_own() -> None:
    templates = list((ROOT.parent / "handlers" / "templates").rglob("*.html"))
    assert templates
    for template in templates:
        text = template.read_text()
        assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:|{% raw", text), template.name
        assert all(" src=" in tag for tag in re.findall(r"<script[^>]*>", text)), template.name
        assert not re.search(r'(?:src|href)="(?:https?:)?//', text), template.name
