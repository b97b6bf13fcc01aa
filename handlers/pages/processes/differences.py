"""What differs between the receipts of two runs, in words: for the page that shows both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from handlers.pages.formatting import flag_name
from server.core.records import Flag
from server.processes.receipt import Environment, Input, Receipt

NONE = "\u2013"
#: How many inputs are named that only one of the runs had.
INPUTS_NAMED = 20
#: How many packages are listed that are not the same.
PACKAGES_LISTED = 200
#: How much of a SHA-256 tells two contents apart for the eye.
DIGEST_CHARACTERS = 12


class Difference(NamedTuple):
    """A fact that is not the same, and what it is for each of the two; `hint` explains the name."""

    name: str
    one: str
    other: str
    hint: str = ""


def differences(one: Receipt, other: Receipt, flags: Mapping[str, Flag]) -> list[Difference]:
    """Return what went into two runs and was not the same; `flags` explain flags."""
    found = [
        *_differing("Pipeline", one, other, lambda each: each.pipeline),
        *_flags(one, other, flags),
        *_inputs(one.inputs, other.inputs),
        *_differing("Class", one, other, _class),
        *_differing("Source", one, other, _source),
        *_differing("Python", one, other, _python),
        *_differing("Machine", one, other, _machine),
        *_differing("Confined", one, other, _confinement),
        *_packages(one.environment, other.environment),
        *_differing("Submitted by", one, other, lambda each: each.submitted_by),
    ]
    return found


def _differing(
    name: str, one: Receipt, other: Receipt, fact: Callable[[Receipt], str | None]
) -> Iterator[Difference]:
    facts = fact(one) or NONE, fact(other) or NONE
    if facts[0] != facts[1]:
        yield Difference(name, *facts)


def _flags(one: Receipt, other: Receipt, names: Mapping[str, Flag]) -> Iterator[Difference]:
    words = {True: "on", False: "off", None: NONE}
    for flag in dict.fromkeys([*one.flags, *other.flags]):
        values = one.flags.get(flag), other.flags.get(flag)
        if values[0] != values[1]:
            hint = names[flag].long_name if flag in names else ""
            yield Difference(flag_name(flag), words[values[0]], words[values[1]], hint)


def _inputs(one: list[Input] | None, other: list[Input] | None) -> Iterator[Difference]:
    if one is None or other is None:
        if one != other:
            yield Difference("Inputs", _known(one), _known(other))
        return
    only = _without(one, other), _without(other, one)
    if only[0] or only[1]:
        yield Difference("Inputs of this run only", _named(only[0]), _named(only[1]))


def _known(inputs: list[Input] | None) -> str:
    return "not known" if inputs is None else f"{len(inputs)}"


def _without(inputs: list[Input], others: list[Input]) -> list[Input]:
    """Return the inputs whose content the others do not have under that name."""
    there = {(each.name, each.sha256) for each in others}
    return [each for each in inputs if (each.name, each.sha256) not in there]


def _named(inputs: list[Input]) -> str:
    if not inputs:
        return NONE
    more = len(inputs) - INPUTS_NAMED
    names = ", ".join(each.name for each in inputs[:INPUTS_NAMED])
    return f"{names} and {more} more" if more > 0 else names


def _source(receipt: Receipt) -> str | None:
    if receipt.source is None or receipt.source.sha256 is None:
        return None
    return f"{receipt.source.file} {receipt.source.sha256[:DIGEST_CHARACTERS]}"


def _class(receipt: Receipt) -> str | None:
    return None if receipt.source is None else receipt.source.path


def _machine(receipt: Receipt) -> str | None:
    return None if receipt.worker is None else receipt.worker.host


def _python(receipt: Receipt) -> str | None:
    environment = receipt.environment
    return None if environment is None else f"{environment.python} on {environment.platform}"


def _confinement(receipt: Receipt) -> str | None:
    isolation = receipt.isolation
    if isolation is None:
        return None
    return f"Landlock {isolation.landlock}" if isolation.landlock else "no"


def _packages(one: Environment | None, other: Environment | None) -> Iterator[Difference]:
    if one is None or other is None:
        return
    names = sorted({*one.packages, *other.packages}, key=str.lower)
    versions = ((name, one.packages.get(name), other.packages.get(name)) for name in names)
    differing = [each for each in versions if each[1] != each[2]]
    for name, *pair in differing[:PACKAGES_LISTED]:
        yield Difference(name, *(version or "not installed" for version in pair))
    if (more := len(differing) - PACKAGES_LISTED) > 0:
        yield Difference("Further packages", str(more), str(more))
