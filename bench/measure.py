"""One measured figure, its floor for comparison, and the largest ratio allowed."""

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
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"
