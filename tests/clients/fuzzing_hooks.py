"""What schemathesis loads: it puts things that exist into its requests, and holds each reply to the document, error codes included."""

import json
import os
import random
from collections.abc import MutableMapping
from functools import cache
from typing import Any

import schemathesis

from tests.documented import check_reply

VALUES_FILE = "FUZZING_VALUES"  # names the file with the ids of what the caller has, as `fuzzing.create_values` returns them

KINDS = {
    "event_id": "events",
    "tier_id": "tiers",
    "order_id": "orders",
    "sale_id": "sales",
    "holdback_id": "holdbacks",
    "quota_id": "quotas",
    "reservation_id": "orders",
    "session_id": "orders",
    "checkout_id": "orders",
    "ticket_id": "tickets",
    "tickets": "tickets",
    "code": "codes",
    "refund_id": "refunds",
    "finding": "findings",
    "promoter_id": "promoters",
    "member_id": "members",
    "user_id": "users",
    "actor": "users",
    "subject": "subjects",
    "token": "secrets",
    "refresh_token": "secrets",
    "cursor": "cursors",
    "on_sale_at": "past",
    "sale_starts_at": "past",
    "starts_at": "soon",
    "ends_at": "later",
    "sale_ends_at": "later",
    "currency": "currencies",
    "timezone": "timezones",
}
# These end what the others need, so they get an event of their own.
ENDING = {
    ("DELETE", "/events/{event_id}"),
    ("POST", "/events/{event_id}/cancel"),
    ("DELETE", "/tiers/{tier_id}"),
    ("DELETE", "/admin/events/{event_id}/orders"),
}
# With made-up ones every reply is 400, 304 or 412, so most requests go without.
OPTIONAL = ("cursor", "If-Match", "If-None-Match", "promo_code")
USUALLY = 0.85

_chance = random.Random(1)  # the same requests in every run with one seed


@cache
def _values() -> dict[str, list[str]]:
    with open(os.environ[VALUES_FILE], encoding="utf-8") as file:
        return dict(json.load(file))


def _existing(name: str, value: Any) -> Any:
    """Return the value of a field: mostly an existing value instead of a made-up text."""
    if isinstance(value, dict):
        return {key: _existing(key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_existing(name, item) for item in value]
    if isinstance(value, str) and name in KINDS and _chance.random() < USUALLY:
        return _chance.choice(_values()[KINDS[name]])
    return value


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Not for requests that follow the reply to another one, which have its ids."""
    if case.meta is None or case.meta.phase.name.value == "stateful":
        return
    for given in (case.query, case.headers, case.body):
        for name in OPTIONAL:
            if isinstance(given, MutableMapping) and name in given and _chance.random() < USUALLY:
                del given[name]
    if "Idempotency-Key" in case.headers and _chance.random() < USUALLY:
        case.headers["Idempotency-Key"] = str(_chance.random())
    case.query = _existing("", dict(case.query))
    case.body = _existing("", case.body) if isinstance(case.body, dict) else case.body
    case.path_parameters = _existing("", case.path_parameters)
    if (case.method, case.path) in ENDING:
        event, tier = _values()["spare"]
        case.path_parameters = {name: event if name == "event_id" else tier for name in case.path_parameters}
    elif "/waiting-room/" in case.path:
        case.path_parameters = {**case.path_parameters, "event_id": _values()["waiting"][0]}


@schemathesis.check
def documented(context: Any, response: Any, case: Any) -> None:
    """As for the replies that all other tests get."""
    content_type = next(iter(response.headers.get("content-type", [])), "")
    body = response.json() if content_type.startswith("application/json") and response.content else None
    check_reply(case.method, f"/v1{case.path}", response.status_code, content_type, body)
