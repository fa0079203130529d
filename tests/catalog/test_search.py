"""The list of public events with filters and pages."""

from urllib.parse import parse_qsl

import pytest

from chalicelib.catalog import response_cache, search
from chalicelib.foundation import clock
from tests import builders
from tests.catalog.requests import create_draft, create_kind, create_published, promoter
from tests.simulation.call_log import record_calls

pytestmark = pytest.mark.usefixtures("time")


def publish(api, name, **fields):
    event_id = create_draft(api, name=name, **fields)["id"]
    create_kind(api, event_id)
    assert api.post(f"/events/{event_id}/publish", **promoter()).status == 200


def names(api, **query):
    reply = api.get("/events", query=query)
    assert reply.status == 200, reply.json
    return [event["name"] for event in reply.json]


@pytest.fixture
def _events(api, time):
    publish(api, "Metallica", venue="Hallenstadion", city="Zürich", category="Rock", starts_at="2026-07-01T20:00:00Z")
    publish(api, "Jazz in der Halle", venue="Kaserne", city="Basel", category="jazz", starts_at="2026-07-02T20:00:00Z")
    publish(api, "Lesung", venue="Café Zähringer", city="Zürich", description="Jazz und Texte", starts_at="2026-08-01T20:00:00Z")
    create_draft(api, name="Metallica, not yet public")


@pytest.mark.usefixtures("_events")
def test_after_an_edit_only_the_words_of_the_changed_event_are_indexed(api, monkeypatch):
    [reading] = api.get("/events", query={"q": "lesung"}).json
    indexed, document = [], search._document
    monkeypatch.setattr(search, "_document", lambda event: (indexed.append(event.name), document(event))[1])
    assert api.patch(f"/events/{reading['id']}", json={"name": "Poetry"}, **promoter()).status == 200
    assert (names(api, q="lesung"), names(api, q="poetry"), names(api, q="metallica")) == ([], ["Poetry"], ["Metallica"])
    assert indexed == ["Lesung", "Poetry"]
    assert api.post(f"/events/{reading['id']}/cancel", **promoter()).status == 200
    assert names(api, q="poetry") == ["Poetry"]


@pytest.mark.usefixtures("_events")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "jazz"}, ["Jazz in der Halle", "Lesung"]),
        ({"q": "JAZZ texte"}, ["Lesung"]),
        ({"q": "cafe zahringer"}, ["Lesung"]),
        ({"q": "zurich"}, ["Metallica", "Lesung"]),
        ({"q": "halle"}, ["Jazz in der Halle", "Metallica"]),
        ({"q": "metalica"}, ["Metallica"]),
        ({"q": "nothing"}, []),
        ({"q": "!?"}, []),
        ({"city": "ZÜRICH"}, ["Metallica", "Lesung"]),
        ({"city": "zurich", "category": "rock"}, ["Metallica"]),
        ({"from": "2026-07-02"}, ["Jazz in der Halle", "Lesung"]),
        ({"to": "2026-07-02"}, ["Metallica", "Jazz in der Halle"]),
        ({"from": "2026-07-01T20:00:00Z", "to": "2026-07-01T20:00:00Z"}, ["Metallica"]),
        ({"status": "on_sale"}, ["Metallica", "Jazz in der Halle", "Lesung"]),
        ({"status": "cancelled"}, []),
    ],
)
def test_events_are_found_by_words_places_and_times(api, query, found):
    assert names(api, **query) == found


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"status": "gone"}, "status"),
        ({"from": "tomorrow"}, "from"),
        ({"from": "2026-07-02T20:00:00"}, "from"),
        ({"to": "2026-13-01"}, "to"),
        ({"limit": "0"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "\u00fc"}, "cursor"),
    ],
)
def test_an_invalid_filter_is_refused(api, query, path):
    reply = api.get("/events", query=query)
    assert (reply.status, reply.json["path"].removeprefix("$.")) == (400, path)


def test_an_unknown_filter_is_ignored(api):
    assert api.get("/events", query={"page": "2", "utm_source": "letter"}).status == 200


@pytest.mark.usefixtures("_events")
@pytest.mark.parametrize("query", [{}, {"q": "jazz halle zurich"}, {"status": "on_sale"}, {"q": "halle"}])
def test_the_pages_of_a_list_have_each_event_once(api, query):
    expected = names(api, **query, limit=200)
    found, reply = [], api.get("/events", query=query | {"limit": 1})
    for _ in range(10):
        found += [event["name"] for event in reply.json]
        link = reply.headers.get("link")
        if link is None:
            break
        target, _, relation = link.partition(">; ")
        assert relation == 'rel="next"'
        reply = api.get(f"/events{target.removeprefix('<')}")
    assert found == expected


@pytest.mark.usefixtures("_events")
def test_a_catalog_too_large_for_one_reply_has_a_next_page(api, monkeypatch):
    expected = names(api)
    monkeypatch.setattr(response_cache, "MAX_LISTED", 2)
    publish(api, "Fourth", starts_at="2026-09-01T20:00:00Z")  # a new revision, so nothing is cached
    first = api.get("/events")
    following = api.get(f"/events{first.headers['link'].removeprefix('<').partition('>')[0]}")
    assert [event["name"] for event in first.json + following.json] == [*expected, "Fourth"]
    assert (len(first.json), "link" in following.headers) == (2, False)


def test_events_that_are_over_come_last(api, time, monkeypatch):
    """The start page and the feeds have the first reply only. A thousand events of the past would leave no place for those to come."""
    for number in range(3):
        publish(api, f"Past {number}", starts_at=clock.iso(time.now + 60 + number))
    publish(api, "To come", starts_at=clock.iso(time.now + 86_400))
    time.advance(3600)
    assert names(api) == ["To come", "Past 0", "Past 1", "Past 2"]
    ticket_types = api.get("/tickets/types").json["ticket_types"]
    assert [ticket_type["event_name"] for ticket_type in ticket_types] == names(api)
    assert names(api, q="past") == ["Past 0", "Past 1", "Past 2"]
    monkeypatch.setattr(search, "SHARE", 1)
    assert names(api, limit=4) == ["To come", "Past 2", "Past 1", "Past 0"], "the latest ones first"


def test_one_promoter_with_many_events_does_not_push_others_off_the_first_page(api, time, monkeypatch):
    monkeypatch.setattr(search, "SHARE", 2)
    for number in range(5):
        publish(api, f"Many {number}", starts_at=clock.iso(time.now + 3600 + number))
    builders.create_event(api, "Of the shop", starts_at=clock.iso(time.now + 7200))
    expected = ["Many 0", "Many 1", "Of the shop", "Many 2", "Many 3", "Many 4"]
    assert names(api) == expected
    pages, query = [], {"limit": "1"}
    while query is not None:
        reply = api.get("/events", query=query)
        pages += [event["name"] for event in reply.json]
        link = reply.headers.get("link")
        query = dict(parse_qsl(link.partition("?")[2].partition(">")[0])) if link is not None else None
    assert pages == expected


@pytest.mark.usefixtures("_events")
def test_a_search_reads_the_stock_of_no_more_events_than_it_needs(api, monkeypatch):
    monkeypatch.setattr(search, "CHUNK", 1)
    api.get("/events", query={"q": "warm"})
    with record_calls() as calls:
        assert len(names(api, status="on_sale", limit=1)) == 1
    assert calls.count("BatchGetItem") <= 5, "two of three events: their display items, and their shards; and the names of the sellers"
    with record_calls() as calls:
        names(api, status="on_sale", limit=1)
    assert calls == []


@pytest.fixture
def five_events(api, time):
    """Publish five events, of which only the last is sold out. Returns the order that sold it out."""
    for number in range(4):
        publish(api, f"Available {number}", starts_at=f"2026-07-0{number + 1}T20:00:00Z")
    event_id = create_draft(api, name="Sold out", starts_at="2026-07-05T20:00:00Z")["id"]
    tier_id = create_kind(api, event_id, capacity=2)["id"]
    assert api.post(f"/events/{event_id}/publish", **promoter()).status == 200
    return builders.create_order(api, (event_id, tier_id))


def pages_of(api, **query):
    """The names on each page of a list."""
    pages = []
    while query is not None:
        reply = api.get("/events", query=query)
        pages.append([event["name"] for event in reply.json])
        link = reply.headers.get("link", "")
        query = dict(parse_qsl(link.partition("?")[2].partition(">")[0])) if link else None
    return pages


@pytest.mark.usefixtures("five_events")
def test_a_request_examines_the_status_of_some_events_and_its_page_may_be_empty(api, monkeypatch):
    monkeypatch.setattr(search, "MAX_EXAMINED", 2)
    assert pages_of(api, status="sold_out") == [[], [], ["Sold out"]]
    assert pages_of(api, status="on_sale") == [["Available 0", "Available 1"], ["Available 2", "Available 3"], []]
    assert pages_of(api, status="on_sale", limit="1") == [["Available 0"], ["Available 1"], ["Available 2"], ["Available 3"]]
    assert pages_of(api, q="available", limit="3") == [["Available 0", "Available 1", "Available 2"], ["Available 3"]], "no status"


@pytest.mark.usefixtures("five_events")
def test_a_filter_by_status_refreshes_only_the_stock_that_it_shows(api, time):
    def calls_of(**query):
        with record_calls() as calls:
            assert names(api, **query) == ["Sold out"]
        return {
            (operation, table): (len(found), sum(len(entry.keys) for entry in found))
            for operation in ("BatchGetItem", "UpdateItem")
            for table in ("stock-display", "inventory")
            if (found := calls.of(operation, table))
        }

    time.advance(search.STATUS_SECONDS * 3)
    names(api)  # the figures of all events are new
    time.advance(10)
    shown = {("BatchGetItem", "stock-display"): (1, 1), ("BatchGetItem", "inventory"): (1, 1), ("UpdateItem", "stock-display"): (1, 1)}
    assert calls_of(status="sold_out") == shown
    time.advance(10)
    assert calls_of(status="sold_out", limit=1) == shown
    time.advance(search.STATUS_SECONDS * 3)
    examined = calls_of(status="sold_out")
    assert examined["BatchGetItem", "stock-display"] == (1, 5)
    assert examined["UpdateItem", "stock-display"] == (5, 5), "nobody had looked at four of them for minutes"


def test_a_filter_by_status_follows_events_that_nobody_looks_at(api, time, five_events):
    assert pages_of(api, status="sold_out") == [["Sold out"]]
    assert builders.refund(api, five_events).status == 201
    time.advance(search.STATUS_SECONDS * 3)
    assert "Sold out" in names(api, status="on_sale")
    assert names(api, status="sold_out") == []


def test_the_index_follows_the_catalog(api):
    publish(api, "First")
    assert names(api, q="second") == []
    publish(api, "Second")
    assert names(api, q="second") == ["Second"]


def test_events_are_filtered_by_the_status_that_buyers_see(api):
    event_id, tier_id = create_published(api, capacity=2)
    publish(api, "Other", on_sale_at="2026-06-20T10:00:00Z")
    builders.buy(api, "ada", event_id, tier_id, 2)
    assert (names(api, status="sold_out"), names(api, status="scheduled")) == (["Café Noir"], ["Other"])
