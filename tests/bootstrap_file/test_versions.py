"""Versions of the file as admins see them: what there is, what applying one again would change, and that nothing else is applied."""

import inspect
import re

import pytest

from chalicelib.audit import service as audit
from chalicelib.bootstrap_file import findings, rollout, validation
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock
from chalicelib.inventory.capacity import resize_stock
from tests import builders, invariants
from tests.bootstrap.conftest import event, stock_of, ticket
from tests.javascript import WEB

VERSIONS = "/admin/catalog/versions"


def apply_file(**tiers):
    """Apply a file with one event and these tiers: id -> fields of its own."""
    tickets = {tier_id: ticket(tier_id, **fields) for tier_id, fields in tiers.items()}
    tree = {"version": "1", "events": {"fest": event("fest")}, "ticket_types": tickets}
    return rollout.apply(validate_tree(tree), "ada", clock.now()).version


@pytest.fixture
def admin(api, time):
    """Sends requests as an admin, while version 2 is served: of two tiers of version 1, one is smaller and one is gone."""
    assert apply_file(gold={"max_quantity": 10}, silver={}) == 1
    assert apply_file(gold={"max_quantity": 8, "price_cents": 6000}) == 2
    return Admin(api)


class Admin:
    def __init__(self, api):
        self.api, self.token = api, builders.admin_token()

    def get(self, path, **options):
        return self.api.get(f"{VERSIONS}{path}", token=self.token, **options)

    def plan(self, version):
        reply = self.get(f"/{version}/plan")
        assert reply.status == 200, reply.json
        return reply.json

    def apply(self, version, plan):
        return self.api.post(f"{VERSIONS}/{version}/apply", json={"plan": plan}, token=self.token)


def _summary(change):
    return change["action"], change["kind"], change["id"], [field["name"] for field in change["fields"]]


def test_versions_are_listed_the_newest_first_page_by_page(admin):
    shown = admin.get("").json
    assert [(version["version"], version["is_served"], version["applied_by"]) for version in shown["versions"]] == [
        (2, True, "ada"),
        (1, False, "ada"),
    ]
    assert shown["next_cursor"] is None
    first = admin.get("", query={"limit": "1"}).json
    second = admin.get("", query={"limit": "1", "cursor": first["next_cursor"]}).json
    assert [version["version"] for page in (first, second) for version in page["versions"]] == [2, 1]
    assert second["next_cursor"] is None


def test_no_version_is_listed_before_the_first_apply(api):
    assert api.get(VERSIONS, token=builders.admin_token()).json == {"versions": [], "next_cursor": None}


def test_a_plan_says_what_would_change_with_sold_and_held_tickets(admin, api):
    builders.buy(api, "ada", "fest", "gold", 2)
    builders.reserve(api, "eva", "fest", "gold", 1)
    plan = admin.plan(1)
    assert (plan["version"], plan["served"], plan["is_empty"], plan["refusals"]) == (1, 2, False, [])
    assert sorted(_summary(change) for change in plan["changes"]) == [
        ("change", "tier", "gold", ["capacity"]),
        ("change", "tier", "gold", ["price_cents"]),
        ("change", "tier", "silver", ["status"]),
        ("create", "tier", "silver", []),
    ]
    [price] = [change for change in plan["changes"] if change["fields"] and change["fields"][0]["name"] == "price_cents"]
    assert (price["fields"], price["currency"]) == ([{"name": "price_cents", "before": "6000", "after": "5000"}], "USD")
    [capacity] = [change for change in plan["changes"] if change["fields"] and change["fields"][0]["name"] == "capacity"]
    assert capacity["fields"] == [{"name": "capacity", "before": "8", "after": "10"}]
    assert (capacity["sold"], capacity["held"], capacity["reduces"]) == (2, 1, False)
    assert capacity["text"] == "capacity 8 -> 10 (sold 2, on hold 1, 7 left)"
    assert catalog.load_head().version == 2, "a plan changes nothing"


def test_a_version_is_applied_again_as_its_plan_says(admin, api, time):
    builders.buy(api, "ada", "fest", "gold", 2)
    reply = admin.apply(1, admin.plan(1)["plan"])
    assert (reply.status, reply.json) == (200, {"result": "applied", "version": 3})
    assert stock_of("gold").capacity == 10
    assert api.get("/tiers/silver").json["price_cents"] == 5000
    [entry, *_] = audit.list_entries("catalog")
    assert (entry.action, entry.actor, entry.details["rolled_back_to"]) == ("catalog.rolled_back", "root", 1)
    assert admin.plan(3)["is_empty"]
    invariants.check(time.now)


def test_tiers_that_a_rollback_would_close_or_shrink_are_marked(admin):
    apply_file(gold={"max_quantity": 20}, silver={})
    reducing = {(change["id"], change["action"]) for change in admin.plan(2)["changes"] if change["reduces"]}
    assert reducing == {("gold", "change"), ("silver", "close")}


def test_another_plan_than_the_one_that_was_seen_is_refused(admin):
    seen = admin.plan(1)["plan"]
    apply_file(gold={"max_quantity": 8}, silver={})
    reply = admin.apply(1, seen)
    assert (reply.status, reply.json["error"]) == (409, "plan_outdated")
    assert catalog.load_head().version == 3
    assert admin.apply(1, admin.plan(1)["plan"]).status == 200


def test_a_plan_stays_valid_when_tickets_are_sold_meanwhile(admin, api):
    seen = admin.plan(1)["plan"]
    builders.buy(api, "ada", "fest", "gold", 2)
    builders.create_event(api)
    assert admin.apply(1, seen).status == 200


def test_a_second_apply_of_the_same_plan_is_refused(admin):
    seen = admin.plan(1)["plan"]
    assert admin.apply(1, seen).status == 200
    assert admin.apply(1, seen).json["error"] == "plan_outdated"
    assert catalog.load_head().version == 3


def test_a_version_that_has_too_few_tickets_is_refused_with_the_reason(admin, api):
    apply_file(gold={"max_quantity": 10})
    for user in ("ada", "eva", "ida"):
        builders.buy(api, user, "fest", "gold", 3)
    plan = admin.plan(2)
    text = "! tier gold: capacity 8 is below 9 (sold 9, on hold 0); use 9 or more"
    figures = {"capacity": 8, "in_use": 9, "sold": 9, "held": 0}
    refusal = {"code": "capacity_in_use", "kind": "tier", "id": "gold", "figures": figures, "text": text}
    assert plan["refusals"] == [refusal]
    reply = admin.apply(2, plan["plan"])
    assert (reply.status, reply.json["error"], reply.json["reasons"]) == (409, "version_refused", [text])
    [entry] = [entry for entry in audit.list_entries("catalog") if entry.action == "catalog.refused"]
    assert (entry.details["diff"], entry.details["refusals"]) == ([text], [refusal])
    assert catalog.load_head().version == 3
    assert stock_of("gold").capacity == 10


def test_a_plan_tells_restored_tiers_from_new_ones(admin):
    [back] = [change for change in admin.plan(1)["changes"] if change["id"] == "silver" and change["action"] == "create"]
    assert (back["is_back"], back["fields"]) == (True, [])
    apply_file(gold={}, silver={}, bronze={"max_quantity": 5, "price_cents": 700})
    newest, *_ = audit.list_entries("catalog")
    [new] = [change for change in newest.details["changes"] if change["id"] == "bronze"]
    fields = {field["name"]: (field["before"], field["after"]) for field in new["fields"]}
    assert not new["is_back"]
    assert (fields["capacity"], fields["price_cents"], new["currency"]) == (("none", "5"), ("none", "700"), "USD")
    assert newest.details["more"] == 0
    assert len(newest.details["diff"]) == len(newest.details["changes"])


def test_warnings_have_figures_beside_the_sentence(admin):
    tree = {"version": "1", "events": {"fest": event("fest", metadata={"capacity": 3})}, "ticket_types": {"gold": ticket("gold")}}
    version = rollout.apply(validate_tree(tree), "ada", clock.now()).version
    [warning] = admin.plan(version)["warnings"]
    assert (warning["code"], warning["figures"]["capacity"]) == ("capacity_below_tickets", 3)
    assert warning["text"].startswith("$.events.fest.metadata.capacity: 3 is below")


def test_every_reason_has_words_on_the_pages():
    words = (WEB / "src" / "manage" / "texts" / "es" / "catalog.ts").read_text()
    warned = set(re.findall(r'DocumentWarning\([^"]*"(\w+)"', inspect.getsource(validation)))
    assert len(warned) == 3
    assert [code for code in findings.CODES | warned if f"  {code}: (" not in words] == []


def test_drift_is_shown_field_by_field_and_corrected(admin):
    assert admin.plan(2)["is_empty"]
    tier = catalog.load_current().tiers["gold"]
    resize_stock(tier.stock_id, tier.shards, 5)
    plan = admin.plan(2)
    [change] = plan["changes"]
    assert change["fields"] == [{"name": "stock", "before": "5", "after": "8"}]
    assert admin.apply(2, plan["plan"]).json == {"result": "healed", "version": 2}
    assert stock_of("gold").capacity == 8
    assert admin.plan(2)["is_empty"]


def test_a_promo_code_that_differs_from_the_file_is_drift(api, time):
    code = {"code": "EARLY", "discount_type": "percentage", "discount_value": 10, "max_total_uses": 5}
    tree = {"version": "1", "events": {"fest": event("fest", promo_codes=[code])}, "ticket_types": {"gold": ticket("gold")}}
    rollout.apply(validate_tree(tree), "ada", clock.now())
    tree["events"]["fest"]["promo_codes"] = []
    rollout.apply(validate_tree(tree), "ada", clock.now())
    admin = Admin(api)
    [change] = admin.plan(1)["changes"]
    assert (change["action"], change["kind"], change["id"]) == ("create", "promo_code", "fest/EARLY")
    assert admin.apply(1, admin.plan(1)["plan"]).json["result"] == "applied"


@pytest.mark.parametrize("version", ["9", "0", "seven", "12345678901", "-1", "1.0"])
def test_a_version_that_never_was_is_not_found(admin, version):
    assert admin.get(f"/{version}/plan").status == 404
    assert admin.apply(version, "seen").status == 404


def test_a_version_that_breaks_a_rule_of_today_is_refused(admin, monkeypatch):
    from chalicelib.bootstrap_file import validation
    from chalicelib.bootstrap_file.findings import DocumentFault

    fault = DocumentFault("$.events.fest.date", "must be in the future")
    monkeypatch.setattr(validation, "consistency_faults", lambda *_: [fault])
    for reply in (admin.get("/1/plan"), admin.apply(1, "seen")):
        assert (reply.status, reply.json["error"]) == (409, "version_unusable")
        assert reply.json["reasons"] == ["$.events.fest.date: must be in the future"]


def test_the_plan_has_to_be_named(admin):
    reply = admin.api.post(f"{VERSIONS}/1/apply", json={}, token=admin.token)
    assert (reply.status, reply.json["path"]) == (400, "$.plan")


def test_a_failed_apply_keeps_the_served_version_and_shows_as_drift(admin, monkeypatch):
    plan = admin.plan(1)["plan"]

    def fail(*_):
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(catalog, "publish_version", fail)
        assert admin.apply(1, plan).status == 500
    assert catalog.load_head().version == 2
    [drift] = admin.plan(2)["changes"]
    assert drift["fields"] == [{"name": "stock", "before": "10", "after": "8"}]
    assert admin.apply(1, admin.plan(1)["plan"]).json == {"result": "applied", "version": 4}
