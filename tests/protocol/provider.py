"""The calls of the payment provider, and what happens there without us; each of them atomic, in the shape of the store's calls.

Its idempotency keys are forgotten after a day, which is less than a recovery may come late: `forget` is how each recovery begins.
An answer that is repeated under a key is the first one, however old. A refusal may or may not be kept under its key.
"""

from tests.protocol.world import ALIVE, Cast, Sent, swapped


class Provider:
    def __init__(self, cast: Cast, without: frozenset[str]) -> None:
        self.cast, self.without = cast, without
        self.names = tuple(cast.payments)

    # ------------------------------------------------------------------ payments
    def open_payment(self, w, payment):
        return self._move(w, payment, ("none",), "opened")

    def hand_out(self, w, payment):
        """Where the rule `attach` was taken away: the buyer can pay, whatever became of the purchase."""
        return self._move(w, payment, ("opened",), "attached")

    def pay(self, w, payment):
        """At any moment at which the provider lets them: by card, at once, or by a transfer that cannot be called back."""
        if self._of(w, payment).status != "attached":
            return [(w, "refused")]
        [(captured, _), (processing, _)] = (self._move(w, payment, ("attached",), to)[0] for to in ("captured", "processing"))
        index = self.cast.names.index(self.cast.payments[payment])
        if w.purchases[index].state in ALIVE:
            captured = captured._replace(in_time=swapped(w.in_time, index, True))
        return [(captured, "captured"), (processing, "processing")]

    def arrive(self, w, payment):
        return self._move(w, payment, ("processing",), "captured")

    def cancel_payment(self, w, payment):
        """Only what the purchase names can be cancelled. Answers whether the money had been taken before."""
        if self._of(w, payment).status == "captured":
            return [(w, "captured")]
        return [(self._move(w, payment, ("attached",), "cancelled")[0][0], "none taken")]

    def drop_payment(self, w, payment):
        """Cancel a payment that one has opened oneself and shown to nobody."""
        return self._move(w, payment, ("opened",), "cancelled")

    def is_captured(self, w, payment):
        return [(w, self._of(w, payment).status == "captured")]

    # ------------------------------------------------------------------ refunds
    def find_refund(self, w, payment, number, attempt):
        """What has become of the refund that was asked for under this attempt; None where none was made."""
        sent = [one.status for one in self._of(w, payment).sent if (one.number, one.attempt) == (number, attempt)]
        return [(w, sent[-1] if sent else None)]

    def ask_refund(self, w, payment, number, attempt, amount):
        """Answers made or refused."""
        one = self._of(w, payment)
        repeated = [answer for *key, answer in one.keys if key == [number, attempt]]
        if repeated:
            return [(w, repeated[0])]
        back = sum(sent.amount for sent in one.sent if sent.status == "made")
        disputed = one.dispute in ("open", "lost") and "disputed" not in self.without
        if disputed or back + amount > self.cast.amount(payment):
            kept = one._replace(keys=one.keys | {(number, attempt, "refused")})
            return [(w, "refused"), (self._put(w, payment, kept), "refused")]
        sent = (*one.sent, Sent(number, attempt, amount, "made"))
        made = one._replace(sent=sent, keys=one.keys | {(number, attempt, "made")})
        return [(self._put(w, payment, made), "made")]

    def bounce(self, w, payment):
        """The bank sends a refund back, after days perhaps."""
        one = self._of(w, payment)
        outcomes = []
        for index, sent in enumerate(one.sent):
            if sent.status == "made":
                unheard = one.unheard | {("failed", sent.number, sent.attempt)}
                failed = one._replace(sent=swapped(one.sent, index, sent._replace(status="failed")), unheard=unheard)
                outcomes.append((self._put(w, payment, failed), "failed"))
        return outcomes or [(w, "nothing to fail")]

    def forget(self, w):
        return [(w._replace(payments=tuple(one._replace(keys=frozenset()) for one in w.payments)), None)]

    # ------------------------------------------------------------------ disputes
    def open_dispute(self, w, payment):
        """Of all the money that is still with us, or of part of it."""
        one = self._of(w, payment)
        left = one.left(self.cast.amount(payment))
        if one.status != "captured" or one.dispute or left < 1:
            return [(w, "no reason")]
        unheard = one.unheard | {("opened",)}
        opened = [one._replace(dispute="open", disputed=amount, unheard=unheard) for amount in sorted({left, 1}, reverse=True)]
        return [(self._put(w, payment, each), f"open, {each.disputed}") for each in opened]

    def decide(self, w, payment):
        one = self._of(w, payment)
        if one.dispute != "open":
            return [(w, "nothing to decide")]
        unheard = one.unheard | {("closed",)}
        return [(self._put(w, payment, one._replace(dispute=end, unheard=unheard)), end) for end in ("won", "lost")]

    def look(self, w, payment):
        """Status and amount of its dispute, and how much of the payment is with us."""
        one = self._of(w, payment)
        return [(w, (one.dispute, one.disputed, one.left(self.cast.amount(payment))))]

    # ------------------------------------------------------------------ events
    def arrives(self, w, payment, kind):
        """An event that has happened, in any order and any number of times; one that is new where there is one, in a recovery."""
        one = self._of(w, payment)
        happened = [("opened",)] * bool(one.dispute) + [("closed",)] * (one.dispute in ("won", "lost"))
        happened += [("failed", sent.number, sent.attempt) for sent in one.sent if sent.status == "failed"]
        mine = sorted((event for event in happened if event[0] == kind), key=lambda event: (event not in one.unheard, event))
        return [(w, event) for event in mine] or [(w, None)]

    def acknowledge(self, w, payment, event):
        """From now on the provider does not send it again."""
        one = self._of(w, payment)
        if event not in one.unheard:
            return [(w, None)]
        return [(self._put(w, payment, one._replace(unheard=one.unheard - {event})), None)]

    # ------------------------------------------------------------------
    def _of(self, w, payment):
        return w.payments[self.names.index(payment)]

    def _put(self, w, payment, value):
        return w._replace(payments=swapped(w.payments, self.names.index(payment), value))

    def _move(self, w, payment, expected, status):
        one = self._of(w, payment)
        if one.status not in expected:
            return [(w, False)]
        return [(self._put(w, payment, one._replace(status=status)), True)]
