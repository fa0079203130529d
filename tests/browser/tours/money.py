"""The money of an event as its promoter sees it: orders, a refund, sales and figures."""

from collections.abc import Iterator

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


TOURS: list[Tour] = [orders]
