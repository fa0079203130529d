"""The projector keeps the figures, orders and sales of each event up to date with the stream of changes, and rebuilds them.

Each change is applied exactly once. The figures that a purchase or ticket adds depend only on its current state (`figures`). One
transaction writes the counted state and the figures that it adds, and changes the totals by the difference. If a change is delivered twice
or late, the projector finds that its state is already counted, and does nothing. A ledger entry is counted in the transaction that lists
it.

A rebuild reads the purchases, the ledger and the tickets while reports are read and changes arrive. The rebuild writes a new generation
beside the current generation, and the projector writes both generations from the start. The projector and the rebuild each skip states
that the other has already counted. At the end, the new generation becomes the current generation, and the old generation is deleted.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.addons.reports import order_search, store
from chalicelib.addons.reports.figures import (
    GATES,
    Figures,
    difference,
    entry_figures,
    limit_gates,
    purchase_figures,
    ticket_figures,
    total,
)
from chalicelib.addons.reports.order_search import Order
from chalicelib.addons.reports.store import CountedState, Generations, OrderEntry, OrderList, Sale
from chalicelib.changes.model import Change, CheckInUndone, LedgerEntryAdded, PurchaseChange, PurchaseForgotten, TicketCheckedIn
from chalicelib.dynamodb import dynamo
from chalicelib.foundation.log import logger
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import LedgerEntry
from chalicelib.payments.model import WITHOUT_MONEY, ProviderName
from chalicelib.purchases import queries
from chalicelib.purchases.model import ACTIVE_STATES, Purchase
from chalicelib.tickets.model import Ticket
from chalicelib.tickets.store import scan_tickets

# A chunk is the purchases, tickets or ledger entries of one event in one transaction, which may have 100 items. A purchase takes one to
# three items, and changes the figures of up to two hours and of a promo code. A ticket changes the figures of each hour in which it was
# checked in. One item may name at most MAX_NAMES figures, which matters for events with many ticket types. A chunk that exceeds a
# limit is halved, and a single state that exceeds a limit is counted in steps of MAX_FIGURES.
CHUNK = 40
MAX_FIGURES = 90
MAX_NAMES = 250  # DynamoDB accepts expressions of up to 4 KB with up to 300 operators
MAX_ATTEMPTS = 5

FIRST_POSITION = "0"  # sorts before all positions in the stream

# This is longer than a run of the projector, so after this time all runs use the new generations.
WAIT_SECONDS = 65
BATCH = 190

T = TypeVar("T")


class State(Struct, frozen=True):
    """The state of a purchase or ticket, and the figures that it adds. `purchase` is None for a ticket and for a deleted purchase."""

    counted: CountedState
    purchase: Purchase | None = None


class RebuildReport(Struct, frozen=True):
    """The numbers of items that a rebuild counted, by kind, and the number of items that it `deleted`.

    `forgotten` counts purchases that DynamoDB deleted when their time to live ended; their figures were copied. `checked_in` counts
    tickets. `not_indexed` is the number of orders that a search by name or address may not find. `unreadable` is the number of items that
    this version cannot decode, for example because a newer version wrote them; the reports lack them.
    """

    generation: int
    purchases: int
    forgotten: int
    checked_in: int
    entries: int
    deleted: int
    not_indexed: int
    unreadable: int


class RebuildConflict(Exception):
    """Another rebuild was started at the same time."""


def project(changes: Sequence[Change]) -> None:
    """Apply changes to the current generation, and to the generation that a rebuild is writing."""
    newest: dict[str, State] = {}
    for change in changes:
        state = _state_after(change)
        if state is not None:
            known = newest.get(state.counted.key)
            if known is None or state.counted.is_newer_than(known.counted):
                newest[state.counted.key] = state
    entries = [change.entry for change in changes if isinstance(change, LedgerEntryAdded)]
    orders = order_search.changed_orders(changes)
    for generation in store.start_generations().written:
        count_states(generation, newest.values())
        count_entries(generation, entries)
        index_orders(generation, orders)


def rebuild(wait: Callable[[float], None]) -> RebuildReport:
    """Rebuild the reports of all events. Calls `wait(seconds)` before counting and before deleting the old generation.

    An interrupted rebuild can simply be repeated.
    """
    before = store.load_generations()
    generation = max(store.FIRST_WIDE, max(before.written) + 1)
    _replace_generations(before, Generations(before.current, generation))
    wait(WAIT_SECONDS)
    unreadable: list[str] = []
    purchases = _count_all(generation, map(purchase_state, _readable(queries.scan_purchases(), unreadable)))
    forgotten = _count_all(generation, (State(counted) for counted in store.scan_counted(before.current) if counted.is_forgotten))
    checked_in = _count_all(generation, (ticket_state(ticket) for ticket in _readable(scan_tickets(), unreadable) if ticket.checkins))
    orders = ((purchase.event_id, purchase.id) for purchase in _readable(queries.scan_purchases(), []) if purchase.was_order)
    not_indexed = sum(index_orders(generation, batch) for batch in _batches(orders))
    entries = 0
    for batch in _batches(_readable(ledger.scan_entries(), unreadable)):
        count_entries(generation, batch)
        entries += len(batch)
    _replace_generations(Generations(before.current, generation), Generations(generation))
    wait(WAIT_SECONDS)
    deleted = store.delete_earlier_generations(generation)
    return RebuildReport(generation, purchases, forgotten, checked_in, entries, deleted, not_indexed, len(unreadable))


def _readable(items: Iterator[T], unreadable: list[str]) -> Iterator[T]:
    """Yield the items that this version can decode. Adds the errors of other items to `unreadable`, so that they do not stop a rebuild."""
    while True:
        try:
            item = next(items)
        except StopIteration:
            return
        except msgspec.DecodeError as error:
            logger.exception("rebuild.not_readable")
            unreadable.append(str(error))
            continue
        yield item


def purchase_state(purchase: Purchase) -> State:
    """Return the current state of a purchase."""
    return State(_count_purchase(purchase), purchase)


def ticket_state(ticket: Ticket) -> State:
    """Return the state of a ticket that was read from its table. A state from the stream always replaces this state."""
    return State(_count_ticket(ticket, FIRST_POSITION))


def _state_after(change: Change) -> State | None:
    """Return the state of the purchase or ticket after a change, or None if the change does not affect the figures."""
    match change:
        case PurchaseForgotten():
            return State(_count_purchase(change.purchase, is_forgotten=True))
        case PurchaseChange():
            return purchase_state(change.purchase)
        case TicketCheckedIn() | CheckInUndone():
            return State(_count_ticket(change.ticket, change.sequence))
    return None


def _count_purchase(purchase: Purchase, *, is_forgotten: bool = False) -> CountedState:
    return CountedState(
        event_id=purchase.event_id,
        key=f"purchase#{purchase.id}",
        position=f"{purchase.version:012}",
        figures=purchase_figures(purchase),
        is_forgotten=is_forgotten,
    )


def _count_ticket(ticket: Ticket, position: str) -> CountedState:
    figures = ticket_figures(ticket)
    return CountedState(
        event_id=ticket.event_id, key=f"ticket#{ticket.id}", position=position, figures=figures, version=ticket.checkin_version
    )


def count_states(generation: int, states: Iterable[State]) -> None:
    """Count each state, unless this state or a newer state of the same purchase or ticket is already counted."""
    by_event: dict[str, list[State]] = defaultdict(list)
    for state in states:
        by_event[state.counted.event_id].append(state)
    for event_id, event_states in by_event.items():
        for start in range(0, len(event_states), CHUNK):
            _retry(partial(_count_chunk, generation, event_id, event_states[start : start + CHUNK]))


def index_orders(generation: int, orders: Sequence[Order]) -> int:
    """Update the search terms of these orders from current data. Returns the number of orders that could not be indexed."""
    return order_search.update_terms(generation, orders, _retry)


def count_entries(generation: int, entries: Iterable[LedgerEntry]) -> None:
    """Count and list each ledger entry, unless it is already listed."""
    by_event: dict[str, list[LedgerEntry]] = defaultdict(list)
    for entry in entries:
        by_event[entry.event_id].append(entry)
    for event_id, event_entries in by_event.items():
        unique = list({(entry.purchase_id, entry.kind, entry.reference): entry for entry in event_entries}.values())
        for start in range(0, len(unique), CHUNK):
            _retry(partial(_count_entry_chunk, generation, event_id, unique[start : start + CHUNK]))


def _count_chunk(generation: int, event_id: str, chunk: Sequence[State]) -> None:
    known = store.load_counted(generation, event_id, [state.counted.key for state in chunk])
    newer = [state for state in chunk if (before := known.get(state.counted.key)) is None or state.counted.is_newer_than(before)]
    # Parallel runs may add a few gates beyond the limit.
    gates = store.load_names(generation, event_id, GATES) if any(GATES in state.counted.figures for state in newer) else set()
    items: list[dynamo.TransactItem] = []
    added: list[Figures] = []
    for state in newer:
        counted, purchase = replace(state.counted, figures=limit_gates(state.counted.figures, gates)), state.purchase
        before = known.get(counted.key)
        items.append(store.count_item(generation, counted, before))
        added.append(difference(counted.figures, before.figures if before is not None else {}))
        if purchase is not None:
            order = OrderEntry(purchase.id, purchase.state, purchase.user_id)
            items += [store.order_item(generation, event_id, order, order_list) for order_list in _order_lists(purchase)]
            if purchase.was_order and purchase.payment is not None and purchase.payment.provider in WITHOUT_MONEY:
                sale = _sale_without_money(purchase, purchase.payment.provider)
                items.append(store.sale_item(generation, event_id, sale, is_new=False))
    summed = total(added)
    items += store.figure_items(generation, event_id, summed)
    is_too_large = len(items) > dynamo.MAX_TRANSACT_ITEMS or any(len(numbers) > MAX_NAMES for numbers in summed.values())
    if is_too_large and len(chunk) == 1:
        _count_step(generation, counted, before)
        _count_chunk(generation, event_id, chunk)
    elif is_too_large:
        middle = len(chunk) // 2
        _count_chunk(generation, event_id, chunk[:middle])
        _count_chunk(generation, event_id, chunk[middle:])
    elif items:
        store.commit(items)


def _count_step(generation: int, after: CountedState, before: CountedState | None) -> None:
    """Count the first MAX_FIGURES changes of a state, and record them as a state between `before` and `after`."""
    start = before or CountedState(event_id=after.event_id, key=after.key, position="", figures={})
    first: Figures = defaultdict(dict)
    changes = difference(after.figures, start.figures)
    for part, name in islice(((part, name) for part, numbers in changes.items() for name in numbers), MAX_FIGURES):
        first[part][name] = changes[part][name]
    # Each step has its own position, so that two runs cannot count the same step. A space sorts before the characters of positions.
    position, _, step = start.position.partition(" ")
    between = replace(start, position=f"{position} {int(step or 0) + 1}", figures=total([start.figures, first]))
    store.commit([store.count_item(generation, between, before), *store.figure_items(generation, after.event_id, first)])


def _count_entry_chunk(generation: int, event_id: str, entries: Sequence[LedgerEntry]) -> None:
    sales = [ledger_sale(entry) for entry in entries]
    known = store.find_sales(generation, event_id, sales)
    new = [(entry, sale) for entry, sale in zip(entries, sales, strict=True) if (sale.order_id, sale.kind, sale.reference) not in known]
    if new:
        items = [store.sale_item(generation, event_id, sale, is_new=True) for _, sale in new]
        store.commit([*items, *store.figure_items(generation, event_id, total([entry_figures(entry) for entry, _ in new]))])


def _order_lists(purchase: Purchase) -> list[OrderList]:
    """Return the lists that a purchase belongs to."""
    lists: list[OrderList] = []
    if purchase.was_order:
        lists.append("order")
    elif purchase.checkout_at is not None and purchase.state not in ACTIVE_STATES:
        lists.append("failed")
    if purchase.disputes:
        lists.append("disputed")
    if purchase.is_complimentary:
        lists.append("complimentary")
    if purchase.return_requests:
        lists.append("return_requested")
    return lists


def ledger_sale(entry: LedgerEntry) -> Sale:
    """Return a ledger entry as a sale."""
    return Sale(
        at=entry.at,
        order_id=entry.purchase_id,
        kind=entry.kind,
        amount_cents=entry.amount_cents,
        currency=entry.currency,
        provider=entry.provider,
        reference=entry.reference,
    )


def _sale_without_money(purchase: Purchase, provider: ProviderName) -> Sale:
    at = purchase.ended_at or purchase.created_at
    return Sale(
        at=at, order_id=purchase.id, kind="captured", amount_cents=0, currency=purchase.currency, provider=provider, reference=provider
    )


def _retry(attempt: Callable[[], None]) -> None:
    """Repeat `attempt` until it succeeds without a conflict with another run. Raises Contention after MAX_ATTEMPTS conflicts."""
    for _ in range(MAX_ATTEMPTS):
        try:
            attempt()
        except store.CountConflict:
            continue
        return
    raise dynamo.Contention("the figures kept changing")


def _count_all(generation: int, states: Iterable[State]) -> int:
    """Count states in a generation. Returns their number."""
    number = 0
    for batch in _batches(states):
        count_states(generation, batch)
        number += len(batch)
    return number


def _replace_generations(before: Generations, after: Generations) -> None:
    if not store.save_generations(before, after):
        raise RebuildConflict


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(items)
    while batch := list(islice(remaining, BATCH)):
        yield batch
