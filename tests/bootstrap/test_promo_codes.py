"""Promo codes that the file declares: as managers and buyers see them, and what apply, drift, rollback and export do with them."""

import json
from contextlib import contextmanager
from functools import partial

import pytest
from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.bootstrap_file import rollout
from chalicelib.catalog import service as catalog
from chalicelib.foundation import settings
from chalicelib.promotions import service as promotions
from tests import builders, invariants
from tests.bootstrap.conftest import event, ticket, valid_document
from tests.engines import create_tables
from tests.simulation import faults

pytestmark = pytest.mark.usefixtures("store", "time")

CODES = "/admin/events/fest/promo-codes"


@pytest.fixture
def shown(api, time):
    """The codes of the event as its managers see them; at the end the invariants hold."""

    def list_codes():
        codes = api.get(CODES, token=builders.admin_token()).json["promo_codes"]
        return {code["code"]: code for code in codes}

    yield list_codes
    invariants.check(time.now)


@contextmanager
def separate_stage(name):
    """A stage of its own, with empty tables."""
    with settings.override(stage=f"{settings.current().stage}-{name}"):
        create_tables()
        catalog.invalidate()
        yield
    catalog.invalidate()


def declare(tree, *codes, **more):
    """Put codes into the event of a document."""
    tree["events"]["fest"] = event("fest", promo_codes=[promo_code(code) if isinstance(code, str) else code for code in codes], **more)
    return tree


def promo_code(code, **fields):
    return {"code": code, "discount_type": "percentage", "discount_value": 10} | fields


def buy(api, user, code):
    return builders.buy(api, user, "fest", "fest-pass", quantity=1, promo_code=code)


def test_a_declared_code_is_as_one_of_the_api(api, run, write, tree, shown):
    full = {
        "discount_type": "fixed_amount",
        "discount_value": "12.50",
        "starts_at": "2026-01-01",
        "expires_at": "2026-08-31",
        "max_total_uses": 10,
        "max_uses_per_donor": 2,
        "package_ids": ["fest-pass"],
        "opens_package_ids": ["fest-pass"],
        "skips_waiting_room": True,
        "holdback_id": "fans",
        "bank_transfer_days": 7,
        "minimum_total": 40,
    }
    tree["ticket_types"]["fest-pass"]["holdbacks"] = [{"id": "fans", "reason": "presale", "quantity": 2}]
    admits = {"discount_value": 0, "admits_to_draw": True, "max_total_uses": 3}
    declare(tree, promo_code("early-10"), promo_code("FULL", **full), promo_code("FANS", **admits))
    result = run("apply", write(tree))
    assert result.code == 0
    assert "+ promo code fest/EARLY-10: 10 percent off, without a limit (event fest)" in result.out
    assert "+ promo code fest/FULL: discount_cents 1250 USD off, opens fest-pass from the holdback fans, 10 uses (event fest)" in result.out
    assert "+ promo code fest/FANS: admits to the draw, 3 uses (event fest)" in result.out
    codes = shown()
    assert {name: codes["FANS"][name] for name in admits} == admits
    assert (codes["EARLY-10"]["discount_value"], codes["EARLY-10"]["managed_by"], codes["EARLY-10"]["is_active"]) == (10, "bootstrap", True)
    local_times = {"discount_value": 12.5, "starts_at": "2026-01-01T07:00:00Z", "expires_at": "2026-09-01T05:59:59Z"}
    assert {name: codes["FULL"][name] for name in full} == full | local_times
    assert run("drift", write(tree)).code == 0
    assert run("apply", write(tree)).out == "version 1 is already served; nothing to do\n"
    order = buy(api, "ada", "full").json["order"]
    assert (order["promo_code"], order["discount_cents"]) == ("FULL", 1250)
    assert shown()["FULL"]["times_used"] == 1
    assert run("drift", write(tree)).code == 0, "uses are no drift"


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        ({"code": "abc"}, "code", "4 to 20 letters"),
        ({"code": "TAKEN"}, "code", "already a promo code of the event"),
        ({"discount_type": "gift"}, "discount_type", "percentage"),
        ({"discount_value": 101}, "discount_value", "from 1 to 100"),
        ({"discount_value": True}, "discount_value", "must be a number"),
        ({"discount_value": "1e-9", "discount_type": "fixed_amount"}, "discount_value", "at most 2 decimals"),
        ({"discount_value": 0, "discount_type": "fixed_amount"}, "discount_value", "more than 0"),
        ({"starts_at": "tomorrow"}, "starts_at", "must be a day"),
        ({"expires_at": "2026-02-30"}, "expires_at", "is not a valid date"),
        ({"starts_at": "2026-03-02", "expires_at": "2026-03-01"}, "expires_at", "must expire after it starts"),
        ({"max_total_uses": 10_001}, "max_total_uses", "from 1 to 10,000"),
        ({"max_uses_per_donor": 0}, "max_uses_per_donor", "from 1 to 100"),
        ({"minimum_total": -1}, "minimum_total", "from 0 to"),
        ({"package_ids": ["nothing"]}, "package_ids[0]", "no ticket type"),
        ({"package_ids": ["fest-pass", "other-pass"]}, "package_ids[1]", "no ticket type"),
        ({"opens_package_ids": ["fest-pass", "nothing"]}, "opens_package_ids[1]", "no ticket type"),
        ({"skips_waiting_room": True}, "skips_waiting_room", "Only a code that opens tickets"),
        ({"holdback_id": "fans"}, "holdback_id", "Only a code that opens tickets"),
        ({"discount_value": 0, "admits_to_draw": True}, "max_total_uses", "how many people may join"),
        ({"admits_to_draw": True, "max_total_uses": 5}, "discount_value", "has no discount"),
        ({"opens_package_ids": ["fest-pass"], "holdback_id": "fans"}, "holdback_id", "has no holdback"),
        ({"is_active": "yes"}, "is_active", "true or false"),
        ({"uses": 5}, "uses", "unknown key"),
    ],
)
def test_a_fault_is_named_with_its_path(run, write, tree, fields, path, message):
    declare(tree, "taken", promo_code("EARLY") | fields)
    tree["events"]["other"] = event("other")
    tree["ticket_types"]["other-pass"] = ticket("other-pass", "other")
    result = run("validate", write(tree))
    assert result.code == 1
    (line,) = result.err.splitlines()[:-1]
    assert f" $.events.fest.promo_codes[1].{path}: " in line
    assert message in line


def test_a_plan_shows_the_changes_of_codes_and_what_was_used(api, run, write, tree, shown):
    declare(tree, promo_code("CHANGED", max_total_uses=5), "GONE", "SPENT", "SAME")
    run("apply", write(tree))
    for user, code in (("ada", "CHANGED"), ("bob", "SPENT")):
        buy(api, user, code)
    declare(tree, promo_code("CHANGED", max_total_uses=3, discount_value=20), "NEW1", "SAME")
    planned = run("plan", "--json", write(tree)).json
    expected = [
        "~ promo code fest/CHANGED: discount_value 10 -> 20, max_total_uses 5 -> 3 (used 1, in use 0)",
        "+ promo code fest/NEW1: 10 percent off, without a limit (event fest)",
        "- promo code fest/GONE: is no longer in the file: it stops working (used 0, in use 0; buyers who used it keep the discount)",
        "- promo code fest/SPENT: is no longer in the file: it stops working (used 1, in use 0; buyers who used it keep the discount)",
    ]
    assert planned["changes"] == expected
    assert planned["reductions"] == [expected[0], *expected[2:]]
    assert run("drift", write(tree)).code == 1
    assert set(shown()) == {"CHANGED", "GONE", "SPENT", "SAME"}, "a plan changes nothing"
    assert run("apply", write(tree), yes=False).code == 3, "buyers would lose a discount, so somebody has to agree"
    assert run("apply", write(tree)).code == 0
    codes = shown()
    assert {code: found["is_active"] for code, found in codes.items()} == {"CHANGED": True, "NEW1": True, "SAME": True, "SPENT": False}
    assert (codes["CHANGED"]["discount_value"], codes["CHANGED"]["uses_left"], codes["SAME"]["version"]) == (20, 2, 1)
    assert run("drift", write(tree)).code == 0


def test_a_used_code_is_deactivated_and_a_rollback_brings_it_back(api, run, write, tree, shown):
    declare(tree, promo_code("ONCE", max_total_uses=2), "FRESH")
    run("apply", write(tree))
    buy(api, "ada", "ONCE")
    reserved = builders.reserve(api, "bob", "fest", "fest-pass").json["id"]
    builders.start_checkout(api, "bob", reserved, promo_code="ONCE")
    del tree["events"]["fest"]["promo_codes"]
    run("apply", write(tree))
    assert {code: (found["is_active"], found["times_used"], found["times_held"]) for code, found in shown().items()} == {
        "ONCE": (False, 1, 1)
    }
    assert builders.confirm(api, "bob", reserved).status == 201, "who has it in the checkout keeps it"
    assert run("rollback", "1").code == 0
    codes = shown()
    assert {code: (found["is_active"], found["uses_left"]) for code, found in codes.items()} == {"ONCE": (True, 0), "FRESH": (True, None)}
    actions = [entry.action for entry in audit.list_entries("promo_code#fest/FRESH")]
    assert actions == ["promo_code.created", "promo_code.deleted", "promo_code.created"]


def test_the_codes_of_an_event_that_leaves_the_file_end(run, write, tree, shown, api):
    declare(tree, "FEST")
    run("apply", write(tree))
    buy(api, "ada", "FEST")
    tree["events"] = {"other": event("other")}
    tree["ticket_types"] = {"other-pass": ticket("other-pass", "other")}
    assert run("apply", write(tree)).code == 0
    assert shown()["FEST"]["is_active"] is False


def test_fewer_uses_than_were_taken_are_refused(api, run, write, tree, shown):
    declare(tree, promo_code("MANY", max_total_uses=5))
    run("apply", write(tree))
    for user in ("ada", "bob"):
        buy(api, user, "MANY")
    declare(tree, promo_code("MANY", max_total_uses=1), name="Renamed")
    for command in ("plan", "apply"):
        result = run(command, write(tree))
        assert result.code == 1
        assert "! promo code fest/MANY: max_total_uses 1 is below 2 (used 2, in use 0); use 2 or more" in result.out + result.err
    assert (shown()["MANY"]["max_total_uses"], catalog.load_current().events["fest"].name) == (5, "Fest")


def test_uses_that_are_taken_during_the_apply_stay(api, run, write, tree, shown, monkeypatch):
    declare(tree, promo_code("MANY", max_total_uses=5))
    run("apply", write(tree))
    publish = catalog.publish_version

    def publish_slowly(*arguments):
        publish(*arguments)
        for user in ("ada", "bob"):
            buy(api, user, "MANY")

    monkeypatch.setattr(catalog, "publish_version", publish_slowly)
    declare(tree, promo_code("MANY", max_total_uses=1), name="Renamed")
    result = run("apply", write(tree))
    assert result.code == 1
    assert "Version 2 is served without this change" in result.err
    assert shown()["MANY"]["max_total_uses"] == 5
    assert run("drift", write(tree)).code == 1
    declare(tree, promo_code("MANY", max_total_uses=2), name="Renamed")
    monkeypatch.undo()
    assert run("apply", write(tree)).code == 0
    assert shown()["MANY"]["uses_left"] == 0


def test_the_api_shows_declared_codes_and_changes_only_its_own(api, run, write, tree, shown):
    declare(tree, "FILED")
    run("apply", write(tree))
    builders.create_promo_code(api, "fest", "OWN1")
    for send in (partial(api.patch, json={"discount_value": 20}), api.delete):
        refused = send(f"{CODES}/FILED", token=builders.admin_token())
        assert (refused.status, refused.json["error"]) == (409, "managed_by_bootstrap")
    tree["events"]["fest"]["name"] = "Renamed"
    run("apply", write(tree))
    assert {code: found["managed_by"] for code, found in shown().items()} == {"FILED": "bootstrap", "OWN1": "api"}
    declare(tree, "FILED", "own1")
    result = run("apply", write(tree))
    assert result.code == 1
    assert "! promo code fest/OWN1: a promo code with this name was created through the API" in result.err
    assert shown()["OWN1"]["managed_by"] == "api"


def test_drift_of_a_code_is_corrected_by_the_same_file(run, write, tree, shown):
    declare(tree, promo_code("FEST", max_total_uses=5))
    run("apply", write(tree))
    found = promotions.find_promo_code("fest", "FEST")
    promotions.write_change(found, replace(found, max_total_uses=9), "somebody", 0)
    drift = run("drift", write(tree))
    assert (drift.code, "max_total_uses 9 -> 5" in drift.out) == (1, True)
    assert "version 1 is already served" in run("apply", write(tree)).out
    assert shown()["FEST"]["max_total_uses"] == 5


def test_an_event_takes_its_codes_to_another_stage(api, run, write, tree, tmp_path, shown):
    event_id, tier_id = builders.create_shop(api)
    gone = builders.create_tier(api, event_id, name="Gone")
    builders.create_promo_code(api, event_id, "EURO", discount_type="fixed_amount", discount_value="2.50", max_total_uses=5)
    builders.create_promo_code(api, event_id, "SOME", package_ids=[gone, tier_id], is_active=False, expires_at="2026-08-01T00:00:00Z")
    for held_back in (gone, tier_id):
        holdbacks = [{"id": "fans", "reason": "presale", "quantity": 1}]
        assert api.patch(f"/tiers/{held_back}", json={"holdbacks": holdbacks}, token=builders.admin_token()).status == 200
    terms = {"skips_waiting_room": True, "holdback_id": "fans", "bank_transfer_days": 7}
    builders.create_promo_code(api, event_id, "FANS", discount_value=0, opens_package_ids=[gone, tier_id], **terms)
    builders.create_promo_code(api, event_id, "GONE", package_ids=[gone])
    builders.create_promo_code(api, event_id, "LOST", opens_package_ids=[gone])
    assert api.delete(f"/tiers/{gone}", token=builders.admin_token()).status == 200
    file = tmp_path / "event.json"
    exported = run("export", "--event", event_id, "-o", file)
    assert exported.code == 0
    for code in ("GONE", "LOST"):
        assert f"promo code {code}: is left out, because all its tiers were deleted" in exported.err
    codes = json.loads(file.read_text())["events"][event_id]["promo_codes"]
    assert codes == [
        {"code": "EURO", "discount_type": "fixed_amount", "discount_value": 2.5, "max_total_uses": 5},
        promo_code("FANS", discount_value=0, opens_package_ids=[tier_id], **terms),
        promo_code("SOME", expires_at="2026-08-01T00:00:00Z", package_ids=[tier_id], is_active=False),
    ]
    path = f"/admin/events/{event_id}/promo-codes"
    with separate_stage("other"):
        assert run("apply", file).code == 0
        again = run("export", "--event", event_id)
        assert json.loads(again.out)["events"][event_id]["promo_codes"] == codes
        assert [code["code"] for code in api.get(path, token=builders.admin_token()).json["promo_codes"]] == ["EURO", "FANS", "SOME"]


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_a_crash_at_any_call_is_finished_by_the_same_file(tree):
    before = json.loads(json.dumps(declare(tree, promo_code("LESS", max_total_uses=5), "GONE", "SAME")))
    after = declare(tree, promo_code("LESS", max_total_uses=3), "NEW1", "SAME")
    with separate_stage("dry"):
        rollout.apply(valid_document(before), "ann", 0)
        with faults.record_calls() as calls:
            rollout.apply(valid_document(after), "ann", 0)
    assert calls.count("TransactWriteItems") == 4, "the head, and each code that changes"
    for number in range(1, len(calls) + 1):
        with separate_stage(f"crash-{number}"):
            rollout.apply(valid_document(before), "ann", 0)
            with faults.crash_after(number):
                rollout.apply(valid_document(after), "ann", 0)
            rollout.apply(valid_document(after), "ann", 0)
            assert rollout.plan(valid_document(after)).is_empty
            invariants.check(0)


def test_an_apply_that_is_overtaken_writes_no_code_of_its_own(run, write, tree, shown, monkeypatch):
    declare(tree, promo_code("FEST", discount_value=1))
    run("apply", write(tree))
    slow, fast = (json.loads(json.dumps(declare(tree, promo_code("FEST", discount_value=value)))) for value in (2, 3))
    publish = catalog.publish_version

    def publish_and_stall(*arguments):
        publish(*arguments)
        monkeypatch.undo()
        assert run("apply", "--actor", "bob", write(fast, "fast.json")).code == 0

    monkeypatch.setattr(catalog, "publish_version", publish_and_stall)
    result = run("apply", write(slow, "slow.json"))
    assert result.code == 1
    assert "bob has applied version 3 in the meantime" in result.err
    assert shown()["FEST"]["discount_value"] == 3
    assert run("drift", write(fast, "fast.json")).code == 0
