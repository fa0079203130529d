"""Unique identifiers, made without coordination between instances."""

import secrets

from ulid import ULID

from chalicelib import clock


def new_id() -> str:
    """A new ULID (26 characters, https://github.com/ulid/spec). ULIDs sort by their time of creation, in milliseconds."""
    return str(ULID.from_timestamp(clock.precise_now()))


def lowest_id_of(second: int) -> str:
    """The lowest id that `new_id` can return in this epoch second: greater than all ids that were made earlier."""
    return str(ULID.from_bytes((second * 1000).to_bytes(6, "big") + bytes(10)))


def nonce() -> str:
    """8 random hex characters, which make the hold ids of two attempts for one purchase different."""
    return secrets.token_hex(4)
