"""The protocol: each process as the code that runs in a Lambda function, one `yield` for each call of the store or provider.

`without` names the rules that are taken away, to see that the explorer finds what each of them is for:

nonce          two executions of one reserve use the same hold id
arbiter        the sweep gives a hold back without asking its purchase
tombstone      the sweep leaves nothing behind for a purchase that is absent
fence          the sweep gives back a hold of an expired purchase without writing the purchase first
attach         the buyer can pay before the purchase names the payment
cancel_first   a purchase is ended without cancelling its payment
version        a purchase is ended whatever happened to it since it was read
together       the buyer's record is written after the purchase, not with it
late_limit     money that comes late is turned into tickets whatever the buyer has bought or holds by then
late_cancelled money that comes for a cancelled purchase is nobody's business
convert_first  a refund returns what was sold without looking whether it was counted as sold
duplicate      a second payment for what is paid is nobody's business
mismatch       a payment of another amount is turned into tickets
matter         what the sweep reads to find a refund that is due is written after the purchase, not with it
numbers        tickets are taken back whatever happened to the purchase since it was read
returned       the seats of a refund go back after the purchase has changed, not with it
look_first     a refund is asked for again without looking whether it was made
attempt        a refund that came back is asked for again under the key that it had
same_key       a refund that was refused is asked for again under a new key
outcome        what became of a refund is written down whatever happened to it since it was read
same_attempt   a refund is due again whenever one of its attempts is said to have come back
disputed       (the provider's own) a refund is refused while its payment is disputed, and when the dispute was lost
money_first    a dispute is written down before the money that it is about was settled
decided        a dispute that was decided is written over by an older answer
note_won       a dispute that was won is not written down where none was known
own_payment    a dispute of any payment is a dispute of the tickets
"""

from tests.protocol.refunding import Refunding
from tests.protocol.world import ALIVE, SOLD, Cast

RULES = tuple(line.split()[0] for line in __doc__.split(":\n\n")[1].splitlines())


class Processes(Refunding):
    def __init__(self, cast: Cast, without: frozenset[str]) -> None:
        self.cast, self.without = cast, without

    def reserve(self, name, nonce):
        mine = []
        for shard in self.cast.plans[name]:
            hold_id = (name, "same" if "nonce" in self.without else nonce)
            if not (yield "hold", shard, hold_id):
                break
            mine.append((shard, hold_id))
        else:
            answer = yield from self._move(name, ("absent",), "held", listed=tuple(mine))
            if answer in self.cast.names and (yield ("is_over",)):
                yield from self.end(answer, "expired")
                answer = yield from self._move(name, ("absent",), "held", listed=tuple(mine))
            if answer == "done":
                return
        yield from self._release(mine)

    def checkout(self, name):
        answer = yield from self._move(name, ("held",), "paying")
        if answer != "done" or name not in self.cast.charged:
            return
        yield "open_payment", name
        if "attach" in self.without:
            yield "hand_out", name
        elif (yield "attach", name) != "done":
            yield "drop_payment", name

    def pay(self, name):
        if (yield "pay", name) == "processing":
            yield "arrive", name

    def simulate(self, name, outcome):
        """Confirm without a provider: also what a free order does."""
        purchase = yield "read", name
        to = {"success": "paid", "fail": "cancelled"}[outcome]
        answer = yield from self._move(name, ("paying",), to)
        if answer == "done":
            yield from (self._convert if to == "paid" else self._release)(purchase.listed)

    def confirm(self, payment, who):
        """The client's call or the provider's webhook, whichever comes first, and recovery."""
        if not (yield "is_captured", payment):
            return
        name, attempt = self.cast.payments[payment], 0
        while True:
            purchase = yield "read", name
            settled = purchase.state in (*SOLD, "refunded")
            if settled and purchase.paid_by == payment:
                yield from self._convert(purchase.listed if purchase.state in SOLD else ())
                return
            if settled:
                if "duplicate" in self.without or (yield from self._duplicate(name, payment)):
                    return
            elif payment in self.cast.mismatched and "mismatch" not in self.without:
                if (yield from self._refused(purchase, name, payment)):
                    return
            elif purchase.state in ALIVE:
                yield from self._move(name, ALIVE, "paid", payment=payment)
            elif purchase.state == "expired":
                attempt += 1
                yield from self._late(name, payment, purchase.version, f"{who}{attempt}")
            elif "late_cancelled" in self.without or (yield from self._refused(purchase, name, payment)):
                return

    def _refused(self, purchase, name, payment):
        """Money that cannot have tickets: due in the same transaction. False if the purchase changed meanwhile."""
        if (yield from self._move(name, (purchase.state,), "refunded", purchase.version, payment=payment)) != "done":
            return False
        yield from self._release(purchase.listed)
        return True

    def _late(self, name, payment, version, nonce):
        """Money after the end: hold again under a name never used before, or let it be refunded."""
        mine = []
        for shard in self.cast.plans[name]:
            if not (yield "hold", shard, (name, nonce)):
                answer = "stock"
                break
            mine.append((shard, (name, nonce)))
        else:
            answer = yield from self._move(name, ("expired",), "paid", version, tuple(mine), payment)
        if answer == "done":
            return
        yield from self._release(mine)
        if answer != "purchase":
            yield from self._move(name, ("expired",), "refunded", version, payment=payment)

    def end(self, name, to, seen=None):
        """Expire a purchase or, at the buyer's wish, cancel it; one whose money is already there is finished instead."""
        purchase = seen or (yield "read", name)
        while purchase.state in ALIVE:
            payment = None if "cancel_first" in self.without else (yield from self._stop(name))
            if payment in self.cast.mismatched:
                if (yield from self._refused(purchase, name, payment)):
                    return
            elif payment:
                if (yield from self._move(name, ALIVE, "paid", payment=payment)) == "done":
                    yield from self._convert(purchase.listed)
                    return
            else:
                version = None if "version" in self.without else purchase.version
                if (yield from self._move(name, ALIVE, to, version)) == "done":
                    yield from self._release(purchase.listed)
                    return
            purchase = yield "read", name

    def _stop(self, name):
        """See to it that nobody can pay any more; the payment that was taken before, if one was."""
        for payment, purchase in self.cast.payments.items():
            if purchase == name and name in self.cast.charged and (yield "cancel_payment", payment) == "captured":
                return payment
        return None

    def sweep(self, shard):
        """Meet a hold that is over, and give it back or finish its purchase."""
        hold_id = yield "meet", shard
        while hold_id is not None:
            name, place = hold_id[0], (shard, hold_id)
            if "arbiter" in self.without:
                yield from self._release([place])
                return
            purchase = yield "read", name
            if purchase.state in ALIVE and place in purchase.listed:
                yield from self.end(name, "expired", purchase)
                return
            if purchase.state in SOLD and place in purchase.listed:
                yield from self._convert([place])
                return
            if (yield from self._is_disowned(name, purchase)):
                yield from self._release([place])
                return

    def _is_disowned(self, name, purchase):
        """Make sure that nobody can list the hold any more; False if the purchase moved meanwhile."""
        if purchase.state == "absent":
            if "tombstone" in self.without:
                return True
            return (yield from self._move(name, ("absent",), "expired")) == "done"
        if purchase.state == "expired" and "fence" not in self.without:
            return (yield from self._move(name, ("expired",), "expired", purchase.version)) == "done"
        return True  # alive and paid purchases list all that they ever will, cancelled and refunded ones nothing more

    def pause(self):
        for shard in range(len(self.cast.capacities)):
            yield "set_open", shard, False

    def resume(self):
        for shard in range(len(self.cast.capacities)):
            yield "set_open", shard, True

    def bounce(self, payment):
        yield "bounce", payment

    def dispute(self, payment):
        yield "open_dispute", payment
        yield "decide", payment

    # ------------------------------------------------------------------
    def _move(self, name, expected, to, version=None, listed=None, payment=None):
        before = (yield "read", name).state if "together" in self.without else None
        answer = yield "move", name, expected, to, version, listed, payment
        if answer == "done" and "together" in self.without:
            yield "book", name, before, to
        if answer == "done" and to == "refunded" and "matter" in self.without:
            yield "put_matter", name
        return answer

    def _release(self, listed):
        for shard, hold_id in listed:
            yield "release", shard, hold_id
