"""An event as a small HTML page for the programs of messengers and social networks, which draw a preview of a link and run no script.

The page says what they read: title, description and picture, by Open Graph (https://ogp.me) and as a Twitter card.
"""

from html import escape

from chalicelib.catalog.model import Event
from chalicelib.foundation import clock

MEDIA_TYPE = "text/html"
MAX_DESCRIPTION = 200  # characters; previews show no more
DEFAULT_PICTURE = "/share.jpg"  # of web/public: 1200 x 630
POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_SHOP = "Fairgate"


def render(event: Event, url: str, shop_url: str) -> str:
    """The page of a public event, whose address for people is `url`. All text of the event is escaped."""
    place = f"{event.venue}, {event.city}" if event.city else event.venue
    facts = f"{clock.local(event.starts_at, event.timezone):%d %B %Y} · {place}".lstrip("0")
    description = _shortened(f"{facts}. {' '.join(event.description.split())}".strip(" ."))
    picture = event.image_url or ""
    if event.image is not None:
        picture = f"{shop_url}{picture}"
    elif not picture.startswith(("https://", "http://")):
        picture = f"{shop_url}{DEFAULT_PICTURE}"
    metas = {
        "og:type": "website",
        "og:site_name": _SHOP,
        "og:title": event.name,
        "og:description": description,
        "og:url": url,
        "og:image": picture,
        "og:image:alt": event.name,
    }
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f"<title>{escape(event.name)} · {_SHOP}</title>",
            f'<link rel="canonical" href="{escape(url)}">',
            f'<meta name="description" content="{escape(description)}">',
            *(f'<meta property="{name}" content="{escape(content)}">' for name, content in metas.items()),
            '<meta name="twitter:card" content="summary_large_image">',  # the rest of the card is in the names above
            f'</head>\n<body>\n<h1><a href="{escape(url)}">{escape(event.name)}</a></h1>',
            f"<p>{escape(description)}</p>\n</body>\n</html>\n",
        ]
    )


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_DESCRIPTION else f"{text[: MAX_DESCRIPTION - 1].rstrip()}…"
