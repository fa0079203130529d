"""`make emulate FROM=revision MIXED=1`: two versions of the code sell one event at the same time, as during a release or a rollback.

Each of 64 people takes six steps, each step on one of the two versions, so that every combination of versions occurs once.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from time import sleep
from typing import Any, Literal

from msgspec import Struct

from chalicelib.foundation import clock, settings
from infra.deploy.account import secret_name
from infra.emulation.aws import EmulatedAws, EmulationFailed
from infra.emulation.deployed import DeployedStack
from infra.emulation.operations import call
from infra.emulation.trials import read_changes
from infra.local.schedules import scheduled_event
from infra.template.functions import FUNCTIONS
from infra.template.stages import ROOT

Version = Literal[0, 1]  # 0: the earlier one
STEPS = ("join", "wait", "reserve", "checkout", "pay", "admit")
LINES: list[tuple[Version, ...]] = list(product((0, 1), repeat=len(STEPS)))  # the version of each step, for every person
NAMES = ("the earlier version", "this version")
PEOPLE_AT_ONCE = 8
OPENS_SECONDS = 45  # after the creation of the event; everybody joins before the draw even on the slowest machine
TURN_SECONDS = 180  # every turn must come within this time after the opening
POLL_SECONDS = 1.0
WAVE = {"wave_size": 16, "wave_seconds": 2}
PEOPLE_PER_SWEEP = 8  # one sweep for this many purchases, on both versions in turn
CHANGES_PER_CALL = 25


class Sale(Struct, frozen=True):
    """The event that both versions sell; it has one ticket for each person. `urls` are the APIs of the two versions."""

    urls: tuple[str, str]
    admin: str
    event_id: str
    tier_id: str


class Buyer(Struct):
    """A guest, and the version that answers each step of the guest. `order_id` is also the id of the reservation."""

    versions: tuple[Version, ...]
    token: str
    place_token: str = ""
    place: int = 0
    order_id: str = ""
    codes: list[str] = []

    def version(self, step: str) -> Version:
        return self.versions[STEPS.index(step)]


class Background:
    """The sweep and the consumers of changes of both versions. Create it before the upgrade, while the earlier version is deployed."""

    def __init__(self, aws: EmulatedAws, earlier: DeployedStack) -> None:
        self._aws, self._earlier = aws, earlier
        self._earlier_consumers = {
            mapping["EventSourceArn"]: earlier.function_of_arn(mapping["FunctionArn"]) for mapping in self._mappings()
        }
        self._earlier_sweep = earlier.function_of_arn(earlier.resource(FUNCTIONS["sweep"]))

    def sweep(self, current: DeployedStack, version: Version) -> None:
        function = current.function_of_arn(current.resource(FUNCTIONS["sweep"])) if version else self._earlier_sweep
        function.call(scheduled_event())

    def pass_changes_on(self, current: DeployedStack) -> int:
        """Give the changes of each stream in order to its consumer, a few at a time, in turn to both versions. Returns their number."""
        count = 0
        for mapping in self._mappings():
            stream = mapping["EventSourceArn"]
            newer = current.function_of_arn(mapping["FunctionArn"])
            versions = [self._earlier_consumers.get(stream, newer), newer]
            changes = read_changes(self._aws, stream)
            count += len(changes)
            for number, batch in enumerate(batches(changes)):
                if versions[number % 2].call({"Records": batch}).get("batchItemFailures"):
                    raise EmulationFailed(f"{versions[number % 2].name} of {NAMES[number % 2]} failed to process changes; see its log")
        return count

    def _mappings(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._aws.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        return found


def sell_on_both(aws: EmulatedAws, stage: str, background: Background, current: DeployedStack, urls: tuple[str, str], admin: str) -> None:
    """Sell an event on both versions while their sweeps run, and check that nothing was lost. Raises EmulationFailed."""
    sale = open_sale(urls, admin)
    buyers = play(sale, lambda version: background.sweep(current, version))
    check(sale, buyers)
    count = background.pass_changes_on(current)
    figures = call("GET", f"{urls[1]}/events/{sale.event_id}/analytics", token=admin)
    _expect("tickets sold in the reports of both versions' changes", figures["tickets_sold"], len(buyers))
    command = [sys.executable, "-m", "infra.reconcile", "--records"]
    environment = {**aws.environment(), f"{settings.PREFIX}STAGE": stage, f"{settings.PREFIX}SECRETS_ARN": secret_name(stage)}
    if subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode:
        raise EmulationFailed("the records of the mixed sale contradict each other. The findings are above")
    print(
        f"two versions sold {len(buyers)} tickets at the same time, in all {len(LINES)} combinations of {len(STEPS)} steps, and processed "
        f"{count} changes",
        flush=True,
    )


def open_sale(urls: tuple[str, str], admin: str) -> Sale:
    """Create an event with a waiting room, which opens soon, on the earlier version."""
    event = {"name": "Night of the Release", "venue": "Old Hall", "status": "on_sale", "waiting_room": {"enabled": True, **WAVE}}
    event |= {"starts_at": clock.iso(clock.now() + 3600), "on_sale_at": clock.iso(clock.now() + OPENS_SECONDS)}
    event_id = call("POST", f"{urls[0]}/admin/events", event, admin)["id"]
    tier = {"event_id": event_id, "name": "Floor", "price_cents": 5000, "capacity": len(LINES)}
    return Sale(urls, admin, event_id, call("POST", f"{urls[0]}/admin/tiers", tier, admin)["id"])


def play(sale: Sale, sweep: Callable[[Version], object], people_at_once: int = PEOPLE_AT_ONCE) -> list[Buyer]:
    """Let everybody join, wait, buy and enter the venue. Returns the buyers. Raises EmulationFailed if a step fails."""
    deadline = clock.now() + OPENS_SECONDS + TURN_SECONDS

    def join(versions: tuple[Version, ...]) -> Buyer:
        buyer = Buyer(versions, "")
        buyer.token = call("POST", f"{sale.urls[buyer.version('join')]}/auth/guest")["access_token"]
        room = f"/events/{sale.event_id}/waiting-room/join"
        buyer.place_token = call("POST", sale.urls[buyer.version("join")] + room, token=buyer.token)["token"]
        again = call("POST", sale.urls[1 - buyer.version("join")] + room, token=buyer.token)["token"]
        _expect("the place of a person who joins again on the other version", again, buyer.place_token)
        return buyer

    def buy(numbered: tuple[int, Buyer]) -> None:
        number, buyer = numbered
        if number % PEOPLE_PER_SWEEP == 0:
            sweep(1 if number // PEOPLE_PER_SWEEP % 2 else 0)
        _wait_for_turn(sale, buyer, deadline)
        _buy(sale, buyer)

    with ThreadPoolExecutor(people_at_once, thread_name_prefix="buyer") as pool:
        buyers = list(pool.map(join, LINES))
        list(pool.map(buy, enumerate(buyers)))
    return buyers


def check(sale: Sale, buyers: Sequence[Buyer]) -> None:
    """Check that each person has a place and exactly one paid order, and that both versions agree. Raises EmulationFailed."""
    _expect("the number of different places", len({buyer.place for buyer in buyers}), len(LINES))
    _expect("the number of different orders", len({buyer.order_id for buyer in buyers}), len(LINES))
    _expect("the number of different tickets", len({code for buyer in buyers for code in buyer.codes}), len(LINES))
    for version, url in enumerate(sale.urls):
        for buyer in buyers:
            orders = call("GET", f"{url}/orders", token=buyer.token)["orders"]
            found = [(order["id"], order["status"]) for order in orders]
            _expect(f"the orders of a person on {NAMES[version]}", found, [(buyer.order_id, "paid")])
        shown = call("GET", f"{url}/admin/events/{sale.event_id}/status", token=sale.admin)
        found = [shown[f"total_{name}"] for name in ("sold", "active_holds", "available")]
        _expect(f"tickets sold, held and left on {NAMES[version]}", found, [len(LINES), 0, 0])
        late = {"tier_id": sale.tier_id, "quantity": 1, "token": buyers[0].place_token}
        reply = call("POST", f"{url}/events/{sale.event_id}/reservations", late, buyers[0].token, expected=409)
        _expect(f"the reply of {NAMES[version]} when all tickets are sold", reply["error"], "not_enough_tickets")


def batches(changes: Sequence[dict[str, Any]]) -> list[Sequence[dict[str, Any]]]:
    """Return the changes in their order, in parts for single calls."""
    return [changes[first : first + CHANGES_PER_CALL] for first in range(0, len(changes), CHANGES_PER_CALL)]


def _wait_for_turn(sale: Sale, buyer: Buyer, deadline: float) -> None:
    """Poll until the buyer may reserve. The place that the two versions show must be the same."""
    room = f"/events/{sale.event_id}/waiting-room/status?token={buyer.place_token}"
    while True:
        status = call("GET", sale.urls[buyer.version("wait")] + room, token=buyer.token)
        if status["can_enter"]:
            break
        if clock.now() > deadline:
            raise EmulationFailed(f"a person's turn did not come on {NAMES[buyer.version('wait')]}: {status}")
        sleep(POLL_SECONDS)
    buyer.place = status["position"]
    other = call("GET", sale.urls[1 - buyer.version("wait")] + room, token=buyer.token)
    _expect("the place on the other version", [other["position"], other["can_enter"]], [buyer.place, True])


def _buy(sale: Sale, buyer: Buyer) -> None:
    def post(step: str, path: str, body: dict[str, Any], *, other: bool = False) -> Any:
        version = buyer.version(step)
        return call("POST", sale.urls[1 - version if other else version] + path, body, buyer.token)

    order = {"tier_id": sale.tier_id, "quantity": 1, "token": buyer.place_token}
    buyer.order_id = post("reserve", f"/events/{sale.event_id}/reservations", order)["id"]
    post("checkout", "/checkout/sessions", {"reservation_id": buyer.order_id, "provider": "simulated"})
    payment = {"checkout_id": buyer.order_id, "simulate": "success"}
    buyer.codes = [ticket["code"] for ticket in post("pay", "/checkout/confirm", payment)["tickets"]]
    again = post("pay", "/checkout/confirm", payment, other=True)
    _expect("the tickets of a repeated confirmation", [ticket["code"] for ticket in again["tickets"]], buyer.codes)
    scan = {"code": buyer.codes[0], "event_id": sale.event_id}
    door = buyer.version("admit")
    call("POST", f"{sale.urls[door]}/checkin", scan, sale.admin)
    repeated = call("POST", f"{sale.urls[1 - door]}/checkin", scan, sale.admin, expected=409)
    _expect("a repeated scan on the other version", repeated["error"], "already_admitted")


def _expect(what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise EmulationFailed(f"while two versions run, {what}: {found}, not {expected}")
