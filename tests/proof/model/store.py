"""The calls of the store, each of them atomic.

A call is a method that takes a world and returns its possible outcomes as (world, answer) pairs; few calls have more than one.
"""

from tests.proof.model.world import ACTIVE, SOLD, Refund, Setup, with_item


class Store:
    def __init__(self, setup: Setup, without: frozenset[str]) -> None:
        self.setup, self.without = setup, without
        self.index = {name: index for index, name in enumerate(setup.names)}
        buyers = sorted(set(setup.buyers.values()))
        self.buyer_of = {name: buyers.index(setup.buyers[name]) for name in setup.names}

    # ------------------------------------------------------------------ shards: one conditional update of one item
    def hold(self, world, number, hold_id, knows_pool=None, takes_kept=None):
        shard = world.shards[number]
        if not shard.is_open or shard.available < 1 or hold_id in shard.holds:
            return [(world, False)]
        if "pool_mark" not in self.without and shard.is_pooled != (bool(knows_pool) and number not in self.setup.pool):
            return [(world, False)]
        if shard.is_kept and not takes_kept:
            if "kept_mark" not in self.without:
                return [(world, False)]
            world = world._replace(overtaken=(*world.overtaken, hold_id[0]))
        held = shard._replace(available=shard.available - 1, holds=shard.holds | {hold_id})
        return [(self._with_shard(world, number, held), True)]

    def release(self, world, number, hold_id):
        shard = world.shards[number]
        if hold_id not in shard.holds:
            return [(world, False)]
        released = shard._replace(available=shard.available + 1, holds=shard.holds - {hold_id})
        return [(self._with_shard(world, number, released), True)]

    def convert(self, world, number, hold_id):
        shard = world.shards[number]
        if hold_id not in shard.holds:
            return [(world, False)]
        converted = shard._replace(sold=shard.sold + 1, holds=shard.holds - {hold_id})
        return [(self._with_shard(world, number, converted), True)]

    def mark_pooled(self, world, number):
        """Let a shard take no more holds of buyers who do not know of the pool, unless tickets are sold or held without it."""
        shard = world.shards[number]
        if "unsold" not in self.without and (shard.sold or shard.holds):
            return [(world, False)]
        return [(self._with_shard(world, number, shard._replace(is_pooled=True)), True)]

    def set_open(self, world, number, is_open):
        return [(self._with_shard(world, number, world.shards[number]._replace(is_open=is_open)), None)]

    def set_kept(self, world, number, is_kept):
        return [(self._with_shard(world, number, world.shards[number]._replace(is_kept=is_kept)), None)]

    # ------------------------------------------------------------------ holdbacks: of one ticket
    def hold_back(self, world, number):
        """Make a shard's capacity smaller, unless all of its tickets are sold or held."""
        shard = world.shards[number]
        if shard.available < 1 and "free_only" not in self.without:
            return [(world, False)]
        return [(self._with_shard(world, number, shard._replace(available=shard.available - 1, held_back=shard.held_back + 1)), True)]

    def read_held_back(self, world, number):
        return [(world, world.shards[number].held_back)]

    def grow(self, world, number, seen):
        """Make a shard's capacity larger by what was seen to be missing, if it has not changed since."""
        shard = world.shards[number]
        if shard.held_back != seen and "seen_capacity" not in self.without:
            return [(world, False)]
        return [(self._with_shard(world, number, shard._replace(available=shard.available + seen, held_back=shard.held_back - seen)), True)]

    def record_holdback(self, world):
        return [(world._replace(holdback="held") if world.holdback == "none" else world, None)]

    def begin_release(self, world):
        """Record in the catalog that the holdback is released. Returns whether the stock must still grow."""
        after = world._replace(holdback="released") if world.holdback == "held" else world
        return [(after, after.holdback == "released")]

    def end_release(self, world):
        return [(world._replace(holdback="complete") if world.holdback == "released" else world, None)]

    # ------------------------------------------------------------------ resale: a listed ticket is valid, and counted in the resale stock
    def list_ticket(self, world, name, number):
        """Offer a ticket for resale: mark it, and add it to the resale stock. Its seat must be counted as sold."""
        purchase = world.purchases[self.index[name]]
        if not self._can_be_sold(world, name, number) or (name, number) in world.listed:
            return [(world, "ticket")]
        if "convert_listed" not in self.without and any(hold in world.shards[shard].holds for shard, hold in purchase.places_of((number,))):
            return [(world, "stock")]
        listed = world._replace(listed=(*world.listed, (name, number)))
        return [(listed if "list_together" in self.without else self._add_listed(listed, 1), "done")]

    def add_to_resale(self, world):
        """Only without the rule `list_together`: add a ticket to the resale stock, after it was marked."""
        return [(self._add_listed(world, 1), None)]

    def unlist_ticket(self, world, name, number):
        """Take a ticket out of the resale stock, if the stock has one that nobody holds."""
        if (name, number) not in world.listed or (world.shards[self.setup.resale].available < 1 and "free_listing" not in self.without):
            return [(world, False)]
        return [(self._add_listed(self._unlisted(world, name, number), -1), True)]

    def find_listing(self, world):
        """Find the oldest listed ticket that can be sold, or None."""
        ignores_use = "unused_listing" in self.without
        return [(world, next((listing for listing in world.listed if self._can_be_sold(world, *listing, ignores_use)), None))]

    def find_dead_listing(self, world):
        """Find a listed ticket that can no longer be sold, because somebody came in with it, or because it is not valid."""
        return [(world, next((listing for listing in world.listed if not self._can_be_sold(world, *listing)), None))]

    def resell(self, world, name, expected, version, listing, payment, holds=None):
        """One transaction: the purchase is paid, and gets the seat of a listed ticket; that ticket is void, and its refund is due."""
        purchase = world.purchases[self.index[name]]
        if purchase.state not in expected or purchase.version != version:
            return [(world, "purchase")]
        is_listed = listing in world.listed or "still_listed" in self.without
        if not is_listed or not self._can_be_sold(world, *listing, "unused_listing" in self.without):
            return [(world, "ticket")]
        seller, number = listing
        sold = world.purchases[self.index[seller]]
        [(changed, answer)] = self.update_buyer(world, name, purchase.state, "paid")
        if answer != "done":
            return [(world, answer)]
        after = purchase._replace(state="paid", paid_by=payment, holds=sold.places_of((number,)))
        changed = self._with_purchase(changed, name, after if holds is None else after._replace(resale_holds=holds))
        return [(changed if "one_resale" in self.without else self._take_over(changed, seller, number), "done")]

    def take_over(self, world, seller, number):
        """Only without the rule `one_resale`: void a ticket whose seat was sold, and make its refund due."""
        return [(self._take_over(world, seller, number), None)]

    def scan(self, world, name, number):
        """The door lets somebody in: one write to the ticket, which does not wait for the resale stock."""
        if not self._can_be_sold(world, name, number):
            return [(world, False)]
        return [(world._replace(used=world.used | {(name, number)}), True)]

    def _can_be_sold(self, world, name, number, ignores_use=False):
        purchase = world.purchases[self.index[name]]
        is_unused = ignores_use or (name, number) not in world.used
        return number in purchase.tickets() and purchase.dispute != "open" and is_unused

    def _add_listed(self, world, count):
        shard = world.shards[self.setup.resale]
        return self._with_shard(world, self.setup.resale, shard._replace(available=shard.available + count))

    def _unlisted(self, world, name, number):
        return world._replace(listed=tuple(listing for listing in world.listed if listing != (name, number)))

    def _take_over(self, world, seller, number):
        purchase = world.purchases[self.index[seller]]
        kept = set(purchase.tickets()) - {number}
        index = self.buyer_of[seller]
        buyer = world.buyers[index]
        world = world._replace(buyers=with_item(world.buyers, index, buyer._replace(bought=buyer.bought - 1)))
        after = purchase._replace(state="partially_refunded" if kept else "refunded")
        refund = Refund(purchase.paid_by, (number,), 1, is_resale=True)
        return self._with_refund(self._unlisted(world, seller, number), seller, after, refund)

    # ------------------------------------------------------------------ the waitlist
    def read_entry(self, world):
        return [(world, world.entry)]

    def leave_waitlist(self, world):
        return [(world._replace(entry="left") if world.entry == "waiting" else world, None)]

    def note_offer(self, world, name):
        """The entry's part of a transition; a call of its own only without the rule `one_offer`."""
        if world.entry != "waiting" and "one_offer" not in self.without:
            return [(world, "entry")]
        return [(world._replace(entry="offered"), "done")]

    def find_expired_hold(self, world, number):
        """Read a shard and find an expired hold in it. There is no clock: any hold may be expired at any moment."""
        return [(world, hold_id) for hold_id in sorted(world.shards[number].holds)] or [(world, None)]

    def is_expired(self, world):
        """Return whether the clock says that a purchase has expired: it may say either at any moment."""
        return [(world, True), (world, False)]

    # ------------------------------------------------------------------ the catalog
    def read_catalog(self, world):
        """Whether the event has a pool. An instance may answer from a copy that was made before it had one."""
        return [(world, world.has_pool)] + ([(world, False)] if world.has_pool and self.setup.gets_pool else [])

    def add_pool(self, world):
        return [(world._replace(has_pool=True), None)]

    # ------------------------------------------------------------------ the arbiter and the buyer's record
    def read_purchase(self, world, name):
        return [(world, world.purchases[self.index[name]])]

    def may_use_code(self, world, name):
        """Whether the buyer has used the code less often than one may, as their record says."""
        return [(world, world.buyers[self.buyer_of[name]].uses < self.setup.use_limit)]

    def transition(self, world, name, expected, to, version=None, holds=None, payment=None, promo_holds=None):
        """One transaction: the purchase's compare-and-set, with what it changes in the buyer's record. Returns `done`, or which
        condition failed: `purchase`, `limit`, `entry`, or the name of the buyer's active purchase. With the state `refunded` the
        refund of the payment becomes due in the same transaction."""
        purchase = world.purchases[self.index[name]]
        if purchase.state not in expected or (version is not None and purchase.version != version):
            return [(world, "purchase")]
        changed = world
        if "buyer_record" not in self.without:
            [(changed, answer)] = self.update_buyer(world, name, purchase.state, to)
            if answer != "done":
                return [(world, answer)]
        if name in self.setup.offers and (purchase.state, to) == ("absent", "held"):
            if "one_offer" not in self.without:
                [(changed, answer)] = self.note_offer(changed, name)
                if answer != "done":
                    return [(world, answer)]
            changed = changed._replace(offered=(*changed.offered, name))
        after = purchase._replace(state=to, paid_by=payment or purchase.paid_by)
        if holds is not None and name in self.setup.from_resale:
            after = after._replace(resale_holds=holds)
        elif holds is not None:
            tickets = len(self.setup.plans[name])
            after = after._replace(holds=holds[:tickets], pool_holds=holds[tickets:])
        if promo_holds is not None:
            after = after._replace(promo_holds=promo_holds)
        if to == "refunded":
            return [(self._with_refund(changed, name, after, Refund(payment, (), self.setup.amount(payment))), "done")]
        return [(self._with_purchase(changed, name, after), "done")]

    def update_buyer(self, world, name, before, to):
        """The buyer's part of a transition; a call of its own only without the rule `buyer_record`."""
        index, quantity = self.buyer_of[name], len(self.setup.plans[name])
        buyer = world.buyers[index]
        begins, is_late = (before, to) == ("absent", "held"), (before, to) == ("expired", "paid")
        if begins or (is_late and "late_limit" not in self.without):
            if buyer.active is not None:
                return [(world, buyer.active)]
            if buyer.bought + quantity > self.setup.limit:
                return [(world, "limit")]
        is_use = to == "paid" and name in self.setup.with_code
        if is_use and is_late and "use_limit" not in self.without and buyer.uses >= self.setup.use_limit:
            return [(world, "limit")]
        if begins:
            buyer = buyer._replace(active=name)
        elif before in ACTIVE and to not in ACTIVE and buyer.active == name:
            buyer = buyer._replace(active=None)
        if to == "paid":
            buyer = buyer._replace(bought=buyer.bought + quantity, uses=buyer.uses + is_use)
        return [(world._replace(buyers=with_item(world.buyers, index, buyer)), "done")]

    def attach_payment(self, world, name):
        """Write the payment's id into the paying purchase and show the payment to the buyer, who can pay from now on."""
        [(after, answer)] = self.transition(world, name, ("paying",), "paying")
        if answer == "done":
            index = self.index[name]
            after = after._replace(payments=with_item(world.payments, index, world.payments[index]._replace(status="attached")))
        return [(after, answer)]

    def name_charge(self, world, name, payment):
        """Write the id of the payment with which a saved card is about to be charged, unless the purchase names one already."""
        purchase = world.purchases[self.index[name]]
        if purchase.state != "paying" or purchase.charge:
            return [(world, "purchase")]
        number = list(self.setup.payments).index(payment)
        attached = with_item(world.payments, number, world.payments[number]._replace(status="attached"))
        return [(self._with_purchase(world, name, purchase._replace(charge=payment))._replace(payments=attached), "done")]

    # ------------------------------------------------------------------ refunds and disputes: one transaction each
    def request_refund(self, world, name, numbers, version):
        """Make tickets void, return their seats to the stock, change the buyer's record and make the refund due. Returns `done`, or
        which condition failed: `purchase` or `stock`."""
        purchase = world.purchases[self.index[name]]
        if purchase.state not in SOLD or (version is not None and purchase.version != version):
            return [(world, "purchase")]
        refund = Refund(purchase.paid_by, numbers, len(numbers))
        kept = set(purchase.tickets()) - set(numbers)
        return self._void_tickets(world, name, purchase._replace(state="partially_refunded" if kept else "refunded"), numbers, refund)

    def add_refund(self, world, name, refund, version):
        """Make a refund due that does not change the purchase's state."""
        purchase = world.purchases[self.index[name]]
        if purchase.version != version:
            return [(world, "purchase")]
        return [(self._with_refund(world, name, purchase, refund), "done")]

    def update_refund(self, world, name, number, refund, version=None):
        """Write the status and attempt of a refund; its case is closed when nothing is left to do."""
        purchase = world.purchases[self.index[name]]
        if version is not None and purchase.version != version:
            return [(world, "purchase")]
        cases = world.cases | {(name, number)} if refund.status == "due" else world.cases - {(name, number)}
        after = purchase._replace(refunds=with_item(purchase.refunds, number, refund))
        return [(self._with_purchase(world, name, after)._replace(cases=cases), "done")]

    def update_dispute(self, world, name, dispute, numbers, version):
        """Write the status of a dispute. Open: the tickets are frozen. Won: they are valid again. Lost: the tickets `numbers`, whose
        money the bank took, are void and the others are valid again."""
        purchase = world.purchases[self.index[name]]
        if purchase.version != version:
            return [(world, "purchase")]
        after = purchase._replace(dispute=dispute, lost_tickets=numbers)
        if numbers:
            after = after._replace(state="partially_refunded" if after.tickets() else "refunded")
        return self._void_tickets(world, name, after, numbers, None)

    def put_cases(self, world, name):
        """Only without the rule `case`: open the cases of the refunds that are due, after the purchase was written."""
        due = {(name, number) for number, refund in enumerate(world.purchases[self.index[name]].refunds) if refund.status == "due"}
        return [(world._replace(cases=world.cases | due), None)]

    def return_seats(self, world, numbers):
        """Return a seat to each of these shards; a call of its own only without the rule `seat_return`."""
        for number in numbers:
            shard = world.shards[number]
            world = self._with_shard(world, number, shard._replace(sold=shard.sold - 1, available=shard.available + 1))
        return [(world, None)]

    def open_cases(self, world, name):
        return [(world, tuple(sorted(number for owner, number in world.cases if owner == name)))]

    # ------------------------------------------------------------------
    def _with_shard(self, world, number, shard):
        return world._replace(shards=with_item(world.shards, number, shard))

    def _with_purchase(self, world, name, after):
        after = after._replace(version=after.version + 1)
        return world._replace(purchases=with_item(world.purchases, self.index[name], after))

    def _with_refund(self, world, name, after, refund):
        """The world with the purchase `after` in it, with one more refund that is due."""
        number = len(after.refunds)
        if "case" not in self.without:
            world = world._replace(cases=world.cases | {(name, number)})
        return self._with_purchase(world, name, after._replace(refunds=(*after.refunds, refund)))

    def _void_tickets(self, world, name, after, numbers, refund):
        """The tickets' seats are returned under the condition that their holds are gone, which means that they were counted as sold."""
        places = after.places_of(numbers)
        if "convert_first" not in self.without and any(hold_id in world.shards[shard].holds for shard, hold_id in places):
            return [(world, "stock")]
        if "seat_return" not in self.without:
            [(world, _)] = self.return_seats(world, [shard for shard, _ in places])
        if "use_kept" in self.without:
            [(world, _)] = self.return_seats(world, [shard for shard, _ in after.promo_holds])
        index = self.buyer_of[name]
        buyer = world.buyers[index]
        world = world._replace(buyers=with_item(world.buyers, index, buyer._replace(bought=buyer.bought - len(numbers))))
        return [(self._with_refund(world, name, after, refund) if refund else self._with_purchase(world, name, after), "done")]
