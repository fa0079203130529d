"""Electronic invoices according to EN 16931: the terms of a document, and the PDF that carries them as XML (Factur-X, decision 203).

The library factur-x writes the XML and attaches it. Only the zip of the Lambda functions that make documents has this library, so the
import is inside the Python functions that need it.
"""

import io
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from chalicelib.addons.documents.wording import Wording, wording_in
from chalicelib.foundation import clock, money
from chalicelib.foundation.money import Tax, TaxShare, add_taxes

if TYPE_CHECKING:
    from chalicelib.addons.documents.invoices import Invoice, InvoiceLine

DIGITS = 2  # EN 16931 allows no more. With fewer, the rounding of ten lines could exceed its tolerance of one unit of the currency
INVOICE, CREDIT_NOTE = "380", "381"  # UNTDID 1001
PAYMENT_MEANS = "1"  # UNTDID 4461: not defined, because the invoice is already paid
DISCOUNT = "95"  # UNTDID 5189
PIECE = "C62"  # UN/ECE Recommendation 20
VAT_PREFIXES = {"GR": "EL"}  # where a VAT number does not begin with the country's ISO code
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Line(Struct, frozen=True):
    """A line of a document, in minor units. `net_cents` is after the discount. Both `net_cents` and `discount_cents` are without tax."""

    text: str
    quantity: int
    net_cents: int
    tax_cents: int
    tax: Tax
    discount_cents: int = 0

    @property
    def category(self) -> str:
        """The category of the tax: S for a rate above zero, E for an exemption with a reason, Z for a rate of zero without a reason."""
        return "S" if Decimal(self.tax.percent) else "E" if self.tax.exempt_because is not None else "Z"


def missing_terms(invoice: "Invoice") -> list[str]:
    """Return the names of the terms that an electronic invoice requires and the document lacks.

    `taxes` means that a part of the total has neither a tax nor an exemption. `currency` means that the currency does not have two
    decimals.
    """
    seller, buyer = invoice.seller, invoice.buyer
    has = {
        "seller.country": seller.country is not None,
        "buyer": buyer is not None,
        "buyer.country": buyer is not None and buyer.country is not None,
        "taxes": sum(share.gross_cents for share in invoice.taxes) == invoice.total_cents,
        "currency": money.digits(invoice.currency) == DIGITS,
    }
    return [name for name, is_present in has.items() if not is_present]


def attach_terms(invoice: "Invoice", content: bytes) -> bytes:
    """Return the PDF of a document as PDF/A-3 with the XML of the electronic invoice. Pass only documents without missing terms."""
    import facturx

    words = wording_in(invoice.language)
    title = f"{words.credit_note if invoice.is_credit_note else words.invoice} {invoice.number}"
    author = _text(invoice.seller.name)
    attached: bytes = facturx.generate_from_binary(
        _with_colors(content),
        facturx.generate_cii_xml(_terms(invoice, words), level="en16931", check_xsd=False, check_schematron=False),
        flavor="factur-x",
        level="en16931",
        check_xsd=False,  # tests check the XML; in production, nobody could correct an issued document
        pdf_metadata={"author": author, "title": title, "subject": f"{title}, {author}", "keywords": "Factur-X"},
        lang=invoice.language,
        afrelationship="alternative",
    )
    return attached


def _with_colors(content: bytes) -> bytes:
    """Return a PDF with the color profile that PDF/A requires."""
    from PIL import ImageCms
    from pypdf import PdfWriter
    from pypdf.generic import ArrayObject, DecodedStreamObject, DictionaryObject, NameObject, NumberObject, TextStringObject

    writer = PdfWriter(clone_from=io.BytesIO(content))
    profile = DecodedStreamObject()
    profile.set_data(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[NameObject("/N")] = NumberObject(3)
    intent = {
        "/Type": NameObject("/OutputIntent"),
        "/S": NameObject("/GTS_PDFA1"),
        "/OutputConditionIdentifier": TextStringObject("sRGB"),
        "/DestOutputProfile": writer._add_object(profile.flate_encode()),
    }
    intents = ArrayObject([DictionaryObject({NameObject(name): value for name, value in intent.items()})])
    writer.root_object[NameObject("/OutputIntents")] = intents
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def _terms(invoice: "Invoice", words: Wording) -> dict[str, Any]:
    """Return the business terms of a document by their numbers in EN 16931. In these terms, the amounts of a credit note are positive."""
    amount = partial(money.amount_text, currency=invoice.currency)
    lines = _lines(invoice, words)
    net, tax = sum(line.net_cents for line in lines), sum(line.tax_cents for line in lines)
    cause = words.paid_on if invoice.corrects is None else words.corrections[invoice.cause]
    fee = f"{words.includes_fee}: {words.amount(abs(invoice.included_fee_cents), invoice.currency)}"
    return {
        "BT-1": invoice.number,
        "BT-2": clock.local(invoice.issued_at, "UTC").date(),
        "BT-3": CREDIT_NOTE if invoice.is_credit_note else INVOICE,
        "BT-5": invoice.currency,
        "BT-14": invoice.order_number,
        "BT-20": _text(cause.format(day=words.day(invoice.paid_at, invoice.timezone))),
        "BG-1": [{"BT-22": fee}] if invoice.included_fee_cents else [],
        "BG-3": [{"BT-25": invoice.corrects}] if invoice.corrects is not None else [],
        "BG-4": _seller(invoice),
        "BG-7": _buyer(invoice),
        "BT-72": clock.local(invoice.starts_at, invoice.timezone).date() if invoice.starts_at else None,
        "BT-81": PAYMENT_MEANS,
        "BG-23": list(_breakdown(lines, invoice.currency)),
        "BG-25": [_line_terms(number, line, words, invoice.currency) for number, line in enumerate(lines, start=1)],
        "BT-106": amount(net),
        "BT-109": amount(net),
        "BT-110": amount(tax),
        "BT-112": amount(net + tax),
        "BT-113": amount(net + tax),
        "BT-115": amount(0),
    }


def _seller(invoice: "Invoice") -> dict[str, Any]:
    """Return the seller's terms. A tax number that is not a VAT number also identifies the seller for buyers' programs."""
    seller = invoice.seller
    vat_id = _vat_id(seller.tax_id, seller.country)
    other = {} if vat_id is not None else {"tax_identifier": seller.tax_id, "identifiers": {None: seller.tax_id}}
    return {"name": _text(seller.name), **_address(seller.address, seller.country), "vat_identifier": vat_id, **other}


def _buyer(invoice: "Invoice") -> dict[str, Any]:
    buyer = invoice.buyer
    assert buyer is not None  # only documents without missing terms become electronic
    vat_id = _vat_id(buyer.vat_id, buyer.country)
    other = {"identifiers": {None: buyer.vat_id}} if vat_id is None and buyer.vat_id is not None else {}
    return {"name": _text(buyer.company), **_address(buyer.address, buyer.country), "vat_identifier": vat_id, **other}


def _vat_id(number: str | None, country: str | None) -> str | None:
    """Return a VAT number without separators. Returns None unless the number begins like the VAT numbers of the country."""
    compact = re.sub(r"[^0-9A-Z]", "", (number or "").upper())
    return compact if country is not None and compact[:2] == VAT_PREFIXES.get(country, country) else None


def _address(address: str, country: str | None) -> dict[str, Any]:
    """Return the terms of an address, which has at most three lines. The third line has the rest of a longer address."""
    lines = [_text(line) for line in address.split("\n") if line.strip()]
    return {**dict(zip(("addr_l1", "addr_l2", "addr_l3"), [*lines[:2], ", ".join(lines[2:])], strict=False)), "country_code": country}


def _lines(invoice: "Invoice", words: Wording) -> list[_Line]:
    """Return the lines of a document. If it has no lines, or they do not add up to its taxes, it gets one line for each tax."""
    lines = [_sold_line(line, line.tax) for line in invoice.lines if line.tax is not None]
    shares = (TaxShare(line.tax.percent, line.net_cents + line.tax_cents, line.tax_cents, line.tax.exempt_because) for line in lines)
    if [share for share in add_taxes(shares) if share.gross_cents] == invoice.taxes:
        return lines
    text = invoice.event_name
    if invoice.corrects is not None:
        text = words.corrections[invoice.cause].format(day=words.day(invoice.paid_at, invoice.timezone))
    parts = [share.times(-1 if invoice.is_credit_note else 1) for share in invoice.taxes]
    return [_Line(text, 1, share.gross_cents - share.tax_cents, share.tax_cents, share.tax) for share in parts]


def _sold_line(line: "InvoiceLine", tax: Tax) -> _Line:
    """Return a line of a sale. The tax is rounded for the line, as in the order and the ledger."""
    before = line.quantity * line.price_cents
    after = before - line.discount_cents
    net = after - tax.included_in(after)
    return _Line(line.text, line.quantity, net, tax.included_in(after), tax, before - tax.included_in(before) - net)


def _line_terms(number: int, line: _Line, words: Wording, currency: str) -> dict[str, Any]:
    """Return the terms of a line. The price is for all units of the line together, so it needs no more decimals than the currency has."""
    amount = partial(money.amount_text, currency=currency)
    discount = {"amount": amount(line.discount_cents), "reason": words.invoice_discount, "reason_code": DISCOUNT}
    return {
        "BT-126": str(number),
        "BT-153": _text(line.text),
        "BT-129": str(line.quantity),
        "BT-130": PIECE,
        "BT-146": amount(line.net_cents + line.discount_cents),
        "BT-149": str(line.quantity),
        "BT-131": amount(line.net_cents),
        "BT-151": line.category,
        "BT-152": line.tax.percent,
        "BG-27": [discount] if line.discount_cents else [],
    }


def _breakdown(lines: list[_Line], currency: str) -> Iterator[dict[str, Any]]:
    """Yield the sums of the lines for each category and rate. All exempt lines have one sum, with all reasons."""
    for category, percent in sorted({(line.category, line.tax.percent) for line in lines}):
        found = [line for line in lines if (line.category, line.tax.percent) == (category, percent)]
        reasons = dict.fromkeys(_text(line.tax.exempt_because) for line in found if line.tax.exempt_because is not None)
        yield {
            "BT-116": money.amount_text(sum(line.net_cents for line in found), currency),
            "BT-117": money.amount_text(sum(line.tax_cents for line in found), currency),
            "BT-118": category,
            "BT-119": percent,
            "BT-120": "; ".join(reasons) or None,
        }


def _text(text: str) -> str:
    """Return a text without the characters that XML does not allow."""
    return _NOT_XML.sub("", text) or "-"
