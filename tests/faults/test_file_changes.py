"""Every kind of fault at every store call of passing on a large publication: each follower still gets all of its changes."""

from contextlib import suppress

import pytest

from chalicelib.addons.messages.store import find_notice
from chalicelib.addons.outgoing_webhooks import endpoints
from chalicelib.addons.outgoing_webhooks.store import query_deliveries
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.catalog.store import CatalogRow
from chalicelib.changes import jobs
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from tests import engines, store_calls
from tests.bootstrap.conftest import event, ticket
from tests.simulation import faults

EVENTS = [f"e{number}" for number in range(5)]


class Stream:
    """Passes the records of the catalog on one by one, again from the first record that has not succeeded."""

    def __init__(self):
        self._local, self._position = engines.local_engine(), ""
        self._stream = self._local.stream_arns()[dynamo.table_name("catalog")]

    def drain(self):
        while records := self._local.stream_records(self._stream, self._position, 1):
            with store_calls.made_by("follow_changes"):
                if jobs.follow_changes({"Records": records}, None)["batchItemFailures"]:
                    return
            self._position = records[0]["dynamodb"]["SequenceNumber"]


@pytest.fixture
def stream(threaded_store, monkeypatch):
    monkeypatch.setattr(jobs, "PORTION", 2)
    return Stream()


def publish(venue, now):
    """Publish a file with five events at this venue."""
    fields = {"venue": venue, "metadata": {"timezone": "America/Denver", "promoter_id": "nora"}}
    events = {event_id: event(event_id, **fields) for event_id in EVENTS}
    tickets = {f"{event_id}-pass": ticket(f"{event_id}-pass", event_id) for event_id in EVENTS}
    rollout.apply(validate_tree({"version": "1", "events": events, "ticket_types": tickets}), "ann", now)


@pytest.mark.parametrize("kind", faults.KINDS)
def test_after_a_fault_at_any_call_all_changes_are_passed_on(kind, time, stream):
    with settings.override(webhook_targets="local"):
        url = "http://127.0.0.1:9999/hook"
        endpoint = endpoints.create_endpoint("nora", "01KT0000000000000000000001", url, "", ["event.changed"], "nora", time.now)
    for venue in ("Hall", "Arena"):
        publish(venue, time.now)
        with faults.record_calls() as calls:
            stream.drain()
    sent = {delivery.id for delivery in query_deliveries(endpoint.id, None)}
    assert len(calls) > 20
    for number in range(1, len(calls) + 1):
        time.advance(1)
        publish(f"Hall {number}", time.now)
        with faults.KINDS[kind](number) as fault, suppress(*dynamo.STORE_ERRORS):
            stream.drain()
        assert fault.was_triggered
        stream.drain()
        assert [find_notice(event_id).last_at for event_id in EVENTS] == [time.now] * len(EVENTS)
        new = {delivery.id: delivery.message.event_id for delivery in query_deliveries(endpoint.id, None) if delivery.id not in sent}
        assert sorted(new.values()) == EVENTS
        sent |= new.keys()
        assert list(CatalogRow.query("passing")) == []
