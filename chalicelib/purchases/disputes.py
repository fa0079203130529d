"""Disputes: tickets are frozen until the bank decides.

If we win, the tickets are valid again. If we lose, as many tickets become void as cover the disputed amount, starting with the last ticket.
An appeal may change the decision. If we lose on appeal, tickets become void too. If we win on appeal, void tickets stay void.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import log
from chalicelib.foundation.log import logger
from chalicelib.inventory.store import return_sold_items
from chalicelib.ledger import money_cases
from chalicelib.payments.model import DisputeStatus, ProviderDispute, account_detail
from chalicelib.purchases import ledger_entries, refunds, refunds_at_provider, store, transitions
from chalicelib.purchases.model import Dispute, Purchase, Refund
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Ticket, ticket_id

REFUND_REFUSED = "charge_disputed"  # the provider's code for a refund that it refuses because of a dispute

_TRIGGER: dict[DisputeStatus, transitions.Trigger] = {"open": "dispute_opened", "won": "dispute_won", "lost": "dispute_lost"}


def record_dispute(purchase: Purchase, provider_dispute: ProviderDispute, now: int) -> Purchase:
    """Record the provider's current state of a dispute and update tickets and refunds to match. An inquiry changes nothing."""
    return store.retry_on_conflict(purchase, lambda current: _record(current, provider_dispute, now))


def _record(purchase: Purchase, provider_dispute: ProviderDispute, now: int) -> Purchase:
    status, known_dispute = provider_dispute.status, purchase.find_dispute(provider_dispute.id)
    if status is None or (known_dispute is not None and status in (known_dispute.status, "open")):
        return purchase  # an appeal has no effect until it changes the decision
    if status == "lost":
        purchase = _void_ahead(purchase, provider_dispute, now)
        known_dispute = purchase.find_dispute(provider_dispute.id)
    saved = _save_dispute(purchase, known_dispute, provider_dispute, status, now)
    log.count(f"disputes_{status}")
    logger.warning(f"dispute.{status}", purchase_id=purchase.id, dispute=provider_dispute.id, amount_cents=provider_dispute.amount_cents)
    return saved


def _save_dispute(
    purchase: Purchase, known_dispute: Dispute | None, provider_dispute: ProviderDispute, status: DisputeStatus, now: int
) -> Purchase:
    """Save the dispute and all its consequences in one transaction. Raises Conflict if the purchase, a ticket or a seat has changed."""
    assert provider_dispute.payment_intent_id is not None
    in_price = provider_dispute.amount_cents if purchase.is_own_payment(provider_dispute.payment_intent_id) else 0
    before_due = purchase.without_due_refunds()  # the dispute takes their shares of the taxes and the fee too
    dispute = Dispute(
        id=provider_dispute.id,
        status=status,
        amount_cents=provider_dispute.amount_cents,
        currency=provider_dispute.currency,
        reason=provider_dispute.reason,
        payment_intent_id=provider_dispute.payment_intent_id,
        at=known_dispute.at if known_dispute else now,
        due_at=provider_dispute.due_at,
        voided=known_dispute.voided if known_dispute else [],
        taxes=known_dispute.taxes if known_dispute else before_due.taxes_of_return(in_price),
        included_fee_cents=known_dispute.included_fee_cents if known_dispute else before_due.included_fee_of_return(in_price),
    )
    owned = tickets.load_purchase_tickets(purchase.id, purchase.quantity) if purchase.is_order else []
    items = [
        *ledger_entries.dispute_items(purchase, provider_dispute, known_dispute.status if known_dispute else None, dispute, now),
        _case_item(purchase, dispute, provider_dispute.provider, now),
    ]
    after = purchase
    if status == "won":
        after, retry_items = refunds_at_provider.plan_retry(purchase, _refunds_refused_by(purchase, dispute), now)
        items += retry_items
    # A second payment is always refunded, so a dispute about it does not affect the tickets.
    is_own = purchase.is_own_payment(dispute.payment_intent_id)
    match transitions.action_for(purchase.state, _TRIGGER[status]) if is_own else "record":
        case "freeze":
            items += tickets.freeze_items([ticket for ticket in owned if ticket.is_admissible])
        case "thaw":
            items += _thaw_items(purchase, dispute, owned)
        case "void":
            lost = _tickets_to_void(purchase, dispute)
            dispute = replace(dispute, voided=sorted([*dispute.voided, *lost]))
            after = replace(purchase, state=refunds.state_after_return(purchase, lost))
            items += _void_items(purchase, lost)
            items += _thaw_items(purchase, dispute, [ticket for ticket in owned if ticket.number not in dispute.voided])
    if status == "won" and dispute.voided:
        items.append(_won_on_appeal_item(purchase, dispute, now))
    others = [other for other in purchase.disputes if other.id != dispute.id]
    if status == "lost":
        items += _finding_items(purchase, dispute, others, now)
    return store.save(purchase, replace(after, disputes=[*others, dispute]), items)


def _void_ahead(purchase: Purchase, provider_dispute: ProviderDispute, now: int) -> Purchase:
    """Void the tickets of a lost dispute that do not fit into the transaction that ends the dispute, starting with the last ticket.

    The dispute stays open in our records until that transaction. After a crash, the next event about the dispute or the reconciliation
    therefore continues here.
    """
    dispute = purchase.find_dispute(provider_dispute.id)
    if dispute is None:
        if len(purchase.kept_tickets) + len(purchase.holds) <= refunds.MAX_RETURN_ITEMS:
            return purchase
        purchase = _save_dispute(purchase, None, provider_dispute, "open", now)
        dispute = purchase.find_dispute(provider_dispute.id)
        assert dispute is not None  # saved just now
    while portion := _portion_to_void_ahead(purchase, dispute):
        dispute = replace(dispute, voided=sorted([*dispute.voided, *portion]))
        others = [other for other in purchase.disputes if other.id != dispute.id]
        after = replace(purchase, state=refunds.state_after_return(purchase, portion), disputes=[*others, dispute])
        purchase = store.save(purchase, after, _void_items(purchase, portion))
    return purchase


def _portion_to_void_ahead(purchase: Purchase, dispute: Dispute) -> list[int]:
    """Return the numbers of the tickets that the next transaction must void.

    The list is empty if the transaction that ends the dispute has room for the remaining tickets.
    """
    if not purchase.is_own_payment(dispute.payment_intent_id) or not purchase.is_order:
        return []
    lost = _tickets_to_void(purchase, dispute)
    kept_count = len(purchase.kept_tickets) - len(lost)  # the last transaction also thaws the tickets that the buyer keeps
    if refunds.returnable_at_once(purchase, lost, others=kept_count) == lost:
        return []
    return refunds.returnable_at_once(purchase, lost)


def _void_items(purchase: Purchase, numbers: Sequence[int]) -> list[dynamo.TransactItem]:
    """Return transaction items that void the tickets of a lost dispute and return their seats to the stock."""
    seats = return_sold_items(refunds.convert_returned_holds(purchase, numbers))
    return [*seats, *tickets.void_items((ticket_id(purchase.id, number) for number in numbers), "disputed")]


def _finding_items(purchase: Purchase, dispute: Dispute, others: Sequence[Dispute], now: int) -> list[dynamo.TransactItem]:
    """Return the transaction item that opens a case if the refunds and lost disputes of a payment take more or less than they should.

    They take more if the bank took money that was also refunded. They take less if the void tickets cost more than the bank took, because
    only whole tickets become void. A person must then decide who gets the difference.
    """
    twice_cents = replace(purchase, disputes=[*others, dispute]).paid_back_twice_cents(dispute.payment_intent_id)
    kept_cents = sum(purchase.ticket_price(number) for number in dispute.voided) - dispute.amount_cents
    if twice_cents > 0:
        kind, amount = refunds_at_provider.PAID_BACK_TWICE, {"amount_cents": twice_cents}
    elif kept_cents > 0:
        kind, amount = "kept_of_dispute", {"kept_cents": kept_cents}
    else:
        return []
    details = {"event_id": purchase.event_id, "dispute": dispute.id, "currency": dispute.currency, **amount}
    return [money_cases.open_case_item(purchase.id, "finding", f"{kind}-{dispute.id}", now, details)]


def _won_on_appeal_item(purchase: Purchase, dispute: Dispute, now: int) -> dynamo.TransactItem:
    """Return the transaction item that opens a case because the money of a lost dispute is back, but its tickets are void.

    Their seats may be sold again, so a person must decide what the buyer gets.
    """
    details = {"event_id": purchase.event_id, "dispute": dispute.id, "amount_cents": dispute.amount_cents, "currency": dispute.currency}
    return money_cases.open_case_item(purchase.id, "finding", f"won_on_appeal-{dispute.id}", now, details)


def _thaw_items(purchase: Purchase, dispute: Dispute, owned: list[Ticket]) -> list[dynamo.TransactItem]:
    """Return transaction items that make frozen tickets valid again. Returns no items while another dispute keeps the tickets frozen."""
    has_other_open_dispute = any(
        other.status == "open" and other.id != dispute.id and purchase.is_own_payment(other.payment_intent_id)
        for other in purchase.disputes
    )
    return [] if has_other_open_dispute else tickets.thaw_items([ticket for ticket in owned if ticket.state == "frozen"])


def _case_item(purchase: Purchase, dispute: Dispute, provider: str, now: int) -> dynamo.TransactItem:
    """Return a transaction item that opens the dispute's case, or closes the case once the dispute is decided."""
    if dispute.status != "open":
        return money_cases.close_case_item(purchase.id, "dispute", dispute.id)
    details = {
        "event_id": purchase.event_id,
        "provider": provider,
        "amount_cents": dispute.amount_cents,
        "currency": dispute.currency,
        "reason": dispute.reason,
        **account_detail(purchase.account),
    }
    return money_cases.open_case_item(purchase.id, "dispute", dispute.id, now, details)


def _refunds_refused_by(purchase: Purchase, dispute: Dispute) -> list[Refund]:
    """Return the refunds that the provider refused because the payment was disputed."""
    refused = ("failed", REFUND_REFUSED, dispute.payment_intent_id)
    return [refund for refund in purchase.refunds if (refund.status, refund.failure, refund.payment_intent_id) == refused]


def _tickets_to_void(purchase: Purchase, dispute: Dispute) -> list[int]:
    """Return the numbers of the fewest tickets, counted from the last ticket, that together cost at least the disputed amount.

    If all tickets together cost less, returns all of them. Tickets that the dispute has already voided count towards the amount, but are
    not returned.
    """
    numbers = sorted([*purchase.kept_tickets, *dispute.voided])
    cents, lost = 0, []
    is_everything = sum(map(purchase.ticket_price, numbers)) <= dispute.amount_cents
    for number in reversed(numbers):
        if cents >= dispute.amount_cents and not is_everything:
            break
        cents += purchase.ticket_price(number)
        lost.append(number)
    return sorted(set(lost) - set(dispute.voided))
