"""Accounts in a real browser: guests, registering, signing in and out, sessions that end, two tabs, orders and receipts."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Page, Response, Route, expect

from chalicelib.accounts.sessions import GRACE_SECONDS, REFRESH_SECONDS
from chalicelib.edge.auth import ACCESS_SECONDS
from chalicelib.foundation import settings
from devtools.oidc import FakeIdentityProvider
from tests import builders, invariants
from tests.accounts.conftest import EMAIL, OTHER_PASSWORD, PASSWORD, Mailbox, log_in, mailbox, register  # noqa: F401
from tests.accounts.test_second_factor import set_up
from tests.browser.async_checks import await_routes
from tests.browser.buyers import Buyer
from tests.builders import code_of, verify_address

TIER = "Floor"


@pytest.fixture
def event_id(api, time) -> str:
    event_id = builders.create_event(api, "Night of the Proms")
    builders.create_tier(api, event_id, TIER)
    return event_id


@pytest.fixture
def ada(api, new_buyer) -> Buyer:
    """A buyer with an account who has not signed in yet."""
    assert register(api, first_name="Ada").status == 201
    return new_buyer()


def sign_in(buyer: Buyer, password: str = PASSWORD) -> None:
    buyer.page.get_by_label("Email address").fill(EMAIL)
    buyer.page.get_by_label("Password", exact=True).fill(password)
    with buyer.page.expect_response(re.compile("/auth/login$")):
        buyer.press("Sign in")


def buy(buyer: Buyer, event_id: str, quantity: int = 1) -> None:
    buyer.page.goto(f"/events/{event_id}")
    buyer.choose(TIER, quantity)
    buyer.pay()
    buyer.see_tickets(quantity)


def stored_in(page: Page) -> str:
    """What scripts of the page can read of what the browser keeps."""
    return page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")


@pytest.mark.journey
def test_signing_in_returns_to_the_same_page_and_survives_a_reload(ada, event_id):
    ada.page.goto(f"/events/{event_id}")
    ada.follow("Sign in")
    sign_in(ada, "wrong password")
    ada.see("The address or the password is wrong.")
    expect(ada.page.get_by_label("Email address")).to_have_value(EMAIL)
    sign_in(ada)
    expect(ada.heading("Night of the Proms")).to_be_visible()
    ada.follow("Account")
    expect(ada.page.get_by_label("First name")).to_have_value("Ada")
    ada.page.reload()
    expect(ada.page.get_by_label("First name")).to_have_value("Ada")


def test_no_script_can_read_a_token(ada):
    ada.page.goto("/sign-in")
    sign_in(ada)
    expect(ada.heading("My account")).to_be_visible()
    cookies = ada.page.context.cookies(f"{ada.page.url.rpartition('/')[0]}/api/v1/auth/refresh")
    assert sorted(cookie["name"].rpartition("-")[2] for cookie in cookies) == ["device", "session"]
    assert {(cookie["httpOnly"], cookie["sameSite"], cookie["path"]) for cookie in cookies} == {(True, "Strict", "/api/v1/auth")}
    assert ada.page.context.cookies(ada.page.url) == []
    kept = stored_in(ada.page)
    assert not any(cookie["value"] in kept for cookie in cookies)
    assert "eyJ" not in kept  # with which every JWT begins


@pytest.mark.journey
def test_a_guest_buys_and_keeps_the_ticket_and_the_order_as_an_account(new_buyer, time, event_id):
    buyer = new_buyer()
    buy(buyer, event_id)
    buyer.follow("Account")
    buyer.see("You are shopping as a guest")
    buyer.follow("Create an account")
    buyer.page.get_by_label("Email address").fill(EMAIL)
    buyer.page.get_by_label("Password", exact=True).fill(PASSWORD)
    buyer.press("Create account")
    expect(buyer.heading("My details")).to_be_visible()
    buyer.follow("My tickets")
    buyer.see_tickets(1)
    elsewhere = new_buyer()
    elsewhere.page.goto("/tickets")
    elsewhere.see("No tickets yet")
    elsewhere.follow("Sign in")
    sign_in(elsewhere)
    elsewhere.see_tickets(1)
    invariants.check(time.now)


def test_the_link_in_the_mail_verifies_an_address(new_buyer, mailbox: Mailbox, monkeypatch):  # noqa: F811
    from chalicelib.foundation import settings

    buyer = new_buyer()
    with settings.override(email_verification="required"):
        buyer.register(EMAIL, PASSWORD)
        buyer.see("Check your inbox")
        buyer.page.get_by_role("main").get_by_role("link", name="Sign in").click()
        sign_in(buyer)
        buyer.see("open the link in our email first")
        buyer.page.goto(f"/verify-email#token={mailbox.token('verify_email')}")
        buyer.press("Confirm")
        buyer.page.get_by_label("Password", exact=True).fill(OTHER_PASSWORD)
        buyer.press("Confirm")
        buyer.see("This is not your current password.")
        buyer.page.get_by_label("Password", exact=True).fill(PASSWORD)
        buyer.press("Confirm")
        buyer.page.get_by_role("main").get_by_role("link", name="Sign in").click()
        sign_in(buyer)
        expect(buyer.heading("My details")).to_be_visible()
        buyer.see("confirmed")


def test_a_link_to_confirm_the_address_that_has_expired_is_mailed_again(ada, time, mailbox: Mailbox):  # noqa: F811
    link = f"/verify-email#token={mailbox.token('verify_email')}"
    time.advance(86_401)
    ada.page.goto(link)
    ada.press("Confirm")
    ada.see("This link has expired or has already been used.")
    ada.page.get_by_label("Email address").fill(EMAIL)
    ada.press("Send the link")
    ada.see(f"We have sent a link to {EMAIL}")
    ada.page.goto("/sign-in")
    sign_in(ada)
    expect(ada.heading("My details")).to_be_visible()
    ada.page.goto("/")
    ada.page.goto(f"/verify-email#token={mailbox.token('verify_email')}")
    ada.press("Confirm")
    ada.page.get_by_label("Password", exact=True).fill(PASSWORD)
    ada.press("Confirm")
    ada.see("Your address is confirmed")
    expect(ada.page.get_by_role("main").get_by_role("link")).to_have_text("Account")


@pytest.mark.journey
def test_a_forgotten_password_is_replaced_by_mail(ada, mailbox: Mailbox):  # noqa: F811
    ada.page.goto("/sign-in")
    ada.page.get_by_label("Email address").fill(EMAIL)
    ada.follow("Forgot your password?")
    expect(ada.page.get_by_label("Email address")).to_have_value(EMAIL)
    ada.press("Send the link")
    ada.see("Check your inbox")
    ada.page.goto(f"/reset-password#token={mailbox.token('reset_password')}")
    ada.page.get_by_label("New password", exact=True).fill("password1234")
    ada.press("Save")
    field = ada.page.get_by_label("New password", exact=True)
    ada.see("This password is easy to guess.")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill(OTHER_PASSWORD)
    ada.press("Save")
    ada.page.get_by_role("main").get_by_role("link", name="Sign in").click()
    sign_in(ada, OTHER_PASSWORD)
    expect(ada.heading("My details")).to_be_visible()


def test_details_and_password_are_changed_and_other_devices_are_signed_out(ada, api):
    elsewhere = log_in(api).json["refresh_token"]
    ada.page.goto("/sign-in")
    sign_in(ada)
    ada.page.get_by_label("Last name").fill("Lovelace")
    ada.press("Save")
    ada.see("Saved.")
    ada.page.get_by_label("Current password", exact=True).fill("not this one")
    ada.page.get_by_label("New password", exact=True).fill(OTHER_PASSWORD)
    ada.press("Change password")
    ada.see("This is not your current password.")
    expect(ada.page.get_by_label("Current password", exact=True)).to_be_focused()
    ada.page.get_by_label("Current password", exact=True).fill(PASSWORD)
    ada.press("Change password")
    ada.see("Your password has been changed.")
    ada.page.reload()
    expect(ada.page.get_by_label("Last name")).to_have_value("Lovelace")
    assert api.post("/auth/refresh", json={"refresh_token": elsewhere}).status == 401


def test_a_manager_sets_up_the_second_factor_that_the_stage_demands(new_buyer, api, time):
    register(api, role="promoter")
    buyer = new_buyer()
    page, own = buyer.page, buyer.page.locator("#second-factor")
    with settings.override(second_factor="managers"):
        page.goto("/sign-in?next=/manage")
        sign_in(buyer)
        expect(buyer.heading("Set up two-step sign-in first")).to_be_visible()
        buyer.follow("To my account")
        own.get_by_text("Set up an app").first.click()
        own.get_by_label("Current password", exact=True).fill(PASSWORD)
        buyer.press("Set up an app")
        buyer.see("Confirm your email address first")
        verify_address(EMAIL)
        own.get_by_label("Current password", exact=True).fill(PASSWORD)
        buyer.press("Set up an app")
        secret = own.locator(".code").inner_text()
        own.get_by_label("Six digits").fill(code_of(secret, time.now))
        buyer.press("Turn on")
        recovery_code = own.locator("li").first.inner_text()
        buyer.press("I have saved them")
        expect(own.get_by_text("It is on")).to_be_visible()
        buyer.follow("Manage")
        expect(buyer.heading("Your events")).to_be_visible()
        page.goto("/account")
        buyer.press("Sign out")
        page.wait_for_url(lambda url: urlsplit(url).path == "/")  # a page that is left while it signs out may stay signed in
        page.goto("/sign-in?next=/manage")
        sign_in(buyer)
        expect(page.get_by_label("Code from your authenticator app")).to_be_focused()
        page.keyboard.type(recovery_code)
        page.keyboard.press("Enter")
        expect(buyer.heading("Your events")).to_be_visible()
        page.goto("/manage/api-keys")
        page.get_by_label("What it is for").fill("Box office till")
        page.get_by_label("Your password", exact=True).fill(PASSWORD)
        page.get_by_label("Code from your app").fill(code_of(secret, time.now))
        buyer.press("Create key")
        buyer.see("This code is wrong or has been used")
        time.advance(60)
        page.get_by_label("Your password", exact=True).fill(PASSWORD)
        page.get_by_label("Code from your app").fill(code_of(secret, time.now))
        buyer.press("Create key")
        buyer.see("Copy the key now")


def test_the_owner_changes_the_app_and_turns_the_second_factor_off(ada, api, time):
    verify_address(EMAIL)
    secret, codes = set_up(api, log_in(api).json["access_token"], time.now)
    time.advance(60)
    ada.page.goto("/sign-in")
    sign_in(ada)
    ada.page.get_by_label("Code from your authenticator app").fill(code_of(secret, time.now))
    ada.press("Sign in")
    own = ada.page.locator("#second-factor")
    own.get_by_text("Use another app").click()
    own.get_by_label("Current password", exact=True).fill(PASSWORD)
    own.get_by_label("Code from the app").fill(codes[0])
    ada.press("Set up an app")
    own.get_by_label("Six digits").fill(code_of(own.locator(".code").inner_text(), time.now))
    ada.press("Turn on")
    recovery_code = own.locator("li").first.inner_text()
    ada.press("I have saved them")
    own.get_by_text("Turn it off").click()
    own.get_by_label("Current password", exact=True).fill(PASSWORD)
    own.get_by_label("Code from the app").fill(recovery_code)
    ada.press("Turn off")
    expect(own.get_by_text("If you use an authenticator app or a passkey, nobody")).to_be_visible()
    assert log_in(api).status == 200


@pytest.fixture
def shop_at_localhost(origin) -> Iterator[str]:
    """The address of the shop with a name: browsers know no passkeys at an IP address."""
    address = origin.replace("127.0.0.1", "localhost")
    with settings.override(shop_url=address):
        yield address


def add_authenticator(page: Page) -> None:
    """Give the browser an authenticator that verifies its user at once."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": {**options, "automaticPresenceSimulation": True}})


def sign_out(buyer: Buyer) -> None:
    buyer.page.goto("/account")
    buyer.press("Sign out")
    buyer.page.wait_for_url(lambda url: urlsplit(url).path == "/")  # a page that is left while it signs out may stay signed in


@pytest.mark.journey
def test_a_passkey_is_added_signs_in_without_a_password_and_is_removed(api, new_buyer, shop_at_localhost):
    assert register(api, role="promoter").status == 201
    verify_address(EMAIL)
    buyer = new_buyer(base_url=shop_at_localhost)
    page, own = buyer.page, buyer.page.locator("#second-factor")
    add_authenticator(page)
    with settings.override(second_factor="managers"):
        page.goto("/sign-in")
        sign_in(buyer)
        own.get_by_text("Add a passkey").click()
        own.get_by_label("Name").fill("My laptop")
        own.get_by_label("Current password", exact=True).fill(PASSWORD)
        buyer.press("Add a passkey")
        expect(own.locator("li")).to_have_count(10)
        recovery_code = own.locator("li").first.inner_text()
        buyer.press("I have saved them")
        own.get_by_text("My laptop").click()
        expect(own.get_by_text("It is on")).to_be_visible()
        sign_out(buyer)
        page.goto("/sign-in?next=/manage")
        buyer.press("Sign in with a passkey")
        expect(buyer.heading("Your events")).to_be_visible()
        sign_out(buyer)
        page.goto("/sign-in")
        sign_in(buyer)
        page.get_by_label("Code from your authenticator app").fill(recovery_code)
        buyer.press("Sign in")
        own.get_by_text("My laptop").click()
        buyer.press("Use a passkey")
        expect(own.get_by_label("Code from the app")).to_have_value(re.compile("^[a-z2-7]{5}-[a-z2-7]{5}$"))
        buyer.press("Remove this passkey")
        expect(own.get_by_text("My laptop")).to_have_count(0)
        assert log_in(api).status == 200


def test_a_browser_without_the_passkey_says_so(api, new_buyer, shop_at_localhost):
    buyer = new_buyer(base_url=shop_at_localhost)
    add_authenticator(buyer.page)
    buyer.page.goto("/sign-in")
    buyer.press("Sign in with a passkey")
    buyer.see("Your browser did not use a passkey.")


def test_staff_sign_in_through_the_provider_and_return_to_their_page(new_buyer, origin, time):
    with FakeIdentityProvider("shop", "secret", lambda: time.now) as provider:
        provider.person = {"email": EMAIL, "email_verified": True, "groups": ["admins"]}
        of_provider = {"oidc_issuer": provider.issuer, "oidc_client_id": "shop", "oidc_client_secret": "secret"}
        rights = {"oidc_domains": "example.com", "oidc_admin_group": "groups=admins"}
        buyer = new_buyer()

        def sign_in_there(route: Route) -> None:
            reply = provider.sign_in(route.request.url) if provider.person else {"state": "x", "error": "access_denied"}
            route.fulfill(status=302, headers={"Location": f"{origin}/sign-in?{urlencode(reply)}"})

        buyer.page.route(f"{provider.issuer}/authorize*", sign_in_there)
        with settings.override(shop_url=origin, webhook_targets="local", **of_provider, **rights):
            buyer.page.goto("/sign-in?next=/manage/users")
            buyer.press("Sign in as staff")
            expect(buyer.page).to_have_url(re.compile("/manage/users$"))
            expect(buyer.heading("Users")).to_be_visible()
            sign_out(buyer)
            provider.person = {}
            buyer.page.goto("/sign-in")
            buyer.press("Sign in as staff")
            buyer.see("The sign-in service did not let you in.")
            assert "state" not in buyer.page.url


def test_a_session_on_another_device_can_be_ended(ada, api):
    elsewhere = log_in(api, headers={"User-Agent": "Mozilla/5.0 (Android 15; Mobile) Firefox/140.0"}).json["refresh_token"]
    ada.page.goto("/sign-in")
    sign_in(ada)
    ada.see("This device")
    ada.press("Sign out: Firefox, Android")
    expect(ada.page.get_by_text("Firefox, Android")).to_have_count(0)
    assert api.post("/auth/refresh", json={"refresh_token": elsewhere}).status == 401
    ada.page.reload()
    ada.see("This device")


def test_a_password_can_be_shown(ada):
    ada.page.goto("/sign-in")
    field = ada.page.get_by_label("Password", exact=True)
    field.fill(PASSWORD)
    ada.page.get_by_role("button", name="Show: Password").click()
    expect(field).to_have_attribute("type", "text")
    expect(field).to_have_attribute("autocomplete", "current-password")


def test_signing_in_in_spanish_by_the_keyboard_alone(ada, new_buyer):
    buyer = new_buyer(locale="es-ES")
    page = buyer.page
    page.goto("/sign-in")
    expect(buyer.heading("Iniciar sesión")).to_be_visible()
    page.get_by_label("Correo electrónico").focus()
    page.keyboard.type(EMAIL)
    page.keyboard.press("Tab")
    page.keyboard.type("not this one")
    page.keyboard.press("Enter")
    buyer.see("El correo o la contraseña no son correctos.")
    expect(page.get_by_label("Contraseña", exact=True)).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(buyer.heading("Mi cuenta")).to_be_visible()
    expect(page.get_by_role("main")).to_be_focused()


def test_two_tabs_refresh_one_after_the_other_and_both_stay_signed_in(ada, time):
    ada.page.goto("/sign-in")
    sign_in(ada)
    expect(ada.heading("My details")).to_be_visible()
    other = Buyer(ada.page.context.new_page())
    other.page.goto("/account")
    expect(other.heading("My details")).to_be_visible()
    for _ in range(3):  # each time both access tokens have expired, and no refresh is the repetition of another
        for tab in (ada, other):
            time.advance(ACCESS_SECONDS + GRACE_SECONDS)
            tab.page.reload()
            expect(tab.heading("My details")).to_be_visible()
    time.advance(ACCESS_SECONDS)
    with ada.page.expect_event("load"), other.page.expect_event("load"):
        for tab in (ada, other):
            tab.page.evaluate("setTimeout(() => location.reload())")
    for tab in (ada, other):
        expect(tab.heading("My details")).to_be_visible()
    assert other.problems == []


def test_requests_whose_token_was_refused_are_all_sent_again(ada, time, event_id):
    """Two are refused before the first of them has a new token."""
    ada.page.goto("/sign-in")
    sign_in(ada)
    expect(ada.heading("My details")).to_be_visible()
    ada.follow("Fairgate")
    expect(ada.page.get_by_role("link", name="Night of the Proms")).to_be_visible()
    time.advance(ACCESS_SECONDS)
    refreshes: list[Route] = []
    ada.page.route("**/auth/refresh", lambda route: refreshes.append(route))
    with ada.page.expect_response(is_refused("/auth/me")), ada.page.expect_response(is_refused("/waitlist")):
        ada.follow("Account")
    expect(ada.page.get_by_label("First name")).to_have_count(0)
    await_routes(ada.page, refreshes)
    for route in refreshes:
        route.continue_()
    expect(ada.page.get_by_label("First name")).to_have_value("Ada")
    ada.see("This device")
    ada.problems.clear()  # the two refusals


def is_refused(path: str) -> Callable[[Response], bool]:
    return lambda response: response.status == 401 and response.url.endswith(path)


def test_the_button_to_sign_out_stays_where_it_is_while_the_page_loads(ada):
    ada.page.goto("/sign-in")
    sign_in(ada)
    expect(ada.heading("Passkeys")).to_be_visible()
    held: list[Route] = []
    ada.page.route("**/auth/me", lambda route: held.append(route))
    ada.page.goto("/account")
    sign_out = ada.page.get_by_role("button", name="Sign out", exact=True)
    before = sign_out.bounding_box()
    await_routes(ada.page, held)
    held[0].continue_()
    expect(ada.heading("Passkeys")).to_be_visible()
    ada.see("This device")
    assert sign_out.bounding_box() == before


def test_signing_out_reaches_all_tabs(ada):
    ada.page.goto("/sign-in")
    sign_in(ada)
    other = Buyer(ada.page.context.new_page())
    other.page.goto("/account")
    expect(other.heading("My details")).to_be_visible()
    ada.press("Sign out")
    other.see("You are not signed in")
    assert "eyJ" not in stored_in(other.page)
    assert other.problems == []


def test_an_expired_session_keeps_what_was_typed_while_signing_in(ada, time, event_id, api):
    ada.page.goto("/sign-in")
    sign_in(ada)
    expect(ada.heading("My details")).to_be_visible()
    ada.page.goto(f"/events/{event_id}")
    ada.choose(TIER, 1)
    ada.page.get_by_label(f"Ticket 1, {TIER}").fill("Ada Lovelace")
    user = log_in(api).json
    assert api.post("/auth/logout", json={"refresh_token": user["refresh_token"], "everywhere": True}).status == 200
    ada.page.reload()
    ada.see("Your session has ended.")
    sign_in(ada)
    expect(ada.heading("Checkout")).to_be_visible()
    expect(ada.page.get_by_label(f"Ticket 1, {TIER}")).to_have_value("Ada Lovelace")
    ada.pay()
    ada.see_tickets(1)


def test_a_guest_who_signs_in_moves_the_tickets_to_the_account(ada, time, event_id):
    buy(ada, event_id)
    ada.page.goto("/sign-in")
    sign_in(ada)
    ada.see("Move 1 ticket to your account")
    ada.press("Not now")
    expect(ada.page.get_by_text("Move 1 ticket to your account")).to_have_count(0)
    expect(ada.page.locator("main")).to_be_focused()
    ada.follow("My tickets")
    ada.see("No tickets yet")
    ada.page.reload()
    ada.press("Move 1 ticket to your account")
    ada.see_tickets(1)
    expect(ada.page.get_by_text("Move 1 ticket to your account")).to_have_count(0)
    ada.page.reload()
    ada.see_tickets(1)
    invariants.check(time.now)


def test_a_guest_who_signed_in_and_out_still_has_the_tickets(ada, event_id):
    buy(ada, event_id)
    ada.page.goto("/sign-in")
    sign_in(ada)
    ada.see("Move 1 ticket to your account")
    ada.press("Sign out")
    expect(ada.heading("Good seats, fairly shared.")).to_be_visible()
    ada.follow("My tickets")
    ada.see_tickets(1)


def test_a_guest_with_tickets_is_known_until_after_the_event(new_buyer, time, event_id):
    buyer = new_buyer()
    buy(buyer, event_id)
    time.advance(50 * 86_400)
    buyer.page.goto("/tickets")
    buyer.see("Tickets for past events (1)")


def test_a_guest_who_was_away_for_a_week_is_told_and_can_buy_again(new_buyer, time, event_id):
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    buyer.choose(TIER, 1)
    expect(buyer.heading("Checkout")).to_be_visible()
    time.advance(REFRESH_SECONDS)
    buyer.page.goto("/tickets")
    buyer.see("Your guest session has ended. We recognize this browser for seven days")
    buyer.see("What you bought is still valid.")
    expect(buyer.page.get_by_text("Your session has ended.")).to_have_count(0)
    buyer.press("Continue without an account")
    buyer.see("No tickets yet")
    buy(buyer, event_id)


def test_an_account_with_an_ended_session_never_buys_as_a_guest(ada, time, event_id):
    ada.page.goto("/sign-in")
    sign_in(ada)
    expect(ada.heading("My details")).to_be_visible()
    ada.see("This device")  # the page has loaded all that it needs while the session is valid
    time.advance(REFRESH_SECONDS)
    ada.page.goto(f"/events/{event_id}")
    ada.page.get_by_label(f"Number of tickets: {TIER}").select_option("1")
    ada.press("Reserve tickets")
    ada.see("Sign in again; what you entered is saved.")
    ada.follow("Sign in again")
    ada.press("Continue without an account")
    ada.press("Reserve tickets")
    expect(ada.heading("Checkout")).to_be_visible()


def test_a_demo_stage_offers_its_identity_by_that_name(new_buyer, event_id):
    buyer = new_buyer()
    buyer.page.goto("/sign-in")
    buyer.see("This shop is a demo.")
    buyer.press("Use a demo identity")
    buyer.see("You are using this demo as a made-up buyer")
    buy(buyer, event_id)
    buyer.follow("Account")
    buyer.press("Stop using the demo identity")
    buyer.page.goto("/tickets")
    buyer.see("No tickets yet")


def test_a_stage_where_people_sign_in_offers_no_demo_identity(new_buyer, event_id):
    from chalicelib.foundation import settings

    with settings.override(identity="jwt"):
        buyer = new_buyer()
        buyer.page.goto("/sign-in")
        with buyer.page.expect_response(re.compile("/health")):
            buyer.page.reload()
        expect(buyer.page.get_by_text("This shop is a demo.")).to_have_count(0)
        buy(buyer, event_id)


def test_an_order_has_a_receipt_that_says_what_was_refunded(new_buyer, api, event_id):
    buyer = new_buyer()
    buy(buyer, event_id, 2)
    buyer.page.goto("/orders")
    buyer.see("2 tickets")
    buyer.follow("Night of the Proms")
    receipt = buyer.page.get_by_role("table")
    expect(receipt.get_by_role("row", name="2 × Floor $50 $100")).to_be_visible()
    order_id = buyer.page.url.rpartition("/")[2]
    assert builders.refund(api, order_id).status == 201
    buyer.page.reload()
    buyer.see("Refunded")
    expect(receipt.get_by_role("row", name=re.compile("Refund on .* -\\$100"))).to_be_visible()
    expect(receipt.get_by_role("row", name="Total after refunds $0")).to_be_visible()
    buyer.page.emulate_media(media="print")
    expect(buyer.page.get_by_role("navigation")).to_have_count(0)


def test_a_receipt_names_the_promoter_who_sells(new_buyer, api, time):
    assert register(api, role="promoter", company="Harbor Concerts").status == 201
    promoter_id = log_in(api).json["user"]["id"]
    event_id, _ = builders.create_promoted_shop(promoter_id)
    profile = {
        "name": "Ada",
        "company": "Harbor Concerts",
        "email": "office@example.com",
        "description": "Concerts on the water since 1998.",
        "policies": "Refunds until the day before.",
        "verified": True,
    }
    assert api.put(f"/promoters/{promoter_id}", json=profile, token=builders.admin_token()).status == 200
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    buyer.page.get_by_role("combobox", name="Number of tickets").first.select_option("1")
    buyer.press("Reserve tickets")
    buyer.give_address()
    buyer.pay()
    buyer.see_tickets(1)
    buyer.page.goto("/orders")
    buyer.page.get_by_role("main").get_by_role("link").click()
    buyer.see("Harbor Concerts")
    number = buyer.page.locator(".receipt .code").first.inner_text()
    buyer.see(f"Do you have questions or need a refund? Contact the seller and give the order number {number}:")
    expect(buyer.page.get_by_role("link", name="office@example.com")).to_have_attribute(
        "href", f"mailto:office@example.com?subject={number}"
    )
    other = builders.create_event(api, "Event of somebody else")
    builders.create_tier(api, other)
    buyer.page.goto(f"/events/{event_id}")
    buyer.page.locator(".seller").get_by_role("link", name="Harbor Concerts").click()
    expect(buyer.heading("Harbor Concerts")).to_be_visible()
    buyer.see("Concerts on the water since 1998.")
    buyer.page.get_by_text("Refunds and terms").click()
    buyer.see("Refunds until the day before.")
    expect(buyer.page.locator(".card h3")).to_have_count(1)
    buyer.page.get_by_label("On sale now").check()
    expect(buyer.page).to_have_url(re.compile(f"promoter={promoter_id}"))
    buyer.page.get_by_role("link", name="All events").click()
    expect(buyer.page.locator(".card h3")).to_have_count(2)


def test_orders_of_others_are_not_shown(new_buyer, api, event_id):
    buyer = new_buyer()
    buy(buyer, event_id)
    buyer.page.goto("/orders")
    buyer.follow("Night of the Proms")
    address = buyer.page.url
    stranger = new_buyer()
    stranger.page.goto(address)
    stranger.see("Sign in to see your orders")
