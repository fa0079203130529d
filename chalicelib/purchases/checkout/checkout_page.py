"""Which page takes the money: ours, with a Payment Element, or the provider's own, and where that one sends the buyer afterwards."""

import re
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import settings
from chalicelib.payments.model import CheckoutPage, CheckoutPageItem, Payment, ProviderName
from chalicelib.purchases.record.errors import ReturnAddressRefused
from chalicelib.purchases.record.model import Purchase

MAX_URL_LENGTH = 2048
# A hosted page is expired when its hold ends. Should that not be possible, it goes by itself at the first moment the provider allows.
MIN_PAGE_SECONDS = 30 * 60
MAX_PAGE_SECONDS = 24 * 3600
CLOCK_SKEW_SECONDS = 60

# Printable ASCII without a backslash: nothing that a browser reads otherwise than we do, and nothing that the provider refuses.
_ADDRESS = re.compile(r"[\x21-\x5b\x5d-\x7e]+")


class CheckoutOptions(Struct, frozen=True, kw_only=True):
    """How the buyer wants to pay. A silent one pays at the usual provider, and there on the page that the tiers are made for."""

    provider: ProviderName | None = None
    page: Literal["own", "hosted"] | None = None
    success_url: str | None = None
    cancel_url: str | None = None
    checkout_details: dict[str, Any] = {}


def choose_page(purchase: Purchase, payment: Payment, options: CheckoutOptions) -> Payment:
    """The payment with the hosted page's way back, if it is to be one; raises ReturnAddressRefused.

    The hosted page is for who asks for it, by name or by saying where to return to, and for tiers that the provider has prices of.
    """
    named = [
        (name, address)
        for name, address in (("success_url", options.success_url), ("cancel_url", options.cancel_url))
        if address is not None
    ]
    for name, address in named:
        if not address.startswith(("https://", "http://")) or len(address) > MAX_URL_LENGTH:
            message = f"`{name}` must be an address of the web, of {MAX_URL_LENGTH} characters at most."
            raise ReturnAddressRefused(message, path=f"$.{name}")
    if payment.provider != "stripe":
        return payment  # nobody is sent anywhere
    origins = [origin.strip().rstrip("/").lower() for origin in settings.current().checkout_origins.split(",") if origin.strip()]
    for name, address in named:
        if not _is_allowed(address, origins):
            raise ReturnAddressRefused(f"`{name}` must lead to one of the shop's own origins.", path=f"$.{name}", origins=origins)
    wanted = options.page == "hosted" or options.success_url is not None
    usual = bool(origins) and all(line.stripe_price_id for line in purchase.lines)
    if options.page == "own" or not (wanted or usual):
        return payment
    if options.success_url is None and not origins:
        raise ReturnAddressRefused("Say where to return to: this shop has no address of its own.", path="$.success_url")
    back = options.success_url or f"{origins[0]}/?checkout_id={purchase.id}"
    return replace(payment, success_url=back, cancel_url=options.cancel_url)


def page_content(purchase: Purchase, payment: Payment) -> CheckoutPage | None:
    """What the hosted page shows; None for a payment in our own page."""
    if payment.success_url is None:
        return None
    items = [CheckoutPageItem(line.tier_name, line.quantity, line.price_cents, line.stripe_price_id) for line in purchase.lines]
    return CheckoutPage(items, payment.success_url, payment.cancel_url, _expires_at(purchase))


def _expires_at(purchase: Purchase) -> int | None:
    """Made of the purchase alone, so that a repeated call says the same; None leaves it to the provider, which says a day."""
    until = purchase.expires_at + MIN_PAGE_SECONDS + CLOCK_SKEW_SECONDS
    return until if until <= (purchase.checkout_at or 0) + MAX_PAGE_SECONDS - CLOCK_SKEW_SECONDS else None


def _is_allowed(address: str, origins: list[str]) -> bool:
    """Whether it begins with one of the origins, letter for letter, and the host ends there."""
    within = any(address == one or address.startswith((f"{one}/", f"{one}?", f"{one}#")) for one in origins)
    return within and _ADDRESS.fullmatch(address) is not None
