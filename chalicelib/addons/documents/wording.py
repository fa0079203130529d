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

MAX_DATES = 10  # shown of an event with many


class Wording(Struct, frozen=True, kw_only=True):
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
        """Return the start of an event, or the first of its dates that take place, each with its own name and place."""
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


ENGLISH = Wording(
    language="en",
    decimal_mark=".",
    group_mark=",",
    receipt="Receipt",
    number="Number",
    paid_at="Date",
    seller="Seller",
    buyer="Buyer",
    event="Event",
    item="Item",
    price="Price",
    total="Total",
    discount="Promo code {code}",
    refund="Refund on {day}: {state}",
    refund_states={"due": "on its way", "pending": "on its way", "succeeded": "completed", "failed": "failed, nothing was refunded"},
    fee_kept="a fee of {amount} was deducted",
    dispute="Reversed by the buyer's bank on {day}",
    left="Balance",
    paid="Paid.",
    payments={
        "free": "There was nothing to pay.",
        "simulated": "This was a demo payment: no money moved.",
        "imported": "Sold and paid for elsewhere.",
        "box_office": "Paid at the box office.",
        "bank_transfer": "Paid by bank transfer.",
    },
    reference="Payment reference: {reference}",
    ticket_numbers="Tickets: {numbers}",
    issued_at="Issued on {moment}.",
    tickets="Tickets",
    ticket_of="Ticket {number} of {count}",
    admits_one="Admits one person",
    admits="Admits {count} people",
    attendee="For {name}",
    code="Code",
    seats="Seats",
    seat="Seat {seat}",
    order="Order {order}",
    doors="Doors {time}",
    ends="Ends {time}",
    warning="Show this code at the door. It works only once, so do not share it.",
    statement="Statement",
    statement_lines=("Sales", "Refunds", "Disputes", "Shop's fee"),
    shop_account="(the shop's account)",
    promoter_account="(the promoter's account)",
    net="Remaining",
    statement_note="The remaining amount is before the payment provider's own fees.",
    no_money="No money has come in for this event yet.",
    includes_fee="Includes fees",
    fee_of_sales="Includes fees, in sales",
    includes_tax="Includes {percent}% tax",
    exempt="No tax: {reason}",
    tax_of_sales="{tax}, in sales of {gross}",
    invoice="Invoice",
    credit_note="Credit note",
    corrects="Corrects",
    corrections={
        "refunded": "Refund on {day}",
        "refund_failed": "Refund that could not be paid out on {day}",
        "disputed": "Reversed by the buyer's bank on {day}",
        "dispute_won": "Reversal taken back by the buyer's bank on {day}",
    },
    tax_id="Tax ID: {number}",
    vat_id="VAT ID: {number}",
    order_label="Order",
    invoice_discount="Discount",
    without_tax="Total without tax",
    paid_on="Paid on {day}.",
)

SPANISH = Wording(
    language="es",
    decimal_mark=",",
    group_mark=".",
    receipt="Recibo",
    number="Número",
    paid_at="Fecha",
    seller="Vendedor",
    buyer="Comprador",
    event="Evento",
    item="Concepto",
    price="Precio",
    total="Total",
    discount="Código promocional {code}",
    refund="Reembolso del {day}: {state}",
    refund_states={"due": "en camino", "pending": "en camino", "succeeded": "realizado", "failed": "fallido, no se ha devuelto nada"},
    fee_kept="se ha descontado un cargo de {amount}",
    dispute="Revertido por el banco del comprador el {day}",
    left="Importe final",
    paid="Pagado.",
    payments={
        "free": "No había nada que pagar.",
        "simulated": "Pago de demostración: no se ha movido dinero.",
        "imported": "Vendido y pagado en otro sitio.",
        "box_office": "Pagado en taquilla.",
        "bank_transfer": "Pagado por transferencia.",
    },
    reference="Referencia de pago: {reference}",
    ticket_numbers="Entradas: {numbers}",
    issued_at="Emitido el {moment}.",
    tickets="Entradas",
    ticket_of="Entrada {number} de {count}",
    admits_one="Válida para una persona",
    admits="Válida para {count} personas",
    attendee="A nombre de {name}",
    code="Código",
    seats="Plazas",
    seat="Plaza {seat}",
    order="Pedido {order}",
    doors="Apertura de puertas: {time}",
    ends="Termina: {time}",
    warning="Muestra este código en la puerta. Vale una sola vez, así que no lo compartas.",
    statement="Liquidación",
    statement_lines=("Ventas", "Reembolsos", "Disputas", "Comisión de la tienda"),
    shop_account="(cuenta de la tienda)",
    promoter_account="(cuenta del promotor)",
    net="Importe restante",
    statement_note="Al importe restante hay que descontarle las comisiones del proveedor de pagos.",
    no_money="Todavía no ha entrado dinero por este evento.",
    includes_fee="Incluye gastos de gestión",
    fee_of_sales="Incluye gastos de gestión, en ventas",
    includes_tax="Incluye impuestos ({percent} %)",
    exempt="Sin impuestos: {reason}",
    tax_of_sales="{tax}, en ventas por {gross}",
    invoice="Factura",
    credit_note="Factura rectificativa",
    corrects="Rectifica",
    corrections={
        "refunded": "Reembolso del {day}",
        "refund_failed": "Reembolso que no se pudo abonar el {day}",
        "disputed": "Cargo devuelto por el banco del comprador el {day}",
        "dispute_won": "Devolución anulada por el banco del comprador el {day}",
    },
    tax_id="NIF: {number}",
    vat_id="NIF-IVA: {number}",
    order_label="Pedido",
    invoice_discount="Descuento",
    without_tax="Total sin impuestos",
    paid_on="Pagado el {day}.",
)

_WORDINGS: dict[Language, Wording] = {"en": ENGLISH, "es": SPANISH}


def wording_in(language: Language) -> Wording:
    """Return the wording of documents in a language."""
    return _WORDINGS[language]
