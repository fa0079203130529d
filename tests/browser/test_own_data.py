"""A person's own data in a real browser: another email address, a copy of all that is kept, and its deletion."""

import json
import re

import pytest
from playwright.sync_api import Locator, expect

from chalicelib.foundation import settings
from tests import invariants
from tests.accounts.conftest import EMAIL, PASSWORD, Mailbox, log_in, mailbox  # noqa: F401
from tests.browser.async_checks import wait_until
from tests.browser.buyers import Buyer
from tests.browser.test_accounts import TIER, ada, buy, event_id, sign_in  # noqa: F401

NEW_EMAIL = "ada@new.example"


@pytest.fixture
def at_home(ada) -> Buyer:  # noqa: F811
    """A buyer who looks at her account."""
    ada.page.goto("/sign-in")
    sign_in(ada)
    expect(ada.heading("My details")).to_be_visible()
    return ada


def _section(buyer: Buyer, heading: str) -> Locator:
    return buyer.page.locator("section").filter(has=buyer.heading(heading))


def test_a_new_address_takes_the_password_and_the_mailed_link(at_home, api, mailbox: Mailbox):  # noqa: F811
    at_home.page.get_by_text("Change email address").click()
    form = _section(at_home, "Email address")
    form.get_by_label("New email address").fill(NEW_EMAIL)
    password = form.get_by_label("Current password", exact=True)
    password.fill("not this one")
    at_home.press("Send the link")
    at_home.see("This is not your current password.")
    expect(password).to_be_focused()
    password.fill(PASSWORD)
    at_home.press("Send the link")
    at_home.see(f"We have sent a link to {NEW_EMAIL}")
    at_home.page.reload()
    at_home.see(EMAIL)  # until the link is opened
    at_home.page.goto(f"/verify-email#token={mailbox.token('change_email')}")
    at_home.press("Confirm")
    at_home.see("Enter your account password.")
    at_home.page.get_by_label("Password", exact=True).fill(PASSWORD)
    at_home.press("Confirm")
    at_home.see("Your address is confirmed")
    assert log_in(api).status == 401
    assert log_in(api, NEW_EMAIL).status == 200
    at_home.page.goto("/account")
    at_home.see("Your session has ended.")
    at_home.page.get_by_label("Email address").fill(NEW_EMAIL)
    at_home.page.get_by_label("Password", exact=True).fill(PASSWORD)
    at_home.page.get_by_role("main").get_by_role("button", name="Sign in").click()
    at_home.see(NEW_EMAIL)


def test_the_present_address_is_refused_at_its_field(at_home):
    at_home.page.get_by_text("Change email address").click()
    form = _section(at_home, "Email address")
    form.get_by_label("New email address").fill(EMAIL.upper())
    form.get_by_label("Current password", exact=True).fill(PASSWORD)
    at_home.press("Send the link")
    at_home.see("This is already your address.")
    expect(form.get_by_label("New email address")).to_be_focused()


def test_all_that_is_kept_can_be_downloaded(at_home, event_id):  # noqa: F811
    buy(at_home, event_id)
    at_home.page.goto("/account")
    with at_home.page.expect_download() as download:
        at_home.press("Download my data")
    assert download.value.suggested_filename == "fairgate-my-data.json"
    kept = json.loads(download.value.path().read_text())
    assert (kept["user"]["email"], len(kept["orders"]), len(kept["tickets"])) == (EMAIL, 1, 1)
    assert "next_cursor" not in kept


def test_the_download_has_all_pages_of_the_orders(new_buyer, event_id):  # noqa: F811
    buyer = new_buyer()
    buy(buyer, event_id)
    page = {"user": {"id": "ada"}, "promoter": None, "memberships": [], "exported_at": "2026-06-01T12:00:00Z"}

    def answer(route) -> None:
        number = 2 if "cursor=second" in route.request.url else 1
        lists = {name: [{"id": f"{name}-{number}"}] for name in ("orders", "tickets", "seats")}
        emails = {f"tickets-{number}": "ada@example.com"}
        route.fulfill(json=page | lists | {"ticket_emails": emails, "next_cursor": "second" if number == 1 else None})

    buyer.page.route("**/api/v1/me/export*", answer)
    buyer.page.goto("/account")
    with buyer.page.expect_download() as download:
        buyer.press("Download my data")
    kept = json.loads(download.value.path().read_text())
    for name in ("orders", "tickets", "seats"):
        assert [entry["id"] for entry in kept[name]] == [f"{name}-1", f"{name}-2"]
    assert list(kept["ticket_emails"]) == ["tickets-1", "tickets-2"]


def test_a_deleted_account_leaves_nothing_in_the_browser(at_home, api, time, event_id):  # noqa: F811
    buy(at_home, event_id)
    at_home.see("this page also opens without a connection")
    at_home.page.goto("/account")
    at_home.page.get_by_text("Delete my account").click()
    form = _section(at_home, "The data we hold about you")
    form.get_by_label("Current password", exact=True).fill(PASSWORD)
    at_home.press("Delete permanently")
    expect(form.get_by_label("I have saved what I need")).to_be_focused()
    assert form.get_by_label("I have saved what I need").evaluate("box => box.validity.valueMissing")
    form.get_by_label("I have saved what I need").check()
    at_home.press("Delete permanently")
    at_home.see("Your data has been deleted")
    assert log_in(api).status == 401
    # The page says so before it signs out.
    wait_until(at_home.page, "async () => (await caches.keys()).length === 0 && localStorage.getItem('fairgate.buyer') === null")
    at_home.follow("My tickets")
    at_home.see("No tickets yet")
    invariants.check(time.now)


def test_a_guest_deletes_their_data_by_keyboard_in_spanish(new_buyer, time, event_id):  # noqa: F811
    buyer = new_buyer(locale="es-ES")
    page = buyer.page
    page.goto(f"/events/{event_id}")
    page.get_by_label(f"Número de entradas: {TIER}").select_option("1")
    buyer.press("Reservar entradas")
    buyer.see("Compras como invitado")
    page.get_by_text("Cancelar la reserva").click()
    buyer.press("Renunciar a mi entrada")
    buyer.see("No tienes entradas reservadas")
    page.goto("/account")
    page.get_by_text("Eliminar mis datos").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("He guardado lo que necesito")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_label("He guardado lo que necesito")).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    with page.expect_response(re.compile("/auth/me$")) as response:
        page.keyboard.press("Enter")
    assert (response.value.request.method, response.value.status) == ("DELETE", 200)
    buyer.see("Hemos eliminado tus datos")
    invariants.check(time.now)


def test_a_promoter_with_current_events_learns_why_erasure_is_refused(at_home):
    refusal = {"error": "promoter_has_events", "message": "You have events.", "request_id": "1"}
    at_home.page.route(
        "**/api/v1/auth/me",
        lambda route: route.fulfill(status=409, json=refusal) if route.request.method == "DELETE" else route.continue_(),
    )
    at_home.page.get_by_text("Delete my account").click()
    form = _section(at_home, "The data we hold about you")
    form.get_by_label("Current password", exact=True).fill(PASSWORD)
    form.get_by_label("I have saved what I need").check()
    at_home.press("Delete permanently")
    at_home.see("Cancel them first")
    expect(form.get_by_label("I have saved what I need")).to_be_checked()


def _create_account_at_checkout(buyer: Buyer) -> None:
    buyer.follow("Create an account")
    expect(buyer.page.get_by_text("Cancel the reservation")).to_have_count(0)  # until the page changes, the address is the checkout's
    buyer.page.get_by_label("Email address").fill(EMAIL)
    buyer.page.get_by_label("Password", exact=True).fill(PASSWORD)
    buyer.press("Create account")


def test_a_guest_registers_at_the_checkout_and_pays_with_the_accounts_address(new_buyer, time, event_id):  # noqa: F811
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    buyer.choose(TIER, 1)
    buyer.see("With an account, you have your tickets on all your devices.")
    _create_account_at_checkout(buyer)
    expect(buyer.heading("Checkout")).to_be_visible()
    expect(buyer.page.get_by_text("You are buying as a guest")).to_have_count(0)
    expect(buyer.page.get_by_label("Email address")).to_have_count(0)
    buyer.see(f"We have sent a link to {EMAIL}. Open it to confirm your address, now or after you have paid.")
    buyer.pay()
    buyer.see_tickets(1)
    invariants.check(time.now)


def test_a_guest_who_registers_pays_before_confirming_the_address(new_buyer, time, event_id, mailbox: Mailbox):  # noqa: F811
    with settings.override(email_verification="required"):
        buyer = new_buyer()
        buyer.page.goto(f"/events/{event_id}")
        buyer.choose(TIER, 1)
        _create_account_at_checkout(buyer)
        buyer.see("Check your inbox")
        buyer.follow("Continue for now")
        buyer.pay()
        buyer.see_tickets(1)
        buyer.page.goto(f"/verify-email#token={mailbox.token('verify_email')}")
        buyer.press("Confirm")
        buyer.page.get_by_label("Password", exact=True).fill(PASSWORD)
        buyer.press("Confirm")
        buyer.page.get_by_role("main").get_by_role("link", name="Sign in").click()
        sign_in(buyer)
        buyer.page.wait_for_url("**/account")
        buyer.follow("My tickets")
        buyer.see_tickets(1)
    invariants.check(time.now)
