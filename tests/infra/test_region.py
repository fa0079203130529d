"""The commands for a second region, and the fence between the regions: in three regions of an emulated AWS, which copies no items."""

import json
from unittest.mock import Mock

import pytest
from chalice.app import Blueprint

from chalicelib.catalog import snapshots
from chalicelib.catalog.model import RegionClaim
from chalicelib.catalog.snapshots import LEASE_SECONDS, claim_sales, seconds_to_sell
from chalicelib.dynamodb import dynamo
from chalicelib.edge.scheduled import may_write, scheduled_job
from chalicelib.foundation import clock, deadline, memory, settings
from chalicelib.inventory.store import ShardRow, scan_shards
from chalicelib.purchases.store import PurchaseRow
from infra import region, tables
from infra.local.schedules import scheduled_event
from infra.template import policies
from tests import builders, engines

FIRST, STANDBY, WITNESS = "us-east-1", "eu-west-1", "eu-west-3"


@pytest.fixture
def store():
    """moto, which has regions."""
    with engines.moto(), engines.fresh_stage():
        yield


@pytest.fixture
def two_regions(api):
    """An event on sale in a stage with a standby, in the region that sells. Returns the ids of the event and of its tier."""
    shop = builders.create_shop(api)
    with settings.override(regions=f"{FIRST},{STANDBY},{WITNESS}"):
        for name in (STANDBY, WITNESS):
            tables.create_all(dynamo.client_of(name))
        claim_sales([FIRST, STANDBY, WITNESS], RegionClaim(FIRST, 1, 0), clock.now() + LEASE_SECONDS)
        memory.forget_everything()
        yield shop


def reserve(api, shop):
    memory.forget_everything()
    return builders.reserve(api, "ada", *shop)


def test_a_region_with_a_lease_sells_and_extends_it(api, time, two_regions):
    assert reserve(api, two_regions).status == 201
    for _ in range(10):
        time.advance(60)
        assert "standby" not in builders.run_sweep()
    memory.forget_everything()
    assert seconds_to_sell() == LEASE_SECONDS


def test_a_job_that_works_in_parts_goes_on_while_the_sweep_extends_the_lease(time, two_regions):
    def reconcile():
        for _ in range(5):
            with may_write():
                time.advance(60)
                lefts.append(deadline.remaining())
            builders.run_sweep()
            memory.forget_everything()
        return {}

    lefts = []
    memory.forget_everything()
    scheduled_job(Blueprint("jobs"), "reconcile", minutes=15, description="A job.", in_parts=True)(reconcile)(scheduled_event(), None)
    assert lefts == [LEASE_SECONDS - 60] * 5


def test_a_part_of_a_job_has_no_time_after_another_region_has_taken_over(two_regions):
    claim_sales([WITNESS], RegionClaim(STANDBY, 2, 0), 0)
    builders.run_sweep()
    memory.forget_everything()
    with may_write(), pytest.raises(deadline.DeadlineExceeded):
        deadline.require(0.1)


def test_a_region_without_a_lease_only_reads(api, time, two_regions):
    time.advance(LEASE_SECONDS)
    refused = reserve(api, two_regions)
    assert (refused.status, refused.json["error"], refused.headers["Retry-After"]) == (503, "service_unavailable", "30")
    assert refused.json["outcome"] == "unchanged"
    assert api.get(f"/events/{two_regions[0]}").status == 200


def test_a_standby_does_nothing(api, two_regions):
    with settings.override(region=STANDBY):
        memory.forget_everything()
        assert builders.run_sweep() == {"standby": True}
        assert reserve(api, two_regions).status == 503


def test_a_region_that_reaches_nobody_stops_when_its_lease_ends(api, time, two_regions, monkeypatch):
    monkeypatch.setattr(snapshots, "ask_region", lambda _: None)
    time.advance(60)
    builders.run_sweep()
    assert reserve(api, two_regions).status == 201
    time.advance(LEASE_SECONDS - 60)
    assert builders.run_sweep() == {"standby": True}


def test_a_region_stops_at_once_when_another_region_has_taken_over(api, two_regions):
    claim_sales([WITNESS], RegionClaim(STANDBY, 2, 0), 0)
    memory.forget_everything()
    assert builders.run_sweep() == {"standby": True}
    assert reserve(api, two_regions).status == 503


def test_a_failover_waits_for_the_lease_and_then_sells(api, time, two_regions):
    began = time.now
    with settings.override(region=STANDBY):
        memory.forget_everything()
        region.take_over(wait=lambda seconds: time.advance(int(seconds)))
        assert time.now - began >= LEASE_SECONDS + region.MARGIN_SECONDS
        memory.forget_everything()
        assert "standby" not in builders.run_sweep()
    assert reserve(api, two_regions).status == 503


def test_a_failover_that_another_command_has_replaced_does_not_sell(api, time, two_regions):
    def wait(seconds):
        time.advance(int(seconds))
        claim_sales([WITNESS], RegionClaim(FIRST, 9, 0), 0)

    with settings.override(region=STANDBY):
        memory.forget_everything()
        with pytest.raises(region.RegionError, match="Another run"):
            region.take_over(wait=wait)
        memory.forget_everything()
        assert builders.run_sweep() == {"standby": True}


def test_a_failover_without_the_witness_needs_a_person(api, time, two_regions):
    dynamo.client_of(WITNESS).delete_table(TableName=dynamo.table_name("catalog"))
    with settings.override(region=STANDBY):
        memory.forget_everything()
        with pytest.raises(region.RegionError, match="--force"):
            region.take_over(wait=lambda seconds: time.advance(int(seconds)))
        region.take_over(force=True, wait=lambda seconds: time.advance(int(seconds)))
        memory.forget_everything()
        assert "standby" not in builders.run_sweep()


@pytest.mark.parametrize("is_repeated", [False, True])
def test_a_failback_takes_back_a_free_order_of_the_region_that_has_stopped(api, time, two_regions, monkeypatch, is_repeated):
    """Not an order that the other region has sold since, and also if the first attempt was killed."""
    began = time.now
    time.advance(60)
    free = two_regions[0], builders.create_tier(api, two_regions[0], "Free", price_cents=0)
    late, other = builders.create_order(api, free, 1, "ada"), builders.create_order(api, free, 1, "bob")
    with settings.override(region=STANDBY):
        memory.forget_everything()
        region.take_over(wait=lambda seconds: time.advance(int(seconds)))
    memory.forget_everything()
    assert builders.run_sweep() == {"standby": True}
    [stopped] = [claim for claim in snapshots.ask_region(FIRST) if claim.region == FIRST]
    claim_sales([STANDBY], stopped, stopped.until)  # as DynamoDB copies it
    claim_sales([WITNESS], RegionClaim(FIRST, 1, 0), began)  # the witness has only what `fairgate standby` wrote
    time.advance(600)
    dynamo.update_now(PurchaseRow(other), [PurchaseRow.ended_at.set(time.now)])
    for number, shard in enumerate(shard for shard in scan_shards() if shard.stock_id.startswith(free[1])):
        capacity = 1 if number == 0 else 0
        dynamo.update_now(ShardRow(shard.id), [ShardRow.capacity.set(capacity), ShardRow.available.set(0), ShardRow.sold.set(capacity)])
    if is_repeated:
        with monkeypatch.context() as killed:
            killed.setattr(region.region_recovery, "recover", Mock(side_effect=KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                region.take_over(wait=lambda seconds: time.advance(int(seconds)))
    report = region.take_over(wait=lambda seconds: time.advance(int(seconds)))
    assert (report.orders_returned, report.oversold) == ([late], {})


def test_the_standby_gets_a_replica_of_each_table_and_the_witness_the_first_claim(api, monkeypatch, capsys):
    builders.create_shop(api)
    client, replicas = dynamo.client(), {}
    update = client.update_table

    def update_table(**arguments):
        if changes := arguments.pop("ReplicaUpdates", None):  # moto has none
            replicas[arguments["TableName"]] = changes
        else:
            update(**arguments)

    monkeypatch.setattr(client, "update_table", update_table)
    with settings.override(regions=f"{FIRST},{STANDBY},{WITNESS}"):
        for _ in range(2):
            capsys.readouterr()
            assert region.main(["standby", "--json"]) == 0
            prepared = json.loads(capsys.readouterr().out)
            assert (prepared["stage"], len(prepared["steps"])) == (settings.current().stage, 2)
        names = set(map(dynamo.table_name, tables.definitions()))
        assert replicas == {name: [{"Create": {"RegionName": STANDBY}}] for name in names}
        for name in names:
            assert client.describe_table(TableName=name)["Table"]["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
        [claim] = snapshots.ask_region(FIRST)
        assert (claim.region, claim.term) == (FIRST, 1)


def test_every_function_may_read_which_region_sells(monkeypatch):
    monkeypatch.setattr(policies, "regions_of", lambda _: [FIRST, STANDBY, WITNESS])
    for function, count in (("project_reports", 1), ("sweep", 3)):
        statements = policies.policy("prod", function, "Logs", None)["Statement"]
        [allowed] = [statement for statement in statements if statement.get("Sid") == "ReadRegions"]
        assert (allowed["Action"], len(allowed["Resource"])) == (["dynamodb:Query"], count)


def test_a_full_disk_ends_the_command(monkeypatch, capsys):
    monkeypatch.setattr(region.aws_stage, "require", lambda _: None)
    monkeypatch.setattr(region, "take_over", Mock(side_effect=region.sqlite3.OperationalError("database or disk is full")))
    assert region.main(["failover"]) == 2
    assert "TMPDIR" in capsys.readouterr().err


def test_a_region_without_a_standby_has_no_commands():
    assert region.main(["failover"]) == 2
