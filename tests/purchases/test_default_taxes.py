"""Default taxes: the event's country and region decide, for tiers that say nothing, from the promoter's list or the shop's."""

import pytest

from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.catalog import snapshots
from chalicelib.foundation import settings
from tests import builders, invariants
from tests.simulation import faults

SPAIN, CANARIES = {"country": "ES", "tax": {"percent": "21"}}, {"country": "ES", "region": "CN", "tax": {"percent": "7"}}
EXEMPT = {"country": "DE", "tax": {"percent": "0", "exempt_because": "Exempt, § 4 no. 20 UStG"}}


def put_taxes(api, *taxes: dict, **caller):
    return api.put("/promoters/pat/default-taxes", json={"default_taxes": list(taxes)}, **(caller or {"token": builders.admin_token()}))


@pytest.fixture
def promoter(api, time):
    assert api.put("/promoters/pat", json={"name": "Pat", "verified": True}, token=builders.admin_token()).status == 200
    return "pat"


def create_shop(api, *, promoter_id: str | None = None, tax: object = None, **place: str) -> tuple[str, str]:
    event_id = builders.create_event(api, status="draft")
    fields = place | ({} if promoter_id is None else {"promoter_id": promoter_id})
    changed = api.patch(f"/events/{event_id}", json=fields, token=builders.admin_token())
    assert changed.status == 200, changed.json
    body = {"name": "Seats", "price_cents": 1210, "capacity": 10, "tax": tax}
    tier = api.post(f"/events/{event_id}/tiers", json=body, token=builders.admin_token())
    assert tier.status == 201, tier.json
    assert tier.json["effective_tax"] == api.get(f"/tiers/{tier.json['id']}", token=builders.admin_token()).json["effective_tax"]
    assert api.post(f"/events/{event_id}/publish", token=builders.admin_token()).status == 200
    return event_id, tier.json["id"]


def rates(shown: dict) -> list[tuple[str, int]]:
    return [(share["percent"], share["tax_cents"]) for share in shown["taxes"]]


@pytest.mark.parametrize(
    ("place", "taxes"),
    [
        ({"country": "ES"}, [("21", 210)]),
        ({"country": "ES", "region": "MD"}, [("21", 210)]),
        ({"country": "ES", "region": "CN"}, [("7", 79)]),
        ({"country": "DE", "region": "BY"}, [("0", 0)]),
        ({"country": "FR"}, []),
        ({}, []),
    ],
)
def test_the_place_of_the_event_decides(api, time, promoter, place, taxes):
    assert put_taxes(api, CANARIES, SPAIN, EXEMPT).status == 200
    event_id, tier_id = create_shop(api, promoter_id=promoter, **place)
    shown = api.get(f"/tiers/{tier_id}").json
    assert (shown["tax"], [shown["effective_tax"]["percent"]] if shown["effective_tax"] else []) == (None, [rate for rate, _ in taxes])
    assert rates(builders.buy(api, "ada", event_id, tier_id).json["order"]) == taxes
    invariants.check(time.now)


@pytest.mark.parametrize(("tax", "expected"), [({"percent": "10"}, [("10", 110)]), ("none", [])])
def test_a_tier_decides_itself_if_it_says_something(api, time, promoter, tax, expected):
    assert put_taxes(api, SPAIN).status == 200
    event_id, tier_id = create_shop(api, promoter_id=promoter, tax=tax, country="ES")
    assert api.get(f"/tiers/{tier_id}").json["tax"] == tax
    assert rates(builders.reserve(api, "ada", event_id, tier_id).json) == expected


def test_events_without_a_promoter_have_the_taxes_of_the_shop(api, time, promoter):
    assert put_taxes(api, SPAIN).status == 200
    with settings.override(default_taxes="ES-CN=3, ES=4.5"):
        assert rates(builders.reserve(api, "ada", *create_shop(api, country="ES")).json) == [("4.5", 52)]
        assert rates(builders.reserve(api, "ada", *create_shop(api, country="ES", region="CN")).json) == [("3", 35)]
        assert rates(builders.reserve(api, "ada", *create_shop(api, promoter_id=promoter, country="ES")).json) == [("21", 210)]


def test_a_change_applies_to_later_reservations_only(api, time, promoter):
    assert put_taxes(api, SPAIN).status == 200
    event_id, tier_id = create_shop(api, promoter_id=promoter, country="ES")
    order_id = builders.create_order(api, (event_id, tier_id), 1)
    assert put_taxes(api).json == {"default_taxes": [], "automatic_tax": False}
    assert rates(api.get(f"/orders/{order_id}", user="ada").json["order"]) == [("21", 210)]
    assert rates(builders.reserve(api, "bob", event_id, tier_id).json) == []


def test_a_sale_at_the_counter_has_the_default_too(api, time, promoter):
    assert put_taxes(api, SPAIN).status == 200
    shop = create_shop(api, promoter_id=promoter, country="ES")
    order_id = builders.sell_at_counter(api, shop, price_cents=1210)
    shown = api.get(f"/admin/orders/{order_id}", token=builders.admin_token()).json["order"]
    assert rates(shown) == [("21", 210)]


def test_another_instance_and_a_new_one_know_the_taxes(api, time, promoter):
    """An instance reads the log of changes; a new one reads the rows."""
    snapshots.snapshot()
    assert put_taxes(api, SPAIN, CANARIES).status == 200
    known = catalog.load_current().choices_of("pat").taxes
    snapshots.invalidate()
    assert catalog.load_current().choices_of("pat").taxes == known
    assert [default.country for default in known] == ["ES", "ES"]


def test_a_reservation_with_a_default_tax_takes_two_round_trips(api, time, promoter):
    assert put_taxes(api, SPAIN).status == 200
    event_id, tier_id = create_shop(api, promoter_id=promoter, country="ES")
    api.get(f"/events/{event_id}")  # warms the catalog
    with faults.record_calls() as calls:
        assert rates(builders.reserve(api, "ada", event_id, tier_id, 2).json) == [("21", 420)]
    assert calls == ["UpdateItem", "TransactWriteItems"]


def test_promoters_change_their_own_taxes_with_an_audit_entry(api, time, promoter):
    pat = {"token": builders.token("pat", "promoter")}
    assert put_taxes(api, SPAIN, **pat).json == {"default_taxes": [SPAIN], "automatic_tax": False}
    assert api.get("/promoters/pat", **pat).json["default_taxes"] == [SPAIN]
    assert put_taxes(api, SPAIN, **pat).status == 200  # a repeated request writes nothing
    entries = [entry for entry in audit.list_entries("promoter#pat") if entry.action == "promoter.taxes_changed"]
    assert [entry.changes["default_taxes"].after for entry in entries] == [[SPAIN]]
    assert put_taxes(api, token=builders.token("eve", "promoter")).status == 403
    assert api.put("/promoters/nobody/default-taxes", json={"default_taxes": []}, token=builders.admin_token()).status == 404


@pytest.mark.parametrize(
    ("taxes", "path"),
    [
        ([{"country": "UK", "tax": {"percent": "20"}}], "$.default_taxes[0].country"),
        ([SPAIN, SPAIN], "$.default_taxes[1].country"),
        ([SPAIN, {"country": "DE", "tax": {"percent": "19", "exempt_because": "A charity"}}], "$.default_taxes[1].tax.exempt_because"),
        ([{"country": "es", "tax": {"percent": "21"}}], "$.default_taxes[0].country"),
        ([{"tax": {"percent": "21"}}], "$.default_taxes[0].country"),
        ([SPAIN] * 51, "$.default_taxes"),
    ],
)
def test_wrong_defaults_are_refused(api, time, promoter, taxes, path):
    reply = put_taxes(api, *taxes)
    assert (reply.status, reply.json["path"].replace("[...]", "[0]")) == (400, path)


@pytest.mark.parametrize(("place", "rule"), [({"country": "UK"}, "unknown_country"), ({"region": "CN"}, "region_without_country")])
def test_a_wrong_place_is_refused(api, time, place, rule):
    event_id = builders.create_event(api)
    reply = api.patch(f"/events/{event_id}", json=place, token=builders.admin_token())
    assert (reply.status, reply.json["rule"]) == (400, rule)


@pytest.mark.parametrize("value", ["ES", "ES=100", "es=21", "ES=21;DE=19", "ES-=7"])
def test_a_wrong_setting_is_refused(value):
    with pytest.raises(settings.SettingsError, match="FAIRGATE_DEFAULT_TAXES"):
        settings.read({"FAIRGATE_DEFAULT_TAXES": value})
