"""The calls of the store, each of them atomic.

A call is a method: it takes a world and answers the outcomes it may have, as (world, answer) pairs; few have more than one.
"""

from tests.protocol.world import ALIVE, SOLD, Cast, Refund, swapped


class Store:
    def __init__(self, cast: Cast, without: frozenset[str]) -> None:
        self.cast, self.without = cast, without
        self.index = {name: index for index, name in enumerate(cast.names)}
        people = sorted(set(cast.owners.values()))
        self.buyer_of = {name: people.index(cast.owners[name]) for name in cast.names}

    # ------------------------------------------------------------------ shards: one conditional update of one item
    def hold(self, w, shard, hold_id):
        one = w.shards[shard]
        if not one.is_open or one.available < 1 or hold_id in one.holds:
            return [(w, False)]
        return [(self._shard(w, shard, one._replace(available=one.available - 1, holds=one.holds | {hold_id})), True)]

    def release(self, w, shard, hold_id):
        one = w.shards[shard]
        if hold_id not in one.holds:
            return [(w, False)]
        return [(self._shard(w, shard, one._replace(available=one.available + 1, holds=one.holds - {hold_id})), True)]

    def convert(self, w, shard, hold_id):
        one = w.shards[shard]
        if hold_id not in one.holds:
            return [(w, False)]
        return [(self._shard(w, shard, one._replace(sold=one.sold + 1, holds=one.holds - {hold_id})), True)]

    def set_open(self, w, shard, is_open):
        return [(self._shard(w, shard, w.shards[shard]._replace(is_open=is_open)), None)]

    def meet(self, w, shard):
        """Read a shard and find a hold in it whose time is over; the clock may say so of any hold at any moment."""
        return [(w, hold_id) for hold_id in sorted(w.shards[shard].holds)] or [(w, None)]

    def is_over(self, w):
        return [(w, True), (w, False)]

    # ------------------------------------------------------------------ the arbiter and the buyer's record
    def read(self, w, name):
        return [(w, w.purchases[self.index[name]])]

    def move(self, w, name, expected, to, version=None, listed=None, payment=None):
        """One transaction: the purchase's compare-and-set with what follows from it for its buyer. Answers done, or whose
        condition refused: purchase, limit, or the name of the buyer's active purchase. Money that came in for what is
        `refunded` is due from the same transaction on."""
        purchase = w.purchases[self.index[name]]
        if purchase.state not in expected or (version is not None and purchase.version != version):
            return [(w, "purchase")]
        changed = w
        if "together" not in self.without:
            [(changed, answer)] = self.book(w, name, purchase.state, to)
            if answer != "done":
                return [(w, answer)]
        after = purchase._replace(state=to, paid_by=payment or purchase.paid_by)
        if listed is not None:
            after = after._replace(listed=listed)
        if to == "refunded":
            return [(self._promised(changed, name, after, Refund(payment, (), self.cast.amount(payment))), "done")]
        return [(self._purchase(changed, name, after), "done")]

    def book(self, w, name, before, to):
        """The buyer's part of a change of state; a call of its own only where the rule `together` was taken away."""
        who, quantity = self.buyer_of[name], len(self.cast.plans[name])
        buyer = w.buyers[who]
        begins, late = to == "held", (before, to) == ("expired", "paid")
        if begins or (late and "late_limit" not in self.without):
            if buyer.active is not None:
                return [(w, buyer.active)]
            if buyer.bought + quantity > self.cast.limit:
                return [(w, "limit")]
        if begins:
            buyer = buyer._replace(active=name)
        elif before in ALIVE and to not in ALIVE and buyer.active == name:
            buyer = buyer._replace(active=None)
        if to == "paid":
            buyer = buyer._replace(bought=buyer.bought + quantity)
        return [(w._replace(buyers=swapped(w.buyers, who, buyer)), "done")]

    def attach(self, w, name):
        """Write the payment's id into the paying purchase, and hand it to the buyer, who can pay from now on."""
        [(after, answer)] = self.move(w, name, ("paying",), "paying")
        if answer == "done":
            index = self.index[name]
            after = after._replace(payments=swapped(w.payments, index, w.payments[index]._replace(status="attached")))
        return [(after, answer)]

    # ------------------------------------------------------------------ refunds and disputes: again one transaction each
    def take_back(self, w, name, numbers, version):
        """Tickets void, their seats back in stock, the buyer's record, the money due. Answers done, purchase or stock."""
        purchase = w.purchases[self.index[name]]
        if purchase.state not in SOLD or (version is not None and purchase.version != version):
            return [(w, "purchase")]
        refund = Refund(purchase.paid_by, numbers, len(numbers))
        left = set(purchase.tickets()) - set(numbers)
        return self._voided(w, name, purchase._replace(state="partially_refunded" if left else "refunded"), numbers, refund)

    def promise(self, w, name, refund, version):
        """Money is due that has nothing to do with the purchase's state."""
        purchase = w.purchases[self.index[name]]
        if purchase.version != version:
            return [(w, "purchase")]
        return [(self._promised(w, name, purchase, refund), "done")]

    def note_refund(self, w, name, number, refund, version=None):
        """What has become of a refund; the row goes when nothing is to be done any more."""
        purchase = w.purchases[self.index[name]]
        if version is not None and purchase.version != version:
            return [(w, "purchase")]
        matters = w.matters | {(name, number)} if refund.status == "due" else w.matters - {(name, number)}
        after = purchase._replace(refunds=swapped(purchase.refunds, number, refund))
        return [(self._purchase(w, name, after)._replace(matters=matters), "done")]

    def note_dispute(self, w, name, dispute, numbers, version):
        """Open: the tickets are frozen. Won: they are valid again. Lost: those that the bank took the money for are void, the others
        valid again."""
        purchase = w.purchases[self.index[name]]
        if purchase.version != version:
            return [(w, "purchase")]
        after = purchase._replace(dispute=dispute, voided=numbers)
        if numbers:
            after = after._replace(state="partially_refunded" if after.tickets() else "refunded")
        return self._voided(w, name, after, numbers, None)

    def put_matter(self, w, name):
        """Where the rule `matter` was taken away: the rows of what is due, written afterwards."""
        due = {(name, number) for number, refund in enumerate(w.purchases[self.index[name]].refunds) if refund.status == "due"}
        return [(w._replace(matters=w.matters | due), None)]

    def return_seats(self, w, shards):
        """Where the rule `returned` was taken away: the seats, afterwards."""
        for shard in shards:
            one = w.shards[shard]
            w = self._shard(w, shard, one._replace(sold=one.sold - 1, available=one.available + 1))
        return [(w, None)]

    def matters(self, w, name):
        return [(w, tuple(sorted(number for owner, number in w.matters if owner == name)))]

    # ------------------------------------------------------------------
    def _shard(self, w, shard, value):
        return w._replace(shards=swapped(w.shards, shard, value))

    def _purchase(self, w, name, after):
        after = after._replace(version=after.version + 1)
        return w._replace(purchases=swapped(w.purchases, self.index[name], after))

    def _promised(self, w, name, after, refund):
        """The purchase as it will be, with one more refund that is due."""
        number = len(after.refunds)
        if "matter" not in self.without:
            w = w._replace(matters=w.matters | {(name, number)})
        return self._purchase(w, name, after._replace(refunds=(*after.refunds, refund)))

    def _voided(self, w, name, after, numbers, refund):
        """Tickets end: their seats go back on condition that their holds are gone, which means that they were counted as sold."""
        places = [after.listed[number] for number in numbers]
        if "convert_first" not in self.without and any(hold_id in w.shards[shard].holds for shard, hold_id in places):
            return [(w, "stock")]
        if "returned" not in self.without:
            [(w, _)] = self.return_seats(w, [shard for shard, _ in places])
        who = self.buyer_of[name]
        buyer = w.buyers[who]
        w = w._replace(buyers=swapped(w.buyers, who, buyer._replace(bought=buyer.bought - len(numbers))))
        return [(self._promised(w, name, after, refund) if refund else self._purchase(w, name, after), "done")]
