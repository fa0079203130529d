"""Passes over HTTP: put a ticket into a wallet, and the web service that Apple's phones call. Also the job that updates passes."""

import hmac
from email.utils import formatdate, parsedate_to_datetime
from typing import Annotated, Any, ClassVar

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib.addons.wallets import apple, passes, store
from chalicelib.addons.wallets.passes import WalletUnavailable
from chalicelib.addons.wallets.store import Pass, Wallet
from chalicelib.edge.languages import ACCEPT_LANGUAGE
from chalicelib.edge.operation import Header
from chalicelib.edge.rate_limits import TRANSFER, RateLimited, limited_by_address
from chalicelib.edge.routes import Done, Reply, RequestContext, route
from chalicelib.edge.scheduled import scheduled_job
from chalicelib.foundation import clock, deadline, settings
from chalicelib.foundation.errors import ApiError, NotFound
from chalicelib.foundation.log import logger
from chalicelib.tickets.model import TicketFrozen, TicketVoid

RUN_SECONDS = 50
MAX_DEVICES = 20  # per pass
MAX_LOG_CHARACTERS = 500  # of each message
SCHEME = "ApplePass "

bp = Blueprint(__name__)


class WalletsView(Struct, frozen=True):
    """The phone wallets to which tickets of this shop can be added."""

    wallets: list[Wallet]


class WalletBody(Struct, forbid_unknown_fields=True):
    wallet: Wallet


class WalletLinkView(Struct, frozen=True):
    """The address that adds the ticket to a phone's wallet. It works for anybody, so give it only to the ticket's owner."""

    url: str


@route(bp, "GET", "/wallets", access="public")
def show_wallets(request: RequestContext) -> Reply[WalletsView]:
    """List the phone wallets to which tickets of this shop can be added."""
    return Reply(WalletsView(passes.offered_wallets(request.now)))


@route(
    bp,
    "POST",
    "/tickets/{ticket_id}/passes",
    access="user",
    headers=(ACCEPT_LANGUAGE,),
    errors=(NotFound, TicketVoid, TicketFrozen, WalletUnavailable, RateLimited),
)
def make_pass(request: RequestContext, ticket_id: str, body: WalletBody) -> Reply[WalletLinkView]:
    """Return the link that adds one of the caller's tickets to a wallet. The pass is updated whenever the ticket changes."""
    request.mark_repeatable()
    with limited_by_address(request, TRANSFER):
        made = passes.make_pass(request.require_user().user_id, ticket_id, body.wallet, request.language, request.now)
        if body.wallet == "google":
            return Reply(WalletLinkView(passes.google_link(made)))
    return Reply(WalletLinkView(settings.current().page_url(f"api/v1/passes/{made.serial}?token={made.token}")))


class PassQuery(Struct, forbid_unknown_fields=True):
    token: Annotated[str, Meta(max_length=100)]


@route(bp, "GET", "/passes/{serial}", access="public", media_types=(apple.MEDIA_TYPE,), errors=(NotFound,))
def download_pass(request: RequestContext, serial: str, query: PassQuery) -> Reply[bytes]:  # noqa: ARG001
    """Return the file of an Apple Wallet pass to anybody who has its link."""
    found = _find(serial)
    if found is None or not _is_token(found, query.token):
        raise NotFound()
    return _file_reply(found)


# The web service of Apple's protocol for updates, at `webServiceURL` + /v1.

_LATEST = "/apple/v1/passes/{pass_type}/{serial}"
_REGISTRATION = "/apple/v1/devices/{device_id}/registrations/{pass_type}/{serial}"
AUTHORIZATION = Header("Authorization", "`ApplePass` and the pass's `authenticationToken`.")
IF_MODIFIED_SINCE = Header("If-Modified-Since", "The `Last-Modified` of the pass that the phone has.")


class PassTokenRefused(ApiError):
    code: ClassVar[str] = "pass_token_refused"
    status: ClassVar[int] = 401
    default_message: ClassVar[str] = "Send the pass's own token as `Authorization: ApplePass <token>`."


class TooManyPhones(ApiError):
    code: ClassVar[str] = "too_many_phones"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This pass is on too many phones. Remove it from one of them first."


class RegistrationBody(Struct, rename="camel"):
    """The push token with which APNs reaches the phone."""

    push_token: Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{1,200}\Z", description="Hex digits.", examples=["00fc13adff785122"])]


class ChangedPassesQuery(Struct, rename="camel"):
    """`passesUpdatedSince` is the `lastUpdated` of the last reply. Without it, all passes of the phone are listed."""

    passes_updated_since: Annotated[str, Meta(pattern=r"^\d{1,15}\Z", description="Digits.", examples=["1780315200"])] = "0"


class ChangedPassesView(Struct, frozen=True, rename="camel"):
    """The serial numbers of changed passes. The next request has `lastUpdated` as its `passesUpdatedSince`."""

    serial_numbers: list[str]
    last_updated: str


class LogBody(Struct):
    """Messages from a phone about errors in this web service or in a pass."""

    logs: Annotated[list[str], Meta(max_length=50)]


@route(
    bp,
    "POST",
    _REGISTRATION,
    access="public",
    statuses=(200, 201),
    headers=(AUTHORIZATION,),
    errors=(PassTokenRefused, TooManyPhones, RateLimited),
)
def register_phone(request: RequestContext, device_id: str, pass_type: str, serial: str, body: RegistrationBody) -> Reply[Done]:
    """Record that a phone has a pass, so that the phone is told when the pass changes."""
    with limited_by_address(request, TRANSFER):
        found = _require_pass(request, pass_type, serial)
        is_new = store.register(found, device_id, body.push_token)
        if is_new and len(store.list_devices(found)) > MAX_DEVICES:  # counted afterwards, because others may register at the same time
            store.unregister(found, device_id)
            raise TooManyPhones()
    return Reply(Done("The phone is registered."), 201 if is_new else 200)


@route(bp, "DELETE", _REGISTRATION, access="public", headers=(AUTHORIZATION,), errors=(PassTokenRefused,))
def unregister_phone(request: RequestContext, device_id: str, pass_type: str, serial: str) -> Reply[Done]:
    """Record that a phone no longer has a pass."""
    store.unregister(_require_pass(request, pass_type, serial), device_id)
    return Reply(Done("The phone is no longer registered."))


@route(bp, "GET", "/apple/v1/devices/{device_id}/registrations/{pass_type}", access="public", statuses=(200, 204))
def list_changed_passes(
    request: RequestContext,  # noqa: ARG001
    device_id: str,
    pass_type: str,
    query: ChangedPassesQuery,
) -> Reply[ChangedPassesView | str]:
    """List the passes of a phone that have changed since its last request. In Apple's protocol, the id of the phone is its secret."""
    serials = store.list_serials(device_id) if pass_type == settings.current().apple_pass_type else []
    changed = [each for each in store.find_passes("apple", serials) if each.changed_at > int(query.passes_updated_since)]
    if not changed:
        return Reply("", 204)
    return Reply(ChangedPassesView([each.serial for each in changed], str(max(each.changed_at for each in changed))))


@route(
    bp,
    "GET",
    _LATEST,
    access="public",
    statuses=(200, 304),
    headers=(AUTHORIZATION, IF_MODIFIED_SINCE),
    media_types=(apple.MEDIA_TYPE,),
    errors=(PassTokenRefused,),
)
def show_latest_pass(request: RequestContext, pass_type: str, serial: str) -> Reply[bytes | str]:
    """Return the latest version of a pass to a phone that has it."""
    found = _require_pass(request, pass_type, serial)
    since = request.header("if-modified-since")
    if since is not None and _epoch_seconds(since) >= found.changed_at:
        return Reply("", 304, {"Last-Modified": formatdate(found.changed_at, usegmt=True)})
    return _file_reply(found)


@route(bp, "POST", "/apple/v1/log", access="public", errors=(RateLimited,))
def log_messages(request: RequestContext, body: LogBody) -> Reply[Done]:
    """Log messages from a phone, which explain why the phone refuses a pass."""
    with limited_by_address(request, TRANSFER):
        if settings.current().apple_pass_type:
            logger.info("wallets.apple_log", messages=[message[:MAX_LOG_CHARACTERS] for message in body.logs[:10]])
    return Reply(Done("Logged."))


def _require_pass(request: RequestContext, pass_type: str, serial: str) -> Pass:
    """Return the pass if the request has its token. Raises PassTokenRefused, which does not reveal whether the pass exists."""
    found = _find(serial) if pass_type == settings.current().apple_pass_type else None
    sent = request.header("authorization") or ""
    if found is None or not sent.startswith(SCHEME) or not _is_token(found, sent.removeprefix(SCHEME)):
        raise PassTokenRefused()
    return found


def _find(serial: str) -> Pass | None:
    ticket_id, _, digest = serial.rpartition(".")
    return store.find_pass("apple", ticket_id, digest) if ticket_id and settings.current().apple_pass_type else None


def _is_token(found: Pass, sent: str) -> bool:
    return hmac.compare_digest(found.token.encode(), sent.strip().encode())


def _file_reply(found: Pass) -> Reply[Any]:
    headers = {
        "Content-Type": apple.MEDIA_TYPE,
        "Content-Disposition": f'attachment; filename="{found.serial}.pkpass"',
        "Last-Modified": formatdate(found.changed_at, usegmt=True),
        "Cache-Control": "private, no-store",
    }
    return Reply(passes.apple_file(found), 200, headers)


def _epoch_seconds(http_date: str) -> float:
    try:
        return parsedate_to_datetime(http_date).timestamp()
    except (ValueError, OverflowError):
        return 0


@scheduled_job(bp, "update_passes", minutes=1, description="Updates the passes of changed tickets and events in wallets, and retries.")
def update_passes() -> dict[str, Any]:
    """Make all due updates. The table's stream calls this as soon as an update is queued; the schedule is for retries."""
    with deadline.within(RUN_SECONDS):
        return passes.update_due(clock.now())
