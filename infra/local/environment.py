"""What the environment says about a local run: PORT, DATA, RESET and FAIRGATE_<NAME>."""

import os
from hashlib import sha256
from pathlib import Path

import msgspec

from chalicelib import settings
from infra.local.data import Secrets

# What AWS clients insist on having; the local store accepts anything.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}

# Where the client of a store in this process believes it is. Nobody listens there: a call that left the process would fail.
NOWHERE = "http://127.0.0.1:9"

# A local stage trusts its user, unless the environment says otherwise. All of its users share one address.
LOCAL = {"STAGE": "local", "IDENTITY": "demo", "PAYMENT_SIMULATION": "on", "ADDRESS_FACTOR": "10000"}

# What Stripe's own tools call them, so that `make run STRIPE_API_KEY=...` does what it says.
STRIPES_NAMES = {"STRIPE_API_KEY": "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET": "STRIPE_WEBHOOK_SECRETS"}


class SetupError(Exception):
    """The environment asks for something that cannot be; the message says for what."""


class Entries(msgspec.Struct, frozen=True):
    port: int
    data: Path
    reset: bool


def entries() -> Entries:
    for name, ours in STRIPES_NAMES.items():
        if value := os.environ.get(name):
            os.environ.setdefault(settings.PREFIX + ours, value)
    port = os.environ.get("PORT") or "8000"
    if not port.isdecimal() or int(port) > 65_535:
        raise SetupError(f"PORT must be a number from 0 (any free port) to 65535, not {port!r}.")
    reset = os.environ.get("RESET", "")
    if reset not in ("", "0", "1"):
        raise SetupError(f"RESET must be 1 or absent, not {reset!r}.")
    return Entries(int(port), Path(os.environ.get("DATA") or ".data"), reset == "1")


def prepare(kept: Secrets, port: int) -> None:
    """Complete this process's environment; what is there already stays. Raises SettingsError for a malformed setting.

    Buyers who paid come back to `port` of this machine, by either of its names.
    """
    if os.environ.get(f"{settings.PREFIX}STORE_ENDPOINT"):
        raise SetupError(f"`make run` starts its own store; unset {settings.PREFIX}STORE_ENDPOINT.")
    origins = f"http://127.0.0.1:{port},http://localhost:{port}"
    secrets = {"JWT_SECRET": kept.jwt_secret, "TICKET_KEYS": kept.ticket_keys}
    for name, value in {**LOCAL, **secrets, "CHECKOUT_ORIGINS": origins}.items():
        os.environ.setdefault(settings.PREFIX + name, value)
    if os.environ.get(f"{settings.PREFIX}STRIPE_API_KEY"):
        # People share a test account of Stripe: nobody's local run takes the payments of another one for its own.
        os.environ.setdefault(f"{settings.PREFIX}STRIPE_NAMESPACE", f"local-{sha256(kept.jwt_secret.encode()).hexdigest()[:12]}")
    os.environ.update(CREDENTIALS, **{f"{settings.PREFIX}STORE_ENDPOINT": NOWHERE})
    settings.read(dict(os.environ))


def unknown_settings() -> list[str]:
    known = {settings.PREFIX + field.name.upper() for field in msgspec.structs.fields(settings.Settings)}
    return sorted(name for name in os.environ if name.startswith(settings.PREFIX) and name not in known)
