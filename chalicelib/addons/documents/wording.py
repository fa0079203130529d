"""The texts, amounts and times of documents in the language of their reader. Each language has its own module in this folder."""

from importlib import import_module

from msgspec import Struct

from chalicelib.edge.languages import Language
from chalicelib.foundation import clock, money
from chalicelib.payments.model import ProviderName
from chalicelib.purchases.model import RefundStatus

_MODULES: dict[Language, str] = {"en": "english", "es": "spanish"}


class Wording(Struct, frozen=True, kw_only=True):
    """The texts of one language, with placeholders. `date` is the format of a day.

    `payments` has the providers whose text differs from `paid`.
    """

    language: Language
    decimal_mark: str
    group_mark: str
    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    date: str
    moment: str
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
    warning: str

    def amount(self, cents: int, currency: str) -> str:
        """An amount in minor units, such as `1,234.50 EUR`."""
        digits = money.digits(currency)
        whole, fraction = divmod(abs(cents), 10**digits)
        text = f"{whole:,}".replace(",", self.group_mark)
        if digits:
            text += f"{self.decimal_mark}{fraction:0{digits}}"
        return f"{'-' if cents < 0 else ''}{text} {currency}"

    def day(self, epoch_seconds: int, timezone: str) -> str:
        """The day of a time in a timezone, given by its IANA name."""
        local = clock.local(epoch_seconds, timezone)
        return self.date.format(weekday=self.weekdays[local.weekday()], day=local.day, month=self.months[local.month - 1], year=local.year)

    def time(self, epoch_seconds: int, timezone: str) -> str:
        """A local time in a timezone, with the name of the zone."""
        local = clock.local(epoch_seconds, timezone)
        zone = str(local.tzinfo).replace("_", " ")
        return self.moment.format(day=self.day(epoch_seconds, timezone), time=f"{local:%H:%M}", zone=zone)


def of(language: Language) -> Wording:
    """The wording of a language."""
    wording: Wording = import_module(f"chalicelib.addons.documents.{_MODULES[language]}").WORDING
    return wording
