"""Disputes: while a bank decides, the tickets are frozen; then they are valid again, or as many are void as the bank took money for."""

from msgspec.structs import replace

from chalicelib import dynamo, log
from chalicelib.cases import service as cases
from chalicelib.inventory import service as inventory
from chalicelib.ledger import service as ledger
from chalicelib.payments.model import DisputeStatus, ProviderDispute
from chalicelib.purchases.record import ledger_entries, store, transitions
from chalicelib.purchases.record.model import Dispute, Purchase, Refund
from chalicelib.purchases.refunds import processing as refund_processing
from chalicelib.purchases.refunds import requests as refund_requests
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import ticket_id

DISPUTED = "charge_disputed"  # Stripe's code for a refund that it refuses because of a dispute

_TRIGGER: dict[DisputeStatus, transitions.Trigger] = {"open": "disputed", "won": "dispute_won", "lost": "dispute_lost"}


def apply_dispute(purchase: Purchase, seen: ProviderDispute, verdict: DisputeStatus, now: int) -> Purchase:
    """Bring an order to what its dispute is now, whatever was heard of it before; the purchase as it is then."""
    return store.retry_on_conflict(purchase, lambda current: _apply(current, seen, verdict, now))


def _apply(purchase: Purchase, seen: ProviderDispute, verdict: DisputeStatus, now: int) -> Purchase | None:
    """None if the purchase, or one of its tickets or seats, has changed since it was read."""
    known = purchase.dispute(seen.id)
    if known is not None and (known.status == verdict or known.status != "open"):
        return purchase
    done = _save_dispute(purchase, known, seen, verdict, now)
    if done is None:
        return None
    log.count(f"disputes_{verdict}")
    log.warning(f"dispute.{verdict}", purchase_id=purchase.id, dispute=seen.id, amount_cents=seen.amount_cents)
    return done


def _save_dispute(purchase: Purchase, known: Dispute | None, seen: ProviderDispute, verdict: DisputeStatus, now: int) -> Purchase | None:
    assert seen.payment_intent_id is not None
    dispute = Dispute(
        id=seen.id,
        status=verdict,
        amount_cents=seen.amount_cents,
        currency=seen.currency,
        reason=seen.reason,
        payment_intent_id=seen.payment_intent_id,
        at=known.at if known else now,
    )
    owned = tickets.load_purchase_tickets(purchase.id, purchase.quantity) if purchase.is_order else []
    items = _entry_and_case_items(purchase, known, dispute, now)
    after = purchase
    if verdict == "won":
        after, due = refund_processing.reopen(purchase, _refunds_refused_by_dispute(purchase, seen.payment_intent_id), now)
        items += due
    # A dispute about a second payment, which went back, has nothing to do with the tickets.
    match transitions.action_for(purchase.state, _TRIGGER[verdict]) if purchase.is_own_payment(seen.payment_intent_id) else "record":
        case "freeze":
            items += tickets.freeze_items([one for one in owned if one.admissible])
        case "thaw":
            items += tickets.thaw_items([one for one in owned if one.state == "frozen"]) if _is_last_open(purchase, seen.id) else []
        case "void":
            dispute = replace(dispute, voided=_tickets_worth(purchase, seen.amount_cents))
            after = replace(purchase, state=refund_requests.state_after_return(purchase, dispute.voided))
            items += [inventory.return_sold_item(seat) for seat in refund_requests.convert_returned_holds(purchase, dispute.voided)]
            items += tickets.void_items(*(ticket_id(purchase.id, number) for number in dispute.voided))
            kept = sum(purchase.price_of(number) for number in dispute.voided) - seen.amount_cents
            if kept > 0:  # tickets are void as a whole, so a person decides whom the rest of their price belongs to
                details = {"event_id": purchase.event_id, "dispute": seen.id, "kept_cents": kept, "currency": seen.currency}
                items.append(cases.open_case_item(purchase.id, f"finding#kept_of_dispute-{seen.id}", now, details))
            rest = [one for one in owned if one.state == "frozen" and one.number not in dispute.voided]
            items += tickets.thaw_items(rest) if _is_last_open(purchase, seen.id) else []
    others = [one for one in purchase.disputes if one.id != seen.id]
    return store.save(purchase, replace(after, disputes=[*others, dispute]), items)


def _entry_and_case_items(purchase: Purchase, known: Dispute | None, dispute: Dispute, now: int) -> list[dynamo.TransactItem]:
    """The ledger hears of each step once, also of those that nobody told us about."""
    details = {"event_id": purchase.event_id, "amount_cents": dispute.amount_cents, "currency": dispute.currency, "reason": dispute.reason}
    steps: list[ledger.EntryKind] = ["disputed"] if known is None else []
    if dispute.status == "won":
        steps.append("dispute_won")
    items = [
        ledger_entries.entry_item(purchase, step, dispute.id, dispute.amount_cents, now, currency=dispute.currency, details=details)
        for step in steps
    ]
    what = f"dispute#{dispute.id}"
    items.append(
        cases.open_case_item(purchase.id, what, now, details) if dispute.status == "open" else cases.close_case_item(purchase.id, what)
    )
    return items


def _is_last_open(purchase: Purchase, dispute_id: str) -> bool:
    """Whether no other dispute keeps the tickets frozen."""
    return not any(
        one.status == "open" and one.id != dispute_id and purchase.is_own_payment(one.payment_intent_id) for one in purchase.disputes
    )


def _refunds_refused_by_dispute(purchase: Purchase, payment_intent_id: str) -> list[Refund]:
    """Refunds that Stripe would not make while the payment was disputed."""
    return [one for one in purchase.refunds if (one.status, one.failure, one.payment_intent_id) == ("failed", DISPUTED, payment_intent_id)]


def _tickets_worth(purchase: Purchase, amount_cents: int) -> list[int]:
    """The fewest tickets, counted from the last one, that cost what the bank has taken; all of them if they cost no more."""
    if sum(purchase.price_of(one) for one in purchase.kept_tickets) <= amount_cents:
        return purchase.kept_tickets
    numbers: list[int] = []
    for number in reversed(purchase.kept_tickets):
        if sum(purchase.price_of(one) for one in numbers) >= amount_cents:
            break
        numbers.append(number)
    return sorted(numbers)
