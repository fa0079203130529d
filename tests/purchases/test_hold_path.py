"""How many functions of the product lie between a route and the write of a hold: each one costs a reader a jump."""

import traceback
from pathlib import Path

import pytest

import chalicelib
from tests import builders, shops
from tests.simulation.interception import Listener, intercept

ROOT = Path(chalicelib.__file__).parent
MIDDLEWARE = ["error_replies.reshape_errors", "cors.answer_preflights"]  # of every request, before its route
TO_THE_HOLD = [
    "reservations.reserve",
    "hold_recovery.hold_for_buyer",
    "allocation.hold_tickets",
    "store.hold_in_shard",
    "dynamo.write",
]


class HoldPath(Listener):
    """The functions of the product, as `module.function`, that are running when a hold is written."""

    def __init__(self):
        self.functions = []

    def before(self, call):
        if call.tables[0].endswith("inventory"):
            frames = [(Path(frame.filename), frame.name) for frame in traceback.extract_stack()]
            own = [(path.stem, name) for path, name in frames if path.is_relative_to(ROOT)]
            self.functions = [f"{module}.{name}" for module, name in own]


def order(api, shop):
    return builders.order(api, "ada", shop.event_id, {shop.floor: 2})


def purchase_package(api, shop):
    body = {"package_id": shop.floor, "quantity": 2}
    return api.post(f"/events/{shop.event_id}/tickets/purchase", json=body, user="ada", headers={"Idempotency-Key": "key"})


@pytest.mark.parametrize(
    ("buy", "front"),
    [
        (lambda api, shop: shop.reserve("ada", floor=2), ["api.reserve", "idempotency.execute_once", "api.execute"]),
        (order, ["api.create_order", "idempotency.execute_once", "api.execute", "orders.create_order"]),
        (purchase_package, ["api.purchase_package", "idempotency.execute_once", "api.execute", "orders.create_order"]),
    ],
    ids=["reservation", "order", "package"],
)
def test_at_most_ten_functions_lead_from_a_route_to_the_write_of_a_hold(api, time, buy, front):
    with shops.isolated_shop(api) as shop, intercept(path := HoldPath()):
        assert buy(api, shop).status == 201
    functions = ["routes.handle", *front, *TO_THE_HOLD]
    assert path.functions == [*MIDDLEWARE, *functions]
    assert len(functions) <= 10
