"""Refunds on their way: what is due is made at the provider, and what the provider says of it is written down, both safe to repeat."""

from collections.abc import Sequence

from msgspec.structs import replace

from chalicelib import dynamo, log
from chalicelib.payments import ledger
from chalicelib.payments import service as payments
from chalicelib.payments.model import ProviderUnavailable, RefundSeen
from chalicelib.purchases import books, happenings, matters, store
from chalicelib.purchases.model import Purchase, Refund

TRIES = 3
FIRST_LOOK_SECONDS = 60  # the request that opened it makes it at once; the sweep comes when that one must have died
RETRY_SECONDS = {2: 3600, 3: 86_400}  # before the second and the third try
PENDING_SECONDS = 6 * 3600
MOST_A_SWEEP = 100  # two calls to the provider each, within the two minutes that a sweep may take


def opening(purchase: Purchase, refund: Refund, now: int) -> dynamo.TransactItem:
    """Transaction item: this refund is under way, and stays an open matter until it is through."""
    return _matter(purchase, refund, now + (PENDING_SECONDS if refund.status == "pending" else FIRST_LOOK_SECONDS))


def reopened(purchase: Purchase, refunds: Sequence[Refund], now: int) -> tuple[Purchase, list[dynamo.TransactItem]]:
    """The purchase with refunds that could not be made due once more, and the transaction items that go with it."""
    due = [replace(one, status="due", attempt=one.attempt + 1) for one in refunds]
    return purchase.with_refunds(*due), [opening(purchase, one, now) for one in due]


def attempt(purchase: Purchase, refund_id: str, now: int, *, again: bool = False) -> Purchase:
    """Make a refund that is due; the purchase as it is then. If the provider is not to be reached it stays due, and the sweep comes back.

    `again`: an earlier try may have made it, and died before writing it down.
    """
    refund = purchase.refund(refund_id)
    if refund is None or refund.status != "due":
        return purchase
    try:
        return _made(purchase, refund, now, again=again)
    except ProviderUnavailable:
        return purchase


def became(purchase: Purchase, refund_id: str, seen: RefundSeen, now: int) -> Purchase:
    """Write down what the provider says about a refund. News of an earlier attempt, and old news, change nothing."""
    return store.retry_on_conflict(purchase, lambda current: _became(current, refund_id, seen, now))


def due(now: int) -> int:
    """Go on with the refunds whose time has come, the oldest first; how many were looked at. For the sweep.

    When the provider is away the rest waits for the next sweep. One that cannot be dealt with does not keep the others waiting.
    """
    ready = [one for one in matters.every() if one.kind == "refund" and one.next_at is not None and one.next_at <= now]
    for number, matter in enumerate(ready[:MOST_A_SWEEP]):
        try:
            _go_on(matter, now)
        except ProviderUnavailable:
            return number + 1
        except store.STOPPING:
            raise
        except Exception:
            log.failure("refund.not_dealt_with", purchase_id=matter.purchase_id, refund_id=matter.id)
    return min(len(ready), MOST_A_SWEEP)


def _go_on(matter: matters.Matter, now: int) -> None:
    purchase = store.load(matter.purchase_id)
    refund = purchase.refund(matter.id) if purchase is not None else None
    if purchase is None or refund is None:
        return
    if refund.status == "due":
        _made(purchase, refund, now, again=True)
    elif refund.status == "pending" and refund.reference is not None:
        after = became(purchase, refund.id, payments.find_refund(refund.reference), now)
        if after == purchase:
            matters.postpone(matter, now + PENDING_SECONDS)


def _made(purchase: Purchase, refund: Refund, now: int, *, again: bool) -> Purchase:
    assert refund.capture is not None  # what is due has come in by the provider
    seen = payments.pay_back(purchase.id, refund.id, refund.attempt, refund.capture, refund.amount_cents, again=again)
    return became(purchase, refund.id, seen, now)


def _after(purchase: Purchase, refund: Refund, seen: RefundSeen) -> Refund:
    told = replace(refund, reference=seen.id or refund.reference)
    match (refund.status, seen.status):
        case ("due" | "pending", "succeeded" | "pending"):
            return replace(told, status=seen.status, failure=None)
        case (_, "failed") if seen.id is None and refund.status != "due":
            return refund  # refused to one who asked while somebody else had it made
        case ("due" | "pending" | "succeeded", "failed"):
            assert happenings.answer(purchase.state, "refund_failed") == "retry"
            if refund.by_hand or refund.attempt >= TRIES:
                return replace(told, status="failed", failure=seen.failure)
            return replace(told, status="due", attempt=refund.attempt + 1, failure=seen.failure)
    return refund


def _became(purchase: Purchase, refund_id: str, seen: RefundSeen, now: int) -> Purchase | None:
    """None if the purchase has changed since it was read."""
    refund = purchase.refund(refund_id)
    if refund is None or (not refund.by_hand and seen.attempt != refund.attempt):
        return purchase
    after = _after(purchase, refund, seen)
    if after == refund:
        return purchase
    done = store.move(
        purchase, purchase.with_refunds(after), [*_entries(purchase, refund, after, seen, now), _follow(purchase, after, now)]
    )
    if done is None:
        return None
    if after.status == "failed":
        log.count("refunds_failed")
    log.info(f"refund.{after.status}", purchase_id=purchase.id, refund_id=refund_id, failure=after.failure)
    return done


def _entries(purchase: Purchase, refund: Refund, after: Refund, seen: RefundSeen, now: int) -> list[dynamo.TransactItem]:
    """The money leaves with the first news that the provider has taken it on, and comes back if it fails after that."""
    left = refund.status == "due" and after.status in ("pending", "succeeded")
    returned = refund.status in ("pending", "succeeded") and seen.status == "failed"
    if not (left or returned):
        return []
    assert seen.id is not None
    kind: ledger.Kind = "refunded" if left else "refund_failed"
    facts = {"refund_id": refund.id, "reason": refund.reason}
    return [books.line(purchase, kind, seen.id, refund.amount_cents, now, currency=refund.currency, facts=facts)]


def _follow(purchase: Purchase, refund: Refund, now: int) -> dynamo.TransactItem:
    """What the open matter becomes: closed, looked at later, or shown to a person."""
    match refund.status:
        case "succeeded":
            return matters.closing(purchase.id, f"refund#{refund.id}")
        case "due":
            return _matter(purchase, refund, now + RETRY_SECONDS[refund.attempt])
        case "pending":
            return _matter(purchase, refund, now + PENDING_SECONDS)
        case "failed":
            return _matter(purchase, refund, None)


def _matter(purchase: Purchase, refund: Refund, next_at: int | None) -> dynamo.TransactItem:
    facts = {"status": refund.status, "amount_cents": refund.amount_cents, "currency": refund.currency, "failure": refund.failure}
    return matters.opening(purchase.id, f"refund#{refund.id}", refund.at, {"event_id": purchase.event_id, **facts}, next_at)
