"""What a pipeline's class may declare, and which files it is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runners.dummy import Dummy
from runners.execution.class_description import BadAttribute, describe_class, files_of
from runners.pipeline.process import PipelineProcess
from runners.timelapse import Timelapse


def a_class(**attributes: Any) -> type[PipelineProcess]:
    """Make a pipeline class with these attributes."""
    return type("Made", (PipelineProcess,), attributes)


def test_what_is_allowed_is_described() -> None:
    flags = {"deep": {"default": True}, "größer": {"default": False, "long_name": "Larger"}}
    made = a_class(short_name="made", allowed_suffixes=(".fits", ".fz"), flags=flags)
    described = describe_class(made)
    assert described["flags"] == {
        "deep": {"default": True, "long_name": "deep"},
        "größer": {"default": False, "long_name": "Larger"},
    }
    assert described["allowed_suffixes"] == [".fits", ".fz"]
    assert describe_class(a_class())["flags"] == {}
    for built_in in (Dummy, Timelapse):
        assert describe_class(built_in)["short_name"]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({"a": {"default": 5}}, "flags: the default of 'a' must be True or False"),
        ({"a": {"default": None}}, "flags: the default of 'a' must be True or False"),
        ({"a": {"default": "False"}}, "flags: the default of 'a' must be True or False"),
        ({"a": {}}, "flags: the default of 'a' must be True or False"),
        ({"a": {"default": True, "long_name": 3}}, "flags: the long_name of 'a' must be a string"),
        ({"tmpdir": {"default": True}}, "flags: 'tmpdir' is already a parameter of do_pipeline"),
        ({"self": {"default": True}}, "flags: 'self' is already a parameter of do_pipeline"),
        ({"a b": {"default": True}}, "flags: 'a b' must be a name as variables have in Python"),
        ({"": {"default": True}}, "flags: '' must be a name as variables have in Python"),
        ({"class": {"default": True}}, "flags: 'class' must be a name as variables have in Python"),
        ({1: {"default": True}}, "flags: 1 must be a name as variables have in Python"),
        ({"a": True}, "flags: 'a' must be a mapping such as"),
        (["a"], "flags must be a mapping of names to mappings, or None"),
        ("a", "flags must be a mapping of names to mappings, or None"),
    ],
)
def test_flags_are_booleans_named_as_identifiers(flags: Any, sentence: str) -> None:
    with pytest.raises(BadAttribute) as refused:
        describe_class(a_class(flags=flags))
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("allowed_suffixes", ".fits"),
        ("allowed_suffixes", [1]),
        ("allowed_suffixes", [""]),
        ("allowed_suffixes", 5),
        ("process_type", None),
        ("process_type", "batch"),
        ("process_type", ["pipeline"]),
        ("short_name", ""),
        ("short_name", None),
        ("short_name", "a/b"),
        ("short_name", "x" * 51),
        ("unavailable", classmethod(lambda _: 5)),
    ],
)
def test_other_attributes_are_checked_and_named(attribute: str, value: object) -> None:
    with pytest.raises(BadAttribute, match=attribute):
        describe_class(a_class(**{attribute: value}))


def test_the_files_of_a_class_are_known_without_an_import(tmp_path: Path) -> None:
    names = files_of("package.missing.Class", str(tmp_path))
    assert str(tmp_path / "package" / "missing.py") in names
    assert str(tmp_path / "package" / "__init__.py") in names
    assert any(name.endswith("runners/dummy.py") for name in files_of("runners.dummy.Dummy", None))


def test_a_class_inside_packages_without_init_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    (tmp_path / "outer" / "inner" / "module.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    files_of("outer.inner.module.Class", None)
    assert files_of("outer.inner.module.Class", str(tmp_path))
