"""python -m chalicelib.waiting_room.verify PROOF [TOKENS]: check a draw from outside, with Python alone.

Needs no account, setting, secret or package. What it cannot check is whether a token was signed by the shop: only the shop's
secret can tell. Exit codes: 0 everything that was checked is right, 1 a fault was found, 2 nothing could be checked.
"""

import json
import re
import sys
from argparse import ArgumentParser, Namespace
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from chalicelib.waiting_room import draw
from chalicelib.waiting_room.permutation import ALGORITHM, MAX_N

GOOD, FAULTY, UNUSABLE = 0, 1, 2
MAX_BYTES = 1 << 20
TIMEOUT_SECONDS = 20
MAX_SHOWN = 20
_HASH = re.compile("[0-9a-f]{64}")


class UnusableProof(Exception):
    """What was given cannot be checked at all; the message says why."""


class InvalidClaim(Exception):
    """Something is not as it must be in an honest draw."""


@dataclass(frozen=True)
class DrawProof:
    """The proof document of an opened room. `offsets[i]` arrivals were counted before those of counter i, of n in all."""

    event_id: str
    room: int
    commitment: str
    key: bytes
    n: int
    offsets: list[int]

    def arrivals(self, counter: int) -> int:
        ends = [*self.offsets[1:], self.n]
        return ends[counter] - self.offsets[counter]

    def adds_up(self) -> bool:
        return self.offsets[:1] == [0] and all(self.arrivals(counter) >= 0 for counter in range(len(self.offsets)))


@dataclass(frozen=True)
class PositionClaim:
    """One line of the tokens: the token and, if somebody was told one, the position to compare with."""

    where: str
    token: str
    position: int | None


@dataclass
class VerificationReport:
    """What was found: `faults` is empty after an honest draw."""

    proof: DrawProof
    faults: list[str]
    positions: dict[int, str]
    compared: int = 0

    @property
    def drawn(self) -> int:
        return sum(position <= self.proof.n for position in self.positions)


def check(proof: DrawProof, claims: Iterable[PositionClaim], noted: str | None = None) -> VerificationReport:
    """Recompute everything. `noted` is the commitment that somebody wrote down before the opening."""
    report = VerificationReport(proof, list(_key_faults(proof, noted)), {})
    if not proof.adds_up():
        report.faults.append(f"the counters' offsets {proof.offsets} do not add up to {proof.n}: no position follows from them")
        return report
    for claim in claims:
        try:
            position = _position(proof, claim.token)
        except InvalidClaim as fault:
            report.faults.append(f"{claim.where}: {fault}")
            continue
        if claim.position is not None:
            report.compared += 1
            if claim.position != position:
                report.faults.append(f"{claim.where}: position {claim.position} was claimed, the draw says {position}")
        other = report.positions.setdefault(position, claim.where)
        if other != claim.where:
            report.faults.append(f"{claim.where}: has position {position}, as {other} has")
    return report


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code. The report goes to standard output, why nothing was checked to standard error."""
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as error:
        return int(error.code or 0)
    try:
        return _run(arguments)
    except UnusableProof as error:
        sys.stderr.write(f"nothing was checked: {error}\n")
        return UNUSABLE


def _run(arguments: Namespace) -> int:
    noted = arguments.commitment.strip().lower() if arguments.commitment else None
    if noted is not None and not _HASH.fullmatch(noted):
        raise UnusableProof("--commitment must be 64 hexadecimal digits")
    document = _document(arguments.proof)
    if document.get("opened") is False:
        if noted is not None and noted != document.get("commitment"):
            return _print([f"FAULT  the commitment is {document.get('commitment')}, not the one that was noted"], FAULTY)
        raise UnusableProof(f"the sale has not opened yet; note its commitment: {document.get('commitment')}")
    proof = _proof(document)
    report = check(proof, _claims(arguments), noted)
    return _print(_lines(report, noted), FAULTY if report.faults else GOOD)


def _key_faults(proof: DrawProof, noted: str | None) -> Iterator[str]:
    if draw.commitment(proof.key) != proof.commitment:
        yield "the key is not the one that was committed to"
    if noted is not None and noted != proof.commitment:
        yield "the commitment is not the one that was noted before the opening"


def _position(proof: DrawProof, token: str) -> int:
    """The position of a token; raises Fault for one that cannot be of this draw."""
    event_id, room, counter, number = _arrival(token)
    if (event_id, room) != (proof.event_id, proof.room):
        raise InvalidClaim(f"the token is of event {event_id}, room {room}")
    late = counter < 0
    if number < 1 or not (late or (counter < len(proof.offsets) and number <= proof.arrivals(counter))):
        raise InvalidClaim(f"the token's number {number} of counter {counter} was never given out before the opening")
    return draw.position(proof.key, proof.n, proof.offsets, counter, number)


def _arrival(token: str) -> tuple[str, int, int, int]:
    """What a token says: event, room, counter, number."""
    payload = token.partition(".")[0]
    try:
        said = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        event_id, room, counter, number = (said[name] for name in ("e", "r", "s", "c"))
    except (ValueError, TypeError, KeyError):
        raise InvalidClaim("this is not a token of a waiting room") from None
    if not isinstance(event_id, str) or not all(type(value) is int for value in (room, counter, number)):
        raise InvalidClaim("this is not a token of a waiting room")
    return event_id, room, counter, number


def _proof(document: dict[str, Any]) -> DrawProof:
    if document.get("algorithm") != ALGORITHM:
        raise UnusableProof(f"the algorithm is {document.get('algorithm')!r}; this program knows {ALGORITHM!r}")
    try:
        proof = DrawProof(
            str(document["event_id"]),
            int(document["room"]),
            str(document["commitment"]),
            bytes.fromhex(document["key"]),
            int(document["n"]),
            [int(offset) for offset in document["offsets"]],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableProof(f"the proof is incomplete: {error!r}") from None
    if not 0 <= proof.n <= MAX_N:
        raise UnusableProof(f"n = {proof.n} is not between 0 and 2^40")
    return proof


def _document(source: str) -> dict[str, Any]:
    try:
        if source.startswith(("http://", "https://")):
            with urlopen(source, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - only the two schemes above
                raw = answer.read(MAX_BYTES)
        else:
            raw = Path(source).read_bytes()
        document = json.loads(raw)
    except (OSError, ValueError) as error:
        raise UnusableProof(f"{source}: {error}") from None
    if not isinstance(document, dict):
        raise UnusableProof(f"{source} is not a proof document")
    return document


def _claims(arguments: Namespace) -> Iterator[PositionClaim]:
    for number, text in enumerate(arguments.token, 1):
        yield _claim(f"token {number}", text)
    if arguments.tokens is None:
        return
    try:
        lines = sys.stdin.read() if arguments.tokens == "-" else Path(arguments.tokens).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UnusableProof(f"{arguments.tokens}: {error}") from None
    for number, line in enumerate(lines.splitlines(), 1):
        if line.strip():
            yield _claim(f"line {number}", line)


def _claim(where: str, text: str) -> PositionClaim:
    match text.split():
        case [token]:
            return PositionClaim(where, token, None)
        case [token, position] if re.fullmatch("[0-9]{1,15}", position):
            return PositionClaim(where, token, int(position))
    raise UnusableProof(f"{where} is neither a token nor a token and a position")


def _lines(report: VerificationReport, noted: str | None) -> Iterator[str]:
    proof, late = report.proof, len(report.positions) - report.drawn
    yield f"event {proof.event_id}, room {proof.room}: {proof.n} were drawn"
    yield f"commitment {proof.commitment}"
    yield "           compared with the one that was noted" if noted else "           (compare it with what you noted before the opening)"
    yield f"key        {proof.key.hex()}"
    yield f"tokens     {report.drawn} drawn and {late} late positions computed, {report.compared} compared with a claim"
    if report.drawn == proof.n and proof.n > 0:
        yield f"           every position from 1 to {proof.n} belongs to exactly one of them"
    yield "           (whether the shop signed them, only the shop can tell)"
    yield from (f"FAULT  {fault}" for fault in report.faults[:MAX_SHOWN])
    if len(report.faults) > MAX_SHOWN:
        yield f"       and {len(report.faults) - MAX_SHOWN} more"
    yield f"faults found: {len(report.faults)}" if report.faults else "everything that was checked is right"


def _print(lines: Iterable[str], code: int) -> int:
    sys.stdout.write("\n".join(lines) + "\n")
    return code


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m chalicelib.waiting_room.verify", description="Check a waiting room's draw from outside.")
    parser.add_argument("proof", metavar="PROOF", help="file or http(s) address of the proof document")
    parser.add_argument("tokens", metavar="TOKENS", nargs="?", help="file of lines `token` or `token position`; - for standard input")
    parser.add_argument("--token", metavar="TOKEN", action="append", default=[], help="one token; 'TOKEN POSITION' compares")
    parser.add_argument("--commitment", metavar="HEX", help="the commitment as it was noted before the opening")
    return parser


if __name__ == "__main__":
    sys.exit(main())
