"""Explore the purchase protocol: python -m tests.proof.model [--scenario NAME] [--without RULE ...]"""

import argparse
import sys
import time

from tests.proof.model.explorer import Explorer
from tests.proof.model.rules import RULES
from tests.proof.model.scenarios import SCENARIOS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", choices=SCENARIOS, action="append", help="only this scenario; may be given several times")
    parser.add_argument("--without", choices=RULES, action="append", default=[], help="leave this rule out; may be given several times")
    arguments = parser.parse_args()
    violations = 0
    for name in arguments.scenario or SCENARIOS:
        start = time.perf_counter()
        explorer = Explorer(SCENARIOS[name], frozenset(arguments.without))
        violation = explorer.explore()
        violations += violation is not None
        seconds = time.perf_counter() - start
        sys.stdout.write(f"{name}: {explorer.states} states, {seconds:.1f} s; {violation or 'all invariants hold'}\n")
    return min(violations, 1)


if __name__ == "__main__":
    sys.exit(main())
