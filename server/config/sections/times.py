"""Spans of time, in seconds."""

from __future__ import annotations

DAY_SECONDS = 86400
YEAR_SECONDS = 366 * DAY_SECONDS
