"""The door over HTTP: check in a scanned ticket, admit by ticket id, undo a check-in, upload offline scans, and download the manifest.

`access="door"` requires that the caller may admit people to some event, as staff, cashier, coordinator, promoter or admin. `service` and
`require_door` then check the event in question. The `statuses`, `headers`, `errors` and `media_types` of a route only document it: every
ApiError becomes a reply.
"""

from datetime import datetime
from typing import Annotated, Literal

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib.catalog import permissions
from chalicelib.catalog import service as catalog
from chalicelib.checkin import manifest, service, views
from chalicelib.checkin.manifest import ManifestView
from chalicelib.checkin.model import ADMIT_ERRORS, AlreadyAdmitted, NotCheckedIn, RotatingCode, Scan, TooManyScans
from chalicelib.checkin.views import CheckInReplyView, SyncView
from chalicelib.edge import idempotency
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.operation import IF_NONE_MATCH
from chalicelib.edge.routes import Reply, RequestContext, route
from chalicelib.foundation import clock, ids, settings
from chalicelib.foundation.errors import InvalidInput, NotFound
from chalicelib.foundation.ids import Id
from chalicelib.tickets import qr
from chalicelib.tickets.model import Direction, normalize_code

MAX_SCANS = 100  # per sync; each scan usually takes two to four store calls

bp = Blueprint(__name__)

ScannedCode = Annotated[str, Meta(min_length=1, max_length=500)]
QrSignature = Annotated[str, Meta(min_length=1, max_length=100)]
People = Annotated[int, Meta(ge=1, le=100)] | Literal["all"]
ShortName = Annotated[str, Meta(min_length=1, max_length=64)]
ScanId = Annotated[str, Meta(min_length=1, max_length=64)]
OverrideReason = Annotated[
    str,
    Meta(min_length=1, max_length=200, pattern=r"\S", description="Text that is not blank.", examples=["Came out to park the car"]),
]


class CheckInBody(Struct, forbid_unknown_fields=True):
    """`code` is the scanned text (`FG1:...` or `FG2:...`), or the code of a ticket or guest as printed.

    `count` people come in; `all` means everybody not yet admitted.
    `event_id` is the event at this door. Without it, the ticket may be for any event at which the caller works. The `device` gives each
    scan a `scan_id`, so that a scan that is repeated, or sent later by a sync, counts only once.

    An `override_reason` admits people before the doors open, and one more person with a ticket that was used; the reason is recorded.
    Refunded, void and disputed tickets, and tickets for other or cancelled events, are still refused.

    With the `direction` `out`, people go out, and the same number may come back in; `all` then means everybody who is inside with this
    code. The event must allow this (`allows_reentry`).
    """

    code: ScannedCode
    qr_sig: QrSignature | None = None
    event_id: Id | None = None
    gate: ShortName | None = None
    device: ShortName | None = None
    scan_id: ScanId | None = None
    count: People = 1
    override_reason: OverrideReason | None = None
    direction: Direction = "in"


class AdmitBody(Struct, forbid_unknown_fields=True):
    """The fields of a check-in, for a ticket that is named by its id. If a `code` is sent, it must match the ticket."""

    code: ScannedCode | None = None
    qr_sig: QrSignature | None = None
    event_id: Id | None = None
    gate: ShortName | None = None
    device: ShortName | None = None
    scan_id: ScanId | None = None
    count: People = 1
    override_reason: OverrideReason | None = None
    direction: Direction = "in"


class UndoBody(Struct, forbid_unknown_fields=True):
    """`checkin_id` names the check-in or exit to undo. Without it, the last check-in or exit is undone."""

    checkin_id: Annotated[str, Meta(min_length=1, max_length=130)] | None = None
    reason: Annotated[str, Meta(max_length=500)] = ""


class OfflineScan(Struct, forbid_unknown_fields=True):
    """A scan that the device made at the time `at`. `id` is unique on the device. Send `code`, `ticket_id`, or both."""

    id: ScanId
    at: Annotated[datetime, Meta(tz=True)]
    code: ScannedCode | None = None
    ticket_id: Id | None = None
    qr_sig: QrSignature | None = None
    gate: ShortName | None = None
    count: People = 1
    override_reason: OverrideReason | None = None
    direction: Direction = "in"


class SyncBody(Struct, forbid_unknown_fields=True):
    """The scans of one device. Repeat the request, with all or some of the scans, until a reply arrives: no scan is counted twice."""

    device: ShortName
    scans: Annotated[list[OfflineScan], Meta(min_length=1, max_length=MAX_SCANS)]
    event_id: Id | None = None


class ManifestQuery(Struct, forbid_unknown_fields=True):
    """`since` is the `as_of` of the device's manifest: list only tickets changed since then. Without `since`, all tickets are listed."""

    since: Annotated[datetime, Meta(tz=True)] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 200
    cursor: Cursor | None = None


_NOTHING_SENT = AdmitBody()
_UNDO_LAST = UndoBody()


@route(bp, "POST", "/checkin", access="door", errors=(*ADMIT_ERRORS, NotFound))
def check_in(request: RequestContext, body: CheckInBody) -> Reply[CheckInReplyView]:
    """Admit people with a scanned ticket, exactly once."""
    return _admit(request, body, ticket_id=None)


@route(bp, "POST", "/tickets/{ticket_id}/validate", access="door", errors=ADMIT_ERRORS)
def validate_ticket(request: RequestContext, ticket_id: str, body: AdmitBody = _NOTHING_SENT) -> Reply[CheckInReplyView]:
    """Admit people with a ticket that is named by its id instead of its code."""
    return _admit(request, body, ticket_id=ticket_id)


@route(bp, "POST", "/tickets/{ticket_id}/undo", access="door", errors=(NotCheckedIn, AlreadyAdmitted, TooManyScans))
def undo_check_in(request: RequestContext, ticket_id: str, body: UndoBody = _UNDO_LAST) -> Reply[CheckInReplyView]:
    """Undo a check-in, so that the same people can enter again, or undo an exit, so that they count as inside again."""
    result = service.undo_check_in(request.require_user(), ticket_id, body.checkin_id, body.reason, request.now)
    is_entry = result.checkin.direction == "in"
    message = "The check-in has been undone. These people no longer count as inside." if is_entry else "The exit has been undone."
    return Reply(views.reply_view(result, catalog.snapshot(), message))


@route(bp, "POST", "/checkin/sync", access="door")
def sync_check_ins(request: RequestContext, body: SyncBody) -> Reply[SyncView]:
    """Upload the scans of an offline device, and report the scans that conflict with other scans."""
    scans = [_parse_offline_scan(scan, number, body, request.now) for number, scan in enumerate(body.scans)]
    request.mark_repeatable()  # an error reply may advise the device to send the scans again
    return Reply(views.sync_view(service.sync_scans(request.require_user(), scans, request.now), catalog.snapshot()))


@route(
    bp,
    "GET",
    "/events/{event_id}/door/qr",
    access="manager",
    statuses=(200, 304),
    headers=(IF_NONE_MATCH,),
    media_types=qr.QR_MEDIA_TYPES,
)
def show_door_qr_code(request: RequestContext, event_id: str, query: qr.QrQuery) -> Reply[str | bytes]:
    """Return a QR code with the address of an event's door page. It contains no secret: staff sign in on the device that opens the page."""
    event = permissions.require_manager(request.require_user(), event_id)
    return qr.image_reply(request, query, settings.current().page_url(f"door?event={event.id}"))


@route(bp, "GET", "/events/{event_id}/manifest", access="door")
def show_manifest(request: RequestContext, event_id: str, query: ManifestQuery) -> Reply[ManifestView]:
    """List the tickets of an event for an offline scanner, or only the tickets that have changed since the scanner's last request."""
    event = permissions.require_door(request.require_user(), event_id)
    since = _epoch_seconds(query.since, "since") if query.since is not None else None
    return Reply(manifest.read_manifest(event, since, query.limit, query.cursor, request.now))


def _admit(request: RequestContext, body: CheckInBody | AdmitBody, *, ticket_id: str | None) -> Reply[CheckInReplyView]:
    user = request.require_user()
    scan_id = _scan_id(request, body)
    scan = _parse_scan(body, scan_id, request.now, ticket_id, body.event_id, body.device, path="$", is_online=True)
    result = service.check_in(user, scan, request.now)
    count = abs(result.checkin.count)
    people = f"{count} {'person' if count == 1 else 'people'} {'admitted' if result.checkin.direction == 'in' else 'scanned out'}"
    message = f"This scan was already counted: {people}. Nobody was counted twice." if result.repeated else f"{people}."
    return Reply(views.reply_view(result, catalog.snapshot(), message))


def _scan_id(request: RequestContext, body: CheckInBody | AdmitBody) -> str:
    """Return the id that identifies a repeated scan and is stored with the ticket.

    The id is `<device>/<scan_id>`, or else made from the `Idempotency-Key` header and the body, or else new. A key that is sent again with
    another body is another scan. The header does not need `execute_once`, which would store the reply, because the ticket itself remembers
    its scans. Marks the request as repeatable if it has a `scan_id` or an `Idempotency-Key`. Raises InvalidInput for a `scan_id` without a
    `device`, and for a malformed `Idempotency-Key`.
    """
    if body.scan_id is not None:
        if body.device is None:
            raise InvalidInput("Send the `device` with its `scan_id`: the id is only unique per device.", path="$.device")
        request.mark_repeatable()
        return _device_scan_id(body.device, body.scan_id)
    key_use = idempotency.find_key(request, request.require_user().user_id)  # reads the header, and also marks the request
    return f"{key_use.key_digest[:16]}{key_use.body_digest[:16]}" if key_use is not None else ids.new_id()


def _device_scan_id(device: str, scan_id: str) -> str:
    return f"{device}/{scan_id}"


def _parse_offline_scan(scan: OfflineScan, number: int, body: SyncBody, now: int) -> Scan:
    """Return a scan of a sync. A scan in the future counts as made now, because the device's clock may be fast. Raises InvalidInput."""
    path = f"$.scans[{number}]"
    if scan.code is None and scan.ticket_id is None:
        raise InvalidInput("Send the `code` or the `ticket_id` of each scan.", path=f"{path}.code")
    scan_id, at = _device_scan_id(body.device, scan.id), min(_epoch_seconds(scan.at, f"{path}.at"), now)
    return _parse_scan(scan, scan_id, at, scan.ticket_id, body.event_id, body.device, path=path, is_online=False)


def _parse_scan(
    sent: CheckInBody | AdmitBody | OfflineScan,
    scan_id: str,
    at: int,
    ticket_id: str | None,
    event_id: str | None,
    device: str | None,
    *,
    path: str,
    is_online: bool,
) -> Scan:
    """Return the scan that is at `path` in a request. `ticket_id` takes precedence over the id in the scanned text.

    Raises InvalidInput for an exit with an override, because an override only admits people.
    """
    if sent.direction == "out" and sent.override_reason is not None:
        message = "Leave out the `override_reason` if the `direction` is `out`: an override only admits people."
        raise InvalidInput(message, path=f"{path}.override_reason")
    code, qr_sig, rotating = None if sent.code is None else normalize_code(sent.code), sent.qr_sig, None
    scanned = qr.parse_ticket_text(sent.code) if sent.code is not None else None
    if scanned is not None and scanned.password is None:
        code, qr_sig = scanned.code, scanned.qr_sig
    elif scanned is not None:
        # The text comes from a wallet. Ignore the one-time password of an offline scan: the device could not check it, and the people are
        # already in.
        code, qr_sig, rotating = None, None, RotatingCode(scanned.code, scanned.password if is_online else None)
    return Scan(
        id=scan_id,
        at=at,
        ticket_id=ticket_id or (scanned.ticket_id if scanned is not None else None),
        code=code,
        qr_sig=qr_sig,
        rotating=rotating,
        event_id=event_id,
        count=sent.count,
        gate=sent.gate,
        device=device,
        override_reason=sent.override_reason,
        direction=sent.direction,
    )


def _epoch_seconds(moment: datetime, path: str) -> int:
    """Convert a time from the request to epoch seconds. Raises InvalidInput if the year is out of range."""
    try:
        return clock.epoch_seconds(moment)
    except ValueError as error:
        raise InvalidInput(f"`{path}` is not a valid time: {error}.", path=path) from None
