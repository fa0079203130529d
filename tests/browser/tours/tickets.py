"""What a promoter prepares for a sale: tickets, discounts, people, webhooks."""

from collections.abc import Iterator

from playwright.sync_api import expect

from chalicelib.addons.outgoing_webhooks import store
from chalicelib.foundation import settings
from tests import builders, pictures
from tests.browser.managers import FRONT_ROWS, PASSWORD, Manager
from tests.browser.tours.tour import Tour
from tests.purchases import bank_transfers

BALCONY = {"name": "Balcony", "price_cents": 3500, "capacity": 120, "currency": "USD"}


def tickets(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    event_id = manager.create_event(tiers=[])
    manager.open(f"/events/{event_id}/tickets")
    manager.see_heading("Nothing to sell yet")
    yield "none"
    manager.follow("Add ticket type")
    manager.fill("Name", "Front rows")
    manager.fill("Price", "89.505")
    manager.page.get_by_label("Currency").select_option("USD")
    manager.fill("Quantity (optional)", "400")
    manager.press("Create")
    manager.see("Enter an amount such as 25 or 25.50")
    manager.page.get_by_text("Sale times, limits, fees and tax").click()
    yield "refused"
    manager.fill("Price", "89.50")
    manager.fill("Fee in the price (optional)", "95")
    manager.press("Create")
    manager.see("The price includes the fee, so the fee cannot be higher than the price.")
    yield "fee_refused"
    manager.fill("Fee in the price (optional)", "9,50")
    manager.press("Create")
    manager.see_heading("Front rows")
    manager.follow("Add another ticket type")
    manager.see_heading("New ticket type")
    manager.go("Tickets")
    manager.follow("Add package")
    manager.fill("Name", "Table for eight")
    manager.fill("Price", "1200")
    manager.press("Create")
    manager.see_heading("Table for eight")
    manager.press("Add a question")
    manager.fill("Question", "Dinner")
    manager.page.get_by_label("Answer type").select_option("One or more choices")
    manager.fill("Choices", "Fish, Vegan")
    yield "question"
    manager.press("Save question")
    manager.see("required · once per purchase · Fish, Vegan")
    picture = {"name": "table.png", "mimeType": "image/png", "buffer": pictures.picture("PNG", (640, 360))}
    manager.page.locator("input[type=file]").set_input_files(picture)
    expect(manager.page.get_by_role("button", name="Remove the picture")).to_be_visible()
    yield "package"
    manager.go("Tickets")
    tiers = {tier["name"]: tier["id"] for tier in manager.api.get(f"/events/{event_id}", token=manager.token).json["tiers"]}
    manager.publish(event_id)
    builders.buy(manager.api, "ada", event_id, tiers["Front rows"], 2)
    manager.page.get_by_role("button", name="Duplicate: Table for eight").click()
    manager.see("Not on sale")
    manager.page.get_by_role("button", name="Delete: Table for eight", exact=True).click()
    manager.see("2 of 400 sold")
    yield "list"
    manager.page.keyboard.press("Escape")
    up = manager.page.get_by_role("button", name="Move up: Table for eight", exact=True)
    up.press("Enter")
    expect(manager.page.get_by_role("status").filter(has_text="Table for eight is now number 1 of 3.")).to_be_attached()
    rows = manager.page.locator(".tier-row")
    expect(rows.first).to_contain_text("Table for eight")
    manager.page.set_viewport_size({"width": 1280, "height": 800})  # a mouse is at a desk, where all rows are in sight
    rows.nth(2).locator(".grip").drag_to(rows.nth(0))
    expect(manager.page.get_by_role("status").filter(has_text="is now number 1 of 3.")).not_to_contain_text("Table for eight is")


def promo_codes(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    event_id = manager.create_event(tiers=[FRONT_ROWS, BALCONY])
    manager.publish(event_id)
    manager.open(f"/events/{event_id}/promo-codes")
    manager.see_heading("No promo codes yet")
    manager.press("New promo code")
    manager.fill("Code", "EARLY-BIRD")
    manager.fill("Percent", "10")
    manager.fill("Maximum uses (optional)", "100")
    manager.page.get_by_role("group", name="Only for these tickets").get_by_label("Balcony").check()
    yield "form"
    manager.press("Create code")
    manager.see("10% off · uses: 0 of 100")
    builders.create_promo_code(manager.api, event_id, "FRIENDS-20", discount_value=20, minimum_total=50)
    tiers = {tier["name"]: tier["id"] for tier in manager.api.get(f"/events/{event_id}").json["tiers"]}
    builders.buy(manager.api, "ada", event_id, tiers["Front rows"], 2, promo_code="FRIENDS-20")
    builders.project_changes()  # the figures of a code follow from its sales
    manager.page.reload()
    manager.page.get_by_role("button", name="Sales with this code: FRIENDS-20").click()
    manager.see("Discounts")
    manager.page.get_by_role("button", name="Turn off: EARLY-BIRD").click()
    manager.see("Turned off")
    expect(manager.page.get_by_text("Minimum purchase $50", exact=True)).to_be_visible()
    yield "list"
    manager.page.get_by_role("button", name="Edit: EARLY-BIRD").click()
    manager.fill("Percent", "15")
    manager.press("Save")
    manager.see("15% off")
    manager.press("New promo code")
    manager.fill("Number of codes", "12")
    manager.fill("Start of each code (optional)", "FANS-")
    manager.fill("Percent", "5")
    yield "several"
    manager.press("Create code")
    manager.see("12 codes created.")
    with manager.page.expect_download() as download:
        manager.press("Download the new codes")
    [name, *codes] = download.value.path().read_text().split()
    assert name == "code"
    assert len({code for code in codes if code.startswith("FANS-")}) == 12
    held_back = {"holdbacks": [{"id": "club", "reason": "presale", "label": "Fan club", "quantity": 40}]}
    assert manager.api.patch(f"/tiers/{tiers['Front rows']}", json=held_back, token=manager.token).status == 200
    manager.page.reload()
    manager.press("New promo code")
    manager.fill("Code", "FAN-CLUB")
    manager.page.get_by_role("group", name="Access code").get_by_label("Front rows").check()
    manager.page.get_by_label("Which tickets it sells").select_option("Fan club")
    manager.fill("Maximum uses per buyer (optional)", "1")
    yield "access_code"
    manager.press("Create code")
    manager.see("From held-back tickets: Fan club")
    code = manager.api.get(f"/admin/events/{event_id}/promo-codes/FAN-CLUB", token=manager.token).json
    assert (code["holdback_id"], code["opens_package_ids"]) == ("club", [tiers["Front rows"]])


def orders_by_transfer(manager: Manager) -> Iterator[str]:
    """The bank transfers of an event, the first of which has paid a part."""
    manager.sign_in_as_admin()
    shop = bank_transfers.create_shop(manager.api)
    manager.open(f"/events/{shop[0]}/bank-transfers")
    manager.see_heading("No bank transfers yet")
    yield "none"
    order = bank_transfers.order(manager.api, shop)
    bank_transfers.record(manager.api, shop, (bank_transfers.reference(order), 6000))
    manager.page.reload()
    manager.see("$60 of $100 received")
    yield "list"


def people(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    event_id = manager.create_event()
    manager.open(f"/events/{event_id}/people")
    manager.see_heading("Just you so far")
    expect(manager.page.get_by_role("img", name="QR code that opens the door page")).to_be_visible()
    manager.fill("Email address", "no address")
    yield "none"
    manager.fill("Email address", "door@example.com")
    manager.press("Send invitation")
    manager.see("Invitation sent to door@example.com")
    manager.page.get_by_role("button", name="Make coordinator: door@example.com").click()
    manager.see("Coordinator, invited")
    yield "list"
    manager.page.get_by_role("button", name="Remove: door@example.com", exact=True).click()
    manager.press("Yes, remove")
    manager.see_heading("Just you so far")
    tier = manager.api.get(f"/events/{event_id}", token=manager.token).json["tiers"][0]
    assert manager.api.patch(f"/tiers/{tier['id']}", json={"price_cents": 9900, "on_sale": False}, token=manager.token).status == 200
    manager.go("History")
    manager.see("Ticket type changed")
    expect(manager.page.get_by_text("Team member's role changed")).to_have_count(1)
    yield "history"


def webhooks(manager: Manager) -> Iterator[str]:
    address = "http://127.0.0.1:9009/fairgate"
    manager.sign_up()
    builders.verify_address("promoter@example.com")
    manager.open("/webhooks")
    manager.fill("URL", "my server")
    manager.press("Add endpoint")
    expect(manager.page.get_by_label("URL", exact=True)).to_have_attribute("aria-invalid", "true")
    manager.see("Enter a URL of at most 2,000 characters without spaces or accented letters")
    yield "refused"
    with settings.override(webhook_targets="local"):
        manager.fill("URL", address)
        manager.page.get_by_label("Order paid").check()
        manager.press("Add endpoint")
        manager.see_heading("Copy the secret now")
        manager.page.get_by_role("button", name=f"Send a test: {address}").click()
        manager.see("Waiting")
        yield "list"
        manager.page.reload()
        manager.page.get_by_role("button", name=f"Turn off: {address}").click()
        manager.see("Turned off")
        expect(manager.page.get_by_role("heading", name="Copy the secret now")).to_have_count(0)


def failed_webhooks(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    builders.verify_address("promoter@example.com")
    promoter_id = manager.api.get("/auth/me", token=manager.token).json["id"]
    endpoints = f"/promoters/{promoter_id}/webhook-endpoints"
    with settings.override(webhook_targets="local"):
        endpoint_id = manager.api.post(endpoints, json={"url": "http://127.0.0.1:9009/fairgate"}, token=manager.token).json["id"]
        for _ in range(3):
            delivery = manager.api.post(f"{endpoints}/{endpoint_id}/test", token=manager.token).json
            manager.time.advance(60)
            assert store.give_up(endpoint_id, delivery["id"], manager.time.now)
    manager.open("/webhooks")
    manager.follow("Failed deliveries: http://127.0.0.1:9009/fairgate")
    expect(manager.page.locator(".questions > li")).to_have_count(3)
    yield "failed"
    manager.fill("From (optional)", "2026-05-02T10:00")
    manager.fill("Until (optional)", "2026-05-01T10:00")
    manager.press("Resend all")
    expect(manager.page.get_by_label("Until (optional)")).to_have_attribute("aria-invalid", "true")
    yield "refused"
    manager.fill("From (optional)", "")
    manager.fill("Until (optional)", "")
    manager.press("Resend all")
    manager.see("3 deliveries are being resent.")
    manager.see_heading("No failed deliveries")
    waiting = manager.api.get(f"{endpoints}/{endpoint_id}/deliveries?state=pending", token=manager.token).json
    assert len(waiting["deliveries"]) == 3
    yield "sent_again"


def webhooks_of_another(manager: Manager) -> Iterator[str]:
    manager.api.post("/auth/register", json={"email": "nora@example.com", "password": PASSWORD, "role": "promoter"})
    builders.verify_address("nora@example.com")
    token = manager.api.post("/auth/login", json={"email": "nora@example.com", "password": PASSWORD}).json["access_token"]
    promoter_id = manager.api.get("/auth/me", token=token).json["id"]
    with settings.override(webhook_targets="local"):
        endpoint = {"url": "http://127.0.0.1:9009/fairgate"}
        assert manager.api.post(f"/promoters/{promoter_id}/webhook-endpoints", json=endpoint, token=token).status == 201
    manager.sign_in_as_admin("/manage/users")
    manager.follow("This promoter's webhooks: nora@example.com")
    manager.see("These endpoints belong to another promoter")
    manager.see("http://127.0.0.1:9009/fairgate")
    manager.follow("Failed deliveries: http://127.0.0.1:9009/fairgate")
    manager.see_heading("No failed deliveries")
    manager.page.locator("a.back").click()
    manager.see("These endpoints belong to another promoter")
    yield "list"


TOURS: list[Tour] = [tickets, promo_codes, orders_by_transfer, people, webhooks, failed_webhooks, webhooks_of_another]
