"""Mollie: payments on its hosted page, refunds and chargebacks. The errors of its official client are converted to our errors.

Mollie's webhooks are not signed and only name a payment. Therefore they go to an address that only Mollie knows, and the current state of
the payment is fetched with our key. A call that creates something carries an idempotency key, which Mollie remembers for a limited
time; refunds may be repeated days later, so they are also looked up first.

Refunds and chargebacks can only be fetched with the id of their payment. Our ids for them are therefore `<payment id>-<id>`.
"""

import hmac
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlencode

import msgspec

from chalicelib.foundation import clock, deadline, effects, ids, log, money, secret_settings, settings
from chalicelib.foundation.deadline import DeadlineExceeded
from chalicelib.foundation.log import logger
from chalicelib.foundation.memory import Memory
from chalicelib.foundation.settings import SettingsError
from chalicelib.payments.model import (
    PATIENT_SECONDS,
    CheckoutPage,
    Payment,
    PaymentChanges,
    PaymentMetadata,
    PayoutPage,
    PriceMismatch,
    ProviderDescription,
    ProviderDispute,
    ProviderEvent,
    ProviderPayment,
    ProviderRefund,
    ProviderUnavailable,
    TooManyCalls,
    find_bought,
    list_cursors,
    repeat_refused,
)

if TYPE_CHECKING:
    from mollie.api.client import Client

Json = dict[str, Any]
T = TypeVar("T")

ListName = Literal["payments", "refunds", "chargebacks"]

PARAMETER = "token"  # of the webhook's address
DESCRIPTION = ProviderDescription(name="mollie", title="Mollie", signature_parameter=PARAMETER)

MAX_PAGE_SIZE = 250  # Mollie's maximum
KEPT_SECONDS = 600  # less than the time between two runs of the reconciliation
CURSOR_PAGES = 20  # a list can be continued after so many pages
MAX_DESCRIPTION = 255
CONNECT_SECONDS = 2
READ_SECONDS = 6
STORE_SECONDS = 2  # reserved after a call, to store Mollie's answer or the fact that there was no answer
MIN_READ_SECONDS = 1.5  # with less time for the answer, no call is started

_BODY = re.compile(rb"id=(tr_[A-Za-z0-9]{1,64})")
_KEY = re.compile(r"(live|test)_\w+", re.ASCII)  # the client's error about a key of any other form would contain the key
_EMBED: Json = {"embed": "refunds,chargebacks"}
_EMBED_PAYMENT: Json = {"embed": "payment"}
# A payment that failed cannot be tried again. An `authorized` payment is charged later.
_PAYMENT_STATUS = {
    "open": "requires_payment_method",
    "pending": "processing",
    "authorized": "processing",
    "paid": "succeeded",
    "canceled": "canceled",
    "expired": "canceled",
    "failed": "canceled",
}
_REFUND_STATUS: dict[str, Literal["pending", "succeeded", "failed"]] = {"refunded": "succeeded", "failed": "failed", "canceled": "failed"}


def is_offered() -> bool:
    """Whether an API key of Mollie is set up."""
    return bool(secret_settings.optional_secret("mollie_api_key"))


def call_rate() -> int:
    return settings.current().mollie_call_rate


def endpoint_rate() -> int:
    return call_rate()  # Mollie states no limits for its endpoints


def check_setup() -> None:
    """Refuse a live key outside production, a test key in production, and a stage whose webhooks could not arrive. Raises SettingsError."""
    key, stage = secret_settings.optional_secret("mollie_api_key"), settings.current().stage
    if not _KEY.fullmatch(key):
        raise SettingsError("FAIRGATE_MOLLIE_API_KEY: must be test_ or live_ followed by letters and digits.")
    if key.startswith("live_") and stage != settings.PRODUCTION:
        raise SettingsError(f"FAIRGATE_MOLLIE_API_KEY: a live key takes real money; stage {stage} needs a test key (test_...).")
    if not key.startswith("live_") and stage == settings.PRODUCTION:
        raise SettingsError(f"FAIRGATE_MOLLIE_API_KEY: a test key takes no money; stage {stage} needs a live key (live_...).")
    if not settings.current().mollie_webhook_url:
        raise SettingsError("FAIRGATE_MOLLIE_WEBHOOK_URL: must be set, because Mollie reports each payment to this address.")
    if any(len(secret) < secret_settings.MIN_SECRET_LENGTH for secret in _webhook_secrets() or [""]):
        raise SettingsError(
            f"FAIRGATE_MOLLIE_WEBHOOK_SECRETS: must be set, each secret with {secret_settings.MIN_SECRET_LENGTH} characters or more."
        )


# Payments.


def open_payment(payment: Payment, metadata: PaymentMetadata, page: CheckoutPage | None) -> ProviderPayment:
    """Create a payment on Mollie's page. We cannot choose when the page closes. Raises PriceMismatch if Mollie refuses the payment."""
    from mollie.api.error import ResponseError

    assert page is not None  # there is no page of our own
    current = settings.current()
    params: Json = {
        "amount": _amount(payment.amount_cents, payment.currency),
        "description": ", ".join(f"{item.quantity} x {item.name}" for item in page.items)[:MAX_DESCRIPTION],
        "redirectUrl": page.success_url,
        "webhookUrl": _webhook_url(),
        # The namespace identifies the shop, because several shops may share one account, and the region identifies the store.
        "metadata": {**msgspec.to_builtins(metadata), "namespace": current.provider_namespace, "region": current.region},
        **({"cancelUrl": page.cancel_url} if page.cancel_url else {}),
    }
    # Each payment of a purchase has its own key, so that a new payment never gets a replaced payment's key.
    key = _idempotency_key(f"payment{payment.number}", metadata.purchase_id, params)
    try:
        return _convert_payment(_call(lambda api: api.payments.create(params, key), changes=True))
    except ResponseError as error:
        logger.exception("mollie.opening_refused", status=error.status, field=error.field)
        raise PriceMismatch() from error


def cancel_payment(payment: Payment) -> ProviderPayment | None:
    """Cancel a payment if its method allows that. Returns None on success, or the payment if it was paid or may still be paid.

    A payment that cannot be cancelled closes by itself, usually after 15 minutes, and Mollie reports that to the webhook.
    """
    from mollie.api.error import ResponseError

    provider_id = payment.provider_id
    if provider_id is None:
        return None
    try:
        _call(lambda api: api.payments.delete(provider_id), changes=True)
    except ResponseError:
        current = fetch_payment_by_id(provider_id, None)  # already paid or closed, or it cannot be cancelled
        return None if current.is_closed else current
    return None


def fetch_payment_by_id(provider_id: str, account: str | None) -> ProviderPayment:
    return _convert_payment(_fetch_payment(provider_id))


def find_payment_by_id(provider_id: str, account: str | None) -> ProviderPayment | None:
    changes = find_payment_changes(provider_id)
    return None if changes is None else changes.payment


def find_payment_changes(provider_id: str) -> PaymentChanges | None:
    """Fetch a payment with its refunds and chargebacks in one call. Returns None if Mollie has no such payment."""
    from mollie.api.error import NotFoundError

    try:
        payment = _fetch_payment(provider_id)
    except NotFoundError:
        return None
    refunds = [_convert_refund(refund, payment) for refund in _embedded(payment, "refunds")]
    disputes = [_convert_chargeback(chargeback, payment) for chargeback in _embedded(payment, "chargebacks")]
    return PaymentChanges(_convert_payment(payment), refunds, disputes)


def list_payments(since: int, until: int, account: str | None) -> Iterator[ProviderPayment]:
    return _list_created("payments", _convert_payment, since, until)


# Refunds.


def create_refund(
    purchase_id: str,
    refund_id: str,
    attempt: int,
    payment_intent_id: str,
    amount: int,
    currency: str,
    account: str | None,
    *,
    returns_fee: bool,
) -> ProviderRefund:
    """Refund an amount of a payment, once per attempt. If Mollie refuses, the refund is `failed` and has no id."""
    from mollie.api.error import ResponseError

    try:
        payment = _fetch_payment(payment_intent_id)
        existing = [_convert_refund(refund, payment) for refund in _embedded(payment, "refunds")]
        if found := next((refund for refund in existing if (refund.refund_id, refund.attempt) == (refund_id, attempt)), None):
            return found
        params: Json = {
            "amount": _amount(amount, currency),
            "metadata": {
                "purchase_id": purchase_id,
                "refund_id": refund_id,
                "attempt": str(attempt),
                "namespace": settings.current().provider_namespace,
            },
        }
        key = _idempotency_key("refund", purchase_id, params)
        return _convert_refund(
            _call(lambda api: _payment_object(api, payment_intent_id).refunds.create(params, key), changes=True), payment
        )
    except ResponseError as error:
        logger.warning("mollie.refund_refused", purchase_id=purchase_id, refund_id=refund_id, status=error.status, field=error.field)
        failure = error.field or "refused"
        return ProviderRefund.refused("mollie", refund_id, attempt, payment_intent_id, amount, account, failure)


def list_refunds_of_payment(payment_intent_id: str, account: str | None) -> list[ProviderRefund]:
    payment = _fetch_payment(payment_intent_id)
    return [_convert_refund(refund, payment) for refund in _embedded(payment, "refunds")]


def find_refund(provider_id: str, account: str | None) -> ProviderRefund | None:
    from mollie.api.error import NotFoundError

    payment_id, refund_id = _split(provider_id)
    try:
        refund = _call(lambda api: _payment_object(api, payment_id).refunds.get(refund_id, **_EMBED_PAYMENT))
    except NotFoundError:
        return None
    return _convert_refund(refund, _payment_of(refund))


def list_refunds(since: int, until: int, account: str | None) -> Iterator[ProviderRefund]:
    return _list_created("refunds", lambda refund: _convert_refund(refund, _payment_of(refund)), since, until, **_EMBED_PAYMENT)


# Chargebacks.


def fetch_dispute(provider_id: str, account: str | None) -> ProviderDispute:
    payment_id, chargeback_id = _split(provider_id)
    chargeback = _call(lambda api: _payment_object(api, payment_id).chargebacks.get(chargeback_id, **_EMBED_PAYMENT))
    return _convert_chargeback(chargeback, _payment_of(chargeback))


def list_disputes(since: int, until: int, account: str | None) -> Iterator[ProviderDispute]:
    return _list_created("chargebacks", lambda found: _convert_chargeback(found, _payment_of(found)), since, until, **_EMBED_PAYMENT)


# Events and payouts.


def verify_event(body: bytes, signature: str, now: int) -> ProviderEvent | None:
    """Return the event of a webhook that came to the address of one of our payments. Otherwise returns None, without a call to Mollie.

    `signature` is the token in the address.
    """
    match = _BODY.fullmatch(body)
    is_known = [hmac.compare_digest(_token(secret).encode(), signature.encode()) for secret in _webhook_secrets()]
    if match is None or not any(is_known):
        return None
    return ProviderEvent(
        provider="mollie",
        id="",
        type="payment",
        subject="payment_changes",
        object_id=match[1].decode(),
        object_status=None,
        namespace=None,
        carries_metadata=False,
        purchase_id=None,
        payment_intent_id=match[1].decode(),
    )


def list_events(since: int, until: int, account: str | None) -> Iterator[ProviderEvent]:
    """Yield nothing: Mollie keeps no events."""
    return iter(())


def list_payouts(limit: int, after: str | None, account: str | None) -> PayoutPage:
    """Return no payouts: Mollie shows its settlements only to organizations, and not to API keys."""
    return PayoutPage([], None)


def _webhook_url() -> str:
    return f"{settings.current().mollie_webhook_url}?{urlencode({PARAMETER: _token(_webhook_secrets()[0])})}"


def _webhook_secrets() -> list[str]:
    return [part.strip() for part in secret_settings.optional_secret("mollie_webhook_secrets").split(",") if part.strip()]


def _token(secret: str) -> str:
    """Return the token in the address. The address is stored at Mollie and may be logged on its way, so it does not contain the secret."""
    return hmac.digest(secret.encode(), b"fairgate webhooks of mollie", "sha256").hex()


# Conversion of Mollie's objects. Amounts are text in major units.


def _convert_payment(payment: Json) -> ProviderPayment:
    metadata = _metadata(payment)
    cents, currency = _cents(payment["amount"]), payment["amount"]["currency"]
    refunds = [refund for refund in _embedded(payment, "refunds") if _REFUND_STATUS.get(refund["status"]) != "failed"]
    refunded = sum(_cents(refund["amount"]) for refund in refunds) if "_embedded" in payment else _cents(payment.get("amountRefunded"))
    return ProviderPayment(
        provider="mollie",
        id=payment["id"],
        status=_PAYMENT_STATUS.get(payment["status"], "processing"),
        amount=cents,
        amount_received=cents if payment["status"] == "paid" else 0,
        amount_refunded=refunded,
        currency=currency,
        created=_created(payment),
        payment_intent_id=payment["id"],
        namespace=metadata.get("namespace"),
        region=metadata.get("region"),
        purchase_id=ids.find_id(metadata, "purchase_id"),
        event_id=ids.find_id(metadata, "event_id"),
        bought=find_bought(metadata),
        url=((payment.get("_links") or {}).get("checkout") or {}).get("href"),
    )


def _convert_refund(refund: Json, payment: Json) -> ProviderRefund:
    """Convert a refund. A refund made in Mollie's dashboard has no metadata of ours, so the metadata comes from the payment."""
    metadata = _metadata(refund)
    owner = metadata if "purchase_id" in metadata else _metadata(payment)
    attempt = str(metadata.get("attempt", "0"))
    status = _REFUND_STATUS.get(refund["status"], "pending")
    return ProviderRefund(
        provider="mollie",
        id=f"{payment['id']}-{refund['id']}",
        status=status,
        amount_cents=_cents(refund["amount"]),
        currency=refund["amount"]["currency"],
        payment_intent_id=payment["id"],
        refund_id=metadata.get("refund_id"),
        attempt=int(attempt) if attempt.isdecimal() else 0,
        namespace=owner.get("namespace"),
        purchase_id=ids.find_id(owner, "purchase_id"),
        failure=refund["status"] if status == "failed" else None,
    )


def _convert_chargeback(chargeback: Json, payment: Json) -> ProviderDispute:
    """Convert a chargeback. It has taken the money and cannot be contested through the API, so it is lost unless the bank reverses it."""
    owner = _metadata(payment)
    return ProviderDispute(
        provider="mollie",
        id=f"{payment['id']}-{chargeback['id']}",
        status="lost" if chargeback.get("reversedAt") is None else "won",
        amount_cents=_cents(chargeback["amount"]),
        currency=chargeback["amount"]["currency"],
        payment_intent_id=payment["id"],
        reason=(chargeback.get("reason") or {}).get("code") or "chargeback",
        namespace=owner.get("namespace"),
        purchase_id=ids.find_id(owner, "purchase_id"),
    )


def _payment_of(part: Json) -> Json:
    """Return the payment of a refund or chargeback: the embedded payment if Mollie sent it."""
    embedded: Json | None = (part.get("_embedded") or {}).get("payment")
    return embedded or _fetch_payment(part["paymentId"])


def _embedded(payment: Json, name: str) -> list[Json]:
    """Return the refunds or chargebacks of a fetched payment, newest first."""
    found: list[Json] = (payment.get("_embedded") or {}).get(name) or []
    return found


def _metadata(about: Json) -> Json:
    """Return an object's metadata. People may write any JSON there in Mollie's dashboard."""
    found = about.get("metadata")
    return found if isinstance(found, dict) else {}


def _amount(cents: int, currency: str) -> dict[str, str]:
    return {"currency": currency, "value": money.amount_text(cents, currency)}


def _cents(amount: dict[str, str] | None) -> int:
    """Return an amount in minor units. A chargeback's amount may be negative, because the money leaves the account."""
    return 0 if amount is None else abs(int(Decimal(amount["value"]).scaleb(money.digits(amount["currency"]))))


def _created(about: Json) -> int:
    return clock.epoch_seconds(datetime.fromisoformat(about["createdAt"]))


def _split(provider_id: str) -> list[str]:
    """Return the id of the payment, and the id of its refund or chargeback."""
    return provider_id.split("-", 1)


# The official client and its errors. The client is imported at the first call, to keep it out of cold starts.


def _fetch_payment(provider_id: str) -> Json:
    return _call(lambda api: api.payments.get(provider_id, **_EMBED))


def _payment_object(api: "Client", payment_id: str) -> Any:
    """Return an object of the client for a payment, without fetching the payment: the client uses only its id."""
    from mollie.api.objects.payment import Payment as MolliePayment

    return MolliePayment({"id": payment_id}, api)  # type: ignore[no-untyped-call]


def _list_created(list_name: ListName, convert: Callable[[Json], T], since: int, until: int, **params: Any) -> Iterator[T]:
    """Yield the objects that were created in [since, until), newest first.

    Mollie's lists have the newest object first and no filter. So a run that compares many spans reads each list only once: what a list has
    shown is kept for KEPT_SECONDS, and the next call continues after it. A long list is not read from its beginning again: it is begun at
    the cursor that follows `until`.
    """
    listing = _listings.entries.get(list_name)
    if listing is None or until >= listing.ends_at or clock.now() > listing.began_at + KEPT_SECONDS:
        cursor = min((each for each in list_cursors.entries.get(list_name, []) if each[0] > until), default=None)
        listing = _Listing(list_name, cursor, params)
        _listings.entries[list_name] = listing
    for found in listing.read(lambda page: [(_created(each), convert(each)) for each in page["_embedded"][list_name]]):
        if found[0] < since:
            return
        if found[0] < until:
            yield found[1]


class _Listing:
    """A list of Mollie's that was begun at `began_at`: the objects of its first pages, and how to fetch the next page.

    It has the objects that were created before `ends_at`. Both are epoch seconds.
    """

    def __init__(self, name: ListName, cursor: tuple[int, str] | None, params: Json) -> None:
        self.began_at = clock.now()
        self.ends_at, self._name, self._page_count = cursor[0] if cursor is not None else self.began_at, name, 0
        self._fetch_page: Callable[[], Any] | None = lambda: _first_page(name, cursor, params)
        self._objects: list[tuple[int, Any]] = []  # each with the time when it was created, newest first

    def read(self, convert: Callable[[Any], list[tuple[int, Any]]]) -> Iterator[tuple[int, Any]]:
        """Yield the objects, each with the time when it was created. Fetches further pages only when the caller needs them."""
        position = 0
        while True:
            while position < len(self._objects):
                yield self._objects[position]
                position += 1
            if self._fetch_page is None:
                return
            page = repeat_refused(PATIENT_SECONDS, self._fetch_page)
            objects = convert(page)
            if self._page_count and self._page_count % CURSOR_PAGES == 0 and objects:
                list_cursors.entries.setdefault(self._name, []).append((objects[0][0], page["_embedded"][self._name][0]["id"]))
            self._page_count += 1
            self._objects += objects
            self._fetch_page = (lambda page=page: _call(lambda _: page.get_next())) if page.has_next() else None


_listings: Memory[str, _Listing] = Memory(max_entries=3)


def _first_page(list_name: ListName, cursor: tuple[int, str] | None, params: Json) -> Any:
    from mollie.api.error import ResponseError

    start = {"from": cursor[1]} if cursor is not None else {}
    try:
        return _call(lambda api: getattr(api, list_name).list(limit=MAX_PAGE_SIZE, **start, **params))
    except ResponseError:
        if cursor is None:
            raise
        list_cursors.entries.pop(list_name, None)  # for example, the key belongs to another account now
        return _first_page(list_name, None, params)


def _idempotency_key(purpose: str, purchase_id: str, params: Json) -> str:
    return sha256(f"{purpose} {purchase_id} ".encode() + msgspec.json.encode(params, order="deterministic")).hexdigest()[:32]


def _call(operation: Callable[["Client"], T], *, changes: bool = False) -> T:
    """Call Mollie: run `operation` with the client. `changes` says that the call changes something.

    Raises TooManyCalls above Mollie's rate limit, ProviderUnavailable when Mollie cannot be reached, is overloaded or refuses our key, or
    when too little time is left for the call, and SettingsError. Does not catch the client's ResponseError for other refusals.
    """
    from mollie.api.error import Error, ResponseError

    log.count("mollie_calls")
    log.gauge("mollie_call_budget", call_rate())
    check_setup()
    client = _client(secret_settings.optional_secret("mollie_api_key"), settings.current().mollie_api_base)
    is_counted = False
    try:
        deadline.require(MIN_READ_SECONDS + STORE_SECONDS)
        is_counted = changes and effects.begin()
        return operation(client)
    except ResponseError as error:
        status = error.status or 500
        # A 409 means that another call with the same key, or an equal refund, is in progress, which may still make the change.
        if is_counted and 400 <= status < 500 and status != 409:
            effects.withdraw()
        if status in (401, 403):
            logger.exception("mollie.key_refused")  # nobody can pay until the key is replaced
            raise ProviderUnavailable(setup_error=type(error).__name__) from error
        if status in (409, 429) or status >= 500:
            logger.warning("mollie.unavailable", status=status)
            raise (TooManyCalls if status == 429 else ProviderUnavailable)() from error
        raise
    except Error as error:  # no answer, or an answer that is not Mollie's
        logger.warning("mollie.unavailable", error=type(error).__name__)
        raise ProviderUnavailable() from error
    except DeadlineExceeded as error:
        logger.warning("mollie.no_time_left")
        raise ProviderUnavailable() from error


@lru_cache(maxsize=4)
def _client(key: str, base: str) -> "Client":
    import requests
    from mollie.api.client import Client

    class Session(requests.Session):
        """Connections to Mollie that wait no longer than the request's deadline allows."""

        def request(self, *arguments: Any, **options: Any) -> requests.Response:
            seconds = min(READ_SECONDS, deadline.remaining() - STORE_SECONDS)
            return super().request(*arguments, **{**options, "timeout": (min(CONNECT_SECONDS, seconds), seconds)})

    client = Client(api_endpoint=base)
    client.set_api_key(key)
    client._client = Session()  # the client offers no other way to limit each call
    return client
