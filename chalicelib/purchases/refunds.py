"""Refunds of whole orders or single tickets: requested by promoters and admins, or made externally in the provider's dashboard.

This module also lets buyers return tickets while the event allows returns. In demo stages, it resets an event's orders by refunding all of
them.
"""

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.catalog import stock_ledger
from chalicelib.catalog.model import ReturnPolicy, timezone_of
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, ids, log, money, parallel, settings
from chalicelib.foundation.errors import NotFound
from chalicelib.foundation.log import logger
from chalicelib.inventory import service as inventory
from chalicelib.inventory.display import invalidate_figures
from chalicelib.inventory.model import Hold
from chalicelib.inventory.store import return_sold_items
from chalicelib.ledger import money_cases
from chalicelib.payments import service as payments
from chalicelib.payments.model import ProviderRefund
from chalicelib.purchases import box_office, ledger_entries, refunds_at_provider, store, transitions
from chalicelib.purchases.errors import (
    NotRefundable,
    OrderDisputed,
    OrderNotFound,
    RefundInvalid,
    ReturnDecided,
    ReturnsClosed,
    TicketsNotReturnable,
)
from chalicelib.purchases.model import PaidBy, Purchase, PurchaseState, Refund, ReturnReason, ReturnRequest, ReturnStatus
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Ticket, ticket_id

REQUESTED_BY_CUSTOMER = "requested_by_customer"
_REST = "-rest-"  # after this follows a random part of the id of a refund that pays only what external refunds have left
RESOLD = "resold"  # the reason for the refund of a ticket whose seat another buyer has bought
MAX_RETURN_ITEMS = dynamo.MAX_TRANSACT_ITEMS - 8  # tickets and seats; the rest is for purchase, buyer, ledger, cases and audit


class RefundRequest(Struct, frozen=True, kw_only=True):
    """A request for a refund.

    `tickets` are ticket ids; null means all remaining tickets, or all remaining tickets of `tier_ids`. `fee_cents` is the fee for each
    ticket; null means the fee in the settings. With `returns`, this policy sets the fee. With `only_if_unused_by`, the refund requires that
    all tickets are still valid, unused and owned by this user. `by_sweep` leaves the call to the provider to the sweep. `method` is how the
    box office pays back an order that it sold; null means in the same way as the order was paid.
    """

    reason: str
    tickets: Sequence[str] | None = None
    tier_ids: Collection[str] | None = None
    fee_cents: int | None = None
    returns: ReturnPolicy | None = None
    return_seats: bool = True
    note: str | None = None
    only_if_unused_by: str | None = None
    by_sweep: bool = False
    method: PaidBy | None = None


def request_refund(purchase: Purchase, request: RefundRequest, refund_id: str, by: str, now: int) -> tuple[Purchase, Refund]:
    """Take back tickets of an order and refund their price. A repeated call with the same `refund_id` changes nothing.

    One transaction voids the tickets, returns their seats to the stock, and writes the order, the buyer's record, the audit entry and an
    open case. Then the refund is created at the provider, unless the request leaves that to the sweep; if it fails, the sweep tries again.
    Raises OrderNotFound, NotRefundable, OrderDisputed and RefundInvalid.
    """
    if not purchase.was_order:
        raise OrderNotFound()
    return store.retry_on_conflict(purchase, lambda current: _request(current, request, refund_id, by, now))


def refund_all_tickets(
    purchase: Purchase,
    reason: str,
    refund_id: str,
    by: str,
    now: int,
    *,
    by_sweep: bool = False,
    tier_ids: Collection[str] | None = None,
) -> list[Refund]:
    """Take back all remaining tickets of an order, or only the tickets of `tier_ids`, without a fee. Returns the refunds.

    `by_sweep` leaves the calls to the provider to the sweep. If there are too many tickets for one transaction, they are split into two
    refunds, with `-1` and `-2` appended to `refund_id`. Raises OrderNotFound, NotRefundable and OrderDisputed.
    """
    request = RefundRequest(reason=reason, fee_cents=0, by_sweep=by_sweep, tier_ids=tier_ids)
    try:
        return [request_refund(purchase, request, refund_id, by, now)[1]]
    except RefundInvalid:
        ids = [ticket_id(purchase.id, number) for number in purchase.kept_tickets_of(tier_ids)]
        half, refunds = len(ids) // 2, []
        for part, part_ids in enumerate((ids[:half], ids[half:]), start=1):
            purchase, refund = request_refund(purchase, replace(request, tickets=part_ids), f"{refund_id}-{part}", by, now)
            refunds.append(refund)
        return refunds


def plan_refund(purchase: Purchase, request: RefundRequest, refund_id: str, by: str, now: int) -> Refund:
    """Return the refund that a request would make for the current order. Writes nothing. Raises what `request_refund` raises."""
    if not purchase.was_order:
        raise OrderNotFound()
    if transitions.action_for(purchase.state, "refund_requested") == "refuse":
        raise NotRefundable(state=purchase.state)
    if purchase.is_disputed:
        raise OrderDisputed()
    refund = _plan_refund(purchase, request, refund_id, by, now)
    if not refund.tickets:  # another request has just taken them back
        raise NotRefundable(state=purchase.state)
    if len(refund.tickets) + len(purchase.holds_of_tickets(refund.tickets)) > MAX_RETURN_ITEMS:
        raise RefundInvalid(
            "One refund cannot have this many tickets. Send two requests, each with half of the ticket ids in `tickets`.",
            path="$.tickets",
        )
    return refund


def retry_refund(purchase: Purchase, refund_id: str, by: str, now: int) -> tuple[Purchase, Refund]:
    """Retry a failed refund, or make the next attempt of a due refund now. Raises OrderNotFound and NotRefundable.

    The audit log records that the user `by` retried a failed refund.
    """
    return store.retry_on_conflict(purchase, lambda current: _retry(current, refund_id, by, now))


def record_refund(purchase: Purchase, provider_refund: ProviderRefund, now: int) -> Purchase:
    """Record the status of a refund that we created, or a refund that was made in the provider's dashboard.

    A refund that we created counts as made in the dashboard if the purchase does not know it, because the store was restored to an earlier
    time or another region created the refund. The same applies if only its metadata is ours: promoters can copy it on their own accounts.

    If a refund in the dashboard refunds the rest of the order's payment, its tickets are taken back. Otherwise, a finding leaves the
    decision to the admins.
    """
    return store.retry_on_conflict(purchase, lambda current: _record(current, provider_refund, now))


def state_after_return(purchase: Purchase, numbers: Iterable[int]) -> PurchaseState:
    """Return the state of an order after these tickets are taken back."""
    return "partially_refunded" if set(purchase.kept_tickets) - set(numbers) else "refunded"


def refundable_cents(purchase: Purchase, numbers: Iterable[int], fees: int = 0) -> int:
    """Return the amount in cents that a refund of these tickets pays: their price less `fees`, but at most what is left of the payment.

    Refunds in the provider's dashboard may have taken part of the payment. If they leave less than our due refunds need, returns 0.
    """
    payment = purchase.payment
    assert payment is not None  # an order was paid
    left = payment.amount_cents - purchase.refunded_total(payment.payment_intent_id, include_due=True)
    return max(0, min(left, sum(purchase.ticket_price(number) for number in numbers) - fees))


def returnable_at_once(purchase: Purchase, numbers: Sequence[int], others: int = 0) -> list[int]:
    """Return the last of these tickets: as many as one transaction can take back with their seats and `others` more items."""
    portion = list(numbers)
    while portion and len(portion) + len(purchase.holds_of_tickets(portion)) + others > MAX_RETURN_ITEMS:
        portion.pop(0)
    return portion


def convert_returned_holds(purchase: Purchase, numbers: Sequence[int]) -> list[Hold]:
    """Count the holds that became these tickets as sold, in case a crash left a hold unconverted. Returns these holds.

    An unconverted hold would be released once the order is refunded. Its seats would then return to the stock a second time, or return
    even though the request keeps them off sale.
    """
    returned = purchase.holds_of_tickets(numbers)
    returned_ids = {hold.hold_id for hold in returned}
    inventory.convert_holds([hold for hold in purchase.holds if hold.hold_id in returned_ids])
    return returned


def _request(purchase: Purchase, request: RefundRequest, refund_id: str, by: str, now: int) -> tuple[Purchase, Refund]:
    existing = next((refund for refund in purchase.refunds if refund.id == refund_id or refund.id.startswith(refund_id + _REST)), None)
    if existing is not None:
        return purchase, existing
    return _make_refund(purchase, request, plan_refund(purchase, request, refund_id, by, now), now)


def _make_refund(purchase: Purchase, request: RefundRequest, refund: Refund, now: int) -> tuple[Purchase, Refund]:
    saved = _return_tickets(purchase, refund, now, only_if_unused_by=request.only_if_unused_by, by_sweep=request.by_sweep)
    log.count("refunds")
    details = {"purchase_id": purchase.id, "event_id": purchase.event_id, "reason": refund.reason}
    logger.info("order.refunded", tickets=len(refund.tickets), amount_cents=refund.amount_cents, extra=details)
    processed = saved if request.by_sweep else refunds_at_provider.create_if_due(saved, refund.id, now)
    return processed, processed.find_refund(refund.id) or refund


def _retry(purchase: Purchase, refund_id: str, by: str, now: int) -> tuple[Purchase, Refund]:
    refund = purchase.find_refund(refund_id)
    if refund is None:
        raise OrderNotFound("There is no refund with this id.")
    if refund.is_external or refund.status not in ("due", "failed"):
        raise NotRefundable("You can retry only a refund that is due or has failed.", status_of_refund=refund.status)
    if refund.status == "failed":
        after, items = refunds_at_provider.plan_retry(purchase, [refund], now)
        subject, details = f"order#{purchase.id}", {"refund_id": refund.id}
        entry = audit.entry_item(subject, "refund.retried", by, now, details, event_id=purchase.event_id)
        purchase = store.save(purchase, after, [*items, entry])
    processed = refunds_at_provider.create_if_due(purchase, refund_id, now, check_existing=True)
    return processed, processed.find_refund(refund_id) or refund


def _record(purchase: Purchase, provider_refund: ProviderRefund, now: int) -> Purchase:
    ours = purchase.find_refund(provider_refund.refund_id) if provider_refund.refund_id is not None else None
    found = (provider_refund.payment_intent_id, provider_refund.amount_cents)
    if ours is not None and found == (ours.payment_intent_id, ours.amount_cents):
        return refunds_at_provider.record_status(purchase, ours.id, provider_refund, now)
    assert provider_refund.id is not None  # it was read from the provider
    if purchase.find_refund(provider_refund.id) is not None:
        return _return_rest(refunds_at_provider.record_status(purchase, provider_refund.id, provider_refund, now), provider_refund.id, now)
    if provider_refund.status == "failed":
        return purchase
    refund = _external_refund(purchase, provider_refund, now)
    entries = ledger_entries.external_refund_items(purchase, refund, provider_refund, now)
    if refund.tickets:
        saved = _return_rest(_return_tickets(purchase, refund, now, entries), refund.id, now)
    else:
        details = _refund_details(purchase, refund)
        finding = [money_cases.open_case_item(purchase.id, "finding", provider_refund.id, now, details)] if purchase.is_order else []
        saved = store.save(purchase, purchase.with_refunds(refund), [*entries, *finding, *_case_items(purchase, refund, now)])
    logger.warning("refund.by_hand", purchase_id=purchase.id, refund=provider_refund.id, amount_cents=provider_refund.amount_cents)
    return saved


def _return_rest(purchase: Purchase, refund_id: str, now: int) -> Purchase:
    """Take back the tickets that did not fit into the transaction of a full external refund, as refunds of zero cents.

    If the process crashes in between, the next event about the refund continues here.
    """
    first = purchase.find_refund(refund_id)
    while first is not None and first.tickets and first.status != "failed" and purchase.kept_tickets and not purchase.is_disputed:
        rest = [ticket_id(purchase.id, number) for number in returnable_at_once(purchase, purchase.kept_tickets)]
        request = RefundRequest(reason=first.reason, tickets=rest, fee_cents=0)
        refund = _plan_refund(purchase, request, f"{refund_id}-{len(purchase.refunds)}", first.by, now)
        purchase = _return_tickets(purchase, refund, now)
    return purchase


def _plan_refund(purchase: Purchase, request: RefundRequest, refund_id: str, by: str, now: int) -> Refund:
    numbers = purchase.kept_tickets_of(request.tier_ids) if request.tickets is None else _ticket_numbers(purchase, request.tickets)
    fees = sum(_fee(purchase.ticket_price(number), request) for number in numbers)
    fees -= fees % money.step(purchase.currency)
    payment = purchase.payment
    assert payment is not None  # an order was paid
    amount = refundable_cents(purchase, numbers, fees)
    price = sum(map(purchase.ticket_price, numbers))
    if purchase.has_external_refund and 0 < amount < price - fees:
        # An external refund may have this id and this amount too, after a restore or because a promoter has copied the metadata.
        refund_id = f"{refund_id}{_REST}{ids.new_id()}"
    is_due = payments.is_external(payment.provider) or payments.is_paid_back_by_hand(payment.provider)
    return Refund(
        provider=payment.provider,
        id=refund_id,
        status="due" if amount and is_due else "succeeded",
        amount_cents=amount,
        currency=purchase.currency,
        reason=request.reason,
        by=by,
        at=now,
        tickets=numbers,
        fee_cents=fees,
        seats_returned=request.return_seats,
        payment_intent_id=payment.payment_intent_id,
        note=None if purchase.is_erased else request.note,
        method=None if purchase.box_office is None else request.method or purchase.box_office.method,
        taxes=purchase.taxes_of_return(amount, numbers),
        included_fee_cents=purchase.included_fee_of_return(amount, numbers),
    )


def _ticket_numbers(purchase: Purchase, ids: Sequence[str]) -> list[int]:
    numbers = {ticket_id(purchase.id, number): number for number in range(1, purchase.quantity + 1)}
    for position, requested_id in enumerate(ids):
        path = f"$.tickets[{position}]"
        if requested_id not in numbers:
            raise RefundInvalid(f"This order has no ticket {requested_id}.", path=path)
        if numbers[requested_id] not in purchase.kept_tickets:
            raise RefundInvalid(f"The ticket {requested_id} is already void.", path=path)
    if len(set(ids)) < len(ids):
        raise RefundInvalid("List each ticket only once.", path="$.tickets")
    return sorted(numbers[requested_id] for requested_id in ids)


def _fee(price_cents: int, request: RefundRequest) -> int:
    """Return the fee in cents that we keep from one ticket's price. The fee is never more than the price.

    The fee in the settings applies only to refunds that the buyer requested. Fractions of a cent are rounded in the buyer's favor.
    """
    current = settings.current()
    if request.returns is not None:
        return request.returns.fee(price_cents)
    if request.fee_cents is not None:
        return min(price_cents, request.fee_cents)
    if request.reason != REQUESTED_BY_CUSTOMER:
        return 0
    return min(price_cents, current.refund_fee_cents + price_cents * current.refund_fee_percent // 100)


def _return_tickets(
    purchase: Purchase,
    refund: Refund,
    now: int,
    entries: Sequence[dynamo.TransactItem] = (),
    *,
    only_if_unused_by: str | None = None,
    by_sweep: bool = False,
) -> Purchase:
    """Save the refund, void its tickets and return their seats, in one transaction. Raises Conflict if any of these has changed."""
    after = replace(purchase.with_refunds(refund), state=state_after_return(purchase, refund.tickets))
    returned = convert_returned_holds(purchase, refund.tickets)
    items = [
        *(return_sold_items(returned) if refund.seats_returned else []),
        *tickets.void_items((ticket_id(purchase.id, number) for number in refund.tickets), "refunded", only_if_unused_by=only_if_unused_by),
        *entries,
        *_money_items(purchase, refund, now, by_sweep=by_sweep),
    ]
    if purchase.box_office is not None:
        event = catalog.snapshot().events.get(purchase.event_id)
        items.append(box_office.refund_item(purchase, refund, timezone_of(event)))
    if purchase.is_complimentary and refund.seats_returned:
        items += stock_ledger.revoke_items(purchase.event_id, purchase.lines[0].tier_id, returned)
    try:
        return store.save(purchase, after, items)
    finally:
        invalidate_figures()


def plan_resold(order: Purchase, numbers: Sequence[int], purchase_id: str, now: int) -> tuple[Purchase, list[dynamo.TransactItem]]:
    """Return a seller's order after another purchase has taken the seats of these tickets, and the items to save with the order.

    The refund is the price less the fee of the order's policy. The sweep creates the refund, and the caller voids the tickets.
    """
    ids = [ticket_id(order.id, number) for number in numbers]
    request = RefundRequest(reason=RESOLD, tickets=ids, returns=order.returns, return_seats=False)
    refund_id = f"{RESOLD}-{min(numbers)}"  # sellers see this id, so it must not contain the id of another person's purchase
    refund = replace(_plan_refund(order, request, refund_id, order.user_id, now), resold_to=purchase_id)
    after = replace(order.with_refunds(refund), state=state_after_return(order, refund.tickets))
    return after, _money_items(order, refund, now, by_sweep=True)


def _money_items(purchase: Purchase, refund: Refund, now: int, *, by_sweep: bool) -> list[dynamo.TransactItem]:
    """Return the audit entry and the case of a new refund, and the ledger entry of a refund that succeeds at once."""
    items = [_audit_item(purchase, refund, now), *_case_items(purchase, refund, now, by_sweep=by_sweep)]
    if refund.status == "succeeded" and not refund.is_external and refund.amount_cents:
        items.append(ledger_entries.simulated_refund_item(purchase, refund, now))
    return items


def _external_refund(purchase: Purchase, provider_refund: ProviderRefund, now: int) -> Refund:
    payment = purchase.payment
    is_own = purchase.is_own_payment(provider_refund.payment_intent_id)
    refunded_cents = purchase.refunded_total(provider_refund.payment_intent_id, include_due=True) + provider_refund.amount_cents
    takes_everything = payment is not None and is_own and refunded_cents >= payment.amount_cents and not purchase.is_disputed
    leaves_too_little = payment is not None and refunded_cents > payment.amount_cents  # for the refunds that are due
    counted = purchase.without_due_refunds() if leaves_too_little else purchase
    assert provider_refund.id is not None  # it was read from the provider
    tickets_back = returnable_at_once(purchase, purchase.kept_tickets) if takes_everything else []
    return Refund(
        provider=provider_refund.provider,
        id=provider_refund.id,
        status=provider_refund.status,
        amount_cents=provider_refund.amount_cents,
        currency=provider_refund.currency,
        reason="by_hand",
        by=provider_refund.provider,
        at=now,
        tickets=tickets_back,
        payment_intent_id=provider_refund.payment_intent_id,
        provider_id=provider_refund.id,
        is_external=True,
        taxes=counted.taxes_of_return(provider_refund.amount_cents) if is_own else [],
        included_fee_cents=counted.included_fee_of_return(provider_refund.amount_cents) if is_own else 0,
    )


def _case_items(purchase: Purchase, refund: Refund, now: int, *, by_sweep: bool = False) -> list[dynamo.TransactItem]:
    """Return the item that opens the case of a new refund. A refund that has already succeeded needs no case."""
    if refund.status == "succeeded":
        return []
    return [refunds_at_provider.open_refund_case_item(purchase, refund, now, by_sweep=by_sweep)]


def _audit_item(purchase: Purchase, refund: Refund, now: int) -> dynamo.TransactItem:
    details = _refund_details(purchase, refund)
    return audit.entry_item(f"order#{purchase.id}", "order.refunded", refund.by, now, details, event_id=purchase.event_id)


def _refund_details(purchase: Purchase, refund: Refund) -> dict[str, object]:
    return {
        "event_id": purchase.event_id,
        "refund_id": refund.id,
        "tickets": refund.tickets,
        "amount_cents": refund.amount_cents,
        "fee_cents": refund.fee_cents,
        "currency": refund.currency,
        "reason": refund.reason,
    }


# Returns of tickets that their buyers own and that nobody has used: for the full price until the event's `refundable_until`, and less a fee
# until the deadline in the event's policy, which the order keeps.

RETURNED = "returned-"  # the prefix of these refunds' ids


class TicketReturn(Struct, frozen=True):
    """The numbers of the tickets of an order that its buyer may return until `until` (epoch seconds).

    `amount_cents` is the refund, and `fee_cents` is what we keep of the price. With `needs_approval`, managers decide.
    """

    tickets: list[int]
    amount_cents: int
    fee_cents: int
    until: int
    needs_approval: bool


class _Terms(Struct, frozen=True):
    """The terms for returning an order's tickets until `until`: without a fee, because the event changed, or with its policy's fee."""

    until: int
    reason: str
    returns: ReturnPolicy | None = None

    @property
    def needs_approval(self) -> bool:
        return self.returns is not None and self.returns.needs_approval

    def fee(self, purchase: Purchase, numbers: Iterable[int]) -> int:
        return sum(self.returns.fee(purchase.ticket_price(number)) for number in numbers) if self.returns is not None else 0


def find_return(purchase: Purchase, issued: Iterable[Ticket], now: int) -> TicketReturn | None:
    """Return the tickets that the buyer of an order may return now, or None if there are none or no money would be refunded.

    `issued` are tickets of the order.
    """
    terms = _return_terms(purchase, now)
    if terms is None or now > terms.until or not purchase.is_order or purchase.is_disputed:
        return None
    requested = _requested(purchase) if terms.needs_approval else set()
    numbers = [ticket.number for ticket in issued if ticket.number not in requested and own_return_refusal(purchase, ticket) is None]
    fee = terms.fee(purchase, numbers)
    amount = refundable_cents(purchase, numbers, fee)
    return TicketReturn(numbers, amount, fee, terms.until, terms.needs_approval) if amount > 0 else None


def return_tickets(purchase: Purchase, wanted: Sequence[str] | None, now: int, reason: ReturnReason | None = None) -> Purchase:
    """Take tickets back from their buyer for a refund less a fee. `wanted` are ticket ids; null means all returnable tickets.

    If the order's policy needs an approval, this only adds a request to the order. Each ticket is returned or requested only once, so a
    repeated call changes nothing. Raises OrderNotFound, RefundInvalid, TicketsNotReturnable, ReturnsClosed and OrderDisputed.
    """
    if not purchase.was_order:
        raise OrderNotFound()
    return store.retry_on_conflict(purchase, lambda current: _return_own(current, wanted, now, reason))


def decide_return(purchase: Purchase, number: int, *, accepts: bool, answer: str | None, by: str, now: int) -> Purchase:
    """Accept a buyer's request to return tickets and refund them less the policy's fee, or decline the request with an `answer`.

    `number` counts the order's requests from 1. A repeated call changes nothing. Raises OrderNotFound, ReturnDecided, TicketsNotReturnable
    and OrderDisputed.
    """

    def decide(current: Purchase) -> Purchase:
        request = _find_open_request(current, number, "accepted" if accepts else "declined")
        if request is None:
            return current
        if accepts:
            return _accept_return(current, request, by, now)
        declined = replace(request, declined_at=now, answer=None if current.is_erased else answer)
        return _save_request(current, number, declined, "return.declined", by, now)

    return store.retry_on_conflict(purchase, decide)


def withdraw_return(purchase: Purchase, number: int, now: int) -> Purchase:
    """Withdraw a buyer's request to return tickets before managers decide. The buyer may ask to return these tickets again.

    A repeated call changes nothing. Raises OrderNotFound and ReturnDecided.
    """

    def withdraw(current: Purchase) -> Purchase:
        request = _find_open_request(current, number, "withdrawn")
        if request is None:
            return current
        return _save_request(current, number, replace(request, withdrawn_at=now), "return.withdrawn", current.user_id, now)

    return store.retry_on_conflict(purchase, withdraw)


def _find_open_request(purchase: Purchase, number: int, wanted: ReturnStatus) -> ReturnRequest | None:
    """Return the open request with this number. Returns None if the request has the `wanted` status already.

    Raises OrderNotFound and ReturnDecided.
    """
    if not 1 <= number <= len(purchase.return_requests):
        raise OrderNotFound("The order has no request with this number.")
    request = purchase.return_requests[number - 1]
    status = purchase.return_status(request)
    if status not in ("open", wanted):
        raise ReturnDecided(status=status)
    return request if status == "open" else None


def _save_request(purchase: Purchase, number: int, request: ReturnRequest, action: str, by: str, now: int) -> Purchase:
    """Save a new or changed request under this number, with an audit entry. Raises Conflict."""
    requests = [*purchase.return_requests[: number - 1], request, *purchase.return_requests[number:]]
    entry = audit.entry_item(f"order#{purchase.id}", action, by, now, {"tickets": request.tickets}, event_id=purchase.event_id)
    return store.save(purchase, replace(purchase, return_requests=requests), [entry])


def _accept_return(purchase: Purchase, request: ReturnRequest, by: str, now: int) -> Purchase:
    issued = {ticket.number: ticket for ticket in tickets.load_purchase_tickets(purchase.id, purchase.quantity)}
    numbers = [number for number in purchase.kept_tickets if number in request.tickets]
    if purchase.is_disputed:
        raise OrderDisputed()
    for number in numbers:
        if (refusal := own_return_refusal(purchase, issued[number])) is not None:
            raise TicketsNotReturnable(reason=refusal)
    terms = _return_terms(purchase, now)
    has_changed = terms is not None and terms.returns is None and now <= terms.until  # since the buyer asked
    reason, returns = (terms.reason, None) if terms is not None and has_changed else (REQUESTED_BY_CUSTOMER, purchase.returns)
    return _return_numbers(purchase, numbers, reason, returns, by, now)


def _return_numbers(purchase: Purchase, numbers: Sequence[int], reason: str, returns: ReturnPolicy | None, by: str, now: int) -> Purchase:
    """Refund these tickets, which must still be unused and owned by their buyer, as many at once as fit into one transaction."""
    while numbers:
        portion = returnable_at_once(purchase, numbers)
        ids = [ticket_id(purchase.id, number) for number in portion]
        request = RefundRequest(reason=reason, tickets=ids, fee_cents=0, returns=returns, only_if_unused_by=purchase.user_id)
        purchase, _ = _request(purchase, request, f"{RETURNED}{portion[0]}", by, now)
        numbers = [number for number in numbers if number not in portion]
    return purchase


def _requested(purchase: Purchase) -> set[int]:
    """Return the numbers of the tickets that the buyer has asked to return, whatever the answer was, and has not withdrawn."""
    return {number for request in purchase.return_requests if request.withdrawn_at is None for number in request.tickets}


def _next_request_number(purchase: Purchase) -> int:
    """Return the number of a new request. The request replaces a withdrawn request, so an order never has more requests than tickets."""
    withdrawn = (number for number, request in enumerate(purchase.return_requests, start=1) if request.withdrawn_at is not None)
    return next(withdrawn, len(purchase.return_requests) + 1)


def _return_own(purchase: Purchase, wanted: Sequence[str] | None, now: int, reason: ReturnReason | None) -> Purchase:
    issued = {ticket.id: ticket for ticket in tickets.load_purchase_tickets(purchase.id, purchase.quantity)}
    returned = {number for refund in purchase.refunds if refund.id.startswith(RETURNED) for number in refund.tickets}
    for position, wanted_id in enumerate(wanted or ()):
        if wanted_id not in issued:
            raise RefundInvalid(f"This order has no ticket {wanted_id}.", path=f"$.tickets[{position}]")
    selected = [ticket for ticket in issued.values() if (wanted is None or ticket.id in wanted) and ticket.number not in returned]
    numbers = [ticket.number for ticket in selected if own_return_refusal(purchase, ticket) is None]
    if returned and not (numbers if wanted is None else selected):
        return purchase  # a repeated request
    terms = _return_terms(purchase, now)
    if terms is None or now > terms.until:
        raise ReturnsClosed(refundable_until=None if terms is None else clock.iso(terms.until))
    if purchase.is_disputed:
        raise OrderDisputed()
    refusals = [refusal for ticket in selected if (refusal := own_return_refusal(purchase, ticket)) is not None]
    if refusals and (wanted is not None or not numbers):
        raise TicketsNotReturnable(reason=refusals[0])
    if refundable_cents(purchase, numbers, terms.fee(purchase, numbers)) == 0:
        raise TicketsNotReturnable(reason="free")
    if not terms.needs_approval:
        return _return_numbers(purchase, numbers, terms.reason, terms.returns, purchase.user_id, now)
    new = [number for number in numbers if number not in _requested(purchase)]
    if not new:
        if any(purchase.return_status(asked) == "open" and set(asked.tickets).intersection(numbers) for asked in purchase.return_requests):
            return purchase  # a repeated request
        raise TicketsNotReturnable(reason="declined")
    request = ReturnRequest(tickets=new, at=now, reason=reason)
    saved = _save_request(purchase, _next_request_number(purchase), request, "return.requested", purchase.user_id, now)
    logger.info("return.requested", tickets=len(new), extra={"purchase_id": purchase.id, "event_id": purchase.event_id})
    return saved


def refund_at_counter(
    purchase: Purchase, wanted: Sequence[str] | None, method: PaidBy | None, refund_id: str, by: str, now: int
) -> tuple[Purchase, Refund]:
    """Take back unused tickets of a box office order, and record how their full price was paid back.

    `wanted` are ticket ids; null means all unused tickets. A repeated call with the same `refund_id` changes nothing. Raises RefundInvalid,
    NotRefundable and TicketsNotReturnable.
    """

    def attempt(current: Purchase) -> tuple[Purchase, Refund]:
        issued = tickets.load_purchase_tickets(current.id, current.quantity)
        unused = [ticket.id for ticket in issued if return_refusal(current, ticket) is None]
        request = RefundRequest(
            reason=REQUESTED_BY_CUSTOMER,
            tickets=unused if wanted is None else wanted,
            fee_cents=0,
            only_if_unused_by=current.user_id,
            method=method,
        )
        if (existing := current.find_refund(refund_id)) is not None:
            return current, existing
        refund = plan_refund(current, request, refund_id, by, now)
        refusals = [reason for ticket in issued if ticket.id in (wanted or ()) and (reason := return_refusal(current, ticket)) is not None]
        if refusals or not request.tickets:
            raise TicketsNotReturnable(reason=refusals[0] if refusals else "used")
        return _make_refund(current, request, refund, now)

    return store.retry_on_conflict(purchase, attempt)


def own_return_refusal(purchase: Purchase, ticket: Ticket) -> str | None:
    """Return the reason why the buyer cannot return or resell a ticket, or None.

    Tickets of cancelled dates are refunded automatically and in full; a return could keep a fee.
    """
    current = catalog.snapshot()
    event = current.find_event(purchase.event_id)
    is_cancelled = event is not None and current.is_cancelled(event, [ticket.tier_id])
    return return_refusal(purchase, ticket) or ("cancelled" if is_cancelled else None)


def return_refusal(purchase: Purchase, ticket: Ticket) -> str | None:
    """Return the reason why a ticket cannot be taken back from the buyer, or None."""
    if ticket.state != "valid":
        return ticket.state
    if ticket.owner_id != purchase.user_id:
        return "given_away"
    return "used" if ticket.checkins else None


def may_take_back(event_id: str) -> bool:
    """Return whether tickets of an event may be returnable now. The order makes the decision."""
    event = catalog.snapshot().events.get(event_id)
    return event is not None and event.status != "cancelled" and (event.refundable_until is not None or event.returns is not None)


def _return_terms(purchase: Purchase, now: int) -> _Terms | None:
    """Return the terms that apply to returns now, or the last terms that applied. Returns None if no terms ever applied.

    Only the box office takes back tickets that it sold, because nobody else has their money.
    """
    event = purchase.event_in(catalog.snapshot())
    if event is None or event.status == "cancelled" or purchase.box_office is not None:
        return None
    changed = _Terms(min(event.refundable_until, event.starts_at), "event_changed") if event.refundable_until is not None else None
    returns = purchase.returns
    is_agreed = returns is not None and returns.policy == "refund"
    agreed = _Terms(returns.deadline(event.starts_at), REQUESTED_BY_CUSTOMER, returns) if returns is not None and is_agreed else None
    if changed is None or agreed is None:
        return changed or agreed
    return changed if now <= changed.until or changed.until >= agreed.until else agreed


# Reset of an event's orders, for repeated trial sales in demo stages.

# Orders refunded in parallel. They may return seats to the same shard, where only one transaction succeeds at a time: the store refuses
# the other transactions, which are then repeated. More orders in parallel would mostly wait for each other.
ORDERS_AT_ONCE = 4


def reset_orders(event_id: str, actor: str, now: int) -> tuple[int, int]:
    """Refund every order of the event in full. Returns how many orders were refunded and how many tickets became void.

    A repeated call finishes what a crash left undone. Orders whose payment is disputed are unchanged, because the bank has the money.
    Raises NotFound for an unknown event.
    """
    current, ids = parallel.both(catalog.load_current, lambda: {purchase_id for purchase_id, _ in tickets.list_purchase_ids(event_id)})
    if event_id not in current.events:
        raise NotFound("There is no event with this id.", event_id=event_id)
    found = [purchase for purchase in store.load_many(ids).values() if purchase is not None and purchase.is_order]
    orders = voided = 0
    for first in range(0, len(found), ORDERS_AT_ONCE):
        batch = found[first : first + ORDERS_AT_ONCE]
        for ticket_count in parallel.call_each(lambda purchase: _reset_order(purchase, actor, now), batch):
            orders += ticket_count > 0
            voided += ticket_count
    dynamo.transact([audit.entry_item(f"event#{event_id}", "orders.undone", actor, now, {"orders": orders, "tickets": voided})])
    logger.info("orders.undone", event_id=event_id, orders=orders, tickets=voided)
    return orders, voided


def _reset_order(purchase: Purchase, actor: str, now: int) -> int:
    """Refund an order in full. Returns how many tickets became void, which is 0 if the order is disputed or has just been refunded."""
    try:
        refunds = refund_all_tickets(purchase, "undone", f"undone-{purchase.version}", actor, now)
    except (NotRefundable, OrderDisputed):
        return 0
    return sum(len(refund.tickets) for refund in refunds)
