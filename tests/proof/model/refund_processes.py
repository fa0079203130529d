"""The protocol's processes for refunds and disputes. See `purchase_processes.py`."""

from tests.proof.model.world import ACTIVE, SOLD, Refund, Setup


class RefundProcesses:
    setup: Setup
    without: frozenset[str]

    def request_refund(self, name, *numbers):
        """An admin refunds some tickets of an order."""
        while True:
            purchase = yield "read_purchase", name
            is_refunded = not set(numbers) <= set(purchase.tickets())
            if purchase.state not in SOLD or is_refunded or purchase.dispute == "open":
                return
            answer = yield from self._void_tickets(
                purchase, numbers, "request_refund", name, numbers, self._version_for("refund_version", purchase.version)
            )
            if answer == "done":
                return

    def process_refunds(self, name):
        """Make the refunds that are due: the request that made one due does this at once, the sweep later."""
        numbers = yield "open_cases", name
        for number in numbers:
            yield from self._process_refund(name, number)

    def _process_refund(self, name, number):
        while True:
            purchase = yield "read_purchase", name
            refund = purchase.refunds[number]
            if refund.status != "due":
                return
            after = yield from self._create_refund(purchase, number)
            if after == refund:
                return  # it stays due, and the caller sees that
            answer = yield "update_refund", name, number, after, self._version_for("outcome_version", purchase.version)
            if answer == "done" and after.status != "due":
                return

    def _create_refund(self, purchase, number):
        """Create a refund at the provider and return it with its new status. Look for it first: an earlier try may have created it so
        long ago that the provider has forgotten the key."""
        refund = purchase.refunds[number]
        request = (refund.payment, number, refund.attempt)
        status = None if "lookup_first" in self.without else (yield "find_refund", *request)
        if status is None and (refund.payment, "open") == (purchase.paid_by, purchase.dispute):
            return refund  # the provider would refuse it
        if status is None:
            status = yield "create_refund", *request, refund.amount
        if status == "failed":
            return self._next_attempt(refund)
        if status == "succeeded":
            return refund._replace(status="succeeded")
        # Nothing was created, so the attempt is not over: another process may be about to use the same key.
        dispute, _, received = yield "fetch_dispute", refund.payment
        if dispute == "lost":
            stuck = sum(other.amount for other in purchase.refunds if (other.payment, other.status) == (refund.payment, "stuck"))
            rest = min(refund.amount, received - stuck)
            return refund._replace(status="stuck", amount=rest) if rest > 0 else refund._replace(status="taken")
        return refund if "keep_key" not in self.without else self._next_attempt(refund)

    def _next_attempt(self, refund):
        return refund._replace(status="due", attempt=refund.attempt + ("attempt" not in self.without))

    # ------------------------------------------------------------------ events: in any order and number; each looks up the present status
    def handle_event(self, payment, kind):
        event = yield "next_event", payment, kind
        if event is None:
            return
        if kind == "refund_failed":
            yield from self._apply_refund_failure(payment, *event[1:])
        else:
            if "payment_first" not in self.without:
                yield from self.confirm(payment, kind)
            yield from self._apply_dispute(payment)
        yield "acknowledge_event", payment, event

    def _apply_refund_failure(self, payment, number, attempt):
        """A refund failed at the bank: make it due again, once, whether or not we had recorded that it was made."""
        name = self.setup.payments[payment]
        while True:
            purchase = yield "read_purchase", name
            refund = purchase.refunds[number]
            if refund.attempt != attempt and "stale_attempt" not in self.without:
                return
            if (yield "update_refund", name, number, self._next_attempt(refund), purchase.version) == "done":
                return

    def _apply_dispute(self, payment):
        """Record the dispute's status at the provider. The answer may be old when it is written, so a decision is final."""
        name = self.setup.payments[payment]
        status, amount, _ = yield "fetch_dispute", payment
        while True:
            purchase = yield "read_purchase", name
            if purchase.paid_by != payment and "ticket_payment" not in self.without:
                return  # this payment has no tickets; its refund finds the dispute
            is_decided = purchase.dispute in ("won", "lost") and "final_decision" not in self.without
            if is_decided or status == purchase.dispute or ("record_won" in self.without and (purchase.dispute, status) == ("", "won")):
                return
            numbers = purchase.tickets()[-amount:] if status == "lost" else ()
            if (yield from self._void_tickets(purchase, numbers, "update_dispute", name, status, numbers, purchase.version)) == "done":
                return

    # ------------------------------------------------------------------
    def _void_tickets(self, purchase, numbers, *call):
        """Convert the tickets' holds first, so that they are counted as sold; then make the call, which is the transaction."""
        places = purchase.places_of(numbers)
        if "convert_first" not in self.without:
            yield from self._convert(places)
        answer = yield call
        name = call[1]
        if answer == "done" and "seat_return" in self.without:
            yield "return_seats", tuple(shard for shard, _ in places)
        if answer == "done" and "case" in self.without:
            yield "put_cases", name
        return answer

    def _refund_duplicate(self, name, payment):
        """Refund a second payment; the purchase stays as it is. False if the purchase changed since it was read."""
        purchase = yield "read_purchase", name
        if purchase.state in ACTIVE or any(refund.payment == payment for refund in purchase.refunds):
            return purchase.state not in ACTIVE
        return (yield "add_refund", name, Refund(payment, (), self.setup.amount(payment)), purchase.version) == "done"

    def _version_for(self, rule, version):
        return None if rule in self.without else version

    def _convert(self, holds):
        for shard, hold_id in holds:
            yield "convert", shard, hold_id
