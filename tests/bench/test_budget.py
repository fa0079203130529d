"""The cost of each path that a drop uses, as exact numbers: round trips, and capacity units by DynamoDB's rules, including indexes."""

import pytest

from chalicelib.foundation import clock, settings
from chalicelib.inventory import store as stock
from chalicelib.inventory.model import MAX_HOLDS
from chalicelib.purchases import store
from tests import builders, shops
from tests.simulation import capacity
from tests.simulation.call_log import record_calls


@pytest.fixture
def shop(api, time):
    with shops.isolated_shop(api) as shop:
        shop.reserve("first", floor=1)  # fills all caches
        yield shop


def cost(request, status=201):
    """(round trips, read units, write units) of a request, whose reply must have this status."""
    with record_calls(measured=True) as log:
        assert request().status == status
    return log.round_trips, *log.capacity


def continue_on(instance):
    """Let the same instance go on with a purchase, or another one, which has not written it; its caches are full too."""
    if instance == "another":
        store._copies.forget()


def test_reserve_takes_two_round_trips_and_five_units(api, shop):
    """The hot item: 1. The purchase and the buyer's record, in a transaction: 2 each."""
    with record_calls("reserve", measured=True) as log:
        builders.reserve(api, "ada", shop.event_id, shop.floor, 2)
    assert log.names == ["UpdateItem", "TransactWriteItems"]
    assert [entry.write_units for entry in log.entries] == [1, 4]
    assert (log.round_trips, log.capacity) == (2, (0, 5))


def test_an_idempotency_key_costs_a_claim_and_an_answer(api, shop):
    body, key = {"tier_id": shop.floor, "quantity": 2}, {"Idempotency-Key": "k"}
    path = f"/events/{shop.event_id}/reservations"
    assert cost(lambda: api.post(path, json=body, user="ada", headers=key)) == (4, 0, 7)
    assert cost(lambda: api.post(path, json=body, user="ada", headers=key), 200) == (1, 0, 1)


def test_a_second_tier_costs_one_hold_more(shop):
    assert cost(lambda: shop.reserve("ada", floor=2, balcony=1)) == (3, 0, 6)


def test_the_capacity_of_an_event_costs_one_hold_and_one_conversion_more(api, time):
    with shops.isolated_shop(api, 5) as shop:
        shop.reserve("first", floor=1)
        assert cost(lambda: shop.reserve("ada", floor=2)) == (3, 0, 6)
        purchase_id = api.get(f"/events/{shop.event_id}/reservations", user="ada").json["id"]
        builders.start_checkout(api, "ada", purchase_id)
        with record_calls("confirm") as log:
            assert builders.confirm(api, "ada", purchase_id).status == 201
        assert log.names == ["TransactWriteItems", "UpdateItem", "UpdateItem"]


def test_a_known_sold_out_event_holds_nothing_of_its_tiers(api, time):
    with shops.isolated_shop(api, 5) as shop:
        time.advance(3)  # what is read in the second of a change of the catalog refuses nobody
        shop.warm_up()
        shop.reserve("bob", floor=4)
        shop.reserve("eve", floor=1)
        assert shop.reserve("ada", balcony=2).status == 409
        for number in range(3):
            assert cost(lambda number=number: shop.reserve(f"late-{number}", balcony=1), 409) == (1, 1, 0)


def test_sold_out_costs_one_write_and_one_read(shop):
    """The read: of the buyer's record, because the buyer may have the missing tickets."""
    shop.reserve("bob", balcony=4)
    assert cost(lambda: shop.reserve("ada", balcony=2), 409) == (2, 1, 1)


def test_when_an_instance_knows_that_all_is_sold_a_refusal_costs_one_read(shop):
    shop.reserve("bob", balcony=4)
    shop.reserve("ada", balcony=2)
    for number in range(3):
        assert cost(lambda number=number: shop.reserve(f"late-{number}", balcony=1), 409) == (1, 1, 0)


def test_details_of_buyers_cost_one_write_and_the_confirm_one_read(api, shop):
    reservation_id = builders.reserve(api, "ada", shop.event_id, shop.floor, 1).json["id"]
    responses = {"diet": "none"}
    assert cost(lambda: builders.start_checkout(api, "ada", reservation_id, responses=responses)) == (1, 0, 4)
    assert cost(lambda: builders.confirm(api, "ada", reservation_id)) == (3, 1, 13)
    assert cost(lambda: api.get(f"/orders/{reservation_id}", user="ada"), 200) == (3, 3, 0)


@pytest.mark.parametrize(("instance", "reads"), [("same", 0), ("another", 1)])
def test_checkout_takes_one_write_and_a_read_on_another_instance(api, shop, instance, reads):
    """The key is a part of the write. The instance that has reserved knows the purchase."""
    reservation_id = builders.reserve(api, "ada", shop.event_id, shop.floor, 2).json["id"]
    continue_on(instance)
    assert cost(lambda: builders.start_checkout(api, "ada", reservation_id)) == (1 + reads, reads, 1)
    assert cost(lambda: builders.start_checkout(api, "ada", reservation_id), 200) == (1, 1, 0)


@pytest.mark.parametrize(("limits", "reads"), [({}, 1), ({"max_total_uses": 50, "max_uses_per_donor": 2}, 2)])
def test_a_promo_code_costs_its_read_a_hold_and_a_conversion(api, shop, limits, reads):
    """The code, and where it is limited for each buyer their record: 1 each. The use: 1 when it is held, 1 when it is paid."""
    builders.create_promo_code(api, shop.event_id, **limits)
    reservation_id = builders.reserve(api, "ada", shop.event_id, shop.floor, 2).json["id"]
    assert cost(lambda: builders.start_checkout(api, "ada", reservation_id, promo_code="SAVE")) == (2 + reads, reads, 2)
    with record_calls("confirm", measured=True) as log:
        assert builders.confirm(api, "ada", reservation_id).status == 201
    assert log.names == ["TransactWriteItems", "UpdateItem", "UpdateItem"]
    assert log.capacity == (0, 16)


def test_an_order_in_one_call_costs_its_two_steps_and_its_key(api, shop):
    """The hold: 1. The purchase and the buyer's record: 2 each. The checkout: 1. The key: its claim, and its answer of over 1 KB."""
    with record_calls("order", measured=True) as log:
        assert builders.order(api, "ada", shop.event_id, {shop.floor: 2}).status == 201
    assert log.names == ["PutItem", "UpdateItem", "TransactWriteItems", "UpdateItem", "UpdateItem"]
    assert (log.round_trips, log.capacity) == (5, (0, 9))
    assert cost(lambda: builders.order(api, "ada", shop.event_id, {shop.floor: 2}), 200) == (1, 0, 2)


def test_a_page_of_orders_takes_two_round_trips(api, shop):
    for number in range(3):
        builders.order(api, "ada", shop.event_id, {shop.floor: 1}, key=str(number))
        builders.confirm(api, "ada", api.get("/orders", user="ada").json["orders"][0]["id"])
    assert cost(lambda: api.get("/orders", user="ada"), 200) == (2, 4, 0)


def test_a_check_in_takes_a_read_and_a_transaction(api, shop, time):
    """The ticket and the audit entry, in a transaction: 2 each. A new key in the ticket's index by event: 2. The audit's indexes: 3."""
    ticket = builders.buy(api, "ada", shop.event_id, shop.floor).json["tickets"][0]
    time.advance(30 * 86_400 - 3600)
    shop.warm_up()
    scan = lambda: api.post(f"/tickets/{ticket['id']}/validate", token=builders.admin_token())  # noqa: E731
    assert cost(scan, 200) == (2, 1, 9)
    assert cost(scan, 409) == (1, 1, 0)


def test_a_transfer_takes_a_read_and_a_write_on_each_side(api, shop, time):
    """Accepted: the ticket, the records of both owners, the new owner's address and the audit entry, in a transaction: 2 each. New keys in
    the ticket's two indexes: 2 each. The audit's indexes: 3."""
    ticket = builders.buy(api, "ada", shop.event_id, shop.floor).json["tickets"][0]
    offer = lambda: api.post(f"/tickets/{ticket['id']}/transfer", user="ada")  # noqa: E731
    assert cost(offer) == (2, 1, 1)
    token = offer().json["token"]
    time.advance(1)
    shop.warm_up()
    assert cost(lambda: api.post(f"/transfers/{token}/accept", user="bob")) == (2, 1, 17)


@pytest.mark.parametrize(("instance", "reads"), [("same", 0), ("another", 1)])
@pytest.mark.parametrize(("quantity", "units"), [(1, 11), (2, 15), (4, 23)])
def test_confirm_takes_two_writes_and_a_read_on_another_instance(api, shop, quantity, units, instance, reads):
    """The purchase, the buyer's record, the ledger and each ticket, in a transaction: 2 each. The hot item, each index of a ticket: 1."""
    reservation_id = builders.reserve(api, "ada", shop.event_id, shop.floor, quantity).json["id"]
    builders.start_checkout(api, "ada", reservation_id)
    continue_on(instance)
    with record_calls("confirm", measured=True) as log:
        assert builders.confirm(api, "ada", reservation_id).status == 201
    assert log.names == [*(["GetItem"] * reads), "TransactWriteItems", "UpdateItem"]
    assert (log.round_trips, log.capacity) == (2 + reads, (reads, units))
    assert cost(lambda: builders.confirm(api, "ada", reservation_id), 200) == (2, 1 + quantity, 0)


@pytest.mark.parametrize(
    ("quantity", "instance", "trips", "reads", "units"),
    [(1, "same", 5, 0, 17), (1, "another", 7, 2, 17), (2, "same", 5, 0, 21), (2, "another", 7, 2, 21)],
)
def test_a_whole_purchase_with_key_and_rate_limits(api, shop, quantity, instance, trips, reads, units):
    with settings.override(rate_limits="on"), record_calls("purchase", measured=True) as log:
        reservation_id = builders.reserve(api, "ada", shop.event_id, shop.floor, quantity).json["id"]
        continue_on(instance)
        assert builders.start_checkout(api, "ada", reservation_id, key="key").status == 201
        continue_on(instance)
        assert builders.confirm(api, "ada", reservation_id).status == 201
    assert (log.round_trips, log.capacity) == (trips, (reads, units))


@pytest.mark.parametrize(("dates", "valid_on"), [(60, 1), (60, 3), (60, 60)])
def test_the_capacities_of_dates_cost_a_purchase_nothing(api, time, dates, valid_on):
    """Neither a ticket for one date nor a pass for all 60 of them takes anything from a stock of these dates."""
    with shops.isolated_shop(api) as shop:
        entries = [{"id": f"d{n}", "starts_at": clock.iso(time.now + (10 + n) * 86_400), "capacity": 14} for n in range(dates)]
        assert api.patch(f"/events/{shop.event_id}", json={"dates": entries}, token=builders.admin_token()).status == 200
        fields = {"date_ids": [date["id"] for date in entries[:valid_on]]}
        assert api.patch(f"/tiers/{shop.floor}", json=fields, token=builders.admin_token()).status == 200
        time.advance(3)  # the former catalog is no longer in use
        shop.reserve("first", floor=1)  # fills all caches
        test_a_whole_purchase_with_key_and_rate_limits(api, shop, 1, "same", 5, 0, 17)


def test_a_join_takes_a_read_and_two_writes(api, time):
    event_id = builders.create_event(api, on_sale_at=clock.iso(time.now + 600), waiting_room={"enabled": True})
    join = lambda user: api.post(f"/events/{event_id}/waiting-room/join", user=user)  # noqa: E731
    join("first")  # fills all caches
    with settings.override(rate_limits="on"):
        assert cost(lambda: join("ada"), 200) == (3, 1, 3)  # the list of entries has an index
        assert cost(lambda: join("ada"), 200) == (2, 1, 1)


@pytest.mark.parametrize(("tickets_per_hold", "largest", "mean_units"), [(1, 4001, 2.5), (2, 2041, 1.525), (4, 1061, 1.05)])
def test_the_units_of_a_hold_until_a_shard_is_sold_out(tickets_per_hold, largest, mean_units):
    """All tickets of a shard are held before the first is paid, in purchases of one, two or four tickets."""
    shard = stock.new_shard("01J0000000000000000000000A#1249", capacity=MAX_HOLDS, sold=0, is_open=True)
    sizes = []
    for number in range(MAX_HOLDS // tickets_per_hold):
        shard.holds[f"01J00000000000000000000{number:03}.0123abcd"] = tickets_per_hold, 1780315380
        sizes.append(capacity.item_size(shard.serialize()))
    assert sizes[-1] == largest
    assert sum(-(-size // 1024) for size in sizes) / len(sizes) == mean_units
