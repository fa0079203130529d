"""Disputes: the tickets are frozen until the bank decides. Then they are valid again, or as many are void as the bank took money for."""

from msgspec.structs import replace

from chalicelib import dynamo, log
from chalicelib.cases import service as cases
from chalicelib.inventory import service as inventory
from chalicelib.payments.model import DisputeStatus, ProviderDispute
from chalicelib.purchases.record import ledger_entries, store, transitions
from chalicelib.purchases.record.model import Dispute, Purchase, Refund
from chalicelib.purchases.refunds import processing, requests
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Ticket, ticket_id

REFUND_REFUSED = "charge_disputed"  # the provider's code for a refund that it refuses because of a dispute

_TRIGGER: dict[DisputeStatus, transitions.Trigger] = {"open": "dispute_opened", "won": "dispute_won", "lost": "dispute_lost"}


def record_dispute(purchase: Purchase, provider_dispute: ProviderDispute, now: int) -> Purchase:
    """Record a dispute as the provider has it now, with what follows for tickets and refunds. An inquiry changes nothing."""
    return store.retry_on_conflict(purchase, lambda current: _record(current, provider_dispute, now))


def _record(purchase: Purchase, provider_dispute: ProviderDispute, now: int) -> Purchase:
    status, known = provider_dispute.status, purchase.find_dispute(provider_dispute.id)
    if status is None or (known is not None and (known.status == status or known.status != "open")):
        return purchase
    saved = _save_dispute(purchase, known, provider_dispute, status, now)
    log.count(f"disputes_{status}")
    log.warning(f"dispute.{status}", purchase_id=purchase.id, dispute=provider_dispute.id, amount_cents=provider_dispute.amount_cents)
    return saved


def _save_dispute(
    purchase: Purchase, known: Dispute | None, provider_dispute: ProviderDispute, status: DisputeStatus, now: int
) -> Purchase:
    """Save the dispute with everything that follows from it. Raises Conflict, also if one of the tickets or seats has changed."""
    assert provider_dispute.payment_intent_id is not None
    dispute = Dispute(
        id=provider_dispute.id,
        status=status,
        amount_cents=provider_dispute.amount_cents,
        currency=provider_dispute.currency,
        reason=provider_dispute.reason,
        payment_intent_id=provider_dispute.payment_intent_id,
        at=known.at if known else now,
    )
    owned = tickets.load_purchase_tickets(purchase.id, purchase.quantity) if purchase.is_order else []
    items = [*ledger_entries.dispute_items(purchase, provider_dispute, is_new=known is None, now=now), _case_item(purchase, dispute, now)]
    after = purchase
    if status == "won":
        after, retry_items = processing.plan_retry(purchase, _refunds_refused_by(purchase, dispute), now)
        items += retry_items
    # A dispute about a second payment, which is refunded, has nothing to do with the tickets.
    is_own = purchase.is_own_payment(dispute.payment_intent_id)
    match transitions.action_for(purchase.state, _TRIGGER[status]) if is_own else "record":
        case "freeze":
            items += tickets.freeze_items([ticket for ticket in owned if ticket.admissible])
        case "thaw":
            items += _thaw_items(purchase, dispute, owned)
        case "void":
            dispute = replace(dispute, voided=_tickets_worth(purchase, dispute.amount_cents))
            after = replace(purchase, state=requests.state_after_return(purchase, dispute.voided))
            items += _void_items(purchase, dispute, now)
            items += _thaw_items(purchase, dispute, [ticket for ticket in owned if ticket.number not in dispute.voided])
    others = [other for other in purchase.disputes if other.id != dispute.id]
    return store.save(purchase, replace(after, disputes=[*others, dispute]), items)


def _void_items(purchase: Purchase, dispute: Dispute, now: int) -> list[dynamo.TransactItem]:
    """Transaction items that void the tickets that a lost dispute takes, and return their seats to the stock."""
    holds = requests.convert_returned_holds(purchase, dispute.voided)
    items = [inventory.return_sold_item(hold) for hold in holds]
    items += tickets.void_items((ticket_id(purchase.id, number) for number in dispute.voided), "disputed")
    kept = sum(purchase.ticket_price(number) for number in dispute.voided) - dispute.amount_cents
    if kept > 0:  # whole tickets became void: a person decides who gets the rest of their price
        details = {"event_id": purchase.event_id, "dispute": dispute.id, "kept_cents": kept, "currency": dispute.currency}
        items.append(cases.open_case_item(purchase.id, "finding", f"kept_of_dispute-{dispute.id}", now, details))
    return items


def _thaw_items(purchase: Purchase, dispute: Dispute, owned: list[Ticket]) -> list[dynamo.TransactItem]:
    """Transaction items that make frozen tickets valid again; none while another dispute keeps them frozen."""
    others_open = any(
        other.status == "open" and other.id != dispute.id and purchase.is_own_payment(other.payment_intent_id)
        for other in purchase.disputes
    )
    return [] if others_open else tickets.thaw_items([ticket for ticket in owned if ticket.state == "frozen"])


def _case_item(purchase: Purchase, dispute: Dispute, now: int) -> dynamo.TransactItem:
    """Transaction item that opens the dispute's case, or closes it when the dispute is decided."""
    if dispute.status != "open":
        return cases.close_case_item(purchase.id, "dispute", dispute.id)
    details = {
        "event_id": purchase.event_id,
        "amount_cents": dispute.amount_cents,
        "currency": dispute.currency,
        "reason": dispute.reason,
    }
    return cases.open_case_item(purchase.id, "dispute", dispute.id, now, details)


def _refunds_refused_by(purchase: Purchase, dispute: Dispute) -> list[Refund]:
    """Refunds that the provider would not make while the payment was disputed."""
    refused = ("failed", REFUND_REFUSED, dispute.payment_intent_id)
    return [refund for refund in purchase.refunds if (refund.status, refund.failure, refund.payment_intent_id) == refused]


def _tickets_worth(purchase: Purchase, amount_cents: int) -> list[int]:
    """The fewest tickets, counted from the last one, that cost at least this amount; all of them if they cost no more."""
    if sum(purchase.ticket_price(number) for number in purchase.kept_tickets) <= amount_cents:
        return purchase.kept_tickets
    numbers: list[int] = []
    for number in reversed(purchase.kept_tickets):
        if sum(purchase.ticket_price(taken) for taken in numbers) >= amount_cents:
            break
        numbers.append(number)
    return sorted(numbers)
