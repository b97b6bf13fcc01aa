"""Tables of figures, with the bars to be reached."""

from __future__ import annotations

import argparse
import os
from statistics import median

WIDTH = 38


def arguments(description: str | None, rounds: int = 5) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks take."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=rounds)
    return parser


def head(title: str, *columns: str) -> None:
    """Print the head of a table, with the load of the machine, which qualifies the figures."""
    load = os.getloadavg()[0]
    print(f"\nload {load:.1f} on {os.cpu_count()} cores")
    print(f"{title:<{WIDTH}}" + "".join(f"{column:>12}" for column in columns), flush=True)


def row(name: str, *figures: float | str) -> None:
    """Print one row; figures below ten get decimals."""
    cells = "".join(f"{_cell(figure):>12}" for figure in figures)
    print(f"{name:<{WIDTH}}{cells}", flush=True)


def against(name: str, floors: list[float], ours: list[float], bar: float | str = "") -> None:
    """Print a row of medians, with the ratio of ours to the floor's."""
    floor, measured = median(floors), median(ours)
    row(name, floor, measured, f"{measured / floor:.2f}", str(bar))


def _cell(figure: float | str) -> str:
    if isinstance(figure, str):
        return figure
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.2f}"


def percentile(values: list[float], percent: float) -> float:
    """Return the value that this percentage of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
