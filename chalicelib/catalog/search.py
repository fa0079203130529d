"""Find events: search and filter the public events, page by page, and make the slugs of events."""

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import chain, islice
from threading import Lock
from typing import Annotated

from msgspec import Meta, Struct

from chalicelib.catalog.model import Catalog, Event, PublicEventStatus
from chalicelib.catalog.sale_rules import event_phase, public_event_status
from chalicelib.catalog.snapshots import find_known_event, find_snapshot
from chalicelib.edge import cursors
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.languages import LanguageQuery
from chalicelib.foundation import clock
from chalicelib.foundation.errors import InvalidInput
from chalicelib.foundation.memory import Memory
from chalicelib.inventory.availability import CHECK_SECONDS, cached_stock
from chalicelib.inventory.model import Stock

# The index is kept in memory. The first search builds it, and later ones update it. It ignores accents and case, and accepts incomplete
# words. If no indexed word begins with a word of the query, that word is compared with all indexed words by trigrams, so `metalica` finds
# `Metallica`.

MIN_SIMILARITY = 0.5  # Dice coefficient of the trigrams of two words
MIN_TYPO_LENGTH = 4  # shorter words have too few trigrams
MAX_QUERY_WORDS = 10
# Every instance builds its own index. Without these limits, one promoter's long descriptions would cost each instance seconds and 200 MB.
MAX_WORDS, MAX_CHARACTERS = 200, 2_000  # of a text; later words are not found
MAX_WORD_LENGTH = 30  # longer words are cut, in texts and in queries

_WORD = re.compile(r"\w+")

# The quality of a word's match outweighs the weight of the text in which the word occurs.
_WHOLE, _BEGINNING, _SIMILAR = 100, 60, 20


def fold(text: str) -> str:
    """Return the text in lower case and without accents, for slugs and for the search of events."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def split_words(text: str) -> list[str]:
    """Split a text into lower-case words without accents."""
    return _WORD.findall(fold(text))


Document = tuple[str, Mapping[str, int]]  # an id, and texts with their weights: a name counts more than a description


class TextIndex:
    """An index of the words of documents."""

    def __init__(self, documents: Iterable[Document] = ()) -> None:
        self._weights: dict[str, dict[str, int]] = {}  # word -> document id -> the weight of the heaviest text that contains the word
        self._words: list[str] = []  # sorted
        self._words_by_trigram: dict[str, list[str]] = {}
        self.update((), documents)

    def update(self, removed: Iterable[Document], added: Iterable[Document]) -> None:
        """Remove documents, then add documents. `removed` must have the texts with which the documents were added."""
        emptied, new = dict[str, None](), dict[str, None]()
        for document_id, texts in removed:
            for word in _weigh_words(texts):
                del self._weights[word][document_id]
                if not self._weights[word]:
                    emptied[word] = None
        for document_id, texts in added:
            for word, weight in _weigh_words(texts).items():
                if word not in self._weights:
                    self._weights[word] = {}
                    new[word] = None
                self._weights[word][document_id] = weight
        for word in emptied:
            if not self._weights[word]:
                del self._weights[word]
                for trigram in _trigrams(word):
                    self._words_by_trigram[trigram].remove(word)
        for word in new:
            for trigram in _trigrams(word):
                self._words_by_trigram.setdefault(trigram, []).append(word)
        if emptied or new:
            self._words = sorted(word for word in chain(self._words, new) if word in self._weights)

    def search(self, query: str) -> dict[str, int]:
        """Map the ids of the documents that have all words of the query to their scores. A query without words matches nothing."""
        scores: dict[str, int] | None = None
        for word in _index_words(query, MAX_QUERY_WORDS):
            found = self._find_word(word)
            scores = found if scores is None else {key: score + found[key] for key, score in scores.items() if key in found}
        return scores or {}

    def _find_word(self, word: str) -> dict[str, int]:
        scores: dict[str, int] = {}
        for match, fit in self._matches(word):
            for document_id, weight in self._weights[match].items():
                scores[document_id] = max(fit * weight, scores.get(document_id, 0))
        return scores

    def _matches(self, word: str) -> list[tuple[str, int]]:
        """Return the indexed words that match a word of the query, with the quality of each match."""
        matches = []
        for position in range(bisect_left(self._words, word), len(self._words)):
            known = self._words[position]
            if not known.startswith(word):
                break
            matches.append((known, _WHOLE if known == word else _BEGINNING))
        if matches or len(word) < MIN_TYPO_LENGTH:
            return matches
        trigrams = _trigrams(word)
        shared = Counter(known for trigram in trigrams for known in self._words_by_trigram.get(trigram, ()))
        similar = ((known, 2 * count / (len(trigrams) + len(_trigrams(known)))) for known, count in shared.items())
        return [(known, round(_SIMILAR * similarity)) for known, similarity in similar if similarity >= MIN_SIMILARITY]


def _weigh_words(texts: Mapping[str, int]) -> dict[str, int]:
    """Map each indexed word of weighted texts to the weight of the heaviest text that contains it."""
    weights: dict[str, int] = {}
    for text, weight in sorted(texts.items(), key=lambda entry: entry[1]):
        weights.update(dict.fromkeys(_index_words(text, MAX_WORDS), weight))
    return weights


def _index_words(text: str, limit: int) -> list[str]:
    """Return the first `limit` distinct words of a text, in the form in which the index stores them."""
    return list(dict.fromkeys(word[:MAX_WORD_LENGTH] for word in split_words(text[:MAX_CHARACTERS])))[:limit]


def _trigrams(word: str) -> set[str]:
    padded = f"  {word} "
    return {padded[start : start + 3] for start in range(len(padded) - 2)}


DEFAULT_LIMIT = 50
MAX_LIMIT = 200
CHUNK = 100  # number of events whose stock is read at once when a filter needs their status
MAX_EXAMINED = 300  # events whose status a request examines; its page may then be short
STATUS_SECONDS = 60  # between stock reads of events that are only examined; up to three times as long while their stock does not change

SHARE = 50  # a promoter gets this many events in each round of a list
_OVER = 1_000_000  # past events begin with this round, after all current events

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_NAME, _PLACE, _TEXT = 3, 2, 1

_indexes: Memory[str, "_EventIndex"] = Memory()

# Sort key of events: the search score or the turn of `in_turns` first, then the display order.
Key = tuple[int, int, int, str]


class EventQuery(LanguageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Filters for the public events. Without filters, the reply lists all events, or as many as fit."""

    q: Annotated[str, Meta(max_length=200, description="Words of the name, venue, city or description.")] | None = None
    status: PublicEventStatus | None = None
    category: Annotated[str, Meta(max_length=100)] | None = None
    city: Annotated[str, Meta(max_length=100)] | None = None
    from_: (
        Annotated[str, Meta(max_length=40, description="Only events that start at or after this time: a day in UTC or an ISO 8601 time.")]
        | None
    ) = None
    to: (
        Annotated[str, Meta(max_length=40, description="Only events that start at or before this time: a day in UTC or an ISO 8601 time.")]
        | None
    ) = None
    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT)] | None = None
    cursor: Cursor | None = None

    @property
    def has_filters(self) -> bool:
        return self != EventQuery(language=self.language)


class EventPage(Struct, frozen=True):
    """A page of events, each with its sort key, and their stock. `next_cursor` is null on the last page."""

    events: list[tuple[Key, Event]]
    stocks: dict[str, Stock]
    next_cursor: str | None


def find_events(catalog: Catalog, public_events: Sequence[Event], query: EventQuery, now: int) -> EventPage:
    """Return a page of the events that match a query. Raises InvalidInput for an invalid time or cursor.

    With a status, a page ends after MAX_EXAMINED events, so it may be short or empty although there is a next page.
    """
    ranked = _rank(catalog, public_events, query, now)
    if query.cursor is not None:
        after: Key = cursors.decode_key(query.cursor, Key)
        ranked = [(key, event) for key, event in ranked if key > after]
    limit = query.limit or DEFAULT_LIMIT
    examined = ranked if query.status is None else ranked[:MAX_EXAMINED]
    found = list(islice(_with_status(catalog, examined, query.status, now), limit + 1))
    events, is_cut = found[:limit], len(found) > limit or len(examined) < len(ranked)
    last = events[-1] if len(found) > limit else examined[-1] if is_cut else None
    stocks = _load_stocks(catalog, (event for _, event in events), now)
    if query.status is not None:
        events = [(key, event) for key, event in events if public_event_status(catalog, event, now, stocks) == query.status]
    return EventPage(events, stocks, cursors.encode_key(last[0]) if last is not None else None)


def in_turns(events: Iterable[Event], now: int) -> list[tuple[Key, Event]]:
    """Sort the events of a list, and return them with their keys. Past events come last.

    The first reply, the start page and the feeds have only the beginning of a long list. Promoters therefore take turns: each gets at most
    SHARE events per round. All current events of the shop itself come in the first round. Past events have rounds of their own, and the
    first of these rounds has the latest events.
    """
    counts = Counter[tuple[str | None, bool]]()
    keyed: list[tuple[Key, Event]] = []
    for event in sorted(events, key=lambda event: (-event.starts_at if event.last_sale_at < now else event.starts_at, event.id)):
        is_over = event.last_sale_at < now
        turn = counts[event.promoter_id, is_over] // SHARE
        counts[event.promoter_id, is_over] += is_over or event.promoter_id is not None
        keyed.append(((turn + _OVER * is_over, *event.sort_key), event))
    return sorted(keyed, key=lambda entry: entry[0])


def _rank(catalog: Catalog, public_events: Sequence[Event], query: EventQuery, now: int) -> list[tuple[Key, Event]]:
    """Return the sorted events that match all filters except the status."""
    accepts = _filter(query)
    if query.q is None:
        return [(key, event) for key, event in in_turns(public_events, now) if accepts(event)]
    scores = _indexes.entries.setdefault("events", _EventIndex()).search(catalog, public_events, query.q)
    ranked = [((-scores[event.id], *event.sort_key), event) for event in public_events if event.id in scores and accepts(event)]
    return sorted(ranked, key=lambda entry: entry[0])


def _filter(query: EventQuery) -> Callable[[Event], bool]:
    category, city = (None if text is None else _comparable(text) for text in (query.category, query.city))
    since = None if query.from_ is None else _parse_time("from", query.from_, is_end=False)
    until = None if query.to is None else _parse_time("to", query.to, is_end=True)

    def accepts(event: Event) -> bool:
        return (
            (category is None or _comparable(event.category or "") == category)
            and (city is None or _comparable(event.city or "") == city)
            and any((since is None or start >= since) and (until is None or start <= until) for start in event.starts)
        )

    return accepts


def _with_status(
    catalog: Catalog, ranked: Sequence[tuple[Key, Event]], status: PublicEventStatus | None, now: int
) -> Iterator[tuple[Key, Event]]:
    """Yield the events that had this status a short time ago. Reads only the chunks that the caller consumes."""
    if status is None:
        yield from ranked
        return
    for start in range(0, len(ranked), CHUNK):
        chunk = ranked[start : start + CHUNK]
        stocks = _load_stocks(catalog, (event for _, event in chunk), now, STATUS_SECONDS)
        yield from ((key, event) for key, event in chunk if public_event_status(catalog, event, now, stocks) == status)


def _load_stocks(catalog: Catalog, events: Iterable[Event], now: int, base_seconds: int = CHECK_SECONDS) -> dict[str, Stock]:
    open_events = (event for event in events if event_phase(event, now) == "open")
    return cached_stock((catalog.stock_group(event.id) for event in open_events), now, base_seconds)


class _EventIndex:
    """The index of the public events. Each search first updates it with the events that have changed since the last search."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._catalog: Catalog | None = None
        self._events: dict[str, Event] = {}
        self._index = TextIndex()

    def search(self, catalog: Catalog, public_events: Sequence[Event], query: str) -> dict[str, int]:
        """Return what `TextIndex.search` returns, for the public events of this catalog."""
        with self._lock:
            if catalog is not self._catalog:
                events = {event.id: event for event in public_events}
                # An event that has not changed is the same object in each snapshot.
                removed = [event for event in self._events.values() if events.get(event.id) is not event]
                added = [event for event in public_events if self._events.get(event.id) is not event]
                self._index.update(map(_document, removed), map(_document, added))
                self._catalog, self._events = catalog, events
            return self._index.search(query)


def _document(event: Event) -> Document:
    return event.id, _texts(event)


def _texts(event: Event) -> dict[str, int]:
    place = f"{event.venue} {event.city or ''}"
    texts = dict.fromkeys((event.description, *event.descriptions.values()), _TEXT)
    return texts | {place: _PLACE} | dict.fromkeys((event.name, *event.names.values()), _NAME)


def _comparable(text: str) -> str:
    return " ".join(fold(text).split())


def _parse_time(name: str, text: str, *, is_end: bool) -> int:
    """Convert a day or a time to epoch seconds. A day means its first second, or its last second if `is_end`."""
    try:
        if _DAY.fullmatch(text):
            day = datetime.combine(datetime.fromisoformat(text), time(), UTC)
            return clock.epoch_seconds(day + timedelta(days=1)) - 1 if is_end else clock.epoch_seconds(day)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("a time needs an offset or Z")
        return clock.epoch_seconds(moment)
    except (ValueError, OverflowError):
        raise InvalidInput(f"`{name}` must be a day, such as 2026-09-01, or an ISO 8601 time with an offset or Z.", path=name) from None


# Slugs: readable event ids for URLs, made from event names. A path accepts a slug wherever it accepts an event id.

MAX_SLUG_LENGTH = 80

_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


def new_slug(catalog: Catalog, event_id: str, name: str) -> str:
    """Return a slug made from the words of the name, with a number added if another event already has this slug or id."""
    base = re.sub(r"[^a-z0-9]+", "-", fold(name)).strip("-")[:MAX_SLUG_LENGTH].strip("-") or "event"
    number, slug = 1, base
    while slug in catalog.events or catalog.slugs.get(slug, event_id) != event_id:
        number += 1
        slug = f"{base}-{number}"
    return slug


def resolve_event_id(text: str) -> str:
    """Return the id of the event with this id or slug, or the text itself if there is no such event."""
    if _ULID.fullmatch(text) or find_known_event(text) is not None:
        return text
    catalog = find_snapshot(lambda catalog: text in catalog.events or text in catalog.slugs)
    return text if text in catalog.events else catalog.slugs.get(text, text)
