"""Slugs: readable ids of events for URLs, made of their names. One resolves to its event wherever a path has an event id."""

import re
import unicodedata

from chalicelib.catalog.model import Catalog
from chalicelib.catalog.snapshots import find_snapshot

MAX_LENGTH = 80

_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


def fold(text: str) -> str:
    """The text without accents and case, as it is compared in slugs and in the search."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def new_slug(catalog: Catalog, event_id: str, name: str) -> str:
    """A slug for an event that no other event has as its slug or id: the words of the name, with a number if necessary."""
    base = re.sub(r"[^a-z0-9]+", "-", fold(name)).strip("-")[:MAX_LENGTH].strip("-") or "event"
    number, slug = 1, base
    while slug in catalog.events or catalog.slugs.get(slug, event_id) != event_id:
        number += 1
        slug = f"{base}-{number}"
    return slug


def resolve_event_id(text: str) -> str:
    """The id of the event that a path names by its id or its slug; the text itself for an event that does not exist."""
    if _ULID.fullmatch(text):
        return text
    catalog = find_snapshot(lambda catalog: text in catalog.events or text in catalog.slugs)
    return text if text in catalog.events else catalog.slugs.get(text, text)
