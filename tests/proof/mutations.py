"""Mistakes that a test must catch: a condition that a write lacks, a retry that is forgotten, or two writes in the wrong order.

`python -m tests.proof.mutations NAME` runs the test of one mutation with the mistake in place; it succeeds if the test fails. No file
changes: the mistake is made when Python loads the module.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

import pytest
from msgspec import Struct


class Mutation(Struct, frozen=True):
    """In `module`, `right` occurs once and becomes `wrong`. `test` is the test that fails then, or a file with such a test."""

    module: str
    right: str
    wrong: str
    test: str


STOCK, PURCHASES, TICKETS = "chalicelib.inventory.store", "chalicelib.purchases.store", "chalicelib.tickets.store"
LEDGER, CASES, KEYS = "chalicelib.ledger.service", "chalicelib.ledger.money_cases", "chalicelib.edge.store"
ROOMS, CODES, ACCOUNTS = "chalicelib.waiting_room.store", "chalicelib.promotions.service", "chalicelib.accounts.store"
WAITLIST, SETTLEMENT, REFUNDS = "chalicelib.addons.waitlist.store", "chalicelib.purchases.settlement", "chalicelib.purchases.refunds"

MUTATIONS: dict[str, Mutation] = {
    # The stock.
    "hold while the sale is paused": Mutation(STOCK, "        _IS_OPEN\n", "        _EXISTS\n", "tests/inventory"),
    "hold more than there is": Mutation(STOCK, "& (ShardRow.available >= hold.quantity)", "& _EXISTS", "tests/inventory"),
    "hold without room in the item": Mutation(STOCK, "& _HAS_ROOM\n", "& _EXISTS\n", "tests/inventory"),
    "hold twice after a lost answer": Mutation(STOCK, "& entry.does_not_exist()\n", "& _EXISTS\n", "tests/inventory"),
    "hold without the pool": Mutation(STOCK, "        & _pool_is(is_pooled)\n", "", "tests/inventory"),
    "hold what is kept for the waitlist": Mutation(STOCK, "condition &= _IS_NOT_KEPT", "pass", "tests/inventory"),
    "import more than there is": Mutation(
        STOCK, "(ShardRow.available >= quantity) & _pool_is(is_pooled))", "_pool_is(is_pooled))", "tests/purchases"
    ),
    "import without the pool": Mutation(
        STOCK, "(ShardRow.available >= quantity) & _pool_is(is_pooled))", "ShardRow.available >= quantity)", "tests/purchases"
    ),
    "return a seat that is still on hold": Mutation(
        STOCK, "ShardRow.holds[hold.hold_id].does_not_exist() & (ShardRow.sold", "(ShardRow.sold", "tests/inventory"
    ),
    "return more than was sold": Mutation(STOCK, " & (ShardRow.sold >= hold.quantity)", "", "tests/inventory"),
    "extend a hold that is over": Mutation(STOCK, "_NEXT_VERSION], entry.exists())", "_NEXT_VERSION], _EXISTS)", "tests/inventory"),
    "resize a shard twice": Mutation(STOCK, "(ShardRow.capacity == shard.capacity) & ", "", "tests/inventory"),
    "shrink below what is sold": Mutation(STOCK, " & (ShardRow.available >= max(0, -change))", "", "tests/inventory"),
    "open a shard that has changed": Mutation(
        STOCK, "_EXISTS if expected_version is None else ShardRow.version == expected_version", "_EXISTS", "tests/inventory"
    ),
    "add a pool that does not count what is sold": Mutation(
        STOCK, "ShardRow.pooled.exists() | ((ShardRow.sold == 0) & _NOTHING_HELD)", "_EXISTS", "tests/inventory"
    ),
    "delete a shard that was used": Mutation(
        STOCK, "delete_if(ShardRow(shard_id), ShardRow.version == NEW_VERSION)", "delete_if(ShardRow(shard_id), _EXISTS)", "tests/inventory"
    ),
    "delete a shard with sold tickets": Mutation(
        STOCK,
        "delete_if(ShardRow(shard_id), (ShardRow.sold == 0) & _NOTHING_HELD)",
        "delete_if(ShardRow(shard_id), _EXISTS)",
        "tests/inventory",
    ),
    "delete a stock with sold tickets": Mutation(
        STOCK,
        "dynamo.delete(ShardRow(shard_id), (ShardRow.sold == 0) & _NOTHING_HELD)",
        "dynamo.delete(ShardRow(shard_id), _EXISTS)",
        "tests/inventory",
    ),
    "remove a hold twice": Mutation(STOCK, "condition = entry[0] == hold.quantity", "condition = _EXISTS", "tests/inventory"),
    "create a stock again": Mutation(STOCK, "return dynamo.put(row, _ABSENT)", "return dynamo.put(row)", "tests/inventory"),
    "create a shard again": Mutation(STOCK, "dynamo.put_if(row, _ABSENT)", "dynamo.put_if(row, _ABSENT | _EXISTS)", "tests/inventory"),
    # Purchases and buyers' records.
    "create a purchase whose id is taken": Mutation(
        PURCHASES,
        "transact([dynamo.put(row, _ABSENT), dynamo.update(buyer, actions, allowed)",
        "transact([dynamo.put(row), dynamo.update(buyer, actions, allowed)",
        "tests/purchases",
    ),
    "create a purchase without asking the record": Mutation(
        PURCHASES, "dynamo.update(buyer, actions, allowed)", "dynamo.update(buyer, actions)", "tests/purchases"
    ),
    "import an order again": Mutation(PURCHASES, "dynamo.put(_new_row(order), _ABSENT)", "dynamo.put(_new_row(order))", "tests/purchases"),
    "import over a buyer's record": Mutation(
        PURCHASES, "dynamo.put(buyer, BuyerRow.user_id.does_not_exist())", "dynamo.put(buyer)", "tests/purchases"
    ),
    "save over another change, alone": Mutation(
        PURCHASES,
        "dynamo.update_if(row, actions, _unchanged(before))",
        "dynamo.update_if(row, actions, PurchaseRow.id.exists())",
        "tests/purchases",
    ),
    "save over another change, with more": Mutation(
        PURCHASES, "transact([dynamo.update(row, actions, _unchanged(before))", "transact([dynamo.update(row, actions)", "tests/purchases"
    ),
    "move a purchase that has changed": Mutation(
        PURCHASES, "PurchaseRow.assign(moved), _unchanged(before))", "PurchaseRow.assign(moved))", "tests/purchases"
    ),
    "move a purchase that the guest's record lacks": Mutation(PURCHASES, "given, guest_may_give)", "given)", "tests/purchases"),
    "move a second active purchase": Mutation(PURCHASES, "taken_over, user_may_take)", "taken_over)", "tests/purchases"),
    "put a tombstone on a purchase": Mutation(
        PURCHASES, "if not dynamo.put_if(row, _ABSENT):", "if not dynamo.put_if(row, _ABSENT | PurchaseRow.id.exists()):", "tests/purchases"
    ),
    "reserve twice at once": Mutation(
        PURCHASES,
        "BuyerRow.active_id.does_not_exist() & (BuyerRow.bought.does_not_exist()",
        "(BuyerRow.bought.does_not_exist()",
        "tests/purchases",
    ),
    "buy more than the limit": Mutation(
        PURCHASES, " & (BuyerRow.bought.does_not_exist() | (BuyerRow.bought <= max_bought))", "", "tests/purchases"
    ),
    "buy twice with a pass": Mutation(
        PURCHASES, "condition if pass_id is None else condition & ~BuyerRow.passes.contains(pass_id)", "condition", "tests/waiting_room"
    ),
    "use a promo code too often, late": Mutation(
        PURCHASES,
        "_may_buy(late.limit - bought_change, before.pass_id) & unused",
        "_may_buy(late.limit - bought_change, before.pass_id)",
        "tests/promotions",
    ),
    "change an order that the record lacks": Mutation(
        PURCHASES, "return BuyerRow.orders.contains(before.id)", "return BuyerRow.user_id.exists()", "tests/purchases"
    ),
    "end a purchase that is not active": Mutation(
        PURCHASES, "return BuyerRow.active_id == before.id", "return BuyerRow.user_id.exists()", "tests/purchases"
    ),
    "give up after one conflict": Mutation(PURCHASES, "for number in range(MAX_ATTEMPTS):", "for number in range(1):", "tests/purchases"),
    "leave an ended purchase active": Mutation(PURCHASES, "        actions += _DEACTIVATE\n", "        pass\n", "tests/purchases"),
    "keep the pass of a refunded order": Mutation(
        PURCHASES, "actions.append(BuyerRow.passes.delete({after.pass_id}))", "pass", "tests/waiting_room"
    ),
    "forget the pass of an order": Mutation(
        PURCHASES, "            actions.append(BuyerRow.passes.add({after.pass_id}))", "            pass", "tests/waiting_room"
    ),
    "forget the use of a promo code": Mutation(
        PURCHASES, 'actions.append(BuyerRow.promo_uses.add({f"{after.promo_code}#{after.id}"}))', "pass", "tests/promotions"
    ),
    # Settlement and refunds: the order of writes, and what a conflict undoes.
    "convert holds before the order is saved": Mutation(
        SETTLEMENT,
        "    saved = store.save(purchase, paid, items, details=_with_email(purchase, details, email))\n",
        "    holds.convert_holds(paid)\n    saved = store.save(purchase, paid, items, details=_with_email(purchase, details, email))\n",
        "tests/purchases",
    ),
    "keep holds of a late payment that the record refuses": Mutation(
        SETTLEMENT,
        "    except store.LimitReached:\n        holds.release_holds(paid)\n",
        "    except store.LimitReached:\n",
        "tests/purchases",
    ),
    "take a late payment without asking the record": Mutation(SETTLEMENT, ", late=late)\n    except", ")\n    except", "tests/purchases"),
    "refund a second payment as the order's own": Mutation(
        SETTLEMENT, 'is_own = trigger != "payment_duplicated"', "is_own = True", "tests/purchases"
    ),
    "return seats before their holds are converted": Mutation(
        REFUNDS, "    inventory.convert_holds([hold for hold in purchase.holds if hold.hold_id in returned_ids])\n", "", "tests/purchases"
    ),
    "refund again with the same id": Mutation(
        REFUNDS, "    if existing is not None:\n        return purchase, existing\n", "", "tests/purchases"
    ),
    "refund a disputed order": Mutation(
        REFUNDS, "state=purchase.state)\n    if purchase.is_disputed:", "state=purchase.state)\n    if False:", "tests/purchases"
    ),
    # The ledger and open cases.
    "record a payment twice": Mutation(
        LEDGER, "return dynamo.put(_row(**fields), store.ABSENT)", "return dynamo.put(_row(**fields))", "tests/ledger"
    ),
    "record an attempt twice": Mutation(
        LEDGER,
        "dynamo.put_if(_row(**fields), store.ABSENT)",
        "dynamo.put_if(_row(**fields), store.ABSENT | store.LedgerRow.entry.exists())",
        "tests/ledger",
    ),
    "close a case that the sweep will process": Mutation(
        CASES, "_key(case.kind, case.id)), needs_person)", "_key(case.kind, case.id)))", "tests/ledger"
    ),
    "postpone a case that has changed": Mutation(
        CASES, "CaseRow.next_at == case.next_at)", "CaseRow.purchase_id.exists())", "tests/ledger"
    ),
    "open a finding again": Mutation(
        CASES,
        "dynamo.put_if(row, CaseRow.purchase_id.does_not_exist())",
        "dynamo.put_if(row, CaseRow.purchase_id.does_not_exist() | CaseRow.purchase_id.exists())",
        "tests/ledger",
    ),
    # Tickets and the door.
    "issue tickets again": Mutation(
        TICKETS, "return dynamo.put(row, TicketRow.id.does_not_exist())", "return dynamo.put(row)", "tests/tickets"
    ),
    "freeze a ticket that is void": Mutation(
        TICKETS, '{"state": after}, TicketRow.state == before)', '{"state": after}, _EXISTS)', "tests/tickets"
    ),
    "refund a ticket that was used": Mutation(
        TICKETS, "_UNUSED & _VALID & (TicketRow.owner_id == unused_by)", "_VALID & (TicketRow.owner_id == unused_by)", "tests/tickets"
    ),
    "admit with a void ticket": Mutation(
        TICKETS,
        "condition &= _VALID & (TicketRow.code == before.code) & _same_guests(before)",
        "condition &= (TicketRow.code == before.code) & _same_guests(before)",
        "tests/checkin",
    ),
    "admit with a code that was replaced": Mutation(
        TICKETS,
        "condition &= _VALID & (TicketRow.code == before.code) & _same_guests(before)",
        "condition &= _VALID & _same_guests(before)",
        "tests/checkin",
    ),
    "admit twice at once": Mutation(
        TICKETS, "    condition = _same_scans(before)\n    if admits:", "    condition = _EXISTS\n    if admits:", "tests/checkin"
    ),
    "forget a duplicate": Mutation(
        TICKETS, "condition = _EXISTS & _same(TicketRow.duplicates, ticket.duplicates)", "condition = _EXISTS", "tests/checkin"
    ),
    "give a used ticket away": Mutation(
        TICKETS, "condition: Condition = _UNUSED & _VALID & same_offer", "condition: Condition = _VALID & same_offer", "tests/purchases"
    ),
    "give a void ticket away": Mutation(
        TICKETS, "condition: Condition = _UNUSED & _VALID & same_offer", "condition: Condition = _UNUSED & same_offer", "tests/purchases"
    ),
    "accept an offer twice": Mutation(
        TICKETS, "condition: Condition = _UNUSED & _VALID & same_offer", "condition: Condition = _UNUSED & _VALID", "tests/purchases"
    ),
    "move a ticket that has a new owner": Mutation(
        TICKETS,
        "[TicketRow.owner_id.set(owner_id)], TicketRow.owner_id == ticket.owner_id)",
        "[TicketRow.owner_id.set(owner_id)], _EXISTS)",
        "tests/purchases",
    ),
    "number seats twice": Mutation(TICKETS, "_EXISTS & TicketRow.serial.does_not_exist())", "_EXISTS)", "tests/tickets"),
    "name a guest over another": Mutation(
        TICKETS,
        "(TicketRow.owner_id == ticket.owner_id) & _NOT_VOID & _same_guests(ticket) & _same_checkins(ticket)",
        "(TicketRow.owner_id == ticket.owner_id) & _NOT_VOID & _same_checkins(ticket)",
        "tests/tickets",
    ),
    # Requests, the waiting room, promo codes, accounts and the waitlist.
    "answer a key of another request": Mutation(
        KEYS,
        "IdempotencyRow.id.does_not_exist() | (IdempotencyRow.expires_at <= now)",
        "IdempotencyRow.id.does_not_exist() | IdempotencyRow.id.exists()",
        "tests/edge",
    ),
    "take a key from a request that runs": Mutation(
        KEYS, "return IdempotencyRow.locked_until == row.locked_until", "return IdempotencyRow.id.exists()", "tests/edge"
    ),
    "join after the draw": Mutation(
        ROOMS,
        "[WaitingRoomRow.arrivals.add(1)], WaitingRoomRow.closed.does_not_exist())",
        "[WaitingRoomRow.arrivals.add(1)])",
        "tests/waiting_room",
    ),
    "take two places at once": Mutation(
        ROOMS,
        "_ABSENT if replacing is None else WaitingRoomRow.arrival == replacing",
        "_ABSENT | WaitingRoomRow.id.exists()",
        "tests/waiting_room",
    ),
    "draw twice": Mutation(ROOMS, "_is_unchanged(room) & _IS_NOT_DRAWN):", "WaitingRoomRow.id.exists()):", "tests/waiting_room"),
    "change a plan that has changed": Mutation(
        ROOMS,
        "WaitingRoomRow.assign(changes), _is_unchanged(before))",
        "WaitingRoomRow.assign(changes), WaitingRoomRow.id.exists())",
        "tests/waiting_room",
    ),
    "clear a room twice": Mutation(ROOMS, "_ABSENT if replacing is None else _is_unchanged(replacing)", "None", "tests/waiting_room"),
    "create a promo code again": Mutation(
        CODES, "dynamo.put(_row(promo_code), PromoCodeRow.event_id.does_not_exist())", "dynamo.put(_row(promo_code))", "tests/promotions"
    ),
    "change a promo code that has changed": Mutation(
        CODES, "dynamo.put(_row(after), PromoCodeRow.version == before.version)", "dynamo.put(_row(after))", "tests/promotions"
    ),
    "give rights back to a locked account": Mutation(
        ACCOUNTS, "actions, AccountRow.generation == before.generation)", "actions)", "tests/accounts"
    ),
    "take an address that has an account": Mutation(
        ACCOUNTS, "dynamo.put(new, CredentialsRow.id.does_not_exist()),", "dynamo.put(new),", "tests/accounts"
    ),
    "offer to an entry that left": Mutation(
        WAITLIST, "(WaitlistRow.entry_id == before.id) & (WaitlistRow.state == before.state))", "None)", "tests/addons/waitlist"
    ),
    "end an offer twice": Mutation(
        WAITLIST, "dynamo.transact([dynamo.delete(offer, _EXISTS), ", "dynamo.transact([dynamo.delete(offer), ", "tests/addons/waitlist"
    ),
}


class _Loader(SourceFileLoader):
    def __init__(self, spec: ModuleSpec, mutation: Mutation) -> None:
        assert spec.origin is not None
        super().__init__(spec.name, spec.origin)
        self._mutation = mutation

    def get_code(self, fullname: str) -> CodeType:
        return compile(mutate(self._mutation, self.get_source(fullname) or ""), self.path, "exec", dont_inherit=True)


class _Finder:
    """Loads the module of a mutation with the mistake."""

    def __init__(self, mutation: Mutation) -> None:
        self._mutation = mutation

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self._mutation.module:
            return None
        spec = PathFinder.find_spec(name, path, target)
        assert spec is not None
        spec.loader = _Loader(spec, self._mutation)
        return spec


def mutate(mutation: Mutation, source: str) -> str:
    """Return the source with the mistake. Raises ValueError if the right text does not occur exactly once."""
    if (times := source.count(mutation.right)) != 1:
        raise ValueError(f"{mutation.module} has {times} times: {mutation.right}")
    return source.replace(mutation.right, mutation.wrong)


def run(name: str, *options: Any) -> int:
    """Run the test of a mutation with the mistake. Returns pytest's exit status: 1 if a test failed."""
    sys.meta_path.insert(0, _Finder(MUTATIONS[name]))
    return int(
        pytest.main(["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--show-capture=no", "--tb=no", MUTATIONS[name].test, *options])
    )


if __name__ == "__main__":
    sys.exit(0 if run(*sys.argv[1:]) == pytest.ExitCode.TESTS_FAILED else 1)
