"""An apply that crashes, or during which others write: readers see the old version or the new, and a second run finishes it."""

import itertools
import json
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from chalicelib.audit import service as audit
from chalicelib.bootstrap_file import rollout
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from chalicelib.inventory.display import invalidate_figures
from chalicelib.inventory.model import shard_ids
from chalicelib.inventory.store import scan_shards
from infra import tables
from tests import builders, invariants
from tests.bootstrap.conftest import event, sell, stock_of, ticket, valid_document
from tests.catalog.requests import create_draft, promoter
from tests.simulation import faults
from tests.simulation.interference import interfere_before

pytestmark = pytest.mark.usefixtures("time")


@pytest.mark.slow
def test_a_pause_in_between_closes_every_shard(store, tree):
    """A pause at any moment of an apply: afterwards nothing of the event can be held."""
    after = json.loads(json.dumps(tree))
    after["ticket_types"]["fest-late"] = ticket("fest-late")
    after["ticket_types"]["fest-pass"] |= {"max_quantity": 30, "shards": 3}
    paused = number = 0
    while paused == number:
        number += 1
        with _separate_stage(f"pause-{number}"):
            rollout.apply(valid_document(tree), "ann", 0)
            with interfere_before(number, lambda: catalog.set_paused("fest", True, "root", 0)) as happened:
                rollout.apply(valid_document(after), "ann", 0)
            paused += len(happened)
            if happened:
                assert _open_shards() == [False] * 4
    assert paused > 10


def _open_shards() -> list[bool]:
    """The `open` flag of every shard that a buyer could find."""
    served = catalog.load_current()
    ids = [shard_id for tier in served.tiers.values() for shard_id in shard_ids(tier.stock_id, tier.shards)]
    return [shard.is_open for shard in scan_shards() if shard.id in ids]


def test_promoters_who_keep_editing_their_drafts_delay_no_apply(api, store, tree, time, monkeypatch):
    """Anybody may edit drafts of their own, and must not keep the shop from changing its events by doing so all the time."""
    draft, grow, names = create_draft(api)["id"], rollout._grow, (f"Night {number}" for number in itertools.count())
    rollout.apply(valid_document(tree), "ann", time.now)

    def grow_and_edit(planned, *, holdbacks):
        grow(planned, holdbacks=holdbacks)
        if holdbacks:
            return
        assert api.patch(f"/events/{draft}", json={"name": next(names)}, **promoter()).status == 200

    monkeypatch.setattr(rollout, "_grow", grow_and_edit)
    tree["ticket_types"]["fest-pass"]["max_quantity"] = 30
    assert rollout.apply(valid_document(tree), "ann", time.now).result == "applied"
    catalog.invalidate()
    served = catalog.load_current()
    assert (served.tiers["fest-pass"].capacity, stock_of("fest-pass").capacity) == (30, 30)
    assert (served.version, served.events[draft].name) == (2, "Night 0")
    assert [entry.action for entry in audit.list_entries("catalog")] == ["catalog.applied"] * 2


def test_one_of_two_simultaneous_applies_is_served_with_its_stock(store, run, write, tree):
    """Another apply finishes first, at any moment of ours: ours gives up, and the stock matches the other document."""
    base, ours, theirs = (json.loads(json.dumps(tree)) for _ in range(3))
    ours["ticket_types"]["fest-pass"]["max_quantity"] = 6
    theirs["ticket_types"]["fest-pass"]["max_quantity"] = 8
    rollout.apply(valid_document(base), "base", 0)
    with faults.record_calls() as calls:
        rollout.apply(valid_document(ours), "ours", 0)
    for number in range(1, len(calls) + 1):
        rollout.apply(valid_document(base), "base", 0)
        with interfere_before(number, lambda: rollout.apply(valid_document(theirs), "theirs", 0)), suppress(rollout.ApplyRefused):
            rollout.apply(valid_document(ours), "ours", 0)
        served = catalog.load_current().tiers["fest-pass"].capacity
        assert served == stock_of("fest-pass").capacity
        assert served in (6, 8)


@pytest.mark.slow
def test_a_sweep_in_between_never_takes_stock_that_is_then_served(store, tree, time):
    """The apply stalls for more than an hour before any of its calls, while the sweep deletes what it has written so far."""
    before, after = _states(tree)
    del before["ticket_types"]["goes"]  # what leaves the file stays in the catalog

    def sweep_an_hour_later():
        time.advance(3601)
        builders.run_sweep()

    happened = number = 0
    while happened == number:
        number += 1
        with _separate_stage(f"sweep-{number}", *tables.definitions()):
            rollout.apply(valid_document(before), "ann", time.now)
            with interfere_before(number, sweep_an_hour_later) as swept:
                rollout.apply(valid_document(after), "ann", time.now)
            happened += len(swept)
            _assert_complete(after)
            sweep_an_hour_later()
            _assert_complete(after)
            assert invariants.find_unpublished() == []
    assert happened > 10


def _assert_complete(tree) -> None:
    """This document is served, and each of its stocks has all its shards."""
    served = catalog.load_current()
    assert served.tiers.keys() == tree["ticket_types"].keys()
    shards = {shard.id for shard in scan_shards()}
    assert {shard_id for tier in served.tiers.values() for shard_id in shard_ids(tier.stock_id, tier.shards)} <= shards
    assert rollout.plan(valid_document(tree)).is_empty


def _states(tree) -> tuple[dict[str, Any], dict[str, Any]]:
    """A document and its successor with every change at once: tiers that are new, grow, shrink, disappear or get more shards."""
    tree["events"]["b"] = event("b")
    tree["ticket_types"] |= {name: ticket(name, "b", max_quantity=40) for name in ("shrinks", "grows", "goes", "shards")}
    after = json.loads(json.dumps(tree))
    after["events"]["b"]["venue"] = "Elsewhere"
    after["ticket_types"]["shrinks"]["max_quantity"] = 20
    after["ticket_types"]["grows"]["max_quantity"] = 60
    after["ticket_types"]["shards"] |= {"max_quantity": 50, "shards": 3}
    del after["ticket_types"]["goes"]
    after["ticket_types"]["new"] = ticket("new", "b", sold_count=2)
    return tree, after


def _assert_served(tree) -> None:
    """Exactly this document is served, with its stock and what was sold before."""
    planned = rollout.plan(valid_document(tree))
    assert planned.changes == []
    assert planned.is_empty
    assert stock_of("shrinks").sold == 5


def _crashes(tree):
    """For each store call of the second apply, counted in a dry run: a stage of its own in which the process dies in that call."""
    before, after = _states(tree)
    with _separate_stage("dry"):
        rollout.apply(valid_document(before), "ann", 0)
        with faults.record_calls() as calls:
            rollout.apply(valid_document(after), "ann", 0)
    assert len(calls) > 15
    for number in range(1, len(calls) + 1):
        with _separate_stage(f"crash-{number}"):
            rollout.apply(valid_document(before), "ann", 0)
            sell("shrinks", 5)
            with faults.crash_after(number):
                rollout.apply(valid_document(after), "ann", 0)
            yield before, after, calls[:number]


@contextmanager
def _separate_stage(name: str, *more_features: str):
    """A stage of its own, with empty tables."""
    features = more_features or ("audit", "catalog", "inventory", "promotions", "stock-ledger")
    with settings.override(stage=f"{settings.current().stage}-{name}"):
        for feature in features:
            description = tables.definitions()[feature]
            dynamo.client().create_table(TableName=dynamo.table_name(feature), BillingMode="PAY_PER_REQUEST", **description)
        catalog.invalidate()
        invalidate_figures()
        yield
        for feature in features:
            dynamo.client().delete_table(TableName=dynamo.table_name(feature))


@pytest.mark.slow
def test_after_a_crash_at_any_call_running_again_finishes(store, tree):
    for _, after, calls in _crashes(tree):
        head, served = catalog.load_head_and_catalog()
        if "TransactWriteItems" in calls:  # the new head, which is the last step
            assert head.version == 2
        else:
            assert head.version == 1
            assert served.tiers["shrinks"].capacity == 40
            assert "new" not in served.tiers
        rollout.apply(valid_document(after), "ann", 0)
        _assert_served(after)
        assert stock_of("new").sold == 2


@pytest.mark.slow
def test_after_a_crash_the_old_document_can_be_applied_again(store, tree):
    for before, _, _ in _crashes(tree):
        rollout.apply(valid_document(before), "ann", 0)
        _assert_served(before)


def test_a_store_that_goes_down_is_reported_and_nothing_changes(store, run, write, tree):
    run("apply", write(tree))
    tree["ticket_types"]["fest-pass"]["price_cents"] = 1
    for number in range(1, 7):
        with faults.refuse_from(number):
            result = run("apply", write(tree))
        assert result.code == 1
        assert "the store failed" in result.err
        assert catalog.load_current().tiers["fest-pass"].price_cents == 5000
