"""The box office in a real browser: cash with change, a card, printed tickets, no network, a refused sale, and the closing of the day."""

import re

from playwright.sync_api import expect

from chalicelib.purchases import store
from chalicelib.tickets.store import find_ticket_id
from tests import builders, invariants
from tests.accounts.conftest import PASSWORD, mailbox, register  # noqa: F401
from tests.browser.async_checks import WORKER_IS_ACTIVE, wait_until
from tests.browser.door_staff import IS_KEPT
from tests.browser.doors import Door
from tests.browser.page_checks import check

COUNTER = {"id": "counter", "reason": "box_office", "quantity": 4}


class Cashier:
    """Sells at the box office of one event, on one page."""

    def __init__(self, page, api, event_id, mailbox) -> None:  # noqa: F811
        self.page, self.api, self.event_id = page, api, event_id
        assert register(api, "cass@example.com").status == 201
        assert api.post("/auth/email/verify", json={"token": mailbox.token("verify_email"), "password": PASSWORD}).status == 200
        member = {"email": "cass@example.com", "role": "cashier"}
        assert api.post(f"/events/{event_id}/members", json=member, token=builders.admin_token()).status == 201
        builders.accept_invitation(event_id, member["email"])
        page.goto("/door/box-office")
        page.get_by_role("link", name="Sign in").click()
        page.get_by_label("Email address").fill("cass@example.com")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.locator("main button[type=submit]").click()
        self.press("Night of the Proms")
        expect(page.get_by_role("heading", name="Night of the Proms")).to_be_visible()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def open(self, name: str) -> None:
        self.page.locator("summary", has_text=name).click()

    def see(self, text: str) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible()

    def stored(self) -> str:
        """Everything that the device keeps for the box office."""
        return str(self.page.evaluate("JSON.stringify(localStorage)"))

    def sell(self, total: str = "$50", *, seen: str = "Sold: order") -> str:
        """Sell what is in the form. Returns the code of the first ticket."""
        self.press(f"Sell for {total}")
        expect(self.page.get_by_role("heading", name=seen)).to_be_visible()
        return self.page.locator(".counter-tickets .code").first.inner_text()

    def lose_network(self) -> None:
        wait_until(self.page, IS_KEPT)
        wait_until(self.page, WORKER_IS_ACTIVE)
        self.page.context.set_offline(True)

    def find_network(self) -> None:
        self.page.context.set_offline(False)
        self.page.evaluate("dispatchEvent(new Event('online'))")


def test_a_cashier_sells_for_cash_and_by_card_offline_too_and_closes_the_day(server, api, time, new_buyer, mailbox):  # noqa: F811
    door = Door(api, time)
    held_back = api.patch(f"/tiers/{door.tier_id}", json={"holdbacks": [COUNTER]}, token=builders.admin_token())
    assert held_back.status == 200, held_back.json
    cashier = Cashier(new_buyer().page, api, door.event_id, mailbox)
    page = cashier.page
    cashier.see("4 tickets left")
    cashier.press("One more")
    page.get_by_label("Cash received (USD)").fill("120")
    cashier.see("Change: $20")
    check(page, "box_office_form")
    code = cashier.sell("$100")
    check(page, "box_office_sold")
    page.emulate_media(media="print")
    expect(page.locator(".counter-tickets img")).to_have_count(2)
    expect(page.get_by_role("button", name="Next sale")).to_be_hidden()
    page.emulate_media(media="screen")
    order = store.load(find_ticket_id(code).rpartition("-")[0])
    assert (order.total_cents, order.box_office.method) == (10_000, "cash")
    assert code not in cashier.stored(), "a lost device lets nobody in"

    cashier.press("Next sale")
    page.get_by_label("Card", exact=True).check()
    page.get_by_label("Receipt number from the card terminal").fill("0042")
    cashier.sell()
    cashier.press("Next sale")
    cashier.see("1 ticket left")

    cashier.open("Prepare to sell without a network")
    page.locator("#aside").fill("1")
    cashier.press("Set aside")
    cashier.see("0 tickets left, 1 set aside on this device")
    cashier.press("Give 1 ticket back now")
    cashier.see("1 ticket left")
    cashier.press("Set aside")
    cashier.see("0 tickets left, 1 set aside on this device")
    cashier.lose_network()
    code = cashier.sell(seen="Sold offline")
    assert find_ticket_id(code) is None
    page.reload()
    cashier.see("Sales on this device: 1 not sent yet")
    cashier.press("Sell for $50")
    cashier.see("tickets must be set aside first")
    check_offline = page.get_by_text("No network. You can sell the tickets that this device has set aside.")
    expect(check_offline).to_be_visible()
    cashier.find_network()
    expect(page.get_by_text("not sent yet")).to_have_count(0)
    assert find_ticket_id(code) is not None
    assert code not in cashier.stored()

    cashier.open("Sales on this device")
    page.get_by_role("button", name="Refund", exact=True).last.click()
    cashier.press("Refunded in cash")
    cashier.see("refunded: $50")
    cashier.open("Close the day")
    page.get_by_label("Cash counted (USD)").fill("98.50")
    cashier.press("Save the count")
    cashier.see("Counted $98.50: $1.50 short")
    check(page, "box_office_closing")
    invariants.check(time.now)


def test_an_offline_sale_without_a_ticket_left_stays_until_it_is_settled(server, api, time, new_buyer, mailbox):  # noqa: F811
    door = Door(api, time)
    held_back = api.patch(f"/tiers/{door.tier_id}", json={"holdbacks": [COUNTER | {"quantity": 1}]}, token=builders.admin_token())
    assert held_back.status == 200, held_back.json
    cashier = Cashier(new_buyer().page, api, door.event_id, mailbox)
    cashier.open("Prepare to sell without a network")
    cashier.page.locator("#aside").fill("1")
    cashier.press("Set aside")
    cashier.see("0 tickets left, 1 set aside on this device")
    cashier.lose_network()
    cashier.sell(seen="Sold offline")
    time.advance(2 * 3600)
    builders.run_sweep()
    sale = {"id": "till-2/sale-1", "tier_id": door.tier_id, "holdback_id": "counter", "quantity": 1, "price_cents": 5000, "method": "cash"}
    assert api.post(f"/events/{door.event_id}/box-office-orders", json=sale, token=builders.admin_token()).status == 201
    cashier.find_network()
    expect(cashier.page.get_by_role("heading", name=re.compile("1 sale without a ticket"))).to_be_visible()
    cashier.see("The box office does not have that many tickets left.")
    check(cashier.page, "box_office_refused")
    cashier.press("The buyer has been refunded")
    expect(cashier.page.get_by_text("without a ticket")).to_have_count(0)
    invariants.check(time.now)
