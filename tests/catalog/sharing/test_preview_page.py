"""The page for programs that draw previews of links: what it says, and that nobody's text becomes markup."""

from html.parser import HTMLParser

import pytest

from chalicelib.foundation import settings
from tests import builders

SHOP = "https://tickets.example.org"
NASTY = "\"><script>alert(1)</script> & 'Co' <b>"


class Page(HTMLParser):
    """The tags of a page, and what its head says by name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.says: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = {name: value or "" for name, value in attrs}
        if name := found.get("property") or found.get("name"):
            self.says[name] = found["content"]
        if found.get("rel") == "canonical":
            self.says["canonical"] = found["href"]


@pytest.fixture(autouse=True)
def shop_url():
    with settings.override(shop_url=SHOP):
        yield


def read(api, event_id):
    reply = api.get(f"/events/{event_id}/preview")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    return Page(reply.body.decode())


def test_a_preview_has_title_description_picture_and_address(api, time):
    text = "One night. " * 50
    event_id = builders.create_event(api, "Night", venue="Hall", description=text, starts_at="2026-07-01T02:30:00Z")
    change = {"timezone": "America/Denver", "city": "Denver"}
    assert api.patch(f"/events/{event_id}", json=change, token=builders.admin_token()).status == 200
    says = read(api, event_id).says
    assert says["og:title"] == "Night"
    assert says["og:url"] == says["canonical"] == f"{SHOP}/events/{event_id}"
    assert says["og:description"].startswith("30 June 2026 · Hall, Denver. One night.")
    assert says["description"] == says["og:description"]
    assert len(says["og:description"]) <= 200
    assert (says["twitter:card"], says["og:image"]) == ("summary_large_image", f"{SHOP}/share.jpg")


@pytest.mark.parametrize(("given", "shown"), [("https://cdn.example.org/a.jpg", "https://cdn.example.org/a.jpg"), ("javascript:1", None)])
def test_the_picture_of_the_event_is_used_if_it_has_an_address(api, time, given, shown):
    event_id = builders.create_event(api)
    changed = api.patch(f"/events/{event_id}", json={"image_url": given}, token=builders.admin_token())
    assert changed.status == (200 if shown else 400)
    assert read(api, event_id).says["og:image"] == (shown or f"{SHOP}/share.jpg")


def test_text_of_promoters_stays_text(api, time):
    event_id = builders.create_event(api, NASTY, venue=NASTY, description=NASTY)
    page = read(api, event_id)
    assert page.says["og:title"] == NASTY
    assert NASTY in page.says["og:description"]
    assert not {"script", "b"} & set(page.tags)


def test_drafts_have_no_preview(api, time):
    assert api.get(f"/events/{builders.create_event(api, status='draft')}/preview").status == 404
