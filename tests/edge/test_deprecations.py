"""Deprecated names: replies have them beside the new names, and then say when they will be removed."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec
import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.edge import deprecations
from chalicelib.edge.store import IdempotencyRow
from chalicelib.foundation import settings
from tests import builders
from tests.repository import ROOT
from tests.waiting_room import sale


def assert_deprecated(reply):
    deprecated, sunset = reply.headers["deprecation"], parsedate_to_datetime(reply.headers["sunset"])
    assert datetime.fromtimestamp(int(deprecated.removeprefix("@")), UTC) == deprecations.DEPRECATED_AT
    assert sunset == deprecations.SUNSET_AT
    assert 'rel="deprecation"' in reply.headers["link"]
    assert {"Deprecation", "Sunset", "Link"} <= set(reply.headers["access-control-expose-headers"].split(", "))


def assert_current(reply):
    assert not {"deprecation", "sunset", "link"} & {name.lower() for name in reply.headers}


def test_details_of_an_error_have_both_names(edge):
    reply = edge.get("/fails/busy")
    assert reply.json["retry_after_seconds"] == reply.json["retryAfterSeconds"] == int(reply.headers["retry-after"])
    assert_deprecated(reply)


@pytest.mark.parametrize("path", ["/fails/refused", "/fails/not-found", "/fails/bug", "/small", "/fresh"])
def test_a_reply_without_a_deprecated_name_does_not_mention_deprecation(edge, path):
    assert_current(edge.get(path))


def test_a_refused_limit_has_both_names(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=50, per_user_limit=10)
    builders.buy(api, "ada", event_id, tier_id, 4)
    refused = builders.reserve(api, "ada", event_id, tier_id, 3)
    expected = {"already_purchased": 4, "alreadyPurchased": 4, "active_holds": 0, "activeHolds": 0}
    assert refused.json.items() >= expected.items()
    assert_deprecated(refused)


def test_the_first_clients_name_of_a_checkout_is_understood(api, time):
    reservation_id = builders.reserve(api, "ada", *builders.create_shop(api)).json["id"]
    builders.start_checkout(api, "ada", reservation_id)
    both = {"checkoutId": reservation_id, "checkout_id": reservation_id, "simulate": "success"}
    refused = api.post("/checkout/confirm", json=both, user="ada")
    assert (refused.status, refused.json["path"]) == (400, "$.checkoutId")
    wrong = api.post("/checkout/confirm", json={"checkoutId": 7}, user="ada")
    assert (wrong.status, wrong.json["path"]) == (400, "$.checkout_id")
    assert api.post("/checkout/confirm", body=b"[7]", user="ada").json["path"] == "$"
    malformed = (b"{", b'{"checkoutId":' + b"[" * 9000 + b"]" * 9000 + b"}", b'{"checkoutId":"\xff"}', b'{"checkoutId":1,"\xff":2}')
    for body in malformed:
        reply = api.post("/checkout/confirm", body=body, user="ada")
        assert reply.status == 400, body[:30]
    confirmed = api.post("/checkout/confirm", json={"checkoutId": reservation_id, "simulate": "success"}, user="ada")
    assert (confirmed.status, confirmed.json["order"]["id"]) == (201, reservation_id)


def test_a_cancelled_reservation_has_a_state_and_its_old_status(api, time):
    shop = builders.create_shop(api)
    reserved = builders.reserve(api, "ada", *shop)
    assert (reserved.json["state"], reserved.json["status"]) == ("active", "active")
    released = api.delete(f"/reservations/{reserved.json['id']}", user="ada")
    assert (released.json["state"], released.json["status"]) == ("cancelled", "canceled")
    for reply in (reserved, released):
        assert_deprecated(reply)


def test_views_inside_other_views_have_both_names(api, time):
    reservation_id = builders.reserve(api, "ada", *builders.create_shop(api)).json["id"]
    opened = builders.start_checkout(api, "ada", reservation_id)
    for view in (opened.json, opened.json["reservation"]):
        assert view["state"] == view["status"]
    declined = builders.confirm(api, "ada", reservation_id, "fail")
    assert declined.json["checkout_session"] == {"id": reservation_id, "state": "failed", "status": "failed"}
    assert declined.json["reservation"] == {"id": reservation_id, "state": "cancelled", "status": "canceled"}
    for reply in (opened, declined):
        assert_deprecated(reply)


def test_the_status_of_the_waiting_room_has_both_names(api, time):
    event_id, _ = sale.create_sale(api, time)
    joined = api.post(f"/events/{event_id}/waiting-room/join", user="ada")
    shown = api.get(f"/events/{event_id}/waiting-room/status", query={"token": joined.json["token"]})
    for reply in (joined, shown):
        assert (reply.json["can_enter"], reply.json["eta_seconds"], reply.json["pass_expired"]) == (False, 600, False)
        for new, old in deprecations.VIEWS["QueueStatusView"].items():
            assert reply.json[new] == reply.json[old]
        assert_deprecated(reply)


def test_replies_of_the_shop_without_a_deprecated_name_do_not_mention_deprecation(api, time):
    event_id, tier_id = builders.create_shop(api)
    order_id = builders.create_order(api, (event_id, tier_id))
    for path in (f"/events/{event_id}", f"/orders/{order_id}", "/waitlist"):
        assert_current(api.get(path, user="ada"))
    assert api.post("/waitlist", json={"event_id": event_id, "quantity": 1}, user="ada").status == 409


def _stored_reply():
    [row] = dynamo.client().scan(TableName=IdempotencyRow.name())["Items"]
    return row["id"]["S"], msgspec.json.decode(row["reply"]["S"])


def test_a_repeated_reply_has_both_names_also_if_an_earlier_release_stored_it(api, time):
    shop = builders.create_shop(api)
    first = builders.reserve_items(api, "ada", shop[0], {shop[1]: 1}, key="k")
    row_id, stored = _stored_reply()
    assert stored == first.json, "the earlier release can repeat it"
    del stored["state"]
    dynamo.client().update_item(
        TableName=IdempotencyRow.name(),
        Key={"id": {"S": row_id}},
        UpdateExpression="SET reply = :old",
        ExpressionAttributeValues={":old": {"S": msgspec.json.encode({**stored, "status": "canceled"}).decode()}},
    )
    again = builders.reserve_items(api, "ada", shop[0], {shop[1]: 1}, key="k")
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.json["state"], again.json["status"]) == ("cancelled", "canceled")
    assert_deprecated(again)


def test_the_changelog_names_what_is_deprecated_and_the_sunset():
    names = {
        old for table in (deprecations.ERROR_DETAILS, *deprecations.VIEWS.values(), *deprecations.BODIES.values()) for old in table.values()
    }
    names |= {f"{settings.PREFIX}{name.upper()}" for name in settings.DEPRECATED}
    sections = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("\n#")
    deprecated = "".join(section for section in sections if section.lstrip("# ").startswith("Deprecated"))
    assert sorted(name for name in names if f"`{name}`" not in deprecated) == []
    entries = deprecated.split("\n- ")[1:]
    assert [entry for entry in entries if f"{deprecations.SUNSET_AT:%Y-%m-%d}" not in entry] == [], "nothing else is under Deprecated"
