"""Appeals: people whom a rule of entry refused write to the promoter, who answers. A granted appeal gives a place."""

import pytest
from pynamodb.expressions.operand import Path

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from chalicelib.waiting_room import appeals, room_cache, service
from chalicelib.waiting_room.service import ENTRY_RETENTION_SECONDS
from chalicelib.waiting_room.store import WaitingRoomRow
from tests import builders, invariants
from tests.accounts.conftest import PASSWORD, sign_up
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, reserve
from tests.waiting_room.test_access_codes import create_code, get_proof, try_join
from tests.waiting_room.test_entry_rules import join_proven, mails, prove  # noqa: F401

TEXT = "Somebody else has used my code."


@pytest.fixture
def presale(api, time):
    """A sale for people with codes; everybody has used the code CLUB, so Ada is refused."""
    event_id, tier_id = create_sale(api, time, entry="access_code", wave_size=10, pass_seconds=300)
    create_code(api, event_id, "CLUB", 2)
    for user in ("u0", "u1"):
        assert try_join(api, event_id, user, "CLUB").status == 200
    return event_id, tier_id


def refuse(api, event_id, user):
    reply = try_join(api, event_id, user, "CLUB")
    assert reply.json["reason"] == "code_used"
    return reply.json["refusal"]


def write(api, event_id, user, refusal, text=TEXT):
    return api.post(f"/events/{event_id}/waiting-room/appeal", json={"refusal": refusal, "text": text}, user=user)


def show_own(api, event_id, user):
    return api.get(f"/events/{event_id}/waiting-room/appeal", user=user)


def list_appeals(api, event_id, **query):
    reply = api.get(f"/admin/events/{event_id}/waiting-room/appeals", query=query, token=builders.admin_token())
    assert reply.status == 200, reply.json
    return reply.json


def answer(api, event_id, appeal_id, status, text="We have checked it."):
    path = f"/admin/events/{event_id}/waiting-room/appeals/{appeal_id}/answer"
    return api.post(path, json={"status": status, "answer": text}, token=builders.admin_token())


def join_granted(api, event_id, user):
    proof = show_own(api, event_id, user).json["address_proof"]
    reply = api.post(f"/events/{event_id}/waiting-room/join", json={"address_proof": proof}, user=user)
    assert reply.status == 200, reply.json
    return reply.json["token"]


def test_a_granted_appeal_gives_a_place_in_the_draw_before_its_writer_comes_back(api, time, presale):
    event_id, tier_id = presale
    written = write(api, event_id, "ada", refuse(api, event_id, "ada"))
    assert (written.status, written.json["status"], written.json["reason"]) == (200, "open", "code_used")
    [listed] = list_appeals(api, event_id)["appeals"]
    assert (listed["text"], listed["address_proof"]) == (TEXT, None)
    assert answer(api, event_id, listed["id"], "granted").json["status"] == "granted"
    assert get_proof(api, event_id, time)["total"] == 3
    time.advance(SECONDS_TO_OPENING)
    assert show_own(api, event_id, "ada").json["answer"] == "We have checked it."
    token = join_granted(api, event_id, "ada")
    assert get_status(api, event_id, token)["position"] <= 3
    assert get_status(api, event_id, token)["total"] == 3
    assert reserve(api, event_id, tier_id, "ada", token).status == 201
    invariants.check(time.now)


def test_an_appeal_that_is_granted_after_the_draw_gives_a_place_behind_it(api, time, presale):
    event_id, tier_id = presale
    appeal_id = write(api, event_id, "ada", refuse(api, event_id, "ada")).json["id"]
    time.advance(SECONDS_TO_OPENING)
    assert answer(api, event_id, appeal_id, "granted").status == 200
    token = join_granted(api, event_id, "ada")
    assert get_status(api, event_id, token)["position"] == 3
    time.advance(60)
    assert reserve(api, event_id, tier_id, "ada", token).status == 201
    assert answer(api, event_id, appeal_id, "granted").status == 200  # gives no second place
    assert get_status(api, event_id, token)["total"] == 3


def test_a_denied_appeal_gives_nothing(api, time, presale):
    event_id, _ = presale
    appeal_id = write(api, event_id, "ada", refuse(api, event_id, "ada")).json["id"]
    assert answer(api, event_id, appeal_id, "denied", "Sorry.").status == 200
    own = show_own(api, event_id, "ada").json
    assert (own["status"], own["answer"], own["address_proof"]) == ("denied", "Sorry.", None)
    assert try_join(api, event_id, "ada").json["error"] == "entry_refused"
    refused = answer(api, event_id, appeal_id, "granted")
    assert (refused.status, refused.json["error"]) == (409, "appeal_answered")
    assert list_appeals(api, event_id)["appeals"] == []
    assert [appeal["id"] for appeal in list_appeals(api, event_id, status="denied")["appeals"]] == [appeal_id]


def test_appeals_are_counted_in_public_and_audited(api, time, presale):
    event_id, _ = presale
    ids = [write(api, event_id, user, refuse(api, event_id, user)).json["id"] for user in ("ada", "bob", "cy")]
    answer(api, event_id, ids[0], "granted")
    answer(api, event_id, ids[1], "denied")
    time.advance(appeals.COUNT_SECONDS)
    assert get_proof(api, event_id, time)["appeals"] == {"made": 3, "granted": 1, "denied": 1}
    entries = api.get("/admin/audit", query={"event_id": event_id}, token=builders.admin_token()).json["entries"]
    answers = {entry["action"]: entry["details"] for entry in entries if "appeal" in entry["action"]}
    assert answers == {"waiting_room.appeal_granted": {"appeal_id": ids[0]}, "waiting_room.appeal_denied": {"appeal_id": ids[1]}}


def test_only_people_who_were_refused_appeal_and_each_once(api, presale):
    event_id, _ = presale
    refusal = refuse(api, event_id, "ada")
    for user, sent in (("bob", refusal), ("ada", refusal.replace("code_used", "code_invalid")), ("ada", "code_used.é"), ("u0", "x")):
        refused = write(api, event_id, user, sent)
        assert (refused.status, refused.json["error"]) == (403, "refusal_unknown")
    first = write(api, event_id, "ada", refusal)
    assert write(api, event_id, "ada", refusal).json == first.json
    refused = write(api, event_id, "ada", refusal, "Another text.")
    assert (refused.status, refused.json["error"]) == (409, "appeal_exists")
    assert show_own(api, event_id, "bob").status == 404
    assert answer(api, event_id, "0" * 32, "granted").status == 404
    for text in ("", "x" * 1001):
        assert write(api, event_id, "cy", refuse(api, event_id, "cy"), text).status == 400


def test_a_flood_of_appeals_is_limited(api, presale, monkeypatch):
    event_id, _ = presale
    refusals = {user: refuse(api, event_id, user) for user in ("ada", "bob", "cy")}
    with settings.override(join_difficulty=4):
        assert write(api, event_id, "ada", refusals["ada"]).json["error"] == "challenge_required"
    with settings.override(rate_limits="on", limit_join="1/60"):
        replies = [write(api, event_id, "ada", "x").status for _ in range(2)]
    assert replies == [403, 429]
    monkeypatch.setattr(appeals, "MAX_APPEALS", 2)
    replies = [write(api, event_id, user, refusal).json.get("error") for user, refusal in refusals.items()]
    assert replies == [None, None, "too_many_appeals"]


def test_one_network_cannot_use_up_the_appeals_of_everybody(api, presale):
    event_id, _ = presale
    refusals = {user: refuse(api, event_id, user) for user in ("ada", "bob", "cy", "dan", "eve")}

    def appeal(user, address):
        body = {"refusal": refusals[user], "text": TEXT}
        return api.post(f"/events/{event_id}/waiting-room/appeal", json=body, user=user, source_ip=address)

    with settings.override(rate_limits="on", limit_appeal="40/86400"):
        replies = [appeal(user, "198.51.100.1") for user in ("ada", "ada", "bob", "cy", "dan")]
        assert [reply.status for reply in replies] == [200, 200, 200, 429, 429]
        assert (replies[-1].json["limiter"], replies[-1].json["by"]) == ("appeal", "address")
        assert appeal("eve", "198.51.100.2").status == 200


def test_managers_page_through_the_appeals_oldest_first(api, time, presale):
    event_id, _ = presale
    ids = []
    for user in ("ada", "bob", "cy"):
        time.advance(1)
        ids.append(write(api, event_id, user, refuse(api, event_id, user)).json["id"])
    first = list_appeals(api, event_id, limit="2")
    second = list_appeals(api, event_id, limit="2", cursor=first["next_cursor"])
    assert [appeal["id"] for appeal in first["appeals"] + second["appeals"]] == ids
    assert second["next_cursor"] is None


def test_somebody_whose_address_is_in_use_appeals(api, time, mails):  # noqa: F811
    event_id, tier_id = create_sale(api, time, entry="verified_address", wave_size=10, pass_seconds=300)
    token = join_proven(api, mails, event_id, "ada")
    proof = prove(api, mails, event_id, "bob")
    time.advance(SECONDS_TO_OPENING)
    assert reserve(api, event_id, tier_id, "ada", token).status == 201
    busy = api.post(f"/events/{event_id}/waiting-room/join", json={"address_proof": proof}, user="bob")
    assert busy.json["error"] == "place_in_use"
    written = write(api, event_id, "bob", busy.json["refusal"], "We share an address.").json
    assert written["reason"] == "address_used"
    answer(api, event_id, written["id"], "granted")
    assert get_status(api, event_id, join_granted(api, event_id, "bob"))["position"] == 2


def test_the_proof_of_a_granted_appeal_is_for_one_user(api, presale):
    event_id, _ = presale
    answer(api, event_id, write(api, event_id, "ada", refuse(api, event_id, "ada")).json["id"], "granted")
    proof = show_own(api, event_id, "ada").json["address_proof"]
    refused = api.post(f"/events/{event_id}/waiting-room/join", json={"address_proof": proof}, user="bob")
    assert refused.json["reason"] == "code_required"


def test_a_crash_after_the_answer_costs_nobody_the_place(api, time, presale, monkeypatch):
    event_id, _ = presale
    appeal_id = write(api, event_id, "ada", refuse(api, event_id, "ada")).json["id"]

    def crash(*_):
        raise dynamo.StoreUnavailable("down")

    with monkeypatch.context() as patched:
        patched.setattr(service.store, "take_arrival_number", crash)
        assert answer(api, event_id, appeal_id, "granted").status == 503
    assert get_proof(api, event_id, time)["total"] == 2
    assert answer(api, event_id, appeal_id, "granted").status == 200
    assert get_proof(api, event_id, time)["total"] == 3


def test_an_export_has_the_appeals_and_an_erasure_empties_their_texts(api, presale):
    event_id, _ = presale
    refusals = {user: refuse(api, event_id, user) for user in ("ada", "bob", "cy")}
    ids = {user: write(api, event_id, user, refusal, f"I am {user}").json["id"] for user, refusal in refusals.items()}
    answer(api, event_id, ids["bob"], "denied", "Dear Bob")
    exported = {user: api.get("/me/export", user=user).json["appeals"] for user in (*ids, "eve")}
    assert exported["eve"] == {}
    assert [exported[user][event_id]["text"] for user in ids] == ["I am ada", "I am bob", "I am cy"]
    for user in ("ada", "bob", "ada"):
        assert api.delete("/auth/me", user=user).status == 200
    answer(api, event_id, ids["ada"], "granted", "Dear Ada")
    assert answer(api, event_id, ids["ada"], "granted", "Dear Ada").status == 200
    listed = [appeal for status in ("open", "granted", "denied") for appeal in list_appeals(api, event_id, status=status)["appeals"]]
    assert {(appeal["id"], appeal["text"], appeal["answer"]) for appeal in listed} == {
        (ids["cy"], "I am cy", ""),
        (ids["ada"], "", ""),
        (ids["bob"], "", ""),
    }
    assert [api.get("/me/export", user=user).json["appeals"].keys() == {event_id} for user in ("cy", "ada")] == [True, False]


@pytest.mark.parametrize("has_bought", [True, False])
def test_the_appeal_of_a_guest_who_moved_to_an_account_is_exported_and_emptied(api, presale, has_bought):
    event_id, _ = presale
    guest = api.post("/auth/guest").json
    guest_id = guest["user"]["id"]
    assert write(api, event_id, guest_id, refuse(api, event_id, guest_id)).status == 200
    if has_bought:
        assert builders.buy(api, guest_id, *builders.create_shop(api)).status == 201
    tokens = sign_up(api)
    assert api.post("/auth/guest/orders", json={"refresh_token": guest["refresh_token"]}, token=tokens["access_token"]).status == 200
    assert api.get("/me/export", token=tokens["access_token"]).json["appeals"][event_id]["text"] == TEXT
    assert api.get(f"/events/{event_id}/waiting-room/appeal", token=tokens["access_token"]).status == 404, "the place stays with the guest"
    assert all(row.ttl for row in WaitingRoomRow.scan() if row.id.startswith("appeals-of#"))
    assert api.delete("/auth/me", json={"password": PASSWORD}, token=tokens["access_token"]).status == 200
    assert [appeal["text"] for appeal in list_appeals(api, event_id)["appeals"]] == [""]


def test_an_answer_during_an_erasure_is_emptied_too(api, presale, monkeypatch):
    event_id, _ = presale
    appeal_id = write(api, event_id, "ada", refuse(api, event_id, "ada")).json["id"]
    update_if = dynamo.update_if

    def answer_first(*args):
        monkeypatch.setattr(dynamo, "update_if", update_if)
        assert answer(api, event_id, appeal_id, "denied", "Dear Ada").status == 200
        return update_if(*args)

    monkeypatch.setattr(dynamo, "update_if", answer_first)
    assert api.delete("/auth/me", user="ada").status == 200
    [appeal] = list_appeals(api, event_id, status="denied")["appeals"]
    assert (appeal["text"], appeal["answer"], appeal["status"]) == ("", "", "denied")


def test_an_erasure_empties_an_appeal_with_a_field_of_a_later_version(api, presale):
    event_id, _ = presale
    write(api, event_id, "ada", refuse(api, event_id, "ada"))
    [row] = [row for row in WaitingRoomRow.scan() if row.id.startswith("appeal#")]
    dynamo.update_now(row, [Path("appeal.later").set("x")])
    assert api.delete("/auth/me", user="ada").status == 200
    assert [appeal["text"] for appeal in list_appeals(api, event_id)["appeals"]] == [""]


def test_appeals_expire_with_the_places(api, time, presale):
    event_id, _ = presale
    write(api, event_id, "ada", refuse(api, event_id, "ada"))
    rows = {row.id.partition("#")[0]: row for row in WaitingRoomRow.scan()}
    assert rows["appeal"].ttl == rows["entry"].ttl == rows["entry"].arrival.expires_at + ENTRY_RETENTION_SECONDS
    assert room_cache.get_room(event_id, time.now).room.rule == "access_code"
