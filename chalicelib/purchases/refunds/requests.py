"""Refunds of orders, whole or single tickets: asked for by promoters and admins, or made by hand in the provider's dashboard."""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import dynamo, log, settings
from chalicelib.audit import service as audit
from chalicelib.cases import service as cases
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Hold
from chalicelib.payments.model import ProviderRefund
from chalicelib.purchases.record import ledger_entries, store, transitions
from chalicelib.purchases.record.errors import NotRefundable, OrderDisputed, OrderNotFound, RefundInvalid
from chalicelib.purchases.record.model import Purchase, PurchaseState, Refund
from chalicelib.purchases.refunds import processing as refund_processing
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import ticket_id

REQUESTED_BY_CUSTOMER = "requested_by_customer"


class RefundRequest(Struct, frozen=True, kw_only=True):
    """What is to be refunded. `tickets`: ids, null for all that are left; `fee_cents`: kept of each ticket, null for the rule."""

    reason: str
    tickets: Sequence[str] | None = None
    fee_cents: int | None = None
    return_seats: bool = True
    note: str | None = None


def request_refund(purchase_id: str, request: RefundRequest, refund_id: str, by: str, now: int) -> tuple[Purchase, Refund]:
    """Take tickets back and let their money go back. Repeating it with the same `refund_id` changes nothing more.

    One transaction: the order's state, the tickets void, their seats back in the stock, the buyer's record, the audit and the open
    matter. Then the provider; what it cannot do now, the sweep does. Raises OrderNotFound, NotRefundable, OrderDisputed, RefundInvalid.
    """
    purchase = store.load(purchase_id)
    if purchase is None or not purchase.was_order:
        raise OrderNotFound()
    return store.retry_on_conflict(purchase, lambda current: _request(current, request, refund_id, by, now))


def retry_refund(purchase_id: str, refund_id: str, now: int) -> tuple[Purchase, Refund]:
    """Try a refund again that could not be made, or sooner than its time; raises OrderNotFound, NotRefundable."""
    purchase = store.load(purchase_id)
    if purchase is None:
        raise OrderNotFound("There is no such refund.")
    return store.retry_on_conflict(purchase, lambda current: _retry(current, refund_id, now))


def record_external_refund(purchase: Purchase, seen: ProviderRefund, now: int) -> Purchase:
    """A refund that we did not make. One that leaves nothing of the order's money takes its tickets; another one is shown to the admins."""
    return store.retry_on_conflict(purchase, lambda current: _record_external(current, seen, now))


def state_after_return(purchase: Purchase, numbers: Iterable[int]) -> PurchaseState:
    """The state of an order once these tickets are gone."""
    return "partially_refunded" if set(purchase.kept_tickets) - set(numbers) else "refunded"


def convert_returned_holds(purchase: Purchase, numbers: Sequence[int]) -> list[Hold]:
    """From which shards the tickets came, which count them as sold from here on, whatever a crash left undone.

    A hold that is still there would go back to the stock by itself once the order is refunded: a second time where its seats were
    returned, and though they were to stay out of the sale where not.
    """
    seats = purchase.seats(numbers)
    inventory.convert_holds([hold for hold in purchase.holds if hold.hold_id in {seat.hold_id for seat in seats}])
    return seats


def _request(purchase: Purchase, request: RefundRequest, refund_id: str, by: str, now: int) -> tuple[Purchase, Refund] | None:
    """None if the purchase has changed since it was read."""
    made = purchase.refund(refund_id)
    if made is not None:
        return purchase, made
    if transitions.action_for(purchase.state, "refund_asked") == "refuse":
        raise NotRefundable(state=purchase.state)
    if purchase.is_disputed:
        raise OrderDisputed()
    refund = _plan_refund(purchase, request, refund_id, by, now)
    done = _return_tickets(purchase, refund, now)
    if done is None:
        return None
    log.count("refunds")
    details = {"purchase_id": purchase.id, "event_id": purchase.event_id, "reason": refund.reason}
    log.info("order.refunded", tickets=len(refund.tickets), amount_cents=refund.amount_cents, **details)
    done = refund_processing.execute(done, refund_id, now)
    return done, done.refund(refund_id) or refund


def _retry(purchase: Purchase, refund_id: str, now: int) -> tuple[Purchase, Refund] | None:
    """None if the purchase has changed since it was read."""
    refund = purchase.refund(refund_id)
    if refund is None:
        raise OrderNotFound("There is no such refund.")
    if refund.is_external or refund.status not in ("due", "failed"):
        raise NotRefundable("This refund is not one that waits to be made.", status_of_refund=refund.status)
    if refund.status == "failed":
        after, items = refund_processing.reopen(purchase, [refund], now)
        done = store.save(purchase, after, items)
        if done is None:
            return None
        purchase = done
    purchase = refund_processing.execute(purchase, refund_id, now, again=True)
    return purchase, purchase.refund(refund_id) or refund


def _record_external(purchase: Purchase, seen: ProviderRefund, now: int) -> Purchase | None:
    """None if the purchase has changed since it was read."""
    assert seen.id is not None  # it was read from the provider
    if purchase.refund(seen.id) is not None:
        return refund_processing.apply_provider_status(purchase, seen.id, seen, now)
    if seen.status == "failed":
        return purchase
    refund = _external_refund(purchase, seen, now)
    entry = ledger_entries.entry_item(
        purchase, "refunded", seen.id, seen.amount_cents, now, currency=seen.currency, details={"by_hand": True}
    )
    if refund.tickets:
        done = _return_tickets(purchase, refund, now, [entry])
    else:
        told = [cases.open_case_item(purchase.id, f"finding#{seen.id}", now, _audit_details(purchase, refund))] if purchase.is_order else []
        done = store.save(purchase, purchase.with_refunds(refund), [entry, *told, *_case_items(purchase, refund, now)])
    if done is not None:
        log.warning("refund.by_hand", purchase_id=purchase.id, refund=seen.id, amount_cents=seen.amount_cents)
    return done


def _plan_refund(purchase: Purchase, request: RefundRequest, refund_id: str, by: str, now: int) -> Refund:
    numbers = _ticket_numbers(purchase, request.tickets)
    fees = sum(_fee(purchase.price_of(number), request) for number in numbers)
    payment = purchase.payment
    assert payment is not None  # an order was paid
    # Somebody may have given some of it back by hand.
    left = payment.amount_cents - purchase.refunded_total(payment.payment_intent_id, include_due=True)
    amount = min(left, sum(purchase.price_of(number) for number in numbers) - fees)
    return Refund(
        id=refund_id,
        status="due" if amount and payment.provider == "stripe" else "succeeded",
        amount_cents=amount,
        currency=purchase.currency,
        reason=request.reason,
        by=by,
        at=now,
        tickets=numbers,
        fee_cents=fees,
        seats_returned=request.return_seats,
        payment_intent_id=payment.payment_intent_id,
        note=request.note,
    )


def _ticket_numbers(purchase: Purchase, ids: Sequence[str] | None) -> list[int]:
    if ids is None:
        return purchase.kept_tickets
    known = {ticket_id(purchase.id, number): number for number in range(1, purchase.quantity + 1)}
    for place, one in enumerate(ids):
        path = f"$.tickets[{place}]"
        if one not in known:
            raise RefundInvalid(f"The order has no ticket {one}.", path=path)
        if known[one] not in purchase.kept_tickets:
            raise RefundInvalid(f"The ticket {one} was taken back before.", path=path)
    if len(set(ids)) < len(ids):
        raise RefundInvalid("Name each ticket once.", path="$.tickets")
    return sorted(known[one] for one in ids)


def _fee(price_cents: int, request: RefundRequest) -> int:
    """What is kept of one ticket, never more than was paid for it.

    By the rule only where it is the buyer who has changed their mind, with fractions of a cent in their favour.
    """
    rule = settings.current()
    if request.fee_cents is not None:
        return min(price_cents, request.fee_cents)
    if request.reason != REQUESTED_BY_CUSTOMER:
        return 0
    return min(price_cents, rule.refund_fee_cents + price_cents * rule.refund_fee_percent // 100)


def _return_tickets(purchase: Purchase, refund: Refund, now: int, entries: Sequence[dynamo.TransactItem] = ()) -> Purchase | None:
    """None if the purchase, or one of its tickets or seats, has changed since it was read."""
    after = replace(purchase.with_refunds(refund), state=state_after_return(purchase, refund.tickets))
    seats = convert_returned_holds(purchase, refund.tickets)
    items = [
        *([inventory.return_sold_item(seat) for seat in seats] if refund.seats_returned else []),
        *tickets.void_items(*(ticket_id(purchase.id, number) for number in refund.tickets)),
        audit.entry_item(f"order#{purchase.id}", "order.refunded", refund.by, now, _audit_details(purchase, refund)),
        *entries,
        *_case_items(purchase, refund, now),
    ]
    if refund.status == "succeeded" and not refund.is_external and refund.amount_cents:
        assert purchase.payment is not None
        items.append(
            ledger_entries.entry_item(purchase, "refunded", refund.id, refund.amount_cents, now, provider=purchase.payment.provider)
        )
    if len(items) > dynamo.MAX_TRANSACT_ITEMS - 2:
        raise RefundInvalid("These are too many tickets and seats for one refund; refund them in two parts.", path="$.tickets")
    done = store.save(purchase, after, items)
    inventory.invalidate()
    return done


def _external_refund(purchase: Purchase, seen: ProviderRefund, now: int) -> Refund:
    payment = purchase.payment
    everything = (
        payment is not None
        and payment.payment_intent_id == seen.payment_intent_id
        and purchase.refunded_total(seen.payment_intent_id, include_due=True) + seen.amount_cents >= payment.amount_cents
        and not purchase.is_disputed
    )
    assert seen.id is not None
    return Refund(
        id=seen.id,
        status=seen.status,
        amount_cents=seen.amount_cents,
        currency=seen.currency,
        reason="by_hand",
        by="stripe",
        at=now,
        tickets=purchase.kept_tickets if everything else [],
        payment_intent_id=seen.payment_intent_id,
        provider_id=seen.id,
        is_external=True,
    )


def _case_items(purchase: Purchase, refund: Refund, now: int) -> list[dynamo.TransactItem]:
    """An open matter for a new refund that is not through yet."""
    return [] if refund.status == "succeeded" else [refund_processing.open_case_item(purchase, refund, now)]


def _audit_details(purchase: Purchase, refund: Refund) -> dict[str, object]:
    return {
        "event_id": purchase.event_id,
        "refund_id": refund.id,
        "tickets": refund.tickets,
        "amount_cents": refund.amount_cents,
        "fee_cents": refund.fee_cents,
        "currency": refund.currency,
        "reason": refund.reason,
    }
