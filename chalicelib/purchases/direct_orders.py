"""Orders that are written as paid, without a reservation or checkout, and without money in our books.

Imported tickets were sold by another system. Each becomes a separate order and counts as sold. Complimentary tickets are issued from a
holdback. Each recipient gets an order, whose tickets count in the stock of the holdback, not among the sold tickets. The box office sells
tickets from a holdback for cash or by card. While it is offline, it sells from a quota that it has set aside.

One transaction writes a few orders and their tickets, and takes the tickets from their shards. A crash therefore never leaves an order half
written, and a repeated call writes the missing orders.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from itertools import chain

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.catalog import holdbacks, stock_ledger
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event, Tier
from chalicelib.catalog.sale_rules import event_phase
from chalicelib.checkin.service import door_span
from chalicelib.dynamodb import dynamo
from chalicelib.edge.languages import Language
from chalicelib.foundation import parallel
from chalicelib.foundation.errors import InvalidInput, NotFound
from chalicelib.foundation.log import logger
from chalicelib.inventory.capacity import DirectSale
from chalicelib.inventory.model import Hold, NotEnoughTickets, Shard, shard_ids
from chalicelib.inventory.store import read_shards, release_hold_item, sell_held_item, sell_item, set_aside_item
from chalicelib.payments.model import Payment, ProviderName
from chalicelib.purchases import box_office, ledger_entries, store
from chalicelib.purchases.errors import BoxOfficeClosed, ComplimentaryClosed, PriceChanged, SaleIdUsed
from chalicelib.purchases.model import (
    DIRECT_ID_PREFIX,
    QUOTA_SUFFIX,
    BoxOfficeSale,
    CheckoutDetails,
    ComplimentaryRow,
    IssuedRow,
    LineItem,
    Purchase,
)
from chalicelib.tickets import qr
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import CODE_ALPHABET, IMPORTED_OWNER_PREFIX, Attendee, Ticket, TicketLine, normalize_code, ticket_id
from chalicelib.tickets.store import find_seat_id, find_ticket_id, load_tickets
from chalicelib.waiting_room.model import GUEST_PREFIX

# Tickets sold by another system, and the ids of their orders in this shop.

MIN_CODE_LENGTH, MAX_CODE_LENGTH = 4, 256  # pretix's signed codes have about 140 characters
_ID_CHARACTERS = 24  # 120 bits of a digest, 5 bits per character, so that no two codes share an id


class SoldTicket(Struct, frozen=True):
    """A ticket to import: its code as `import_code` returns it, its tier in this shop, its attendee, and its buyer's email address."""

    code: str
    tier_id: str
    attendee: Attendee | None = None
    address: str | None = None

    @property
    def order_id(self) -> str:
        """The id of the ticket's order. It is derived from the code, so a code cannot be imported twice."""
        return _derived_id(self.code)

    @property
    def owner_id(self) -> str:
        """The owner of the ticket: a separate user for each ticket, because the other system's buyers have no accounts here."""
        return f"{IMPORTED_OWNER_PREFIX}{self.order_id}"


def _derived_id(text: str) -> str:
    """Return the order id that is derived from a text."""
    number = int.from_bytes(sha256(text.encode()).digest()[: _ID_CHARACTERS * 5 // 8], "big")
    return DIRECT_ID_PREFIX + "".join(CODE_ALPHABET[number >> 5 * place & 31] for place in range(_ID_CHARACTERS))


class CodeUnusable(ValueError):
    """The code cannot be matched with scans; the message says why."""


def import_code(text: str) -> str:
    """Return another system's code in the form that is stored in tickets and matched with scans. Raises CodeUnusable."""
    code = text.strip()
    if not MIN_CODE_LENGTH <= len(code) <= MAX_CODE_LENGTH:
        raise CodeUnusable(f"has {len(code)} characters; a code has {MIN_CODE_LENGTH} to {MAX_CODE_LENGTH}")
    if not (code.isascii() and code.isprintable()):
        raise CodeUnusable("has characters that are not printable ASCII, which scanners read in different ways")
    if qr.parse_ticket_text(code) is not None:
        raise CodeUnusable("is the text of a Fairgate QR code")
    return normalize_code(code)


# Tickets per transaction. Each ticket needs four items, plus at most one for a shard of its tier and one for a shard of the pool. The
# transaction also has one audit entry.
BATCH = 16
MAX_ATTEMPTS = 5


class EventStock:
    """The unsold stock of an event: the stock of each tier and, if the event has a capacity of its own, its pool."""

    def __init__(self, event: Event, tiers: Mapping[str, Tier]) -> None:
        is_pooled = event.pool_id is not None
        self.by_tier = {tier.id: DirectSale(tier.stock_id, tier.shards, is_pooled=is_pooled) for tier in tiers.values()}
        self.pool = DirectSale(event.pool_id, event.pool_shards) if event.pool_id is not None else None

    def reload(self) -> None:
        """Read the stock again after another request has sold tickets."""
        for sale in (*self.by_tier.values(), *([self.pool] if self.pool else [])):
            sale.reload()


def find_imported(batch: Sequence[SoldTicket]) -> dict[str, Ticket]:
    """Return the tickets of a batch that were already imported, by code, in any event and state. Takes one strongly consistent read."""
    ids = {ticket_id(sold.order_id, 1): sold.code for sold in batch}
    return {ids[ticket.id]: ticket for ticket in load_tickets(ids)}


def import_batch(
    event: Event, tiers: Mapping[str, Tier], stock: EventStock, batch: Sequence[SoldTicket], entry: Sequence[dynamo.TransactItem], now: int
) -> int:
    """Import the tickets of a batch that were not imported before, with the audit `entry`. Returns how many were imported.

    The caller passes at most BATCH tickets with different codes, and tiers of this event. Raises NotEnoughTickets if the stock has too few
    tickets left for all of them. In that case, or after a crash, no part of the batch is written.
    """
    for _ in range(MAX_ATTEMPTS):
        imported = find_imported(batch)
        new = [sold for sold in batch if sold.code not in imported]
        if not new:
            return 0
        try:
            dynamo.transact([*_items(event, tiers, stock, new, now), *entry])
        except dynamo.ConditionFailed:  # another request has sold tickets of this stock or imported the same ticket
            stock.reload()
            continue
        return len(new)
    raise dynamo.Contention("the stock kept changing")


def _items(event: Event, tiers: Mapping[str, Tier], stock: EventStock, new: Sequence[SoldTicket], now: int) -> list[dynamo.TransactItem]:
    items: list[dynamo.TransactItem] = []
    pool_shards = stock.pool.take(len(new)) if stock.pool else []
    if stock.pool:
        items += stock.pool.items(pool_shards)
    shard_by_code: dict[str, str] = {}
    for tier_id in dict.fromkeys(sold.tier_id for sold in new):
        tier_tickets = [sold for sold in new if sold.tier_id == tier_id]
        tier_shards = stock.by_tier[tier_id].take(len(tier_tickets))
        items += stock.by_tier[tier_id].items(tier_shards)
        shard_by_code |= {sold.code: shard_id for sold, shard_id in zip(tier_tickets, tier_shards, strict=True)}
    for number, sold in enumerate(new):
        order = _order(event, tiers[sold.tier_id], sold, shard_by_code[sold.code], pool_shards[number] if pool_shards else None, now)
        items += [*store.create_order_items(order), _ticket_item(order, sold, now)]
        if order.has_details:
            items.append(store.details_item(order, CheckoutDetails(customer_email=sold.address)))
    return items


def _order(event: Event, tier: Tier, sold: SoldTicket, shard_id: str, pool_shard_id: str | None, now: int) -> Purchase:
    paid = _paid_order(sold.order_id, sold.owner_id, event, tier, 1, shard_id, "imported", now)
    order = replace(paid, has_details=sold.address is not None)
    [hold] = order.lines[0].holds
    return replace(order, pool_holds=[Hold(pool_shard_id, hold.hold_id, 1)]) if pool_shard_id else order


def _paid_order(
    order_id: str,
    user_id: str,
    event: Event,
    tier: Tier,
    quantity: int,
    shard_id: str,
    provider: ProviderName,
    now: int,
    price_cents: int = 0,
) -> Purchase:
    """Return a paid order for tickets of one tier from one shard. The tickets are free by default."""
    # No shard ever had this hold, because the tickets were sold directly. The hold tells a refund which shard the seats return to.
    holds = [Hold(shard_id, f"{order_id}.{provider}", quantity)]
    line = LineItem(
        tier_id=tier.id,
        tier_name=tier.name,
        quantity=quantity,
        price_cents=price_cents,
        admits=tier.admits,
        holds=holds,
        tax=catalog.effective_tax(event, tier),
        included_fee=tier.included_fee,
    )
    return Purchase(
        id=order_id,
        user_id=user_id,
        event_id=event.id,
        state="paid",
        version=1,
        lines=[line],
        currency=tier.currency,
        created_at=now,
        expires_at=now,
        payment=Payment(provider, "captured", quantity * price_cents, tier.currency, seller_id=event.promoter_id),
        ended_at=now,
    )


def _ticket_item(order: Purchase, sold: SoldTicket, now: int) -> dynamo.TransactItem:
    [line] = order.lines
    ticket_line = TicketLine(tier_id=line.tier_id, admits=line.admits, prices=line.ticket_prices, currency=order.currency)
    return tickets.import_ticket_item(order.id, order.user_id, order.event_id, ticket_line, sold.code, sold.attendee, now)


# Complimentary tickets: orders from a holdback's own stock. See docs/decisions/0186-complimentary-tickets.md.

ITEMS_PER_ORDER = 3  # besides its tickets: the order, the buyer's record and the details
MAX_ITEMS = dynamo.MAX_TRANSACT_ITEMS - 3  # leaves room for the shard, the audit entry and the entry of the stock ledger


def issue_complimentary(
    event: Event, tier: Tier, holdback_id: str, rows: Sequence[ComplimentaryRow], language: Language, actor: str, now: int
) -> list[IssuedRow]:
    """Issue complimentary tickets from a holdback to the recipients in `rows`, whose ids differ. Returns the result of each row.

    A row is issued once. A row that needs more tickets than the holdback has left is skipped; later rows with fewer tickets may still fit.
    Emails to the recipients are in `language`. Raises ComplimentaryClosed, NotFound and HoldbackReleased.
    """
    _require_issuable(event, tier, now)
    tier = holdbacks.open_stock(tier.id, holdback_id, actor, now)
    stock_id = tier.holdback_stock_id(holdback_id)
    stock, ids = DirectSale(stock_id, 1), {row.id: _derived_id(f"complimentary\n{stock_id}\n{row.id}") for row in rows}
    issued = set[str]()
    for _ in range(MAX_ATTEMPTS):
        known = store.load_many(ids.values())
        new = [row for row in rows if ids[row.id] not in known]
        try:
            for batch in _batches(new, stock.available):
                quantity = sum(row.quantity for row in batch)
                orders = [_complimentary_order(event, tier, row, ids[row.id], stock_id, language, now) for row in batch]
                details = {"tier_id": tier.id, "holdback_id": holdback_id, "tickets": quantity}
                entry = audit.entry_item(f"event#{event.id}", "complimentary.issued", actor, now, details)
                order_items = [_complimentary_items(order, row, now) for order, row in zip(orders, batch, strict=True)]
                entries = [entry, *stock_ledger.issue_items(tier, holdback_id, quantity)]
                dynamo.transact([*stock.items(stock.take(quantity)), *entries, *chain.from_iterable(order_items)])
                issued |= {row.id for row in batch}
        except dynamo.ConditionFailed:  # somebody else has issued tickets, released the holdback or sent the same rows
            stock.reload()
            continue
        logger.info("complimentary.issued", event_id=event.id, tier_id=tier.id, holdback_id=holdback_id, orders=len(issued))
        return [_issued_row(row, ids[row.id], known.get(ids[row.id]), is_new=row.id in issued) for row in rows]
    raise dynamo.Contention("the holdback kept changing")


def _require_issuable(event: Event, tier: Tier, now: int) -> None:
    valid_for = event.for_tiers([tier])
    phase = "draft" if valid_for.status == "draft" else event_phase(valid_for, now)
    if phase == "cancelled" and event.status != "cancelled":
        message = "All dates of this ticket type are cancelled. Choose another ticket type."
        raise ComplimentaryClosed(message, reason=phase, path="$.tier_id")
    if phase in ("draft", "closed", "cancelled"):
        raise ComplimentaryClosed(reason=phase)


def _batches(rows: Iterable[ComplimentaryRow], available: int) -> Iterator[list[ComplimentaryRow]]:
    """Yield the rows for which tickets are available, as many at once as fit into one transaction."""
    batch: list[ComplimentaryRow] = []
    items = 0
    for row in rows:
        if row.quantity > available:
            continue
        available -= row.quantity
        if items + row.quantity + ITEMS_PER_ORDER > MAX_ITEMS:
            yield batch
            batch, items = [], 0
        batch.append(row)
        items += row.quantity + ITEMS_PER_ORDER
    if batch:
        yield batch


def _complimentary_order(
    event: Event, tier: Tier, row: ComplimentaryRow, order_id: str, stock_id: str, language: Language, now: int
) -> Purchase:
    shard_id = shard_ids(stock_id, 1)[0]  # the pool does not have these tickets
    order = _paid_order(order_id, f"{GUEST_PREFIX}{order_id}", event, tier, row.quantity, shard_id, "complimentary", now)
    return replace(order, has_details=True, language=language)


def _complimentary_items(order: Purchase, row: ComplimentaryRow, now: int) -> list[dynamo.TransactItem]:
    [line] = order.lines
    attendees = [Attendee(row.name)]
    ticket_line = TicketLine(tier_id=line.tier_id, admits=line.admits, prices=line.ticket_prices, currency=order.currency)
    issue = tickets.issue_tickets(order.id, order.user_id, order.event_id, [ticket_line], now, attendees, order.language)
    details = store.details_item(order, CheckoutDetails(attendees=attendees, customer_email=row.email))
    return [*store.create_order_items(order), details, *issue.items]


def _issued_row(row: ComplimentaryRow, order_id: str, known: Purchase | None, *, is_new: bool) -> IssuedRow:
    if is_new:
        return IssuedRow(id=row.id, status="issued", order_id=order_id)
    if known is None:
        return IssuedRow(id=row.id, status="no_tickets_left", order_id=None)
    return IssuedRow(id=row.id, status="already_issued" if known.is_order else "revoked", order_id=order_id)


# The box office: orders from a holdback's own stock, for money that the promoter takes. See docs/decisions/0187-box-office.md.

QUOTA_SECONDS = 2 * 3600  # an hour to sell offline, and an hour to deliver the sales
DELIVERY_SECONDS = 86_400  # after this time, a device can no longer say when it sold offline


class Quota(Struct, frozen=True):
    """Tickets of a holdback that one device may sell offline until `expires_at` (epoch seconds)."""

    id: str
    quantity: int
    expires_at: int


class CounterSale(Struct, frozen=True, kw_only=True):
    """A sale at the counter: `quantity` tickets of a tier, from a holdback, for `price_cents` each, at the time `sold_at` (epoch seconds).

    A repeated sale has the same `id`. A sale that was made offline names its `quota_id`, and has the `codes` of its tickets if they were
    already printed.
    """

    id: str
    holdback_id: str
    quantity: int
    price_cents: int
    payment: BoxOfficeSale
    sold_at: int
    name: str | None = None
    email: str | None = None
    quota_id: str | None = None
    codes: Sequence[str] = ()


def claim_quota(event: Event, tier: Tier, holdback_id: str, client_id: str, quantity: int, seller: str, now: int) -> Quota:
    """Set tickets of a holdback aside, so that a device can sell them offline. A repeated call returns the same quota.

    Until the quota expires, nobody else can sell these tickets. Then hold recovery returns them to the holdback, like the tickets of a
    purchase that was never written. Raises BoxOfficeClosed, NotFound, HoldbackReleased and NotEnoughTickets.
    """
    tier = _open_box_office(event, tier, holdback_id, seller, now)
    [shard_id] = shard_ids(tier.holdback_stock_id(holdback_id), 1)
    hold = Hold(shard_id, f"{_quota_purchase_id(shard_id, client_id)}.{tier.price_cents}{QUOTA_SUFFIX}", quantity)
    details = {"tier_id": tier.id, "holdback_id": holdback_id, "tickets": quantity}
    entry = audit.entry_item(f"event#{event.id}", "box_office.quota", seller, now, details)
    for _ in range(MAX_ATTEMPTS):
        [shard] = read_shards([shard_id])
        if (claimed := _find_quota(shard, client_id)) is not None:
            return Quota(client_id, claimed.quantity, shard.expires_at(claimed))
        if shard.holdable < quantity:
            raise NotEnoughTickets(shard.holdable, quantity)
        try:
            dynamo.transact([set_aside_item(hold, now + QUOTA_SECONDS), entry])
        except dynamo.ConditionFailed:  # somebody else has sold tickets, or this request is repeated
            continue
        return Quota(client_id, quantity, now + QUOTA_SECONDS)
    raise dynamo.Contention("the holdback kept changing")


def return_quota(event: Event, tier: Tier, holdback_id: str, client_id: str, seller: str, now: int) -> int:
    """Give a quota's unsold tickets back to the holdback before the quota expires. Returns their number.

    A repeated call changes nothing. A sale that is delivered later gets a ticket only if the holdback has some left.
    """
    [shard_id] = shard_ids(tier.holdback_stock_id(holdback_id), 1)
    for _ in range(MAX_ATTEMPTS):
        quota = next(filter(None, (_find_quota(shard, client_id) for shard in read_shards([shard_id]))), None)
        if quota is None:
            return 0
        details = {"tier_id": tier.id, "holdback_id": holdback_id, "tickets": quota.quantity}
        entry = audit.entry_item(f"event#{event.id}", "box_office.quota_returned", seller, now, details)
        try:
            dynamo.transact([release_hold_item(quota), entry])
        except dynamo.ConditionFailed:  # a sale of the quota was delivered, or this request is repeated
            continue
        return quota.quantity
    raise dynamo.Contention("the quota kept changing")


def sell_at_counter(event: Event, tier: Tier, sale: CounterSale, language: Language, now: int) -> tuple[Purchase, bool]:
    """Write an order that was paid for at the box office. Returns the order, and whether an earlier call wrote it.

    A sale with a quota takes its tickets from the quota, at the price for which they were set aside. If the quota has expired, it takes
    them from the holdback, if any are left. Raises BoxOfficeClosed, NotFound, HoldbackReleased, NotEnoughTickets, PriceChanged and
    SaleIdUsed. Raises InvalidInput if another ticket has one of the codes.
    """
    order_id = _derived_id(f"box_office\n{tier.holdback_stock_id(sale.holdback_id)}\n{sale.id}")
    if (known := _find_sale(order_id, sale)) is not None:
        return known, True
    if sale.quota_id is None or sale.holdback_id not in tier.issuing:
        tier = _open_box_office(event, tier, sale.holdback_id, sale.payment.seller, now)
    else:
        # A sale of a quota may be delivered after the end of the event or the release of the holdback.
        _require_open(event.for_tiers([tier]), sale.sold_at)
    _require_unused(sale.codes)
    order = _counter_order(event, tier, sale, order_id, language, now)
    details = {"tier_id": tier.id, "tickets": sale.quantity, "amount_cents": order.total_cents, "method": sale.payment.method}
    entry = audit.entry_item(f"order#{order.id}", "box_office.sold", sale.payment.seller, now, details, event_id=event.id)
    for _ in range(MAX_ATTEMPTS):
        stock_item = _stock_item(tier, sale)
        try:
            dynamo.transact([stock_item, *_counter_items(event, order, sale, now), entry])
        except dynamo.ConditionFailed:  # somebody else has sold tickets, the quota has expired, or this request is repeated
            if (known := _find_sale(order_id, sale)) is not None:
                return known, True
            continue
        logger.info("box_office.sold", event_id=event.id, purchase_id=order.id, extra=details)
        return order, False
    raise dynamo.Contention("the holdback kept changing")


def _require_unused(codes: Sequence[str]) -> None:
    """Raise InvalidInput if a ticket or a guest has one of these codes: a cashier who knows it must not take their place at the door.

    Takes one round trip.
    """
    lookups = [partial(find, code) for find in (find_ticket_id, find_seat_id) for code in codes]
    for number, found in enumerate(parallel.call_each(lambda look_up: look_up(), lookups)):
        if found is not None:
            raise InvalidInput("Another ticket already has this code.", path=f"$.codes[{number % len(codes)}]")


def _require_open(event: Event, now: int) -> None:
    """Raise BoxOfficeClosed unless the box office is open: it may open before the sale, and closes with the doors."""
    closed = "closed" if event.status == "past" or now > door_span(event)[1] else None
    if reason := event.status if event.status in ("draft", "cancelled") else closed:
        raise BoxOfficeClosed(reason=reason)


def _open_box_office(event: Event, tier: Tier, holdback_id: str, actor: str, now: int) -> Tier:
    """Give a holdback of the box office a stock of its own, unless it has one. Returns the tier.

    The holdback may be released after this check. The release empties its stock in the same transaction, so nothing is oversold.
    """
    _require_open(event.for_tiers([tier]), now)
    _require_box_office(tier, holdback_id)
    if holdback_id in tier.issuing and any(holdback.id == holdback_id for holdback in tier.active_holdbacks):
        return tier
    return holdbacks.open_stock(tier.id, holdback_id, actor, now)


def _require_box_office(tier: Tier, holdback_id: str) -> None:
    """Raise NotFound unless the tier has this holdback for the box office. The holdback may already be released."""
    if not any(holdback.id == holdback_id and holdback.reason == "box_office" for holdback in tier.holdbacks):
        raise NotFound("The ticket type has no holdback with this id for the box office.", path="$.holdback_id", holdback_id=holdback_id)


def _find_sale(order_id: str, sale: CounterSale) -> Purchase | None:
    known = store.load(order_id)
    if known is not None and (known.box_office, known.quantity) != (sale.payment, sale.quantity):
        raise SaleIdUsed()
    return known


def _quota_purchase_id(shard_id: str, quota_id: str) -> str:
    """Return the id of the purchase in the hold of a quota. It is never written, so hold recovery releases the hold once it has expired."""
    return _derived_id(f"quota\n{shard_id}\n{quota_id}")


def _find_quota(shard: Shard, quota_id: str) -> Hold | None:
    """Return the hold of a quota with the tickets that are left. The hold's id has the price for which they were set aside."""
    purchase_id = _quota_purchase_id(shard.id, quota_id)
    holds = (Hold(shard.id, hold_id, quantity) for hold_id, (quantity, _) in shard.holds.items())
    return next((hold for hold in holds if hold.purchase_id == purchase_id), None)


def _stock_item(tier: Tier, sale: CounterSale) -> dynamo.TransactItem:
    """Return the transaction item that counts the tickets of a sale as sold, from its quota or, if the quota is short, from the holdback.

    Raises NotFound, PriceChanged and NotEnoughTickets.
    """
    [shard] = read_shards(shard_ids(tier.holdback_stock_id(sale.holdback_id), 1))
    quota = _find_quota(shard, sale.quota_id) if sale.quota_id is not None else None
    if quota is None:
        _require_box_office(tier, sale.holdback_id)  # tickets are also issued from the stocks of other holdbacks
    elif quota.quantity >= sale.quantity and str(sale.price_cents) in (str(tier.price_cents), quota.hold_id.split(".")[1]):
        return sell_held_item(quota, sale.quantity)
    if sale.price_cents != tier.price_cents:
        raise PriceChanged(price_cents=tier.price_cents)
    if shard.available < sale.quantity:
        raise NotEnoughTickets(shard.available, sale.quantity)
    return sell_item(shard.id, sale.quantity, is_pooled=False)


def _counter_order(event: Event, tier: Tier, sale: CounterSale, order_id: str, language: Language, now: int) -> Purchase:
    [shard_id] = shard_ids(tier.holdback_stock_id(sale.holdback_id), 1)
    owner = f"{GUEST_PREFIX}{order_id}"
    order = _paid_order(order_id, owner, event, tier, sale.quantity, shard_id, "box_office", now, sale.price_cents)
    has_details = sale.name is not None or sale.email is not None
    # The sale may have been made offline, so it may have ended before its order is created now. The order cannot be created at the time of
    # the sale, because an order that is older than its item looks like a copied order.
    return replace(order, ended_at=sale.sold_at, box_office=sale.payment, has_details=has_details, language=language)


def _counter_items(event: Event, order: Purchase, sale: CounterSale, now: int) -> list[dynamo.TransactItem]:
    assert order.payment is not None
    [line] = order.lines
    attendees = [Attendee(sale.name)] if sale.name is not None else []
    ticket_line = TicketLine(tier_id=line.tier_id, admits=line.admits, prices=line.ticket_prices, currency=order.currency)
    issue = tickets.issue_tickets(order.id, order.user_id, order.event_id, [ticket_line], now, attendees, order.language, sale.codes)
    details = CheckoutDetails(attendees=attendees, customer_email=sale.email)
    return [
        *store.create_order_items(order),
        *([store.details_item(order, details)] if order.has_details else []),
        *issue.items,
        *ledger_entries.payment_items(order, order.payment, sale.sold_at),
        box_office.sale_item(order, event.timezone),
    ]
