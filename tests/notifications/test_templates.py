"""Every kind of mail in every language, as text and as HTML, also with names that try to be something else."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

import jinja2
import pytest

from chalicelib.edge.languages import Language
from chalicelib.notifications import templates
from tests.colors import contrast

HOSTILE = '<script>alert(1)</script> & "q" {{ 7*7 }}\r\nBcc: all@example.com\u202e\x00 end'
DENVER = ZoneInfo("America/Denver")
EVENT = {
    "name": HOSTILE,
    "place": HOSTILE,
    "starts": datetime(2026, 7, 1, 20, 30, tzinfo=DENVER),
    "doors": datetime(2026, 7, 1, 19, 0, tzinfo=DENVER),
    "dates": [],
}
TICKET = {"tier": HOSTILE, "attendee": HOSTILE, "code": "7K3MX-0QWZ9-H4TRB-V81CD", "content_id": "ticket-1@fairgate"}
# Every value that any template may use.
VALUES = {
    "shop": "Fairgate",
    "seller": {"name": HOSTILE, "contact": HOSTILE, "policies": HOSTILE, "email": "hi@example.com"},
    "event": EVENT,
    "tickets": [TICKET, TICKET | {"attendee": None}],
    "order_number": "NL-7K3Q-9XF2",
    "terms_url": "https://shop.test/legal/1",
    "total": "100.00",
    "included_fee": "4.00",
    "amount": "50.00",
    "currency": "EUR",
    "count": 2,
    "giver": HOSTILE,
    "cancellation_reason": HOSTILE,
    "title": HOSTILE,
    "note": [HOSTILE, "", HOSTILE],
    "answer": [HOSTILE, "", HOSTILE],
    "returns": {"until": datetime(2026, 6, 30, 9, 5, tzinfo=UTC), "url": "https://shop.test/orders/1"},
    "reason": "ill",
    "is_waiting": False,
    "is_rejected": True,
    "at_counter": True,
    "is_resold": False,
    "is_date": False,
    "is_reminder": True,
    "is_expired": True,
    "holder": HOSTILE,
    "iban": "PT50000201231234567890154",
    "bic": "BCOMPTPL",
    "role": "coordinator",
    "is_accepted": False,
    "has_card": True,
    "host": HOSTILE,
    "is_gone": True,
    "is_ballot": True,
    "is_card_refused": True,
    "is_saved_card": True,
    "has_wallets": True,
    "is_cancelled": True,
    "is_change": True,
    "tier": HOSTILE,
    "before": {
        "name": HOSTILE,
        "place": HOSTILE,
        "starts": datetime(2026, 6, 29, 20, 30, tzinfo=UTC),
        "cancelled": [datetime(2026, 6, 28, 20, 30, tzinfo=UTC)],
    },
    "position": 12_812,
    "turn_at": datetime(2026, 6, 30, 9, 2, tzinfo=UTC),
    "minutes": 5,
    "turn_seconds": 180,
    "grace_seconds": 60,
    "is_guest": True,
    "code": "271828",
    "until": datetime(2026, 6, 30, 9, 5, tzinfo=UTC),
    "url": "https://shop.test/tickets#token=abc",
}
KINDS = sorted(file.stem for file in (templates.FOLDER / "en").glob("*.jinja") if file.stem != "words")
LANGUAGES = get_args(Language)
TOKENS = Path(__file__).parents[2] / "web/src/styles/tokens.css"


class Tags(HTMLParser):
    """Return the tags of a document, and the tags that are not closed in order."""

    def __init__(self, html):
        super().__init__()
        self.names, self.attributes, self.open, self.wrong = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.names.append(tag)
        self.attributes += attributes
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_every_language_has_every_kind():
    for language in LANGUAGES:
        assert sorted(file.stem for file in (templates.FOLDER / language).glob("*.jinja")) == sorted([*KINDS, "words"])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_mail_is_drawn_as_text_and_html_and_no_name_breaks_it(kind, language):
    mail = templates.render(kind, language, VALUES)
    assert mail.subject
    assert not re.search(r"[\x00-\x1f\u202e]", mail.subject)
    tags = Tags(mail.html)
    assert (tags.open, tags.wrong) == ([], [])
    assert not {"script", "iframe", "style", "link"} & set(tags.names)
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    assert all(value.startswith(("https://shop.test/", "cid:")) for name, value in tags.attributes if name in ("href", "src"))
    assert "<script>" not in mail.html
    assert "49" not in mail.subject
    assert "\nBcc:" not in mail.text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]|\n{3}", mail.text)
    assert f'<html lang="{language}">' in mail.html


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_mail_does_not_report_that_it_was_opened_or_where_its_reader_clicked(kind, language):
    """It loads nothing over the network, and its links are exactly the addresses that the text shows."""
    mail = templates.render(kind, language, VALUES)
    tags = Tags(mail.html)
    assert {value for name, value in tags.attributes if name == "src"} <= {"cid:ticket-1@fairgate"}
    assert not {"srcset", "background", "poster", "ping"} & {name for name, _ in tags.attributes}
    assert not [value for name, value in tags.attributes if name == "style" and "url(" in value]
    links = {value for name, value in tags.attributes if name == "href"}
    assert links <= {VALUES["url"], VALUES["returns"]["url"]}
    assert all(link in mail.text for link in links)


@pytest.mark.parametrize("kind", KINDS)
def test_languages_say_it_differently(kind):
    assert len({templates.render(kind, language, VALUES).text for language in LANGUAGES}) == len(LANGUAGES)


def test_a_value_that_is_missing_is_an_error_and_not_a_gap():
    with pytest.raises(jinja2.UndefinedError, match="event"):
        templates.render("order_confirmed", "en", {name: value for name, value in VALUES.items() if name != "event"})


def test_dates_and_amounts_are_written_as_the_language_does():
    english, spanish = (templates.render("order_confirmed", language, VALUES).text for language in ("en", "es"))
    assert "Wednesday, 1 July 2026, 8:30 PM MDT" in english
    assert "EUR 100.00" in english
    assert "miércoles, 1 de julio de 2026, 20:30 MDT" in spanish
    assert "100,00 EUR" in spanish


def test_buttons_have_the_color_of_the_shop_and_can_be_read():
    """WCAG 2.2, 1.4.3: a contrast of at least 4.5 between the text and the color behind it."""
    style = re.search(r'<a href="[^"]*" style="([^"]*)"', templates.render("ticket_received", "en", VALUES).html)[1]
    color = re.search(r"background:(#[0-9a-f]{6})", style)[1]
    assert f"--brand: light-dark(var(--own-color, {color})," in TOKENS.read_text()
    assert "color:#fff;" in style
    assert contrast("#ffffff", color) >= 4.5
