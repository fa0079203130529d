"""The money of events: orders, a refund, sales and figures, and the open cases of an admin."""

from collections.abc import Iterator

from msgspec.structs import replace
from playwright.sync_api import expect

from chalicelib.foundation import clock
from chalicelib.ledger import money_cases
from chalicelib.payments.model import ProviderDispute
from chalicelib.purchases import disputes, queries, store
from chalicelib.reconciliation.jobs import compare_books
from tests import builders
from tests.browser.drops import Drop
from tests.browser.managers import FRONT_ROWS, Manager
from tests.browser.tours.tour import Tour
from tests.stripe_shop import open_shop


def dispute(order_id: str, now: int) -> None:
    """Let the buyer's bank claim the money of an order back."""
    order = queries.get_order(order_id)
    assert order.payment is not None
    order = store.save(order, replace(order, payment=replace(order.payment, payment_intent_id="pi_1")), [])  # as one by card has it
    claim = ProviderDispute(
        provider="stripe",
        id="du_1",
        status="open",
        amount_cents=order.total_cents,
        currency=order.currency,
        payment_intent_id="pi_1",
        reason="product_not_received",
        due_at=now + 9 * 86_400,
    )
    disputes.record_dispute(order, claim, now)


def orders(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    drop = Drop(manager)
    drop.join(6)
    manager.open(f"/events/{drop.event_id}/orders")
    manager.see_heading("No orders")
    yield "none"
    drop.open()
    _, second, third = drop.buy(3)
    drop.decline_card()
    builders.refund(manager.api, second, tickets=[f"{second}-1"], fee_cents=500, note="Fell ill.")
    builders.project_changes()
    manager.page.reload()
    number, disputed = (
        manager.api.get(f"/admin/orders/{order_id}", token=builders.admin_token()).json["order"]["number"] for order_id in (second, third)
    )
    manager.page.get_by_role("link", name=number).wait_for()
    yield "list"
    manager.page.get_by_role("link", name=number).click()
    manager.see("The buyer gets")
    yield "order"
    manager.press("Refund $89.50")
    manager.see_heading("Refund $89.50?")
    yield "question"
    manager.page.get_by_role("dialog").get_by_role("button", name="Refund $89.50").click()
    manager.see("Nothing is left to refund")
    yield "refunded"
    dispute(third, manager.time.now)
    builders.project_changes()
    manager.go("Orders")
    manager.page.get_by_label("Status").select_option("Disputed")
    manager.see("The buyer says they did not receive the tickets")
    manager.see("Respond by")
    manager.see("Show that the tickets arrived")
    yield "disputes"
    manager.page.get_by_role("main").get_by_role("link", name=disputed).click()
    manager.see_heading("Dispute open")
    yield "disputed"
    manager.go("Orders")
    manager.page.get_by_label("Status").select_option("Failed payments")
    manager.see("Abandoned or declined")
    yield "failed"


def attendees(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    tables = {"name": "Table for four", "price_cents": 30_000, "capacity": 20, "currency": "USD", "admits": 4}
    event_id = manager.create_event("City Strings: Winter Gala", tiers=[FRONT_ROWS, tables])
    manager.publish(event_id)
    manager.open(f"/events/{event_id}/attendees")
    manager.see_heading("No attendees")
    yield "none"
    tiers = {tier["name"]: tier["id"] for tier in manager.api.get(f"/events/{event_id}").json["tiers"]}
    named = {
        "attendees": [{"name": "José Núñez", "email": "jose@example.com"}, {"name": "Ada Byron"}],
        "customer_email": "buyer@example.com",
    }
    order_id = builders.buy(manager.api, "jo", event_id, tiers["Front rows"], 2, **named).json["order"]["id"]
    table_id = builders.buy(manager.api, "eve", event_id, tiers["Table for four"], customer_email="eve@example.com").json["order"]["id"]
    assert manager.api.put(f"/seats/{table_id}-1.2/guest", json={"name": "Zoë Kravitz"}, user="eve").status == 200
    open_doors = {"starts_at": clock.iso(manager.time.now + 3600)}
    assert manager.api.patch(f"/events/{event_id}", json=open_doors, token=builders.admin_token()).status == 200
    assert manager.api.post(f"/tickets/{order_id}-1/validate", json={"gate": "North"}, token=builders.admin_token()).status == 200
    builders.project_changes()
    manager.page.reload()
    manager.see("José Núñez")
    expect(manager.page.get_by_role("rowheader")).to_have_count(6)
    yield "list"
    manager.page.get_by_label("Show").select_option("Came in")
    expect(manager.page.get_by_role("rowheader")).to_have_count(1)
    manager.see("gate North")
    yield "came_in"
    manager.open(f"/events/{event_id}/history?show=reads")
    manager.see("List: attendees")
    yield "readings"
    manager.go("Events")
    manager.see("3 of 420 sold · $479")
    yield "sold"


def sales(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    drop = Drop(manager)
    drop.join(12)
    manager.create_event("City Strings: Winter Gala")
    manager.open(f"/events/{drop.event_id}/sales")
    manager.see("No sales in this period.")
    yield "none"
    drop.open()
    for hour in range(3):
        order_id, *_ = drop.buy(3 - hour)
        manager.time.advance(3600)
        drop.join(4)
        manager.time.advance(30)
    builders.refund(manager.api, order_id, tickets=[f"{order_id}-1"], fee_cents=500)
    builders.project_changes()
    manager.page.reload()
    manager.page.locator(".chart canvas").first.wait_for()
    manager.time.advance(2 * 3600)
    open_doors = {"starts_at": clock.iso(manager.time.now + 3600)}
    assert manager.api.patch(f"/events/{drop.event_id}", json=open_doors, token=builders.admin_token()).status == 200
    assert manager.api.post(f"/tickets/{order_id}-2/validate", json={"gate": "North"}, token=builders.admin_token()).status == 200
    builders.project_changes()
    manager.page.reload()
    manager.page.get_by_role("region", name="By gate").wait_for()
    yield "sold"
    manager.go("Compare events")
    for name in ("Nova Lights: Afterglow Tour", "City Strings: Winter Gala"):
        manager.page.get_by_label(name).check()
    manager.see_heading("Comparison")
    yield "compared"


def open_cases(manager: Manager) -> Iterator[str]:
    manager.sign_in_as_admin("/manage/cases")
    manager.see_heading("No open cases")
    yield "none"
    event = {"event_id": "summits", "currency": "USD"}
    money_cases.open_finding("01KT1GW6G0MGN0XD7K0JVN9RSW", "amounts_differ-pi_1", manager.time.now, event | {"amount_cents": 1250})
    money_cases.open_finding("01KT1GW6G0MGN0XD7K0JVN9RSX", "kept_of_dispute-dp_1", manager.time.now, event | {"kept_cents": 4000})
    manager.page.reload()
    manager.see("Agree with the buyer")
    expect(manager.page.get_by_text("amounts_differ")).to_have_count(0)  # people read words, and what to look for at the provider
    manager.see("Reference pi_1")
    yield "list"
    manager.page.get_by_role("button", name="Close the case").first.click()
    manager.see_heading("Close the case?")
    yield "question"
    manager.page.get_by_role("dialog").get_by_role("button", name="Close the case").click()
    expect(manager.page.get_by_role("heading", name="Amounts differ")).to_have_count(0)
    manager.see_heading("Remainder of a lost dispute")


def payouts(manager: Manager) -> Iterator[str]:
    manager.sign_in_as_admin("/manage/payouts")
    manager.see_heading("No payment provider")
    yield "simulated"
    with open_shop(manager.api, manager.time) as shop:
        manager.page.reload()
        manager.see_heading("No payouts yet")
        yield "none"
        for user, arrives in (("ada", True), ("eva", False)):
            shop.buy(user, 1)
            shop.fake.finish_payout(shop.fake.create_payout()["id"], arrives=arrives)
            manager.time.advance(3 * 3600)
        compare_books(manager.time.now)
        shop.fake.create_payout()
        manager.page.reload()
        manager.see("The bank account has been closed.")
        manager.see("The last reconciliation found no differences.")
        expect(manager.page.get_by_text("All payments up to this date are reconciled with our books.")).to_have_count(2)
        yield "list"


TOURS: list[Tour] = [orders, attendees, sales, open_cases, payouts]
