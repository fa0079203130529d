"""The pages load one language at a time, and a language that cannot be loaded breaks nothing."""

import re
from typing import get_args

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.catalog import service as catalog
from chalicelib.edge.languages import DIRECTIONS, Language
from chalicelib.foundation import settings
from tests import builders
from tests.accounts.conftest import mailbox, register  # noqa: F401
from tests.bootstrap.conftest import event, ticket
from tests.browser.async_checks import wait_until
from tests.browser.doors import door, new_staff  # noqa: F401
from tests.browser.managers import FRONT_ROWS, Manager
from tests.browser.page_checks import check

_TEXTS = rf"/assets/({'|'.join(get_args(Language))})-"
KEEPS_SPANISH = """async () => {
  const files = await (await caches.open("fairgate-door-shell")).keys();
  return files.filter(({ url }) => url.includes("/assets/es-")).length === 2;
}"""


def loads(page: Page) -> list[str]:
    """Return the languages of the files that the page loads from now on, once for all pages and once for the entry's own."""
    loaded: list[str] = []
    page.on("request", lambda request: loaded.extend(re.findall(_TEXTS, request.url)))
    return loaded


def test_only_the_language_of_the_page_is_loaded(new_buyer, origin):
    buyer = new_buyer(locale="es-ES")
    loaded = loads(buyer.page)
    buyer.page.goto("/")
    buyer.see("No hay eventos en este momento")
    assert loaded == ["es"]
    buyer.page.get_by_label("Idioma").select_option("en")
    buyer.see("There are no events at the moment")
    assert loaded == ["es", "en"]
    expect(buyer.page.locator("html")).to_have_attribute("lang", "en")
    buyer.page.reload()
    buyer.see("There are no events at the moment")


def write_spanish_from_the_right(context: BrowserContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Spanish be a language that is written from right to left, as its files would say it."""
    monkeypatch.setitem(DIRECTIONS, "es", "rtl")

    def change(route: Route) -> None:
        reply = route.fetch()
        route.fulfill(response=reply, body=re.sub(r"name:(.)Español\1", r'dir:"rtl",\g<0>', reply.text()))

    context.route(re.compile(r"/assets/.*\.js|/widget\.js"), change)


def test_a_language_that_is_written_from_right_to_left_mirrors_the_pages(new_buyer, api, time, monkeypatch):
    event_id, _ = builders.create_shop(api)
    page = new_buyer(locale="es-ES").page
    write_spanish_from_the_right(page.context, monkeypatch)
    page.set_viewport_size({"width": 320, "height": 640})
    for address in ("/", f"/events/{event_id}", "/tickets", "/manage", "/door"):
        page.goto(address)
        for language, direction in (("es", "rtl"), ("en", "ltr"), ("es", "rtl")):
            page.locator("footer select").select_option(language)
            expect(page.locator(f"html[lang={language}]")).to_have_attribute("dir", direction)
            brand = page.locator(".brand").first.bounding_box()
            assert (brand["x"] + brand["width"] / 2 > 160) == (direction == "rtl"), address
            wait_until(page, "() => document.documentElement.scrollWidth <= 320")


@pytest.mark.parametrize("has_mailbox", [True])
def test_in_a_local_run_every_page_links_to_its_emails(new_buyer, origin, has_mailbox):
    page = new_buyer(locale="es-ES").page
    for address in ("/", "/tickets", "/manage", "/door"):
        page.goto(address)
        with page.context.expect_page() as opened:
            page.get_by_role("contentinfo").get_by_role("link", name="Correos de esta tienda local").click()
        expect(opened.value).to_have_url(f"{origin}/dev/mailbox")
        expect(opened.value.get_by_text("No mails yet.")).to_be_visible()
        opened.value.close()
    page.get_by_label("Idioma").select_option("en")
    expect(page.get_by_role("link", name="Emails sent by this local shop")).to_be_visible()


def test_elsewhere_no_page_links_to_emails(new_buyer, origin):
    page = new_buyer().page
    page.goto("/")
    expect(page.get_by_role("contentinfo").get_by_role("link")).to_have_text(["Sell tickets", "Legal notice and privacy"])


def test_every_page_links_to_the_legal_texts_of_the_shop(new_buyer, origin):
    page = new_buyer().page
    with settings.override(legal_url="https://legal.test/terms"):
        for address in ("/", "/tickets", "/manage", "/door"):
            page.goto(address)
            expect(page.get_by_label("Language")).to_be_visible()  # by the scripts
            link = page.get_by_role("contentinfo").get_by_role("link", name="Legal notice and privacy")
            expect(link).to_have_attribute("href", "https://legal.test/terms")


def test_a_page_stays_as_it_is_until_its_new_language_has_loaded(new_buyer, origin):
    buyer = new_buyer()
    buyer.page.goto("/")
    buyer.page.route("**/assets/es-*", lambda route: route.abort())
    buyer.page.get_by_label("Language").select_option("es")
    buyer.see("Español could not be loaded, so this page stays in English.")
    expect(buyer.page.get_by_label("Language")).to_have_value("en")
    buyer.see("There are no events at the moment")
    buyer.page.unroute_all()
    buyer.page.reload()
    buyer.see("No hay eventos en este momento")
    expect(buyer.page.locator(".language-missing")).to_be_hidden()


def test_a_page_falls_back_to_another_language_until_the_next_visit(new_buyer, origin):
    buyer = new_buyer(locale="es-ES")
    buyer.page.route("**/assets/es-*", lambda route: route.abort())
    buyer.page.goto("/")
    buyer.see("Español could not be loaded, so this page stays in English.")
    buyer.see("There are no events at the moment")
    buyer.page.unroute_all()
    buyer.page.reload()
    buyer.see("No hay eventos en este momento")


def test_a_page_without_any_language_says_so_in_all_languages(new_buyer, origin):
    buyer = new_buyer()
    buyer.page.route(re.compile(_TEXTS), lambda route: route.abort())
    buyer.page.goto("/")
    buyer.see("This page did not load completely.")
    buyer.see("La página no se ha cargado por completo.")
    buyer.page.unroute_all()
    buyer.page.get_by_role("button").click()
    buyer.see("There are no events at the moment")


def test_managers_load_one_language_and_keep_what_they_typed(new_buyer, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_up()
    loaded = loads(manager.page)
    manager.open("/events/new")
    manager.fill("Name", "City Strings")
    assert loaded == ["en", "en"]
    manager.page.get_by_label("Language").select_option("es")
    manager.see_heading("Evento nuevo")
    assert loaded == ["en", "en", "es", "es"]
    expect(manager.page.get_by_label("Nombre", exact=True)).to_have_value("City Strings")
    manager.fill("Recinto", "Orchard Concert House")
    manager.page.get_by_label("Idioma").select_option("en")
    manager.see_heading("New event")
    expect(manager.page.get_by_label("Venue", exact=True)).to_have_value("Orchard Concert House")
    manager.press("Create draft")
    manager.see_heading("Nothing to sell yet")


@pytest.mark.parametrize("language", get_args(Language))
def test_managers_read_their_pages_in_the_language_of_their_browser(new_buyer, api, time, language):
    """The main pages, and why a field is refused. `test_pages.py` checks that all pages fit a phone in each language."""
    manager = Manager(new_buyer(locale=f"{language}-{'US' if language == 'en' else language.upper()}").page, api, time)
    manager.language = language
    manager.sign_up()
    event_id = manager.create_event()
    manager.publish(event_id)
    pages = {
        "": "Your events",
        f"/events/{event_id}/facts": "Details",
        f"/events/{event_id}/tickets": "Tickets",
        f"/events/{event_id}/orders": "Orders",
        f"/events/{event_id}/live": "Live sale",
        f"/events/{event_id}/history": "History",
        "/profile": "Your profile",
        "/events/new": "New event",
    }
    for path, heading in pages.items():
        manager.open(path)
        expect(manager.page.get_by_role("heading", name=manager.say(heading), exact=True)).to_be_visible()
        expect(manager.page.locator("html")).to_have_attribute("lang", language)
    manager.fill("Name", "City Strings")
    manager.fill("Starts", "2030-12-01T19:30")
    manager.page.locator("[name=ends_at]").fill("2030-12-01T18:30")
    manager.press("Create draft")
    manager.see("The event must end after it starts.")
    expect(manager.page.locator("[name=ends_at]")).to_be_focused()


def test_a_refusal_without_a_field_is_not_shown_as_a_fault_of_the_shop(new_buyer, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_up()
    manager.open("/events/new")
    refusal = {"error": "invalid_input", "message": "Only English.", "path": "$.metadata", "request_id": "r-1"}
    manager.page.route("**/api/v1/events", lambda route: route.fulfill(status=400, json=refusal))
    manager.page.get_by_label("Language").select_option("es")
    manager.fill("Nombre", "City Strings")
    manager.press("Crear borrador")
    manager.see("Revisa lo que has escrito aquí.")


def test_a_search_and_its_results_stay_when_the_language_changes(new_buyer, api, time):
    assert register(api, "ada@example.com").status == 201
    manager = Manager(new_buyer().page, api, time)
    manager.sign_in_as_admin("/manage/users")
    manager.fill("Email address, user ID, order number or code", "ada@")
    manager.press("Search")
    manager.press("Make promoter: ada@example.com")
    manager.page.get_by_role("dialog").get_by_role("button", name="Make promoter").click()
    manager.see("ada@example.com is now a promoter.")
    manager.see_in_spanish("ada@example.com ahora es promotor.")
    expect(manager.page.get_by_label("Email address, user ID")).to_have_value("ada@")


def test_the_new_place_of_a_tier_is_shown_in_the_current_language(new_buyer, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_up()
    event_id = manager.create_event(tiers=[FRONT_ROWS, {**FRONT_ROWS, "name": "Balcony"}])
    manager.open(f"/events/{event_id}/tickets")
    manager.press("Move down: Front rows")
    status = manager.page.get_by_role("status")
    expect(status.filter(has_text="Front rows is now number 2 of 2.")).to_be_attached()
    manager.page.get_by_label("Language").select_option("es")
    expect(status.filter(has_text="Front rows ocupa ahora el puesto 2 de 2.")).to_be_attached()


def test_refusals_and_changes_of_a_plan_are_in_spanish(new_buyer, api, time):
    tickets = {"pass": ticket("pass", max_quantity=2)}
    tree = {"version": "1", "events": {"fest": event("fest", metadata={"capacity": 1})}, "ticket_types": tickets}
    rollout.apply(validate_tree(tree), "ada", time.now)
    tickets["pass"] = ticket("pass", max_quantity=10)
    tickets["vip"] = ticket("vip", name="Balcony", price_cents=6000)
    rollout.apply(validate_tree(tree), "ada", time.now)
    builders.buy(api, "ada", "fest", "pass", 3)
    catalog.record_attempt("catalog.applied", "ada", time.now, {"version": 9, "diff": ["~ tier old: written by an earlier release"]})
    manager = Manager(new_buyer().page, api, time)
    manager.sign_in_as_admin("/manage/catalog")
    manager.page.get_by_label("Language").select_option("es")
    manager.page.get_by_role("listitem").filter(has_text="Versión 9").get_by_text("Qué cambió").click()
    manager.see("~ tier old: written by an earlier release")
    manager.page.get_by_role("listitem").filter(has_text="En vigor").get_by_text("Qué cambió").click()
    manager.see("Nuevo: tipo de entrada")
    manager.see("No ha existido antes.")
    manager.see("US$")
    check(manager.page, "catalog_log")
    manager.follow("Restore version 1")
    manager.see("2 tickets are too few: 3 sold, 0 on hold. The minimum is 3.")
    manager.page.get_by_label("Language").select_option("es")
    manager.see("2 entradas son pocas: 3 vendidas, 0 reservadas. El mínimo es 3.")
    manager.see("Su aforo de 1 es menor que las 2 entradas que suman sus tipos. Reduce esas cantidades o aumenta el aforo.")
    check(manager.page, "catalog_refused")


def test_pages_of_managers_fall_back_to_a_complete_language(new_buyer, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_up()
    manager.open("/profile")
    requested: list[str] = []

    def answer_once(route: Route) -> None:
        requested.append(route.request.url)
        route.abort() if len(requested) > 1 else route.continue_()

    manager.page.route("**/assets/es-*", answer_once)
    manager.page.get_by_label("Language").select_option("es")
    manager.see("Español could not be loaded, so this page stays in English.")
    manager.see_heading("Your profile")
    assert len(requested) == 2


def test_the_door_opens_without_a_network_in_the_language_that_was_chosen(door, new_staff):  # noqa: F811
    [ticket] = door.sell(name="Ada Lovelace")
    staff = new_staff()
    staff.page.evaluate("performance.setResourceTimingBufferSize(0)")  # full, as after some hours
    staff.page.get_by_label("Language").select_option("es")
    staff.see_state("Con conexión")
    wait_until(staff.page, KEEPS_SPANISH)
    staff.page.context.set_offline(True)
    staff.page.reload()
    staff.see_state("Sin conexión")
    staff.page.get_by_label("Código, nombre o número").fill(ticket.code)
    staff.page.keyboard.press("Enter")
    staff.see_verdict("Adelante", "Ada Lovelace")


def test_a_door_without_its_language_says_so_and_still_admits_people(door, new_staff):  # noqa: F811
    [ticket] = door.sell()
    staff = new_staff()
    staff.lose_network()
    staff.page.get_by_label("Code, name or number").fill(ticket.code[:4])
    staff.page.get_by_label("Language").select_option("es")
    expect(staff.page.get_by_text("Español could not be loaded, so this page stays in English.")).to_be_visible()
    expect(staff.page.get_by_label("Code, name or number")).to_have_value(ticket.code[:4])
    staff.page.reload()
    expect(staff.page.get_by_text("Español could not be loaded, so this page stays in English.")).to_be_visible()
    staff.type(ticket.code)
    staff.see_verdict("Come in")
