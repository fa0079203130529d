"""What CloudWatch computes from metrics, as far as our alarms use it. No emulator does: moto keeps formulas without evaluating them.

What is computed from a missing point is missing, except by FILL.
"""

import operator
from collections.abc import Callable

from infra.template.alarms import Alarm

Value = float | None


class Point:
    """A point of a time series, or a missing one (None)."""

    def __init__(self, value: Value) -> None:
        self.value = value

    def _with(self, other: "Point | float", compute: Callable[[float, float], float]) -> "Point":
        second = other.value if isinstance(other, Point) else other
        if self.value is None or second is None or (compute is operator.truediv and second == 0):
            return Point(None)
        return Point(float(compute(self.value, second)))

    def __add__(self, other):
        return self._with(other, operator.add)

    def __mul__(self, other):
        return self._with(other, operator.mul)

    def __truediv__(self, other):
        return self._with(other, operator.truediv)

    def __gt__(self, other):
        return self._with(other, operator.gt)

    __rmul__ = __mul__


def _if(condition, then, otherwise):
    if condition.value is None:
        return condition
    return then if condition.value else otherwise


def _max(points):
    values = [point.value for point in points]
    return Point(None if None in values else max(values))


_FUNCTIONS = {"FILL": lambda point, filler: point if point.value is not None else Point(filler), "IF": _if, "MAX": _max}


def evaluate(formula: str, measured: dict[str, Value]) -> Value:
    """The value of a formula, or None if CloudWatch has none; `measured`: the point of each metric, None if it is missing."""
    result = eval(formula, {**_FUNCTIONS, **{name: Point(value) for name, value in measured.items()}})
    return result.value if isinstance(result, Point) else result


def goes_off(alarm: Alarm, **measured: Value) -> bool:
    """Whether an alarm goes off if this is measured in each period, and nothing of the other metrics."""
    assert measured.keys() <= alarm.metrics.keys()
    value = evaluate(alarm.value, dict.fromkeys(alarm.metrics) | measured)
    if value is None:
        return alarm.silence == "breaching"
    return value < alarm.threshold if alarm.below else value > alarm.threshold
