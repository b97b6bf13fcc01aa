"""How pages write numbers: times, durations, sizes and coordinates.

`static/draw/wording.js` does the same in the browser, so that nothing on a page changes its form
when live data comes. Both round halves up.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from math import floor
from typing import Any

#: Shown for what is not known.
NOTHING = "\u2013"

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def iso(seconds: float) -> str:
    """Return an instant as HTML's `datetime` attribute wants it, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def exact(seconds: float) -> str:
    """Return an instant to the second, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def ago(seconds: float, now: float) -> str:
    """Return how long ago an instant was, or its date if that is more than a month."""
    age = now - seconds
    if age < 10:
        return "just now"
    if age < _MINUTE:
        return f"{floor(age)} s ago"
    if age < _HOUR:
        return f"{floor(age / _MINUTE)} min ago"
    if age < _DAY:
        return f"{floor(age / _HOUR)} h ago"
    days = floor(age / _DAY)
    if days <= 30:
        return f"{counted(days, 'day')} ago"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    if 0 < seconds < 1:
        return "< 1 s"
    whole = max(0, floor(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def precise(seconds: float) -> str:
    """Return a short time to the millisecond, a longer one in its two largest units."""
    return f"{seconds:.3f} s" if seconds < _MINUTE else duration(seconds)


def size(count: float) -> str:
    """Return a number of bytes with a decimal prefix."""
    if count < 1000:
        return f"{floor(count)} B"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 999.95:
            return f"{floor(count * 10 + 0.5) / 10:.1f} {unit}"
    return f"{floor(count / 100 + 0.5) / 10:.1f} TB"


def number(value: float) -> str:
    """Return a number with thin spaces between its thousands; a whole one without a fraction."""
    text = f"{value:,.0f}" if value == floor(value) else f"{value:,.2f}"
    return text.replace(",", "\u202f")


def counted(count: float | str, noun: str, plural: str | None = None) -> str:
    """Return a count, or one that is written already, with its noun in the right number."""
    text = count if isinstance(count, str) else number(count)
    return f"{text} {noun if text == '1' else plural or noun + 's'}"


def plain(value: float) -> str:
    """Return a number as scripts and addresses have it."""
    return f"{value:.17g}"


def at_most(count: int, limit: int) -> str:
    """Return a count that was made up to a limit, with a plus beyond it."""
    return f"{number(limit)}+" if count > limit else number(count)


def pieces(name: str) -> list[str]:
    """Return the name of a file in pieces between which a line may break: after its separators."""
    return re.split(r"(?<=[_.\-])(?=[^_.\-])", name)


def flag_name(flag: str) -> str:
    """Return what a flag is called in short: its name, as words."""
    return flag.replace("_", " ").strip().capitalize() or flag


def extra_field(value: Any) -> str:
    """Return the value of an extra field of a target: a text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def extra_field_lines(fields: dict[str, Any]) -> str:
    """Return extra fields, one a line, for the form that `target_form.js` reads."""
    return "\n".join(f"{name}: {_unambiguous(value)}" for name, value in fields.items())


def _unambiguous(value: Any) -> str:
    text = extra_field(value)
    if not isinstance(value, str):
        return text
    try:
        json.loads(value)
    except ValueError:
        return json.dumps(value) if value != value.strip() or "\n" in value else text
    return json.dumps(value)  # a text that reads as a number, for instance


def right_ascension(degrees: float) -> str:
    """Return degrees as hours, minutes and seconds of time."""
    hundredths = floor(degrees / 15 * 360_000 + 0.5) % (24 * 360_000)
    minutes, rest = divmod(hundredths, 6000)
    return f"{minutes // 60:02}h {minutes % 60:02}m {rest / 100:05.2f}s"


def declination(degrees: float) -> str:
    """Return degrees as signed degrees, minutes and seconds of arc."""
    tenths = floor(abs(degrees) * 36_000 + 0.5)
    minutes, rest = divmod(tenths, 600)
    sign = "\u2212" if degrees < 0 and tenths else "+"
    return f"{sign}{minutes // 60:02}\u00b0 {minutes % 60:02}\u2032 {rest / 10:04.1f}\u2033"


def sexagesimal(ra: float, dec: float) -> str:
    """Return coordinates as programs take them: `16:41:41.64 +36:27:40.7`."""
    right = right_ascension(ra).replace("h ", ":").replace("m ", ":").removesuffix("s")
    up = declination(dec).replace("\u00b0 ", ":").replace("\u2032 ", ":").removesuffix("\u2033")
    return f"{right} {up}".replace("\u2212", "-")


def degrees(value: float, sign: str = "") -> str:
    """Return degrees to a few hundredths of an arc second; `sign` is "+" for signed ones."""
    return f"{value:{sign}.5f}\u00b0".replace("-", "\u2212")


def observed(date: object) -> str:
    """Return a header's date of observation, to the second."""
    if isinstance(date, int | float):
        return exact(date).removesuffix(" UTC")
    return str(date).replace("T", " ")[:19] if date else NOTHING


def exposure(seconds: object) -> str:
    """Return a header's exposure time."""
    return f"{seconds:g} s" if isinstance(seconds, int | float) else NOTHING


def clock(seconds: float) -> str:
    """Return the time of day of a log line, in UTC until a script shows the chosen one."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")


def share(process: dict[str, Any]) -> str:
    """Return the progress of a process that has not ended, as in `12 / 30`."""
    progress = process["progress"]
    if progress is None or process["terminal_timestamp"] is not None:
        return ""
    return f"{number(progress['done'])} / {number(progress['total'])}"


def status(process: dict[str, Any]) -> str:
    """Return the status of a process in the words of pages: a success is called one."""
    return "Succeeded" if process["state"] == "succeeded" else str(process["status"])


def note(process: dict[str, Any]) -> str:
    """Return what there is to say of a process besides its status."""
    if process["terminal_timestamp"] is not None:
        message = process["failure_message"] or ""
        return "" if message.lower() == process["status"] else message
    if process["stopping"]:
        return "Stopping\u2026"
    waits = process["waiting_for"] or ""
    if process["state"] == "queued" and process["attempt"]:
        return f"Attempt {process['attempt'] + 1} waits. {waits}".strip()
    return waits


def resources(used: dict[str, object] | None) -> str:
    """Return in one line what a run used, and how it ended unless it ended well."""
    if used is None:
        return ""
    parts = []
    if isinstance(used["cpu_seconds"], int | float):
        parts.append(f"{floor(used['cpu_seconds'] * 10 + 0.5) / 10:.1f} s CPU")
    if isinstance(used["peak_rss_bytes"], int | float):
        parts.append(size(used["peak_rss_bytes"]))
    if used["exit"] != "exit code 0":
        parts.append(str(used["exit"]))
    return " · ".join(parts)


#: How browsers and systems give themselves away in `User-Agent`. The first match counts, as many
#: also name those that they are compatible with.
_BROWSERS = {"Edg": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome"}
_BROWSERS |= {"Safari/": "Safari"}
_SYSTEMS = {"iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "Windows": "Windows"}
_SYSTEMS |= {"Mac OS": "macOS", "CrOS": "ChromeOS", "Linux": "Linux"}


def browser(user_agent: str) -> str:
    """Return which browser on which system this is, or the beginning of what it says."""
    name = next((name for sign, name in _BROWSERS.items() if sign in user_agent), None)
    system = next((name for sign, name in _SYSTEMS.items() if sign in user_agent), None)
    if name is None:
        return user_agent[:60] or "unknown"
    return name if system is None else f"{name} on {system}"
