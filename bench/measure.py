"""One measured figure, the floor that it is compared with, and the largest ratio that is allowed."""

from typing import Any

from msgspec import Struct


class Measure(Struct, frozen=True):
    """`floor` is the name and the figure that `value` is compared with, both in the same unit or both per second.

    The ratio says how many times as long (or as much) as the floor it takes. `goal` is the largest ratio allowed.
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
        """One line for the terminal."""
        ratio = f"   {self.ratio:.2f} x {self.floor[0]}" if self.floor and self.ratio else ""
        return f"{self.name:<58}{_figure(self.value):>10} {self.unit}{ratio}"

    def as_json(self) -> dict[str, Any]:
        """An entry of latest.json."""
        return {"name": self.name, "value": self.value, "unit": self.unit, "floor": self.floor, "ratio": self.ratio, "goal": self.goal}


def markdown_table(machine: dict[str, Any], measures: list[Measure]) -> str:
    """The content of latest.md."""
    head = f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, {machine['system']}.\n\n"
    rows = ["| measure | figure | ratio to the floor | goal | note |", "| --- | ---: | ---: | ---: | --- |"]
    for measure in measures:
        ratio = f"{measure.ratio:.2f} x {measure.floor[0]}" if measure.floor and measure.ratio else ""
        goal = f"<= {measure.goal:g} x" if measure.goal else ""
        rows.append(f"| {measure.name} | {_figure(measure.value)} {measure.unit} | {ratio} | {goal} | {measure.note} |")
    return head + "\n".join(rows) + "\n"


def _figure(value: float) -> str:
    """At least two digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"
