"""The stand-in for Stripe inside a local run, where nobody gave a key of Stripe's: cards are taken by the code that runs in production."""

import os
from pathlib import Path

from chalicelib import settings
from chalicelib.catalog.model import Catalog
from devtools.stripe.fake import FakeStripe
from infra.local.data import DataError, DataFolder
from infra.local.environment import SetupError

PORT = 12111
WEBHOOKS = "/api/v1/webhooks/stripe"


def wanted() -> bool:
    """No key is given, and play money may be here. Raises SetupError for an address of a stand-in without the key that it takes."""
    if _given("STRIPE_API_KEY"):
        return False
    if _given("STRIPE_API_BASE"):
        raise SetupError(f"{settings.PREFIX}STRIPE_API_BASE is of use with {settings.PREFIX}STRIPE_API_KEY only: set both, or neither.")
    return _given("STAGE") != "prod"


def prepare(folder: DataFolder, origin: str, port: int) -> FakeStripe:
    """A stand-in that this process's settings lead to; it serves, and sends webhooks to `origin`, once it is entered.

    It keeps its data and its port in the folder; `port` is where it tries to be the first time (0: anywhere).
    """
    fake = _bound(folder, port)
    secrets = _given("STRIPE_WEBHOOK_SECRETS") or fake.webhook_secret
    fake.add_webhook_endpoint(f"{origin}{WEBHOOKS}", secret=secrets.split(",")[0].strip(), name="make run")
    chosen = {
        "STRIPE_API_KEY": fake.api_key,
        "STRIPE_API_BASE": fake.url,
        "STRIPE_WEBHOOK_SECRETS": secrets,
        "STRIPE_PUBLISHABLE_KEY": _given("STRIPE_PUBLISHABLE_KEY") or fake.publishable_key,
        # Who knows nothing of the stand-in goes on paying by saying how it ends.
        "PAYMENT_PROVIDER": _given("PAYMENT_PROVIDER") or "simulated",
    }
    os.environ.update({settings.PREFIX + name: value for name, value in chosen.items()})
    return fake


def add_prices(fake: FakeStripe, catalog: Catalog) -> None:
    """The prices that tiers name, which at Stripe somebody makes in the dashboard."""
    for tier in catalog.tiers.values():
        if tier.stripe_price_id:
            fake.add_price(tier.stripe_price_id, unit_amount=tier.price_cents, currency=tier.currency, name=tier.name)


def _bound(folder: DataFolder, port: int) -> FakeStripe:
    """Where it was the last time, if that is free: addresses of its pages are out in the world."""
    file = folder.stripe / "port.json"
    for tried in dict.fromkeys((*_remembered(file), port, 0)):
        try:
            fake = FakeStripe(port=tried, journal=folder.stripe / "journal.jsonl", webhook_delivery="automatic")
        except OSError as error:
            failure = error
            continue
        folder.write_private("stripe/port.json", fake.port)
        return fake
    raise DataError(f"The stand-in for Stripe cannot start with {folder.stripe}: {failure.strerror}.")


def _remembered(file: Path) -> list[int]:
    text = file.read_text().strip() if file.exists() else ""
    return [int(text)] if text.isdecimal() and int(text) <= 65_535 else []


def _given(name: str) -> str:
    return os.environ.get(settings.PREFIX + name, "")
