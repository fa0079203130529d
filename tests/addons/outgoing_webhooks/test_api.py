"""Webhook endpoints as promoters create and change them."""

import pytest

from chalicelib.accounts.service import Account, create_account
from chalicelib.addons.outgoing_webhooks import endpoints, outbox, store
from chalicelib.addons.outgoing_webhooks.model import DAY, MAX_ENDPOINTS
from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.edge import rate_limits
from chalicelib.foundation import clock, outbound_http, settings
from tests import builders
from tests.accounts.conftest import mailbox  # noqa: F401
from tests.addons.outgoing_webhooks.conftest import ENDPOINTS, PROMOTER
from tests.simulation import faults


def test_an_endpoint_is_shown_as_it_was_created_and_its_secret_once(promoter, receiver):
    created = promoter.create(receiver, description="Our CRM", event_types=["order.paid", "order.paid"])
    secret = created.pop("secret")
    assert secret.startswith("whsec_")
    assert (created["url"], created["description"], created["event_types"]) == (receiver.url, "Our CRM", ["order.paid"])
    assert (created["enabled"], created["disabled_reason"], created["failing_since"], created["version"]) == (True, None, None, 1)
    assert promoter.show(created) == created
    assert promoter.send("GET").json == {"webhook_endpoints": [created]}


def test_the_promoter_hears_of_each_new_address(promoter, receiver, mailbox):  # noqa: F811
    """Somebody with a stolen session could otherwise get the orders for good, because a new password ends no webhooks."""
    create_account(Account(user_id=PROMOTER, email="nora@example.com", roles=("user", "promoter"), created_at=0, verified_at=1), "-")
    created = promoter.create(receiver)
    assert mailbox.kinds("nora@example.com") == ["webhook_endpoint_set"]
    promoter.send("PATCH", f"/{created['id']}", description="Our CRM")
    assert len(mailbox.mails) == 1
    assert promoter.send("PATCH", f"/{created['id']}", url=f"{receiver.url}secret", headers={"Accept-Language": "es"}).status == 200
    assert mailbox.kinds("nora@example.com") == ["webhook_endpoint_set"] * 2
    assert "«Webhooks»" in mailbox.mails[1].text
    assert "secret" not in mailbox.mails[1].text


def test_the_audit_log_names_what_changed_without_texts_or_addresses(promoter, receiver):
    """A description or a host may name a person, and nobody can erase an entry."""
    created = promoter.create(receiver, description="Ada Lovelace, +49 30 5550199")
    promoter.send("PATCH", f"/{created['id']}", url=f"{receiver.url}/other", description="Call Ada", event_types=["order.paid"])
    promoter.send("DELETE", f"/{created['id']}")
    entries = {entry.action.partition(".")[2]: entry for entry in audit.list_entries(f"webhook_endpoint#{created['id']}")}
    assert sorted(entries["changed"].details["fields"]) == ["description", "event_types", "url"]
    assert entries["changed"].changes["event_types"].after == ["order.paid"]
    assert entries["deleted"].details == {"promoter_id": PROMOTER, "event_types": ["order.paid"], "disabled_reason": None}
    assert [text for text in ("Ada", receiver.url.split("/")[2]) if text in str(entries.values())] == []


def test_the_secret_is_in_no_other_reply_and_in_no_audit(promoter, receiver):
    key = {"Idempotency-Key": "k"}
    created = promoter.send("POST", url=receiver.url, headers=key).json
    again = promoter.send("POST", url=receiver.url, headers=key)
    assert (again.status, again.json["id"], "secret" in again.json) == (200, created["id"], False)
    rotated = promoter.send("POST", f"/{created['id']}/rotate-secret", headers=key).json
    assert "secret" not in promoter.send("POST", f"/{created['id']}/rotate-secret", headers=key).json
    promoter.send("PATCH", f"/{created['id']}", url=f"{receiver.url}/path-of-secrets")
    promoter.send("DELETE", f"/{created['id']}")
    entries = audit.list_entries(f"webhook_endpoint#{created['id']}")
    actions = ["created", "secret_rotated", "changed", "deleted"]
    assert sorted(entry.action for entry in entries) == sorted(f"webhook_endpoint.{action}" for action in actions)
    assert {entry.actor for entry in entries} == {PROMOTER}
    for text in (created["secret"], rotated["secret"], "path-of-secrets"):
        assert text not in str(entries)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"url": "http://hooks.example.com/"}, "$.url"),
        ({"url": "https://10.0.0.1/"}, "$.url"),
        ({"url": "https://169.254.169.254/latest/meta-data"}, "$.url"),
        ({"url": "https://[::1]/"}, "$.url"),
        ({"url": "https://user:secret@hooks.example.com/"}, "$.url"),
        ({"url": "nonsense"}, "$.url"),
        ({"url": ""}, "$.url"),
        ({}, "$.url"),
        ({"url": "https://93.184.215.14/", "event_types": ["order.eaten"]}, "$.event_types[0]"),
        ({"url": "https://93.184.215.14/", "description": "x" * 501}, "$.description"),
        ({"url": "https://93.184.215.14/", "secret": "mine"}, "$.secret"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_created(promoter, fields, path):
    with settings.override(webhook_targets="public"):
        reply = promoter.api.post(ENDPOINTS, json=fields, token=builders.token(PROMOTER, "promoter"))
    assert (reply.status, reply.json["path"]) == (400, path), reply.json
    assert promoter.send("GET").json["webhook_endpoints"] == []


def test_nobody_creates_an_endpoint_with_an_address_that_may_be_somebody_elses(promoter, receiver):
    """Its owner takes the account over with a new password, and the endpoint would get the orders of the owner's events."""
    create_account(Account(user_id=PROMOTER, email="nora@example.com", roles=("user", "promoter"), created_at=0), "seven grey owls")
    refused = promoter.send("POST", url=receiver.url)
    assert (refused.status, refused.json["error"]) == (409, "address_not_verified")
    assert promoter.send("GET").json["webhook_endpoints"] == []
    builders.verify_address("nora@example.com")
    promoter.create(receiver)


def test_a_host_that_nobody_knows_is_refused(promoter, monkeypatch):
    monkeypatch.setattr(outbound_http, "look_up", lambda host, port: [])
    reply = promoter.send("POST", url="https://hooks.example.com/")
    assert (reply.status, reply.json["path"], reply.json["message"]) == (400, "$.url", "The host name in the address could not be found.")


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("my server", "url_characters"),
        ("https://[::1/", "url_malformed"),
        ("http://hooks.example.com/", "url_not_https"),
        ("https://user:secret@hooks.example.com/", "url_extra_parts"),
        ("https:///path", "url_host"),
        ("https://hooks.example.com:22/", "url_port"),
        ("https://hooks.example.com/", "url_host_not_found"),
        ("https://10.0.0.1/", "url_not_public"),
    ],
)
def test_a_refused_address_names_the_rule_that_pages_explain(promoter, monkeypatch, url, rule):
    monkeypatch.setattr(outbound_http, "look_up", lambda host, port: ["10.0.0.1"] if host == "10.0.0.1" else [])
    with settings.override(webhook_targets="public"):
        reply = promoter.api.post(ENDPOINTS, json={"url": url}, token=builders.token(PROMOTER, "promoter"))
    assert (reply.status, reply.json["path"], reply.json["rule"]) == (400, "$.url", rule)


def test_a_changed_address_is_checked_too(promoter, receiver):
    endpoint = promoter.create(receiver)
    reply = promoter.send("PATCH", f"/{endpoint['id']}", url="https://192.168.0.1/")
    assert (reply.status, reply.json["path"]) == (400, "$.url")
    assert promoter.show(endpoint)["url"] == receiver.url


def test_a_change_is_made_to_the_version_that_was_seen(promoter, receiver):
    endpoint = promoter.create(receiver)
    path = f"/{endpoint['id']}"
    changed = promoter.send("PATCH", path, description="New", event_types=["order.refunded"], version=1)
    assert (changed.json["description"], changed.json["event_types"], changed.json["version"]) == ("New", ["order.refunded"], 2)
    assert changed.headers["etag"] == '"2"'
    assert promoter.send("PATCH", path, description="Newer", version=1).json["error"] == "version_conflict"
    assert promoter.send("PATCH", path, description="Newer", headers={"If-Match": '"1"'}).status == 412
    assert promoter.send("DELETE", path, headers={"If-Match": '"1"'}).status == 412
    assert promoter.send("PATCH", path, description="New").json["version"] == 2  # it changes nothing
    assert promoter.send("DELETE", path, headers={"If-Match": '"2"'}).status == 200
    assert promoter.send("GET", path).status == promoter.send("DELETE", path).status == 404


def test_a_disabled_endpoint_gets_nothing_until_it_is_enabled(promoter, poller, receiver):
    endpoint = promoter.create(receiver)
    disabled = promoter.send("PATCH", f"/{endpoint['id']}", enabled=False).json
    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "by_promoter")
    builders.create_order(promoter.api, promoter.shop, 1)
    poller.drain()
    promoter.send("PATCH", f"/{endpoint['id']}", enabled=True)
    builders.create_order(promoter.api, promoter.shop, 1, "bob")
    poller.drain()
    assert len(receiver.received) == 1


def test_a_promoter_has_ten_endpoints_at_most(promoter, receiver):
    for _ in range(MAX_ENDPOINTS):
        promoter.create(receiver)
    reply = promoter.send("POST", url=receiver.url)
    assert (reply.status, reply.json["error"], reply.json["limit"]) == (409, "too_many_endpoints", 10)


def test_an_unverified_promoter_has_fewer_endpoints(promoter, receiver):
    with settings.override(unverified_endpoints=1):
        promoter.create(receiver)
        reply = promoter.send("POST", url=receiver.url)
        assert (reply.status, reply.json["error"], reply.json["limit"]) == (409, "too_many_endpoints", 1)
        profile = {"name": "Nora", "verified": True}
        assert promoter.api.put(f"/promoters/{PROMOTER}", json=profile, token=builders.admin_token()).status == 200
        promoter.create(receiver)


def test_simultaneous_requests_get_no_more_endpoints(promoter, receiver, monkeypatch):
    """Each of them counts the endpoints before the others have created theirs."""
    begun, statuses = iter(range(3)), []

    def resolve(_destination):
        if next(begun, None) is not None:
            statuses.append(promoter.send("POST", url=receiver.url).status)
        return ["127.0.0.1"]

    monkeypatch.setattr(outbound_http, "resolve", resolve)
    with settings.override(unverified_endpoints=2):
        statuses.append(promoter.send("POST", url=receiver.url).status)
    assert statuses == [201, 201, 409, 409]
    assert len(promoter.send("GET").json["webhook_endpoints"]) == 2


def test_deliveries_have_pages_and_are_found_by_their_state(promoter, poller, receiver, time):
    endpoint = promoter.create(receiver)
    for _ in range(5):
        promoter.send("POST", f"/{endpoint['id']}/test")
        time.advance(1)
    path = f"/{endpoint['id']}/deliveries"
    first = promoter.send("GET", f"{path}?limit=2").json
    second = promoter.send("GET", f"{path}?limit=2&cursor={first['next_cursor']}").json
    third = promoter.send("GET", f"{path}?limit=2&cursor={second['next_cursor']}").json
    assert (len(third["deliveries"]), third["next_cursor"]) == (1, None)
    found = [*first["deliveries"], *second["deliveries"], *third["deliveries"]]
    assert [delivery["created_at"] for delivery in found] == sorted((delivery["created_at"] for delivery in found), reverse=True)
    assert len({delivery["id"] for delivery in found}) == 5
    assert promoter.deliveries(endpoint, "?state=delivered") == []
    poller.drain()
    assert len(promoter.deliveries(endpoint, "?state=delivered")) == 5
    assert promoter.send("GET", f"{path}?state=lost").json["path"] == "state"
    assert promoter.send("GET", f"{path}?cursor=nonsense").json["path"] == "cursor"


def test_a_repeated_test_or_replay_is_one(promoter, poller, receiver, time):
    endpoint = promoter.create(receiver)
    key = {"Idempotency-Key": "k"}
    first, again = (promoter.send("POST", f"/{endpoint['id']}/test", headers=key) for _ in range(2))
    assert (first.status, first.json["id"]) == (202, again.json["id"])
    poller.drain()
    replay = f"/{endpoint['id']}/deliveries/{first.json['id']}/replay"
    for _ in range(2):
        assert promoter.send("POST", replay, headers=key).status == 202
    poller.drain()
    assert len(receiver.received) == 2
    entries = audit.list_entries(f"webhook_endpoint#{endpoint['id']}")
    assert {"webhook_endpoint.tested", "webhook_delivery.replayed"} <= {entry.action for entry in entries}


def test_a_test_that_is_repeated_after_an_error_sends_one_ping(promoter, poller, receiver, time, monkeypatch):
    endpoint = promoter.create(receiver)
    key = {"Idempotency-Key": "k"}

    def fail(*_, **__):
        raise dynamo.StoreUnavailable("busy")

    monkeypatch.setattr(endpoints, "record_action", fail)
    assert promoter.send("POST", f"/{endpoint['id']}/test", headers=key).status == 503
    monkeypatch.undo()
    time.advance(30)
    assert promoter.send("POST", f"/{endpoint['id']}/test", headers=key).status == 202
    poller.drain()
    assert len(receiver.received) == 1


def test_unknown_endpoints_and_deliveries_are_not_found(promoter, receiver):
    endpoint = promoter.create(receiver)
    for path in ("/none", "/none/deliveries", f"/{endpoint['id']}/deliveries/none"):
        assert promoter.send("GET", path).status == 404
    for path in ("/none/test", "/none/rotate-secret", f"/{endpoint['id']}/deliveries/none/replay"):
        assert promoter.send("POST", path).status == 404


def test_promoters_manage_their_own_and_admins_all(promoter, receiver):
    endpoint = promoter.create(receiver)
    path = f"{ENDPOINTS}/{endpoint['id']}"
    other = builders.token("olaf", "promoter")
    for method, target in (("GET", ENDPOINTS), ("GET", path), ("PATCH", path), ("DELETE", path), ("GET", f"{path}/deliveries")):
        body = {"json": {"enabled": False}} if method == "PATCH" else {}
        assert promoter.api.request(method, target, token=other, **body).json["error"] == "forbidden"
    for action in ("test", "rotate-secret"):
        assert promoter.api.post(f"{path}/{action}", token=other).json["error"] == "forbidden"
    assert promoter.api.get(path, token=builders.admin_token()).json["id"] == endpoint["id"]
    # An endpoint is found with its own promoter only.
    foreign = f"/promoters/olaf/webhook-endpoints/{endpoint['id']}"
    assert promoter.api.get(foreign, token=other).status == 404


def test_how_often_endpoints_are_tested_is_limited(promoter, receiver):
    endpoint = promoter.create(receiver)
    with settings.override(rate_limits="on", limit_webhook="2/3600"):
        statuses = [promoter.send("POST", f"/{endpoint['id']}/test").status for _ in range(3)]
    assert statuses == [202, 202, 429]


def test_messages_to_endpoints_are_counted_before_they_are_queued_on_every_instance(promoter, receiver):
    endpoint, statuses = promoter.create(receiver), []
    with settings.override(rate_limits="on", limit_webhook="2/3600"):
        for _ in range(5):
            rate_limits._local_counters.forget()  # each request gets a new instance
            statuses.append(promoter.send("POST", f"/{endpoint['id']}/test").status)
    assert (statuses, len(promoter.deliveries(endpoint))) == ([202] * 2 + [429] * 3, 2)


def test_how_often_secrets_are_replaced_is_limited(promoter, receiver):
    endpoint = promoter.create(receiver)
    with settings.override(rate_limits="on", limit_webhook="2/3600"):
        replies = [promoter.send("POST", f"/{endpoint['id']}/rotate-secret") for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert promoter.show(endpoint)["version"] == replies[1].json["version"]


def test_the_previous_secret_is_shown_to_end(promoter, receiver, time):
    endpoint = promoter.create(receiver)
    rotated = promoter.send("POST", f"/{endpoint['id']}/rotate-secret").json
    assert rotated["previous_secret_until"] is not None
    time.advance(DAY)
    assert promoter.show(endpoint)["previous_secret_until"] is None


def fail_deliveries(promoter, endpoint, time, count):
    """That many messages, a minute after the other, which have failed for good. Returns their ids, the oldest first."""
    ids = []
    for _ in range(count):
        ids.append(promoter.send("POST", f"/{endpoint['id']}/test").json["id"])
        time.advance(60)
    for delivery_id in ids:
        assert store.give_up(endpoint["id"], delivery_id, time.now)
    return ids


def replay_failed(promoter, endpoint, **fields):
    headers = fields.pop("headers", {})
    path = f"{ENDPOINTS}/{endpoint['id']}/replay-failed"
    return promoter.api.post(path, json=fields, token=builders.token(PROMOTER, "promoter"), headers=headers)


def test_failures_of_a_time_range_are_replayed_once(promoter, poller, receiver, time):
    endpoint = promoter.create(receiver)
    began = time.now
    ids = fail_deliveries(promoter, endpoint, time, 4)
    span = {"since": clock.iso(began + 60), "until": clock.iso(began + 120)}
    assert replay_failed(promoter, endpoint, **span).json == {"replayed": 2, "next_cursor": None}
    assert replay_failed(promoter, endpoint, **span).json == {"replayed": 0, "next_cursor": None}
    poller.drain()
    assert sorted(receiver.ids) == sorted(ids[1:3])
    assert {delivery["id"] for delivery in promoter.deliveries(endpoint, "?state=failed")} == {ids[0], ids[3]}
    assert replay_failed(promoter, endpoint).json["replayed"] == 2
    entries = [entry for entry in audit.list_entries(f"webhook_endpoint#{endpoint['id']}") if entry.action.endswith("failed_replayed")]
    assert sorted(entry.details["replayed"] for entry in entries) == [0, 2, 2]


@pytest.mark.parametrize("bound", ["MAX_REPLAYED", "MAX_ROWS_READ"])
def test_failures_are_replayed_in_portions(promoter, poller, receiver, time, monkeypatch, bound):
    monkeypatch.setattr(outbox, bound, 2)
    endpoint = promoter.create(receiver)
    ids = fail_deliveries(promoter, endpoint, time, 5)
    replayed, cursor, calls = 0, {}, 0
    while cursor is not None:
        reply = replay_failed(promoter, endpoint, **cursor)
        assert (reply.status, reply.json["replayed"] <= 2) == (202, True)
        replayed, calls = replayed + reply.json["replayed"], calls + 1
        cursor = {"cursor": reply.json["next_cursor"]} if reply.json["next_cursor"] else None
    assert (replayed, calls) == (5, 3)
    poller.drain()
    assert sorted(receiver.ids) == sorted(ids)


def test_a_repeated_or_crashed_replay_sends_each_message_once(promoter, poller, receiver, time):
    endpoint = promoter.create(receiver)
    ids = fail_deliveries(promoter, endpoint, time, 3)
    key = {"Idempotency-Key": "k"}
    first, again = (replay_failed(promoter, endpoint, headers=key) for _ in range(2))
    assert (first.json["replayed"], again.json["replayed"]) == (3, 3)
    poller.drain()
    assert sorted(receiver.ids) == sorted(ids)
    more = fail_deliveries(promoter, endpoint, time, 3)
    number, crashed = 1, True
    while crashed:
        with faults.crash_after(number) as crash:
            replay_failed(promoter, endpoint)
        crashed, number = crash.was_triggered, number + 1
    assert number > 3
    poller.drain()
    assert sorted(receiver.ids) == sorted([*ids, *more])


def test_a_wrong_range_is_refused_and_so_is_a_disabled_endpoint(promoter, receiver, time):
    endpoint = promoter.create(receiver)
    later, earlier = clock.iso(time.now), clock.iso(time.now - 60)
    for fields, path in (
        ({"since": later, "until": earlier}, "$.until"),
        ({"since": "yesterday"}, "$.since"),
        ({"until": "9999-01-01T00:00:00Z"}, "$.until"),
        ({"cursor": "nonsense"}, "cursor"),
    ):
        refused = replay_failed(promoter, endpoint, **fields)
        assert (refused.status, refused.json["path"].endswith(path)) == (400, True), refused.json
    promoter.send("PATCH", f"/{endpoint['id']}", enabled=False)
    assert replay_failed(promoter, endpoint).json["error"] == "endpoint_disabled"
    assert replay_failed(promoter, {"id": "none"}).status == 404
