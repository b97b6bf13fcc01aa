"""`/api/targets/` and `/api/target/<pk>/`: what is observed in the sky."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from msgspec import UNSET, Meta, Struct, UnsetType, structs
from tornado.routing import URLSpec

from handlers.http.base import BaseHandler
from handlers.http.body import BodyHandler
from handlers.http.json_input import Name, given_fields
from handlers.http.query import PK, boolean, page, parse_pk, text
from handlers.http.routing import route
from handlers.services import Services
from server.archive.target_fields import FULL_CIRCLE_DEGREES, IDENTIFIER_PATTERN, POLE_DEGREES
from server.core.records import ProcessRecord, Target

RightAscension = Annotated[float, Meta(ge=0, lt=FULL_CIRCLE_DEGREES)] | None
Declination = Annotated[float, Meta(ge=-POLE_DEGREES, le=POLE_DEGREES)] | None
#: Only described here: the archive checks it, and says what is needed.
Identifier = Annotated[str, Meta(extra_json_schema={"pattern": f"^{IDENTIFIER_PATTERN}$"})]

#: The fields of a target, in the order of the API.
FIELDS = ("pk", "identifier", "name", "ra", "dec", "extra_fields", "created")


class NewTarget(Struct):
    """The fields of a new target; degrees, ICRS."""

    name: Name
    identifier: Identifier | None = None
    ra: RightAscension = None
    dec: Declination = None
    extra_fields: dict[str, Any] = {}


class TargetChange(Struct):
    """The fields of a target to change."""

    name: Name | UnsetType = UNSET
    identifier: Identifier | UnsetType = UNSET
    ra: RightAscension | UnsetType = UNSET
    dec: Declination | UnsetType = UNSET
    extra_fields: dict[str, Any] | UnsetType = UNSET


class TargetsHandler(BodyHandler):
    """All targets."""

    async def get(self) -> None:
        """Answer with a page of the targets, those that match `search` if it is given."""
        found = await self.archive.targets.find(search=text(self, "search"), **page(self))
        targets = [fields_of(target) for target in found.items]
        await self.answer({"targets": targets, "next": found.next})

    async def post(self) -> None:
        """Make a target."""
        new = self.json_input(NewTarget)
        target = await self.archive.targets.create(**structs.asdict(new))
        self.audit("target_created", target_pk=target.pk)
        self.set_header("Location", f"/api/targets/{target.pk}/")
        self.write_json(fields_of(target), 201)


class TargetHandler(BodyHandler):
    """One target."""

    async def get(self, pk: str) -> None:
        """Answer with the target."""
        await self.answer(fields_of(await self.archive.targets.get(parse_pk(pk))))

    async def patch(self, pk: str) -> None:
        """Change the fields that are given."""
        changes = given_fields(self.json_input(TargetChange))
        target = await self.archive.targets.edit(parse_pk(pk), changes)
        self.audit("target_changed", target_pk=target.pk, fields=sorted(changes))
        self.write_json(fields_of(target))

    async def delete(self, pk: str) -> None:
        """Delete the target; with `?force=true` its processes as well, else it must have none."""
        force = boolean(self, "force")
        await self.processes.delete_target(parse_pk(pk), force=force)
        self.audit("target_deleted", target_pk=parse_pk(pk), with_processes=force)
        self.set_status(204)


class TargetTimelapsesHandler(BaseHandler):
    """A target with its finished timelapses, in the form of the predecessor's API."""

    async def get(self, pk: str) -> None:
        """Answer with the target's name and extra fields, and its timelapses, newest first."""
        target = await self.archive.targets.get(parse_pk(pk))
        found = await self.processes.succeeded_timelapses(target.pk)
        records = [each for each in found if each.outputs]
        names = await self._film_names(records)
        timelapses = [timelapse_fields(each, names[each.pk], self.prefix) for each in records]
        fields = {"name": target.name, "extra_fields": target.extra_fields}
        await self.answer({"target": fields, "timelapses": timelapses})

    async def _film_names(self, records: Sequence[ProcessRecord]) -> dict[int, str]:
        """Return the name of each timelapse's film: its identifier, unless it was moved in."""
        names = {record.pk: record.identifier for record in records}
        moved = {record.outputs[0]: record.pk for record in records if "." not in record.identifier}
        if moved:
            films = await self.archive.products.get_many(list(moved))
            names |= {moved[film.pk]: film.name for film in films}
        return names


def fields_of(target: Target) -> dict[str, Any]:
    """Return a target as the API shows it."""
    return {name: getattr(target, name) for name in FIELDS}


def timelapse_fields(record: ProcessRecord, name: str, prefix: str) -> dict[str, Any]:
    """Return a succeeded timelapse, whose film has this name, as the API shows it."""
    return {
        "name": name,
        "format": name.rpartition(".")[2],
        "url": f"{prefix}/dataproducts/{record.outputs[0]}/file/{quote(name, safe='')}",
        "created": record.terminal_timestamp,
        "frames": len(record.products),
    }


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of the targets."""
    return [
        route(r"/api/targets/", TargetsHandler, services),
        route(rf"/api/targets/{PK}/", TargetHandler, services),
        route(rf"/api/target/{PK}/", TargetTimelapsesHandler, services),
    ]
