"""What must be true in every state of the model, and what recovery must have brought about. Each answers (invariant, facts) or None."""

from tests.protocol.told import shown
from tests.protocol.world import ALIVE, SOLD, Cast, World

Broken = tuple[str, str] | None


def in_every_state(cast: Cast, w: World) -> Broken:
    """What no state may break, however half-done everything is."""
    for number, (shard, capacity) in enumerate(zip(w.shards, cast.capacities, strict=True)):
        if min(shard.available, shard.sold) < 0 or shard.available + len(shard.holds) + shard.sold != capacity:
            return "the ledger adds up", f"shard {number}: {shard}"
    paid_for = 0
    for name, purchase in zip(cast.names, w.purchases, strict=True):
        on_hold = [hold_id in w.shards[shard].holds for shard, hold_id in purchase.listed]
        if purchase.state in ALIVE and not all(on_hold):
            return "a living purchase has its holds", f"{name} is {purchase.state} and lost one of {shown(purchase.listed)}"
        paid_for += sum(not on_hold[ticket] for ticket in purchase.tickets())
        returned = [*purchase.voided, *(ticket for refund in purchase.refunds for ticket in refund.numbers)]
        if len(returned) != len(set(returned)):
            return "no ticket is refunded twice", f"{name}: {shown(purchase)}"
    if sum(shard.sold for shard in w.shards) != paid_for:
        return "what is sold is paid, and once", f"sold {[shard.sold for shard in w.shards]}, paid and not on hold {paid_for}"
    for buyer in w.buyers:
        if buyer.bought > cast.limit:
            return "nobody is above the limit", f"{buyer}, limit {cast.limit}"
    for payment, kept in zip(cast.payments, w.payments, strict=True):
        made = [one.number for one in kept.sent if one.status == "made"]
        if len(made) != len(set(made)) or kept.left(cast.amount(payment)) < 0:
            return "no money goes back twice", f"{payment} is {shown(kept)}"
    return None


def after_recovery(cast: Cast, w: World) -> Broken:
    """What must be true once everything was done that anybody will do."""
    left = [hold_id for shard in w.shards for hold_id in shard.holds]
    if left:
        return "no hold is left", str(left)
    return _purchases(cast, w) or _money(cast, w) or _buyers(cast, w)


def _purchases(cast: Cast, w: World) -> Broken:
    status = {payment: one.status for payment, one in zip(cast.payments, w.payments, strict=True)}
    for name, purchase, in_time in zip(cast.names, w.purchases, w.in_time, strict=True):
        if purchase.state in ALIVE:
            return "every state has an exit", f"{name} is {purchase.state}"
        if purchase.tickets() and name in cast.charged and status.get(purchase.paid_by) != "captured":
            return "tickets are paid for", f"{name} is {purchase.state}, its payment {status.get(purchase.paid_by)}"
        had_tickets = purchase.state in SOLD or purchase.dispute == "lost" or any(refund.numbers for refund in purchase.refunds)
        if in_time and not had_tickets and not cast.mismatched:
            return "who pays in time has tickets", f"{name} is {purchase.state}"
    return None


def _money(cast: Cast, w: World) -> Broken:
    """What is with us of every payment stands for tickets, or for a refund that the provider refuses."""
    purchases = dict(zip(cast.names, w.purchases, strict=True))
    for (payment, name), one in zip(cast.payments.items(), w.payments, strict=True):
        if one.status != "captured":
            continue
        purchase = purchases[name]
        refunds = [refund for refund in purchase.refunds if refund.payment == payment]
        waiting = [refund.amount for refund in refunds if refund.status == ("stuck" if one.dispute == "lost" else "due")]
        tickets = len(purchase.tickets()) if purchase.paid_by == payment else 0
        facts = f"{name} is {shown(purchase)}; {payment} is {shown(one)}"
        if one.left(cast.amount(payment)) + (one.disputed if one.dispute == "open" else 0) != tickets + sum(waiting):
            return "money ends in tickets or a refund", facts
        if any(refund.status == "due" for refund in refunds) and one.dispute != "open":
            return "what is due is paid", facts
        known, is_so = purchase.dispute, one.dispute  # none and won come to the same
        if purchase.paid_by == payment and known != is_so and {known, is_so} != {"", "won"}:
            return "a dispute ends with us as it ended", f"{facts}; we wrote down {known or 'none'}"
    due = {(name, number) for name, one in purchases.items() for number, refund in enumerate(one.refunds) if refund.status == "due"}
    return None if due == w.matters else ("what is due is a matter", f"{due}, {set(w.matters)}")


def _buyers(cast: Cast, w: World) -> Broken:
    people = sorted(set(cast.owners.values()))
    for who, buyer in zip(people, w.buyers, strict=True):
        mine = {name: purchase for name, purchase in zip(cast.names, w.purchases, strict=True) if cast.owners[name] == who}
        if buyer.active is not None or buyer.bought != sum(len(purchase.tickets()) for purchase in mine.values()):
            return "the buyer's record is true", f"{buyer}, {mine}"
    return None
