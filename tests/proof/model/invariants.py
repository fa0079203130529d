"""The invariants of the model, in every state and after recovery. Each check returns (invariant, details) or None."""

from tests.proof.model.timeline import format_value
from tests.proof.model.world import ACTIVE, SOLD, Setup, World

Violated = tuple[str, str] | None


def check_state(setup: Setup, world: World) -> Violated:
    """What must be true in every state, also while processes are half done."""
    for number, (shard, capacity) in enumerate(zip(world.shards, setup.capacities, strict=True)):
        parts = shard.available + len(shard.holds) + shard.sold + shard.held_back
        if number == setup.resale:
            if shard.available < 0 or parts != len(world.listed) + len(_resold(setup, world)):
                return "the resale stock has the tickets that are for resale", f"{shard}, listed {world.listed}"
            continue
        if min(shard.available, shard.sold, shard.held_back) < 0 or parts != capacity:
            return "a shard's numbers add up to its capacity", f"shard {number}: {shard}"
        if number == setup.holdback and world.holdback == "held" and shard.held_back < 1:
            return "nobody can buy what the catalog holds back", f"shard {number}: {shard}"
    expected_sold = expected_pool = expected_uses = 0
    for name, purchase in zip(setup.names, world.purchases, strict=True):
        on_hold = [hold_id in world.shards[shard].holds for shard, hold_id in purchase.all_holds]
        if purchase.state in ACTIVE and not all(on_hold):
            return "an active purchase has its holds", f"{name} is {purchase.state} and lost one of {format_value(purchase.all_holds)}"
        expected_sold += sum(not on_hold[ticket] for ticket in purchase.tickets())
        if world.has_pool and purchase.state in (*ACTIVE, *SOLD):
            if not purchase.pool_holds:
                return "every ticket counts against the event's capacity", f"{name} is {format_value(purchase)}"
            expected_pool += sum(not on_hold[len(purchase.holds) + ticket] for ticket in purchase.tickets())
        if purchase.was_sold and name in setup.with_code:
            expected_uses += not on_hold[-1]
        returned = [*purchase.lost_tickets, *(ticket for refund in purchase.refunds for ticket in refund.numbers)]
        if len(returned) != len(set(returned)):
            return "no ticket is refunded twice", f"{name}: {format_value(purchase)}"
    seats = [place for purchase in world.purchases for place in purchase.places_of(purchase.tickets())]
    if len(seats) != len(set(seats)):
        return "no seat has two valid tickets", format_value(tuple(seats))
    sold, sold_in_pool = (sum(world.shards[number].sold for number in numbers) for numbers in (setup.tier_shards, setup.pool))
    if (sold, sold_in_pool) != (expected_sold, expected_pool):
        details = f"sold {[shard.sold for shard in world.shards]}, paid and not on hold {expected_sold}, in the pool {expected_pool}"
        return "every sold ticket is paid, once", details
    if setup.promo is not None and world.shards[setup.promo].sold != expected_uses:
        return "a promo code is used as often as it was paid with", f"{world.shards[setup.promo].sold} uses, {expected_uses} paid"
    if twice := world.used & _resold(setup, world):
        return "nobody comes in with a ticket that was sold on", str(twice)
    if world.overtaken:
        return "nobody passes those who wait", f"{' '.join(world.overtaken)} took what was kept"
    if len(world.offered) > 1 or (world.entry == "offered") > len(world.offered):
        return "who waits gets one offer", f"offers made: {' '.join(world.offered)}; the entry is {world.entry}"
    for name in setup.with_card:
        payments = zip(setup.payments.items(), world.payments, strict=True)
        paid = [payment for (payment, owner), found in payments if owner == name and found.status == "succeeded"]
        if len(paid) > 1:
            return "no card is charged twice", f"{name} was paid with {' and '.join(paid)}"
    for buyer in world.buyers:
        if buyer.bought > setup.limit or buyer.uses > setup.use_limit:
            return "no buyer is above the limit", f"{buyer}, limits {setup.limit} and {setup.use_limit}"
    for name, payment in zip(setup.payments, world.payments, strict=True):
        succeeded = [refund.number for refund in payment.refunds if refund.status == "succeeded"]
        if len(succeeded) != len(set(succeeded)) or payment.net_received(setup.amount(name)) < 0:
            return "no money is refunded twice", f"{name} is {format_value(payment)}"
    return None


def _resold(setup: Setup, world: World) -> set[tuple[str, int]]:
    """Return the tickets that were sold on: purchase and number."""
    return {
        (name, number)
        for name, purchase in zip(setup.names, world.purchases, strict=True)
        for refund in purchase.refunds
        if refund.is_resale
        for number in refund.numbers
    }


def check_recovered(setup: Setup, world: World) -> Violated:
    """What must be true at the end of recovery, when no process has anything left to do."""
    left = [hold_id for shard in world.shards for hold_id in shard.holds]
    if left:
        return "no hold is left", str(left)
    if world.holdback == "released" or (world.holdback == "complete" and any(shard.held_back for shard in world.shards)):
        return "every release is completed", f"{world.holdback}, {world.shards}"
    valid = {(name, number) for name, purchase in zip(setup.names, world.purchases, strict=True) for number in purchase.tickets()}
    if setup.resale is not None and (
        world.shards[setup.resale].available != len(world.listed) or not set(world.listed) <= valid - world.used
    ):
        return "every ticket for resale can be bought", f"{world.shards[setup.resale]}, listed {world.listed}, used {world.used}"
    return _check_purchases(setup, world) or _check_money(setup, world) or _check_buyers(setup, world)


def _check_purchases(setup: Setup, world: World) -> Violated:
    status = {name: payment.status for name, payment in zip(setup.payments, world.payments, strict=True)}
    in_time = [payment for payment, is_in_time in zip(status, world.paid_in_time, strict=True) if is_in_time]
    paid_in_time = {setup.payments[payment] for payment in in_time if status[payment] == "succeeded"}
    for name, purchase in zip(setup.names, world.purchases, strict=True):
        if purchase.state in ACTIVE:
            return "no purchase stays active", f"{name} is {purchase.state}"
        if purchase.tickets() and name in setup.with_provider and status.get(purchase.paid_by) != "succeeded":
            return "every ticket is paid for", f"{name} is {purchase.state}, its payment {status.get(purchase.paid_by)}"
        had_tickets = purchase.state in SOLD or purchase.dispute == "lost" or any(refund.numbers for refund in purchase.refunds)
        if name in paid_in_time and not had_tickets and not setup.mismatched and not (name in setup.from_resale and _lost_listings(world)):
            return "who pays in time gets tickets", f"{name} is {purchase.state}"
    return None


def _lost_listings(world: World) -> bool:
    """Whether a ticket for resale may have become unsaleable: somebody came in with it, or it was refunded or is disputed."""
    refunds = [refund for purchase in world.purchases for refund in purchase.refunds if refund.numbers and not refund.is_resale]
    return bool(world.used or refunds) or any(payment.dispute for payment in world.payments)


def _check_money(setup: Setup, world: World) -> Violated:
    """What we have of every payment is the price of tickets, or of a refund that the provider refuses."""
    purchases = dict(zip(setup.names, world.purchases, strict=True))
    for (payment_name, name), payment in zip(setup.payments.items(), world.payments, strict=True):
        if payment.status != "succeeded":
            continue
        purchase = purchases[name]
        refunds = [refund for refund in purchase.refunds if refund.payment == payment_name]
        waiting = [refund.amount for refund in refunds if refund.status == ("stuck" if payment.dispute == "lost" else "due")]
        tickets = len(purchase.tickets()) if purchase.paid_by == payment_name else 0
        details = f"{name} is {format_value(purchase)}; {payment_name} is {format_value(payment)}"
        received = payment.net_received(setup.amount(payment_name)) + (payment.disputed_amount if payment.dispute == "open" else 0)
        if received != tickets + sum(waiting):
            return "every payment ends in tickets or a refund", details
        if any(refund.status == "due" for refund in refunds) and payment.dispute != "open":
            return "every refund that is due is made", details
        recorded, actual = purchase.dispute, payment.dispute  # none and won have the same effect
        if purchase.paid_by == payment_name and recorded != actual and {recorded, actual} != {"", "won"}:
            return "the recorded dispute is the provider's", f"{details}; we recorded {recorded or 'none'}"
    due = {(name, number) for name, order in purchases.items() for number, refund in enumerate(order.refunds) if refund.status == "due"}
    return None if due == world.cases else ("every refund that is due is an open case", f"{due}, {set(world.cases)}")


def _check_buyers(setup: Setup, world: World) -> Violated:
    for name, buyer in zip(sorted(set(setup.buyers.values())), world.buyers, strict=True):
        purchases = {key: purchase for key, purchase in zip(setup.names, world.purchases, strict=True) if setup.buyers[key] == name}
        uses = sum(purchase.was_sold for key, purchase in purchases.items() if key in setup.with_code)
        bought = sum(len(purchase.tickets()) for purchase in purchases.values())
        if (buyer.active, buyer.bought, buyer.uses) != (None, bought, uses):
            return "the buyer's record is correct", f"{buyer}, {purchases}"
    return None
