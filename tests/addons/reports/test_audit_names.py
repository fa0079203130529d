"""The log of an event names the people who work there, and nobody else."""

import csv
import io

import pytest

from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Account
from chalicelib.edge import auth
from chalicelib.foundation import clock
from tests import builders
from tests.accounts.conftest import PASSWORD, sign_up


@pytest.fixture
def promoter(api, time):
    return sign_up(api, "nights@example.com", role="promoter", first_name="Nora", last_name="Vale")


@pytest.fixture
def event_id(api, time, promoter):
    """An event of the promoter whose doors are open, with an order of `ada`."""
    token = promoter["access_token"]
    body = {"name": "Night", "venue": "Hall", "timezone": "UTC", "waiting_room": {"enabled": False}}
    times = {"starts_at": clock.iso(time.now + 3600), "on_sale_at": clock.iso(time.now - 3600)}
    event_id = api.post("/events", json=body | times, token=token).json["id"]
    tier_id = builders.create_tier(api, event_id)
    assert api.post(f"/events/{event_id}/publish", json={}, token=token).status == 200
    builders.create_order(api, (event_id, tier_id), 3)
    return event_id


@pytest.fixture
def scan(api, time, event_id):
    """Admit somebody with the ticket of this number, as the holder of this token."""
    order_id = api.get("/me/tickets", user="ada").json["tickets"][0]["order_id"]

    def scan(number, token):
        time.advance(1)
        reply = api.post(f"/tickets/{order_id}-{number}/validate", json={}, token=token)
        assert reply.status == 200, reply.json

    return scan


def hire(api, event_id, email, role="staff", **fields):
    """Invite a person with an account. Returns their token and their member id."""
    user_id = sign_up(api, email, **fields)["user"]["id"]
    member = api.post(f"/events/{event_id}/members", json={"email": email, "role": role}, token=builders.admin_token()).json
    builders.accept_invitation(event_id, email)
    return auth.issue_token(user_id, {"user"}, events={event_id: role}), member["id"]


def names(api, event_id, action="ticket.checked_in"):
    query = {"action": action}
    entries = api.get(f"/events/{event_id}/audit", query=query, token=builders.admin_token()).json["entries"]
    return [(entry["actor_name"], entry["actor_role"]) for entry in reversed(entries)]


def test_a_promoter_sees_the_names_of_people_who_scanned(api, event_id, promoter, scan):
    scan(1, hire(api, event_id, "door@example.com", first_name="Dana", last_name="Door")[0])
    scan(2, hire(api, event_id, "second@example.com", "coordinator")[0])
    scan(3, promoter["access_token"])
    assert names(api, event_id) == [("Dana Door", "staff"), ("second@example.com", "coordinator"), ("Nora Vale", "promoter")]


def test_staff_who_were_removed_are_named_at_their_scans_and_nowhere_else(api, event_id, scan):
    token, member_id = hire(api, event_id, "cleo@example.com", "coordinator", first_name="Cleo")
    assert api.patch(f"/events/{event_id}", json={"description": "Loud."}, token=token).status == 200
    scan(1, token)
    assert names(api, event_id, "event.changed") == [("Cleo", "coordinator")]
    assert api.delete(f"/events/{event_id}/members/{member_id}", token=builders.admin_token()).status == 200
    assert names(api, event_id) == [("Cleo", None)]
    assert names(api, event_id, "event.changed") == [(None, None)]


def test_only_the_role_of_an_admin_is_shown(api, event_id, time):
    accounts.create_account(Account(user_id="root", email="root@example.com", roles=("user", "admin"), created_at=time.now), PASSWORD)
    assert api.patch(f"/events/{event_id}", json={"description": "Loud."}, token=builders.admin_token()).status == 200
    assert names(api, event_id, "event.changed") == [(None, "admin")]


def test_names_vanish_from_the_log_with_the_account(api, event_id, scan):
    token, _ = hire(api, event_id, "door@example.com", first_name="Dana")
    scan(1, token)
    assert names(api, event_id) == [("Dana", "staff")]
    erased = api.delete("/auth/me", json={"password": PASSWORD}, token=token)
    assert erased.status < 300, erased.json
    assert names(api, event_id) == [(None, None)]


def test_the_file_has_the_names_in_its_last_columns(api, event_id, scan):
    scan(1, hire(api, event_id, "door@example.com", first_name="=Dana")[0])
    query = {"action": "ticket.checked_in", "format": "csv"}
    header, row = csv.reader(io.StringIO(api.get(f"/events/{event_id}/audit", query=query, token=builders.admin_token()).body.decode()))
    assert header[-2:] == ["actor_name", "actor_role"]
    assert row[-2:] == ["'=Dana", "staff"]
