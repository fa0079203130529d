"""Compare our books with the payment provider's for a span of time: repair what the state machine allows, and report the rest.

A comparison covers the provider's payments, refunds and disputes, events that we never received (lost webhooks), and money that appears
only in our ledger (tickets without a payment). It is about one account: the operator's, or a promoter's. A comparison is safe to repeat, so
after a crash it is repeated from its beginning.
"""

import random
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from threading import Lock
from typing import Any
from zlib import crc32

from msgspec import Struct, field, to_builtins
from msgspec.structs import replace

from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, deadline, ids, log, parallel, settings
from chalicelib.foundation.log import logger
from chalicelib.ledger import money_cases
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import LedgerEntry
from chalicelib.ledger.money_cases import Case
from chalicelib.payments import service as payments
from chalicelib.payments.model import (
    COMPARISON_SHARE,
    FIRST_PROVIDER,
    PATIENT_SECONDS,
    SECONDS_TO_REPEAT,
    AccountRefused,
    EventSubject,
    ProviderPayment,
    ProviderUnavailable,
    account_detail,
    repeat_refused,
)
from chalicelib.payments.provider_tasks import MAX_SILENT_ACCOUNTS
from chalicelib.purchases import provider_events, queries
from chalicelib.purchases.errors import FATAL_ERRORS
from chalicelib.purchases.model import Purchase
from chalicelib.purchases.provider_events import EventResult

# How many payments of unknown purchases one comparison may refund. More of them mean the wrong store, or a store restored from a backup.
MAX_UNKNOWN_PAYMENTS = 10
MAX_RECHECKS = 100  # open findings that one run compares again
# An object that the provider never returns does not stop the comparison for good: a span of this length, in seconds, skips it. If several
# objects are not returned, the provider is at fault.
SHORTEST_SECONDS = 1
RECHECK_SECONDS = 240  # time for rechecks, and at most a quarter of a run, so that they do not delay the comparison of the current books
# Payments opened after a span are listed in slices, of LATER_SECONDS first. After a slice that took few calls, the next is twice as long.
LATER_SECONDS, FEW_CALLS = 30, 40
LISTED_PER_CALL = 100  # payments
# Each open dispute is compared once a day, in the quarter of an hour that its id selects, so no run has all of them.
QUARTER_SECONDS, QUARTERS = 900, 96


class ReconciliationReport(Struct):
    """The result of comparing [since, until), in epoch seconds: how much was compared, repaired and found.

    `unheard` counts events that no webhook had delivered. `repaired` and `findings` are counts by kind. Every finding is also an open case.
    """

    since: int
    until: int
    payments: int = 0
    refunds: int = 0
    disputes: int = 0
    unheard: int = 0
    repaired: dict[str, int] = field(default_factory=dict)
    findings: dict[str, int] = field(default_factory=dict)

    def view(self) -> dict[str, Any]:
        """Return the report for admins and for the command line, with times in ISO 8601."""
        return {**to_builtins(self), "since": clock.iso(self.since), "until": clock.iso(self.until)}

    def add(self, following: "ReconciliationReport") -> None:
        """Add the report of the next time span to this report."""
        self.until = following.until
        self.payments += following.payments
        self.refunds += following.refunds
        self.disputes += following.disputes
        self.unheard += following.unheard
        self.repaired = dict(Counter(self.repaired) + Counter(following.repaired))
        self.findings = dict(Counter(self.findings) + Counter(following.findings))

    def count_repaired(self, kind: str) -> None:
        self.repaired[kind] = self.repaired.get(kind, 0) + 1

    def count_finding(self, kind: str) -> None:
        self.findings[kind] = self.findings.get(kind, 0) + 1


class StoreIsBehind(Exception):
    """The provider has payments for many purchases that are not in this store: it is the wrong store, or was restored from a backup."""


class RefundLimit(Struct):
    """How many more payments of unknown purchases may be refunded. None means no limit."""

    left: int | None = MAX_UNKNOWN_PAYMENTS


class Turn:
    """What the comparisons of successive spans of an account share: a limit of refunds, and what they have read beyond their spans.

    No span of the turn ends after `ends_at`, in epoch seconds.
    """

    def __init__(self, ends_at: int, limit: RefundLimit) -> None:
        self.last_id, self.limit = ids.lowest_id(ends_at), limit
        self.next_entries: dict[str, str] = {}  # event id -> the first purchase that may have an entry to compare
        # The ids of payments that received money, with the end of the time in which they were opened. The turn has listed all that were
        # opened before `listed_until` and since the beginning of the current span.
        self.paid: list[tuple[int, set[str]]] = []
        self.listed_until, self.slice_seconds = 0, LATER_SECONDS

    def add_listed(self, until: int, paid: set[str]) -> None:
        """Note the ids of the payments that received money, from those that were opened until `until`."""
        if until > self.listed_until:
            self.paid.append((until, paid))
            self.listed_until = until

    def without_paid(self, entries: list[LedgerEntry], since: int) -> list[LedgerEntry]:
        """Return the entries whose payment is not among those that received money. Forgets the payments that were opened before `since`."""
        self.paid = [(until, paid) for until, paid in self.paid if until > since]
        all_paid = set[str]().union(*(paid for _, paid in self.paid))
        return [entry for entry in entries if entry.reference not in all_paid]


class ComparisonRun:
    """The state of a running comparison: its report, the turn that it belongs to, and the open cases.

    `open_findings` holds the (purchase id, finding id) of every finding among them. `account` is the promoter's account that is compared,
    or None for the operator's account.
    """

    def __init__(self, report: ReconciliationReport, now: int, turn: Turn, open_cases: Iterable[Case], account: str | None = None) -> None:
        self.report, self.now, self.turn, self.account = report, now, turn, account
        self.compared: dict[str, bool] = {}  # id of a refund or dispute -> whether it is ours
        self.unanswered = 0
        self._lock = Lock()  # payments are looked up in threads
        self.open_findings = {(case.purchase_id, case.id) for case in open_cases if case.kind == "finding"}

    def mark_compared(self, provider_id: str, namespace: str | None) -> bool:
        """Record that this run compares a refund or dispute, so that its events are skipped. Returns whether the object is ours."""
        self.compared[provider_id] = namespace == settings.current().provider_namespace
        return self.compared[provider_id]

    def count_repaired(self, kind: str, result: EventResult) -> Purchase | None:
        """Count a repair of this kind if the purchase changed. Returns the current purchase."""
        if result.changed:
            self.report.count_repaired(kind)
        return result.purchase

    def update_finding(self, purchase_id: str, kind: str, about: str, differs: bool, details: dict[str, Any]) -> None:
        """Open the finding `<kind>-<about>` of a purchase if there is a difference, or close the finding if there is none."""
        finding = (purchase_id, f"{kind}-{about}")
        with self._lock:
            if differs:
                self.report.count_finding(kind)
                if finding not in self.open_findings:
                    money_cases.open_finding(*finding, self.now, details)
            elif finding in self.open_findings:
                money_cases.close_finding(*finding)

    @contextmanager
    def isolate_errors(self, purchase_id: str, about: str, *, payment_at: str | None = None, account: str | None = None) -> Iterator[None]:
        """Turn an error inside the block into a finding, so that the error does not stop the rest of the comparison.

        ProviderUnavailable and FATAL_ERRORS still stop the comparison, unless the store refused the data itself, the provider refuses only
        calls for one account, or this object is skipped because the provider never returns it. If `about` is on a promoter's account, pass
        the `account`. If it is a payment, also pass the name of its provider as `payment_at`, so that later runs compare the payment again.
        """
        error_name = None
        try:
            yield
        except Exception as error:
            is_fatal = is_silence(error) or (isinstance(error, FATAL_ERRORS) and not dynamo.is_invalid_data(error))
            if is_fatal and not self._skips(error):
                raise
            logger.exception("reconciliation.not_dealt_with", purchase_id=purchase_id, about=about)
            error_name = type(error).__name__
        payment_details = {"provider": payment_at, "capture": about} if payment_at is not None else {}
        details = {"error": error_name, **payment_details, **account_detail(account)}
        self.update_finding(purchase_id, "not_dealt_with", about, error_name is not None, details)

    def _skips(self, error: Exception) -> bool:
        """Return whether to skip an object because of this error. Shortly before a deadline, the object may not be at fault."""
        is_unanswered = type(error) is ProviderUnavailable and error.setup_error is None and deadline.remaining() > 2 * SECONDS_TO_REPEAT
        self.unanswered += is_unanswered
        return is_unanswered and self.report.until - self.report.since == SHORTEST_SECONDS and self.unanswered == 1


def compare_span(since: int, until: int, now: int, limit: RefundLimit | None = None) -> ReconciliationReport:
    """Compare [since, until) of the operator's account and then of each promoter's account, as `compare_account` does.

    A promoter's account that cannot be read becomes a finding. Raises StoreIsBehind. Raises ProviderUnavailable if the provider does not
    respond for the operator's account, or for several promoters' accounts in a row. Repairs made before an error are kept.
    """
    open_cases, silent_count, limit = list(money_cases.list_open_cases()), 0, limit or RefundLimit()
    report = compare_account(None, since, until, now, Turn(until, limit), open_cases=open_cases)
    for account in catalog.snapshot().account_ids():
        try:
            report.add(compare_account(account, since, until, now, Turn(until, limit), open_cases=open_cases))
            silent_count = 0
        except Exception as error:
            if not concerns_only(account, error):
                raise
            report_unread(report, account, since, now)
            silent_count = silent_count + 1 if is_silence(error) else 0
            if silent_count == MAX_SILENT_ACCOUNTS:
                raise
    return report


def concerns_only(account: str | None, error: Exception) -> bool:
    """Return whether an error in the comparison of an account does not concern the other accounts. Logs such an error."""
    concerns_others = isinstance(error, StoreIsBehind) or (
        isinstance(error, FATAL_ERRORS) and not isinstance(error, deadline.DeadlineExceeded) and not dynamo.is_invalid_data(error)
    )
    if not concerns_others:
        logger.exception("reconciliation.account_unread", account=account)
    return not concerns_others


def is_silence(error: Exception) -> bool:
    """Return whether the error means that the provider did not respond in time."""
    is_unanswered = isinstance(error, ProviderUnavailable) and not isinstance(error, AccountRefused)
    return is_unanswered or isinstance(error, deadline.DeadlineExceeded)


def compare_account(
    account: str | None,
    since: int,
    until: int,
    now: int,
    turn: Turn,
    *,
    open_cases: Iterable[Case],
    event_ids: Iterable[str] | None = None,
    repeats_failed: bool = True,
) -> ReconciliationReport:
    """Compare everything of an account in [since, until), in epoch seconds. Repair differences, and return the report.

    `account` is a promoter's account, or None for the operator's account. `open_cases` are the cases that were open before. `event_ids` are
    the events whose ledger is read to find tickets without a payment, by default all events on sale at `since`. Successive spans of an
    account share a `turn`. If `repeats_failed` is false, events that already have an open finding are not processed again. Raises
    ProviderUnavailable and StoreIsBehind; repairs made before the error are kept.
    """
    run = ComparisonRun(ReconciliationReport(since, until), now, turn, open_cases, account)
    turn.add_listed(until, _compare_payments(run))
    _compare_refunds(run)
    _compare_disputes(run)
    _process_missed_events(run, repeats_failed=repeats_failed)
    _find_tickets_without_payment(run, _list_on_sale(since) if event_ids is None else sorted(event_ids))
    report = run.report
    log.count("reconciliation_repaired", sum(report.repaired.values()))
    log.count("reconciliation_findings", sum(report.findings.values()))
    if report.findings:
        logger.warning("reconciliation.differs", account=account, extra=report.findings)
    return report


def unread_finding(account: str) -> tuple[str, str]:
    """Return the two ids of the finding that a promoter's account cannot be read."""
    return account, f"account_refused-{account}"


def report_unread(report: ReconciliationReport, account: str, since: int, now: int) -> None:
    """Open the finding that a promoter's account has not been compared since `since`. A finding that is open stays as it is."""
    log.count("reconciliation_findings")
    report.count_finding("account_refused")
    money_cases.open_finding(*unread_finding(account), now, {"account": account, "compared_until": clock.iso(since)})


def recheck_open_cases(open_cases: Sequence[Case], since: int, now: int) -> dict[str, int]:
    """Compare the disputes whose turn has come since `since` and the payments of some findings again, and close the resolved cases.

    The findings are chosen at random, so that findings that stay open do not keep the others from being compared. Returns the number of
    repairs by kind. If the provider does not respond for a promoter's account, the remaining cases of this account are left to later runs.
    If it does not respond for the operator's account, or the time for rechecks has passed, all remaining cases are left to later runs.
    """
    run = ComparisonRun(ReconciliationReport(now, now), now, Turn(now, RefundLimit(0)), open_cases)
    quarters = {quarter % QUARTERS for quarter in range(since // QUARTER_SECONDS + 1, now // QUARTER_SECONDS + 1)[:QUARTERS]}
    disputes = [case for case in open_cases if case.kind == "dispute" and crc32(case.id.encode()) % QUARTERS in quarters]
    findings = [case for case in open_cases if case.kind == "finding" and "capture" in case.details]
    silent = set[str]()
    try:
        with deadline.within(min(RECHECK_SECONDS, deadline.remaining() / 4)):
            for case in [*disputes, *random.sample(findings, min(len(findings), MAX_RECHECKS))]:
                account = _account(case)
                if account in silent:
                    continue
                try:
                    (_recheck_dispute if case.kind == "dispute" else _recheck_finding)(run, case)
                except ProviderUnavailable:
                    if account is None:
                        raise
                    silent.add(account)
    except (ProviderUnavailable, deadline.DeadlineExceeded) as error:
        logger.warning("reconciliation.recheck_interrupted", error=type(error).__name__)
    return run.report.repaired


def _recheck_dispute(run: ComparisonRun, case: Case) -> None:
    with run.isolate_errors(case.purchase_id, case.id):
        dispute = payments.external_provider(_provider_name(case)).fetch_dispute(case.id, _account(case))
        run.count_repaired("disputes_differ", provider_events.apply_dispute(dispute, run.now))


def _recheck_finding(run: ComparisonRun, case: Case) -> None:
    provider, payment_intent_id, account = _provider_name(case), str(case.details["capture"]), _account(case)
    with run.isolate_errors(case.purchase_id, payment_intent_id, payment_at=provider, account=account):
        _recheck_payment(run, case.purchase_id, provider, payment_intent_id, account)


def _provider_name(case: Case) -> str:
    """Return the name of the case's external provider. Cases from earlier versions name no provider; they are from the first provider."""
    return str(case.details.get("provider", FIRST_PROVIDER))


def _account(case: Case) -> str | None:
    """Return the promoter's account that has the case's payment, or None for the operator's account."""
    account: str | None = case.details.get("account")
    return account


def _recheck_payment(run: ComparisonRun, purchase_id: str, provider: str, payment_intent_id: str, account: str | None) -> None:
    provider_payment = payments.external_provider(provider).find_payment_by_id(payment_intent_id, account)
    purchase = queries.load_purchase(purchase_id)
    if provider_payment is not None and purchase is None:
        # Only report the payment: an earlier run may have refused to refund it, because too many payments had unknown purchases.
        _update_unknown_finding(run, provider_payment, differs=provider_payment.is_paid)
    elif provider_payment is not None:
        _compare_payment(run, provider_payment, purchase)
    if purchase is not None and (purchase_id, f"tickets_without_payment-{payment_intent_id}") in run.open_findings:
        _compare_tickets(run, purchase, provider, payment_intent_id, provider_payment)


def _compare_payments(run: ComparisonRun) -> set[str]:
    """Compare each payment of this span with its purchase. Returns the ids of the payments that received money."""
    paid: set[str] = set()
    our_payments = _our_payments(run, paid)
    while batch := list(islice(our_payments, dynamo.MAX_BATCH_GET)):
        purchases, unreadable = queries.load_readable({payment.purchase_id for payment in batch if payment.purchase_id})
        known = purchases.keys() | unreadable
        unknown = [payment for payment in batch if payment.is_paid and payment.purchase_id not in known]
        # Payments on promoters' accounts and of other regions are not refunded, so they do not count, however many there are.
        refundable = [payment for payment in unknown if payment.account is None and not provider_events.is_from_other_region(payment)]
        _check_unknown_limit(run, refundable)
        for payment in batch:
            run.report.payments += 1
            purchase_id = str(payment.purchase_id)
            with run.isolate_errors(purchase_id, payment.id, payment_at=payment.provider, account=payment.account):
                # Reading an unreadable purchase again raises the error, which becomes a finding.
                purchase = queries.load_purchase(purchase_id) if purchase_id in unreadable else purchases.get(purchase_id)
                repeat_refused(PATIENT_SECONDS, _compare_payment, run, payment, purchase)
    return paid


def _our_payments(run: ComparisonRun, paid: set[str]) -> Iterator[ProviderPayment]:
    """Yield our payments that were opened in this span, and add the ids of payments that received money to `paid`."""
    for payment in payments.list_payments(run.report.since, run.report.until, run.account):
        if payment.namespace != settings.current().provider_namespace or payment.purchase_id is None:
            continue
        if payment.amount_received:
            paid.add(payment.id)
        yield payment


def _check_unknown_limit(run: ComparisonRun, unknown: list[ProviderPayment]) -> None:
    """If there are more payments of unknown purchases than may be refunded, open findings and raise StoreIsBehind."""
    if run.turn.limit.left is not None and len(unknown) > run.turn.limit.left:
        for payment in unknown:
            _update_unknown_finding(run, payment, differs=True)
        raise StoreIsBehind(f"{len(unknown)} payments belong to purchases that this store does not have")


def _update_unknown_finding(run: ComparisonRun, payment: ProviderPayment, *, differs: bool) -> None:
    details = {
        "event_id": payment.event_id,
        "provider": payment.provider,
        "capture": payment.payment_intent_id,
        "amount_cents": payment.net_received,
        "currency": payment.currency,
        **account_detail(payment.account),
    }
    run.update_finding(str(payment.purchase_id), "unknown_purchase", payment.id, differs, details)


def _compare_payment(run: ComparisonRun, payment: ProviderPayment, purchase: Purchase | None) -> None:
    result = provider_events.apply_payment(purchase, payment, run.now)
    is_returned = purchase is None and result.purchase is None and result.changed
    if is_returned and run.turn.limit.left is not None:
        run.turn.limit.left -= 1
    purchase = run.count_repaired(_payment_repair(result), result)
    is_on_account = result.result == provider_events.ON_ACCOUNT
    is_left = is_on_account or (purchase is None and result.result in ("refund_failed", "other_region"))
    _update_unknown_finding(run, payment, differs=is_left)
    if purchase is None or is_on_account or result.result == provider_events.OTHER_ACCOUNT:
        return
    if purchase.refunded_total(payment.id, include_due=False) != payment.amount_refunded:
        for refund in payments.external_provider(payment.provider).list_refunds_of_payment(payment.id, payment.account):
            purchase = run.count_repaired("refunds_differ", provider_events.apply_refund(refund, run.now)) or purchase
        # A refund may just have been created.
        payment = payments.external_provider(payment.provider).fetch_payment_by_id(payment.id, payment.account)
    if any(refund.status in ("due", "failed") for refund in purchase.refunds if refund.payment_intent_id == payment.id):
        return  # an unfinished refund already has an open case
    expected, found = _expected_amounts(purchase, payment), _amounts(payment, payment.amount_received, payment.amount_refunded)
    about = {"event_id": purchase.event_id, "provider": payment.provider, "capture": payment.id, **account_detail(payment.account)}
    details = {**about, "expected": expected, "found": found}
    run.update_finding(purchase.id, "amounts_differ", payment.id, expected != found, details)


def _expected_amounts(purchase: Purchase, payment: ProviderPayment) -> dict[str, Any]:
    """Return the amounts that the provider should report. A payment that bought no tickets must have been refunded in full."""
    own = purchase.payment
    if purchase.was_order and own is not None and own.payment_intent_id == payment.id:
        fee_cents = own.connected.fee_cents if own.connected is not None else 0
        agreed = replace(payment, currency=purchase.currency, fee_cents=fee_cents)
        return _amounts(agreed, own.amount_cents, purchase.refunded_total(payment.id, include_due=False))
    return _amounts(payment, payment.amount_received, payment.amount_received)


def _amounts(payment: ProviderPayment, received_cents: int, refunded_cents: int) -> dict[str, Any]:
    """Return the amounts of a payment as findings show them, with the operator's fee if the payment is on a promoter's account."""
    fee = {} if payment.account is None else {"fee_cents": payment.fee_cents}
    return {"received_cents": received_cents, "refunded_cents": refunded_cents, "currency": payment.currency, **fee}


def _payment_repair(result: EventResult) -> str:
    """Return the kind of repair to count if applying a payment changed its purchase."""
    return "payment_over" if result.result == "ended" else "paid_without_tickets"


def _event_repair(subject: EventSubject | None, result: EventResult) -> str:
    """Return the kind of repair to count if processing an event changed a purchase."""
    match subject:
        case "dispute":
            return "disputes_differ"
        case "refund" | "refunds_of_payment":
            return "refunds_differ"
        case "account":
            return "accounts_differ"
        case _:
            return _payment_repair(result)


def _compare_refunds(run: ComparisonRun) -> None:
    for refund in payments.list_refunds(run.report.since, run.report.until, run.account):
        if run.mark_compared(str(refund.id), refund.namespace):
            run.report.refunds += 1
            with run.isolate_errors(str(refund.purchase_id), str(refund.id)):
                run.count_repaired("refunds_differ", provider_events.apply_refund(refund, run.now))


def _compare_disputes(run: ComparisonRun) -> None:
    for dispute in payments.list_disputes(run.report.since, run.report.until, run.account):
        if run.mark_compared(dispute.id, dispute.namespace):
            run.report.disputes += 1
            with run.isolate_errors(str(dispute.purchase_id), dispute.id):
                run.count_repaired("disputes_differ", provider_events.apply_dispute(dispute, run.now))


def _process_missed_events(run: ComparisonRun, *, repeats_failed: bool) -> None:
    """Process the events of this span that no webhook delivered, such as the decision of a dispute. Their payments may be of any age.

    Events whose processing failed before are processed again only if `repeats_failed`. Otherwise, a span with many such events could not be
    finished.
    """
    events = payments.list_events(run.report.since, run.report.until, run.account)
    while batch := list(islice(events, dynamo.MAX_BATCH_GET)):
        for event in provider_events.select_unprocessed(batch):
            if event.object_id in run.compared:
                run.report.unheard += run.compared[event.object_id]
                continue  # the event's object was already compared
            # The owner of an account can write any purchase's id into its objects, so the case belongs to the account.
            owner_id = event.account or event.purchase_id or event.object_id
            if not repeats_failed and (owner_id, f"not_dealt_with-{event.id}") in run.open_findings:
                run.report.count_finding("not_dealt_with")
                continue
            with run.isolate_errors(owner_id, event.id, account=event.account):
                result = repeat_refused(PATIENT_SECONDS, provider_events.process_event, event, run.now)
                run.report.unheard += result.result not in ("not_ours", "seen")
                run.count_repaired(_event_repair(event.subject, result), result)


def _find_tickets_without_payment(run: ComparisonRun, event_ids: Sequence[str]) -> None:
    """Find payments that our ledger shows as received for purchases of this span, but that the provider did not receive."""
    if run.account is not None:
        current = catalog.snapshot()
        owners = {event_id: current.event_account(event_id) for event_id in event_ids}
        event_ids = [event_id for event_id, owner in owners.items() if owner is not None and run.account in owner.all_ids]
    unmatched = _without_listed_payments(run, [entry for entry in _captured_entries(run, event_ids) if entry.account == run.account])

    def look_up(entry: LedgerEntry) -> None:
        with run.isolate_errors(entry.purchase_id, entry.reference, payment_at=entry.provider, account=entry.account):
            purchase = queries.load_purchase(entry.purchase_id)
            if purchase is not None:
                find_payment = payments.external_provider(entry.provider).find_payment_by_id
                found = repeat_refused(PATIENT_SECONDS, find_payment, entry.reference, purchase.account)
                _compare_tickets(run, purchase, entry.provider, entry.reference, found)

    for _ in parallel.call_in_rounds(look_up, deque(unmatched), payments.endpoint_rate() * COMPARISON_SHARE):
        pass


def _without_listed_payments(run: ComparisonRun, entries: list[LedgerEntry]) -> list[LedgerEntry]:
    """Return the entries whose payment is not in the lists. The caller looks them up.

    A purchase made at the end of the span may open its payment after the span. Later payments are listed only while this has taken fewer
    calls than looking up the remaining entries would take. However long a hold lasts, a span therefore takes at most a few times as many
    calls as the cheaper of the two methods alone. The turn keeps the lists, because later payments are often the same for its next spans.
    """
    turn, calls = run.turn, 0.0
    entries = turn.without_paid(entries, run.report.since)
    end = run.report.until + catalog.longest_hold_seconds() + settings.current().checkout_seconds
    while turn.listed_until < end and calls < len(entries):
        until = min(turn.listed_until + turn.slice_seconds, end)
        listed = list(payments.list_payments(turn.listed_until, until, run.account))
        paid = {payment.id for payment in listed if payment.amount_received}
        turn.add_listed(until, paid)
        entries = [entry for entry in entries if entry.reference not in paid]
        calls += 1 + len(listed) / LISTED_PER_CALL
        if len(listed) < FEW_CALLS * LISTED_PER_CALL:
            turn.slice_seconds *= 2
    return entries


def _compare_tickets(
    run: ComparisonRun, purchase: Purchase, provider: str, payment_intent_id: str, payment: ProviderPayment | None
) -> None:
    differs = payment is None or not payment.amount_received
    details = {
        "event_id": purchase.event_id,
        "provider": provider,
        "capture": payment_intent_id,
        "amount_cents": purchase.total_cents,
        "currency": purchase.currency,
        **account_detail(purchase.account),
    }
    run.update_finding(purchase.id, "tickets_without_payment", payment_intent_id, differs, details)


def _list_on_sale(since: int) -> list[str]:
    """Return the ids of the events that may have purchases made at or after this time."""
    return [event.id for event in catalog.load_current().events.values() if event.last_sale_at >= since]


def _captured_entries(run: ComparisonRun, event_ids: Sequence[str]) -> Iterator[LedgerEntry]:
    """Yield the entries about payments for purchases of this span.

    The turn remembers which purchase comes next at each event, so its next spans do not read the ledgers of quiet events again.
    """
    first_id, end_id, next_entries = ids.lowest_id(run.report.since), ids.lowest_id(run.report.until), run.turn.next_entries

    def read(event_id: str) -> list[LedgerEntry]:
        found, next_id = [], run.turn.last_id
        for entry in ledger.list_entries_between(event_id, max(first_id, next_entries.get(event_id, "")), run.turn.last_id):
            if entry.purchase_id >= end_id:
                next_id = entry.purchase_id
                break
            if entry.kind == "captured" and payments.is_external(entry.provider):
                found.append(entry)
        next_entries[event_id] = found[0].purchase_id if found else next_id  # this span may be compared again, after an error
        return found

    waiting = [event_id for event_id in event_ids if next_entries.get(event_id, "") < end_id]
    for start in range(0, len(waiting), parallel.MAX_THREADS):
        for entries in parallel.call_each(read, waiting[start : start + parallel.MAX_THREADS]):
            yield from entries
