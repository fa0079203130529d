"""The money of events: orders, a refund, sales and figures, and the open cases of an admin."""

from collections.abc import Iterator

from playwright.sync_api import expect

from chalicelib.cases import service as cases
from tests import builders
from tests.browser.drops import Drop, project_changes
from tests.browser.managers import Manager
from tests.browser.tours.tour import Tour


def orders(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    drop = Drop(manager)
    drop.join(6)
    manager.open(f"/events/{drop.event_id}/orders")
    manager.see_heading("No orders")
    yield "none"
    drop.open()
    _, second, _ = drop.buy(3)
    builders.refund(manager.api, second, tickets=[f"{second}-1"], fee_cents=500, note="Fell ill.")
    project_changes()
    manager.page.reload()
    manager.page.get_by_role("link", name=second).wait_for()
    yield "list"
    manager.page.get_by_role("link", name=second).click()
    manager.see("The buyer gets")
    yield "order"
    manager.press("Refund $89.50")
    manager.see_heading("Refund $89.50?")
    yield "question"
    manager.page.get_by_role("dialog").get_by_role("button", name="Refund $89.50").click()
    manager.see("Nothing is left to refund")
    yield "refunded"


def sales(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    drop = Drop(manager)
    drop.join(12)
    manager.create_event("City Strings: Winter Gala")
    manager.open(f"/events/{drop.event_id}/sales")
    manager.see("Nothing was sold in this time.")
    yield "none"
    drop.open()
    for hour in range(3):
        order_id, *_ = drop.buy(3 - hour)
        manager.time.advance(3600)
        drop.join(4)
        manager.time.advance(30)
    builders.refund(manager.api, order_id, tickets=[f"{order_id}-1"], fee_cents=500)
    project_changes()
    manager.page.reload()
    manager.page.locator(".chart canvas").first.wait_for()
    yield "sold"
    manager.go("Compare events")
    for name in ("Nova Lights: Afterglow Tour", "City Strings: Winter Gala"):
        manager.page.get_by_label(name).check()
    manager.see_heading("Comparison")
    yield "compared"


def open_cases(manager: Manager) -> Iterator[str]:
    manager.sign_in_as_admin("/manage/cases")
    manager.see_heading("Nothing is open")
    yield "none"
    event = {"event_id": "summits", "currency": "USD"}
    cases.open_finding("01KT1GW6G0MGN0XD7K0JVN9RSW", "amounts_differ-pi_1", manager.time.now, event | {"amount_cents": 1250})
    cases.open_finding("01KT1GW6G0MGN0XD7K0JVN9RSX", "kept_of_dispute-dp_1", manager.time.now, event | {"kept_cents": 4000})
    manager.page.reload()
    manager.see("Agree with the buyer")
    yield "list"
    manager.page.get_by_role("button", name="Close the case").first.click()
    manager.see_heading("Close the case?")
    yield "question"
    manager.page.get_by_role("dialog").get_by_role("button", name="Close the case").click()
    expect(manager.page.get_by_role("heading", name="Difference")).to_have_count(1)


TOURS: list[Tour] = [orders, sales, open_cases]
