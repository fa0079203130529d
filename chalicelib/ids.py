"""Identifiers that nobody has to coordinate."""

import secrets

from ulid import ULID

from chalicelib import clock


def new_id() -> str:
    """A ULID (26 characters, https://github.com/ulid/spec): sortable by creation time to the millisecond."""
    return str(ULID.from_timestamp(clock.precise_now()))


def lowest_id_of(second: int) -> str:
    """The id before all that are made from this second (of the epoch) on, and after all that were made earlier."""
    return str(ULID.from_bytes((second * 1000).to_bytes(6, "big") + bytes(10)))


def nonce() -> str:
    """8 hex characters, fresh for every execution: two executions for one purchase never share a hold id."""
    return secrets.token_hex(4)
