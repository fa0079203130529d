"""Import a promoter's archive into a stage: events of the API, which the promoter manages, with their sold tickets, team and waitlists.

Each step can be repeated, so an import that was stopped continues when the command runs again. The events are drafts until the promoter
publishes them. Orders become tickets of the other system: the old codes admit people, and the money stays with the other shop.
"""

import csv
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from msgspec import Struct, to_builtins
from msgspec.structs import asdict, replace

from bootstrap import ticket_import, waitlist_import
from bootstrap.files import parse_json
from bootstrap.promoter_archive import Archive, ArchiveInvalid
from bootstrap.promoter_export import PROFILE_FIELDS, Profile, is_kept
from bootstrap.ticket_file import RowFault, is_address, read_rows
from chalicelib.accounts import members, profiles
from chalicelib.accounts import service as accounts
from chalicelib.accounts.profiles import LegalText, PromoterChange
from chalicelib.audit import service as audit
from chalicelib.bootstrap_file.document import to_promo_codes
from chalicelib.bootstrap_file.findings import DocumentFault, InvalidDocument, quoted
from chalicelib.bootstrap_file.validation import ValidDocument, to_events, to_tiers, validate_tree
from chalicelib.catalog import event_management, forms, tier_management
from chalicelib.catalog import service as catalog
from chalicelib.catalog.forms import EventFields, TierFields
from chalicelib.catalog.model import Catalog, Event, Tier
from chalicelib.dynamodb import dynamo
from chalicelib.edge.auth import EventRole
from chalicelib.edge.csv_replies import unescaped
from chalicelib.foundation import addons, clock, settings
from chalicelib.foundation.errors import ApiError
from chalicelib.promoters import service as promoters
from chalicelib.promotions import service as promotions
from chalicelib.promotions.model import shard_count, stock_id_of
from chalicelib.purchases.model import MAX_QUANTITY

_TIMES = ("starts_at", "ends_at", "on_sale_at", "guests_until", "refundable_until", "sale_starts_at", "sale_ends_at")
_LIMITS = ("per_user_limit", "max_per_transaction")  # their values may be higher in a file
_FORM_NAMES = {"position": "display_order", "max_per_order": "max_per_transaction"}
# Keys of an event's metadata that are fields of an event of the API.
_FIELDS_IN_METADATA = ("description", "timezone", "city", "image_url", "featured", "promoter_id")


class ImportRefused(Exception):
    """The archive cannot be imported into this stage; the message names the reason and the remedy."""


class Membership(Struct, frozen=True, forbid_unknown_fields=True):
    """A row of `team.csv`."""

    event: str
    email: str
    role: EventRole


class ArchivedEvent(Struct, frozen=True):
    """An event of an archive, in the form of this stage's catalog, and whether this stage has it already."""

    event: Event
    tiers: dict[str, Tier]
    valid: ValidDocument
    is_known: bool

    @property
    def id(self) -> str:
        return self.event.id


class PromoterImport(Struct, frozen=True):
    """A checked archive, and the promoter of this stage who gets its events."""

    archive: Archive
    promoter_id: str
    profile: Profile
    events: list[ArchivedEvent]
    team: list[Membership]


def check(archive: Archive, promoter: str | None) -> PromoterImport:
    """Check an archive against this stage. Writes nothing. Raises ArchiveInvalid, InvalidDocument and ImportRefused.

    `promoter` is the id or the address of the promoter's account; without it, the account has the address in the archive.
    """
    promoter_id = find_promoter_id(promoter or archive.manifest.address or "")
    profile = _decode("promoter.json", lambda: msgspec.json.decode(archive.read("promoter.json"), type=Profile))
    _decode("promoter.json", lambda: forms.check_brand_colors(profile.color, profile.dark_color))
    if any((entry.url is None) == (entry.text is None) for entry in profile.legal_texts):
        raise ArchiveInvalid('"promoter.json" is not valid: a legal text must have either `url` or `text`.')
    current = catalog.load_current()
    names = sorted(name for name in archive.manifest.files if name.startswith("events/"))
    events = [_read_event(name, archive, current, promoter_id) for name in names]
    ids = {event.id for event in events}
    for name in archive.manifest.files:
        if name.partition("/")[1] and name.partition("/")[2].rpartition(".")[0] not in ids:
            raise ArchiveInvalid(f"{quoted(name)} belongs to an event that the archive does not have.")
    team = _decode("team.csv", lambda: [msgspec.convert(row, Membership) for row in _table(archive.read("team.csv"))])
    for person in team:
        if person.event not in ids or not is_address(person.email):
            place = f"{quoted(person.email)} at {quoted(person.event)}"
            raise ArchiveInvalid(f'"team.csv" names {place}: the address is not valid, or the archive does not have the event.')
    faults = [fault for event in events for fault in _ticket_faults(archive, event)]
    if faults:
        raise InvalidDocument(faults[: ticket_import.MAX_FAULTS])
    return PromoterImport(archive, promoter_id, profile, events, team)


def find_promoter_id(named: str) -> str:
    """Return the id of a promoter, who is named by the id or the address of the account. Raises ImportRefused."""
    user_id = accounts.find_user_id(named) if is_address(named) else named
    account = accounts.find_account(user_id) if user_id else None
    if account is None or profiles.find_promoter(account.user_id) is None:
        advice = "Create the account and make it a promoter, or name another one: --promoter ADDRESS"
        raise ImportRefused(f"{quoted(named)} is not the address or the id of a promoter's account in this stage. {advice}")
    return account.user_id


def apply(wanted: PromoterImport, actor: str, now: int) -> Iterator[str]:
    """Import a checked archive step by step. Yields a line about each step. Raises ImportRefused."""
    yield from _import_profile(wanted, actor, now)
    for event in wanted.events:
        yield from _import_event(wanted, event, actor, now)
    pending, unverified = 0, settings.current().publishing != "all" and not profiles.is_verified(wanted.promoter_id)
    for person in wanted.team:
        pending += members.find_membership(person.event, person.email) is None
        try:
            members.invite(person.event, person.email, person.role, actor, now, unverified=unverified)
        except ApiError as error:
            yield f"team: {person.email} was not invited: {error}"
    yield f"team: {pending} invited; they accept on the page of their account"


def _import_profile(wanted: PromoterImport, actor: str, now: int) -> Iterator[str]:
    """Write the profile unless the promoter has changed it here, and the colors and legal texts that are missing."""
    before, profile = profiles.find_promoter(wanted.promoter_id), wanted.profile
    assert before is not None
    if before.version > 1:
        yield "profile: the promoter already has a profile here, which is kept"
    else:
        change = PromoterChange(**{name: getattr(profile, name) for name in PROFILE_FIELDS}, verified=None)
        profiles.save_promoter(wanted.promoter_id, change, actor, now, by_admin=True)
        yield "profile: imported; an admin must verify the promoter"
    if profile.color and catalog.load_current().choices_of(wanted.promoter_id).brand.color is None:
        colors = {"color": profile.color, "dark_color": profile.dark_color}
        promoters.change_brand(wanted.promoter_id, lambda brand: replace(brand, **colors), actor, now)
        yield "brand: the colors are imported; upload the logo again"
    shown = {(entry.kind, entry.language) for entry in profiles.list_legal_texts(wanted.promoter_id)}
    missing = [entry for entry in profile.legal_texts if (entry.kind, entry.language) not in shown]
    for entry in missing:
        text = LegalText(owner_id=wanted.promoter_id, **asdict(entry))
        profiles.replace_legal_text(wanted.promoter_id, entry.kind, entry.language, text, actor, now)
    yield f"legal texts: {len(missing)} imported"


def _import_event(wanted: PromoterImport, archived: ArchivedEvent, actor: str, now: int) -> Iterator[str]:
    event_id, archive = archived.id, wanted.archive
    try:
        event = event_management.create_event(event_id, _event_fields(archived), actor, now, promoter_id=wanted.promoter_id)
        for tier in sorted(archived.tiers.values(), key=lambda tier: (tier.display_order, tier.id)):
            tier_management.create_tier(tier.id, event_id, _tier_fields(tier), actor, now)
            for option in tier.options:
                tier_management.create_option(tier.id, option, actor, now)
    except ApiError as error:
        raise ImportRefused(f"event {event_id}: {error} Correct this, then run the command again.") from None
    for code in to_promo_codes(archived.valid.document.events, archived.valid.document.ticket_types):
        if promotions.find_promo_code(event_id, code.code) is None:
            stock_id = stock_id_of(sha256(f"{event_id}/{code.code}".encode()).hexdigest()[:26])
            own = {
                "managed_by": "api",
                "stock_id": stock_id,
                "shards": shard_count(code.max_total_uses),
                "created_at": now,
                "updated_at": now,
            }
            promotions.write_new_code(replace(code, **own), actor, now)
    details = {"manifest_sha256": archive.digest, "orders": archive.manifest.rows("orders", event_id)}
    dynamo.transact([audit.entry_item(f"event#{event_id}", "event.imported", actor, now, details)])
    was_imported = "was imported before" if archived.is_known else "imported"
    yield f"event {event_id}: {was_imported}, {event.status}, {len(archived.tiers)} ticket types"
    with TemporaryDirectory() as folder:
        tickets, people = Path(folder, f"{event_id}-tickets.csv"), Path(folder, f"{event_id}-waiting.csv")
        tickets.write_bytes(archive.read(f"tickets/{event_id}.csv"))
        people.write_bytes(archive.read(f"waiting/{event_id}.csv"))
        if archive.manifest.rows("tickets", event_id):
            yield f"event {event_id}: {_import_tickets(tickets, event_id, actor)}"
        if archive.manifest.rows("waiting", event_id) and addons.is_on("waitlist"):
            yield f"event {event_id}: {_import_waiting(people, event, now)}"


def _import_tickets(file: Path, event_id: str, actor: str) -> str:
    source = ticket_import.find_source(file, event_id, {}, {})
    report = ticket_import.check(source)
    if report.is_refused:
        reasons = "; ".join([*map(str, report.faults[:3]), *report.shortages])
        raise ImportRefused(f"event {event_id}: its tickets cannot be imported: {reasons}. Correct this, then run the command again.")
    try:
        written = max(ticket_import.write(source, report, actor), default=0)
    except ticket_import.ImportStopped as stopped:
        raise ImportRefused(f"event {event_id}: stopped after {stopped.written} tickets: {stopped}. Run the command again.") from None
    return f"{written} tickets imported, {report.known} imported before"


def _import_waiting(file: Path, event: Event, now: int) -> str:
    people = waitlist_import.read_people(file)
    if event.status == "draft":
        return f"{len(people)} people wait; run the command again once the event is published, so that they can join"
    report = waitlist_import.import_people(event.id, people, now, is_dry_run=False)
    absent = len(report.without_account)
    return (
        f"{report.joined} people joined the waitlist, {report.known} before, {absent} have no account here, {len(report.refused)} refused"
    )


def _read_event(name: str, archive: Archive, current: Catalog, promoter_id: str) -> ArchivedEvent:
    try:
        valid = validate_tree(parse_json(archive.read(name)))
    except InvalidDocument as error:
        raise InvalidDocument([DocumentFault(fault.path, fault.message, name) for fault in error.faults]) from None
    events, tiers = to_events(valid), to_tiers(valid)
    if [f"events/{event_id}.json" for event_id in events] != [name]:
        raise ArchiveInvalid(f"{quoted(name)} must have one event, with the id in its name.")
    [event] = events.values()
    before = current.events.get(event.id)
    if before is not None and (before.promoter_id != promoter_id or before.managed_by != "api" or not is_kept(before)):
        raise ImportRefused(f"event {event.id}: this stage has, or had, an event with this id that this promoter does not manage.")
    for tier_id in tiers:
        if tier_id in current.tiers and (current.tiers[tier_id].event_id != event.id or current.tiers[tier_id].removed):
            raise ImportRefused(f"event {event.id}: this stage has, or had, another ticket type with the id {quoted(tier_id)}.")
    archived = ArchivedEvent(event, tiers, valid, before is not None)
    _decode(name, lambda: (_event_fields(archived).values(), [_tier_fields(tier).values() for tier in tiers.values()]))
    return archived


def _ticket_faults(archive: Archive, archived: ArchivedEvent) -> Iterator[DocumentFault]:
    """Yield the faults of an event's tickets, before anything is written. Raises ArchiveInvalid and FileUnusable."""
    name = f"tickets/{archived.id}.csv"
    if name not in archive.manifest.files:
        return
    with TemporaryDirectory() as folder:
        file, count = Path(folder, "tickets.csv"), 0
        file.write_bytes(archive.read(name))
        for row in read_rows(file, {}, archived.tiers, {}):
            count += 1
            if isinstance(row, RowFault):
                yield DocumentFault(f"line {row.line}", f"{row.field}: {row.message}", name)
    if count != archive.manifest.files[name].rows:
        raise ArchiveInvalid(f"{quoted(name)} has {count} tickets, which is not the number in the manifest.")


def _event_fields(archived: ArchivedEvent) -> EventFields:
    event = archived.event
    values = _form_values(event, EventFields.__struct_fields__)
    metadata = {key: value for key, value in event.metadata.items() if key not in _FIELDS_IN_METADATA}
    return msgspec.convert({**values, "metadata": metadata, "image_url": _address(event.image_url)}, EventFields)


def _tier_fields(tier: Tier) -> TierFields:
    limits = {name: min(limit, MAX_QUANTITY) for name in _LIMITS if (limit := getattr(tier, name)) is not None}
    values = _form_values(replace(tier, **limits), TierFields.__struct_fields__)
    on_sale = tier.status in ("available", "sold-out")
    return msgspec.convert({**values, "on_sale": on_sale, "image_url": _address(tier.image_url)}, TierFields)


def _form_values(entry: Event | Tier, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the values of an event or tier by the names that the API has for them."""
    values = {}
    for name in names:
        if name not in ("version", "promoter_id", "on_sale", "metadata", "image_url"):
            value = getattr(entry, _FORM_NAMES.get(name, name))
            values[name] = (clock.iso(value) if value else None) if name in _TIMES else to_builtins(value)
    return values | ({"metadata": entry.metadata} if isinstance(entry, Tier) else {})


def _address(image_url: str | None) -> str | None:
    """Return the address of an image, unless it is a file of the other shop without an address of its own."""
    return image_url if image_url is not None and image_url.startswith(("https://", "http://")) else None


def _table(content: bytes) -> list[dict[str, str]]:
    """Return the rows of a CSV file whose cells have no line breaks."""
    header, *rows = list(csv.reader(content.decode().splitlines())) or [[]]
    return [dict(zip(header, map(unescaped, row), strict=False)) for row in rows]


def _decode(name: str, decode: Callable[[], Any]) -> Any:
    try:
        return decode()
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, ApiError, csv.Error, RecursionError) as error:
        raise ArchiveInvalid(f"{quoted(name)} is not valid: {error}") from None
