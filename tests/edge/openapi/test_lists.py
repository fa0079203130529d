"""Every list of the API has pages, unless something else limits how long it can be."""

from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.access.world import World, new_world
from tests.documented import document

DOCUMENT = document()
OPERATIONS: dict[str, Any] = {path: methods["get"] for path, methods in DOCUMENT["paths"].items() if "get" in methods}

_OF_EVENT = "an event has 98 tiers at most"
_OPTIONS = "a tier has four options at most, of ten choices"
_ENTRIES = "a user has one entry for each event that is on sale or was in the last three months"
_OF_ORDER = "an order has 50 tickets of 10 tiers at most"
_DEFAULT_TAXES = "a promoter has 50 at most"
_ENDPOINTS = "a promoter has ten webhook endpoints at most"
_THUMBNAILS = "a picture is drawn in a few sizes"
_REFUNDS = "each refund takes a ticket back, or is one of a payment that came twice"
_HOLDBACKS = "a tier has 20 holdbacks at most, each with one release"
_CHANGES = "the latest 50 are listed"
_DATES = "an event has 60 dates at most"
_RESALE = "a tier has 60 prices of resale at most"

# Lists without pages: path -> field of the reply -> what limits its length.
BOUNDED = {
    "/health": {"addons": "there are eight add-ons", "errors": "botocore has few errors of the setup"},
    "/admin/payouts": {"providers": "those that take payments in a stage"},
    "/admin/catalog/versions/{version}/plan": {
        "changes": "500 at most are shown",
        "refusals": "each ends the apply, and the file names what is on sale",
        "warnings": "one for each event and ticket type of the file at most",
    },
    "/admin/figures": {"events": "50 at most are asked for"},
    "/admin/events/{event_id}/tickets/packages": {"packages": _OF_EVENT},
    "/admin/events/{event_id}/tickets/packages/{package_id}": {
        "options": _OPTIONS,
        "warnings": "there is one",
        "image.thumbnails": _THUMBNAILS,
    },
    "/admin/events/{event_id}/tickets/packages/{package_id}/options": {"options": _OPTIONS},
    "/admin/events/{event_id}": {
        "tiers": _OF_EVENT,
        "dates": _DATES,
        "cancelled_dates": _DATES,
        "changes": _CHANGES,
        "image.thumbnails": _THUMBNAILS,
        "brand.logo.thumbnails": _THUMBNAILS,
    },
    "/admin/events/{event_id}/announcements": {"announcements": "the latest 100 are listed"},
    "/admin/events/{event_id}/live": {"sale.tiers": _OF_EVENT, "takings": "one for each provider and currency"},
    "/admin/events/{event_id}/money": {"takings": "one for each provider and currency"},
    "/admin/events/{event_id}/status": {"tiers": _OF_EVENT},
    "/admin/events/{event_id}/ticket-holders": {"refunds": "one for each currency", "tiers": _OF_EVENT},
    "/admin/events/{event_id}/promo-codes/{code_id}": {"package_ids": _OF_EVENT, "opens_package_ids": _OF_EVENT},
    "/admin/orders/{order_id}": {
        "order.items": _OF_ORDER,
        "order.taxes": _OF_ORDER,
        "order.refunds": _REFUNDS,
        "order.attendees": _OF_ORDER,
        "order.answers": _OPTIONS,
        "tickets": _OF_ORDER,
        "refunds": _REFUNDS,
        "return_requests": _OF_ORDER,
        "refund.tickets": _OF_ORDER,
        "disputes": "banks dispute a payment a few times at most",
        "transactions": "one for each payment, refund and dispute of the order",
    },
    "/admin/events/{event_id}/tickets/sales/summary": {"by_hour": "366 days at most are asked for"},
    "/admin/users/{user_id}": {"roles": "there are three roles"},
    "/admin/system": {"jobs": "one for each scheduled job of the code"},
    "/admin/tiers/{tier_id}": {
        "date_ids": _DATES,
        "options": _OPTIONS,
        "image.thumbnails": _THUMBNAILS,
        **dict.fromkeys(("holdbacks", "releases", "complimentary"), _HOLDBACKS),
        "resale": _RESALE,
    },
    "/auth/me": {"roles": "there are three roles"},
    "/auth/me/passkeys": {"passkeys": "an account has ten at most"},
    "/checkout/sessions/{session_id}": {"reservation.items": _OF_ORDER, "reservation.taxes": _OF_ORDER, "refunds": _REFUNDS},
    "/events/{event_id}/manifest": {"event.dates": _DATES},
    "/events/{event_id}": {
        "tiers": _OF_EVENT,
        "dates": _DATES,
        "cancelled_dates": _DATES,
        "changes": _CHANGES,
        "image.thumbnails": _THUMBNAILS,
        "brand.logo.thumbnails": _THUMBNAILS,
    },
    "/events/{event_id}/analytics": {
        "revenue": "one for each provider and currency",
        "tiers": _OF_EVENT,
        "by_hour": "366 days at most are asked for",
        "gates": "the 50 with most people",
    },
    "/events/{event_id}/availability": {"availability": _OF_EVENT, "dates": _DATES},
    "/events/{event_id}/box-office": {"offers": f"{_OF_EVENT}, and {_HOLDBACKS}"},
    "/events/{event_id}/box-office-closing": {"tills": "200 at most are shown"},
    "/events/{event_id}/checkins": {"tiers": _OF_EVENT},
    "/events/{event_id}/promo-codes/{code}/validate": {"package_ids": _OF_EVENT, "opens_package_ids": _OF_EVENT},
    "/events/{event_id}/reservations": {"items": _OF_ORDER, "taxes": _OF_ORDER},
    "/events/{event_id}/seller": {"legal_texts": "30 texts at most"},
    "/events/{event_id}/statement": {"totals": "one for each account, provider and currency"},
    "/events/{event_id}/stock-ledger": {"entries": "one page of the ledger, which has 50 of them"},
    "/events/{event_id}/tiers": {"tiers": _OF_EVENT},
    "/events/{event_id}/waitlist": {"tiers": _OF_EVENT},
    "/waitlist": {"entries": _ENTRIES},
    "/wallets": {"wallets": "there are two wallets"},
    "/apple/v1/devices/{device_id}/registrations/{pass_type}": {"serialNumbers": "Apple's protocol has no pages"},
    "/events/{event_id}/tickets/packages": {"packages": _OF_EVENT},
    "/orders/{order_id}/invoices": {"invoices": f"the sale, and {_REFUNDS}"},
    "/promoters/{promoter_id}/api-keys": {"api_keys": "a promoter has 20 at most"},
    "/promoters/{promoter_id}": {"default_taxes": _DEFAULT_TAXES, "brand.logo.thumbnails": _THUMBNAILS},
    "/promoters/{promoter_id}/legal-texts": {"legal_texts": "30 texts at most"},
    "/promoters/{promoter_id}/payment-account": {"missing": "the provider asks for a few dozen things at most"},
    "/promoters/{promoter_id}/payouts": {
        "providers": "the one at which promoters have accounts",
        "balances": "one for each currency of the account",
    },
    "/promoters/{promoter_id}/webhook-endpoints": {"webhook_endpoints": _ENDPOINTS},
    "/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}": {"event_types": "there are six types"},
    "/promoters/{promoter_id}/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}": {"attempts": "the last 20 are kept"},
    "/events/{event_id}/waiting-room/proof": {
        "offsets": "one for each counter of the room",
        "entries.by_weight": "an entry has five numbers at most",
    },
    "/events/{event_id}/waiting-room/entries": {
        "entries": "one page of the list of entries, which has about 256 of them",
        "path": "one hash for each bit of the number of pages",
    },
    "/events/{event_id}/waiting-room/entries/{digest}": {"path": "one hash for each doubling of the number of entries"},
    "/events/{event_id}/waiting-room/state": {
        "offsets": "one for each counter of the room",
        "segments": "an admission plan has a few segments at most",
    },
    "/.well-known/jwks.json": {"keys": "there is one key"},
    "/me/export": {
        "user.roles": "there are three roles",
        "passkeys": "an account has ten at most",
        "promoter.default_taxes": _DEFAULT_TAXES,
        "promoter.brand.logo.thumbnails": _THUMBNAILS,
        "memberships": "one person works at 100 events at most",
        "webhook_endpoints": _ENDPOINTS,
        "waitlist": _ENTRIES,
    },
    "/me/invitations": {"invitations": "the latest 20 are listed"},
    "/me/order": {
        "order.items": _OF_ORDER,
        "order.taxes": _OF_ORDER,
        "order.refunds": _REFUNDS,
        "order.attendees": _OF_ORDER,
        "order.answers": _OPTIONS,
        "returnable.tickets": _OF_ORDER,
        "resale.tickets": _OF_ORDER,
        "return_requests": _OF_ORDER,
        "tickets": _OF_ORDER,
    },
    "/tickets/{ticket_id}": {"event.dates": _DATES, "event.cancelled_dates": _DATES},
    "/guests/{token}": {"option_answers": _OPTIONS, "event.dates": _DATES, "event.cancelled_dates": _DATES},
    "/tickets/{ticket_id}/seats": {"seats": "a ticket admits 100 people at most", "options": _OPTIONS},
    "/orders/{order_id}": {
        "order.items": _OF_ORDER,
        "order.taxes": _OF_ORDER,
        "order.refunds": _REFUNDS,
        "order.attendees": _OF_ORDER,
        "order.answers": _OPTIONS,
        "returnable.tickets": _OF_ORDER,
        "resale.tickets": _OF_ORDER,
        "return_requests": _OF_ORDER,
        "tickets": _OF_ORDER,
    },
    "/tiers/{tier_id}": {
        "date_ids": _DATES,
        "image.thumbnails": _THUMBNAILS,
        "options": _OPTIONS,
        **dict.fromkeys(("holdbacks", "releases", "complimentary"), _HOLDBACKS),
        "resale": _RESALE,
    },
}


def _arrays(schema: Any, place: str = "") -> set[str]:
    """The places of the arrays within the values of a schema, apart from those within arrays; `.` is a value that is one itself."""
    if "$ref" in schema:
        return _arrays(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]], place)
    found = {place or "."} if schema.get("type") == "array" else set()
    for option in schema.get("anyOf", ()):
        found |= _arrays(option, place)
    for name, field in schema.get("properties", {}).items():
        found |= _arrays(field, f"{place}.{name}" if place else name)
    return found


def _schema(path: str) -> Any:
    return OPERATIONS[path]["responses"]["200"].get("content", {}).get("application/json", {}).get("schema", {})


ARRAYS = {path: found for path in OPERATIONS if (found := _arrays(_schema(path)))}
PAGED = {path: found for path in ARRAYS if (found := ARRAYS[path] - set(BOUNDED.get(path, ())))}


@pytest.fixture
def world(time):
    with new_world() as world:
        yield world


def test_lists_declared_as_bounded_exist():
    assert {(path, field) for path, fields in BOUNDED.items() for field in fields if field not in ARRAYS.get(path, ())} == set()


@pytest.mark.parametrize("path", PAGED)
def test_a_list_of_any_length_has_pages(path):
    operation = OPERATIONS[path]
    assert {"limit", "cursor"} <= {parameter["name"] for parameter in operation["parameters"]}, f"{path} is a list without pages"
    reply = operation["responses"]["200"]
    names = _schema(path).get("$ref", "").rpartition("/")[2]
    fields = DOCUMENT["components"]["schemas"][names]["properties"] if names else {}
    assert "next_cursor" in fields or "Link" in reply["headers"], "there is no way to the next page"


# No text at all, no position of any list (`[]`), not Base64; and lengths that no page has.
INVALID = [("cursor", text) for text in ("x", "W10", "\u00fc")] + [("limit", text) for text in ("0", "x", "100000")]


@pytest.mark.parametrize("path", PAGED)
def test_a_page_that_cannot_be_is_refused_by_its_name(world: World, path):
    for name, value in INVALID:
        reply = world.send("GET", path, READERS.get(path, "admin"), {name: value})
        assert (reply.status, reply.json["error"], reply.json["path"]) == (400, "invalid_input", name), value


# Whose lists have more than one entry in the world of tests/access.
_OF_USER = ("/me/export", "/me/tickets", "/orders", "/orders/{order_id}/seats", "/tickets")
READERS = dict.fromkeys(_OF_USER, "user")
LONGER = {
    "/admin/audit",
    "/admin/events",
    "/admin/events/{event_id}/promo-codes",
    "/admin/tiers",
    "/admin/users",
    "/events",
    "/events/{event_id}/audit",
    "/events/{event_id}/waitlist",
    "/me/tickets",
    "/orders/{order_id}/seats",
    "/tickets/types",
}


def _entries(path: str, body: Any) -> list[Any]:
    """The entries of the lists of a reply that have pages, one list after the other."""
    return list(body) if isinstance(body, list) else [entry for field in sorted(PAGED[path]) for entry in body[field]]


@pytest.mark.parametrize("path", PAGED)
def test_the_pages_have_each_entry_once(world: World, path):
    reader = READERS.get(path, "admin")
    expected = _entries(path, world.send("GET", path, reader).json)
    found, query = [], {"limit": "1"}
    for _ in range(len(expected) + 3):
        reply = world.send("GET", path, reader, query)
        assert reply.status == 200, reply.json
        found += _entries(path, reply.json)
        if (link := reply.headers.get("link")) is not None:
            query = dict(parse_qsl(link[2 : link.index(">")]))
        elif isinstance(reply.json, dict) and (cursor := reply.json.get("next_cursor")) is not None:
            query = {"limit": "1", "cursor": cursor}
        else:
            break
    key = str if path == "/me/export" else None  # it has two lists
    assert (sorted(found, key=key) if key else found) == (sorted(expected, key=key) if key else expected)
    assert len(expected) >= (2 if path in LONGER else 0)
