"""`python -m bench.compare URL`: buyers play a drop in five steps against any server with our HTTP shapes; prints how long each step took.

The steps: join the waiting room, poll the status until admitted, reserve, open the checkout, confirm with a simulated payment. The run
is bounded in buyers, tickets and time. Each buyer has a connection of their own. On this machine each comes from another address, because
servers limit addresses.
Exit code 1: something failed that should not have; 2: the run could not begin.

    python -m bench.compare http://127.0.0.1:8000/api/v1 --buyers 1000 --connections 200 --tickets 100
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.buyers import FIVE_STEPS, Record, Sale, run_buyers
from bench.http_client import RequestFailed, Target, parse_target
from bench.sale import NoSale, create_sale, exchange, find_sale

DEMO_FILE = Path(".data/demo.json")
MAX_CONNECTIONS = 5000


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        target = parse_target(options.url)
        sale = _choose_sale(target, options)
    except (ValueError, NoSale) as error:
        return _fail(str(error))
    except RequestFailed as error:
        return _fail(f"{options.url} does not answer: {error}. Is the server running?")
    bounds = {"connections": options.connections, "buyers": options.buyers, "seconds": options.seconds}
    record = run_buyers(target, sale, **bounds, fresh_connections=True)
    print(report(record, sale, options.connections))
    return 1 if record.errors else 0


def report(record: Record, sale: Sale, connections: int) -> str:
    """The table of the steps, the errors by status and code, and what the buyers got."""
    rows = [
        f"event {sale.event_id}, tier {sale.tier_id}, {connections} connections",
        "",
        f"{'step':10} {'responses':>10} {'p50 ms':>9} {'p95 ms':>9} {'p99 ms':>9} {'max ms':>9} {'errors':>7}",
    ]
    for step in FIVE_STEPS:
        times = record.times.get(step, [])
        figures = "".join(f" {percentile(times, share) * 1000:9.1f}" for share in (50, 95, 99, 100))
        errors = sum(count for (of_step, _, _), count in record.errors.items() if of_step == step)
        rows.append(f"{step:10} {len(times):10,}{figures} {errors:7,}")
    rows.append("")
    rows += [f"{count:,} x {step}: {status or 'no response'} {code}" for (step, status, code), count in record.errors.most_common()]
    outcomes = ", ".join(f"{record.outcomes[outcome]:,} {outcome}" for outcome in ("bought", "refused", "gave up", "failed"))
    rows.append(f"{outcomes} in {record.seconds:.1f} s: {record.per_second('bought'):,.1f} purchases/s")
    rows.append(f"The client itself used {record.client_cpu:.0%} of one core; it is the limit if that is near 100 %.")
    return "\n".join(rows)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` percent of the values do not exceed; 0 if there are none."""
    return sorted(values)[max(0, math.ceil(len(values) * share / 100) - 1)] if values else 0.0


def _choose_sale(target: Target, options: argparse.Namespace) -> Sale:
    """The event that the options name, a new one if we have an admin's token, else any that is on sale."""
    if options.event or options.tier:
        return find_sale(target, options.event, options.tier)
    token = options.admin_token or _demo_token(options.demo, options.url)
    if token:
        exchange(target, "GET", "/events")
        return create_sale(target, token, options.tickets or options.buyers)
    print("No admin token (--admin-token, or the demo.json of a local run): the tickets are those of an event on sale.", file=sys.stderr)
    return find_sale(target)


def _demo_token(file: Path, url: str) -> str | None:
    """The admin's token of the local run at this URL, from its demo.json; None if there is none, or if it is of another run."""
    try:
        demo = json.loads(file.read_bytes())
    except OSError:
        return None
    return str(demo["admin"]["token"]) if demo["base_url"].rstrip("/") == url.rstrip("/") else None


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=(__doc__ or "").partition("\n\n")[2])
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("url", help="base URL of the API, such as http://127.0.0.1:8000/api/v1")
    parser.add_argument("--buyers", type=_count, default=500, help="how many buyers come, for one ticket each (default: 500)")
    parser.add_argument("--connections", type=_connections, default=50, help="how many of them at once (default: 50)")
    parser.add_argument("--tickets", type=_count, help="how many tickets the new event has (default: one for each buyer)")
    parser.add_argument("--seconds", type=_count, default=60, help="after this time nobody new comes (default: 60)")
    parser.add_argument("--event", help="buy from this event instead of a new one")
    parser.add_argument("--tier", help="buy this tier instead of the one with the most tickets left")
    parser.add_argument("--admin-token", help="to create the event with (default: that of --demo, if it is of this URL)")
    parser.add_argument("--demo", type=Path, default=DEMO_FILE, help="the demo.json of a local run (default: .data/demo.json)")
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
