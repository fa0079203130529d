"""The example of docs/examples: a vendor's fields become bodies that the API takes, and what it returns has the vendor's names."""

import importlib.util
from pathlib import Path

import pytest

from tests import builders
from tests.repository import ROOT


@pytest.fixture(scope="module")
def adapter():
    path = Path(ROOT / "docs" / "examples" / "vendor_adapter.py")
    spec = importlib.util.spec_from_file_location("vendor_adapter", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_event_and_a_tier_are_created_and_read_in_the_vendors_words(api, time, adapter):
    token = builders.token("promoter-1", "user", "promoter")
    sent = {"title": "Harbor Nights", "venue": "Hall", "start_time": "2026-09-01T19:00:00Z", "end_time": "2026-09-01T22:00:00Z"}
    event = api.post("/events", json=adapter.from_vendor("event", sent), token=token)
    assert event.status == 201, event.json
    assert sent.items() <= adapter.to_vendor("event", event.json).items()

    fields = {"title": "Floor", "price": "45.10", "quantity": 20, "sort_order": 3}
    tier = api.post(f"/events/{event.json['id']}/tiers", json=adapter.from_vendor("tier", fields), token=token)
    assert tier.status == 201, tier.json
    shown = adapter.to_vendor("tier", tier.json)
    assert (fields | {"sold": 0, "remaining": 20}).items() <= shown.items()


def test_amounts_are_exact_and_spellings_are_the_vendors(adapter):
    assert adapter.from_vendor("tier", {"price": "0.29"}) == {"price_cents": 29}
    assert adapter.to_vendor("order", {"status": "cancelled", "total_price_cents": 1999}) == {"status": "canceled", "total": "19.99"}
    assert adapter.to_vendor("ticket", {"state": "void", "qr_url": None}) == {"status": "canceled", "qr_code": None}
