"""How many store calls a poll and a join take."""

from tests.simulation import faults
from tests.waiting_room.sale import SECONDS_TO_OPENING, get_status, join


def test_a_poll_reads_nothing_and_a_join_writes_twice(api, time, sale):
    event_id, _ = sale
    token = join(api, event_id, "ada")
    with faults.record_calls() as store_calls:
        for _ in range(5):
            get_status(api, event_id, token)
            api.get(f"/events/{event_id}/waiting-room/state")
    assert list(store_calls) == []
    with faults.record_calls() as store_calls:
        join(api, event_id, "bob")
    assert list(store_calls) == ["GetItem", "UpdateItem", "PutItem"]
    time.advance(SECONDS_TO_OPENING)
    get_status(api, event_id, token)
    with faults.record_calls() as store_calls:
        get_status(api, event_id, token)
        join(api, event_id, "eve")
    assert list(store_calls) == ["GetItem", "UpdateItem", "PutItem"]
