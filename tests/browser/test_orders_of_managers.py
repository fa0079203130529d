"""Orders are found, shown with their history, and refunded by the ticket after a preview; sales are a file that adds up."""

import csv

import pytest
from playwright.sync_api import expect

from chalicelib.foundation import settings
from chalicelib.payments.providers import protocol
from chalicelib.purchases import guest_orders, queries, store
from tests import builders, invariants
from tests.admin.test_payouts import PayBook
from tests.browser.doors import Door
from tests.browser.drops import Drop
from tests.browser.managers import Manager
from tests.browser.page_checks import check

SEARCH = "Number, code, email or name"


@pytest.fixture
def manager(new_buyer, api, time):
    manager = Manager(new_buyer(viewport={"width": 1280, "height": 800}).page, api, time)
    manager.sign_up()
    return manager


@pytest.mark.journey
def test_a_promoter_finds_an_order_and_refunds_one_of_its_tickets(manager):
    drop = Drop(manager)
    drop.join(3)
    drop.open()
    order_id, _ = drop.buy(2)
    builders.project_changes()
    manager.open(f"/events/{drop.event_id}/orders")
    expect(manager.page.get_by_role("row")).to_have_count(3)
    manager.fill(SEARCH, f"{order_id.lower()}-1")
    manager.press("Search")
    expect(manager.page.get_by_role("row")).to_have_count(2)
    manager.follow(manager.api.get(f"/admin/orders/{order_id}", token=builders.admin_token()).json["order"]["number"])
    manager.see_heading("Activity")
    expect(manager.page.locator('.side [aria-current="true"]')).to_have_text("Orders")
    with settings.override(refund_fee_cents=150, refund_fee_percent=10):
        outlook = manager.page.locator(".outlook")
        manager.page.get_by_label("Some tickets").check()
        expect(outlook).to_have_count(0)
        manager.page.get_by_label("Ticket 2, Front rows").check()
        expect(outlook).to_contain_text("$10.45")
        expect(outlook).to_contain_text("The buyer gets$79.05")
        expect(outlook).to_contain_text("Still valid afterwards1 ticket")
        manager.page.get_by_label("No fee").check()
        expect(outlook).to_contain_text("The buyer gets$89.50")
        manager.page.get_by_label("Another amount").check()
        manager.fill("Fee per ticket, in USD", "7.50")
        expect(outlook).to_contain_text("The buyer gets$82")
        manager.press("Refund $82")
        manager.see_heading("Refund $82?")
        manager.press("Go back")
        manager.press("Refund $82")
        manager.page.get_by_role("dialog").get_by_role("button", name="Refund $82").click()
    manager.see("The buyer gets $82 back. No longer valid: 1 ticket.")
    manager.see_in_spanish("Entradas anuladas: 1.")
    manager.see("Partly refunded")
    expect(manager.page.get_by_role("listitem").filter(has_text="Refund of 1 ticket")).to_contain_text("· you")
    tickets = manager.api.get(f"/admin/orders/{order_id}", token=builders.admin_token()).json["tickets"]
    assert [ticket["state"] for ticket in tickets] == ["valid", "void"]
    [refund] = manager.api.get(f"/admin/orders/{order_id}", token=builders.admin_token()).json["refunds"]
    assert (refund["amount_cents"], refund["fee_cents"], refund["tickets"]) == (8200, 750, [f"{order_id}-2"])
    invariants.check(manager.time.now)


def test_a_promoter_decides_on_the_return_of_a_buyer(manager, new_buyer):
    event_id = manager.create_event()
    manager.publish(event_id)
    manager.open(f"/events/{event_id}/facts")
    manager.page.get_by_text("Limits, waiting room and returns").click()
    manager.page.get_by_label("If buyers cannot come").select_option("refund")
    manager.fill("Percentage that you keep (optional)", "10")
    manager.page.get_by_label("I decide on each return").check()
    manager.page.get_by_label("Tickets can be transferred").uncheck()
    manager.press("Save")
    expect(manager.page.get_by_text("Saved", exact=True)).to_be_visible()
    manager.time.advance(5)
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    buyer.choose("Front rows", 2)
    buyer.see("You can ask to return unused tickets until the event starts. We refund the price, less 10% per ticket.")
    buyer.see("Tickets cannot be transferred.")
    check(buyer.page, "checkout_with_rules")
    buyer.pay()
    buyer.see_tickets(2)
    expect(buyer.page.get_by_text("Transfer this ticket")).to_have_count(0)
    [order_id] = store.list_ids_of_address("guest@example.com", 2)
    buyer.page.goto(f"/orders/{order_id}")
    buyer.see("less 10% per ticket")
    buyer.page.get_by_text("Ask to return tickets").click()
    buyer.page.get_by_label("Reason").select_option("ill")
    check(buyer.page, "order_to_return")
    buyer.press("Ask to return 2 tickets")
    buyer.see("You have asked to return 2 tickets. The promoter has not decided yet.")
    check(buyer.page, "order_with_return_request")
    buyer.press("Keep the tickets: withdraw the request")
    expect(buyer.page.get_by_text("The promoter has not decided yet.")).to_have_count(0)
    buyer.page.goto(f"/find-tickets#token={guest_orders.order_token(order_id, 'guest@example.com')}")
    buyer.press("Find my tickets")
    for button in ("Ask to return 2 tickets", "Keep the tickets: withdraw the request"):
        buyer.page.get_by_text("Ask to return tickets").click() if button.startswith("Ask") else None
        buyer.press(button)
    expect(buyer.page.get_by_text("The promoter has not decided yet.")).to_have_count(0)
    buyer.page.goto(f"/orders/{order_id}")
    buyer.page.get_by_text("Ask to return tickets").click()
    buyer.page.get_by_label("Reason").select_option("ill")
    buyer.press("Ask to return 2 tickets")
    buyer.see("You have asked to return 2 tickets. The promoter has not decided yet.")
    builders.project_changes()
    manager.open(f"/events/{event_id}/orders")
    manager.page.get_by_label("Status").select_option("return_requested")
    expect(manager.page.get_by_role("row")).to_have_count(2)
    manager.page.get_by_role("row").last.get_by_role("link").click()
    manager.see_heading("The buyer asks to return 2 tickets")
    manager.see("Ill")
    check(manager.page, "return_request")
    manager.press("Accept and refund")
    manager.see("Refund of 2 tickets: Requested by the buyer")
    expect(manager.page.get_by_role("button", name="Accept and refund")).to_have_count(0)
    assert [refund.amount_cents for refund in queries.load_purchase(order_id).refunds] == [16_110]
    invariants.check(manager.time.now)


def test_a_ticket_that_was_given_away_is_refunded_only_when_it_is_chosen(manager):
    event_id = manager.create_event()
    manager.publish(event_id)
    tier_id = manager.api.get(f"/events/{event_id}").json["tiers"][0]["id"]
    order_id = builders.create_order(manager.api, (event_id, tier_id), 2)
    token = manager.api.post(f"/tickets/{order_id}-2/transfer", user="ada").json["token"]
    assert manager.api.post(f"/transfers/{token}/accept", user="bob").status == 201
    manager.open(f"/events/{event_id}/orders/{order_id}")
    manager.see("The buyer gave this ticket to someone else: Ticket 2, Front rows.")
    expect(manager.page.get_by_label("Everything the buyer still has (1 ticket)")).to_be_checked()
    expect(manager.page.locator(".outlook")).to_contain_text("Still valid afterwards1 ticket")
    manager.page.get_by_label("Some tickets").check()
    expect(manager.page.get_by_label("Ticket 2, Front rows, given to someone else")).not_to_be_checked()
    manager.page.get_by_label("Everything the buyer still has").check()
    manager.press("Refund $89.50")
    manager.page.get_by_role("dialog").get_by_role("button", name="Refund $89.50").click()
    manager.see("No longer valid: 1 ticket.")
    expect(manager.page.get_by_label("Everything the buyer still has")).to_have_count(0)
    tickets = manager.api.get(f"/admin/orders/{order_id}", token=builders.admin_token()).json["tickets"]
    assert [ticket["state"] for ticket in tickets] == ["void", "valid"]
    invariants.check(manager.time.now)


def test_the_tickets_of_a_mistyped_address_are_sent_again_to_the_right_one(manager):
    event_id = manager.create_event()
    manager.publish(event_id)
    tier_id = manager.api.get(f"/events/{event_id}").json["tiers"][0]["id"]
    order_id = builders.buy(manager.api, "ada", event_id, tier_id, customer_email="ada@gmial.com").json["order"]["id"]
    manager.open(f"/events/{event_id}/orders/{order_id}")
    manager.see("Emails about this order go to ada@gmial.com.")
    manager.press("Did you mean ada@gmail.com?")
    manager.press("Change the address and send")
    manager.see("The tickets are on their way to ada@gmail.com.")
    manager.see("Emails about this order go to ada@gmail.com.")
    expect(manager.page.get_by_role("button", name="Send again")).to_be_enabled()
    assert queries.load_details(queries.get_order(order_id)).customer_email == "ada@gmail.com"
    manager.fill("Email address", "ada@nowhere")
    manager.press("Change the address and send")
    expect(manager.page.locator(".field-error")).to_be_visible()
    invariants.check(manager.time.now)


def test_staff_correct_the_name_on_a_ticket_and_see_whom_no_mail_reaches(manager):
    event_id = manager.create_event()
    manager.publish(event_id)
    tier_id = manager.api.get(f"/events/{event_id}").json["tiers"][0]["id"]
    order_id = builders.buy(manager.api, "ada", event_id, tier_id, attendees=[{"name": "Ada Lovelac"}]).json["order"]["id"]
    builders.project_changes()
    manager.open(f"/events/{event_id}/orders/{order_id}")
    ticket = manager.page.get_by_role("listitem").filter(has_text=f"{order_id}-1")
    expect(ticket.get_by_text("Ada Lovelac", exact=True)).to_be_visible()
    ticket.get_by_text("Change the name").click()
    manager.fill("Name on the ticket", "Ada Lovelace")
    manager.press("Save")
    expect(ticket.get_by_text("Ada Lovelace", exact=True)).to_be_visible()
    expect(ticket.get_by_text("Saved")).to_be_visible()
    assert manager.api.get(f"/tickets/{order_id}-1", user="ada").json["attendee"] == {"name": "Ada Lovelace"}
    for page in ("attendees", "messages"):
        manager.open(f"/events/{event_id}/{page}")
        manager.see("1 person with tickets has not given an email address")
    assert manager.api.put(f"/admin/orders/{order_id}/email", json={"email": "ada@home.test"}, token=manager.token).status == 200
    manager.page.reload()
    manager.see_heading("Emails")
    expect(manager.page.get_by_text("has not given an email address")).to_have_count(0)
    manager.open(f"/events/{event_id}/history")
    manager.see("Name on a ticket changed")


def test_an_order_is_found_by_a_name_an_address_and_the_printed_code(manager):
    event_id = manager.create_event()
    manager.publish(event_id)
    tier_id = manager.api.get(f"/events/{event_id}").json["tiers"][0]["id"]
    people = {"ada": "José Núñez", "bob": "Adam Smith"}
    orders = {}
    for user, name in people.items():
        details = {"attendees": [{"name": name}], "customer_email": f"{user}@example.com"}
        orders[user] = builders.buy(manager.api, user, event_id, tier_id, **details).json["order"]
    builders.project_changes()
    code = queries.load_tickets(queries.get_order(orders["ada"]["id"]))[0].code
    manager.open(f"/events/{event_id}/orders")
    rows = manager.page.get_by_role("rowheader")
    expect(rows).to_have_count(2)
    for text in ("jose nun", "Ada@Example.com", code.lower(), "ada"):
        manager.fill(SEARCH, text)
        manager.press("Search")
        expect(manager.page.get_by_role("link", name=orders["ada"]["number"])).to_be_visible()
        expect(rows).to_have_count(2 if text == "ada" else 1)  # Adam begins so too
    manager.fill(SEARCH, "grace")
    manager.press("Search")
    manager.see("No matching orders.")
    manager.open(f"/events/{event_id}/orders/{orders['ada']['id']}")
    expect(manager.page.locator(".facts dd").filter(has_text="José")).to_have_text("José Núñezada@example.comUser ID: ada")
    invariants.check(manager.time.now)


def test_a_payment_that_ended_unpaid_is_found_by_its_number(manager):
    drop = Drop(manager)
    drop.join(1)
    drop.open()
    drop.decline_card()
    builders.project_changes()
    manager.open(f"/events/{drop.event_id}/orders")
    manager.page.get_by_label("Status").select_option("Failed payments")
    number = manager.page.get_by_role("rowheader").get_by_role("link").inner_text()
    manager.fill(SEARCH, number)
    manager.press("Search")
    manager.follow(number)
    manager.see("This payment was not completed")
    expect(manager.page.get_by_role("heading", name="Refund")).to_have_count(0)


def test_a_scan_is_in_the_history_with_its_gate_and_device_by_name(new_buyer, api, time):
    manager = Manager(new_buyer(viewport={"width": 1280, "height": 800}).page, api, time)
    manager.sign_in_as_admin()
    door = Door(api, time)
    [ticket] = door.sell()
    scan = {"code": ticket.code, "gate": "North", "device": "phone-1"}
    assert api.post("/checkin", json=scan, token=builders.staff_token(door.event_id)).json["ticket"]["id"] == ticket.id
    manager.open(f"/events/{door.event_id}/orders/{ticket.purchase_id}")
    expect(manager.page.get_by_role("listitem").filter(has_text=ticket.id)).to_contain_text("gate North")
    manager.page.get_by_role("link", name="See who was let in at the door").click()
    manager.see("Gate: North · Device: phone-1")
    invariants.check(time.now)


def test_a_table_wider_than_the_screen_scrolls_by_keyboard(manager):
    drop = Drop(manager)
    drop.join(1)
    drop.open()
    drop.buy(1)
    builders.project_changes()
    manager.open(f"/events/{drop.event_id}/sales")
    table, hint = manager.page.get_by_role("region", name="By ticket"), manager.page.get_by_text("This table is wider than the screen")
    table.wait_for()
    expect(hint).to_have_count(0)
    expect(table).not_to_have_attribute("tabindex", "0")
    manager.page.set_viewport_size({"width": 390, "height": 844})
    expect(hint.last).to_be_visible()
    table.focus()
    manager.page.keyboard.press("ArrowRight")
    expect(table).not_to_have_js_property("scrollLeft", 0)


def test_the_file_of_sales_adds_up_to_the_ledger(manager):
    drop = Drop(manager)
    drop.join(3)
    drop.open()
    order_id, *_ = drop.buy(3)
    builders.refund(manager.api, order_id, tickets=[f"{order_id}-1"], fee_cents=250)
    builders.issue_complimentary(manager.api, (drop.event_id, drop.tier_id), 3)
    builders.project_changes()
    manager.open(f"/events/{drop.event_id}/sales")
    manager.see_heading("Sales funnel")
    columns = manager.page.get_by_role("region", name="By ticket type").get_by_role("row")
    expect(columns.first.get_by_role("columnheader")).to_contain_text(["Ticket", "Sold", "Returned", "Net", "Complimentary", "Capacity"])
    expect(columns.last.get_by_role("cell")).to_have_text(["6", "1", "5", "3", "400", "$537", "0 of 8"])
    with manager.page.expect_download() as download:
        manager.press("Download as CSV")
    lines = list(csv.DictReader(download.value.path().read_text(encoding="utf-8-sig").splitlines()))
    assert download.value.suggested_filename == f"{drop.event_id}-sales.csv"
    [takings] = manager.api.get(f"/admin/events/{drop.event_id}/money", token=manager.token).json["takings"]
    assert sum(int(line["amount_cents"]) for line in lines) == takings["balance_cents"] == 3 * 17_900 - 8700
    expect(manager.page.get_by_role("region", name="Revenue").get_by_role("cell").last).to_have_text("$450")
    invariants.check(manager.time.now)


def test_the_people_of_an_event_are_found_and_downloaded(manager):
    event_id = manager.create_event()
    manager.publish(event_id)
    tier_id = manager.api.get(f"/events/{event_id}").json["tiers"][0]["id"]
    for user, name in {"ada": "José Núñez", "bob": "Adam Smith"}.items():
        details = {"attendees": [{"name": name}], "customer_email": f"{user}@example.com"}
        builders.buy(manager.api, user, event_id, tier_id, **details)
    builders.project_changes()
    manager.open(f"/events/{event_id}/orders")
    expect(manager.page.get_by_role("row").filter(has_text="José Núñez")).to_contain_text("ada@example.com")
    manager.go("Attendees")
    people = manager.page.get_by_role("rowheader")
    expect(people).to_have_count(2)
    manager.fill("Name, email, code or order number", "jose")
    manager.press("Search")
    expect(people).to_have_text(["José Núñezada@example.com"])
    with manager.page.expect_download() as download:
        manager.press("Download as CSV")
    lines = list(csv.DictReader(download.value.path().read_text(encoding="utf-8-sig").splitlines()))
    assert download.value.suggested_filename == f"{event_id}-attendees.csv"
    assert [(line["name"], line["email"], line["came_in"]) for line in lines] == [("José Núñez", "ada@example.com", "no")]
    manager.page.get_by_label("Show").select_option("Came in")
    manager.see("Nobody matches.")
    invariants.check(manager.time.now)


def test_each_provider_has_its_own_list_of_payouts(new_buyer, api, time, monkeypatch):
    monkeypatch.setitem(protocol.EXTERNAL, "imported", PayBook())  # under names that the API knows
    monkeypatch.setitem(protocol.EXTERNAL, "simulated", PayBook(("pb-9",)))
    manager = Manager(new_buyer(viewport={"width": 1280, "height": 800}).page, api, time)
    manager.sign_in_as_admin("/manage/payouts")
    manager.see("pb-2")
    choice = manager.page.get_by_label("Payouts from")
    choice.focus()
    choice.select_option("Simulated")
    manager.see("pb-9")
    expect(choice).to_be_focused()
    expect(manager.page.get_by_text("pb-2")).to_have_count(0)
    expect(choice).to_have_value("simulated")
