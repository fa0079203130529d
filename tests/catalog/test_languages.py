"""Names and descriptions in several languages: the public documents, the pages and the feeds have those of the reader's language."""

import pytest

from chalicelib.audit import service as audit
from chalicelib.catalog.model import MAX_DATES, Event
from chalicelib.edge.languages import LANGUAGES
from chalicelib.foundation import clock
from tests import builders
from tests.catalog.requests import get

SPANISH = {"names": {"es": " Noche "}, "descriptions": {"es": "Una noche en el puerto."}}


@pytest.fixture
def shop(api, time):
    """A public event with a tier, each with texts in Spanish. The tier asks a question."""
    event_id, tier_id = builders.create_shop(api)
    for path in (f"/events/{event_id}", f"/tiers/{tier_id}"):
        own = {"names": {"es": "Pista"}} if path.startswith("/tiers") else {"description": "A night at the harbor."}
        assert api.patch(path, json=SPANISH | own, token=builders.admin_token()).status == 200
    return event_id, tier_id


def test_a_public_document_has_the_texts_of_a_language(api, shop):
    event_id, tier_id = shop
    shown = {language: api.get(f"/events/{event_id}", query={"language": language}).json for language in ("es", "de")}
    plain = api.get(f"/events/{event_id}").json
    assert plain.keys().isdisjoint(SPANISH)
    assert (plain["name"], plain["description"], plain["tiers"][0]["name"]) == ("Night", "A night at the harbor.", "Floor")
    assert (shown["es"]["name"], shown["es"]["description"]) == ("Noche", SPANISH["descriptions"]["es"])
    assert shown["de"] == plain
    tier = shown["es"]["tiers"][0]
    assert tier["name"] == "Pista"
    assert api.get(f"/tiers/{tier_id}?language=es").json == tier
    assert api.get(f"/events/{event_id}/tiers?language=es").json["tiers"] == [tier]
    assert api.get(f"/tiers/{tier_id}/availability?language=es").json["tier_name"] == "Pista"
    availability = api.get(f"/events/{event_id}/availability?language=es").json
    assert (availability["event_name"], availability["availability"][0]["tier_name"]) == ("Noche", "Pista")
    kinds = api.get("/tickets/types?language=es").json["ticket_types"]
    assert [(kind["event_name"], kind["name"]) for kind in kinds] == [("Noche", "Pista")]


@pytest.mark.parametrize("query", ["", "&q=night", "&q=puerto"])
def test_a_list_has_the_texts_of_a_language_and_a_search_finds_all_of_them(api, shop, query):
    assert [event["name"] for event in api.get(f"/events?language=es{query}").json] == ["Noche"]
    assert [event["name"] for event in api.get(f"/events?language=de{query}").json] == ["Night"]


def test_only_the_texts_that_are_read_are_translated(api, shop, monkeypatch):
    builders.create_shop(api)
    translated, in_language = [], Event.in_language
    monkeypatch.setattr(Event, "in_language", lambda event, language: translated.append(event.id) or in_language(event, language))
    assert api.get(f"/events/{shop[0]}?language=es").json["name"] == "Noche"
    assert set(translated) == {shop[0]}


def test_each_language_of_a_document_has_an_etag_that_a_change_renews(api, shop):
    path = f"/events/{shop[0]}"
    tags = {query: api.get(path + query).headers["ETag"] for query in ("", "?language=es", "?language=de")}
    assert tags["?language=es"] != tags[""] == tags["?language=de"]
    for query, tag in tags.items():
        assert api.get(path + query, headers={"If-None-Match": tag}).status == 304
    assert api.patch(path, json={"names": {}}, token=builders.admin_token()).status == 200
    changed = api.get(f"{path}?language=es", headers={"If-None-Match": tags["?language=es"]})
    assert (changed.status, changed.json["name"]) == (200, "Night")


def test_a_manager_sees_all_texts_and_on_request_those_of_a_language(api, shop):
    event_id, tier_id = shop
    for query, name in (("", "Night"), ("?language=es", "Noche")):
        event = get(api, f"/events/{event_id}{query}").json
        assert (event["name"], event["names"], event["descriptions"]) == (name, {"es": "Noche"}, SPANISH["descriptions"])
    assert get(api, f"/tiers/{tier_id}?language=es").json["name"] == "Pista"
    assert get(api, f"/events/{event_id}/tiers?language=es").json["tiers"][0]["name"] == "Pista"


@pytest.mark.parametrize(
    ("texts", "path", "message"),
    [
        ({"names": {"de": "Nacht", "es": " "}}, "$.names.es", "The text is not in the expected format. Text that is not blank."),
        ({"names": {"de": "x" * 201, "es": "Noche"}}, "$.names.de", "Expected `str` of length <= 200."),
        ({"descriptions": {"es": "x" * 10_001}}, "$.descriptions.es", "Expected `str` of length <= 10000."),
        ({"names": {"fr": "Nuit"}}, "$.names", "Invalid enum value 'fr'; allowed: de, en, es."),
    ],
)
def test_an_error_names_the_language(api, shop, texts, path, message):
    refused = api.patch(f"/events/{shop[0]}", json=texts, token=builders.admin_token())
    assert (refused.status, refused.json["path"], refused.json["message"]) == (400, path, message)


def test_pages_feeds_and_calendars_have_the_readers_language(api, shop):
    path = f"/events/{shop[0]}"
    for page in ("/", path, "/events/feed.rss", "/events/feed.json", "/events/feed.ics"):
        texts = {
            language: api.get("/pages/index.html", query={"path": page, "language": language}).body.decode() for language in ("es", "de")
        }
        assert ("Noche" in texts["es"], "Noche" in texts["de"]) == (True, False), page
        assert ("Night" in texts["es"], "Night" in texts["de"]) == (False, True), page
    header = {"Accept-Language": "es"}
    for address in ("preview", "calendar.ics"):
        assert "Noche" in api.get(f"{path}/{address}", headers=header).body.decode()
    assert "SUMMARY:Night" in api.get(f"{path}/calendar.ics?language=de", headers=header).body.decode()
    content = api.get("/pages/index.html", query={"path": path, "language": "es"}).body.decode()
    assert '"name":"Noche"' in content  # for search engines
    assert "Pista" in content


def test_dates_have_names_in_languages(api, shop):
    event_id, _ = shop
    dates = [{"id": "one", "starts_at": "2026-07-15T19:00:00Z", "name": "Opening", "names": {"es": "Estreno"}}]
    dates.append({"id": "two", "starts_at": "2026-07-16T19:00:00Z", "names": {"es": "Clausura"}})
    changed = api.patch(f"/events/{event_id}", json={"dates": dates}, token=builders.admin_token())
    assert [date["names"] for date in changed.json["dates"]] == [{"es": "Estreno"}, {"es": "Clausura"}]
    shown = {
        language: [date.get("name") for date in api.get(f"/events/{event_id}?language={language}").json["dates"]]
        for language in ("es", "de")
    }
    assert shown == {"es": ["Estreno", "Clausura"], "de": ["Opening", None]}
    refused = api.patch(f"/events/{event_id}", json={"dates": [dates[0] | {"names": {"xx": "?"}}]}, token=builders.admin_token())
    assert (refused.status, refused.json["path"]) == (400, "$.dates[0].names")


def test_tickets_have_the_names_of_dates_and_reasons_only_in_the_language_of_their_owner(api, shop):
    event_id, tier_id = shop
    dates = [{"id": day, "starts_at": f"2026-07-{15 + number}T19:00:00Z", "names": {"es": "Estreno"}} for number, day in enumerate("ab")]
    assert api.patch(f"/events/{event_id}", json={"dates": dates}, token=builders.admin_token()).status == 200
    builders.buy(api, "ada", event_id, tier_id)
    cancellation = {"date_id": "b", "reason": "Flood", "reasons": {"es": "Agua"}}
    assert api.post(f"/events/{event_id}/cancel", json=cancellation, token=builders.admin_token()).status == 200
    [ticket] = api.get("/tickets", user="ada", headers={"Accept-Language": "es"}).json["tickets"]
    assert [(date["name"], "names" in date) for date in ticket["event"]["dates"]] == [("Estreno", False)] * 2
    assert ticket["event"]["cancelled_dates"] == [{"id": "b", "reason": "Agua"}]


def test_the_longest_texts_in_all_languages_can_be_changed(api, time):
    """The audit log keeps them before and after the change, and DynamoDB refuses items of more than 400 KB."""
    event_id = builders.create_event(api)
    for sign in ("\N{GRINNING FACE}", "\N{WINKING FACE}"):
        dates = [
            {"id": f"date-{number}", "starts_at": clock.iso(time.now + number * 86_400), "name": sign * 100, "venue": sign * 100}
            for number in range(1, MAX_DATES + 1)
        ]
        descriptions = dict.fromkeys(LANGUAGES, sign * 10_000)
        body = {"description": sign * 10_000, "descriptions": descriptions, "dates": dates, "metadata": {"note": sign * 2000}}
        reply = api.patch(f"/events/{event_id}", json=body, token=builders.admin_token())
        assert reply.status == 200, reply.json
    assert len(audit.list_entries(f"event#{event_id}")) == 3
