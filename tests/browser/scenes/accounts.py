"""Accounts and orders, each state with how a buyer gets there."""

from playwright.sync_api import expect

from chalicelib.accounts import members, service, store
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock
from tests import builders
from tests.browser.scenes.stage import Scene, Stage
from tests.browser.scenes.wallet import wallet
from tests.builders import code_of, verify_address


def reset_password(stage: Stage) -> None:
    stage.open("/reset-password#token=none")
    stage.page.get_by_label("New password", exact=True).fill("seven grey owls")
    stage.buyer.press("Save")
    stage.buyer.see("This link has expired")


def sign_in(stage: Stage) -> None:
    stage.open("/sign-in?next=/orders")
    stage.buyer.see("This shop is a demo.")


def sign_in_refused(stage: Stage) -> None:
    stage.open("/sign-in")
    stage.page.get_by_label("Email address").fill("ada@example.com")
    stage.page.get_by_label("Password", exact=True).fill("not this one")
    stage.page.get_by_role("button", name="Show: Password").click()
    stage.buyer.press("Sign in")
    stage.buyer.see("The address or the password is wrong.")


def register_refused(stage: Stage) -> None:
    stage.open("/register")
    stage.page.get_by_label("Email address").fill("ada@example.com")
    stage.page.get_by_label("Password", exact=True).fill("password1234")
    stage.buyer.press("Create account")
    stage.buyer.see("This password is easy to guess.")


def forgot_password(stage: Stage) -> None:
    stage.open("/forgot-password")
    stage.page.get_by_label("Email address").fill("ada@example.com")
    stage.buyer.press("Send the link")
    stage.buyer.see("Check your inbox")


def account(stage: Stage) -> None:
    stage.open("/register")
    stage.page.get_by_label("Email address").fill("ada@example.com")
    stage.page.get_by_label("Password", exact=True).fill("seven grey owls")
    stage.page.get_by_label("First name").fill("Ada")
    stage.buyer.press("Create account")
    expect(stage.buyer.heading("My details")).to_be_visible()


def invited(stage: Stage) -> None:
    account(stage)
    found = service.find_account(str(service.find_user_id("ada@example.com")))
    assert found is not None
    dynamo.transact([store.set_verified_item(found, stage.time.now)])
    for role, event_id in (("coordinator", builders.create_event(stage.api, "Harbor Lights: Afterglow Tour")), ("staff", stage.drop)):
        members.invite(event_id, "ada@example.com", role, "root", stage.time.now)
    stage.page.reload()
    stage.buyer.see("Accept only invitations that you were expecting.")
    stage.buyer.see("As a coordinator")


def second_factor(stage: Stage) -> None:
    account(stage)
    verify_address("ada@example.com")
    stage.page.get_by_text("Set up an app").first.click()
    stage.page.locator("#second-factor").get_by_label("Current password", exact=True).fill("seven grey owls")
    stage.buyer.press("Set up an app")
    stage.buyer.see("Scan this picture")


def recovery_codes(stage: Stage) -> None:
    second_factor(stage)
    key = stage.page.locator("#second-factor .code").inner_text()
    stage.page.get_by_label("Six digits").fill(code_of(key, stage.time.now))
    stage.buyer.press("Turn on")
    stage.buyer.see("Your recovery codes")


def sign_in_with_a_code(stage: Stage) -> None:
    recovery_codes(stage)
    stage.buyer.press("I have saved them")
    stage.buyer.see("It is on")
    stage.buyer.press("Sign out")
    stage.open("/sign-in")
    stage.page.get_by_label("Email address").fill("ada@example.com")
    stage.page.get_by_label("Password", exact=True).fill("seven grey owls")
    stage.buyer.press("Sign in")
    stage.page.get_by_label("Code from your authenticator app").fill("000000")
    stage.buyer.press("Sign in")
    stage.buyer.see("This code is wrong or has been used.")


def account_of_a_guest(stage: Stage) -> None:
    stage.checkout()
    stage.open("/account")
    stage.buyer.see("You are shopping as a guest")


def session_over(stage: Stage) -> None:
    account(stage)
    stage.page.context.clear_cookies()
    stage.page.reload()
    stage.buyer.see("Your session has ended.")


def guest_who_signed_in(stage: Stage) -> None:
    wallet(stage)
    stage.api.post("/auth/register", json={"email": "ada@example.com", "password": "seven grey owls"})
    stage.open("/sign-in?next=/orders")
    stage.page.get_by_label("Email address").fill("ada@example.com")
    stage.page.get_by_label("Password", exact=True).fill("seven grey owls")
    stage.buyer.press("Sign in")
    stage.buyer.see("Move 2 tickets to your account")
    stage.buyer.see("No orders yet")


def guest_who_stayed_away(stage: Stage) -> None:
    wallet(stage)
    stage.time.advance(70 * 86_400)
    stage.page.reload()
    stage.buyer.see("We recognize this browser for seven days")


def guest_who_stayed_away_looks_at_an_event(stage: Stage) -> None:
    stage.checkout()
    stage.time.advance(8 * 86_400)
    stage.open(f"/events/{stage.event}")
    stage.buyer.see("Your guest session has ended.")


def orders(stage: Stage) -> None:
    wallet(stage)
    stage.open("/orders")
    stage.buyer.see("2 tickets")


def order_partly_refunded(stage: Stage) -> None:
    orders(stage)
    stage.page.get_by_role("main").get_by_role("link").click()
    expect(stage.buyer.heading("Receipt")).to_be_visible()
    order_id = stage.page.url.rpartition("/")[2]
    reply = builders.refund(stage.api, order_id, tickets=builders.ticket_ids(order_id, 1))
    assert reply.status == 201, reply.json
    stage.page.reload()
    stage.buyer.see("Partly refunded")


def order_that_can_be_returned(stage: Stage) -> None:
    orders(stage)
    moved = {"starts_at": clock.iso(stage.time.now + 40 * 86_400), "refundable_until": clock.iso(stage.time.now + 7 * 86_400)}
    assert stage.api.patch(f"/events/{stage.event}", json=moved, token=builders.admin_token()).status == 200
    stage.page.get_by_role("main").get_by_role("link").click()
    stage.page.get_by_text("Return tickets and get $179 back").click()
    expect(stage.page.get_by_role("button", name="Return 2 tickets")).to_be_visible()


def order_for_resale(stage: Stage) -> None:
    returns = {"policy": "resale", "fee_percent": 10}
    assert stage.api.patch(f"/events/{stage.event}", json={"returns": returns}, token=builders.admin_token()).status == 200
    stage.time.advance(5)
    orders(stage)
    stage.page.get_by_role("main").get_by_role("link").click()
    stage.page.get_by_role("button", name="Offer for resale").first.click()
    expect(stage.page.get_by_role("button", name="Withdraw")).to_be_visible()


def orders_of_a_stranger(stage: Stage) -> None:
    stage.open("/orders")
    stage.buyer.see("Sign in to see your orders")


def account_with_another_address(stage: Stage) -> None:
    account(stage)
    stage.page.get_by_text("Change email address").click()
    stage.page.get_by_label("New email address").fill("ada@new.example")
    stage.page.get_by_role("main").locator("details").get_by_label("Current password", exact=True).fill("seven grey owls")
    stage.buyer.press("Send the link")
    stage.buyer.see("Check your new inbox")


def account_about_to_be_deleted(stage: Stage) -> None:
    account(stage)
    stage.page.get_by_text("Delete my account").click()
    form = stage.page.locator("details").filter(has=stage.page.get_by_text("Delete my account"))
    form.get_by_label("Current password", exact=True).fill("not this one")
    form.get_by_label("I have saved what I need").check()
    stage.buyer.press("Delete permanently")
    stage.buyer.see("This is not your current password.")


def account_of_a_guest_deleted(stage: Stage) -> None:
    account_of_a_guest(stage)
    stage.page.get_by_text("Delete my data").click()
    stage.page.get_by_label("I have saved what I need").check()
    stage.buyer.press("Delete permanently")
    stage.buyer.see("Your data has been deleted")


def account_of_a_demonstration(stage: Stage) -> None:
    stage.buyer.use_demo_identity()


def account_with_sessions(stage: Stage) -> None:
    account(stage)
    login = {"email": "ada@example.com", "password": "seven grey owls"}
    agent = "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"
    stage.api.post("/auth/login", json=login, headers={"User-Agent": agent})
    stage.page.reload()
    stage.buyer.see("Firefox, Android")


def account_of_a_stranger(stage: Stage) -> None:
    stage.open("/account")
    stage.buyer.see("You are not signed in")


def register_as_a_guest(stage: Stage) -> None:
    stage.checkout()
    stage.open("/register")
    stage.buyer.see("move to your account")


def verify_email(stage: Stage) -> None:
    stage.open("/verify-email#token=none")
    stage.buyer.see("Confirm that this email address")


def verify_email_again(stage: Stage) -> None:
    stage.open("/verify-email")
    stage.buyer.see("we will send you a new link")


def find_tickets(stage: Stage) -> None:
    stage.open("/find-tickets")
    stage.buyer.see("Enter the email address")


def find_tickets_with_the_link(stage: Stage) -> None:
    stage.open("/find-tickets#token=none")
    stage.page.get_by_role("button", name="Find my tickets").click()
    stage.buyer.see("This link has expired")


def orders_empty(stage: Stage) -> None:
    stage.buyer.use_demo_identity()
    stage.open("/orders")
    stage.buyer.see("No orders yet")


def order_that_is_not_paid(stage: Stage) -> None:
    stage.payment()
    stage.open("/orders")
    stage.page.get_by_role("main").get_by_role("link").click()
    expect(stage.buyer.heading("Your order")).to_be_visible()


SCENES: list[Scene] = [
    reset_password,
    sign_in,
    sign_in_refused,
    register_refused,
    forgot_password,
    account,
    account_of_a_guest,
    invited,
    second_factor,
    recovery_codes,
    sign_in_with_a_code,
    session_over,
    guest_who_signed_in,
    guest_who_stayed_away,
    guest_who_stayed_away_looks_at_an_event,
    orders,
    order_partly_refunded,
    order_that_can_be_returned,
    order_for_resale,
    orders_of_a_stranger,
    account_with_another_address,
    account_about_to_be_deleted,
    account_of_a_guest_deleted,
    account_of_a_demonstration,
    account_with_sessions,
    account_of_a_stranger,
    register_as_a_guest,
    verify_email,
    verify_email_again,
    find_tickets,
    find_tickets_with_the_link,
    orders_empty,
    order_that_is_not_paid,
]
