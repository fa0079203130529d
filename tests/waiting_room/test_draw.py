"""The draw of a real sale: its commitment, and one position for each arrival."""

import random
from collections import Counter
from hashlib import sha256

import pytest

from chalicelib.foundation import settings
from chalicelib.waiting_room import draw
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, join_many


def test_the_key_is_secret_until_the_opening_and_fits_its_commitment(api, time, sale):
    event_id, _ = sale
    before = api.get(f"/events/{event_id}/waiting-room/proof").json
    assert (before["opened"], before["key"], before["n"]) == (False, None, None)
    assert api.get(f"/events/{event_id}/waiting-room/state").json["key"] is None
    join_many(api, event_id, 5)
    time.advance(SECONDS_TO_OPENING)
    after = api.get(f"/events/{event_id}/waiting-room/proof").json
    assert after["commitment"] == before["commitment"] == sha256(bytes.fromhex(after["key"])).hexdigest()
    assert (after["opened"], after["n"], after["offsets"]) == (True, 5, [0])


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_two_thousand_arrivals_get_the_positions_from_1_to_2000(api, time):
    with settings.override(waiting_room_counters=4):
        event_id, _ = create_sale(api, time, wave_size=100)
        random.seed(7)
        tokens = join_many(api, event_id, 2000)
        time.advance(SECONDS_TO_OPENING)
        positions = Counter(get_status(api, event_id, token)["position"] for token in tokens.values())
    assert positions == Counter(range(1, 2001))


# Rounds of drand's quicknet, as its mirrors returned them.
REAL_ROUNDS = {
    1000: "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39",
    1001: "b33bf3667cbd5a82de3a24b4e0e9fe5513cc1a0e840368c6e31f5fcfa79bea03f73896b25883abf2853d10337fb8fa41",
    1002: "ab066f9c12dd6de1336fca0f925192fb0c72a771c3e4c82ede1fd362c1a770f9eb05843c6308ce2530b53a99c0281a6e",
    1003: "b104c82771698f45fd8dcfead083d482694c31ab519bcef077f126f3736fe98c8392fd5d45d88aeb76b56ccfcb0296d7",
}


@pytest.mark.parametrize("number", REAL_ROUNDS)
def test_real_rounds_of_the_beacon_are_verified(number):
    assert draw.is_signed(draw.QUICKNET, number, bytes.fromhex(REAL_ROUNDS[number]))


def test_the_randomness_of_a_round_is_the_hash_of_its_signature():
    randomness = draw.beacon_randomness(bytes.fromhex(REAL_ROUNDS[1000]))
    assert randomness.hex() == "fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd"


@pytest.mark.parametrize(
    "signature",
    [
        REAL_ROUNDS[1001],  # of another round
        "9" + REAL_ROUNDS[1000][1:],  # the opposite point
        REAL_ROUNDS[1000][:-1] + "8",
        "c0" + "00" * 47,  # the point at infinity
        REAL_ROUNDS[1000][:-2],
        REAL_ROUNDS[1000] + "00",
        "00" * 48,
        "ff" * 48,
        "",
    ],
)
def test_other_signatures_are_refused(signature):
    assert not draw.is_signed(draw.QUICKNET, 1000, bytes.fromhex(signature))


def test_a_signature_of_another_chain_is_refused():
    test_net = (  # quicknet-t
        "b15b65b46fb29104f6a4b5d1e11a8da6344463973d423661bb0804846a0ecd1ef93c25057f1c0baab2ac53e56c662b66"
        "072f6d84ee791a3382bfb055afab1e6a375538d8ffc451104ac971d2dc9b168e2d3246b0be2015969cbaac298f6502da"
    )
    other = draw.QUICKNET._replace(public_key=test_net)
    assert not draw.is_signed(other, 1000, bytes.fromhex(REAL_ROUNDS[1000]))


def test_rounds_follow_from_the_time():
    chain = draw.QUICKNET
    assert draw.round_time(chain, 1000) == 1_692_806_364
    assert [draw.first_round(chain, 1_692_806_364 + late) for late in (-3, -2, 0, 1, 3)] == [999, 1000, 1000, 1001, 1001]
    assert draw.first_round(chain, 0) == 1
    for closes_at in range(1_692_806_000, 1_692_806_007):
        number = draw.round_of_draw(chain, closes_at, closes_at + 2)
        assert closes_at + 70 <= draw.round_time(chain, number) < closes_at + 73
        late = draw.round_of_draw(chain, closes_at, closes_at + 400)
        assert closes_at + 440 <= draw.round_time(chain, late) < closes_at + 443


def test_the_seed_depends_on_the_key_and_on_the_round():
    key, randomness = bytes(range(32)), draw.beacon_randomness(bytes.fromhex(REAL_ROUNDS[1000]))
    seeds = {key, draw.seed(key, randomness), draw.seed(randomness, key), draw.seed(key, bytes(32)), sha256(key + randomness).digest()}
    assert len(seeds) == 5
