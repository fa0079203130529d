"""The audit log over HTTP."""

import csv
import io

import pytest

from tests import builders


@pytest.fixture
def event_id(api, time):
    """An event with a tier and a refunded order of `ada`."""
    shop = builders.create_shop(api)
    order_id = builders.create_order(api, shop)
    time.advance(60)
    assert builders.refund(api, order_id).status == 201
    return shop[0]


def list_audit(api, event_id, token=None, **query):
    return api.get(f"/events/{event_id}/audit", query=query, token=token or builders.admin_token())


def test_the_entries_of_an_event_include_those_of_its_tiers_and_orders(api, event_id):
    reply = list_audit(api, event_id)
    assert [entry["action"] for entry in reply.json["entries"]] == ["order.refunded", "tier.created", "event.created"]
    refunded = reply.json["entries"][0]
    assert (refunded["actor"], refunded["address"], refunded["event_id"]) == ("root", "127.0.0.1", event_id)
    assert refunded["request_id"]
    assert reply.json["next_cursor"] is None


def test_only_admins_see_from_which_addresses_people_acted(api, event_id):
    coordinator = builders.auth.issue_token("cleo", {"user"}, events={event_id: "coordinator"})
    assert {entry["address"] for entry in list_audit(api, event_id).json["entries"]} == {"127.0.0.1"}
    assert {entry["address"] for entry in list_audit(api, event_id, coordinator).json["entries"]} == {None}
    for token, address in ((None, "127.0.0.1"), (coordinator, "")):
        rows = list(csv.DictReader(io.StringIO(list_audit(api, event_id, token, format="csv").body.decode().lstrip("\ufeff"))))
        assert {row["address"] for row in rows} == {address}


def test_pages_are_followed_by_their_cursor(api, event_id):
    first = list_audit(api, event_id, limit=2).json
    second = list_audit(api, event_id, limit=2, cursor=first["next_cursor"]).json
    assert [entry["action"] for entry in first["entries"] + second["entries"]] == ["order.refunded", "tier.created", "event.created"]
    assert second["next_cursor"] is None


def test_managers_see_the_log_of_their_event_and_admins_all_of_it(api, event_id):
    coordinator = builders.auth.issue_token("cleo", {"user"}, events={event_id: "coordinator"})
    assert list_audit(api, event_id, coordinator).status == 200
    for token in (builders.staff_token(event_id), builders.token("pia", "promoter"), builders.token()):
        assert list_audit(api, event_id, token).status == 403
    assert api.get("/admin/audit", token=coordinator).status == 403
    assert list_audit(api, "nowhere").status == 404


def test_admins_filter_the_whole_log(api, event_id):
    def found(**query):
        return [entry["action"] for entry in api.get("/admin/audit", query=query, token=builders.admin_token()).json["entries"]]

    assert len(found()) == 3
    assert found(subject=f"event#{event_id}") == ["event.created"]
    assert found(actor="root", action="tier.created") == ["tier.created"]
    assert found(event_id=event_id, **{"from": "2026-06-01T12:00:30Z"}) == ["order.refunded"]
    assert found(to="2026-06-01T12:00:30Z") == ["tier.created", "event.created"]
    assert found(actor="nobody") == []


@pytest.mark.parametrize(
    "query",
    [{"limit": 0}, {"limit": 1001}, {"cursor": "?"}, {"cursor": "c29vbg"}, {"from": "soon"}, {"to": "9999-12-31T00:00:00Z"}, {"x": 1}],
)
def test_a_wrong_parameter_is_named(api, store, query):
    reply = api.get("/admin/audit", query=query, token=builders.admin_token())
    assert (reply.status, reply.json["path"]) == (400, next(iter(query)))


def test_the_log_is_exported_as_csv_with_a_link_to_the_next_page(api, event_id):
    reply = list_audit(api, event_id, format="csv", limit=2)
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    header, *rows = csv.reader(io.StringIO(reply.body.decode()))
    assert header[:4] == ["at", "action", "actor", "subject"]
    assert [row[1] for row in rows] == ["order.refunded", "tier.created"]
    target = reply.headers["link"].split(">")[0].removeprefix("<?")
    rest = api.get(f"/events/{event_id}/audit?{target}", token=builders.admin_token())
    assert [row[1] for row in csv.reader(io.StringIO(rest.body.decode()))] == ["action", "event.created"]
    assert "link" not in rest.headers
