"""Invoices: which sales get one, what it says, how it is corrected, and numbers without gaps whatever happens."""

import csv
import io
import json
import random
from unittest.mock import patch

import pytest

from chalicelib.addons.documents import invoices
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.changes.model import DisputeDecided, OrderPaid, RefundSucceeded
from chalicelib.dynamodb import dynamo
from chalicelib.edge import cursors
from chalicelib.foundation import clock, deadline, outbound_http, settings
from chalicelib.foundation.outbound_http import DestinationRefused, HostReply, SendFailed
from chalicelib.purchases import queries, store
from chalicelib.reconciliation import records
from tests import builders, pdfs, store_calls
from tests import invariants as of_core
from tests.addons.documents import invariants
from tests.bootstrap.conftest import event, ticket
from tests.simulation import faults
from tests.simulation.interleavings import run_seeds
from tests.simulation.moments import Moment

SELLER = {"name": "Nora's Nights Ltd", "address": "1 Harbor Street\nLisbon", "tax_id": "PT501234567", "prefix": "NN"}
BUYER = {"company": "Ada & Sons", "address": "2 Mill Lane\nPorto", "vat_id": "PT509999999"}


def promoter(name="nora"):
    return {"token": builders.token(name, "promoter")}


def save_profile(api, name="nora", **fields):
    reply = api.put(f"/promoters/{name}", json={"name": name.title(), "verified": True} | fields, token=builders.admin_token())
    assert reply.status == 200, reply.json
    return reply.json


def give_event(api, event_id, name="nora"):
    assert api.patch(f"/events/{event_id}", json={"promoter_id": name}, token=builders.admin_token()).status == 200


def create_shop(api, name="nora"):
    """An event of a promoter who issues invoices, with tickets at 11.90, of which 1.90 is tax."""
    save_profile(api, name, invoices=SELLER)
    event_id = builders.create_event(api)
    fields = {"name": "Floor", "price_cents": 1190, "capacity": 200, "tax": {"percent": "19"}}
    reply = api.post(f"/events/{event_id}/tiers", json=fields, token=builders.admin_token())
    assert reply.status == 201, reply.json
    give_event(api, event_id, name)
    return event_id, reply.json["id"]


@pytest.fixture
def fest(api, time):
    return create_shop(api)


@pytest.fixture(autouse=True)
def check_invariants(request, api, time):
    if "threaded_store" in request.fixturenames:
        request.getfixturevalue("threaded_store")  # so that it is still there
    yield
    of_core.check(time.now)


def run_pass(time):
    """Run the daily pass of the reconciliation, long enough after the sales. Returns its report."""
    time.advance(records.DAY_SECONDS)
    with store_calls.made_by("reconcile"):
        return records.run(time.now, whole=True)


def follow(*order_ids):
    """Let the follower see these orders and their refunds, or everything once more, as after a redelivery."""
    changes = []
    for purchase in store.scan_purchases():
        at = clock.now()
        if order_ids and purchase.id not in order_ids:
            continue
        if purchase.was_order:
            changes.append(OrderPaid(at=at, purchase=purchase))
        changes += [RefundSucceeded(at=at, purchase=purchase, refund=refund) for refund in purchase.refunds]
        changes += [DisputeDecided(at=at, purchase=purchase, dispute=dispute) for dispute in purchase.disputes]
    invoices.follow(changes)


def buy(api, shop, user="ada", quantity=1, language="en", **fields):
    reservation = builders.reserve(api, user, *shop, quantity).json["id"]
    headers = {"Idempotency-Key": reservation, "Accept-Language": language}
    checkout = api.post("/checkout/sessions", json={"reservation_id": reservation} | fields, user=user, headers=headers)
    assert checkout.status == 201, checkout.json
    return builders.confirm(api, user, reservation).json["order"]["id"]


def issued(api, order_id, user="ada"):
    reply = api.get(f"/orders/{order_id}/invoices", user=user)
    assert reply.status == 200, reply.json
    return reply.json["invoices"]


def numbers(api, order_id, user="ada"):
    return [invoice["number"] for invoice in issued(api, order_id, user)]


def listed(api, name="nora", **query):
    reply = api.get(f"/promoters/{name}/invoices", query=query, **promoter(name))
    assert reply.status == 200, reply.json
    return reply


def pdf_text(api, order_id, **query):
    reply = api.get(f"/orders/{order_id}/invoices.pdf", query=query, user="ada")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/pdf"), reply.json
    return " ".join(page.text for page in pdfs.read(reply.body))


# Who gets an invoice, and what it says.


def test_an_invoice_names_the_seller_the_buyer_and_the_taxes(api, time, fest):
    order_id = buy(api, fest, quantity=2, invoice=BUYER)
    assert issued(api, order_id) == []
    time.advance(30)
    follow()
    [invoice] = issued(api, order_id)
    assert invoice["number"] == "NN-I2026-000001"
    assert (invoice["kind"], invoice["corrects"], invoice["order_id"]) == ("invoice", None, order_id)
    assert (invoice["paid_at"], invoice["issued_at"]) == ("2026-06-01T12:00:00Z", "2026-06-01T12:00:30Z")
    assert (invoice["seller"], invoice["buyer"]) == (SELLER, BUYER)
    assert (invoice["total_cents"], invoice["tax_cents"], invoice["currency"]) == (2380, 380, "USD")
    [line] = invoice["lines"]
    assert (line["text"], line["quantity"], line["price_cents"]) == ("Floor", 2, 1190)
    text = pdf_text(api, order_id)
    for part in (
        "Invoice",
        "Number NN-I2026-000001",
        "Date Monday, 1 June 2026",
        "Nora's Nights Ltd 1 Harbor Street Lisbon Tax ID: PT501234567",
        "Ada & Sons 2 Mill Lane Porto VAT ID: PT509999999",
        "2 × Floor 11.90 USD 23.80 USD",
        "Total without tax 20.00 USD",
        "Includes 19% tax, on sales of 23.80 USD 3.80 USD",
        "Total 23.80 USD",
    ):
        assert part in text, part


def test_the_streams_wake_the_follower(api, time, threaded_store, fest):
    order_id = buy(api, fest)
    builders.refund(api, order_id)
    builders.project_changes()
    assert numbers(api, order_id) == ["NN-S2026-000001", "NN-C2026-000001"]
    builders.project_changes()  # everything once more
    assert len(issued(api, order_id)) == 2
    assert invariants.check(followed=True) == []


def test_a_package_that_is_bought_in_one_request_may_name_a_company(api, time, fest):
    body = {"package_id": fest[1], "quantity": 1, "invoice": BUYER, "simulate": "success"}
    order = api.post(f"/events/{fest[0]}/tickets/purchase", json=body, user="ada")
    assert order.status == 201, order.json
    follow(order.json["id"])
    [invoice] = issued(api, order.json["id"])
    assert (invoice["number"], invoice["buyer"]) == ("NN-I2026-000001", BUYER)


def test_an_invoice_is_in_the_language_of_the_order(api, time, fest):
    order_id = buy(api, fest, language="es", invoice=BUYER)
    follow()
    assert "Factura Número NN-I2026-000001 Fecha lunes, 1 de junio de 2026" in pdf_text(api, order_id)


def test_an_invoice_has_the_names_of_its_language(api, time, fest):
    for path, names in ((f"/events/{fest[0]}", {"es": "Noche de gala"}), (f"/tiers/{fest[1]}", {"es": "Pista"})):
        assert api.patch(path, json={"names": names}, token=builders.admin_token()).status == 200
    order_id = buy(api, fest, language="es", invoice=BUYER)
    other_id = buy(api, fest, language="de", invoice=BUYER)
    follow()
    text, other = pdf_text(api, order_id), pdf_text(api, other_id)
    assert ("Noche de gala" in text, "Pista" in text) == (True, True)
    assert ("Noche de gala" in other, "Pista" in other) == (False, False)


def test_an_invoice_shows_the_discount(api, time, fest):
    builders.create_promo_code(api, fest[0])
    order_id = buy(api, fest, promo_code="SAVE")
    follow()
    assert "Discount -1.19 USD" in pdf_text(api, order_id)
    assert [invoice["total_cents"] for invoice in issued(api, order_id)] == [1071]
    assert invariants.check(followed=True) == []


@pytest.mark.parametrize(("language", "words"), [("en", "Includes fees"), ("es", "Incluye gastos de gestión")])
def test_an_invoice_and_its_credit_note_name_the_fee_in_the_price(api, time, fest, language, words):
    changes = {"included_fee": {"cents": 50, "percent": "10"}}
    assert api.patch(f"/tiers/{fest[1]}", json=changes, token=builders.admin_token()).status == 200
    order_id = buy(api, fest, quantity=2, language=language)
    follow()
    builders.refund(api, order_id, tickets=builders.ticket_ids(order_id, 1))
    follow()
    found = issued(api, order_id)
    assert [line["included_fee_cents"] for line in found[0]["lines"]] == [338]
    assert [(document["total_cents"], document["included_fee_cents"]) for document in found] == [(2380, 338), (-1190, -169)]
    for document, fee in zip(found, ("3.38", "-1.69"), strict=True):
        assert f"{words} {fee} USD" in pdf_text(api, order_id, number=document["number"]).replace(",", ".")
    assert invariants.check(followed=True) == []


def test_an_invoice_never_changes(api, time, fest):
    order_id = buy(api, fest, invoice=BUYER)
    follow()
    before, pages = issued(api, order_id), pdf_text(api, order_id)
    save_profile(api, invoices=SELLER | {"name": "New name", "prefix": "X"})
    changes = {"name": "New", "timezone": "Europe/Madrid"}
    assert api.patch(f"/events/{fest[0]}", json=changes, token=builders.admin_token()).status == 200
    assert api.patch(f"/tiers/{fest[1]}", json={"name": "Ground"}, token=builders.admin_token()).status == 200
    time.advance(400 * 86_400)
    follow()
    assert (issued(api, order_id), pdf_text(api, order_id)) == (before, pages)


def test_documents_are_kept_for_ten_years_after_their_year(api, time, fest):
    order_id = buy(api, fest)
    follow()
    time.set(1_798_761_600)  # 2027-01-01T00:00:00Z
    builders.refund(api, order_id)
    follow()
    rows = [row for row in invoices.InvoiceRow.scan() if row.document is not None]
    kept_until = {row.document.number: clock.iso(int(row.ttl)) for row in rows}
    assert kept_until == {"NN-S2026-000001": "2037-01-01T00:00:00Z", "NN-C2027-000001": "2038-01-01T00:00:00Z"}


def test_sales_while_the_details_of_the_seller_were_missing_get_no_invoice(api, time, fest):
    save_profile(api, invoices=None)
    order_id = buy(api, fest, invoice=BUYER)
    time.advance(60)
    save_profile(api, invoices=SELLER)
    builders.refund(api, order_id)
    later = buy(api, fest, "bob")
    follow()
    run_pass(time)
    assert (issued(api, order_id), numbers(api, later, "bob")) == ([], ["NN-S2026-000001"])
    assert api.get(f"/orders/{order_id}/invoices.pdf", user="ada").json["error"] == "invoice_not_issued"


def test_sales_while_the_seller_was_not_verified_get_their_documents_later(api, time, fest):
    save_profile(api, verified=False)
    order_id = buy(api, fest, invoice=BUYER)
    builders.refund(api, order_id)
    follow()
    run_pass(time)
    assert issued(api, order_id) == []
    save_profile(api)
    run_pass(time)
    assert numbers(api, order_id) == ["NN-I2026-000001", "NN-C2026-000001"]
    assert invariants.check(followed=True) == []


def test_a_promoter_does_not_invoice_what_another_one_sold(api, time, fest):
    """The event goes to another promoter, before and after its first promoter has issued an invoice."""
    invoiced, not_invoiced = buy(api, fest), buy(api, fest, "bob")
    follow(invoiced)
    save_profile(api, "olaf", invoices=SELLER | {"prefix": "OO"}, verified=True)
    give_event(api, fest[0], "olaf")
    builders.refund(api, invoiced)
    builders.refund(api, not_invoiced, key="other")
    follow()
    run_pass(time)
    assert (numbers(api, invoiced), issued(api, not_invoiced, "bob")) == (["NN-S2026-000001", "NN-C2026-000001"], [])


def test_the_seller_is_the_promoter_at_the_checkout_and_not_at_the_payment(api, time, fest):
    reserved = builders.reserve(api, "ada", *fest).json["id"]
    builders.start_checkout(api, "ada", reserved)
    save_profile(api, "olaf", invoices=SELLER | {"prefix": "OO"})
    give_event(api, fest[0], "olaf")
    time.advance(60)
    assert builders.confirm(api, "ada", reserved).status == 201
    follow(reserved)
    assert issued(api, reserved) == []


def test_changes_of_the_seller_do_not_turn_invoices_on_again(api, time, fest):
    order_id = buy(api, fest)
    time.advance(60)
    save_profile(api, invoices=SELLER | {"address": "3 New Street"})
    save_profile(api, description="A profile saved without the field")
    follow()
    [invoice] = issued(api, order_id)
    assert invoice["seller"]["address"] == "3 New Street"


def test_free_tickets_and_those_of_a_shop_that_issues_none_get_none(api, time, fest):
    free = fest[0], builders.create_tier(api, fest[0], "Free", price_cents=0)
    of_shop = builders.create_shop(api)
    reserved = builders.reserve(api, "bob", *free).json["id"]
    builders.start_checkout(api, "bob", reserved)
    assert builders.confirm(api, "bob", reserved, None).status == 201
    orders = [(reserved, "bob"), (buy(api, of_shop, invoice=BUYER), "ada")]
    at_counter = builders.sell_at_counter(api, free, price_cents=0)
    follow()
    assert [issued(api, *order) for order in orders] == [[], []]
    assert api.get(f"/orders/{at_counter}/invoices", **promoter()).json["invoices"] == []


def save_shop(api, seller=SELLER, **caller):
    return api.put("/admin/shop-invoices", json={"invoices": seller}, **(caller or {"token": builders.admin_token()}))


def shop_issuer(api):
    return api.get("/admin/shop-invoices", token=builders.admin_token()).json


def test_the_shop_invoices_its_own_sales(api, time, fest):
    assert shop_issuer(api) == {"invoices": None, "since": None}
    own = builders.create_shop(api)
    assert api.get(f"/events/{own[0]}/seller").json["invoices"] is False
    earlier = buy(api, own, invoice=BUYER)
    time.advance(60)
    saved = save_shop(api, SELLER | {"name": "Harbor Hall Ltd", "prefix": "HH"})
    assert (saved.status, saved.json["since"]) == (200, "2026-06-01T12:01:00Z")
    assert shop_issuer(api) == saved.json
    time.advance(60)
    assert api.get(f"/events/{own[0]}/seller").json["invoices"] is True
    order_id, of_promoter = buy(api, own, invoice=BUYER), buy(api, fest)
    builders.refund(api, order_id)
    follow()
    run_pass(time)
    assert (issued(api, earlier), numbers(api, of_promoter)) == ([], ["NN-S2026-000001"])
    assert [(note["number"], note["seller"]["name"], note["buyer"]) for note in issued(api, order_id)] == [
        ("HH-I2026-000001", "Harbor Hall Ltd", BUYER),
        ("HH-C2026-000001", "Harbor Hall Ltd", BUYER),
    ]
    assert "Harbor Hall Ltd 1 Harbor Street Lisbon Tax ID: PT501234567" in pdf_text(api, order_id)
    listing = api.get("/promoters/shop/invoices", query={"year": "2026"}, token=builders.admin_token()).json["invoices"]
    assert [invoice["number"] for invoice in listing] == ["HH-C2026-000001", "HH-I2026-000001"]
    assert api.get("/promoters/shop/invoices", **promoter()).status == 403
    assert invariants.check(followed=False) == []


def test_another_seller_of_the_shop_turns_nothing_on_again(api, time):
    own = builders.create_shop(api)
    since = save_shop(api).json["since"]
    order_id = buy(api, own)
    time.advance(60)
    assert save_shop(api, SELLER | {"address": "3 New Street"}).json["since"] == since
    assert save_shop(api, SELLER | {"address": "3 New Street"}).json["since"] == since
    follow()
    [invoice] = issued(api, order_id)
    assert invoice["seller"]["address"] == "3 New Street"
    assert save_shop(api, None).json == {"invoices": None, "since": None}
    later = buy(api, own, "bob")
    builders.refund(api, order_id)
    follow()
    assert (len(issued(api, order_id)), issued(api, later, "bob")) == (2, [])
    time.advance(60)
    assert save_shop(api).json["since"] == "2026-06-01T12:02:00Z"
    run_pass(time)
    assert issued(api, later, "bob") == []
    audited = api.get("/admin/audit", query={"subject": "promoter#shop"}, token=builders.admin_token()).json["entries"]
    assert [(entry["action"], entry["details"]) for entry in audited] == [("promoter.changed", {"fields": ["invoices"]})] * 4


def test_the_shop_does_not_invoice_what_a_promoter_sold(api, time, fest):
    """Neither while the promoter is not verified, nor after a file has taken the event from the promoter."""

    def apply_file(**metadata):
        tree = {"version": "1", "events": {"fest": event("fest", metadata=metadata)}, "ticket_types": {"gold": ticket("gold")}}
        rollout.apply(validate_tree(tree), "ada", time.now)

    assert save_shop(api, SELLER | {"prefix": "HH"}).status == 200
    save_profile(api, verified=False)
    apply_file(promoter_id="nora")
    sold = buy(api, ("fest", "gold"))
    follow()
    apply_file()
    own = buy(api, ("fest", "gold"), "bob")
    run_pass(time)
    assert (issued(api, sold), numbers(api, own, "bob")) == ([], ["HH-S2026-000001"])


def test_two_admins_change_the_invoices_of_the_shop_at_the_same_moment(api, time):
    since, transact, others = save_shop(api).json["since"], dynamo.transact, []
    time.advance(60)

    def let_the_other_be_faster(items):
        if not others:
            others.append("turn off and on")
            assert save_shop(api, None).status == save_shop(api, SELLER | {"prefix": "OTHER"}).status == 200
        transact(items)

    with patch.object(dynamo, "transact", let_the_other_be_faster):
        saved = save_shop(api, SELLER | {"prefix": "LAST"}).json
    assert (saved["invoices"]["prefix"], saved["since"]) == ("LAST", "2026-06-01T12:01:00Z")
    assert since == "2026-06-01T12:00:00Z"


def test_the_seller_of_the_shop_is_checked(api, time):
    for wrong, path in (({"name": ""}, "$.invoices.name"), ({"country": "XX"}, "$.invoices.country"), ({"vat": "1"}, "$.invoices.vat")):
        reply = save_shop(api, SELLER | wrong)
        assert (reply.status, reply.json["path"]) == (400, path)
    assert save_shop(api, **promoter()).status == 403
    with patch.object(dynamo, "transact", side_effect=dynamo.ConditionFailed([])):
        assert save_shop(api).json["error"] == "shop_invoices_changing"
    assert shop_issuer(api)["invoices"] is None


def test_the_box_office_gets_simplified_invoices(api, time, fest):
    order_id = builders.sell_at_counter(api, fest, price_cents=1190)
    follow()
    reply = api.get(f"/orders/{order_id}/invoices", **promoter())
    assert [invoice["number"] for invoice in reply.json["invoices"]] == ["NN-S2026-000001"]


def test_the_details_for_invoices_are_checked(api, time, fest):
    reservation = builders.reserve(api, "ada", *fest).json["id"]
    for wrong, path in (
        ({"address": " "}, "$.invoice.address"),
        ({"address": "\n".join("1234567")}, "$.invoice.address"),
        ({"vat_id": "??"}, "$.invoice.vat_id"),
        ({"company": ""}, "$.invoice.company"),
    ):
        reply = builders.start_checkout(api, "ada", reservation, invoice=BUYER | wrong)
        assert (reply.status, reply.json["path"]) == (400, path), reply.json
    for wrong in ({"prefix": "a-b"}, {"tax_id": ""}, {"name": "\n"}):
        reply = api.put("/promoters/nora", json={"name": "Nora", "invoices": SELLER | wrong}, **promoter())
        assert reply.status == 400, reply.json


def test_only_the_promoter_sees_the_seller_of_the_invoices(api, time, fest):
    assert api.get("/promoters/nora", **promoter()).json["invoices"] == SELLER
    assert api.get("/promoters/nora").json["invoices"] is None
    assert api.get("/promoters").json["promoters"][0]["invoices"] is None
    assert api.get(f"/events/{fest[0]}/seller").json["invoices"] is True


def test_an_order_shows_what_its_buyer_asked_for(api, time, fest):
    order_id = buy(api, fest, invoice=BUYER)
    assert api.get(f"/orders/{order_id}", user="ada").json["order"]["invoice"] == BUYER


# VAT ids.


class Vies:
    """VIES as the tests want it: `known` are the numbers that exist. `asked` are the enquiries, and `answer` replaces the answer."""

    def __init__(self):
        self.known, self.asked, self.answer = {("PT", "509999999")}, [], None

    def post(self, destination, addresses, headers, body, seconds, max_reply_bytes):
        assert (destination.scheme, destination.host, destination.target) == ("https", "vies.test", "/rest-api/check-vat-number")
        assert seconds <= 5
        self.asked.append(json.loads(body))
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return HostReply(*self.answer, None)
        inquiry = self.asked[-1]
        if inquiry.get("requesterNumber") == "000000000":
            return HostReply(400, b'{"actionSucceed": false, "errorWrappers": [{"error": "INVALID_REQUESTER_INFO"}]}', None)
        is_valid = (inquiry["countryCode"], inquiry["vatNumber"]) in self.known
        reference = "WAPIAAAA1" if "requesterNumber" in inquiry else ""
        reply = {"valid": is_valid, "requestIdentifier": reference, "name": "ADA & SONS", "address": "-" * 2000}
        return HostReply(200, json.dumps(inquiry | reply).encode(), None)


@pytest.fixture
def vies(monkeypatch):
    found = Vies()
    monkeypatch.setattr(outbound_http, "resolve", lambda _: ["192.0.2.1"])
    monkeypatch.setattr(outbound_http, "post", found.post)
    with settings.override(vies_url="https://vies.test/rest-api/"):
        yield found


def vat_check(api, order_id):
    [invoice] = issued(api, order_id)
    return invoice["vat_id_check"] and invoice["vat_id_check"]["result"]


@pytest.mark.parametrize(
    ("vat_id", "result"),
    [
        ("PT509999999", "well_formed"),
        ("pt 509.999.999", "well_formed"),
        ("EL094259216", "well_formed"),
        ("PT509999998", "malformed"),
        ("DE12", "malformed"),
        ("CHE-123.456.788", None),
        ("509999999", None),
    ],
)
def test_the_form_of_a_vat_id_is_checked_and_stops_nobody(api, time, fest, vat_id, result):
    order_id = buy(api, fest, invoice=BUYER | {"vat_id": vat_id})
    follow()
    assert vat_check(api, order_id) == result
    [row] = csv.DictReader(io.StringIO(listed(api, format="csv").body.decode()))
    assert row["vat_id_check"] == (result or "")


def test_vies_says_whether_a_vat_id_exists_and_the_seller_can_prove_the_inquiry(api, time, fest, vies):
    save_profile(api, invoices=SELLER | {"tax_id": "PT 501.442.600"})
    order_id, unknown = buy(api, fest, invoice=BUYER), buy(api, fest, "bob", invoice=BUYER | {"vat_id": "EL094259216"})
    time.advance(5)
    follow()
    [invoice] = issued(api, order_id)
    assert invoice["vat_id_check"] == {"result": "valid", "at": "2026-06-01T12:00:05Z", "reference": "WAPIAAAA1"}
    assert [found["vat_id_check"]["result"] for found in issued(api, unknown, "bob")] == ["invalid"]
    requester = {"requesterMemberStateCode": "PT", "requesterNumber": "501442600"}
    assert sorted(vies.asked, key=lambda asked: asked["countryCode"]) == [
        {"countryCode": "EL", "vatNumber": "094259216"} | requester,
        {"countryCode": "PT", "vatNumber": "509999999"} | requester,
    ]
    builders.refund(api, order_id)
    follow()
    assert {note["vat_id_check"]["reference"] for note in issued(api, order_id)} == {"WAPIAAAA1"}
    assert len(vies.asked) == 2, "a credit note keeps the check of its invoice"


def test_vies_is_asked_without_a_seller_whom_it_does_not_know(api, time, fest, vies):
    save_profile(api, invoices=SELLER | {"tax_id": "PT000000000"})
    order_id = buy(api, fest, invoice=BUYER)
    with patch("stdnum.eu.vat.is_valid", return_value=True), patch("stdnum.eu.vat.validate", side_effect=lambda number: number):
        follow()
    assert vat_check(api, order_id) == "valid"
    assert ["requesterNumber" in asked for asked in vies.asked] == [True, False]


@pytest.mark.parametrize(
    "answer",
    [
        SendFailed("timeout"),
        DestinationRefused("", rule="url_host_not_found"),
        (500, b"<html>"),
        (200, b'{"actionSucceed": false, "errorWrappers": [{"error": "MS_UNAVAILABLE"}]}'),
    ],
)
def test_an_unreachable_vies_is_recorded_and_the_invoice_is_issued(api, time, fest, vies, answer):
    vies.answer = answer
    order_id, other = buy(api, fest, invoice=BUYER), buy(api, fest, "bob")
    follow()
    assert (vat_check(api, order_id), len(vies.asked)) == ("unavailable", 1)
    assert numbers(api, other, "bob") == ["NN-S2026-000001"]
    vies.answer = None
    run_pass(time)
    assert vat_check(api, order_id) == "unavailable", "an invoice never changes"


def test_vies_is_not_asked_when_little_time_is_left(api, time, fest, vies):
    order_id = buy(api, fest, invoice=BUYER)
    with deadline.within(invoices.VIES_NEEDS_SECONDS - 1):
        follow()
    assert (vat_check(api, order_id), vies.asked) == ("unavailable", [])


def test_a_follower_that_loses_the_race_asks_vies_once(api, time, fest, vies):
    order_id = buy(api, fest, invoice=BUYER)
    issue, lost = invoices._issue, []

    def lose_once(*arguments):
        return issue(*arguments) if lost else bool(lost.append(1))

    with patch.object(invoices, "_issue", lose_once):
        follow()
    assert (vat_check(api, order_id), len(vies.asked)) == ("valid", 1)


# Corrections.


def test_each_refund_gets_a_credit_note(api, time, fest):
    order_id = buy(api, fest, quantity=3, invoice=BUYER)
    follow()
    first, second, third = builders.ticket_ids(order_id, 1, 2, 3)
    builders.refund(api, order_id, tickets=[first])
    follow()
    builders.refund(api, order_id, tickets=[second, third], key="rest")
    follow()
    found = issued(api, order_id)
    assert [(note["number"], note["kind"], note["total_cents"], note["tax_cents"], note["corrects"]) for note in found[1:]] == [
        ("NN-C2026-000001", "credit_note", -1190, -190, "NN-I2026-000001"),
        ("NN-C2026-000002", "credit_note", -2380, -380, "NN-I2026-000001"),
    ]
    assert {note["buyer"]["company"] for note in found} == {"Ada & Sons"}
    text = pdf_text(api, order_id, number="NN-C2026-000001")
    assert "Credit note Number NN-C2026-000001" in text
    assert "Corrects NN-I2026-000001" in text
    assert "Refund on Monday, 1 June 2026 -11.90 USD" in text
    assert invariants.check(followed=True) == []


def test_a_refund_of_a_former_seller_gets_a_credit_note(api, time, fest):
    order_id = buy(api, fest)
    follow()
    save_profile(api, invoices=None)
    builders.refund(api, order_id)
    follow()
    assert numbers(api, order_id) == ["NN-S2026-000001", "NN-C2026-000001"]


def test_a_refund_gets_a_credit_note_although_a_file_took_the_event_from_its_seller(api, time):
    def apply_file(**metadata):
        tree = {"version": "1", "events": {"fest": event("fest", metadata=metadata)}, "ticket_types": {"gold": ticket("gold")}}
        rollout.apply(validate_tree(tree), "ada", time.now)

    save_profile(api, invoices=SELLER)
    apply_file(promoter_id="nora")
    invoiced, later = buy(api, ("fest", "gold")), buy(api, ("fest", "gold"), "bob")
    follow(invoiced)
    apply_file()
    for order_id in (invoiced, later):
        builders.refund(api, order_id, key=order_id)
    follow()
    assert (numbers(api, invoiced), issued(api, later, "bob")) == (["NN-S2026-000001", "NN-C2026-000001"], [])


def test_a_credit_note_of_an_erased_buyer_names_the_company(api, time, fest):
    order_id = buy(api, fest, invoice=BUYER)
    follow()
    assert api.delete("/auth/me", user="ada").status == 200
    builders.refund(api, order_id)
    follow()
    found = api.get(f"/orders/{order_id}/invoices", **promoter()).json["invoices"]
    assert [note["buyer"] for note in found] == [BUYER, BUYER]


def test_an_invoice_that_follows_an_erasure_names_nobody(api, time, fest):
    order_id = buy(api, fest, invoice=BUYER)
    assert api.delete("/auth/me", user="ada").status == 200
    follow()
    [invoice] = api.get(f"/orders/{order_id}/invoices", **promoter()).json["invoices"]
    assert (invoice["number"], invoice["buyer"]) == ("NN-S2026-000001", None)


class Invoiced:
    """The shop with payments by Stripe, whose event belongs to a promoter who issues invoices."""

    def __init__(self, shop):
        self.shop = shop
        save_profile(shop.api, "pat", invoices=SELLER)
        give_event(shop.api, shop.event_id, "pat")

    def documents(self, order_id):
        follow()
        return [(note["number"][3], note["total_cents"]) for note in issued(self.shop.api, order_id)]


@pytest.fixture
def invoiced(shop):
    return Invoiced(shop)


def test_a_dispute_gets_a_credit_note_once_it_is_lost(invoiced):
    shop = invoiced.shop
    order_id = shop.buy()
    dispute = shop.create_dispute(order_id)
    assert invoiced.documents(order_id) == [("S", 10_000)]
    shop.close_dispute(dispute, won=False)
    assert invoiced.documents(order_id) == [("S", 10_000), ("C", -10_000)]
    assert invariants.check(followed=True) == []


def test_a_dispute_that_is_won_has_no_document(invoiced):
    shop = invoiced.shop
    order_id = shop.buy()
    dispute = shop.create_dispute(order_id)
    shop.close_dispute(dispute, won=True)
    assert invoiced.documents(order_id) == [("S", 10_000)]
    assert invariants.check(followed=True) == []


def test_money_that_bought_no_tickets_has_no_document(invoiced):
    shop = invoiced.shop
    order_id = shop.buy()
    shop.pay_in_dashboard(order_id)
    shop.fake.deliver()
    assert invoiced.documents(order_id) == [("S", 10_000)]
    assert invariants.check(followed=True) == []


# Numbers.


def test_each_seller_year_and_kind_has_its_own_numbers(api, time, fest):
    other = create_shop(api, "olaf")
    orders = [buy(api, fest), buy(api, fest, "bob", invoice=BUYER), buy(api, other, "cem")]
    time.advance(1)
    orders.append(buy(api, fest, "dan"))
    follow()
    users = ("ada", "bob", "cem", "dan")
    found = [numbers(api, order_id, user) for order_id, user in zip(orders, users, strict=True)]
    assert found == [["NN-S2026-000001"], ["NN-I2026-000001"], ["NN-S2026-000001"], ["NN-S2026-000002"]]
    time.set(1_798_761_600)  # 2027-01-01T00:00:00Z
    builders.refund(api, orders[0])
    follow()
    assert numbers(api, orders[0]) == ["NN-S2026-000001", "NN-C2027-000001"]


def test_many_documents_are_numbered_in_several_transactions(api, time, fest):
    orders = [(buy(api, fest, f"user-{number}"), f"user-{number}") for number in range(5)]
    with patch.object(invoices, "MAX_AT_ONCE", 2):
        follow()
    found = sorted(numbers(api, order_id, user)[0] for order_id, user in orders)
    assert found == [f"NN-S2026-{number:06}" for number in range(1, 6)]


@pytest.mark.parametrize("kind", [faults.crash_before, faults.crash_after])
def test_a_crash_at_any_call_leaves_neither_a_gap_nor_two_numbers(api, time, fest, kind):
    call, was_triggered = 1, True
    while was_triggered:
        user = f"user-{call}"
        orders = [(buy(api, fest, user), user), (buy(api, fest, f"company-{call}", invoice=BUYER), f"company-{call}")]
        builders.refund(api, orders[0][0], key=user)
        with kind(call) as fault:
            follow(*dict(orders))
        was_triggered = fault.was_triggered
        assert invariants.check(followed=False) == []
        follow(*dict(orders))
        assert [len(issued(api, *order)) for order in orders] == [2, 1]
        call += 1
    assert call > 10
    assert invariants.check(followed=True) == []


@pytest.mark.parametrize("own", [1, 2], ids=["other orders", "a common order"])
def test_a_slower_follower_takes_the_next_numbers(api, time, fest, waits, own):
    """Another follower issues documents between the read of the series and the write."""
    orders = []
    for user in ("ada", "bob", "cem"):
        orders.append((buy(api, fest, user), user))
        time.advance(1)
    changes = [OrderPaid(at=time.now, purchase=store.load(order_id)) for order_id, _ in orders]
    transact, others = dynamo.transact, [changes[1:]]

    def be_slow(items):
        if others:
            invoices.follow(others.pop())
        transact(items)

    with patch.object(dynamo, "transact", be_slow):
        invoices.follow(changes[:own])
    assert [numbers(api, *order) for order in orders] == [["NN-S2026-000003"], ["NN-S2026-000001"], ["NN-S2026-000002"]]
    assert len(waits) == 1


def test_a_follower_that_is_always_slower_gives_up_for_now(api, time, fest, waits):
    order_id = buy(api, fest)
    refused = patch.object(dynamo, "transact", side_effect=dynamo.ConditionFailed([]))
    with refused, pytest.raises(dynamo.StoreUnavailable):
        follow()
    assert len(waits) == invoices.MAX_LOST_RACES
    follow()
    assert numbers(api, order_id) == ["NN-S2026-000001"]


def test_a_clock_that_is_late_gives_no_earlier_time(api, time, fest):
    first, second = buy(api, fest), buy(api, fest, "bob")
    time.advance(60)
    invoices.follow([OrderPaid(at=time.now, purchase=store.load(first))])
    time.advance(-30)
    invoices.follow([OrderPaid(at=time.now, purchase=store.load(second))])
    assert [issued(api, *order)[0]["issued_at"] for order in ((first, "ada"), (second, "bob"))] == ["2026-06-01T12:01:00Z"] * 2


def test_a_clock_that_is_late_lists_no_correction_before_its_invoice(api, time, fest):
    order_id = buy(api, fest)
    time.advance(60)
    follow()
    time.advance(-30)
    builders.refund(api, order_id)
    follow()
    assert numbers(api, order_id) == ["NN-S2026-000001", "NN-C2026-000001"]
    assert "Number NN-S2026-000001" in pdf_text(api, order_id)


def test_the_daily_pass_makes_up_for_lost_changes(api, time, fest):
    refunded, other = buy(api, fest, invoice=BUYER), buy(api, fest, "bob")
    follow(refunded)
    builders.refund(api, refunded)
    assert run_pass(time).differences == 0
    assert numbers(api, refunded) == ["NN-I2026-000001", "NN-C2026-000001"]
    assert numbers(api, other, "bob") == ["NN-S2026-000001"]
    follow()  # the change arrives after all
    run_pass(time)
    assert len(issued(api, refunded)) == 2
    assert invariants.check(followed=True) == []


def test_an_order_that_cannot_be_invoiced_does_not_hold_up_the_others(api, time, fest):
    orders = [(buy(api, fest, user), user) for user in ("ada", "bob", "cem")]
    load = queries.load_details

    def refuse_bob(purchase):
        if purchase.user_id == "bob":
            raise ValueError
        return load(purchase)

    with patch.object(queries, "load_details", refuse_bob):
        assert run_pass(time).differences == 1
    assert [len(issued(api, *order)) for order in orders] == [1, 0, 1]


def test_two_followers_and_the_daily_pass_at_once(threaded_store, api, time):
    """They see overlapping orders, step by step in any order, and one of them may crash."""
    fest = create_shop(api)
    orders = {buy(api, fest, user, **fields): user for user, fields in (("ada", {}), ("bob", {"invoice": BUYER}), ("cem", {}))}
    first, second, third = orders
    builders.refund(api, first)
    moment = Moment(time)

    def scenario(play):
        moment.return_to()
        api.get(f"/events/{fest[0]}")  # an actor that loads the catalog would make another wait
        actors = {
            "one": lambda: follow(first, second),
            "two": lambda: follow(second, third),
            "pass": lambda: invoices.issue_due([store.load(order_id) for order_id in orders]),
        }
        with patch.object(invoices, "random", random.Random(play.seed)):
            play(actors, crashes=play.seed % 2)
        assert invariants.check(followed=False) == []
        follow()
        assert [len(issued(api, *order)) for order in orders.items()] == [2, 1, 1]
        assert invariants.check(followed=True) == []

    run_seeds(20, scenario)


# The promoter's list.


def test_the_promoter_lists_a_years_documents(api, time, fest):
    orders = [buy(api, fest, "ada"), buy(api, fest, "bob", invoice=BUYER)]
    builders.refund(api, orders[0])
    follow()
    found, query = [], {"limit": 2}
    while query:
        page = listed(api, **query).json
        found += [invoice["number"] for invoice in page["invoices"]]
        query = {"limit": 2, "cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert found == ["NN-C2026-000001", "NN-I2026-000001", "NN-S2026-000001"]
    assert listed(api, year=2025).json["invoices"] == []


def test_a_page_of_long_documents_is_shorter(api, time, fest, monkeypatch):
    for user in ("ada", "bob"):
        buy(api, fest, user, invoice=BUYER)
    follow()
    monkeypatch.setattr(cursors, "MAX_PAGE_BYTES", 1000)
    cursor = listed(api).json["next_cursor"]
    for query, expected in (({}, [True, False]), ({"cursor": cursor}, [False, True])):
        for form in ("json", "csv"):
            body = listed(api, format=form, **query).body.decode()
            assert [f"NN-I2026-00000{number}" in body for number in (1, 2)] == expected, (form, query)


def test_bookkeeping_gets_a_line_for_each_tax(api, time, fest):
    untaxed = builders.create_tier(api, fest[0], "Coat check", price_cents=200)
    assert api.patch(f"/tiers/{fest[1]}", json={"included_fee": {"cents": 50}}, token=builders.admin_token()).status == 200
    reservation = builders.reserve_items(api, "ada", fest[0], {fest[1]: 1, untaxed: 1}).json["id"]
    builders.start_checkout(api, "ada", reservation, invoice=BUYER)
    assert builders.confirm(api, "ada", reservation).status == 201
    builders.refund(api, reservation, tickets=builders.ticket_ids(reservation, 1))
    follow()
    rows = list(csv.DictReader(io.StringIO(listed(api, format="csv").body.decode())))
    assert [
        (row["number"], row["amount"], row["debit_credit"], row["tax_percent"], row["tax"], row["net"], row["buyer"]) for row in rows
    ] == [
        ("NN-C2026-000001", "11.90", "H", "19", "1.90", "10.00", "Ada & Sons"),
        ("NN-I2026-000001", "11.90", "S", "19", "1.90", "10.00", "Ada & Sons"),
        ("NN-I2026-000001", "2.00", "S", "", "0.00", "2.00", "Ada & Sons"),
    ]
    assert [row["included_fee"] for row in rows] == ["0.50", "0.50", "0.00"]


def test_others_see_no_invoices(api, time, fest):
    order_id = buy(api, fest)
    follow()
    for path in ("invoices", "invoices.pdf"):
        assert api.get(f"/orders/{order_id}/{path}", user="eve").status == 404
        assert api.get(f"/orders/{order_id}/{path}", **promoter()).status == 200
    assert api.get("/promoters/nora/invoices", **promoter("olaf")).status == 403
