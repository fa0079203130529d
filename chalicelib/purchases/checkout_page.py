"""The page that takes the money: our own with a Payment Element, or the provider's hosted page, which sends the buyer back to us."""

import re
from collections import Counter
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.edge.languages import Language
from chalicelib.foundation import settings
from chalicelib.payments import service as payments
from chalicelib.payments.model import CheckoutPage, CheckoutPageItem, Payment, ProviderName
from chalicelib.purchases.errors import ReturnAddressRefused
from chalicelib.purchases.model import CheckoutDetails, LineItem, Purchase

MAX_URL_LENGTH = 2048
# A hosted page is closed when its hold ends. If that fails, it closes by itself at the first moment that the provider allows.
MIN_PAGE_SECONDS = 30 * 60
MAX_PAGE_SECONDS = 24 * 3600
CLOCK_SKEW_SECONDS = 60

# Printable ASCII without a backslash: browsers read it as we do, and the provider accepts it.
_SAFE_URL = re.compile(r"[\x21-\x5b\x5d-\x7e]+")


class SentDetails(Struct, frozen=True):
    """What a buyer has sent along with a checkout, not yet compared with what is asked: by question, and for each ticket by question."""

    responses: dict[str, Any] = {}
    by_ticket: list[dict[str, Any]] = []


class CheckoutOptions(Struct, frozen=True, kw_only=True):
    """How the buyer wants to pay. Null: at the default provider, on the page that the tiers' prices are set up for, without a code.

    `language` is the one for mails about the order."""

    provider: ProviderName | None = None
    page: Literal["own", "hosted", "either"] | None = None
    success_url: str | None = None
    cancel_url: str | None = None
    promo_code: str | None = None
    language: Language | None = None
    details: CheckoutDetails = CheckoutDetails()
    sent: SentDetails | None = None  # answers that `details` does not have yet


def choose_page(purchase: Purchase, payment: Payment, options: CheckoutOptions) -> Payment:
    """The payment, with the address that the hosted page returns to if the hosted page takes it. Raises ReturnAddressRefused.

    The hosted page takes it if the buyer asks for that page or names a return address, or if all tiers have prices at the provider. With
    `either` it takes it where our own page cannot, and of a provider that has no other page it takes all.
    """
    urls = [(name, url) for name, url in (("success_url", options.success_url), ("cancel_url", options.cancel_url)) if url is not None]
    for name, url in urls:
        if not url.startswith(("https://", "http://")) or len(url) > MAX_URL_LENGTH:
            message = f"`{name}` must begin with https:// or http:// and have at most {MAX_URL_LENGTH} characters."
            raise ReturnAddressRefused(message, path=f"$.{name}")
    if not payments.is_external(payment.provider):
        return payment  # there is no page
    origins = [origin.strip().rstrip("/").lower() for origin in settings.current().checkout_origins.split(",") if origin.strip()]
    for name, url in urls:
        if not _is_allowed(url, origins):
            message = f"`{name}` must point to one of the shop's own origins; FAIRGATE_CHECKOUT_ORIGINS lists them."
            raise ReturnAddressRefused(message, path=f"$.{name}", origins=origins)
    is_requested = options.page == "hosted" or options.success_url is not None
    takes_own_page = payments.external_provider(payment.provider).takes_own_page()
    is_default = not takes_own_page or (bool(origins) and all(line.stripe_price_id for line in purchase.lines))
    is_own = takes_own_page and (options.page == "own" or (options.page == "either" and payments.has_own_page()))
    if is_own or not (is_requested or is_default):
        return payment
    if options.success_url is None and not origins:
        raise ReturnAddressRefused("Send `success_url`, the address to return to. This shop has no default address.", path="$.success_url")
    success_url = options.success_url or f"{origins[0]}/?checkout_id={purchase.id}"
    return replace(payment, success_url=success_url, cancel_url=options.cancel_url)


def page_content(purchase: Purchase, payment: Payment) -> CheckoutPage | None:
    """What the hosted page shows; None if our own page takes the payment."""
    if payment.success_url is None:
        return None
    items = [item for line in purchase.lines for item in _page_items(line)]
    return CheckoutPage(items, payment.success_url, payment.cancel_url, _expires_at(purchase))


def _page_items(line: LineItem) -> list[CheckoutPageItem]:
    """A line of the page for each price of the tickets. Those with a discount have a price of ours, not the provider's."""
    return [
        CheckoutPageItem(line.tier_name, quantity, price, line.stripe_price_id if price == line.price_cents else None)
        for price, quantity in Counter(line.ticket_prices).items()
    ]


def _expires_at(purchase: Purchase) -> int | None:
    """When the hosted page closes at the latest, the same for repeated calls; None leaves it to the provider, which takes a day."""
    closes_at = purchase.expires_at + MIN_PAGE_SECONDS + CLOCK_SKEW_SECONDS
    return closes_at if closes_at <= (purchase.checkout_at or 0) + MAX_PAGE_SECONDS - CLOCK_SKEW_SECONDS else None


def _is_allowed(url: str, origins: list[str]) -> bool:
    """Whether the URL begins with one of the origins, letter for letter, and its host ends there."""
    is_within = any(url == origin or url.startswith((f"{origin}/", f"{origin}?", f"{origin}#")) for origin in origins)
    return is_within and _SAFE_URL.fullmatch(url) is not None
