"""The page that takes the payment: our own page with a Payment Element, or the provider's hosted page, which sends the buyer back to us."""

import re
from collections import Counter
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.edge.languages import DEFAULT, Language, load_words
from chalicelib.foundation import money, settings
from chalicelib.foundation.errors import InvalidInput
from chalicelib.payments import service as payments
from chalicelib.payments.model import CheckoutPage, CheckoutPageItem, Payment, ProviderName
from chalicelib.purchases.errors import ReturnAddressRefused
from chalicelib.purchases.model import CheckoutDetails, LineItem, Purchase

MAX_URL_LENGTH = 2048
# We close a hosted page when the hold ends. If that fails, the page closes by itself about half an hour later. It cannot close earlier,
# because the provider refuses a page that would be open for less than MIN_PAGE_SECONDS, and a page may be opened until the hold ends.
MIN_PAGE_SECONDS = 30 * 60
MAX_PAGE_SECONDS = 24 * 3600
CLOCK_SKEW_SECONDS = 60


class PageWords(Struct, frozen=True, forbid_unknown_fields=True):
    fee: str


_WORDS = load_words("checkout", PageWords)

# Printable ASCII without a backslash: browsers parse such a URL as we do, and the provider accepts it.
_SAFE_URL = re.compile(r"[\x21-\x5b\x5d-\x7e]+")


class SentDetails(Struct, frozen=True):
    """Unchecked answers that a buyer sent with a checkout, by question.

    `responses` are the answers for the whole purchase. `by_ticket` has the answers for each ticket.
    """

    responses: dict[str, Any] = {}
    by_ticket: list[dict[str, Any]] = []


class CheckoutOptions(Struct, frozen=True, kw_only=True):
    """How the buyer wants to pay, and the details that the buyer sent.

    A null `provider` means the default provider, a null `page` means the page that the tiers' prices are set up for, and a null
    `promo_code` means no promo code. `language` is the language of emails about the order. `accepted_terms` is the id of a legal text.
    """

    provider: ProviderName | None = None
    page: Literal["own", "hosted", "either"] | None = None
    success_url: str | None = None
    cancel_url: str | None = None
    promo_code: str | None = None
    language: Language | None = None
    accepted_terms: str | None = None
    details: CheckoutDetails = CheckoutDetails()
    sent: SentDetails | None = None  # unchecked answers, not yet in `details`


def choose_page(purchase: Purchase, payment: Payment, options: CheckoutOptions) -> Payment:
    """Return the payment, with return addresses if the hosted page takes the payment. Raises ReturnAddressRefused.

    With `own`, our own page takes the payment. With `either`, our own page takes it if the shop has one. Otherwise, the hosted page takes
    the payment if the buyer chooses `hosted` or sends a `success_url`, or if all tiers have prices at the provider and the setting
    `checkout_origins` gives an address to return to. A provider that our page does not support always uses its hosted page. A payment with
    calculated taxes needs our own page: raises InvalidInput if the buyer chooses the hosted page.
    """
    urls = [(name, url) for name, url in (("success_url", options.success_url), ("cancel_url", options.cancel_url)) if url is not None]
    for name, url in urls:
        if not url.startswith(("https://", "http://")) or len(url) > MAX_URL_LENGTH:
            message = f"`{name}` must begin with https:// or http:// and have at most {MAX_URL_LENGTH} characters."
            raise ReturnAddressRefused(message, path=f"$.{name}")
    if not payments.is_external(payment.provider):
        return payment  # a free or simulated payment has no page
    origins = [origin.strip().rstrip("/").lower() for origin in settings.current().checkout_origins.split(",") if origin.strip()]
    for name, url in urls:
        if not _is_allowed(url, origins):
            message = f"`{name}` must point to one of the shop's own origins; FAIRGATE_CHECKOUT_ORIGINS lists them."
            raise ReturnAddressRefused(message, path=f"$.{name}", origins=origins)
    is_requested = options.page == "hosted" or options.success_url is not None
    supports_own_page = payments.supports_own_page(payment.provider)
    is_default = not supports_own_page or (bool(origins) and all(line.stripe_price_id for line in purchase.lines))
    is_own = supports_own_page and (options.page == "own" or (options.page == "either" and payments.has_own_page(payment.provider)))
    if payment.tax_place is not None and not is_own and (is_requested or options.page == "either"):
        message = "The taxes of this event are calculated only for payments on the shop's own page. Send `own` as `page`."
        raise InvalidInput(message, path="$.page", rule="automatic_tax_own_page")
    if is_own or payment.tax_place is not None or not (is_requested or is_default):
        return payment
    if options.success_url is None and not origins:
        raise ReturnAddressRefused("Send `success_url`, the address to return to. This shop has no default address.", path="$.success_url")
    success_url = options.success_url or f"{origins[0]}/?checkout_id={purchase.id}"
    return replace(payment, success_url=success_url, cancel_url=options.cancel_url)


def page_content(purchase: Purchase, payment: Payment, email: str | None) -> CheckoutPage | None:
    """Return the content of the hosted page. Returns None if our own page takes the payment."""
    if payment.success_url is None:
        return None
    items = [item for line in purchase.lines for item in _page_items(purchase, line, with_price_ids=payment.account is None)]
    return CheckoutPage(items, payment.success_url, payment.cancel_url, _expires_at(purchase), email)


def _page_items(purchase: Purchase, line: LineItem, *, with_price_ids: bool) -> list[CheckoutPageItem]:
    """Return an item of the page for each distinct ticket price of a line. Discounted tickets have our price, not the provider's price.

    The provider's prices belong to the operator's account. Pass `with_price_ids=False` for pages of promoters' accounts.
    """
    return [
        CheckoutPageItem(
            line.tier_name,
            quantity,
            price,
            line.stripe_price_id if with_price_ids and price == line.price_cents else None,
            _fee_note(purchase, line, price),
        )
        for price, quantity in Counter(line.ticket_prices).items()
    ]


def _fee_note(purchase: Purchase, line: LineItem, price_cents: int) -> str | None:
    """Return the words for the fee in the price of one ticket, as on the shop's pages. Returns None if there is no fee."""
    fee_cents = line.included_fee.included_in(price_cents) if line.included_fee is not None else 0
    amount = f"{purchase.currency} {money.amount_text(fee_cents, purchase.currency)}"
    return _WORDS[purchase.language or DEFAULT].fee.format(amount=amount) if fee_cents else None


def _expires_at(purchase: Purchase) -> int | None:
    """Return when the hosted page closes by itself, in epoch seconds. Repeated calls return the same time.

    Returns None if the page closes at the provider's default time, after a day.
    """
    closes_at = purchase.expires_at + MIN_PAGE_SECONDS + CLOCK_SKEW_SECONDS
    return closes_at if closes_at <= (purchase.checkout_at or 0) + MAX_PAGE_SECONDS - CLOCK_SKEW_SECONDS else None


def _is_allowed(url: str, origins: list[str]) -> bool:
    """Return whether the URL starts with one of the origins, and its host is that origin's host, not a longer one."""
    is_within = any(url == origin or url.startswith((f"{origin}/", f"{origin}?", f"{origin}#")) for origin in origins)
    return is_within and _SAFE_URL.fullmatch(url) is not None
