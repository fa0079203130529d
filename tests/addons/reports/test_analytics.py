"""The figures of an event over HTTP: what a promoter sees after a known history."""

import msgspec
import pytest

from chalicelib.addons.reports import projection, store
from chalicelib.ledger import service as ledger
from tests import builders, invariants
from tests.addons.reports.conftest import check_reports
from tests.addons.waitlist import lines
from tests.purchases.test_resale import Market
from tests.simulation import faults


def analytics(api, event_id, token=None, **query):
    return api.get(f"/events/{event_id}/analytics", query=query, token=token or builders.admin_token())


@pytest.fixture
def event_id(api, poller, time):
    """Two tiers; ada has bought 2 and 1 and returned one of the first, bob was declined, cleo gave up, dan's time ran out."""
    event_id = builders.create_event(api)
    floor = builders.create_tier(api, event_id, name="Floor")
    box = builders.create_tier(api, event_id, name="Box", price_cents=20_000, admits=4)
    order_id = builders.reserve_items(api, "ada", event_id, {floor: 2, box: 1}).json["id"]
    builders.start_checkout(api, "ada", order_id)
    builders.confirm(api, "ada", order_id)
    time.advance(7200)
    builders.refund(api, order_id, tickets=builders.ticket_ids(order_id, 1))
    bob = builders.reserve(api, "bob", event_id, floor).json["id"]
    builders.start_checkout(api, "bob", bob)
    builders.confirm(api, "bob", bob, "fail")
    api.delete(f"/reservations/{builders.reserve(api, 'cleo', event_id, floor).json['id']}", user="cleo")
    builders.reserve(api, "dan", event_id, floor)
    time.advance(600)
    builders.run_sweep()
    poller.drain()
    return event_id


def test_the_figures_of_an_event(api, event_id):
    shown = analytics(api, event_id).json
    assert [(tier["tier_name"], tier["sold"], tier["returned"], tier["kept"], tier["gross_cents"]) for tier in shown["tiers"]] == [
        ("Floor", 2, 1, 1, {"USD": 10_000}),
        ("Box", 1, 0, 1, {"USD": 20_000}),
    ]
    assert shown["tickets_sold"] == 3
    assert shown["funnel"] == {
        "joined": None,
        "admitted": None,
        "reservations": 4,
        "checkouts": 2,
        "orders": 1,
        "expired": 1,
        "cancelled": 1,
        "declined": 1,
        "rejected": 0,
    }
    assert shown["conversion"] == {"queue_to_hold": None, "hold_to_checkout": 0.5, "checkout_to_order": 0.5, "hold_to_order": 0.25}
    assert (shown["payment_success_rate"], shown["purchase_success_rate"], shown["waitlist_conversion"]) == (0.5, 0.25, None)
    assert shown["refunds"] == {"refunds": 1, "tickets": 1}
    assert shown["admission"] == {"people_expected": 5, "people_admitted": 0, "progress": 0.0}


def test_the_revenue_is_that_of_the_ledger(api, event_id):
    [revenue] = analytics(api, event_id).json["revenue"]
    [totals] = ledger.revenue_report(event_id).totals
    for name in ("provider", "currency", "captured_cents", "refunded_cents", "disputed_cents", "balance_cents"):
        assert revenue[name] == getattr(totals, name)
    assert (revenue["taxes"], revenue["included_fee_cents"]) == ([], 0)
    assert revenue["balance_cents"] == 25_000


def test_sales_and_admissions_are_shown_by_hour(api, event_id, poller, time):
    [box] = [tier["tier_id"] for tier in analytics(api, event_id).json["tiers"] if tier["tier_name"] == "Box"]
    order_id = api.get("/me/tickets", user="ada").json["tickets"][0]["order_id"]
    time.advance(30 * 86_400 - 3 * 3600)
    assert api.post(f"/tickets/{order_id}-3/validate", json={"count": 3}, token=builders.admin_token()).status == 200
    poller.drain()
    shown = analytics(api, event_id, **{"from": "2026-06-01", "to": "2026-07-01"}).json["by_hour"]
    assert [(hour["hour"], hour["sold"], hour["people_admitted"]) for hour in shown if hour["tier_id"] == box] == [
        ("2026-06-01T12:00:00Z", 1, 0),
        ("2026-07-01T11:00:00Z", 0, 3),
    ]
    assert analytics(api, event_id, **{"from": "2026-06-02", "to": "2026-06-30"}).json["by_hour"] == []
    door = api.get(f"/events/{event_id}/checkins", token=builders.staff_token(event_id)).json
    assert (door["people_expected"], door["people_admitted"], door["progress"]) == (5, 3, 0.6)
    assert [(tier["tier_name"], tier["people_expected"], tier["people_admitted"]) for tier in door["tiers"]] == [
        ("Floor", 1, 0),
        ("Box", 4, 3),
    ]


def test_people_who_went_out_and_came_back_are_in_once_and_arrived_once(api, event_id, poller, time):
    assert api.patch(f"/events/{event_id}", json={"allows_reentry": True}, token=builders.admin_token()).status == 200
    order_id = api.get("/me/tickets", user="ada").json["tickets"][0]["order_id"]
    time.advance(30 * 86_400 - 3 * 3600)

    def scan(direction, count, gate):
        body = {"direction": direction, "count": count, "gate": gate}
        reply = api.post(f"/tickets/{order_id}-3/validate", json=body, token=builders.admin_token())
        assert reply.status == 200, reply.json
        poller.drain()
        return analytics(api, event_id, **{"from": "2026-07-01", "to": "2026-07-01"}).json

    def figures(shown):
        arrivals = [(hour["hour"][11:13], hour["people_admitted"]) for hour in shown["by_hour"] if hour["people_admitted"]]
        return shown["admission"]["people_admitted"], {gate["gate"]: gate["people_admitted"] for gate in shown["gates"]}, arrivals

    assert figures(scan("in", 2, "North")) == (2, {"North": 2}, [("11", 2)])
    time.advance(3600)
    assert figures(scan("out", 1, "South")) == (1, {"North": 1}, [("11", 2)])
    assert figures(scan("out", 1, "South")) == (0, {}, [("11", 2)])
    time.advance(3600)
    assert figures(scan("in", 1, "West")) == (1, {"West": 1}, [("11", 2)])
    assert figures(scan("in", 2, "West")) == (3, {"West": 3}, [("11", 2), ("13", 1)])
    came_in = api.get(f"/events/{event_id}/attendees", query={"came_in": "true"}, token=builders.admin_token()).json["attendees"]
    assert [person["gate"] for person in came_in] == ["North", "North", "West"]
    check_reports()


def test_admissions_are_shown_by_gate_until_undone(api, event_id, poller, time, monkeypatch):
    from chalicelib.addons.reports import analytics as module

    order_id = api.get("/me/tickets", user="ada").json["tickets"][0]["order_id"]
    time.advance(30 * 86_400 - 3 * 3600)

    def admit(count, **gate):
        reply = api.post(f"/tickets/{order_id}-3/validate", json={"count": count} | gate, token=builders.admin_token())
        assert reply.status == 200, reply.json
        return reply.json["checkin"]["id"]

    def gates():
        poller.drain()
        return [(gate["gate"], gate["people_admitted"]) for gate in analytics(api, event_id).json["gates"]]

    assert gates() == []
    admit(1, gate="North #2 [B.1]")
    admit(2)
    last = admit(1, gate="North #2 [B.1]")
    assert gates() == [(None, 2), ("North #2 [B.1]", 2)]
    undone = {"checkin_id": last, "reason": "wrong person"}
    assert api.post(f"/tickets/{order_id}-3/undo", json=undone, token=builders.admin_token()).status == 200
    assert gates() == [(None, 2), ("North #2 [B.1]", 1)]
    monkeypatch.setattr(module, "MAX_GATES", 1)
    assert gates() == [(None, 2)]
    check_reports()


def test_gates_beyond_the_limit_are_counted_together(api, event_id, poller, time, monkeypatch):
    from chalicelib.addons.reports import figures as module

    order_id = api.get("/me/tickets", user="ada").json["tickets"][0]["order_id"]
    time.advance(30 * 86_400 - 3 * 3600)
    monkeypatch.setattr(module, "MAX_GATES", 2)

    def admit(gate):
        reply = api.post(f"/tickets/{order_id}-3/validate", json={"count": 1, "gate": gate}, token=builders.admin_token())
        assert reply.status == 200, reply.json
        poller.drain()
        return reply.json["checkin"]["id"]

    def undo(checkin_id):
        body = {"checkin_id": checkin_id, "reason": "wrong person"}
        assert api.post(f"/tickets/{order_id}-3/undo", json=body, token=builders.admin_token()).status == 200
        poller.drain()

    def gates():
        return {gate["gate"]: gate["people_admitted"] for gate in analytics(api, event_id).json["gates"]}

    admit("North")
    undo(admit("South"))
    east = admit("East")
    assert gates() == {"North": 1, "other": 1}, "a gate without people counts for the limit, because its number stays in the item"
    admit("West")
    undo(east)
    admit(None)
    admit("South")
    assert gates() == {"North": 1, "South": 1, "other": 1, None: 1}
    projection.rebuild(lambda _: None)
    assert sum(gates().values()) == 4
    assert len(gates()) <= 4


def test_a_drop_shows_joins_and_admissions(api, poller, time):
    event_id = builders.create_event(api, waiting_room={"enabled": True})
    tier_id = builders.create_tier(api, event_id)
    for user in ("ada", "bob"):
        token = api.post(f"/events/{event_id}/waiting-room/join", user=user).json["token"]
    time.advance(5)
    api.post(f"/events/{event_id}/reservations", json={"tier_id": tier_id, "quantity": 1, "token": token}, user="bob")
    poller.drain()
    shown = analytics(api, event_id).json
    assert (shown["funnel"]["joined"], shown["funnel"]["admitted"], shown["conversion"]["queue_to_hold"]) == (2, 2, 0.5)


def test_an_event_that_nobody_bought_has_empty_figures(api, poller, time):
    shown = analytics(api, builders.create_shop(api)[0]).json
    assert (shown["revenue"], shown["by_hour"], shown["purchase_success_rate"]) == ([], [], None)
    assert [tier["sold"] for tier in shown["tiers"]] == [0]


def test_the_figures_are_read_from_few_items_and_never_from_orders(api, event_id):
    with faults.record_calls("analytics", measured=True) as calls:
        analytics(api, event_id)
    # the generation, the totals, the days in each lane; the line of the waitlist
    assert calls.names == ["GetItem", "BatchGetItem", *["Query"] * store.LANES["figures"], "GetItem"]
    assert calls.names.count("Query") == len(calls.of("Query", "reports"))


def test_only_managers_see_the_figures_of_an_event(api, event_id):
    coordinator = builders.auth.issue_token("cleo", {"user"}, events={event_id: "coordinator"})
    assert analytics(api, event_id, coordinator).status == 200
    for path in ("analytics", "sales"):
        for token in (builders.staff_token(event_id), builders.token("pia", "promoter"), builders.token()):
            assert api.get(f"/events/{event_id}/{path}", token=token).status == 403
        assert api.get(f"/events/nowhere/{path}", token=builders.admin_token()).status == 404


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"from": "2026-06-02", "to": "2026-06-01"}, "to"),
        ({"from": "2025-01-01", "to": "2026-06-01"}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"days": "7"}, "days"),
    ],
)
def test_wrong_days_are_refused(api, event_id, query, path):
    reply = analytics(api, event_id, **query)
    assert (reply.status, reply.json["path"]) == (400, path)


@pytest.mark.parametrize("query", [{"from": "9999-12-31"}, {"to": "0001-01-01"}, {"from": "2030-01-01"}])
def test_days_at_the_end_of_the_calendar_cause_no_error(api, event_id, query):
    assert analytics(api, event_id, **query).status in (200, 400)


def test_the_conversion_of_the_waitlist_counts_ended_offers(api, poller, time):
    """Of three offers one is paid, one declined, and one expires."""
    event_id, _, orders = lines.sold_out_shop(api, time, sold=3)
    for number in range(3):
        lines.join(api, f"w{number}", event_id)
    assert analytics(api, event_id).json["waitlist_conversion"] is None
    for order_id in orders:
        lines.give_back(api, order_id)
    lines.run_allocator()
    assert analytics(api, event_id).json["waitlist_conversion"] is None
    paid, declined = (lines.own(api, user)[0] for user in ("w0", "w1"))
    builders.start_checkout(api, "w0", paid["offer"]["id"])
    builders.confirm(api, "w0", paid["offer"]["id"])
    api.delete(f"/waitlist/{declined['id']}", user="w1")
    time.advance(86_400)
    builders.run_sweep()
    lines.run_allocator()
    assert analytics(api, event_id).json["waitlist_conversion"] == round(1 / 3, 4)
    shown = api.get(f"/events/{event_id}/waitlist", token=builders.admin_token()).json
    assert (shown["accepted"], shown["declined"], shown["expired"], shown["conversion"]) == (1, 1, 1, round(1 / 3, 4))
    invariants.check(time.now)


def figures(api, *event_ids, token=None):
    reply = api.get("/admin/figures", query={"event_ids": ",".join(event_ids)}, token=token or builders.admin_token())
    assert reply.status == 200, reply.json
    return reply.json["events"]


def test_the_figures_of_several_events_take_two_round_trips(api, event_id, poller):
    unlimited, limited = builders.create_event(api), builders.create_event(api, capacity=7)
    builders.create_tier(api, unlimited, capacity=None)
    builders.create_tier(api, limited)
    known = {"event_id": event_id, "tickets_kept": 2, "capacity": 20, "balance_cents": {"USD": 25_000}}
    empty = {"tickets_kept": 0, "balance_cents": {}}
    figures(api, limited)  # the instance knows the catalog now
    with faults.record_calls("figures") as log:
        shown = figures(api, limited, event_id, unlimited, "nowhere", event_id)
    assert shown == [{"event_id": limited, "capacity": 7, **empty}, known, {"event_id": unlimited, "capacity": None, **empty}]
    assert log.names == ["GetItem", "BatchGetItem"]


def test_figures_leave_out_events_of_others(api, event_id):
    other, _ = builders.create_promoted_shop("pia")
    pia = builders.token("pia", "promoter")
    assert [event["event_id"] for event in figures(api, event_id, other, token=pia)] == [other]
    cleo = builders.auth.issue_token("cleo", {"user"}, events={event_id: "coordinator", other: "staff"})
    assert [event["event_id"] for event in figures(api, event_id, other, token=cleo)] == [event_id]
    for event_ids in ("", "a,", "a b", ",".join(["a"] * 51)):
        reply = api.get("/admin/figures", query={"event_ids": event_ids}, token=pia)
        assert (reply.status, reply.json["path"]) == (400, "event_ids")


def test_the_taxes_at_each_rate_and_the_fee_are_those_of_the_ledger(api, poller, time):
    event_id = builders.create_event(api)
    exempt = {"percent": "0", "exempt_because": "A lecture"}
    tiers = {}
    for name, tax in {"Seats": {"percent": "21"}, "Talk": exempt, "Show": {"percent": "0"}, "Coat": "none"}.items():
        body = {"name": name, "price_cents": 1210, "capacity": 10, "tax": tax, "included_fee": {"cents": 100}}
        tiers[name] = api.post(f"/events/{event_id}/tiers", json=body, token=builders.admin_token()).json["id"]
    order_id = builders.reserve_items(api, "ada", event_id, {tiers["Seats"]: 2, tiers["Talk"]: 1, tiers["Coat"]: 1}).json["id"]
    builders.start_checkout(api, "ada", order_id)
    builders.confirm(api, "ada", order_id)
    builders.buy(api, "bob", event_id, tiers["Show"])
    builders.refund(api, order_id, tickets=builders.ticket_ids(order_id, 1))
    poller.drain()
    [revenue] = analytics(api, event_id).json["revenue"]
    assert [(share["percent"], share["gross_cents"], share["tax_cents"]) for share in revenue["taxes"]] == [
        ("0", 2420, 0),
        ("21", 1210, 210),
    ]
    assert revenue["included_fee_cents"] == 400
    [takings] = api.get(f"/admin/events/{event_id}/money", token=builders.admin_token()).json["takings"]
    assert takings == msgspec.to_builtins(ledger.revenue_report(event_id).totals[0])
    assert (takings["taxes"], takings["included_fee_cents"]) == (revenue["taxes"], 400)
    builders.refund(api, order_id, key="rest")
    poller.drain()
    [revenue] = analytics(api, event_id).json["revenue"]
    assert [share["percent"] for share in revenue["taxes"]] == ["0"]
    check_reports()
    invariants.check(time.now)


def test_a_resale_changes_the_revenue_only_by_the_fee(api, poller, time):
    market = Market(api, time)
    market.offered_by("ada")
    poller.drain()
    before = analytics(api, market.event_id).json
    market.take("bob")
    poller.drain()
    after = analytics(api, market.event_id).json
    assert after["revenue"][0]["balance_cents"] - before["revenue"][0]["balance_cents"] == 600
    [tier] = after["tiers"]
    assert (tier["sold"], tier["returned"], tier["kept"]) == (2, 1, 1)
    assert after["refunds"] == {"refunds": 1, "tickets": 1}
    check_reports()
    invariants.check(time.now)
