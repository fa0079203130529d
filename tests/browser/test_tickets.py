"""The wallet in a real browser: without a network, at the door, names, and tickets that change hands."""

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import expect

from chalicelib.foundation import settings
from chalicelib.tickets import service as tickets
from tests import builders, invariants, pdfs
from tests.accounts.conftest import Mailbox, mailbox, register  # noqa: F401
from tests.browser.async_checks import WORKER_IS_ACTIVE, wait_until
from tests.browser.test_accounts import sign_in

EVENT = "Night of the Proms"
BOTH_TIMES = re.compile(r" UTC \(your time: .* GMT\+9\)")  # for a browser in Tokyo
GIVE_TO_ANOTHER_USER = """async () => {
  const cache = await caches.open("fairgate-wallet");
  const kept = await (await cache.match("/kept-wallet")).json();
  await cache.put("/kept-wallet", Response.json({ ...kept, owner: "somebody-else" }));
}"""
# Whether the stored page has all its scripts and styles, including those of pages that arrive without words.
LACKS_NO_FILE = """async () => {
  const text = await (await caches.match("/tickets", { cacheName: "fairgate-shell" }))?.text();
  const files = [...(text ?? "").matchAll(/"(\\/assets\\/[^"]+)"/g)];
  const stored = await Promise.all(files.map(([, file]) => caches.match(file, { cacheName: "fairgate-shell" })));
  return stored.length > 3 && stored.every(Boolean);
}"""
# A browser without a screen grants no lock.
NOTE_SCREEN_LOCKS = """() => {
  globalThis.screenLocks = [];
  WakeLock.prototype.request = async (kind) => {
    screenLocks.push(kind);
    return { release: async () => void screenLocks.pop() };
  };
}"""


@pytest.fixture
def shop(api, time) -> tuple[str, str]:
    """An event on sale without a waiting room, and its tier."""
    event_id = builders.create_event(api, EVENT, venue="Royal Hall")
    return event_id, builders.create_tier(api, event_id)


@pytest.fixture
def holder(new_buyer, shop):
    """A buyer who has bought two tickets and sees them in the wallet."""
    holder = new_buyer()
    holder.use_demo_identity()  # weeks pass in some of these tests
    holder.page.goto(f"/events/{shop[0]}")
    holder.choose("Floor", 2)
    holder.pay()
    holder.see_tickets(2)
    return holder


def test_the_new_order_comes_first_and_has_the_times_of_its_event(new_buyer, api, time, shop):
    later = builders.create_event(api, "Late Show", starts_at="2027-01-07T03:00:00Z")
    assert api.patch(f"/events/{later}", json={"timezone": "America/Denver"}, token=builders.admin_token()).status == 200
    builders.create_tier(api, later)
    buyer = new_buyer(timezone_id="Asia/Tokyo")
    for event_id in (shop[0], later):
        buyer.page.goto(f"/events/{event_id}")
        buyer.choose("Floor", 1)
        buyer.pay()
        buyer.see("You are going!")
    done = buyer.page.locator(".outcome-good")
    expect(done).to_contain_text("Late Show, 1 ticket: $50")
    expect(done.get_by_role("link", name="Add to calendar")).to_be_visible()
    expect(done.get_by_role("button", name="Tickets as PDF")).to_be_visible()
    expect(buyer.page.locator("h2")).to_have_text(["You are going!", "Late Show", "Your other tickets", EVENT])
    done.get_by_role("link", name="Receipt").click()
    expect(buyer.heading("Late Show")).to_be_visible()
    times = buyer.page.locator(".lead .event-when")
    expect(times).to_contain_text("January 6, 2027 at 8:00 PM MST")
    expect(times).to_contain_text("January 7, 2027 at 12:00 PM GMT+9")


def tickets_of(buyer) -> list[dict]:
    """The tickets that the API shows the buyer when the page is loaded again."""
    with buyer.page.expect_response("**/api/v1/tickets?*") as response:
        buyer.page.reload()
    return response.value.json()["tickets"]


def codes(buyer) -> list[str]:
    return buyer.page.locator(".pass-code .code").all_inner_texts()


def wait_until_kept(buyer) -> None:
    buyer.see("this page also opens without a connection")
    wait_until(buyer.page, WORKER_IS_ACTIVE)
    wait_until(buyer.page, LACKS_NO_FILE)


def test_one_note_tells_guests_how_long_they_have_their_tickets(new_buyer, shop):
    guest = new_buyer()
    guest.page.goto(f"/events/{shop[0]}")
    guest.choose("Floor", 1)
    guest.pay()
    guest.see_tickets(1)
    expect(guest.page.locator(".page > p")).to_have_text(
        "Your tickets stay in this browser until 30 days after the event. "
        "For seven days after each visit, this page also opens without a connection. "
        "With an account, you have your tickets on all your devices. Create an account"
    )


def test_the_wallet_opens_without_a_network_and_says_what_it_keeps(holder, server, time):
    wait_until_kept(holder)
    before = codes(holder)
    time.advance(3600)
    server.stop()
    holder.page.reload()
    holder.see("We cannot reach the shop")
    holder.see_tickets(2)
    assert codes(holder) == before
    holder.see("unless they have been transferred or refunded since")
    holder.page.get_by_role("button", name="Show at the door").first.click()
    expect(holder.page.get_by_role("dialog")).to_contain_text("Last updated:")
    holder.press("Close")
    expect(holder.page.get_by_text("Add a name")).to_have_count(0)  # nothing can be changed now
    holder.page.goto("/")
    holder.see("We cannot reach the shop.")  # the page opens, but shows no old events
    expect(holder.page.get_by_role("heading", name=EVENT)).to_have_count(0)
    holder.page.clock.fast_forward(8 * 86_400_000)
    holder.page.goto("/tickets")
    holder.see("We cannot reach the shop.")  # a week later nothing is kept any more
    expect(holder.page.get_by_role("img", name="QR code of ticket")).to_have_count(0)
    wait_until(holder.page, "async () => (await caches.keys()).length === 0")


def test_signing_out_deletes_what_is_kept(new_buyer, api, shop):
    assert register(api).status == 201
    ada = new_buyer()
    ada.page.goto("/sign-in")
    sign_in(ada)
    ada.follow("Account")
    ada.page.goto(f"/events/{shop[0]}")
    ada.choose("Floor", 2)
    ada.pay()
    wait_until_kept(ada)
    ada.follow("Account")
    ada.press("Sign out")
    expect(ada.page.get_by_role("navigation").get_by_role("link", name="Sign in")).to_be_visible()
    wait_until(ada.page, "async () => (await caches.keys()).length === 0")
    wait_until(ada.page, "async () => (await navigator.serviceWorker.getRegistrations()).length === 0")


def test_tickets_that_are_still_loading_are_not_kept_after_signing_out(new_buyer, api, shop):
    assert register(api).status == 201
    ada = new_buyer()
    ada.page.goto("/sign-in")
    sign_in(ada)
    ada.follow("Account")
    ada.page.goto(f"/events/{shop[0]}")
    ada.choose("Floor", 2)
    held, is_slow = [], True
    show = {"status": 200, "content_type": "image/svg+xml", "body": "<svg/>"}
    ada.page.route("**/qr?**", lambda route: held.append(route) if is_slow else route.fulfill(**show))
    ada.pay()
    wait_until(ada.page, "() => document.querySelectorAll('.pass').length === 2")
    ada.follow("Account")
    ada.press("Sign out")
    expect(ada.page.get_by_role("navigation").get_by_role("link", name="Sign in")).to_be_visible()
    wait_until(ada.page, "async () => (await caches.keys()).length === 0")
    is_slow = False
    for route in held:
        route.fulfill(**show)
    ada.page.wait_for_load_state("networkidle")
    ada.page.evaluate("() => new Promise(setTimeout)")
    assert "fairgate-wallet" not in ada.page.evaluate("() => caches.keys()")


def test_signing_out_deletes_what_was_typed(new_buyer, api, shop):
    """On a shared computer, the next buyer must not see it."""
    assert register(api).status == 201
    ada = new_buyer()
    ada.page.goto("/sign-in")
    sign_in(ada)
    ada.follow("Account")
    ada.page.goto(f"/events/{shop[0]}")
    ada.choose("Floor", 1)
    ada.page.locator("input[name=name-0]").fill("Grace Hopper")
    kept = "() => JSON.stringify({ ...localStorage, ...sessionStorage })"
    ada.page.evaluate("() => localStorage.setItem('fairgate.turn-mails.e1', JSON.stringify({ token: 't', email: 'ada@home.test' }))")
    assert "Grace Hopper" in ada.page.evaluate(kept)
    ada.follow("Account")
    ada.press("Sign out")
    expect(ada.page.get_by_role("navigation").get_by_role("link", name="Sign in")).to_be_visible()
    wait_until(ada.page, f"() => !/Grace Hopper|ada@home/.test(({kept})())")


def test_kept_tickets_of_another_user_are_never_shown_but_deleted(holder):
    wait_until_kept(holder)
    holder.page.evaluate(GIVE_TO_ANOTHER_USER)
    holder.page.route("**/api/**", lambda route: route.abort())
    holder.page.reload()
    holder.see("We cannot reach the shop.")
    expect(holder.page.locator(".pass")).to_have_count(0)
    wait_until(holder.page, "async () => !(await caches.has('fairgate-wallet'))")


def test_the_shop_is_never_an_old_one_while_the_network_answers(holder, api, time):
    wait_until_kept(holder)
    builders.create_event(api, "Announced later")
    time.advance(10)
    with holder.page.expect_request(lambda request: request.url.partition("/api")[2].startswith("/v1/events?")):
        holder.page.goto("/")
    expect(holder.heading("Announced later")).to_be_visible()


def test_kept_tickets_are_shown_while_the_shop_is_slow(holder):
    wait_until_kept(holder)
    holder.page.route("**/api/v1/tickets?*", lambda route: None)  # no answer
    holder.page.reload()
    expect(holder.heading("My tickets")).to_be_visible()
    holder.page.clock.fast_forward(3000)
    holder.see("These are your tickets as of")
    holder.see_tickets(2)


def test_a_ticket_of_a_past_event_is_kept_apart(holder, time):
    time.advance(32 * 86_400)
    holder.page.reload()
    holder.see("No tickets for upcoming events")
    holder.page.get_by_text("Tickets for past events (2)").click()
    expect(holder.page.get_by_text("Event over")).to_have_count(2)
    expect(holder.page.get_by_role("img", name="QR code of ticket")).to_have_count(0)


def test_a_ticket_fills_the_screen_for_the_scanner(holder):
    holder.page.evaluate(NOTE_SCREEN_LOCKS)
    holder.page.get_by_role("button", name="Show at the door").first.click()
    view = holder.page.get_by_role("dialog")
    expect(view.get_by_role("img")).to_be_visible()
    assert view.get_by_role("img").bounding_box()["width"] > 300
    assert view.evaluate("view => getComputedStyle(view).backgroundColor") == "rgb(255, 255, 255)"
    first = view.locator(".code").inner_text()
    holder.press("Next")
    expect(view.locator(".code")).not_to_have_text(first)
    expect(view.get_by_text("2 of 2")).to_be_visible()
    wait_until(holder.page, "() => screenLocks.join() === 'screen'")
    holder.page.keyboard.press("Escape")
    expect(view).to_be_hidden()
    wait_until(holder.page, "() => screenLocks.length === 0")


def test_a_used_ticket_keeps_its_code_while_its_holder_may_go_out_and_come_back(holder, api, shop, server, time):
    assert api.patch(f"/events/{shop[0]}", json={"allows_reentry": True}, token=builders.admin_token()).status == 200
    time.advance(30 * 86_400 - 60)
    used, _ = tickets_of(holder)
    code = {"code": used["code"]}
    assert api.post("/checkin", json=code, token=builders.admin_token()).status == 200
    tickets_of(holder)
    item = holder.page.get_by_role("listitem").filter(has_text=used["code"])
    expect(item).to_contain_text("1 of 1 admitted")
    expect(item.get_by_role("img", name="QR code of ticket")).to_be_visible()
    give = holder.page.get_by_text("Transfer this ticket")
    expect(give).to_have_count(1)  # of the other ticket
    assert api.post("/checkin", json=code | {"direction": "out"}, token=builders.admin_token()).status == 200
    tickets_of(holder)
    expect(give).to_have_count(1)
    wait_until_kept(holder)
    server.stop()
    holder.page.reload()
    holder.see("We cannot reach the shop")
    expect(item.get_by_role("img", name="QR code of ticket")).to_be_visible()


def test_names_can_be_changed_until_shortly_before_the_event(holder, time):
    first = holder.page.locator(".pass").first
    first.get_by_text("Add a name").click()
    first.get_by_label("Name on the ticket").fill("Ada Lovelace")
    first.get_by_role("button", name="Save").click()
    holder.see("Saved")
    expect(first.locator(".pass-text")).to_contain_text("Ada Lovelace")
    attendees = [ticket["attendee"] for ticket in tickets_of(holder)]
    assert sorted(attendee["name"] for attendee in attendees if attendee) == ["Ada Lovelace"]
    time.advance(30 * 86_400 - 60)
    holder.page.reload()
    expect(holder.page.get_by_text("The name can no longer be changed.")).to_have_count(2)


@pytest.mark.journey
def test_a_ticket_changes_hands_and_its_old_code_dies(holder, new_buyer, api, origin, time, shop, mailbox: Mailbox):  # noqa: F811
    with settings.override(shop_url=origin):
        old = codes(holder)
        given = holder.page.locator(".pass").first
        given.get_by_text("Transfer this ticket").click()
        given.get_by_role("button", name="Create a link").click()
        taken_back = given.get_by_label("Link to this ticket").input_value()
        given.get_by_role("button", name="Cancel the transfer").click()
        expect(given.get_by_text("Transfer this ticket")).to_be_visible()
        given.get_by_role("button", name="Create a link").click()
        expect(given.get_by_label("Link to this ticket")).not_to_have_value(taken_back)
        link = given.get_by_label("Link to this ticket").input_value()
        mail = given.get_by_role("link", name="Send by email").get_attribute("href")
    [(_, subject), (_, body)] = parse_qsl(urlsplit(mail).query)
    assert subject == "A ticket for Night of the Proms"
    assert all(part in body for part in (EVENT, "Royal Hall", "Floor", "UTC", link))

    friend = new_buyer(timezone_id="Asia/Tokyo")
    friend.page.goto(taken_back)
    friend.see("This link has been used or cancelled.")
    expect(friend.page.get_by_text(EVENT)).to_have_count(0)
    friend.page.goto("/")
    friend.page.goto(link)
    offered = friend.page.locator("form.panel")
    expect(offered.get_by_role("heading", name=EVENT)).to_be_visible()
    expect(offered.get_by_text("You can accept until")).to_have_text(BOTH_TIMES)
    for text in ("Someone has a ticket for you.", "Royal Hall", "Floor", "You can accept until"):
        expect(offered).to_contain_text(text)
    assert friend.page.evaluate("() => localStorage.getItem('fairgate.buyer')") is None  # looking makes nobody a guest
    friend.press("Accept the ticket")
    expect(friend.page.get_by_label("Email address")).to_be_focused()  # required
    friend.page.get_by_label("Email address").fill("friend@gmial.com")
    friend.press("Did you mean friend@gmail.com?")
    friend.press("Accept the ticket")
    friend.see("The ticket is yours")
    friend.see("We are also sending it to friend@gmail.com.")
    friend.page.goto("/")
    friend.page.goto(link)  # as if the reply had been lost
    friend.see("The ticket is yours")
    friend.page.get_by_role("main").get_by_role("link", name="My tickets").click()
    friend.see_tickets(1)
    (new,) = codes(friend)
    assert new not in old

    other = new_buyer()
    other.page.goto("/find-tickets")
    other.page.get_by_label("Email address").fill("friend@gmail.com")
    other.press("Send the link")
    other.see("We have sent an email to friend@gmail.com")
    other.page.goto("/")
    other.page.goto(f"/find-tickets#token={mailbox.token('find_tickets')}")
    other.press("Find my tickets")
    expect(other.heading("1 ticket")).to_be_visible()
    assert codes(other) == [new]

    holder.page.reload()
    holder.see_tickets(1)
    (left,) = codes(holder)
    (dead,) = set(old) - {left}
    time.advance(30 * 86_400)
    door = builders.staff_token(shop[0])
    assert api.post("/checkin", json={"code": dead, "event_id": shop[0]}, token=door).status == 404
    assert api.post("/checkin", json={"code": new, "event_id": shop[0]}, token=door).status == 200
    invariants.check(time.now)


def test_a_refunded_ticket_says_where_its_money_is(holder, api, time):
    order_id = tickets_of(holder)[0]["order_id"]
    assert builders.refund(api, order_id, tickets=builders.ticket_ids(order_id, 2)).status == 201
    holder.page.reload()
    holder.see_tickets(1)
    refunds = holder.page.get_by_role("region", name="Refunds")
    expect(refunds).to_contain_text("Ticket 2, Floor")
    expect(refunds).to_contain_text("$50")
    expect(refunds).to_contain_text("This is a demo, so no money moved.")


def test_the_event_and_the_ticket_offer_the_calendar_file(holder, shop):
    for path in (f"/events/{shop[0]}", "/tickets"):
        holder.page.goto(path)
        with holder.page.expect_download() as download:
            holder.page.get_by_role("link", name="Add to calendar").first.click()
        assert f"SUMMARY:{EVENT}" in download.value.path().read_text()


def test_the_wallet_speaks_spanish(new_buyer):
    buyer = new_buyer(locale="es-ES")
    buyer.page.goto("/tickets")
    buyer.see("Aún no tienes entradas")
    buyer.page.goto("/transfer#token=none")
    buyer.see("Este enlace ya se ha usado o se ha cancelado.")


def test_a_seat_of_a_table_is_given_to_a_guest_who_gives_it_back(api, time, new_buyer, shop):
    tier_id = builders.create_tier(api, shop[0], "Table", admits=4)
    question = {"label": "Dinner", "option_type": "multi_select", "choices": ["Fish", "Vegan"], "per": "guest"}
    options = f"/admin/events/{shop[0]}/tickets/packages/{tier_id}/options"
    assert api.post(options, json=question, token=builders.admin_token()).status == 201
    host, guest = (new_buyer(timezone_id="Asia/Tokyo") for _ in range(2))
    host.page.goto(f"/events/{shop[0]}")
    host.choose("Table", 1)
    host.pay()
    host.see_tickets(1)
    host.page.get_by_text("Guests", exact=True).click()
    expect(host.page.get_by_text("Can be changed until")).to_have_text([BOTH_TIMES] * 2)  # the ticket's name, the seats' guests
    third = host.page.locator(".seats > li").nth(2)
    third.get_by_label("Guest's name").fill("Bob")
    third.get_by_label("Vegan").check()
    third.get_by_role("button", name="Assign the seat").click()
    expect(third).to_contain_text("Bob")
    link = third.get_by_role("link", name="Link for the guest").get_attribute("href")
    guest.page.goto(f"/guest{link.partition('/guest')[2]}")
    guest.see(EVENT)
    guest.see("Bob")
    guest.see("Your time:")
    [ticket] = tickets_of(host)
    assert ticket["tier"]["id"] == tier_id
    [answer] = api.get(f"/guests/{link.partition('#token=')[2]}").json["option_answers"]
    assert (answer["label"], answer["value"]) == ("Dinner", ["Vegan"])
    seat = tickets.get_ticket(ticket["id"]).guest_of(3)
    assert codes_on(guest) == [seat.code]
    expect(guest.page.get_by_role("img", name="QR code of ticket")).to_have_count(1)
    guest.page.get_by_text("Give up my seat", exact=True).click()
    guest.press("Give up and delete")
    guest.see("You have given up your seat")
    host.page.reload()
    host.page.get_by_text("Guests", exact=True).click()
    expect(host.page.get_by_label("Guest's name")).to_have_count(4)
    invariants.check(time.now)


def codes_on(guest) -> list[str]:
    return guest.page.locator(".panel .code").all_inner_texts()


def test_the_tickets_and_the_receipt_are_saved_as_pdf(holder):
    with holder.page.expect_download() as download:
        holder.page.get_by_role("button", name="Tickets as PDF").first.click()
    order_id = download.value.suggested_filename.removeprefix("tickets-").removesuffix(".pdf")
    pages = pdfs.read(download.value.path().read_bytes())
    shown = codes(holder)
    assert [page.codes[0].split(":")[2] for page in pages] == shown
    holder.page.goto(f"/orders/{order_id}")
    with holder.page.expect_download() as download:
        holder.page.get_by_role("button", name="Receipt as PDF").click()
    assert download.value.suggested_filename == f"receipt-{order_id}.pdf"
    [page] = pdfs.read(download.value.path().read_bytes())
    assert f"-{order_id[-8:-4]}-{order_id[-4:]} Date" in page.text
    holder.page.get_by_label("Language").select_option("es")
    with holder.page.expect_download() as download:
        holder.page.get_by_role("button", name="Entradas en PDF").click()
    assert "Entrada 1 de 2" in pdfs.read(download.value.path().read_bytes())[0].text


def test_somebody_who_cannot_come_and_somebody_who_comes_instead(new_buyer, api, time, shop):
    event_id, tier_id = shop
    fields = {"returns": {"policy": "resale", "fee_percent": 10}}
    assert api.patch(f"/events/{event_id}", json=fields, token=builders.admin_token()).status == 200
    assert api.patch(f"/tiers/{tier_id}", json={"capacity": 2}, token=builders.admin_token()).status == 200
    time.advance(5)
    seller, buyer = new_buyer(), new_buyer()
    seller.page.goto(f"/events/{event_id}")
    seller.choose("Floor", 2)
    seller.see("Until the event starts, you can offer unused tickets for resale at the price you paid.")
    seller.see("When they sell, we refund the price, less 10% per ticket.")
    seller.pay()
    seller.see_tickets(2)
    seller.page.get_by_role("link", name="Receipt").click()
    seller.page.get_by_role("button", name="Offer for resale").first.click()
    expect(seller.page.get_by_text("For resale", exact=True)).to_have_count(1)
    time.advance(5)
    buyer.page.goto(f"/events/{event_id}")
    expect(buyer.page.get_by_label("Number of tickets: Floor", exact=True)).to_have_count(0)  # sold out
    buyer.choose("Floor, Resale", 1)
    expect(buyer.page.locator(".lines")).to_contain_text("Resale")
    buyer.pay()
    buyer.see_tickets(1)
    seller.page.reload()
    seller.see("Partly refunded")
    expect(seller.page.get_by_role("button", name="Withdraw")).to_have_count(0)
    invariants.check_recovery(time)
