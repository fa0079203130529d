"""One deviation: a behavior of an engine that differs from what AWS documents."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Deviation:
    """`behavior`: what the engine does. `documentation`: the page of AWS that says otherwise, with quotations.

    `results`: the id of each test that shows it, without the engine -> what the engine returns there, in the test's terms.
    """

    behavior: str
    documentation: str
    results: dict[str, Any]


def case_id(node_id: str) -> str:
    """`test_values.py::test_depth[33]` for `tests/contract/test_values.py::test_depth[moto-33]`."""
    name, _, case = node_id.removeprefix("tests/contract/").partition("[")
    _, _, rest = case.removesuffix("]").partition("-")
    return f"{name}[{rest}]" if rest else name
