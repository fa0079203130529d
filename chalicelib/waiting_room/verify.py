"""Check a draw from outside the shop, using only Python: python -m chalicelib.waiting_room.verify PROOF [TOKENS].

The check needs no account, setting, secret or package. It cannot tell whether the shop signed a token, because that requires the shop's
secret. The exit code is 0 if all checks passed, 1 if a fault was found, and 2 if nothing could be checked.
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
from chalicelib.waiting_room.draw import ALGORITHM, MAX_N

EXIT_OK, EXIT_FAULTS, EXIT_NOT_CHECKED = 0, 1, 2
MAX_PROOF_BYTES = 1 << 20
TIMEOUT_SECONDS = 20
MAX_FAULTS_SHOWN = 20
_SHA256_HEX = re.compile("[0-9a-f]{64}")


class UnusableProof(Exception):
    """The proof or the tokens cannot be checked at all. The message gives the reason."""


class InvalidClaim(Exception):
    """A token cannot belong to the draw. The message gives the reason."""


@dataclass(frozen=True)
class DrawProof:
    """The proof document of a room after the opening.

    `n` arrivals were drawn. `offsets[i]` is the number of arrivals counted by the counters before counter i. `late_counters` is the number
    of counters of arrivals after the opening; it is 1 if the document does not have it.
    """

    event_id: str
    room: int
    commitment: str
    key: bytes
    n: int
    offsets: tuple[int, ...]
    late_counters: int = 1

    def arrivals(self, counter: int) -> int:
        """Return the number of arrivals that a counter counted."""
        ends = [*self.offsets[1:], self.n]
        return ends[counter] - self.offsets[counter]

    def adds_up(self) -> bool:
        """Return whether the counters' arrivals add up to `n`."""
        return self.offsets[:1] == (0,) and all(self.arrivals(counter) >= 0 for counter in range(len(self.offsets)))


@dataclass(frozen=True)
class TokenArrival:
    """The arrival in a token: a counter and a number in it, from 1. The counter is negative for arrivals after the opening."""

    event_id: str
    room: int
    counter: int
    number: int


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
    """The result of a check: the faults (an honest draw has none), and the source of the token at each position."""

    proof: DrawProof
    faults: list[str]
    positions: dict[int, str]
    compared_count: int = 0

    @property
    def drawn_count(self) -> int:
        """The number of positions from the draw, without the positions of late arrivals."""
        return sum(position <= self.proof.n for position in self.positions)


def check(proof: DrawProof, claims: Iterable[PositionClaim], noted_commitment: str | None = None) -> VerificationReport:
    """Check the key and recompute all positions. `noted_commitment` is the commitment that the user noted before the opening."""
    report = VerificationReport(proof, list(_key_faults(proof, noted_commitment)), {})
    if not proof.adds_up():
        report.faults.append(f"the counters' offsets {list(proof.offsets)} do not add up to {proof.n}, so no position can be computed")
        return report
    for claim in claims:
        try:
            position = _position(proof, claim.token)
        except InvalidClaim as error:
            report.faults.append(f"{claim.source}: {error}")
            continue
        if claim.position is not None:
            report.compared_count += 1
            if claim.position != position:
                report.faults.append(f"{claim.source}: position {claim.position} was claimed, but the draw says {position}")
        first_source = report.positions.setdefault(position, claim.source)
        if first_source != claim.source:
            report.faults.append(f"{claim.source}: has the same position {position} as {first_source}")
    return report


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code. Prints the report, or, to standard error, the reason why nothing was checked."""
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as error:
        return int(error.code or 0)
    try:
        return _run(arguments)
    except UnusableProof as error:
        sys.stderr.write(f"nothing was checked: {error}\n")
        return EXIT_NOT_CHECKED


def _run(arguments: Namespace) -> int:
    noted_commitment = arguments.commitment.strip().lower() if arguments.commitment else None
    if noted_commitment is not None and not _SHA256_HEX.fullmatch(noted_commitment):
        raise UnusableProof("--commitment must be 64 hexadecimal digits")
    document = _load_document(arguments.proof)
    if document.get("opened") is False:
        if noted_commitment is not None and noted_commitment != document.get("commitment"):
            return _print([f"FAULT  the commitment is {document.get('commitment')}, not the one that you noted"], EXIT_FAULTS)
        raise UnusableProof(
            f"the sale has not opened yet; note its commitment and run this again after the opening: {document.get('commitment')}"
        )
    report = check(_parse_proof(document), _read_claims(arguments), noted_commitment)
    return _print(_report_lines(report, noted_commitment), EXIT_FAULTS if report.faults else EXIT_OK)


def _key_faults(proof: DrawProof, noted_commitment: str | None) -> Iterator[str]:
    if draw.commitment(proof.key) != proof.commitment:
        yield "the key does not match the commitment"
    if noted_commitment is not None and noted_commitment != proof.commitment:
        yield "the commitment is not the one that you noted before the opening"


def _position(proof: DrawProof, token: str) -> int:
    """Return the position of a token. Raises InvalidClaim if the token cannot belong to this draw."""
    arrival = _parse_token(token)
    if (arrival.event_id, arrival.room) != (proof.event_id, proof.room):
        raise InvalidClaim(f"the token belongs to event {arrival.event_id}, room {arrival.room}")
    counter, number = arrival.counter, arrival.number
    if counter < -proof.late_counters:
        raise InvalidClaim(f"the room has no counter {counter}")
    is_late = counter < 0
    if number < 1 or not (is_late or (counter < len(proof.offsets) and number <= proof.arrivals(counter))):
        raise InvalidClaim(f"the token's number {number} of counter {counter} was never given out before the opening")
    return draw.position(proof.key, proof.n, proof.offsets, counter, number, proof.late_counters)


def _parse_token(token: str) -> TokenArrival:
    """Return the arrival in a token. Raises InvalidClaim."""
    payload = token.partition(".")[0]
    try:
        content = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        event_id, room, counter, number = (content[name] for name in ("e", "r", "s", "c"))
    except (ValueError, TypeError, KeyError):
        raise InvalidClaim("this is not a waiting room token") from None
    if not isinstance(event_id, str) or not all(type(value) is int for value in (room, counter, number)):
        raise InvalidClaim("this is not a waiting room token")
    return TokenArrival(event_id, room, counter, number)


def _parse_proof(document: dict[str, Any]) -> DrawProof:
    if document.get("algorithm") != ALGORITHM:
        raise UnusableProof(f"the algorithm is {document.get('algorithm')!r}; this program can only check {ALGORITHM!r}")
    try:
        proof = DrawProof(
            str(document["event_id"]),
            int(document["room"]),
            str(document["commitment"]),
            bytes.fromhex(document["key"]),
            int(document["n"]),
            tuple(int(offset) for offset in document["offsets"]),
            int(document.get("late_counters", 1)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableProof(f"the proof document is incomplete or malformed: {error!r}") from None
    if not 0 <= proof.n <= MAX_N:
        raise UnusableProof(f"n = {proof.n} is not between 0 and 2^40")
    return proof


def _load_document(source: str) -> dict[str, Any]:
    try:
        if source.startswith(("http://", "https://")):
            with urlopen(source, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - only the two schemes above
                raw = response.read(MAX_PROOF_BYTES)
        else:
            raw = Path(source).read_bytes()
        document = json.loads(raw)
    except (OSError, ValueError) as error:
        raise UnusableProof(f"{source}: {error}") from None
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


def _report_lines(report: VerificationReport, noted_commitment: str | None) -> Iterator[str]:
    proof, drawn = report.proof, report.drawn_count
    late = len(report.positions) - drawn
    yield f"event {proof.event_id}, room {proof.room}: {proof.n} arrivals were drawn"
    yield f"commitment {proof.commitment}"
    hint = "compared with the one that you noted" if noted_commitment else "(compare it with what you noted before the opening)"
    yield f"           {hint}"
    yield f"key        {proof.key.hex()}"
    yield f"tokens     {drawn} drawn and {late} late positions computed, {report.compared_count} compared with a claimed position"
    if drawn == proof.n and proof.n > 0:
        yield f"           every position from 1 to {proof.n} belongs to exactly one of these tokens"
    yield "           (only the shop can check whether it signed the tokens)"
    yield from (f"FAULT  {fault}" for fault in report.faults[:MAX_FAULTS_SHOWN])
    if len(report.faults) > MAX_FAULTS_SHOWN:
        yield f"       and {len(report.faults) - MAX_FAULTS_SHOWN} more"
    yield f"faults found: {len(report.faults)}" if report.faults else "all checks passed"


def _print(lines: Iterable[str], code: int) -> int:
    sys.stdout.write("\n".join(lines) + "\n")
    return code


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m chalicelib.waiting_room.verify", description="Check a waiting room's draw from outside.")
    parser.add_argument("proof", metavar="PROOF", help="file or http(s) address of the proof document")
    parser.add_argument("tokens", metavar="TOKENS", nargs="?", help="file of lines `token` or `token position`; - for standard input")
    parser.add_argument(
        "--token", metavar="TOKEN", action="append", default=[], help="a token to check, or 'TOKEN POSITION' to compare its position too"
    )
    parser.add_argument("--commitment", metavar="HEX", help="the commitment that you noted before the opening")
    return parser


if __name__ == "__main__":
    sys.exit(main())
