"""Identifiers that nobody has to coordinate."""

import secrets

from ulid import ULID

from chalicelib import clock


def new_id() -> str:
    """A ULID (26 characters, https://github.com/ulid/spec): sortable by creation time to the millisecond."""
    return str(ULID.from_timestamp(clock.precise_now()))


def nonce() -> str:
    """8 hex characters, fresh for every execution: two executions for one purchase never share a hold id."""
    return secrets.token_hex(4)
