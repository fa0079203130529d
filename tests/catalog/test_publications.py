"""What is written before the catalog refers to it: it is published as a whole, or deleted."""

import pytest
from msgspec.structs import replace

from chalicelib.catalog import capacities, forms, store, tier_management
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import VersionContent
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import log, parallel
from chalicelib.inventory import service as inventory
from chalicelib.inventory.allocation import HoldRequest, hold_tickets
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.model import MAX_HOLDS
from chalicelib.inventory.store import scan_shards
from tests import builders, invariants
from tests.catalog.requests import TIER, create_draft, create_kind, create_published, get, open_flags, post, promoter
from tests.simulation import faults
from tests.simulation.interference import interfere_before

pytestmark = pytest.mark.usefixtures("store", "time")

LARGE = 3 * MAX_HOLDS


@pytest.fixture
def _small_transactions(monkeypatch):
    """As if a stock of three shards were too large for the transaction that creates its tier."""
    monkeypatch.setattr(capacities, "MAX_SHARDS_IN_TRANSACTION", 2)


def write_stock(stock_id: str, capacity: int = LARGE, shard_count: int = 3) -> None:
    dynamo.batch_put(inventory.new_shards(stock_id, capacity=capacity, sold=0, shard_count=shard_count, is_open=True))


def shards() -> list[str]:
    return sorted(shard.id for shard in scan_shards())


def test_an_abandoned_publication_can_no_longer_be_published(time):
    number = store.begin_publication(time.now)
    catalog.write_version(number, VersionContent([], [], {}), b"{}")
    read, _ = catalog.load_head_and_catalog()
    catalog.Publication(number).discard()
    with pytest.raises(catalog.HeadChanged) as conflict:
        catalog.publish_version(read, replace(read, version=number, revision=1, applied_by="test"), "catalog.applied", {})
    assert conflict.value.head == read
    assert invariants.find_unpublished() == []


def test_a_published_version_is_not_discarded(time):
    number = store.begin_publication(time.now)
    catalog.write_version(number, VersionContent([], [], {}), b"{}")
    read, _ = catalog.load_head_and_catalog()
    catalog.publish_version(read, replace(read, version=number, revision=1, applied_by="test"), "catalog.applied", {})
    catalog.Publication(number).discard()
    assert catalog.load_document(number) == b"{}"


def test_the_sweep_deletes_abandoned_stock_only_after_an_hour(time):
    number = store.begin_publication(time.now)
    write_stock(catalog.new_stock_id("t", number))
    time.advance(3600)
    assert builders.run_sweep()["shards_deleted"] == 0
    assert len(shards()) == 3
    time.advance(1)
    assert builders.run_sweep()["shards_deleted"] == 3
    assert invariants.find_unpublished() == []


def test_only_an_abandoned_publication_is_counted_once(time):
    before = log.total("publications_abandoned")
    store.begin_publication(time.now)
    with pytest.raises(ZeroDivisionError), catalog.open_publication(time.now):
        raise ZeroDivisionError
    for seconds in (3600, 1, 60):
        time.advance(seconds)
        builders.run_sweep()
    assert log.total("publications_abandoned") == before + 1


def test_an_abandoned_publication_is_forgotten_after_a_day(time):
    """Until then, a process that continues finds it and deletes what it has written since."""
    number = store.begin_publication(time.now)
    time.advance(3601)
    builders.run_sweep()
    late = catalog.Publication(number)
    catalog.write_version(number, VersionContent([], [], {}), b"{}")
    late.write_shards(inventory.new_shards(late.stock_id("t"), capacity=9, sold=0, shard_count=1, is_open=True))
    late.discard()
    assert (shards(), invariants.find_unpublished(), store.list_publications()) == ([], [], [])
    number = store.begin_publication(time.now)
    time.advance(86_400)
    builders.run_sweep()
    assert store.list_publications() == []


def test_the_sweep_deletes_stock_whose_publication_is_not_known(time):
    write_stock("t@7")
    assert builders.run_sweep()["shards_deleted"] == 3


def test_the_sweep_deletes_no_used_shard_and_no_other_stock():
    write_stock("t@7")
    (held,) = hold_tickets(HoldRequest("t@7", 1, 1, "p", 4_000_000_000, 0))
    inventory.release_holds([held])
    write_stock("other")
    builders.run_sweep()
    assert shards() == ["other#0", "other#1", "other#2", "t@7#0"]


@pytest.fixture
def deleted_stock(api) -> str:
    """A sold and refunded tier and a draft with a capacity are deleted. Returns the id of the tier that is left."""
    event_id, kept = create_published(api)
    deleted = create_kind(api, event_id, name="Balcony", capacity=LARGE)["id"]
    order_id = builders.create_order(api, (event_id, deleted), 1)
    assert builders.refund(api, order_id, key="refund").status == 201
    assert api.delete(f"/tiers/{deleted}", **promoter()).status == 200
    draft = create_draft(api, capacity=10)["id"]
    create_kind(api, draft)
    assert api.delete(f"/events/{draft}", **promoter()).status == 200
    return kept


def test_the_sweep_deletes_the_stock_of_deleted_tiers_and_drafts_after_an_hour(api, time, deleted_stock):
    time.advance(3600)
    assert builders.run_sweep()["shards_deleted"] == 0
    time.advance(1)
    assert builders.run_sweep()["shards_deleted"] == 5
    assert shards() == [f"{deleted_stock}#0"]
    assert builders.run_sweep()["shards_deleted"] == 0
    invariants.check(time.now, recovered=True)


def test_a_sweep_that_crashes_while_it_deletes_stock_is_repeated(api, time, deleted_stock, monkeypatch):
    monkeypatch.setattr(parallel, "FEW", 100)  # one after the other
    time.advance(3601)
    for _ in range(4):
        with faults.crash_after(1, table="inventory", operation="DeleteItem") as crash:
            builders.run_sweep()
        assert crash.was_triggered
    assert builders.run_sweep()["shards_deleted"] == 1
    assert shards() == [f"{deleted_stock}#0"]


def test_a_shard_with_sold_or_held_tickets_is_not_deleted(time):
    write_stock("t")
    (held,) = hold_tickets(HoldRequest("t", 1, 1, "p", 4_000_000_000, 0))
    assert inventory.delete_free_shards(shards()) == 2
    inventory.convert_holds([held])
    assert inventory.delete_free_shards([*shards(), "unknown#0"]) == 0
    assert shards() == ["t#0"]


@pytest.mark.usefixtures("_small_transactions")
class TestLargeTiers:
    def test_are_created_with_all_their_shards(self, api, time):
        event_id = builders.create_event(api)
        reply = post(api, "/admin/tiers", TIER | {"event_id": event_id, "capacity": LARGE})
        assert (reply.status, reply.json["available"]) == (201, LARGE)
        assert len(shards()) == 3
        time.advance(3601)
        assert builders.run_sweep()["shards_deleted"] == 0
        assert builders.buy(api, "ada", event_id, reply.json["id"]).status == 201
        invariants.check(time.now, recovered=True)

    def test_tiers_of_a_paused_event_are_closed_even_by_a_late_pause(self, api, time):
        for number in range(1, 12):
            event_id = builders.create_event(api)
            with interfere_before(number, lambda event_id=event_id: catalog.set_paused(event_id, True, "root", time.now)) as happened:
                tier_management.create_tier(
                    f"t{number}", event_id, forms.TierFields(name="Floor", price_cents=1, capacity=LARGE), "ann", time.now
                )
            if not happened:
                catalog.set_paused(event_id, True, "root", time.now)
            assert open_flags(event_id) == {False}
        assert not happened, "every call had its pause"
        assert invariants.find_unpublished() == []

    def test_are_created_once_or_not_at_all_when_the_process_crashes(self, api, time):
        event_id = builders.create_event(api)
        with faults.record_calls() as calls:
            tier_management.create_tier("first", event_id, forms.TierFields(name="First", price_cents=1, capacity=LARGE), "ann", time.now)
        for number in range(1, len(calls) + 1):
            new = forms.TierFields(name=f"Floor {number}", price_cents=1, capacity=LARGE)
            with faults.crash_after(number):
                tier_management.create_tier(f"t{number}", event_id, new, "ann", time.now)
            tier_management.create_tier(f"t{number}", event_id, new, "ann", time.now)
            time.advance(3601)
            builders.run_sweep()
            assert invariants.find_unpublished() == []
            tier = catalog.load_current().tiers[f"t{number}"]
            assert read_stock({tier.stock_id: tier.shards})[tier.stock_id].available == LARGE

    def test_that_are_refused_leave_nothing(self, api):
        event_id = builders.create_event(api)
        builders.create_tier(api, event_id, "Floor")
        reply = post(api, "/admin/tiers", TIER | {"event_id": event_id, "capacity": LARGE})
        assert reply.json["error"] == "tier_name_taken"
        assert len(shards()) == 1
        assert invariants.find_unpublished() == []
        assert len(get(api, "/admin/tiers").json) == 1

    def test_whose_store_fails_leave_nothing(self, api, time):
        event_id = builders.create_event(api)
        new = forms.TierFields(name="Floor", price_cents=1, capacity=LARGE)
        with faults.fail(1, faults.throttled, operation="TransactWriteItems"), pytest.raises(dynamo.STORE_ERRORS):
            tier_management.create_tier("t", event_id, new, "ann", time.now)
        assert shards() == []
        assert invariants.find_unpublished() == []
