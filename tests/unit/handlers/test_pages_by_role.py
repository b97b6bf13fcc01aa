"""The pages show each role the controls for what it may do, and no others."""

from __future__ import annotations

import re

import pytest
from msgspec import structs

from server.core.records import DataProductGroup, Flag, State
from tests.fakes.callers import bearer, identify_by_word
from tests.fakes.handler_fakes import Fakes
from tests.fakes.some_records import NOW, a_process

pytestmark = pytest.mark.gen_test

#: By the role that a control is for: what its markup has.
CONTROLS = {
    "operator": (
        'data-act="cancel"',
        'data-act="rerun"',
        'id="share"',
        'id="share-dialog"',
        'id="rerun"',
        'id="edit-target"',
        'id="new-target"',
        'id="files"',
        'id="curve-files"',
        'id="run"',
        'id="group-chosen"',
        'id="group-dialog"',
        'id="import-curve"',
        'id="choose-all"',
        "#edit-target",
        'type="checkbox" aria-label="Choose ',
    ),
    "admin": (
        'data-act="delete"',
        'id="delete-target"',
        'id="delete-chosen"',
        'id="delete-product"',
        'id="delete-group"',
        "data-delete=",
    ),
}
PATHS = (
    "/",
    "/targets/1/",
    "/pipeline/51",
    "/processes/51/receipt/",
    "/dataproducts/7/",
    "/dataproducts/data/group/71/",
)


def some_fakes() -> Fakes:
    fakes = Fakes()
    dummy = fakes.processes.pipelines["Dummy"]
    flags = {"deep": Flag(default=False, long_name="Deep")}
    fakes.processes.pipelines["Dummy"] = structs.replace(dummy, flags=flags)
    ended = {"state": State.SUCCEEDED, "terminal_timestamp": NOW}
    fakes.processes.records = {51: a_process(51, **ended)}
    fakes.archive.keep(7, "a.csv", b"x")
    group = DataProductGroup(pk=71, created=NOW, name="g", products=[7])
    fakes.archive.stored_groups[71] = group
    return fakes


async def pages_of(role: str) -> dict[str, str]:
    fakes = some_fakes()
    async with fakes.serving() as client:
        pages = {path: await client.fetch(path, headers=bearer(role, "alice")) for path in PATHS}
    assert {page.code for page in pages.values()} == {200}
    return {path: page.body.decode() for path, page in pages.items()}


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
async def test_each_role_sees_the_controls_for_what_it_may_do(
    role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    identify_by_word(monkeypatch)
    pages = await pages_of(role)
    text = "\n".join(pages.values())
    roles = ["viewer", "operator", "admin"]
    for needed, controls in CONTROLS.items():
        allowed = roles.index(role) >= roles.index(needed)
        wrong = [control for control in controls if (control in text) != allowed]
        assert wrong == [], needed
    assert {re.search(r'data-role="(\w+)"', page)[1] for page in pages.values()} == {role}  # type: ignore[index]


async def test_flags_have_a_short_name_and_a_hint_wherever_they_are_chosen() -> None:
    fakes = some_fakes()
    dummy = fakes.processes.pipelines["Dummy"]
    flags = {"very_deep": Flag(default=False, long_name="Search for <faint> sources")}
    fakes.processes.pipelines["Dummy"] = structs.replace(dummy, flags=flags)
    fakes.processes.records[51] = fakes.processes.records[51].evolve(flags={"very_deep": True})
    async with fakes.serving() as client:
        pages = [
            (await client.fetch(path)).body.decode() for path in ("/targets/1/", "/pipeline/51")
        ]
    hint = "Very deep <small>Search for &lt;faint&gt; sources</small>"
    assert [hint in page for page in pages] == [True, True]
    assert 'title="Search for &lt;faint&gt; sources">Very deep</span>' in pages[1]


async def test_without_tokens_everybody_sees_everything() -> None:
    fakes = some_fakes()
    async with fakes.serving() as client:
        text = "".join([(await client.fetch(path)).body.decode() for path in PATHS])
    missing = [each for kind in CONTROLS.values() for each in kind if each not in text]
    assert missing == []


async def test_a_forced_request_says_which_role_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    identify_by_word(monkeypatch)
    async with some_fakes().serving() as client:
        for role, method, path, needed in (
            ("viewer", "POST", "/api/processes/51/cancel/", "operator"),
            ("viewer", "POST", "/api/processes/51/share/", "operator"),
            ("operator", "DELETE", "/api/processes/51/", "admin"),
            ("viewer", "DELETE", "/api/targets/1/", "admin"),
        ):
            body = b"" if method == "POST" else None
            refused = await client.fetch(path, method, headers=bearer(role), body=body)
            assert refused.code == 403
            assert needed.encode() in refused.body
        for path in ("/api/nothing/", "/api/pipelines/"):
            answer = await client.fetch(path, "POST", headers=bearer("viewer"), body=b"")
            assert answer.code == (404 if "nothing" in path else 405)
