"""Create, change and delete a promoter's endpoints. Each change and its audit entry are written in one transaction."""

import secrets
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from chalicelib.accounts import profiles
from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Account, AddressNotVerified
from chalicelib.addons.outgoing_webhooks import store
from chalicelib.addons.outgoing_webhooks.model import (
    MAX_ENDPOINTS,
    PREVIOUS_SECRET_SECONDS,
    DisabledReason,
    Endpoint,
    EndpointChanging,
    EndpointNotFound,
    EventType,
    TooManyEndpoints,
)
from chalicelib.audit import service as audit
from chalicelib.catalog.revisions import ANY_VERSION, Expected
from chalicelib.dynamodb import dynamo
from chalicelib.edge.auth import Identity
from chalicelib.edge.languages import DEFAULT, Language
from chalicelib.foundation import addons, outbound_http, parallel, settings
from chalicelib.foundation.errors import InvalidInput
from chalicelib.foundation.outbound_http import DestinationRefused
from chalicelib.notifications import outbox
from chalicelib.notifications.model import Notification
from chalicelib.promoters.service import require_own

MAX_ATTEMPTS = 5
SENDER = "outgoing_webhooks"  # the actor of changes that the sender makes
SECRET_PREFIX = "whsec_"  # noqa: S105 - not a secret, but how receivers' libraries recognize one
SECRET_BYTES = 32


def new_secret() -> str:
    """Return a random secret in the format that receivers' libraries expect."""
    return SECRET_PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def require_owner(identity: Identity, promoter_id: str) -> None:
    """Require that the caller may act for this promoter. Raises Forbidden."""
    require_own(identity, promoter_id, "You can only manage your own webhook endpoints.")


def get_endpoint(promoter_id: str, endpoint_id: str) -> Endpoint:
    """Return an endpoint of the promoter. Raises EndpointNotFound."""
    found = store.find_endpoint(promoter_id, endpoint_id)
    if found is None:
        raise EndpointNotFound(endpoint_id=endpoint_id)
    return found


def create_endpoint(
    promoter_id: str,
    endpoint_id: str,
    url: str,
    description: str,
    event_types: list[EventType],
    actor: str,
    now: int,
    language: Language = DEFAULT,
) -> Endpoint:
    """Create an endpoint with a new secret, and mail the promoter a notice, or return the existing endpoint with this id.

    The promoter's address must be verified: the owner of an address can take over an account that a stranger registered with it, and the
    stranger's endpoints would then get the orders of the owner's events. Raises AddressNotVerified, InvalidInput or TooManyEndpoints.
    """
    existing, account = parallel.both(lambda: store.list_endpoints(promoter_id), lambda: accounts.find_account(promoter_id))
    if found := next((endpoint for endpoint in existing if endpoint.id == endpoint_id), None):
        return found
    if account is not None and account.verified_at is None:
        raise AddressNotVerified()
    _check_count(promoter_id, len(existing) + 1)
    _check_url(url)
    new = Endpoint(
        promoter_id=promoter_id,
        id=endpoint_id,
        url=url,
        secret=new_secret(),
        created_at=now,
        updated_at=now,
        description=description,
        event_types=event_types,
    )
    dynamo.transact([store.create_endpoint_item(new), _audit_item(new, "webhook_endpoint.created", actor, now, _shown(new))])
    listed, _ = parallel.both(lambda: store.list_endpoints(promoter_id), lambda: _mail_notice(account, language, now))
    try:  # simultaneous requests may all have counted before any of them wrote; now at least the last one sees them all
        _check_count(promoter_id, len(listed))
    except TooManyEndpoints:
        _try_delete(new, actor, now)
        raise
    return new


def change_endpoint(
    promoter_id: str, endpoint_id: str, values: dict[str, Any], actor: str, now: int, expected: Expected, language: Language = DEFAULT
) -> Endpoint:
    """Change fields of an endpoint. `values` maps field names to new values. An endpoint that is enabled again starts without failures.

    Mails the promoter a notice about a new address. Raises InvalidInput, EndpointNotFound, EndpointChanging, and what `expected.check`
    raises.
    """
    if "url" in values:
        _check_url(values["url"])

    def change(before: Endpoint) -> Endpoint:
        expected.check(before)
        after = replace(before, **values)
        return replace(after, failing_since=None) if after.is_enabled and not before.is_enabled else after

    changed = _change(promoter_id, endpoint_id, change, "webhook_endpoint.changed", actor, now)
    if "url" in values:
        _mail_notice(accounts.find_account(promoter_id), language, now)
    return changed


def rotate_secret(promoter_id: str, endpoint_id: str, actor: str, now: int) -> Endpoint:
    """Give an endpoint a new secret. Messages are also signed with the old secret for another day.

    Raises EndpointNotFound or EndpointChanging.
    """

    def change(before: Endpoint) -> Endpoint:
        until = now + PREVIOUS_SECRET_SECONDS
        return replace(before, secret=new_secret(), previous_secret=before.secret, previous_secret_until=until)

    return _change(promoter_id, endpoint_id, change, "webhook_endpoint.secret_rotated", actor, now)


def disable_endpoint(endpoint: Endpoint, reason: DisabledReason, event_id: str | None, now: int) -> None:
    """Disable an endpoint because it replied 410 (Gone) or has failed for too long.

    Does nothing if the endpoint was deleted or is already disabled. Its promoter gets one email, unless `event_id` is None or the add-on
    `messages` is disabled. `event_id` is the event of the message that failed; a test message has no event.
    """

    def change(before: Endpoint) -> Endpoint:
        return replace(before, disabled_reason=reason) if before.is_enabled else before

    def mail_items(after: Endpoint) -> list[dynamo.TransactItem]:
        return (
            []
            if event_id is None or not addons.is_on("messages")
            else [outbox.queue_notification_item(_mail(after, reason, event_id, now))]
        )

    try:
        _change(endpoint.promoter_id, endpoint.id, change, "webhook_endpoint.disabled", SENDER, now, mail_items)
    except EndpointNotFound:
        return


def delete_endpoint(promoter_id: str, endpoint_id: str, actor: str, now: int, expected: Expected = ANY_VERSION) -> None:
    """Delete an endpoint; its pending messages are not sent. Raises EndpointNotFound, and what `expected.check` raises."""
    endpoint = get_endpoint(promoter_id, endpoint_id)
    expected.check(endpoint)
    if not _try_delete(endpoint, actor, now):
        raise EndpointNotFound(endpoint_id=endpoint_id)


def delete_endpoints(found: Sequence[Endpoint], actor: str, now: int) -> None:
    """Delete the endpoints of a promoter whose data is erased. Safe to repeat."""
    parallel.call_each(lambda endpoint: _try_delete(endpoint, actor, now), found)


def record_action(endpoint: Endpoint, action: str, actor: str, now: int, **details: Any) -> None:
    """Record in the audit log an action that did not change the endpoint."""
    dynamo.transact([_audit_item(endpoint, action, actor, now, details)])


def _try_delete(endpoint: Endpoint, actor: str, now: int) -> bool:
    """Delete an endpoint. Returns False if it no longer exists."""
    entry = _audit_item(endpoint, "webhook_endpoint.deleted", actor, now, _shown(endpoint))
    try:
        dynamo.transact([store.delete_endpoint_item(endpoint), entry])
    except dynamo.ConditionFailed:
        return False
    return True


def _mail_notice(account: Account | None, language: Language, now: int) -> None:
    """Tell a promoter by email that webhooks go to a new address.

    An address that was set with a stolen session would still get webhooks after the password is changed.
    """
    if account is not None:
        accounts.mail_notice("webhook_endpoint_set", account.email, language, now)


def _mail(disabled: Endpoint, reason: DisabledReason, event_id: str, now: int) -> Notification:
    """Return the notification that an endpoint was disabled. It contains only the endpoint's host, because the path may be secret."""
    return outbox.new_notification(
        "webhook_disabled",
        disabled.id,
        disabled.version,
        user_id=disabled.promoter_id,
        event_id=event_id,
        now=now,
        facts={"host": urlsplit(disabled.url).netloc, "reason": reason},
    )


def _change(
    promoter_id: str,
    endpoint_id: str,
    change: Callable[[Endpoint], Endpoint],
    action: str,
    actor: str,
    now: int,
    items_for: Callable[[Endpoint], Sequence[dynamo.TransactItem]] = lambda _: (),
) -> Endpoint:
    """Commit a change together with its audit entry and the items of `items_for`.

    After a conflict, reads the endpoint again and applies the change to it. A change without effect creates no new version.
    """
    for _ in range(MAX_ATTEMPTS):
        before = get_endpoint(promoter_id, endpoint_id)
        after = change(before)
        if after == before:
            return before
        after = replace(after, version=before.version + 1, updated_at=now)
        old, new = _shown(before), _shown(after)
        changes = {name: (old[name], new[name]) for name in new if old[name] != new[name]}
        fields = [*(name for name in ("url", "description") if getattr(before, name) != getattr(after, name)), *changes]
        details = {"promoter_id": promoter_id, "fields": fields}
        entry = audit.entry_item(_subject(after), action, actor, now, details, changes=changes)
        try:
            dynamo.transact([store.replace_endpoint_item(before, after), entry, *items_for(after)])
            return after
        except dynamo.ConditionFailed:
            continue
    raise EndpointChanging(retry_after_seconds=1)


def _check_count(promoter_id: str, count: int) -> None:
    """Raise TooManyEndpoints if the promoter may not have this many endpoints. Reads the profile only above the lower limit."""
    limit = settings.current().unverified_endpoints
    if count > limit and profiles.is_verified(promoter_id):
        limit = MAX_ENDPOINTS
    if count > limit:
        raise TooManyEndpoints(limit=limit)


def _check_url(url: str) -> None:
    try:
        outbound_http.resolve(outbound_http.parse(url))
    except DestinationRefused as error:
        raise InvalidInput(str(error), path="$.url", rule=error.rule) from None


def _audit_item(endpoint: Endpoint, action: str, actor: str, now: int, details: dict[str, Any]) -> dynamo.TransactItem:
    return audit.entry_item(_subject(endpoint), action, actor, now, {"promoter_id": endpoint.promoter_id, **details})


def _subject(endpoint: Endpoint) -> str:
    return f"webhook_endpoint#{endpoint.id}"


def _shown(endpoint: Endpoint) -> dict[str, Any]:
    """Return the fields whose values the audit log shows. The others may name a person or be secret, and the log is never erased."""
    return {"event_types": endpoint.event_types, "disabled_reason": endpoint.disabled_reason}
