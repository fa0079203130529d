"""web/waiting-room.js and the server tell everybody the same, out of the public document and the token."""

import random
from collections import Counter

import msgspec
import pytest

from chalicelib.waiting_room import draw, permutation, service, tokens
from chalicelib.waiting_room.model import LATE, Arrival, RoomState
from tests import javascript
from tests.waiting_room import random_rooms

CASES = 10_000

EACH = """
import { createInterface } from "node:readline";
import * as room from "$WEB/waiting-room.js";
const answers = [];
for await (const line of createInterface({ input: process.stdin })) {
  const given = JSON.parse(line);
  answers.push(JSON.stringify(await answer(given)));
}
process.stdout.write(answers.join("\\n"));
"""
SHOWN = (
    EACH
    + """
async function answer({ state, token, now }) {
  const tracker = await room.trackPosition(state, token);
  return tracker.statusAt(now);
}
"""
)


def plain(state: RoomState):
    return msgspec.json.decode(msgspec.json.encode(state))


@pytest.mark.no_cover
def test_client_and_server_agree_on_ten_thousand_random_cases():
    rng = random.Random(4)
    cases, expected = [], []
    while len(cases) < CASES:
        state = random_rooms.random_room(rng)
        n = state.n if state.n is not None else state.total
        document = plain(state)
        for _ in range(10):
            arrival, now = random_rooms.random_arrival(rng, state, n), random_rooms.random_time(rng, state)
            if state.n is None and arrival.counter == LATE:
                continue
            cases.append({"state": document, "token": tokens.sign_arrival(arrival), "now": now + rng.choice([0, 0.75])})
            expected.append(service.status_view(state, arrival, now))
    seen = javascript.run_module(SHOWN, cases)
    wrong = [(case, client, server) for case, client, server in zip(cases, seen, expected, strict=True) if client != server]
    assert wrong[:1] == []
    # The cases are worth something: every kind of answer is among them, many times.
    kinds = Counter(
        (one["state"], one["paused"], one["position"] is None, one["canEnter"], one["passExpired"], one["etaSeconds"] is None)
        for one in expected
    )
    assert sum(count > 50 for count in kinds.values()) >= 9, kinds
    assert sum(one["position"] is not None and one["position"] > 1 << 31 for one in expected) > 500


def test_client_and_server_draw_alike_for_every_size():
    rng = random.Random(5)
    sizes = [*range(1, 60), 99, 100, 101, 9_999, 10_000, 10_001, 65_536, 2**31 - 1, 2**31, 2**32 + 1, 2**40 - 1, 2**40]
    cases = [{"key": rng.randbytes(32).hex(), "n": n, "number": number} for n in sizes for number in {0, n // 2, n - 1}]
    permute = """
const answer = ({ key, n, number }) => room.permute(Uint8Array.from(Buffer.from(key, "hex")), n, number);
"""
    expected = [permutation.permute(bytes.fromhex(case["key"]), case["n"], case["number"]) for case in cases]
    assert javascript.run_module(permute + EACH, cases) == expected


def test_one_place_follows_the_room_from_the_gathering_to_the_pass():
    rng, key = random.Random(6), bytes(range(32))
    opened = msgspec.structs.replace(
        random_rooms.random_room(rng), room=1, commitment=draw.commitment(key), key=key.hex(), n=3, total=3, offsets=[0], stopped=None
    )
    gathering = msgspec.structs.replace(opened, key=None, n=None)
    grinded = msgspec.structs.replace(opened, key=bytes(32).hex())
    arrival = Arrival(opened.event_id, 1, "u", 0, 2, random_rooms.OPENS - 50, random_rooms.UNTIL)
    follow = """
async function answer({ states, token, now }) {
  const tracker = await room.trackPosition(states[0], token);
  const seen = [];
  for (const state of states) {
    await tracker.update(state);
    seen.push([tracker.position, tracker.commitmentKept, tracker.statusAt(now).position]);
  }
  return seen;
}
"""
    position = draw.position(key, 3, [0], 0, 2)
    cases = [
        {"states": [plain(gathering), plain(second), plain(second)], "token": tokens.sign_arrival(arrival), "now": random_rooms.OPENS}
        for second in (opened, grinded)
    ]
    honest, caught = javascript.run_module(EACH + follow, cases)
    assert honest == [[None, None, None], *[[position, True, position]] * 2]
    assert [kept for _, kept, _ in caught] == [None, False, False]


def test_tokens_without_a_place_are_refused_by_the_client_with_the_servers_codes():
    state = msgspec.structs.replace(random_rooms.random_room(random.Random(7)), room=2, key=None, n=None)
    arrival = Arrival(state.event_id, 2, "u", 0, 1, random_rooms.OPENS - 50, random_rooms.UNTIL)
    given = {
        "rubbish": "token_unknown",
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
    assert javascript.run_module(code + EACH, [{"state": plain(state), "token": token} for token in given]) == list(given.values())
