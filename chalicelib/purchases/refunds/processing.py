"""Refunds on their way: what is due is made at the provider, and what the provider says of it is written down, both safe to repeat."""

from collections.abc import Sequence

from msgspec.structs import replace

from chalicelib import dynamo, log
from chalicelib.cases import service as cases
from chalicelib.ledger import service as ledger
from chalicelib.payments import service as payments
from chalicelib.payments.model import ProviderRefund, ProviderUnavailable
from chalicelib.purchases.record import ledger_entries, store, transitions
from chalicelib.purchases.record.errors import FATAL_ERRORS
from chalicelib.purchases.record.model import Purchase, Refund

MAX_ATTEMPTS = 3
FIRST_RETRY_SECONDS = 60  # the request that opened it makes it at once; the sweep comes when that one must have died
RETRY_SECONDS = {2: 3600, 3: 86_400}  # before the second and the third try
PENDING_CHECK_SECONDS = 6 * 3600
MAX_PER_SWEEP = 100  # two calls to the provider each, within the two minutes that a sweep may take


def open_case_item(purchase: Purchase, refund: Refund, now: int) -> dynamo.TransactItem:
    """Transaction item: this refund is under way, and stays an open matter until it is through."""
    return _case_item(purchase, refund, now + (PENDING_CHECK_SECONDS if refund.status == "pending" else FIRST_RETRY_SECONDS))


def reopen(purchase: Purchase, refunds: Sequence[Refund], now: int) -> tuple[Purchase, list[dynamo.TransactItem]]:
    """The purchase with refunds that could not be made due once more, and the transaction items that go with it."""
    due = [replace(one, status="due", attempt=one.attempt + 1) for one in refunds]
    return purchase.with_refunds(*due), [open_case_item(purchase, one, now) for one in due]


def execute(purchase: Purchase, refund_id: str, now: int, *, again: bool = False) -> Purchase:
    """Make a refund that is due; the purchase as it is then. If the provider is not to be reached it stays due, and the sweep comes back.

    `again`: an earlier try may have made it, and died before writing it down.
    """
    refund = purchase.refund(refund_id)
    if refund is None or refund.status != "due":
        return purchase
    try:
        return _create_at_provider(purchase, refund, now, again=again)
    except ProviderUnavailable:
        return purchase


def apply_provider_status(purchase: Purchase, refund_id: str, seen: ProviderRefund, now: int) -> Purchase:
    """Write down what the provider says about a refund. News of an earlier attempt, and old news, change nothing."""
    return store.retry_on_conflict(purchase, lambda current: _apply_status(current, refund_id, seen, now))


def process_due(now: int) -> int:
    """Go on with the refunds whose time has come, the oldest first; how many were looked at. For the sweep.

    When the provider is away the rest waits for the next sweep. One that cannot be dealt with does not keep the others waiting.
    """
    ready = [one for one in cases.list_open() if one.kind == "refund" and one.next_at is not None and one.next_at <= now]
    for number, case in enumerate(ready[:MAX_PER_SWEEP]):
        try:
            _process_case(case, now)
        except ProviderUnavailable:
            return number + 1
        except FATAL_ERRORS:
            raise
        except Exception:
            log.exception("refund.not_dealt_with", purchase_id=case.purchase_id, refund_id=case.id)
    return min(len(ready), MAX_PER_SWEEP)


def _process_case(case: cases.Case, now: int) -> None:
    purchase = store.load(case.purchase_id)
    refund = purchase.refund(case.id) if purchase is not None else None
    if purchase is None or refund is None:
        return
    if refund.status == "due":
        _create_at_provider(purchase, refund, now, again=True)
    elif refund.status == "pending" and refund.provider_id is not None:
        after = apply_provider_status(purchase, refund.id, payments.fetch_refund(refund.provider_id), now)
        if after == purchase:
            cases.postpone(case, now + PENDING_CHECK_SECONDS)


def _create_at_provider(purchase: Purchase, refund: Refund, now: int, *, again: bool) -> Purchase:
    assert refund.payment_intent_id is not None  # what is due has come in by the provider
    seen = payments.create_refund(purchase.id, refund.id, refund.attempt, refund.payment_intent_id, refund.amount_cents, again=again)
    return apply_provider_status(purchase, refund.id, seen, now)


def _next_refund(purchase: Purchase, refund: Refund, seen: ProviderRefund) -> Refund:
    told = replace(refund, provider_id=seen.id or refund.provider_id)
    match (refund.status, seen.status):
        case ("due" | "pending", "succeeded" | "pending"):
            return replace(told, status=seen.status, failure=None)
        case (_, "failed") if seen.id is None and refund.status != "due":
            return refund  # refused to one who asked while somebody else had it made
        case ("due" | "pending" | "succeeded", "failed"):
            assert transitions.action_for(purchase.state, "refund_failed") == "retry"
            if refund.is_external or refund.attempt >= MAX_ATTEMPTS:
                return replace(told, status="failed", failure=seen.failure)
            return replace(told, status="due", attempt=refund.attempt + 1, failure=seen.failure)
    return refund


def _apply_status(purchase: Purchase, refund_id: str, seen: ProviderRefund, now: int) -> Purchase | None:
    """None if the purchase has changed since it was read."""
    refund = purchase.refund(refund_id)
    if refund is None or (not refund.is_external and seen.attempt != refund.attempt):
        return purchase
    after = _next_refund(purchase, refund, seen)
    if after == refund:
        return purchase
    done = store.save(
        purchase, purchase.with_refunds(after), [*_entries(purchase, refund, after, seen, now), _case_item_after(purchase, after, now)]
    )
    if done is None:
        return None
    if after.status == "failed":
        log.count("refunds_failed")
    log.info(f"refund.{after.status}", purchase_id=purchase.id, refund_id=refund_id, failure=after.failure)
    return done


def _entries(purchase: Purchase, refund: Refund, after: Refund, seen: ProviderRefund, now: int) -> list[dynamo.TransactItem]:
    """The money leaves with the first news that the provider has taken it on, and comes back if it fails after that."""
    left = refund.status == "due" and after.status in ("pending", "succeeded")
    returned = refund.status in ("pending", "succeeded") and seen.status == "failed"
    if not (left or returned):
        return []
    assert seen.id is not None
    kind: ledger.EntryKind = "refunded" if left else "refund_failed"
    details = {"refund_id": refund.id, "reason": refund.reason}
    return [ledger_entries.entry_item(purchase, kind, seen.id, refund.amount_cents, now, currency=refund.currency, details=details)]


def _case_item_after(purchase: Purchase, refund: Refund, now: int) -> dynamo.TransactItem:
    """What the open matter becomes: closed, looked at later, or shown to a person."""
    match refund.status:
        case "succeeded":
            return cases.close_case_item(purchase.id, f"refund#{refund.id}")
        case "due":
            return _case_item(purchase, refund, now + RETRY_SECONDS[refund.attempt])
        case "pending":
            return _case_item(purchase, refund, now + PENDING_CHECK_SECONDS)
        case "failed":
            return _case_item(purchase, refund, None)


def _case_item(purchase: Purchase, refund: Refund, next_at: int | None) -> dynamo.TransactItem:
    details = {"status": refund.status, "amount_cents": refund.amount_cents, "currency": refund.currency, "failure": refund.failure}
    return cases.open_case_item(purchase.id, f"refund#{refund.id}", refund.at, {"event_id": purchase.event_id, **details}, next_at)
