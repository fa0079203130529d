"""What an admin sees besides the events: promoters to verify, the system and its catalog."""

from collections.abc import Iterator

from playwright.sync_api import expect

from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.catalog import service as served
from chalicelib.edge import scheduled
from chalicelib.foundation import clock
from chalicelib.inventory.capacity import resize_stock
from chalicelib.notifications import outbox
from tests import builders
from tests.bootstrap.conftest import event, ticket
from tests.browser.managers import PASSWORD, Manager
from tests.browser.tours.tour import Tour


def promoters(manager: Manager) -> Iterator[str]:
    account = {"email": "nora@example.com", "password": PASSWORD, "role": "promoter", "company": "Nova"}
    manager.api.post("/auth/register", json=account)
    nora = manager.api.post("/auth/login", json={"email": account["email"], "password": PASSWORD}).json
    profile = {"name": "Nova", "company": "Nova", "policies": "Refunds until the day before."}
    assert manager.api.put(f"/promoters/{nora['user']['id']}", json=profile, token=nora["access_token"]).status == 200
    manager.sign_in_as_admin("/manage/promoters")
    manager.see_heading("Nova")
    yield "unverified"
    manager.press("Verify: Nova")
    manager.see("name, company and website")
    yield "question"
    manager.page.get_by_role("dialog").get_by_role("button", name="Verify").click()
    manager.see_heading("No promoters waiting to be verified")
    manager.page.get_by_label("Show").select_option("true")
    manager.see_heading("Nova")
    [promoter] = manager.api.get("/promoters").json["promoters"]
    assert (promoter["name"], promoter["verified"], promoter["policies"]) == ("Nova", True, "Refunds until the day before.")
    manager.page.get_by_label("Kind", exact=True).select_option("terms")
    manager.fill("Text", "Each ticket admits one person.")
    manager.press("Publish")
    expect(manager.page.get_by_role("link", name="Terms, English")).to_be_visible()
    yield "verified"
    manager.fill("Name on invoices", "Harbor Hall Ltd")
    manager.fill("Address on invoices", "1 Harbor Street\nLisbon")
    manager.press("Save invoices of the shop")
    expect(manager.page.get_by_label("Tax ID", exact=True)).to_have_attribute("aria-invalid", "true")
    yield "no_tax_id"
    manager.fill("Tax ID", "PT501234567")
    manager.press("Save invoices of the shop")
    expect(manager.page.get_by_role("button", name="Invoices as CSV")).to_have_count(2)
    saved = manager.api.get("/admin/shop-invoices", token=builders.admin_token()).json["invoices"]
    assert (saved["name"], saved["tax_id"]) == ("Harbor Hall Ltd", "PT501234567")
    yield "invoices"


def system(manager: Manager) -> Iterator[str]:
    sent = outbox.new_notification("order_confirmed", "order", 1, user_id="ada", event_id="fest", now=clock.now() - 3600)
    outbox.queue_notification(sent)
    scheduled.record_run("sweep", clock.now() - 30, 412, {}, None)
    scheduled.record_run("send_messages", clock.now() - 3600, 1250, {}, None)
    scheduled.record_run("reconcile", clock.now() - 600, 90, None, TimeoutError())
    manager.sign_in_as_admin("/manage/system")
    manager.see("Jobs that are not working: Reconciles payments with the provider, Sends emails.")
    manager.see("Work has been overdue for more than ten minutes")
    manager.see("development")
    manager.see("180 seconds")
    yield "late"


def catalog(manager: Manager) -> Iterator[str]:
    tickets = {"fest-pass": ticket("fest-pass", max_quantity=200), "fest-late": ticket("fest-late", name="Late bird")}
    tree = {"version": "1", "events": {"fest": event("fest")}, "ticket_types": tickets}
    rollout.apply(validate_tree(tree), "ada", clock.now())
    tickets["fest-pass"] = ticket("fest-pass", max_quantity=250, price_cents=6000)
    tickets["fest-vip"] = ticket("fest-vip", name="Balcony")
    rollout.apply(validate_tree(tree), "ada", clock.now())
    builders.buy(manager.api, "ada", "fest", "fest-pass", 2)
    builders.reserve(manager.api, "eva", "fest", "fest-pass", 1)
    tier = served.load_current().tiers["fest-vip"]
    resize_stock(tier.stock_id, tier.shards, 7)
    manager.sign_in_as_admin("/manage/catalog")
    manager.see("One difference from the file.")
    manager.page.get_by_text("What changed").first.click()
    yield "drift"
    manager.press("Make the shop match the file")
    dialog = manager.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Make the shop match the file").click()
    manager.see("No differences: the shop matches the file.")
    version = manager.page.get_by_role("listitem").filter(has_text="Served now")
    expect(version.locator(".history")).to_contain_text("fest-vip")
    expect(version.locator(".history")).not_to_contain_text("7 → 10")
    manager.press("Reload the catalog on all instances")
    dialog.get_by_role("button", name="Reload the catalog on all instances").click()
    expect(manager.page.locator(".controls-done")).to_have_text("All instances will reload the catalog within a few seconds.")
    yield "corrected"
    manager.follow("Restore version 1")
    manager.see("2 sold, 1 on hold")
    expect(manager.page.locator(".changes")).to_contain_text(["Price$60 → $50", "Tickets250 → 200"])
    yield "plan"
    manager.press("Restore version 1")
    manager.see("2 of these changes close or reduce what is on sale.")
    yield "question"
    dialog.get_by_role("button", name="Yes, restore it").click()
    manager.see_heading("Version 3 is served")
    yield "restored"


def users(manager: Manager) -> Iterator[str]:
    for email, role in (("nora@example.com", "promoter"), ("ada@example.com", "user"), ("adam@example.com", "user")):
        manager.api.post("/auth/register", json={"email": email, "password": PASSWORD, "role": role, "first_name": "Ada"})
    manager.sign_in_as_admin("/manage/users")
    manager.see_heading("nora@example.com")
    manager.see("This is your account.")
    yield "special"
    manager.fill("Email address, user ID, order number or code", "ada")
    manager.press("Search")
    manager.see_heading("adam@example.com")
    [ada] = manager.api.get("/admin/users", query={"search": "ada@"}, token=builders.admin_token()).json["users"]
    shop = builders.create_shop(manager.api)
    builders.create_order(manager.api, shop, user=ada["id"])
    builders.buy(manager.api, "guest-1", *shop, customer_email="gina@example.com")
    manager.page.locator("summary", has_text="Orders").first.click()
    manager.see("Night")
    yield "orders"
    manager.fill("Email address, user ID, order number or code", "gina@example.com")
    manager.press("Search")
    manager.see("No account has an email address that begins with this text.")
    found = manager.page.locator("section").filter(has=manager.page.get_by_role("heading", name="Orders")).get_by_role("listitem")
    expect(found).to_have_count(1)
    expect(found).to_contain_text("Night")
    expect(found).to_contain_text("$50")
    yield "found_order"
    found.get_by_role("link").click()
    manager.see_heading("Activity")
    manager.see("gina@example.com")
    manager.page.go_back()
    manager.fill("Email address, user ID, order number or code", "ada")
    manager.press("Search")
    manager.see_heading("adam@example.com")
    manager.press("Lock: ada@example.com")
    dialog = manager.page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("Sells places in line")
    yield "question"
    dialog.get_by_role("button", name="Lock").click()
    manager.see("Account locked: ada@example.com")
    assert manager.api.post("/auth/login", json={"email": "ada@example.com", "password": PASSWORD}).json["error"] == "account_locked"
    manager.press("Make promoter: adam@example.com")
    dialog.get_by_role("button", name="Make promoter").click()
    manager.see("adam@example.com is now a promoter.")
    manager.page.get_by_text("Admin activity").first.click()
    manager.see("Sells places in line")
    yield "locked"
    manager.press("Sign out everywhere: adam@example.com")
    dialog.get_by_role("button", name="Sign out everywhere").click()
    manager.see("Signed out everywhere: adam@example.com")
    manager.press("Unlock: ada@example.com")
    dialog.get_by_role("button", name="Unlock").click()
    manager.see("Account unlocked: ada@example.com")
    manager.page.get_by_label("Show").select_option("locked")
    manager.see_heading("No accounts")
    yield "nobody"


TOURS: list[Tour] = [promoters, system, catalog, users]
