"""The one list of what engines do otherwise than AWS documents: the tests hold each engine to exactly that.

`python -m tests.contract.deviations` writes it into docs/engines.md.
"""

from pathlib import Path

from tests.contract.deviation import Deviation
from tests.contract.deviations_of_local import LOCAL
from tests.contract.deviations_of_moto import MOTO

# An engine that only CONTRACT_ENGINE names gets its entry here when it has been run.
DEVIATIONS: dict[str, tuple[Deviation, ...]] = {"moto": MOTO, "local": LOCAL}

PAGE = Path(__file__).parents[2] / "docs" / "engines.md"
_BEGIN, _END = "<!-- deviations: begin -->\n", "<!-- deviations: end -->\n"


def answers(engine: str) -> dict[str, object]:
    """Test -> what the engine answers there instead of what AWS documents."""
    return {test: answer for one in DEVIATIONS.get(engine, ()) for test, answer in one.answers.items()}


def written() -> str:
    """The page as it should be."""
    before, rest = PAGE.read_text(encoding="utf-8").split(_BEGIN)
    return before + _BEGIN + "".join(_section(engine) for engine in DEVIATIONS) + _shared() + _END + rest.split(_END)[1]


def _section(engine: str) -> str:
    rows = [f"| {one.does} | {one.page} | {_tests(one)} |\n" for one in DEVIATIONS[engine]]
    return f"\n### {engine}\n\n| what it does | AWS says otherwise in | shown by |\n| --- | --- | --- |\n{''.join(rows)}"


def _shared() -> str:
    """What a mistake of ours would pass on every engine: those tests that all of them deviate in."""
    tests = [test for test in answers("moto") if test in answers("local")]
    return "\n### on both\n\n" + "".join(f"- `{test}`\n" for test in tests) + "\n"


def _tests(one: Deviation) -> str:
    files = dict.fromkeys(test.partition(".py")[0] for test in one.answers)
    return f"{', '.join(f'`{name}`' for name in files)} ({len(one.answers)})"


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
