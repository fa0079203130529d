"""The fake beacon: it serves the rounds of its own chain as a mirror of drand does, and no round before its time."""

import json
from collections.abc import Iterator
from hashlib import sha256
from http.client import HTTPConnection

import pytest

from chalicelib.waiting_room import draw
from devtools.beacon import GENESIS, HOST, PERIOD, FakeBeacon

NUMBER = 1000
DUE_AT = GENESIS + (NUMBER - 1) * PERIOD


class Clock:
    now = DUE_AT


@pytest.fixture
def beacon() -> Iterator[FakeBeacon]:
    with FakeBeacon(now=lambda: Clock.now) as started:
        yield started


def request(beacon: FakeBeacon, path: str) -> tuple[int, dict[str, object]]:
    connection = HTTPConnection(HOST, int(beacon.url.rpartition(":")[2]), timeout=60)
    connection.request("GET", path)
    reply = connection.getresponse()
    content = json.loads(reply.read())
    connection.close()
    return reply.status, content


def test_a_round_has_the_signature_of_the_chain(beacon: FakeBeacon) -> None:
    status, content = request(beacon, f"/{beacon.hash}/public/{NUMBER}")
    signature = bytes.fromhex(str(content["signature"]))
    assert (status, content["round"], content["randomness"]) == (200, NUMBER, sha256(signature).hexdigest())
    chain = draw.parse_chain(beacon.chain)
    assert draw.is_signed(chain, NUMBER, signature)
    assert not draw.is_signed(chain, NUMBER + 1, signature)
    assert draw.round_time(chain, NUMBER) == DUE_AT


@pytest.mark.parametrize(
    "path", [f"/{{}}/public/{NUMBER + 1}", "/{}/public/0", "/{}/public/latest", "/{}/info", f"/{'ab' * 32}/public/{NUMBER}"]
)
def test_rounds_that_are_not_due_and_other_chains_are_unknown(beacon: FakeBeacon, path: str) -> None:
    assert request(beacon, path.format(beacon.hash)) == (404, {})


def test_the_chain_is_the_same_in_each_run_and_is_not_the_public_one(beacon: FakeBeacon) -> None:
    with FakeBeacon() as again:
        assert again.chain == beacon.chain
        assert again.url != beacon.url
    with FakeBeacon(secret=7) as other:
        assert other.hash not in (beacon.hash, draw.QUICKNET.hash)
