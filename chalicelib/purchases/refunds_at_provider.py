"""Refunds at the provider: create them, check pending refunds, and record their status.

A request creates its refund at once. The sweep creates the refunds that are still due, and checks the pending refunds. Every step is safe
to repeat. The add-on `messages` (`order_notices`) emails the buyer about a refund.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Literal

from msgspec.structs import replace

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import log
from chalicelib.foundation.log import logger
from chalicelib.ledger import money_cases
from chalicelib.ledger.money_cases import Case, CaseKind
from chalicelib.payments import service as payments
from chalicelib.payments.model import ProviderRefund, ProviderUnavailable
from chalicelib.payments.provider_tasks import RETRY_SECONDS, Failure, ProviderTask, take_turns
from chalicelib.purchases import ledger_entries, store, transitions
from chalicelib.purchases.model import Purchase, Refund

MAX_REFUND_ATTEMPTS = 3
FIRST_RETRY_SECONDS = 60  # a request creates its refund at once; if the refund is still due after this time, the request has died
REFUND_RETRY_SECONDS = {2: 3600, 3: 86_400}  # before the second and the third attempt
PENDING_CHECK_SECONDS = 6 * 3600
SAFE_REPEAT_SECONDS = 23 * 3600  # repeated calls within this time create no second refund: providers keep idempotency keys for a day
_LEFT_TO_SWEEP: tuple[type[Exception], ...] = (*dynamo.STORE_ERRORS, store.PurchaseInconsistent)
PAID_BACK_TWICE = "paid_back_twice"  # the finding that a dispute and a refund have both returned money
UNKNOWN = "unknown_refund"  # the failure of a refund that its provider does not know
LATE_SECONDS = 3600  # a refund that has been due for this long makes the sweep count as unfinished


def open_refund_case_item(purchase: Purchase, refund: Refund, now: int, *, by_sweep: bool = False) -> dynamo.TransactItem:
    """Return the item that opens the case of a new refund or attempt. With `by_sweep`, the sweep creates the refund as soon as it can.

    The case stays open until the refund succeeds or a person closes the case. The sweep ignores refunds that are paid by hand.
    """
    if payments.is_paid_back_by_hand(refund.provider):
        return _case_item(purchase, refund, None)
    if refund.status == "pending":
        return _case_item(purchase, refund, now + PENDING_CHECK_SECONDS)
    return _case_item(purchase, refund, now if by_sweep else now + FIRST_RETRY_SECONDS)


def plan_retry(purchase: Purchase, refunds: Sequence[Refund], now: int) -> tuple[Purchase, list[dynamo.TransactItem]]:
    """Return the purchase with these failed refunds due again, and the transaction items to save with it. Writes nothing."""
    due = [replace(refund, status="due", attempt=refund.attempt + 1) for refund in refunds]
    return purchase.with_refunds(*due), [open_refund_case_item(purchase, refund, now) for refund in due]


def create_if_due(purchase: Purchase, refund_id: str, now: int, *, check_existing: bool = False) -> Purchase:
    """Create a refund at the provider if it is due. Returns the purchase with the refund's new status.

    If the provider is unavailable or the store fails to record the status, the refund stays due and the sweep creates it. Set
    `check_existing` if an earlier call may have created the refund and died before it recorded the refund. An external refund may be this
    refund too, from before a restore.
    """
    refund = purchase.find_refund(refund_id)
    if refund is None or refund.status != "due" or payments.is_paid_back_by_hand(refund.provider):
        return purchase
    check_existing = check_existing or purchase.has_external_refund
    try:
        return record_status(purchase, refund.id, _ask_to_create(purchase, refund, check_existing=check_existing), now)
    except ProviderUnavailable:
        return purchase
    except _LEFT_TO_SWEEP as error:  # the refund is saved as due, so the sweep finds it
        details = {"error": type(error).__name__, "store_code": dynamo.error_code(error)}
        logger.warning("refund.left_to_sweep", purchase_id=purchase.id, refund_id=refund_id, extra=details)
        return purchase


def record_status(
    purchase: Purchase, refund_id: str, provider_refund: ProviderRefund, now: int, items: Sequence[dynamo.TransactItem] = ()
) -> Purchase:
    """Record a refund's status at the provider, and write `items` with it.

    The status of an earlier attempt, or a status already recorded, changes nothing.
    """
    return store.retry_on_conflict(purchase, lambda current: _record_status(current, refund_id, provider_refund, now, items))


def ask_provider(purchase: Purchase, refund: Refund, *, check_existing: bool) -> ProviderRefund:
    """Create a due refund at the provider, or fetch a pending refund. Writes nothing to the store.

    With `check_existing`, the provider is first asked whether an earlier call created the refund.
    """
    if refund.status == "pending" and refund.provider_id is not None:
        found = payments.external_provider(refund.provider).find_refund(refund.provider_id, purchase.account)
        # The provider may not know the refund because the shop's key was replaced.
        return found or refund_report(refund, refund.provider_id, "failed", account=purchase.account, failure=UNKNOWN)
    return _ask_to_create(purchase, refund, check_existing=check_existing)


def refund_report(
    refund: Refund,
    provider_id: str | None,
    status: Literal["succeeded", "failed"],
    *,
    account: str | None = None,
    failure: str | None = None,
) -> ProviderRefund:
    """Return the outcome of a refund in the form of a provider's answer, for refunds whose outcome no provider reports."""
    return ProviderRefund(
        provider=refund.provider,
        id=provider_id,
        status=status,
        amount_cents=refund.amount_cents,
        currency=refund.currency,
        payment_intent_id=refund.payment_intent_id,
        refund_id=refund.id,
        attempt=refund.attempt,
        failure=failure,
        account=account,
    )


def _ask_to_create(purchase: Purchase, refund: Refund, *, check_existing: bool) -> ProviderRefund:
    assert refund.payment_intent_id is not None  # only refunds at an external provider can be due
    connected = purchase.payment.connected if purchase.payment is not None else None
    # A refund of money that bought no tickets always returns the operator's fee too.
    returns_fee = connected is not None and connected.fee_cents > 0 and (connected.returns_fee or not refund.tickets)
    return payments.create_refund(
        refund.provider,
        purchase.id,
        refund.id,
        refund.attempt,
        refund.payment_intent_id,
        refund.amount_cents,
        refund.currency,
        purchase.account,
        returns_fee=returns_fee,
        check_existing=check_existing,
    )


def _record_status(
    purchase: Purchase, refund_id: str, provider_refund: ProviderRefund, now: int, items: Sequence[dynamo.TransactItem]
) -> Purchase:
    refund = purchase.find_refund(refund_id)
    if refund is None or (not refund.is_external and provider_refund.attempt != refund.attempt):
        return purchase
    after = _next_refund(purchase, refund, provider_refund)
    if after == refund:
        return purchase
    external = purchase.find_refund(str(provider_refund.id)) if refund.status == "due" else None
    entries = ledger_entries.refund_status_items(purchase, external or refund, after, provider_refund, now)
    if external is not None:  # requested again after a restore, when the refund of the first request had become external
        after = replace(after, taxes=external.taxes, included_fee_cents=external.included_fee_cents)
        purchase = replace(purchase, refunds=[other for other in purchase.refunds if other != external])
        entries += [money_cases.close_case_item(purchase.id, kind, external.id) for kind in ("refund", "finding")]
    with_refund = purchase.with_refunds(after)
    if after.status == "failed" and with_refund.paid_back_twice_cents(after.payment_intent_id) <= 0:
        entries += [money_cases.close_case_item(purchase.id, "finding", f"{PAID_BACK_TWICE}-{each.id}") for each in purchase.disputes]
    saved = store.save(purchase, with_refund, [*items, *entries, _case_item_after(purchase, after, now)])
    if after.status == "failed":
        log.count("refunds_failed")
    logger.info(f"refund.{after.status}", purchase_id=purchase.id, refund_id=refund_id, failure=after.failure)
    return saved


def _next_refund(purchase: Purchase, refund: Refund, provider_refund: ProviderRefund) -> Refund:
    """Return the refund with its status at the provider. If the status is not new, the refund is unchanged."""
    refund_with_id = replace(refund, provider_id=provider_refund.id or refund.provider_id)
    match (refund.status, provider_refund.status):
        case ("due" | "pending", "succeeded" | "pending"):
            return replace(refund_with_id, status=provider_refund.status, failure=None)
        case (_, "failed") if provider_refund.id is None and refund.status != "due":
            return refund  # refused only because another caller created the refund first
        case ("due" | "pending" | "succeeded", "failed"):
            assert transitions.action_for(purchase.state, "refund_failed") == "retry"
            # The money of a refund that the provider does not know may have arrived, so a person decides whether to try again.
            if refund.is_external or refund.attempt >= MAX_REFUND_ATTEMPTS or provider_refund.failure == UNKNOWN:
                return replace(refund_with_id, status="failed", failure=provider_refund.failure)
            return replace(refund_with_id, status="due", attempt=refund.attempt + 1, failure=provider_refund.failure)
    return refund


def _case_item_after(purchase: Purchase, refund: Refund, now: int) -> dynamo.TransactItem:
    """Return a transaction item that closes the refund's case, schedules the next attempt or check, or leaves the case to a person."""
    match refund.status:
        case "succeeded":
            return money_cases.close_case_item(purchase.id, "refund", refund.id)
        case "due":
            return _case_item(purchase, refund, now + REFUND_RETRY_SECONDS[refund.attempt])
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
    return money_cases.open_case_item(purchase.id, "refund", refund.id, refund.at, details, next_at)


# Cases for the sweep: due refunds, pending refunds that have not been checked for hours, and other cases of purchases.

PAGE_SIZE = 100  # cases whose purchases are read in one round trip
MAX_PER_SWEEP = 5_000


class DueCases:
    """The cases of a `kind` that are due at `now`, earliest due time first. Pages are read while the tasks of earlier pages run.

    `task` returns the task of a case, given the case, its purchase (None if it cannot be read), and the time. `begun_count` is the number
    of tasks begun. `has_more` means that the run ended before it reached all due cases. `is_late` means that the first case had been due
    for at least LATE_SECONDS. `has_failed` means that the store failed before all cases were read.
    """

    def __init__(self, kind: CaseKind, task: Callable[[Case, Purchase | None, int], ProviderTask], now: int) -> None:
        self._kind, self._task, self._now = kind, task, now
        self.begun_count, self.has_more, self.is_late, self.has_failed = 0, True, False, False

    def tasks(self) -> Iterator[ProviderTask]:
        """Yield a task for each case. The accounts of a page take turns. A case whose task fails is due again later."""
        for page in self._pages():
            self.is_late = self.is_late or (page[0][0].next_at or self._now) <= self._now - LATE_SECONDS
            for task in take_turns([self._task(case, purchase, self._now) for case, purchase in page], lambda task: task.account):
                self.begun_count += 1
                yield task
        self.has_more = self.has_failed or self.begun_count == MAX_PER_SWEEP

    def _pages(self) -> Iterator[list[tuple[Case, Purchase | None]]]:
        cases = money_cases.list_due(self._kind, self._now, MAX_PER_SWEEP)
        try:
            while page := list(islice(cases, PAGE_SIZE)):
                purchases, _ = store.load_readable({case.purchase_id for case in page})  # the tasks of unreadable purchases are postponed
                yield [(case, purchases.get(case.purchase_id)) for case in page]
        except dynamo.STORE_ERRORS:  # the running tasks must still be finished
            logger.exception("cases.not_read", kind=self._kind)
            self.has_failed = True


def refund_task(case: Case, purchase: Purchase | None, now: int) -> ProviderTask:
    refund = purchase.find_refund(case.id) if purchase is not None else None
    # A refund that was left to the sweep needs one call instead of two: no call has failed yet, and if a run was killed during the call,
    # the idempotency key is still valid.
    may_be_external = purchase is not None and purchase.has_external_refund  # as in `create_if_due`
    is_first_attempt = case.next_at == case.since and now - case.since < SAFE_REPEAT_SECONDS and not may_be_external

    # Create or fetch the refund, then record its status.
    def ask() -> ProviderRefund:
        if purchase is None or refund is None:
            raise LookupError(f"the purchase {case.purchase_id} has no refund {case.id}")
        return ask_provider(purchase, refund, check_existing=not is_first_attempt)

    def finish(provider_refund: ProviderRefund) -> None:
        assert purchase is not None  # otherwise `ask` has raised
        after = record_status(purchase, case.id, provider_refund, now)
        if after == purchase:
            money_cases.postpone_case(case, now + PENDING_CHECK_SECONDS)

    def postpone(failure: Failure) -> None:
        money_cases.postpone_case(case, now + RETRY_SECONDS[failure])

    account = purchase.account if purchase is not None else None
    name = f"refund {case.id} of {case.purchase_id}"
    return ProviderTask(name, ask, finish, postpone, max_calls=1 if is_first_attempt else 2, account=account)
