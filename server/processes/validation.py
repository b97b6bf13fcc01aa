"""Checks what is submitted, and makes the record of a new process.

Everything that can be known before a run is checked here, while the client can still be answered.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from runners.pipeline.process import NO_INPUTS, suffix_problem
from server.core.errors import InvalidInput, NotFound
from server.core.records import DataProduct, PipelineDescription, ProcessRecord, Target
from server.store import Store

NO_TARGET = "Process must have an associated target"
MAX_INPUTS = 10_000


def check_flags(pipeline: PipelineDescription, given: dict[str, bool]) -> dict[str, bool]:
    """Return all flags of a pipeline, as given or by default. Raises InvalidInput."""
    unknown = sorted(set(given) - set(pipeline.flags))
    if unknown:
        known = ", ".join(pipeline.flags) or "none"
        raise InvalidInput(
            {"flags": [f"Unknown flag '{name}' (known: {known})" for name in unknown]}
        )
    wrong = [name for name, value in given.items() if not isinstance(value, bool)]
    if wrong:
        raise InvalidInput({"flags": [f"'{name}' must be true or false" for name in wrong]})
    return {name: given.get(name, flag.default) for name, flag in pipeline.flags.items()}


async def check_target(store: Store, target: int | None) -> Target:
    """Return the target of a submit. Raises InvalidInput when it is missing."""
    if target is None:
        raise InvalidInput.of("target", NO_TARGET)
    try:
        return await store.targets.get(target)
    except NotFound as error:
        raise InvalidInput.of("target", f"{error}.") from None


def check_products(
    pipeline: PipelineDescription, target: int, pks: list[int], found: Iterable[DataProduct]
) -> None:
    """Raise InvalidInput unless these are distinct products of the target, fit for the run."""
    if not pks:
        raise InvalidInput.of("products", NO_INPUTS)
    if len(pks) > MAX_INPUTS:
        raise InvalidInput.of("products", f"More than {MAX_INPUTS} products")
    wrong = list(_wrong_products(pipeline, target, pks, {product.pk: product for product in found}))
    if wrong:
        raise InvalidInput({"products": wrong[:100]})


def _wrong_products(
    pipeline: PipelineDescription, target: int, pks: list[int], found: dict[int, DataProduct]
) -> Iterator[str]:
    seen: set[int] = set()
    for pk in pks:
        product = found.get(pk)
        if product is None:
            yield f"There is no data product {pk}."
        elif product.target != target:
            yield f"Data product {pk} belongs to another target."
        elif pk in seen:
            yield f"Data product {pk} is given twice."
        elif reason := suffix_problem(pipeline.allowed_suffixes, product.name):
            yield reason
        seen.add(pk)


def make_record(
    pk: int,
    target: Target,
    pipeline: PipelineDescription,
    products: list[int],
    flags: dict[str, bool],
) -> ProcessRecord:
    """Make the record of a new process, created now."""
    created = time.time()
    return ProcessRecord(
        pk=pk,
        created=created,
        identifier=identifier(pipeline, target, created, 1),
        process_type=pipeline.process_type,
        pipeline=pipeline.name,
        target=target.pk,
        products=products,
        flags=flags,
    )


def identifier(pipeline: PipelineDescription, target: Target, created: float, number: int) -> str:
    """Return the identifier of the `number`-th process of its kind within a second (UTC)."""
    stamp = time.strftime("%Y-%m-%d-%H%M%S", time.gmtime(created))
    suffix = "" if number == 1 else f"-{number}"
    return f"{pipeline.short_name}_{target.identifier}_{stamp}{suffix}{pipeline.extension}"
