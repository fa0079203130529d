"""`import-waitlist`: people who waited elsewhere join the waitlist of an event, in the order of the file.

Only people whose account here has a verified address can join, because offers are for accounts. A repeated import adds the people who have
created their account since.
"""

from collections import Counter
from pathlib import Path

from msgspec import Struct

from bootstrap.ticket_file import FileUnusable, is_address, read_table
from chalicelib.accounts import service as accounts
from chalicelib.addons.waitlist import service as waitlist
from chalicelib.addons.waitlist.model import MAX_TIERS
from chalicelib.bootstrap_file.findings import MAX_QUOTE_LENGTH
from chalicelib.foundation.errors import ApiError


class WaitlistReport(Struct, kw_only=True):
    """The number of people who joined now (in a dry run: who can join) and earlier, and the others with the reason."""

    joined: int = 0
    known: int = 0
    without_account: list[str] = []
    refused: dict[str, str] = {}


def read_people(file: Path) -> dict[str, list[str]]:
    """Return the ids of the tiers that people wait for, by address, in order of arrival. Raises FileUnusable."""
    people: dict[str, list[str]] = {}
    table = read_table(file, ",")
    _, header = next(table, (1, []))
    try:
        for _, cells in table:
            row = dict(zip(header, cells, strict=False))
            people.setdefault(row["email"].strip().lower(), []).append(row["tier"].strip())
    except KeyError:
        raise FileUnusable(f"{file} must have the columns email and tier in each row, separated by commas") from None
    return people


def import_people(event_id: str, people: dict[str, list[str]], now: int, *, is_dry_run: bool) -> WaitlistReport:
    """Let people join the waitlist. Skips people who have an entry for the event, even one that has ended. Safe to repeat."""
    report = WaitlistReport()
    for email, tier_ids in people.items():
        if not is_address(email):
            report.refused[email[:MAX_QUOTE_LENGTH]] = "is not an email address"
            continue
        user_id = accounts.find_user_id(email) if accounts.is_verified(email) else None
        if user_id is None:
            report.without_account.append(email)
        elif any(own.entry.event_id == event_id for own in waitlist.list_own_entries(user_id, now)):
            report.known += 1
        elif is_dry_run:
            report.joined += 1
        else:
            quantity = max(Counter(tier_ids).values())
            wanted = waitlist.JoinRequest(event_id, quantity, list(dict.fromkeys(tier_ids))[:MAX_TIERS])
            try:
                waitlist.join_waitlist(user_id, wanted, now)
                report.joined += 1
            except ApiError as error:
                report.refused[email] = str(error)
    return report
