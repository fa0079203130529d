"""The pages in one language at a time: only that one is loaded, and one that cannot be loaded breaks nothing."""

import re

from playwright.sync_api import expect


def test_only_the_language_of_the_page_is_loaded(new_buyer, origin):
    buyer = new_buyer(locale="es-ES")
    loaded: list[str] = []
    buyer.page.on("request", lambda request: loaded.extend(re.findall(r"/assets/(en|es)-", request.url)))
    buyer.page.goto("/")
    buyer.see("No hay eventos en este momento")
    assert loaded == ["es"]
    buyer.page.get_by_label("Idioma").select_option("en")
    buyer.see("There are no events at the moment")
    assert loaded == ["es", "en"]
    assert buyer.page.evaluate("document.documentElement.lang") == "en"
    buyer.page.reload()
    buyer.see("There are no events at the moment")


def test_a_language_that_cannot_be_loaded_leaves_the_page_as_it_is(new_buyer, origin):
    buyer = new_buyer()
    buyer.page.goto("/")
    buyer.page.route("**/assets/es-*", lambda route: route.abort())
    buyer.page.get_by_label("Language").select_option("es")
    expect(buyer.page.get_by_label("Language")).to_have_value("en")
    buyer.see("There are no events at the moment")


def test_a_page_without_any_language_says_so_in_all_of_them_and_can_be_loaded_again(new_buyer, origin):
    buyer = new_buyer()
    buyer.page.route("**/assets/en-*", lambda route: route.abort())
    buyer.page.goto("/")
    buyer.see("The page could not be loaded completely.")
    buyer.see("La página no se ha cargado por completo.")
    buyer.page.unroute_all()
    buyer.page.get_by_role("button").click()
    buyer.see("There are no events at the moment")
