"""Settlement of payments and cancellation of unpaid purchases.

Every payment that comes in becomes tickets or is refunded, whatever has happened to its purchase in the meantime.
"""

from collections.abc import Sequence
from typing import Literal, Self

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event
from chalicelib.catalog.sale_rules import event_phase
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import log, settings
from chalicelib.foundation.log import logger
from chalicelib.inventory import service as inventory
from chalicelib.inventory.allocation import HoldRequest
from chalicelib.inventory.model import NotEnoughTickets, PoolMismatch, SalePaused
from chalicelib.ledger import money_cases
from chalicelib.payments import service as payments
from chalicelib.payments.model import BankTransfer, Payment, PaymentNotCompleted, ProviderPayment, ProviderUnavailable, account_detail
from chalicelib.promotions import service as promotions
from chalicelib.promotions.model import PromoCode, PromoCodeLimitReached
from chalicelib.purchases import holds, ledger_entries, queries, refunds_at_provider, resale, store, transitions
from chalicelib.purchases.errors import NothingForResale
from chalicelib.purchases.model import ACTIVE_STATES, ANY_USES, EXCESS, CheckoutDetails, LatePayment, LineItem, Purchase, Refund
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Ticket, TicketIssue, TicketLine

Items = Sequence[dynamo.TransactItem]
RESALE_ATTEMPTS = 8  # to pay for tickets for resale that other buyers are paying for at the same time

_REFUND_REASON = {"payment_succeeded": "late", "payment_mismatched": "amount_mismatch", "payment_duplicated": "duplicate"}


class SettlementResult(Struct, frozen=True):
    """The purchase after its payment, and its tickets if it is an order. `repeated` means that an earlier call settled the payment."""

    purchase: Purchase
    tickets: list[Ticket]
    repeated: bool


def settle_payment(
    purchase: Purchase, provider_payment: ProviderPayment, now: int, *, by_buyer: bool = False, items: Items = ()
) -> SettlementResult:
    """Issue the tickets for a payment that the provider has received, or refund the payment. `by_buyer` is set for the buyer's confirm.

    Also writes `items` in the same transaction. `transitions.py` has the table that chooses the action. A purchase that has already ended
    still gets its tickets if they can be held again. Raises Conflict if the purchase has changed.
    """
    trigger = transitions.classify_payment(purchase, provider_payment)
    match transitions.action_for(purchase.state, trigger):
        case "issue":
            payment = _paid_payment(purchase, provider_payment)
            try:
                return complete_purchase(purchase, payment, now, by_buyer=by_buyer, email=provider_payment.email, items=items)
            except NothingForResale:
                return _refund_payment(purchase, provider_payment, trigger, now, items)
        case "reissue_or_refund":
            return _reissue_or_refund(purchase, provider_payment, now, by_buyer, items)
        case "refund":
            return _refund_payment(purchase, provider_payment, trigger, now, items)
        case _:
            return SettlementResult(purchase, queries.load_tickets(purchase), repeated=True)


def record_transfer(purchase: Purchase, transfer: BankTransfer, entry: dynamo.TransactItem, now: int) -> Purchase:
    """Record, once, money that arrived by bank transfer for a purchase that is paid in this way, with its audit `entry`.

    Once the price has arrived, the tickets are issued. An excess must be returned by hand, and so must money for a purchase that has ended
    and whose tickets cannot be held again. A part of the price is kept until the rest arrives or the purchase ends. Raises Conflict.
    """
    payment = purchase.payment
    assert payment is not None  # set together with its provider
    if purchase.knows_transfer(transfer.id):
        return purchase
    if purchase.is_order or purchase.state == "refunded":
        second = payments.received_transfer(payment, transfer.id, transfer.amount_cents)
        return settle_payment(purchase, second, now, items=[entry]).purchase
    payment = replace(payment, transfers=[*payment.transfers, transfer])
    received, missing = replace(purchase, payment=payment), payment.amount_cents - payment.transferred_cents
    if purchase.state == "paying" and missing > 0:
        return store.save(purchase, received, [entry])
    own_id = payment.transfers[0].id
    if purchase.state == "paying" and missing < 0:
        paid = _paid_payment(received, payments.received_transfer(payment, own_id, payment.amount_cents))
        excess = payments.received_transfer(payment, transfer.id + EXCESS, -missing)
        return complete_purchase(received, paid, now, by_buyer=False, excess=excess, items=[entry]).purchase
    whole = payments.received_transfer(payment, own_id, payment.transferred_cents)
    return settle_payment(received, whole, now, items=[entry]).purchase


def complete_purchase(
    purchase: Purchase,
    payment: Payment,
    now: int,
    *,
    by_buyer: bool,
    email: str | None = None,
    excess: ProviderPayment | None = None,
    items: Items = (),
) -> SettlementResult:
    """Save the purchase as `paid` with its tickets, then convert its holds. Raises Conflict if the purchase has changed.

    `email` is the address that the buyer typed on the provider's page. `excess` is money beyond the price, which is refunded. Also
    writes `items`. Raises NothingForResale if the tickets were for resale and can no longer be sold.
    """
    paid = replace(purchase, state="paid", payment=payment, ended_at=now, confirmed_at=now if by_buyer else None)
    if excess is not None:
        refund = _new_refund(excess, "payment_duplicated", now)
        items = [*items, *_refused_items(purchase, excess, refund, now)]
        paid = paid.with_refunds(refund)
    return _finish_order(*_save_paid(purchase, paid, payment, email, now, extra=items), late=False)


def _save_paid(
    before: Purchase,
    paid: Purchase,
    payment: Payment,
    email: str | None,
    now: int,
    late: LatePayment | None = None,
    extra: Items = (),
) -> tuple[Purchase, TicketIssue]:
    """Save a paid purchase with its tickets. If they were for resale, the same transaction takes their seats from the sellers.

    Raises Conflict, LimitReached for a `late` payment, and NothingForResale.
    """
    details = store.load_details(before)
    issue = _issue_tickets(paid, details, now)
    items = [*issue.items, *ledger_entries.payment_items(paid, payment, now), *extra]
    sent = _with_email(before, details, email)
    if not paid.is_resale:
        return store.save(before, paid, items, details=sent, late=late), issue
    for attempt in range(RESALE_ATTEMPTS):
        resold = resale.take_seats(paid, attempt, now)
        try:
            saved = store.save(before, resold.purchase, [*items, *resold.items], details=sent, late=late, others=resold.others)
        except store.OtherConflict:  # another buyer has paid for one of the tickets, or its owner has used or withdrawn it
            continue
        log.count("tickets_resold", saved.quantity)
        return saved, issue
    raise dynamo.Contention("the tickets for resale kept changing")


def _paid_payment(purchase: Purchase, provider_payment: ProviderPayment) -> Payment:
    assert purchase.payment is not None
    return replace(
        purchase.payment,
        status="captured",
        provider_id=purchase.payment.provider_id or provider_payment.id,
        payment_intent_id=provider_payment.payment_intent_id,
    )


def _reissue_or_refund(purchase: Purchase, provider_payment: ProviderPayment, now: int, by_buyer: bool, items: Items) -> SettlementResult:
    """Settle a payment for a purchase that has ended: hold its tickets and promo code use again, or refund the payment.

    The payment is refunded if the event has ended or is no longer in the catalog; if it or the date of a ticket was cancelled; if the
    tickets or the promo code use cannot be held; or if the buyer now has another active purchase, has reached the purchase limit or the
    promo code's limit, or has bought another order with the same pass.
    """
    log.count("late_payments")
    payment = _paid_payment(purchase, provider_payment)
    current = catalog.snapshot()
    event = purchase.event_in(current)
    is_cancelled = event is not None and current.is_cancelled(event, [line.tier_id for line in purchase.lines])
    if event is None or is_cancelled or event_phase(event, now) == "closed":
        return _refund_payment(purchase, provider_payment, "payment_succeeded", now, items)
    limit = event.limit(settings.current().event_purchase_limit)
    try:
        promo_code, promo_uses = _check_use(purchase)
        held = _hold_again(purchase, event, promo_code, now)
    except (NotEnoughTickets, SalePaused, PromoCodeLimitReached):
        return _refund_payment(purchase, provider_payment, "payment_succeeded", now, items)
    except PoolMismatch:  # the event got a capacity of its own after this instance loaded the catalog
        catalog.refresh_snapshot()
        raise store.Conflict from None
    paid = replace(held, state="paid", payment=payment, ended_at=now, confirmed_at=now if by_buyer else None)
    try:
        saved, issue = _save_paid(purchase, paid, payment, provider_payment.email, now, LatePayment(limit, promo_uses), items)
    except (store.LimitReached, NothingForResale):
        holds.release_holds(paid)
        return _refund_payment(purchase, provider_payment, "payment_succeeded", now, items)
    except store.Conflict:
        holds.release_holds(paid)
        raise
    return _finish_order(saved, issue, late=True)


def _issue_tickets(purchase: Purchase, details: CheckoutDetails, now: int) -> TicketIssue:
    lines = [_ticket_line(line, purchase.currency) for line in purchase.lines]
    return tickets.issue_tickets(
        purchase.id,
        purchase.user_id,
        purchase.event_id,
        lines,
        now,
        details.attendees,
        purchase.language,
        transfers=purchase.transfers,
    )


def _with_email(purchase: Purchase, details: CheckoutDetails, email: str | None) -> CheckoutDetails | None:
    """Return the details with the address to list the order under: from the checkout or, if it has none, from the provider's page.

    Returns None if the order has no address or must not get one.
    """
    sent = details if details.email else replace(details, payment_email=email)
    return sent if sent.email and not purchase.is_erased else None


def _finish_order(purchase: Purchase, issue: TicketIssue, *, late: bool) -> SettlementResult:
    """Convert the holds of a new order and log the order. If a crash or the store prevents that, hold recovery converts the holds later."""
    holds.convert_holds(purchase)
    log.count("orders_paid")
    log.count("tickets_issued", len(issue.tickets))
    details = {"purchase_id": purchase.id, "event_id": purchase.event_id}
    logger.info("order.paid", total_cents=purchase.total_cents, late=late, extra=details)
    logger.info("ticket.issued", tickets=len(issue.tickets), extra=details)
    return SettlementResult(purchase, issue.tickets, repeated=False)


def _check_use(purchase: Purchase) -> tuple[PromoCode | None, int]:
    """Return the purchase's current promo code, if any, and how many promo uses the buyer's record may have when the purchase is paid.

    A code that has since expired or been deactivated still applies, because its discount was agreed. Raises NotEnoughTickets if the code
    was deleted, and PromoCodeLimitReached.
    """
    if purchase.promo_code is None:
        return None, ANY_USES
    promo_code = promotions.find_promo_code(purchase.event_id, purchase.promo_code)
    if promo_code is None or any(hold.stock_id != promo_code.stock_id for hold in purchase.promo_holds):
        raise NotEnoughTickets(0, 1)
    buyer = store.load_buyer(purchase.user_id, purchase.event_id)
    if buyer is not None and promo_code.is_used_up_by(buyer.count_uses(promo_code.code)):
        raise PromoCodeLimitReached(promo_code=promo_code.code)
    return promo_code, len(buyer.promo_uses) if buyer is not None else 0


def _hold_again(purchase: Purchase, event: Event, promo_code: PromoCode | None, now: int) -> Purchase:
    """Return the purchase with new holds for its tickets and its promo code use.

    Raises SalePaused, PoolMismatch and NotEnoughTickets. A tier that no longer exists has no tickets.
    """
    tiers = dict(catalog.snapshot().tiers)
    for line in purchase.lines:
        if line.tier_id not in tiers:
            raise NotEnoughTickets(0, line.quantity)
        if line.is_resale:
            tiers[line.tier_id] = tiers[line.tier_id].for_resale(line.price_cents)
    expires_at = now + settings.current().hold_seconds
    requests = holds.hold_requests(purchase, event, tiers, expires_at=expires_at, now=now, takes_kept=True)
    if promo_code is not None:
        requests.append(HoldRequest(promo_code.stock_id, promo_code.shards, 1, purchase.id, expires_at, now))
    held = inventory.hold_all(requests)
    again = holds.with_holds(purchase, event, tiers, held)
    return replace(again, promo_holds=held[promo_code.stock_id] if promo_code is not None else [])


def _refund_payment(
    purchase: Purchase, provider_payment: ProviderPayment, trigger: transitions.Trigger, now: int, items: Items = ()
) -> SettlementResult:
    """Refund a payment in full. The refund is saved first, so that the payment never gets tickets, and then created at the provider.

    If the process crashes in between, the refund is due and its open case makes the sweep create it. Refunding a second payment does not
    change the purchase's own payment.
    """
    is_own = trigger != "payment_duplicated"
    refund = _new_refund(provider_payment, trigger, now)
    if purchase.find_refund(refund.id) is not None:
        return SettlementResult(purchase, queries.load_tickets(purchase), repeated=True)
    after = purchase.with_refunds(refund)
    if is_own:
        after = replace(after, state="refunded", payment=_paid_payment(purchase, provider_payment), ended_at=now)
    saved = store.save(purchase, after, [*items, *_refused_items(purchase, provider_payment, refund, now)])
    if is_own and purchase.state in ACTIVE_STATES:
        holds.release_holds(purchase)
    if trigger == "payment_mismatched":
        # Somebody changed the payment at the provider. Tickets are never issued for a different amount.
        log.count("payment_mismatches")
        logger.warning("payment.mismatch", purchase_id=purchase.id, expected=purchase.total_cents, received=provider_payment.net_received)
    details = {"purchase_id": purchase.id, "event_id": purchase.event_id}
    logger.info("payment.refused", why=refund.reason, amount_cents=provider_payment.net_received, extra=details)
    return SettlementResult(refunds_at_provider.create_if_due(saved, refund.id, now), queries.load_tickets(saved), repeated=False)


def _new_refund(provider_payment: ProviderPayment, trigger: transitions.Trigger, now: int) -> Refund:
    assert provider_payment.payment_intent_id is not None  # money came in
    return Refund(
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


def _refused_items(purchase: Purchase, provider_payment: ProviderPayment, refund: Refund, now: int) -> list[dynamo.TransactItem]:
    """Return the ledger entries for money that gets no tickets, and the item that opens the case of its refund."""
    entries = ledger_entries.refused_payment_items(purchase, provider_payment, refund.reason, now)
    return [*entries, refunds_at_provider.open_refund_case_item(purchase, refund, now)]


def _ticket_line(line: LineItem, currency: str) -> TicketLine:
    return TicketLine(tier_id=line.tier_id, admits=line.admits, prices=line.ticket_prices, currency=currency)


# Cancel an unpaid purchase: first cancel its payment at the provider, then end the purchase, then release its holds.

EndState = Literal["expired", "cancelled"]


class CancellationResult(Struct, frozen=True):
    """The purchase after an attempt to cancel it, and the number of released holds.

    `outcome` is `ended`; `paid` if the money had come in and was settled; `unknown` if the provider did not answer; or `processing` if
    the bank is still deciding, so the payment cannot be cancelled. `unknown` and `processing` leave the purchase unchanged.
    """

    outcome: Literal["ended", "paid", "unknown", "processing"]
    purchase: Purchase
    released: int = 0

    def require_decided(self) -> Self:
        """Return this result if the purchase has ended or is paid. Otherwise raise ProviderUnavailable or PaymentNotCompleted."""
        if self.outcome == "unknown":
            raise ProviderUnavailable()
        if self.outcome == "processing":
            message = "Your bank has not answered yet. We hold your tickets until it does. Please check again in a minute."
            raise PaymentNotCompleted(message, payment_status="processing")
        return self


def cancel_purchase(
    purchase: Purchase, state: EndState, now: int, declined: Payment | None = None, *, items: Items = ()
) -> CancellationResult:
    """End a `held` or `paying` purchase as `state`. If its money has come in, settle the payment instead.

    `declined` is the declined payment, if a decline is the reason. Also writes `items`, unless nothing changes. Raises Conflict if the
    purchase has changed. If a checkout saves a payment id in the meantime, the Conflict makes the caller try again and cancel that payment
    too.
    """
    try:
        provider_payment = payments.cancel_payment(purchase.payment)
    except ProviderUnavailable:
        return CancellationResult("unknown", purchase)
    return finish_cancellation(purchase, provider_payment, state, now, declined, items=items)


def finish_cancellation(
    purchase: Purchase,
    provider_payment: ProviderPayment | None,
    state: EndState,
    now: int,
    declined: Payment | None = None,
    *,
    items: Items = (),
) -> CancellationResult:
    """Finish `cancel_purchase`, given the `provider_payment` that `payments.cancel_payment` returned.

    If that payment is unreachable, the purchase ends with a finding, because we cannot know whether the promoter gets its money.
    """
    if provider_payment is not None and provider_payment.is_paid:
        return CancellationResult("paid", settle_payment(purchase, provider_payment, now, items=items).purchase)
    if provider_payment is not None and not provider_payment.is_unreachable:
        return CancellationResult("processing", purchase)
    ended = replace(purchase, state=state, ended_at=now, payment=declined or purchase.payment)
    entries = ledger_entries.payment_items(purchase, declined, now) if declined else []
    if provider_payment is not None:
        entries.append(_unreachable_item(purchase, provider_payment, now))
    saved = store.save(purchase, ended, [*items, *entries])
    released = holds.release_holds(purchase, is_unpaid=True)
    logger.info(f"reservation.{state}", purchase_id=purchase.id, event_id=purchase.event_id, quantity=purchase.quantity)
    return CancellationResult("ended", saved, released)


def _unreachable_item(purchase: Purchase, provider_payment: ProviderPayment, now: int) -> dynamo.TransactItem:
    details = {
        "event_id": purchase.event_id,
        "provider": provider_payment.provider,
        "amount_cents": provider_payment.amount,
        "currency": provider_payment.currency,
        **account_detail(provider_payment.account),
    }
    return money_cases.open_case_item(purchase.id, "finding", f"payment_unreachable-{provider_payment.id}", now, details)
