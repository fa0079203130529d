"""Rebuild the reports from the purchases, the ledger and the tickets, while they are read and changes come in.

A new generation is built beside the one that is read. The projector writes both from the beginning on; whichever of the two brings a
version of a purchase first, the other finds it counted. At the end the new generation is read, and the old one deleted.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from msgspec import Struct

from chalicelib.ledger import service as ledger
from chalicelib.purchases.record import queries
from chalicelib.reports import projection, store
from chalicelib.reports.projection import State
from chalicelib.reports.store import Generations
from chalicelib.tickets import service as tickets

# Longer than a run of the projector: after this, all runs know the generation that is being built, or the one that is read.
WAIT_SECONDS = 65
BATCH = 190

T = TypeVar("T")


class RebuildReport(Struct, frozen=True):
    """`forgotten`: purchases that DynamoDB has deleted; what they added is taken over. `checked_in`: tickets."""

    generation: int
    purchases: int
    forgotten: int
    checked_in: int
    entries: int
    deleted: int


class RebuildConflict(Exception):
    """Another rebuild began at the same time."""


def rebuild(wait: Callable[[float], None]) -> RebuildReport:
    """Rebuild the reports of all events. `wait(seconds)` is called before and after. One that was interrupted can simply be repeated."""
    before = store.load_generations()
    generation = max(before.written) + 1
    _replace(before, Generations(before.current, generation))
    wait(WAIT_SECONDS)
    purchases = _apply(generation, map(projection.purchase_state, queries.scan_purchases()))
    forgotten = _apply(generation, (State(counted) for counted in store.scan_counted(before.current) if counted.is_forgotten))
    checked_in = _apply(generation, (projection.ticket_state(ticket) for ticket in tickets.scan_tickets() if ticket.checkins))
    for orders in _batches((purchase.event_id, purchase.id) for purchase in queries.scan_purchases() if purchase.was_order):
        projection.index_orders(generation, orders)
    entries = 0
    for batch in _batches(ledger.scan_entries()):
        projection.apply_entries(generation, batch)
        entries += len(batch)
    _replace(Generations(before.current, generation), Generations(generation))
    wait(WAIT_SECONDS)
    return RebuildReport(generation, purchases, forgotten, checked_in, entries, store.delete_other_generations(generation))


def _apply(generation: int, states: Iterable[State]) -> int:
    """Count states in a generation; returns how many."""
    number = 0
    for batch in _batches(states):
        projection.apply_states(generation, batch)
        number += len(batch)
    return number


def _replace(before: Generations, after: Generations) -> None:
    if not store.save_generations(before, after):
        raise RebuildConflict


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(items)
    while batch := list(islice(remaining, BATCH)):
        yield batch
