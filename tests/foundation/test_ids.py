"""A use of an Idempotency-Key: what repeats it, and for how long."""

import pytest

from chalicelib.foundation.ids import IdempotencyConflict, KeyUse

FIRST = KeyUse("key", "payload")


@pytest.mark.parametrize(("other", "is_same"), [(None, False), (KeyUse("another", "payload"), False), (FIRST, True)])
def test_only_the_same_key_repeats_a_request(other, is_same):
    assert FIRST.repeats(other, 1000, 1000) is is_same


def test_the_same_key_with_another_payload_is_refused():
    with pytest.raises(IdempotencyConflict):
        KeyUse("key", "another").repeats(FIRST, 1000, 1000)


def test_a_use_is_forgotten_after_its_time():
    assert FIRST.repeats(FIRST, 1000, 1000 + 86_399)
    assert not FIRST.repeats(FIRST, 1000, 1000 + 86_400)
    assert not KeyUse("key", "another").repeats(FIRST, 1000, 1000 + 86_400)
