"""Purchases and buyers: each change of a purchase is a compare-and-set, and the buyer's record changes in the same transaction.

So a purchase is `held` or `paying` exactly while the buyer's record names it as active.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib import dynamo, settings
from chalicelib.payments.model import Payment
from chalicelib.purchases.model import LIVE, Buying, Line, Purchase, State


class PurchaseRow(dynamo.Table):
    """A tombstone has only id, state and version: it stands for a purchase that was never written, and never will be."""

    feature = "purchases"

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    state = UnicodeAttribute()
    version = NumberAttribute()
    user_id = UnicodeAttribute(null=True)
    event_id = UnicodeAttribute(null=True)
    lines = UnicodeAttribute(null=True)
    currency = UnicodeAttribute(null=True)
    created_at = NumberAttribute(null=True)
    expires_at = NumberAttribute(null=True)
    payment = UnicodeAttribute(null=True)
    checkout_at = NumberAttribute(null=True)
    ended_at = NumberAttribute(null=True)
    details = UnicodeAttribute(null=True)
    pass_id = UnicodeAttribute(null=True)
    ttl = NumberAttribute(null=True)


class BuyerRow(dynamo.Table):
    feature = "buyers"

    class Meta:
        table_name = None

    user_id = UnicodeAttribute(hash_key=True)
    event_id = UnicodeAttribute(range_key=True)
    active_id = UnicodeAttribute(null=True)
    active_until = NumberAttribute(null=True)
    active_quantity = NumberAttribute(null=True)
    bought = NumberAttribute(null=True)
    orders = UnicodeSetAttribute(null=True)
    passes = UnicodeSetAttribute(null=True)


class Opening(msgspec.Struct, frozen=True):
    """What a refused opening met: the purchase that is there already, or the buyer's record as it is."""

    existing: Purchase | None
    buying: Buying | None


def load(purchase_id: str) -> Purchase | None:
    """The purchase, strongly consistent; None for an unknown id and for a tombstone."""
    row = PurchaseRow.find(purchase_id)
    return _purchase(row) if row is not None else None


def load_many(ids: Iterable[str]) -> dict[str, Purchase | None]:
    """Purchases that have an item, by id; None stands for a tombstone. One round trip per 100."""
    keys = [{"id": {"S": purchase_id}} for purchase_id in ids]
    rows = [PurchaseRow.from_raw_data(item) for item in dynamo.batch_get(PurchaseRow.name(), keys, consistent=True)]
    return {row.id: _purchase(row) for row in rows}


def buying(user_id: str, event_id: str) -> Buying | None:
    row = BuyerRow.find(user_id, event_id)
    return _buying(row) if row is not None else None


def open_purchase(purchase: Purchase, limit: int) -> Opening | None:
    """Write a new purchase and make it the buyer's active one; None when that was done, else what stood in the way.

    The quantity must be within `limit` by itself.
    """
    row = PurchaseRow(
        purchase.id,
        state=purchase.state,
        version=purchase.version,
        user_id=purchase.user_id,
        event_id=purchase.event_id,
        lines=_json(purchase.lines),
        currency=purchase.currency,
        created_at=purchase.created_at,
        expires_at=purchase.expires_at,
        pass_id=purchase.pass_id,
        ttl=_ttl(purchase.expires_at),
    )
    quantity = purchase.quantity
    # No active purchase: two reserves of one user at once must not both hold.
    # bought + quantity <= limit, compared here and not before: another order may have been paid meanwhile.
    room = BuyerRow.bought.does_not_exist() | (BuyerRow.bought <= limit - quantity)
    free = BuyerRow.active_id.does_not_exist() & room
    if purchase.pass_id is not None:
        # Unused: one pass, one order, however many requests carry its token.
        free = free & ~BuyerRow.passes.contains(purchase.pass_id)
    active = [
        BuyerRow.active_id.set(purchase.id),
        BuyerRow.active_until.set(purchase.expires_at),
        BuyerRow.active_quantity.set(quantity),
    ]
    buyer = BuyerRow(purchase.user_id, purchase.event_id)
    try:
        # Absent: a tombstone, or another execution for the same id, was first.
        dynamo.transact([dynamo.put(row, PurchaseRow.id.does_not_exist()), dynamo.update(buyer, active, free)])
    except dynamo.TransactionRefused as refused:
        existing = PurchaseRow.from_raw_data(refused.reasons[0].item) if refused.failed(0) else None
        return Opening(
            existing=_purchase(existing) if existing is not None else None,
            buying=_buying(BuyerRow.from_raw_data(refused.reasons[1].item)) if refused.failed(1) else None,
        )
    return None


def start_paying(purchase: Purchase, payment: Payment, expires_at: int, details: dict[str, Any], now: int) -> bool:
    """`held -> paying`. False if the purchase has changed since it was read."""
    row = PurchaseRow(purchase.id)
    buyer = BuyerRow(purchase.user_id, purchase.event_id)
    actions = [
        *_next(purchase, "paying"),
        PurchaseRow.payment.set(_json(payment)),
        PurchaseRow.checkout_at.set(now),
        PurchaseRow.expires_at.set(expires_at),
        PurchaseRow.ttl.set(_ttl(expires_at)),
        PurchaseRow.details.set(_json(details)),
    ]
    unchanged = _unchanged(purchase) & (PurchaseRow.state == "held")
    if expires_at == purchase.expires_at:
        return dynamo.swap(row, actions, unchanged)
    longer = dynamo.update(buyer, [BuyerRow.active_until.set(expires_at)], BuyerRow.active_id == purchase.id)
    return _committed([dynamo.update(row, actions, unchanged), longer])


def attach(purchase: Purchase, payment: Payment) -> bool:
    """Write down which payment was opened for a purchase that is `paying`. The version goes up: whoever is ending it must look again."""
    actions = [*_next(purchase, "paying"), PurchaseRow.payment.set(_json(payment))]
    return dynamo.swap(PurchaseRow(purchase.id), actions, _unchanged(purchase) & (PurchaseRow.state == "paying"))


def note_payment(purchase: Purchase, payment: Payment) -> bool:
    """Another status of the payment of a purchase that has ended; False if it has changed."""
    actions = [*_next(purchase, purchase.state), PurchaseRow.payment.set(_json(payment))]
    return dynamo.swap(PurchaseRow(purchase.id), actions, _unchanged(purchase))


def revive(purchase: Purchase, payment: Payment, limit: int, tickets: list[dynamo.TransactItem], now: int) -> str | None:
    """`expired|cancelled -> paid` for money that came late, with new holds. None on success; else `changed`, or `refused` by the buyer."""
    actions = [
        *_next(purchase, "paid"),
        PurchaseRow.payment.set(_json(payment)),
        PurchaseRow.lines.set(_json(purchase.lines)),
        PurchaseRow.ended_at.set(now),
        PurchaseRow.ttl.remove(),
    ]
    bought: list[Action] = [BuyerRow.bought.add(purchase.quantity), BuyerRow.orders.add({purchase.id})]
    # Within the limit, and nothing else in hand: since the purchase was over, the buyer may have bought or be holding others.
    room = BuyerRow.active_id.does_not_exist() & (BuyerRow.bought.does_not_exist() | (BuyerRow.bought <= limit - purchase.quantity))
    over = _unchanged(purchase) & PurchaseRow.state.is_in("expired", "cancelled")
    try:
        dynamo.transact(
            [
                dynamo.update(PurchaseRow(purchase.id), actions, over),
                dynamo.update(BuyerRow(purchase.user_id, purchase.event_id), bought, room),
                *tickets,
            ]
        )
    except dynamo.TransactionRefused as refused:
        return "changed" if refused.failed(0) else "refused"
    return None


def refuse_money(purchase: Purchase, payment: Payment, now: int) -> bool:
    """`paying|expired|cancelled -> refunded`: the money is to go back, and no ticket will ever be issued."""
    row = PurchaseRow(purchase.id)
    actions = [
        *_next(purchase, "refunded"),
        PurchaseRow.payment.set(_json(payment)),
        PurchaseRow.ended_at.set(now),
        PurchaseRow.ttl.remove(),
    ]
    if purchase.state in LIVE:
        freed = dynamo.update(BuyerRow(purchase.user_id, purchase.event_id), _INACTIVE, BuyerRow.active_id == purchase.id)
        return _committed([dynamo.update(row, actions, _unchanged(purchase)), freed])
    return dynamo.swap(row, actions, _unchanged(purchase))


def pay(purchase: Purchase, payment: Payment, tickets: list[dynamo.TransactItem], now: int) -> bool:
    """`paying -> paid`, the tickets and the buyer's record, in one transaction. False if the purchase has changed."""
    row = PurchaseRow(purchase.id)
    actions = [
        *_next(purchase, "paid"),
        PurchaseRow.payment.set(_json(payment)),
        PurchaseRow.ended_at.set(now),
        # An order is kept for ever; only abandoned attempts vanish by themselves.
        PurchaseRow.ttl.remove(),
    ]
    bought = [*_INACTIVE, BuyerRow.bought.add(purchase.quantity), BuyerRow.orders.add({purchase.id})]
    if purchase.pass_id is not None:
        bought.append(BuyerRow.passes.add({purchase.pass_id}))
    return _committed(
        [
            dynamo.update(row, actions, _unchanged(purchase) & (PurchaseRow.state == "paying")),
            *tickets,
            dynamo.update(BuyerRow(purchase.user_id, purchase.event_id), bought, BuyerRow.active_id == purchase.id),
        ]
    )


def refund(purchase: Purchase, items: list[dynamo.TransactItem], now: int) -> bool:
    """`paid -> refunded`, with what `items` do to stock and tickets; the buyer may buy again. False if anything has changed."""
    row = PurchaseRow(purchase.id)
    actions = [*_next(purchase, "refunded"), PurchaseRow.ended_at.set(now)]
    freed: list[Action] = [BuyerRow.bought.add(-purchase.quantity), BuyerRow.orders.delete({purchase.id})]
    if purchase.pass_id is not None:
        freed.append(BuyerRow.passes.delete({purchase.pass_id}))
    return _committed(
        [
            dynamo.update(row, actions, _unchanged(purchase) & (PurchaseRow.state == "paid")),
            dynamo.update(BuyerRow(purchase.user_id, purchase.event_id), freed, BuyerRow.orders.contains(purchase.id)),
            *items,
        ]
    )


def end(purchase: Purchase, state: State, now: int, payment: Payment | None = None) -> bool:
    """`held|paying -> expired|cancelled`, and the buyer is free again. False if the purchase has changed since it was read."""
    row = PurchaseRow(purchase.id)
    actions = [*_next(purchase, state), PurchaseRow.ended_at.set(now), PurchaseRow.ttl.set(_ttl(now))]
    if payment is not None:
        actions.append(PurchaseRow.payment.set(_json(payment)))
    living = _unchanged(purchase) & PurchaseRow.state.is_in(*LIVE)
    return _committed(
        [
            dynamo.update(row, actions, living),
            dynamo.update(BuyerRow(purchase.user_id, purchase.event_id), _INACTIVE, BuyerRow.active_id == purchase.id),
        ]
    )


def bury(purchase_id: str, now: int) -> bool:
    """Put a tombstone for a purchase that was never written, so that it never will be. False if something is there."""
    row = PurchaseRow(purchase_id, state="expired", version=1, ttl=_ttl(now))
    return dynamo.insert(row, PurchaseRow.id.does_not_exist()) is None


def fence(purchase: Purchase) -> bool:
    """Raise the version of a purchase that is over: who read the old one can no longer list a hold of it."""
    return dynamo.swap(PurchaseRow(purchase.id), _next(purchase, purchase.state), _unchanged(purchase))


def every_purchase() -> Iterable[Purchase]:
    """All purchases, tombstones left out; for checks, not for requests."""
    for row in PurchaseRow.scan(consistent_read=True):
        purchase = _purchase(row)
        if purchase is not None:
            yield purchase


def every_buying() -> Iterable[Buying]:
    return (_buying(row) for row in BuyerRow.scan(consistent_read=True))


_INACTIVE = [BuyerRow.active_id.remove(), BuyerRow.active_until.remove(), BuyerRow.active_quantity.remove()]


def _next(purchase: Purchase, state: State) -> list[Action]:
    return [PurchaseRow.state.set(state), PurchaseRow.version.set(purchase.version + 1)]


def _unchanged(purchase: Purchase) -> Condition:
    return PurchaseRow.version == purchase.version


def _committed(items: list[dynamo.TransactItem]) -> bool:
    try:
        dynamo.transact(items)
    except dynamo.TransactionRefused:
        return False
    return True


def _ttl(end: int) -> int:
    return end + settings.current().purchase_ttl_seconds


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _purchase(row: PurchaseRow) -> Purchase | None:
    if row.user_id is None:
        return None
    return Purchase(
        id=row.id,
        user_id=row.user_id,
        event_id=row.event_id,
        state=msgspec.convert(row.state, State),
        version=int(row.version),
        lines=msgspec.json.decode(row.lines, type=list[Line]),
        currency=row.currency,
        created_at=int(row.created_at),
        expires_at=int(row.expires_at),
        payment=msgspec.json.decode(row.payment, type=Payment) if row.payment else None,
        checkout_at=int(row.checkout_at) if row.checkout_at else None,
        ended_at=int(row.ended_at) if row.ended_at else None,
        details=msgspec.json.decode(row.details) if row.details else {},
        pass_id=row.pass_id,
    )


def _buying(row: BuyerRow) -> Buying:
    return Buying(
        user_id=row.user_id,
        event_id=row.event_id,
        active_id=row.active_id,
        active_until=int(row.active_until or 0),
        active_quantity=int(row.active_quantity or 0),
        bought=int(row.bought or 0),
        orders=frozenset(row.orders or ()),
        passes=frozenset(row.passes or ()),
    )
