"""Every limit, duration and switch, each with an environment variable FAIRGATE_<NAME>. Read at first use, never at import."""

import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

PREFIX = "FAIRGATE_"

Seconds = Annotated[int, Meta(ge=1, le=31 * 86_400)]
Switch = Literal["on", "off"]
Rate = Annotated[str, Meta(pattern="^[1-9][0-9]{0,4}/[1-9][0-9]{0,4}$")]  # requests/seconds


def _says(description: str) -> Meta:
    return Meta(description=description)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Field NAME is set by FAIRGATE_NAME. The descriptions are the documentation: docs/settings.md is checked against them."""

    stage: Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,19}$"), _says("Stage; part of every table's name.")] = "local"
    region: Annotated[str, _says("AWS region of the store.")] = "us-east-1"
    store_endpoint: Annotated[str, _says("Address of a DynamoDB-compatible store; empty for AWS.")] = ""
    identity: Annotated[Literal["demo", "jwt"], _says("`demo` lets the header X-User-Id name the user; never in production.")] = "jwt"
    payment_simulation: Annotated[Switch, _says("Whether `simulate` may stand in for a payment provider; never in production.")] = "off"
    cors_origins: Annotated[str, _says("Origins that may call from a browser, comma separated, or `*`.")] = "*"
    hold_seconds: Annotated[Seconds, _says("How long a reservation sets tickets aside.")] = 180
    checkout_seconds: Annotated[int, Meta(ge=0, le=86_400), _says("What opening a checkout adds to the hold; 0 adds nothing.")] = 0
    event_purchase_limit: Annotated[int, Meta(ge=1, le=1000), _says("Tickets per user and event where the event is silent.")] = 6
    tier_purchase_limit: Annotated[int, Meta(ge=1, le=50), _says("Tickets of one tier per purchase where the tier is silent.")] = 4
    rate_limits: Annotated[Switch, _says("Whether requests are counted and refused above the limits below.")] = "on"
    limit_join: Annotated[Rate, _says("Joins of a waiting room per user and event: requests/seconds.")] = "10/60"
    limit_reserve: Annotated[Rate, _says("Reservations per user: requests/seconds.")] = "5/60"
    limit_checkout: Annotated[Rate, _says("Checkout sessions opened per user: requests/seconds.")] = "5/60"
    limit_confirm: Annotated[Rate, _says("Confirmations per user: requests/seconds.")] = "10/60"
    address_factor: Annotated[int, Meta(ge=1, le=10_000), _says("How many times a user's limit a source address may use.")] = 10
    join_difficulty: Annotated[int, Meta(ge=0, le=24), _says("Leading zero bits of the proof of work at a join; 0 asks for none.")] = 0
    challenge_seconds: Annotated[Seconds, _says("How long a proof of work may take and is good for.")] = 300
    cache_seconds: Annotated[Seconds, _says("Age at which an instance loads the catalog again.")] = 300
    head_check_seconds: Annotated[Seconds, _says("How often an instance asks whether the catalog's head has moved.")] = 5
    stock_cache_seconds: Annotated[Seconds, _says("Age of the stock figures that public reads may show.")] = 1
    idempotency_seconds: Annotated[Seconds, _says("How long the answer to an Idempotency-Key is kept.")] = 86_400
    wave_size: Annotated[
        int, Meta(ge=1, le=1_000_000), _says("How many of a waiting room come in with each wave where the event is silent.")
    ] = 100
    wave_seconds: Annotated[Seconds, _says("Time from one wave to the next where the event is silent.")] = 30
    pass_seconds: Annotated[Seconds, _says("How long an admitted buyer may reserve where the event is silent.")] = 180
    waiting_room_counters: Annotated[int, Meta(ge=1, le=64), _says("Shards of the arrival counter; one takes 1,000 joins a second.")] = 1
    stripe_call_rate: Annotated[
        int,
        Meta(ge=1, le=10_000),
        _says("Calls a second that Stripe takes from us: 100 live, 25 in test mode. Waves that follow the stock heed it."),
    ] = 100
    refund_fee_cents: Annotated[
        int, Meta(ge=0), _says("What a refund keeps of each ticket, in minor units, where who refunds is silent.")
    ] = 0
    refund_fee_percent: Annotated[int, Meta(ge=0, le=100), _says("The same in percent of the ticket's price; added to it.")] = 0
    payment_provider: Annotated[
        Literal["auto", "simulated", "stripe"],
        _says("Who takes a payment when the buyer does not ask: `auto` is Stripe where a key is set up, else simulation."),
    ] = "auto"
    stripe_api_key: Annotated[
        str, _says("Secret key of Stripe; with one, Stripe takes the payments. Live keys belong to stage `prod` only.")
    ] = ""
    stripe_webhook_secrets: Annotated[str, _says("Signing secrets of Stripe's webhooks, comma separated; any of them verifies.")] = ""
    stripe_namespace: Annotated[
        str,
        Meta(pattern="^[a-zA-Z0-9_-]{0,40}$"),
        _says("What marks our payments at Stripe as this shop's, where several share an account; empty is the stage."),
    ] = ""
    stripe_api_base: Annotated[str, _says("Address of a stand-in for Stripe's API; empty for Stripe.")] = ""
    stripe_publishable_key: Annotated[str, _says("Publishable key of Stripe, for the buyers' browsers.")] = ""
    checkout_origins: Annotated[
        str,
        _says(
            "Origins that `success_url` and `cancel_url` may lead to, comma separated; "
            "the first one is where buyers return to when they name none."
        ),
    ] = ""
    purchase_ttl_seconds: Annotated[Seconds, _says("When an abandoned purchase may be deleted, after its end.")] = 30 * 86_400
    jwt_secret: Annotated[str, _says("Secret that signs access tokens, 32 characters or more.")] = ""
    ticket_keys: Annotated[str, _says("Keys that sign tickets, `id:secret` comma separated; the first one signs, all of them verify.")] = ""
    secrets_arn: Annotated[str, _says("Secrets Manager secret (JSON of setting names) for what the environment does not hold.")] = ""

    @property
    def stripe_mark(self) -> str:
        """What our payments at Stripe carry: each shop on an account hears the webhooks of all."""
        return self.stripe_namespace or self.stage


# Calls that one payment takes: one to open it, one to verify it.
STRIPE_CALLS_PER_PAYMENT = 2


class SettingsError(Exception):
    """A setting is missing or malformed; the message names its environment variable."""


_current: Settings | None = None


def read(environment: dict[str, str]) -> Settings:
    """Settings out of environment variables; raises SettingsError that names the faulty one."""
    names = {field.name for field in msgspec.structs.fields(Settings)}
    given = {name: environment[key] for name in names if (key := PREFIX + name.upper()) in environment}
    for name, value in given.items():
        try:
            msgspec.convert({name: value}, Settings, strict=False)
        except msgspec.ValidationError as error:
            raise SettingsError(f"{PREFIX}{name.upper()}: {str(error).split(' - at ')[0]}") from None
    return msgspec.convert(given, Settings, strict=False)


def current() -> Settings:
    """The settings of this process; read from the environment once."""
    global _current
    if _current is None:
        _current = read(dict(os.environ))
    return _current


def optional_secret(name: Literal["jwt_secret", "ticket_keys", "stripe_api_key", "stripe_webhook_secrets"]) -> str:
    """A secret from the environment or, where that is silent, from Secrets Manager (kept for its default 5 minutes); else empty."""
    value: str = getattr(current(), name)
    if not value and current().secrets_arn:
        from aws_lambda_powertools.utilities import parameters

        kept: Any = parameters.get_secret(current().secrets_arn, transform="json", max_age=300)
        value = kept.get(name, "")
    return value


def secret(name: Literal["jwt_secret", "ticket_keys"]) -> str:
    """A secret that must be there, 32 characters or more; raises SettingsError."""
    value = optional_secret(name)
    if len(value) < 32:
        raise SettingsError(f"{PREFIX}{name.upper()} must be set and have 32 characters or more.")
    return value


def derived_key(purpose: str) -> bytes:
    """A key of 32 bytes for one purpose, out of the stage's secret: what one signs is never a signature of something else."""
    return hmac.digest(secret("jwt_secret").encode(), f"fairgate {purpose}".encode(), "sha256")


@contextmanager
def changed(**values: Any) -> Iterator[Settings]:
    """Other settings while the block runs, in all threads; for tests and tools."""
    global _current
    before = current()
    _current = msgspec.structs.replace(before, **values)
    try:
        yield _current
    finally:
        _current = before
