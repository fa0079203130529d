"""What requests need to be valid in all but who sends them. An operation that needs no body and no query is not listed."""

from collections.abc import Mapping
from typing import Any

from chalicelib.foundation import clock
from chalicelib.notifications import unsubscription
from chalicelib.payments import service as payments

HOOKS = "https://93.184.215.14/"  # nothing is sent there
PASSWORD = "seven grey owls"
_ADA = {"email": "ada@example.com"}
_CLIENT_DATA = "eyJjaGFsbGVuZ2UiOiJ4In0"  # {"challenge":"x"}
_SIGNED = {"credential_id": "AA", "user_handle": "AA", "client_data": _CLIENT_DATA, "authenticator_data": "AA", "signature": "AA"}
ANNOUNCEMENT = {"subject": "Doors open early", "text": "The doors open at six."}
COUNTER_SALE = {"tier_id": "fest-late", "holdback_id": "counter", "quantity": 1, "price_cents": 5000, "method": "cash"}


def body(operation: str, ids: Mapping[str, str], code: str) -> Any:
    """Return the body of an operation, or None if it needs no body. `ids` are the path parameters and a place in line."""
    event, tier, later = ids["event_id"], ids["tier_id"], clock.iso(clock.now() + 86_400)
    new_event = {"name": "New", "venue": "Hall", "starts_at": later}
    bodies = {
        **_OF_ACCOUNTS,
        **_of_catalog(event, new_event),
        **_of_packages(tier),
        **_of_sales(event, tier, ids),
        **_of_doors(event, code),
        "POST /events/{event_id}/waiting-room/pass": {"token": ids["place"]},
        "POST /events/{event_id}/waiting-room/pass-uses": {"shop_pass": "x", "session": "1"},
        "PUT /events/{event_id}/waiting-room/notice": {**_ADA, "token": ids["place"]},
        "POST /events/{event_id}/waiting-room/code": _ADA,
        "POST /events/{event_id}/waiting-room/address": {**_ADA, "code": "271828"},
        "POST /events/{event_id}/waiting-room/card": {"card": "card-1"},
        "POST /events/{event_id}/waiting-room/appeal": {"refusal": "x", "text": "x"},
        "POST /events/{event_id}/waiting-room/group": {"token": ids["place"]},
        "POST /events/{event_id}/waiting-room/group/leave": {"token": ids["place"]},
        "POST /webhooks/ses": {},
        "POST /tickets/{ticket_id}/passes": {"wallet": "apple"},
        "POST /apple/v1/devices/{device_id}/registrations/{pass_type}/{serial}": {"pushToken": "ab"},
        "POST /apple/v1/log": {"logs": ["x"]},
        **{f"POST /webhooks/{provider.name}": {} for provider in payments.descriptions()},
    }
    return bodies.get(operation)


def query(operation: str, event: str, place: str) -> dict[str, str]:
    """The query parameters of an operation about an event; `place` is the token of a place in a line."""
    queries = {
        "GET /admin/figures": {"event_ids": event},
        "GET /admin/messages": {"event_id": event},
        "GET /me/order": {"event_id": event},
        **{f"{method} /unsubscribe": {"token": unsubscription.new_token("offer")} for method in ("GET", "POST")},
        "GET /events/{event_id}/waiting-room/status": {"token": place},
    }
    return queries.get(operation, {})


_OF_ACCOUNTS: dict[str, Any] = {
    "POST /admin/suppressed-addresses/release": {"email": "gone@example.com"},
    "PATCH /admin/users/{user_id}": {"locked": True},
    "POST /auth/guest/orders": {"refresh_token": "x"},
    "POST /auth/email": {"email": "new@example.com", "password": PASSWORD},
    "POST /auth/email/resend": _ADA,
    "POST /auth/email/verify": {"token": "x"},
    "POST /auth/login": {**_ADA, "password": PASSWORD},
    "POST /auth/logout": {"refresh_token": "x"},
    "PATCH /auth/me": {"first_name": "Ada"},
    "POST /auth/password": {"current_password": PASSWORD, "password": "nine green herons"},
    "POST /auth/password/forgot": _ADA,
    "POST /auth/password/reset": {"token": "x", "password": PASSWORD},
    "POST /lost-tickets": _ADA,
    "POST /lost-tickets/erase": {"token": "x"},
    "POST /lost-tickets/export": {"token": "x"},
    "POST /lost-tickets/open": {"token": "x"},
    "POST /lost-tickets/resale": {"token": "x", "order_id": "x"},
    "POST /lost-tickets/return": {"token": "x", "order_id": "x"},
    "POST /lost-tickets/withdraw-return": {"token": "x", "order_id": "x", "request_number": 1},
    "POST /auth/refresh": {"refresh_token": "x"},
    "POST /auth/register": {"email": "new@example.com", "password": PASSWORD},
    "DELETE /auth/me": {"password": PASSWORD},
    "POST /auth/me/second-factor": {"password": PASSWORD},
    "PUT /auth/me/second-factor": {"code": "123456"},
    "DELETE /auth/me/second-factor": {"password": PASSWORD, "code": "123456"},
    "POST /auth/passkeys/login": _SIGNED,
    "POST /auth/staff/login": {"code": "x", "state": "x"},
    "POST /auth/me/passkeys": {"name": "My phone", "client_data": _CLIENT_DATA, "attestation": "AA"},
    "POST /auth/me/passkeys/challenge": {"password": PASSWORD},
    "POST /auth/me/passkeys/code": _SIGNED,
    "DELETE /auth/me/passkeys/{passkey_id}": {"code": "123456"},
    "POST /events/{event_id}/members": {"email": "new@example.com", "role": "staff"},
    "PUT /admin/shop-invoices": {"invoices": {"name": "Hall", "address": "1 Harbor Street", "tax_id": "PT501234567"}},
    "PUT /promoters/{promoter_id}": {"name": "New"},
    "PUT /promoters/{promoter_id}/brand": {"color": "#17643f", "dark_color": "#77d3a2"},
    "PUT /promoters/{promoter_id}/default-taxes": {"default_taxes": [{"country": "ES", "tax": {"percent": "21"}}]},
    "PUT /promoters/{promoter_id}/legal-texts/{kind}/{language}": {"text": "One ticket, one person."},
    "POST /promoters/{promoter_id}/api-keys": {"name": "Till", "role": "cashier", "password": PASSWORD},
    "POST /promoters/{promoter_id}/webhook-endpoints": {"url": HOOKS},
    "PATCH /promoters/{promoter_id}/webhook-endpoints/{endpoint_id}": {"description": "New"},
    "POST /promoters/{promoter_id}/webhook-endpoints/{endpoint_id}/replay-failed": {},
}


def _of_catalog(event: str, new_event: dict[str, str]) -> dict[str, Any]:
    tier = {"name": "New", "price_cents": 1, "capacity": 1}
    return {
        "POST /admin/catalog/versions/{version}/apply": {"plan": "seen"},
        "POST /admin/events": {**new_event, "on_sale_at": clock.iso(clock.now())},
        "POST /admin/events/{event_id}/announcements/preview": ANNOUNCEMENT,
        "PUT /admin/events/{event_id}/announcements/{announcement_id}": ANNOUNCEMENT,
        "POST /admin/events/{event_id}/dates": {"rule": "FREQ=DAILY;COUNT=2", "starts_at": new_event["starts_at"]},
        "POST /admin/events/{event_id}/promo-codes": {"code": "SPRING", "discount_type": "percentage", "discount_value": 10},
        "POST /admin/events/{event_id}/promo-codes/batch": {"count": 1, "discount_value": 10},
        "PATCH /admin/events/{event_id}/promo-codes/{code_id}": {"is_active": False},
        "POST /admin/events/{event_id}/waiting-room/appeals/{appeal_id}/answer": {"status": "denied"},
        "POST /admin/events/{event_id}/waiting-room/let-in": {"count": 1},
        "POST /admin/events/{event_id}/waiting-room/rate": {"wave_size": 1, "wave_seconds": 1},
        "POST /admin/tiers": {"event_id": event, **tier},
        "POST /events": new_event,
        "PUT /events/{event_id}": new_event,
        "PATCH /events/{event_id}": {"name": "New"},
        "POST /events/{event_id}/image/upload": {"content_type": "image/png"},
        "POST /events/{event_id}/tiers": tier,
        "POST /events/{event_id}/complimentary-orders": {
            "tier_id": "fest-late",
            "holdback_id": "press",
            "rows": [{"id": "1", "name": "Ada", "email": "ada@example.com"}],
        },
        "POST /events/{event_id}/bank-transfers": {"rows": [{"reference": "Rent", "amount_cents": 1, "date": "2026-06-01"}]},
        "POST /events/{event_id}/box-office-orders": COUNTER_SALE | {"id": "sale-0001"},
        "POST /events/{event_id}/box-office-quotas": {"id": "quota-0001", "tier_id": "fest-late", "holdback_id": "counter", "quantity": 1},
        "POST /events/{event_id}/box-office-quotas/return": {"id": "quota-0001", "tier_id": "fest-late", "holdback_id": "counter"},
        "POST /events/{event_id}/box-office-closing": {"date": clock.iso(clock.now())[:10], "currency": "USD", "counted_cents": 0},
        "PUT /tiers/{tier_id}": tier,
        "PATCH /tiers/{tier_id}": {"name": "New"},
    }


def _of_packages(tier: str) -> dict[str, Any]:
    packages = "/admin/events/{event_id}/tickets/packages"
    package = f"{packages}/{{package_id}}"
    return {
        f"POST {packages}": {"name": "New", "price": 1},
        f"POST {packages}/reorder": {"package_ids": [tier]},
        f"PATCH {package}": {"name": "New"},
        f"POST {package}/image/upload": {"content_type": "image/png"},
        f"POST {package}/options": {"label": "New", "option_type": "boolean"},
        f"PATCH {package}/options/{{option_id}}": {"label": "New"},
    }


def _of_sales(event: str, tier: str, ids: Mapping[str, str]) -> dict[str, Any]:
    item = {"tier_id": tier, "quantity": 1}
    return {
        "POST /admin/orders/{order_id}/refunds": {"reason": "goodwill"},
        "POST /admin/orders/{order_id}/refunds/preview": {"reason": "goodwill"},
        "POST /admin/orders/{order_id}/return-requests/{request_number}": {"accept": True},
        "PUT /admin/orders/{order_id}/email": {"email": "ada@example.com"},
        "PUT /admin/orders/{order_id}/tickets/{ticket_id}/name": {"name": "Ada"},
        "POST /checkout/confirm": {"checkout_id": ids["session_id"], "simulate": "success"},
        "POST /checkout/sessions": {"reservation_id": ids["reservation_id"]},
        "POST /events/{event_id}/reservations": item,
        "POST /events/{event_id}/tickets/purchase": {"package_id": tier, "quantity": 1, "simulate": "success"},
        "POST /orders": {"event_id": event, "items": [item]},
        "POST /orders/{order_id}/confirm": {"simulate": "success"},
        "PUT /seats/{seat_id}/guest": {"name": "Bob"},
        "PATCH /tickets/{ticket_id}": {"attendee": {"name": "Ada"}},
        "POST /transfers/preview": {"token": ids["token"]},
        "POST /waitlist/{entry_id}/card": {"card": "card-1", "max_cents": 5000},
        "POST /waitlist": {"event_id": event, "quantity": 1, "tier_ids": ["fest-late"]},
    }


def _of_doors(event: str, code: str) -> dict[str, Any]:
    scan = {"id": "s", "at": clock.iso(clock.now()), "code": code}
    return {
        "POST /checkin": {"code": code, "event_id": event},
        "POST /checkin/sync": {"device": "d", "event_id": event, "scans": [scan]},
    }
