"""Promoters' texts in several languages: the shop and the widget show those of the page's language, and managers type them."""

import pytest
from playwright.sync_api import expect

from tests import builders
from tests.browser.managers import Manager
from tests.browser.page_checks import check
from tests.checkin.test_dates import Tour


@pytest.fixture
def shop(api, time):
    """A public event with a tier and a question, each with texts in Spanish."""
    event_id, tier_id = builders.create_shop(api)
    texts = {"names": {"es": "Noche"}, "descriptions": {"es": "Una noche en el puerto."}}
    for path, changes in (
        (f"/events/{event_id}", texts | {"description": "A night at the harbor."}),
        (f"/tiers/{tier_id}", {"names": {"es": "Pista"}}),
    ):
        assert api.patch(path, json=changes, token=builders.admin_token()).status == 200
    question = {"label": "Diet", "labels": {"es": "Dieta"}, "option_type": "text_input", "is_required": False}
    path = f"/admin/events/{event_id}/tickets/packages/{tier_id}/options"
    assert api.post(path, json=question, token=builders.admin_token()).status == 201
    return event_id, tier_id


def requests_of(page, origin):
    """Return the paths of the API that the page requests from now on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(f"{origin}/api/v1")) if "/api/v1/" in request.url else None)
    return asked


def test_the_shop_shows_the_texts_of_the_page_s_language_and_asks_again_only_for_them(new_buyer, origin, shop):
    event_id, _ = shop
    buyer = new_buyer(locale="es-ES")
    buyer.page.goto("/")
    expect(buyer.page.get_by_role("heading", name="Noche")).to_be_visible()
    asked = requests_of(buyer.page, origin)
    buyer.page.get_by_label("Idioma").select_option("en")
    expect(buyer.page.get_by_role("heading", name="Night")).to_be_visible()
    assert asked == ["/events?language=en"]
    buyer.page.get_by_role("link", name="Night").click()
    expect(buyer.page.get_by_text("A night at the harbor.")).to_be_visible()
    expect(buyer.page.get_by_role("heading", name="Floor")).to_be_visible()
    asked.clear()
    buyer.page.get_by_label("Language").select_option("es")
    expect(buyer.page.get_by_text("Una noche en el puerto.")).to_be_visible()
    expect(buyer.page.get_by_role("heading", name="Pista")).to_be_visible()
    assert [path for path in asked if "language" in path] == [f"/events/{event_id}?language=es"]
    expect(buyer.page).to_have_title("Noche · Fairgate")
    check(buyer.page, "event_in_spanish")


def test_a_page_of_nothing_does_not_ask_again(new_buyer, origin, time):
    page = new_buyer(locale="es-ES").page
    asked = requests_of(page, origin)
    page.goto("/events/nowhere")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.get_by_label("Idioma").select_option("en")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert [path for path in asked if path.endswith("language=en")] == []


def test_the_checkout_and_the_tickets_have_the_texts_of_the_page_s_language(new_buyer, origin, api, shop):
    event_id, _ = shop
    buyer = new_buyer(locale="en-US")
    buyer.page.goto(f"/events/{event_id}")
    buyer.page.get_by_label("Language").select_option("es")
    expect(buyer.page.get_by_role("heading", name="Pista")).to_be_visible()
    buyer.language = "es"
    buyer.choose("Pista", 1)
    buyer.give_address()
    expect(buyer.page.get_by_text("1 × Pista")).to_be_visible()
    expect(buyer.page.get_by_label("Dieta")).to_be_visible()
    asked = requests_of(buyer.page, origin)
    buyer.page.get_by_label("Idioma").select_option("en")
    expect(buyer.page.get_by_text("1 × Floor")).to_be_visible()
    expect(buyer.page.get_by_label("Diet")).to_be_visible()
    assert asked == [f"/events/{event_id}?language=en"]
    buyer.page.get_by_label("Language").select_option("es")
    buyer.pay()
    buyer.see_tickets(1)
    expect(buyer.page.get_by_role("heading", name="Noche")).to_be_visible()


def publish_legal_texts(api, owner, *languages_of_kinds):
    """Publish legal texts, each given as `kind/language`. Returns the path of each text's page."""
    paths = {}
    for name in languages_of_kinds:
        body = {"text": f"{owner} {name}"}
        published = api.put(f"/promoters/{owner}/legal-texts/{name}", json=body, token=builders.admin_token()).json["legal_texts"]
        paths |= {f"{text['kind']}/{text['language']}": f"/legal/{text['id']}" for text in published}
    return paths


@pytest.mark.parametrize(
    ("locale", "kinds", "languages"),
    [
        ("en-US", ("Accessibility", "Legal notice", "Privacy", "Refund policy", "Terms"), ("en", "en", "fr", "es", "en")),
        (
            "es-ES",
            ("Accesibilidad", "Aviso legal", "Privacidad", "Política de devoluciones", "Condiciones"),
            ("en", "es", "fr", "es", "es"),
        ),
        ("de-DE", ("Barrierefreiheit", "Impressum", "Datenschutz", "Erstattungen", "AGB"), ("en", "en", "fr", "es", "de")),
    ],
)
def test_an_events_page_and_checkout_link_the_sellers_legal_texts_in_the_page_s_language(new_buyer, api, shop, locale, kinds, languages):
    """A text that is not there in the page's language is linked in English, or else in the first language that it has."""
    event_id, _ = shop
    for path, body in (("/promoters/pat", {"name": "Pat", "verified": True}), ("/promoters/pia", {"name": "Pia", "verified": True})):
        assert api.put(path, json=body, token=builders.admin_token()).status == 200
    assert api.patch(f"/events/{event_id}", json={"promoter_id": "pat"}, token=builders.admin_token()).status == 200
    names = ("accessibility/en", "imprint/es", "imprint/en", "privacy/fr", "refunds/it", "refunds/es", "terms/es", "terms/de", "terms/en")
    paths = publish_legal_texts(api, "pat", *names)
    for other in ("pia", "shop"):
        publish_legal_texts(api, other, "accessibility/en", "imprint/en", "terms/de", "terms/en", "terms/es")
    expected = [
        paths[f"{kind}/{language}"]
        for kind, language in zip(("accessibility", "imprint", "privacy", "refunds", "terms"), languages, strict=True)
    ]
    buyer = new_buyer(locale=locale)
    buyer.language = locale[:2]
    page = buyer.page
    page.goto(f"/events/{event_id}")
    links = page.locator(".seller").get_by_role("link").and_(page.locator("[href^='/legal/']"))
    expect(links).to_have_text(kinds)
    assert [link.get_attribute("href") for link in links.all()] == expected
    buyer.choose("Pista" if buyer.language == "es" else "Floor", 1)
    expect(links).to_have_text(kinds)
    accepted = page.get_by_role("link", name=buyer.say("By continuing, you accept the seller's terms"))
    expect(accepted).to_have_attribute("href", expected[-1])
    with page.context.expect_page() as opened:
        accepted.click()
    expect(opened.value.locator("[lang]").get_by_text(f"pat terms/{languages[-1]}")).to_be_visible()
    with page.expect_request("**/checkout/sessions") as sent:
        buyer.pay()
    assert f"/legal/{sent.value.post_data_json['accepted_terms']}" == expected[-1]
    buyer.see_tickets(1)


def test_managers_type_texts_in_other_languages(new_buyer, origin, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_up()
    event_id = manager.create_event("Nova Lights")
    manager.open(f"/events/{event_id}/facts")
    manager.page.get_by_text("Other languages").click()
    manager.fill("Name, Español", "Luces Nova")
    manager.fill("Description, Deutsch", "Ein Abend.")
    check(manager.page, "edit_event_languages")
    manager.press("Save")
    expect(manager.page.get_by_text("Saved", exact=True)).to_be_visible()
    event = api.get(f"/events/{event_id}", token=manager.token).json
    assert (event["names"], event["descriptions"]) == ({"es": "Luces Nova"}, {"de": "Ein Abend."})
    manager.page.reload()
    manager.page.get_by_text("Other languages").click()
    expect(manager.page.get_by_label("Name, Español")).to_have_value("Luces Nova")
    manager.fill("Name, Español", "")
    manager.press("Save")
    expect(manager.page.get_by_text("Saved", exact=True)).to_be_visible()
    assert api.get(f"/events/{event_id}", token=manager.token).json["names"] == {}


def test_managers_type_texts_of_tickets_and_questions(new_buyer, origin, api, time):
    manager = Manager(new_buyer().page, api, time)
    manager.sign_up()
    event_id = manager.create_event("Nova Lights")
    [tier] = api.get(f"/events/{event_id}", token=manager.token).json["tiers"]
    manager.open(f"/events/{event_id}/tickets/{tier['id']}")
    manager.page.get_by_text("Other languages").click()
    manager.fill("Name, Español", "Primeras filas")
    check(manager.page, "edit_ticket_languages")
    manager.press("Save")
    expect(manager.page.get_by_text("Saved", exact=True)).to_be_visible()
    manager.press("Add a question")
    form = manager.page.locator(".question-form")
    form.get_by_label("Question", exact=True).fill("Diet")
    form.get_by_text("Other languages").click()
    form.get_by_label("Question, Español").fill("Dieta")
    manager.press("Save question")
    expect(manager.page.get_by_text("Diet", exact=True)).to_be_visible()
    [tier] = api.get(f"/events/{event_id}", token=manager.token).json["tiers"]
    assert (tier["names"], tier["options"][0]["labels"]) == ({"es": "Primeras filas"}, {"es": "Dieta"})


def test_managers_type_names_of_dates(new_buyer, origin, api, time):
    tour = Tour(api, time)
    tour.change(dates=[tour.dates[0] | {"names": {"de": "Freitags"}}, *tour.dates[1:]])
    manager = Manager(new_buyer().page, api, time)
    manager.sign_in_as_admin(f"/manage/events/{tour.event_id}/facts")
    first = manager.page.get_by_role("group", name="Date 1")
    first.get_by_text("Other languages").click()
    expect(first.get_by_label("Name (optional), Deutsch")).to_have_value("Freitags")
    first.get_by_label("Name (optional), Deutsch").fill("")
    first.get_by_label("Name (optional), Español").fill("Viernes")
    check(manager.page, "date_languages")
    with manager.page.expect_response(lambda reply: reply.request.method == "PATCH") as saved:
        manager.press("Save dates")
    assert [date.get("names", {}) for date in saved.value.json()["dates"]] == [{"es": "Viernes"}, {}, {}]
    first.get_by_text("Other languages").click()
    first.get_by_label("Name (optional), Español").evaluate("input => input.maxLength = 200")
    first.get_by_label("Name (optional), Español").fill("x" * 101)
    manager.press("Save dates")
    expect(first.get_by_label("Name (optional), Español")).to_be_focused()


def test_managers_type_choices_of_questions(new_buyer, origin, api, time, shop):
    event_id, tier_id = shop
    path = f"/admin/events/{event_id}/tickets/packages/{tier_id}/options"
    question = {
        "label": "Dinner",
        "option_type": "multi_select",
        "choices": ["Fish", "Vegan"],
        "other_choices": {"de": ["Fisch", "Veggie"]},
    }
    assert api.post(path, json=question, token=builders.admin_token()).status == 201
    manager = Manager(new_buyer().page, api, time)
    manager.sign_in_as_admin(f"/manage/events/{event_id}/tickets/{tier_id}")
    manager.press("Edit: Dinner")
    form = manager.page.locator(".question-form")
    form.get_by_text("Other languages").nth(1).click()
    expect(form.get_by_label("Choices, Deutsch")).to_have_value("Fisch, Veggie")
    form.get_by_label("Choices, Español").fill("Pescado")
    manager.press("Save changes")
    expect(form.get_by_text("Write all choices in this language, in the same order, each different.")).to_be_visible()
    check(manager.page, "choice_languages")
    form.get_by_label("Choices, Español").fill("Pescado, Vegano")
    manager.press("Save changes")
    expect(form).to_have_count(0)
    options = api.get(f"/events/{event_id}", token=builders.admin_token()).json["tiers"][0]["options"]
    assert [option["other_choices"] for option in options] == [{}, {"de": ["Fisch", "Veggie"], "es": ["Pescado", "Vegano"]}]


def test_a_manager_cancels_with_a_reason_in_several_languages(new_buyer, origin, api, time, shop):
    event_id, _ = shop
    manager = Manager(new_buyer().page, api, time)
    manager.sign_in_as_admin(f"/manage/events/{event_id}")
    manager.press("Cancel the event")
    dialog = manager.page.get_by_role("dialog")
    dialog.get_by_label("Reason (optional)", exact=True).fill("The hall is flooded.")
    dialog.get_by_text("Other languages").click()
    dialog.get_by_label("Reason (optional), Español").fill("La sala se ha inundado.")
    check(manager.page, "cancel_languages")
    dialog.get_by_label("To confirm, type the name of the event: Night").fill("Night")
    manager.press("Yes, cancel the event")
    manager.see_heading("This event is cancelled")
    manager.see("The hall is flooded.")
    buyer = new_buyer(locale="es-ES")
    buyer.page.goto(f"/events/{event_id}")
    expect(buyer.page.get_by_text("La sala se ha inundado.")).to_be_visible()


def test_an_announcement_in_several_languages_is_kept_until_it_is_sent(new_buyer, origin, api, time, shop):
    event_id, _ = shop
    manager = Manager(new_buyer().page, api, time)
    manager.sign_in_as_admin(f"/manage/events/{event_id}/messages")
    manager.fill("Subject", "Doors")
    manager.fill("Message", "From six.")
    manager.page.get_by_text("Other languages").click()
    manager.fill("Subject, Español", "Puertas")
    manager.fill("Message, Español", "Desde las seis.")
    check(manager.page, "announcement_languages")
    manager.page.locator("[name=send_at]").fill("2026-06-20T12:00")
    manager.press("Preview")
    manager.press("Schedule")
    manager.press("Yes, send it")
    manager.see("Saved. The emails go out at the chosen time")
    [saved] = api.get(f"/admin/events/{event_id}/announcements", token=manager.token).json["announcements"]
    assert (saved["subjects"], saved["texts"]) == ({"es": "Puertas"}, {"es": "Desde las seis."})


ARABIC = {"name": "مهرجان الموسيقى (بيروت) 2026!", "description": "حفل في الميناء، يبدأ مع Fairgate!", "venue": "قاعة المدينة!"}
# Where the first and the last character of an element's text are drawn, from the left, and the sides of its box.
FIND_ENDS = """element => {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const node = walker.nextNode();
  const place = (at) => {
    const range = document.createRange();
    range.setStart(node, at);
    range.setEnd(node, at + 1);
    return range.getBoundingClientRect();
  };
  return [place(0).left, place(node.length - 1).left];
}"""


def test_texts_that_are_read_from_the_right_have_their_own_direction(new_buyer, api, time):
    """The mark at the end of a text is at its left, although the page is read from left to right. A code stays as it is."""
    event_id, tier_id = builders.create_shop(api)
    assert api.patch(f"/events/{event_id}", json=ARABIC, token=builders.admin_token()).status == 200
    assert (
        api.patch(f"/tiers/{tier_id}", json={"name": "أرض!", "description": ARABIC["description"]}, token=builders.admin_token()).status
        == 200
    )
    page = new_buyer().page
    page.goto("/")
    places = [page.get_by_role("heading", name=ARABIC["name"]), page.get_by_text(ARABIC["venue"])]
    assert_read_from_the_right(*places)
    check(page, "store_in_arabic")
    page.get_by_role("link", name=ARABIC["name"]).click()
    expect(page.get_by_role("heading", name="أرض!")).to_be_visible()
    places = [page.get_by_role("heading", name=ARABIC["name"]), page.get_by_text(ARABIC["venue"]), page.get_by_role("heading", name="أرض!")]
    assert_read_from_the_right(*places, *page.get_by_text(ARABIC["description"]).all())
    first, last = page.get_by_text("On sale", exact=True).first.evaluate(FIND_ENDS)
    assert first < last
    check(page, "event_in_arabic")


def assert_read_from_the_right(*places):
    for place in places:
        expect(place.first).to_be_visible()
        first, last = place.first.evaluate(FIND_ENDS)
        assert first > last, place
