"""Rows of figures with their bars."""

from __future__ import annotations

import argparse
import os
from statistics import median

WIDTH = 38


def arguments(description: str | None, rounds: int = 5) -> argparse.ArgumentParser:
    """What all benchmarks take."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=rounds)
    return parser


def head(title: str, *columns: str) -> None:
    """The head of a table, with the load of the machine, which says what the figures are worth."""
    load = os.getloadavg()[0]
    print(f"\nload {load:.1f} on {os.cpu_count()} cores")
    print(f"{title:<{WIDTH}}" + "".join(f"{column:>12}" for column in columns), flush=True)


def row(name: str, *figures: float | str) -> None:
    """One row; figures below ten with decimals."""
    cells = "".join(f"{_cell(figure):>12}" for figure in figures)
    print(f"{name:<{WIDTH}}{cells}", flush=True)


def against(name: str, floors: list[float], ours: list[float], bar: float | str = "") -> None:
    """A row of medians, and the ratio of ours to the floor's."""
    floor, measured = median(floors), median(ours)
    row(name, floor, measured, f"{measured / floor:.2f}", str(bar))


def _cell(figure: float | str) -> str:
    if isinstance(figure, str):
        return figure
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.2f}"


def percentile(values: list[float], percent: float) -> float:
    """The value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
