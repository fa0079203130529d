"""Convert the products and prices of a Stripe account to a bootstrap file: a product becomes an event, a price a ticket type.

Values that Stripe does not have, such as the date of an event, come from the product's metadata or from defaults. The operator fills in
the rest.
"""

import re
from collections.abc import Container, Iterable
from typing import Any

from msgspec import Struct

from chalicelib.bootstrap_file.validation import Tree
from chalicelib.foundation import secret_settings, settings
from chalicelib.payments.providers.stripe import check_key
from chalicelib.payments.providers.stripe_mapping import from_stripe

PAGE = 100
# Keys of a product's metadata that become fields; the others stay metadata of the event.
EVENT_KEYS = ("event", "date", "venue", "timezone")
CAPACITY_KEYS = ("capacity", "max_quantity", "quantity")
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9._-]+")


class ImportDefaults(Struct, frozen=True):
    """Values for products whose metadata lacks them: `date` and `venue` as in the file, `capacity` per ticket type."""

    date: str | None = None
    venue: str | None = None
    capacity: int | None = None


class StripeImport(Struct, frozen=True):
    """A bootstrap document, and the reasons why some prices are not in it."""

    tree: Tree
    skipped: list[str]


class AccountUnreadable(Exception):
    """Stripe did not respond, or refused the key."""


def load_prices() -> list[Any]:
    """Load all active prices of the account with their products. Raises SettingsError without a usable key, and AccountUnreadable."""
    import stripe  # slow to import, and only this command needs it

    key = secret_settings.optional_secret("stripe_api_key")
    if not key:
        raise settings.SettingsError("FAIRGATE_STRIPE_API_KEY is not set; set it to a key of the account to import from")
    check_key(key)
    base = settings.current().stripe_api_base
    client = stripe.StripeClient(key, base_addresses={"api": base} if base else {})
    try:
        prices = client.v1.prices.list({"active": True, "expand": ["data.product"], "limit": PAGE})
        return [price.to_dict() for price in prices.auto_paging_iter()]
    except stripe.APIConnectionError:  # its text names the HTTP library and a support address
        raise AccountUnreadable(f"Stripe does not respond at {base or stripe.DEFAULT_API_BASE}. Check the network and try again.") from None
    except stripe.StripeError as error:
        raise AccountUnreadable(f"Stripe refused to list the prices: {error}. Check the key and try again.") from None


def to_document(prices: Iterable[Any], stage: str, defaults: ImportDefaults) -> StripeImport:
    """Convert prices to a document, oldest first. Products with the same `event` in their metadata become one event."""
    events: Tree = {}
    event_ids: dict[str, str] = {}  # by name
    tickets: Tree = {}
    skipped = []
    for price in sorted(prices, key=lambda price: (price["created"], price["id"])):
        if reason := _reason_to_skip(price):
            skipped.append(f"{price['id']} ({price['product'].get('name', 'a deleted product')}): {reason}")
            continue
        product = price["product"]
        name = (product["metadata"].get("event") or product["name"]).strip().lower()
        event_id = event_ids.setdefault(name, _free_id(name, events, product["id"]))
        events.setdefault(event_id, _event(event_id, product, defaults))
        ticket_id = _free_id(price["lookup_key"] or price["id"], tickets, price["id"])
        tickets[ticket_id] = _ticket(ticket_id, event_id, price, stage, defaults)
    return StripeImport({"version": "imported from Stripe", "events": events, "ticket_types": tickets}, skipped)


def _reason_to_skip(price: Any) -> str | None:
    if price["product"].get("deleted") or not price["product"].get("active"):
        return "its product is archived"
    if price["type"] != "one_time":
        return "it is a subscription"
    if price["unit_amount"] is None:
        return "it has no fixed amount in whole cents"
    return None


def _event(event_id: str, product: Any, defaults: ImportDefaults) -> Tree:
    metadata = product["metadata"]
    kept = {key: value for key, value in metadata.items() if key not in (*EVENT_KEYS, *CAPACITY_KEYS)}
    known = {"description": product["description"], "image_url": next(iter(product["images"]), None), "timezone": metadata.get("timezone")}
    fields = {"date": metadata.get("date") or defaults.date, "venue": metadata.get("venue") or defaults.venue}
    return {
        "id": event_id,
        "name": metadata.get("event") or product["name"],
        **_without_none(fields),
        "metadata": {**kept, **_without_none(known)},
    }


def _ticket(ticket_id: str, event_id: str, price: Any, stage: str, defaults: ImportDefaults) -> Tree:
    product = price["product"]
    stated = next((product["metadata"][key] for key in CAPACITY_KEYS if key in product["metadata"]), "")
    return {
        "id": ticket_id,
        "event_id": event_id,
        "name": price["nickname"] or product["name"],
        "price_cents": from_stripe(price["unit_amount"], price["currency"]),
        "currency": price["currency"].upper(),
        "stripe_price_id": {stage: price["id"]},
        **_without_none({"max_quantity": int(stated) if stated.isdecimal() else defaults.capacity}),
    }


def _without_none(fields: Tree) -> Tree:
    return {name: value for name, value in fields.items() if value is not None}


def _free_id(text: str, taken: Container[str], otherwise: str) -> str:
    """Return an id made from a text. Returns `otherwise` if the id is taken, or if the text has no letters or digits that ids may have."""
    free_id = _NOT_IN_IDS.sub("-", text).strip("-._")[:100]
    return otherwise if not free_id or free_id in taken else free_id
