"""The protocol's processes: each is the code that one Lambda invocation runs, with one `yield` for each call of the store or provider.

`without` names the rules that are left out; see `rules.py`.
"""

from tests.proof.model.refund_processes import RefundProcesses
from tests.proof.model.world import ACTIVE, SOLD, Setup


class Processes(RefundProcesses):
    def __init__(self, setup: Setup, without: frozenset[str]) -> None:
        self.setup, self.without = setup, without

    def reserve(self, name, nonce):
        holds = []
        knows_pool = yield from self._read_pool()
        for shard in self.setup.places(name, knows_pool):
            hold_id = (name, "same" if "nonce" in self.without else nonce)
            if not (yield "hold", shard, hold_id, knows_pool or None):
                break
            holds.append((shard, hold_id))
        else:
            answer = yield from self._transition(name, ("absent",), "held", holds=tuple(holds))
            if answer in self.setup.names and (yield ("is_expired",)):
                yield from self.end_purchase(answer, "expired")
                answer = yield from self._transition(name, ("absent",), "held", holds=tuple(holds))
            if answer == "done":
                return
        yield from self._release(holds)

    def offer(self, name, nonce):
        """Make an offer to the waiting person: an allocator holds the tickets, then writes the purchase together with the entry."""
        if (yield ("read_entry",)) != "waiting":
            return
        holds = []
        for shard in self.setup.plans[name]:
            if not (yield "hold", shard, (name, nonce), None, True):
                break
            holds.append((shard, (name, nonce)))
        else:
            answer = yield from self._transition(name, ("absent",), "held", holds=tuple(holds))
            if answer == "done":
                if "one_offer" in self.without:
                    yield "note_offer", name
                return
        yield from self._release(holds)

    def leave(self):
        yield ("leave_waitlist",)

    def stop_keeping(self):
        """An allocator that finds an empty line releases the tickets to everybody."""
        if (yield ("read_entry",)) == "waiting":
            return
        for shard in self.setup.tier_shards:
            yield "set_kept", shard, False

    def checkout(self, name, nonce="use"):
        if name in self.setup.with_code:
            answer = yield from self._open_with_code(name, nonce)
        else:
            answer = yield from self._transition(name, ("held",), "paying")
        if answer != "done" or name not in self.setup.with_provider:
            return
        yield "create_payment", name
        if "attach" in self.without:
            yield "show_payment", name
        elif (yield "attach_payment", name) != "done":
            yield "cancel_unattached", name

    def _open_with_code(self, name, nonce):
        """`held -> paying` with a use of the promo code, which is held first, after the purchase was read."""
        purchase = yield "read_purchase", name
        if purchase.state != "held" or not (yield "may_use_code", name):
            return "refused"
        use = (self.setup.promo, (name, "same" if "nonce" in self.without else nonce))
        if not (yield "hold", *use):
            return "used up"
        version = None if "use_version" in self.without else purchase.version
        answer = yield from self._transition(name, ("held",), "paying", version, promo_holds=(use,))
        if answer != "done":
            yield from self._release((use,))
        return answer

    def pay(self, name):
        if (yield "pay", name) == "processing":
            yield "decide_transfer", name

    def charge(self, name, payment):
        """The sweep charges the saved card of an offer, in the steps of a checkout. If the card is declined, the buyer may pay.

        The provider may have forgotten the key of an earlier run, so each run that finds no payment creates another one.
        """
        yield from self._transition(name, ("held",), "paying")
        purchase = yield "read_purchase", name
        if purchase.state == "paying" and not purchase.charge:
            yield "create_payment", payment
            if "charge_named" in self.without:
                yield "show_payment", payment
                purchase = purchase._replace(charge=payment)
            else:
                yield "name_charge", name, payment
                purchase = yield "read_purchase", name
        if purchase.state == "paying" and purchase.charge and (yield "charge_card", purchase.charge) == "succeeded":
            yield from self.confirm(purchase.charge, "charge")

    def simulate(self, name, outcome):
        """Confirm a purchase without a provider; free orders are confirmed like this too."""
        purchase = yield "read_purchase", name
        to = {"success": "paid", "fail": "cancelled"}[outcome]
        answer = yield from self._transition(name, ("paying",), to)
        if answer == "done":
            yield from (self._convert if to == "paid" else self._release)(purchase.all_holds)

    def confirm(self, payment, caller):
        """Apply a payment to its purchase: the client's request, the provider's webhook, and recovery all do this."""
        name, attempt = self.setup.payments[payment], 0
        if not (yield "has_succeeded", payment):
            return
        while True:
            purchase = yield "read_purchase", name
            settled = purchase.state in (*SOLD, "refunded")
            if settled and purchase.paid_by == payment:
                yield from self._convert(purchase.all_holds if purchase.state in SOLD else ())
                return
            if settled:
                if "duplicate" in self.without or (yield from self._refund_duplicate(name, payment)):
                    return
            elif payment in self.setup.mismatched and "mismatch" not in self.without:
                if (yield from self._refund_payment(purchase, name, payment)):
                    return
            elif purchase.state in ACTIVE:
                yield from self._issue(purchase, name, payment)
            elif purchase.state == "expired":
                attempt += 1
                yield from self._apply_late_payment(name, payment, purchase.version, f"{caller}{attempt}")
            elif "payment_after_cancel" in self.without or (yield from self._refund_payment(purchase, name, payment)):
                return

    def _issue(self, purchase, name, payment):
        """Make a purchase paid. A purchase from the resale stock gets the oldest listed ticket, or its payment is refunded."""
        if name not in self.setup.from_resale:
            return (yield from self._transition(name, ACTIVE, "paid", payment=payment))
        listing = yield ("find_listing",)
        if listing is None:
            yield from self._refund_payment(purchase, name, payment)
            return "refused"
        return (yield from self._resell(name, ACTIVE, purchase.version, listing, payment))

    def _resell(self, name, expected, version, listing, payment, holds=None):
        answer = yield "resell", name, expected, version, listing, payment, holds
        if answer == "done" and "one_resale" in self.without:
            yield "take_over", *listing
        return answer

    def list_ticket(self, name, number):
        """The buyer cannot come, and offers the ticket for resale."""
        purchase = yield "read_purchase", name
        if number not in purchase.tickets():
            return
        if "convert_listed" not in self.without:
            yield from self._convert(purchase.places_of((number,)))
        if (yield "list_ticket", name, number) == "done" and "list_together" in self.without:
            yield ("add_to_resale",)

    def withdraw_listing(self, name, number):
        yield "unlist_ticket", name, number

    def close_listings(self):
        """The sweep takes tickets out of the resale stock that can no longer be sold."""
        while listing := (yield ("find_dead_listing",)):
            if not (yield "unlist_ticket", *listing):
                return

    def scan(self, name, number):
        yield "scan", name, number

    def decline(self, payment):
        """Apply the event of a declined payment: an expired purchase ends at once."""
        if not (yield "has_succeeded", payment) and (yield ("is_expired",)):
            yield from self.end_purchase(self.setup.payments[payment], "expired")

    def _refund_payment(self, purchase, name, payment):
        """Refund a payment that gets no tickets; the refund is due in the same transaction. False if the purchase has changed."""
        if (yield from self._transition(name, (purchase.state,), "refunded", purchase.version, payment=payment)) != "done":
            return False
        yield from self._release(purchase.all_holds)
        return True

    def _apply_late_payment(self, name, payment, version, nonce):
        """A payment of an expired purchase: hold its tickets and its use again under a new nonce, or refund the payment."""
        holds, uses = [], None
        knows_pool = yield from self._read_pool()
        for shard in self.setup.places(name, knows_pool):
            if not (yield "hold", shard, (name, nonce), knows_pool or None, True):
                answer = "stock"
                break
            holds.append((shard, (name, nonce)))
        else:
            if name in self.setup.with_code and "late_use" not in self.without:
                uses = ((self.setup.promo, (name, nonce)),)
            if uses and not (yield "hold", *uses[0], None, True):
                answer, uses = "stock", None
            elif name in self.setup.from_resale:
                listing = yield ("find_listing",)
                answer = "ticket"
                if listing is not None:
                    answer = yield from self._resell(name, ("expired",), version, listing, payment, tuple(holds))
            else:
                answer = yield from self._transition(name, ("expired",), "paid", version, tuple(holds), payment, uses)
        if answer == "done":
            return
        yield from self._release((*holds, *(uses or ())))
        if answer != "purchase":
            yield from self._transition(name, ("expired",), "refunded", version, payment=payment)

    def end_purchase(self, name, to, known=None):
        """Expire a purchase, or cancel it for the buyer. If its payment has succeeded already, the purchase is paid instead.

        It stays as it is while the bank decides about its payment. The sweep extends its holds until the next look; the model, which has no
        clock, finds them again at any moment.
        """
        purchase = known or (yield "read_purchase", name)
        while purchase.state in ACTIVE:
            payment, is_processing = None, False
            if "cancel_first" not in self.without:
                payment, is_processing = yield from self._cancel_payments(name)
            if is_processing and not payment and "bank_decides" not in self.without:
                return
            if payment in self.setup.mismatched:
                if (yield from self._refund_payment(purchase, name, payment)):
                    return
            elif payment:
                if (yield from self._issue(purchase, name, payment)) == "done":
                    yield from self._convert(purchase.all_holds)
                    return
            else:
                version = None if "version" in self.without else purchase.version
                if (yield from self._transition(name, ACTIVE, to, version)) == "done":
                    yield from self._release(purchase.all_holds)
                    return
            purchase = yield "read_purchase", name

    def _cancel_payments(self, name):
        """Cancel the payments of a purchase, so that nobody can pay any more. Returns the payment that had succeeded before, if any, and
        whether the bank has yet to decide about one."""
        is_processing = False
        for payment, purchase in self.setup.payments.items():
            if purchase == name and name in self.setup.with_provider:
                status = yield "cancel_payment", payment
                if status == "succeeded":
                    return payment, is_processing
                is_processing |= status == "processing"
        return None, is_processing

    def sweep(self, shard):
        """Find an expired hold, and release it or convert it, as its purchase says."""
        hold_id = yield "find_expired_hold", shard
        while hold_id is not None:
            name, place = hold_id[0], (shard, hold_id)
            if "arbiter" in self.without:
                yield from self._release([place])
                return
            purchase = yield "read_purchase", name
            if purchase.state in ACTIVE and place in purchase.all_holds:
                yield from self.end_purchase(name, "expired", purchase)
                return
            if (purchase.state in SOLD or self._is_sold_use(purchase, place)) and place in purchase.all_holds:
                yield from self._convert([place])
                return
            if (yield from self._rule_out_owner(name, purchase)):
                yield from self._release([place])
                return

    def _is_sold_use(self, purchase, place):
        """Whether the hold is a use or a resold ticket that an order was paid with: it stays used, also when all tickets are refunded."""
        if place in purchase.resale_holds:
            return "sold_resale" not in self.without and purchase.was_sold
        return "sold_use" not in self.without and place in purchase.promo_holds and purchase.was_sold

    def _rule_out_owner(self, name, purchase):
        """Make sure that no purchase can come to list the hold. False if the purchase changed since it was read."""
        if purchase.state == "absent":
            if "tombstone" in self.without:
                return True
            return (yield from self._transition(name, ("absent",), "expired")) == "done"
        if purchase.state == "expired" and "fence" not in self.without:
            return (yield from self._transition(name, ("expired",), "expired", purchase.version)) == "done"
        if purchase.state == "held" and "use_fence" not in self.without:
            return (yield from self._transition(name, ("held",), "held", purchase.version)) == "done"
        return True  # paying and paid purchases already list all their holds, cancelled and refunded ones get no new ones

    def set_first_capacity(self):
        """Give an event that has none a capacity of its own, if nothing of it is sold or held."""
        for shard in self.setup.tier_shards:
            if not (yield "mark_pooled", shard):
                return
        yield ("add_pool",)

    def hold_back(self, shard):
        """Hold a ticket back: the stock shrinks first, because that can be refused."""
        if "shrink_first" in self.without:
            yield ("record_holdback",)
        if (yield "hold_back", shard) and "shrink_first" not in self.without:
            yield ("record_holdback",)

    def release_holdback(self, shard):
        """Release the ticket, or complete an interrupted release."""
        if "record_first" not in self.without and not (yield ("begin_release",)):
            return
        seen = yield "read_held_back", shard
        if seen:
            yield "grow", shard, seen
        if "record_first" in self.without:
            yield ("begin_release",)
        yield ("end_release",)

    def pause(self):
        for shard in range(len(self.setup.capacities)):
            yield "set_open", shard, False

    def resume(self):
        for shard in range(len(self.setup.capacities)):
            yield "set_open", shard, True

    def fail_refund(self, payment):
        yield "fail_refund", payment

    def dispute(self, payment):
        yield "open_dispute", payment
        yield "decide_dispute", payment

    # ------------------------------------------------------------------
    def _read_pool(self):
        """Whether the event has a pool, as this instance's copy of the catalog says."""
        return bool(self.setup.pool) and (yield ("read_catalog",))

    def _transition(self, name, expected, to, version=None, holds=None, payment=None, promo_holds=None):
        before = (yield "read_purchase", name).state if "buyer_record" in self.without else None
        answer = yield "transition", name, expected, to, version, holds, payment, promo_holds
        if answer == "done" and "buyer_record" in self.without:
            yield "update_buyer", name, before, to
        if answer == "done" and to == "refunded" and "case" in self.without:
            yield "put_cases", name
        return answer

    def _release(self, holds):
        for shard, hold_id in holds:
            yield "release", shard, hold_id
