"""The targets of an old site, with their extra fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from server.archive.target_fields import checked, identifier_of
from server.core.errors import InvalidInput
from server.core.numbering import free_number
from server.core.records import Target
from server.operations.moving.tom.database import Row
from server.operations.moving.tom.values import (
    declination,
    excerpt,
    extra_value,
    name_of,
    real,
    right_ascension,
    text,
)
from server.operations.moving.tom.work import Work, missing

#: What else a target has there, kept among the extra fields where it says something.
_OTHERS = (
    "parallax", "pm_ra", "pm_dec", "distance", "distance_err", "mean_anomaly", "arg_of_perihelion",
    "eccentricity", "lng_asc_node", "inclination", "mean_daily_motion", "semimajor_axis",
    "ephemeris_period", "ephemeris_period_err", "ephemeris_epoch", "ephemeris_epoch_err",
    "epoch_of_perihelion", "perihdist", "epoch_of_elements",
)  # fmt: skip
_SIDEREAL, _EPOCH = "SIDEREAL", 2000.0


async def bring_targets(work: Work) -> None:
    """Bring all targets that are not here."""
    total, done = work.site.count("target"), 0
    for rows in work.site.targets():
        if new := await work.unknown("target", rows):
            await _bring(work, new)
        done += len(rows)
        work.progress("Targets", done, total)


async def _bring(work: Work, rows: Sequence[Row]) -> None:
    store = work.here.store.targets
    wanted = [_target(work, row) for row in rows]
    stored = await store.get_many([target.pk for target in wanted])
    lacking = missing("target", wanted, stored)
    named = await _identified(work, lacking)
    await store.insert_many(named)
    words = work.here.store.target_words
    if not work.before:
        await words.insert_many(named)
    else:  # some may be known, from an import that was killed
        for target in await store.get_many([target.pk for target in wanted]):
            await words.put(target)
    await work.note("target", [row["id"] for row in rows])


async def _identified(work: Work, targets: Sequence[Target]) -> list[Target]:
    """Return targets with identifiers that are free, made from their names."""
    store = work.here.store.targets
    taken = await store.taken({identifier_of(each.name, each.pk) for each in targets})
    named = []
    for target in targets:
        identifier = identifier_of(target.name, target.pk)
        if identifier in taken:
            identifier = await _free(work, target, taken)
        taken.add(identifier)
        named.append(target.evolve(identifier=identifier))
    return named


async def _free(work: Work, target: Target, taken: set[str]) -> str:
    async def numbers_taken(numbers: Sequence[int]) -> set[int]:
        made = {identifier_of(target.name, target.pk, number): number for number in numbers}
        found = await work.here.store.targets.taken(made)
        return {made[each] for each in made if each in found or each in taken}

    return identifier_of(target.name, target.pk, await free_number(numbers_taken))


def _target(work: Work, row: Row) -> Target:
    pk = work.pk("target", row["id"])
    given = text(row["name"]) or text(row["identifier"])
    target = Target(
        pk=pk,
        created=work.created(row),
        identifier="",
        name=name_of(given, f"Target {pk}"),
        ra=right_ascension(row["ra"]),
        dec=declination(row["dec"]),
        extra_fields=_extra_fields(work, row),
    )
    if target.name != given:
        work.report.notes.add(f"Target {row['id']} is named {target.name} here")
    for field, what in (("ra", "right ascension"), ("dec", "declination")):
        if text(row[field]) and getattr(target, field) is None:
            was = excerpt(row[field])
            work.report.notes.add(f"Target {row['id']} has no {what} here: it was {was}")
    return target


def _extra_fields(work: Work, row: Row) -> dict[str, Any]:
    fields = _others(row) | {text(each["key"]): extra_value(each) for each in row["extras"]}
    aliases = [text(each["name"]) for each in row["aliases"]]
    if aliases and "aliases" not in fields:
        fields["aliases"] = aliases
    kept: dict[str, Any] = {}
    for name, value in fields.items():
        try:
            checked({"extra_fields": kept | {name: value}})
        except InvalidInput:
            work.report.lost.add(
                f"Target {row['id']}: its extra field {name[:60]} is too large to be kept"
            )
        else:
            kept[name] = value
    return kept


def _others(row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    kind, epoch = text(row["type"]), real(row["epoch"])
    if kind not in ("", _SIDEREAL):
        found["type"] = kind
    if epoch not in (None, _EPOCH):
        found["epoch"] = epoch
    if scheme := text(row["scheme"]):
        found["scheme"] = scheme
    numbers = {name: real(row[name]) for name in _OTHERS}
    return found | {name: number for name, number in numbers.items() if number is not None}
