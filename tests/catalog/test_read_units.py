"""What the public reads of many instances cost together: the shards are read by one instance, and the others read display items."""

import pytest

from chalicelib.inventory import display
from chalicelib.inventory.model import default_shard_count
from tests.bootstrap.conftest import event, ticket
from tests.simulation.call_log import record_calls
from tests.simulation.instance_memory import InstanceMemory, separate_memories

EVENTS, TIERS, CAPACITY = 6, 3, 400
SHARDS = EVENTS * TIERS * default_shard_count(CAPACITY)
SECONDS = 12


@pytest.fixture
def large_catalog(apply_document):
    events = [event(f"e{number}") for number in range(EVENTS)]
    tickets = [ticket(f"{e['id']}-t{n}", e["id"], max_quantity=CAPACITY) for e in events for n in range(TIERS)]
    apply_document(events, tickets)


def units_of(api, time, count):
    """Units that so many instances use in a second: reads of shards, of display items and of the head, and writes."""
    with separate_memories():
        return _units_of(api, time, [InstanceMemory() for _ in range(count)])


def _units_of(api, time, instances):

    def get_everywhere():
        for instance in instances:
            with instance.active():
                assert api.get("/tickets/types").json["total"] == EVENTS * TIERS
        time.advance(1)

    for _ in range(6):  # until one instance has taken over, and nothing is new
        get_everywhere()
    with record_calls(measured=True) as log:
        for _ in range(SECONDS):
            get_everywhere()
    reads = [sum(entry.read_units for entry in log.of(table=table)) / SECONDS for table in ("inventory", "stock-display", "catalog")]
    assert sum(reads) * SECONDS == pytest.approx(log.capacity[0]), "nothing else is read"
    return *reads, log.capacity[1] / SECONDS


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 10])
def test_more_instances_add_only_reads_of_the_display_items(api, time, large_catalog, monkeypatch, count):
    monkeypatch.setattr(display, "MAX_QUIET", 0)  # as if they had changed
    shards, displays, _, writes = units_of(api, time, count)
    assert (shards, displays, writes) == (SHARDS, count * EVENTS / 2, EVENTS)


@pytest.mark.parametrize("count", [1, 10])
def test_figures_that_do_not_change_cost_a_third(api, time, large_catalog, count):
    shards, displays, _, writes = units_of(api, time, count)
    assert (shards, writes) == (SHARDS / 3, EVENTS / 3)
    assert displays <= count * EVENTS / 2 * 2 / 3, "an instance may ask just before the refresh, and again a second later"
