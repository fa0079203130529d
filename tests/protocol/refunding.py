"""The protocol once tickets were sold: refunds, what the provider makes of them, and disputes. See `rules.py`."""

from tests.protocol.world import ALIVE, SOLD, Cast, Refund


class Refunding:
    cast: Cast
    without: frozenset[str]

    def refund(self, name, *numbers):
        """An administrator takes some tickets back."""
        while True:
            purchase = yield "read", name
            given_back = not set(numbers) <= set(purchase.tickets())
            if purchase.state not in SOLD or given_back or purchase.dispute == "open":
                return
            answer = yield from self._voided(purchase, numbers, "take_back", name, numbers, self._if("numbers", purchase.version))
            if answer == "done":
                return

    def settle(self, name):
        """Pay out what is due, as whoever made it due does at once, and the sweep later."""
        numbers = yield "matters", name
        for number in numbers:
            yield from self._settle(name, number)

    def _settle(self, name, number):
        while True:
            purchase = yield "read", name
            refund = purchase.refunds[number]
            if refund.status != "due":
                return
            after = yield from self._sent(purchase, number)
            if after == refund:
                return  # it stays due, and is seen as that
            done = yield "note_refund", name, number, after, self._if("outcome", purchase.version)
            if done == "done" and after.status != "due":
                return

    def _sent(self, purchase, number):
        """The refund as the provider leaves it. First look for it: it may have been asked for so long ago that its key is forgotten."""
        refund = purchase.refunds[number]
        asked = (refund.payment, number, refund.attempt)
        status = None if "look_first" in self.without else (yield "find_refund", *asked)
        if status is None and (refund.payment, "open") == (purchase.paid_by, purchase.dispute):
            return refund  # it would be refused
        if status is None:
            status = yield "ask_refund", *asked, refund.amount
        if status == "failed":
            return self._again(refund)
        if status == "made":
            return refund._replace(status="made")
        # Nothing was made, so the attempt is not over: somebody may still be about to ask under the same key.
        dispute, _, left = yield "look", refund.payment
        if dispute == "lost":
            kept = sum(one.amount for one in purchase.refunds if (one.payment, one.status) == (refund.payment, "stuck"))
            rest = min(refund.amount, left - kept)
            return refund._replace(status="stuck", amount=rest) if rest > 0 else refund._replace(status="taken")
        return refund if "same_key" not in self.without else self._again(refund)

    def _again(self, refund):
        return refund._replace(status="due", attempt=refund.attempt + ("attempt" not in self.without))

    # ------------------------------------------------------------------ events: told, then looked up, in any order and number
    def hear(self, payment, kind):
        event = yield "arrives", payment, kind
        if event is None:
            return
        if kind == "failed":
            yield from self._failed(payment, *event[1:])
        else:
            if "money_first" not in self.without:
                yield from self.confirm(payment, kind)
            yield from self._disputed(payment)
        yield "acknowledge", payment, event

    def _failed(self, payment, number, attempt):
        """A refund that came back: due again, once, whether or not we had written down that it was made."""
        name = self.cast.payments[payment]
        while True:
            purchase = yield "read", name
            refund = purchase.refunds[number]
            if refund.attempt != attempt and "same_attempt" not in self.without:
                return
            if (yield "note_refund", name, number, self._again(refund), purchase.version) == "done":
                return

    def _disputed(self, payment):
        """Write down what the provider says. The answer may be old when it is written: what was decided stays."""
        name = self.cast.payments[payment]
        status, amount, _ = yield "look", payment
        while True:
            purchase = yield "read", name
            if purchase.paid_by != payment and "own_payment" not in self.without:
                return  # money that has no tickets; its refund finds the dispute
            decided = purchase.dispute in ("won", "lost") and "decided" not in self.without
            if decided or status == purchase.dispute or ("note_won" in self.without and (purchase.dispute, status) == ("", "won")):
                return
            numbers = purchase.tickets()[-amount:] if status == "lost" else ()
            if (yield from self._voided(purchase, numbers, "note_dispute", name, status, numbers, purchase.version)) == "done":
                return

    # ------------------------------------------------------------------
    def _voided(self, purchase, numbers, *call):
        """The holds of tickets that end are counted as sold first; then the transaction."""
        places = [purchase.listed[number] for number in numbers]
        if "convert_first" not in self.without:
            yield from self._convert(places)
        answer = yield call
        name = call[1]
        if answer == "done" and "returned" in self.without:
            yield "return_seats", tuple(shard for shard, _ in places)
        if answer == "done" and "matter" in self.without:
            yield "put_matter", name
        return answer

    def _duplicate(self, name, payment):
        """A second payment goes back; the purchase goes on as it is. False if it changed meanwhile."""
        purchase = yield "read", name
        if purchase.state in ALIVE or any(refund.payment == payment for refund in purchase.refunds):
            return purchase.state not in ALIVE
        return (yield "promise", name, Refund(payment, (), self.cast.amount(payment)), purchase.version) == "done"

    def _if(self, rule, version):
        return None if rule in self.without else version

    def _convert(self, listed):
        for shard, hold_id in listed:
            yield "convert", shard, hold_id
