"""Import tickets that another system has sold: each is an order of its own, without money in our books, and counts as sold.

One transaction writes a few orders, their tickets and what their shards lose. So a crash leaves nothing half done, and a repetition
writes what is missing.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from msgspec import Struct

from chalicelib.catalog.model import Event, Tier
from chalicelib.dynamodb import dynamo
from chalicelib.inventory.capacity import DirectSale
from chalicelib.inventory.model import Hold
from chalicelib.payments.model import Payment
from chalicelib.purchases import store
from chalicelib.purchases.model import LineItem, Purchase
from chalicelib.tickets import qr
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import CODE_ALPHABET, Attendee, Ticket, TicketLine, read_code, ticket_id

# A ticket that another system has sold, and the id of its order here.

MIN_CODE_LENGTH, MAX_CODE_LENGTH = 4, 64
# An order's id has the form of a ULID, which begins with its time: one before 2005, so imported orders come before all others.
_ID_PREFIX = "00"
_ID_CHARACTERS = 24  # of 5 bits each: no two codes have the same


class SoldTicket(Struct, frozen=True):
    """A ticket to import: its code as tickets have it (`import_code`), its tier here, and who comes with it."""

    code: str
    tier_id: str
    attendee: Attendee | None = None

    @property
    def order_id(self) -> str:
        """The id of its order. It follows from the code, so a code cannot be imported twice."""
        number = int.from_bytes(sha256(self.code.encode()).digest()[: _ID_CHARACTERS * 5 // 8], "big")
        return _ID_PREFIX + "".join(CODE_ALPHABET[number >> 5 * place & 31] for place in range(_ID_CHARACTERS))

    @property
    def owner_id(self) -> str:
        """Who owns it: a user of its own, since the other system's buyers have no accounts here."""
        return f"imported-{self.order_id}"


class CodeUnusable(ValueError):
    """A code that no scan could be compared with; the message says why."""


def import_code(text: str) -> str:
    """The code of another system as tickets have it and scans are compared with it. Raises CodeUnusable."""
    code = text.strip()
    if not MIN_CODE_LENGTH <= len(code) <= MAX_CODE_LENGTH:
        raise CodeUnusable(f"has {len(code)} characters; a code has {MIN_CODE_LENGTH} to {MAX_CODE_LENGTH}")
    if not (code.isascii() and code.isprintable()):
        raise CodeUnusable("has characters that are not printable ASCII, which scanners read in different ways")
    if qr.read_text(code) is not None:
        raise CodeUnusable("is the text of a Fairgate QR code")
    return read_code(code)


# Each ticket is three items, and at most one more in a shard of its tier and one in the pool's; one entry of the audit goes with them.
BATCH = 19
MAX_ATTEMPTS = 5


class EventStock:
    """What an event has left to sell, by tier and, if it has a capacity of its own, in its pool."""

    def __init__(self, event: Event, tiers: Mapping[str, Tier]) -> None:
        is_pooled = event.pool_id is not None
        self.by_tier = {tier.id: DirectSale(tier.stock_id, tier.shards, is_pooled=is_pooled) for tier in tiers.values()}
        self.pool = DirectSale(event.pool_id, event.pool_shards) if event.pool_id is not None else None

    def reload(self) -> None:
        """Read it again, because somebody else has sold some of it."""
        for sale in (*self.by_tier.values(), *([self.pool] if self.pool else [])):
            sale.reload()


def find_known(batch: Sequence[SoldTicket]) -> dict[str, Ticket]:
    """Code -> the ticket that was imported with it, of whatever event and state; strongly consistent. One round trip per 100."""
    ids = {ticket_id(sold.order_id, 1): sold.code for sold in batch}
    return {ids[ticket.id]: ticket for ticket in tickets.load_tickets(ids)}


def import_batch(
    event: Event, tiers: Mapping[str, Tier], stock: EventStock, batch: Sequence[SoldTicket], entry: Sequence[dynamo.TransactItem], now: int
) -> int:
    """Write those of at most BATCH tickets that were not imported before, with the `entry` of the audit. Returns how many.

    The codes differ from each other, and the tiers are the event's. Raises NotEnoughTickets if the stock has not enough left for all of
    them; then, or after a crash, nothing of the batch is written.
    """
    for _ in range(MAX_ATTEMPTS):
        known = find_known(batch)
        new = [sold for sold in batch if sold.code not in known]
        if not new:
            return 0
        try:
            dynamo.transact([*_items(event, tiers, stock, new, now), *entry])
        except dynamo.TransactionCanceled:  # somebody else has sold some of the stock, or has imported the same ticket
            stock.reload()
            continue
        return len(new)
    raise dynamo.StoreUnavailable("the stock kept changing")


def _items(event: Event, tiers: Mapping[str, Tier], stock: EventStock, new: Sequence[SoldTicket], now: int) -> list[dynamo.TransactItem]:
    items: list[dynamo.TransactItem] = []
    pool_shards = stock.pool.take(len(new)) if stock.pool else []
    if stock.pool:
        items += stock.pool.items(pool_shards)
    shard_of: dict[str, str] = {}
    for tier_id in dict.fromkeys(sold.tier_id for sold in new):
        of_tier = [sold for sold in new if sold.tier_id == tier_id]
        taken = stock.by_tier[tier_id].take(len(of_tier))
        items += stock.by_tier[tier_id].items(taken)
        shard_of |= {sold.code: shard_id for sold, shard_id in zip(of_tier, taken, strict=True)}
    for number, sold in enumerate(new):
        order = _order(event, tiers[sold.tier_id], sold, shard_of[sold.code], pool_shards[number] if pool_shards else None, now)
        items += [*store.create_order_items(order), _ticket_item(order, sold, now)]
    return items


def _order(event: Event, tier: Tier, sold: SoldTicket, shard_id: str, pool_shard_id: str | None, now: int) -> Purchase:
    # No shard ever had this hold: the ticket was sold at once. With it a refund knows where the seat goes back to.
    hold_id = f"{sold.order_id}.imported"
    line = LineItem(tier_id=tier.id, tier_name=tier.name, quantity=1, price_cents=0, admits=tier.admits, holds=[Hold(shard_id, hold_id, 1)])
    return Purchase(
        id=sold.order_id,
        user_id=sold.owner_id,
        event_id=event.id,
        state="paid",
        version=1,
        lines=[line],
        currency=tier.currency,
        created_at=now,
        expires_at=now,
        payment=Payment("imported", "captured", 0, tier.currency),
        ended_at=now,
        pool_holds=[Hold(pool_shard_id, hold_id, 1)] if pool_shard_id else [],
    )


def _ticket_item(order: Purchase, sold: SoldTicket, now: int) -> dynamo.TransactItem:
    [line] = order.lines
    ticket_line = TicketLine(tier_id=line.tier_id, admits=line.admits, prices=line.ticket_prices, currency=order.currency)
    return tickets.import_ticket_item(order.id, order.user_id, order.event_id, ticket_line, sold.code, sold.attendee, now)
