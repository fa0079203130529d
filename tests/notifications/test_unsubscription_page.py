"""The page behind the link to unsubscribe: it changes nothing until its button is pressed."""

from html import escape
from html.parser import HTMLParser
from typing import get_args

import pytest

from chalicelib.edge.languages import DIRECTIONS, Language
from chalicelib.notifications import outbox, unsubscription

OFFER = "01KT0000000000000000000001"
SPANISH = {"Accept-Language": "es-MX,es;q=0.9", "Accept": "text/html,application/xhtml+xml"}


class Page(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def find(self, wanted):
        return [attributes for tag, attributes in self.tags if tag == wanted]


@pytest.fixture
def reminder(api, time):
    found = outbox.new_notification("offer_expiring", OFFER, 1, user_id="ada", event_id="gala", now=time.now, due_at=time.now + 3600)
    outbox.queue_notification(found)
    return found


def read(reply):
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert (reply.headers["cache-control"], reply.headers["referrer-policy"]) == ("no-store", "no-referrer")
    return reply.body.decode()


def test_opening_the_link_changes_nothing_and_its_button_unsubscribes(api, reminder):
    token = unsubscription.new_token(OFFER)
    page = Page(read(api.get("/unsubscribe", query={"token": token}, headers=SPANISH)))
    assert outbox.get_notification(reminder.id).status == "queued"
    assert page.find("html") == [{"lang": "es", "dir": "ltr"}]
    assert page.find("form") == [{"method": "post"}]
    assert (page.find("script"), len(page.find("button"))) == ([], 1)
    [field] = page.find("input")
    form = {"Content-Type": "application/x-www-form-urlencoded"} | SPANISH
    body = f"{field['name']}={field['value']}".encode()
    assert body == b"List-Unsubscribe=One-Click"
    text = read(api.request("POST", "/unsubscribe", query={"token": token}, body=body, headers=form))
    assert unsubscription.WORDS["es"].done in text
    assert "<form" not in text
    assert outbox.get_notification(reminder.id).status == "dropped"


def test_nothing_of_the_link_is_on_the_page(api, time):
    token = unsubscription.new_token('"><script>alert(1)</script>')
    text = read(api.get("/unsubscribe", query={"token": token}))
    assert ("alert" in text, token.rpartition(".")[2] in text) == (False, False)
    assert 'lang="en"' in text


@pytest.mark.parametrize("token", ["x", f"{OFFER}.{'0' * 32}", "é.é"])
def test_a_link_that_is_not_ours_has_no_page(api, time, token):
    reply = api.get("/unsubscribe", query={"token": token}, headers=SPANISH)
    assert (reply.status, reply.json["error"]) == (404, "unsubscribe_link_invalid")


def test_a_mail_program_still_gets_json(api, reminder):
    reply = api.post("/unsubscribe", query={"token": unsubscription.new_token(OFFER)})
    assert reply.status == 200
    assert "any more emails" in reply.json["message"]


@pytest.mark.parametrize("language", get_args(Language))
def test_each_language_has_its_words(language):
    assert escape(unsubscription.WORDS[language].title) in unsubscription.question_page(language)
    assert escape(unsubscription.WORDS[language].done) in unsubscription.confirmation_page(language)


def test_the_page_says_that_its_language_is_written_from_right_to_left(monkeypatch):
    monkeypatch.setitem(DIRECTIONS, "es", "rtl")
    for page in (unsubscription.question_page, unsubscription.confirmation_page):
        assert '<html lang="es" dir="rtl">' in page("es")
        assert '<html lang="en" dir="ltr">' in page("en")
