"""web/waiting-room.js computes the same status as the server, from the public state and the token."""

import random
from collections import Counter

import msgspec
import pytest

from chalicelib.waiting_room import draw, tokens, views
from chalicelib.waiting_room.model import LATE, Arrival, RoomState
from tests import javascript, seeds
from tests.waiting_room import random_rooms
from tests.waiting_room.test_draw import REAL_ROUNDS

CASE_COUNT = seeds.examples(10_000)

FOR_EACH_CASE = """
import { createInterface } from "node:readline";
import * as room from "$WEB/waiting-room.js";
const answers = [];
for await (const line of createInterface({ input: process.stdin })) {
  answers.push(JSON.stringify(await answer(JSON.parse(line))));
}
process.stdout.write(answers.join("\\n"));
"""
COMPUTE_STATUS = (
    FOR_EACH_CASE
    + """
async function answer({ state, token, now }) {
  const tracker = await room.trackPosition(state, token);
  return tracker.statusAt(now);
}
"""
)


def as_json(state: RoomState):
    """The state as a client gets it."""
    return msgspec.json.decode(msgspec.json.encode(state))


@pytest.mark.slow
def test_client_and_server_agree_on_thousands_of_random_cases():
    rng = random.Random(4)
    cases, expected = [], []
    while len(cases) < CASE_COUNT:
        state = random_rooms.random_room(rng)
        n = state.n if state.n is not None else state.total
        document = as_json(state)
        for _ in range(10):
            arrival, now = random_rooms.random_arrival(rng, state, n), random_rooms.random_time(rng, state)
            if state.n is None and arrival.is_late:
                continue
            cases.append({"state": document, "token": tokens.sign_arrival(arrival), "now": now + rng.choice([0, 0.75])})
            expected.append(msgspec.to_builtins(views.status_view(state, arrival, now)))
    statuses = javascript.run_module(COMPUTE_STATUS, cases)
    differences = [(case, client, server) for case, client, server in zip(cases, statuses, expected, strict=True) if client != server]
    assert differences[:1] == []
    # Every kind of status occurs many times, so that the comparison is worth something.
    kinds = Counter(
        (
            status["state"],
            status["paused"],
            status["position"] is None,
            status["can_enter"],
            status["pass_expired"],
            status["eta_seconds"] is None,
        )
        for status in expected
    )
    assert sum(count > CASE_COUNT / 200 for count in kinds.values()) >= 9, kinds
    assert sum((status["position"] or 0) > 1 << 31 for status in expected) > CASE_COUNT / 20


def test_client_and_server_compute_the_same_permutation_for_every_size():
    rng = random.Random(5)
    sizes = [*range(1, 60), 99, 100, 101, 9_999, 10_000, 10_001, 65_536, 2**31 - 1, 2**31, 2**32 + 1, 2**40 - 1, 2**40]
    cases = [{"key": rng.randbytes(32).hex(), "n": n, "number": number} for n in sizes for number in {0, n // 2, n - 1}]
    permute = """
const answer = ({ key, n, number }) => room.permute(Uint8Array.from(Buffer.from(key, "hex")), n, number);
"""
    expected = [draw.permute(bytes.fromhex(case["key"]), case["n"], case["number"]) for case in cases]
    assert javascript.run_module(permute + FOR_EACH_CASE, cases) == expected


def test_a_tracker_gets_its_position_at_the_draw_and_keeps_it():
    rng, key = random.Random(6), bytes(range(32))
    opened = msgspec.structs.replace(
        random_rooms.random_room(rng), room=1, commitment=draw.commitment(key), key=key.hex(), n=3, total=3, offsets=[0], stopped=None
    )
    before_opening = msgspec.structs.replace(opened, key=None, n=None)
    arrival = Arrival(opened.event_id, 1, "u", 0, 2, random_rooms.OPENS - 50, random_rooms.EXPIRES)
    track = """
async function answer({ states, token, now }) {
  const tracker = await room.trackPosition(states[0], token);
  const results = [];
  for (const state of states) {
    await tracker.update(state);
    results.push([tracker.position, tracker.statusAt(now).position]);
  }
  return results;
}
"""
    position = draw.position(key, 3, (0,), 0, 2)
    states = [as_json(state) for state in (before_opening, opened, opened)]
    case = {"states": states, "token": tokens.sign_arrival(arrival), "now": random_rooms.OPENS}
    assert javascript.run_module(FOR_EACH_CASE + track, [case]) == [[[None, None], *[[position, position]] * 2]]


def test_the_client_compares_the_key_with_the_published_and_the_noted_commitment():
    key, other = bytes(range(32)), bytes(32)
    cases = [
        ({"key": None, "commitment": draw.commitment(key)}, None, True),
        ({"key": None, "commitment": draw.commitment(key)}, draw.commitment(key), True),
        ({"key": None, "commitment": draw.commitment(other)}, draw.commitment(key), False),  # replaced before the opening
        ({"key": key.hex(), "commitment": draw.commitment(key)}, None, True),
        ({"key": key.hex(), "commitment": draw.commitment(key)}, draw.commitment(key), True),
        ({"key": other.hex(), "commitment": draw.commitment(key)}, None, False),
        ({"key": other.hex(), "commitment": draw.commitment(key)}, draw.commitment(key), False),
        ({"key": other.hex(), "commitment": draw.commitment(other)}, draw.commitment(key), False),
    ]
    code = "const answer = ({ state, noted }) => room.isCommitmentKept(state, noted);"
    kept = javascript.run_module(code + FOR_EACH_CASE, [{"state": state, "noted": noted} for state, noted, _ in cases])
    assert kept == [expected for *_, expected in cases]


def test_the_client_refuses_bad_tokens_with_the_servers_codes():
    state = msgspec.structs.replace(random_rooms.random_room(random.Random(7)), room=2, key=None, n=None)
    arrival = Arrival(state.event_id, 2, "u", 0, 1, random_rooms.OPENS - 50, random_rooms.EXPIRES)
    expected_codes = {
        "not-a-token": "token_unknown",
        "": "token_unknown",
        "e30.AA": "token_unknown",
        "bnVsbA.AA": "token_unknown",
        tokens.sign_arrival(msgspec.structs.replace(arrival, event_id="another")): "token_unknown",
        tokens.sign_arrival(msgspec.structs.replace(arrival, room=1)): "waiting_room_cleared",
        tokens.sign_arrival(msgspec.structs.replace(arrival, room=3)): "state_outdated",
        tokens.sign_arrival(msgspec.structs.replace(arrival, counter=LATE)): "state_outdated",
        tokens.sign_arrival(arrival): None,
    }
    code = """
const answer = ({ state, token }) => room.trackPosition(state, token).then(() => null, (error) => error.code ?? String(error));
"""
    assert javascript.run_module(code + FOR_EACH_CASE, [{"state": as_json(state), "token": token} for token in expected_codes]) == list(
        expected_codes.values()
    )


CHECK_BEACON = (
    FOR_EACH_CASE
    + """
import { checkBeacon } from "$WEB/src/beacon-proof.ts";
async function answer({ proof, state }) {
  return { verdict: await checkBeacon(proof, state) };
}
"""
)


def _beacon_case(*, delay=5, number=1000, shown=None, listed=True, **changes):
    """The proof and the state of a draw with the real round 1000. The state also says `shown`, and the proof `changes`."""
    chain = draw.QUICKNET
    closes_at = draw.round_time(chain, 1000) - draw.ROUND_SECONDS_AFTER_CLOSING
    proven = {"chain": chain.hash, "public_key": chain.public_key, "genesis": chain.genesis, "period": chain.period, "round": number}
    proven |= {"signature": REAL_ROUNDS[number], **changes}
    randomness = draw.beacon_randomness(bytes.fromhex(proven["signature"] or "")).hex()
    state = {"beacon": {"chain": proven["chain"], "round": number, "randomness": randomness} | (shown or {})}
    entries = {"published_at": views.clock.iso(closes_at + delay)} if listed else None
    return {"proof": {"beacon": proven, "closes_at": views.clock.iso(closes_at), "entries": entries}, "state": state}


def test_the_page_checks_the_round_of_the_beacon_and_its_signature():
    expected = [
        (_beacon_case(), "right"),
        (_beacon_case(number=1001), "wrong"),  # does not follow from the times
        (_beacon_case(delay=31), "wrong"),  # the list was published too late for this round
        (_beacon_case(signature=REAL_ROUNDS[1001]), "wrong"),
        (_beacon_case(signature="9" + REAL_ROUNDS[1000][1:]), "wrong"),  # the opposite point
        (_beacon_case(signature="c0" + "00" * 47), "wrong"),
        (_beacon_case(signature="00"), "wrong"),
        (_beacon_case(shown={"randomness": "00" * 32}), "wrong"),
        (_beacon_case(shown={"round": 1001}), "wrong"),
        (_beacon_case(shown={"chain": "ab" * 32}), "wrong"),
        (_beacon_case(public_key="00" * 96), "wrong"),
        (_beacon_case(genesis=draw.QUICKNET.genesis + 3), "wrong"),
        (_beacon_case(chain="ab" * 32), "other"),
        (_beacon_case(signature=None), None),
        (_beacon_case(listed=False), None),
    ]
    verdicts = javascript.run_module(CHECK_BEACON, [case for case, _ in expected])
    assert [verdict["verdict"] for verdict in verdicts] == [verdict for _, verdict in expected]
