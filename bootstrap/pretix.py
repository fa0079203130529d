"""Convert the exports of pretix to a bootstrap file, and to rows for `import-tickets` and `import-waitlist`.

pretix writes `<event>_pretixdata.json`, in which a product is an item, possibly with variations, and a sold ticket is a position of an
order. Each date of an event series becomes an event. `notes` names everything that has no counterpart here.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from bootstrap.sale_import import SaleImport, SoldTickets, left_out, name_uniquely, without_empty
from bootstrap.stripe_import import ImportDefaults
from bootstrap.ticket_file import FileUnusable, is_address, read_table
from chalicelib.bootstrap_file.findings import DocumentFault, InvalidDocument, quoted
from chalicelib.bootstrap_file.validation import Tree
from chalicelib.catalog.custom_options import MAX_OPTIONS
from chalicelib.foundation.errors import InvalidInput
from chalicelib.foundation.money import to_minor_units

# Questions whose answers are texts or yes and no. The export does not have the choices of the others.
OPTION_TYPES = {"S": "text_input", "T": "text_input", "N": "text_input", "TEL": "text_input", "B": "boolean"}
STATUSES = {"n": "pending", "e": "expired", "c": "canceled"}  # of orders whose tickets are left out
WAITING = "Waiting for a voucher"
MAX_SLUG_LENGTH = 50  # as in pretix
_SLUG = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_SLUG_LENGTH - 1}}}")
COLUMNS = ("Email", "Product ID", "Variation ID", "Event slug", "Date", "Status")  # of the waiting list


class Category(Struct, frozen=True):
    id: int
    name: str
    position: int = 0


class Variation(Struct, frozen=True):
    id: int
    name: str
    price: Decimal
    active: bool = True
    description: str | None = None
    position: int = 0
    available_from: str | None = None
    available_until: str | None = None
    hide_without_voucher: bool = False
    require_membership: bool = False


class Item(Struct, frozen=True):
    """A product. The export names the price of an item with variations too; only the variations are sold."""

    id: int
    name: str
    price: Decimal
    position: int = 0
    category: int | None = None
    tax_rate: Decimal = Decimal(0)
    admission: bool = True
    active: bool = True
    sales_channels: list[str] | None = None
    description: str | None = None
    available_from: str | None = None
    available_until: str | None = None
    require_voucher: bool = False
    hide_without_voucher: bool = False
    require_bundling: bool = False
    require_membership: bool = False
    issue_giftcard: bool = False
    min_per_order: int | None = None
    max_per_order: int | None = None
    variations: list[Variation] = []


class Question(Struct, frozen=True):
    id: int
    question: str
    type: str
    required: bool = False
    position: int = 0
    hidden: bool = False
    ask_during_checkin: bool = False


class Answer(Struct, frozen=True):
    question: int


class OrderPosition(Struct, frozen=True):
    item: int
    secret: str
    variation: int | None = None
    subevent: int | None = None
    seat: str | None = None
    attendee_name: str | None = None
    attendee_email: str | None = None
    answers: list[Answer] = []


class Order(Struct, frozen=True):
    code: str
    status: str
    positions: list[OrderPosition]
    email: str | None = None
    testmode: bool = False
    fees: list[Any] = []


class Quota(Struct, frozen=True):
    """How many of the products can be sold together; a `size` of None means no limit."""

    id: int
    size: int | None
    items: list[int]
    variations: list[int] = []
    subevent: int | None = None


class Subevent(Struct, frozen=True):
    id: int
    name: str
    date_from: str
    date_to: str | None = None
    location: str | None = None


class SourceEvent(Struct, frozen=True):
    name: str
    slug: str
    items: list[Item]
    questions: list[Question]
    orders: list[Order]
    quotas: list[Quota]
    categories: list[Category] = []
    subevents: list[Subevent] = []
    meta_data: dict[str, Any] = {}


class Export(Struct, frozen=True):
    event: SourceEvent


class Product(NamedTuple):
    """An item, or one variation of it."""

    item: Item
    variation: Variation | None

    @property
    def key(self) -> tuple[int, int | None]:
        return self.item.id, self.variation.id if self.variation is not None else None

    @property
    def name(self) -> str:
        return self.item.name if self.variation is None else f"{self.item.name} - {self.variation.name}"

    def is_in(self, quota: Quota) -> bool:
        return self.item.id in quota.items and (self.variation is None or self.variation.id in quota.variations)


def read_export(file: Path) -> SourceEvent:
    """Read the JSON export. Raises InvalidDocument, which names the place of a value that pretix would not write, and FileUnusable."""
    try:
        source = msgspec.json.decode(file.read_bytes(), type=Export).event
    except OSError as error:
        raise FileUnusable(f"{file} cannot be read ({error.strerror or error})") from None
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `")
        raise InvalidDocument([DocumentFault(path.rstrip("`") or "$", message, str(file))]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidDocument([DocumentFault("$", f"the text is not JSON, or it is cut off: {error}", str(file))]) from None
    except RecursionError:
        raise InvalidDocument([DocumentFault("$", "a value is nested too deep", str(file))]) from None
    if not _SLUG.fullmatch(source.slug):  # the names of the files that the command writes begin with it
        rule = f"up to {MAX_SLUG_LENGTH} letters, digits and . _ -, beginning with a letter or digit"
        message = f"must be {rule}, not {quoted(source.slug)}"
        raise InvalidDocument([DocumentFault("$.event.slug", message, str(file))])
    return source


def convert(source: SourceEvent, file: Path, currency: str, timezone: str | None, defaults: ImportDefaults, *, is_open: bool) -> SaleImport:
    """Convert an export. Without `is_open`, nobody can buy the tickets yet. Raises InvalidDocument for faulty tickets and prices."""
    notes: list[str] = []
    products, options = _find_products(source, notes), _options(source, notes)
    subevents: dict[int | None, Subevent] = {subevent.id: subevent for subevent in source.subevents}
    events: dict[int | None, str] = {subevent_id: f"{source.slug}-{subevent_id}" for subevent_id in subevents} or {None: source.slug}
    tickets = _list_tickets(source, file, products, events, notes)
    sold = tickets.sold
    tree: Tree = {"version": f"pretix export of {source.slug}"[:50], "events": {}, "ticket_types": {}}
    for subevent_id, event_id in events.items():
        quotas = [quota for quota in source.quotas if quota.subevent == subevent_id]
        offered = [product for product in products if any(map(product.is_in, quotas)) or sold[_ticket_id(event_id, product)]]
        event = _event(source, subevents.get(subevent_id), event_id, timezone, defaults)
        tree["events"][event_id] = event | _shared_capacity(event_id, offered, quotas, sold, notes)
        for order, product in enumerate(offered):
            ticket_id = _ticket_id(event_id, product)
            try:
                ticket = _ticket(product, ticket_id, event_id, currency, is_open=is_open)
            except InvalidInput as error:
                raise InvalidDocument([DocumentFault(f"the {error.details['path']} of {product.name}", str(error), str(file))]) from None
            capacity = _capacity(product, event_id, offered, quotas, sold, defaults)
            if capacity is not None and capacity < max(1, sold[ticket_id]):
                notes.append(f"ticket type {ticket_id}: can sell {capacity} but has sold {sold[ticket_id]}, so it has no tickets left")
                capacity = max(1, sold[ticket_id])
                ticket["status"] = "closed" if not sold[ticket_id] else ticket["status"]
            ticket |= without_empty(max_quantity=capacity, options=options)
            tree["ticket_types"][ticket_id] = ticket | {"display_order": order}
    name_uniquely(tree["ticket_types"].values())
    return SaleImport(tree, tickets.rows, sum(order.status == "p" and not order.testmode for order in source.orders), notes)


def _capacity(
    product: Product, event_id: str, offered: Sequence[Product], quotas: Iterable[Quota], sold: Mapping[str, int], defaults: ImportDefaults
) -> int | None:
    """Return how many of a product can be sold: the size of its smallest quota. Without a quota, pretix does not sell it.

    If only some products share a quota, each gets what it sold and a part of the rest, so together they never sell more than the quota. A
    quota of all products becomes the event's capacity instead.
    """
    own = [quota for quota in quotas if product.is_in(quota)]
    parts = []
    for quota in own:
        if quota.size is not None:
            inside = [other for other in offered if other.is_in(quota)]
            before = [sold[_ticket_id(event_id, other)] for other in inside]
            rest, place = max(0, quota.size - sum(before)), inside.index(product)
            part = before[place] + rest // len(inside) + (place < rest % len(inside))
            parts.append(quota.size if len(inside) in (1, len(offered)) else part)
    return min(parts, default=defaults.capacity if own else 0)


def _find_products(source: SourceEvent, notes: list[str]) -> list[Product]:
    """Return the products that admit people, in the order of the shop."""
    categories = {category.id: category.position for category in source.categories}
    found = []
    for item in sorted(source.items, key=lambda item: (categories.get(item.category or 0, -1), item.position, item.id)):
        label = f"item {item.id} ({item.name})"
        if not item.admission:
            notes.append(f"{label}: is left out, because it is not a ticket that admits people")
            continue
        variations = sorted(item.variations, key=lambda variation: (variation.position, variation.id))
        found += [Product(item, variation) for variation in variations] or [Product(item, None)]
        rules = ("require_bundling", "require_membership", "issue_giftcard", "min_per_order")
        notes += [f"{label}: `{field}` has no counterpart and is left out" for field in rules if getattr(item, field)]
        if item.require_voucher or item.hide_without_voucher:
            notes.append(f"{label}: buyers needed a voucher; the export has no vouchers, so create promo codes that open it")
        if item.sales_channels is not None and "web" not in item.sales_channels:
            notes.append(f"{label}: was not sold on the web, so it is closed")
    if source.categories:
        notes.append(f"{len(source.categories)} categories: are left out; the shop lists the cheapest ticket types first")
    if source.meta_data:
        notes.append(f"event: `meta_data` is left out ({', '.join(sorted(source.meta_data))})")
    return found


def _event(source: SourceEvent, subevent: Subevent | None, event_id: str, timezone: str | None, defaults: ImportDefaults) -> Tree:
    date, venue = defaults.date, defaults.venue
    name, end = source.name, None
    if subevent is not None:
        date, venue, end = subevent.date_from, _text(subevent.location).replace("\n", ", ") or venue, subevent.date_to
        name = subevent.name or name
    return {
        "id": event_id,
        "name": name,
        **without_empty(date=date, end_date=end, venue=venue),
        "metadata": without_empty(timezone=timezone),
    }


def _ticket(product: Product, ticket_id: str, event_id: str, currency: str, *, is_open: bool) -> Tree:
    """Return a ticket type. Raises InvalidInput, whose path is `price` or `tax rate`."""
    item, variation = product
    if not item.tax_rate.is_finite() or not 0 <= item.tax_rate <= 100:
        raise InvalidInput("A tax rate must be a number from 0 to 100.", path="tax rate")
    offer = variation or item
    is_sold = item.active and offer.active and (item.sales_channels is None or "web" in item.sales_channels)
    window = {
        "start_date": (variation and variation.available_from) or item.available_from,
        "end_date": (variation and variation.available_until) or item.available_until,
    }
    return {
        "id": ticket_id,
        "event_id": event_id,
        "name": product.name,
        "price_cents": to_minor_units(offer.price, currency, "price"),
        "currency": currency,
        "status": "closed" if not is_sold else "available" if is_open else "coming-soon",
        **without_empty(
            description=_text(offer.description) or _text(item.description),
            availability=without_empty(**window),
            per_user_limit=item.max_per_order,
            tax={"percent": format(item.tax_rate.normalize(), "f")} if item.tax_rate else None,
            requires_code=(item.require_voucher or item.hide_without_voucher or bool(variation and variation.hide_without_voucher)) or None,
        ),
    }


def _shared_capacity(
    event_id: str, products: Sequence[Product], quotas: Iterable[Quota], sold: Mapping[str, int], notes: list[str]
) -> Tree:
    """Return the event's capacity if products share a quota: the size of a quota of all products, or the sum of all quotas."""
    limited = {quota.id: quota.size for quota in quotas if quota.size is not None}
    members = {quota.id: [product for product in products if product.is_in(quota)] for quota in quotas if quota.id in limited}
    shared = [quota_id for quota_id, inside in members.items() if len(inside) > 1]
    for quota_id in shared:
        if len(members[quota_id]) < len(products):
            names, size = ", ".join(product.name for product in members[quota_id]), limited[quota_id]
            notes.append(
                f"quota {quota_id}: {names} share {size} tickets; here, each gets a part: choose their max_quantity, {size} together"
            )
    totals = [limited[quota_id] for quota_id, inside in members.items() if len(inside) == len(products)]
    if all(any(product in inside for inside in members.values()) for product in products):
        totals.append(sum(limited[quota_id] for quota_id, inside in members.items() if inside))
    sold_here = sum(sold[_ticket_id(event_id, product)] for product in products)
    return {"capacity": max(1, sold_here, min(totals))} if shared and totals else {}


def _options(source: SourceEvent, notes: list[str]) -> list[Tree]:
    """Return the questions that this shop can ask. The export does not say which products a question is for."""
    options: list[Tree] = []
    for question in sorted(source.questions, key=lambda question: (question.position, question.id)):
        reason = None
        if question.type not in OPTION_TYPES:
            reason = f"questions of its type {quoted(question.type)} cannot be converted"
        elif question.hidden or question.ask_during_checkin:
            reason = "buyers were not asked"
        elif len(options) == MAX_OPTIONS:
            reason = f"a ticket type has at most {MAX_OPTIONS} questions"
        if reason:
            notes.append(f"question {question.id} ({question.question}): is left out, because {reason}")
            continue
        option = {"id": f"pretix-{question.id}", "label": question.question, "option_type": OPTION_TYPES[question.type]}
        options.append({**option, "is_required": question.required, "display_order": len(options), "per": "ticket"})
    if options:
        notes.append("questions: every ticket type asks all of them, because the export does not say which products they are for")
    return options


def _list_tickets(
    source: SourceEvent, file: Path, products: Iterable[Product], events: Mapping[int | None, str], notes: list[str]
) -> SoldTickets:
    """Return the tickets of paid orders. Raises InvalidDocument."""
    by_key = {product.key: product for product in products}
    goods = {item.id for item in source.items if not item.admission}
    tickets = SoldTickets(events.values())
    behind: Counter[str] = Counter()
    for order_number, order in enumerate(source.orders):
        order_path = f"$.event.orders[{order_number}]"
        if order.testmode or order.status != "p":
            status = "test" if order.testmode else STATUSES.get(order.status, quoted(order.status))
            behind[f"tickets of {status} orders"] += len(order.positions)
            continue
        behind["fees of orders"] += len(order.fees)
        buyer = _text(order.email)
        tickets.check_address(buyer, f"{order_path}.email")
        for number, position in enumerate(order.positions):
            path = f"{order_path}.positions[{number}]"
            behind["answers of buyers"] += len(position.answers)
            if position.item in goods:
                behind["sold products that admit nobody"] += 1
                continue
            behind["seats of tickets"] += position.seat is not None
            product, event_id = by_key.get((position.item, position.variation)), events.get(position.subevent)
            if product is None:
                tickets.faults[f"{path}.item"] = f"the export has no item {position.item} with the variation {position.variation}"
            if event_id is None:
                tickets.faults[f"{path}.subevent"] = f"the export has no date {position.subevent}"
            email = _text(position.attendee_email)
            tickets.check_address(email, f"{path}.attendee_email")
            is_readable = tickets.check_code(position.secret, f"{path}.secret", "secret")
            if is_readable and product is not None and event_id is not None:
                name = _text(position.attendee_name)
                tickets.add(event_id, _ticket_id(event_id, product), position.secret, name=name, email=email, buyer_email=buyer)
    tickets.raise_faults(str(file))
    notes += left_out(behind)
    return tickets


def read_waiting(file: Path, source: SourceEvent, tree: Tree) -> tuple[dict[str, list[dict[str, str]]], list[str]]:
    """Read the CSV of the waiting list. Returns the rows of `import-waitlist` by event, in order of arrival, and notes.

    pretix writes the header in the language of the person who exports it, and the name of a date in the second column "Date". Raises
    FileUnusable.
    """
    rows: dict[str, list[dict[str, str]]] = {event_id: [] for event_id in tree["events"]}
    notes, with_voucher = [], 0
    by_date = {subevent.name: f"{source.slug}-{subevent.id}" for subevent in source.subevents}
    for line, row in _read_csv(file):
        if row["Event slug"] != source.slug:
            raise FileUnusable(f"{file}: line {line} is of event {quoted(row['Event slug'])}, but the orders are of {quoted(source.slug)}")
        event_id = by_date.get(row["Date"]) if source.subevents else source.slug
        parts = [event_id or "", row["Product ID"], row["Variation ID"]]
        ticket_id = "-".join(part for part in parts if part)
        if row["Status"] != WAITING:
            with_voucher += 1
        elif event_id is None or ticket_id not in tree["ticket_types"]:
            notes.append(f"{file}: line {line}: left out, because the event does not sell its product: {ticket_id}")
        elif not is_address(row["Email"]):
            notes.append(f"{file}: line {line}: left out, because {quoted(row['Email'])} is not an email address")
        else:
            rows[event_id].append({"email": row["Email"], "tier": ticket_id})
    return rows, [*notes, *([f"{with_voucher} people with a voucher: left out of the waiting list"] if with_voucher else [])]


def _read_csv(file: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a waiting list with their lines, by the names of the columns. Of columns with the same name, the last counts."""
    table = read_table(file)
    _, header = next(table, (1, []))
    rows = [(line, dict(zip(header, cells, strict=False))) for line, cells in table]
    for column in COLUMNS:
        if column not in header:
            advice = "Set the language of your pretix account to English, then export again."
            raise FileUnusable(f"{file} has no column {quoted(column)}. {advice}")
    if short := next((line for line, row in rows if len(row) < len(set(header))), None):
        raise FileUnusable(f"{file}: line {short}: the row has fewer columns than the header")
    return rows


def _ticket_id(event_id: str, product: Product) -> str:
    return "-".join([event_id, *(str(part) for part in product.key if part is not None)])


def _text(value: str | None) -> str:
    """Return a text of the export. For a missing text, pretix may write the word None."""
    return "" if value is None or value == "None" else value.strip()
