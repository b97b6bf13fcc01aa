"""Where the telescope stands."""

from __future__ import annotations

import dataclasses
import re
import zoneinfo

from server.config.rules import nullable, number, setting, text

LONGEST_NAME = 100
ZONE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+/-]{0,63}", re.ASCII)


def is_zone(written: str) -> bool:
    """Tell whether this is a time zone that the system knows."""
    if not ZONE.fullmatch(written):
        return False
    try:
        zoneinfo.ZoneInfo(written)
    except (ValueError, OSError, KeyError):
        return False
    return True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Site:
    """The place on the Earth from which targets are observed (WGS 84)."""

    latitude: float | None = setting(
        None,
        nullable(number(-90, 90), "no site"),
        "degrees north of the equator, negative to the south; with it, `site.longitude` is needed",
    )
    longitude: float | None = setting(
        None,
        nullable(number(-180, 180), "no site"),
        "degrees east of Greenwich, negative to the west",
    )
    elevation: float = setting(0.0, number(-500, 9000), "metres above the sea")
    name: str | None = setting(
        None,
        nullable(
            text(
                f"1 to {LONGEST_NAME} characters",
                lambda name: name.strip() and len(name) <= LONGEST_NAME,
            ),
            "none",
        ),
        "what people call the site",
    )
    timezone: str | None = setting(
        None,
        nullable(text("a time zone such as Europe/Madrid", is_zone), "the site's mean solar time"),
        "time zone of the site, for local times",
    )

    @property
    def given(self) -> bool:
        """Whether it is known where the site is."""
        return self.latitude is not None and self.longitude is not None
