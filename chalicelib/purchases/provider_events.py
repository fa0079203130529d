"""Provider events: apply the provider's current payment, refund or dispute to its purchase, for webhooks and reconciliation.

Also process webhooks, and keep the table of processed events. Everything is safe to repeat, in any order.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal, Self

from msgspec import Struct
from msgspec.structs import replace
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.audit import service as audit
from chalicelib.catalog import event_states
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import ids, log, settings
from chalicelib.foundation.errors import ApiError
from chalicelib.foundation.log import logger
from chalicelib.ledger import money_cases
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import EntryKind
from chalicelib.payments import service as payments
from chalicelib.payments.model import (
    BankTransfer,
    ConnectedAccount,
    Payment,
    PaymentNotCompleted,
    ProviderDescription,
    ProviderDispute,
    ProviderEvent,
    ProviderName,
    ProviderPayment,
    ProviderRefund,
    ReturnedFee,
)
from chalicelib.purchases import disputes, hold_recovery, ledger_entries, queries, refunds_at_provider, settlement, store, transitions
from chalicelib.purchases.model import LineItem, Purchase, read_bought
from chalicelib.purchases.refunds import record_refund
from chalicelib.tickets.model import find_order_keys, order_key

# Table `provider-events`: the provider's events that were processed. They are kept for as long as the provider may send them again.

RETENTION_SECONDS = 30 * 86_400


class ProcessedEventRow(dynamo.Table):
    feature = "provider-events"
    contents = "The payment provider's events that have been processed."
    personal_data = None

    id = UnicodeAttribute(hash_key=True)
    type = UnicodeAttribute()
    result = UnicodeAttribute()
    ttl = NumberAttribute()


def is_processed(event_id: str) -> bool:
    """Return whether an event was processed. The read is strongly consistent."""
    return ProcessedEventRow.find(event_id) is not None


def select_processed(event_ids: Iterable[str]) -> set[str]:
    """Return which of these events, at most 100, were processed. Takes one strongly consistent round trip."""
    return {row.id for row in ProcessedEventRow.find_all(event_ids)}


def record_processed(event_id: str, event_type: str, result: str, now: int) -> None:
    """Record an event and its result for 30 days."""
    ProcessedEventRow(event_id, type=event_type, result=result, ttl=now + RETENTION_SECONDS).save()


_UNKNOWN_PURCHASE = "unknown_purchase"
OTHER_ACCOUNT = "other_account"  # the result for a payment that is not on its purchase's account
ON_ACCOUNT = "on_account"  # the result for a payment that only the owner of the account can return


class EventResult(Struct, frozen=True):
    """The result in one word, the purchase afterwards, and whether anything changed.

    `purchase` is null if the purchase is not ours, does not exist or was not needed.
    """

    result: str
    purchase: Purchase | None = None
    changed: bool = False


def apply_payment_by_id(provider: str, provider_id: str, account: str | None, now: int) -> EventResult:
    """Fetch a payment (a Payment Intent or a Checkout Session) from its account and apply it to its purchase."""
    return _apply_fetched(payments.external_provider(provider).fetch_payment_by_id(provider_id, account), now)


def _apply_fetched(provider_payment: ProviderPayment, now: int) -> EventResult:
    if not _is_ours(provider_payment) or provider_payment.purchase_id is None:
        return EventResult("not_ours")
    purchase = queries.load_purchase(provider_payment.purchase_id)
    if purchase is not None and purchase.account == provider_payment.account:
        ledger_entries.record_decline(purchase, provider_payment, now)
    return apply_payment(purchase, provider_payment, now)


def apply_payment(purchase: Purchase | None, provider_payment: ProviderPayment, now: int) -> EventResult:
    """Apply one of our payments to its purchase.

    If the purchase does not exist (None), refund the money, or open a finding if the purchase was made in another region's store or the
    money is on a promoter's account. In a stage with a standby, first rebuild what the other region has lost (docs/regions.md). A payment
    that is not on its purchase's account changes nothing, because promoters can write the metadata of any purchase on payments of their own
    accounts. If the checkout of the purchase is lost, money on the account of the event's promoter becomes a finding.
    """
    if settings.current().regions and provider_payment.is_paid:
        if purchase is None:
            purchase = _rebuild(provider_payment, now)
        else:
            purchase = store.retry_on_conflict(purchase, lambda current: _with_lost_payment(current, provider_payment, now))
    if purchase is None:
        return _refund_unknown_payment(provider_payment, now)
    if purchase.account != provider_payment.account:
        logger.warning("payment.other_account", purchase_id=purchase.id, account=provider_payment.account)
        is_lost = purchase.payment is None and _open_account_finding(purchase.id, purchase.event_id, provider_payment, now)
        return EventResult(ON_ACCOUNT if is_lost else OTHER_ACCOUNT, purchase)
    return store.retry_on_conflict(purchase, lambda current: _apply_payment(current, provider_payment, now))


def may_pay_for(purchase: Purchase, provider_payment: ProviderPayment) -> bool:
    """Return whether a payment can be the lost payment of a purchase.

    Promoters can write anything on payments of their own accounts. Therefore the payment must be on the account on which payments for the
    event are opened, its amount must be the price, and the operator must get the fee. On the operator's account, only we open payments,
    and a payment of a different amount is refunded.
    """
    account = provider_payment.account
    if account is None:
        return True
    expected = _lost_payment(purchase, provider_payment)
    fee_cents = payments.application_fee(expected.amount_cents, expected.currency, purchase.charged_ticket_count)
    is_charged = account == catalog.snapshot().charged_account_id(purchase.event_id)
    return is_charged and provider_payment.matches(expected) and provider_payment.fee_cents == fee_cents


def find_lost_purchase(provider_payment: ProviderPayment) -> Purchase | None:
    """Return the purchase that a payment of another region names, as an expired purchase that is not stored.

    Returns None if the payment does not say what was bought, or may not pay for it.
    """
    current, bought = catalog.snapshot(), provider_payment.bought
    event = current.events.get(bought.event_id) if bought is not None else None
    if bought is None or event is None or not ids.is_new_id(bought.purchase_id):
        return None
    lines = []
    for tier_id, quantity, price_cents in read_bought(bought.lines):
        tier = current.tiers.get(tier_id)
        if tier is None or (tier.event_id, tier.currency) != (event.id, provider_payment.currency):
            return None
        if provider_payment.account is not None and price_cents != tier.price_cents:
            return None  # a promoter might name a low price to lower the operator's fee
        lines.append(replace(LineItem.for_tier(tier, quantity, catalog.effective_tax(event, tier)), price_cents=price_cents))
    if not lines:
        return None
    created_at = provider_payment.created
    purchase = Purchase(
        id=bought.purchase_id,
        user_id=bought.user_id,
        event_id=event.id,
        state="expired",
        version=1,
        lines=lines,
        currency=provider_payment.currency,
        created_at=created_at,
        expires_at=created_at,
        ended_at=created_at,
        pass_id=bought.pass_id or None,
    ).with_terms(event)
    return replace(purchase, payment=_lost_payment(purchase, provider_payment)) if may_pay_for(purchase, provider_payment) else None


def _rebuild(provider_payment: ProviderPayment, now: int) -> Purchase | None:
    """Write the purchase of a payment again, as one that has expired, so that its tickets are issued if they can still be held.

    Its tickets get the ids and codes that they had (`tickets.signature.derive_code`). Returns None if `find_lost_purchase` does.
    """
    rebuilt = find_lost_purchase(provider_payment)
    if rebuilt is None:
        return None
    if not store.insert(rebuilt):
        return queries.load_purchase(rebuilt.id)
    logger.warning("purchase.rebuilt", purchase_id=rebuilt.id, event_id=rebuilt.event_id, at=now)
    return rebuilt


def _with_lost_payment(purchase: Purchase, provider_payment: ProviderPayment, now: int) -> Purchase:
    """Return a purchase with the payment that its checkout has opened, if the checkout was lost and the payment may pay for the purchase.

    A purchase that has ended without a checkout stays in its state, in which its tickets are issued if they can be held again.
    """
    if purchase.payment is not None or not may_pay_for(purchase, provider_payment):
        return purchase
    payment, state = _lost_payment(purchase, provider_payment), purchase.state
    return store.save(purchase, replace(purchase, state="paying" if state == "held" else state, payment=payment, checkout_at=now))


def _lost_payment(purchase: Purchase, provider_payment: ProviderPayment) -> Payment:
    event = catalog.snapshot().events.get(purchase.event_id)
    account, returns_fee = provider_payment.account, settings.current().application_fee_refunds == "on"
    return Payment(
        provider_payment.provider,
        "open",
        purchase.total_cents,
        purchase.currency,
        provider_id=provider_payment.id,
        connected=ConnectedAccount(account, provider_payment.fee_cents, returns_fee) if account is not None else None,
        seller_id=event.promoter_id if event is not None else None,
    )


def apply_refund(provider_refund: ProviderRefund, now: int) -> EventResult:
    """Apply a refund to its purchase, whether we created the refund or it is external."""
    purchase = _find_purchase(provider_refund)
    if purchase is None:
        return EventResult("not_ours")
    after = purchase
    if provider_refund.payment_intent_id is not None:
        if provider_refund.payment_intent_id not in purchase.payment_intent_ids:
            after = _apply_payment_of(provider_refund, purchase, now)
        # A payment that was refunded in full before it was applied gets no tickets and no ledger entries, so its refund gets no entry.
        if provider_refund.payment_intent_id in after.payment_intent_ids:
            after = record_refund(after, provider_refund, now)
    return EventResult(f"refund_{provider_refund.status}", after, after.version != purchase.version)


def apply_dispute(provider_dispute: ProviderDispute, now: int) -> EventResult:
    """Apply a dispute to its purchase. If the purchase does not have the disputed payment yet, apply that payment first."""
    purchase = _find_purchase(provider_dispute)
    if purchase is None or provider_dispute.payment_intent_id is None:
        return EventResult("not_ours")
    settles_first = transitions.action_for(purchase.state, "dispute_opened") == "settle_first"
    if settles_first or provider_dispute.payment_intent_id not in purchase.payment_intent_ids:
        purchase = _apply_payment_of(provider_dispute, purchase, now)
    if provider_dispute.status is None:
        return EventResult("inquiry", purchase)  # an inquiry takes no money
    after = disputes.record_dispute(purchase, provider_dispute, now)
    return EventResult(f"dispute_{provider_dispute.status}", after, after.version != purchase.version)


def _apply_payment(purchase: Purchase, provider_payment: ProviderPayment, now: int) -> EventResult:
    provider_payment = _hosted_page_of(purchase, provider_payment)
    match transitions.action_for(purchase.state, transitions.classify_payment(purchase, provider_payment)):
        case "issue" | "reissue_or_refund" | "refund":
            settled = settlement.settle_payment(purchase, provider_payment, now)
            return EventResult(settled.purchase.state, settled.purchase, not settled.repeated)
        case "end":
            cancelled = settlement.cancel_purchase(purchase, "cancelled", now)
            return EventResult(cancelled.outcome, cancelled.purchase, cancelled.outcome in ("ended", "paid"))
    after = _end_if_expired(purchase, now)
    return EventResult(after.state, after, after.version != purchase.version)


def _end_if_expired(purchase: Purchase, now: int) -> Purchase:
    """End an expired, unpaid purchase, for example after the bank has declined. Otherwise the sweep might end it only hours later."""
    if purchase.state != "paying":
        return purchase
    try:
        return hold_recovery.expire_purchase(purchase, now)
    except PaymentNotCompleted:  # the bank is still deciding
        return purchase


def _hosted_page_of(purchase: Purchase, provider_payment: ProviderPayment) -> ProviderPayment:
    """Return the hosted page of the purchase if `provider_payment` is its Payment Intent; otherwise `provider_payment` itself."""
    payment = purchase.payment
    if payment is None or payment.payment_intent_id is not None or payment.provider_id in (None, provider_payment.id):
        return provider_payment
    if not provider_payment.is_paid and purchase.state != "paying":
        return provider_payment
    page = payments.fetch_payment(payment)
    return page if page.payment_intent_id == provider_payment.payment_intent_id else provider_payment


def _is_ours(provider_object: ProviderPayment | ProviderRefund | ProviderDispute | ReturnedFee) -> bool:
    """Return whether the object belongs to this stage of this shop. Several stages and shops may share one account at the provider."""
    return provider_object.namespace == settings.current().provider_namespace


def _find_purchase(provider_object: ProviderRefund | ProviderDispute | ReturnedFee) -> Purchase | None:
    """Return the purchase of a refund, a dispute or a returned fee.

    Returns None if the purchase does not exist, belongs to another stage or shop, or has its payments on another account.
    """
    if provider_object.purchase_id is None or not _is_ours(provider_object):
        return None
    purchase = queries.load_purchase(provider_object.purchase_id)
    return purchase if purchase is not None and purchase.account == provider_object.account else None


def _apply_payment_of(provider_object: ProviderRefund | ProviderDispute | ReturnedFee, purchase: Purchase, now: int) -> Purchase:
    """Return the purchase after applying the payment of a refund, dispute or returned fee that came before the payment's events."""
    payment_intent_id = provider_object.payment_intent_id
    assert payment_intent_id is not None  # the caller has checked
    applied = apply_payment_by_id(provider_object.provider, payment_intent_id, provider_object.account, now)
    return applied.purchase or purchase


def _refund_unknown_payment(provider_payment: ProviderPayment, now: int) -> EventResult:
    """Refund money for a purchase that does not exist, because it was never written or was deleted long ago.

    If the purchase was made in another region, the store there may have issued its tickets, so a finding leaves the decision to a person.
    Money on the account of the event's promoter gets a finding too; other payments on promoters' accounts are not ours. If the refund
    fails, a finding shows the payment to the admins. Otherwise, the ledger entries are written from the provider's data. If the process
    crashes in between, the repeated call writes these entries.
    """
    purchase_id, event_id = provider_payment.purchase_id, provider_payment.event_id
    provider, payment_intent_id = provider_payment.provider, provider_payment.payment_intent_id
    if not provider_payment.amount_received or payment_intent_id is None or purchase_id is None or event_id is None:
        return EventResult("unknown")
    amount = provider_payment.net_received
    about = {"event_id": event_id, "provider": provider, "capture": payment_intent_id}
    details = {**about, "amount_cents": amount, "currency": provider_payment.currency}
    if provider_payment.account is not None:
        return EventResult(ON_ACCOUNT if _open_account_finding(purchase_id, event_id, provider_payment, now) else "not_ours")
    if is_from_other_region(provider_payment):
        if not provider_payment.is_paid:
            return EventResult("not_ours")
        found = {**details, "region": provider_payment.region}
        money_cases.open_finding(purchase_id, f"{_UNKNOWN_PURCHASE}-{payment_intent_id}", now, found)
        return EventResult("other_region")
    refund = None
    if provider_payment.is_paid:
        refund = payments.create_refund(
            provider,
            purchase_id,
            _UNKNOWN_PURCHASE,
            1,
            payment_intent_id,
            amount,
            provider_payment.currency,
            None,
            returns_fee=False,
            check_existing=True,
        )
    if refund is not None and refund.status == "failed":
        money_cases.open_finding(purchase_id, f"{_UNKNOWN_PURCHASE}-{payment_intent_id}", now, {**details, "failure": refund.failure})
        return EventResult("refund_failed")
    if refund is not None:
        log.count("payments_unknown")
        logger.warning("payment.unknown", purchase_id=purchase_id, refund=refund.id, extra=details)
    entries: list[tuple[EntryKind, str, int]] = [("captured", payment_intent_id, provider_payment.amount_received)]
    refunds = [
        refund
        for refund in payments.external_provider(provider).list_refunds_of_payment(payment_intent_id, None)
        if refund.status != "failed"
    ]
    entries += [("refunded", str(refund.id), refund.amount_cents) for refund in refunds]
    for kind, reference, cents in entries:
        ledger.record_entry(
            event_id=event_id,
            purchase_id=purchase_id,
            kind=kind,
            reference=reference,
            amount=cents,
            currency=provider_payment.currency,
            provider=provider,
            now=now,
        )
    return EventResult("refunded", None, refund is not None)


def is_from_other_region(provider_payment: ProviderPayment) -> bool:
    """Return whether the payment's purchase was made in a region in which this stage does not sell."""
    return provider_payment.region not in (None, settings.current().region, *settings.current().other_regions)


def _open_account_finding(purchase_id: str, event_id: str, provider_payment: ProviderPayment, now: int) -> bool:
    """Open a finding about money on an account of the event's promoter. Returns whether there is such money."""
    owner = catalog.snapshot().event_account(event_id)
    if not provider_payment.is_paid or owner is None or provider_payment.account not in owner.all_ids:
        return False
    details = {
        "event_id": event_id,
        "provider": provider_payment.provider,
        "capture": provider_payment.payment_intent_id,
        "amount_cents": provider_payment.net_received,
        "currency": provider_payment.currency,
        "account": provider_payment.account,
    }
    money_cases.open_finding(purchase_id, f"{_UNKNOWN_PURCHASE}-{provider_payment.payment_intent_id}", now, details)
    return True


# The payment provider's webhook: check the signature, skip processed events, and process the others.
#
# The content of an event is never trusted. An event is only a reason to fetch its object from the provider.


class SignatureRefused(ApiError):
    code: ClassVar[str] = "signature_refused"
    status: ClassVar[int] = 400
    default_message: ClassVar[str] = "The signature is older than five minutes or was not made with the webhook's signing secret."

    @classmethod
    def for_provider(cls, provider: ProviderDescription) -> Self:
        """Return the refusal for a webhook of this provider, with the name of the setting to check."""
        problem = cls.default_message
        if provider.signature_parameter is not None:
            problem = f"The parameter `{provider.signature_parameter}` of the address is missing or wrong, or the body names no payment."
        return cls(f"{problem} Check {settings.PREFIX}{provider.name.upper()}_WEBHOOK_SECRETS.")


def handle_webhook(provider: ProviderName, body: bytes, signature: str, now: int) -> str:
    """Process one event from an external provider, in any order and any number of times. Returns the result in one word.

    Raises SignatureRefused. After any other exception, the provider sends the event again, so no event is lost.
    """
    external = payments.external_provider(provider)
    event = external.verify_event(body, signature, now)
    if event is None:
        log.count("webhooks_refused")
        logger.warning("webhook.refused")
        raise SignatureRefused.for_provider(external.DESCRIPTION)
    return process_event(event, now).result


def select_unprocessed(events: Sequence[ProviderEvent]) -> list[ProviderEvent]:
    """Return which of these events, at most 100, are ours and were never processed. Takes one round trip."""
    our_events = {event.id: event for event in events if not _is_foreign(event)}
    processed = select_processed(our_events)
    return [event for event_id, event in our_events.items() if event_id not in processed]


def process_event(event: ProviderEvent, now: int) -> EventResult:
    """Process an event from a verified source: a signed webhook, or the provider's own list of events."""
    if event.subject is None:
        return EventResult("ignored")
    if _is_foreign(event):
        return EventResult("not_ours")
    if event.id and is_processed(event.id):
        return EventResult("seen")
    result = _apply(event, now)
    # Record the event last: after a crash, the provider sends the event again, and processing it twice is safe.
    if event.id:
        record_processed(event.id, event.type, result.result, now)
    log.count("webhooks")
    logger.info("webhook.taken", event=event.id, kind=event.type, result=result.result)
    return result


def _is_foreign(event: ProviderEvent) -> bool:
    """Return whether the event is about a payment that belongs to another stage, or to another shop on the same account.

    Disputes and external refunds carry no metadata; only their payment does. They count as ours until they are fetched.
    """
    is_ours = event.namespace == settings.current().provider_namespace
    return not is_ours and (event.carries_metadata or event.namespace is not None)


def _apply(event: ProviderEvent, now: int) -> EventResult:
    match event.subject:
        case "refund":
            refund = payments.external_provider(event.provider).find_refund(event.object_id, event.account)
            return apply_refund(refund, now) if refund is not None else EventResult("not_ours")
        case "dispute":
            return apply_dispute(payments.external_provider(event.provider).fetch_dispute(event.object_id, event.account), now)
        case "payment_changes":
            return _apply_payment_changes(event, now)
        case "refunds_of_payment":
            return _apply_refunds_of_payment(event, now)
        case "account":
            return _follow_account(event, now)
        case "fee":
            return _apply_returned_fees(event, now)
        case _:
            return _result_without_fetch(event) or apply_payment_by_id(event.provider, event.object_id, event.account, now)


def _follow_account(event: ProviderEvent, now: int) -> EventResult:
    """Pause the events of a promoter whose account can no longer take payments, or resume the events once the account can."""
    accounts = catalog.load_current().accounts.values()
    known = next((account for account in accounts if event.account is not None and account.id == event.account), None)
    if known is None:
        return EventResult("not_ours")
    takes_payments = payments.takes_payments(event.provider, known.id)
    after = event_states.record_account(known, takes_payments=takes_payments, actor="fairgate", now=now)
    return EventResult(f"account_{after.state}" if after is not None else "not_ours", None, after != known)


def _result_without_fetch(event: ProviderEvent) -> EventResult | None:
    """Return the result of an event whose payment we already know, to save a provider call.

    Returns None if the payment must be fetched.
    """
    purchase = queries.load_purchase(str(event.purchase_id))
    payment = purchase.payment if purchase is not None else None
    is_known = payment is not None and event.object_id in (payment.provider_id, payment.payment_intent_id)
    if purchase is not None and payment is not None and is_known and payment.account == event.account:
        if purchase.is_order and payment.payment_intent_id is not None:
            return EventResult(purchase.state, purchase)
        if purchase.state in ("expired", "cancelled") and event.object_status in ("canceled", "expired"):
            return EventResult(purchase.state, purchase)  # we cancelled the payment ourselves
    return EventResult("waiting") if event.object_status == "requires_action" else None


def _apply_payment_changes(event: ProviderEvent, now: int) -> EventResult:
    """Apply a payment, then its refunds and disputes. Returns the first result that changed the purchase, or else the payment's result."""
    changes = payments.find_payment_changes(event.provider, event.object_id)
    if changes is None:
        return EventResult("not_ours")
    results = [_apply_fetched(changes.payment, now)]
    results += [apply_refund(refund, now) for refund in changes.refunds]
    results += [apply_dispute(dispute, now) for dispute in changes.disputes]
    return next((result for result in results if result.changed), results[0])


def _apply_refunds_of_payment(event: ProviderEvent, now: int) -> EventResult:
    if event.payment_intent_id is None:
        return EventResult("not_ours")
    refunds = payments.external_provider(event.provider).list_refunds_of_payment(event.payment_intent_id, event.account)
    results = [apply_refund(refund, now) for refund in refunds]
    changed = next((result for result in results if result.changed), None)
    return changed or (results[0] if results else EventResult("not_ours"))


def _apply_returned_fees(event: ProviderEvent, now: int) -> EventResult:
    """Record the parts of a fee that the operator gave back by hand. Parts that refunds gave back are recorded with the refunds."""
    fees = payments.list_returned_fees(event.provider, event.object_id)
    purchase = _find_purchase(fees[0]) if fees else None  # all of them belong to one payment
    if purchase is None:
        return EventResult("not_ours" if fees else "with_refund")
    if fees[0].payment_intent_id not in purchase.payment_intent_ids:
        purchase = _apply_payment_of(fees[0], purchase, now)
    # A payment that was refunded in full before it was applied has no entries.
    is_recorded = fees[0].payment_intent_id in purchase.payment_intent_ids
    is_new = [ledger_entries.record_returned_fee(purchase, fee, now) for fee in fees if is_recorded]
    return EventResult("fee_returned", purchase, any(is_new))


# Bank statements: the event's managers record their rows. The order number in the text of a transfer identifies the purchase.

StatementResult = Literal["recorded", "known", "no_order", "several_orders", "no_refund", "too_many", "failed"]


class StatementRow(Struct, frozen=True):
    """A transfer on the promoter's bank account on a day (`2026-11-27`), with its text. The amount is negative for money that left."""

    text: str
    amount_cents: int
    day: str


def apply_statement(event_id: str, rows: Sequence[StatementRow], by: str, now: int) -> list[tuple[StatementResult, Purchase | None]]:
    """Apply a bank statement to the event's purchases. Returns the result of each row, and its purchase afterwards.

    Money that arrived pays for the purchase (`settlement.record_transfer`). Money that left completes a due refund of this amount. A
    repeated call with the same rows changes nothing: transfers with the same day, amount and purchase are numbered in the order of the
    rows. If this version cannot read or save a purchase, its rows have `failed`, and the other rows are applied.
    """
    ids = {order_key(purchase_id): purchase_id for purchase_id in store.list_bank_transfers(event_id)}
    named = [[ids[key] for key in find_order_keys(row.text, ids)] for row in rows]
    loaded, unreadable = store.load_readable({purchase_id for purchase_ids in named for purchase_id in purchase_ids})
    purchases = {found.id: found for found in loaded.values() if found is not None}
    results: list[tuple[StatementResult, Purchase | None]] = []
    counts = Counter[str]()
    for row, purchase_ids in zip(rows, named, strict=True):
        if len(purchase_ids) == 1 and purchase_ids[0] in unreadable:
            results.append(("failed", None))
            continue
        purchase = purchases.get(purchase_ids[0]) if len(purchase_ids) == 1 else None
        if purchase is None:
            results.append(("several_orders" if len(purchase_ids) > 1 else "no_order", None))
            continue
        transfer_id = f"{row.day}-{row.amount_cents}".replace("--", "-out-")
        counts[f"{purchase.id}#{transfer_id}"] += 1
        transfer = BankTransfer(f"{transfer_id}-{counts[f'{purchase.id}#{transfer_id}']}", abs(row.amount_cents))
        try:
            result, purchases[purchase.id] = _apply_transfer(purchase, transfer, by, now, has_arrived=row.amount_cents > 0)
        except store.PurchaseInconsistent:
            logger.exception("transfer.not_recorded", purchase_id=purchase.id)
            result = "failed"
        results.append((result, purchases[purchase.id]))
    return results


def _apply_transfer(
    purchase: Purchase, transfer: BankTransfer, by: str, now: int, *, has_arrived: bool
) -> tuple[StatementResult, Purchase]:
    if purchase.knows_transfer(transfer.id):
        return "known", purchase
    refund = None if has_arrived else purchase.find_due_refund(transfer.amount_cents)
    if not has_arrived and refund is None:
        return "no_refund", purchase
    if has_arrived and not purchase.keeps_more_transfers:
        return "too_many", purchase
    details = {"transfer": transfer.id, "amount_cents": transfer.amount_cents}
    entry = audit.entry_item(f"order#{purchase.id}", "bank_transfer.recorded", by, now, details, event_id=purchase.event_id)
    if refund is None:
        return "recorded", store.retry_on_conflict(purchase, lambda current: settlement.record_transfer(current, transfer, entry, now))
    paid_back = refunds_at_provider.refund_report(refund, transfer.id, "succeeded")
    after = refunds_at_provider.record_status(purchase, refund.id, paid_back, now, [entry])
    if after.knows_transfer(transfer.id):
        return "recorded", after
    return _apply_transfer(after, transfer, by, now, has_arrived=has_arrived)  # somebody else has just recorded this refund
