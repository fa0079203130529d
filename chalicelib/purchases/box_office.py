"""The box office's tills: what each person took and paid back on each day, the cash that they counted, and the difference.

The transaction of a sale or a refund at the counter also updates the person's till, so the totals do not require reading the orders.
"""

from typing import Any

from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition

from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.money import Currency
from chalicelib.purchases.model import Purchase, Refund

MAX_ATTEMPTS = 5
MAX_TILLS = 200  # tills that are shown for a day; no box office has that many people


class TillRow(dynamo.Table):
    """What a person took at an event's box office on a day, in one currency. `till` is `<date>#<currency>#<user id>`."""

    feature = "box-office"
    contents = "What each person took at an event's box office on a day, and the cash that they counted."
    personal_data = dynamo.PersonalData("who sold at a box office", export="no", erasure="stays, with the user id")

    event_id = UnicodeAttribute(hash_key=True)
    till = UnicodeAttribute(range_key=True)
    cash_sales = NumberAttribute(null=True)
    cash_cents = NumberAttribute(null=True)
    cash_refunds = NumberAttribute(null=True)
    cash_refunded_cents = NumberAttribute(null=True)
    card_sales = NumberAttribute(null=True)
    card_cents = NumberAttribute(null=True)
    card_refunds = NumberAttribute(null=True)
    card_refunded_cents = NumberAttribute(null=True)
    counted_cents = NumberAttribute(null=True)
    counted_at = NumberAttribute(null=True)


class MethodTotals(Struct, frozen=True, kw_only=True):
    """What was taken and paid back in cash, or by card, in minor units. `expected_cents` is the difference: what should be left."""

    sales: int
    sold_cents: int
    refunds: int
    refunded_cents: int
    expected_cents: int


class TillView(Struct, frozen=True, kw_only=True):
    """What one person took at the box office on a day, in one currency.

    `counted_cents` is the cash that the person counted; `difference_cents` is this cash less the expected cash, including what was sold
    after the count. Both are null until the person has counted the cash.
    """

    user_id: str
    currency: Currency
    cash: MethodTotals
    card: MethodTotals
    counted_cents: int | None
    counted_at: Timestamp | None
    difference_cents: int | None


def till_day(at: int, timezone: str) -> str:
    """Return the day of a time in the event's time zone, such as `2026-11-26`. Each till covers one such day."""
    return clock.local(at, timezone).date().isoformat()


def sale_item(order: Purchase, timezone: str) -> dynamo.TransactItem:
    """Return the transaction item that adds a box office order to its seller's till."""
    assert order.box_office is not None
    assert order.ended_at is not None  # when it was sold
    seller, method = order.box_office.seller, order.box_office.method
    return _add_item(order, till_day(order.ended_at, timezone), seller, f"{method}_sales", f"{method}_cents", order.total_cents)


def refund_item(order: Purchase, refund: Refund, timezone: str) -> dynamo.TransactItem:
    """Return the transaction item that adds a refund of a box office order to the till of the person who pays the money back."""
    names = f"{refund.method}_refunds", f"{refund.method}_refunded_cents"
    return _add_item(order, till_day(refund.at, timezone), refund.by, *names, refund.amount_cents)


def list_tills(event_id: str, day: str, user_id: str | None) -> list[TillView]:
    """Return the tills of a day, or only the tills of one person, with a strongly consistent read."""
    views = map(_view, TillRow.query(event_id, TillRow.till.startswith(f"{day}#"), limit=MAX_TILLS))
    return [view for view in views if user_id in (None, view.user_id)]


def count_cash(event_id: str, day: str, currency: str, user_id: str, cents: int, now: int) -> TillView:
    """Record the cash that a person counted in their till, with an audit entry. A later count replaces an earlier one.

    The audit entry has the cash that was expected at this moment: if the person sells in the meantime, the transaction is retried.
    """
    key = f"{day}#{currency}#{user_id}"
    for _ in range(MAX_ATTEMPTS):
        row = TillRow.find(event_id, key) or TillRow(event_id, key)
        expected = _view(row).cash.expected_cents
        details = {"date": day, "currency": currency, "expected_cents": expected, "counted_cents": cents}
        entry = audit.entry_item(f"event#{event_id}", "box_office.closed", user_id, now, details)
        unchanged = _is(TillRow.cash_cents, row.cash_cents) & _is(TillRow.cash_refunded_cents, row.cash_refunded_cents)
        counted = [TillRow.counted_cents.set(cents), TillRow.counted_at.set(now)]
        try:
            dynamo.transact([dynamo.transact_update(TillRow(event_id, key), counted, unchanged), entry])
        except dynamo.ConditionFailed:
            continue
        row.counted_cents, row.counted_at = cents, now
        return _view(row)
    raise dynamo.Contention("the till kept changing")


def scan_tills() -> list[tuple[str, str, TillView]]:
    """Return all tills with the ids of their events and their days. Reads the whole table, so it is only for checks."""
    return [(row.event_id, row.till.partition("#")[0], _view(row)) for row in TillRow.scan()]


def _add_item(order: Purchase, day: str, user_id: str, count: str, cents: str, amount: int) -> dynamo.TransactItem:
    attributes = TillRow.get_attributes()
    changes = [attributes[count].add(1), attributes[cents].add(amount)]
    return dynamo.transact_update(TillRow(order.event_id, f"{day}#{order.currency}#{user_id}"), changes)


def _is(attribute: Any, value: float | None) -> Condition:
    condition: Condition = attribute.does_not_exist() if value is None else attribute == value
    return condition


def _view(row: TillRow) -> TillView:
    _, currency, user_id = row.till.split("#", 2)
    cash = _totals(row.cash_sales, row.cash_cents, row.cash_refunds, row.cash_refunded_cents)
    card = _totals(row.card_sales, row.card_cents, row.card_refunds, row.card_refunded_cents)
    counted = None if row.counted_cents is None else int(row.counted_cents)
    return TillView(
        user_id=user_id,
        currency=currency,
        cash=cash,
        card=card,
        counted_cents=counted,
        counted_at=None if row.counted_at is None else clock.iso(int(row.counted_at)),
        difference_cents=None if counted is None else counted - cash.expected_cents,
    )


def _totals(*numbers: float | None) -> MethodTotals:
    sales, sold, refunds, refunded = (int(number or 0) for number in numbers)
    return MethodTotals(sales=sales, sold_cents=sold, refunds=refunds, refunded_cents=refunded, expected_cents=sold - refunded)
