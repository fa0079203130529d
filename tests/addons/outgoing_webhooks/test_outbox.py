"""What is queued for whom: each message once, in whatever order its changes come and wherever a function ends."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from chalicelib.addons.outgoing_webhooks import outbox, sender, store
from chalicelib.addons.outgoing_webhooks.model import QueuedDelivery
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.changes.model import OrderPaid, WaitlistOffered
from chalicelib.changes.stream import record_changes
from chalicelib.dynamodb import dynamo
from chalicelib.purchases import queries
from tests import builders, engines
from tests.addons.outgoing_webhooks.conftest import PROMOTER, retry
from tests.bootstrap import conftest as bootstrap
from tests.simulation import faults


@pytest.fixture
def sold(promoter, receiver):
    """Two endpoints, and the changes of three orders that they are to get."""
    endpoints = [promoter.create(receiver, event_types=["order.paid"]) for _ in range(2)]
    for number in range(3):
        builders.create_order(promoter.api, promoter.shop, 1, f"buyer-{number}")
    local = engines.local_engine()
    records = local.stream_records(local.stream_arns()[dynamo.table_name("purchases")], "", 1_000_000)
    return endpoints, [change for record in records for change in record_changes(record)]


def queued(promoter, endpoints):
    return [sorted(delivery["id"] for delivery in promoter.deliveries(endpoint)) for endpoint in endpoints]


def test_changes_may_come_in_any_order_and_often(promoter, sold):
    endpoints, changes = sold
    outbox.follow(changes[::-1])
    first = queued(promoter, endpoints)
    outbox.follow(changes)
    for change in changes:
        outbox.follow([change])
    assert first == queued(promoter, endpoints)
    assert first[0] == first[1]
    assert len(set(first[0])) == 3


def test_several_functions_at_once_queue_each_message_once(promoter, sold):
    endpoints, changes = sold
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: outbox.follow(changes), range(8)))
    assert [len(ids) for ids in queued(promoter, endpoints)] == [3, 3]


@pytest.mark.parametrize("crash_at", [faults.crash_before, faults.crash_after])
def test_a_crash_while_it_is_queued_loses_and_doubles_nothing(promoter, sold, crash_at):
    endpoints, changes = sold
    number, crashed = 1, True
    while crashed:
        with crash_at(number) as crash:
            outbox.follow(changes)
        crashed, number = crash.was_triggered, number + 1
    assert number > 4
    assert [len(ids) for ids in queued(promoter, endpoints)] == [3, 3]


@pytest.mark.parametrize("crash_at", [faults.crash_before, faults.crash_after])
@pytest.mark.parametrize("call", range(1, 5))
def test_a_crash_while_it_is_sent_is_made_good(promoter, receiver, poller, time, call, crash_at):
    endpoint = promoter.create(receiver)
    delivery = promoter.send("POST", f"/{endpoint['id']}/test").json["id"]
    with crash_at(call):
        sender.send_queued([QueuedDelivery("nora", endpoint["id"], delivery)])
    time.advance(sender.CLAIM_SECONDS)
    retry()
    assert promoter.deliveries(endpoint, "?state=delivered")[0]["id"] == delivery
    assert set(receiver.ids) == {delivery}
    assert len(receiver.ids) <= 2


def test_a_result_that_comes_too_late_changes_nothing(promoter, receiver, time):
    """Its attempt has taken longer than its claim, and another one was made meanwhile."""
    endpoint = promoter.create(receiver)
    delivery = promoter.send("POST", f"/{endpoint['id']}/test").json["id"]
    late = store.claim(endpoint["id"], delivery, time.now, time.now + sender.CLAIM_SECONDS)
    assert store.claim(endpoint["id"], delivery, time.now, time.now + sender.CLAIM_SECONDS) is None
    time.advance(sender.CLAIM_SECONDS)
    assert retry()["attempts"] == 1
    assert not store.finish_attempt(late, "pending", [], time.now)
    assert promoter.delivery(endpoint, delivery)["state"] == "delivered"


def ping_often(promoter, endpoint, time, count=16):
    ids = []
    for _ in range(count):
        ids.append(promoter.send("POST", f"/{endpoint['id']}/test").json["id"])
        time.advance(1)
    return ids


def test_deliveries_of_an_endpoint_share_no_single_key_and_are_listed_in_order(promoter, receiver, time):
    endpoint = promoter.create(receiver)
    ids = ping_often(promoter, endpoint, time)
    assert len({row.endpoint_id for row in store.DeliveryRow.scan()}) > 1
    assert [delivery["id"] for delivery in promoter.deliveries(endpoint)] == ids[::-1]
    assert {delivery["endpoint_id"] for delivery in promoter.deliveries(endpoint)} == {endpoint["id"]}
    assert retry()["attempts"] == 16
    assert [delivery["state"] for delivery in promoter.deliveries(endpoint)] == ["delivered"] * 16


def test_deliveries_of_the_previous_version_are_listed_sent_and_sent_again(promoter, receiver, time):
    endpoint = promoter.create(receiver)
    ids = ping_often(promoter, endpoint, time)
    for row in store.DeliveryRow.scan():
        if ids.index(row.id) % 2:  # the previous version knew no lanes
            row.delete()
            row.endpoint_id = endpoint["id"]
            row.save()
    assert [delivery["id"] for delivery in promoter.deliveries(endpoint)] == ids[::-1]
    assert store.give_up(endpoint["id"], ids[1], time.now)
    assert retry()["attempts"] == 15
    states = {delivery_id: promoter.delivery(endpoint, delivery_id)["state"] for delivery_id in ids}
    assert [delivery_id for delivery_id, state in states.items() if state != "delivered"] == [ids[1]]
    for delivery_id in ids:
        assert promoter.send("POST", f"/{endpoint['id']}/deliveries/{delivery_id}/replay").status == 202
    assert retry()["attempts"] == 16
    assert len(promoter.deliveries(endpoint)) == 16


def test_an_offer_of_the_waitlist_is_a_message(promoter, receiver, time):
    endpoint = promoter.create(receiver, event_types=["waitlist.offered"])
    held = builders.reserve(promoter.api, "ada", *promoter.shop).json
    purchase = replace(queries.get_own_purchase("ada", held["id"]), waitlist_entry_id="entry-1")
    outbox.follow([WaitlistOffered(at=time.now, purchase=purchase), OrderPaid(at=time.now, purchase=purchase)])
    [delivery] = promoter.deliveries(endpoint)
    sent = promoter.delivery(endpoint, delivery["id"])["payload"]
    assert (sent["type"], sent["data"]["waitlist_entry_id"]) == ("waitlist.offered", "entry-1")
    assert (sent["data"]["offer"]["id"], sent["data"]["offer"]["expires_at"]) == (held["id"], held["expires_at"])
    assert (sent["data"]["offer"]["state"], sent["data"]["offer"]["status"]) == ("active", "active")
    assert "ada" not in json.dumps(sent)


def test_an_endpoint_gets_nothing_from_before_its_creation(promoter, receiver, time):
    endpoint = promoter.create(receiver)
    order_id = builders.create_order(promoter.api, promoter.shop, 1)
    purchase = queries.get_own_purchase("ada", order_id)
    outbox.follow([OrderPaid(at=time.now - 3600, purchase=purchase)])
    assert promoter.deliveries(endpoint) == []


def test_a_change_by_a_bootstrap_file_is_sent_to_the_promoter(promoter, receiver, poller, time):
    endpoint = promoter.create(receiver, event_types=["event.changed"])
    for venue in ("Hall", "Dome", "Dome", None):
        metadata = {"timezone": "America/Denver", "promoter_id": PROMOTER}
        events = {"fest": bootstrap.event("fest", venue=venue, metadata=metadata)} if venue else {"gala": bootstrap.event("gala")}
        tickets = {} if venue else {"gala-pass": bootstrap.ticket("gala-pass", "gala")}
        tickets |= {"fest-pass": bootstrap.ticket("fest-pass")} if venue else {}
        rollout.apply(validate_tree({"version": "1", "events": events, "ticket_types": tickets}), "test", time.now)
        time.advance(1)
    poller.drain()
    sent = [promoter.delivery(endpoint, delivery["id"])["payload"]["data"] for delivery in promoter.deliveries(endpoint)]
    assert sorted((data["change"], data["fields"], data["event"]["venue"]) for data in sent) == [
        ("changed", ["venue"], "Dome"),
        ("created", [], "Hall"),
        ("deleted", [], "Dome"),
    ]
