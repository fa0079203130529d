"""What reservations are told: sold, or why not."""

import pytest

from chalicelib import clock
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import EventNotOnSale, TierNotOnSale
from chalicelib.errors import NotFound
from chalicelib.inventory.model import SalePaused
from tests import builders
from tests.bootstrap.conftest import event, ticket
from tests.simulation import faults


def refused(time, kind, *tier_ids, event_id="fest"):
    with pytest.raises(kind) as error:
        catalog.get_sellable_tiers(event_id, tier_ids or ("fest-pass",), time.now)
    return error.value.details


def test_what_is_for_sale_is_told_in_the_order_asked(serve, time):
    serve(None, [ticket("a"), ticket("b")])
    found, tiers = catalog.get_sellable_tiers("fest", ["b", "a"], time.now)
    assert (found.id, [tier.id for tier in tiers]) == ("fest", ["b", "a"])
    with faults.record_calls() as calls:
        catalog.get_sellable_tiers("fest", ["b", "a"], time.now)
    assert calls == []


def test_what_does_not_exist_is_not_found(api, serve, time):
    serve([event("fest"), event("other")], [ticket("fest-pass"), ticket("other-pass", "other")])
    draft, tier_id = builders.create_event(api, status="draft"), "fest-pass"
    refused(time, NotFound, event_id="nowhere")
    refused(time, NotFound, event_id=draft)
    assert refused(time, NotFound, "nothing")["tier_id"] == "nothing"
    assert refused(time, NotFound, tier_id, "other-pass") == {"event_id": "fest", "tier_id": "other-pass"}


def test_a_paused_event_sells_nothing(serve, time):
    serve()
    catalog.set_paused("fest", True, "root", time.now)
    assert refused(time, SalePaused) == {"paused": True}


def test_an_event_sells_from_its_opening_to_its_end(serve, time):
    opens = time.now + 100
    serve([event("fest", on_sale_at=clock.iso(opens))], [ticket("fest-pass", availability=None)])
    assert refused(time, EventNotOnSale) == {"event_status": "scheduled", "on_sale_at": clock.iso(opens)}
    time.set(opens)
    assert catalog.get_sellable_tiers("fest", ["fest-pass"], time.now)
    time.set(1_788_328_800)
    assert refused(time, EventNotOnSale)["event_status"] == "closed"


@pytest.mark.parametrize(("status", "shown"), [("past", "closed"), ("cancelled", "cancelled")])
def test_an_event_that_is_over_sells_nothing(serve, time, status, shown):
    serve([event("fest", status=status)])
    assert refused(time, EventNotOnSale) == {"event_status": shown, "on_sale_at": None}


@pytest.mark.parametrize("status", ["sold-out", "coming-soon", "closed"])
def test_a_tier_that_is_not_available_is_refused_with_its_reason(serve, time, status):
    serve(None, [ticket("fest-pass", status=status)])
    assert refused(time, TierNotOnSale) == {"tier_id": "fest-pass", "reason": status, "sale_starts_at": status and _start(status)}


def _start(status):
    return "2026-01-01T00:00:00Z" if status == "coming-soon" else None


def test_a_tier_sells_in_its_window(serve, time):
    opens, ends = time.now + 10, time.now + 20
    serve(None, [ticket("fest-pass", availability={"start_date": clock.iso(opens), "end_date": clock.iso(ends)})])
    assert refused(time, TierNotOnSale) == {"tier_id": "fest-pass", "reason": "coming-soon", "sale_starts_at": clock.iso(opens)}
    time.set(ends)
    assert catalog.get_sellable_tiers("fest", ["fest-pass"], time.now)
    time.set(ends + 1)
    assert refused(time, TierNotOnSale)["reason"] == "closed"


def test_test_tickets_are_sold_outside_production_only(serve, time, monkeypatch):
    serve([event("fest"), event("try", status="test")], [ticket("fest-pass", status="test"), ticket("try-pass", "try", status="test")])
    assert catalog.get_sellable_tiers("fest", ["fest-pass"], time.now)
    assert catalog.get_sellable_tiers("try", ["try-pass"], time.now)
    monkeypatch.setattr("chalicelib.catalog.service.allows_test_sales", lambda: False)
    assert refused(time, TierNotOnSale)["reason"] == "closed"
    refused(time, NotFound, "try-pass", event_id="try")


def test_the_states_of_the_file_say_what_can_be_bought(serve, time):
    states = {"coming-soon": {"purchasable": True, "display": True, "message": None}}
    serve(None, [ticket("fest-pass", status="coming-soon")], ticket_states=states)
    assert catalog.get_sellable_tiers("fest", ["fest-pass"], time.now)


def test_a_tier_that_left_the_file_is_closed(serve, time):
    serve(None, [ticket("fest-pass"), ticket("gone")])
    serve(None, [ticket("fest-pass")])
    assert refused(time, TierNotOnSale, "gone")["reason"] == "closed"


def test_limits_come_from_the_tier_or_the_settings(serve, time):
    window = {"max_per_transaction": 7}
    serve(None, [ticket("a", per_user_limit=2, availability=window), ticket("b", availability=window), ticket("c", availability=None)])
    _, tiers = catalog.get_sellable_tiers("fest", ["a", "b", "c"], time.now)
    assert [tier.limit(4) for tier in tiers] == [2, 7, 4]


def test_a_tier_that_this_instance_does_not_know_is_looked_for(serve, time, monkeypatch):
    serve()
    catalog.snapshot()
    with monkeypatch.context() as other:
        other.setattr("chalicelib.catalog.snapshots.invalidate", lambda: None)
        serve(None, [ticket("fest-pass"), ticket("new")])
    assert [tier.id for tier in catalog.get_sellable_tiers("fest", ["new"], time.now)[1]] == ["new"]
