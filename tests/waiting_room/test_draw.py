"""The draw of a real sale: its commitment, and one position for each arrival."""

import random
from collections import Counter
from hashlib import sha256

import pytest

from chalicelib.foundation import settings
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
