"""Promo codes as managers of an event make and change them, and as anybody may ask about them."""

import re

import pytest

from chalicelib.audit import service as audit
from chalicelib.foundation import clock, settings
from chalicelib.promotions import management
from chalicelib.promotions import service as promotions
from tests import builders, invariants
from tests.simulation import faults

NEW = {"code": "early-10", "discount_type": "percentage", "discount_value": 10}


@pytest.fixture
def shop(api, time):
    yield builders.create_shop(api)
    invariants.check(time.now)


@pytest.fixture
def path(shop):
    return f"/admin/events/{shop[0]}/promo-codes"


@pytest.fixture
def manage(api):
    """Send a request as an admin."""

    def send(method, path, **fields):
        headers = fields.pop("headers", {})
        return api.request(method, path, token=builders.admin_token(), headers=headers, **({"json": fields} if fields else {}))

    return send


def test_a_code_without_limits_limits_nothing(manage, path):
    reply = manage("POST", path, **NEW)
    assert reply.status == 201
    shown = reply.json
    assert (shown["id"], shown["code"], shown["discount_type"], shown["discount_value"]) == ("EARLY-10", "EARLY-10", "percentage", 10)
    unlimited = ("starts_at", "expires_at", "max_total_uses", "max_uses_per_donor", "package_ids", "minimum_total", "uses_left")
    assert [shown[name] for name in unlimited] == [None] * len(unlimited)
    assert (shown["is_active"], shown["times_used"], shown["times_held"], shown["version"]) == (True, 0, 0, 1)
    assert manage("GET", f"{path}/early-10").json == shown


def test_all_fields_are_shown_as_they_were_sent(manage, path, shop, time):
    fields = {
        "code": "VIP",
        "discount_type": "fixed_amount",
        "discount_value": "12.50",
        "starts_at": clock.iso(time.now),
        "expires_at": clock.iso(time.now + 60),
        "max_total_uses": 10_000,
        "max_uses_per_donor": 100,
        "package_ids": [shop[1]],
        "minimum_total": 99.99,
        "is_active": False,
    }
    shown = manage("POST", path, **fields | {"code": "VIP1"}).json
    assert {name: shown[name] for name in fields} == fields | {"code": "VIP1", "discount_value": 12.5}


@pytest.mark.parametrize(
    ("fields", "path_of_error"),
    [
        ({"code": "abc"}, "$.code"),
        ({"code": "x" * 21}, "$.code"),
        ({"code": "with space"}, "$.code"),
        ({"code": "ümlaut"}, "$.code"),
        ({"discount_type": "gift"}, "$.discount_type"),
        ({"discount_value": 0}, "$.discount_value"),
        ({"discount_value": 101}, "$.discount_value"),
        ({"discount_value": 12.5}, "$.discount_value"),
        ({"discount_value": "NaN"}, "$.discount_value"),
        ({"discount_value": "ten"}, "$.discount_value"),
        ({"discount_type": "fixed_amount", "discount_value": 0}, "$.discount_value"),
        ({"discount_type": "fixed_amount", "discount_value": 1.005}, "$.discount_value"),
        ({"discount_type": "fixed_amount", "discount_value": -1}, "$.discount_value"),
        ({"max_total_uses": 0}, "$.max_total_uses"),
        ({"max_total_uses": 10_001}, "$.max_total_uses"),
        ({"max_uses_per_donor": 101}, "$.max_uses_per_donor"),
        ({"minimum_total": 1.001}, "$.minimum_total"),
        ({"package_ids": ["nothing"]}, "$.package_ids[0]"),
        ({"starts_at": "2026-09-02T00:00:00Z", "expires_at": "2026-09-01T00:00:00Z"}, "$.expires_at"),
        ({"times_used": 3}, "$.times_used"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_written(manage, path, fields, path_of_error):
    reply = manage("POST", path, **NEW | fields)
    assert (reply.status, reply.json["path"]) == (400, path_of_error), reply.json
    assert manage("GET", path).json["promo_codes"] == []


def test_a_code_is_unique_in_its_event_in_capitals_and_small_letters(api, manage, path):
    assert manage("POST", path, **NEW).status == 201
    taken = manage("POST", path, **NEW | {"code": "Early-10"})
    assert (taken.status, taken.json["error"]) == (409, "promo_code_taken")
    other, _ = builders.create_shop(api)
    assert manage("POST", f"/admin/events/{other}/promo-codes", **NEW).status == 201


def test_a_repeated_request_creates_one_code(manage, path):
    key = {"Idempotency-Key": "k"}
    first, again = (manage("POST", path, headers=key, **NEW) for _ in range(2))
    assert (first.status, again.status) == (201, 200)
    assert {**again.json, "message": None} == {**first.json, "message": None}


def test_the_list_has_pages_in_alphabetical_order(manage, path):
    for code in ("CCCC", "AAAA", "BBBB"):
        manage("POST", path, **NEW | {"code": code})
    first = manage("GET", f"{path}?limit=2").json
    second = manage("GET", f"{path}?limit=2&cursor={first['next_cursor']}").json
    assert [code["code"] for code in first["promo_codes"] + second["promo_codes"]] == ["AAAA", "BBBB", "CCCC"]
    assert second["next_cursor"] is None


def test_changes_are_audited_field_by_field(manage, path, shop):
    manage("POST", path, **NEW)
    changed = manage("PATCH", f"{path}/EARLY-10", discount_value=15, max_total_uses=5).json
    assert (changed["discount_value"], changed["max_total_uses"], changed["uses_left"], changed["version"]) == (15, 5, 5, 2)
    assert manage("PATCH", f"{path}/EARLY-10", discount_value=15).json["version"] == 2
    entry = audit.list_entries(f"promo_code#{shop[0]}/EARLY-10")[0]
    assert entry.action == "promo_code.changed"
    assert {name: (change.before, change.after) for name, change in entry.changes.items()} == {
        "discount_value": (10, 15),
        "max_total_uses": (None, 5),
    }
    assert entry.event_id == shop[0]


def test_an_editor_who_has_seen_an_older_version_is_refused(manage, path):
    manage("POST", path, **NEW)
    manage("PATCH", f"{path}/EARLY-10", discount_value=15)
    stale = manage("PATCH", f"{path}/EARLY-10", discount_value=20, version=1)
    assert (stale.status, stale.json["error"], stale.json["version"]) == (409, "version_conflict", 2)
    assert manage("PATCH", f"{path}/EARLY-10", discount_value=20, headers={"If-Match": '"1"'}).status == 412
    assert manage("DELETE", f"{path}/EARLY-10", headers={"If-Match": '"1"'}).status == 412
    assert manage("PATCH", f"{path}/EARLY-10", discount_value=20, version=2).json["discount_value"] == 20


def test_a_new_kind_of_discount_needs_a_value_and_the_name_is_fixed(manage, path):
    manage("POST", path, **NEW)
    assert manage("PATCH", f"{path}/EARLY-10", discount_type="fixed_amount").json["path"] == "$.discount_value"
    assert manage("PATCH", f"{path}/EARLY-10", code="LATE-10").json["path"] == "$.code"
    changed = manage("PATCH", f"{path}/EARLY-10", code="early-10", discount_type="fixed_amount", discount_value=3).json
    assert (changed["discount_type"], changed["discount_value"]) == ("fixed_amount", 3)


def test_uses_are_never_fewer_than_were_taken(api, manage, path, shop):
    manage("POST", path, **NEW | {"max_total_uses": 5})
    builders.buy(api, "ada", *shop, promo_code="EARLY-10")
    reserved = builders.reserve(api, "bob", *shop).json["id"]
    builders.start_checkout(api, "bob", reserved, promo_code="EARLY-10")
    refused = manage("PATCH", f"{path}/EARLY-10", max_total_uses=1)
    assert (refused.status, refused.json["error"], refused.json["minimum"]) == (409, "max_total_uses_too_small", 2)
    shown = manage("PATCH", f"{path}/EARLY-10", max_total_uses=2).json
    assert (shown["times_used"], shown["times_held"], shown["uses_left"]) == (1, 1, 0)
    for most in (10_000, None, 3):
        shown = manage("PATCH", f"{path}/EARLY-10", max_total_uses=most).json
        assert (shown["max_total_uses"], shown["times_used"]) == (most, 1)
        invariants.check(clock.now())


def test_a_code_that_was_used_is_deactivated_and_any_other_deleted(api, manage, path, shop):
    for code in ("USED", "UNUSED"):
        manage("POST", path, **NEW | {"code": code})
    builders.buy(api, "ada", *shop, promo_code="USED")
    kept, gone = (manage("DELETE", f"{path}/{code}").json for code in ("USED", "UNUSED"))
    assert (kept["deleted"], gone["deleted"]) == (False, True)
    assert [(code["code"], code["is_active"]) for code in manage("GET", path).json["promo_codes"]] == [("USED", False)]
    assert manage("GET", f"{path}/UNUSED").status == 404
    assert manage("POST", path, **NEW | {"code": "UNUSED"}).status == 201


def test_validation_shows_the_discount_or_only_expired_or_used_up(api, manage, path, shop, time):
    ask = lambda code: api.get(f"/events/{shop[0]}/promo-codes/{code}/validate").json  # noqa: E731
    manage("POST", path, **NEW | {"minimum_total": 20, "package_ids": [shop[1]]})
    valid = ask("early-10")
    assert (valid["valid"], valid["code"], valid["discount_type"], valid["discount_value"]) == (True, "EARLY-10", "percentage", 10)
    assert (valid["minimum_total"], valid["package_ids"], valid["reason"]) == (20, [shop[1]], None)
    manage("POST", path, **NEW | {"code": "ONCE", "max_total_uses": 1})
    builders.buy(api, "ada", *shop, promo_code="ONCE")
    manage("POST", path, **NEW | {"code": "PAST", "expires_at": clock.iso(time.now + 1)})
    manage("POST", path, **NEW | {"code": "FUTURE", "starts_at": clock.iso(time.now + 60)})
    manage("POST", path, **NEW | {"code": "INACTIVE", "is_active": False})
    time.advance(2)
    for code, reason in (("ONCE", "used_up"), ("PAST", "expired"), ("FUTURE", None), ("INACTIVE", None), ("NOSUCH", None)):
        told = ask(code)
        assert {name for name, value in told.items() if value is not None} - {"reason"} == {"code", "valid"}
        assert (told["valid"], told["reason"]) == (False, reason)
    assert api.get("/events/nothing/promo-codes/ONCE/validate").status == 404


def test_validation_knows_how_often_the_signed_in_buyer_has_used_a_code(api, manage, path, shop):
    ask = lambda **caller: api.get(f"/events/{shop[0]}/promo-codes/EARLY-10/validate", **caller).json  # noqa: E731
    manage("POST", path, **NEW | {"max_uses_per_donor": 1})
    assert ask(user="ada")["valid"] is True
    builders.buy(api, "ada", *shop, promo_code="EARLY-10")
    used = ask(user="ada")
    assert (used["valid"], used["reason"], used["discount_value"]) == (False, "limit_reached", None)
    assert (ask()["valid"], ask(user="bob")["valid"]) == (True, True)


@pytest.mark.parametrize("text", [" ", "\u3000"])
def test_a_blank_code_is_refused_in_a_preview(api, shop, text):
    event_id, tier_id = shop
    assert builders.reserve(api, "ada", event_id, tier_id).status == 201
    reply = api.get(f"/events/{event_id}/reservations", query={"promo_code": text}, user="ada")
    assert (reply.status, reply.json["error"]) == (400, "promo_code_invalid")


def test_guesses_are_limited_by_address(api, shop):
    with settings.override(rate_limits="on", limit_promo_code="1/60", address_factor=3):
        asked = [api.get(f"/events/{shop[0]}/promo-codes/GUESS-{number}/validate").status for number in range(5)]
    assert asked == [200, 200, 200, 429, 429]


def test_guests_guesses_are_limited_by_event_from_any_number_of_addresses(api, shop, manage):
    manage("POST", f"/admin/events/{shop[0]}/promo-codes", **NEW)
    guests = [api.post("/auth/guest").json["access_token"] for _ in range(2)]
    reservation = builders.reserve(api, "ada", *shop).json["id"]
    assert api.post(f"/events/{shop[0]}/reservations", json={"tier_id": shop[1], "quantity": 1}, token=guests[1]).status == 201

    def ask(code, number=0, **caller):
        return api.get(f"/events/{shop[0]}/promo-codes/{code}/validate", source_ip=f"198.51.100.{number}", **caller)

    with settings.override(rate_limits="on", limit_invalid_code="3/3600"):
        statuses = [ask(f"GUESS-{number}", number, token=guests[0] if number % 2 else None).status for number in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        refused = ask("EARLY-10", 4)
        assert (refused.status, refused.json["limiter"]) == (429, "invalid_code")
        preview = f"/events/{shop[0]}/reservations?promo_code=EARLY-10"
        callers = {"token": guests[1]}, {"user": "ada"}
        assert [api.get(preview, source_ip="198.51.100.4", **caller).status for caller in callers] == [429, 200]
        assert ask("EARLY-10", 8, user="ada").json["valid"] is True
        assert builders.start_checkout(api, "ada", reservation, promo_code="EARLY-10").status == 201


def test_one_network_cannot_use_up_the_guesses_of_all_guests(api, shop, manage):
    manage("POST", f"/admin/events/{shop[0]}/promo-codes", **NEW)

    def ask(code, address):
        return api.get(f"/events/{shop[0]}/promo-codes/{code}/validate", source_ip=address)

    with settings.override(rate_limits="on", limit_promo_code="999/60", limit_invalid_code="60/3600"):
        replies = [ask(f"GUESS-{number}", "198.51.100.1") for number in range(70)]
        assert [reply.status for reply in replies] == [200] * 3 + [429] * 67
        assert replies[-1].json["by"] == "address"
        assert ask("EARLY-10", "198.51.100.2").json["valid"] is True
        wide = [ask(f"GUESS-{number}", f"2001:db9:1:{number}::1").status for number in range(70)]
        assert wide == [200] * 6 + [429] * 64
        assert ask("EARLY-10", "198.51.100.2").json["valid"] is True


def test_strangers_in_many_networks_cannot_keep_guests_from_using_their_codes(api, shop, manage):
    manage("POST", f"/admin/events/{shop[0]}/promo-codes", **NEW)

    def ask(code, address):
        return api.get(f"/events/{shop[0]}/promo-codes/{code}/validate", source_ip=address)

    with settings.override(rate_limits="on", limit_promo_code="999/60", limit_invalid_code="400/3600"):
        for number in range(410):
            assert ask(f"GUESS-{number}", f"198.51.100.{number // 19}").json.get("valid") is not True
        for _ in range(5):
            assert ask("EARLY-10", "203.0.113.1").json["valid"] is True
        spare = [ask(f"GUESS-{number}", "203.0.113.1").json["by"] for number in range(3)]
        assert spare == ["event"] * 3, "two more guesses, which nobody answers"
        assert ask("EARLY-10", "203.0.113.1").status == 429
        assert ask("EARLY-10", "203.0.113.2").json["valid"] is True


def test_right_codes_and_those_that_have_ended_are_no_guesses(api, shop, manage, time):
    manage("POST", f"/admin/events/{shop[0]}/promo-codes", **NEW | {"expires_at": "2026-06-02T12:00:00Z"})
    with settings.override(rate_limits="on", limit_invalid_code="1/3600"):
        for _ in range(3):
            assert api.get(f"/events/{shop[0]}/promo-codes/EARLY-10/validate").json["valid"] is True
        time.advance(2 * 86_400)
        for _ in range(3):
            assert api.get(f"/events/{shop[0]}/promo-codes/EARLY-10/validate").json["reason"] == "expired"


def test_a_code_that_changes_while_it_is_edited_is_read_again(api, path, manage, monkeypatch):
    """Another manager's edit comes between the read and the write of this one; neither is lost."""
    assert manage("POST", path, **NEW).status == 201
    find, edits = promotions.find_promo_code, []

    def find_before_another_edit(*arguments):
        found = find(*arguments)
        if not edits:
            edits.append(True)
            assert manage("PATCH", f"{path}/EARLY-10", max_total_uses=5).status == 200
        return found

    monkeypatch.setattr(promotions, "find_promo_code", find_before_another_edit)
    reply = manage("PATCH", f"{path}/EARLY-10", discount_value=20)
    monkeypatch.undo()
    [code] = promotions.scan_codes()
    assert (reply.status, code.max_total_uses, code.discount_value, code.version) == (200, 5, 20, 3)


@pytest.mark.not_on_moto
def test_many_codes_are_created_at_once(api, shop, path, manage):
    terms = {"opens_package_ids": [shop[1]], "expires_at": "2026-08-31T12:00:00Z"}
    created = manage("POST", f"{path}/batch", count=5, prefix="fans-", **terms)
    assert created.status == 201, created.json
    codes = created.json["codes"]
    assert len(set(codes)) == 5
    assert all(re.fullmatch(r"FANS-[2-9A-Z]{8}", code) for code in codes)
    listed = {code["code"]: code for code in manage("GET", path).json["promo_codes"]}
    assert sorted(listed) == sorted(codes)
    assert all(code["max_total_uses"] == 1 and {name: code[name] for name in terms} == terms for code in listed.values())
    assert manage("POST", f"{path}/batch", count=1, discount_value=10, max_total_uses=None).status == 201


@pytest.mark.not_on_moto
def test_a_repeated_request_creates_the_same_codes(api, shop, path, time):
    def create():
        body = {"count": 3, "discount_value": 5}
        return api.post(f"{path}/batch", json=body, token=builders.admin_token(), headers={"Idempotency-Key": "batch"})

    with faults.crash_after(2, operation="TransactWriteItems") as crash:
        create()
    assert crash.was_triggered
    time.advance(60)
    created = create()
    assert created.status == 201, created.json
    listed = [code["code"] for code in api.get(path, token=builders.admin_token()).json["promo_codes"]]
    assert listed == sorted(created.json["codes"])
    assert create().json["codes"] == created.json["codes"]


@pytest.mark.not_on_moto
def test_codes_created_at_once_count_toward_the_limit(shop, path, manage, monkeypatch):
    monkeypatch.setattr(management, "MAX_CODES", 4)
    with settings.override(unverified_codes=4):
        assert manage("POST", f"{path}/batch", count=3, discount_value=5).status == 201
        assert manage("POST", f"{path}/batch", count=2, discount_value=5).json["error"] == "too_many_promo_codes"
        assert manage("POST", f"{path}/batch", count=1, discount_value=5).status == 201
    assert manage("POST", f"{path}/batch", count=201, discount_value=5).status == 400
    assert manage("POST", f"{path}/batch", count=1).json["path"] == "$.discount_value"
