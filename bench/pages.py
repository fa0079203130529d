"""`python -m bench.pages URL`: Lighthouse's scores of the buyer's pages on a simulated slow phone, as a table.

Exit code 1: a score is 95 or less.
URL is a shop with the demo events, such as `make run` at http://127.0.0.1:8000. It uses the browser of the browser tests. The first run
installs Lighthouse from the npm registry in bench/lighthouse (about a minute, 180 MB); no test and no other command needs it.

`--slow-network` needs no Lighthouse: in a browser with an empty cache, at 400 kbit/s with a latency of 400 ms, it measures when each page
shows something and when its first control works, and what it loads until then. Exit code 1: a page takes 3 seconds or more.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, Page, expect, sync_playwright

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

SLOW_NETWORK = {"offline": False, "latency": 400, "downloadThroughput": 400_000 / 8, "uploadThroughput": 400_000 / 8}
RUNS = 3
USABLE_SECONDS = 3.0
WHEN = """(selector) => new Promise((resolve) => {
  const look = () => (document.querySelector(selector) ? resolve(performance.now()) : requestAnimationFrame(look));
  look();
})"""
FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"


def _search(page: Page) -> None:
    page.get_by_role("searchbox").fill("no event has this name")
    expect(page.locator(".card")).to_have_count(0)


def _choose(page: Page) -> None:
    page.locator(".picker select").first.select_option("1")
    expect(page.locator(".picker button[type=submit]")).to_be_enabled()


def _join(page: Page) -> None:
    page.locator("main .panel button").click()
    expect(page.locator("main .panel.ticket")).to_be_visible(timeout=60_000)


# The first control of each page that needs scripts, and what it does.
CONTROLS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "storefront": ("input[type=search]:enabled", _search),
    "event": (".picker select", _choose),
    "waiting room": ("main .panel button:enabled", _join),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.pages", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="address of a running shop, such as http://127.0.0.1:8000")
    parser.add_argument("--slow-network", action="store_true", help="measure when the pages can be used on a slow network")
    arguments = parser.parse_args()
    origin = arguments.url.rstrip("/")
    if arguments.slow_network:
        return measure_slow_network(origin)
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


def measure_slow_network(origin: str) -> int:
    chromium = find_chromium()
    slowest = 0.0
    print("| page | first paint | usable | transferred until then | scripts among them |\n| --- | --- | --- | --- | --- |", flush=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium.binary), env={**chromium.environment}, args=["--no-sandbox"])
        for name in CONTROLS:
            paint, usable, total, scripts = (
                median(values) for values in zip(*(_visit(browser, origin, name) for _ in range(RUNS)), strict=True)
            )
            slowest = max(slowest, usable)
            print(f"| {name} | {paint:.1f} s | {usable:.1f} s | {total / 1000:.0f} KB | {scripts / 1000:.0f} KB |", flush=True)
        browser.close()
    return 0 if slowest < USABLE_SECONDS else 1


def _visit(browser: Browser, origin: str, name: str) -> tuple[float, float, int, int]:
    """Return when the page shows something and can be used, in seconds, and the bytes of all files and of scripts until then."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    types: dict[str, str] = {}
    sizes: dict[str, int] = {}
    devtools.on("Network.responseReceived", lambda event: types.update({event["requestId"]: event["type"]}))
    devtools.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: int(event["encodedDataLength"])}))
    devtools.send("Network.enable")
    devtools.send("Network.emulateNetworkConditions", SLOW_NETWORK)
    control, use = CONTROLS[name]
    page.goto(origin + PAGES[name], wait_until="commit")
    usable = page.evaluate(WHEN, control)
    scripts = sum(size for request, size in sizes.items() if types.get(request) == "Script")
    paint = page.evaluate(FIRST_PAINT)
    found = paint / 1000, usable / 1000, sum(sizes.values()), scripts
    use(page)
    context.close()
    return found


if __name__ == "__main__":
    sys.exit(main())
