"""Disputes: while a bank decides, the tickets are frozen; then they are valid again, or as many are void as the bank took money for."""

from msgspec.structs import replace

from chalicelib import dynamo, log
from chalicelib.inventory import service as inventory
from chalicelib.payments import ledger
from chalicelib.payments.model import DisputeSeen, Verdict
from chalicelib.purchases import books, happenings, matters, paying_back, refunds, store
from chalicelib.purchases.model import Dispute, Purchase, Refund
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import ticket_id

DISPUTED = "charge_disputed"  # Stripe's code for a refund that it refuses because of a dispute

_HAPPENING: dict[Verdict, happenings.Happening] = {"open": "disputed", "won": "dispute_won", "lost": "dispute_lost"}


def became(purchase: Purchase, seen: DisputeSeen, verdict: Verdict, now: int) -> Purchase:
    """Bring an order to what its dispute is now, whatever was heard of it before; the purchase as it is then."""
    return store.retry_on_conflict(purchase, lambda current: _became(current, seen, verdict, now))


def _became(purchase: Purchase, seen: DisputeSeen, verdict: Verdict, now: int) -> Purchase | None:
    """None if the purchase, or one of its tickets or seats, has changed since it was read."""
    known = purchase.dispute(seen.id)
    if known is not None and (known.status == verdict or known.status != "open"):
        return purchase
    done = _follow(purchase, known, seen, verdict, now)
    if done is None:
        return None
    log.count(f"disputes_{verdict}")
    log.warning(f"dispute.{verdict}", purchase_id=purchase.id, dispute=seen.id, amount_cents=seen.amount_cents)
    return done


def _follow(purchase: Purchase, known: Dispute | None, seen: DisputeSeen, verdict: Verdict, now: int) -> Purchase | None:
    assert seen.capture is not None
    dispute = Dispute(
        id=seen.id,
        status=verdict,
        amount_cents=seen.amount_cents,
        currency=seen.currency,
        reason=seen.reason,
        capture=seen.capture,
        at=known.at if known else now,
    )
    owned = tickets.of_purchase(purchase.id, purchase.quantity) if purchase.is_order else []
    items = _entries(purchase, known, dispute, now)
    after = purchase
    if verdict == "won":
        after, due = paying_back.reopened(purchase, _refused(purchase, seen.capture), now)
        items += due
    # A dispute about a second payment, which went back, has nothing to do with the tickets.
    match happenings.answer(purchase.state, _HAPPENING[verdict]) if purchase.paid_with(seen.capture) else "record":
        case "freeze":
            items += tickets.freeze([one for one in owned if one.admissible])
        case "thaw":
            items += tickets.thaw([one for one in owned if one.state == "frozen"]) if _last(purchase, seen.id) else []
        case "void":
            dispute = replace(dispute, voided=_worth(purchase, seen.amount_cents))
            after = replace(purchase, state=refunds.without(purchase, dispute.voided))
            items += [inventory.returning(seat) for seat in refunds.sold_seats(purchase, dispute.voided)]
            items += tickets.void(*(ticket_id(purchase.id, number) for number in dispute.voided))
            kept = sum(purchase.price_of(number) for number in dispute.voided) - seen.amount_cents
            if kept > 0:  # tickets are void as a whole, so a person decides whom the rest of their price belongs to
                facts = {"event_id": purchase.event_id, "dispute": seen.id, "kept_cents": kept, "currency": seen.currency}
                items.append(matters.opening(purchase.id, f"finding#kept_of_dispute-{seen.id}", now, facts))
            rest = [one for one in owned if one.state == "frozen" and one.number not in dispute.voided]
            items += tickets.thaw(rest) if _last(purchase, seen.id) else []
    others = [one for one in purchase.disputes if one.id != seen.id]
    return store.move(purchase, replace(after, disputes=[*others, dispute]), items)


def _entries(purchase: Purchase, known: Dispute | None, dispute: Dispute, now: int) -> list[dynamo.TransactItem]:
    """The ledger hears of each step once, also of those that nobody told us about."""
    facts = {"event_id": purchase.event_id, "amount_cents": dispute.amount_cents, "currency": dispute.currency, "reason": dispute.reason}
    steps: list[ledger.Kind] = ["disputed"] if known is None else []
    if dispute.status == "won":
        steps.append("dispute_won")
    items = [books.line(purchase, step, dispute.id, dispute.amount_cents, now, currency=dispute.currency, facts=facts) for step in steps]
    what = f"dispute#{dispute.id}"
    items.append(matters.opening(purchase.id, what, now, facts) if dispute.status == "open" else matters.closing(purchase.id, what))
    return items


def _last(purchase: Purchase, dispute_id: str) -> bool:
    """Whether no other dispute keeps the tickets frozen."""
    return not any(one.status == "open" and one.id != dispute_id and purchase.paid_with(one.capture) for one in purchase.disputes)


def _refused(purchase: Purchase, capture: str) -> list[Refund]:
    """Refunds that Stripe would not make while the payment was disputed."""
    return [one for one in purchase.refunds if (one.status, one.failure, one.capture) == ("failed", DISPUTED, capture)]


def _worth(purchase: Purchase, amount_cents: int) -> list[int]:
    """The fewest tickets, counted from the last one, that cost what the bank has taken; all of them if they cost no more."""
    if sum(purchase.price_of(one) for one in purchase.live_tickets) <= amount_cents:
        return purchase.live_tickets
    numbers: list[int] = []
    for number in reversed(purchase.live_tickets):
        if sum(purchase.price_of(one) for one in numbers) >= amount_cents:
            break
        numbers.append(number)
    return sorted(numbers)
