"""A plan says what happens to sold and held stock, and refuses what would harm it."""

import pytest

from chalicelib.audit import service as audit
from chalicelib.bootstrap_file import plan
from chalicelib.catalog import service as catalog
from chalicelib.catalog.sale_rules import SETUP_SECONDS
from chalicelib.foundation import clock
from chalicelib.inventory.store import scan_shards
from tests.bootstrap.conftest import EXAMPLE, event, hold, sell, stock_of, ticket

DAY = 86_400

pytestmark = pytest.mark.usefixtures("time")


def test_a_plan_says_what_happens_to_sold_and_held_stock(store, run, write, tree):
    tree["ticket_types"]["fest-pass"]["max_quantity"] = 200
    run("apply", write(tree))
    sell("fest-pass", 45)
    hold("fest-pass", 3)
    tree["ticket_types"]["fest-pass"] |= {"max_quantity": 150, "price_cents": 6000}
    tree["ticket_types"]["fest-late"] = ticket("fest-late")
    tree["events"]["fest"]["metadata"]["doors"] = "19:00"
    result = run("plan", write(tree))
    assert result.code == 0
    assert "~ tier fest-pass: capacity 200 -> 150 (sold 45, on hold 3, 102 left)" in result.out
    assert "~ tier fest-pass: price_cents 5000 -> 6000 (3 on hold keep the old price)" in result.out
    assert "+ tier fest-late: 10 tickets at price_cents 5000 USD" in result.out
    assert '~ event fest: metadata.doors none -> "19:00"' in result.out
    assert stock_of("fest-pass").capacity == 200, "a plan changes nothing"


def test_capacity_below_sold_and_held_is_refused_by_plan_and_apply(store, run, write, tree):
    run("apply", write(tree))
    sell("fest-pass", 4)
    hold("fest-pass", 2)
    tree["ticket_types"]["fest-pass"]["max_quantity"] = 5
    path = write(tree)
    for command in ("plan", "apply"):
        result = run(command, path)
        assert result.code == 1
        assert "! tier fest-pass: capacity 5 is below 6 (sold 4, on hold 2); use 6 or more" in result.out + result.err
    assert catalog.load_head_and_catalog()[0].version == 1
    assert [entry.action for entry in audit.list_entries("catalog")] == ["catalog.refused", "catalog.applied"]
    assert run("apply", "--json", path).json["result"] == "refused"


def test_a_tier_with_buyers_stays_in_its_event(store, run, write, tree):
    tree["events"]["b"] = event("b")
    run("apply", write(tree))
    tree["ticket_types"]["fest-pass"]["event_id"] = "b"
    assert run("plan", write(tree)).code == 0
    hold("fest-pass", 1)
    assert "cannot move from event fest (sold 0, on hold 1)" in run("apply", write(tree)).err


def test_a_ticket_type_without_a_limit_has_the_capacity_of_its_event(store, run, write, tree):
    tree["events"]["fest"]["metadata"]["capacity"] = 30
    tree["ticket_types"]["fest-pass"]["max_quantity"] = None
    run("apply", write(tree))
    assert stock_of("fest-pass").capacity == 30
    del tree["ticket_types"]["fest-pass"]["max_quantity"]
    tree["events"]["fest"]["metadata"]["capacity"] = 40
    assert "~ tier fest-pass: capacity 30 -> 40 (sold 0, on hold 0, 40 left)" in run("apply", write(tree)).out
    assert stock_of("fest-pass").capacity == 40


def _shards() -> list[int]:
    """The capacity of each shard of `fest-pass`."""
    return [shard.capacity for shard in sorted(scan_shards(), key=lambda shard: shard.id)]


class TestShards:
    def test_an_existing_stock_keeps_its_shards_when_the_default_changes(self, store, run, write, tree, monkeypatch):
        tree["ticket_types"]["fest-pass"]["max_quantity"] = 150
        path = write(tree)
        run("apply", path)
        monkeypatch.setattr(plan, "default_shard_count", lambda capacity: 9)
        assert "nothing to do" in run("apply", path).out
        tree["ticket_types"]["fest-pass"]["max_quantity"] = 140
        run("apply", write(tree))
        assert _shards() == [70, 70]

    def test_an_existing_stock_gets_no_empty_shards(self, store, run, write, tree):
        run("apply", write(tree))
        tree["ticket_types"]["fest-pass"]["shards"] = 4
        assert "shards" not in run("apply", write(tree)).out
        assert _shards() == [10]
        tree["ticket_types"]["fest-pass"]["max_quantity"] = 12
        assert "~ tier fest-pass: shards 1 -> 3" in run("apply", write(tree)).out
        assert _shards() == [10, 1, 1]

    def test_a_stock_that_grows_gets_as_many_shards_as_the_new_tickets_fill(self, store, run, write, tree):
        tree["ticket_types"]["fest-pass"] |= {"max_quantity": 300, "shards": 2}
        run("apply", write(tree))
        tree["ticket_types"]["fest-pass"] |= {"max_quantity": 400, "shards": None}
        assert "~ tier fest-pass: shards 2 -> 4" in run("apply", write(tree)).out
        assert _shards() == [150, 150, 50, 50]
        assert "nothing to do" in run("apply", write(tree)).out

    def test_too_few_shards_are_a_warning(self, run, write, tree):
        tree["ticket_types"]["fest-pass"] |= {"max_quantity": 1000, "shards": 3}
        path = "$.ticket_types.fest-pass.shards"
        warning = f"{path}: with 3 shards at most 240 purchases can hold tickets at the same time; leave `shards` out to get 13"
        path = write(tree)
        assert f"warning: {path}: {warning}" in run("validate", path).out.splitlines()
        tree["ticket_types"]["fest-pass"] |= {"shards": 13}
        assert "warning" not in run("validate", write(tree)).out
        tree["ticket_types"]["fest-pass"] |= {"shards": 1250, "max_quantity": 1_000_000}
        assert "warning" not in run("validate", write(tree)).out

    def test_a_limit_that_the_event_never_allows_is_a_warning(self, run, write, tree):
        tree["ticket_types"]["fest-pass"]["availability"] = {"max_per_transaction": 10}
        warning = (
            "max_per_transaction: no purchase can have 10 tickets, because a person may buy only 6 of the event; set its purchase_limit"
        )
        path = write(tree)
        assert f"warning: {path}: $.ticket_types.fest-pass.availability.{warning}" in run("validate", path).out.splitlines()
        tree["events"]["fest"]["purchase_limit"] = 10
        assert "warning" not in run("validate", write(tree)).out
        tree["ticket_types"]["fest-pass"] |= {"per_user_limit": 11, "availability": None}
        assert "$.ticket_types.fest-pass.per_user_limit: no purchase can have 11 tickets" in run("validate", write(tree)).out


@pytest.mark.parametrize("key", ["clear_existing", "clearExisting"])
def test_a_file_that_clears_data_gets_a_warning(store, run, write, tree, key):
    note = f"{key}: has no effect: every apply closes what the file no longer contains, and sold tickets stay valid"
    assert note not in run("plan", write(tree | {key: False})).out
    path = write(tree | {key: True})
    assert run("plan", path).out.splitlines().count(note) == 1
    assert run("plan", "--json", path).json["notes"] == [note]


@pytest.mark.parametrize("name", ["bootstrap-tickets.json", "demo-tickets.json"])
def test_the_files_in_the_repository_give_no_warnings(store, run, name):
    assert run("validate", "--json", EXAMPLE.with_name(name)).json["warnings"] == []


class TestMoreTicketsThanTheEventHolds:
    LINE = "$.events.fest.metadata.capacity: 15 is below the 20 tickets of its ticket types; raise the capacity, or lower a max_quantity"

    @pytest.fixture
    def path(self, write, tree):
        tree["events"]["fest"]["metadata"]["capacity"] = 15
        tree["ticket_types"]["fest-late"] = ticket("fest-late")
        return write(tree)

    @pytest.mark.parametrize("command", ["validate", "plan"])
    def test_is_a_warning(self, store, run, path, command):
        result = run(command, path)
        assert result.code == 0
        assert "warning" not in result.err
        assert f"warning: {path}: {self.LINE}" in result.out.splitlines()
        place, message = self.LINE.split(": ", 1)
        assert run(command, "--json", path).json["warnings"] == [{"path": place, "message": message, "file": str(path)}]

    def test_does_not_stop_an_apply(self, store, run, path):
        assert run("apply", path).code == 0

    def test_counts_the_tickets_of_types_without_a_limit(self, run, write, tree, path):
        tree["ticket_types"]["fest-late"]["max_quantity"] = None
        assert "15 is below the 25 tickets" in run("validate", write(tree)).out

    @pytest.mark.parametrize("capacity", [20, None])
    def test_is_silent_when_they_fit_or_the_event_says_nothing(self, run, write, tree, path, capacity):
        tree["events"]["fest"]["metadata"]["capacity"] = capacity
        result = run("validate", "--json", write(tree)).json
        assert result["warnings"] == []


def test_a_package_has_its_options_and_a_plan_shows_their_changes(api, run, write, tree):
    dinner = {"id": "dinner", "label": "Dinner", "option_type": "multi_select", "choices": ["Fish", "Vegan"], "per": "ticket"}
    asked = {**tree["ticket_types"]["fest-pass"], "options": [dinner], "is_sponsorship": True, "admits": 8}
    tree["ticket_types"]["fest-pass"] = asked
    assert run("apply", write(tree)).code == 0
    (shown,) = [package for package in api.get("/events/fest/tickets/packages").json["packages"] if package["id"] == "fest-pass"]
    assert (shown["seats_per_package"], shown["is_sponsorship"]) == (8, True)
    assert shown["options"] == [dinner | {"is_required": True, "display_order": 0, "labels": {}, "other_choices": {}}]
    assert run("drift", write(tree)).code == 0
    tree["ticket_types"]["fest-pass"] = asked | {"options": [dinner | {"label": "Menu"}]}
    planned = run("plan", write(tree)).out
    assert "options.dinner" in planned
    assert '"Menu"' in planned
    assert run("drift", write(tree)).code != 0
    assert run("apply", write(tree)).code == 0
    refused = api.post(
        "/events/fest/tickets/purchase", json={"package_id": "fest-pass", "quantity": 1}, user="ada", headers={"Idempotency-Key": "k"}
    )
    assert [missing["label"] for missing in refused.json["missing"]] == ["Menu"]


def test_a_plan_shows_changes_of_texts_in_other_languages(api, run, write, tree):
    event, ticket = tree["events"]["fest"], tree["ticket_types"]["fest-pass"]
    event["names"] = {"es": "Fiesta"}
    ticket["options"] = [{"id": "diet", "label": "Diet", "option_type": "text_input", "labels": {"es": "Dieta"}}]
    assert run("apply", write(tree)).code == 0
    assert run("drift", write(tree)).code == 0
    event["names"], event["descriptions"], ticket["names"] = {"es": "Feria"}, {"es": "En el parque."}, {"es": "Abono"}
    ticket["options"][0]["labels"] = {}
    shown = run("plan", write(tree)).out
    assert 'names {"es": "Fiesta"} -> {"es": "Feria"}' in shown
    assert 'descriptions {} -> {"es": "En el parque."}' in shown
    assert 'names {} -> {"es": "Abono"}' in shown
    assert "options.diet" in shown
    assert run("apply", write(tree)).code == 0
    assert api.get("/events/fest?language=es").json["name"] == "Feria"
    assert api.get("/events/fest?language=de").json["name"] == event["name"]
    event["names"] = {"es": " ", "fr": "Fête"}
    refused = run("plan", write(tree))
    assert refused.code != 0
    assert "$.events.fest.names.es" in refused.out + refused.err
    assert "$.events.fest.names.fr" in refused.out + refused.err


def test_a_plan_shows_changes_of_settings_with_several_parts(api, run, write, tree):
    run("apply", write(tree))
    event = tree["events"]["fest"]
    event["waiting_room"] = {"wave_size": 7}
    event["returns"] = {"policy": "refund", "until": "2026-06-20T10:00:00Z", "fee_percent": 10}
    event["transfers"] = "none"
    shown = run("plan", write(tree)).out
    assert 'waiting_room none -> {"wave_size": 7}' in shown
    assert 'returns none -> {"policy": "refund", "until": "2026-06-20T10:00:00Z", "fee_percent": 10}' in shown
    assert 'transfers "free" -> "none"' in shown
    assert "version 2" in run("apply", write(tree)).out
    assert api.get("/events/fest").json["returns"] == event["returns"]


def test_a_file_sets_who_gets_a_place(api, time, run, write, tree):
    opens = clock.iso(time.now + 5 * DAY)
    tree["events"]["fest"] |= {"on_sale_at": opens, "waiting_room": {"entry": "account"}}
    assert run("apply", write(tree)).code == 0
    refused = api.post("/events/fest/waiting-room/join", user="guest")
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (403, "entry_refused", "account_required")
    tree["events"]["fest"]["waiting_room"] = {"entry": "open"}
    assert 'waiting_room {"entry": "account"} -> {}' in run("plan", write(tree)).out
    assert run("apply", write(tree)).code == 0
    assert api.post("/events/fest/waiting-room/join", user="guest").status == 200


def test_a_plan_names_a_rule_that_does_not_exist(api, run, write, tree):
    tree["events"]["fest"]["waiting_room"] = {"entry": "everybody"}
    for command in ("plan", "apply"):
        refused = run(command, write(tree))
        assert refused.code == 1
        assert "events.fest.waiting_room.entry" in refused.out + refused.err
    assert api.get("/events/fest").status == 404


def test_a_plan_names_the_field_and_apply_writes_nothing_unless_it_defers(api, time, run, write, tree, opening):
    tree["ticket_types"]["fest-pass"] |= {"price_cents": 6000, "description": "Now with a poster"}
    tree["ticket_types"]["dear"] = ticket("dear", price_cents=9000, availability={})
    path, until = write(tree), clock.iso(time.now + 600 + 3 * 86_400)
    planned = run("plan", path)
    assert planned.code == 1
    for name in ("fest-pass", "dear"):
        assert f"! tier {name}: price_cents cannot change in this way until {until}" in planned.out
    assert run("apply", path).code == 1
    assert api.get("/tiers/fest-pass").json["description"] == ""
    deferred = run("apply", "--defer", path)
    assert deferred.code == 0, deferred.err
    assert "deferred: ! tier fest-pass: price_cents" in deferred.out
    shown = api.get("/tiers/fest-pass").json
    assert (shown["description"], shown["price_cents"]) == ("Now with a poster", 5000)
    assert api.get("/tiers/dear").status == 404
    assert "nothing to do" in run("apply", "--defer", path).out
    time.advance(600 + 3 * 86_400)
    assert run("apply", path).code == 0
    assert api.get("/tiers/fest-pass").json["price_cents"] == 6000


@pytest.fixture
def opening(api, time, run, write, tree):
    """The opening of an applied event, in ten minutes; with a waiting room and a tier of 50.00 for up to 4 tickets."""
    opens = time.now + SETUP_SECONDS + 600
    tree["events"]["fest"] = event("fest", on_sale_at=clock.iso(opens), date=clock.iso(time.now + 90 * DAY))
    tree["ticket_types"]["fest-pass"] = ticket("fest-pass", availability={"max_per_transaction": 4})
    assert run("apply", write(tree)).code == 0
    time.advance(SETUP_SECONDS)
    return opens


def check_frozen(run, write, tree, opening, kind, name, field):
    """The plan and the apply refuse the field until three days after the opening, and the apply with --defer keeps what is served."""
    path, until = write(tree), clock.iso(opening + 3 * DAY)
    line = f"! {kind} {name}: {field} cannot change in this way until {until}"
    planned, refused, deferred = run("plan", path), run("apply", path), run("apply", "--defer", path)
    assert (planned.code, refused.code, deferred.code) == (1, 1, 0), deferred.out + deferred.err
    assert line in planned.out
    assert f"deferred: {line}" in deferred.out
    assert "nothing to do" in run("apply", "--defer", path).out


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("availability.max_per_transaction", {"availability": {"max_per_transaction": 3}}),
        ("per_user_limit", {"per_user_limit": 2}),
        ("requires_code", {"requires_code": True}),
        ("currency", {"currency": "EUR"}),
        ("price_cents", {"price_cents": 5001}),
        ("price_cents", {"price_cents": 9000, "included_fee": {"cents": 6000}}),
    ],
)
def test_stricter_fields_of_a_tier_are_deferred(run, write, tree, opening, field, values):
    tree["ticket_types"]["fest-pass"] |= values
    check_frozen(run, write, tree, opening, "tier", "fest-pass", field)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("status", {"status": "test"}),
        ("purchase_limit", {"purchase_limit": 1}),
        ("waiting_room", {"waiting_room": {"enabled": False}}),
        ("waiting_room", {"waiting_room": {"entry": "account"}}),
    ],
)
def test_stricter_fields_of_an_event_are_deferred(run, write, tree, opening, field, values):
    tree["events"]["fest"] |= values
    check_frozen(run, write, tree, opening, "event", "fest", field)


def test_a_removed_or_moved_tier_still_limits_the_prices(run, write, tree, opening):
    tree["events"]["other"] = event("other", display_order=2)
    moved = ticket("fest-pass", "other", availability={"max_per_transaction": 4})
    check_frozen(run, write, tree | {"ticket_types": {"fest-pass": moved}}, opening, "tier", "fest-pass", "event_id")
    tree["ticket_types"] = {"pass": ticket("pass", price_cents=5000)}
    assert run("apply", write(tree)).code == 0
    tree["ticket_types"]["dear"] = ticket("dear", price_cents=5001)
    check_frozen(run, write, tree, opening, "tier", "dear", "price_cents")
    del tree["ticket_types"]["dear"]
    tree["ticket_types"]["fest-pass"] = ticket("fest-pass", price_cents=5001)
    check_frozen(run, write, tree, opening, "tier", "fest-pass", "price_cents")
    tree["ticket_types"]["fest-pass"]["price_cents"] = 5000
    assert run("apply", write(tree)).code == 0


def test_a_new_name_of_a_dearer_tier_is_deferred(api, time, run, write, tree):
    tree["events"]["fest"] = event("fest", on_sale_at=clock.iso(time.now + DAY + 60), date=clock.iso(time.now + 90 * DAY))
    tree["ticket_types"]["box"] = ticket("box", price_cents=9000)
    assert run("apply", write(tree)).code == 0
    time.advance(SETUP_SECONDS)
    tree["ticket_types"]["box"]["name"] = "Floor"
    check_frozen(run, write, tree, time.now + DAY + 60 - SETUP_SECONDS, "tier", "box", "name")


def test_a_prepared_tier_does_not_start_by_a_new_meaning_of_its_state(api, run, write, tree, time):
    opens = time.now + 2 * DAY
    tree["events"]["fest"] = event("fest", on_sale_at=clock.iso(opens), date=clock.iso(time.now + 90 * DAY))
    tree["ticket_types"]["dear"] = ticket("dear", price_cents=9000, status="closed")
    assert run("apply", write(tree)).code == 0
    time.advance(DAY)
    tree["ticket_states"]["closed"] = {"purchasable": True, "display": True}
    planned = run("plan", write(tree))
    assert planned.code == 1
    assert "! tier dear: status cannot change in this way until" in planned.out


def test_a_postponed_event_does_not_come_back_as_a_test(run, write, tree, opening):
    later = opening + 10 * DAY
    tree["events"]["fest"] |= {"on_sale_at": clock.iso(later)}
    assert run("apply", write(tree)).code == 0
    tree["events"]["fest"]["status"] = "test"
    tree["ticket_types"]["fest-pass"]["price_cents"] = 5001
    assert run("apply", write(tree)).code == 0
    assert "nothing to do" in run("apply", write(tree)).out
    tree["events"]["fest"] |= {"status": "active", "on_sale_at": clock.iso(opening)}
    planned = run("plan", write(tree))
    assert f"! event fest: on_sale_at cannot change in this way until {clock.iso(later + 3 * DAY)}" in planned.out
    tree["events"]["fest"]["on_sale_at"] = clock.iso(later)
    assert run("apply", write(tree)).code == 0


def test_a_mistake_is_corrected_after_a_postponement(run, write, tree, opening):
    tree["events"]["fest"] |= {"on_sale_at": clock.iso(opening + DAY)}
    tree["ticket_types"]["fest-pass"]["price_cents"] = 50_000
    assert run("apply", write(tree)).code == 1
    assert run("apply", "--defer", write(tree)).code == 0
    assert run("apply", write(tree)).code == 0


def test_the_event_lists_the_changes_of_its_file(api, time, run, write, tree, opening):
    tree["events"]["fest"]["purchase_limit"] = 20
    tree["ticket_types"]["seat"] = ticket("seat", price_cents=3000)
    for changed in ({"price_cents": 4000}, {}, {"price_cents": 3500}):
        tree["ticket_types"]["fest-pass"] |= changed
        time.advance(1)
        assert run("apply", write(tree)).code == 0
    del tree["ticket_types"]["seat"]
    time.advance(1)
    assert run("apply", write(tree)).code == 0
    changes = [
        (change["tier_id"], change["field"], change["before"], change["after"]) for change in api.get("/events/fest").json["changes"]
    ]
    assert changes == [
        ("seat", "on_sale", True, False),
        ("fest-pass", "price_cents", 4000, 3500),
        ("fest-pass", "price_cents", 5000, 4000),
        ("seat", "on_sale", False, True),
        (None, "purchase_limit", 6, 20),
    ]
