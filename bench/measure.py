"""One figure: its unit, the floor beside it and the ratio that it must keep."""

from typing import Any

from msgspec import Struct


class Measure(Struct, frozen=True):
    """`floor` is the name and figure of what it is compared with, in the same unit; `goal` is the most that the ratio may be."""

    name: str
    value: float
    unit: str
    floor: tuple[str, float] | None = None
    goal: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.value / self.floor[1] if self.floor else None

    @property
    def missed(self) -> bool:
        return self.ratio is not None and self.goal is not None and self.ratio > self.goal

    def line(self) -> str:
        ratio = f"   {self.ratio:.2f} x {self.floor[0]}" if self.floor and self.ratio else ""
        return f"{self.name:<46}{_figure(self.value):>10} {self.unit}{ratio}"

    def facts(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value, "unit": self.unit, "floor": self.floor, "ratio": self.ratio, "goal": self.goal}


def table(machine: dict[str, Any], measures: list[Measure]) -> str:
    """Markdown."""
    head = f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, {machine['system']}.\n\n"
    rows = ["| measure | figure | beside the floor | goal | note |", "| --- | ---: | ---: | ---: | --- |"]
    for one in measures:
        ratio = f"{one.ratio:.2f} x {one.floor[0]}" if one.floor and one.ratio else ""
        goal = f"<= {one.goal:g} x" if one.goal else ""
        rows.append(f"| {one.name} | {_figure(one.value)} {one.unit} | {ratio} | {goal} | {one.note} |")
    return head + "\n".join(rows) + "\n"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
