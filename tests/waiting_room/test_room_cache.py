"""How many store calls a poll and a join take."""

from chalicelib.foundation import settings
from tests.simulation import faults
from tests.simulation.call_log import record_calls
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, join


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


def test_after_the_draw_a_reload_reads_only_the_late_counters(api, time):
    with settings.override(waiting_room_counters=4):
        event_id, _ = create_sale(api, time)
        tokens = [join(api, event_id, f"u{number}") for number in range(9)]

        def read_units_of_a_poll():
            time.advance(1)
            with record_calls(measured=True) as log:
                assert get_status(api, event_id, tokens[0])["total"] == len(tokens)
            return sum(entry.read_units for entry in log.of(table="waiting-room"))

        time.advance(1)
        assert read_units_of_a_poll() == 1 + (4 + 4) / 2
        time.advance(SECONDS_TO_OPENING)
        get_status(api, event_id, tokens[0])
        tokens.append(join(api, event_id, "late"))
        assert read_units_of_a_poll() == 1 + 4 / 2
