"""The fake Stripe of a local run without a Stripe key, so that the same code takes cards as in production."""

import os
from pathlib import Path

from chalicelib.catalog.model import Catalog
from chalicelib.foundation import settings
from chalicelib.payments.providers.stripe_mapping import to_stripe
from devtools.stripe.fake import FakeStripe
from infra.local.data_folder import DataFolder, DataFolderError
from infra.local.environment import SetupError

PORT = 12111
WEBHOOK_PATH = "/api/v1/webhooks/stripe"


def is_needed() -> bool:
    """Whether there is no key and the stage takes no real money. Raises SetupError for an API address without a key."""
    if _variable("STRIPE_API_KEY"):
        return False
    if _variable("STRIPE_API_BASE"):
        raise SetupError(f"{settings.PREFIX}STRIPE_API_BASE works only with {settings.PREFIX}STRIPE_API_KEY: set both, or neither.")
    return _variable("STAGE") != settings.PRODUCTION


def create(folder: DataFolder, origin: str, port: int) -> FakeStripe:
    """Create the fake and point this process's settings to it. It serves, and sends webhooks to `origin`, within a `with` block.

    Its data and its port are kept in the folder. `port` is the port to try the first time; 0 means any free port.
    """
    fake = _create_on_free_port(folder, port)
    webhook_secrets = _variable("STRIPE_WEBHOOK_SECRETS") or fake.webhook_secret
    for connect in (False, True):
        secret = webhook_secrets.split(",")[0].strip()
        fake.add_webhook_endpoint(f"{origin}{WEBHOOK_PATH}", secret=secret, name="make run", connect=connect)
    variables = {
        "STRIPE_API_KEY": fake.api_key,
        "STRIPE_API_BASE": fake.url,
        "STRIPE_WEBHOOK_SECRETS": webhook_secrets,
        "STRIPE_PUBLISHABLE_KEY": _variable("STRIPE_PUBLISHABLE_KEY") or fake.publishable_key,
        # The fake does not have Stripe.js.
        "CHECKOUT_PAGE": _variable("CHECKOUT_PAGE") or "hosted",
        # Clients that do not know about the fake continue to pay with `simulate`.
        "PAYMENT_PROVIDER": _variable("PAYMENT_PROVIDER") or "simulated",
    }
    os.environ.update({settings.PREFIX + name: value for name, value in variables.items()})
    return fake


def add_prices(fake: FakeStripe, catalog: Catalog) -> None:
    """Create the prices that tiers name. At Stripe, people create them in the dashboard."""
    for tier in catalog.tiers.values():
        if tier.stripe_price_id:
            fake.add_price(
                tier.stripe_price_id, unit_amount=to_stripe(tier.price_cents, tier.currency), currency=tier.currency, name=tier.name
            )


def _create_on_free_port(folder: DataFolder, port: int) -> FakeStripe:
    """Start on the port of the last run if it is free, because buyers may still have links to its pages."""
    file = folder.stripe / "port.json"
    for candidate in dict.fromkeys((*_last_port(file), port, 0)):
        try:
            fake = FakeStripe(port=candidate, journal=folder.stripe / "journal.jsonl", webhook_delivery="automatic")
        except OSError as error:
            failure = error
            continue
        folder.write_private("stripe/port.json", fake.port)
        return fake
    reason = f"The fake Stripe cannot start with its data in {folder.stripe}: {failure.strerror}."
    raise DataFolderError(f"{reason} Choose another folder: make run DATA=<folder>")


def _last_port(file: Path) -> list[int]:
    """Return the port of the last run, or None."""
    text = file.read_text().strip() if file.exists() else ""
    return [int(text)] if text.isdecimal() and int(text) <= 65_535 else []


def _variable(name: str) -> str:
    return os.environ.get(settings.PREFIX + name, "")
