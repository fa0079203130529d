"""`make bench`: the measures of docs/performance.md, each beside a floor that is measured in the same run.

Writes bench/results/latest.json and latest.md. Takes about two minutes.
"""

import json
import os
import platform
import sys
import tempfile
from pathlib import Path

from bench import calls, server, store
from bench.measure import Measure, table

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    # Log lines would measure the disk.
    os.environ["POWERTOOLS_LOG_LEVEL"] = "ERROR"
    os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"
    measures: list[Measure] = []
    with tempfile.TemporaryDirectory() as scratch:
        for part in (calls.measure, server.measure, store.measure):
            for one in part(Path(scratch)):
                print(one.line(), flush=True)
                measures.append(one)
    RESULTS.mkdir(exist_ok=True)
    machine = {"python": platform.python_version(), "system": platform.system(), "cores": os.cpu_count(), "cpu": _cpu()}
    facts = {"machine": machine, "measures": [one.facts() for one in measures]}
    (RESULTS / "latest.json").write_text(json.dumps(facts, indent=2) + "\n")
    (RESULTS / "latest.md").write_text(table(machine, measures))
    print(f"written to {RESULTS.name}/latest.md")
    missed = [one for one in measures if one.missed]
    for one in missed:
        print(f"MISSED: {one.line()}", file=sys.stderr)
    return 1 if missed else 0


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())
