"""Explore the purchase protocol: python -m tests.protocol [--scenario NAME] [--without RULE ...]"""

import argparse
import sys
import time

from tests.protocol.explorer import Explorer
from tests.protocol.rules import RULES
from tests.protocol.scenarios import SCENARIOS


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--scenario", choices=SCENARIOS, action="append")
    arguments.add_argument("--without", choices=RULES, action="append", default=[])
    given = arguments.parse_args()
    faults = 0
    for name in given.scenario or SCENARIOS:
        began = time.perf_counter()
        explorer = Explorer(SCENARIOS[name], frozenset(given.without))
        found = explorer.explore()
        faults += found is not None
        sys.stdout.write(f"{name}: {explorer.states} states, {time.perf_counter() - began:.1f} s; {found or 'all invariants hold'}\n")
    return min(faults, 1)


if __name__ == "__main__":
    sys.exit(main())
