"""The invariants fail on wrong data. Otherwise, tests that end with the invariants would prove nothing."""

import re

import pytest
from msgspec.structs import replace

from chalicelib.dynamodb import dynamo
from chalicelib.inventory.store import ShardRow
from chalicelib.promotions import service as promotions
from chalicelib.promotions.service import PromoCodeRow
from chalicelib.purchases.store import BuyerRow
from chalicelib.tickets import service as tickets
from chalicelib.tickets.store import GuestRow, TicketRow
from tests import builders, invariants


@pytest.fixture
def order_id(api, time) -> str:
    """An order of two tickets with four seats each, bought with a promo code. The first seat has a guest."""
    event_id, tier_id = builders.create_shop(api, admits=4)
    builders.create_promo_code(api, event_id, max_total_uses=5)
    order_id = builders.buy(api, "ada", event_id, tier_id, 2, promo_code="SAVE").json["order"]["id"]
    assert api.put(f"/seats/{order_id}-1.1/guest", json={"name": "Bob"}, user="ada").status == 200
    invariants.check(time.now)
    return order_id


def change_ticket(order_id, **changes):
    dynamo.update_if(TicketRow(f"{order_id}-1"), TicketRow.set_or_remove(changes), TicketRow.id.exists())


def repeat_code(order_id):
    change_ticket(order_id, code=tickets.get_ticket(f"{order_id}-2").code)


def move_guest(order_id):
    """Move a guest to a seat that the ticket does not have."""
    [guest] = tickets.get_ticket(f"{order_id}-1").guests
    change_ticket(order_id, guests=[replace(guest, seat=5)])


def change_uses(expression):
    """Change the shard that counts the uses of the promo code."""
    [promo_code] = promotions.scan_codes()
    dynamo.client().update_item(
        TableName=ShardRow.name(),
        Key={"id": {"S": f"{promo_code.stock_id}#0"}},
        UpdateExpression=expression,
        ExpressionAttributeValues={":one": {"N": "1"}},
    )


def raise_max_uses(_):
    """Raise the maximum in the promo code only, not in the stock of its uses."""
    [promo_code] = promotions.scan_codes()
    content = replace(promo_code, max_total_uses=6)
    dynamo.update_if(PromoCodeRow(promo_code.event_id, "SAVE"), [PromoCodeRow.content.set(content)], PromoCodeRow.event_id.exists())


def forget_use(_):
    [promo_code] = promotions.scan_codes()
    dynamo.update_if(BuyerRow("ada", promo_code.event_id), [BuyerRow.promo_uses.remove()], BuyerRow.user_id.exists())


BROKEN = {
    "a ticket with fewer seats": (lambda order_id: change_ticket(order_id, admits=3), "paid for 8 seats"),
    "a ticket with more seats": (lambda order_id: change_ticket(order_id, admits=5), "paid for 8 seats"),
    "a ticket that is missing": (lambda order_id: TicketRow(f"{order_id}-2").delete(), "paid for 8 seats"),
    "a guest of a seat that is not there": (move_guest, "has guests of the seats [5]"),
    "a guest without details": (lambda order_id: GuestRow(f"{order_id}-1.1").delete(), "with the details None"),
    "a code of two tickets": (repeat_code, "the code of 2 tickets"),
    "a use that nobody paid": (lambda _: change_uses("SET sold = sold + :one, available = available - :one"), "uses are counted"),
    "a use that is not counted": (lambda _: change_uses("SET sold = sold - :one, available = available + :one"), "uses are counted"),
    "a use that is lost": (lambda _: change_uses("SET available = available - :one"), "it may be used 5 times"),
    "a code with other uses than its stock": (raise_max_uses, "it may be used 6 times"),
    "a use that the buyer's record forgot": (forget_use, "the record's uses of promo codes"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_seen(name, order_id, time):
    break_it, message = BROKEN[name]
    break_it(order_id)
    with pytest.raises(AssertionError, match=re.escape(message)):
        invariants.check(time.now)
