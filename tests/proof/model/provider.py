"""The payment provider: its calls, and what happens there without us. Each is atomic and has the form of the store's calls.

The provider forgets idempotency keys after a day, and a recovery may run later than that, so each recovery begins with `forget_keys`.
A repeated key gets the first answer, however old it is. A refusal may or may not be kept under its key.
"""

from tests.proof.model.world import ACTIVE, ProviderRefund, Setup, with_item


class Provider:
    def __init__(self, setup: Setup, without: frozenset[str]) -> None:
        self.setup, self.without = setup, without
        self.names = tuple(setup.payments)

    # ------------------------------------------------------------------ payments
    def create_payment(self, world, name):
        return self._change_status(world, name, ("none",), "created")

    def show_payment(self, world, name):
        """Only without the rule `attach` or `charge_named`: let the payment be paid, whatever state the purchase is in."""
        return self._change_status(world, name, ("created",), "attached")

    def pay(self, world, name):
        """The buyer pays, which is possible as long as the payment can be paid: by card, or by a transfer that cannot be recalled."""
        if self._payment(world, name).status != "attached":
            return [(world, "refused")]
        [(succeeded, _), (processing, _)] = (
            self._change_status(world, name, ("attached",), status)[0] for status in ("succeeded", "processing")
        )
        if world.purchases[self.setup.names.index(self.setup.payments[name])].state in ACTIVE:
            in_time = with_item(world.paid_in_time, self.names.index(name), True)
            succeeded, processing = succeeded._replace(paid_in_time=in_time), processing._replace(paid_in_time=in_time)
        return [(succeeded, "succeeded"), (processing, "processing")]

    def charge_card(self, world, name):
        """Charge the saved card, if the payment can still be paid. The bank may decline."""
        [(paid, answer), *_] = self.pay(world, name)
        return [(paid, answer)] if answer == "refused" else [(paid, answer), (world, "declined")]

    def decide_transfer(self, world, name):
        """The bank decides about a transfer, perhaps days later. After an uncancelled failed transfer the buyer may pay again."""
        failed = {"processing": "attached", "recalled": "cancelled"}
        status = self._payment(world, name).status
        if status not in failed:
            return [(world, "nothing to decide")]
        return [(self._change_status(world, name, (status,), decision)[0][0], decision) for decision in ("succeeded", failed[status])]

    def cancel_payment(self, world, name):
        """Cancel a payment that its purchase names. Returns its status, if it could not be cancelled: `succeeded` or `processing`.

        A transfer that is on its way cannot be cancelled, or it is, and its money may come in nevertheless.
        """
        status = self._payment(world, name).status
        if status == "processing":
            [(recalled, _)] = self._change_status(world, name, ("processing",), "recalled")
            recalled = recalled._replace(paid_in_time=with_item(world.paid_in_time, self.names.index(name), False))
            return [(world, "processing"), (recalled, "cancelled")]
        return [(self._change_status(world, name, ("attached",), "cancelled")[0][0], status)]

    def cancel_unattached(self, world, name):
        """Cancel a payment that this process has created and that no buyer has seen."""
        return self._change_status(world, name, ("created",), "cancelled")

    def has_succeeded(self, world, name):
        return [(world, self._payment(world, name).status == "succeeded")]

    # ------------------------------------------------------------------ refunds
    def find_refund(self, world, name, number, attempt):
        """Return the status of the refund that this attempt created, or None."""
        refunds = self._payment(world, name).refunds
        statuses = [refund.status for refund in refunds if (refund.number, refund.attempt) == (number, attempt)]
        return [(world, statuses[-1] if statuses else None)]

    def create_refund(self, world, name, number, attempt, amount):
        """Returns succeeded or refused."""
        payment = self._payment(world, name)
        earlier = [answer for *key, answer in payment.keys if key == [number, attempt]]
        if earlier:
            return [(world, earlier[0])]
        refunded = sum(refund.amount for refund in payment.refunds if refund.status == "succeeded")
        is_disputed = payment.dispute in ("open", "lost") and "provider_refusal" not in self.without
        if is_disputed or refunded + amount > self.setup.amount(name):
            kept = payment._replace(keys=payment.keys | {(number, attempt, "refused")})
            return [(world, "refused"), (self._with_payment(world, name, kept), "refused")]
        refunds = (*payment.refunds, ProviderRefund(number, attempt, amount, "succeeded"))
        succeeded = payment._replace(refunds=refunds, keys=payment.keys | {(number, attempt, "succeeded")})
        return [(self._with_payment(world, name, succeeded), "succeeded")]

    def fail_refund(self, world, name):
        """The bank returns a refund, perhaps days later."""
        payment = self._payment(world, name)
        outcomes = []
        for index, refund in enumerate(payment.refunds):
            if refund.status == "succeeded":
                refunds = with_item(payment.refunds, index, refund._replace(status="failed"))
                events = payment.unacknowledged | {("refund_failed", refund.number, refund.attempt)}
                failed = payment._replace(refunds=refunds, unacknowledged=events)
                outcomes.append((self._with_payment(world, name, failed), "failed"))
        return outcomes or [(world, "no refund to fail")]

    def forget_keys(self, world):
        return [(world._replace(payments=tuple(payment._replace(keys=frozenset()) for payment in world.payments)), None)]

    # ------------------------------------------------------------------ disputes
    def open_dispute(self, world, name):
        """A dispute of all the money that we still have of a payment, or of part of it."""
        payment = self._payment(world, name)
        received = payment.net_received(self.setup.amount(name))
        if payment.status != "succeeded" or payment.dispute or received < 1:
            return [(world, "nothing to dispute")]
        opened = payment._replace(dispute="open", unacknowledged=payment.unacknowledged | {("dispute_opened",)})
        amounts = sorted({received, 1}, reverse=True)
        return [(self._with_payment(world, name, opened._replace(disputed_amount=amount)), f"open, {amount}") for amount in amounts]

    def decide_dispute(self, world, name):
        payment = self._payment(world, name)
        if payment.dispute != "open":
            return [(world, "nothing to decide")]
        closed = payment._replace(unacknowledged=payment.unacknowledged | {("dispute_closed",)})
        return [(self._with_payment(world, name, closed._replace(dispute=decision)), decision) for decision in ("won", "lost")]

    def fetch_dispute(self, world, name):
        """Returns the status and the amount of a payment's dispute, and how much of the payment we have."""
        payment = self._payment(world, name)
        return [(world, (payment.dispute, payment.disputed_amount, payment.net_received(self.setup.amount(name))))]

    # ------------------------------------------------------------------ events
    def next_event(self, world, name, kind):
        """Deliver an event: in any order, any number of times. During recovery one that is not acknowledged, if there is one."""
        payment = self._payment(world, name)
        events = [("dispute_opened",)] * bool(payment.dispute) + [("dispute_closed",)] * (payment.dispute in ("won", "lost"))
        events += [("refund_failed", refund.number, refund.attempt) for refund in payment.refunds if refund.status == "failed"]
        of_kind = sorted((event for event in events if event[0] == kind), key=lambda event: (event not in payment.unacknowledged, event))
        return [(world, event) for event in of_kind] or [(world, None)]

    def acknowledge_event(self, world, name, event):
        """From now on the provider does not send this event again."""
        payment = self._payment(world, name)
        if event not in payment.unacknowledged:
            return [(world, None)]
        return [(self._with_payment(world, name, payment._replace(unacknowledged=payment.unacknowledged - {event})), None)]

    # ------------------------------------------------------------------
    def _payment(self, world, name):
        return world.payments[self.names.index(name)]

    def _with_payment(self, world, name, payment):
        return world._replace(payments=with_item(world.payments, self.names.index(name), payment))

    def _change_status(self, world, name, expected, status):
        payment = self._payment(world, name)
        if payment.status not in expected:
            return [(world, False)]
        return [(self._with_payment(world, name, payment._replace(status=status)), True)]
