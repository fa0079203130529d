"""The environment variables of a local run: PORT, DATA, RESET, RELOAD and FAIRGATE_<NAME>."""

import os
from hashlib import sha256
from pathlib import Path

import msgspec

from chalicelib.foundation import settings
from infra import web
from infra.local.data_folder import RunSecrets

# AWS's SDK requires credentials; the local store accepts any.
LOCAL_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}

# The bucket for images, and the path prefix of buckets.
BUCKET, UPLOADS = "fairgate-local-images", "/bucket"

# The address of a store in this process. Nothing listens there, so a call that leaves the process fails.
UNREACHABLE_ENDPOINT = "http://127.0.0.1:9"

# Defaults of a local stage: it trusts its user, and all its users share one address.
LOCAL_DEFAULTS = {
    "STAGE": "local",
    "IDENTITY": "demo",
    "PAYMENT_SIMULATION": "on",
    "ADDRESS_FACTOR": "10000",
    "EMAIL_VERIFICATION": "later",
    "WEBHOOK_TARGETS": "local",
    "PUBLISHING": "all",
}

# The variable names of Stripe's own tools, so that `make run STRIPE_API_KEY=...` works.
STRIPE_VARIABLES = {"STRIPE_API_KEY": "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET": "STRIPE_WEBHOOK_SECRETS"}


class SetupError(Exception):
    """The run cannot start with these environment variables; the message names the reason and the remedy."""


class RunOptions(msgspec.Struct, frozen=True):
    """Port 0 means any free port."""

    port: int
    data: Path
    reset: bool
    reload: bool


def read_options() -> RunOptions:
    """Read PORT, DATA, RESET and RELOAD. Stripe's own variables become settings. Raises SetupError for a wrong value."""
    for name, setting in STRIPE_VARIABLES.items():
        if value := os.environ.get(name):
            os.environ.setdefault(settings.PREFIX + setting, value)
    port = os.environ.get("PORT") or "8000"
    if not port.isdecimal() or int(port) > 65_535:
        raise SetupError(f"PORT must be a number from 0 (any free port) to 65535, not {port!r}.")
    reset, reload = _switch("RESET", "start with empty data"), _switch("RELOAD", "restart after each edit of a file")
    return RunOptions(int(port), Path(os.environ.get("DATA") or ".data"), reset, reload)


def _switch(name: str, meaning: str) -> bool:
    value = os.environ.get(name, "")
    if value not in ("", "0", "1"):
        raise SetupError(f"{name} must be 1 ({meaning}) or 0, not {value!r}.")
    return value == "1"


def complete_environment(run_secrets: RunSecrets, port: int) -> None:
    """Set the missing variables in this process's environment. Raises SettingsError for a malformed setting.

    After paying, buyers return to `port` of this machine, under either of its names.
    """
    if os.environ.get(f"{settings.PREFIX}STORE_ENDPOINT"):
        raise SetupError(f"`make run` starts its own store. Unset {settings.PREFIX}STORE_ENDPOINT and start again.")
    origins = f"http://127.0.0.1:{port},http://localhost:{port}"
    secrets = {"JWT_SECRET": run_secrets.jwt_secret, "TICKET_KEYS": run_secrets.ticket_keys}
    for name, value in {**_defaults(), **secrets, "CHECKOUT_ORIGINS": origins, "SHOP_URL": f"http://127.0.0.1:{port}"}.items():
        os.environ.setdefault(settings.PREFIX + name, value)
    if os.environ.get(f"{settings.PREFIX}STRIPE_API_KEY"):
        # Developers share a test account of Stripe, and a local run must not claim the payments of another run.
        os.environ.setdefault(f"{settings.PREFIX}STRIPE_NAMESPACE", f"local-{sha256(run_secrets.jwt_secret.encode()).hexdigest()[:12]}")
    os.environ.setdefault(f"{settings.PREFIX}IMAGES_BUCKET", BUCKET)
    os.environ.setdefault(f"{settings.PREFIX}IMAGES_ENDPOINT", f"http://127.0.0.1:{port}{UPLOADS}")
    os.environ.update(LOCAL_CREDENTIALS, **{f"{settings.PREFIX}STORE_ENDPOINT": UNREACHABLE_ENDPOINT})
    chosen = settings.read(dict(os.environ))  # checks, but does not cache the settings, because the fake Stripe adds its own
    os.environ.setdefault(f"{settings.PREFIX}SHELL_FILE", str(web.folder_of(chosen.addon_names) / web.SHELL))


def _defaults() -> dict[str, str]:
    """Return LOCAL_DEFAULTS; in stage `prod` without the values that it refuses."""
    if os.environ.get(f"{settings.PREFIX}STAGE") != settings.PRODUCTION:
        return LOCAL_DEFAULTS
    return {name: value for name, value in LOCAL_DEFAULTS.items() if (name.lower(), value) not in settings.NOT_IN_PRODUCTION}
