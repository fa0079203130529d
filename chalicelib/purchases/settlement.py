"""Settlement: every payment that comes in ends in tickets or in a refund, whatever has happened to its purchase meanwhile."""

from typing import Literal, Self

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event
from chalicelib.catalog.sale_rules import event_phase
from chalicelib.foundation import log, settings
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Hold, NotEnoughTickets, PoolMismatch, SalePaused
from chalicelib.payments import service as payments
from chalicelib.payments.model import Payment, PaymentNotCompleted, ProviderPayment, ProviderUnavailable
from chalicelib.promotions import service as promotions
from chalicelib.promotions.model import PromoCode, PromoCodeLimitReached
from chalicelib.purchases import holds, ledger_entries, queries, refunds_at_provider, store, transitions
from chalicelib.purchases.holds import StockClaim
from chalicelib.purchases.model import ACTIVE_STATES, ANY_USES, LatePayment, LineItem, Purchase, Refund
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Ticket, TicketIssue, TicketLine

_REFUND_REASON = {"payment_succeeded": "late", "payment_mismatched": "amount_mismatch", "payment_duplicated": "duplicate"}


class SettlementResult(Struct, frozen=True):
    """The purchase after its payment: an order with its tickets, or a purchase without any. `repeated`: it was settled before."""

    purchase: Purchase
    tickets: list[Ticket]
    repeated: bool


def settle_payment(purchase: Purchase, provider_payment: ProviderPayment, now: int, *, by_buyer: bool = False) -> SettlementResult:
    """Turn money that the provider has received into tickets, or refund it. `by_buyer`: this is the buyer's confirm.

    A purchase that had ended gets its tickets too, if they can be held again.
    """
    return store.retry_on_conflict(purchase, lambda current: _settle(current, provider_payment, now, by_buyer))


def complete_purchase(purchase: Purchase, payment: Payment, now: int, *, by_buyer: bool) -> SettlementResult:
    """`paying -> paid`, with the tickets. Raises Conflict if the purchase has changed since it was read."""
    paid = replace(purchase, state="paid", payment=payment, ended_at=now, confirmed_at=now if by_buyer else None)
    issue = _issue_tickets(paid, now)
    saved = store.save(purchase, paid, [*issue.items, *ledger_entries.payment_items(paid, payment, now)])
    return _finish_order(saved, issue, late=False)


def _settle(purchase: Purchase, provider_payment: ProviderPayment, now: int, by_buyer: bool) -> SettlementResult:
    trigger = transitions.classify_payment(purchase, provider_payment)
    match transitions.action_for(purchase.state, trigger):
        case "issue":
            return complete_purchase(purchase, _paid_payment(purchase, provider_payment), now, by_buyer=by_buyer)
        case "reissue_or_refund":
            return _settle_late(purchase, provider_payment, now, by_buyer)
        case "refund":
            return _refund_payment(purchase, provider_payment, trigger, now)
        case _:
            return SettlementResult(purchase, queries.load_tickets(purchase), repeated=True)


def _paid_payment(purchase: Purchase, provider_payment: ProviderPayment) -> Payment:
    assert purchase.payment is not None
    return replace(
        purchase.payment,
        status="captured",
        provider_id=purchase.payment.provider_id or provider_payment.id,
        payment_intent_id=provider_payment.payment_intent_id,
    )


def _settle_late(purchase: Purchase, provider_payment: ProviderPayment, now: int, by_buyer: bool) -> SettlementResult:
    """A payment for a purchase that has ended: hold its tickets, and the use of its promo code, again under new holds, or refund it.

    It is refunded if the event is over, cancelled or no longer in the catalog, if its tickets or its use cannot be held, or if the buyer
    has reached the purchase limit or that of the code meanwhile.
    """
    log.count("late_payments")
    payment = _paid_payment(purchase, provider_payment)
    event = catalog.snapshot().events.get(purchase.event_id)
    if event is None or event_phase(event, now) in ("closed", "cancelled"):
        return _refund_payment(purchase, provider_payment, "payment_succeeded", now)
    limit = event.limit(settings.current().event_purchase_limit)
    try:
        promo_code, promo_uses = _check_use(purchase)
        held = _hold_again(purchase, event, promo_code, now)
    except (NotEnoughTickets, SalePaused, PromoCodeLimitReached):
        return _refund_payment(purchase, provider_payment, "payment_succeeded", now)
    except PoolMismatch:  # the event has got a capacity of its own since this instance loaded the catalog
        catalog.refresh_snapshot()
        raise store.Conflict from None
    paid = replace(held, state="paid", payment=payment, ended_at=now, confirmed_at=now if by_buyer else None)
    issue = _issue_tickets(paid, now)
    late = LatePayment(limit, promo_uses)
    try:
        saved = store.save(purchase, paid, [*issue.items, *ledger_entries.payment_items(paid, payment, now)], late=late)
    except store.LimitReached:
        holds.release_holds(paid)
        return _refund_payment(purchase, provider_payment, "payment_succeeded", now)
    except store.Conflict:
        holds.release_holds(paid)
        raise
    return _finish_order(saved, issue, late=True)


def _issue_tickets(purchase: Purchase, now: int) -> TicketIssue:
    lines = [_ticket_line(line, purchase.currency) for line in purchase.lines]
    attendees = store.load_details(purchase).attendees
    return tickets.issue_tickets(purchase.id, purchase.user_id, purchase.event_id, lines, now, attendees, purchase.language)


def _finish_order(purchase: Purchase, issue: TicketIssue, *, late: bool) -> SettlementResult:
    """Convert the holds of a new order. After a crash before this, or if the store fails at it, hold recovery converts them."""
    holds.convert_holds(purchase)
    log.count("orders_paid")
    log.count("tickets_issued", len(issue.tickets))
    details = {"purchase_id": purchase.id, "event_id": purchase.event_id}
    log.info("order.paid", total_cents=purchase.total_cents, late=late, **details)
    log.info("ticket.issued", tickets=len(issue.tickets), **details)
    return SettlementResult(purchase, issue.tickets, repeated=False)


def _check_use(purchase: Purchase) -> tuple[PromoCode | None, int]:
    """The promo code of a purchase as it is now, if it has one, and how many uses its buyer's record may have when it is paid.

    That the code has expired or was deactivated since changes nothing: its discount was agreed. Raises NotEnoughTickets if the code was
    deleted, and PromoCodeLimitReached.
    """
    if purchase.promo_code is None:
        return None, ANY_USES
    promo_code = promotions.find_promo_code(purchase.event_id, purchase.promo_code)
    if promo_code is None or any(hold.stock_id != promo_code.stock_id for hold in purchase.promo_holds):
        raise NotEnoughTickets(0, 1, [])
    buyer = store.load_buyer(purchase.user_id, purchase.event_id)
    if buyer is not None and promo_code.is_used_up_by(buyer.count_uses(promo_code.code)):
        raise PromoCodeLimitReached(promo_code=promo_code.code)
    return promo_code, len(buyer.promo_uses) if buyer is not None else 0


def _hold_again(purchase: Purchase, event: Event, promo_code: PromoCode | None, now: int) -> Purchase:
    """The purchase with new holds of its tickets and its use. Raises NotEnoughTickets, also if a tier is gone, SalePaused, PoolMismatch."""
    tiers = catalog.snapshot().tiers
    for line in purchase.lines:
        if line.tier_id not in tiers:
            raise NotEnoughTickets(0, line.quantity, [])
    claims = holds.list_claims(event, ((tiers[line.tier_id], line.quantity) for line in purchase.lines))
    expires_at = now + settings.current().hold_seconds

    def hold(claim: StockClaim) -> list[Hold]:
        return inventory.hold(
            claim.stock_id, claim.shard_count, claim.quantity, purchase.id, expires_at, now, is_pooled=claim.is_pooled, takes_kept=True
        )

    promo_claims = [StockClaim(promo_code.stock_id, promo_code.shards, 1)] if promo_code is not None else []
    all_claims = [*claims, *promo_claims]
    all_holds = inventory.hold_all(map(hold, all_claims))
    by_stock = {claim.stock_id: held for claim, held in zip(all_claims, all_holds, strict=True)}
    by_tier, pool_holds = holds.assign_holds(claims, [by_stock[claim.stock_id] for claim in claims])
    promo_holds = by_stock[promo_code.stock_id] if promo_code is not None else []
    lines = [replace(line, holds=by_tier[line.tier_id]) for line in purchase.lines]
    return replace(purchase, lines=lines, pool_holds=pool_holds, promo_holds=promo_holds)


def _refund_payment(purchase: Purchase, provider_payment: ProviderPayment, trigger: transitions.Trigger, now: int) -> SettlementResult:
    """Refund a payment in full: record the refund first, so that no tickets are issued for this money, then create it at the provider.

    After a crash in between the refund is due, and its open case makes the sweep create it. A refund of a second payment changes nothing
    about the purchase's own payment.
    """
    assert provider_payment.payment_intent_id is not None  # money came in
    is_own = trigger != "payment_duplicated"
    refund = Refund(
        provider=provider_payment.provider,
        id=f"{_REFUND_REASON[trigger]}-{provider_payment.payment_intent_id}",
        status="due",
        amount_cents=provider_payment.net_received,
        currency=provider_payment.currency,
        reason=_REFUND_REASON[trigger],
        by="fairgate",
        at=now,
        payment_intent_id=provider_payment.payment_intent_id,
    )
    if purchase.find_refund(refund.id) is not None:
        return SettlementResult(purchase, queries.load_tickets(purchase), repeated=True)
    after = purchase.with_refunds(refund)
    if is_own:
        after = replace(after, state="refunded", payment=_paid_payment(purchase, provider_payment), ended_at=now)
    entry = ledger_entries.refused_payment_item(purchase, provider_payment, refund.reason, now)
    saved = store.save(purchase, after, [entry, refunds_at_provider.open_refund_case_item(after, refund, now)])
    if is_own and purchase.state in ACTIVE_STATES:
        holds.release_holds(purchase)
    if trigger == "payment_mismatched":
        # Somebody has changed the payment at the provider: no ticket is ever issued for another amount.
        log.count("payment_mismatches")
        log.warning("payment.mismatch", purchase_id=purchase.id, expected=purchase.total_cents, received=provider_payment.net_received)
    details = {"purchase_id": purchase.id, "event_id": purchase.event_id}
    log.info("payment.refused", why=refund.reason, amount_cents=provider_payment.net_received, **details)
    return SettlementResult(refunds_at_provider.create_if_due(saved, refund.id, now), queries.load_tickets(saved), repeated=False)


def _ticket_line(line: LineItem, currency: str) -> TicketLine:
    return TicketLine(tier_id=line.tier_id, admits=line.admits, prices=line.ticket_prices, currency=currency)


# Cancellation of a purchase that is not paid: first its payment at the provider, then the purchase, then its holds.

EndState = Literal["expired", "cancelled"]


class CancellationResult(Struct, frozen=True):
    """The purchase after an attempt to cancel it, and how many holds went back to the stock.

    `outcome` is `ended`; `paid` if its money had come in, which is settled then; `unknown` if the provider did not answer; `processing`
    if the bank is still deciding about the payment, so that it cannot be cancelled. The last two leave the purchase as it was.
    """

    outcome: Literal["ended", "paid", "unknown", "processing"]
    purchase: Purchase
    released: int = 0

    def require_decided(self) -> Self:
        """Return this result if the purchase has ended or is paid. Else raises ProviderUnavailable or PaymentNotCompleted."""
        if self.outcome == "unknown":
            raise ProviderUnavailable()
        if self.outcome == "processing":
            message = "Your bank has not answered yet. We hold your tickets until it does. Please check again in a minute."
            raise PaymentNotCompleted(message, payment_status="processing")
        return self


def cancel_purchase(purchase: Purchase, state: EndState, now: int, declined: Payment | None = None) -> CancellationResult:
    """End a `held` or `paying` purchase as `state`. If its money turns out to have come in, it is settled instead.

    `declined` is the declined payment, if that is the reason. Raises Conflict if the purchase has changed: a checkout that saves the id
    of a payment at the same time changes it, so no payment stays open for a purchase that has ended.
    """
    try:
        provider_payment = payments.cancel_payment(purchase.payment)
    except ProviderUnavailable:
        return CancellationResult("unknown", purchase)
    return finish_cancellation(purchase, provider_payment, state, now, declined)


def finish_cancellation(
    purchase: Purchase, provider_payment: ProviderPayment | None, state: EndState, now: int, declined: Payment | None = None
) -> CancellationResult:
    """As `cancel_purchase`, after `payments.cancel_payment` has answered with `provider_payment`."""
    if provider_payment is not None and provider_payment.is_paid:
        return CancellationResult("paid", settle_payment(purchase, provider_payment, now).purchase)
    if provider_payment is not None:
        return CancellationResult("processing", purchase)
    ended = replace(purchase, state=state, ended_at=now, payment=declined or purchase.payment)
    saved = store.save(purchase, ended, ledger_entries.payment_items(purchase, declined, now) if declined else [])
    released = holds.release_holds(purchase)
    log.info(f"reservation.{state}", purchase_id=purchase.id, event_id=purchase.event_id, quantity=purchase.quantity)
    return CancellationResult("ended", saved, released)
