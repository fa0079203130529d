"""The door in a real browser: the camera, two devices, no network, undo, several people on one ticket, the keyboard, Spanish."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from chalicelib.foundation import clock, settings
from chalicelib.tickets import qr
from chalicelib.tickets import service as tickets
from chalicelib.tickets.store import find_ticket_id
from tests import builders
from tests.accounts.conftest import mailbox  # noqa: F401
from tests.browser import camera
from tests.browser.async_checks import wait_until
from tests.browser.chromium import find_chromium
from tests.browser.door_staff import DoorStaff
from tests.browser.doors import Door, door, new_staff  # noqa: F401
from tests.browser.page_checks import check
from tests.browser.test_tickets import NOTE_SCREEN_LOCKS


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the camera of all browsers of this module sees."""
    film = tmp_path_factory.mktemp("camera") / "film.y4m"
    camera.show(film, None)
    return film


@pytest.fixture(scope="module")
def browser(film):
    """A Chromium with a camera."""
    chromium = find_chromium()
    arguments = ["--no-sandbox", *(argument.format(film=film) for argument in camera.ARGUMENTS)]
    with sync_playwright() as playwright:
        browser: Browser = playwright.chromium.launch(executable_path=str(chromium.binary), env=chromium.environment, args=arguments)
        yield browser
        browser.close()


def test_screenshots_of_codes_are_admitted_online_and_offline(door, film, new_buyer, new_staff):  # noqa: F811
    holder = new_buyer()
    holder.use_demo_identity()
    holder.page.goto(f"/events/{door.event_id}")
    holder.choose("Floor", 2)
    holder.pay()
    holder.see_tickets(2)
    holder.page.get_by_role("button", name="Show at the door").first.click()
    dialog = holder.page.get_by_role("dialog")
    expect(dialog.get_by_role("img")).to_be_visible()
    pictures, codes = [], []
    for number in range(2):
        if number:
            holder.press("Next")
            expect(dialog.locator(".code")).not_to_have_text(codes[0])
        wait_until(holder.page, "image => image.complete && image.naturalWidth > 0", dialog.get_by_role("img").element_handle())
        codes.append(dialog.locator(".code").inner_text())
        pictures.append(holder.page.screenshot())
    first, second = (tickets.get_ticket(find_ticket_id(code)) for code in codes)

    staff = new_staff()
    camera.show(film, pictures[0])
    staff.press("Start the camera")
    staff.see_verdict("Come in", "Floor")
    assert door.admitted(first) == 1
    check(staff.page, "door_camera")
    staff.press("Stop the camera")
    staff.press("Next")
    staff.press("Start the camera")
    staff.see_verdict("Already in", "gate North")
    staff.press("Stop the camera")

    staff.lose_network()
    camera.show(film, pictures[1])
    staff.press("Start the camera")
    staff.see_verdict("Come in", "Decided offline, from this device's list.")
    assert door.admitted(second) == 0
    staff.press("Stop the camera")
    staff.type(second.code)
    staff.see_verdict("Already in", "gate North")
    staff.find_network()
    expect(staff.page.get_by_text("Not sent yet: 1 scan.")).to_have_count(0)
    assert (door.admitted(first), door.admitted(second)) == (1, 1)
    camera.show(film, None)


@pytest.mark.journey
def test_offline_scans_survive_a_reload_and_duplicates_are_reported(door, new_staff):  # noqa: F811
    good, void, late = door.sell(quantity=3, name="Ada Lovelace")
    north = new_staff("North")
    south = new_staff("South", "south@example.com")
    order_id = good.purchase_id
    assert builders.refund(door.api, order_id, tickets=[void.id]).status == 201
    north.press("Update the list")
    expect(north.page.get_by_role("region", name="Who is in")).to_contain_text("0 of 2 people")
    north.lose_network()
    south.lose_network()
    for staff in (north, south):
        staff.type(qr.text(good))
        staff.see_verdict("Come in", "Ada Lovelace", "Decided offline, from this device's list.")
    north.type(void.code)
    north.see_verdict("Refunded")
    [sold] = door.sell("late")
    north.type(qr.text(sold))
    north.see_verdict("Not on the list", "after the list was downloaded")

    north.page.reload()
    north.see_state("Offline")
    expect(north.page.get_by_text("Not sent yet: 1 scan.")).to_be_visible()
    north.type(good.code)
    north.see_verdict("Already in", "gate North")
    expect(north.page.locator(".gates")).to_contain_text("North1")

    north.find_network()
    expect(north.page.get_by_text("Not sent yet: 1 scan.")).to_have_count(0)
    south.find_network()
    conflict = south.page.get_by_role("region", name="Check these people")
    expect(conflict).to_contain_text("Already in · Ada Lovelace")
    expect(conflict).to_contain_text("gate North")
    south.press("Noted: Ada Lovelace")
    expect(conflict).to_have_count(0)
    ticket = tickets.get_ticket(good.id)
    assert ([checkin.gate for checkin in ticket.checkins], [duplicate.gate for duplicate in ticket.duplicates]) == (["North"], ["South"])
    assert door.admitted(late) == 0


def test_two_devices_admit_a_ticket_once_and_an_undo_readmits_it(door, new_staff):  # noqa: F811
    [ticket] = door.sell(name="Ada Lovelace")
    north = new_staff("North")
    south = new_staff("South", "south@example.com")
    north.type(ticket.code.lower().replace("-", " "))
    north.see_verdict("Come in", "Ada Lovelace")
    south.type(ticket.code)
    south.see_verdict("Already in", "gate North")
    north.page.locator(".verdict").get_by_role("button", name="Undo").click()
    north.see_verdict("Undone: Ada Lovelace")
    assert door.admitted(ticket) == 0
    south.type(ticket.code)
    south.see_verdict("Come in")
    south.type(ticket.code)
    south.see_verdict("Already in")
    south.lose_network()
    south.press("Undo: Ada Lovelace")
    south.see_verdict("Undone: Ada Lovelace")
    expect(south.page.get_by_text("undo not sent yet")).to_be_visible()
    south.type(ticket.code)
    south.see_verdict("Come in", "Decided offline, from this device's list.")
    south.find_network()
    expect(south.page.get_by_text("not sent yet")).to_have_count(0)
    assert [checkin.gate for checkin in tickets.get_ticket(ticket.id).checkins] == ["South"]


@pytest.mark.journey
def test_people_go_out_and_come_back_online_and_offline(door, new_staff):  # noqa: F811
    reentry = {"allows_reentry": True}
    assert door.api.patch(f"/events/{door.event_id}", json=reentry, token=builders.admin_token()).status == 200
    [ticket] = door.sell(name="Ada Lovelace")
    staff = new_staff()
    who_is_in = staff.page.get_by_role("region", name="Who is in")
    staff.type(ticket.code)
    staff.see_verdict("Come in")
    staff.press("Scan people out")
    expect(staff.page.locator(".verdict")).to_have_count(0)
    staff.type(ticket.code)
    staff.see_verdict("Out", "Ada Lovelace", "Scanning people out")
    expect(who_is_in).to_contain_text("0 of 1 person")
    assert door.admitted(ticket) == 0
    staff.type(ticket.code)
    staff.see_verdict("Not in", "Scanning people out")
    expect(staff.page.locator(".verdict-void")).to_have_count(1)
    check(staff.page, "/door")
    staff.press("Back to letting people in")
    staff.type(ticket.code)
    staff.see_verdict("Come in")

    staff.lose_network()
    staff.press("Scan people out")
    staff.search("ada").get_by_role("button", name="Scan out: Ada Lovelace").click()
    staff.see_verdict("Out", "Decided offline")
    staff.page.locator(".verdict").get_by_role("button", name="Undo").click()
    staff.see_verdict("Undone: Ada Lovelace")
    staff.type(ticket.code)
    staff.see_verdict("Out", "Decided offline")
    staff.page.reload()
    staff.see_state("Offline")
    expect(staff.page.get_by_role("button", name="Scan people out")).to_be_visible()  # a reload ends the mode
    staff.type(ticket.code)
    staff.see_verdict("Come in", "Decided offline")
    staff.type(ticket.code)
    staff.see_verdict("Already in")
    expect(who_is_in).to_contain_text("1 of 1 person")
    staff.find_network()
    wait_until(staff.page, "async () => !document.body.innerText.toLowerCase().includes('not sent yet')")
    assert [checkin.direction for checkin in tickets.get_ticket(ticket.id).checkins] == ["in", "out", "in", "out", "in"]
    expect(staff.page.get_by_role("region", name="Check these people")).to_have_count(0)


def test_an_answer_that_is_lost_lets_nobody_in_twice(door, new_staff):  # noqa: F811
    [first] = door.sell()
    staff = new_staff()

    def lose_answer(route):
        route.fetch()
        route.abort()

    staff.wait_until_kept()
    staff.page.route("**/api/v1/checkin", lose_answer)
    staff.type(first.code)
    staff.see_verdict("Come in", "Decided offline, from this device's list.")
    assert door.admitted(first) == 1
    staff.page.unroute("**/api/v1/checkin")
    staff.find_network()
    expect(staff.page.get_by_text("not sent yet")).to_have_count(0)
    expect(staff.page.get_by_role("region", name="Check these people")).to_have_count(0)
    assert (door.admitted(first), tickets.get_ticket(first.id).duplicates) == (1, [])


def test_a_table_enters_singly_or_together_and_is_found_by_name(door, new_staff):  # noqa: F811
    [table] = door.sell("grace", name="Grace Hopper", tier_id=door.table_id)
    [single] = door.sell(name="José Núñez")
    seat_id = f"{table.id}.2"
    assert door.api.put(f"/seats/{seat_id}/guest", json={"name": "Bob"}, user="grace").status == 200
    staff = new_staff()
    staff.search("nunez").get_by_role("button", name="Let in: José Núñez").click()
    staff.see_verdict("Come in", "José Núñez")
    assert door.admitted(single) == 1
    expect(staff.search("jose")).to_contain_text("is in")
    staff.search("bob").get_by_role("button").click()
    staff.see_verdict("Come in", "Bob", "1 of 3 in")
    staff.type(table.code)
    staff.see_verdict("Come in", "Grace Hopper", "2 of 3 in")
    staff.press("One more")
    staff.see_verdict("Come in", "3 of 3 in")
    staff.type(table.code)
    staff.see_verdict("Already in")
    assert door.admitted(table) == 3
    expect(staff.page.get_by_role("region", name="Who is in")).to_contain_text("4 of 4 people")


def test_each_reason_has_its_words_and_the_color_of_its_kind(door, api, time, new_staff):  # noqa: F811
    refunded, good = door.sell(quantity=2)
    builders.refund(api, refunded.purchase_id, tickets=[refunded.id])
    other = Door(api, time)
    [elsewhere] = other.sell("bob")
    staff = new_staff()
    seen = {}
    for code, title in {
        refunded.code: "Refunded",
        elsewhere.code: "Wrong event",
        "7K3MX-0QWZ9-H4TRB-V81CD": "Unknown",
        good.code: "Come in",
    }.items():
        staff.type(code)
        seen[title] = staff.see_verdict(title).evaluate("panel => getComputedStyle(panel).backgroundColor")
    time.advance(14 * 3600)
    staff.type(good.code)
    seen["Event over"] = staff.see_verdict("Event over").evaluate("panel => getComputedStyle(panel).backgroundColor")
    assert len(set(seen.values())) == 3, seen  # these three are never admitted
    assert seen["Refunded"] == seen["Event over"] == seen["Unknown"]


def test_practice_shows_what_the_day_will_show_and_records_nothing(door, time, new_staff):  # noqa: F811
    refunded, good = door.sell(quantity=2)
    builders.refund(door.api, refunded.purchase_id, tickets=[refunded.id])
    with settings.override(doors_open_seconds=600):
        staff = new_staff()
        staff.type(good.code)
        staff.see_verdict("Not yet")
        staff.press("Practice scanning")
        expect(staff.page.locator(".verdict")).to_have_count(0)
        staff.type(good.code)
        staff.see_verdict("Come in", "Practice: nobody was checked in")
        expect(staff.page.get_by_role("button", name="Undo", exact=True)).to_have_count(0)
        staff.type(good.code)
        staff.see_verdict("Already in", "Practice: nobody was checked in")
        expect(staff.page.get_by_role("button", name="Let in anyway")).to_have_count(0)
        staff.type(refunded.code)
        staff.see_verdict("Refunded")
        check(staff.page, "/door")
        assert (door.admitted(good), staff.kept()["scans"]) == (0, 1)
        time.advance(3000)
        staff.page.clock.fast_forward(3_000_000)
        expect(staff.page.get_by_role("heading", name="Practice")).to_have_count(0)
        staff.type(good.code)
        staff.see_verdict("Come in")
        expect(staff.page.get_by_text("Practice: nobody was checked in")).to_have_count(0)
        assert door.admitted(good) == 1


def test_staff_override_a_refusal_with_a_reason_online_and_offline(door, new_staff):  # noqa: F811
    [ticket] = door.sell(name="Ada Lovelace")
    staff = new_staff()
    staff.type(ticket.code)
    staff.see_verdict("Come in")
    for number, reason in enumerate(("Went out with a steward", "Sent back by security"), start=2):
        staff.type(ticket.code)
        staff.see_verdict("Already in")
        staff.press("Let in anyway")
        expect(staff.page.get_by_label("Why are you letting this person in?")).to_be_focused()
        staff.page.get_by_label("Why are you letting this person in?").fill(reason)
        staff.press("Let in one person")
        expect(staff.see_verdict("Come in", "Ada Lovelace")).to_be_focused()
        if number == 2:
            assert door.admitted(ticket) == 2
            staff.lose_network()
    staff.see_verdict("Come in", "Decided offline")
    staff.find_network()
    wait_until(staff.page, "async () => !document.body.innerText.toLowerCase().includes('not sent yet')")
    checkins = tickets.get_ticket(ticket.id).checkins
    assert [checkin.override_reason for checkin in checkins] == [None, "Went out with a steward", "Sent back by security"]


def test_an_idle_camera_sleeps_and_a_busy_one_keeps_the_screen_on(door, film, new_staff):  # noqa: F811
    staff = new_staff()
    staff.page.evaluate(NOTE_SCREEN_LOCKS)
    camera.show(film, None)
    staff.press("Start the camera")
    staff.page.get_by_text("Hold the code in front of the camera.").wait_for()
    wait_until(staff.page, "() => screenLocks.join() === 'screen'")
    staff.page.clock.fast_forward(121_000)
    staff.page.get_by_text("The camera is asleep to save battery.").wait_for()
    wait_until(staff.page, "() => screenLocks.length === 0")
    expect(staff.page.locator("video")).to_have_js_property("srcObject", None)


def test_the_door_in_spanish_by_the_keyboard_alone(door, new_buyer, api, mailbox):  # noqa: F811
    [ticket] = door.sell(name="José Núñez")
    page = new_buyer(locale="es-ES").page
    staff = DoorStaff(page, api, door.event_id, mailbox)
    staff.sign_in()
    page.get_by_label("Puerta", exact=True).focus()
    page.keyboard.type("Norte")
    page.keyboard.press("Enter")
    staff.see_state("Con conexión: decide la tienda")
    page.get_by_label("Código, nombre o número").focus()
    page.keyboard.type(ticket.code)
    page.keyboard.press("Enter")
    staff.see_verdict("Adelante", "José Núñez")
    page.keyboard.type(ticket.code)  # the field is empty again, and still the one that is typed into
    page.keyboard.press("Enter")
    staff.see_verdict("Ya está dentro", "puerta Norte", "En este dispositivo.")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('aria-label')") == "Deshacer: José Núñez":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_text("deshecha")).to_be_visible()
    assert door.admitted(ticket) == 0


def test_the_address_in_the_code_of_an_event_opens_its_door_after_signing_in(new_buyer, api, time, mailbox):  # noqa: F811
    events = [
        builders.create_event(api, name, starts_at=clock.iso(time.now + hours * 3600)) for hours, name in ((1, "First"), (2, "Second"))
    ]
    staff = DoorStaff(new_buyer().page, api, events[0], mailbox)
    staff.sign_in()
    member = {"email": "door@example.com", "role": "staff"}
    assert api.post(f"/events/{events[1]}/members", json=member, token=builders.admin_token()).status == 201
    builders.accept_invitation(events[1], member["email"])
    staff.sign_out()
    staff.page.goto(f"/door?event={events[1]}")
    staff.page.get_by_role("main").get_by_role("link", name="Sign in").click()
    staff.sign_in_again()
    expect(staff.page.get_by_label("Event", exact=True)).to_have_value(events[1])
    staff.page.goto("/door")
    expect(staff.page.get_by_label("Event", exact=True)).to_have_value(events[0])
