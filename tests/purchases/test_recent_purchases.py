"""The purchases that an instance has just written: for their buyer, once, for a short time, and not too many."""

import pytest

from chalicelib.purchases import store
from chalicelib.purchases.model import Purchase
from chalicelib.purchases.store import MAX_AGE_SECONDS, keep_copy, take_copy

NOW = 1000

pytestmark = pytest.mark.usefixtures("_new_instance")


@pytest.fixture
def _new_instance():
    store._copies.forget()
    yield
    store._copies.forget()


def purchase(purchase_id="p", version=1):
    return Purchase(
        id=purchase_id,
        user_id="ada",
        event_id="e",
        state="held",
        version=version,
        lines=[],
        currency="USD",
        created_at=NOW,
        expires_at=2000,
    )


def test_a_copy_is_taken_once():
    keep_copy(purchase(), NOW)
    assert take_copy("ada", "p", NOW) == purchase()
    assert take_copy("ada", "p", NOW) is None


def test_the_newest_copy_counts():
    keep_copy(purchase(), NOW)
    keep_copy(purchase(version=2), NOW)
    assert take_copy("ada", "p", NOW).version == 2


def test_a_copy_is_for_its_buyer_alone():
    keep_copy(purchase(), NOW)
    assert take_copy("bob", "p", NOW) is None
    assert take_copy("ada", "p", NOW) is not None


@pytest.mark.parametrize(("seconds", "is_there"), [(-1, False), (0, True), (MAX_AGE_SECONDS - 1, True), (MAX_AGE_SECONDS, False)])
def test_a_copy_is_good_for_a_short_time(seconds, is_there):
    keep_copy(purchase(), NOW)
    assert (take_copy("ada", "p", NOW + seconds) is not None) == is_there


def test_above_the_maximum_the_oldest_copy_goes():
    for number in range(store._copies.max_entries + 1):
        keep_copy(purchase(f"p{number}"), NOW)
    assert take_copy("ada", "p0", NOW) is None
    assert take_copy("ada", "p1", NOW) is not None
