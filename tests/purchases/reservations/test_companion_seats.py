"""Companion seats: sold to everybody, in the same sale as other tickets, but only together with wheelchair spaces."""

import pytest

from chalicelib.catalog.model import MAX_COMPANIONS
from tests import builders, invariants
from tests.waiting_room import sale


@pytest.fixture
def seats(api):
    """The ids of an event on sale, and of its tiers of each kind."""
    event_id = builders.create_event(api, purchase_limit=6)
    return event_id, create_tiers(api, event_id)


def create_tiers(api, event_id):
    tiers = {
        kind: builders.create_tier(api, event_id, kind, capacity=20, per_user_limit=6) for kind in ("wheelchair", "companion", "other")
    }
    for kind in ("wheelchair", "companion"):
        changed = api.patch(f"/tiers/{tiers[kind]}", json={"seating": kind}, token=builders.admin_token())
        assert changed.status == 200, changed.json
    return tiers


def reserve(api, user, event_id, tiers, token=None, **quantities):
    items = [{"tier_id": tiers[kind], "quantity": quantity} for kind, quantity in quantities.items()]
    return api.post(f"/events/{event_id}/reservations", json={"items": items, "token": token}, user=user)


@pytest.mark.parametrize("companions", range(1, MAX_COMPANIONS + 1))
def test_a_wheelchair_space_comes_with_up_to_three_companion_seats_without_proof(api, time, seats, companions):
    event_id, tiers = seats
    assert reserve(api, "ada", event_id, tiers, wheelchair=1, companion=companions).status == 201
    assert reserve(api, "bob", event_id, tiers, wheelchair=1).status == 201
    invariants.check(time.now)


@pytest.mark.parametrize(("spaces", "companions"), [(0, 1), (1, 4), (1, 5)])
def test_companion_seats_are_not_sold_without_a_space_for_every_three(api, seats, spaces, companions):
    event_id, tiers = seats
    wanted = {"companion": companions} | ({"wheelchair": spaces} if spaces else {})
    refused = reserve(api, "ada", event_id, tiers, **wanted)
    assert (refused.status, refused.json["error"]) == (400, "companions_without_space")
    assert (refused.json["limit"], refused.json["requested"]) == (3 * spaces, companions)
    assert reserve(api, "ada", event_id, tiers, other=1).status == 201


def test_the_limit_of_the_event_is_the_same_for_everybody(api, seats):
    event_id, tiers = seats
    refused = reserve(api, "ada", event_id, tiers, wheelchair=2, companion=5)
    assert refused.json["error"] == "purchase_limit_exceeded"
    assert reserve(api, "ada", event_id, tiers, wheelchair=2, companion=4).status == 201


def test_accessible_seats_are_in_the_same_draw(api, time):
    opens_in = 2 * 86_400  # so that the tiers can still change
    event_id, _ = sale.create_sale(api, time, opens_in=opens_in)
    tiers = create_tiers(api, event_id)
    token = sale.join(api, event_id, "ada")
    early = reserve(api, "ada", event_id, tiers, token, wheelchair=1, companion=1)
    assert early.json["error"] == "not_admitted"
    time.advance(opens_in)
    assert reserve(api, "ada", event_id, tiers, token, wheelchair=1, companion=1).status == 201


def test_everybody_sees_which_tickets_are_accessible(api, seats):
    event_id, tiers = seats
    shown = {tier["id"]: tier["seating"] for tier in api.get(f"/events/{event_id}").json["tiers"]}
    assert shown == {tiers["wheelchair"]: "wheelchair", tiers["companion"]: "companion", tiers["other"]: None}
