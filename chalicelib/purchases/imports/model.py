"""A ticket that another system has sold, and the id of its order here."""

from hashlib import sha256

from msgspec import Struct

from chalicelib.tickets import qr
from chalicelib.tickets.model import CODE_ALPHABET, Attendee, read_code

MIN_CODE_LENGTH, MAX_CODE_LENGTH = 4, 64
# An order's id has the form of a ULID, which begins with its time: one before 2005, so imported orders come before all others.
_ID_PREFIX = "00"
_ID_CHARACTERS = 24  # of 5 bits each: no two codes have the same


class SoldTicket(Struct, frozen=True):
    """A ticket to import: its code as tickets have it (`import_code`), its tier here, and who comes with it."""

    code: str
    tier_id: str
    attendee: Attendee | None = None

    @property
    def order_id(self) -> str:
        """The id of its order. It follows from the code, so a code cannot be imported twice."""
        number = int.from_bytes(sha256(self.code.encode()).digest()[: _ID_CHARACTERS * 5 // 8], "big")
        return _ID_PREFIX + "".join(CODE_ALPHABET[number >> 5 * place & 31] for place in range(_ID_CHARACTERS))

    @property
    def owner_id(self) -> str:
        """Who owns it: a user of its own, since the other system's buyers have no accounts here."""
        return f"imported-{self.order_id}"


class CodeUnusable(ValueError):
    """A code that no scan could be compared with; the message says why."""


def import_code(text: str) -> str:
    """The code of another system as tickets have it and scans are compared with it. Raises CodeUnusable."""
    code = text.strip()
    if not MIN_CODE_LENGTH <= len(code) <= MAX_CODE_LENGTH:
        raise CodeUnusable(f"has {len(code)} characters; a code has {MIN_CODE_LENGTH} to {MAX_CODE_LENGTH}")
    if not (code.isascii() and code.isprintable()):
        raise CodeUnusable("has characters that are not printable ASCII, which scanners read in different ways")
    if qr.read_text(code) is not None:
        raise CodeUnusable("is the text of a Fairgate QR code")
    return read_code(code)
