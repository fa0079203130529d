"""Table `wallet-passes`: the passes in wallets, the phones that have them, and the passes that must be updated.

| pk | sk | content |
| --- | --- | --- |
| `passes#<ticket>` | a pass: `<wallet>#<digest>` | the pass |
| `event#<event>#<lane>` | a ticket | the ticket has passes |
| `classes#<event>` | a tier | Google knows the class of this event and tier: a digest of the class when a ticket was last saved |
| `devices#<ticket>` | `<digest>#<device>` | the push token of a phone that has the Apple pass with this digest |
| `device#<device>` | a serial | this phone has the Apple pass with this serial |
| `due` | time and target: `<time>#0#<ticket>`, `<time>#1#<event>` or `<time>#1#<event>#<tier>` | the target's update, due at that time |

The `digest` is a hash of the ticket's code. A transferred ticket therefore gets a new pass, and the former owner's pass can be marked as
void.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Literal
from zlib import crc32

from msgspec import Struct
from msgspec.structs import replace
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition

from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.edge.languages import Language
from chalicelib.foundation import ids
from chalicelib.tickets.model import Ticket

LANES = 4  # per event, because one key accepts only 1,000 writes a second; never lower this number
KEPT_SECONDS = 400 * 86_400  # after the end of the event, or after the pass was made if that is later
SPARE_SECONDS = 30 * 86_400  # by which a class may be deleted before its passes, so that few passes write it again
START, END = "0#", f"{LANES}#"  # positions among the tickets of an event that have passes: `<lane>#<ticket>`
# Passes listed for a phone: anybody can register passes under any device id, and list them as often as they like.
MAX_LISTED = 100
_DUE = "due"
_TICKETS, _EVENTS, _FOR_GOOGLE = range(3)  # the order of updates in the keys; release 0.2.0 has words there, which come last

Wallet = Literal["apple", "google"]


class Pass(Struct, frozen=True, kw_only=True):
    """A pass of a ticket whose code has this `digest`. A phone must send `token` to read the pass. Times are epoch seconds.

    `changed_at` is the time of the last change, and increases with each change: Apple's protocol compares times in seconds.
    """

    wallet: Wallet
    ticket_id: str
    event_id: str
    digest: str
    token: str
    language: Language
    changed_at: int
    ttl: int

    @property
    def serial(self) -> str:
        """The serial number at Apple, and the end of the object's id at Google."""
        return f"{self.ticket_id}.{self.digest}"


class Update(Struct, frozen=True):
    """An update that is due, of a ticket's passes or of all passes of an event. `attempts` counts failures since `since` (epoch seconds).

    `position` is how far an update of an event has come among its tickets. After END, the position names a tier: only the tier's class at
    Google is left. At END itself, as in updates of earlier releases, all classes are left. The update of a ticket is at END if only its
    passes at Google are left. `version` differs for each change of a target. It is empty in updates of release 0.2.0, whose rows have
    unique keys instead.
    """

    kind: Literal["ticket", "event"]
    id: str
    since: int
    attempts: int = 0
    position: str = START
    version: str = ""

    @property
    def has_tickets(self) -> bool:
        """Whether this is the update of an event, and passes of the event's tickets are left."""
        return self.kind == "event" and not self.is_for_google

    @property
    def is_for_google(self) -> bool:
        """Whether only classes or passes at Google are left."""
        return self.position.startswith(END)

    @property
    def tier_id(self) -> str:
        """The tier whose class alone is left, or an empty string."""
        return self.position.removeprefix(END) if self.is_for_google else ""


class WalletRow(dynamo.Table):
    """A row of any kind. The subclasses define the `content` of each kind."""

    feature = "wallet-passes"
    has_stream = True
    contents = "Passes in phone wallets, the phones that have them, and due updates of passes."
    personal_data = dynamo.PersonalData(
        "which phones have the pass of a ticket", export="no: identifiers that Apple chose", erasure="expires 400 days after the event"
    )

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    ttl = NumberAttribute(null=True)


class PassRow(WalletRow):
    content = StructAttribute(Pass)


class TextRow(WalletRow):
    content = UnicodeAttribute(null=True)


class UpdateRow(WalletRow):
    content = StructAttribute(Update)


_ABSENT = WalletRow.pk.does_not_exist()


def code_digest(code: str) -> str:
    """Return a digest of a ticket's code that does not reveal the code."""
    return sha256(code.encode()).hexdigest()[:16]


def create_pass(made: Pass) -> Pass:
    """Write a pass, and list its ticket among the event's tickets with passes. Returns the stored pass, which may be an earlier one."""
    row = _pass_row(made)
    listing = dynamo.transact_put(TextRow(_event_key(made.event_id, made.ticket_id), made.ticket_id, ttl=made.ttl))
    try:
        dynamo.transact([dynamo.transact_put(row, _ABSENT), listing])
    except dynamo.ConditionFailed:
        return find_pass(made.wallet, made.ticket_id, made.digest) or made
    return made


def find_pass(wallet: Wallet, ticket_id: str, digest: str) -> Pass | None:
    """Find a pass with a strongly consistent read."""
    row = PassRow.find(_passes_key(ticket_id), _pass_key(wallet, digest))
    return None if row is None else row.content


def find_passes(wallet: Wallet, serials: Iterable[str]) -> list[Pass]:
    """Find the passes with these serials, in no particular order."""
    split = (serial.rpartition(".") for serial in serials)
    return [row.content for row in PassRow.find_all((_passes_key(ticket_id), _pass_key(wallet, digest)) for ticket_id, _, digest in split)]


def list_passes(ticket_id: str) -> list[Pass]:
    """List the passes of a ticket, including its former owners' passes. The read is strongly consistent."""
    return [row.content for row in PassRow.query(_passes_key(ticket_id))]


def touch(changed: Pass, now: int) -> Pass:
    """Record that a pass has changed. Returns the pass with its new `changed_at`, which is later than the previous one."""
    after = replace(changed, changed_at=max(now, changed.changed_at + 1))
    _pass_row(after).save()
    return after


def keep_pass(kept: Pass) -> None:
    """Store a pass again if it has been deleted."""
    dynamo.put_if(_pass_row(kept), _ABSENT)


def delete_pass(ended: Pass) -> None:
    """Delete a pass that needs no more updates."""
    WalletRow(_passes_key(ended.ticket_id), _pass_key(ended.wallet, ended.digest)).delete()


def tickets_with_passes(tickets: Iterable[Ticket]) -> list[str]:
    """Return the ids of the tickets that have passes."""
    keys = {ticket.id: (_event_key(ticket.event_id, ticket.id), ticket.id) for ticket in tickets}
    return [row.sk for row in TextRow.find_all(keys.values())]


def list_tickets_with_passes(event_id: str, position: str, limit: int) -> tuple[list[str], str | None]:
    """List up to `limit` of the event's tickets that have passes, and the position after them, which is None after the last one."""
    lane, _, after = position.partition("#")
    found: list[str] = []
    for number in range(int(lane), LANES):
        beyond = WalletRow.sk > after if after else None
        found += (row.sk for row in TextRow.query(f"event#{event_id}#{number}", beyond, limit=limit - len(found)))
        if len(found) == limit:
            return found, f"{number}#{found[-1]}"
        after = ""
    return found, None


def find_class(event_id: str, tier_id: str) -> tuple[str | None, int]:
    """Return the digest of the class that Google has for an event and tier, and until when it is kept (epoch seconds).

    The digest is None if it is not known for certain.
    """
    row = TextRow.find(f"classes#{event_id}", tier_id)
    return (None, 0) if row is None else (row.content, int(row.ttl))


def add_class(event_id: str, tier_id: str, digest: str, before: str | None, ttl: int) -> None:
    """Record that Google got a class with this digest. `before` is the digest that `find_class` returned before the class was written.

    If another request has written the class meanwhile, nobody knows which one came last, so the digest becomes unknown.
    """
    is_unchanged = TextRow.content == before if before is not None else TextRow.content.does_not_exist()
    if not dynamo.put_if(TextRow(f"classes#{event_id}", tier_id, content=digest, ttl=ttl), is_unchanged):
        TextRow(f"classes#{event_id}", tier_id, ttl=ttl).save()


def list_classes(event_id: str) -> list[str]:
    """List the tiers of an event whose classes Google knows."""
    return [row.sk for row in TextRow.query(f"classes#{event_id}")]


def register(registered: Pass, device_id: str, push_token: str) -> bool:
    """Record that a phone has a pass, and the phone's current push token. Returns False if the phone already had the pass."""
    row = TextRow(f"devices#{registered.ticket_id}", f"{registered.digest}#{device_id}", content=push_token, ttl=registered.ttl)
    TextRow(f"device#{device_id}", registered.serial, ttl=registered.ttl).save()
    if dynamo.put_if(row, _ABSENT):
        return True
    row.save()
    return False


def unregister(registered: Pass, device_id: str) -> None:
    """Record that a phone no longer has a pass."""
    TextRow(f"device#{device_id}", registered.serial).delete()
    TextRow(f"devices#{registered.ticket_id}", f"{registered.digest}#{device_id}").delete()


def list_devices(of: Pass) -> dict[str, str]:
    """Return the push tokens of the phones that have a pass, by phone."""
    rows = TextRow.query(f"devices#{of.ticket_id}", WalletRow.sk.startswith(f"{of.digest}#"))
    return {row.sk.partition("#")[2]: row.content or "" for row in rows}


def list_serials(device_id: str) -> list[str]:
    """List the serials of the passes that a phone has, at most MAX_LISTED, beginning with the newest order."""
    return [row.sk for row in TextRow.query(f"device#{device_id}", scan_index_forward=False, limit=MAX_LISTED)]


def put_updates(updates: Sequence[Update], at: int = 0) -> None:
    """Make updates due at a time (epoch seconds), or at once.

    Each update replaces an update of the same target that is due at the same time, so that repeated changes do not pile up.
    """
    dynamo.batch_put(UpdateRow(_DUE, _due_key(each, at), content=replace(each, version=ids.nonce())) for each in updates)


def list_changed_tickets(limit: int) -> list[tuple[str, Update]]:
    """List the updates of changed tickets with their keys. As in the other lists, the read is strongly consistent."""
    return _query_due(WalletRow.sk.startswith(_due_prefix(0, _TICKETS)), limit)


def list_changed_events(limit: int) -> list[tuple[str, Update]]:
    """List the updates of changed events with their keys."""
    return _query_due(WalletRow.sk.startswith(_due_prefix(0, _EVENTS)), limit)


def list_left_to_google(limit: int) -> list[tuple[str, Update]]:
    """List the updates, with their keys, of which only Google's part is left because Google accepted no more calls."""
    return _query_due(WalletRow.sk.startswith(_due_prefix(0, _FOR_GOOGLE)), limit)


def list_others(now: int, limit: int) -> list[tuple[str, Update]]:
    """List all other updates that are due, with their keys. Those of release 0.2.0 come first, then retries by time."""
    return _query_due(WalletRow.sk.between(_due_prefix(0, _FOR_GOOGLE + 1), f"{now + 1:011}"), limit)


def _query_due(condition: Condition, limit: int) -> list[tuple[str, Update]]:
    return [(row.sk, row.content) for row in UpdateRow.query(_DUE, condition, limit=limit)]


def delete_update(key: str, update: Update) -> None:
    """Delete an update, unless its target has changed in the meantime."""
    if update.version:
        dynamo.delete_if(UpdateRow(_DUE, key), UpdateRow.content == update)
    else:
        WalletRow(_DUE, key).delete()


def save_position(key: str, update: Update, position: str) -> None:
    """Save how far an update has come, unless its target has changed in the meantime."""
    dynamo.put_if(UpdateRow(_DUE, key, content=replace(update, position=position)), UpdateRow.content == update)


def _pass_row(stored: Pass) -> PassRow:
    return PassRow(_passes_key(stored.ticket_id), _pass_key(stored.wallet, stored.digest), content=stored, ttl=stored.ttl)


def _due_key(update: Update, at: int) -> str:
    order = _FOR_GOOGLE if update.is_for_google else _TICKETS if update.kind == "ticket" else _EVENTS
    key = f"{_due_prefix(at, order)}{update.id}"
    return f"{key}#{update.tier_id}" if update.tier_id else key


def _due_prefix(at: int, order: int) -> str:
    return f"{at:011}#{order}#"


def _passes_key(ticket_id: str) -> str:
    return f"passes#{ticket_id}"


def _pass_key(wallet: Wallet, digest: str) -> str:
    return f"{wallet}#{digest}"


def _event_key(event_id: str, ticket_id: str) -> str:
    return f"event#{event_id}#{crc32(ticket_id.encode()) % LANES}"
