"""What becomes of money: a payment that came in ends in tickets or in a refund, whatever the purchase has been through meanwhile."""

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import log, settings
from chalicelib.catalog import service as catalog
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Hold, NotEnoughTickets, SalePaused
from chalicelib.payments.model import Payment, ProviderPayment
from chalicelib.purchases.record import ledger_entries, store, transitions
from chalicelib.purchases.record import queries as order_queries
from chalicelib.purchases.record.model import ACTIVE_STATES, LineItem, Purchase, Refund
from chalicelib.purchases.refunds import processing as refund_processing
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Ticket, TicketIssue, TicketLine

_REFUND_REASON = {"captured": "late", "captured_other": "amount_mismatch", "captured_twice": "duplicate"}


class SettlementResult(Struct, frozen=True):
    """How it ended: an order with its tickets, or a purchase without any. `repeated`: it had ended so before."""

    purchase: Purchase
    tickets: list[Ticket]
    repeated: bool


def settle_payment(purchase: Purchase, provider_payment: ProviderPayment, now: int) -> SettlementResult:
    """The provider has the money. Ends in an order, also for a purchase that was over but can have its tickets again, else in a refund."""
    return store.retry_on_conflict(purchase, lambda current: _settle(current, provider_payment, now))


def complete_purchase(purchase: Purchase, payment: Payment, now: int) -> SettlementResult | None:
    """`paying -> paid` with its tickets; None if the purchase has changed since it was read."""
    paid = replace(purchase, state="paid", payment=payment, ended_at=now)
    issue = _issue_tickets(paid, now)
    done = store.save(purchase, paid, [*issue.items, *ledger_entries.payment_items(paid, payment, now)])
    return _finish_order(done, issue, late=False) if done is not None else None


def _settle(purchase: Purchase, provider_payment: ProviderPayment, now: int) -> SettlementResult | None:
    """None if the purchase has changed since it was read."""
    trigger = transitions.classify_payment(purchase, provider_payment)
    match transitions.action_for(purchase.state, trigger):
        case "issue":
            return complete_purchase(purchase, _paid_payment(purchase, provider_payment), now)
        case "issue_again":
            return _settle_late(purchase, provider_payment, now)
        case "pay_back":
            return _refund_payment(purchase, provider_payment, trigger, now)
        case _:
            return SettlementResult(purchase, order_queries.load_tickets(purchase), repeated=True)


def _paid_payment(purchase: Purchase, provider_payment: ProviderPayment) -> Payment:
    assert purchase.payment is not None
    return replace(
        purchase.payment,
        status="captured",
        provider_id=purchase.payment.provider_id or provider_payment.id,
        payment_intent_id=provider_payment.payment_intent_id,
    )


def _settle_late(purchase: Purchase, provider_payment: ProviderPayment, now: int) -> SettlementResult | None:
    """Money for a purchase that is over: its tickets again if they can be had, under new holds, else the money goes back."""
    log.count("late_payments")
    payment = _paid_payment(purchase, provider_payment)
    event, limit = catalog.snapshot().events.get(purchase.event_id), settings.current().event_purchase_limit
    try:
        lines = _hold_lines(purchase, now)
    except (NotEnoughTickets, SalePaused):
        return _refund_payment(purchase, provider_payment, "captured", now)
    again = replace(purchase, state="paid", payment=payment, lines=lines, ended_at=now)
    issue = _issue_tickets(again, now)
    items = [*issue.items, *ledger_entries.payment_items(again, payment, now)]
    try:
        done = store.save(purchase, again, items, limit=event.limit(limit) if event else limit)
    except store.LimitReached:
        inventory.release_holds(again.holds)
        return _refund_payment(purchase, provider_payment, "captured", now)
    if done is None:
        inventory.release_holds(again.holds)
        return None
    return _finish_order(done, issue, late=True)


def _issue_tickets(purchase: Purchase, now: int) -> TicketIssue:
    lines = [_ticket_line(line, purchase.currency) for line in purchase.lines]
    return tickets.issue_tickets(purchase.id, purchase.user_id, purchase.event_id, lines, now)


def _finish_order(purchase: Purchase, issue: TicketIssue, *, late: bool) -> SettlementResult:
    """From here on it is an order. A crash before the conversion leaves a hold that recovery converts."""
    inventory.convert_holds(purchase.holds)
    log.count("orders_paid")
    log.count("tickets_issued", len(issue.tickets))
    details = {"purchase_id": purchase.id, "event_id": purchase.event_id}
    log.info("order.paid", total_cents=purchase.total_cents, late=late, **details)
    log.info("ticket.issued", tickets=len(issue.tickets), **details)
    return SettlementResult(purchase, issue.tickets, repeated=False)


def _hold_lines(purchase: Purchase, now: int) -> list[LineItem]:
    held = inventory.hold_all(_hold_line(purchase, line, now) for line in purchase.lines)
    return [replace(line, holds=holds) for line, holds in zip(purchase.lines, held, strict=True)]


def _hold_line(purchase: Purchase, line: LineItem, now: int) -> list[Hold]:
    tier = catalog.snapshot().tiers.get(line.tier_id)
    if tier is None:
        raise NotEnoughTickets(0, line.quantity, [])
    return inventory.hold(tier.stock_id, tier.shards, line.quantity, purchase.id, now + settings.current().hold_seconds, now)


def _refund_payment(
    purchase: Purchase, provider_payment: ProviderPayment, trigger: transitions.Trigger, now: int
) -> SettlementResult | None:
    """The arbiter first, so that nobody issues tickets for this money any more; then the provider.

    A crash in between leaves a refund that is due, and an open matter that brings the sweep here. A second payment of one purchase
    goes back without the purchase's own payment hearing of it.
    """
    assert provider_payment.payment_intent_id is not None
    own = trigger != "captured_twice"
    refund = Refund(
        id=f"{_REFUND_REASON[trigger]}-{provider_payment.payment_intent_id}",
        status="due",
        amount_cents=provider_payment.net_received,
        currency=provider_payment.currency,
        reason=_REFUND_REASON[trigger],
        by="fairgate",
        at=now,
        payment_intent_id=provider_payment.payment_intent_id,
    )
    if purchase.refund(refund.id) is not None:
        return SettlementResult(purchase, order_queries.load_tickets(purchase), repeated=True)
    after = purchase.with_refunds(refund)
    if own:
        after = replace(after, state="refunded", payment=_paid_payment(purchase, provider_payment), ended_at=now)
    came_in = ledger_entries.entry_item(
        purchase,
        "captured",
        provider_payment.payment_intent_id,
        provider_payment.amount_received,
        now,
        currency=provider_payment.currency,
        details={"refused": refund.reason},
    )
    done = store.save(purchase, after, [came_in, refund_processing.open_case_item(after, refund, now)])
    if done is None:
        return None
    if own and purchase.state in ACTIVE_STATES:
        inventory.release_holds(purchase.holds)
    if trigger == "captured_other":
        # Never a ticket for another sum: somebody has changed the payment behind our back.
        log.count("payment_mismatches")
        log.warning("payment.mismatch", purchase_id=purchase.id, expected=purchase.total_cents, received=provider_payment.net_received)
    log.info(
        "payment.refused",
        purchase_id=purchase.id,
        event_id=purchase.event_id,
        why=refund.reason,
        amount_cents=provider_payment.net_received,
    )
    return SettlementResult(refund_processing.execute(done, refund.id, now), order_queries.load_tickets(done), repeated=False)


def _ticket_line(line: LineItem, currency: str) -> TicketLine:
    return TicketLine(
        tier_id=line.tier_id,
        quantity=line.quantity,
        admits=line.admits,
        price_cents=line.price_cents,
        currency=currency,
    )
