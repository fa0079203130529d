"""Check a draw or a stock ledger from outside the shop, or make the report of a drop, using only Python.

    python verify.pyz PROOF [TOKENS] [--entries ENTRIES] [--ballot BALLOT]
    python verify.pyz --ledger LEDGER [--earlier LEDGER] [--key HEX]
    python verify.pyz --report EVENT

Each shop has verify.pyz, which holds this module, `draw` and `entries`. In the source code, `fairgate verify` does the same.

The check needs no account, setting, secret or package, with one exception: if the order also follows from the public beacon drand, the
package py_arkworks_bls12381 checks the beacon's signature. The check cannot tell whether the shop signed a token, because that requires the
shop's secret. The exit code is 0 if all checks passed, 1 if a fault was found, and 2 if nothing could be checked. It is 3 if no fault was
found but some faults would not show: a draw with a list of entries was checked without --commitment, --root or --entries, or, with a
beacon, without --round; or the list has a group instead of the group's members, as in earlier versions.
"""

import json
import re
import sys
import time
import zlib
from argparse import ArgumentParser, Namespace
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256, sha512
from itertools import count, islice, pairwise
from math import inf
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from chalicelib.waiting_room import draw, entries
from chalicelib.waiting_room.draw import ALGORITHM, BEACON_ALGORITHM, BEACON_SCHEME, GROUPS, MAX_N, QUICKNET, WEIGHTS, Chain
from chalicelib.waiting_room.entries import MAX_MEMBERS, Entry, EntryProof

EXIT_OK, EXIT_FAULTS, EXIT_NOT_CHECKED, EXIT_INCOMPLETE = 0, 1, 2, 3
MAX_DOCUMENT_BYTES = 32 << 20
# A dishonest shop could announce more and more pages. These limits are enough for a draw of 16 million numbers, and for a ledger of 58 days
# with totals every ten seconds.
MAX_LIST_PAGES, MAX_LEDGER_PAGES = 65_536, 10_000
# All documents together may take about this much memory, unless --memory allows more. This is enough for a list of five million entries.
MEMORY_MEGABYTES = 2000
VALUE_BYTES = 72  # what Python needs for a short JSON value
LEDGER_ALGORITHM = "fairgate stock ledger, 1"
REPORT_FORMAT = "fairgate drop report, 1"
REPORTED_SHARES = (0, 10, 25, 50, 75, 90, 100)  # a report has the waits at these percentiles of the drawn and the late places
# API Gateway's figures cover the whole stage. They do not cover replies by the CDN or requests that never arrived, and nobody can check
# them.
FIGURES_LIMITS = ("whole_stage", "without_cdn", "without_network", "not_recomputable")
MAX_MOVING_SECONDS = 600  # a change of the stock should be complete within this time
TIMEOUT_SECONDS = 20
MAX_FAULTS_SHOWN = MAX_POSITIONS_SHOWN = 20
MAX_LINE_LENGTH = 1000  # of the output
_FAULT, _NOT_CHECKED = "FAULT  ", "NOT CHECKED  "
GROUP_RULES = ("verified_address", "account")  # the rules of entry with which rooms of earlier versions may have groups
_SHA256_HEX = re.compile("[0-9a-f]{64}")


class UnusableProof(Exception):
    """The proof or the tokens cannot be checked at all. The message gives the reason."""


class InvalidClaim(Exception):
    """A token cannot belong to the draw. The message gives the reason."""


@dataclass
class _Memory:
    """The memory that the documents take. Without a limit, a dishonest shop could use up the computer's memory."""

    megabytes: int = MEMORY_MEGABYTES
    taken: int = 0

    def take(self, source: str, raw: bytes) -> None:
        """Count the values of a document before they are decoded. Raises UnusableProof if the documents take too much memory."""
        self.taken += len(raw) + VALUE_BYTES * sum(map(raw.count, (b",", b"[", b"{")))
        if self.taken > self.megabytes * 1_000_000:
            raise UnusableProof(f"{source}: the documents need more than {self.megabytes} MB of memory; to read them anyway, set --memory")


_memory = _Memory()


@dataclass(frozen=True)
class BeaconProof:
    """The round of the beacon from which an order follows, besides the key. Times are epoch seconds.

    `randomness` is what the document says; the order follows from the signature.
    """

    chain: Chain
    round: int
    signature: bytes
    randomness: str
    closes_at: int
    listed_at: int


@dataclass(frozen=True)
class DrawProof:
    """The proof document of a room after the opening.

    `n` arrivals were drawn. `offsets[i]` is the number of arrivals counted by the counters before counter i. `late_counters` is the number
    of counters of arrivals after the opening; it is 1 if the document does not have it. `root` and `pages` are the root and the number of
    pages of the list of entries, or None and 0 if the room has no list. `beacon` is None if the order follows from the key alone, or if
    nobody took part in the draw. `algorithm` tells these two cases apart. With `has_closing`, the draw has a closing time, as in rooms with
    a list. With `has_groups`, people may share a number, and the list has all of them. `rule` is the rule of entry. `by_weight` is None if
    everybody has one number; otherwise, it says how many entries have one number, two numbers, and so on, according to the document.
    """

    event_id: str
    room: int
    commitment: str
    key: bytes
    n: int
    offsets: tuple[int, ...]
    late_counters: int = 1
    root: str | None = None
    pages: int = 0
    beacon: BeaconProof | None = None
    algorithm: str = ALGORITHM
    has_closing: bool = False
    has_groups: bool = False
    rule: str = "open"
    by_weight: tuple[int, ...] | None = None

    @property
    def max_weight(self) -> int:
        """How many numbers an entry may have."""
        return 1 if self.by_weight is None else entries.MAX_WEIGHT

    @property
    def seed(self) -> bytes:
        """The key of the permutation."""
        return self.key if self.beacon is None else draw.seed(self.key, draw.beacon_randomness(self.beacon.signature))

    def arrivals(self, counter: int) -> int:
        """Return the number of arrivals that a counter counted."""
        end = self.offsets[counter + 1] if counter + 1 < len(self.offsets) else self.n
        return end - self.offsets[counter]

    def has_numbers(self, entry: Entry) -> bool:
        """Return whether the entry may have its numbers: its counter gave them out before the closing, and there are not too many."""
        is_counter = 0 <= entry.counter < len(self.offsets) and 1 <= entry.weight <= self.max_weight
        return is_counter and entry.number >= 1 and entry.numbers[-1] <= self.arrivals(entry.counter)

    def positions(self, entry: Entry) -> list[int]:
        """Return the positions of the entry's numbers. The best one counts."""
        return sorted(draw.position(self.seed, self.n, self.offsets, entry.counter, number) for number in entry.numbers)

    def adds_up(self) -> bool:
        """Return whether the counters' arrivals add up to `n`."""
        return self.offsets[:1] == (0,) and all(self.arrivals(counter) >= 0 for counter in range(len(self.offsets)))


@dataclass(frozen=True)
class TokenArrival:
    """The arrival in a token: a counter and a number in it, from 1. The counter is negative for arrivals after the opening.

    `holder` is the name of the user who may use the place of an address or card, or None. `group` is the name of the group whose number the
    user shares, or None. `number` is the first of `weight` numbers.
    """

    event_id: str
    room: int
    counter: int
    number: int
    user: str
    holder: str | None
    group: str | None
    weight: int = 1


@dataclass(frozen=True)
class PositionClaim:
    """A token to check. `source` names the input line.

    `position` is the position that the token's holder was shown. If it is None, no position is compared.
    """

    source: str
    token: str
    position: int | None


@dataclass
class VerificationReport:
    """The result of a check: the faults (an honest draw has none), and the source of the token at each position.

    `listed` has all entries of the list, if the list was checked, and `proven_count` is the number of proofs of single entries. `offered`
    has the positions to which a ballot has offered tickets, in the drawn order, or is None if no ballot was checked. `unlisted_members` is
    the number of group members' tokens for which the list can only have the group.
    """

    proof: DrawProof
    faults: list[str]
    positions: dict[int, str]
    compared_count: int = 0
    listed: dict[Entry, str] | None = None
    proven_count: int = 0
    offered: list[int] | None = None
    unlisted_members: int = 0

    @property
    def drawn_count(self) -> int:
        """The number of positions from the draw, without the positions of late arrivals."""
        return sum(position <= self.proof.n for position in self.positions)


def check(
    proof: DrawProof,
    claims: Iterable[PositionClaim],
    noted_commitment: str | None = None,
    noted_root: str | None = None,
    pages: Iterable[dict[str, Any]] | None = None,
    entry_proofs: Iterable[tuple[str, dict[str, Any]]] = (),
    noted_round: int | None = None,
    noted_chain: str | None = None,
    ballot: Sequence[dict[str, Any]] | None = None,
) -> VerificationReport:
    """Check the key and the round of the beacon, and recompute all positions.

    `noted_commitment`, `noted_root`, `noted_round` and `noted_chain` are what the user noted before the opening. `pages` are all pages of
    the list of entries, and `entry_proofs` are proofs of single entries with their sources. `ballot` has all pages of a ballot's offers.
    Raises UnusableProof if the package that checks the round's signature is missing.
    """
    faults = [*_key_faults(proof, noted_commitment), *_root_faults(proof, noted_root), *_beacon_faults(proof, noted_round, noted_chain)]
    report = VerificationReport(proof, faults, {})
    if not proof.adds_up():
        report.faults.append(f"the counters' offsets {list(proof.offsets)} do not add up to {proof.n}, so no position can be computed")
        return report
    if pages is not None:
        report.listed = _check_list(proof, pages, report.faults)
    for source, document in entry_proofs:
        report.proven_count += 1
        if not _is_proven(proof, document):
            report.faults.append(f"{source}: the list of entries does not have this entry")
    if ballot is not None:
        report.offered = _check_ballot(proof, ballot, report.listed, report.faults)
    groups: dict[int, str | None] = {}  # by position, which the members of a group share
    for claim in claims:
        try:
            arrival = _parse_token(claim.token)
            position = _position(proof, arrival, report.listed)
        except InvalidClaim as error:
            report.faults.append(f"{claim.source}: {error}")
            continue
        if claim.position is not None:
            report.compared_count += 1
            if claim.position != position:
                report.faults.append(f"{claim.source}: position {claim.position} was claimed, but the draw says {position}")
        report.unlisted_members += arrival.group is not None and not proof.has_groups
        first_source = report.positions.setdefault(position, claim.source)
        first_group = groups.setdefault(position, arrival.group)
        if first_source != claim.source and (arrival.group is None or first_group != arrival.group):
            report.faults.append(f"{claim.source}: has the same position {position} as {first_source}")
    return report


def _root_faults(proof: DrawProof, noted_root: str | None) -> Iterator[str]:
    if proof.has_closing and proof.root is None and proof.beacon is None:
        yield "the draw has a closing time, but its list of entries is missing"
    if noted_root is not None and noted_root != proof.root:
        yield f"the root of the list of entries is {proof.root}, not the one that you noted before the opening"


def _beacon_faults(proof: DrawProof, noted_round: int | None, noted_chain: str | None) -> Iterator[str]:
    if proof.algorithm == ALGORITHM and (noted_round is not None or noted_chain is not None):
        yield "the order follows from the key alone, not from the beacon that you noted"
    beacon = proof.beacon
    if beacon is None:
        return
    chain = beacon.chain
    if noted_chain in (None, QUICKNET.hash) and chain != QUICKNET:
        yield f"the beacon's chain {chain.hash} is not drand's public chain quicknet, or its key or times differ from quicknet's"
    if noted_chain not in (None, QUICKNET.hash, chain.hash):
        yield f"the beacon's chain is {chain.hash}, not the one that you noted"
    if proof.root is None:
        yield "the list of entries is missing, so it was not published before the round of the beacon"
    elif beacon.round != draw.round_of_draw(chain, beacon.closes_at, beacon.listed_at):
        yield f"round {beacon.round} does not follow from the times of the closing and of the list of entries"
    if noted_round is not None and beacon.round != noted_round:
        yield f"the round of the beacon is {beacon.round}, not the one that you noted before the opening"
    try:
        if not draw.is_signed(chain, beacon.round, beacon.signature):
            yield f"the signature of round {beacon.round} is not the beacon's"
    except ImportError:
        raise UnusableProof(
            "the order follows from the beacon, whose signature only a package can check; install it: pip install py_arkworks_bls12381"
        ) from None
    except ValueError:  # not a point of the curve
        yield "the public key of the beacon's chain is malformed"
    if draw.beacon_randomness(beacon.signature).hex() != beacon.randomness:
        yield "the randomness is not the SHA-256 of the round's signature"


def _check_list(proof: DrawProof, pages: Iterable[dict[str, Any]], faults: list[str]) -> dict[Entry, str]:
    """Return the entries of all pages with their places in the list. Adds the faults of the list to `faults`."""
    roots, listed = [], dict[Entry, str]()
    numbers: dict[tuple[int, int], list[str]] = {}
    most = MAX_MEMBERS if proof.has_groups else 1
    bits, previous = entries.page_bits(proof.n), b""
    for number, page in enumerate(pages):
        encoded = b""
        for row, entry in enumerate(_parse_entries(number, page["entries"]), 1):
            place = f"page {number}, entry {row}"
            encoded += entry.encode()
            if entry.digest == previous:
                faults.append(f"{place}: this entrant has more than one number")
            if entry.digest < previous or entries.page_number(entry.digest, bits) != number:  # or two numbers of one entrant could hide
                faults.append(f"{place}: is not in the place that its digest determines")
            if entry.weight > proof.max_weight:
                faults.append(f"{place}: has {entry.weight} numbers, and nobody may have more than {proof.max_weight}")
            elif not proof.has_numbers(entry):
                faults.append(f"{place}: number {entry.numbers[-1]} of counter {entry.counter} was never given out before the closing")
            same = dict[str, None]()  # the other places of a number that has too many of them
            for arrival in entry.numbers:
                others = numbers.setdefault((entry.counter, arrival), [])
                if len(others) == most:
                    same |= dict.fromkeys(others)
                else:
                    others.append(place)
            if same:
                faults.append(f"{place}: has the same number as {', '.join(same)}")
            previous = entry.digest
            listed[entry] = place
        roots.append(entries.page_root(encoded))
    has_all_pages = len(roots) == 1 << bits
    if not has_all_pages or entries.list_root(proof.n, proof.offsets, entries.join_roots(roots), has_groups=proof.has_groups) != proof.root:
        faults.append(f"the root of these {len(roots)} pages is not the published root of the list of entries")
    if proof.by_weight is not None:
        counted = Counter(entry.weight for entry in listed)
        by_weight = tuple(counted[weight] for weight in range(1, proof.max_weight + 1))
        if proof.by_weight != by_weight:
            faults.append(f"the list has {_by_weight(by_weight)}, but the shop says: {_by_weight(proof.by_weight)}")
    return listed


def _by_weight(counts: Sequence[int]) -> str:
    return ", ".join(f"{count} with {weight}" for weight, count in enumerate(counts, 1))


def _check_ballot(proof: DrawProof, pages: Sequence[dict[str, Any]], listed: dict[Entry, str] | None, faults: list[str]) -> list[int]:
    """Return the positions to which a ballot has offered tickets. Adds the faults of the offers to `faults`."""
    offered = [0]
    for page in pages:
        if (page["event_id"], page["room"]) != (proof.event_id, proof.room):
            faults.append(f"the ballot belongs to event {page['event_id']}, room {page['room']}")
        for row in page["offers"]:
            entry, position, name = _parse_entry(row), int(row["position"]), f"the offer to place {row['position']}"
            if not proof.has_numbers(entry) or proof.positions(entry)[0] != position:
                faults.append(f"{name}: the draw did not give this place to number {entry.number} of counter {entry.counter}")
            elif listed is not None and entry not in listed:
                faults.append(f"{name}: the list of entries does not have its entrant with this number")
            elif position <= offered[-1]:
                faults.append(f"{name}: follows the offer to place {offered[-1]}")
            else:
                offered.append(position)
    return offered[1:]


def _parse_entries(number: int, rows: list[Any]) -> list[Entry]:
    try:
        found = [_parse_entry(row) for row in rows]
        if all(len(entry.encode()) == entries.ENTRY_BYTES for entry in found):
            return found
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    raise UnusableProof(f"page {number} of the list of entries is malformed")


def _parse_entry(document: dict[str, Any]) -> Entry:
    return Entry(bytes.fromhex(document["digest"]), int(document["counter"]), int(document["number"]), int(document.get("weight", 1)))


def _is_proven(proof: DrawProof, document: dict[str, Any]) -> bool:
    try:
        entry = _parse_entry(document)
        path = [bytes.fromhex(sibling) for sibling in document["path"]]
        found = EntryProof(int(document["index"]), int(document["page_size"]), path)
        return proof.root is not None and proof.has_numbers(entry) and entries.is_proven(entry, found, proof.n, proof.offsets, proof.root)
    except (KeyError, TypeError, ValueError, OverflowError):
        return False


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code. Prints the report, or, to standard error, the reason why nothing was checked."""
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as error:
        return int(error.code or 0)
    _memory.megabytes, _memory.taken = arguments.memory, 0
    try:
        return _run(arguments)
    except UnusableProof as error:
        reason = str(error)
    except Exception as error:  # a shop may send anything, and the exit code of a traceback would say that a fault was found
        reason = f"a document is malformed: {error!r}"
    sys.stderr.write(_printable(f"nothing was checked: {reason}") + "\n")
    if arguments.json:
        sys.stdout.write(_escaped(json.dumps({"exit_code": EXIT_NOT_CHECKED, "error": reason}, ensure_ascii=False)) + "\n")
    return EXIT_NOT_CHECKED


def _run(arguments: Namespace) -> int:
    noted_commitment, noted_root = (text.strip().lower() if text else None for text in (arguments.commitment, arguments.root))
    for name, noted in (("--commitment", noted_commitment), ("--root", noted_root)):
        if noted is not None and not _SHA256_HEX.fullmatch(noted):
            raise UnusableProof(f"{name} must be 64 hexadecimal digits")
    if [arguments.proof, arguments.ledger, arguments.report].count(None) != 2:
        raise UnusableProof("name either the proof of a draw, a stock ledger with --ledger, or an event with --report")
    if arguments.ledger is not None:
        return _run_on_ledger(arguments)
    if arguments.report is not None:
        return _run_report(arguments, noted_commitment, noted_root)
    document = _load_document(arguments.proof)
    if document.get("opened") is False:
        if noted_commitment is not None and noted_commitment != document.get("commitment"):
            return _print(arguments, [f"{_FAULT}the commitment is {document.get('commitment')}, not the one that you noted"], EXIT_FAULTS)
        raise UnusableProof(
            f"the sale has not opened yet; note its commitment and run this again after the opening: {document.get('commitment')}"
        )
    proof = _parse_proof(document)
    if proof.root is None and (arguments.entries or arguments.entry):
        raise UnusableProof("this waiting room has no list of entries")
    pages = _load_pages(proof, arguments.entries) if arguments.entries else None
    proven = ((source, _load_document(source)) for source in arguments.entry)
    noted_chain = arguments.chain.strip().lower() if arguments.chain else None
    ballot = _load_ballot(arguments.ballot) if arguments.ballot else None
    report = check(proof, _read_claims(arguments), noted_commitment, noted_root, pages, proven, arguments.round, noted_chain, ballot)
    # Draws without a list are older than this distinction, so scripts that check them expect 0.
    is_incomplete = proof.root is not None and None in (noted_commitment, noted_root, pages)
    is_incomplete |= (proof.beacon is not None and arguments.round is None) or report.unlisted_members > 0
    code = EXIT_FAULTS if report.faults else EXIT_INCOMPLETE if is_incomplete else EXIT_OK
    return _print(arguments, _report_lines(report, noted_commitment, noted_root, arguments.round), code)


def _key_faults(proof: DrawProof, noted_commitment: str | None) -> Iterator[str]:
    if draw.commitment(proof.key) != proof.commitment:
        yield "the key does not match the commitment"
    if noted_commitment is not None and noted_commitment != proof.commitment:
        yield "the commitment is not the one that you noted before the opening"


def _position(proof: DrawProof, arrival: TokenArrival, listed: dict[Entry, str] | None) -> int:
    """Return the position of a token. Raises InvalidClaim if the token cannot belong to this draw, or is not in the list of entries."""
    if (arrival.event_id, arrival.room) != (proof.event_id, proof.room):
        raise InvalidClaim(f"the token belongs to event {arrival.event_id}, room {arrival.room}")
    counter, number = arrival.counter, arrival.number
    if counter < -proof.late_counters:
        raise InvalidClaim(f"the room has no counter {counter}")
    is_late = counter < 0
    entrant = arrival.user if arrival.group is None or proof.has_groups else arrival.group
    entry = Entry(entries.entrant_digest(proof.commitment, entrant), max(0, counter), number, arrival.weight)
    if number < 1 or not (arrival.weight == 1 if is_late else proof.has_numbers(entry)):
        raise InvalidClaim(f"the token's number {number} of counter {counter} was never given out before the draw closed")
    if arrival.holder is not None and proof.rule == "open":
        raise InvalidClaim("the token names a holder, and in this room places belong to users")
    may_have_groups = proof.root is not None and (proof.has_groups or proof.rule in GROUP_RULES)
    if arrival.group is not None and (is_late or not may_have_groups):
        raise InvalidClaim(f"the token names a group, and {'late arrivals have' if is_late else 'this room has'} none")
    if listed is not None and not is_late and entry not in listed:
        raise InvalidClaim("the list of entries does not have this token's entrant with this number")
    if is_late:
        return draw.position(proof.seed, proof.n, proof.offsets, counter, number, proof.late_counters)
    return proof.positions(entry)[0]


def _parse_token(token: str) -> TokenArrival:
    """Return the arrival in a token. Raises InvalidClaim."""
    payload = token.partition(".")[0]
    try:
        content = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        event_id, room, counter, number, user = (content[name] for name in ("e", "r", "s", "c", "u"))
        holder, group, weight = content.get("h"), content.get("g"), content.get("w", 1)
    except (ValueError, TypeError, KeyError):
        raise InvalidClaim("this is not a waiting room token") from None
    texts, numbers = (event_id, user, *(name for name in (holder, group) if name is not None)), (room, counter, number, weight)
    if not all(isinstance(value, str) for value in texts) or not all(type(value) is int for value in numbers) or weight < 1:
        raise InvalidClaim("this is not a waiting room token")
    return TokenArrival(event_id, room, counter, number, user, holder, group, weight)


def _parse_proof(document: dict[str, Any]) -> DrawProof:
    name = str(document.get("algorithm"))
    algorithm = name.removesuffix(GROUPS).removesuffix(WEIGHTS)
    if algorithm not in (ALGORITHM, BEACON_ALGORITHM):
        raise UnusableProof(f"the algorithm is {name!r}; this program can only check {ALGORITHM!r} and {BEACON_ALGORITHM!r}")
    try:
        proof = DrawProof(
            str(document["event_id"]),
            int(document["room"]),
            str(document["commitment"]),
            bytes.fromhex(document["key"]),
            int(document["n"]),
            tuple(int(offset) for offset in document["offsets"]),
            int(document.get("late_counters", 1)),
            str(document["entries"]["root"]) if document.get("entries") else None,
            int(document["entries"]["pages"]) if document.get("entries") else 0,
            _parse_beacon(document) if algorithm == BEACON_ALGORITHM and document["n"] != 0 else None,
            algorithm,
            document.get("closes_at") is not None,
            name.endswith(GROUPS),
            str(document.get("entry", "open")),
            tuple(int(count) for count in document["entries"]["by_weight"]) if WEIGHTS in name else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableProof(f"the proof document is incomplete or malformed: {error!r}") from None
    if not 0 <= proof.n <= MAX_N:
        raise UnusableProof(f"n = {proof.n} is not between 0 and 2^40")
    return proof


def _parse_beacon(document: dict[str, Any]) -> BeaconProof:
    """Return the round of the beacon. Raises KeyError, TypeError or ValueError if the document lacks it."""
    beacon, listed = document["beacon"], document["entries"]
    if beacon["scheme"] != BEACON_SCHEME:
        raise UnusableProof(f"the beacon's scheme is {beacon['scheme']!r}; this program can only check {BEACON_SCHEME!r}")
    chain = Chain(str(beacon["chain"]), str(beacon["public_key"]), int(beacon["genesis"]), int(beacon["period"]))
    if chain.period < 1:
        raise ValueError("period")
    return BeaconProof(
        chain,
        int(beacon["round"]),
        bytes.fromhex(beacon["signature"]),
        str(beacon["randomness"]),
        _parse_time(document["closes_at"]),
        _parse_time(listed["published_at"]) if listed else 0,
    )


def _parse_time(text: str) -> int:
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


def _load_pages(proof: DrawProof, source: str) -> Iterator[dict[str, Any]]:
    """Yield all pages of the list of entries, from an address or from the files `0`, `1`, ... of a folder."""
    is_address = source.startswith(("http://", "https://"))
    most = min(1 << entries.page_bits(proof.n), MAX_LIST_PAGES)
    if proof.pages > most:
        raise UnusableProof(f"the proof announces {proof.pages} pages of entries, and this program reads at most {most} for n = {proof.n}")
    for number in range(proof.pages):
        page = _load_document(f"{source}?page={number}" if is_address else f"{source}/{number}")
        if page.get("page") != number or not isinstance(page.get("entries"), list):
            raise UnusableProof(f"{source}: this is not page {number} of a list of entries")
        if page.get("room", proof.room) != proof.room:  # before the room was cleared
            raise UnusableProof(f"{source}: page {number} belongs to room {page['room']}; a cache may show it for up to an hour")
        yield page


def _load_ballot(source: str) -> list[dict[str, Any]]:
    """Load all pages of the offers of a ballot from an address, or the one page in a file."""
    pages = [_load_document(source)]
    while (cursor := pages[-1].get("next_cursor")) is not None:
        if not source.startswith(("http://", "https://")) or len(pages) == MAX_LIST_PAGES:
            raise UnusableProof(f"{source}: this is only the beginning of the offers of a ballot")
        pages.append(_load_document(f"{source}?{urlencode({'cursor': cursor})}"))
    if not all(isinstance(page.get("offers"), list) for page in pages):
        raise UnusableProof(f"{source}: these are not the offers of a ballot")
    return pages


def _load_document(source: str) -> dict[str, Any]:
    raw = b""
    try:
        if source.startswith(("http://", "https://")):
            request = Request(source, headers={"Accept-Encoding": "gzip"})  # noqa: S310 - only the two schemes above
            with urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
                raw = response.read(MAX_DOCUMENT_BYTES)
                if response.headers.get("Content-Encoding") == "gzip":
                    raw = zlib.decompressobj(wbits=31).decompress(raw, MAX_DOCUMENT_BYTES)
        else:
            raw = Path(source).read_bytes()
        _memory.take(source, raw)
        document = json.loads(raw)
    except (OSError, zlib.error) as error:
        raise UnusableProof(f"{source}: {error}") from None
    except ValueError as error:
        if raw.lstrip()[:1] == b"<":
            raise UnusableProof(f"{source} is a web page, not data. The draw page shows the right address.") from None
        raise UnusableProof(f"{source} is not complete JSON: {error}") from None
    if not isinstance(document, dict):
        raise UnusableProof(f"{source} is not a proof document")
    return document


def _read_claims(arguments: Namespace) -> Iterator[PositionClaim]:
    for number, text in enumerate(arguments.token, 1):
        yield _parse_claim(f"token {number}", text)
    if arguments.tokens is None:
        return
    try:
        lines = sys.stdin.read() if arguments.tokens == "-" else Path(arguments.tokens).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UnusableProof(f"{arguments.tokens}: {error}") from None
    for number, line in enumerate(lines.splitlines(), 1):
        if line.strip():
            yield _parse_claim(f"line {number}", line)


def _parse_claim(source: str, text: str) -> PositionClaim:
    match text.split():
        case [token]:
            return PositionClaim(source, token, None)
        case [token, position] if re.fullmatch("[0-9]{1,15}", position):
            return PositionClaim(source, token, int(position))
    raise UnusableProof(f"{source} must be a token, or a token and a position")


def _report_lines(
    report: VerificationReport, noted_commitment: str | None, noted_root: str | None, noted_round: int | None
) -> Iterator[str]:
    proof, drawn = report.proof, report.drawn_count
    late = len(report.positions) - drawn
    yield f"event {proof.event_id}, room {proof.room}: {proof.n} arrivals were drawn"
    yield f"commitment {proof.commitment}"
    yield f"key        {proof.key.hex()}"
    if (beacon := proof.beacon) is not None:
        name = "drand's quicknet" if beacon.chain == QUICKNET else f"another chain with the public key {beacon.chain.public_key}"
        yield f"beacon     round {beacon.round} of {name}, {draw.beacon_randomness(beacon.signature).hex()}"
        if beacon.chain == QUICKNET:
            yield f"           (compare it with {beacon.chain.hash}/public/{beacon.round} at any mirror of drand)"
    yield f"tokens     {drawn} drawn and {late} late positions computed, {report.compared_count} compared with a claimed position"
    if drawn == proof.n and proof.n > 0:
        yield f"           every position from 1 to {proof.n} belongs to exactly one of these tokens"
    yield from (f"           {source}: position {position}" for position, source in sorted(report.positions.items())[:MAX_POSITIONS_SHOWN])
    if report.listed is not None:
        owned = {(entry.counter, number) for entry in report.listed for number in entry.numbers}
        yield f"entries    {len(owned)} of {proof.n} numbers belong to entrants; the other numbers admit nobody"
    if report.listed is not None and proof.by_weight is not None:
        yield f"           by how many numbers they have: {_by_weight(proof.by_weight)}"
    if report.listed is not None and proof.has_groups:
        shared = Counter((entry.counter, entry.number) for entry in report.listed)
        members = [people for people in shared.values() if people > 1]
        yield f"           {len(members)} of the numbers belong to groups, which have {sum(members)} members"
    if report.proven_count:
        yield f"entries    {report.proven_count} proofs of single entries checked"
    if report.offered is not None:
        last, known = max(report.offered, default=0), set(report.offered)
        spare = {place for entry in report.listed or () if entry.weight > 1 for place in proof.positions(entry)[1:] if place < last}
        used = known | spare
        missing = (position for position in range(1, last) if position not in used)  # up to 2^40, if a dishonest shop says so
        yield f"ballot     {len(known)} places were offered tickets, the last of them place {last}"
        if spare:
            yield f"           {len(spare)} places before it belong to people with several numbers, who have a better place"
        yield f"           {last - len(used)} places before it were not: these people left, or their wishes did not fit"
        yield from (f"           place {position}" for position in islice(missing, MAX_POSITIONS_SHOWN))
    unchecked = list(_unchecked_lines(report, noted_commitment, noted_root, noted_round))
    yield from (f"{_NOT_CHECKED}{what}" for what in unchecked)
    yield from _fault_lines(report.faults, is_partial=bool(unchecked))


def _unchecked_lines(
    report: VerificationReport, noted_commitment: str | None, noted_root: str | None, noted_round: int | None
) -> Iterator[str]:
    """Name what was not checked, and the option that checks it."""
    proof = report.proof
    if noted_commitment is None:
        yield "whether the key was fixed before the opening: compare the commitment with one that was noted then (--commitment)"
    if proof.root is not None and noted_root is None:
        yield "whether the list was fixed before the key: compare its root with one that was noted then (--root)"
    if proof.beacon is not None and noted_round is None:
        yield "whether the round was named before it was public: compare it with one that was noted then (--round)"
    if proof.by_weight is not None:
        yield "whether earlier ballots drew no tickets for the people with several numbers, which only they and the shop know"
    if report.unlisted_members:
        yield f"whether {report.unlisted_members} tokens are of members who joined a group before the draw: the list has only groups"
    if proof.root is not None and report.listed is None:
        yield f"whether each of the {proof.n} numbers has at most one owner (--entries)"
    yield (
        "whether the shop issued these tokens, which only the shop knows"
        if report.positions
        else "places in line, because there were no tokens"
    )


def _fault_lines(faults: Sequence[str], *, is_partial: bool = False) -> Iterator[str]:
    yield from (f"{_FAULT}{fault}" for fault in faults[:MAX_FAULTS_SHOWN])
    if len(faults) > MAX_FAULTS_SHOWN:
        yield f"       and {len(faults) - MAX_FAULTS_SHOWN} more"
    passed = "all checks passed, but some were not made" if is_partial else "all checks passed"
    yield f"faults found: {len(faults)}. Do not rely on this." if faults else passed


# The stock ledger: a chain of entries, and pages whose last entry is signed.

_COUNTS = {"returned": "were returned", "unpaid": "came back unpaid"}  # which never get smaller


@dataclass
class StockLedger:
    """A download of a stock ledger: its pages, with the entries by number, and the faults in it."""

    pages: list[dict[str, Any]]
    entries: dict[int, dict[str, Any]]
    faults: list[str]

    @property
    def last(self) -> int:
        """The number of the last entry."""
        return max(self.entries, default=0)


def check_ledger(pages: Sequence[dict[str, Any]], noted_key: str | None = None) -> StockLedger:
    """Check the signatures, the chain and the sums of consecutive pages of a stock ledger. Raises UnusableProof."""
    ledger = StockLedger(list(pages), {}, [])
    try:
        for page in pages:
            if page["algorithm"] != LEDGER_ALGORITHM:
                raise UnusableProof(f"the algorithm is {page['algorithm']!r}; this program can only check {LEDGER_ALGORITHM!r}")
            ledger.faults += _page_faults(page, pages[0], noted_key)
            for entry in page["entries"]:
                if entry["number"] in ledger.entries:
                    ledger.faults.append(f"entry {entry['number']}: appears twice")
                ledger.entries[entry["number"]] = entry
        if 1 in ledger.entries and ledger.entries[1]["previous"] != _ledger_hash(pages[0]["event_id"]):
            ledger.faults.append("entry 1: does not name the event as its beginning")
        entries = [*ledger.entries.values()]
        for entry in entries:
            ledger.faults += _entry_faults(entry)
        for before, after in pairwise(entries):
            ledger.faults += _chain_faults(before, after)
        ledger.faults += [*_moving_faults(entries), *_late_faults(entries)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnusableProof(f"the stock ledger is incomplete or malformed: {error!r}") from None
    return ledger


def compare_ledgers(ledger: StockLedger, earlier: StockLedger) -> Iterator[str]:
    """Yield the faults that an earlier download shows: entries that are different or missing now."""
    if ledger.pages[0]["event_id"] != earlier.pages[0]["event_id"]:
        raise UnusableProof("the two stock ledgers belong to different events")
    if earlier.last > ledger.last:
        yield f"the ledger ends with entry {ledger.last}, and the earlier download with entry {earlier.last}"
    for number in sorted(ledger.entries.keys() & earlier.entries.keys()):
        if ledger.entries[number] != earlier.entries[number]:
            yield f"entry {number}: the shop signed another entry {number} earlier"
            return


def _page_faults(page: dict[str, Any], first: dict[str, Any], noted_key: str | None) -> Iterator[str]:
    name, entries = f"page {page['page']}", page["entries"]
    number, digest = (entries[-1]["number"], _entry_hash(entries[-1])) if entries else (0, _ledger_hash(page["event_id"]))
    message = "\n".join((LEDGER_ALGORITHM, page["event_id"], str(number), digest))
    if page["page"] == 0 and entries and entries[0]["number"] != 1:
        yield f"{name}: begins with entry {entries[0]['number']}"
    if page["hash"] != digest:
        yield f"{name}: its hash is not that of its last entry"
    if not _is_signed(bytes.fromhex(page["public_key"]), message.encode(), bytes.fromhex(page["signature"])):
        yield f"{name}: its signature is not valid"
    if (page["event_id"], page["public_key"]) != (first["event_id"], first["public_key"]):
        yield f"{name}: has another event or public key than the first page"
    if noted_key is not None and page["public_key"] != noted_key:
        yield f"{name}: the public key is not the one that you noted"


def _entry_faults(entry: dict[str, Any]) -> Iterator[str]:
    """Check the numbers of an entry. A line without a limit has no sum."""
    for line in entry["lines"]:
        name, held_back = f"entry {entry['number']}, {_line_name(line)}", sum(line.get("held_back", {}).values())
        counted = {field: line[field] for field in ("available", "held", "sold", *_COUNTS) if field in line}
        if min([0, *counted.values(), *line.get("held_back", {}).values(), *line.get("issued", {}).values()]) < 0:
            yield f"{name}: a number is negative"
        if "capacity" in line and "available" in line:
            total = line["available"] + line["held"] + line["sold"] + line["moving"] + held_back
            if total != line["capacity"]:
                yield f"{name}: the numbers add up to {total}, and the capacity is {line['capacity']}"
        for reason, issued in line.get("issued", {}).items():
            if issued > line.get("held_back", {}).get(reason, 0):
                yield f"{name}: {issued} tickets were issued, which is more than are held back ({reason})"


def _chain_faults(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    name = f"entry {after['number']}"
    if after["number"] != before["number"] + 1:
        yield f"{name}: follows entry {before['number']}"
    if after["previous"] != _entry_hash(before):
        yield f"{name}: does not name the hash of the entry before"
    if _parse_time(after["at"]) < _parse_time(before["at"]):
        yield f"{name}: is earlier than the entry before"
    if after["kind"] != "change" and list(map(_definition, after["lines"])) != list(map(_definition, before["lines"])):
        yield f"{name}: changes a capacity or the held-back tickets, and does not say so"
    for field, what in _COUNTS.items():
        counts = {line.get("tier_id"): line[field] for line in before["lines"] if field in line}
        if any(line[field] < counts.get(line.get("tier_id"), 0) for line in after["lines"] if field in line):
            yield f"{name}: fewer tickets {what} than in the entry before"


def _moving_faults(entries: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Check that the stock does not differ from the capacity for longer than a change takes."""
    since: dict[str | None, int] = {}
    for entry in entries:
        for line in entry["lines"] if entry["kind"] == "totals" else []:
            tier_id, at = line.get("tier_id"), _parse_time(entry["at"])
            seconds = at - (since.setdefault(tier_id, at) if line.get("moving") else since.pop(tier_id, at))
            if seconds > MAX_MOVING_SECONDS:
                yield f"entry {entry['number']}, {_line_name(line)}: tickets were neither in the stock nor held back for {seconds} seconds"


def _late_faults(entries: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Check that a room's counters of late arrivals never decrease."""
    known: dict[int, list[int]] = {}
    for entry in entries:
        if late := entry.get("late"):
            before = known.setdefault(late["room"], [0] * len(late["counts"]))
            if any(now < then for now, then in zip(late["counts"], before, strict=True)):
                yield f"entry {entry['number']}: fewer late arrivals than in an earlier entry"
            known[late["room"]] = late["counts"]


def _definition(line: dict[str, Any]) -> tuple[Any, ...]:
    return line.get("tier_id"), line.get("capacity"), line.get("held_back", {})


def _line_name(line: dict[str, Any]) -> str:
    return str(line.get("tier_id", "all tickets"))


def _entry_hash(entry: dict[str, Any]) -> str:
    return sha256(json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _ledger_hash(event_id: str) -> str:
    return sha256(f"{LEDGER_ALGORITHM}\n{event_id}".encode()).hexdigest()


def _run_on_ledger(arguments: Namespace) -> int:
    ledger = check_ledger(_load_ledger(arguments.ledger), arguments.key and arguments.key.strip().lower())
    faults = list(ledger.faults)
    for other_source in arguments.earlier:
        other = check_ledger(_load_ledger(other_source), ledger.pages[0]["public_key"])
        faults += [f"{other_source}: {fault}" for fault in (*other.faults, *compare_ledgers(ledger, other))]
    lines = _ledger_lines(ledger, faults, arguments.key, len(arguments.earlier))
    return _print(arguments, lines, EXIT_FAULTS if faults else EXIT_OK)


def _load_ledger(source: str) -> list[dict[str, Any]]:
    """Load all pages of a ledger from an address, all pages in a folder (files `0`, `1`, ...), or the one page in a file."""
    if not source.startswith(("http://", "https://")) and not Path(source).is_dir():
        return [_load_document(source)]
    pages: list[dict[str, Any]] = []
    for number in count():
        path = f"{source}?page={number}" if source.startswith("http") else f"{source}/{number}"
        page = _load_document(path)
        announced = page.get("pages")
        if page.get("page") != number or type(announced) is not int:  # a later page would pass all checks, and hide the pages before it
            raise UnusableProof(f"{path}: this is not page {number} of a stock ledger")
        if announced > MAX_LEDGER_PAGES:
            raise UnusableProof(f"{path} announces {announced} pages, and this program reads at most {MAX_LEDGER_PAGES}")
        pages.append(page)
        if number + 1 >= announced:
            break
    return pages


def _ledger_lines(ledger: StockLedger, faults: Sequence[str], noted_key: str | None, compared: int) -> Iterator[str]:
    first = min(ledger.entries, default=0)
    hint = "compared with the one that you noted" if noted_key else "note it, and compare it with what others noted"
    yield f"event {ledger.pages[0]['event_id']}: entries {first} to {ledger.last} of its stock ledger"
    yield f"public key {ledger.pages[0]['public_key']}"
    yield f"           ({hint})"
    if compared:
        yield f"           {compared} earlier downloads compared"
    for line in ledger.entries[ledger.last]["lines"] if ledger.entries else []:
        shown = {name: line[name] for name in ("capacity", "available", "held", "sold", "returned", "unpaid", "moving") if name in line}
        shown |= {f"held back ({reason})": quantity for reason, quantity in line.get("held_back", {}).items()}
        shown |= {f"issued ({reason})": quantity for reason, quantity in line.get("issued", {}).items()}
        yield f"{_line_name(line)}: " + ", ".join(f"{name} {value}" for name, value in shown.items())
    yield from _fault_lines(faults)


# The report of a drop: what the public documents of an event say about its sale. web/src/drop-report.ts makes the same report for the page.


def make_report(
    event: dict[str, Any], proof: dict[str, Any] | None, state: dict[str, Any] | None, ledger: Sequence[dict[str, Any]], now: int
) -> dict[str, Any]:
    """Return the sale report from the event's public documents, which were fetched at `now` (epoch seconds).

    `ledger` has all entries of the stock ledger. `proof` and `state` are those of the waiting room, or None without one. A pair of seconds
    says that something happened between the two. Seconds count from the opening: the beginning of the room's plan or, without a room, the
    event's `on_sale_at` or its publication, whichever is later. Raises KeyError, TypeError or ValueError if a document is malformed.
    """
    segments = state["segments"] if state else []
    opened_at = int(segments[0]["since"]) if segments else max(_parse_time(at) for at in (event["on_sale_at"], ledger[0]["at"]) if at)
    before = [entry for entry in ledger if _parse_time(entry["at"]) <= opened_at] or ledger[:1]
    counted = [entry for entry in ledger if entry["kind"] == "totals"]
    last = (counted or ledger)[-1]["lines"] if ledger else []
    at_opening = {line.get("tier_id"): line for line in before[-1]["lines"]} if before else {}
    names = {tier["id"]: tier["name"] for tier in event["tiers"]}
    waiting = None if event.get("has_ballot") else proof  # nobody waits for a turn in a ballot
    by_weight = (proof["entries"] or {}).get("by_weight") if proof else None
    late, late_waits = max(0, proof["total"] - proof["n"]) if proof else 0, waiting and _late_waits(segments, waiting, ledger, now)
    figures = proof and _figures(proof["room"], ledger)
    unknown = [
        *([] if figures else ["latency", "errors"]),
        *(["waits_of_late_arrivals"] if waiting and late and not late_waits else []),
        *(["unpaid"] if any("unpaid" not in line for line in last) else []),
    ]
    return {
        "format": REPORT_FORMAT,
        "event_id": event["id"],
        "name": event["name"],
        "made_at": _format_time(now),
        "opened_at": _format_time(opened_at),
        "counted_at": counted[-1]["at"] if counted else None,
        "entrants": proof
        and {
            "rule": proof["entry"],
            "drawn": proof["n"],
            "late": late,
            "excluded": proof["excluded"],
            "ballot": waiting is None,
            **({"by_weight": by_weight} if by_weight else {}),
        },
        "draw": proof
        and {
            **{name: proof[name] for name in ("room", "algorithm", "commitment", "key")},
            "root": (proof["entries"] or {}).get("root"),
            "round": proof.get("beacon", {}).get("round"),
        },
        "waits": waiting and _waits(segments, waiting["n"], now),
        "late_waits": late_waits,
        "figures": figures,
        "tickets": [
            {
                "tier_id": line.get("tier_id"),
                "name": names.get(line.get("tier_id")),
                "at_opening": _without_id(at_opening.get(line.get("tier_id"))),
                "counted": _without_id(line),
                "sold_out_seconds": _sold_out(counted, line.get("tier_id"), opened_at),
            }
            for line in last
        ],
        "changes_after_opening": [
            {name: entry.get(name) for name in ("number", "at", "kind", "cause")}
            for entry in ledger[len(before) :]
            if entry["kind"] not in ("totals", "figures")
        ],
        "unknown": unknown,
    }


def _waits(segments: Sequence[dict[str, Any]], n: int, now: int) -> list[dict[str, Any]]:
    """Return how many seconds after the opening some drawn places had their turn, or None for a turn that has not come."""
    since = segments[0]["since"] if segments else 0
    return [{"place": place, "seconds": _wait(segments, place, (since, since), now)} for place in _places(n, REPORTED_SHARES)]


def _places(n: int, shares: Iterable[int]) -> list[int]:
    """Return the places at these percentages of `n` places."""
    return sorted({max(1, -(-n * share // 100)) for share in shares} if n else ())


def _wait(segments: Sequence[dict[str, Any]], place: int, joined: tuple[int, int], now: int) -> list[int] | None:
    """Return the seconds between which somebody who joined between two times waited for a turn, or None if it has not come."""
    first, last = (_turn(segments, place, at) for at in joined)
    return [max(0, first[0] - joined[1]), last[1] - joined[0]] if first and last and last[1] <= now else None


def _late_waits(
    segments: Sequence[dict[str, Any]], proof: dict[str, Any], ledger: Sequence[dict[str, Any]], now: int
) -> dict[str, Any] | None:
    """Return the waits of some late arrivals, and the 95th percentile of the waits of a hundred.

    Returns None if the ledger counts no late arrivals.
    """
    counted = [entry for entry in ledger if "late" in entry and entry["late"]["room"] == proof["room"]]
    counts = counted[-1]["late"]["counts"] if counted else []
    last = max(((number - 1) * len(counts) + place for place, number in enumerate(counts, 1) if number), default=0)

    def waits(shares: Iterable[int]) -> list[dict[str, Any]]:
        found = [(proof["n"] + place, _joined(counted, place - 1)) for place in _places(last, shares)]
        return [{"place": place, "seconds": _wait(segments, place, joined, now)} for place, joined in found if joined]

    sample = [wait["seconds"] or (0, inf) for wait in waits(range(1, 101))]
    p95 = [sorted(limits)[-(-95 * len(sample) // 100) - 1] for limits in zip(*sample, strict=True)]
    known = {"counted": sum(counts), "places": waits(REPORTED_SHARES), "p95_seconds": p95 if inf not in p95 else None}
    return known if last else None


def _joined(counted: Sequence[dict[str, Any]], place: int) -> tuple[int, int] | None:
    """Return the times between which a late place, from 0, was given out, or None if unknown. Late counters take turns."""
    earliest = _parse_time(counted[0]["late"]["closed_at"])
    for entry in counted:
        counts = entry["late"]["counts"]
        if counts[place % len(counts)] > place // len(counts):
            return earliest, _parse_time(entry["at"])
        earliest = max(earliest, _parse_time(entry["counted_from"]))
    return None


def _figures(room: int, ledger: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return what API Gateway measured for the room's drop, with the sums of its requests and errors. Returns None if it has no figures."""
    for entry in ledger:
        if entry["kind"] == "figures" and entry["figures"]["room"] == room:
            sums = {name: sum(bucket.get(name, 0) for bucket in entry["figures"]["buckets"]) for name in ("requests", "errors")}
            return {"entry": entry["number"], **sums, **entry["figures"], "limits": list(FIGURES_LIMITS)}
    return None


def _turn(segments: Sequence[dict[str, Any]], place: int, joined: int) -> tuple[int, int] | None:
    """Return the seconds between which a place was or will be admitted. They are equal unless the shop has merged old parts of its plan."""
    if not segments:
        return None
    first, second = segments[0], segments[1] if len(segments) > 1 else None
    if first["wave_size"] == 0 and 0 < place <= first["base"] and (second is None or joined < second["since"]):
        return (max(first["since"], joined), second["since"]) if second else None
    for segment, following in zip(segments, [*segments[1:], None], strict=True):
        missing, at = place - segment["base"], segment["since"]
        if missing > 0:
            if segment.get("paused") or segment["wave_size"] == 0:
                continue
            at += segment["interval"] * -(-missing // segment["wave_size"]) - segment.get("waited", 0)
        at = max(at, joined)
        if following is None or at < following["since"]:
            return at, at
    return None


def _sold_out(counted: Sequence[dict[str, Any]], tier_id: str | None, opened_at: int) -> list[int] | None:
    """Return the seconds after the opening between which nothing was left for the first time, or None."""
    first = 0
    for entry in counted:
        line: dict[str, Any] = next((line for line in entry["lines"] if line.get("tier_id") == tier_id), {})
        if "available" not in line or (at := _parse_time(entry["at"])) < opened_at:
            continue
        if line["available"] <= 0:
            return [first, at - opened_at]
        first = max(first, _parse_time(entry["counted_from"]) - opened_at)
    return None


def _without_id(line: dict[str, Any] | None) -> dict[str, Any] | None:
    return line and {name: value for name, value in line.items() if name != "tier_id"}


def _format_time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()[:19] + "Z"


def _run_report(arguments: Namespace, noted_commitment: str | None, noted_root: str | None) -> int:
    """Print the report of an event as JSON. The faults of its draw and of its ledger go to standard error."""
    source = arguments.report.rstrip("/")
    event = _load_document(source)
    ledger = check_ledger(_load_ledger(f"{source}/stock-ledger"), arguments.key and arguments.key.strip().lower())
    faults, unchecked, proof, state = list(ledger.faults), list[str](), None, None
    if ledger.entries and 1 not in ledger.entries:
        faults.append(f"the stock ledger begins with entry {min(ledger.entries)}")
    if event.get("has_waiting_room"):
        proof, state = _load_document(f"{source}/waiting-room/proof"), _load_document(f"{source}/waiting-room/state")
        if proof.get("opened") is False:
            raise UnusableProof("the sale has not opened yet")
        noted_chain = arguments.chain.strip().lower() if arguments.chain else None
        drawn = check(_parse_proof(proof), (), noted_commitment, noted_root, noted_round=arguments.round, noted_chain=noted_chain)
        faults += drawn.faults
        unchecked += _unchecked_lines(drawn, noted_commitment, noted_root, arguments.round)
        if any(proof.get(name) != state.get(name) for name in ("room", "commitment", "key", "n")):
            faults.append("the state of the waiting room belongs to another draw than the proof; run this again")
    for document in (*ledger.pages, *filter(None, (proof, state))):
        if document.get("event_id") != event.get("id"):
            faults.append(f"a document of the event {event.get('id')} belongs to the event {document.get('event_id')}")
    try:
        report = make_report(event, proof, state, list(ledger.entries.values()), int(time.time()))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UnusableProof(f"a document of the event is incomplete or malformed: {error!r}") from None
    if arguments.key is None:
        unchecked.append("whether everybody sees this stock ledger: compare its public key with one that was noted before (--key)")
    lines = [*(f"{_NOT_CHECKED}{what}" for what in unchecked), *_fault_lines(faults, is_partial=bool(unchecked))]
    sys.stderr.write("\n".join(map(_printable, lines)) + "\n")
    sys.stdout.write("\n".join(map(_escaped, json.dumps(report, indent=2, ensure_ascii=False).split("\n"))) + "\n")
    return EXIT_FAULTS if faults else EXIT_OK


# Ed25519 (RFC 8032), which Python's library does not have. A point is (X, Y, Z, T) with x = X/Z, y = Y/Z and xy = T/Z (section 5.1.4).

_P, _L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_Point = tuple[int, int, int, int]


def _is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    if len(public_key) != 32 or len(signature) != 64:
        return False
    key, commitment, scalar = _decode_point(public_key), _decode_point(signature[:32]), int.from_bytes(signature[32:], "little")
    base = _decode_point((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))
    if key is None or commitment is None or base is None or scalar >= _L:
        return False
    x, y, z, _ = _times(8, key)
    if x == 0 and y == z:  # the order of the key divides 8, so anybody could forge signatures
        return False
    challenge = int.from_bytes(sha512(signature[:32] + public_key + message).digest(), "little") % _L
    (x1, y1, z1, _), (x2, y2, z2, _) = _times(scalar, base), _add(commitment, _times(challenge, key))
    return (x1 * z2 - x2 * z1) % _P == 0 and (y1 * z2 - y2 * z1) % _P == 0


def _decode_point(raw: bytes) -> _Point | None:
    """Return the point of the curve -x^2 + y^2 = 1 + d x^2 y^2 with this encoding: y, and the lowest bit of x."""
    number = int.from_bytes(raw, "little")
    y, is_odd = number & ((1 << 255) - 1), number >> 255
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if y >= _P or (x * x - square) % _P or (x == 0 and is_odd):
        return None
    x = x if x & 1 == is_odd else _P - x
    return x, y, 1, x * y % _P


def _add(one: _Point, other: _Point) -> _Point:
    (x1, y1, z1, t1), (x2, y2, z2, t2) = one, other
    a, b, c, d = (y1 - x1) * (y2 - x2) % _P, (y1 + x1) * (y2 + x2) % _P, 2 * _D * t1 * t2 % _P, 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(scalar: int, point: _Point) -> _Point:
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = _add(total, point)
        point, scalar = _add(point, point), scalar >> 1
    return total


def _print(arguments: Namespace, lines: Iterable[str], code: int) -> int:
    lines = list(lines)
    if arguments.json:
        faults, unchecked = ([line.removeprefix(mark) for line in lines if line.startswith(mark)] for mark in (_FAULT, _NOT_CHECKED))
        text = _escaped(json.dumps({"exit_code": code, "faults": faults, "not_checked": unchecked, "lines": lines}, ensure_ascii=False))
    else:
        text = "\n".join(map(_printable, lines))
    sys.stdout.write(text + "\n")
    return code


def _printable(line: str) -> str:
    """Return a line for a terminal. Otherwise, a dishonest shop could move the cursor, or add lines that claim success."""
    text = _escaped(line)
    return text if len(text) <= MAX_LINE_LENGTH else f"{text[:MAX_LINE_LENGTH]}... ({len(text)} characters)"


def _escaped(text: str) -> str:
    """Escape everything but printable characters, as in JSON."""
    return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in text)


def parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python verify.pyz", description="Check a shop's draw or stock ledger from outside the shop, or report on a sale."
    )
    parser.add_argument("proof", metavar="PROOF", nargs="?", help="file or http(s) address of the proof document")
    parser.add_argument(
        "tokens", metavar="TOKENS", nargs="?", help="file with `token` or `token position` on each line; - means standard input"
    )
    parser.add_argument(
        "--token", metavar="TOKEN", action="append", default=[], help="token to check, or 'TOKEN POSITION' to check its position too"
    )
    parser.add_argument(
        "--entries", metavar="ENTRIES", help="address of the list of entries, or a folder with its pages: check the entire list"
    )
    parser.add_argument("--entry", metavar="ENTRY", action="append", default=[], help="file or address of the proof of a single entry")
    parser.add_argument("--ballot", metavar="BALLOT", help="address of a ballot's offers (.../events/<id>/ballot), or a file with them")
    parser.add_argument("--root", metavar="HEX", help="root of the list of entries, as you noted it before the opening")
    parser.add_argument("--round", metavar="NUMBER", type=int, help="round of the beacon, as you noted it before the opening")
    parser.add_argument("--chain", metavar="HEX", help="hash of the beacon's chain, as you noted it; not needed for drand's quicknet")
    parser.add_argument("--commitment", metavar="HEX", help="commitment, as you noted it before the opening")
    parser.add_argument(
        "--ledger", metavar="LEDGER", help="address of an event's stock ledger, a file with a page, or a folder with its pages"
    )
    parser.add_argument(
        "--earlier", metavar="LEDGER", action="append", default=[], help="earlier download of the stock ledger, to compare with"
    )
    parser.add_argument("--report", metavar="EVENT", help="address of an event (.../events/<id>): print a report on its sale as JSON")
    parser.add_argument("--key", metavar="HEX", help="public key of the stock ledger, as you noted it")
    parser.add_argument(
        "--memory",
        metavar="MB",
        type=int,
        default=MEMORY_MEGABYTES,
        help=f"maximum memory for all documents, in megabytes (default: {MEMORY_MEGABYTES})",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
    return parser


if __name__ == "__main__":
    sys.exit(main())
