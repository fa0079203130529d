"""What must be true of the store after anything whatever. Flows, faults and races all end with `check`."""

from collections import Counter

from msgspec import json

from chalicelib import settings
from chalicelib.audit import service as audit
from chalicelib.cases import service as cases
from chalicelib.catalog import service as catalog
from chalicelib.inventory import service as inventory
from chalicelib.ledger import service as ledger
from chalicelib.purchases.record import store as purchases
from chalicelib.purchases.record.model import ACTIVE_STATES, Purchase
from chalicelib.tickets import service as tickets
from chalicelib.waiting_room.model import LATE, Arrival


def check(now: int, *, recovered: bool = False) -> None:
    """Assert every invariant; with `recovered`, also those that hold only when recovery has run after every hold's end."""
    every = {purchase.id: purchase for purchase in purchases.scan_purchases()}
    orders = [purchase for purchase in every.values() if purchase.was_order]
    faults = [
        *_shards_add_up(every, orders, recovered),
        *_orders_have_their_tickets(orders),
        *_books_add_up(every),
        *_open_matters_are_open(every),
        *_buyers_agree(every, now),
        *_nothing_out_of_nothing(every),
        *_nobody_shares_a_place(),
    ]
    assert not faults, "\n".join(faults)


def _shards_add_up(every: dict[str, Purchase], orders: list[Purchase], recovered: bool) -> list[str]:
    faults, sold, listed = [], Counter(), Counter()
    start = Counter()
    converted = {(hold.shard_id, hold.hold_id) for purchase in orders for hold in purchase.holds}
    for shard in inventory.scan_shards():
        stock_id = shard.id.rpartition("#")[0]
        if min(shard.available, shard.sold, shard.capacity) < 0:
            faults.append(f"{shard.id}: something is negative: {shard}")
        if shard.available + shard.held + shard.sold != shard.capacity:
            faults.append(f"{shard.id}: {shard.available} + {shard.held} + {shard.sold} is not {shard.capacity}")
        sold[stock_id] += shard.sold
        for hold_id, (quantity, _) in shard.holds.items():
            if (shard.id, hold_id) in converted:
                listed[stock_id] += quantity  # paid, and on its way from held to sold
            if recovered and every.get(hold_id.partition(".")[0]) is None:
                faults.append(f"{shard.id}: hold {hold_id} belongs to nobody")
            if recovered and (shard.id, hold_id) in converted:
                faults.append(f"{shard.id}: hold {hold_id} is paid and was not converted")
    for tier in catalog.load_current().tiers.values():
        start[tier.stock_id] = _sold_elsewhere(tier.metadata)
    seats = [seat for purchase in orders for seat in purchase.seats(_seated(purchase))]
    for stock_id in sold:
        tickets_paid = sum(seat.quantity for seat in seats if seat.shard_id.rpartition("#")[0] == stock_id)
        if sold[stock_id] + listed[stock_id] != tickets_paid + start[stock_id]:
            faults.append(f"{stock_id}: {sold[stock_id]} sold and {listed[stock_id]} to convert, but {tickets_paid} paid")
    return faults


def _seated(purchase: Purchase) -> list[int]:
    """The tickets whose seats are sold: those that are kept, and those that were refunded without giving the seat back."""
    return purchase.kept_tickets + [number for one in purchase.refunds if not one.seats_returned for number in one.tickets]


def _sold_elsewhere(metadata: dict[str, object]) -> int:
    """Tests say in a tier's metadata how much of it was sold before it came here."""
    value = metadata.get("sold_before", 0)
    assert isinstance(value, int)
    return value


def _orders_have_their_tickets(orders: list[Purchase]) -> list[str]:
    faults = []
    for purchase in orders:
        found = tickets.load_purchase_tickets(purchase.id, purchase.quantity + 5)
        wanted = Counter({line.tier_id: line.quantity for line in purchase.lines})
        if Counter(ticket.tier_id for ticket in found) != wanted:
            faults.append(f"{purchase.id}: paid for {dict(wanted)}, has {[ticket.id for ticket in found]}")
        if any(not tickets.is_genuine(one.qr_sig, one.id, one.event_id, one.code) for one in found):
            faults.append(f"{purchase.id}: a ticket's signature is not ours")
        if sum(hold.quantity for hold in purchase.holds) != purchase.quantity:
            faults.append(f"{purchase.id}: its holds do not add up to its quantity")
        good = "frozen" if purchase.is_disputed else "valid"
        states = {one.number: one.state for one in found}
        if states != {number: good if number in purchase.kept_tickets else "void" for number in states}:
            faults.append(f"{purchase.id}: a {purchase.state} order of {purchase.kept_tickets} has tickets that are {states}")
        back = [number for one in purchase.refunds for number in one.tickets] + [n for one in purchase.disputes for n in one.voided]
        if len(set(back)) < len(back):
            faults.append(f"{purchase.id}: a ticket was taken back twice: {back}")
        if purchase.is_order != bool(purchase.kept_tickets):
            faults.append(f"{purchase.id}: {purchase.state}, with {purchase.kept_tickets} left")
    return faults


def _books_add_up(every: dict[str, Purchase]) -> list[str]:
    """The ledger of a purchase sums to what it shows: what came in, less what went back or was taken by a bank."""
    faults = []
    for purchase in every.values():
        entries = ledger.list_purchase_entries(purchase.event_id, purchase.id)
        came_in: Counter[str] = Counter()
        gone: Counter[str] = Counter()
        for one in entries:
            came_in[one.currency] += one.amount_cents if one.kind == "captured" else 0
        for one in purchase.refunds:
            gone[one.currency] += one.amount_cents if one.status in ("pending", "succeeded") else 0
        for one in purchase.disputes:
            gone[one.currency] += one.amount_cents if one.status in ("open", "lost") else 0
        kept = {currency: came_in[currency] - gone[currency] for currency in came_in | gone}
        balance = {currency: ledger.balances(entries).get(currency, 0) for currency in kept}
        if balance != kept:
            faults.append(f"{purchase.id}: the ledger keeps {balance}, the purchase {kept}")
        if purchase.was_order and not any(one.is_external for one in purchase.refunds):
            worth = sum(purchase.price_of(number) for number in purchase.kept_tickets) + sum(one.fee_cents for one in purchase.refunds)
            due = sum(one.amount_cents for one in purchase.refunds if one.status in ("due", "failed") and one.tickets)
            extra = sum(one.amount_cents for one in purchase.refunds if one.status in ("due", "failed") and not one.tickets)
            at_bank = sum(one.amount_cents for one in purchase.disputes if one.status == "open")
            lost = sum(one.amount_cents - sum(map(purchase.price_of, one.voided)) for one in purchase.disputes if one.status == "lost")
            if balance.get(purchase.currency, 0) != worth + due + extra - at_bank - lost:
                faults.append(f"{purchase.id}: keeps {balance} for tickets and fees of {worth}, {due + extra} due, {at_bank} at a bank")
    return faults


def _open_matters_are_open(every: dict[str, Purchase]) -> list[str]:
    """What is not through is an open matter, so that the sweep or a person finds it; and nothing else is."""
    known = {(one.purchase_id, one.what) for one in cases.list_open() if one.kind != "finding"}
    wanted = {(one.id, f"refund#{refund.id}") for one in every.values() for refund in one.refunds if refund.status != "succeeded"}
    wanted |= {(one.id, f"dispute#{dispute.id}") for one in every.values() for dispute in one.disputes if dispute.status == "open"}
    failed = {(one.id, f"refund#{refund.id}", refund.id) for one in every.values() for refund in one.refunds if refund.status == "failed"}
    dismissed = {(order_id, what) for order_id, what, refund_id in failed if _dismissed(order_id, refund_id)}
    differ = (known ^ wanted) - dismissed
    return [f"{purchase_id}: {what} is open in one place and not in the other" for purchase_id, what in differ]


def _dismissed(order_id: str, refund_id: str) -> bool:
    return any(one.action == "finding.dismissed" and one.details["finding"] == refund_id for one in audit.list_entries(f"order#{order_id}"))


def _buyers_agree(every: dict[str, Purchase], now: int) -> list[str]:
    faults = []
    active = {(one.user_id, one.event_id): one.id for one in every.values() if one.state in ACTIVE_STATES}
    events = catalog.load_current().events
    for buying in purchases.scan_buyers():
        own = [one for one in every.values() if (one.user_id, one.event_id) == (buying.user_id, buying.event_id)]
        bought = sum(len(one.kept_tickets) for one in own)
        event = events.get(buying.event_id)
        limit = (event.purchase_limit if event else None) or settings.current().event_purchase_limit
        if buying.active_id != active.pop((buying.user_id, buying.event_id), None):
            faults.append(f"{buying.user_id}: the record names {buying.active_id} as active, which is not so")
        if buying.bought != bought:
            faults.append(f"{buying.user_id}: the record says {buying.bought} bought, the orders {bought}")
        if buying.orders != {one.id for one in own if one.is_order}:
            faults.append(f"{buying.user_id}: the record's orders are {set(buying.orders)}")
        if bought + buying.active_quantity > limit:
            faults.append(f"{buying.user_id}: {bought} bought and {buying.active_quantity} held, above the limit of {limit}")
    faults += [f"{user_id}: {purchase_id} is active and the record does not know it" for (user_id, _), purchase_id in active.items()]
    return faults


def _nothing_out_of_nothing(every: dict[str, Purchase]) -> list[str]:
    """Every ticket belongs to an order, or to one that was."""
    from chalicelib.tickets.store import TicketRow

    rows = list(TicketRow.scan(consistent_read=True))
    return [f"{row.id}: a ticket of nothing" for row in rows if row.purchase_id not in every or not every[row.purchase_id].was_order]


def _nobody_shares_a_place() -> list[str]:
    """Each arrival has a number of its own that its counter gave out; a frozen N is what the closed counters add up to."""
    from chalicelib.waiting_room.store import WaitingRoomRow

    rows = {row.id: row for row in WaitingRoomRow.scan(consistent_read=True)}
    given = {key: int(row.arrivals or 0) for key, row in rows.items() if key.startswith("counter#")}
    faults, taken = [], Counter()
    for key, row in rows.items():
        kind, event_id, *rest = key.split("#")
        if kind == "entry":
            arrival = json.decode(row.arrival, type=Arrival)
            counter = f"counter#{event_id}#{rest[0]}#{'late' if arrival.counter == LATE else arrival.counter}"
            taken[(counter, arrival.number)] += 1
            if not 1 <= arrival.number <= given.get(counter, 0):
                faults.append(f"{key}: number {arrival.number} was never given out")
        elif kind == "room" and row.n is not None:
            counters = [f"counter#{event_id}#{int(row.room)}#{number}" for number in range(int(row.counters))]
            if row.n != sum(given.get(counter, 0) for counter in counters):
                faults.append(f"{key}: N is {row.n}, the counters say {[given.get(counter, 0) for counter in counters]}")
    return faults + [f"{counter}: {times} people have number {number}" for (counter, number), times in taken.items() if times > 1]
