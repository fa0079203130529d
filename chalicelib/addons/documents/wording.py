"""The texts of documents, and the formats of amounts and times, in the reader's language."""

from datetime import timedelta

from msgspec import Struct

from chalicelib.catalog.model import Event
from chalicelib.edge import languages
from chalicelib.edge.languages import Language
from chalicelib.foundation import clock, money
from chalicelib.foundation.money import TaxShare
from chalicelib.ledger.model import EntryKind
from chalicelib.payments.model import ProviderName
from chalicelib.purchases.model import RefundStatus

MAX_DATES = 10  # dates that are shown of an event


class Wording(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The texts of one language, with placeholders.

    `payments` has the texts for providers that need a text other than `paid`. `statement_lines` name the sales, refunds, disputes and fees
    of a statement. `corrections` say why a document takes back another, by the kind of its ledger entry.
    """

    language: Language
    decimal_mark: str
    group_mark: str
    receipt: str
    number: str
    paid_at: str
    seller: str
    buyer: str
    event: str
    item: str
    price: str
    total: str
    discount: str
    refund: str
    refund_states: dict[RefundStatus, str]
    fee_kept: str
    dispute: str
    left: str
    paid: str
    payments: dict[ProviderName, str]
    reference: str
    ticket_numbers: str
    issued_at: str
    tickets: str
    ticket_of: str
    admits_one: str
    admits: str
    attendee: str
    code: str
    seats: str
    seat: str
    order: str
    doors: str
    ends: str
    warning: str
    statement: str
    statement_lines: tuple[str, str, str, str]
    shop_account: str
    promoter_account: str
    net: str
    statement_note: str
    no_money: str
    includes_fee: str
    fee_of_sales: str
    includes_tax: str
    exempt: str
    tax_of_sales: str
    invoice: str
    credit_note: str
    corrects: str
    corrections: dict[EntryKind, str]
    tax_id: str
    vat_id: str
    order_label: str
    invoice_discount: str
    without_tax: str
    paid_on: str

    def amount(self, cents: int, currency: str) -> str:
        """Format an amount in minor units, such as `1,234.50 EUR`."""
        digits = money.digits(currency)
        whole, fraction = divmod(abs(cents), 10**digits)
        text = f"{whole:,}".replace(",", self.group_mark)
        if digits:
            text += f"{self.decimal_mark}{fraction:0{digits}}"
        return f"{'-' if cents < 0 else ''}{text} {currency}"

    def tax(self, share: TaxShare) -> str:
        """Return the label of the tax that an amount includes."""
        if share.exempt_because is not None:
            return self.exempt.format(reason=share.exempt_because)
        return self.includes_tax.format(percent=share.percent.replace(".", self.decimal_mark))

    def day(self, epoch_seconds: int, timezone: str) -> str:
        """Format the date of a time in a timezone. `timezone` is an IANA name."""
        return languages.day_text(clock.local(epoch_seconds, timezone), self.language)

    def time(self, epoch_seconds: int, timezone: str) -> str:
        """Format a time in a timezone, such as `Saturday, 4 July 2026, 8:00 PM MDT`. `timezone` is an IANA name."""
        return languages.moment_text(clock.local(epoch_seconds, timezone), self.language)

    def times(self, event: Event) -> list[str]:
        """Return the start of an event, or its first dates that take place, each with its own name and place."""
        shown = [
            ", ".join(filter(None, (self.time(date.start, event.timezone), date.name, date.venue if len(event.dates) > 1 else None)))
            for date in event.open_dates[:MAX_DATES]
        ]
        return [*shown, *("…" for _ in event.open_dates[MAX_DATES:][:1])] or [self.time(event.starts_at, event.timezone)]

    def doors_and_end(self, event: Event) -> str:
        """Return when the doors open and when the event ends, if they are known."""
        starts = clock.local(event.starts_at, event.timezone)
        parts = []
        if event.doors_minutes is not None:
            opens = starts - timedelta(minutes=event.doors_minutes)
            parts.append(self.doors.format(time=languages.time_text(opens, self.language)))
        if event.ends_at is not None:
            ends = clock.local(event.ends_at, event.timezone)
            text = languages.time_text if ends.date() == starts.date() else languages.moment_text
            parts.append(self.ends.format(time=text(ends, self.language)))
        return " · ".join(parts)


_WORDINGS = languages.load_words("documents", Wording)


def wording_in(language: Language) -> Wording:
    """Return the wording of documents in a language."""
    return _WORDINGS[language]
