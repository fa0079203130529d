"""Slugs: readable event ids for URLs, made from event names. A path accepts a slug wherever it accepts an event id."""

import re
import unicodedata

from chalicelib.catalog.model import Catalog
from chalicelib.catalog.snapshots import find_snapshot

MAX_LENGTH = 80

_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


def fold(text: str) -> str:
    """Return the text in lower case and without accents, for slugs and for the search of events."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def new_slug(catalog: Catalog, event_id: str, name: str) -> str:
    """Return a slug made from the words of the name, with a number added if another event already has this slug or id."""
    base = re.sub(r"[^a-z0-9]+", "-", fold(name)).strip("-")[:MAX_LENGTH].strip("-") or "event"
    number, slug = 1, base
    while slug in catalog.events or catalog.slugs.get(slug, event_id) != event_id:
        number += 1
        slug = f"{base}-{number}"
    return slug


def resolve_event_id(text: str) -> str:
    """Return the id of the event with this id or slug, or the text itself if there is no such event."""
    if _ULID.fullmatch(text):
        return text
    catalog = find_snapshot(lambda catalog: text in catalog.events or text in catalog.slugs)
    return text if text in catalog.events else catalog.slugs.get(text, text)
