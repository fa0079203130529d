"""`make bench`: measure the figures of docs/performance.md, and compare each with a floor measured in the same run.

Writes bench/results/latest.json and latest.md in about three minutes. Exits with 1 if a goal is missed.
"""

import json
import os
import platform
import sys
import tempfile
from pathlib import Path

from bench import app_calls, bootstrap_apply, cold_start, costs, entries, latency, local_runtime, purchase_calls, store
from bench.measure import Measure, markdown_table

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    # Writing log lines would add disk time.
    os.environ["POWERTOOLS_LOG_LEVEL"] = "ERROR"
    os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"
    measures: list[Measure] = []
    with tempfile.TemporaryDirectory() as scratch:
        for module in (cold_start, app_calls, purchase_calls, entries, costs, latency, bootstrap_apply, local_runtime, store):
            for measure in module.take_measures(Path(scratch)):
                print(measure.text_line(), flush=True)
                measures.append(measure)
    RESULTS.mkdir(exist_ok=True)
    machine = {"python": platform.python_version(), "system": platform.system(), "cores": os.cpu_count(), "cpu": _cpu_name()}
    results = {"machine": machine, "measures": [measure.as_json() for measure in measures]}
    (RESULTS / "latest.json").write_text(json.dumps(results, indent=2) + "\n")
    (RESULTS / "latest.md").write_text(markdown_table(machine, measures))
    print(f"written to bench/{RESULTS.name}/latest.md")
    missed = [measure for measure in measures if measure.misses_goal]
    for measure in missed:
        print(f"MISSED its goal of {measure.goal:g} x: {measure.text_line()}", file=sys.stderr)
    return 1 if missed else 0


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())
