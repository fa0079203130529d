"""Checkout of a reservation: apply its promo code, open its payment, and confirm the outcome."""

from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.accounts import profiles
from chalicelib.accounts.model import BankAccount
from chalicelib.catalog import sale_rules
from chalicelib.catalog import service as catalog
from chalicelib.catalog.sale_rules import EventNotOnSale, lacks_account
from chalicelib.dynamodb import dynamo
from chalicelib.edge import rate_limits
from chalicelib.edge.rate_limits import INVALID_CODE
from chalicelib.foundation import log, money, settings
from chalicelib.foundation.errors import ApiError
from chalicelib.foundation.ids import KeyUse
from chalicelib.foundation.log import logger
from chalicelib.foundation.memory import Memory
from chalicelib.foundation.money import TaxAddress
from chalicelib.inventory import service as inventory
from chalicelib.inventory.allocation import HoldRequest
from chalicelib.inventory.model import Hold, NotEnoughTickets, SalePaused, TooManyHolds
from chalicelib.ledger import money_cases
from chalicelib.ledger.money_cases import Case
from chalicelib.payments import service as payments
from chalicelib.payments.model import (
    AmountNotPayable,
    Payment,
    PaymentMetadata,
    PaymentNotCompleted,
    PaymentsUnavailable,
    PriceMismatch,
    ProviderUnavailable,
    SavedCard,
    SimulatedOutcome,
    TaxNotCalculated,
    TaxPlace,
)
from chalicelib.payments.provider_tasks import RETRY_SECONDS, Failure, ProviderTask
from chalicelib.promotions import management
from chalicelib.promotions import service as promotions
from chalicelib.promotions.management import Validation
from chalicelib.promotions.model import (
    INVALID,
    PATH,
    PromoCode,
    PromoCodeBusy,
    PromoCodeFixed,
    PromoCodeInvalid,
    PromoCodeLimitReached,
    PromoCodeMinimumNotReached,
    PromoCodeNotApplicable,
    PromoCodeUsedUp,
    normalize,
    ticket_discounts,
)
from chalicelib.purchases import checkout_page, hold_recovery, holds, ledger_entries, queries, settlement, store
from chalicelib.purchases.answers import with_answers
from chalicelib.purchases.checkout_page import CheckoutOptions
from chalicelib.purchases.errors import NothingForResale, ReservationEnded, refusal_of_ended
from chalicelib.purchases.model import ANY_USES, CheckoutDetails, LineItem, Purchase
from chalicelib.purchases.settlement import SettlementResult
from chalicelib.waiting_room.model import GUEST_PREFIX


class CheckoutRequest(Struct, frozen=True, kw_only=True):
    """A request to open the checkout of the user's reservation `purchase_id`. `now` is in epoch seconds.

    `replace` is set if the buyer returns from the payment to change the checkout: the `options` then replace the earlier options.
    """

    user_id: str
    purchase_id: str
    options: CheckoutOptions
    key: KeyUse
    now: int
    replace: bool = False


class CheckoutResult(Struct, frozen=True):
    """An open checkout.

    `is_new` means that this call opened the checkout. `is_replay` means that an earlier request with the same key opened it and got this
    reply. With an external provider, the buyer pays on our own page with the `client_secret`, or on the hosted page at `url`.
    """

    purchase: Purchase
    is_new: bool
    client_secret: str | None = None
    url: str | None = None
    is_replay: bool = False


def open_checkout(request: CheckoutRequest) -> CheckoutResult:
    """Open the checkout of a reservation (`held -> paying`), then its payment at the provider. A repeated call finishes the work.

    Later calls ignore their options and their key, unless they `replace` the options, because the checkout is already open. A later call
    with the first call's key returns the purchase as the first call left it. Raises IdempotencyConflict; ReservationNotFound, including for
    another user's reservation; ReservationEnded; ReservationConverted or PaymentRefunded if the reservation was paid; EventNotOnSale for a
    cancelled event; SalePaused while the event's promoter is locked; AnswersRequired and InvalidInput for answers to the tiers' questions;
    the refusals of a promo code; ReturnAddressRefused, ProviderNotOffered and PaymentsUnavailable; PaymentNotCompleted while the bank is
    deciding about a payment that must end first; and AmountNotPayable, PriceMismatch and ProviderUnavailable.
    """
    recent = store.take_copy(request.user_id, request.purchase_id, request.now)
    started = _start_recent(recent, request) if recent is not None else None
    if started is not None:
        return _open_payment(started, request.now, is_new=True)
    purchase = queries.get_own_purchase(request.user_id, request.purchase_id)
    return store.retry_on_conflict(purchase, lambda current: _replay(current, request) or _open(current, request))


def confirm(user_id: str, purchase_id: str, simulate: SimulatedOutcome | None, now: int) -> SettlementResult:
    """Confirm a checkout: the purchase is paid and gets its tickets, or its simulated payment fails and the tickets are released.

    A declined payment changes nothing, so that the buyer can pay again while the tickets are held. A repeated call gives the same result.
    Takes three round trips: read the purchase, save it in one transaction, and convert the hold. Each further hold adds one round trip,
    checkout details add one, and an external provider adds one call. Without an external provider, the purchase is not read if this
    instance opened the checkout a moment ago. If a webhook has completed the order, the buyer's first confirm still counts as new and
    records that the buyer has the tickets. Raises CheckoutNotFound, ReservationEnded, SimulationRequired, SimulationRefused,
    PaymentNotCompleted, PaymentRefunded, PaymentsUnavailable and ProviderUnavailable.
    """
    recent = store.take_copy(user_id, purchase_id, now) if simulate != "decline" else None
    resolved = _resolve_recent(recent, simulate, now) if recent is not None else None
    if resolved is not None:
        return resolved
    purchase = queries.get_own_checkout(user_id, purchase_id)
    return store.retry_on_conflict(purchase, lambda current: _confirm(current, simulate, now))


def _replay(purchase: Purchase, request: CheckoutRequest) -> CheckoutResult | None:
    """Return the checkout as the first request with this key left it, whatever has happened since.

    Returns None for any other key. Also returns None if the first request crashed or was refused before it opened the payment: this
    request then continues.
    """
    if purchase.payment is None or not request.key.repeats(purchase.checkout_key, purchase.checkout_at or 0, request.now):
        return None
    opened = replace(purchase, state="paying", payment=replace(purchase.payment, status="open"))
    if not payments.is_external(purchase.payment.provider):
        return CheckoutResult(opened, is_new=False, is_replay=True)
    if purchase.payment.provider_id is None:
        return None
    payment = payments.fetch_payment(purchase.payment)
    return CheckoutResult(opened, False, payment.client_secret, payment.url, is_replay=True)


def _open(purchase: Purchase, request: CheckoutRequest) -> CheckoutResult:
    _require_active(purchase, request.now)
    if purchase.is_being_charged:
        message = "We are charging the card that you saved. You get your tickets in a few minutes, or an email if your bank declines."
        raise PaymentNotCompleted(message, payment_status="processing")
    if purchase.state == "held":
        return _open_payment(_start(purchase, request), request.now, is_new=True)
    if request.replace or _is_replaced(purchase):
        purchase = _replace(purchase, request)
    return _open_payment(purchase, request.now, is_new=False)


def _start_recent(purchase: Purchase, request: CheckoutRequest) -> Purchase | None:
    """Run `_start` on this instance's copy of the purchase. If that fails, returns None, and the caller must read the purchase first."""
    if purchase.state != "held" or purchase.is_being_charged or not purchase.is_active(request.now):
        return None
    with suppress(store.Conflict, ApiError):
        return _start(purchase, request)
    return None


def _replace(purchase: Purchase, request: CheckoutRequest) -> Purchase:
    """Replace the options of a `paying` purchase. It keeps its tickets and its expiry. A different promo code requires a new payment.

    The old payment is first marked as replaced, so that the provider's event about its end does not end the purchase, and then cancelled,
    so that nobody can pay it. Then the new payment is saved. If the old payment has been paid in the meantime, it is settled instead.
    Raises ReservationConverted, PaymentRefunded, PaymentNotCompleted, ProviderUnavailable and what `_start` raises.
    """
    code_text = _chosen_code(purchase, request.options.promo_code)
    details = _complete_details(purchase, request.options)  # refuse wrong answers before anything changes
    if not _is_replaced(purchase) and (normalize(code_text) if code_text is not None else None) == purchase.promo_code:
        changed = replace(
            purchase,
            checkout_at=request.now,
            checkout_key=request.key,
            language=request.options.language,
            accepted_terms=request.options.accepted_terms,
        )
        return _save_with_details(purchase, changed, details)
    _check_event(purchase)
    payment = purchase.payment
    assert payment is not None  # set together with the state
    if code_text is not None and not purchase.needs_code:
        find_code(without_discount(purchase), code_text, request.now)  # refuse a wrong code before the payment is cancelled
    if payment.provider_id is not None:
        if not _is_replaced(purchase):
            purchase = store.save(purchase, replace(purchase, payment=replace(payment, status="replaced")))
        provider_payment = payments.cancel_payment(payment)
        if provider_payment is not None:
            finished = settlement.finish_cancellation(purchase, provider_payment, "cancelled", request.now)
            raise refusal_of_ended(finished.require_decided().purchase)
    return _start(purchase, request)


def _is_replaced(purchase: Purchase) -> bool:
    """Whether the purchase has no payment that can be paid, because the buyer is changing its checkout."""
    return purchase.payment is not None and purchase.payment.status == "replaced"


def _complete_details(purchase: Purchase, options: CheckoutOptions) -> CheckoutDetails:
    return with_answers(options, [(line.tier_id, line.quantity) for line in purchase.lines]).details


def _start(purchase: Purchase, request: CheckoutRequest) -> Purchase:
    """Move the purchase from `held` to `paying`, or give a `paying` purchase a new payment. Hold a use of its promo code, if any.

    Raises Conflict. Before anything is written, also raises EventNotOnSale, SalePaused, ReturnAddressRefused, the refusals of a promo
    code, and what `with_answers`, `new_payment` and `_tax_place` raise.
    """
    options, now = request.options, request.now
    _check_event(purchase)
    details = _complete_details(purchase, options)
    code_text = _chosen_code(purchase, options.promo_code)
    if purchase.needs_code:  # the reservation has checked the code, held a use of it and set the prices
        priced, promo_code = purchase, None
    else:
        full_price = without_discount(purchase)
        promo_code = find_code(full_price, code_text, now) if code_text is not None else None
        priced = with_discount(full_price, promo_code) if promo_code is not None else full_price
    priced = replace(priced, lines=[replace(line, calculated_tax=None) for line in priced.lines])  # calculated for the earlier payment
    event = catalog.snapshot().events.get(purchase.event_id)
    has_automatic_tax = event is not None and sale_rules.has_automatic_tax(catalog.snapshot(), event)
    earlier = purchase.payment
    payment = payments.new_payment(
        priced.total_cents,
        priced.currency,
        options.provider,
        account=_account(purchase),
        ticket_count=priced.charged_ticket_count,
        bank_account=_bank_account(purchase) if options.provider == "bank_transfer" else None,
        has_automatic_tax=has_automatic_tax,
    )
    if has_automatic_tax and payments.is_external(payment.provider):
        payment = replace(payment, tax_place=_tax_place(purchase, payment, now))
    payment = replace(
        checkout_page.choose_page(priced, payment, options),
        number=earlier.number + 1 if earlier is not None else 1,
        customer_id=purchase.saved_card.customer_id if purchase.is_being_charged and purchase.saved_card is not None else None,
        seller_id=event.promoter_id if event is not None else None,
    )
    expires_at = purchase.expires_at + (settings.current().checkout_seconds if earlier is None else 0)
    listed: list[dynamo.TransactItem] = []
    if payment.bank_account is not None:
        expires_at, listed = _transfer_deadline(purchase, now), [store.bank_transfer_item(purchase)]
    paying = replace(
        priced,
        state="paying",
        payment=payment,
        checkout_at=now,
        checkout_key=request.key,
        expires_at=expires_at,
        language=options.language,
        accepted_terms=options.accepted_terms,
    )
    is_same_code = purchase.needs_code or (promo_code is not None and promo_code.code == purchase.promo_code)
    held: list[Hold] = []
    if promo_code is not None and not is_same_code:
        # The purchase is saved under the version that was read before this hold: see `use fence` in docs/protocol.md.
        held = hold_use(purchase, promo_code, expires_at, now)
    paying = replace(paying, promo_holds=purchase.promo_holds if is_same_code else held)
    try:
        saved = _save_with_details(purchase, paying, details, listed)
    except store.Conflict:
        inventory.release_holds(held)
        raise
    inventory.release_holds([] if is_same_code else purchase.promo_holds)  # the earlier code's use; after a crash, recovery releases it
    if expires_at != purchase.expires_at:
        # If the process crashes here, hold recovery extends the holds, because the purchase's `expires_at` decides.
        holds.extend_holds(saved, expires_at)
    logger.info("checkout.opened", purchase_id=purchase.id, event_id=purchase.event_id, provider=payment.provider)
    return saved


def _chosen_code(purchase: Purchase, text: str | None) -> str | None:
    """Return the code of a checkout. A purchase that needs its access code keeps this code. Raises PromoCodeFixed for any other code."""
    if not purchase.needs_code:
        return text
    if text is not None and normalize(text) != purchase.promo_code:
        raise PromoCodeFixed(path=PATH, promo_code=purchase.promo_code)
    return purchase.promo_code


def _account(purchase: Purchase) -> str | None:
    """Return the promoter's account for a payment of the purchase: the account of its earlier payment, or else the event's account.

    Returns None for the operator's account. All payments of a purchase use the same account, which also has its refunds and
    provider events.
    """
    if purchase.payment is not None and payments.is_external(purchase.payment.provider):
        return purchase.account
    return catalog.snapshot().charged_account_id(purchase.event_id)


def _bank_account(purchase: Purchase) -> BankAccount | None:
    """Return the account for a bank transfer. None if the code allows no transfer, or the promoter is unverified or has no account."""
    event = catalog.snapshot().events.get(purchase.event_id)
    if purchase.bank_transfer_days is None or event is None or event.promoter_id is None:
        return None
    promoter = profiles.find_promoter(event.promoter_id)
    return promoter.bank_account if promoter is not None and promoter.state == "verified" else None


def _tax_place(purchase: Purchase, payment: Payment, now: int) -> TaxPlace:
    """Return the place of the event for the calculation of its taxes. Reads an item once per instance, account and address.

    The first payment for an address takes an extra call to the provider and an extra write. Raises TaxNotCalculated if the address is
    incomplete, and what `create_tax_location` raises.
    """
    event = purchase.event_in(catalog.snapshot())
    address = event.tax_address if event is not None else None
    if address is None:
        logger.warning("payment.tax_address_incomplete", purchase_id=purchase.id, event_id=purchase.event_id)
        raise TaxNotCalculated()
    key = payment.account, address
    location_id = _tax_locations.entries.get(key) or catalog.find_tax_location(*key)
    if location_id is None:
        location_id = payments.create_tax_location(payment.provider, address, payment.account)
        catalog.save_tax_location(*key, location_id, now)
    _tax_locations.entries[key] = location_id
    return TaxPlace(location_id, address)


_tax_locations: Memory[tuple[str | None, TaxAddress], str] = Memory()  # by account and address


def _transfer_deadline(purchase: Purchase, now: int) -> int:
    """Return the time until which tickets are held for a bank transfer: the code's number of days, but not past the end of the sale."""
    assert purchase.bank_transfer_days is not None  # the code allows a transfer
    event = purchase.event_in(catalog.snapshot())
    assert event is not None  # `_bank_account` has found it
    return max(purchase.expires_at, min(now + purchase.bank_transfer_days * 86_400, event.last_sale_at))


def _check_event(purchase: Purchase) -> None:
    """Raise EventNotOnSale if the event or the date of a ticket is cancelled, or SalePaused if its promoter is locked or cannot be paid.

    A manager's pause does not affect reservations.
    """
    current = catalog.snapshot()
    event = current.events.get(purchase.event_id)
    if event is not None and current.is_cancelled(event, [line.tier_id for line in purchase.lines]):
        raise EventNotOnSale("cancelled", None)
    if event is not None and event.suspended:
        raise SalePaused()
    if event is not None and purchase.total_cents > 0 and (event.payments_off or lacks_account(current, event)):
        raise SalePaused()


def _save_with_details(before: Purchase, after: Purchase, details: CheckoutDetails, items: Sequence[dynamo.TransactItem] = ()) -> Purchase:
    """Save the purchase with `items` and the buyer's details, which replace the details of an earlier call. Raises Conflict."""
    after = replace(after, has_details=before.has_details or not details.is_empty)
    return store.save(before, after, [*items, *([store.details_item(after, details)] if after.has_details else [])])


def _open_payment(purchase: Purchase, now: int, *, is_new: bool) -> CheckoutResult:
    """Open the payment at its provider, and save the payment's id before the buyer can pay.

    A concurrent cancellation either reads the id and cancels the payment, or changes the purchase first. If the purchase changes first,
    saving the id fails here, and the payment is cancelled before anybody can pay it.
    """
    payment = purchase.payment
    assert payment is not None  # set together with the state
    if payment.provider_id is not None:
        # Do not open the payment again: once the provider has forgotten the idempotency key, the call would create a second payment.
        current = payments.fetch_payment(payment)
        return CheckoutResult(purchase, is_new, current.client_secret, current.url)
    metadata = PaymentMetadata(purchase.id, purchase.event_id, purchase.user_id, purchase.bought_text, purchase.pass_id or "")
    if not settings.current().regions:
        metadata = replace(metadata, lines="", pass_id="")
    lines = purchase.lines
    if payment.tax_place is not None:
        if not purchase.is_being_charged:
            rate_limits.require_billed_call(rate_limits.TAX_CALCULATION, purchase.user_id, now)
        payment, lines = _calculate_taxes(purchase, payment, payment.tax_place, metadata)
    email = store.load_details(purchase).customer_email if payment.success_url is not None else None
    try:
        provider_payment = payments.open_payment(payment, metadata, checkout_page.page_content(purchase, payment, email))
    except AmountNotPayable as refusal:
        if not purchase.discount_cents or refusal.details["reason"] != "amount_too_small":
            raise
        raise PromoCodeMinimumNotReached(promo_code=purchase.promo_code, total_cents=payment.amount_cents) from refusal
    if provider_payment is None:
        store.keep_copy(purchase, now)
        return CheckoutResult(purchase, is_new)
    opened_payment = replace(payment, provider_id=provider_payment.id)
    try:
        entry = ledger_entries.checkout_opened_item(purchase, provider_payment, now)
        saved = store.save(purchase, replace(purchase, payment=opened_payment, lines=lines), [entry])
    except store.Conflict:
        saved = _require_same_payment(purchase, opened_payment, now)
    return CheckoutResult(saved, is_new, provider_payment.client_secret, provider_payment.url)


def _calculate_taxes(purchase: Purchase, payment: Payment, place: TaxPlace, metadata: PaymentMetadata) -> tuple[Payment, list[LineItem]]:
    """Return the payment with the provider's calculation of its taxes, and the lines with their taxes. The prices do not change.

    A repeated call gets the same calculation. Raises what `calculate_taxes` raises. In that case no payment is opened, and the hold stays.
    """
    amounts = [line.total_cents for line in purchase.lines if line.total_cents]
    found = payments.calculate_taxes(payment, metadata, amounts)
    shares = iter(found.shares)
    lines = [replace(line, calculated_tax=next(shares)) if line.total_cents else line for line in purchase.lines]
    return replace(payment, tax_place=replace(place, calculation_id=found.id)), lines


def _require_same_payment(purchase: Purchase, payment: Payment, now: int) -> Purchase:
    """Return the purchase if another execution saved the same payment. Otherwise cancel the payment and raise ReservationEnded."""
    current = queries.get_own_purchase(purchase.user_id, purchase.id)
    if current.payment is not None and current.payment.provider_id == payment.provider_id and current.is_active(now):
        return current
    payments.cancel_payment(payment)
    raise ReservationEnded()


def _confirm(purchase: Purchase, simulate: SimulatedOutcome | None, now: int) -> SettlementResult:
    if purchase.was_order:
        return _confirm_order(purchase, now)
    if purchase.is_declined:
        return SettlementResult(purchase, [], repeated=True)
    if purchase.state == "refunded":
        raise refusal_of_ended(purchase)
    assert purchase.payment is not None  # its checkout was opened
    if payments.is_external(purchase.payment.provider):
        return _confirm_external(purchase, purchase.payment, simulate, now)
    return _resolve(_require_active(purchase, now), purchase.payment, simulate, now)


def _resolve_recent(purchase: Purchase, simulate: SimulatedOutcome | None, now: int) -> SettlementResult | None:
    """Run `_resolve` on this instance's copy of the purchase. If that fails, returns None, and the caller must read the purchase first."""
    if purchase.state != "paying" or purchase.payment is None or not purchase.is_active(now):
        return None
    with suppress(store.Conflict, ApiError):
        return _resolve(purchase, purchase.payment, simulate, now)
    return None


def _resolve(purchase: Purchase, payment: Payment, simulate: SimulatedOutcome | None, now: int) -> SettlementResult:
    """Confirm a free or simulated payment. Raises Conflict; PaymentNotCompleted for `decline`; and what `local_outcome` raises."""
    outcome = payments.local_outcome(payment, simulate)
    assert outcome is not None  # None only for an external provider
    if outcome.status == "captured":
        try:
            return settlement.complete_purchase(purchase, outcome, now, by_buyer=True)
        except NothingForResale:
            raise refusal_of_ended(settlement.cancel_purchase(purchase, "cancelled", now).purchase) from None
    if simulate == "decline":
        ledger_entries.record_simulated_decline(purchase, payment, now)
        _log_decline(purchase)
        raise PaymentNotCompleted(payment_status="requires_payment_method")  # Stripe's status of a payment after a declined card
    ended = settlement.cancel_purchase(purchase, "cancelled", now, outcome)
    _log_decline(purchase)
    return SettlementResult(ended.purchase, [], repeated=False)


def _confirm_external(purchase: Purchase, payment: Payment, simulate: SimulatedOutcome | None, now: int) -> SettlementResult:
    if payment.provider_id is None:
        raise PaymentNotCompleted(payment_status="not_opened")
    payments.local_outcome(payment, simulate)  # raises if the caller sent `simulate`
    provider_payment = payments.fetch_payment(payment)
    if not provider_payment.is_paid:
        _require_active(purchase, now)
        raise PaymentNotCompleted(payment_status=provider_payment.status)
    result = settlement.settle_payment(purchase, provider_payment, now, by_buyer=True)
    if not result.purchase.was_order:
        raise refusal_of_ended(result.purchase)
    return _confirm_order(result.purchase, now) if result.repeated else result


def _confirm_order(purchase: Purchase, now: int) -> SettlementResult:
    """Return the tickets of an order. The buyer's first confirm counts as new, even if a webhook or the sweep completed the order."""
    is_repeated = purchase.confirmed_at is not None
    confirmed = purchase if is_repeated else store.save(purchase, replace(purchase, confirmed_at=now))
    return SettlementResult(confirmed, queries.load_tickets(confirmed), repeated=is_repeated)


def _require_active(purchase: Purchase, now: int) -> Purchase:
    """Return the purchase if it still holds its tickets. Otherwise, end or settle the purchase and raise the refusal."""
    if purchase.is_active(now):
        return purchase
    raise refusal_of_ended(hold_recovery.expire_purchase(purchase, now))


def _log_decline(purchase: Purchase) -> None:
    log.count("payments_failed")
    logger.info("payment.declined", purchase_id=purchase.id, event_id=purchase.event_id)


# Saved cards: the sweep charges an offer to the card that the buyer saved. If that fails, the buyer can pay in another way.


def charge_task(case: Case, purchase: Purchase | None, now: int) -> ProviderTask:
    """Return the task that charges the saved card of a purchase, and closes its case. Each step is safe to repeat after a crash.

    Unlike other tasks, its `ask` also writes to the store, because the payment's id must be saved before the card is charged.
    """

    def ask() -> Purchase:
        if purchase is None:
            raise LookupError(f"the purchase {case.purchase_id} of a saved card cannot be read")
        return store.retry_on_conflict(purchase, lambda current: charge_saved_card(current, now))

    def finish(after: Purchase) -> None:
        if after.state == "held" and after.is_being_charged and after.is_active(now):
            postpone("error")  # the promoter cannot be paid at the moment, or the sweep is about to end the offer of a cancelled event
        else:
            money_cases.close_case(case)

    def postpone(failure: Failure) -> None:
        money_cases.postpone_case(case, now + RETRY_SECONDS[failure])

    card = purchase.saved_card if purchase is not None else None
    return ProviderTask(f"charge {case.purchase_id}", ask, finish, postpone, account=card.account if card is not None else None)


def charge_saved_card(purchase: Purchase, now: int) -> Purchase:
    """Pay an offer with its saved card, in the same steps as any checkout. If that is not possible, the buyer may pay in any other way.

    The payment's id is saved before the card is charged, and a payment takes money only once, so no repeated call charges the card twice.
    Returns the purchase, unchanged if there is nothing left to charge. Raises Conflict, AccountRefused and ProviderUnavailable.
    """
    card = purchase.saved_card
    if card is None or card.method_id is None or not purchase.is_being_charged or not purchase.is_active(now):
        return purchase
    try:
        if purchase.state == "held":
            purchase = _start_charge(purchase, card, now)
        assert purchase.payment is not None  # set together with the state
        if not payments.is_external(purchase.payment.provider):
            simulate: SimulatedOutcome = "decline" if card.method_id == payments.SIMULATED_LATE_DECLINE else "success"
            return _resolve(purchase, purchase.payment, simulate if purchase.payment.amount_cents else None, now).purchase
        purchase = _open_payment(purchase, now, is_new=False).purchase
        assert purchase.payment is not None
        charged = payments.charge_card(purchase.payment, card.method_id)
    except ProviderUnavailable:
        raise
    except (EventNotOnSale, SalePaused):
        return purchase  # the buyer could not pay either
    except ApiError as refusal:
        return _leave_to_buyer(purchase, refusal.code, now)
    if charged.is_paid:
        return settlement.settle_payment(purchase, charged, now).purchase
    if charged.is_closed or charged.status == "processing":
        return purchase  # cancelled in the meantime, or the bank's answer follows as a webhook
    return _leave_to_buyer(purchase, charged.decline_code or charged.status, now)


def _start_charge(purchase: Purchase, card: SavedCard, now: int) -> Purchase:
    """Move the purchase from `held` to `paying`, with a payment by its saved card. Raises what `_start` raises.

    Also raises PaymentsUnavailable if the event's payments now go to another account, and PriceMismatch if the price exceeds the accepted
    amount.
    """
    if _account(purchase) != card.account:
        raise PaymentsUnavailable()
    if purchase.currency != card.currency or purchase.total_cents > card.max_cents:
        raise PriceMismatch()
    options = CheckoutOptions(provider=card.provider, page="own", language=purchase.language)
    return _start(
        purchase, CheckoutRequest(user_id=purchase.user_id, purchase_id=purchase.id, options=options, key=KeyUse("", ""), now=now)
    )


def _leave_to_buyer(purchase: Purchase, reason: str, now: int) -> Purchase:
    """Record that the saved card could not be charged. The buyer then gets the offer's full time again. Raises Conflict."""
    assert purchase.saved_card is not None
    event = purchase.event_in(catalog.snapshot())
    until = now + purchase.expires_at - purchase.created_at
    expires_at = max(purchase.expires_at, until if event is None else min(until, event.last_sale_at))
    payment = purchase.payment
    if payment is not None and payment.provider_id is None:
        payment = replace(payment, customer_id=None)  # the provider may have refused this customer
    card = replace(purchase.saved_card, is_refused=True)
    left = store.save(purchase, replace(purchase, saved_card=card, payment=payment, expires_at=expires_at))
    holds.extend_holds(left, expires_at)
    log.count("saved_cards_refused")
    logger.info("payment.saved_card_refused", purchase_id=purchase.id, event_id=purchase.event_id, reason=reason)
    return left


# The promo code of a purchase: check that the purchase may use the code, apply its discount, and hold one use in the code's stock.


def preview_code(purchase: Purchase, text: str, now: int) -> Purchase:
    """Return the purchase as it would be with this promo code, without holding a use.

    Raises PromoCodeUsedUp, PromoCodeFixed and what `find_code` raises.
    """
    if normalize(_chosen_code(purchase, text) or "") == purchase.promo_code:
        return purchase  # it holds a use
    full_price = without_discount(purchase)
    promo_code = find_code(full_price, text, now)
    if promotions.with_uses(promo_code).uses.available == 0:
        raise PromoCodeUsedUp(promo_code=promo_code.code)
    return with_discount(full_price, promo_code)


def find_code(purchase: Purchase, text: str, now: int) -> PromoCode:
    """Return the promo code with this text if an unpaid purchase may use it. `hold_use` decides whether uses are left.

    The buyer's earlier uses of the code cannot change while the purchase is `held` or `paying`, because a buyer has only one active
    purchase for an event. Raises what `read_code` and `check_code` raise.
    """
    promo_code = read_code(purchase.user_id, purchase.event_id, text, now)
    if purchase.is_resale:
        raise PromoCodeNotApplicable(promo_code=promo_code.code, package_ids=promo_code.package_ids)
    check_code(promo_code, purchase, now)
    return promo_code


def check_code(promo_code: PromoCode, purchase: Purchase, now: int) -> int:
    """Check that a purchase at its full price may use a code.

    Returns how many uses of promo codes the buyer's record has, or ANY_USES if the code does not limit the uses of one person. Raises
    PromoCodeLimitReached and what `PromoCode.check` raises.
    """
    promo_code.check([line.tier_id for line in purchase.lines], purchase.total_cents, purchase.currency, now)
    if promo_code.max_uses_per_donor is None:
        return ANY_USES
    buyer = store.load_buyer(purchase.user_id, purchase.event_id)
    if buyer is not None and promo_code.is_used_up_by(buyer.count_uses(promo_code.code)):
        raise PromoCodeLimitReached(promo_code=promo_code.code, limit=promo_code.max_uses_per_donor)
    return len(buyer.promo_uses) if buyer is not None else 0


def read_code(user_id: str, event_id: str, text: str, now: int) -> PromoCode:
    """Return the event's promo code with this text, even if the code cannot be used now.

    Raises PromoCodeInvalid, and RateLimited if guests have tried too many wrong codes for the event.
    """
    if is_guest := _is_guest(user_id):
        rate_limits.check_guesses(INVALID_CODE, event_id, now)
    promo_code = promotions.find_typed_code(event_id, text)
    if promo_code is None:
        if is_guest:
            rate_limits.count_guess(INVALID_CODE, event_id, now)
        raise PromoCodeInvalid(INVALID, path=PATH)
    return promo_code


def validate_code(event_id: str, code: str, user_id: str | None, now: int) -> Validation:
    """Return whether a code can be used now, and by this user if a user is given. Raises NotFound only if the event is missing.

    Raises RateLimited if guests have tried too many wrong codes for the event.
    """
    if is_guest := _is_guest(user_id):
        rate_limits.check_guesses(INVALID_CODE, event_id, now)
    found = management.validate_code(event_id, code, now)
    if is_guest and found.promo_code is None and found.reason is None:
        rate_limits.count_guess(INVALID_CODE, event_id, now)
    if found.promo_code is not None and user_id is not None and _is_used_up_by(found.promo_code, user_id):
        return Validation(None, "limit_reached")
    return found


def _is_guest(user_id: str | None) -> bool:
    """Whether anybody can get an id like this without an email address. Accounts that began as guests keep their ids, so they count too."""
    return user_id is None or user_id.startswith(GUEST_PREFIX)


def _is_used_up_by(promo_code: PromoCode, user_id: str) -> bool:
    if promo_code.max_uses_per_donor is None:
        return False
    buyer = store.load_buyer(user_id, promo_code.event_id)
    return buyer is not None and promo_code.is_used_up_by(buyer.count_uses(promo_code.code))


def with_discount(purchase: Purchase, promo_code: PromoCode) -> Purchase:
    """Return the purchase with the promo code's discount, split over its tickets. The purchase then costs the discounted total."""
    prices = [price for line in purchase.lines for price in line.ticket_prices]
    # The buyer of a ticket for resale pays what its seller gets back.
    is_included = [promo_code.is_for(line.tier_id) and not line.is_resale for line in purchase.lines for _ in range(line.quantity)]
    discounts = ticket_discounts(promo_code.rule, prices, is_included, money.step(purchase.currency))
    lines, first = [], 0
    for line in purchase.lines:
        lines.append(replace(line, discounts=discounts[first : first + line.quantity]))
        first += line.quantity
    return replace(purchase, lines=lines, promo_code=promo_code.code)


def without_discount(purchase: Purchase) -> Purchase:
    """Return the purchase at its full price, without a promo code."""
    return replace(purchase, lines=[replace(line, discounts=[]) for line in purchase.lines], promo_code=None, promo_holds=[])


def hold_use(purchase: Purchase, promo_code: PromoCode, expires_at: int, now: int, *, is_written: bool = True) -> list[Hold]:
    """Hold a use of the promo code for the purchase. If no use is left, recover expired holds and try again.

    `is_written` is false for a new purchase that the store does not have yet. Raises PromoCodeUsedUp. Raises PromoCodeBusy if too many
    purchases use the code at the same time, and Conflict if an earlier execution of this checkout died while it held a use.
    """
    request = HoldRequest(promo_code.stock_id, promo_code.shards, 1, purchase.id, expires_at, now)
    try:
        return hold_recovery.hold_for_buyer(request, purchase.user_id, purchase if is_written else None)
    except TooManyHolds:
        raise PromoCodeBusy from None
    except NotEnoughTickets:
        raise PromoCodeUsedUp(promo_code=promo_code.code) from None
