"""Which events the public sees, and which tiers are for sale."""

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.catalog.sale_rules import EventNotOnSale, TierNotOnSale
from chalicelib.foundation import clock
from chalicelib.foundation.errors import NotFound
from chalicelib.inventory.model import SalePaused
from tests import builders
from tests.bootstrap.conftest import event, ticket
from tests.simulation.call_log import record_calls


def test_an_unknown_event_and_a_draft_are_a_404(api, apply_document):
    draft = builders.create_event(api, status="draft")
    for event_id in ("nowhere", draft):
        for path in (f"/events/{event_id}", f"/events/{event_id}/availability"):
            reply = api.get(path)
            assert (reply.status, reply.json["error"]) == (404, "not_found")


def test_a_test_event_is_visible_by_its_id_outside_production(api, apply_document):
    apply_document([event("try", status="test")], [ticket("try-pass", "try", status="test")])
    assert [tier["id"] for tier in api.get("/events/try").json["tiers"]] == ["try-pass"]
    assert [line["tier_id"] for line in api.get("/events/try/availability").json["availability"]] == ["try-pass"]


def test_a_test_event_is_a_404_in_production(api, apply_document, monkeypatch):
    apply_document([event("try", status="test")], [ticket("try-pass", "try", status="test")])
    monkeypatch.setattr("chalicelib.catalog.service.allows_test_sales", lambda: False)
    assert api.get("/events/try").status == 404


def refusal_of(time, kind, *tier_ids, event_id="fest"):
    with pytest.raises(kind) as error:
        catalog.get_sellable_tiers(event_id, tier_ids or ("fest-pass",), time.now)
    return error.value.details


def test_sellable_tiers_keep_their_order_and_need_no_store_call(apply_document, time):
    apply_document(None, [ticket("a"), ticket("b")])
    sold_event, tiers = catalog.get_sellable_tiers("fest", ["b", "a"], time.now)
    assert (sold_event.id, [tier.id for tier in tiers]) == ("fest", ["b", "a"])
    with record_calls() as calls:
        catalog.get_sellable_tiers("fest", ["b", "a"], time.now)
    assert calls == []


def test_an_unknown_event_or_tier_is_not_found(api, apply_document, time):
    apply_document([event("fest"), event("other")], [ticket("fest-pass"), ticket("other-pass", "other")])
    draft, tier_id = builders.create_event(api, status="draft"), "fest-pass"
    refusal_of(time, NotFound, event_id="nowhere")
    refusal_of(time, NotFound, event_id=draft)
    assert refusal_of(time, NotFound, "nothing")["tier_id"] == "nothing"
    assert refusal_of(time, NotFound, tier_id, "other-pass") == {"event_id": "fest", "tier_id": "other-pass"}


def test_a_paused_event_sells_nothing(apply_document, time):
    apply_document()
    catalog.set_paused("fest", True, "root", time.now)
    assert refusal_of(time, SalePaused) == {"paused": True}


def test_an_event_sells_from_its_opening_to_its_end(apply_document, time):
    opens = time.now + 100
    apply_document([event("fest", on_sale_at=clock.iso(opens))], [ticket("fest-pass", availability=None)])
    assert refusal_of(time, EventNotOnSale) == {"event_status": "scheduled", "on_sale_at": clock.iso(opens)}
    time.set(opens)
    assert catalog.get_sellable_tiers("fest", ["fest-pass"], time.now)
    time.set(1_788_328_800)
    assert refusal_of(time, EventNotOnSale)["event_status"] == "closed"


@pytest.mark.parametrize(("status", "shown"), [("past", "closed"), ("cancelled", "cancelled")])
def test_a_past_or_cancelled_event_sells_nothing(apply_document, time, status, shown):
    apply_document([event("fest", status=status)])
    assert refusal_of(time, EventNotOnSale) == {"event_status": shown, "on_sale_at": None}


@pytest.mark.parametrize("status", ["sold-out", "coming-soon", "closed"])
def test_a_tier_that_is_not_available_is_refused_with_the_reason(apply_document, time, status):
    apply_document(None, [ticket("fest-pass", status=status)])
    assert refusal_of(time, TierNotOnSale) == {"tier_id": "fest-pass", "reason": status, "sale_starts_at": status and _start(status)}


def _start(status):
    return "2026-01-01T00:00:00Z" if status == "coming-soon" else None


def test_a_tier_sells_in_its_sale_period(apply_document, time):
    opens, ends = time.now + 10, time.now + 20
    apply_document(None, [ticket("fest-pass", availability={"start_date": clock.iso(opens), "end_date": clock.iso(ends)})])
    assert refusal_of(time, TierNotOnSale) == {"tier_id": "fest-pass", "reason": "coming-soon", "sale_starts_at": clock.iso(opens)}
    time.set(ends)
    assert catalog.get_sellable_tiers("fest", ["fest-pass"], time.now)
    time.set(ends + 1)
    assert refusal_of(time, TierNotOnSale)["reason"] == "closed"


def test_test_tickets_are_sold_outside_production_only(apply_document, time, monkeypatch):
    apply_document(
        [event("fest"), event("try", status="test")], [ticket("fest-pass", status="test"), ticket("try-pass", "try", status="test")]
    )
    assert catalog.get_sellable_tiers("fest", ["fest-pass"], time.now)
    assert catalog.get_sellable_tiers("try", ["try-pass"], time.now)
    monkeypatch.setattr("chalicelib.catalog.service.allows_test_sales", lambda: False)
    assert refusal_of(time, TierNotOnSale)["reason"] == "closed"
    refusal_of(time, NotFound, "try-pass", event_id="try")


def test_the_display_states_of_the_file_say_what_can_be_bought(apply_document, time):
    states = {"coming-soon": {"purchasable": True, "display": True, "message": None}}
    apply_document(None, [ticket("fest-pass", status="coming-soon")], ticket_states=states)
    assert catalog.get_sellable_tiers("fest", ["fest-pass"], time.now)


def test_a_tier_that_was_removed_from_the_file_is_closed(apply_document, time):
    apply_document(None, [ticket("fest-pass"), ticket("gone")])
    apply_document(None, [ticket("fest-pass")])
    assert refusal_of(time, TierNotOnSale, "gone")["reason"] == "closed"


def test_the_limit_of_a_purchase_comes_from_the_tier_or_the_settings(apply_document, time):
    window = {"max_per_transaction": 7}
    apply_document(
        None, [ticket("a", per_user_limit=2, availability=window), ticket("b", availability=window), ticket("c", availability=None)]
    )
    _, tiers = catalog.get_sellable_tiers("fest", ["a", "b", "c"], time.now)
    assert [tier.limit(4) for tier in tiers] == [2, 7, 4]


def test_a_tier_that_is_newer_than_the_snapshot_is_found(apply_document, time, monkeypatch):
    apply_document()
    catalog.snapshot()
    with monkeypatch.context() as another_instance:
        another_instance.setattr("chalicelib.catalog.snapshots.expire", lambda: None)
        apply_document(None, [ticket("fest-pass"), ticket("new")])
    assert [tier.id for tier in catalog.get_sellable_tiers("fest", ["new"], time.now)[1]] == ["new"]
