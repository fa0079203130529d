"""What a device at the door keeps, for whom, and until when; and what it does when a session or a role ends."""

import io
import re

from PIL import Image
from playwright.sync_api import expect

from chalicelib.edge.auth import ACCESS_SECONDS
from chalicelib.foundation import settings
from tests import builders
from tests.accounts.conftest import mailbox  # noqa: F401
from tests.browser.async_checks import wait_until
from tests.browser.door_staff import COUNT_KEPT, DoorStaff
from tests.browser.doors import door, new_staff  # noqa: F401


def test_stored_data_is_deleted_on_sign_out_and_a_day_after_closing(door, time, new_staff):  # noqa: F811
    [first, second] = door.sell(quantity=2)
    staff = new_staff()
    staff.lose_network()
    staff.type(first.code)
    staff.see_verdict("Come in")
    assert first.code not in staff.page.locator("body").inner_text()
    staff.press("Leave the door and delete the list")
    staff.page.get_by_text("Not sent yet: 1 scan.").wait_for()
    staff.find_network()
    expect(staff.page.get_by_text("not sent yet")).to_have_count(0)
    kept = staff.kept()
    assert (kept["setup"], kept["tickets"], kept["scans"]) == (1, 2, 1)
    assert kept["files"] > 0
    staff.press("Leave the door and delete the list")
    expect(staff.page.get_by_role("heading", name="Which door is this?")).to_be_visible()
    assert set(staff.kept().values()) == {0}

    staff.open_door()
    staff.lose_network()
    staff.type(second.code)
    staff.see_verdict("Come in")
    later = 3600 + settings.current().doors_close_seconds + 86_400 + 60
    staff.page.route("**/api/**", lambda route: route.abort())
    staff.page.context.set_offline(False)
    staff.page.clock.set_system_time((time.now + later) * 1000)
    staff.page.reload()
    expect(staff.page.get_by_text("Not sent yet: 1 scan.")).to_be_visible()
    assert (staff.kept()["tickets"], staff.kept()["scans"]) == (0, 1)  # who came in is never forgotten
    assert door.admitted(second) == 0


def test_another_account_sees_the_list_only_if_it_works_there(door, new_staff, new_buyer, api, mailbox):  # noqa: F811
    [ticket] = door.sell(name="Ada Lovelace")
    staff = new_staff()
    staff.lose_network()
    staff.type(ticket.code)
    staff.see_verdict("Come in", "Ada Lovelace")
    staff.page.route("**/checkin/sync", lambda route: route.abort())
    staff.page.context.set_offline(False)
    staff.sign_out()
    staff.page.unroute("**/checkin/sync")
    stranger = DoorStaff(staff.page, api, door.event_id, mailbox)
    stranger.sign_in("bob@example.com", is_invited=False)
    expect(staff.page.get_by_text("Your account is not assigned to this event")).to_have_count(1)
    expect(staff.page.get_by_text("If you have already been invited")).to_be_visible()
    expect(staff.page.get_by_role("button", name="Choose another event")).to_have_count(0)  # that would delete the scan
    expect(staff.page.get_by_text("Ada Lovelace")).to_have_count(0)
    assert door.admitted(ticket) == 0, "what waits is kept for somebody who works there"
    staff.sign_out()
    staff.sign_in("shift2@example.com")
    staff.see_state("Online")
    expect(staff.page.get_by_text("Come in · Ada Lovelace")).to_be_visible()
    expect(staff.page.get_by_text("not sent yet")).to_have_count(0)
    assert door.admitted(ticket) == 1


def test_scans_of_an_ended_session_are_sent_after_signing_in_again(door, new_staff, new_buyer):  # noqa: F811
    [ticket] = door.sell(name="Ada Lovelace")
    staff = new_staff()
    other_tab = staff.page.context.new_page()
    other_tab.goto("/door")
    expect(other_tab.get_by_role("heading", name="The door is open in another tab")).to_be_visible()
    other_tab.close()
    staff.page.context.clear_cookies()
    staff.page.reload()
    staff.see_state("Signed out")
    staff.type(ticket.code)
    verdict = staff.see_verdict("Come in", "You are signed out, so this device decided from its list.", "sent after you sign in again")
    expect(verdict).not_to_contain_text("offline")
    staff.type("7K3MX-0QWZ9-H4TRB-V81CD")
    staff.see_verdict("Not on the list", "Sign in again, then scan the ticket again.")
    expect(verdict).not_to_contain_text("online")
    verdict.get_by_role("link", name="Sign in again").click()
    staff.sign_in_again()
    staff.see_state("Online")
    expect(staff.page.get_by_text("not sent yet")).to_have_count(0)
    assert door.admitted(ticket) == 1


def test_the_last_scan_is_the_first_of_the_list(door, new_staff):  # noqa: F811
    first, second = door.sell(quantity=2, name="Ada Lovelace")
    staff = new_staff()
    for code, title in ((first.code, "Come in"), (first.code, "Already in"), (second.code, "Come in")):
        staff.press("Next") if staff.page.locator(".verdict").count() else None
        staff.type(code)
        staff.see_verdict(title)
        staff.page.clock.set_system_time(door.time.now * 1000 - 600_000)  # a clock that is set back
    listed = staff.page.get_by_role("region", name="Latest scans by this device").locator(".door-who")
    expect(listed).to_have_text([re.compile("Come in"), re.compile("Already in"), re.compile(r"Come in\s· Ada")])


def test_the_page_can_be_installed(new_buyer):
    page = new_buyer().page
    page.goto("/door")
    address = page.locator("link[rel=manifest]").get_attribute("href")
    manifest = page.request.get(address).json()
    assert (manifest["start_url"], manifest["scope"], manifest["display"]) == ("/door", "/door", "standalone")
    for icon in manifest["icons"][1:]:
        image = Image.open(io.BytesIO(page.request.get(icon["src"]).body()))
        assert f"{image.width}x{image.height}" == icon["sizes"]
    page.goto("/")
    expect(page.locator("link[rel=manifest]")).to_have_count(0)


def test_losing_the_role_deletes_the_list(door, time, new_staff):  # noqa: F811
    door.sell(name="Ada Lovelace")
    staff = new_staff()
    [member] = door.api.get(f"/events/{door.event_id}/members", token=builders.admin_token()).json["members"]
    gone = door.api.delete(f"/events/{door.event_id}/members/{member['id']}", token=builders.admin_token())
    assert gone.status == 200
    time.advance(ACCESS_SECONDS + 1)
    # Asked for as often as it takes: a question that is under way may have been sent before, and the button goes with the list.
    wait_until(staff.page, "async () => dispatchEvent(new Event('online')) && !document.querySelector('.connection-online')")
    expect(staff.page.get_by_role("heading", name="Your account is not assigned to this event")).to_be_visible()
    wait_until(staff.page, f"async () => (await ({COUNT_KEPT})()).tickets === 0")
    expect(staff.page.get_by_text("Ada Lovelace")).to_have_count(0)
    staff.press("Choose another event")
    expect(staff.page.get_by_role("heading", name="You are not assigned to any event yet")).to_be_visible()
