"""Places for access codes: a code admits once or several times, a place needs one use, and what the public sees of the refusals."""

from collections import Counter

import pytest
from msgspec.structs import replace

from chalicelib.foundation import settings
from chalicelib.promotions import service as promotions
from chalicelib.waiting_room import room_cache, service, tokens
from tests import builders, invariants
from tests.catalog.test_sale_rules import DAY
from tests.simulation.call_log import record_calls
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, reserve


@pytest.fixture
def presale(api, time):
    return create_sale(api, time, entry="access_code", wave_size=10, pass_seconds=300)


def create_code(api, event_id, code="FANS-1", uses=1, **fields):
    return builders.create_promo_code(api, event_id, code, discount_value=0, admits_to_draw=True, max_total_uses=uses, **fields)


def change_code(api, event_id, code, **fields):
    return api.patch(f"/admin/events/{event_id}/promo-codes/{code}", json=fields, token=builders.admin_token())


def show_code(api, event_id, code):
    return api.get(f"/admin/events/{event_id}/promo-codes/{code}", token=builders.admin_token()).json


def try_join(api, event_id, user, code=None):
    return api.post(f"/events/{event_id}/waiting-room/join", json={} if code is None else {"access_code": code}, user=user)


def get_proof(api, event_id, time):
    time.advance(room_cache.MAX_AGE_SECONDS)
    return api.get(f"/events/{event_id}/waiting-room/proof").json


def test_a_code_gives_one_person_a_place(api, time, presale):
    event_id, tier_id = presale
    create_code(api, event_id)
    assert api.get(f"/events/{event_id}/waiting-room/state").json["entry"] == "access_code"
    token = try_join(api, event_id, "ada", " fans-1 ").json["token"]
    refusals = [try_join(api, event_id, "bob", code) for code in (None, "WRONG", "FANS-1")]
    assert [(reply.status, reply.json["error"]) for reply in refusals] == [(403, "entry_refused")] * 3
    assert [reply.json["reason"] for reply in refusals] == ["code_required", "code_invalid", "code_used"]
    assert get_proof(api, event_id, time)["excluded"] == {"code_required": 1, "code_invalid": 1, "code_used": 1}
    time.advance(SECONDS_TO_OPENING)
    assert get_status(api, event_id, token)["position"] == 1
    assert reserve(api, event_id, tier_id, "ada", token).status == 201
    invariants.check(time.now)


def test_a_person_who_joins_again_keeps_place_and_use(api, time, presale):
    event_id, _ = presale
    create_code(api, event_id, "CLUB", 2)
    tokens = [try_join(api, event_id, "ada", code).json["token"] for code in ("CLUB", "CLUB", None, "WRONG")]
    assert len(set(tokens)) == 1
    shown = show_code(api, event_id, "CLUB")
    assert (shown["times_used"], shown["uses_left"], shown["admits_to_draw"]) == (1, 1, True)
    [listed] = api.get(f"/admin/events/{event_id}/promo-codes", token=builders.admin_token()).json["promo_codes"]
    assert listed == shown
    time.advance(SECONDS_TO_OPENING + 301)
    late = try_join(api, event_id, "ada").json["token"]  # the pass has expired
    assert late not in tokens
    assert show_code(api, event_id, "CLUB")["times_used"] == 1


def test_a_use_survives_a_reset_and_a_crash(api, time, presale, monkeypatch):
    event_id, _ = presale
    create_code(api, event_id)
    assert promotions.take_use(promotions.find_typed_code(event_id, "FANS-1"), "guest-crash")  # the rest of the join never happened
    assert try_join(api, event_id, "guest-crash", "FANS-1").status == 200
    api.delete(f"/events/{event_id}/waiting-room/clear", token=builders.admin_token())
    assert try_join(api, event_id, "ada", "FANS-1").json["reason"] == "code_used"
    assert try_join(api, event_id, "guest-crash", "FANS-1").status == 200
    assert show_code(api, event_id, "FANS-1")["times_used"] == 1


@pytest.mark.not_on_moto
@pytest.mark.parametrize("uses", [63, 161, 340])
def test_a_code_admits_exactly_as_many_people_as_it_says(api, time, presale, uses):
    event_id, _ = presale
    create_code(api, event_id, "CLUB", uses)
    replies = Counter(try_join(api, event_id, f"u{number}", "CLUB").json.get("reason") for number in range(uses + 20))
    assert replies == {None: uses, "code_used": 20}
    assert show_code(api, event_id, "CLUB")["uses_left"] == 0
    assert try_join(api, event_id, "u0", "CLUB").status == 200
    assert get_proof(api, event_id, time)["total"] == uses
    assert change_code(api, event_id, "CLUB", max_total_uses=uses + 3).status == 200
    replies = Counter(try_join(api, event_id, f"more-{number}", "CLUB").json.get("reason") for number in range(10))
    assert replies == {None: 3, "code_used": 7}


@pytest.mark.not_on_moto
def test_a_part_that_was_filled_a_moment_ago_refuses_nobody(api, presale, monkeypatch):
    event_id, _ = presale
    create_code(api, event_id, "CLUB", 340)
    promo_code = promotions.find_typed_code(event_id, "CLUB")
    monkeypatch.setattr(promotions, "_users_of_part", lambda *_: set())  # as it was before
    assert all(promotions.take_use(promo_code, f"u{number}") for number in range(340))
    assert not promotions.take_use(promo_code, "ada")


def test_whoever_tries_a_code_that_is_used_up_reads_none_of_its_uses(api, presale):
    event_id, _ = presale
    create_code(api, event_id, "CLUB", 2)
    replies = [try_join(api, event_id, user, "CLUB").json.get("reason") for user in ("ada", "bob", "cy")]
    assert replies == [None, None, "code_used"]
    with record_calls() as calls:
        assert try_join(api, event_id, "dan", "CLUB").json["reason"] == "code_used"
    assert Counter(entry.operation for entry in calls.entries)["Query"] == 0
    assert change_code(api, event_id, "CLUB", max_total_uses=3).status == 200
    assert [try_join(api, event_id, user, "CLUB").json.get("reason") for user in ("dan", "eve")] == [None, "code_used"]


@pytest.mark.parametrize(
    ("fields", "then"),
    [
        ({"is_active": False}, 0),
        ({"expires_at": "2030-01-01T00:00:00Z"}, 10**9),
        ({"starts_at": "2090-01-01T00:00:00Z"}, 0),
    ],
)
def test_a_code_that_cannot_be_used_admits_nobody_else(api, time, presale, fields, then):
    event_id, _ = presale
    create_code(api, event_id, "CLUB", 5)
    token = try_join(api, event_id, "ada", "CLUB").json["token"]
    if then:
        fields = {"expires_at": builders.clock.iso(time.now + 5)}
    assert change_code(api, event_id, "CLUB", **fields).status == 200
    time.advance(6)
    assert try_join(api, event_id, "bob", "CLUB").json["reason"] == "code_invalid"
    assert try_join(api, event_id, "ada").json["token"] == token


def test_an_unused_code_is_deleted_and_a_used_one_deactivated(api, presale):
    event_id, _ = presale
    create_code(api, event_id, "UNUSED")
    create_code(api, event_id, "USED-1")
    try_join(api, event_id, "ada", "USED-1")
    deleted = [
        api.delete(f"/admin/events/{event_id}/promo-codes/{code}", token=builders.admin_token()).json for code in ("UNUSED", "USED-1")
    ]
    assert [reply["deleted"] for reply in deleted] == [True, False]
    assert show_code(api, event_id, "USED-1")["is_active"] is False


def test_more_people_may_be_admitted_later_but_not_fewer(api, presale):
    event_id, _ = presale
    create_code(api, event_id, "CLUB", 10)
    assert change_code(api, event_id, "CLUB", max_total_uses=1).status == 200
    try_join(api, event_id, "ada", "CLUB")
    assert try_join(api, event_id, "bob", "CLUB").json["reason"] == "code_used"
    assert change_code(api, event_id, "CLUB", max_total_uses=2).status == 200
    assert try_join(api, event_id, "bob", "CLUB").status == 200
    refused = change_code(api, event_id, "CLUB", max_total_uses=1)
    assert (refused.status, refused.json["error"], refused.json["minimum"]) == (409, "max_total_uses_too_small", 2)


@pytest.mark.parametrize(
    ("fields", "path", "rule"),
    [
        ({"max_total_uses": None}, "$.max_total_uses", "admits_without_limit"),
        ({"discount_value": 10}, "$.discount_value", "admits_only"),
        ({"opens_package_ids": ["tier"]}, "$.opens_package_ids", "admits_only"),
    ],
)
def test_the_terms_of_a_code_that_admits(api, presale, fields, path, rule):
    event_id, tier_id = presale
    if "opens_package_ids" in fields:
        fields = {"opens_package_ids": [tier_id]}
    body = {"code": "FANS", "admits_to_draw": True, "max_total_uses": 1} | fields
    refused = api.post(f"/admin/events/{event_id}/promo-codes", json=body, token=builders.admin_token())
    assert (refused.status, refused.json["path"], refused.json["rule"]) == (400, path, rule)


def test_a_batch_has_one_code_for_each_member(api, presale):
    event_id, _ = presale
    body = {"count": 3, "prefix": "FANS-", "admits_to_draw": True}
    codes = api.post(f"/admin/events/{event_id}/promo-codes/batch", json=body, token=builders.admin_token()).json["codes"]
    assert [try_join(api, event_id, f"u{number}", code).status for number, code in enumerate(codes)] == [200] * 3
    assert try_join(api, event_id, "u9", codes[0]).json["reason"] == "code_used"


def test_other_codes_give_no_place_and_these_buy_nothing(api, time, presale, sale):
    event_id, _ = presale
    builders.create_promo_code(api, event_id, "TENTH", discount_value=10)
    assert try_join(api, event_id, "ada", "TENTH").json["reason"] == "code_invalid"
    builders.create_promo_code(api, sale[0], "FANS", discount_value=0, admits_to_draw=True, max_total_uses=1)
    assert api.get(f"/events/{sale[0]}/promo-codes/FANS/validate").json["valid"] is False
    token = api.post(f"/events/{sale[0]}/waiting-room/join", user="ada").json["token"]
    time.advance(SECONDS_TO_OPENING)
    reservation_id = reserve(api, *sale, "ada", token).json["id"]
    body = {"reservation_id": reservation_id, "promo_code": "FANS"}
    refused = api.post("/checkout/sessions", json=body, user="ada", headers={"Idempotency-Key": "k"})
    assert (refused.status, refused.json["error"]) == (409, "promo_code_not_applicable")


def test_wrong_codes_of_guests_are_limited_for_the_whole_event(api, time, presale):
    event_id, _ = presale
    with settings.override(rate_limits="on", limit_invalid_code="3/60"):
        replies = [try_join(api, event_id, f"guest-{number}", f"GUESS-{number}").status for number in range(5)]
    assert (replies[0], replies[-1]) == (403, 429)


def test_a_code_costs_a_join_one_write_and_a_purchase_nothing(api, time, presale, sale):
    create_code(api, presale[0], "CLUB", 50)
    for event_id, _ in (presale, sale):
        api.get(f"/events/{event_id}/waiting-room/state")

    def writes(send):
        with record_calls() as calls:
            assert send().status in (200, 201)
        return Counter(entry.operation for entry in calls.entries)

    joins = [writes(lambda: try_join(api, sale[0], "ada")), writes(lambda: try_join(api, presale[0], "ada", "CLUB"))]
    assert joins[1] - joins[0] == Counter(UpdateItem=1, GetItem=1, Query=1)
    places = [try_join(api, event_id, "ada").json["token"] for event_id, _ in (sale, presale)]
    time.advance(SECONDS_TO_OPENING)
    for event_id, _ in (presale, sale):
        api.get(f"/events/{event_id}/waiting-room/state")
    bought = [
        writes(lambda shop=shop, token=token: reserve(api, *shop, "ada", token))
        for shop, token in zip((sale, presale), places, strict=True)
    ]
    assert bought[0] == bought[1]


@pytest.mark.parametrize(
    ("before", "after", "is_refused"),
    [
        ("access_code", "open", False),
        ("access_code", "verified_address", True),
        ("open", "access_code", True),
        ("account", "access_code", True),
        ("account", "verified_address", False),
    ],
)
def test_which_change_of_the_rule_is_stricter(api, time, before, after, is_refused):
    event_id, _ = create_sale(api, time, entry=before, opens_in=DAY // 2)
    waiting_room = {"wave_size": 3, "wave_seconds": 30, "pass_seconds": 60, "grace_seconds": 0, "entry": after}
    reply = api.patch(f"/events/{event_id}", json={"waiting_room": waiting_room}, token=builders.admin_token())
    assert (reply.status, reply.json.get("error")) == ((409, "sale_frozen") if is_refused else (200, None))


def test_who_joined_at_the_moment_of_the_rule_needs_a_code(api, time):
    """An instance that has not seen the change yet gives a place to a user, although the room asks for a code."""
    event_id, tier_id = create_sale(api, time, opens_in=2 * DAY, wave_size=10, pass_seconds=300)
    cached = room_cache.get_room(event_id, time.now)
    stricter = {"waiting_room": {"entry": "access_code", "wave_size": 10, "pass_seconds": 300}}
    assert api.patch(f"/events/{event_id}", json=stricter, token=builders.admin_token()).status == 200
    assert get_proof(api, event_id, time)["entry"] == "access_code"
    create_code(api, event_id)
    entrants = [service.Entrant(tokens.user_key(user), None, user) for user in ("ada", "bob")]
    places = [
        service._join(cached, entrant, lambda: None, lambda _: False, lambda *_: [], lambda: None, 0, time.now) for entrant in entrants
    ]
    assert try_join(api, event_id, "ada").json["reason"] == "code_required"
    proven = try_join(api, event_id, "ada", "FANS-1").json["token"]
    for seconds in (2 * DAY - 60, 5, 60, 30):  # the draw closes, its list is published, the sale opens, the first waves are let in
        time.advance(seconds)
        api.get(f"/events/{event_id}/waiting-room/state")
    refused = reserve(api, event_id, tier_id, "bob", places[1].view.token)
    assert (refused.status, refused.json["error"]) == (404, "entry_unknown")
    assert reserve(api, event_id, tier_id, "ada", proven).status == 201


def test_a_place_from_a_code_does_not_move_to_another_user(api, time):
    """Not even if the operator signs a token that says so."""
    event_id, tier_id = create_sale(api, time, entry="access_code", wave_size=10)
    create_code(api, event_id)
    token = try_join(api, event_id, "ada", "FANS-1").json["token"]
    friend = tokens.sign_arrival(replace(tokens.read_token(token), holder=tokens.name_in_tokens(tokens.user_key("friend"))))
    time.advance(SECONDS_TO_OPENING)
    refused = reserve(api, event_id, tier_id, "friend", friend)
    assert (refused.status, refused.json["error"]) == (404, "entry_unknown")
    assert reserve(api, event_id, tier_id, "ada", token).status == 201


def test_an_account_and_no_mail_provider_are_not_needed(api):
    on_sale_at = builders.clock.iso(builders.clock.now() + 3 * DAY)
    event_id = builders.create_event(api, on_sale_at=on_sale_at, status="draft", waiting_room={"entry": "access_code"})
    builders.create_tier(api, event_id)
    assert api.post(f"/events/{event_id}/publish", token=builders.admin_token()).status == 200
