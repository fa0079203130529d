"""Better odds: people whom a promoter's ballots drew no tickets have more numbers in the next one, and everybody can check how many."""

import json
from collections import Counter

import pytest
from msgspec.structs import replace

from chalicelib.addons.waitlist import store as waitlist
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.catalog import service as catalog
from chalicelib.foundation import addons, clock, settings
from chalicelib.notifications import service as notifications
from chalicelib.notifications.store import list_event_notifications
from chalicelib.waiting_room import draw as permutation
from chalicelib.waiting_room import entries, model, service, store, tokens, verify
from chalicelib.waiting_room.entries import Entry
from chalicelib.waiting_room.model import OddsKey
from tests import builders, invariants, javascript
from tests.addons.waitlist.ballots import DAYS, create_ballot, draw, make_draw, register
from tests.addons.waitlist.lines import join, own, run_allocator
from tests.bootstrap import conftest as bootstrap
from tests.simulation.call_log import record_calls
from tests.waiting_room import sale
from tests.waiting_room.beacon import open_beacon
from tests.waiting_room.test_entry_rules import create_account, join_proven, prove, try_join

pytestmark = pytest.mark.usefixtures("store", "time")

USERS = [f"u{number}" for number in range(6)]
KEY = OddsKey("key", "user")


@pytest.fixture
def mails(monkeypatch):
    """The mails that were sent, as drafts."""
    sent = []
    monkeypatch.setattr(notifications, "send", lambda draft, **_: sent.append(draft) or True)
    return sent


@pytest.fixture
def people():
    """People with accounts, each with an address."""
    for user in USERS:
        create_account(user, f"{user}@example.com")
    return USERS


def create(api, time, capacity=1, **waiting_room) -> str:
    return create_ballot(api, time, capacity, **{"entry": "account", "better_odds": True} | waiting_room)[0]


def weight(api, event_id, user) -> int:
    """The number of numbers that the user gets."""
    return tokens.read_token(sale.join(api, event_id, user)).weight


def hold(api, time, *users, **fields) -> tuple[str, list[str]]:
    """A ballot from its beginning to its offers. Returns the event and the users in the drawn order."""
    event_id = create(api, time, **fields)
    register(api, event_id, *users)
    return event_id, draw(api, time, *users)


def test_losers_have_one_number_more_and_winners_start_again(api, time, people):
    _, (winner, *losers) = hold(api, time, *people)
    second = create(api, time)
    assert {user: weight(api, second, user) for user in people} == {winner: 1} | dict.fromkeys(losers, 2)
    register(api, second, *people)
    assert [own(api, user)[0]["weight"] for user in (winner, losers[0])] == [1, 2]
    order = draw(api, time, *people)
    third = create(api, time)
    expected = {user: 1 if user == order[0] else 2 if user == winner else 3 for user in people}
    assert {user: weight(api, third, user) for user in people} == expected
    invariants.check(time.now)


def test_nobody_has_more_than_five_numbers_and_ballots_count_for_two_years(api, time, people):
    ada = people[0]
    event_id = create(api, time)
    key = tokens.address_key(model.series_of(catalog.load_current().events[event_id]), f"{ada}@example.com")
    for number in range(7):
        store.record_loss(OddsKey(key, "user"), f"{time.now + number}.{number:08}", time.now)
    assert weight(api, create(api, time), ada) == 5
    assert store.find_weight(key, time.now + store.LOST_SECONDS + 4) == 3
    assert store.find_weight(key, time.now + store.LOST_SECONDS + 6) == 1


def test_a_ballot_counts_once_even_if_it_is_recorded_again_or_postponed(time):
    for at in (10, 10, 20):
        store.record_loss(KEY, f"{time.now + at}.abcdef01", time.now)
    assert store.find_weight(KEY.entrant, time.now) == 2


def test_a_ballot_that_was_drawn_before_the_last_win_does_not_count(time):
    store.record_loss(KEY, f"{time.now - 50}.before00", time.now)
    store.commit(store.record_win_item(KEY, time.now))
    assert store.find_weight(KEY.entrant, time.now) == 1
    for at, ballot in ((-1, "sametime"), (0, "sametime"), (1, "afterwin")):
        store.record_loss(KEY, f"{time.now + at}.{ballot}", time.now)
    assert store.find_weight(KEY.entrant, time.now) == 2


def test_an_event_counts_once_even_if_its_room_is_reset_between_two_runs_that_tell_losers(api, time, people):
    event_id, _ = hold(api, time, *people)
    first = service.find_draw(event_id, time.now)
    for drawn in (first, replace(first, room=2, commitment="00" * 32, on_sale_at=first.on_sale_at + 60)):
        service.record_loss(KEY, drawn, time.now)
    assert store.find_weight(KEY.entrant, time.now) == 2


def test_the_losers_of_a_draw_after_a_reset_are_told_too(api, time, people):
    def told():
        return Counter(each.user_id for each in list_event_notifications(event_id, 50, None)[0] if each.kind == "ballot_lost")

    event_id, _ = hold(api, time, *people)
    before = told()
    time.advance(DAYS)
    opens = {"on_sale_at": clock.iso(time.now + DAYS)}
    assert api.patch(f"/events/{event_id}", json=opens, token=builders.admin_token()).status == 200
    assert api.delete(f"/events/{event_id}/waiting-room/clear", token=builders.admin_token()).status == 200
    builders.run_sweep()  # nobody has paid
    for user in people:
        api.delete(f"/waitlist/{own(api, user)[0]['id']}", user=user)
    register(api, event_id, *people)
    _, *losers = draw(api, time, *people)
    assert told() - before == Counter(losers)


def test_only_people_who_took_part_and_could_have_won_get_better_odds(api, time, people):
    event_id = create(api, time)
    ada, bob, eve, max_, joined, late = people
    register(api, event_id, ada, bob, eve)
    register(api, event_id, max_, quantity=1, max_price_cents=1)
    sale.join(api, event_id, joined)  # without wishes
    assert api.delete(f"/waitlist/{own(api, eve)[0]['id']}", user=eve).status == 200
    make_draw(time)
    join(api, late, event_id, token=sale.join(api, event_id, late))
    run_allocator()
    [loser] = [user for user in (ada, bob) if own(api, user)[0]["status"] == "waiting"]
    following = create(api, time)
    assert {user for user in people if weight(api, following, user) > 1} == {loser}


def test_an_offer_of_returned_tickets_ends_the_better_odds(api, time, people):
    _, order = hold(api, time, *people[:2])
    time.advance(86_401)
    builders.run_sweep()
    run_allocator()
    assert own(api, order[1])[0]["status"] == "offered"
    assert [weight(api, create(api, time), user) for user in order] == [1, 1]


def test_a_cancelled_ballot_counts_for_nobody(api, time, people):
    event_id = create(api, time)
    register(api, event_id, *people)
    assert api.post(f"/events/{event_id}/cancel", json={}, token=builders.admin_token()).status == 200
    time.advance(DAYS)
    run_allocator()
    assert {weight(api, create(api, time), user) for user in people} == {1}


def test_outcomes_count_without_the_add_on_for_messages(api, time, people, monkeypatch):
    is_on = addons.is_on
    monkeypatch.setattr(addons, "is_on", lambda name: name != "messages" and is_on(name))
    hold(api, time, *people)
    assert Counter(weight(api, create(api, time), user) for user in people) == {1: 1, 2: 5}


@pytest.mark.parametrize("setting", [{"better_odds": False}, {"entry": "open", "better_odds": False}])
def test_ballots_without_the_setting_neither_count_nor_give_better_odds(api, time, people, setting):
    event_id, _ = hold(api, time, *people, **setting)
    assert "better_odds" not in api.get(f"/events/{event_id}/waiting-room/state").json
    assert "weight" not in json.dumps(api.get(f"/events/{event_id}/waiting-room/entries").json)
    assert {weight(api, create(api, time), user) for user in people} == {1}
    hold(api, time, *people)
    assert {weight(api, create(api, time, **setting), user) for user in people} == {1}


def test_the_ballots_of_each_promoter_are_a_series_of_their_own(api, time):
    event_id = create(api, time)
    event = catalog.load_current().events[event_id]
    series = {model.series_of(replace(event, promoter_id=promoter)) for promoter in (None, "ada", "bob")}
    assert len(series) == 3
    assert model.series_of(replace(event, waiting_room=replace(event.waiting_room, better_odds=False))) is None


@pytest.mark.parametrize("fields", [{"ballot": False}, {"entry": "open"}, {"entry": "access_code"}])
def test_the_setting_needs_a_ballot_and_a_rule_that_knows_people_again(api, time, fields):
    event_id = create(api, time)
    config = {"ballot": True, "entry": "account", "better_odds": True}
    reply = api.patch(f"/events/{event_id}", json={"waiting_room": config | fields}, token=builders.admin_token())
    assert (reply.status, reply.json["path"]) == (400, "$.waiting_room.better_odds"), reply.json


def test_two_ballots_at_once_can_both_use_the_numbers_and_keep_them(api, time, people):
    _, (_, loser, *_) = hold(api, time, *people)
    first, second = create(api, time), create(api, time)
    joined = sale.join(api, first, loser), sale.join(api, second, loser)
    assert [tokens.read_token(token).weight for token in joined] == [2, 2]
    register(api, first, loser)
    draw(api, time, loser)
    assert own(api, loser)[0]["status"] == "offered"
    assert sale.join(api, second, loser) == joined[1]
    assert weight(api, create(api, time), loser) == 1


def test_the_history_of_a_card_is_its_own(api, time):
    event_id = create(api, time, entry="payment_card")

    def join_with(event_id, user, card) -> str:
        proof = api.post(f"/events/{event_id}/waiting-room/card", json={"card": card}, user=user).json["card_proof"]
        reply = api.post(f"/events/{event_id}/waiting-room/join", json={"card_proof": proof}, user=user)
        return str(reply.json["token"])

    for user in ("ada", "bob"):
        assert join(api, user, event_id, token=join_with(event_id, user, f"card-{user}")).status == 201
    _, loser = draw(api, time, "ada", "bob")
    following = create(api, time, entry="payment_card")
    found = [tokens.read_token(join_with(following, "eve", f"card-{owner}")).weight for owner in (loser, "eve")]
    assert found == [2, 1]


def test_the_bootstrap_file_has_the_setting(time):
    opens = clock.iso(time.now + DAYS)
    config = {"ballot": True, "entry": "account", "better_odds": True}
    events = {"fest": bootstrap.event("fest", metadata={"timezone": "America/Denver"}) | {"on_sale_at": opens, "waiting_room": config}}
    tree = {"version": "1", "events": events, "ticket_types": {"fest-pass": bootstrap.ticket("fest-pass")}}
    rollout.apply(validate_tree(tree), "test", time.now)
    assert catalog.load_current().events["fest"].has_better_odds


def test_a_room_keeps_its_choice_until_it_is_reset(api, time, people):
    hold(api, time, *people)
    event_id = create(api, time, better_odds=False)
    sale.join(api, event_id, people[0])
    on = {"waiting_room": {"ballot": True, "entry": "account", "better_odds": True}}
    assert api.patch(f"/events/{event_id}", json=on, token=builders.admin_token()).status == 200
    assert {weight(api, event_id, user) for user in people} == {1}
    assert api.delete(f"/events/{event_id}/waiting-room/clear", token=builders.admin_token()).status == 200
    assert Counter(weight(api, event_id, user) for user in people) == {1: 1, 2: 5}


# Nobody gets more by tricks.


def test_an_address_has_one_place_and_one_history_whoever_proves_it(api, time, mails):
    event_id = create(api, time, entry="verified_address")
    for user in ("ada", "bob"):
        join_proven(api, mails, event_id, user, f"{user}@example.com")
        register_with_place(api, mails, event_id, user)
    [_, loser] = draw(api, time, "ada", "bob")
    following = create(api, time, entry="verified_address")
    proofs = {name: prove(api, mails, following, name, f"{loser}@example.com") for name in (loser, "other")}
    places = [tokens.read_token(try_join(api, following, name, proof).json["token"]) for name, proof in proofs.items()]
    assert {(place.user, place.number, place.weight) for place in places} == {(places[0].user, 1, 2)}
    assert weight_of_proven(api, mails, following, loser, "new@example.com") == 1  # the same user with another address


def register_with_place(api, mails, event_id, user):
    token = join_proven(api, mails, event_id, user, f"{user}@example.com")
    assert join(api, user, event_id, token=token).status == 201


def weight_of_proven(api, mails, event_id, user, email) -> int:
    return tokens.read_token(join_proven(api, mails, event_id, user, email)).weight


def test_a_proof_from_before_a_reset_gives_no_second_place(api, time, mails):
    event_id = create(api, time, entry="verified_address", better_odds=False)
    old = prove(api, mails, event_id, "ada")
    on = {"waiting_room": {"ballot": True, "entry": "verified_address", "better_odds": True}}
    assert api.patch(f"/events/{event_id}", json=on, token=builders.admin_token()).status == 200
    assert api.delete(f"/events/{event_id}/waiting-room/clear", token=builders.admin_token()).status == 200
    assert try_join(api, event_id, "ada", old).json["reason"] == "address_required"


def test_a_place_that_the_promoter_granted_has_one_number_and_its_outcome_does_not_count(api, time):
    event_id = create(api, time)
    refusal = try_join(api, event_id, "ada").json["refusal"]
    appeal = api.post(f"/events/{event_id}/waiting-room/appeal", json={"refusal": refusal, "text": "Please"}, user="ada").json
    path = f"/admin/events/{event_id}/waiting-room/appeals/{appeal['id']}/answer"
    assert api.post(path, json={"status": "granted"}, token=builders.admin_token()).status == 200
    proof = api.get(f"/events/{event_id}/waiting-room/appeal", user="ada").json["address_proof"]
    token = try_join(api, event_id, "ada", proof).json["token"]
    assert tokens.read_token(token).weight == 1
    assert join(api, "ada", event_id, token=token).json["weight"] is None
    assert waitlist.find_entry("ada", event_id).odds_key is None


def test_erasure_removes_the_better_odds(api, time, mails):
    event_id = create(api, time, entry="verified_address")
    for user in ("ada", "bob"):
        register_with_place(api, mails, event_id, user)
    [winner, loser] = draw(api, time, "ada", "bob")
    before, after = (create(api, time, entry="verified_address") for _ in range(2))
    assert weight_of_proven(api, mails, before, loser, f"{loser}@example.com") == 2
    for user in (winner, loser):
        assert api.delete("/auth/me", json={}, user=user).status == 200
    assert weight_of_proven(api, mails, after, loser, f"{loser}@example.com") == 1
    assert [row.id for row in store.WaitingRoomRow.scan() if row.id.startswith("odds#")] == []


# What a join costs.


def test_a_join_costs_half_a_read_unit_more_and_nothing_without_the_setting(api, time, people):
    costs = {}
    for better_odds in (False, True):
        event_id = create(api, time, better_odds=better_odds)
        sale.join(api, event_id, people[0])
        with record_calls(measured=True) as calls:
            sale.join(api, event_id, people[1])
        with record_calls(measured=True) as again:
            sale.join(api, event_id, people[1])
        costs[better_odds] = calls.capacity, again.capacity
    (read, written), joined_again = costs[False]
    assert costs[True] == ((read + 0.5, written), joined_again)


# The proof.


def test_a_lane_that_a_version_without_weights_built_is_built_again(api, time, people):
    event_id = create(api, time)
    register(api, event_id, *people)
    room, lease_ends_at = store.find_room(event_id), time.now + 15
    assert store.take_lane(room, 3, time.now, lease_ends_at)
    old = store.Lane(3, "old", 0, time.now + DAYS, [])
    assert store.save_lane(room, old, {}, b"", lease_ends_at, time.now + 2 * DAYS)
    draw(api, time, *people)
    proof = api.get(f"/events/{event_id}/waiting-room/proof").json
    assert (proof["n"], proof["entries"]["by_weight"]) == (6, [6, 0, 0, 0, 0])


def saved_draw(api, event_id, folder):
    """Save the public documents of a draw, and return a function that checks them, or changed ones, with verify.py."""
    documents = {name: api.get(f"/events/{event_id}/{path}").json for name, path in (("proof", "waiting-room/proof"), ("ballot", "ballot"))}
    pages = documents["proof"]["entries"]["pages"]
    listed = [api.get(f"/events/{event_id}/waiting-room/entries", query={"page": str(page)}).json for page in range(pages)]
    noted = ["--commitment", documents["proof"]["commitment"], "--root", documents["proof"]["entries"]["root"]]

    def check(*more, proof=documents["proof"], ballot=documents["ballot"], entries=listed) -> int:
        (folder / "entries").mkdir(exist_ok=True)
        for number, page in enumerate(entries):
            (folder / "entries" / str(number)).write_text(json.dumps(page))
        for name, document in (("proof", proof), ("ballot", ballot)):
            (folder / name).write_text(json.dumps(document))
        return verify.main([str(folder / "proof"), *noted, "--entries", str(folder / "entries"), "--ballot", str(folder / "ballot"), *more])

    return documents, listed, check


@pytest.fixture
def second(api, time, people):
    """The second ballot of two, after its draw: its event, and the tokens by user."""
    hold(api, time, *people, capacity=2)
    event_id = create(api, time, capacity=3)
    joined = {user: sale.join(api, event_id, user) for user in people}
    register(api, event_id, *people)
    draw(api, time, *people)
    return event_id, joined


def test_the_draw_can_be_checked_and_the_best_number_counts(api, second, tmp_path, capsys):
    event_id, joined = second
    documents, listed, check = saved_draw(api, event_id, tmp_path)
    proof = documents["proof"]
    assert proof["algorithm"] == "feistel-mod-sha256-cycle-walking+weights"
    assert (proof["n"], proof["entries"]["by_weight"]) == (10, [2, 4, 0, 0, 0])
    assert Counter(row.get("weight", 1) for page in listed for row in page["entries"]) == {1: 2, 2: 4}
    claims = [argument for user, token in joined.items() for argument in ("--token", f"{token} {own(api, user)[0]['drawn_position']}")]
    assert check(*claims) == verify.EXIT_OK
    text = capsys.readouterr().out
    assert "10 of 10 numbers belong" in text
    assert "by how many numbers they have: 2 with 1, 4 with 2, 0 with 3, 0 with 4, 0 with 5" in text
    for user, token in joined.items():
        arrival = tokens.read_token(token)
        numbers = range(arrival.number, arrival.number + arrival.weight)
        best = min(permutation.position(bytes.fromhex(proof["key"]), 10, (0,), 0, number) for number in numbers)
        assert own(api, user)[0]["drawn_position"] == best


def test_the_browser_computes_the_same_places_and_proofs(api, second):
    event_id, joined = second
    state = api.get(f"/events/{event_id}/waiting-room/state").json
    cases = []
    for token in joined.values():
        digest = entries.entrant_digest(state["commitment"], tokens.read_token(token).user).hex()
        cases.append({"state": state, "token": token, "entry": api.get(f"/events/{event_id}/waiting-room/entries/{digest}").json})
    cases.append(cases[0] | {"entry": cases[0]["entry"] | {"weight": cases[0]["entry"].get("weight", 1) + 1}})
    script = """
import { createInterface } from "node:readline";
import { positionOf, readToken } from "$WEB/waiting-room.js";
import { isProven } from "$WEB/entries.js";
for await (const line of createInterface({ input: process.stdin })) {
  const { state, token, entry } = JSON.parse(line);
  console.log(JSON.stringify([await positionOf(state, readToken(token)), readToken(token).weight, await isProven(state, entry)]));
}
"""
    answers = javascript.run_module(script, cases)
    places = [[own(api, user)[0]["drawn_position"], tokens.read_token(token).weight, True] for user, token in joined.items()]
    assert answers == [*places, [*places[0][:2], False]]


def test_a_shop_that_gives_a_friend_a_number_that_the_list_does_not_show_is_found(api, second, tmp_path, capsys):
    event_id, joined = second
    documents, listed, check = saved_draw(api, event_id, tmp_path)
    proof, ballot = documents["proof"], documents["ballot"]
    friend = next(row for page in listed for row in page["entries"] if "weight" not in row)
    changed = [
        page | {"entries": [row | {"number": min(row["number"], 9), "weight": 2} if row == friend else row for row in page["entries"]]}
        for page in listed
    ]
    by_weight = {"entries": proof["entries"] | {"by_weight": [1, 5, 0, 0, 0]}}
    seed, offsets = bytes.fromhex(proof["key"]), tuple(proof["offsets"])
    best = min((permutation.position(seed, 10, offsets, 0, n), n) for n in range(1, 10) if n != friend["number"])
    offer = {"digest": friend["digest"], "counter": 0, "number": best[1], "weight": 2, "tier_id": "t", "quantity": 1}
    offer["position"] = permutation.position(seed, 10, offsets, 0, best[1], weight=2)
    token = next(token for token in joined.values() if tokens.read_token(token).weight == 1)
    forged = tokens.sign_arrival(replace(tokens.read_token(token), number=1, weight=3))
    for fault, arguments, documents in (
        ("is not the published root", [], {"entries": changed}),
        ("has the same number as", [], {"entries": changed}),
        ("but the shop says", [], {"proof": proof | by_weight}),
        ("does not have its entrant", [], {"ballot": ballot | {"offers": [offer]}}),
        ("does not have this token's entrant", ["--token", forged], {}),
    ):
        assert check(*arguments, **documents) == verify.EXIT_FAULTS, fault
        assert fault in capsys.readouterr().out


def test_a_list_with_more_than_five_numbers_for_an_entrant_or_in_a_draw_without_weights_is_found(tmp_path):
    for has_weights, heaviest, fault in ((True, 6, "nobody may have more than 5"), (False, 2, "nobody may have more than 1")):
        proof = verify.DrawProof("e", 1, "c", bytes(32), 9, (0,), root="", by_weight=(0,) * 5 if has_weights else None)
        row = {"digest": "00" * 32, "counter": 0, "number": 1, "weight": heaviest}
        pages = [{"entries": [row] if page == 0 else []} for page in range(16)]
        assert any(fault in found for found in verify.check(proof, [], pages=pages).faults)


def test_draws_with_the_beacon_have_weights_too(api, time, people, tmp_path, capsys):
    with open_beacon(time) as beacon:
        for _ in range(2):
            event_id = create(api, time, randomness="key_and_beacon")
            register(api, event_id, *people)
            time.advance(DAYS)
            run_allocator()
            time.advance(60)
            run_allocator()
        documents, _, check = saved_draw(api, event_id, tmp_path)
        proof = documents["proof"]
        assert proof["algorithm"].endswith("+drand+weights")
        noted = ["--round", str(proof["beacon"]["round"]), "--chain", proof["beacon"]["chain"]]
        assert check(*noted) == verify.EXIT_OK, capsys.readouterr().out
        assert beacon is not None


def test_an_entry_without_weight_has_the_bytes_that_it_always_had():
    entry = Entry(bytes(range(32)), 3, 77)
    assert entry.encode() == bytes(range(32)) + (3).to_bytes(2, "big") + (77).to_bytes(6, "big")
    heavy = entry._replace(weight=5)
    assert entries.decode_page(entry.encode() + heavy.encode()) == [entry, heavy]
    with pytest.raises(OverflowError):
        Entry(bytes(32), 0, 1 << 40).encode()  # would look like a number with a weight


# The odds.


@pytest.mark.slow
def test_more_numbers_mean_proportionally_better_odds_and_equal_weights_stay_equal():
    weights = [1, 1, 1, 2, 2, 3, 5]
    firsts = [1 + sum(weights[:person]) for person in range(len(weights))]
    draws, won = 6000, Counter[int]()
    for seed in range(draws):
        key = seed.to_bytes(32, "big")
        places = [permutation.position(key, sum(weights), (0,), 0, first, weight=each) for first, each in zip(firsts, weights, strict=True)]
        assert len(set(places)) == len(places)
        won[places.index(min(places))] += 1
    for person, each in enumerate(weights):
        expected = draws * each / sum(weights)
        assert abs(won[person] - expected) < 4 * expected**0.5, won


def test_numbers_of_one_person_follow_each_other_and_nobody_shares_one(api, time, people):
    hold(api, time, *people)
    with settings.override(waiting_room_counters=2):
        event_id = create(api, time)
    places = [tokens.read_token(sale.join(api, event_id, user)) for user in people]
    numbers = [(place.counter, number) for place in places for number in range(place.number, place.number + place.weight)]
    assert len(set(numbers)) == len(numbers) == 11
    make_draw(time)
    run_allocator()
    state = service.find_draw(event_id, time.now)
    assert (state.n, state.better_odds) == (11, True)
