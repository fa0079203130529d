"""One thing that an engine does otherwise than AWS documents."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Deviation:
    """What the engine does, and the page of AWS's documentation that says otherwise (with its words in quotation marks).

    `answers`: the id of each test that shows it, without the engine, and what the engine answers there, in the test's terms.
    """

    does: str
    page: str
    answers: dict[str, Any]


def short_id(node: str) -> str:
    """`test_values.py::test_depth[33]` of `tests/contract/test_values.py::test_depth[moto-33]`."""
    name, _, case = node.removeprefix("tests/contract/").partition("[")
    _, _, rest = case.removesuffix("]").partition("-")
    return f"{name}[{rest}]" if rest else name
