"""`python -m bench.compare URL`: run a drop against any server with Fairgate's HTTP API and print how long each step took.

Each buyer takes five steps: join the waiting room, poll the status until admitted, reserve, open the checkout, confirm with a simulated
payment. Buyers, tickets and time are limited. Each buyer has a connection of their own and, if the server is on this machine, their own
address, because servers limit addresses.
Exit code 1: requests failed that should not have; 2: the run could not start.

    python -m bench.compare http://127.0.0.1:8000/api/v1 --buyers 1000 --connections 200 --tickets 100
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from yarl import URL

from bench.buyers import FIVE_STEPS, BuyerResults, NoSale, Sale, create_sale, find_sale, run_buyers, send_request
from bench.load_client import RequestFailed, parse_base_url

DEMO_FILE = Path(".data/demo.json")
MAX_CONNECTIONS = 5000


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        base_url = parse_base_url(options.url)
        sale = _choose_sale(base_url, options)
    except (ValueError, NoSale) as error:
        return _fail(str(error))
    except RequestFailed as error:
        return _fail(f"{options.url} does not respond: {error}. Is the server running?")
    bounds = {"connections": options.connections, "buyers": options.buyers, "seconds": options.seconds}
    results = run_buyers(base_url, sale, **bounds, fresh_connections=True)
    print(report(results, sale, options.connections))
    return 1 if results.errors else 0


def report(results: BuyerResults, sale: Sale, connections: int) -> str:
    """Return a table of the steps, the errors by status and code, and the number of buyers by outcome."""
    rows = [
        f"event {sale.event_id}, tier {sale.tier_id}, {connections} connections",
        "",
        f"{'step':10} {'responses':>10} {'p50 ms':>9} {'p95 ms':>9} {'p99 ms':>9} {'max ms':>9} {'errors':>7}",
    ]
    for step in FIVE_STEPS:
        times = results.times.get(step, [])
        figures = "".join(f" {percentile(times, share) * 1000:9.1f}" for share in (50, 95, 99, 100))
        errors = sum(count for (failed_step, _, _), count in results.errors.items() if failed_step == step)
        rows.append(f"{step:10} {len(times):10,}{figures} {errors:7,}")
    rows.append("")
    rows += [f"{count:,} x {step}: {status or 'no response'} {code}" for (step, status, code), count in results.errors.most_common()]
    outcomes = ", ".join(f"{results.outcomes[outcome]:,} {outcome}" for outcome in ("bought", "refused", "gave up", "failed"))
    rows.append(f"{outcomes} in {results.seconds:.1f} s: {results.per_second('bought'):,.1f} purchases/s")
    rows.append(f"The client used {results.client_cpu:.0%} of one core. Near 100 %, these figures show its limit and not the server's.")
    return "\n".join(rows)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` percent of the values do not exceed; 0 without values."""
    return sorted(values)[max(0, math.ceil(len(values) * share / 100) - 1)] if values else 0.0


def _choose_sale(base_url: URL, options: argparse.Namespace) -> Sale:
    """Return the sale that the options name, else a new one if there is an admin's token, else any event on sale."""
    if options.event or options.tier:
        return find_sale(base_url, options.event, options.tier)
    token = options.admin_token or _demo_token(options.demo, options.url)
    if token:
        send_request(base_url, "GET", "/events")
        return create_sale(base_url, token, options.tickets or options.buyers)
    print(
        "Buying from an event that is on sale. To create a new event, pass --admin-token, or --demo with a local run's demo.json.",
        file=sys.stderr,
    )
    return find_sale(base_url)


def _demo_token(file: Path, url: str) -> str | None:
    """Return the admin's token from the demo.json of the local run at this URL; None without such a file, or if it names another URL."""
    try:
        demo = json.loads(file.read_bytes())
    except OSError:
        return None
    return str(demo["admin"]["token"]) if demo["base_url"].rstrip("/") == url.rstrip("/") else None


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=(__doc__ or "").partition("\n\n")[2])
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("url", help="base URL of the API, such as http://127.0.0.1:8000/api/v1")
    parser.add_argument("--buyers", type=_count, default=500, help="number of buyers, for one ticket each (default: 500)")
    parser.add_argument("--connections", type=_connections, default=50, help="number of buyers at the same time (default: 50)")
    parser.add_argument("--tickets", type=_count, help="number of tickets of the new event (default: one for each buyer)")
    parser.add_argument("--seconds", type=_count, default=60, help="after this time no new buyer starts (default: 60)")
    parser.add_argument("--event", help="buy from this event instead of a new one")
    parser.add_argument("--tier", help="buy this tier instead of the one with the most tickets left")
    parser.add_argument(
        "--admin-token", help="token of the admin who creates the event (default: the one in --demo, if that file names this URL)"
    )
    parser.add_argument("--demo", type=Path, default=DEMO_FILE, help="demo.json of a local run (default: .data/demo.json)")
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    if not 1 <= (count := int(text)) <= 1_000_000:
        raise argparse.ArgumentTypeError("must be from 1 to 1,000,000")
    return count


def _connections(text: str) -> int:
    if not 1 <= (count := int(text)) <= MAX_CONNECTIONS:
        raise argparse.ArgumentTypeError(f"must be from 1 to {MAX_CONNECTIONS:,}")
    return count


def _fail(text: str) -> int:
    print(f"bench.compare: {text}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
