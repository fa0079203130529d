"""What buyers say at the checkout: their address, a promo code, and answers to what a package asks."""

import re

import pytest
from playwright.sync_api import expect

from tests import builders, invariants
from tests.browser.async_checks import wait_until
from tests.browser.managers import Manager
from tests.browser.page_checks import check
from tests.purchases import bank_transfers

CODE = "Promo code (optional)"
# Whether a field is below the clock, with its error in sight.
IS_BETWEEN = """field => {
  const [clock, error] = [".hold", ".field-error"].map(name => document.querySelector(name).getBoundingClientRect());
  return clock.bottom <= field.getBoundingClientRect().top && error.bottom <= innerHeight;
}"""


@pytest.fixture
def tier(api, time) -> tuple[str, str]:
    """An event on sale with a table at $50 of which ten are left, as (event id, tier id)."""
    event_id = builders.create_event(api, "Winter Gala")
    return event_id, builders.create_tier(api, event_id, "Table")


@pytest.mark.parametrize("button", ["Apply", "Continue to payment"])
def test_a_wrong_promo_code_is_explained_at_its_field(new_buyer, tier, button):
    buyer = new_buyer()
    buyer.page.goto(f"/events/{tier[0]}")
    buyer.choose("Table", 2)
    field = buyer.page.get_by_label(CODE)
    field.fill("save11")
    buyer.press(button)
    expect(field).to_have_accessible_description(re.compile("^This promo code is not valid for this event"))
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    wait_until(buyer.page, IS_BETWEEN, field.element_handle())
    field.fill("save1")
    expect(field).not_to_have_attribute("aria-invalid", "true")


def test_a_promo_code_shows_the_new_total_before_and_after_paying(new_buyer, api, time, tier):
    builders.create_promo_code(api, tier[0], "SAVE10")
    buyer = new_buyer()
    buyer.page.goto(f"/events/{tier[0]}")
    buyer.choose("Table", 2)
    buyer.page.get_by_label(CODE).fill("save10")
    buyer.page.keyboard.press("Enter")
    buyer.see("$10 off. New total: $90")
    expect(buyer.page.get_by_text("New total: $90")).to_be_in_viewport(ratio=1)
    buyer.see("Discount with SAVE10")
    buyer.page.get_by_label(CODE).fill("save1")  # another code: the total is without a discount again
    expect(buyer.page.locator(".total strong")).to_have_text("$100")
    buyer.page.get_by_label(CODE).fill("save10")
    buyer.press("Continue to payment")  # also without applying it first
    expect(buyer.page.get_by_role("heading", name="Payment")).to_be_focused()
    buyer.see("Discount with SAVE10")
    buyer.see("-$10")
    buyer.press("Back to your details")
    buyer.page.get_by_label(CODE).fill("")
    expect(buyer.page.locator(".total strong")).to_have_text("$100")
    buyer.press("Continue to payment")
    expect(buyer.page.get_by_role("button", name="Pay $100")).to_be_visible()
    buyer.press("Back to your details")
    buyer.page.get_by_label(CODE).fill("save10")
    buyer.press("Continue to payment")
    buyer.see("Discount with SAVE10")
    buyer.page.reload()
    buyer.see("Discount with SAVE10")
    buyer.page.get_by_role("button", name="Pay $90").click()
    buyer.see_tickets(2)
    buyer.page.goto("/orders")
    buyer.page.get_by_role("link", name="Winter Gala").click()
    expect(buyer.page.get_by_role("row", name="Discount with SAVE10")).to_contain_text("-$10")
    invariants.check(time.now)


def test_a_code_for_everything_needs_no_payment(new_buyer, api, time, tier):
    builders.create_promo_code(api, tier[0], "FREE", discount_value=100)
    buyer = new_buyer()
    buyer.page.goto(f"/events/{tier[0]}")
    buyer.choose("Table", 1)
    buyer.page.get_by_label(CODE).fill("FREE")
    buyer.press("Apply")
    buyer.see("New total: Free")
    buyer.see("Your ticket is held for")
    buyer.see("We will send your ticket and your order number to this address.")
    buyer.press("Get the ticket")
    buyer.see_tickets(1)
    buyer.see("You are going!")
    expect(buyer.page.locator(".outcome-good")).to_contain_text("Here is your ticket.")
    expect(buyer.page.locator(".outcome-good")).not_to_contain_text("payment")
    invariants.check(time.now)


def test_answers_to_a_package_survive_a_reload(new_buyer, api, time, tier):
    dinner = {"label": "Dinner", "option_type": "multi_select", "choices": ["Fish", "Vegan"]}
    step_free = {"label": "Step-free access?", "option_type": "boolean", "per": "ticket"}
    note = {"label": "Note to the kitchen", "option_type": "text_input", "is_required": False}
    for option in (dinner, step_free, note):
        path = f"/admin/events/{tier[0]}/tickets/packages/{tier[1]}/options"
        assert api.post(path, json=option, token=builders.admin_token()).status == 201
    buyer = new_buyer()
    buyer.page.goto(f"/events/{tier[0]}")
    buyer.choose("Table", 2)
    buyer.see("Note to the kitchen (optional)")
    for number, name in enumerate(("Ada", "Bob"), start=1):
        buyer.page.get_by_label(f"Ticket {number}, Table").fill(name)
    yes, no = buyer.page.get_by_label("Yes"), buyer.page.get_by_label("No", exact=True)
    yes.nth(0).check()
    no.nth(1).check()
    buyer.press("Continue to payment")
    expect(buyer.page.get_by_label("Fish")).to_have_js_property("validationMessage", "Choose at least one.")
    buyer.page.get_by_label("Vegan").check()
    buyer.page.reload()
    expect(buyer.page.get_by_label("Vegan")).to_be_checked()
    expect(no.nth(1)).to_be_checked()
    with buyer.page.expect_response("**/checkout/confirm") as confirmed:
        buyer.pay()
    buyer.see_tickets(2)
    order_id = confirmed.value.json()["order"]["id"]
    answers = api.get(f"/admin/orders/{order_id}", token=builders.admin_token()).json["order"]["answers"]
    assert sorted((answer["label"], answer["ticket"], answer["value"]) for answer in answers) == [
        ("Dinner", None, ["Vegan"]),
        ("Step-free access?", 1, True),
        ("Step-free access?", 2, False),
    ]
    invariants.check(time.now)


def test_a_guests_mistyped_address_is_corrected_with_one_click_and_kept(new_buyer, api, time, tier):
    buyer = new_buyer()
    address = buyer.page.get_by_label("Email address")
    buyer.page.goto(f"/events/{tier[0]}")
    buyer.choose("Table", 1)
    address.fill("")
    buyer.press("Continue to payment")
    expect(address).to_be_focused()
    assert address.evaluate("input => input.validity.valueMissing")
    address.fill("ada@gmial.com")
    buyer.press("Did you mean ada@gmail.com?")
    expect(address).to_have_value("ada@gmail.com")
    expect(address).to_be_focused()
    buyer.page.reload()
    expect(address).to_have_value("ada@gmail.com")
    with buyer.page.expect_response("**/checkout/confirm") as confirmed:
        buyer.pay()
    order_id = confirmed.value.json()["order"]["id"]
    assert api.get(f"/admin/orders/{order_id}", token=builders.admin_token()).json["order"]["customer_email"] == "ada@gmail.com"
    buyer.see_tickets(1)
    invariants.check(time.now)


def test_an_access_code_sells_tickets_before_the_sale_opens(new_buyer, api, time):
    opens = builders.clock.iso(time.now + 3600)
    event_id = builders.create_event(api, "Winter Gala", on_sale_at=opens, status="scheduled")
    tier_id = builders.create_tier(api, event_id, "Table")
    builders.create_promo_code(api, event_id, "FANS", discount_value=0, opens_package_ids=[tier_id])
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    buyer.page.get_by_label("Access code (optional)").fill("fans")
    buyer.choose("Table", 2)
    buyer.press("Continue to payment")
    buyer.page.get_by_role("button", name="Pay $100").click()
    buyer.see_tickets(2)
    without = builders.create_event(api, "Winter Market", on_sale_at=opens, status="scheduled")
    builders.create_tier(api, without, "Stall")
    buyer.page.goto(f"/events/{without}")
    buyer.see("Stall")
    expect(buyer.page.get_by_text("Access code")).to_have_count(0)
    invariants.check(time.now)


def test_an_access_code_sells_held_back_tickets_when_the_others_have_sold_out(new_buyer, api, time):
    event_id = builders.create_event(api, "Winter Gala")
    held_back = {"id": "fans", "reason": "presale", "quantity": 2}
    tier_id = builders.create_tier(api, event_id, "Table", capacity=3)
    assert api.patch(f"/tiers/{tier_id}", json={"holdbacks": [held_back]}, token=builders.admin_token()).status == 200
    builders.create_promo_code(api, event_id, "FANS", discount_value=0, opens_package_ids=[tier_id], holdback_id="fans")
    builders.create_order(api, (event_id, tier_id), 1, "bob")
    builders.run_sweep()
    time.advance(10)
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    expect(buyer.page.get_by_role("heading", name="Sold out")).to_be_visible()
    buyer.page.get_by_label("Access code (optional)").fill("fans")
    buyer.choose("Table", 2)
    check(buyer.page, "sold_out_with_access_code")
    buyer.press("Continue to payment")
    buyer.page.get_by_role("button", name="Pay $100").click()
    buyer.see_tickets(2)
    invariants.check(time.now)


def test_a_promoter_turns_invoices_on_and_a_buyer_gets_one_for_a_company(new_buyer, api, time, tier):
    page = new_buyer().page
    manager = Manager(page, api, time)
    manager.sign_up()
    promoter_id = api.get("/auth/me", token=manager.token).json["id"]
    profile = {"name": "Nova Nights", "verified": True}
    assert api.put(f"/promoters/{promoter_id}", json=profile, token=builders.admin_token()).status == 200
    assert api.patch(f"/events/{tier[0]}", json={"promoter_id": promoter_id}, token=builders.admin_token()).status == 200
    manager.open("/profile")
    manager.fill("Name on invoices", "Nova Nights Ltd")
    manager.fill("Address on invoices", "1 Harbor Street\nLisbon")
    manager.fill("Tax ID", "PT501234567")
    manager.fill("Prefix of invoice numbers (optional)", "nn")
    manager.press("Save")
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()  # not "Not saved yet"
    buyer = new_buyer()
    buyer.page.goto(f"/events/{tier[0]}")
    buyer.choose("Table", 1)
    buyer.page.get_by_label("I need an invoice for a company").check()
    buyer.page.get_by_label("Company", exact=True).fill("Ada & Sons")
    buyer.page.get_by_label("Address for the invoice").fill("2 Mill Lane\nPorto")
    buyer.page.get_by_label("VAT ID (optional)").fill("PT509999999")
    buyer.press("Continue to payment")
    buyer.page.get_by_role("button", name="Pay $50").click()
    buyer.see_tickets(1)
    builders.project_changes()
    buyer.page.goto("/orders")
    buyer.page.get_by_role("link", name="Winter Gala").click()
    with buyer.page.expect_download() as download:
        buyer.page.get_by_role("button", name="Invoice NN-I2026-000001").click()
    assert download.value.suggested_filename == "NN-I2026-000001.pdf"
    manager.open("/profile")
    with page.expect_download() as download:
        page.get_by_role("button", name="Invoices as CSV, 2026").click()
    assert "Ada & Sons" in download.value.path().read_text()
    invariants.check(time.now)


def test_a_company_pays_by_transfer_and_the_promoter_records_it(new_buyer, api, time):
    event_id, _ = bank_transfers.create_shop(api)
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    buyer.page.get_by_label("Access code (optional)").fill("firms")
    buyer.choose("Floor", 2)
    buyer.page.get_by_label("I will pay by bank transfer within 7 days").check()
    buyer.press("Continue to payment")
    expect(buyer.heading("Transfer the money to this account")).to_be_visible()
    buyer.see("PT50 0002 0123 1234 5678 9015 4")
    buyer.see("$100")
    check(buyer.page, "bank_transfer")
    [number] = [order["number"] for order in api.get(f"/events/{event_id}/bank-transfers", **bank_transfers.manager()).json["orders"]]
    buyer.see(number)
    buyer.page.reload()
    buyer.see(number)

    page = new_buyer().page
    manager = Manager(page, api, time)
    manager.sign_in_as_admin()
    manager.open(f"/events/{event_id}/promo-codes")
    manager.follow("Bank transfer: 7 days")
    manager.see("$0 of $100 received")
    check(page, "bank_transfers")
    manager.fill("Payment reference, with the order number", f"Order {number}")
    manager.fill("Amount (USD)", "60,00")
    page.get_by_label("Date on the statement").fill("2026-06-01")
    manager.press("Record the transfer")
    manager.see("1 transfer recorded.")
    manager.see("$60 of $100 received")
    statement = f"Date;Amount;Reference\n01.06.2026;60,00;{number}\n02.06.2026;-1.234,00;Rent\n02.06.2026;45,50;{number}\n"
    page.get_by_label("Choose a statement").set_input_files({"name": "bank.csv", "mimeType": "text/csv", "buffer": statement.encode()})
    for text in (
        "1 transfer recorded.",
        "1 transfer already recorded.",
        "1 transfer without an order number of this event.",
        "$105.50 of $100 received",
        "Send $5.50 back to the buyer, then record it here with a minus sign.",
    ):
        manager.see(text)
    manager.fill("Payment reference, with the order number", number)
    manager.fill("Amount (USD)", "5,50-")
    page.get_by_label("Date on the statement").fill("2026-06-03")
    manager.press("Record the transfer")
    expect(page.get_by_text("Send $5.50 back")).to_have_count(0)
    buyer.page.goto("/tickets")
    buyer.see_tickets(2)
    invariants.check(time.now)
