"""Records for tests: one of each kind, changed as a test needs it."""

from __future__ import annotations

import hashlib
from typing import Any

from server.core.records import DataProduct, ProcessRecord, Target

NOW = 1_564_740_586.489885


def a_target(pk: int = 1, **changes: Any) -> Target:
    """Make a target, M13 by default."""
    return Target(pk=pk, created=NOW, identifier="m13", name="M13").evolve(**changes)


def a_process(pk: int = 51, **changes: Any) -> ProcessRecord:
    """Make a queued pipeline process."""
    record = ProcessRecord(
        pk=pk,
        created=NOW,
        identifier="dummy_m13_2019-08-02-100946",
        process_type="pipeline",
        pipeline="Dummy",
        target=1,
        products=[7],
        flags={},
    )
    return record.evolve(**changes)


def a_record(pk: int) -> ProcessRecord:
    """Make a new process of target 1 for a real store, with an identifier of its own."""
    return ProcessRecord(
        pk=pk,
        created=1795485782.4920993,
        identifier=f"dummy_m13_{pk}",
        process_type="pipeline",
        pipeline="Dummy",
        target=1,
        products=[1],
        flags={},
    )


def a_product(pk: int, name: str, data: bytes, **changes: Any) -> DataProduct:
    """Make a data product of target 1 with these bytes."""
    product = DataProduct(
        pk=pk,
        created=NOW,
        name=name,
        target=1,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        content_type="application/octet-stream",
    )
    return product.evolve(**changes)
