"""Refunds at the provider: make what is due, follow what is pending, record what the provider says. Every step is safe to repeat."""

from collections.abc import Sequence

from msgspec.structs import replace

from chalicelib import dynamo, log
from chalicelib.cases import service as cases
from chalicelib.cases.model import Case
from chalicelib.payments import service as payments
from chalicelib.payments.model import ProviderRefund, ProviderUnavailable
from chalicelib.purchases.record import ledger_entries, store, transitions
from chalicelib.purchases.record.errors import FATAL_ERRORS
from chalicelib.purchases.record.model import Purchase, Refund

MAX_ATTEMPTS = 3
FIRST_RETRY_SECONDS = 60  # the request that makes a refund tries at once; after this time it must have died
RETRY_SECONDS = {2: 3600, 3: 86_400}  # before the second and the third attempt
PENDING_CHECK_SECONDS = 6 * 3600
MAX_PER_SWEEP = 100  # two calls to the provider each, within the two minutes that a sweep may take


def open_case_item(purchase: Purchase, refund: Refund, now: int) -> dynamo.TransactItem:
    """Transaction item that keeps an unfinished refund as an open case until it is finished."""
    return _case_item(purchase, refund, now + (PENDING_CHECK_SECONDS if refund.status == "pending" else FIRST_RETRY_SECONDS))


def reopen(purchase: Purchase, refunds: Sequence[Refund], now: int) -> tuple[Purchase, list[dynamo.TransactItem]]:
    """The purchase with failed refunds due for another attempt, and the transaction items that go with it."""
    due = [replace(refund, status="due", attempt=refund.attempt + 1) for refund in refunds]
    return purchase.with_refunds(*due), [open_case_item(purchase, refund, now) for refund in due]


def execute(purchase: Purchase, refund_id: str, now: int, *, look_first: bool = False) -> Purchase:
    """Make a refund that is due, and return the purchase with its new status. If the provider is unavailable it stays due for the sweep.

    `look_first`: an earlier call may have made the refund and died before recording it.
    """
    refund = purchase.find_refund(refund_id)
    if refund is None or refund.status != "due":
        return purchase
    try:
        return _create_at_provider(purchase, refund, now, look_first=look_first)
    except ProviderUnavailable:
        return purchase


def apply_provider_status(purchase: Purchase, refund_id: str, provider_refund: ProviderRefund, now: int) -> Purchase:
    """Record what the provider says about a refund. What it says of an earlier attempt, or what is known already, changes nothing."""
    return store.retry_on_conflict(purchase, lambda current: _apply_status(current, refund_id, provider_refund, now))


def process_due(now: int) -> int:
    """Go on with the refunds whose time has come, oldest first, for the sweep. Returns how many were processed.

    When the provider is unavailable the rest waits for the next sweep. A refund that fails with an error does not stop the others.
    """
    due = [case for case in cases.list_open() if case.kind == "refund" and case.next_at is not None and case.next_at <= now]
    for number, case in enumerate(due[:MAX_PER_SWEEP], start=1):
        try:
            _process_case(case, now)
        except ProviderUnavailable:
            return number
        except FATAL_ERRORS:
            raise
        except Exception:
            log.exception("refund.not_dealt_with", purchase_id=case.purchase_id, refund_id=case.id)
    return min(len(due), MAX_PER_SWEEP)


def _process_case(case: Case, now: int) -> None:
    purchase = store.load(case.purchase_id)
    refund = purchase.find_refund(case.id) if purchase is not None else None
    if purchase is None or refund is None:
        return
    if refund.status == "due":
        _create_at_provider(purchase, refund, now, look_first=True)
    elif refund.status == "pending" and refund.provider_id is not None:
        after = apply_provider_status(purchase, refund.id, payments.fetch_refund(refund.provider_id), now)
        if after == purchase:
            cases.postpone(case, now + PENDING_CHECK_SECONDS)


def _create_at_provider(purchase: Purchase, refund: Refund, now: int, *, look_first: bool) -> Purchase:
    assert refund.payment_intent_id is not None  # only payments of an external provider have refunds that are due
    provider_refund = payments.create_refund(
        purchase.id, refund.id, refund.attempt, refund.payment_intent_id, refund.amount_cents, look_first=look_first
    )
    return apply_provider_status(purchase, refund.id, provider_refund, now)


def _apply_status(purchase: Purchase, refund_id: str, provider_refund: ProviderRefund, now: int) -> Purchase:
    refund = purchase.find_refund(refund_id)
    if refund is None or (not refund.is_external and provider_refund.attempt != refund.attempt):
        return purchase
    after = _next_refund(purchase, refund, provider_refund)
    if after == refund:
        return purchase
    entries = ledger_entries.refund_status_items(purchase, refund, after, provider_refund, now)
    saved = store.save(purchase, purchase.with_refunds(after), [*entries, _case_item_after(purchase, after, now)])
    if after.status == "failed":
        log.count("refunds_failed")
    log.info(f"refund.{after.status}", purchase_id=purchase.id, refund_id=refund_id, failure=after.failure)
    return saved


def _next_refund(purchase: Purchase, refund: Refund, provider_refund: ProviderRefund) -> Refund:
    """The refund after what the provider says; the same one if that changes nothing."""
    identified = replace(refund, provider_id=provider_refund.id or refund.provider_id)
    match (refund.status, provider_refund.status):
        case ("due" | "pending", "succeeded" | "pending"):
            return replace(identified, status=provider_refund.status, failure=None)
        case (_, "failed") if provider_refund.id is None and refund.status != "due":
            return refund  # refused to this caller while another one had it made
        case ("due" | "pending" | "succeeded", "failed"):
            assert transitions.action_for(purchase.state, "refund_failed") == "retry"
            if refund.is_external or refund.attempt >= MAX_ATTEMPTS:
                return replace(identified, status="failed", failure=provider_refund.failure)
            return replace(identified, status="due", attempt=refund.attempt + 1, failure=provider_refund.failure)
    return refund


def _case_item_after(purchase: Purchase, refund: Refund, now: int) -> dynamo.TransactItem:
    """The refund's case is closed, tried or checked again later, or left to a person."""
    match refund.status:
        case "succeeded":
            return cases.close_case_item(purchase.id, "refund", refund.id)
        case "due":
            return _case_item(purchase, refund, now + RETRY_SECONDS[refund.attempt])
        case "pending":
            return _case_item(purchase, refund, now + PENDING_CHECK_SECONDS)
        case "failed":
            return _case_item(purchase, refund, None)


def _case_item(purchase: Purchase, refund: Refund, next_at: int | None) -> dynamo.TransactItem:
    details = {
        "event_id": purchase.event_id,
        "status": refund.status,
        "amount_cents": refund.amount_cents,
        "currency": refund.currency,
        "failure": refund.failure,
    }
    return cases.open_case_item(purchase.id, "refund", refund.id, refund.at, details, next_at)
