"""The list of entries of a room, from the closing of its counters to the proof of a single entry. `entries.py` defines the list.

Instances that load the room build the list lane by lane, and one of them publishes the root. The index shows an entry a moment after it was
written, and a user who took a number before the closing may write the entry after the closing. So the list is published when it is
complete. It then has as many entries as there are numbers, minus the numbers of people who left a group, plus one for each member who never
had a number of their own. If a join crashed, its number never gets an entry, so the list is published without it, SETTLING_SECONDS after
the closing.
"""

import random
import secrets
from itertools import groupby

from chalicelib.catalog.model import Event
from chalicelib.dynamodb.cache import TtlCache
from chalicelib.foundation import clock
from chalicelib.foundation.log import logger
from chalicelib.waiting_room import entries, store, tokens
from chalicelib.waiting_room.entries import LANE_BITS, Entry, EntryProof
from chalicelib.waiting_room.model import Arrival
from chalicelib.waiting_room.store import LANES, Lane, Room

SETTLING_SECONDS = 45  # far longer than a request or the index may take
_REPEAT_SECONDS = 10
LEASE_SECONDS = 15
_ENTRIES_AT_ONCE = 20_000  # an instance reads this many before it continues with requests
_RETENTION_SECONDS = 30 * 86_400  # after the end of the sale
_MAX_ROOMS = 100

_roots: TtlCache[list[bytes]] = TtlCache(lambda: 86_400, max_keys=_MAX_ROOMS)  # by root: the roots of all pages


def entry_of(room: Room, arrival: Arrival) -> Entry:
    """Return the entry of an arrival that takes part in the draw."""
    entrant = arrival.owner if room.has_groups is None else arrival.user
    digest = entries.entrant_digest(room.commitment, tokens.name_in_tokens(entrant))
    return Entry(digest, arrival.counter, arrival.number, arrival.weight)


def build(event: Event, room: Room, now: int) -> Room:
    """Build a part of the list if it is due, and publish the root once all lanes are built. Returns the resulting room."""
    if room.closed_counts is None or room.root is not None:
        return room
    lanes, missing = store.load_lanes(room)
    n, settled_at = sum(room.closed_counts), room.closed_at + SETTLING_SECONDS
    budget = _ENTRIES_AT_ONCE
    for number in random.sample(range(LANES), LANES):
        if _is_complete(lanes, n - missing, settled_at):
            break
        lane = lanes.get(number)
        is_due = lane is None or (lane.built_at < settled_at and now >= min(settled_at, lane.built_at + _REPEAT_SECONDS))
        if is_due and budget > 0 and (built := _build_lane(event, room, number, n, now)) is not None:
            lanes[number] = built
            budget -= built.count
    return _publish(room, lanes, n) if _is_complete(lanes, n - missing, settled_at) else room


def _is_complete(lanes: dict[int, Lane], expected: int, settled_at: int) -> bool:
    if len(lanes) < LANES:
        return False
    return sum(lane.count for lane in lanes.values()) == expected or all(lane.built_at >= settled_at for lane in lanes.values())


def _build_lane(event: Event, room: Room, number: int, n: int, now: int) -> Lane | None:
    """Read the entries of a lane, and write their pages. Returns None if another instance does this."""
    lease_ends_at = now + LEASE_SECONDS
    if not store.take_lane(room, number, now, lease_ends_at):
        return None
    bits = entries.page_bits(n)
    per_lane, weights = 1 << (bits - LANE_BITS), [0] * entries.MAX_WEIGHT
    pages: dict[int, bytes] = {}
    for page, group in groupby(store.list_entries(room, number), lambda entry: entries.page_number(entry.digest, bits)):
        members = list(group)
        pages[page] = b"".join(sorted(member.encode() for member in members))
        for member in members:
            weights[member.weight - 1] += 1
    count = sum(weight * each for weight, each in enumerate(weights, 1))
    first = number * per_lane
    roots = b"".join(entries.page_root(pages.get(page, b"")) for page in range(first, first + per_lane))
    lane = Lane(number, secrets.token_hex(6), count, now, weights if room.has_better_odds else [])
    is_saved = store.save_lane(room, lane, pages, roots, lease_ends_at, event.last_sale_at + _RETENTION_SECONDS)
    return lane if is_saved else None


def _publish(room: Room, lanes: dict[int, Lane], n: int) -> Room:
    builds = [lanes[number].build for number in range(LANES)]
    assert room.drawn_counts is not None
    top = entries.join_roots(_split(store.load_roots(room, builds)))
    root = entries.list_root(*room.drawn_counts, top, has_groups=bool(room.has_groups))
    now = clock.now()  # the time of the request is too early if it has built lanes, and the round of the draw follows from this time
    weights = [sum(counts) for counts in zip(*(lane.weights for lane in lanes.values()), strict=True)]
    try:
        store.record_root(room, root, builds, weights, now)
    except store.RoomConflict:  # the next load shows what another instance wrote
        return room
    listed = sum(lane.count for lane in lanes.values())
    logger.info("waiting_room.listed", event_id=room.event_id, room=room.number, n=n, listed=listed, seconds=now - room.closed_at)
    return store.find_room(room.event_id) or room


def has_entry(room: Room, entry: Entry) -> bool:
    """Return whether the published list has this entry."""
    _, page = _page_of(room, entry.digest)
    found = entries.prove(page, entry.digest)
    return found is not None and found[0] == entry


def find_proof(room: Room, digest: bytes, now: int) -> tuple[Entry, EntryProof] | None:
    """Return the entry of a digest in the published list, with its proof. Returns None if the list has no such entry."""
    number, page = _page_of(room, digest)
    found = entries.prove(page, digest)
    if found is None:
        return None
    entry, (index, size, path) = found
    return entry, EntryProof(index, size, [*path, *entries.path_in_complete_tree(_page_roots(room, now), number)])


def load_page(room: Room, number: int, now: int) -> tuple[list[Entry], list[bytes]]:
    """Return a page of the published list, and the sibling hashes on the path from the page's root to the root of all pages."""
    return entries.decode_page(_find_page(room, number)), entries.path_in_complete_tree(_page_roots(room, now), number)


def _page_of(room: Room, digest: bytes) -> tuple[int, bytes]:
    """Return the number and the content of the page to which a digest belongs."""
    number = entries.page_number(digest, _page_bits(room))
    return number, _find_page(room, number)


def _find_page(room: Room, number: int) -> bytes:
    return store.find_page(room, number, 1 << (_page_bits(room) - LANE_BITS))


def _page_bits(room: Room) -> int:
    assert room.drawn_counts is not None
    return entries.page_bits(room.drawn_counts[0])


def _page_roots(room: Room, now: int) -> list[bytes]:
    """Return the roots of all pages. The instance remembers them; for a million entries, this takes 128 KB."""
    return _roots.get(now, room.root, lambda: _split(store.load_roots(room, room.builds)), f"{room.event_id}#{room.number}")


def _split(roots: bytes) -> list[bytes]:
    return [roots[start : start + entries.DIGEST_BYTES] for start in range(0, len(roots), entries.DIGEST_BYTES)]
