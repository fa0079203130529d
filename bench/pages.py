"""`python -m bench.pages URL`: Lighthouse's scores of the buyer's pages on a simulated slow phone, as a table.

Exit code 1: a score is 95 or less.
URL is a shop with the demo events, such as `make run` at http://127.0.0.1:8000. It uses the browser of the browser tests. The first run
installs Lighthouse from the npm registry in bench/lighthouse (about a minute, 180 MB); no test and no other command needs it.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from infra import web
from tests.browser.chromium import find_chromium

FOLDER = Path(__file__).parent / "lighthouse"
PAGES = {
    "storefront": "/",
    "event": "/events/summits-v-harbor",
    "waiting room": "/events/rivalry-cup-final/line",
    "checkout, nothing reserved": "/events/summits-v-harbor/checkout",
    "tickets": "/tickets",
}
BOUND = 95


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.pages", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="address of a running shop, such as http://127.0.0.1:8000")
    origin = parser.parse_args().url.rstrip("/")
    chromium, node = find_chromium(), web.find_node()
    web.install_packages(FOLDER, node)
    command = [str(node.binary), "measure.mjs", str(chromium.binary), *(origin + path for path in PAGES.values())]
    environment = {**os.environ, **chromium.environment}
    print("| page | performance | accessibility | best practices | layout shift |\n| --- | --- | --- | --- | --- |", flush=True)
    lowest = 100
    with subprocess.Popen(command, cwd=FOLDER, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for name, line in zip(PAGES, process.stdout, strict=False):
            _, scores, shift = json.loads(line)
            lowest = min(lowest, *scores.values())
            columns = [scores["performance"], scores["accessibility"], scores["best-practices"], f"{shift:.3f}"]
            print(f"| {name} | {' | '.join(map(str, columns))} |", flush=True)
    return 0 if process.returncode == 0 and lowest > BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
