"""One place for each payment card: the bank confirms the card, its fingerprint decides, and nobody tries out stolen cards here."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from chalicelib.accounts import store as accounts
from chalicelib.accounts.model import Account
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.edge import proof_of_work
from chalicelib.edge import store as edge_store
from chalicelib.foundation import addons, settings
from chalicelib.waiting_room import room_cache, tokens
from chalicelib.waiting_room.store import WaitingRoomRow
from tests import builders, invariants
from tests.simulation.call_log import record_calls
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, reserve

VISA, MASTERCARD, DECLINED = "pm_card_visa", "pm_card_mastercard", "pm_card_visa_chargeDeclined"
THREE_D_SECURE = "pm_card_threeDSecure2Required"


@pytest.fixture
def card_sale(api, time):
    return create_sale(api, time, entry="payment_card", wave_size=10, pass_seconds=300)


@pytest.fixture
def stripe_sale(shop, time):
    """A sale whose people save their cards with Stripe, on the shop's own page."""
    with settings.override(checkout_page="own", stripe_publishable_key=shop.fake.publishable_key):
        yield create_sale(shop.api, time, entry="payment_card", wave_size=10, pass_seconds=300)


def check(api, event_id, user, card, *, work=None, **options):
    return api.post(f"/events/{event_id}/waiting-room/card", json={"card": card} | (work or {}), user=user, **options)


def prove(api, event_id, user, card):
    reply = check(api, event_id, user, card)
    assert reply.status == 200, reply.json
    return reply.json["card_proof"]


def try_join(api, event_id, user, proof=None):
    return api.post(f"/events/{event_id}/waiting-room/join", json={} if proof is None else {"card_proof": proof}, user=user)


def join_with(api, event_id, user, card):
    reply = try_join(api, event_id, user, prove(api, event_id, user, card))
    assert reply.status == 200, reply.json
    return reply.json["token"]


def get_proof(api, event_id, time):
    time.advance(room_cache.MAX_AGE_SECONDS)
    return api.get(f"/events/{event_id}/waiting-room/proof").json


def test_a_card_gives_its_place_and_is_never_charged(shop, time, stripe_sale):
    event_id, tier_id = stripe_sale
    assert shop.api.get(f"/events/{event_id}/waiting-room/state").json["entry"] == "payment_card"
    form = shop.api.get(f"/events/{event_id}/waiting-room/card").json
    assert form == {"provider": "stripe", "publishable_key": shop.fake.publishable_key, "account": None}
    refused = try_join(shop.api, event_id, "u0")
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (403, "entry_refused", "card_required")
    token = join_with(shop.api, event_id, "u0", VISA)
    assert (shop.fake.objects("charge"), shop.fake.objects("payment_intent")) == ([], [])
    [setup] = shop.fake.objects("setup_intent")
    [method] = shop.fake.objects("payment_method")
    assert (setup["status"], setup["usage"], setup["payment_method_types"], setup["customer"]) == (
        "succeeded",
        "on_session",
        ["card"],
        None,
    )
    assert method["customer"] is None  # so Stripe lets nobody charge it later
    assert "u0" not in setup["metadata"].values()
    stored = " ".join(str(row.to_dynamodb_dict()) for row in WaitingRoomRow.scan())
    assert method["card"]["fingerprint"] not in stored
    assert method["id"] not in stored
    time.advance(SECONDS_TO_OPENING)
    assert get_status(shop.api, event_id, token)["position"] == 1
    assert reserve(shop.api, event_id, tier_id, "u0", token).status == 201
    invariants.check(time.now)


def test_the_next_person_with_the_card_gets_its_place(shop, time, stripe_sale):
    event_id, tier_id = stripe_sale
    first = join_with(shop.api, event_id, "ada", VISA)
    other = join_with(shop.api, event_id, "bob", MASTERCARD)
    second = join_with(shop.api, event_id, "ada-again", VISA)
    proof = get_proof(shop.api, event_id, time)
    assert (proof["entry"], proof["total"], proof["excluded"]) == ("payment_card", 2, {"card_used": 1})
    time.advance(SECONDS_TO_OPENING)
    assert get_status(shop.api, event_id, second)["position"] == get_status(shop.api, event_id, first)["position"]
    refused = reserve(shop.api, event_id, tier_id, "ada", first)
    assert (refused.status, refused.json["error"]) == (403, "token_of_another_user")
    assert [reserve(shop.api, event_id, tier_id, *who).status for who in (("ada-again", second), ("bob", other))] == [201, 201]
    busy = try_join(shop.api, event_id, "ada", tokens.sign_card(event_id, tokens.read_token(second).user, "ada"))
    assert (busy.status, busy.json["error"], busy.json["refusal"].partition(".")[0]) == (409, "place_in_use", "card_used")
    invariants.check(time.now)


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_a_thousand_people_with_ten_cards_get_ten_places(api, time):
    event_id, tier_id = create_sale(api, time, entry="payment_card", wave_size=1000, pass_seconds=3000)
    joined = {f"u{number}": join_with(api, event_id, f"u{number}", f"card-{number % 10}") for number in range(1000)}
    proof = get_proof(api, event_id, time)
    assert (proof["total"], proof["excluded"]) == (10, {"card_used": 990})
    time.advance(SECONDS_TO_OPENING + 60)
    assert sorted(get_status(api, event_id, joined[f"u{number}"])["position"] for number in range(990, 1000)) == list(range(1, 11))
    replies = Counter(reserve(api, event_id, tier_id, user, token).json.get("error") for user, token in joined.items())
    assert replies == {None: 10, "token_of_another_user": 990}


@pytest.mark.usefixtures("threaded_store")
def test_two_people_with_one_card_at_the_same_moment_get_one_place(api, time, card_sale):
    event_id, _ = card_sale
    for number in range(5):
        proofs = {user: prove(api, event_id, user, f"card-{number}") for user in (f"ada-{number}", f"bob-{number}")}
        with ThreadPoolExecutor(2) as threads:
            replies = list(threads.map(lambda user: try_join(api, event_id, user, proofs[user]), proofs))  # noqa: B023
        assert [reply.status for reply in replies] == [200, 200]
        first, second = (tokens.read_token(reply.json["token"]) for reply in replies)
        assert (first.user, first.counter, first.number) == (second.user, second.counter, second.number)
        time.advance(1)
    places = [row for row in WaitingRoomRow.scan() if row.holder_id is not None]
    assert len(places) == 5
    invariants.check(time.now)


def test_a_wallet_gives_no_place(shop, stripe_sale):
    event_id, _ = stripe_sale
    assert check(shop.api, event_id, "u0", VISA).status == 200
    [method] = shop.fake.objects("payment_method")
    wallet = method["card"] | {"wallet": {"type": "apple_pay", "dynamic_last4": None, "apple_pay": {}}}
    shop.fake.overwrite_object("payment_method", method["id"], card=wallet)
    refused = check(shop.api, event_id, "u1", method["id"])
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (403, "card_refused", "wallet")


@pytest.mark.parametrize("card", [DECLINED, "pm_unknown", "pm_usBankAccount", "pm_card_visa_chargeDeclinedStolenCard"])
def test_a_refused_card_gives_no_place_and_no_reason(shop, stripe_sale, card):
    event_id, _ = stripe_sale
    refused = check(shop.api, event_id, "u0", card)
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (403, "card_refused", "declined")
    assert not {"decline_code", "code"} & set(refused.json)


def test_a_card_whose_bank_asks_its_owner(shop, stripe_sale):
    event_id, _ = stripe_sale
    waiting = check(shop.api, event_id, "ada", THREE_D_SECURE).json
    assert (waiting["card_proof"], waiting["client_secret"].partition("_secret")[0]) == (None, waiting["check_id"])

    def finish(user, check_id=waiting["check_id"]):
        return shop.api.post(f"/events/{event_id}/waiting-room/card", json={"check_id": check_id}, user=user)

    assert finish("ada").json["card_proof"] is None
    shop.fake.authenticate(waiting["check_id"], ok=True)
    for user, check_id in (("eve", waiting["check_id"]), ("ada", "seti_unknown")):
        refused = finish(user, check_id)
        assert (refused.status, refused.json["error"], refused.json["reason"]) == (403, "card_refused", "declined")
    assert try_join(shop.api, event_id, "ada", finish("ada").json["card_proof"]).status == 200
    failed = check(shop.api, event_id, "bob", THREE_D_SECURE).json["check_id"]
    shop.fake.authenticate(failed, ok=False)
    assert finish("bob", failed).json["reason"] == "declined"


def test_a_proof_is_for_one_user_and_event(api, time, card_sale):
    event_id, _ = card_sale
    other_event_id, _ = create_sale(api, time, "Other", entry="payment_card")
    verified_event_id, _ = create_sale(api, time, "Verified", entry="verified_address")
    proof = prove(api, event_id, "u0", "card-1")
    for event, user, sent in ((event_id, "u1", proof), (other_event_id, "u0", proof), (event_id, "u0", f"{proof[:-1]}!")):
        assert try_join(api, event, user, sent).json["reason"] == "card_required"
    as_address = api.post(f"/events/{verified_event_id}/waiting-room/join", json={"address_proof": proof}, user="u0")
    assert as_address.json["reason"] == "address_required"
    address = tokens.sign_address(event_id, tokens.address_key(event_id, "ada@example.com"), "u0")
    for field in ("address_proof", "card_proof"):
        refused = api.post(f"/events/{event_id}/waiting-room/join", json={field: address}, user="u0")
        assert refused.json["reason"] == "card_required"
    assert try_join(api, event_id, "u0", proof).status == 200


def test_an_account_with_a_verified_address_needs_a_card_as_well(api, card_sale):
    account = Account(user_id="ada", email="ada@example.com", roles=("user",), created_at=1, verified_at=1)
    dynamo.transact(accounts.create_items(account, "no hash"))
    assert try_join(api, card_sale[0], "ada").json["reason"] == "card_required"
    assert join_with(api, card_sale[0], "ada", "card-1")


def test_a_card_is_checked_on_the_account_that_takes_the_payments(shop, time):
    """A card has another fingerprint on each account."""
    with settings.override(checkout_page="own", stripe_publishable_key=shop.fake.publishable_key):
        shop.event_id, _ = create_sale(shop.api, time, entry="payment_card")
        account = shop.connect_account()
        assert shop.api.get(f"/events/{shop.event_id}/waiting-room/card").json["account"] == account
        waiting = check(shop.api, shop.event_id, "ada", THREE_D_SECURE).json
        shop.fake.authenticate(waiting["check_id"], ok=True)
        reply = shop.api.post(f"/events/{shop.event_id}/waiting-room/card", json={"check_id": waiting["check_id"]}, user="ada")
        assert try_join(shop.api, shop.event_id, "ada", reply.json["card_proof"]).status == 200
    assert len(shop.fake.objects("setup_intent", account=account)) == 1
    assert shop.fake.objects("setup_intent") == []


@contextmanager
def limits(**limits):
    with settings.override(rate_limits="on", limit_join="1000/60", **limits):
        yield


def test_the_tries_of_a_user_and_of_a_network_are_limited(api, time, card_sale):
    event_id, _ = card_sale
    with limits(limit_card_check="3/3600", address_factor=2):
        replies = [check(api, event_id, "u0", f"card-{number}") for number in range(4)]
        assert [reply.status for reply in replies] == [200, 200, 200, 429]
        assert replies[-1].json["by"] == "user"
        others = [check(api, event_id, f"v{number}", "card") for number in range(4)]
        assert [reply.status for reply in others] == [200, 200, 200, 429]
        assert others[-1].json["by"] == "address"
        time.advance(3600)
        assert check(api, event_id, "u0", "card").status == 200


def test_no_card_is_checked_that_cannot_be_counted(shop, stripe_sale, monkeypatch):
    event_id, _ = stripe_sale
    assert shop.api.get(f"/events/{event_id}/waiting-room/card").status == 200  # the room is in memory

    def fail(*_):
        raise dynamo.StoreUnavailable("down")

    monkeypatch.setattr(edge_store, "advance_counter", fail)
    with limits():
        assert check(shop.api, event_id, "u0", VISA).status == 503
    assert shop.fake.objects("setup_intent") == []


def test_declined_cards_stop_the_checks_of_their_network(shop, time, stripe_sale):
    event_id, _ = stripe_sale
    with limits(limit_card_check="100/3600", limit_declined_card="60/3600"):
        replies = [check(shop.api, event_id, f"u{number}", DECLINED) for number in range(5)]
        assert [reply.status for reply in replies] == [403, 403, 403, 429, 429]
        calls = shop.fake.request_log.counts["POST /v1/setup_intents"]
        assert check(shop.api, event_id, "u9", VISA).status == 429  # also cards that are good
        assert shop.fake.request_log.counts["POST /v1/setup_intents"] == calls
        assert check(shop.api, event_id, "u9", VISA, source_ip="203.0.113.9").status == 200
        time.advance(3600)
        assert check(shop.api, event_id, "u9", VISA).status == 200


def test_a_check_takes_the_work_of_a_join_before_it_counts(api, time, card_sale):
    event_id, _ = card_sale
    with limits(limit_card_check="1/3600"), settings.override(join_difficulty=4):
        asked = check(api, event_id, "u0", "card-1")
        assert (asked.status, asked.json["error"]) == (403, "challenge_required")
        challenge = asked.json["challenge"]
        nonce = next(str(n) for n in range(10_000) if proof_of_work.leading_zero_bits(challenge, str(n)) >= 4)
        work = {"challenge": challenge, "nonce": nonce}
        assert check(api, event_id, "u0", "card-1", work=work).status == 200
        assert check(api, event_id, "u0", "card-2", work=work).status == 429


def test_a_repeated_check_makes_no_second_try_at_the_bank(shop, stripe_sale):
    event_id, _ = stripe_sale
    proofs = [prove(shop.api, event_id, "u0", VISA) for _ in range(2)]
    assert proofs[0] == proofs[1]
    assert len(shop.fake.objects("setup_intent")) == 1


def test_rooms_with_another_rule_take_no_cards(api, time, sale, card_sale):
    verified, _ = create_sale(api, time, "Verified", entry="verified_address")
    for event_id, rule in ((sale[0], "open"), (verified, "verified_address")):
        for reply in (check(api, event_id, "u0", "card-1"), api.get(f"/events/{event_id}/waiting-room/card")):
            assert (reply.status, reply.json["error"], reply.json["entry"]) == (409, "card_not_needed", rule)
    assert check(api, card_sale[0], "u0", None).status == 400
    for malformed in ("", "pm_1/../x", "x" * 256):
        assert check(api, card_sale[0], "u0", malformed).status == 400
    assert api.get(f"/events/{card_sale[0]}/waiting-room/card").json == {"provider": "simulated", "publishable_key": None, "account": None}
    assert check(api, card_sale[0], "u0", "declined").json["reason"] == "declined"


def test_a_rule_of_cards_costs_a_join_no_call_more(api, time, sale, card_sale):
    proof = prove(api, card_sale[0], "u0", "card-1")
    calls = []
    for event_id in (sale[0], card_sale[0]):
        api.get(f"/events/{event_id}/waiting-room/state")
        with record_calls() as recorded:
            assert try_join(api, event_id, "u0", proof).status == 200
        calls.append([(entry.operation, entry.tables) for entry in recorded.entries])
    assert calls[0] == calls[1]


def test_publishing_asks_for_a_provider_that_checks_cards(api):
    on_sale_at = builders.clock.iso(builders.clock.now() + 3 * 86_400)
    event_id = builders.create_event(api, on_sale_at=on_sale_at, status="draft", waiting_room={"entry": "payment_card"})
    builders.create_tier(api, event_id)

    def publish():
        return api.post(f"/events/{event_id}/publish", token=builders.admin_token())

    with settings.override(payment_simulation="off"):
        refused = publish()
        assert (refused.status, refused.json["error"]) == (409, "event_incomplete")
        assert [problem["path"] for problem in refused.json["problems"]] == ["$.waiting_room.entry"]
    assert publish().status == 200
    assert catalog.load_current().events[event_id].status == "active"


def test_a_published_event_gets_no_rule_that_needs_a_missing_provider(api, time, monkeypatch):
    on_sale_at = builders.clock.iso(builders.clock.now() + 5 * 86_400)
    event_id = builders.create_event(api, on_sale_at=on_sale_at, status="scheduled", waiting_room={"entry": "open"})

    def change(**fields):
        return api.patch(f"/events/{event_id}", json=fields, token=builders.admin_token())

    with settings.override(payment_simulation="off"):
        refused = change(waiting_room={"entry": "payment_card"})
        assert (refused.status, refused.json["path"]) == (400, "$.waiting_room.entry"), refused.json
    assert change(waiting_room={"entry": "payment_card"}).status == 200
    with settings.override(payment_simulation="off"):
        assert change(waiting_room={"entry": "payment_card", "wave_size": 7}).status == 200, "it was so before"
    monkeypatch.setattr(addons, "is_on", lambda _: False)
    refused = change(waiting_room={"entry": "open", "ballot": True})
    assert (refused.status, refused.json["path"]) == (400, "$.waiting_room.ballot"), refused.json


@pytest.mark.parametrize(
    ("before", "after", "is_stricter"),
    [
        ("open", "payment_card", True),
        ("verified_address", "payment_card", True),
        ("payment_card", "verified_address", True),
        ("payment_card", "account", True),
        ("payment_card", "access_code", True),
        ("payment_card", "open", False),
    ],
)
def test_the_rule_gets_no_stricter_around_the_opening(api, time, before, after, is_stricter):
    event_id, _ = create_sale(api, time, entry=before)
    reply = api.patch(f"/events/{event_id}", json={"waiting_room": {"entry": after}}, token=builders.admin_token())
    assert (reply.status, reply.json.get("error")) == ((409, "sale_frozen") if is_stricter else (200, None))


def test_somebody_with_the_card_of_another_person_may_appeal(api, time, card_sale):
    event_id, _ = card_sale
    refused = try_join(api, event_id, "ada")
    written = api.post(
        f"/events/{event_id}/waiting-room/appeal", json={"refusal": refused.json["refusal"], "text": "I have no card."}, user="ada"
    )
    assert (written.status, written.json["reason"]) == (200, "card_required")
    path = f"/admin/events/{event_id}/waiting-room/appeals/{written.json['id']}/answer"
    assert api.post(path, json={"status": "granted"}, token=builders.admin_token()).status == 200
    granted = api.get(f"/events/{event_id}/waiting-room/appeal", user="ada").json["address_proof"]
    assert api.post(f"/events/{event_id}/waiting-room/join", json={"address_proof": granted}, user="ada").status == 200
    assert get_proof(api, event_id, time)["total"] == 1
