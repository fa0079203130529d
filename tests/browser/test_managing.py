"""A promoter puts an event on sale by the pages alone, and a buyer buys there."""

import re

import pytest
from playwright.sync_api import Route, expect

from chalicelib.foundation import clock, settings
from tests import builders, invariants
from tests.accounts.conftest import mailbox  # noqa: F401
from tests.browser.async_checks import await_routes
from tests.browser.managers import FRONT_ROWS, PASSWORD, Manager
from tests.browser.page_checks import check
from tests.browser.test_layout_shift import MAX_SHIFT, OBSERVE


def add(manager: Manager, kind: str, name: str, price: str, number: str) -> None:
    manager.follow("Add package" if kind == "package" else "Add ticket type")
    manager.fill("Name", name)
    manager.fill("Price", price)
    manager.fill("Quantity (optional)", number)
    manager.press("Create")
    manager.see_heading(name)


def test_a_late_reply_does_not_close_the_form_of_a_new_package(new_buyer, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_up()
    event_id = manager.create_event()
    manager.open(f"/events/{event_id}/tickets")
    manager.follow("Add package")
    manager.fill("Name", "Table")
    manager.fill("Price", "1200")
    requests: list[Route] = []

    def hold_second(route: Route) -> None:  # the page reads the event after creating, and again because its address changes
        requests.append(route)
        if len(requests) != 2:
            route.continue_()

    manager.page.route(f"**/api/v1/events/{event_id}", hold_second)
    manager.press("Create")
    manager.press("Add a question")
    manager.fill("Question", "Dinner")
    await_routes(manager.page, requests, 2)
    with manager.page.expect_response(f"**/api/v1/events/{event_id}"):
        requests[1].continue_()
    expect(manager.page.get_by_label("Question", exact=True)).to_have_value("Dinner")
    manager.press("Save question")
    manager.see("required · once per purchase")


def test_the_list_of_tickets_shows_new_sales_within_three_seconds(new_buyer, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_up()
    event_id = manager.create_event()
    manager.publish(event_id)
    manager.open(f"/events/{event_id}/tickets")
    tier = api.get(f"/events/{event_id}/tiers").json["tiers"][0]
    expect(manager.page.get_by_text(re.compile("^.* 0 of ")).first).to_be_visible()
    manager.page.clock.pause_at(manager.page.evaluate("Date.now()") / 1000 + 60)  # from here, the page's time passes only by `run_for`
    builders.buy(api, "ada", event_id, tier["id"], 2)
    manager.page.clock.run_for(3_000)
    expect(manager.page.get_by_text(re.compile("^.* 2 of ")).first).to_be_visible()


@pytest.mark.journey
def test_a_promoter_creates_and_publishes_an_event_and_a_buyer_buys(new_buyer, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_up()
    manager.follow("New event")
    manager.fill("Name", "City Strings: Winter Gala")
    manager.fill("Venue", "Orchard Concert House")
    manager.fill("Starts", "2030-12-01T19:30")
    manager.press("Create draft")
    manager.see_heading("Nothing to sell yet")
    event_id = manager.page.url.split("/")[-2]
    for kind, *ticket in (("ticket", "Balcony", "35", "200"), ("ticket", "Stalls", "80", "100"), ("package", "Table", "1200", "5")):
        add(manager, kind, *ticket)
        if kind == "package":
            manager.press("Add a question")
            manager.fill("Question", "Dinner")
            manager.page.get_by_label("Answer type").select_option("One or more choices")
            manager.fill("Choices", "Fish, Vegan")
            manager.press("Save question")
            manager.see("required · once per purchase · Fish, Vegan")
        manager.go("Tickets")
    manager.go("Overview")
    manager.see("tickets go on sale as soon as you publish")
    manager.follow("Preview the page for buyers")
    manager.see("This is a preview.")
    manager.page.get_by_label("Number of tickets: Balcony").select_option("2")
    expect(manager.page.get_by_role("button", name="Reserve tickets")).to_be_disabled()
    stranger = new_buyer()
    stranger.page.goto(manager.page.url)
    expect(stranger.page.get_by_role("heading", name="Event not found")).to_be_visible()
    manager.page.go_back()
    manager.press("Publish")
    manager.see_heading("Published")

    buyer = new_buyer()
    buyer.use_demo_identity()
    buyer.page.goto(f"/events/{event_id}")
    buyer.choose("Table", 1)
    buyer.page.get_by_label("Fish").check()
    buyer.pay()
    buyer.see_tickets(1)
    manager.page.reload()
    expect(manager.page.get_by_role("row", name="Table")).to_contain_text("1")
    invariants.check(time.now)


def test_a_stranger_becomes_a_promoter_on_the_pages(new_buyer, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.page.goto("/")
    manager.page.get_by_role("link", name="Sell tickets").click()
    manager.follow("Create a promoter account")
    manager.see_heading("Create a promoter account")
    manager.fill("Email address", "ada@example.com")
    manager.fill("Password", PASSWORD)
    manager.fill("Company (optional)", "Nova Nights")
    manager.press("Create account")
    manager.follow("New event")
    manager.see_heading("New event")
    manager.go("Your profile")
    expect(manager.page.get_by_label("Company")).to_have_value("Nova Nights")


def test_nobody_sees_a_control_that_is_not_for_their_role(new_buyer, api, time, mailbox):  # noqa: F811
    promoter, door = (Manager(new_buyer().page, api, time) for _ in range(2))
    promoter.sign_up()
    event_id = promoter.create_event()
    promoter.publish(event_id)
    members = f"/events/{event_id}/members"
    assert api.post(members, json={"email": "door@example.com", "role": "staff"}, token=promoter.token).status == 201
    builders.accept_invitation(event_id, "door@example.com")
    api.post("/auth/register", json={"email": "door@example.com", "password": PASSWORD})
    assert api.post("/auth/email/verify", json={"token": mailbox.token("verify_email"), "password": PASSWORD}).status == 200
    door.sign_in("door@example.com")
    door.follow("Nova Lights: Afterglow Tour")
    door.see_heading("Nova Lights: Afterglow Tour")
    own_pages = door.page.locator(".side nav").last.get_by_role("link")
    expect(own_pages).to_have_text(["Overview"])
    expect(door.page.get_by_role("button", name="Publish")).to_have_count(0)
    door.open(f"/events/{event_id}/facts")
    door.see_heading("You do not have access to this page")
    coordinator = {"email": "door@example.com", "role": "coordinator"}
    assert api.post(members, json=coordinator, token=promoter.token).status < 300
    door.open(f"/events/{event_id}")
    expect(own_pages).to_contain_text(["Orders"])
    pages = door.page.locator(".side nav").first.get_by_role("link")
    expect(pages).to_have_text(["Events", "Compare events"])  # the others are no part of this event


def test_a_coordinator_compares_only_coordinated_events(new_buyer, api, time, mailbox):  # noqa: F811
    promoter, person = (Manager(new_buyer().page, api, time) for _ in range(2))
    promoter.sign_up()
    names = {"Afterglow": "coordinator", "Ten Years Loud": "coordinator", "Open Day": "staff", "Gala": None}
    for name, role in names.items():
        event_id = promoter.create_event(name)
        promoter.publish(event_id)
        member = {"email": "door@example.com", "role": role}
        if role is not None:
            assert api.post(f"/events/{event_id}/members", json=member, token=promoter.token).status == 201
            builders.accept_invitation(event_id, member["email"])
    api.post("/auth/register", json={"email": "door@example.com", "password": PASSWORD})
    assert api.post("/auth/email/verify", json={"token": mailbox.token("verify_email"), "password": PASSWORD}).status == 200
    person.sign_in("door@example.com")
    person.go("Compare events")
    choices = person.page.get_by_role("checkbox")
    expect(choices).to_have_count(2)
    for name in ("Afterglow", "Ten Years Loud"):
        person.page.get_by_label(name).check()
    expect(person.page.get_by_role("columnheader")).to_have_count(2)
    person.see("Comparison")


def test_whoever_is_invited_to_the_door_needs_only_a_password(new_buyer, api, time, mailbox):  # noqa: F811
    promoter, staff = (Manager(new_buyer().page, api, time) for _ in range(2))
    promoter.sign_up()
    event_id = promoter.create_event()
    promoter.publish(event_id)
    body = {"email": "dana@example.com", "role": "staff"}
    with settings.override(email_verification="required", shop_url=promoter.page.url.partition("/manage")[0]):
        assert api.post(f"/events/{event_id}/members", json=body, token=promoter.token).status == 201
        (link,) = re.findall(r"https?://\S+/register\S+", mailbox.mails[-1].text)
        staff.page.goto(link)
        staff.see("You have been invited to work at an event.")
        expect(staff.page.get_by_label("Email address")).to_have_value("dana@example.com")
        staff.fill("Password", PASSWORD)
        staff.press("Create account")
        staff.page.wait_for_url("**/account")
        staff.press("Accept: An event whose promoter the shop has not verified yet")
        staff.page.wait_for_url("**/door")
        expect(staff.page.get_by_label("Event", exact=True)).to_be_visible()
        staff.page.get_by_role("link", name="Manage", exact=True).click()
        staff.page.get_by_role("button", name=re.compile("^Leave: ")).click()
        staff.press("Yes, leave this event")
        staff.see_heading("Nothing to manage yet")


def test_whoever_is_signed_in_accepts_an_invitation_once_and_gets_other_roles_at_once(new_buyer, api, time, mailbox):  # noqa: F811
    promoter, staff = (Manager(new_buyer().page, api, time) for _ in range(2))
    promoter.sign_up()
    event_id = promoter.create_event()
    promoter.publish(event_id)
    api.post("/auth/register", json={"email": "dana@example.com", "password": PASSWORD})
    assert api.post("/auth/email/verify", json={"token": mailbox.token("verify_email"), "password": PASSWORD}).status == 200
    staff.sign_in("dana@example.com", "/door")
    staff.see_heading("You are not assigned to any event yet")
    with settings.override(shop_url=promoter.page.url.partition("/manage")[0]):
        for role, address in (("staff", "**/door"), ("coordinator", f"**/manage/events/{event_id}")):
            body = {"email": "dana@example.com", "role": role}
            assert api.post(f"/events/{event_id}/members", json=body, token=promoter.token).status == 201
            (link,) = re.findall(r"https?://\S+/register\S+", mailbox.mails[-1].text)
            staff.page.goto(link)
            if role == "staff":
                staff.press("Accept: An event whose promoter the shop has not verified yet")
            staff.page.wait_for_url(address)
            if role == "staff":
                expect(staff.page.get_by_label("Event", exact=True)).to_contain_text("Nova Lights")
    staff.see_heading("Nova Lights: Afterglow Tour")


def test_a_manager_comes_back_from_the_door(new_buyer, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_up()
    manager.page.get_by_role("link", name="Door", exact=True).click()
    manager.page.wait_for_url("**/door")
    manager.page.get_by_role("link", name="Manage", exact=True).click()
    manager.page.wait_for_url("**/manage")


def test_on_a_demo_stage_an_admin_sees_the_shop_as_a_buyer_and_comes_back(new_buyer, api, time):
    buyer = new_buyer()
    admin = Manager(buyer.page, api, time)
    admin.sign_in_as_admin()
    event_id = builders.create_event(api, name="Night of Songs")
    builders.create_tier(api, event_id)
    admin.press("View the shop as a buyer")
    admin.see("You are viewing this demo as a made-up buyer.")
    expect(buyer.page.get_by_role("link", name="Manage")).to_have_count(0)
    buyer.page.goto(f"/events/{event_id}")
    buyer.choose("Floor", 1)
    buyer.pay()
    buyer.see_tickets(1)
    assert len(api.get("/me/tickets", token=admin.token).json["tickets"]) == 0, "bought by the made-up buyer, not by the admin"
    admin.open("/users")
    admin.see_heading("Sign in to manage events")
    buyer.page.goto("/")
    admin.press("Back to managing")
    admin.see_heading("All events")
    admin.go("Users")
    admin.see("admin@example.com")
    expect(buyer.page.get_by_text("made-up buyer")).to_have_count(0)
    invariants.check(time.now)


def test_without_demo_identities_the_view_of_a_buyer_is_not_offered(new_buyer, api, time):
    with settings.override(identity="jwt"):
        admin = Manager(new_buyer().page, api, time)
        admin.sign_in_as_admin()
        admin.see_heading("All events")
        admin.page.wait_for_load_state("networkidle")
        expect(admin.page.get_by_role("button", name="View the shop as a buyer")).to_have_count(0)


def test_typed_text_survives_a_reload_without_a_layout_shift(new_buyer, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_up()
    event_id = manager.create_event()
    manager.open(f"/events/{event_id}/facts")
    manager.fill("Venue", "Great Hall")
    manager.page.add_init_script(OBSERVE)
    manager.page.reload()
    expect(manager.page.get_by_label("Venue", exact=True)).to_have_value("Great Hall")
    manager.page.wait_for_load_state("networkidle")
    shifts = manager.page.evaluate("shifts")
    assert sum(value for value, _ in shifts) <= MAX_SHIFT, shifts
    manager.press("Discard my changes")
    expect(manager.page.get_by_label("Venue", exact=True)).to_have_value("The Paramount Hall")


def test_a_change_that_holders_notice_says_first_whom_it_reaches(new_buyer, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_up()
    event_id = manager.create_event()
    manager.publish(event_id)
    tier_id = api.get(f"/events/{event_id}").json["tiers"][0]["id"]
    builders.buy(api, "ada", event_id, tier_id, customer_email="ada@home.test")
    builders.buy(api, "bob", event_id, tier_id)
    manager.open(f"/events/{event_id}")
    manager.see_heading("Published")
    expect(manager.page.get_by_role("button", name="Return to draft")).to_have_count(0)  # tickets are sold
    manager.open(f"/events/{event_id}/facts")
    manager.fill("Category (optional)", "Music")
    manager.press("Save")
    expect(manager.page.get_by_text("Saved", exact=True)).to_be_visible()  # nobody is told of a category
    manager.fill("Venue", "Great Hall")
    manager.press("Save")
    manager.see("2 people have tickets.")
    manager.see("1 person gets an email with the old and the new details")
    manager.see("1 person has not given an email address")
    manager.see("You can add a note to this email once an admin of the shop has verified the promoter.")
    manager.press("No, go back")
    promoter_id = api.get("/auth/me", token=manager.token).json["id"]
    assert api.put(f"/promoters/{promoter_id}", json={"name": "Nova", "verified": True}, token=builders.admin_token()).status == 200
    manager.press("Save")
    note = manager.page.get_by_label("Note in the email (optional)")
    note.fill("The hall is flooded.\nThe new one is two streets away.")
    manager.page.get_by_role("dialog").get_by_label("Buyers may return tickets until (optional)").fill("2026-06-20T18:00")
    check(manager.page, "facts_noticed")
    manager.press("No, go back")
    expect(manager.page.get_by_role("dialog")).to_have_count(0)
    expect(manager.page.get_by_role("button", name="Save", exact=True)).to_be_focused()
    assert api.get(f"/events/{event_id}").json["venue"] == "The Paramount Hall"
    manager.press("Save")
    manager.press("Save the changes")
    expect(manager.page.get_by_text("Saved", exact=True)).to_be_visible()
    saved = api.get(f"/events/{event_id}", token=manager.token).json
    assert (saved["venue"], saved["refundable_until"]) == ("Great Hall", "2026-06-21T00:00:00Z")
    assert saved["change_note"] == "The hall is flooded.\nThe new one is two streets away."
    manager.open(f"/events/{event_id}/facts")  # the email is not sent yet, so a correction keeps the note
    manager.fill("Venue", "The Great Hall")
    manager.press("Save")
    expect(note).to_have_value(saved["change_note"])
    note.fill("")
    manager.press("Save the changes")
    expect(manager.page.get_by_text("Saved", exact=True)).to_be_visible()
    saved = api.get(f"/events/{event_id}", token=manager.token).json
    assert (saved["venue"], saved["change_note"]) == ("The Great Hall", None)


def test_a_copy_sells_the_same_in_the_same_way_and_has_no_dates(new_buyer, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_up()
    tier = FRONT_ROWS | {"description": "Near the stage", "admits": 2, "max_per_order": 3, "hidden": True, "low_stock_at": 5}
    event_id = manager.create_event("Gala", tiers=[tier])
    facts = {"waitlist": {"keeps_tickets": False}, "capacity": 70, "category": "Music", "purchase_limit": 6}
    assert api.patch(f"/events/{event_id}", json=facts, token=manager.token).status == 200
    manager.open(f"/events/{event_id}")
    manager.press("Duplicate")
    manager.press("Create copy")
    manager.see_heading("Gala (copy)")
    copy = api.get(f"/events/{manager.page.url.split('/')[-1]}", token=manager.token).json
    assert {name: copy[name] for name in facts} == facts
    assert [{name: shown[name] for name in tier} for shown in copy["tiers"]] == [tier]
    assert (copy["status"], copy["starts_at"], copy["on_sale_at"]) == ("draft", None, None)


def test_two_tabs_on_a_profile_overwrite_nothing_unseen(new_buyer, api, time):
    first = Manager(new_buyer().page, api, time)
    first.sign_up()
    first.open("/profile")
    first.fill("Company (optional)", "Nova Nights Ltd")
    second = Manager(first.page.context.new_page(), api, time)
    second.open("/profile")
    second.fill("Website (optional)", "nova.example")
    second.press("Save")
    expect(second.page.locator(".saved")).to_be_visible()
    expect(second.page.get_by_label("Website (optional)")).to_have_value("https://nova.example")
    expect(second.page.get_by_role("alert")).to_have_count(0)
    first.press("Save")
    first.see_heading("Someone else has saved changes")
    expect(first.page.get_by_label("Website (optional)")).to_have_value("https://nova.example")
    expect(first.page.get_by_label("Company (optional)")).to_have_value("Nova Nights Ltd")
    first.press("Save")
    expect(first.page.locator(".saved")).to_be_visible()
    user_id = api.get("/auth/me", token=first.token).json["id"]
    shown = api.get(f"/promoters/{user_id}", token=first.token).json
    assert (shown["company"], shown["website"]) == ("Nova Nights Ltd", "https://nova.example")


def test_a_promoter_holds_tickets_back_and_releases_them(new_buyer, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_up()
    event_id = manager.create_event()
    manager.publish(event_id)
    (tier,) = api.get(f"/events/{event_id}/tiers", token=manager.token).json["tiers"]
    manager.open(f"/events/{event_id}/tickets/{tier['id']}")
    manager.press("Hold tickets back")
    manager.fill("Number of tickets", "401")
    manager.press("Hold back")
    manager.see("This is more than the quantity of this ticket type.")
    manager.fill("Number of tickets", "40")
    manager.page.get_by_label("For whom").select_option("House")
    manager.fill("Name of this holdback (optional)", "Friends of the hall")
    manager.page.get_by_label("Release when the other tickets have sold out").check()
    manager.page.get_by_label("Released tickets go").select_option("to everyone at once")
    manager.press("Hold back")
    manager.see("40 held back · House · to be released when sold out")
    (holdback,) = api.get(f"/events/{event_id}/tiers", token=manager.token).json["tiers"][0]["holdbacks"]
    assert (holdback["reason"], holdback["quantity"], holdback["release_to"]) == ("house", 40, "public")
    assert api.get(f"/tiers/{tier['id']}/availability").json["available"] == 360
    manager.press("Edit: Friends of the hall")
    manager.fill("Number of tickets", "25")
    manager.press("Save changes")
    manager.see("25 held back")
    check(manager.page, "holdbacks")
    manager.press("Release: Friends of the hall")
    manager.press("Yes, release them")
    expect(manager.page.get_by_text("25 held back")).to_have_count(0)
    time.advance(10)
    assert api.get(f"/tiers/{tier['id']}/availability").json["available"] == 400
    invariants.check(time.now)


def test_a_promoter_gives_held_back_tickets_to_a_guest_and_to_a_list(new_buyer, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_up()
    event_id = manager.create_event()
    manager.publish(event_id)
    (tier,) = api.get(f"/events/{event_id}/tiers", token=manager.token).json["tiers"]
    held_back = {"holdbacks": [{"id": "press", "reason": "press", "quantity": 5}]}
    assert api.patch(f"/tiers/{tier['id']}", json=held_back, token=manager.token).status == 200
    manager.open(f"/events/{event_id}/tickets/{tier['id']}")
    manager.page.get_by_text("Complimentary tickets (0 issued)").click()
    manager.fill("Guest's name", "Ada")
    manager.fill("Guest's email address", "ada@press.test")
    manager.fill("Tickets for this guest", "2")
    manager.press("Issue and send")
    manager.see("Sent to: 1.")
    manager.see("Complimentary tickets (2 issued)")
    check(manager.page, "complimentary")
    text = "name,email,number\nBob,bob@press.test,2\nCleo,cleo@press.test,2\nDan,dan@press,1\n"

    def upload(text: str) -> None:
        chooser = manager.page.locator("input[type=file][accept*=csv]")
        expect(chooser).to_be_enabled()  # not while an earlier list is sent
        chooser.set_input_files({"name": "guests.csv", "mimeType": "text/csv", "buffer": text.encode()})

    upload(text)
    manager.see("Line 4 of the file cannot be read.")
    upload(text.replace("dan@press", "dan@press.test"))
    manager.see("Sent to: 2. Without tickets, because too few are left: 1.")
    manager.see("Complimentary tickets (5 issued)")
    builders.project_changes()
    manager.open(f"/events/{event_id}/orders")
    manager.page.get_by_label("Status").select_option("Complimentary")
    manager.see("ada@press.test")
    expect(manager.page.get_by_text("bob@press.test")).to_be_visible()
    expect(manager.page.locator("tbody tr")).to_have_count(3)
    invariants.check(time.now)


def test_a_promoter_puts_the_waiting_room_in_front_of_another_shop(new_buyer, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_up()
    event_id = manager.create_event()
    opens = {"on_sale_at": clock.iso(time.now + 86_400), "waiting_room": {"entry": "open"}}
    assert api.patch(f"/events/{event_id}", json=opens, token=manager.token).status == 200
    manager.open(f"/events/{event_id}/facts")
    expect(manager.page.get_by_role("heading", name="The gate of the other shop")).to_have_count(0)
    manager.page.get_by_text("Limits, waiting room and returns").click()
    manager.fill("Address of another shop (optional)", "tickets.example")
    manager.press("Save")
    manager.see("An address that begins with https://")
    manager.fill("Address of another shop (optional)", "https://tickets.example/harbor/")
    manager.page.get_by_label("Signature of the passes").select_option("A shared secret: nginx and CloudFront")
    manager.press("Save")
    manager.see_heading("The gate of the other shop")
    found = api.get(f"/admin/events/{event_id}/waiting-room/verifier", token=manager.token).json
    assert found["algorithm"] == "HS256"
    expect(manager.page.get_by_text(found["secret"], exact=True)).to_be_visible()
    expect(manager.page.get_by_text("https://tickets.example", exact=True)).to_be_visible()
    check(manager.page, "gate-panel")


def test_a_promoter_says_which_tax_is_in_a_price_and_buyers_see_it(new_buyer, api, time):
    manager = Manager(new_buyer(viewport={"width": 1280, "height": 800}).page, api, time)
    manager.sign_up()
    event_id = manager.create_event()
    [tier] = api.get(f"/events/{event_id}/tiers", token=manager.token).json["tiers"]
    manager.open(f"/events/{event_id}/tickets/{tier['id']}")
    manager.page.get_by_text("Sale times, limits, fees and tax").click()
    manager.fill("Tax in the price, in percent (optional)", "100")
    manager.press("Save")
    expect(manager.page.get_by_label("Tax in the price, in percent (optional)")).to_have_attribute("aria-invalid", "true")
    manager.fill("Tax in the price, in percent (optional)", "8,50 %")
    manager.press("Save")
    expect(manager.page.get_by_text("Saved", exact=True)).to_be_visible()
    expect(manager.page.get_by_text("Not saved yet")).to_have_count(0)
    assert api.get(f"/tiers/{tier['id']}", token=manager.token).json["tax"] == {"percent": "8.5"}
    manager.publish(event_id)
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    buyer.choose(tier["name"], 1)
    buyer.see("tax (8.5%)")
    buyer.pay()
    buyer.see_tickets(1)
    buyer.page.goto("/orders")
    buyer.page.get_by_role("main").get_by_role("link").first.click()
    buyer.see("tax (8.5%)")
