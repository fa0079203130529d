"""The list of entries as data: every entry has a proof, and no proof fits anything else. The browser agrees with the server."""

import random

import pytest
from msgspec.structs import replace

from chalicelib.waiting_room import entries
from chalicelib.waiting_room.entries import Entry, EntryProof
from tests import javascript


class Listed:
    """A list of `n` entries of two counters, in memory."""

    def __init__(self, n: int, seed: int = 1, *, has_groups: bool = False) -> None:
        rng = random.Random(seed)
        self.n, self.offsets, self.bits = n, [0, n // 3], entries.page_bits(n)
        places = [(0, number) for number in range(1, n // 3 + 1)] + [(1, number) for number in range(1, n - n // 3 + 1)]
        self.entries = sorted(Entry(rng.randbytes(32), *place) for place in places)
        self.pages = [b""] * (1 << self.bits)
        for entry in self.entries:
            self.pages[entries.page_number(entry.digest, self.bits)] += entry.encode()
        self.roots = [entries.page_root(page) for page in self.pages]
        self.root = entries.list_root(n, self.offsets, entries.join_roots(self.roots), has_groups=has_groups)

    def prove(self, entry: Entry) -> EntryProof:
        number = entries.page_number(entry.digest, self.bits)
        found, (index, size, path) = entries.prove(self.pages[number], entry.digest)
        assert found == entry
        return EntryProof(index, size, [*path, *entries.path_in_complete_tree(self.roots, number)])

    def is_proven(self, entry: Entry, proof: EntryProof, n: int | None = None, offsets: list[int] | None = None) -> bool:
        return entries.is_proven(entry, proof, self.n if n is None else n, self.offsets if offsets is None else offsets, self.root)


SIZES = [1, 2, 3, 16, 255, 4_097, 20_000]


@pytest.mark.parametrize("n", SIZES)
def test_every_entry_has_a_proof(n):
    listed = Listed(n)
    for entry in random.Random(2).sample(listed.entries, min(n, 300)):
        assert listed.is_proven(entry, listed.prove(entry))


@pytest.mark.parametrize("n", SIZES)
def test_a_proof_fits_no_other_entry_and_no_other_numbers(n):
    listed = Listed(n)
    for entry in random.Random(3).sample(listed.entries, min(n, 50)):
        proof = listed.prove(entry)
        assert not listed.is_proven(entry._replace(number=entry.number + 1), proof)
        assert not listed.is_proven(entry._replace(counter=1 - entry.counter), proof)
        assert not listed.is_proven(entry._replace(digest=bytes(32)), proof)
        assert not listed.is_proven(entry, proof, n=n + 1)
        assert not listed.is_proven(entry, proof, offsets=[0, n // 3 + 1])
        assert not listed.is_proven(entry, proof._replace(path=proof.path[1:]))
        assert not listed.is_proven(entry, proof._replace(path=[*proof.path, bytes(32)]))
        assert not listed.is_proven(entry, proof._replace(place=proof.place + 1))
        assert not listed.is_proven(entry, proof._replace(page_size=proof.place))
        assert not listed.is_proven(entry, proof._replace(path=[bytes(31)] * len(proof.path)))


def test_nobody_outside_the_list_has_a_proof():
    listed = Listed(300)
    assert entries.prove(listed.pages[3], b"\x3f" + bytes(31)) is None
    assert entries.prove(b"", bytes(32)) is None


def test_a_proof_among_a_million_entries_has_less_than_two_kilobytes():
    path = 2 * 32 * (entries.page_bits(1_000_000) + 10)  # hex; a page has rarely more than 512 entries
    assert path + 3 * path // 64 < 1_800


def test_a_digest_depends_on_the_room_and_on_the_entrant():
    digests = {entries.entrant_digest(commitment, user) for commitment in ("00" * 32, "01" * 32) for user in ("a", "b")}
    assert len(digests) == 4


CHECK = """
import { createInterface } from "node:readline";
import * as entries from "$WEB/entries.js";
const answers = [];
for await (const line of createInterface({ input: process.stdin })) {
  const { list, entry, commitment, token } = JSON.parse(line);
  const digests = [await entries.entrantDigest(commitment, token), await entries.entrantDigest(commitment, token, "group")];
  answers.push(JSON.stringify([await entries.isProven(list, entry), ...digests]));
}
process.stdout.write(answers.join("\\n"));
"""


def test_the_browser_agrees_with_the_server():
    from chalicelib.waiting_room import tokens
    from tests.waiting_room.test_tokens import ARRIVAL

    cases, expected = [], []
    rng = random.Random(5)
    for n in SIZES:
        listed = Listed(n, has_groups=n % 2 == 1)
        for entry in rng.sample(listed.entries, min(n, 20)):
            proof, user, commitment = listed.prove(entry), rng.choice(["ab12", "dëmo-guest-1"]), rng.randbytes(32).hex()
            if rng.random() < 0.5:
                proof = proof._replace(place=rng.randrange(proof.page_size))
            if rng.random() < 0.1:
                proof = proof._replace(path=proof.path[1:])
            document = {"digest": entry.digest.hex(), "counter": entry.counter, "number": entry.number, "index": proof.place}
            document |= {"page_size": proof.page_size, "path": [sibling.hex() for sibling in proof.path]}
            token = tokens.sign_arrival(replace(ARRIVAL, user=user, group="0f" * 16))
            state = {"root": listed.root, "n": n, "offsets": listed.offsets}
            cases.append({"list": state, "entry": document, "commitment": commitment, "token": token})
            digests = [entries.entrant_digest(commitment, name).hex() for name in (user, "0f" * 16)]
            expected.append([listed.is_proven(entry, proof), *digests])
    assert javascript.run_module(CHECK, cases) == expected
    assert {proven for proven, *_ in expected} == {True, False}
