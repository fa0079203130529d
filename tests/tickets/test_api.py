"""Tickets over HTTP: the wallet, a single ticket, its QR code, and who may see them."""

import json

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.edge import auth, cursors
from chalicelib.foundation import clock, settings
from chalicelib.tickets import service, signature
from chalicelib.tickets.model import Attendee, TicketLine, TicketNotFound
from chalicelib.tickets.store import TicketRow
from tests import builders, invariants
from tests.simulation import faults

KEYS_AFTER_ROTATION = "k2:" + "r" * 32 + ",k1:a-secret-of-the-tests-that-signs-tickets"


def buy(api, quantity=2, user="ada"):
    """Buy tickets; returns the confirmation and the ids of the event and the tier."""
    event_id, tier_id = builders.create_shop(api)
    reply = builders.buy(api, user, event_id, tier_id, quantity)
    assert reply.status == 201, reply.json
    return reply.json, event_id, tier_id


def test_a_buyer_sees_the_tickets_right_after_paying(api, time):
    confirmed, event_id, tier_id = buy(api)
    wallet = api.get("/me/tickets", user="ada").json
    assert wallet["count"] == 2
    first = confirmed["tickets"][0]
    assert wallet["tickets"][0] == {
        "id": first["id"],
        "number": None,
        "code": first["code"],
        "qr_sig": first["qr_sig"],
        "state": "valid",
        "created_at": clock.iso(time.now),
        "order_id": confirmed["order"]["id"],
        "order_number": confirmed["order"]["number"],
        "event": {
            "id": event_id,
            "name": "Night",
            "venue": "Hall",
            "address": "",
            "starts_at": clock.iso(time.now + 30 * 86_400),
            "doors_minutes": None,
            "ends_at": None,
            "timezone": "UTC",
            "cancelled": False,
            "allows_reentry": False,
            "dates": [],
            "cancelled_dates": [],
        },
        "tier": {"id": tier_id, "name": "Floor", "price_cents": 5000},
        "qr_url": f"/api/v1/tickets/{first['id']}/qr",
        "attendee": None,
        "attendee_until": clock.iso(time.now + 30 * 86_400 - settings.current().attendee_lock_seconds),
        "admits": 1,
        "admitted": 0,
        "used": False,
        "currency": "USD",
        "transfer_expires_at": None,
        "transferable": True,
        "for_resale": False,
    }
    assert [ticket["code"] for ticket in wallet["tickets"]] == [ticket["code"] for ticket in confirmed["tickets"]]
    for ticket in wallet["tickets"]:
        assert signature.is_genuine(ticket["qr_sig"], ticket["id"], event_id, ticket["code"])


def test_a_repeated_confirmation_changes_no_ticket_after_a_rotation(api, time):
    confirmed, event_id, _ = buy(api)
    with settings.override(ticket_keys=KEYS_AFTER_ROTATION):
        again = builders.confirm(api, "ada", confirmed["checkout_session"]["id"])
        assert (again.status, again.json["tickets"]) == (200, confirmed["tickets"])
        assert api.get("/me/tickets", user="ada").json["count"] == 2
        old = confirmed["tickets"][0]
        assert signature.is_genuine(old["qr_sig"], old["id"], event_id, old["code"])


def test_a_user_without_tickets_gets_an_empty_wallet(api, time):
    assert api.get("/me/tickets", user="bob").json == {"tickets": [], "count": 0}


@pytest.mark.parametrize("path", ["/me/tickets", "/tickets/any-1", "/tickets/any-1/qr"])
def test_a_request_without_a_user_is_refused(api, time, path):
    reply = api.get(path)
    assert (reply.status, reply.json["error"]) == (401, "unauthenticated")
    with settings.override(identity="jwt"):
        assert api.get(path, user="ada").status == 401


def test_a_ticket_is_shown_to_its_owner(api, time):
    ticket = buy(api)[0]["tickets"][0]
    shown = api.get(f"/tickets/{ticket['id']}", user="ada")
    assert shown.status == 200
    assert (shown.json["code"], shown.json["admits"], shown.json["currency"]) == (ticket["code"], 1, "USD")
    assert shown.headers["cache-control"] == "no-store"


def test_nobody_but_the_owner_sees_what_a_ticket_is_forged_from(api, time):
    confirmed, event_id, _ = buy(api)
    path = f"/tickets/{confirmed['tickets'][0]['id']}"
    named = {"attendee": {"name": "Gina", "email": "gina.secret@example.com"}}
    own = api.patch(path, json=named, user="ada").json
    withheld = {"code", "qr_sig", "qr_url"}
    expected = {name: value for name, value in own.items() if name not in withheld} | {"attendee": {"name": "Gina"}}
    for token in (builders.admin_token(), builders.staff_token("another-event", event_id)):
        shown = api.get(path, token=token)
        assert (shown.status, shown.json) == (200, expected)
        assert not [secret for secret in (own["code"], own["qr_sig"], "gina.secret") if secret in shown.body.decode()]
        assert api.get(f"{path}/qr", token=token).status == 404


def test_the_ticket_of_another_user_looks_like_one_that_does_not_exist(api, time):
    ticket = buy(api)[0]["tickets"][0]
    for suffix in ("", "/qr"):
        foreign = api.get(f"/tickets/{ticket['id']}{suffix}", user="bob")
        unknown = api.get(f"/tickets/{ticket['id'][:-1]}9{suffix}", user="bob")
        malformed = api.get(f"/tickets/{'x' * 300}{suffix}", user="bob")
        assert foreign.status == unknown.status == malformed.status == 404
        bodies = [{**reply.json, "request_id": ""} for reply in (foreign, unknown, malformed)]
        assert bodies[0] == bodies[1] == bodies[2]
        assert api.get(f"/tickets/{'x' * 3000}{suffix}", user="bob").status == 404
    assert api.get(f"/tickets/{ticket['id']}", token=builders.token("eve", "promoter")).status == 404


def test_staff_of_another_event_get_404_for_a_ticket(api, time):
    confirmed, event_id, _ = buy(api)
    ticket_id = confirmed["tickets"][0]["id"]
    other_event_id = builders.create_event(api, "Other")
    promoter_of_another = auth.issue_token("eve", {"user", "promoter"})
    for token in (builders.staff_token(), builders.staff_token(other_event_id), builders.staff_token(event_id[:-1]), promoter_of_another):
        for suffix in ("", "/qr"):
            refused = api.get(f"/tickets/{ticket_id}{suffix}", token=token)
            unknown = api.get(f"/tickets/{ticket_id[:-1]}9{suffix}", token=token)
            assert refused.status == unknown.status == 404
            assert {**refused.json, "request_id": ""} == {**unknown.json, "request_id": ""}
    at_work = builders.staff_token(event_id)
    assert [api.get(f"/tickets/{ticket_id}{suffix}", token=at_work).status for suffix in ("", "/qr")] == [200, 404]
    own = builders.staff_token(other_event_id, user_id="ada")
    assert api.get(f"/tickets/{ticket_id}", token=own).status == 200


def test_a_qr_code_comes_as_svg_or_png(api, time):
    path = f"/tickets/{buy(api)[0]['tickets'][0]['id']}/qr"
    svg, png = api.get(path, user="ada"), api.get(path, user="ada", query={"format": "png"})
    assert (svg.status, svg.headers["content-type"]) == (200, "image/svg+xml")
    assert svg.body.startswith(b"<svg ")
    assert (png.status, png.headers["content-type"]) == (200, "image/png")
    assert png.body.startswith(b"\x89PNG\r\n\x1a\n")
    assert svg.headers["etag"] != png.headers["etag"]
    for reply in (svg, png):
        assert reply.headers["cache-control"].startswith("private")
        assert "accept" in reply.headers["vary"].lower()


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("image/png", "image/png"),
        ("image/avif,image/webp,image/png,image/svg+xml,*/*;q=0.8", "image/png"),
        ("image/svg+xml, image/png", "image/svg+xml"),
        ("*/*", "image/svg+xml"),
        ("application/json", "image/svg+xml"),
    ],
)
def test_the_accept_header_chooses_the_format_unless_the_query_does(api, time, accept, media_type):
    path = f"/tickets/{buy(api)[0]['tickets'][0]['id']}/qr"
    assert api.get(path, user="ada", headers={"Accept": accept}).headers["content-type"] == media_type
    assert api.get(path, user="ada", headers={"Accept": accept}, query={"format": "png"}).headers["content-type"] == "image/png"


def test_a_cached_qr_code_is_answered_with_304(api, time):
    path = f"/tickets/{buy(api)[0]['tickets'][0]['id']}/qr"
    etag = api.get(path, user="ada").headers["etag"]
    again = api.get(path, user="ada", headers={"If-None-Match": etag})
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    assert api.get(path, user="ada", headers={"If-None-Match": etag}, query={"format": "png"}).status == 200
    assert api.get(path, user="bob", headers={"If-None-Match": etag}).status == 404


def test_an_unknown_format_is_refused(api, time):
    reply = api.get("/tickets/any-1/qr", user="ada", query={"format": "gif"})
    assert (reply.status, reply.json["path"]) == (400, "format")


def test_a_void_ticket_is_shown_as_void_and_has_no_qr_code(api, time):
    first, second = (ticket["id"] for ticket in buy(api)[0]["tickets"])
    dynamo.transact(service.void_items([first], "refunded"))
    assert [ticket["id"] for ticket in api.get("/me/tickets", user="ada").json["tickets"]] == [second]
    assert api.get(f"/tickets/{first}", user="ada").json["state"] == "void"
    refused = api.get(f"/tickets/{first}/qr", user="ada")
    assert (refused.status, refused.json["error"]) == (410, "ticket_void")


def test_a_frozen_ticket_has_no_qr_code_until_it_is_valid_again(api, time):
    first, second = (ticket["id"] for ticket in buy(api)[0]["tickets"])
    etag = api.get(f"/tickets/{first}/qr", user="ada").headers["etag"]
    dynamo.transact(service.freeze_items([service.get_ticket(first)]))
    wallet = api.get("/me/tickets", user="ada").json
    assert [(ticket["id"], ticket["state"]) for ticket in wallet["tickets"]] == [(first, "frozen"), (second, "valid")]
    assert api.get(f"/tickets/{first}", user="ada").json["state"] == "frozen"
    for headers in ({}, {"If-None-Match": etag}):  # not even a 304 for a browser that has cached it
        refused = api.get(f"/tickets/{first}/qr", user="ada", headers=headers)
        assert (refused.status, refused.json["error"]) == (409, "ticket_frozen")
        assert "disputed" in refused.json["message"]
    assert api.get(f"/tickets/{first}/qr", user="bob").status == 404
    assert api.get(f"/tickets/{second}/qr", user="ada").status == 200
    dynamo.transact(service.thaw_items([service.get_ticket(first)]))
    assert api.get(f"/tickets/{first}/qr", user="ada").headers["etag"] == etag
    invariants.check(time.now)


def test_tickets_of_an_event_missing_in_the_catalog_have_no_names(api, time):
    ticket_issue = service.issue_tickets("p1", "ada", "lost-event", [TicketLine("lost-tier", 1, [700], "EUR")], time.now)
    dynamo.transact(ticket_issue.items)
    ticket = api.get("/tickets/p1-1", user="ada").json
    unknown = dict.fromkeys(
        (
            "name",
            "venue",
            "address",
            "starts_at",
            "doors_minutes",
            "ends_at",
            "timezone",
            "cancelled",
            "allows_reentry",
            "dates",
            "cancelled_dates",
        )
    )
    assert ticket["event"] == {"id": "lost-event", **unknown}
    assert ticket["attendee_until"] is None
    assert ticket["tier"] == {"id": "lost-tier", "name": None, "price_cents": 700}


def test_the_price_shown_is_the_price_paid(api, time):
    _, _, tier_id = buy(api)
    dynamo.transact(service.issue_tickets("p2", "bob", "e", [TicketLine(tier_id, 1, [1], "USD")], time.now).items)
    assert api.get("/tickets/p2-1", user="bob").json["tier"] == {"id": tier_id, "name": "Floor", "price_cents": 1}


def test_tickets_are_listed_newest_order_first_without_refunded_ones(api, time):
    orders = []
    for _ in range(3):
        orders.append(buy(api)[0]["order"]["id"])
        time.advance(1)
    assert builders.refund(api, orders[1]).status == 201
    assert builders.refund(api, orders[2], key="part", tickets=builders.ticket_ids(orders[2], 1)).status == 201
    shown = [ticket["id"] for ticket in api.get("/me/tickets", user="ada").json["tickets"]]
    assert shown == [*builders.ticket_ids(orders[2], 2), *builders.ticket_ids(orders[0], 1, 2)]


def test_a_page_of_tickets_of_long_tours_fits_into_a_reply(api, time, monkeypatch):
    """Each ticket repeats the dates of its event, and Lambda returns at most 6 MB."""
    orders = [buy(api, 3)[0]["order"]["id"] for _ in range(2)]
    size = len(json.dumps(api.get(f"/tickets/{orders[0]}-1", user="ada").json))
    monkeypatch.setattr(cursors, "MAX_PAGE_BYTES", int(2.5 * size))
    found, pages, query = [], 0, {"limit": 100}
    while query is not None:
        page = api.get("/tickets", query=query, user="ada").json
        found += [ticket["id"] for ticket in page["tickets"]]
        pages += 1
        query = {"limit": 100, "cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert sorted(found) == sorted(f"{order}-{number}" for order in orders for number in (1, 2, 3))
    assert pages >= 3


def test_a_ticket_that_has_another_owner_is_not_shown_to_its_buyer(api, time):
    confirmed, _, _ = buy(api)
    dynamo.transact([dynamo.transact_update(TicketRow(confirmed["tickets"][0]["id"]), [TicketRow.owner_id.set("bob")])])
    assert [ticket["id"] for ticket in api.get("/me/tickets", user="ada").json["tickets"]] == [confirmed["tickets"][1]["id"]]


def test_a_wallet_takes_three_round_trips_once_the_catalog_is_cached(api, time):
    buy(api)
    api.get("/me/tickets", user="ada")
    with faults.record_calls() as store_calls:
        assert api.get("/me/tickets", user="ada").json["count"] == 2
    assert store_calls == ["Query", "BatchGetItem", "BatchGetItem"]
    with faults.record_calls() as store_calls:
        assert api.get("/me/tickets", user="nobody").json["count"] == 0
    assert store_calls == ["Query"]


def test_an_owner_names_attendees_until_shortly_before_the_event(api, time):
    confirmed, event_id, _ = buy(api)
    path = f"/tickets/{confirmed['tickets'][0]['id']}"
    bob = {"name": "Bob", "email": "bob@example.org"}
    changed = api.patch(path, json={"attendee": bob}, user="ada")
    assert (changed.status, changed.json["attendee"]) == (200, bob)
    assert api.get(path, user="ada").json == changed.json
    assert [ticket["attendee"] for ticket in api.get("/me/tickets", user="ada").json["tickets"]] == [bob, None]
    assert api.patch(path, json={"attendee": None}, user="ada").json["attendee"] is None
    assert api.patch(path, json={"attendee": bob}, user="eve").status == 404
    assert api.patch(path, json={"attendee": bob}, token=builders.staff_token(event_id)).status == 404
    assert api.patch(path, json={"attendee": {"name": "x", "email": "nobody"}}, user="ada").json["path"] == "$.attendee.email"
    time.advance(30 * 86_400 - 3600)
    refused = api.patch(path, json={"attendee": bob}, user="ada")
    assert (refused.status, refused.json["error"]) == (409, "attendee_locked")


def test_a_void_ticket_keeps_its_name(api, time):
    order_id = buy(api)[0]["order"]["id"]
    builders.refund(api, order_id)
    refused = api.patch(f"/tickets/{order_id}-1", json={"attendee": {"name": "Bob"}}, user="ada")
    assert (refused.status, refused.json["error"]) == (410, "ticket_void")


def test_a_transfer_during_a_renaming_keeps_the_new_owners_name(api, time):
    ticket = service.get_ticket(buy(api)[0]["tickets"][0]["id"])
    dynamo.transact([dynamo.transact_update(TicketRow(ticket.id), [TicketRow.owner_id.set("bob")])])
    with pytest.raises(TicketNotFound):
        service.change_attendee(ticket, Attendee("Ada"), time.now)
    assert service.get_ticket(ticket.id).attendee is None


def test_the_attendees_of_an_order_are_on_its_tickets(api, time):
    event_id, tier_id = builders.create_shop(api)
    attendees = [{"name": "Ada"}, {"name": "Bob"}]
    order_id = builders.buy(api, "ada", event_id, tier_id, 3, attendees=attendees).json["order"]["id"]
    shown = [api.get(ticket["qr_url"].removeprefix("/api/v1").removesuffix("/qr"), user="ada").json for ticket in wallet(api)]
    assert [(ticket["id"], ticket["attendee"]) for ticket in shown] == list(
        zip(builders.ticket_ids(order_id, 1, 2, 3), [*attendees, None], strict=True)
    )


def wallet(api):
    return api.get("/me/tickets", user="ada").json["tickets"]
