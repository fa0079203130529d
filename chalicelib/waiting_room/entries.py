"""The list of entries, which shows who had which number before the key of the draw is revealed, and a Merkle tree over it.

The list closes before the sale opens. Its root is published at once, and the key later, so nobody can give a good number to a friend who
had a different number or no number. Anyone can check an entry with `verify.py` on the command line or with `web/waiting-room.js` in a
browser. This module uses only the standard library, so that `verify.py` runs wherever Python does.

An entry is the digest of its entrant, the counter and the number. In a ballot with better odds, an entry with a `weight` of 3 has three
consecutive numbers, and the best of them counts. The digest begins with the number of the entry's page: its first `page_bits` bits. A page
has about PAGE_SIZE entries, sorted, so two entries of the same person would be next to each other. Each page is a Merkle tree as in RFC
6962, section 2.1, and the roots of all pages are the leaves of a complete binary tree. The root of the list also covers the numbers of
arrivals.

If people may form groups, each member has an entry of their own with the number that the group shares. The root says whether numbers may be
shared, so nobody can claim this afterwards.
"""

import hmac
from bisect import bisect_left
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

DIGEST_BYTES, _COUNTER_BYTES, _NUMBER_BYTES = 32, 2, 6
MAX_WEIGHT = 5
_WEIGHT_BYTES = 1  # the first byte of a number, which is 0 in lists without weights, because numbers have at most 40 bits
ENTRY_BYTES = DIGEST_BYTES + _COUNTER_BYTES + _NUMBER_BYTES
LANE_BITS = 4  # entries are read in lanes; these first bits of an entry's digest choose its lane
PAGE_SIZE = 256
MAX_PAGE_BITS = 24
MAX_MEMBERS = 6  # of a group; the members share a number
_LIST, _LIST_WITH_GROUPS = b"\x02", b"\x03"  # prefixes of the hashed data of the list's root; \x00 and \x01 are those of leaves and nodes
EMPTY = sha256(b"").digest()  # the root of an empty page


class Entry(NamedTuple):
    """A place in the draw. `number` is the first of the `weight` numbers of the entry, which count from 1 within `counter`.

    `digest` has 32 bytes. Entries of one list sort as their bytes do, because their digests differ.
    """

    digest: bytes
    counter: int
    number: int
    weight: int = 1

    @property
    def numbers(self) -> range:
        """All numbers of the entry."""
        return range(self.number, self.number + self.weight)

    def encode(self) -> bytes:
        """Return the entry in 40 bytes: the digest, the counter (2 bytes), the weight - 1 (1 byte) and the number (5 bytes), big-endian."""
        weight = (self.weight - 1).to_bytes(_WEIGHT_BYTES, "big")
        return self.digest + self.counter.to_bytes(_COUNTER_BYTES, "big") + weight + self.number.to_bytes(_NUMBER_BYTES - 1, "big")


class EntryProof(NamedTuple):
    """The proof that a list has an entry: its place in its page, from 0, the page's size, and the sibling hashes up to the root."""

    place: int
    page_size: int
    path: list[bytes]


def entrant_digest(commitment: str, user: str) -> bytes:
    """Return the digest of an entrant, the `user` in a token. The room's commitment (hex) is the salt."""
    return sha256(bytes.fromhex(commitment) + user.encode()).digest()


def page_bits(n: int) -> int:
    """Return the number of bits of a digest that choose its page, for a draw of `n` arrivals."""
    return min(MAX_PAGE_BITS, max(LANE_BITS, (-(-n // PAGE_SIZE) - 1).bit_length()))


def page_number(digest: bytes, bits: int) -> int:
    """Return the number of the page to which a digest belongs: the first `bits` bits of the digest."""
    return int.from_bytes(digest[:4], "big") >> (32 - bits)


def decode_page(page: bytes) -> list[Entry]:
    """Return the entries of an encoded page."""
    counter_end = DIGEST_BYTES + _COUNTER_BYTES
    return [
        Entry(
            row[:DIGEST_BYTES],
            int.from_bytes(row[DIGEST_BYTES:counter_end], "big"),
            int.from_bytes(row[counter_end + _WEIGHT_BYTES :], "big"),
            row[counter_end] + 1,
        )
        for row in (page[start : start + ENTRY_BYTES] for start in range(0, len(page), ENTRY_BYTES))
    ]


def page_root(page: bytes) -> bytes:
    """Return the root of an encoded page."""
    return _tree(_leaves(page))


def join_roots(roots: Sequence[bytes]) -> bytes:
    """Return the root of a complete binary tree. The number of roots is a power of 2."""
    while len(roots) > 1:
        roots = [_node(roots[place], roots[place + 1]) for place in range(0, len(roots), 2)]
    return roots[0]


def list_root(n: int, offsets: Sequence[int], top: bytes, *, has_groups: bool = False) -> str:
    """Return the root of the list, in hex: a hash of the number of arrivals, the counters' offsets and the root of all pages.

    With `has_groups`, up to MAX_MEMBERS entrants may share a number.
    """
    numbers = b"".join(number.to_bytes(_NUMBER_BYTES, "big") for number in (n, *offsets))
    return sha256((_LIST_WITH_GROUPS if has_groups else _LIST) + numbers + top).hexdigest()


def prove(page: bytes, digest: bytes) -> tuple[Entry, EntryProof] | None:
    """Return the entry with this digest in an encoded page, and its proof up to the root of the page. Returns None if there is no entry."""
    found = decode_page(page)
    index = bisect_left(found, Entry(digest, 0, 0))
    if index == len(found) or found[index].digest != digest:
        return None
    return found[index], EntryProof(index, len(found), _path(_leaves(page), index))


def path_in_complete_tree(roots: Sequence[bytes], place: int) -> list[bytes]:
    """Return the sibling hashes on the path from the root at `place` to the root of the complete tree, from the bottom."""
    path = []
    while len(roots) > 1:
        path.append(roots[place ^ 1])
        roots, place = [_node(roots[left], roots[left + 1]) for left in range(0, len(roots), 2)], place // 2
    return path


def is_proven(entry: Entry, proof: EntryProof, n: int, offsets: Sequence[int], root: str) -> bool:
    """Return whether the proof leads from the entry to the root (hex) of a list of `n` arrivals, with groups or without."""
    bits = page_bits(n)
    below = len(proof.path) - bits
    if not 0 <= proof.place < proof.page_size or below < 0 or any(len(sibling) != DIGEST_BYTES for sibling in proof.path):
        return False
    # Verification as in RFC 9162, section 2.1.3.2, which defines the same tree as RFC 6962.
    place, last, value = proof.place, proof.page_size - 1, sha256(b"\x00" + entry.encode()).digest()
    for sibling in proof.path[:below]:
        if last == 0:
            return False
        if place & 1 or place == last:
            value = _node(sibling, value)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            value = _node(value, sibling)
        place, last = place >> 1, last >> 1
    if last != 0:
        return False
    number = page_number(entry.digest, bits)
    for sibling in proof.path[below:]:
        value = _node(sibling, value) if number & 1 else _node(value, sibling)
        number >>= 1
    return any(hmac.compare_digest(list_root(n, offsets, value, has_groups=has_groups), root) for has_groups in (False, True))


def _leaves(page: bytes) -> list[bytes]:
    return [sha256(b"\x00" + page[start : start + ENTRY_BYTES]).digest() for start in range(0, len(page), ENTRY_BYTES)]


def _tree(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash of RFC 6962 over hashed leaves."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY
    split = _split(len(leaves))
    return _node(_tree(leaves[:split]), _tree(leaves[split:]))


def _path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of RFC 6962, from the bottom."""
    if len(leaves) < 2:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*_path(leaves[:split], index), _tree(leaves[split:])]
    return [*_path(leaves[split:], index - split), _tree(leaves[:split])]


def _split(size: int) -> int:
    """Return the largest power of 2 below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()
