"""The cost of a sale on AWS: round trips and units of each step, counted in this process, and the resulting dollars.

`python -m bench.costs` prints them by step. Nothing is timed, so the figures are the same on every machine.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench.app_in_process import app_in_process
from bench.measure import Measure
from bench.prices import Architecture, Usage, cdn_dollars, instances, lambda_dollars, store_dollars, total_dollars
from chalicelib.addons.messages.jobs import send_messages
from chalicelib.addons.outgoing_webhooks.jobs import retry_webhooks
from chalicelib.addons.waitlist.jobs import offer_tickets
from chalicelib.addons.wallets.api import update_passes
from chalicelib.foundation import clock
from chalicelib.purchases.jobs import sweep
from infra.local.schedules import scheduled_event
from tests import builders
from tests.client import Client, ClientReply
from tests.simulation.call_log import record_calls

BUYERS = 20
RELOADS = 60
TICKETS_SOLD = 1000
WAITING_PEOPLE = 100_000
WAITING_SECONDS = 3600
# How often a visible page requests the state (web/src/place.ts) in each half of the hour: before the opening, and while the line moves.
POLL_SECONDS = 30, 1.8
CDN_LOCATIONS = 10  # caches that request the state once a second
HEADER_BYTES = 500
MINUTES_A_MONTH = 30 * 24 * 60
JOBS = {
    "sweep": sweep,
    "send_messages": send_messages,
    "offer_tickets": offer_tickets,
    "retry_webhooks": retry_webhooks,
    "update_passes": update_passes,
}
CONFIG = Path(__file__).parents[1] / ".chalice" / "config.json"


class Counts(Struct, frozen=True):
    """The usage of each kind of request on one warm instance, with rate limits.

    `steps` are the five steps of a buyer of one ticket in an open sale, with an idempotency key. `early_join` is a join before the
    opening. `state` is a request for the public state before the opening when the instance reloads it, which it does once a second; the
    body has `state_bytes`.
    """

    steps: dict[str, Usage]
    early_join: Usage
    state: Usage
    state_bytes: int


def take_measures(scratch: Path) -> Iterator[Measure]:  # noqa: ARG001
    memory_mb, architecture = lambda_configuration()
    counts = count_usage()
    sold = sum(counts.steps.values(), Usage()) * TICKETS_SOLD
    purchase = counts.steps["reserve"] + counts.steps["checkout"] + counts.steps["confirm"]
    yield Measure("trips of a purchase with key and limits", purchase.trips + purchase.transactions, "trips")
    yield Measure("write units of a purchase with key and limits", purchase.write_units, "units")
    yield Measure(
        f"{TICKETS_SOLD:,} tickets, one per buyer, in five steps", total_dollars(sold, memory_mb, architecture), "$", note=_parts(sold)
    )
    polls = sum(WAITING_PEOPLE * WAITING_SECONDS / 2 / seconds for seconds in POLL_SECONDS)
    for name, requests, cdn in (
        ("behind a CDN", WAITING_SECONDS * CDN_LOCATIONS, cdn_dollars(polls, counts.state_bytes + HEADER_BYTES)),
        ("without a CDN", polls, 0.0),
    ):
        usage = counts.early_join * WAITING_PEOPLE + _polling(requests, counts.state)
        note = f"{_parts(usage)}; the page polls every {POLL_SECONDS[0]} s, and every {POLL_SECONDS[1]} s while the line moves" + (
            f"; CDN $ {cdn:.2f}" if cdn else ""
        )
        name = f"{WAITING_PEOPLE:,} people join and wait an hour, {name}"
        yield Measure(name, total_dollars(usage, memory_mb, architecture) + cdn, "$", note=note)


def count_usage() -> Counts:
    now = [clock.now()]
    with app_in_process(rate_limits="on") as api, clock.override(lambda: float(now[0])):
        room = {"enabled": True, "wave_size": TICKETS_SOLD, "wave_seconds": 1}
        event_id = builders.create_event(api, waiting_room=room)
        tier_id = builders.create_tier(api, event_id, capacity=TICKETS_SOLD)
        _buy(api, 0, event_id, tier_id)  # fills the caches
        counted = [_buy(api, number, event_id, tier_id) for number in range(1, BUYERS + 1)]
        steps = {step: _mean(buyer_steps[step] for buyer_steps in counted) for step in counted[0]}

        on_sale_at = clock.iso(now[0] + 2 * WAITING_SECONDS)
        closed = f"/events/{builders.create_event(api, 'Later', waiting_room={'enabled': True}, on_sale_at=on_sale_at)}/waiting-room"
        api.get(f"{closed}/state")
        joins = [_join(api, closed, number)[0] for number in range(BUYERS)]
        reloads, state_bytes = [], 0
        for _ in range(RELOADS):
            now[0] += 1
            usage, reply = _count(lambda: api.get(f"{closed}/state"))
            reloads.append(usage)
            state_bytes = len(reply.body)
        return Counts(steps, _mean(joins), _mean(reloads), state_bytes)


def count_runs(events: int = 3) -> dict[str, Usage]:
    """Return the usage of an idle run of each job that runs every minute, with `events` events of 1,000 tickets on sale."""
    usage = {}
    with app_in_process() as api:
        for number in range(events):
            builders.create_tier(api, builders.create_event(api, f"Event {number}"), capacity=TICKETS_SOLD)
        for name, run in JOBS.items():
            run(scheduled_event(), None)  # fills the caches
            with record_calls(measured=True) as log:
                run(scheduled_event(), None)
            usage[name] = Usage(1, log.round_trips, 0, *log.capacity)
    return usage


def _mean(usages: Iterable[Usage]) -> Usage:
    found = list(usages)
    return sum(found, Usage()) * (1 / len(found))


def _buy(api: Client, number: int, event_id: str, tier_id: str) -> dict[str, Usage]:
    """Return the usage of each of a buyer's five steps; each buyer has their own address."""
    user, usage = f"buyer-{number}", {}
    room = f"/events/{event_id}/waiting-room"

    def post(path: str, **options: Any) -> tuple[Usage, ClientReply]:
        return _count(lambda: api.post(path, user=user, source_ip=f"192.0.2.{number}", **options))

    usage["join"], joined = _join(api, room, number)
    token = joined.json["token"]
    usage["status"], _ = _count(lambda: api.get(f"{room}/status?token={token}"))
    usage["reserve"], reserved = post(f"/events/{event_id}/reservations", json={"tier_id": tier_id, "quantity": 1, "token": token})
    body, key = {"reservation_id": reserved.json["id"]}, {"Idempotency-Key": reserved.json["id"]}
    usage["checkout"], session = post("/checkout/sessions", json=body, headers=key)
    usage["confirm"], _ = post("/checkout/confirm", json={"checkout_id": session.json["id"], "simulate": "success"})
    return usage


def _join(api: Client, room: str, number: int) -> tuple[Usage, ClientReply]:
    return _count(lambda: api.post(f"{room}/join", user=f"buyer-{number}", source_ip=f"192.0.2.{number}"))


def _count(send: Callable[[], ClientReply]) -> tuple[Usage, ClientReply]:
    with record_calls(measured=True) as log:
        reply = send()
    assert reply.status in (200, 201), reply.json
    transactions = sum(entry.round_trips for entry in log.of("TransactWriteItems"))
    return Usage(1, log.round_trips - transactions, transactions, *log.capacity), reply


def _polling(requests: float, state: Usage) -> Usage:
    """Return the usage of this number of requests for the state in the hour; each instance reloads the state once a second."""
    idle = Usage(requests=1)
    reloads = min(requests, instances(requests / WAITING_SECONDS, idle.billed_seconds) * WAITING_SECONDS)
    return idle * (requests - reloads) + state * reloads


def lambda_configuration(name: str = "api_handler") -> tuple[int, Architecture]:
    """Return a function's memory in MB and architecture from `.chalice/config.json`, by default those of the API's function."""
    config = json.loads(CONFIG.read_bytes())
    function = config.get("lambda_functions", {}).get(name, {})
    memory = function.get("lambda_memory_size", config["lambda_memory_size"])
    return int(memory), "arm64" if config["lambda_architecture"] == "arm64" else "x86_64"


def _parts(usage: Usage) -> str:
    memory_mb, _ = lambda_configuration()
    arm, x86 = (lambda_dollars(usage, memory_mb, architecture) for architecture in ("arm64", "x86_64"))
    api = total_dollars(usage, memory_mb, "arm64") - store_dollars(usage) - arm
    return f"DynamoDB $ {store_dollars(usage):.3g}, API Gateway $ {api:.3g}, Lambda $ {arm:.3g} on arm64 or $ {x86:.3g} on x86"


def main() -> None:
    counts = count_usage()
    for step, usage in {**counts.steps, "join before the opening": counts.early_join, "state, reloaded": counts.state}.items():
        units = f"{usage.read_units:5.3g} read units {usage.write_units:5.3g} write units"
        print(f"{step:26}{usage.trips + usage.transactions:5.3g} trips {units}")
    print(f"the state has {counts.state_bytes} bytes")
    for measure in take_measures(Path()):
        print(measure.text_line(), measure.note)
    for name, usage in count_runs().items():
        month, (memory_mb, architecture) = usage * MINUTES_A_MONTH, lambda_configuration(name)
        print(f"a month of {name} without buyers $ {store_dollars(month) + lambda_dollars(month, memory_mb, architecture):.2f}")


if __name__ == "__main__":
    main()
