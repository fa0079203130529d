"""Routes for messages: people in a waiting room ask for messages about their turn; managers and admins see which emails were sent."""

from collections.abc import Sequence
from typing import Annotated

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib.accounts.model import Email, email_key
from chalicelib.addons.messages import store
from chalicelib.addons.messages.model import PushSubscription, TurnNotAhead, TurnNotice
from chalicelib.catalog import permissions
from chalicelib.edge import cursors, rate_limits
from chalicelib.edge.auth import Forbidden
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.languages import ACCEPT_LANGUAGE, Language
from chalicelib.edge.rate_limits import MAIL, RECIPIENT, RateLimited, limited
from chalicelib.edge.routes import CacheableReply, Done, Reply, RequestContext, route
from chalicelib.foundation import clock
from chalicelib.foundation.addons import PersonalItems
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.errors import NotFound
from chalicelib.foundation.ids import Id
from chalicelib.notifications import outbox
from chalicelib.notifications.model import Notification, NotificationNotFound, NotificationStatus, NotResendable, Problem
from chalicelib.notifications.store import list_event_notifications, list_problem_notifications
from chalicelib.waiting_room.model import (
    JoiningStopped,
    NoWaitingRoom,
    RoomCleared,
    TokenExpired,
    TokenInvalid,
    TokenOfAnotherEvent,
    TokenOfAnotherUser,
)

bp = Blueprint(__name__)

PUSH_KEY_SECONDS = 300  # how long browsers and the CDN may keep the public key


class TurnNoticeBody(Struct, forbid_unknown_fields=True):
    """`token` is the waiting room's token. Users whose account has no confirmed address send `email` or `push`, or both."""

    token: Annotated[str, Meta(max_length=2048)]
    email: Email | None = None
    push: PushSubscription | None = None


class TurnNoticeView(Struct, frozen=True, kw_only=True):
    """A request for messages about a turn. `email` is null if the emails go to the account's address, or if no emails were requested.

    `push` is the browser that gets push messages.
    """

    event_id: str
    email: str | None
    push: PushSubscription | None
    language: Language
    joined_at: Timestamp


class PushKeyView(Struct, frozen=True):
    """`public_key` is what a browser needs to subscribe to push messages: the `applicationServerKey`, in base64url."""

    public_key: str


@route(bp, "GET", "/push-key", access="public")
def show_push_key(_request: RequestContext) -> CacheableReply[PushKeyView]:
    """Show the public key of the shop's push messages."""
    from chalicelib.addons.messages import push  # few requests need it

    return CacheableReply.encode(PushKeyView(push.public_key()), max_age=PUSH_KEY_SECONDS)


@route(
    bp,
    "PUT",
    "/events/{event_id}/waiting-room/notice",
    access="user",
    headers=(ACCEPT_LANGUAGE,),
    errors=(
        NotFound,
        NoWaitingRoom,
        TokenInvalid,
        TokenOfAnotherEvent,
        TokenOfAnotherUser,
        TokenExpired,
        RoomCleared,
        TurnNotAhead,
        JoiningStopped,
        RateLimited,
    ),
)
def request_turn_messages(request: RequestContext, event_id: str, body: TurnNoticeBody) -> Reply[TurnNoticeView]:
    """Ask for a message with your place after the draw, and for a message shortly before your turn, by email, push message or both."""
    from chalicelib.addons.messages import push, turn_notices  # few requests need it

    user_id = request.require_user().user_id
    if body.push is not None:
        push.check_subscription(body.push)
    address, stored = turn_notices.checked_address(user_id, body.email, has_push=body.push is not None)
    receiver = email_key(address) if address is not None else push.topic_of(body.push.endpoint) if body.push is not None else ""
    turn_notices.check_place(user_id, event_id, body.token, request.now)  # a wrong token must not use up the address's limit
    with limited(request, MAIL, receiver, "turn"):
        notice = turn_notices.request_messages(user_id, event_id, body.token, stored, body.push, request.language, request.now)
    return Reply(turn_notice_view(notice))


@route(bp, "DELETE", "/events/{event_id}/waiting-room/notice", access="user")
def stop_turn_messages(request: RequestContext, event_id: str) -> Reply[Done]:
    """Stop the messages about your turn at an event. Your place stays the same."""
    from chalicelib.addons.messages import turn_notices

    turn_notices.stop_messages(request.require_user().user_id, event_id, request.now)
    return Reply(Done("You will not receive any more messages about your turn. Your place in the waiting room stays the same."))


def turn_notice_view(notice: TurnNotice) -> TurnNoticeView:
    joined_at = clock.iso(notice.arrival.joined_at)
    return TurnNoticeView(event_id=notice.event_id, email=notice.email, push=notice.push, language=notice.language, joined_at=joined_at)


def _delete_turn_notices(notices: Sequence[TurnNotice], _user_id: str, now: int) -> None:
    from chalicelib.addons.messages import turn_notices

    for notice in notices:
        turn_notices.delete_notice(notice, now)


# The field is named after the table.
PERSONAL_ITEMS = PersonalItems(
    field="event_notices",
    view=TurnNoticeView,
    read=store.list_turn_notices,
    show=lambda notice, _now: turn_notice_view(notice),
    delete=_delete_turn_notices,
)

_POSITION = r"\d{11}[#~].{1,300}"


class MessagesQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which messages to list: all messages about one event or, for admins, all messages with this problem, from all events."""

    event_id: Id | None = None
    problem: Problem = "failed"
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Cursor | None = None


class MessageView(Struct, frozen=True, kw_only=True):
    """An email about a change. `subject_id` is the order, ticket or event that changed. `failure` is the last attempt's error."""

    id: str
    kind: str
    status: NotificationStatus
    event_id: str
    subject_id: str
    language: str
    attempts: int
    created_at: Timestamp
    changed_at: Timestamp
    next_try_at: Timestamp | None
    failure: str | None


class MessagesView(Struct, frozen=True, kw_only=True):
    """A page of messages, newest first. `next_cursor` is null on the last page."""

    messages: list[MessageView]
    next_cursor: str | None


@route(bp, "GET", "/admin/messages", access="manager", errors=(NotFound,))
def list_messages(request: RequestContext, query: MessagesQuery) -> Reply[MessagesView]:
    """List the emails about an event, or the undelivered emails of all events."""
    identity = request.require_user()
    after = cursors.decode(query.cursor, _POSITION) if query.cursor is not None else None
    if query.event_id is not None:
        event = permissions.require_manager(identity, query.event_id)
        found, last = list_event_notifications(event.id, query.limit, after)
    elif "admin" in identity.roles:
        found, last = list_problem_notifications(query.problem, query.limit, after)
    else:
        raise Forbidden("Name one of your events in `event_id`. Only admins see the messages of all events.")
    return Reply(MessagesView(messages=[_view(notification) for notification in found], next_cursor=cursors.encode(last) if last else None))


@route(bp, "POST", "/admin/messages/{message_id}/resend", access="manager", errors=(NotificationNotFound, NotResendable, RateLimited))
def resend_message(request: RequestContext, message_id: str) -> Reply[MessageView]:
    """Send an email again, within a minute. Does nothing if the email is already queued."""
    identity = request.require_user()
    notification = outbox.get_notification(message_id)
    if not permissions.may_manage(identity, notification.event_id):
        raise NotificationNotFound()
    if notification.status != "queued":  # sending does not count emails about paid orders
        rate_limits.require_effect(RECIPIENT, f"resend {notification.facts.get('order_id', notification.id)}", request.now)
    return Reply(_view(outbox.resend_notification(notification, identity.user_id, request.now)))


def _view(notification: Notification) -> MessageView:
    return MessageView(
        id=notification.id,
        kind=notification.kind,
        status=notification.status,
        event_id=notification.event_id,
        subject_id=notification.subject_id,
        language=notification.language,
        attempts=notification.attempts,
        created_at=clock.iso(notification.created_at),
        changed_at=clock.iso(notification.changed_at),
        next_try_at=clock.iso(max(notification.next_at, notification.due_at)) if notification.next_at is not None else None,
        failure=notification.failure,
    )
