"""One measured figure, and what it is compared with: a floor from the same run, or the bound of a figure of scale."""

import sys
from collections.abc import Iterable
from typing import Any

from msgspec import Struct


class Measure(Struct, frozen=True):
    """`floor` is the name and the figure to compare `value` with, both in the same unit.

    The ratio is how many times longer, or larger, than the floor the figure is. `goal` is the largest ratio allowed.
    """

    name: str
    value: float
    unit: str
    floor: tuple[str, float] | None = None
    goal: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        if self.floor is None:
            return None
        return self.floor[1] / self.value if self.unit.endswith("/s") else self.value / self.floor[1]

    @property
    def misses_goal(self) -> bool:
        return self.ratio is not None and self.goal is not None and self.ratio > self.goal

    def text_line(self) -> str:
        """Return a line for the terminal."""
        ratio = f"   {self.ratio:.2f} x {self.floor[0]}" if self.floor and self.ratio else ""
        return f"{self.name:<58}{_figure(self.value):>10} {self.unit}{ratio}"

    def as_json(self) -> dict[str, Any]:
        """Return an entry of latest.json."""
        return {"name": self.name, "value": self.value, "unit": self.unit, "floor": self.floor, "ratio": self.ratio, "goal": self.goal}


class Bound(Struct, frozen=True):
    """A figure of scale and the bound that it must keep: the highest value allowed or, with `is_minimum`, the lowest."""

    name: str
    figure: float
    unit: str
    bound: float
    is_minimum: bool = False

    @property
    def is_missed(self) -> bool:
        return self.figure < self.bound if self.is_minimum else self.figure > self.bound

    def table_row(self) -> str:
        sign, verdict = ">=" if self.is_minimum else "<=", "MISSED" if self.is_missed else "ok"
        return f"| {self.name} | {_figure(self.figure)} {self.unit} | {sign} {self.bound:,.10g} | {verdict} |"


def print_bounds(bounds: Iterable[Bound]) -> int:
    """Print a table of the figures, and those that miss their bounds. Returns 1 if any does, otherwise 0."""
    measured = list(bounds)
    print("\n| what | figure | bound | |", "| --- | ---: | ---: | --- |", *(bound.table_row() for bound in measured), sep="\n", flush=True)
    missed = [bound for bound in measured if bound.is_missed]
    for bound in missed:
        print(f"MISSED its bound: {bound.table_row()}", file=sys.stderr)
    return 1 if missed else 0


def markdown_table(machine: dict[str, Any], measures: list[Measure]) -> str:
    """Return the content of latest.md."""
    head = f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, {machine['system']}.\n\n"
    rows = ["| measure | figure | ratio to the floor | goal | note |", "| --- | ---: | ---: | ---: | --- |"]
    for measure in measures:
        ratio = f"{measure.ratio:.2f} x {measure.floor[0]}" if measure.floor and measure.ratio else ""
        goal = f"<= {measure.goal:g} x" if measure.goal else ""
        rows.append(f"| {measure.name} | {_figure(measure.value)} {measure.unit} | {ratio} | {goal} | {measure.note} |")
    return head + "\n".join(rows) + "\n"


def _figure(value: float) -> str:
    """Format a figure with at least two significant digits."""
    return f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"
