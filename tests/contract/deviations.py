"""The list of deviations of each engine from what AWS documents. The tests hold each engine to exactly these.

`python -m tests.contract.deviations` writes the list into docs/engines.md.
"""

from pathlib import Path

from tests.contract.deviation import Deviation
from tests.contract.moto_deviations import MOTO

# An engine that CONTRACT_ENGINE names gets its entry here once it has been tested.
DEVIATIONS: dict[str, tuple[Deviation, ...]] = {"moto": MOTO}

PAGE = Path(__file__).parents[2] / "docs" / "engines.md"
_BEGIN, _END = "<!-- deviations: begin -->\n", "<!-- deviations: end -->\n"


def expected_results(engine: str) -> dict[str, object]:
    """Test -> what the engine returns instead of what AWS documents."""
    return {test: result for deviation in DEVIATIONS.get(engine, ()) for test, result in deviation.results.items()}


def rendered_page() -> str:
    """The text that the page should have."""
    before, rest = PAGE.read_text(encoding="utf-8").split(_BEGIN)
    return before + _BEGIN + "".join(_section(engine) for engine in DEVIATIONS) + _END + rest.split(_END)[1]


def _section(engine: str) -> str:
    rows = [f"| {deviation.behavior} | {deviation.documentation} | {_tests(deviation)} |\n" for deviation in DEVIATIONS[engine]]
    return f"\n### {engine}\n\n| what it does | AWS says otherwise in | shown by |\n| --- | --- | --- |\n{''.join(rows)}\n"


def _tests(deviation: Deviation) -> str:
    files = dict.fromkeys(test.partition(".py")[0] for test in deviation.results)
    return f"{', '.join(f'`{name}`' for name in files)} ({len(deviation.results)})"


if __name__ == "__main__":
    PAGE.write_text(rendered_page(), encoding="utf-8")
