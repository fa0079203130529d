"""Draws that follow from a key and a round of the public beacon: nobody can foresee the order, and nothing replaces a missing round."""

import pytest

from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.foundation import clock, log, settings
from chalicelib.waiting_room import draw, due_changes, entry_list, store
from devtools.beacon import sign
from tests import builders, invariants
from tests.bootstrap.conftest import event, ticket
from tests.simulation.call_log import record_calls
from tests.waiting_room.beacon import CLOSING_SECONDS, open_beacon
from tests.waiting_room.instances import start_instances
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, join, join_many, reserve, users_by_position

TO_CLOSING = SECONDS_TO_OPENING - CLOSING_SECONDS


@pytest.fixture
def beacon(time):
    with open_beacon(time) as opened:
        yield opened


@pytest.fixture
def sale(api, time, beacon):
    """A sale whose draw follows from the key and the beacon; (event id, tier id)."""
    return create_sale(api, time, wave_size=100, randomness="key_and_beacon")


def get_state(api, event_id):
    return api.get(f"/events/{event_id}/waiting-room/state").json


def get_proof(api, event_id):
    return api.get(f"/events/{event_id}/waiting-room/proof").json


def close(api, time, event_id):
    """Move to the closing, after which the list is public; returns the state."""
    time.advance(TO_CLOSING)
    return get_state(api, event_id)


def wait_for_round(api, time, event_id):
    """Move to the round of the draw, which the shop then knows; returns the state."""
    time.set(get_state(api, event_id)["beacon"]["round_at"] + due_changes.BEACON_DELAY_SECONDS)
    return get_state(api, event_id)


def open_sale(api, time, event_id):
    close(api, time, event_id)
    wait_for_round(api, time, event_id)
    time.set(get_state(api, event_id)["on_sale_at"])
    return get_state(api, event_id)


def test_the_order_follows_from_the_key_and_the_round(api, time, beacon, sale):
    event_id, tier_id = sale
    joined = join_many(api, event_id, 7)
    before = get_state(api, event_id)
    assert before["beacon"] == {"chain": beacon.hash, "round": None, "round_at": None, "randomness": None}
    closed = close(api, time, event_id)
    chain = draw.parse_chain(beacon.chain)
    number = draw.first_round(chain, closed["closes_at"] + 70)
    assert (closed["root"] is not None, closed["beacon"]["round"], closed["beacon"]["randomness"]) == (True, number, None)
    assert closed["beacon"]["round_at"] == draw.round_time(chain, number)
    known = wait_for_round(api, time, event_id)
    assert (known["key"], known["beacon"]["round"]) == (None, number)
    randomness = draw.beacon_randomness(beacon.signature(number))
    assert known["beacon"]["randomness"] == randomness.hex()
    time.set(known["on_sale_at"])
    opened = get_state(api, event_id)
    seed = draw.seed(bytes.fromhex(opened["key"]), randomness)
    queue = users_by_position(api, event_id, joined)
    assert queue == sorted(joined, key=lambda user: draw.position(seed, 7, (0,), 0, 1 + int(user[1:])))
    assert reserve(api, event_id, tier_id, queue[0], joined[queue[0]]).status == 201
    invariants.check(time.now)


def test_the_proof_has_all_that_is_needed(api, time, beacon, sale):
    event_id, _ = sale
    join_many(api, event_id, 3)
    open_sale(api, time, event_id)
    proof = get_proof(api, event_id)
    shown, chain = proof["beacon"], draw.parse_chain(beacon.chain)
    assert proof["algorithm"] == draw.BEACON_ALGORITHM
    assert (shown["chain"], shown["public_key"], shown["genesis"], shown["period"]) == chain
    assert draw.is_signed(chain, shown["round"], bytes.fromhex(shown["signature"]))
    assert shown["randomness"] == draw.beacon_randomness(bytes.fromhex(shown["signature"])).hex()


def test_rooms_without_the_choice_say_nothing_of_a_beacon(api, time, beacon):
    event_id, _ = create_sale(api, time)
    join_many(api, event_id, 3)
    time.advance(TO_CLOSING)
    assert "beacon" not in get_state(api, event_id)
    time.advance(CLOSING_SECONDS)
    assert "beacon" not in get_state(api, event_id)
    proof = get_proof(api, event_id)
    assert ("beacon" in proof, proof["algorithm"], beacon.asked) == (False, draw.ALGORITHM, [])


def test_the_pinned_chain_is_the_default(api, time):
    event_id, _ = create_sale(api, time, randomness="key_and_beacon")
    shown = get_proof(api, event_id)["beacon"]
    assert (shown["chain"], shown["public_key"], shown["genesis"], shown["period"]) == draw.QUICKNET


def test_a_room_keeps_its_choice_until_it_is_reset(api, time, sale):
    event_id, _ = sale
    join(api, event_id, "ada")
    changed = {"waiting_room": {"wave_size": 3, "randomness": "key"}}
    assert api.patch(f"/events/{event_id}", json=changed, token=builders.admin_token()).status == 200
    time.advance(2)
    assert "beacon" in get_state(api, event_id)
    assert api.delete(f"/events/{event_id}/waiting-room/clear", token=builders.admin_token()).status == 200
    assert "beacon" not in get_state(api, event_id)


LIES = {
    "old round": lambda beacon, number: beacon.document(number, beacon.signature(number - 1)),
    "another chain": lambda beacon, number: beacon.document(number, sign(7, number)),
    "changed": lambda beacon, number: beacon.document(number, beacon.signature(number)[:-1] + b"x"),
    "short": lambda beacon, number: beacon.document(number, beacon.signature(number)[:-1]),
    "infinity": lambda beacon, number: beacon.document(number, b"\xc0" + bytes(47)),
    "no hex": lambda *_: b'{"signature": "no"}',
    "no signature": lambda *_: b'{"randomness": "00"}',
    "no JSON": lambda *_: b"<html>",
    "huge": lambda *_: b'{"signature": "' + b"0" * 100_000 + b'"}',
    "nothing": lambda *_: b"",
}


@pytest.mark.parametrize("lie", LIES)
def test_no_lie_of_a_mirror_opens_the_sale(api, time, beacon, sale, lie):
    event_id, tier_id = sale
    joined = join_many(api, event_id, 3)
    close(api, time, event_id)
    beacon.answer = lambda number: (200, LIES[lie](beacon, number))
    failures = log.total("beacon_failures")
    assert wait_for_round(api, time, event_id)["beacon"]["randomness"] is None
    assert log.total("beacon_failures") == failures + 1
    time.advance(CLOSING_SECONDS)
    state = get_state(api, event_id)
    assert (state["key"], state["beacon"]["randomness"]) == (None, None)
    assert reserve(api, event_id, tier_id, "u0", joined["u0"]).json["error"] == "not_admitted"
    beacon.answer = beacon.true_answer
    time.advance(due_changes.BEACON_LEASE_SECONDS)
    assert get_state(api, event_id)["key"] is not None
    assert sorted(users_by_position(api, event_id, joined)) == sorted(joined)


@pytest.mark.parametrize("mirrors", ["http://127.0.0.1:1", "https://10.0.0.1", "ftp://example.com", ""])
def test_no_mirror_at_all_delays_the_sale_and_opens_nothing(api, time, beacon, sale, mirrors):
    event_id, _ = sale
    join_many(api, event_id, 3)
    close(api, time, event_id)
    with settings.override(beacon_mirrors=mirrors):
        wait_for_round(api, time, event_id)
        time.advance(3600)
        failures = log.total("beacon_failures")
        assert get_state(api, event_id)["key"] is None
        assert log.total("beacon_failures") == failures + 1
    time.advance(due_changes.BEACON_LEASE_SECONDS)
    assert get_state(api, event_id)["key"] is not None


def test_another_mirror_is_asked_after_a_failure(api, time, beacon, sale, monkeypatch):
    event_id, _ = sale
    join_many(api, event_id, 3)
    close(api, time, event_id)
    turns = iter((0, 1))
    monkeypatch.setattr(due_changes.random, "choice", lambda mirrors: mirrors[next(turns)])
    with settings.override(beacon_mirrors=f"http://127.0.0.1:1, {beacon.url}/"):
        assert wait_for_round(api, time, event_id)["beacon"]["randomness"] is None
        time.advance(due_changes.BEACON_LEASE_SECONDS)
        assert get_state(api, event_id)["beacon"]["randomness"] is not None


def test_a_late_round_costs_nobody_their_turn(api, time, beacon, sale):
    event_id, tier_id = sale
    joined = join_many(api, event_id, 3)
    close(api, time, event_id)
    beacon.answer = lambda _: (503, b"")
    wait_for_round(api, time, event_id)
    time.advance(3600)
    get_state(api, event_id)
    assert get_status(api, event_id, joined["u0"])["position"] is None
    beacon.answer = beacon.true_answer
    time.advance(due_changes.BEACON_LEASE_SECONDS)
    queue = users_by_position(api, event_id, joined)
    first = get_status(api, event_id, joined[queue[0]])
    assert (first["can_enter"], first["pass_seconds_left"]) == (True, 60)
    assert reserve(api, event_id, tier_id, queue[0], joined[queue[0]]).status == 201
    invariants.check(time.now)


def test_a_list_that_is_late_moves_the_round_after_it(api, time, beacon, sale):
    """Nobody loaded the room before the scheduled round, which therefore decides nothing: the list could still be made to suit it."""
    event_id, _ = sale
    joined = join_many(api, event_id, 3)
    time.advance(SECONDS_TO_OPENING + 300)
    state = get_state(api, event_id)
    chain = draw.parse_chain(beacon.chain)
    assert state["beacon"]["round"] == draw.first_round(chain, time.now + 40)
    assert (state["key"], beacon.asked) == (None, [])
    assert wait_for_round(api, time, event_id)["key"] is not None
    assert sorted(users_by_position(api, event_id, joined)) == sorted(joined)


def test_the_list_of_crashed_joins_is_public_before_the_round(api, time, sale):
    event_id, _ = sale
    join_many(api, event_id, 3)
    store.take_arrival_number(store.find_room(event_id), 0)
    closed = close(api, time, event_id)
    assert (closed["root"], closed["beacon"]["round"]) == (None, None)
    time.advance(entry_list.SETTLING_SECONDS)
    listed = get_state(api, event_id)
    assert listed["beacon"]["round_at"] >= time.now + 40
    assert listed["beacon"]["round_at"] <= listed["on_sale_at"]


def test_the_time_of_publication_is_taken_when_the_list_is_written(api, time, beacon, sale, monkeypatch):
    """The request that publishes the list may have begun long before, and a round that it has seen must not decide."""
    event_id, _ = sale
    join_many(api, event_id, 3)
    store.take_arrival_number(store.find_room(event_id), 0)  # of a crashed join
    close(api, time, event_id)
    load_roots = store.load_roots

    def load_slowly(*arguments):
        time.advance(5)
        return load_roots(*arguments)

    monkeypatch.setattr(store, "load_roots", load_slowly)
    time.advance(entry_list.SETTLING_SECONDS)
    listed = get_state(api, event_id)
    assert get_proof(api, event_id)["entries"]["published_at"] == clock.iso(time.now)
    assert listed["beacon"]["round"] == draw.first_round(draw.parse_chain(beacon.chain), time.now + 40)


def move_opening(api, event_id, opens_at):
    moved = {"on_sale_at": clock.iso(opens_at), "starts_at": clock.iso(opens_at + 86_400)}
    return api.patch(f"/events/{event_id}", json=moved, token=builders.admin_token())


def test_the_round_moves_with_the_closing(api, time, beacon, sale):
    event_id, _ = sale
    joined = join_many(api, event_id, 3)
    assert move_opening(api, event_id, time.now + 7200).status == 200
    time.advance(7200 - CLOSING_SECONDS)
    state = get_state(api, event_id)
    assert state["beacon"]["round"] == draw.first_round(draw.parse_chain(beacon.chain), state["closes_at"] + 70)
    assert state["closes_at"] == time.now
    assert len(joined) == state["n"]


def test_a_closing_whose_round_is_public_is_not_postponed(api, time, sale):
    """Otherwise an operator who dislikes the order could make another one."""
    event_id, _ = sale
    join_many(api, event_id, 3)
    close(api, time, event_id)
    known = wait_for_round(api, time, event_id)
    refused = move_opening(api, event_id, known["on_sale_at"] + 3600)
    assert (refused.status, refused.json["error"]) == (409, "round_public")
    removed = api.patch(f"/events/{event_id}", json={"on_sale_at": None}, token=builders.admin_token())
    assert (removed.status, removed.json["error"]) == (409, "round_public")  # which would be the first of two steps
    assert get_state(api, event_id)["on_sale_at"] == known["on_sale_at"]
    assert api.delete(f"/events/{event_id}/waiting-room/clear", token=builders.admin_token()).status == 200
    assert move_opening(api, event_id, known["on_sale_at"] + 3600).status == 200
    reset = get_state(api, event_id)
    assert (reset["room"], reset["beacon"]["round"]) == (known["room"] + 1, None)
    assert reset["commitment"] != known["commitment"]


def test_the_bootstrap_file_does_not_postpone_it_either(api, time, beacon):
    def apply(opens_at):
        room = {"randomness": "key_and_beacon"}
        drop = event("fest", on_sale_at=clock.iso(opens_at), waiting_room=room)
        tree = {"version": "1", "events": {"fest": drop}, "ticket_types": {"gold": ticket("gold")}}
        return rollout.apply(validate_tree(tree), "ada", clock.now())

    opens_at = time.now + SECONDS_TO_OPENING
    assert apply(opens_at).version == 1
    join_many(api, "fest", 3)
    assert apply(opens_at + 60).version == 2
    time.advance(60)
    close(api, time, "fest")
    known = wait_for_round(api, time, "fest")
    with pytest.raises(rollout.ApplyRefused) as refused:
        apply(opens_at + 3600)
    [reason] = refused.value.reasons
    assert reason.startswith("! event fest: the public random number")
    assert "reset the waiting room first" in reason
    assert get_state(api, "fest")["on_sale_at"] == known["on_sale_at"]
    assert api.delete("/events/fest/waiting-room/clear", token=builders.admin_token()).status == 200
    assert apply(opens_at + 3600).version == 3


def test_a_closing_that_nobody_loaded_is_not_postponed_either(api, time, sale):
    event_id, _ = sale
    join_many(api, event_id, 3)
    time.advance(SECONDS_TO_OPENING - 1)
    assert move_opening(api, event_id, time.now + 3600).json["error"] == "round_public"


def test_an_opening_that_is_postponed_before_the_round_keeps_the_round(api, time, sale):
    event_id, _ = sale
    joined = join_many(api, event_id, 3)
    closed = close(api, time, event_id)
    assert move_opening(api, event_id, closed["on_sale_at"] + 3600).status == 200
    time.advance(2)
    moved = get_state(api, event_id)
    assert (moved["closes_at"], moved["beacon"], moved["root"]) == (closed["closes_at"], closed["beacon"], closed["root"])
    wait_for_round(api, time, event_id)
    time.set(moved["on_sale_at"])
    assert sorted(users_by_position(api, event_id, joined)) == sorted(joined)


def test_a_drawn_sale_can_still_be_delayed(api, time, sale):
    event_id, _ = sale
    joined = join_many(api, event_id, 3)
    open_sale(api, time, event_id)
    queue = users_by_position(api, event_id, joined)
    assert move_opening(api, event_id, time.now + 3600).status == 200
    time.advance(3602)
    assert users_by_position(api, event_id, joined) == queue


def test_a_room_that_nobody_joined_opens_without_a_round(api, time, beacon, sale):
    event_id, tier_id = sale
    time.advance(SECONDS_TO_OPENING)
    assert get_state(api, event_id)["n"] == 0
    assert get_state(api, event_id)["key"] is not None
    assert reserve(api, event_id, tier_id, "ada", join(api, event_id, "ada")).status == 201
    assert beacon.asked == []


def test_a_room_made_shortly_before_the_opening_waits_for_its_round(api, time, beacon):
    with settings.override(draw_closing_seconds=SECONDS_TO_OPENING - 59):
        event_id, _ = create_sale(api, time, wave_size=100, randomness="key_and_beacon")
        joined = join_many(api, event_id, 3)
    time.advance(SECONDS_TO_OPENING)
    state = get_state(api, event_id)
    assert (state["closes_at"], state["key"]) == (state["on_sale_at"], None)
    assert state["beacon"]["round_at"] >= state["on_sale_at"] + 70
    assert wait_for_round(api, time, event_id)["key"] is not None
    assert sorted(users_by_position(api, event_id, joined)) == sorted(joined)


def test_another_instance_continues_after_a_crash(api, time, beacon, sale, monkeypatch):
    event_id, _ = sale
    joined = join_many(api, event_id, 3)
    close(api, time, event_id)

    def crash(*_):
        raise SystemExit

    with monkeypatch.context() as crashing:
        crashing.setattr(store, "record_signature", crash)
        with pytest.raises(SystemExit):
            wait_for_round(api, time, event_id)
    assert get_state(api, event_id)["beacon"]["randomness"] is None
    assert len(beacon.asked) == 1
    time.advance(due_changes.BEACON_LEASE_SECONDS)
    assert get_state(api, event_id)["beacon"]["randomness"] is not None
    assert (len(beacon.asked), len(set(beacon.asked))) == (2, 1)
    time.advance(CLOSING_SECONDS)
    assert sorted(users_by_position(api, event_id, joined)) == sorted(joined)


def test_an_opening_that_crashed_is_made_again_with_the_same_order(api, time, beacon, sale, monkeypatch):
    event_id, _ = sale
    joined = join_many(api, event_id, 7)
    close(api, time, event_id)
    known = wait_for_round(api, time, event_id)

    def crash(*_):
        raise SystemExit

    time.set(known["on_sale_at"])
    with monkeypatch.context() as crashing:
        crashing.setattr(store, "record_draw", crash)
        with pytest.raises(SystemExit):
            get_state(api, event_id)
    time.advance(due_changes.OPENING_LEASE_SECONDS)
    opened = get_state(api, event_id)
    assert (opened["beacon"], opened["n"], len(beacon.asked)) == (known["beacon"], 7, 1)
    seed = draw.seed(bytes.fromhex(opened["key"]), draw.beacon_randomness(beacon.signature(opened["beacon"]["round"])))
    expected = sorted(joined, key=lambda user: draw.position(seed, 7, (0,), 0, 1 + int(user[1:])))
    assert users_by_position(api, event_id, joined) == expected


def test_among_all_instances_one_request_waits_for_a_mirror(api, time, beacon, sale):
    event_id, _ = sale
    join_many(api, event_id, 3)
    instances = start_instances(api, time, event_id, 5)
    time.set(get_state(api, event_id)["on_sale_at"] - CLOSING_SECONDS)
    closed = get_state(api, event_id)
    beacon.answer = lambda _: (503, b"")
    time.set(closed["beacon"]["round_at"] + due_changes.BEACON_DELAY_SECONDS)
    assert {instance.poll()["beacon"]["randomness"] for instance in instances} == {None}
    assert len(beacon.asked) == 1
    beacon.answer = beacon.true_answer
    time.advance(due_changes.BEACON_LEASE_SECONDS)
    [randomness] = {instance.poll()["beacon"]["randomness"] for instance in instances}
    assert randomness is not None
    assert len(beacon.asked) == 2


def test_joins_and_purchases_need_no_more_calls_than_without_a_beacon(api, time, beacon):
    counted = {}
    for randomness in ("key", "key_and_beacon"):
        event_id, tier_id = create_sale(api, time, f"Drop {randomness}", wave_size=100, randomness=randomness)
        get_state(api, event_id)
        with record_calls(measured=True) as joining:
            token = join(api, event_id, "ada")
        time.advance(TO_CLOSING)
        get_state(api, event_id)
        time.advance(80)
        get_state(api, event_id)
        time.advance(CLOSING_SECONDS - 80)
        get_state(api, event_id)
        with record_calls(measured=True) as buying:
            assert reserve(api, event_id, tier_id, "ada", token).status == 201
        counted[randomness] = [(calls.round_trips, calls.capacity) for calls in (joining, buying)]
    assert counted["key"] == counted["key_and_beacon"]
