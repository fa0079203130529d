"""What must hold between the fields and entries of a file. Each rule is asked of the entries whose shape is right."""

from collections.abc import Iterator, Mapping
from datetime import UTC, tzinfo
from typing import Any

from bootstrap import times
from bootstrap.document import EventEntry, TicketEntry
from bootstrap.faults import Fault, below, shown

Events = Mapping[str, EventEntry]
Tickets = Mapping[str, TicketEntry]


def rule_faults(events: Events, tickets: Tickets, tree: dict[str, Any]) -> list[Fault]:
    """All broken rules; `tree` is the whole document, so that an event with a fault of its own still counts as there."""
    named = tree.get("events")
    known = set(named) if isinstance(named, dict) else set()
    return [
        *(fault for key, event in events.items() for fault in _event_faults(key, event)),
        *(fault for key, ticket in tickets.items() for fault in _ticket_faults(key, ticket, events, known)),
        *_same_price_id(tickets),
        *_same_name(tickets),
        *_mixed_currency(tickets),
    ]


def _event_faults(key: str, event: EventEntry) -> Iterator[Fault]:
    path = below("$.events", key)
    if key != event.id:
        yield Fault(f"{path}.id", f"{shown(event.id)} is not the key {shown(key)}")
    try:
        where = times.zone(event.metadata.timezone)
    except ValueError as error:
        yield Fault(f"{path}.metadata.timezone", str(error))
        where = UTC
    found: dict[str, int] = {}
    for name, text in (("date", event.date), ("end_date", event.end_date), ("on_sale_at", event.on_sale_at)):
        yield from _read(found, f"{path}.{name}", name, text, where)
    if "date" in found and found.get("end_date", found["date"]) < found["date"]:
        yield Fault(f"{path}.end_date", f"the event ends ({event.end_date}) before it starts ({event.date})")
    if "date" in found and "on_sale_at" in found and found["on_sale_at"] >= found["date"]:
        yield Fault(f"{path}.on_sale_at", f"the sale opens ({event.on_sale_at}) when the event has started ({event.date})")


def _ticket_faults(key: str, ticket: TicketEntry, events: Events, known: set[str]) -> Iterator[Fault]:
    path = below("$.ticket_types", key)
    if key != ticket.id:
        yield Fault(f"{path}.id", f"{shown(ticket.id)} is not the key {shown(key)}")
    if ticket.event_id not in known:
        yield Fault(f"{path}.event_id", f"there is no event {shown(ticket.event_id)}")
    if ticket.max_quantity < ticket.sold_count:
        yield Fault(f"{path}.max_quantity", f"capacity {ticket.max_quantity} is below sold_count {ticket.sold_count}")
    if ticket.shards is not None and ticket.shards > ticket.max_quantity:
        yield Fault(f"{path}.shards", f"{ticket.shards} shards for {ticket.max_quantity} tickets")
    availability = ticket.availability
    if availability is None:
        return
    if ticket.per_user_limit and availability.max_per_transaction and availability.max_per_transaction < ticket.per_user_limit:
        message = f"{availability.max_per_transaction} is below per_user_limit {ticket.per_user_limit}"
        yield Fault(f"{path}.availability.max_per_transaction", message)
    where = _zone_of(events.get(ticket.event_id))
    found: dict[str, int] = {}
    for name, text in (("start_date", availability.start_date), ("end_date", availability.end_date)):
        yield from _read(found, f"{path}.availability.{name}", name, text, where)
    if len(found) == 2 and found["end_date"] < found["start_date"]:
        message = f"the sale ends ({availability.end_date}) before it starts ({availability.start_date})"
        yield Fault(f"{path}.availability.end_date", message)


def _read(found: dict[str, int], path: str, name: str, text: str | None, where: tzinfo) -> Iterator[Fault]:
    if text is None:
        return
    try:
        found[name] = times.instant(text, where, end=name == "end_date")
    except (ValueError, OverflowError) as error:
        yield Fault(path, str(error))


def _zone_of(event: EventEntry | None) -> tzinfo:
    try:
        return times.zone(event.metadata.timezone if event else None)
    except ValueError:  # a fault of the event
        return UTC


def _same_price_id(tickets: Tickets) -> Iterator[Fault]:
    first: dict[str, str] = {}
    for key, ticket in tickets.items():
        if ticket.stripe_price_id is not None and first.setdefault(ticket.stripe_price_id, key) != key:
            message = f"{shown(ticket.stripe_price_id)} is the stripe_price_id of {first[ticket.stripe_price_id]} too (duplicate)"
            yield Fault(f"{below('$.ticket_types', key)}.stripe_price_id", message)


def _same_name(tickets: Tickets) -> Iterator[Fault]:
    first: dict[tuple[str, str], str] = {}
    for key, ticket in tickets.items():
        name = (ticket.event_id, " ".join(ticket.name.split()).casefold())
        if first.setdefault(name, key) != key:
            message = f"{shown(ticket.name)} is the name of {first[name]} too (duplicate in the event {ticket.event_id})"
            yield Fault(f"{below('$.ticket_types', key)}.name", message)


def _mixed_currency(tickets: Tickets) -> Iterator[Fault]:
    first: dict[str, tuple[str, str]] = {}
    for key, ticket in tickets.items():
        currency, other = first.setdefault(ticket.event_id, (ticket.currency, key))
        if ticket.currency != currency:
            message = f"{ticket.currency}, but {other} of the same event is sold in {currency}"
            yield Fault(f"{below('$.ticket_types', key)}.currency", message)
