"""What a run did to its copies of the inputs, seen after its end by whoever supervised it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runners.pipeline.inputs import InputProduct
from runners.pipeline.own_copies import change_of, is_verified, used_in


def examine_inputs(
    inputs: Sequence[InputProduct], folder: Path
) -> tuple[list[tuple[str, str]], set[int]]:
    """Return names of inputs with what became of their copies, and the PKs of those verified.

    `folder` is that of the run's copies.
    """
    changes, verified = [], set()
    used = used_in(folder)
    for product in inputs:
        if product.pk not in used:
            continue
        source = product.data.source
        if (change := change_of(source, product.name)) is not None:
            changes.append((product.name, change))
        if is_verified(source):
            verified.add(product.pk)
    return changes, verified
