"""Validate a JSON tree as a bootstrap document, report all errors, and convert a valid document to events and tiers.

msgspec stops at the first error, so entries and fields are converted one by one. `bootstrap/files.py` merges several files and refuses
repeated keys.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, tzinfo
from functools import partial
from hashlib import sha256
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from chalicelib.bootstrap_file import document
from chalicelib.bootstrap_file.document import BootstrapDocument, EventEntry, TicketEntry, price_id, ticket_capacity, to_promo_code
from chalicelib.bootstrap_file.findings import DocumentFault, DocumentWarning, InvalidDocument, member_path, quoted
from chalicelib.catalog.custom_options import CustomOption, check_option
from chalicelib.catalog.fields import file_values
from chalicelib.catalog.forms import (
    check_date_capacity,
    check_date_ids,
    check_dates,
    check_holdbacks,
    check_included_fee,
    check_place,
    check_returns,
    check_tax,
)
from chalicelib.catalog.model import DisplayState, Event, Holdback, Tier, TierStatus
from chalicelib.catalog.quotas import MAX_FILE_TIERS
from chalicelib.foundation import allowed_values, memory, money, settings
from chalicelib.foundation.errors import InvalidInput
from chalicelib.inventory.model import MAX_HOLDS, UNLIMITED, default_shard_count
from chalicelib.promotions.model import normalize

# The unchecked JSON tree of a document, from one file or several merged files.

Tree = dict[str, Any]

SECTIONS = ("events", "ticket_types", "ticket_states")


class MergedFiles(Struct, frozen=True):
    """The merged tree. `origins` maps the (section, key) of each entry to its file; `first` is the first file."""

    tree: Tree
    origins: dict[tuple[str, str], str]
    first: str


STATUSES = get_args(TierStatus)


class ValidDocument(Struct, frozen=True):
    """A document without errors. `tree` is the original JSON, including all free-form metadata.

    `warnings` report allowed values that are probably mistakes; they do not prevent an apply.
    """

    document: BootstrapDocument
    tree: Tree
    checksum: str
    warnings: list[DocumentWarning]


def validate_files(files: MergedFiles, stage: str | None = None) -> ValidDocument:
    """Check each field and the rules between fields. Raises InvalidDocument.

    With a `stage`, the document is new: it must be for this stage, its currencies must exist, and its events may have MAX_FILE_TIERS ticket
    types. Versions of the catalog from earlier releases may have other currencies and more ticket types.
    """
    tree = files.tree
    faults = _schema_faults(tree)
    tickets = _valid_entries(tree, "ticket_types", TicketEntry)
    faults += consistency_faults(_valid_entries(tree, "events", EventEntry), tickets, tree)
    if stage is not None:
        faults += [*environment_faults(tree.get("environment"), stage), *_too_many_tickets(tickets), *_currency_faults(tickets)]
    if faults:
        raise InvalidDocument([_with_file(fault, files) for fault in faults])
    document = memory.convert(tree, BootstrapDocument)
    warnings = consistency_warnings(document.events, document.ticket_types)
    warnings_with_files = [replace(warning, fault=_with_file(warning.fault, files)) for warning in warnings]
    return ValidDocument(document, tree, checksum(tree), warnings_with_files)


def validate_tree(tree: Tree) -> ValidDocument:
    """Validate a tree that does not come from a file, in the same way as `validate_files`."""
    return validate_files(MergedFiles(tree, {}, ""))


def checksum(tree: Tree) -> str:
    """Return the SHA-256 of the tree's canonical JSON, which does not depend on key order or spacing."""
    canonical = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return sha256(canonical.encode()).hexdigest()


def _schema_faults(tree: Tree) -> list[DocumentFault]:
    """Return the errors in individual keys and values. Does not check the rules between fields or entries."""
    rest = {key: value for key, value in tree.items() if key not in SECTIONS}
    faults = [fault for fault in _struct_faults(rest, BootstrapDocument, "$") if fault.path not in ("$.events", "$.ticket_types")]
    faults += [_missing(member_path("$", name)) for name in ("events", "ticket_types") if name not in tree]
    for name, entry_type in (("events", EventEntry), ("ticket_types", TicketEntry), ("ticket_states", DisplayState)):
        section, path = tree.get(name, {}), member_path("$", name)
        if not isinstance(section, dict):
            faults.append(_not_an_object(path, section))
            continue
        for key, entry in section.items():
            faults += _struct_faults(entry, entry_type, member_path(path, key))
            if name == "ticket_states" and key not in STATUSES:
                faults.append(DocumentFault(member_path(path, key), f"unknown status; use one of {', '.join(STATUSES)}"))
    return faults


def _struct_faults(value: Any, struct: type[Struct], path: str) -> list[DocumentFault]:
    if not isinstance(value, dict):
        return [_not_an_object(path, value)]
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    faults = [_missing(member_path(path, name)) for name, field in fields.items() if field.required and name not in value]
    for name, member in value.items():
        if name in fields:
            faults += _value_faults(member, fields[name].type, member_path(path, name))
        elif struct.__struct_config__.forbid_unknown_fields:
            faults.append(DocumentFault(member_path(path, name), f"unknown key; allowed keys are {', '.join(fields)}"))
    return faults


def _value_faults(value: Any, expected: Any, path: str) -> list[DocumentFault]:
    struct, entries = _struct_type(expected), _list_item_type(expected)
    if struct is not None and isinstance(value, dict):
        return _struct_faults(value, struct, path)
    if entries is not None and isinstance(value, list):
        faults = [fault for number, entry in enumerate(value) for fault in _struct_faults(entry, entries, member_path(path, number))]
        if faults:
            return faults
    if get_origin(expected) is dict and isinstance(value, dict):
        pairs = [(entry, of, key) for key, member in value.items() for entry, of in zip((key, member), get_args(expected), strict=True)]
        return [fault for entry, of, key in pairs for fault in _value_faults(entry, of, member_path(path, key))]
    try:
        msgspec.convert(value, expected)
    except msgspec.ValidationError:
        return [DocumentFault(path, f"must be {allowed_values.description(expected)}, not {quoted(value)}")]
    return []


def _missing(path: str) -> DocumentFault:
    return DocumentFault(path, "this required key is missing")


def _not_an_object(path: str, value: Any) -> DocumentFault:
    return DocumentFault(path, f"must be a JSON object, not {quoted(value)}")


def _struct_type(expected: Any) -> type[Struct] | None:
    """Return the Struct `Entry` for `Entry`, `Annotated[Entry, ...]` or `Entry | None`. Returns None for any other type."""
    if isinstance(expected, type) and issubclass(expected, Struct):
        return expected
    if get_origin(expected) is Annotated or isinstance(expected, UnionType):
        return next(filter(None, map(_struct_type, get_args(expected))), None)
    return None


def _list_item_type(expected: Any) -> type[Struct] | None:
    """Return the Struct `Entry` for `list[Entry]` or `Annotated[list[Entry], ...]`. Returns None for any other type."""
    if get_origin(expected) is Annotated:
        return _list_item_type(get_args(expected)[0])
    return _struct_type(get_args(expected)[0]) if get_origin(expected) is list else None


def _valid_entries(tree: Tree, section: str, struct: type[Any]) -> dict[str, Any]:
    """Return the entries whose own fields are valid. Only these entries can be checked by the rules between entries."""
    valid = {}
    entries = tree.get(section)
    for key, entry in entries.items() if isinstance(entries, dict) else ():
        try:
            valid[key] = memory.convert(entry, struct)
        except msgspec.ValidationError:
            continue
    return valid


def _with_file(fault: DocumentFault, files: MergedFiles) -> DocumentFault:
    return replace(fault, file=_origin_file(files, fault.path))


def _origin_file(files: MergedFiles, path: str) -> str:
    """Return the file that contains the entry at `path`. Returns the first file if no entry matches."""
    if len(set(files.origins.values())) < 2:
        return files.first
    for section in SECTIONS:
        prefix = f"$.{section}"
        if path.startswith(prefix):
            for (name, key), file in files.origins.items():
                if name == section and (path + ".").startswith((member_path(prefix, key) + ".", member_path(prefix, key) + "[")):
                    return file
    return files.first


# Conversion of entries to the events and tiers that the catalog stores.


def to_events(valid: ValidDocument) -> dict[str, Event]:
    """Return the document's events by id."""
    return {key: _event(entry, valid) for key, entry in valid.document.events.items()}


def to_tiers(valid: ValidDocument) -> dict[str, Tier]:
    """Return the document's tiers by id for the current stage, without stock.

    `stock_id` is empty, and `shards` is 0 where the file does not set it.
    """
    return {key: _tier(entry, valid) for key, entry in valid.document.ticket_types.items()}


def _event(entry: EventEntry, valid: ValidDocument) -> Event:
    metadata = valid.tree["events"][entry.id].get("metadata", {})
    promoter_id = metadata.get("promoter_id")
    zone = document.timezone(entry.metadata.timezone)
    ends_on = entry.end_date or (entry.date if document.DAY.fullmatch(entry.date) else None)
    return Event(
        id=entry.id,
        name=entry.name,
        venue=entry.venue,
        description=entry.metadata.description or "",
        starts_at=document.epoch_seconds(entry.date, zone),
        ends_at=None if ends_on is None else document.epoch_seconds(ends_on, zone, is_end=True),
        on_sale_at=None if entry.on_sale_at is None else document.epoch_seconds(entry.on_sale_at, zone),
        guests_until=None if entry.guests_until is None else document.epoch_seconds(entry.guests_until, zone, is_end=True),
        date=entry.date,
        end_date=entry.end_date,
        status=entry.status,
        display_order=entry.display_order,
        timezone=entry.metadata.timezone or "UTC",
        city=entry.metadata.city,
        image_url=entry.metadata.image_url,
        featured=entry.metadata.featured or False,
        purchase_limit=entry.purchase_limit,
        promoter_id=promoter_id if isinstance(promoter_id, str) else None,
        metadata=metadata,
        managed_by="bootstrap",
        **file_values(Event, entry),
    ).with_times_of_dates()


def _tier(entry: TicketEntry, valid: ValidDocument) -> Tier:
    event = valid.document.events[entry.event_id]
    zone = document.timezone(event.metadata.timezone)
    window = entry.availability
    start, end = (window.start_date, window.end_date) if window else (None, None)
    return Tier(
        id=entry.id,
        event_id=entry.event_id,
        name=entry.name,
        price_cents=entry.price_cents,
        currency=entry.currency,
        capacity=ticket_capacity(entry, event) or None,
        status=entry.status,
        per_user_limit=entry.per_user_limit,
        max_per_transaction=window.max_per_transaction if window else None,
        image_url=entry.image_url,
        options=[CustomOption(**asdict(option)) for option in entry.options],
        sale_starts_at=None if start is None else document.epoch_seconds(start, zone),
        sale_ends_at=None if end is None else document.epoch_seconds(end, zone, is_end=True),
        display_order=entry.display_order,
        stripe_price_id=price_id(entry, settings.current().stage),
        availability=valid.tree["ticket_types"][entry.id].get("availability"),
        metadata=entry.metadata,
        stock_id="",
        shards=entry.shards or 0,
        managed_by="bootstrap",
        **file_values(Tier, entry),
    )


# Rules between fields and between entries, which are checked only for entries whose own fields are valid.

Events = Mapping[str, EventEntry]
Tickets = Mapping[str, TicketEntry]

LONG_STAGE_NAMES = {"dev": "development", "prod": "production"}
STAGES_WITHOUT_BUYERS = ("local", "test")
ENDS = ("end_date", "expires_at", "guests_until")  # a day in these fields means its last second


def consistency_faults(events: Events, tickets: Tickets, tree: dict[str, Any]) -> list[DocumentFault]:
    """Return an error for each broken rule. `tree` is the whole document; an invalid event in it still counts as present."""
    section = tree.get("events")
    event_ids = set(section) if isinstance(section, dict) else set()
    return [
        *(fault for key, event in events.items() for fault in _event_faults(key, event)),
        *(fault for key, event in events.items() for fault in _capacity_below_sold(key, event, tickets)),
        *(fault for key, event in events.items() for fault in _date_capacity_faults(key, event, tickets)),
        *(fault for key, event in events.items() for fault in _promo_code_faults(key, event, tickets)),
        *(fault for key, ticket in tickets.items() for fault in _ticket_faults(key, ticket, events, event_ids)),
        *_repeated_price_ids(tickets),
        *_repeated_names(tickets),
        *_mixed_currencies(tickets),
    ]


def environment_faults(environment: Any, stage: str) -> list[DocumentFault]:
    """Return an error if the document is for a different stage. Stages without buyers (`local`, `test`, `test-7`) accept any document."""
    if not isinstance(environment, str) or not environment or stage.split("-")[0] in STAGES_WITHOUT_BUYERS:
        return []
    if environment.lower() in (stage, LONG_STAGE_NAMES.get(stage)):
        return []
    advice = "set FAIRGATE_STAGE to the stage of the file, or leave `environment` out of a file that serves all stages"
    return [DocumentFault("$.environment", f"is {quoted(environment)}, but the stage is {quoted(stage)}; {advice}")]


def consistency_warnings(events: Events, tickets: Tickets) -> list[DocumentWarning]:
    """Return the warnings for a document without errors.

    They concern too many tickets for an event, too few shards for the tickets, and limits that no purchase can reach.
    """
    totals = dict.fromkeys(events, 0)
    for ticket in tickets.values():
        totals[ticket.event_id] += ticket_capacity(ticket, events[ticket.event_id])
    warnings = []
    for key, event in events.items():
        capacity = event.metadata.capacity
        if capacity is not None and capacity < totals[key]:
            message = f"{capacity} is below the {totals[key]} tickets of its ticket types; raise the capacity, or lower a max_quantity"
            fault = DocumentFault(f"{member_path('$.events', key)}.metadata.capacity", message)
            warnings.append(DocumentWarning(fault, "capacity_below_tickets", event.name, {"capacity": capacity, "tickets": totals[key]}))
    for key, ticket in tickets.items():
        event = events[ticket.event_id]
        default = default_shard_count(ticket_capacity(ticket, event) or event.capacity or 0)
        if ticket.shards is not None and ticket.shards < default:
            holds = ticket.shards * MAX_HOLDS
            limit = f"with {ticket.shards} shards at most {holds} purchases can hold tickets at the same time"
            fault = DocumentFault(f"{member_path('$.ticket_types', key)}.shards", f"{limit}; leave `shards` out to get {default}")
            figures = {"shards": ticket.shards, "holds": holds, "default": default}
            warnings.append(DocumentWarning(fault, "few_shards", ticket.name, figures))
        warnings.extend(_unreachable_limits(key, ticket, event))
    return warnings


def _unreachable_limits(key: str, ticket: TicketEntry, event: EventEntry) -> Iterator[DocumentWarning]:
    """Yield a warning for each limit per purchase that is above the event's limit per person."""
    limit = event.purchase_limit or settings.current().event_purchase_limit
    window = ticket.availability
    limits = {"per_user_limit": ticket.per_user_limit, "availability.max_per_transaction": window.max_per_transaction if window else None}
    for name, tickets in limits.items():
        if tickets is not None and tickets > limit:
            reason = f"no purchase can have {tickets} tickets, because a person may buy only {limit} of the event; set its purchase_limit"
            fault = DocumentFault(f"{member_path('$.ticket_types', key)}.{name}", reason)
            yield DocumentWarning(fault, "limit_above_event", ticket.name, {"tickets": tickets, "limit": limit})


def _event_faults(key: str, event: EventEntry) -> Iterator[DocumentFault]:
    path = member_path("$.events", key)
    if key != event.id:
        yield DocumentFault(f"{path}.id", f"must repeat the entry's key {quoted(key)}, not {quoted(event.id)}")
    try:
        zone = document.timezone(event.metadata.timezone)
    except ValueError as error:
        yield DocumentFault(f"{path}.metadata.timezone", str(error))
        zone = UTC
    seconds, faults = _read_dates(path, {name: getattr(event, name) for name in ("date", "end_date", "on_sale_at", "guests_until")}, zone)
    yield from faults
    if "date" in seconds and seconds.get("end_date", seconds["date"]) < seconds["date"]:
        message = f"the event ends ({event.end_date}) before it starts ({event.date}); use a later end_date or an earlier date"
        yield DocumentFault(f"{path}.end_date", message)
    if "date" in seconds and "on_sale_at" in seconds and seconds["on_sale_at"] >= seconds["date"]:
        message = f"the sale opens ({event.on_sale_at}) after the event has started ({event.date}); use an earlier time"
        yield DocumentFault(f"{path}.on_sale_at", message)
    values = file_values(Event, event)
    yield from _rule_faults(path, partial(check_returns, values["returns"], values["transfers"]))
    yield from _rule_faults(path, partial(check_place, values["country"], values["region"]))
    yield from _rule_faults(path, partial(check_dates, values["dates"]))


def _capacity_below_sold(key: str, event: EventEntry, tickets: Tickets) -> Iterator[DocumentFault]:
    sold = sum(ticket.sold_count for ticket in tickets.values() if ticket.event_id == key)
    held_back = sum(holdback.quantity for ticket in tickets.values() if ticket.event_id == key for holdback in _holdbacks(ticket))
    if event.capacity is not None and event.capacity < sold + held_back:
        also = f" and the {held_back} tickets that are held back" if held_back else ""
        total = sold + held_back
        message = f"{event.capacity} is below the sold_count of its ticket types{also}, {total} in total; raise it, or lower a sold_count"
        yield DocumentFault(f"{member_path('$.events', key)}.capacity", message)


def _date_capacity_faults(key: str, event: EventEntry, tickets: Tickets) -> Iterator[DocumentFault]:
    limits = [
        (file_values(Tier, ticket)["date_ids"], ticket_capacity(ticket, event) or UNLIMITED)
        for ticket in tickets.values()
        if ticket.event_id == key
    ]
    for number, date in enumerate(file_values(Event, event)["dates"]):
        valid = [limit for date_ids, limit in limits if not date_ids or date.id in date_ids]
        check = partial(check_date_capacity, date, valid, event.capacity or UNLIMITED, f"$.dates[{number}].capacity")
        yield from _rule_faults(member_path("$.events", key), check)


def _promo_code_faults(key: str, event: EventEntry, tickets: Tickets) -> Iterator[DocumentFault]:
    first: dict[str, int] = {}
    for number, entry in enumerate(event.promo_codes):
        path = member_path(f"{member_path('$.events', key)}.promo_codes", number)
        if first.setdefault(normalize(entry.code), number) != number:
            message = f"duplicate: {quoted(entry.code)} is already a promo code of the event; codes are not case-sensitive"
            yield DocumentFault(f"{path}.code", message)
        for field in ("package_ids", "opens_package_ids"):
            for place, tier_id in enumerate(getattr(entry, field) or ()):
                if tier_id not in tickets or tickets[tier_id].event_id != key:
                    message = f"the event has no ticket type {quoted(tier_id)}; use a key of $.ticket_types with this event_id"
                    yield DocumentFault(member_path(f"{path}.{field}", place), message)
        for tier_id in entry.opens_package_ids or () if entry.holdback_id is not None else ():
            if tier_id in tickets and entry.holdback_id not in {holdback.id for holdback in _holdbacks(tickets[tier_id])}:
                message = f"the ticket type {quoted(tier_id)} has no holdback {quoted(entry.holdback_id)}; add it, or open other tickets"
                yield DocumentFault(f"{path}.holdback_id", message)
        zone = _event_timezone(event)
        _, faults = _read_dates(path, {"starts_at": entry.starts_at, "expires_at": entry.expires_at}, zone)
        yield from faults
        if not faults:
            yield from _rule_faults(path, partial(to_promo_code, entry, key, tickets.values(), zone))


def _ticket_faults(key: str, ticket: TicketEntry, events: Events, event_ids: set[str]) -> Iterator[DocumentFault]:
    path = member_path("$.ticket_types", key)
    if key != ticket.id:
        yield DocumentFault(f"{path}.id", f"must repeat the entry's key {quoted(key)}, not {quoted(ticket.id)}")
    if ticket.event_id not in event_ids:
        yield DocumentFault(f"{path}.event_id", f"there is no event {quoted(ticket.event_id)}; use a key of $.events")
    yield from _capacity_faults(path, ticket, events.get(ticket.event_id))
    yield from _option_faults(path, ticket)
    yield from _rule_faults(path, partial(check_holdbacks, _holdbacks(ticket)))
    values = file_values(Tier, ticket)
    if values["tax"] != "none":
        yield from _rule_faults(path, partial(check_tax, values["tax"]))
    yield from _rule_faults(path, partial(check_included_fee, values["included_fee"], ticket.price_cents))
    if ticket.event_id in events:
        yield from _rule_faults(path, partial(check_date_ids, values["date_ids"], file_values(Event, events[ticket.event_id])["dates"]))
    window = ticket.availability
    if window is None:
        return
    if ticket.per_user_limit and window.max_per_transaction and window.max_per_transaction < ticket.per_user_limit:
        message = f"{window.max_per_transaction} is below per_user_limit {ticket.per_user_limit}; raise it, or lower per_user_limit"
        yield DocumentFault(f"{path}.availability.max_per_transaction", message)
    zone = _event_timezone(events.get(ticket.event_id))
    seconds, faults = _read_dates(f"{path}.availability", {"start_date": window.start_date, "end_date": window.end_date}, zone)
    yield from faults
    if len(seconds) == 2 and seconds["end_date"] < seconds["start_date"]:
        message = f"the sale ends ({window.end_date}) before it starts ({window.start_date}); use a later end_date or an earlier start_date"
        yield DocumentFault(f"{path}.availability.end_date", message)


def _option_faults(path: str, ticket: TicketEntry) -> Iterator[DocumentFault]:
    for number, option in enumerate(ticket.options):
        option_path = member_path(f"{path}.options", number)
        if option.id in [other.id for other in ticket.options[:number]]:
            yield DocumentFault(f"{option_path}.id", f"duplicate: {quoted(option.id)} is already the id of another option; use another one")
        yield from _rule_faults(option_path, partial(check_option, CustomOption(**asdict(option))))


def _rule_faults(path: str, check: Callable[[], object]) -> Iterator[DocumentFault]:
    """Yield an error for the entry at `path` if `check`, which applies a rule of the API, refuses the entry."""
    try:
        check()
    except InvalidInput as error:
        yield DocumentFault(f"{path}{str(error.details['path']).removeprefix('$')}", error.message)


def _capacity_faults(path: str, ticket: TicketEntry, event: EventEntry | None) -> Iterator[DocumentFault]:
    """Yield the errors in a ticket type's capacity. `event` is None if the event is missing or invalid; its capacity is then unknown."""
    capacity = ticket.max_quantity or (ticket_capacity(ticket, event) if event else None)
    if capacity is None:
        return
    if not capacity:
        if event is not None and event.capacity is not None:
            return
        message = (
            f"the number of tickets is unknown; set max_quantity, or metadata.capacity of the event {quoted(ticket.event_id)}, to 1 or more"
        )
        yield DocumentFault(f"{path}.max_quantity", message)
        return
    held_back = sum(holdback.quantity for holdback in _holdbacks(ticket))
    if held_back and capacity < ticket.sold_count + held_back:
        message = f"{held_back} tickets are too many to hold back: {capacity} in total, {ticket.sold_count} of them sold; hold back fewer"
        yield DocumentFault(f"{path}.holdbacks", message)
    if capacity < ticket.sold_count:
        source = "" if ticket.max_quantity else f" (metadata.capacity of the event {quoted(ticket.event_id)})"
        message = f"{capacity}{source} is below sold_count {ticket.sold_count}; raise it, or lower sold_count"
        yield DocumentFault(f"{path}.max_quantity", message)
    if ticket.shards is not None and ticket.shards > capacity:
        message = f"{ticket.shards} shards are too many for {capacity} tickets; use {capacity} or fewer"
        yield DocumentFault(f"{path}.shards", message)


def _holdbacks(ticket: TicketEntry) -> list[Holdback]:
    return list(file_values(Tier, ticket)["holdbacks"])


def _read_dates(path: str, texts: dict[str, str | None], zone: tzinfo) -> tuple[dict[str, int], list[DocumentFault]]:
    """Return the valid dates by key, in epoch seconds, and an error for each invalid date."""
    seconds: dict[str, int] = {}
    faults: list[DocumentFault] = []
    for key, text in texts.items():
        if text is None:
            continue
        try:
            seconds[key] = document.epoch_seconds(text, zone, is_end=key in ENDS)
        except ValueError as error:
            faults.append(DocumentFault(f"{path}.{key}", str(error)))
    return seconds, faults


def _event_timezone(event: EventEntry | None) -> tzinfo:
    try:
        return document.timezone(event.metadata.timezone if event else None)
    except ValueError:  # reported as an error in the event
        return UTC


def _repeated_price_ids(tickets: Tickets) -> Iterator[DocumentFault]:
    first: dict[str, str] = {}
    for key, ticket in tickets.items():
        price_ids = ticket.stripe_price_id
        for stripe_id in price_ids.values() if isinstance(price_ids, dict) else filter(None, [price_ids]):
            if first.setdefault(stripe_id, key) != key:
                message = f"duplicate: {quoted(stripe_id)} is already a stripe_price_id of {first[stripe_id]}; each needs its own, or null"
                yield DocumentFault(f"{member_path('$.ticket_types', key)}.stripe_price_id", message)


def _repeated_names(tickets: Tickets) -> Iterator[DocumentFault]:
    first: dict[tuple[str, str], str] = {}
    for key, ticket in tickets.items():
        name = (ticket.event_id, " ".join(ticket.name.split()).casefold())
        if first.setdefault(name, key) != key:
            message = f"duplicate: {quoted(ticket.name)} is already the name of {first[name]} in the same event; use another name"
            yield DocumentFault(f"{member_path('$.ticket_types', key)}.name", message)


def _too_many_tickets(tickets: Tickets) -> Iterator[DocumentFault]:
    keys = defaultdict[str, list[str]](list)
    for key, ticket in tickets.items():
        keys[ticket.event_id].append(key)
    for event_id, found in keys.items():
        if len(found) > MAX_FILE_TIERS:
            message = f"{quoted(event_id)} has {len(found)} ticket types, but an event may have {MAX_FILE_TIERS}; use several events"
            yield DocumentFault(f"{member_path('$.ticket_types', found[MAX_FILE_TIERS])}.event_id", message)


def _currency_faults(tickets: Tickets) -> Iterator[DocumentFault]:
    for key, ticket in tickets.items():
        path = member_path("$.ticket_types", key)
        yield from _rule_faults(path, partial(money.check_currency, ticket.currency, "$.currency"))
        yield from _rule_faults(path, partial(money.check_last_digit, ticket.price_cents, ticket.currency, "$.price_cents"))


def _mixed_currencies(tickets: Tickets) -> Iterator[DocumentFault]:
    first: dict[str, tuple[str, str]] = {}
    for key, ticket in tickets.items():
        currency, other = first.setdefault(ticket.event_id, (ticket.currency, key))
        if ticket.currency != currency:
            message = f"is {ticket.currency}, but {other} of the same event is sold in {currency}; use one currency for each event"
            yield DocumentFault(f"{member_path('$.ticket_types', key)}.currency", message)
