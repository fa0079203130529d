"""The invariants of waitlists; `tests.invariants` checks them with all others."""

from collections import Counter

from chalicelib.addons.waitlist import store as waitlists
from chalicelib.catalog.model import Catalog
from chalicelib.catalog.sale_rules import event_phase
from chalicelib.inventory.model import Shard
from chalicelib.purchases.model import Purchase
from chalicelib.waiting_room import draw
from chalicelib.waiting_room import store as rooms


def check_entries(current: Catalog, purchases_by_id: dict[str, Purchase], now: int) -> list[str]:
    """An entry is in its line while it waits and among the open offers while it is offered; an offer is one purchase of its tickets."""
    violations, offers = [], Counter(purchase.waitlist_entry_id for purchase in purchases_by_id.values() if purchase.waitlist_entry_id)
    violations += [f"{entry_id}: has {count} offers" for entry_id, count in offers.items() if count > 1]
    if not offers and next(waitlists.WaitlistRow.scan(), None) is None:
        return []  # nobody has ever waited, and to ask for each event takes nine calls
    events = current.events
    lines = {line.event_id for line in waitlists.list_lines()}
    waiting = {place.entry.id for event_id in events for place in waitlists.list_places(event_id)}
    offered = {entry.id for event_id in events for entry in waitlists.list_offered(event_id)}
    for entry in waitlists.scan_entries():
        if (entry.id in waiting) != (entry.state == "waiting"):
            violations.append(f"{entry.id}: is {entry.state}, and its place says otherwise")
        if (entry.id in offered) != (entry.state == "offered"):
            violations.append(f"{entry.id}: is {entry.state}, and the list of offers says otherwise")
        is_over = entry.has_ended or event_phase(events[entry.event_id], now) in ("closed", "cancelled")
        if entry.event_id not in lines and not is_over:
            violations.append(f"{entry.id}: its event has no line, so no allocator finds it")
        purchase = purchases_by_id.get(entry.purchase_id or "")
        if (entry.purchase_id is None) != (entry.id not in offers):
            violations.append(f"{entry.id}: its offer is {entry.purchase_id}, and {offers[entry.id]} purchases are offers to it")
        if purchase is not None and (purchase.moved_from or purchase.user_id, purchase.quantity) != (entry.user_id, entry.quantity):
            violations.append(f"{entry.id}: its offer is of {purchase.quantity} tickets to {purchase.user_id}")
        if entry.state == "accepted" and (purchase is None or not purchase.was_order):
            violations.append(f"{entry.id}: is accepted, and was not paid")
    return violations


def check_ballots(current: Catalog) -> list[str]:
    """The public offers of a ballot are those to entries with a number in its draw, each at the position that the draw gave the number."""
    violations = []
    for event in (event for event in current.events.values() if event.has_ballot):
        room = rooms.find_room(event.id)  # as it is: to load it in the usual way may make its draw
        if room is None or room.n is None or room.key is None or room.drawn_counts is None:
            continue
        seed = bytes.fromhex(room.key)
        if room.chain is not None and room.randomness is not None:
            seed = draw.seed(seed, bytes.fromhex(room.randomness))
        made = waitlists.list_ballot_offers(event.id, room.number)
        entries = [entry for entry in waitlists.scan_entries() if entry.event_id == event.id and entry.purchase_id is not None]
        offered = {entry.draw_number for entry in entries if entry.draw_number is not None}
        public = {offer.draw_number for offer in made}
        violations += [f"{event.id}: the offer to {number} is not public" for number in offered - public]
        for offer in made:
            n, offsets = room.drawn_counts
            number = offer.draw_number
            position = draw.position(seed, n, tuple(offsets), number.counter, number.number, weight=number.weight)
            if position != offer.position:
                violations.append(f"{event.id}: {offer.draw_number} was drawn at {position}, and its offer says {offer.position}")
    return violations


def check_kept_stocks(shards: list[Shard], current: Catalog) -> list[str]:
    """The line of an event names every kept stock, so that an allocator finds it when nobody waits any longer."""
    kept = [shard for shard in shards if shard.is_marked]
    if not kept:
        return []
    lines = {line.event_id: line for line in waitlists.list_lines()}
    named = {stock_id for line in lines.values() for stock_id in line.stock_ids}
    named |= {event.pool_id for event in current.events.values() if event.id in lines and lines[event.id].stock_ids}
    return [f"{shard.id}: is kept, and no line names it" for shard in kept if shard.stock_id not in named]
